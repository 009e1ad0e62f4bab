"""The posterior explorer without a browser: its numbers obey the loss, its pictures are what the models give."""

import io
import re

import numpy as np
import pytest
import torch
from helpers.models import make_autoencoder
from PIL import Image
from torch import nn

from tutorial_utils.losses import bernoulli_nll, kl_standard_normal, negative_elbo
from tutorial_utils.models import Autoencoder, decode_images, mlp
from tutorial_utils.plotting import to_png
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


def numbers(text: str) -> dict[str, float]:
    return {
        name: float(value) for name, value in re.findall(r"(recon_loss|kl|loss) (−?[\d.]+)", text)
    }


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
    before = torch.get_rng_state()
    fixed_eps()
    assert torch.equal(before, torch.get_rng_state())


def test_for_a_linear_decoder_recon_loss_starts_at_that_of_mu_and_grows_with_std():
    """-log p(x|z) is convex in the logits, here linear in z: by Jensen, a wider q(z|x) has a larger recon_loss."""
    with local_seed(0):
        model, x = (
            Autoencoder(nn.Identity(), mlp([2, 16], out_shape=(1, 4, 4))),
            torch.rand(1, 4, 4),
        )
    mu, eps = torch.tensor([0.3, -1.2]), fixed_eps()
    losses = [
        posterior_loss(model, x, mu, torch.full((2,), std), eps)["recon_loss"]
        for std in (1e-4, 0.1, 0.5, 2.0)
    ]
    with torch.no_grad():
        assert losses[0] == pytest.approx(
            bernoulli_nll(model.decode(mu[None]), x[None]).item(), rel=1e-4
        )
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
    assert posterior_loss(vae, image, torch.zeros(2), torch.ones(2), eps)["kl"] == pytest.approx(
        0, abs=1e-6
    )
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
            torch.testing.assert_close(
                loss, bernoulli_nll(vae.decode(point[None]), digits.x_test[7:8])[0]
            )
    with pytest.raises(ValueError, match="logits and x must have the same shape"):
        recon_losses(vae, torch.zeros(1, 5, 5), z)


def test_neighbors_keep_their_distance_in_standard_deviations():
    with local_seed(0):
        z, codes = (
            torch.randn(500, 2) * torch.tensor([1.0, 0.2]),
            torch.randn(500, 2) * torch.tensor([30.0, 4.0]),
        )
        steps = torch.randn(8, 2)
    code = torch.tensor([12.0, -3.0])
    found = neighbors(code, steps, z.std(0), codes.std(0))
    torch.testing.assert_close((found - code) / codes.std(0), steps / z.std(0))
    torch.testing.assert_close(
        neighbors(code, 0 * steps, z.std(0), codes.std(0)), code.expand(8, 2)
    )
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
    two, one = [
        tuple(map(float, pair)) for pair in re.findall(r'rx="([\d.]+)" ry="([\d.]+)"', picture)
    ]
    right, down = map(float, re.search(r'cx="([\d.-]+)" cy="([\d.-]+)"', picture).groups())
    assert 50 / 2.3 / 2.6 < one[0] < 25 and two[0] < 50
    assert one[0] == pytest.approx(2 * one[1], abs=0.02) and two == pytest.approx(
        (2 * one[0], 2 * one[1]), abs=0.02
    )
    assert (right, down) == pytest.approx(
        (one[0], -2 * one[1]), abs=0.02
    )  # up on the map is up on the page
    reach = float(re.search(r"μ ± ([\d.e-]+)<", picture)[1])
    assert 50 * float(std[0]) / reach == pytest.approx(one[0], abs=0.01)


def test_what_is_said_of_two_losses():
    assert compare(100.04, 100.0) == "Your loss and the encoder’s are equal."
    assert "2.5 nats higher than" in compare(102.5, 100) and "2.5 nats lower than" in compare(
        97.5, 100
    )


def test_the_table_has_yours_on_the_left():
    mine, theirs = (
        {"recon_loss": a, "kl": b, "loss": a + b} for a, b in ((120.0, 3.0), (110.0, 5.0))
    )
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
    index = explorer.chooser.index
    image, eps = digits.x_test[index], fixed_eps()
    z = mu + std * eps
    loss = posterior_loss(explorer.vae, image, mu, std, eps)
    assert numbers(explorer.pad.text) == {name: round(value, 1) for name, value in loss.items()}
    assert all(f"<td>{value:.1f}</td>" in explorer.numbers.value for value in loss.values())
    np.testing.assert_allclose(explorer.pad.dots, z[:8])
    assert explorer.samples.value == to_png(image_row(decode_images(explorer.vae, z[:8])))
    with torch.no_grad():
        means, codes = (
            explorer.vae.encode(digits.x_test)[0],
            explorer.autoencoder.encode(digits.x_test),
        )
    near = codes[index] + (z - means[index]) / means.std(0) * codes.std(0)
    np.testing.assert_allclose(explorer.other.dots, near[:8], rtol=1e-4, atol=1e-4)
    shown = np.asarray(Image.open(io.BytesIO(explorer.others.value))).astype(int)
    wanted = 255 * image_row(decode_images(explorer.autoencoder, near[:8])).numpy()
    assert abs(shown - wanted).max() <= 1
    with torch.no_grad():
        beside = bernoulli_nll(
            explorer.autoencoder.decode(near), image.expand(64, -1, -1, -1)
        ).mean()
        at_code = bernoulli_nll(explorer.autoencoder.decode(codes[index : index + 1]), image[None])
    said = re.search(
        r"recon_loss: ([\d.]+) nats at the code, ([\d.]+) beside it", explorer.beside.value
    )
    assert [float(number) for number in said.groups()] == pytest.approx(
        [float(at_code), float(beside)], abs=0.06
    )
    assert said[0] in explorer.other.text
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
            mu, code = (
                vae.encode(digits.x_test)[0][index],
                explorer.autoencoder.encode(digits.x_test)[index],
            )
        torch.testing.assert_close(state(explorer)[0], mu, atol=1e-4, rtol=0)
        place = (code / explorer.other.extent).clamp(-1, 1) * explorer.other.extent
        torch.testing.assert_close(
            torch.tensor([explorer.other.x, explorer.other.y]), place, atol=0.01, rtol=0.01
        )
        assert (
            "are equal" in explorer.pad.text
            and f"test image {index}, a " in explorer.chooser.picture.alt
        )
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
    """The claim that the learner is to see, on the shipped model: moving mu away and shrinking std cost loss."""
    from tutorial_utils.store.shelf import load_pretrained

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
    assert (
        min(mean_loss(shift=4), mean_loss(shift=-4), mean_loss(factor=0.2), mean_loss(factor=4))
        > answer + 1
    )


def test_bad_arguments_are_named(vae, make_vae, digits):
    x, y, plain = digits.x_test, digits.y_test, make_autoencoder()
    for call, error, message in (
        (
            lambda: posterior_explorer(vae, vae, x, y),
            TypeError,
            "autoencoder must be trained without noise, got a VAE",
        ),
        (
            lambda: posterior_explorer(make_vae(latent_dim=3), plain, x, y),
            ValueError,
            "vae must have two latent num",
        ),
        (
            lambda: posterior_explorer(vae, make_autoencoder(3), x, y),
            ValueError,
            "autoencoder must have two latent",
        ),
        (
            lambda: posterior_explorer(vae, plain, x[:1], y[:1]),
            ValueError,
            "vae must give different images",
        ),
    ):
        with pytest.raises(error, match=message):
            call()
