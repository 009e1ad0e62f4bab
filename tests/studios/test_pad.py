"""Latent pad: its picture is what the model decodes at the point, its map holds the codes."""

import pytest
import torch
from helpers.pictures import pixels
from helpers.studios import STUDIOS, vae

from tutorial_utils.models import decode_images
from tutorial_utils.plotting import to_png
from tutorial_utils.studios.pad import CodeMap, code_map, far_distance, map_png, nearest_code

PAD = STUDIOS["pad"]


def test_pad_shows_what_the_model_decodes_at_the_point():
    pad = PAD.make(std=None)
    for x, y in ((0.5, -1.25), (3.5, 3.5), (-3.5, 0)):
        pad.pad.set_state({"x": x, "y": y})
        assert pad.picture.value == to_png(decode_images(pad.model, torch.tensor([[x, y]]))[0])
        for text in (pad.pad.text, pad.label.value):
            assert f"z = ({x:.2f}, {y:.2f})".replace("-", "−") in text
    assert pad.pad.ellipse == [] and "σ" not in pad.pad.text + pad.label.value + pad.pad.hint
    assert (pad.pad.std_x, pad.pad.std_y, pad.pad.dots, pad.pad.passive) == (0, 0, [], False)


def test_pad_draws_the_posterior_of_the_nearest_image():
    pad, (mu, std) = PAD.make(), map(PAD.arguments().get, ("z", "std"))
    for x, y in ((0.5, -0.3), (-1.0, 1.0), (0.0, 0.0)):
        pad.pad.set_state({"x": x, "y": y})
        nearest = int(torch.cdist(torch.tensor([[x, y]]), mu).argmin())
        ellipse = [*mu[nearest].tolist(), *std[nearest].tolist()]
        assert pad.pad.ellipse == pytest.approx(ellipse)
        for text in (pad.pad.text, pad.label.value):
            assert f"σ = ({std[nearest, 0]:.3f}, {std[nearest, 1]:.3f})" in text
    assert "1σ" in pad.pad.hint


def test_a_point_stays_on_the_map_in_steps_and_a_std_keeps_two_digits_or_is_no_ellipse():
    pad = CodeMap(extent=4.0, decimals=3)
    pad.x, pad.y, pad.std_x, pad.std_y = 1e9, -1e9, 1e-9, 1e9
    assert (pad.x, pad.y, pad.std_x, pad.std_y) == (4, -4, 0.01, 4)
    pad.x = pad.std_x = 0.12345
    assert pad.x == pad.std_x == 0.123
    pad.std_x = 0.0
    assert pad.std_x == 0
    for name in ("x", "std_y"):
        for bad in (float("nan"), float("inf")):
            with pytest.raises(ValueError, match=f"{name} must be finite"):
                setattr(pad, name, bad)


def test_pad_says_which_code_is_near_and_when_none_is():
    z = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [1.0, 1.0]])
    pad = PAD.make(z=z, y=torch.tensor([5, 5, 5, 8]), std=None, extent=100)
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
    for size in (200, 400):
        assert pixels(code_map(z, y, 3.5, size=size).background).shape[0] == 1.8 * size


Z = torch.zeros(12, 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"z": Z[:, :1]}, "z must hold two numbers per image"),
        ({"std": Z[:, :1] + 1}, "std and z must have the same shape"),
        ({"std": Z}, "std must be above 0, got 0"),
        ({"std": Z + torch.nan}, "std must be finite"),
        ({"extent": 0}, "extent must be a finite number above 0"),
        ({"model": vae(3)}, "model must have latent_dim 2, got 3"),
    ],
)
def test_bad_arguments_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        PAD.make(**changed)
