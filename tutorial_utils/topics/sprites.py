"""Sprites (notebook 07): images of one white shape on black, made from five known factors.

Every image is 32x32, half as wide as those of dSprites (Matthey et al., 2017).

factor    values                          meaning
shape     ellipse, triangle, heart
scale     8, 10, 12, 14                   diameter of the circle around the sprite, in pixels
rotation  0, 15, 30, 45, 60, 75           degrees, counter-clockwise
x         9, 11, 13, 15, 17, 19, 21, 23   pixels from the left edge to the center of mass
y         9, 11, 13, 15, 17, 19, 21, 23   pixels from the top edge to the center of mass

At rotation 0 the triangle points up and the heart down.  No rotation looks like another, as the
range is below the 180 degrees of the ellipse's symmetry: rotation is an interval, not a circle.
All 3 * 4 * 6 * 8 * 8 = 4,608 images differ, and all have black pixels at their border.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SIZE = 32  # pixels per side
FACTORS: dict[str, tuple] = {
    "shape": ("ellipse", "triangle", "heart"),
    "scale": (8, 10, 12, 14),
    "rotation": (0, 15, 30, 45, 60, 75),
    "x": (9, 11, 13, 15, 17, 19, 21, 23),
    "y": (9, 11, 13, 15, 17, 19, 21, 23),
}


class Sprites(NamedTuple):
    """All sprites with their factors.

    x: [4608, 1, 32, 32], float32 in [0, 1].
    factors: [4608, 5], int64, columns in the order of FACTORS.  An entry is the position of the
    value in FACTORS, such as 0, 1 or 2 for the shape.
    """

    x: Tensor
    factors: Tensor


def load_sprites() -> Sprites:
    """All sprites: every combination of the factors once, the last factor (y) changing fastest.

    They are computed, no file is read, and they have the same bytes on every machine.  Row i is
    `render_sprites` of the values FACTORS[name][factors[i, k]].
    """
    factors = np.indices([len(values) for values in FACTORS.values()]).reshape(len(FACTORS), -1)
    values = [
        np.array(values)[index] for values, index in zip(FACTORS.values(), factors, strict=True)
    ]
    return Sprites(render_sprites(*values), torch.from_numpy(factors.T.astype(np.int64)))


def render_sprites(shape: Sequence | str, scale, rotation, x, y) -> Tensor:
    """Images [N, 1, 32, 32] in [0, 1] of sprites with these factors, in 256 gray levels.

    Each factor is an array [N] or one value for all.  shape: names in FACTORS["shape"].  The other
    values need not be in FACTORS: scale from 1 to 32, x and y from 0 to 32 (a sprite may cross the
    border), rotation any angle.  Raises TypeError or ValueError.
    """
    levels = np.rint(_levels(*_checked(shape, scale, rotation, x, y))).astype(np.uint8)
    return torch.from_numpy(levels).unsqueeze(1).float().div_(255)


def _checked(shape, scale, rotation, x, y) -> list[np.ndarray]:
    """The five arrays [N]; TypeError or ValueError naming the one that is wrong."""
    shape = np.atleast_1d(np.asarray(shape))
    if unknown := sorted({str(name) for name in shape.ravel()} - set(FACTORS["shape"])):
        raise ValueError(
            f"shape must hold names among {', '.join(FACTORS['shape'])}, got {', '.join(unknown)}"
        )
    arrays = [shape]
    limits = {
        "scale": (scale, 1, SIZE),
        "rotation": (rotation, -np.inf, np.inf),
        "x": (x, 0, SIZE),
        "y": (y, 0, SIZE),
    }
    for name, (values, low, high) in limits.items():
        try:
            values = np.atleast_1d(np.asarray(values, dtype=np.float64))
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(
                f"{name} must be a number or an array of numbers [N], got {values!r}"
            ) from error
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, got NaN or infinite entries")
        if not ((values >= low) & (values <= high)).all():
            got = f"values from {values.min():g} to {values.max():g}"
            raise ValueError(f"{name} must lie from {low} to {high} pixels, got {got}")
        arrays.append(values)
    lengths = {array.shape for array in arrays if array.shape != (1,)}
    if len(lengths) > 1 or any(len(axes) != 1 or axes == (0,) for axes in lengths):
        got = ", ".join(
            f"{name} {list(array.shape)}" for name, array in zip(FACTORS, arrays, strict=True)
        )
        raise ValueError(
            f"shape, scale, rotation, x and y must be non-empty arrays [N] of one length, got {got}"
        )
    return list(np.broadcast_arrays(*arrays))


def _levels(shape, scale, rotation, x, y) -> np.ndarray:
    """The gray levels before rounding, 0 to 255, float64 [N, 32, 32].

    They go from black to white within one pixel of the sprite's edge.
    """
    levels = np.empty((len(shape), SIZE, SIZE))
    middles = np.arange(SIZE) + 0.5
    for name, distance in _DISTANCES.items():
        of_shape = np.flatnonzero(shape == name)
        # In pieces that fit into a processor's cache.
        for rows in np.split(of_shape, range(64, len(of_shape), 64)):
            radius, angle, x0, y0 = (
                values[rows, None, None] for values in (scale / 2, np.radians(rotation), x, y)
            )
            right, up = (middles - x0) / radius, (y0 - middles[:, None]) / radius
            cos, sin = np.cos(angle), np.sin(angle)
            pixels_to_edge = -radius * distance(cos * right + sin * up, cos * up - sin * right)
            levels[rows] = 255 * np.clip(_MIDWAY + pixels_to_edge, 0, 1)
    return levels


# The gray of a pixel on the edge.  With 0.5, half of 255 could be rounded up on one machine and
# down on another.  With 0.52 no level of the grid is within 1e-6 of half a level.
_MIDWAY = 0.52


def _ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The distance to an ellipse, twice as wide as high; negative inside.

    To first order near the edge: f / |gradient of f|, where f is the squared norm of (u, 2v) - 1.
    """
    norm, slope = np.sqrt(u * u + 4 * v * v), np.sqrt(u * u + 16 * v * v)
    return np.maximum(norm, 1e-9) * (norm - 1) / np.maximum(slope, 1e-9)


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The distance to a triangle with tip (0, 1) and base (-0.7, -0.5) to (0.7, -0.5)."""
    return np.maximum(-0.5 - v, (1.5 * np.abs(u) + 0.7 * (v - 1)) / np.sqrt(1.5**2 + 0.7**2))


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The distance to a heart: a square on its tip at (0, -1), half a disc on each upper side.

    After Quilez, 2D distance functions.
    """
    half_discs = np.pi / 8
    # From the tip to the center of mass, where the square's diagonal is 1.
    unit = (0.5 * 0.5 + half_discs * (0.75 + 1 / (3 * np.pi))) / (0.5 + half_discs)
    u, v = np.abs(u) * unit, (v + 1) * unit
    disc = np.sqrt((u - 0.25) ** 2 + (v - 0.75) ** 2) - np.sqrt(2) / 4
    along = np.maximum(u + v, 0) / 2
    square = np.sqrt(
        np.minimum(u * u + (v - 1) ** 2, (u - along) ** 2 + (v - along) ** 2)
    ) * np.sign(u - v)
    return np.where(u + v > 1, disc, square) / unit


_DISTANCES = {"ellipse": _ellipse, "triangle": _triangle, "heart": _heart}


def middle_of(factors: Tensor) -> int:
    """The row of factors [N, K] nearest to the middle of their ranges: a sprite in the center."""
    factors = factors.double()
    low, high = factors.amin(0), factors.amax(0)
    share = (factors - low) / (high - low).clamp(min=1)  # of a factor that does not vary: 0
    return int((share - 0.5).square().sum(1).argmin())


def value_of(name: str, level: int) -> object:
    """The value that a level of a sprite's factor stands for; of other factors the level itself."""
    values = FACTORS.get(name, ())
    return values[level] if 0 <= level < len(values) else level
