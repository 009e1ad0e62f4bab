"""Posterior explorer: its numbers obey the loss, its pictures are what the models give."""

import re

import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from helpers.studios import STUDIOS, autoencoder, images, vae
from helpers.svg import elements, number, texts
from helpers.widgets import numbers, widgets_in

from tutorial_utils.losses import bernoulli_nll, negative_elbo
from tutorial_utils.models import decode_images
from tutorial_utils.plotting import to_png
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.studios.posterior import (
    compare,
    encode_all,
    fixed_eps,
    image_row,
    loss_table,
    posterior_loss,
    svg_cloud,
)
from tutorial_utils.training import local_seed


@pytest.fixture
def explorer():
    return STUDIOS["posterior"].make()


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


def test_loss_is_the_negative_elbo_averaged_over_samples():
    model, image = vae(), images()[:1]
    with torch.no_grad():
        mu, logvar = model.encode(image)
    found = posterior_loss(model, image[0], mu[0], (0.5 * logvar[0]).exp(), fixed_eps())
    with torch.no_grad(), local_seed(0):
        wanted = negative_elbo(model, image.expand(4000, -1, -1, -1))
    assert found["kl"] == pytest.approx(float(wanted["kl"][0]), rel=1e-5)
    assert found["recon_loss"] == pytest.approx(float(wanted["recon_loss"].mean()), rel=5e-3)
    assert found["loss"] == pytest.approx(found["recon_loss"] + found["kl"])


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
    picture = svg_cloud(std, std * torch.tensor([[1.0, 2.0]]))
    two, one = [(number(e, "rx"), number(e, "ry")) for e in elements(picture, "ellipse")]
    (dot,) = elements(picture, "circle")
    assert 50 / 2.3 / 2.6 < one[0] < 25 and two[0] < 50
    assert one[0] == pytest.approx(2 * one[1], abs=0.02)
    assert two == pytest.approx((2 * one[0], 2 * one[1]), abs=0.02)
    up = (one[0], -2 * one[1])  # up on the map is up on the page
    assert (number(dot, "cx"), number(dot, "cy")) == pytest.approx(up, abs=0.02)
    (reach,) = [float(text.split("± ")[1]) for text in texts(picture) if "μ ±" in text]
    assert 50 * float(std[0]) / reach == pytest.approx(one[0], abs=0.01)


def test_the_table_has_yours_on_the_left_and_says_which_loss_is_higher():
    mine = {"recon_loss": 120.0, "kl": 3.0, "loss": 123.0}
    theirs = {"recon_loss": 110.0, "kl": 5.0, "loss": 115.0}
    one, two = torch.ones(2), 2 * torch.ones(2)
    table = loss_table((0 * one, one, mine), (one, two, theirs))
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)[1:]]
    codes = ["(0.000, 0.000)", "(1.000, 1.000)", "(2.000, 2.000)"]
    of_losses = [["120.0", "110.0"], ["3.0", "5.0"], ["123.0", "115.0"]]
    assert rows == [codes[:2], codes[1:], *of_losses]
    assert "8.0 nats higher than" in table
    assert "2.5 nats lower than" in compare(97.5, 100)
    assert compare(100.04, 100.0) == "Your loss and the encoder’s are equal."


# ---- the widget ----


def check_all(explorer) -> None:
    """Everything shown is what the models give at the mu and std that the map holds."""
    (mu, std), eps = state(explorer), fixed_eps()
    index, model, autoencoder = explorer.chooser.index, explorer.vae, explorer.autoencoder
    image, z = explorer.x[index], mu + std * eps
    for name, value in posterior_loss(model, image, mu, std, eps).items():
        assert re.search(rf"\b{name} {value:.1f}\b", explorer.pad.text.replace("−", "-"))
        assert f"<td>{value:.1f}</td>" in explorer.numbers.value
    np.testing.assert_allclose(explorer.pad.dots, z[:8])
    assert explorer.samples.value == to_png(image_row(decode_images(model, z[:8])))
    with torch.no_grad():
        means, codes = model.encode(explorer.x)[0], autoencoder.encode(explorer.x)
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
    for name, slider in explorer.sliders.items():
        assert slider.value == pytest.approx(getattr(explorer.pad, name), rel=0.06)
        assert slider.description.endswith(f"= {getattr(explorer.pad, name):.4f}")


def test_the_answer_is_the_encoders_for_each_image(explorer):
    for act in (
        lambda: None,
        explorer.chooser.button.click,
        lambda: setattr(explorer.chooser.label, "value", 2),
    ):
        act()
        index = explorer.chooser.index
        with torch.no_grad():
            mu, logvar = explorer.vae.encode(explorer.x[[index]])
            code = explorer.autoencoder.encode(explorer.x[[index]])[0]
        found_mu, found_std = state(explorer)
        torch.testing.assert_close(found_mu, mu[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(found_std, (0.5 * logvar[0]).exp(), atol=1e-4, rtol=0)
        other = explorer.other
        place = (code / other.extent).clamp(-1, 1) * other.extent
        assert [other.x, other.y] == pytest.approx(place.tolist(), abs=0.01, rel=0.01)
        assert "are equal" in explorer.pad.text and "are equal" in explorer.numbers.value
        assert f"test image {index}, a " in explorer.chooser.picture.alt
        check_all(explorer)
        explorer.pad.x = 0.0
    assert explorer.chooser.index % 3 == 2


def test_moves_of_point_handles_and_sliders_show_in_everything(explorer):
    pad, seen, start, text = explorer.pad, set(), state(explorer), explorer.pad.text
    for act in (
        lambda: pad.set_state({"x": 1.25, "y": -2.0}),
        lambda: pad.set_state({"std_x": 0.5}),
        lambda: pad.set_state({"std_y": 0.002}),
        lambda: setattr(explorer.sliders["std_x"], "value", 0.03),
        lambda: setattr(explorer.sliders["std_y"], "value", 1.7),
    ):
        act()
        check_all(explorer)
        seen.add((explorer.samples.value, explorer.others.value, explorer.pad.text))
    assert len(seen) == 5
    assert (pad.x, pad.y, pad.std_x, pad.std_y) == (1.25, -2.0, 0.03, 1.7)
    explorer.sliders["std_x"].value = 0.0548
    answer = next(b for b in widgets_in(explorer) if "answer" in getattr(b, "description", ""))
    answer.click()
    assert all(map(torch.equal, state(explorer), start)) and pad.text == text
    check_all(explorer)


def test_a_page_that_moves_sliders_to_whole_steps_leaves_std_alone(explorer):
    """The browser's slider sends back the nearest whole step whenever its value is set."""
    explorer.pad.std_x = 0.0548
    slider = explorer.sliders["std_x"]
    slider.value = 10 ** (round(np.log10(0.0548) / slider.step) * slider.step)
    assert explorer.pad.std_x == 0.0548


def test_every_step_of_a_slider_arrives(explorer):
    slider = explorer.sliders["std_x"]
    steps = np.arange(slider.min, slider.max, slider.step)
    for way in (steps, steps[:-20:-1]):
        found = []
        for exponent in way:
            slider.value = 10**exponent
            found.append(explorer.pad.std_x)
        np.testing.assert_allclose(found, 10**way, rtol=0.06)
        assert len(set(found)) == len(way)


def test_the_maps_hold_every_mean_and_almost_every_code(explorer):
    assert explorer.pad.extent >= max(3.5, float(explorer.mu.abs().max()))
    outside = (explorer.codes.abs() > explorer.other.extent).any(1).float().mean()
    assert outside <= 0.01 and explorer.other.passive and not explorer.pad.passive


def test_dots_outside_the_map_are_counted(explorer):
    explorer.pad.set_state({"std_x": 0.001, "std_y": 0.001})
    assert max(abs(number) for dot in explorer.other.dots for number in dot) < explorer.other.extent
    assert "outside" not in explorer.beside.value
    explorer.pad.std_x = explorer.pad.std_y = explorer.pad.extent
    outside = sum(max(map(abs, dot)) > explorer.other.extent for dot in explorer.other.dots)
    assert outside and f"({outside} outside the map)" in explorer.beside.value


def test_far_from_the_answer_the_loss_of_a_trained_model_is_higher(mnist):
    """What the learner is to see, on the shipped model: another mu or std costs loss."""
    model, eps = load_pretrained("vae_2d"), fixed_eps()
    mu, logvar = encode_all("vae", model, mnist.x_test[:40])
    std = (0.5 * logvar).exp()

    def mean_loss(shift: float = 0.0, factor: float = 1.0) -> float:
        losses = [
            posterior_loss(model, image, m + shift * s, factor * s, eps)["loss"]
            for image, m, s in zip(mnist.x_test, mu, std, strict=False)
        ]
        return float(np.mean(losses))

    answer = mean_loss()
    for other in ({"shift": 4}, {"shift": -4}, {"factor": 0.2}, {"factor": 4}):
        assert mean_loss(**other) > answer + 1


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"autoencoder": vae()}, TypeError, "autoencoder must be trained without noise, got a VAE"),
        ({"vae": vae(3)}, ValueError, "vae must have two latent num"),
        ({"autoencoder": autoencoder(3)}, ValueError, "autoencoder must have two latent"),
        ({"x": images(1), "y": torch.tensor([3])}, ValueError, "vae must give different images"),
    ],
)
def test_models_that_do_not_fit_are_named(changed, error, message):
    with pytest.raises(error, match=message):
        STUDIOS["posterior"].make(**changed)
