"""Paths from one code to another: the straight line and the great circle.  Built in notebook 04."""

import torch
from torch import Tensor

from .arguments import float_tensor, same_shape


def straight_line(z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) z_a + t z_b for each entry of t.  Notebook 04; for images, flattened, the cross-fade of pixels.

    z_a, z_b: [D].  t: [n].  Returns [n, D].
    """
    same_shape("z_a", float_tensor("z_a", z_a, ndim=1), "z_b", float_tensor("z_b", z_b, ndim=1))
    t = t[:, None]
    return (1 - t) * z_a + t * z_b


def great_circle(z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
    """From z_a to z_b around the origin: the direction turns at a constant rate, the length changes linearly.

    Notebook 04; for codes of one length, Shoemake (1985).
    z_a, z_b: [D], not zero, not in opposite directions.  t: [n].  Returns [n, D].
    """
    same_shape("z_a", float_tensor("z_a", z_a, ndim=1), "z_b", float_tensor("z_b", z_b, ndim=1))
    if not z_a.any() or not z_b.any() or torch.equal(z_a / z_a.norm(), -z_b / z_b.norm()):
        raise ValueError("z_a and z_b must not be zero, nor point in opposite directions: no great circle is the one")
    t = t[:, None]
    a, b = z_a / z_a.norm(), z_b / z_b.norm()
    angle = (a @ b).clamp(-0.9999, 0.9999).arccos()
    direction = ((1 - t) * angle).sin() * a + (t * angle).sin() * b
    length = (1 - t) * z_a.norm() + t * z_b.norm()
    return length * direction / direction.norm(dim=1, keepdim=True)
