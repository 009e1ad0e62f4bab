"""Sprites: the whole grid, equal on every machine, and what each factor changes."""

import hashlib
import math
from itertools import product

import numpy as np
import pytest
import torch

from tutorial_utils.support.arguments import gray_images
from tutorial_utils.topics.sprites import (
    FACTORS,
    SIZE,
    _checked,
    _levels,
    load_sprites,
    middle_of,
    render_sprites,
)

SHA256 = "27b04a0a5c480fc4c7e5fc7c7bd97130a9e47b010c17c9eead9de1e4018ddd6b"
SHAPES = FACTORS["shape"]


@pytest.fixture(scope="module")
def sprites():
    return load_sprites()


@pytest.fixture(scope="module")
def values(sprites) -> dict[str, np.ndarray]:
    """The values of all factors in words and units, [4608] each."""
    return {
        name: np.array(allowed)[index]
        for (name, allowed), index in zip(FACTORS.items(), sprites.factors.T.numpy(), strict=True)
    }


def center(x: torch.Tensor) -> torch.Tensor:
    """The center of mass (x, y) of each image, [N, 2], in pixels from the upper left corner."""
    middles, mass = torch.arange(SIZE) + 0.5, x.sum((1, 2, 3))
    sums = [(x.sum(axes) * middles).sum(1) for axes in ((1, 2), (1, 3))]
    return torch.stack(sums, dim=1) / mass[:, None]


def moments(x: torch.Tensor) -> torch.Tensor:
    """The covariance of the places (right, up) of white in one image, [2, 2], in pixels^2."""
    (cx, cy), middles = center(x)[0], torch.arange(SIZE) + 0.5
    right, up = (middles - cx).expand(SIZE, SIZE), (cy - middles)[:, None].expand(SIZE, SIZE)
    places = torch.stack([right, up]).flatten(1)
    return (places * x.flatten()) @ places.T / x.sum()


# ---- the grid ----


def test_every_combination_is_there_once_in_the_documented_order(sprites):
    sizes = [len(allowed) for allowed in FACTORS.values()]
    assert list(FACTORS) == ["shape", "scale", "rotation", "x", "y"] and sizes == [3, 4, 6, 8, 8]
    assert sprites.factors.dtype == torch.int64 and sprites.factors.shape == (4608, 5)
    expected = torch.cartesian_prod(*[torch.arange(size) for size in sizes])
    assert torch.equal(sprites.factors, expected)
    assert sprites.factors[:3].tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 2]]


def test_the_images_are_gray_and_of_256_levels(sprites):
    x = gray_images(sprites.x)
    assert x.shape == (4608, 1, SIZE, SIZE) and x.dtype == torch.float32
    assert torch.equal((255 * x).round().div(255), x)


def test_the_bytes_are_the_same_everywhere(sprites):
    grid = (255 * sprites.x).round().to(torch.uint8).numpy()
    assert hashlib.sha256(grid.tobytes()).hexdigest() == SHA256


def test_levels_are_rounded_and_none_is_near_a_rounding_boundary(sprites, values):
    levels = _levels(*_checked(**values))
    assert 0 <= levels.min() < levels.max() <= 255
    assert np.abs(levels - np.floor(levels) - 0.5).min() > 1e-6
    assert np.abs(255 * sprites.x[:, 0].double().numpy() - levels).max() < 0.5


def test_all_images_differ_and_not_by_a_rounding(sprites):
    at_one_place = sprites.x[(sprites.factors[:, 3:] == 0).all(1)].flatten(1)
    assert len(at_one_place) == 3 * 4 * 6
    distances = torch.cdist(at_one_place, at_one_place).fill_diagonal_(9)
    assert distances.min() > 1, "in whole white pixels"
    assert len(torch.unique(sprites.x.flatten(1), dim=0)) == 4608


def test_sprites_never_touch_the_border_and_are_white_inside(sprites):
    frame = torch.ones(SIZE, SIZE, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    assert sprites.x[:, :, frame].max() == 0
    assert sprites.x.amax((1, 2, 3)).eq(1).all()


# ---- what the factors do ----


def test_x_and_y_are_the_center_of_mass_whatever_the_rotation(sprites, values):
    asked = torch.from_numpy(np.stack([values["x"], values["y"]], axis=1))
    assert (center(sprites.x) - asked).abs().max() < 0.1


def test_neighbors_in_x_and_y_are_two_pixels_apart(sprites):
    x = sprites.x.reshape(72, 8, 8, SIZE, SIZE)  # shape, scale and rotation; x; y
    assert torch.equal(x[:, 1:], x[:, :-1].roll(2, dims=-1))
    assert torch.equal(x[:, :, 1:], x[:, :, :-1].roll(2, dims=-2))


def test_scale_is_a_diameter(sprites, values):
    """The area grows with its square, and nothing is farther from the center than half of it."""
    circle_share = {"ellipse": 0.5, "triangle": 1.05 / math.pi, "heart": 0.659}
    for shape, scale in product(SHAPES, FACTORS["scale"]):
        area = sprites.x[(values["shape"] == shape) & (values["scale"] == scale)].sum((1, 2, 3))
        expected = circle_share[shape] * math.pi * (scale / 2) ** 2
        assert torch.allclose(area, torch.tensor(expected).float(), rtol=0.1), (shape, scale)
    middles = torch.arange(SIZE) + 0.5
    places = torch.stack(torch.meshgrid(middles, middles, indexing="xy"))  # x, y
    asked = torch.from_numpy(np.stack([values["x"], values["y"]], axis=1))[:, :, None, None]
    radius = torch.from_numpy(values["scale"])[:, None, None] / 2
    gray_edge = 1.2
    outside = (places - asked).norm(dim=1) > radius + gray_edge
    assert sprites.x.squeeze(1)[outside].max() == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_rotation_turns_counter_clockwise(shape):
    """The axes of the white rotate with it; a quarter turn of the sprite is one of the image."""
    quarter = render_sprites(shape, 14, [0, 90], 16, 16)
    assert (quarter[0].rot90(1, (1, 2)) - quarter[1]).abs().max() < 0.01
    spread = moments(render_sprites(shape, 20, 0, 16, 16))
    for degrees in (20, 45, 75, -30):
        angle = torch.tensor(math.radians(degrees))
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).reshape(2, 2)
        found = moments(render_sprites(shape, 20, degrees, 16, 16))
        assert (found - turn @ spread @ turn.T).abs().max() < 0.5


def test_shapes_look_as_the_docstring_says():
    ellipse, triangle, heart = render_sprites(SHAPES, 14, 0, 16, 16)[:, 0]
    height, width = (ellipse.amax(axis).gt(0.5).sum() for axis in (1, 0))
    assert width == 14 and height in (7, 8)
    first, last = triangle.sum(1).nonzero()[[0, -1], 0]
    assert triangle[first + 1].sum() < triangle[last - 1].sum(), "the triangle points up"
    first, last = heart.sum(1).nonzero()[[0, -1], 0]
    assert heart[first + 1].sum() > heart[last - 1].sum(), "the heart points down"
    for image in (ellipse, triangle, heart):
        assert (image - image.flip(1)).abs().max() < 1e-6, "left is right"
    assert (ellipse - ellipse.flip(0)).abs().max() < 1e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_between_the_values_sprites_change_smoothly(shape):
    """A small step in any factor changes each pixel by little."""
    at = {"scale": 11.0, "rotation": 20.0, "x": 16.5, "y": 16.5}
    before = render_sprites(shape, *at.values())
    assert before[0, 0, 16, 16] == 1, "the pixel at the very center is white"
    for name in at:
        after = render_sprites(shape, *{**at, name: at[name] + 0.05}.values())
        assert (after - before).abs().max() < 0.08, name


def test_the_middle_is_nearest_to_the_middle_of_every_factor_that_varies(sprites):
    one_shape_at_the_bottom = (sprites.factors[:, 0] == 2) & (sprites.factors[:, 4] == 7)
    for factors in (sprites.factors, sprites.factors[one_shape_at_the_bottom]):
        middle = (factors.amin(0) + factors.amax(0)) / 2
        assert ((factors[middle_of(factors)] - middle).abs() <= 0.5).all()


# ---- render_sprites ----


def test_drawing_the_values_of_a_row_gives_the_row(sprites, values):
    rows = torch.randperm(4608, generator=torch.Generator().manual_seed(0))[:200]
    asked = {name: value[rows] for name, value in values.items()}
    assert torch.equal(render_sprites(**asked), sprites.x[rows])
    for row in rows[:5].tolist():
        one = render_sprites(*[value[row] for value in values.values()])
        assert torch.equal(one, sprites.x[[row]])


def test_one_value_serves_all_rows_and_tensors_and_lists_are_welcome():
    x = render_sprites("heart", 10, torch.linspace(0, 75, 6), [16.0], np.float32(16))
    assert x.shape == (6, 1, SIZE, SIZE)
    assert torch.equal(x[0], render_sprites(["heart"], [10], [0], [16], [16])[0])


def test_a_sprite_may_cross_the_edge():
    x = render_sprites("ellipse", 32, 0, [0, 16], 16)
    half, whole = x.sum((1, 2, 3)).tolist()
    assert x[0, 0, :, 0].max() == 1 and half == pytest.approx(whole / 2, rel=0.01)


SHAPE_NAMES = "shape must hold names among ellipse, triangle, heart, got"
ONE_LENGTH = r"arrays \[N\] of one length, got"
BAD_VALUES = [
    ({"shape": "star"}, ValueError, f"{SHAPE_NAMES} star"),
    ({"shape": [0, 1]}, ValueError, f"{SHAPE_NAMES} 0, 1"),
    ({"scale": 0}, ValueError, "scale must lie from 1 to 32 pixels, got values from 0 to 0"),
    ({"scale": [8, 40]}, ValueError, "scale must lie from 1 to 32 pixels, got values from 8 to 40"),
    ({"x": -1}, ValueError, "x must lie from 0 to 32 pixels"),
    ({"y": 33}, ValueError, "y must lie from 0 to 32 pixels"),
    ({"rotation": math.nan}, ValueError, "rotation must be finite"),
    ({"rotation": "left"}, TypeError, "rotation must be a number or an array of numbers"),
    ({"scale": None}, ValueError, "scale must be finite"),
    ({"x": [16, 17], "y": [16, 17, 18]}, ValueError, rf"{ONE_LENGTH} .*x \[2\], y \[3\]"),
    ({"x": [[16, 17]]}, ValueError, rf"{ONE_LENGTH} .*x \[1, 2\]"),
    ({"x": [[16]]}, ValueError, rf"{ONE_LENGTH} .*x \[1, 1\]"),
    ({"x": []}, ValueError, "non-empty"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD_VALUES)
def test_bad_values_are_named(bad, error, message):
    good = {"shape": "heart", "scale": 10, "rotation": 0, "x": 16, "y": 16}
    with pytest.raises(error, match=message):
        render_sprites(**{**good, **bad})
