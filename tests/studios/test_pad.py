"""Latent pad: its picture is what the model decodes at the point, its map holds the codes."""

import pytest
import torch
from helpers.pictures import pixels

from tutorial_utils.models import decode_images
from tutorial_utils.plotting import to_png
from tutorial_utils.studios.pad import (
    code_map,
    far_distance,
    latent_pad,
    map_png,
    nearest_code,
)


@pytest.fixture
def model(make_vae):
    return make_vae().eval()


@pytest.fixture
def pad(model, digits):
    with torch.no_grad():
        mu, _ = model.encode(digits.x_test)
    return latent_pad(model, mu, digits.y_test)


def test_pad_shows_what_the_model_decodes_at_the_point(pad, model):
    for x, y in ((0.5, -1.25), (3.5, 3.5), (-3.5, 0)):
        pad.pad.set_state({"x": x, "y": y})
        assert pad.picture.value == to_png(decode_images(model, torch.tensor([[x, y]]))[0])
        assert f"z = ({x:.2f}, {y:.2f})".replace("-", "−") in pad.pad.text
        assert f"z = ({x:.2f}, {y:.2f})".replace("-", "−") in pad.label.value


def test_pad_stays_on_the_map_and_shows_all_digits_of_its_numbers(pad):
    pad.pad.x, pad.pad.y = 1e9, -1e9
    assert (pad.pad.x, pad.pad.y) == (3.5, -3.5)
    pad.pad.x = 0.12345
    assert pad.pad.x == 0.12
    with pytest.raises(ValueError, match="x must be finite"):
        pad.pad.x = float("nan")


def test_pad_says_which_code_is_near_and_when_none_is(model):
    z = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [1.0, 1.0]])
    pad = latent_pad(model, z, torch.tensor([5, 5, 5, 8]), extent=100)
    pad.pad.x, pad.pad.y = 1.0, 1.5
    assert "nearest test code: a 8, 0.50 away" in pad.pad.text and "far from" not in pad.pad.text
    pad.pad.x = -90.0
    for text in (pad.pad.text, pad.label.value):
        assert "far from every test code" in text


def test_nearest_and_far_on_points_on_a_line():
    z = torch.stack([torch.arange(50.0), torch.zeros(50)], dim=1)
    assert nearest_code(z, torch.tensor([7.2, 0.0])) == (7, pytest.approx(0.2, abs=1e-5))
    assert far_distance(z) == pytest.approx(3.0)  # neighbors are 1 apart
    assert far_distance(z[:1]) == 0


def test_map_puts_every_code_where_it_belongs():
    z, y = torch.tensor([[1.0, 1.0], [-9.0, 0.0]]), torch.tensor([4, 4])
    image = pixels(map_png(z, y, 2.0, pixels=400)).copy()
    alpha = image[..., 3]
    assert alpha[80:120, 280:320].any()  # three quarters to the right, one quarter from the top
    alpha[80:120, 280:320] = 0
    assert not alpha.any()  # nothing for the code outside


def test_pad_draws_the_posterior_of_the_nearest_image(model, digits):
    with torch.no_grad():
        mu, logvar = model.encode(digits.x_test)
    std = (0.5 * logvar).exp()
    pad = latent_pad(model, mu, digits.y_test, std=std)
    for x, y in ((0.5, -0.3), (-1.0, 1.0), (0.0, 0.0)):
        pad.pad.set_state({"x": x, "y": y})
        nearest = int(torch.cdist(torch.tensor([[x, y]]), mu).argmin())
        ellipse = [*mu[nearest].tolist(), *std[nearest].tolist()]
        assert pad.pad.ellipse == pytest.approx(ellipse)
        assert "σ = (" in pad.pad.text
        assert f"σ = ({std[nearest, 0]:.3f}, {std[nearest, 1]:.3f})" in pad.label.value
    assert "1σ" in pad.pad.hint


def test_pad_without_std_draws_no_posterior(pad):
    pad.pad.x = 1.0
    assert pad.pad.ellipse == [] and "σ" not in pad.pad.text + pad.label.value + pad.pad.hint


def test_small_map_shows_the_same_codes_with_fewer_pixels():
    z, y = torch.randn(50, 2), torch.arange(50) % 10
    path = [[0.0, 0.0], [1.0, 2.0]]
    large, small = code_map(z, y, 3.5), code_map(z, y, 3.5, size=200, path=path, rings=[1.0])
    assert pixels(large.background).shape == (720, 720, 4)
    assert pixels(small.background).shape == (360, 360, 4)
    assert (small.path, small.rings, large.path) == (path, [1.0], [])


Z = torch.zeros(360, 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"z": Z[:, :1]}, "z must hold two numbers per image"),
        ({"std": Z[:, :1] + 1}, "std and z must have the same shape"),
        ({"std": Z}, "std must be above 0, got 0"),
        ({"std": Z + torch.nan}, "std must be finite"),
        ({"extent": 0}, "extent must be a finite number above 0"),
    ],
)
def test_bad_arguments_are_named(changed, message, model, digits):
    with pytest.raises(ValueError, match=message):
        latent_pad(**({"model": model, "z": Z, "y": digits.y_test} | changed))


def test_a_model_of_more_numbers_has_no_pad(make_vae, digits):
    with pytest.raises(ValueError, match="model must have latent_dim 2, got 3"):
        latent_pad(make_vae(latent_dim=3), Z, digits.y_test)
