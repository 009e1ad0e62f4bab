"""Posterior explorer: its numbers obey the loss, its pictures are what the models give."""

import re

import numpy as np
import pytest
import torch
from helpers.models import make_autoencoder
from helpers.pictures import pixels
from helpers.svg import elements, number, texts
from helpers.widgets import numbers
from torch import nn

from tutorial_utils.losses import bernoulli_nll, kl_standard_normal, negative_elbo
from tutorial_utils.models import Autoencoder, decode_images, mlp
from tutorial_utils.plotting import to_png
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.studios.pad import CodeMap, latent_pad
from tutorial_utils.studios.posterior import (
    compare,
    encode_all,
    fixed_eps,
    image_row,
    loss_table,
    neighbors,
    posterior_explorer,
    posterior_loss,
    recon_losses,
    svg_cloud,
)
from tutorial_utils.training import local_seed


@pytest.fixture
def vae(make_vae):
    return make_vae().eval()


@pytest.fixture
def explorer(vae, digits):
    return posterior_explorer(vae, make_autoencoder(), digits.x_test, digits.y_test)


def state(explorer) -> tuple[torch.Tensor, torch.Tensor]:
    pad = explorer.pad
    return torch.tensor([pad.x, pad.y]), torch.tensor([pad.std_x, pad.std_y])


# ---- the pure functions ----


def test_fixed_eps_are_fixed_and_have_the_mean_and_covariance_of_the_prior():
    eps = fixed_eps()
    assert eps.shape == (64, 2)
    torch.testing.assert_close(eps.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(eps.T @ eps / len(eps), torch.eye(2), atol=1e-5, rtol=0)
    torch.rand(3)
    assert torch.equal(eps, fixed_eps())


def test_for_a_linear_decoder_recon_loss_starts_at_that_of_mu_and_grows_with_std():
    """-log p(x|z) is convex in the logits, here linear in z: Jensen's inequality."""
    with local_seed(0):
        model = Autoencoder(nn.Identity(), mlp([2, 16], out_shape=(1, 4, 4)))
        x = torch.rand(1, 4, 4)
    mu, eps = torch.tensor([0.3, -1.2]), fixed_eps()
    losses = [
        posterior_loss(model, x, mu, torch.full((2,), std), eps)["recon_loss"]
        for std in (1e-4, 0.1, 0.5, 2.0)
    ]
    with torch.no_grad():
        at_mu = bernoulli_nll(model.decode(mu[None]), x[None]).item()
    assert losses[0] == pytest.approx(at_mu, rel=1e-4)
    assert sorted(set(losses)) == losses


def test_loss_is_the_negative_elbo_averaged_over_samples(vae, digits):
    image = digits.x_test[:1]
    with torch.no_grad():
        mu, logvar = vae.encode(image)
    found = posterior_loss(vae, image[0], mu[0], (0.5 * logvar[0]).exp(), fixed_eps())
    with torch.no_grad(), local_seed(0):
        wanted = negative_elbo(vae, image.expand(4000, -1, -1, -1))
    assert found["kl"] == pytest.approx(float(wanted["kl"][0]), rel=1e-5)
    assert found["recon_loss"] == pytest.approx(float(wanted["recon_loss"].mean()), rel=5e-3)
    assert found["loss"] == pytest.approx(found["recon_loss"] + found["kl"])


def test_kl_vanishes_at_the_prior_and_only_there(vae, digits):
    image, eps = digits.x_test[0], fixed_eps()
    at_prior = posterior_loss(vae, image, torch.zeros(2), torch.ones(2), eps)
    assert at_prior["kl"] == pytest.approx(0, abs=1e-6)
    for mu, std in (([0.5, 0], [1, 1]), ([0, 0], [1, 0.5]), ([0, 0], [2, 1])):
        mu, std = torch.tensor(mu).float(), torch.tensor(std).float()
        assert posterior_loss(vae, image, mu, std, eps)["kl"] > 0.05
    with pytest.raises(ValueError, match="std must be above 0"):
        posterior_loss(vae, image, torch.zeros(2), torch.tensor([1.0, 0.0]), eps)


def test_recon_losses_are_those_of_each_code_alone(vae, digits):
    z = torch.tensor([[0.1, 2.0], [-1.0, 0.5], [3.0, 0.0]])
    losses = recon_losses(vae, digits.x_test[7], z)
    for point, loss in zip(z, losses, strict=True):
        with torch.no_grad():
            alone = bernoulli_nll(vae.decode(point[None]), digits.x_test[7:8])[0]
        torch.testing.assert_close(loss, alone)
    with pytest.raises(ValueError, match="logits and x must have the same shape"):
        recon_losses(vae, torch.zeros(1, 5, 5), z)


def test_neighbors_keep_their_distance_in_standard_deviations():
    with local_seed(0):
        z = torch.randn(500, 2) * torch.tensor([1.0, 0.2])
        codes = torch.randn(500, 2) * torch.tensor([30.0, 4.0])
        steps = torch.randn(8, 2)
    code = torch.tensor([12.0, -3.0])
    found = neighbors(code, steps, z.std(0), codes.std(0))
    torch.testing.assert_close((found - code) / codes.std(0), steps / z.std(0))
    nearest = neighbors(code, 0 * steps, z.std(0), codes.std(0))
    torch.testing.assert_close(nearest, code.expand(8, 2))
    torch.testing.assert_close(neighbors(code, steps, z.std(0), z.std(0)), code + steps)


def test_image_row_holds_each_image_and_gray_between():
    images = torch.rand(3, 4, 5)
    row = image_row(images, gap=2)
    assert row.shape == (4, 3 * 5 + 2 * 2)
    for k in range(3):
        assert torch.equal(row[:, 7 * k : 7 * k + 5], images[k])
    assert (row[:, 5:7] == 0.5).all()


@pytest.mark.parametrize("scale", [1e-3, 0.05, 0.4, 3.0])
def test_the_magnified_cloud_fills_its_window_and_keeps_proportions(scale):
    std = scale * torch.tensor([1.0, 0.5])
    picture, _alt = svg_cloud(std, std * torch.tensor([[1.0, 2.0]]))
    two, one = [(number(e, "rx"), number(e, "ry")) for e in elements(picture, "ellipse")]
    (dot,) = elements(picture, "circle")
    assert 50 / 2.3 / 2.6 < one[0] < 25 and two[0] < 50
    assert one[0] == pytest.approx(2 * one[1], abs=0.02)
    assert two == pytest.approx((2 * one[0], 2 * one[1]), abs=0.02)
    up = (one[0], -2 * one[1])  # up on the map is up on the page
    assert (number(dot, "cx"), number(dot, "cy")) == pytest.approx(up, abs=0.02)
    (reach,) = [float(text.split("± ")[1]) for text in texts(picture) if "μ ±" in text]
    assert 50 * float(std[0]) / reach == pytest.approx(one[0], abs=0.01)


def test_what_is_said_of_two_losses():
    assert compare(100.04, 100.0) == "Your loss and the encoder’s are equal."
    assert "2.5 nats higher than" in compare(102.5, 100)
    assert "2.5 nats lower than" in compare(97.5, 100)


def test_the_table_has_yours_on_the_left():
    mine = {"recon_loss": 120.0, "kl": 3.0, "loss": 123.0}
    theirs = {"recon_loss": 110.0, "kl": 5.0, "loss": 115.0}
    one, two = torch.ones(2), 2 * torch.ones(2)
    table = loss_table((0 * one, one, mine), (one, two, theirs))
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)[1:]]
    assert rows[1:] == [
        ["(1.000, 1.000)", "(2.000, 2.000)"],
        ["120.0", "110.0"],
        ["3.0", "5.0"],
        ["123.0", "115.0"],
    ]
    assert "8.0 nats higher" in table


# ---- the map with an ellipse ----


def test_a_std_keeps_two_digits_or_is_no_ellipse():
    pad = CodeMap(extent=4.0, decimals=3)
    assert (pad.std_x, pad.std_y) == (0, 0)
    pad.std_x, pad.std_y = 1e-9, 1e9
    assert (pad.std_x, pad.std_y) == (0.01, 4.0)
    pad.std_x = 0.12345
    assert pad.std_x == 0.123
    pad.std_x = 0.0
    assert pad.std_x == 0
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="std_y must be finite"):
            pad.std_y = bad


def test_the_latent_pad_has_no_ellipse_no_dots_and_can_be_dragged(vae):
    pad = latent_pad(vae, torch.eye(2), torch.tensor([0, 1])).pad
    assert (pad.std_x, pad.std_y, pad.dots, pad.passive) == (0, 0, [], False)


# ---- the widget ----


def check_all(explorer, digits):
    """Everything shown is what the pure functions give at the mu and std that the map holds."""
    mu, std = state(explorer)
    index, vae, autoencoder = explorer.chooser.index, explorer.vae, explorer.autoencoder
    image, eps = digits.x_test[index], fixed_eps()
    z = mu + std * eps
    loss = posterior_loss(vae, image, mu, std, eps)
    for name, value in loss.items():
        assert re.search(rf"\b{name} {value:.1f}\b", explorer.pad.text.replace("−", "-"))
        assert f"<td>{value:.1f}</td>" in explorer.numbers.value
    np.testing.assert_allclose(explorer.pad.dots, z[:8])
    assert explorer.samples.value == to_png(image_row(decode_images(vae, z[:8])))
    with torch.no_grad():
        means, codes = vae.encode(digits.x_test)[0], autoencoder.encode(digits.x_test)
        near = codes[index] + (z - means[index]) / means.std(0) * codes.std(0)
        at_both = torch.cat([codes[[index]], near])
        losses = bernoulli_nll(autoencoder.decode(at_both), image.expand(65, -1, -1, -1))
    np.testing.assert_allclose(explorer.other.dots, near[:8], rtol=1e-4, atol=1e-4)
    wanted = 255 * image_row(decode_images(autoencoder, near[:8])).numpy()
    assert abs(pixels(explorer.others.value) - wanted).max() <= 1
    said = re.search(r"recon_loss: \S+ nats at the code, \S+ beside it", explorer.beside.value)[0]
    shown = [float(losses[0]), float(losses[1:].mean())]
    assert numbers(said) == pytest.approx(shown, abs=0.06)
    assert said in explorer.other.text
    return loss


def test_it_starts_at_the_encoders_answer(explorer, digits, vae):
    with torch.no_grad():
        mu, logvar = vae.encode(digits.x_test[:1])
    found_mu, found_std = state(explorer)
    torch.testing.assert_close(found_mu, mu[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(found_std, (0.5 * logvar[0]).exp(), atol=1e-4, rtol=0)
    loss = check_all(explorer, digits)
    assert loss["kl"] == pytest.approx(float(kl_standard_normal(mu, logvar)), abs=1e-2)
    assert "are equal" in explorer.pad.text and "are equal" in explorer.numbers.value


def test_moves_of_point_handles_and_sliders_show_in_everything(explorer, digits):
    pad, seen = explorer.pad, set()
    for act in (
        lambda: pad.set_state({"x": 1.25, "y": -2.0}),
        lambda: pad.set_state({"std_x": 0.5}),
        lambda: pad.set_state({"std_y": 0.002}),
        lambda: setattr(explorer.sliders["std_x"], "value", 0.03),
        lambda: setattr(explorer.sliders["std_y"], "value", 1.7),
    ):
        act()
        check_all(explorer, digits)
        seen.add((explorer.samples.value, explorer.others.value, explorer.pad.text))
        for name, slider in explorer.sliders.items():
            assert slider.value == pytest.approx(getattr(pad, name), rel=0.06)
            assert slider.description.endswith(f"= {getattr(pad, name):.4f}")
    assert len(seen) == 5
    assert (pad.x, pad.y, pad.std_x, pad.std_y) == (1.25, -2.0, 0.03, 1.7)


def test_a_page_that_moves_sliders_to_whole_steps_leaves_std_alone(explorer):
    """The browser's slider sends back the nearest whole step whenever its value is set."""
    explorer.pad.std_x = 0.0548
    slider = explorer.sliders["std_x"]
    slider.value = 10 ** (round(np.log10(0.0548) / slider.step) * slider.step)
    assert explorer.pad.std_x == 0.0548


def test_every_step_of_a_slider_arrives(explorer):
    slider = explorer.sliders["std_x"]
    steps = np.arange(slider.min, slider.max, slider.step)
    for way in (steps, steps[::-1]):
        found = []
        for exponent in way:
            slider.value = 10**exponent
            found.append(explorer.pad.std_x)
        np.testing.assert_allclose(found, 10**way, rtol=0.06)
        assert len(set(found)) == len(steps)


def test_the_button_brings_the_answer_back(explorer, digits):
    start, text = state(explorer), explorer.pad.text
    explorer.pad.set_state({"x": 3.0, "y": 3.0, "std_x": 1.0, "std_y": 0.01})
    assert explorer.pad.text != text
    explorer.button.click()
    assert all(map(torch.equal, state(explorer), start)) and explorer.pad.text == text
    check_all(explorer, digits)


def test_another_image_is_encoded_by_both(explorer, digits, vae):
    for act in (explorer.chooser.button.click, lambda: setattr(explorer.chooser.label, "value", 3)):
        explorer.pad.x = 0.0
        act()
        index = explorer.chooser.index
        with torch.no_grad():
            mu = vae.encode(digits.x_test)[0][index]
            code = explorer.autoencoder.encode(digits.x_test)[index]
        torch.testing.assert_close(state(explorer)[0], mu, atol=1e-4, rtol=0)
        other = explorer.other
        place = (code / other.extent).clamp(-1, 1) * other.extent
        assert [other.x, other.y] == pytest.approx(place.tolist(), abs=0.01, rel=0.01)
        assert "are equal" in explorer.pad.text
        assert f"test image {index}, a " in explorer.chooser.picture.alt
        check_all(explorer, digits)
    assert digits.y_test[explorer.chooser.index] == 3


def test_the_maps_hold_every_mean_and_almost_every_code(explorer, digits):
    assert explorer.pad.extent >= max(3.5, float(explorer.mu.abs().max()))
    outside = (explorer.codes.abs() > explorer.other.extent).any(1).float().mean()
    assert outside <= 0.01 and explorer.other.passive and not explorer.pad.passive


def test_dots_outside_the_map_are_counted(explorer):
    explorer.pad.set_state({"std_x": 0.001, "std_y": 0.001})
    assert max(abs(number) for dot in explorer.other.dots for number in dot) < explorer.other.extent
    assert "outside" not in explorer.beside.value
    explorer.pad.std_x = explorer.pad.extent
    explorer.pad.std_y = explorer.pad.extent
    outside = sum(max(map(abs, dot)) > explorer.other.extent for dot in explorer.other.dots)
    assert outside and f"({outside} outside the map)" in explorer.beside.value


def test_far_from_the_answer_the_loss_of_a_trained_model_is_higher(mnist):
    """What the learner is to see, on the shipped model: another mu or std costs loss."""
    vae, eps = load_pretrained("vae_2d"), fixed_eps()
    mu, logvar = encode_all("vae", vae, mnist.x_test[:40])
    std = (0.5 * logvar).exp()

    def mean_loss(shift: float = 0.0, factor: float = 1.0) -> float:
        losses = [
            posterior_loss(vae, image, m + shift * s, factor * s, eps)["loss"]
            for image, m, s in zip(mnist.x_test, mu, std, strict=False)
        ]
        return float(np.mean(losses))

    answer = mean_loss()
    for other in ({"shift": 4}, {"shift": -4}, {"factor": 0.2}, {"factor": 4}):
        assert mean_loss(**other) > answer + 1


def test_models_that_do_not_fit_are_named(vae, make_vae, digits):
    x, y, plain = digits.x_test, digits.y_test, make_autoencoder()
    with pytest.raises(TypeError, match="autoencoder must be trained without noise, got a VAE"):
        posterior_explorer(vae, vae, x, y)
    with pytest.raises(ValueError, match="vae must have two latent num"):
        posterior_explorer(make_vae(latent_dim=3), plain, x, y)
    with pytest.raises(ValueError, match="autoencoder must have two latent"):
        posterior_explorer(vae, make_autoencoder(3), x, y)
    with pytest.raises(ValueError, match="vae must give different images"):
        posterior_explorer(vae, plain, x[:1], y[:1])
