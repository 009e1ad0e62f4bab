"""Weights in a quarter of their space: each row of a matrix as 8-bit numbers times one scale.

Measured on the VAEs of notebooks 04 and 05, it costs 0.05 to 0.2 nats.
"""

import torch
from torch import Tensor

SCALE = ".scale"  # ends the name of the scales of a matrix
SMALL = 1024  # tensors with fewer values are kept in half precision, as are vectors


def packed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights, smaller: int8 matrices with a float32 scale for each row, half-precision rest.

    Whole numbers stay as they are.  Raises ValueError for a weight that is not finite.
    """
    small = {}
    for name, value in weights.items():
        if not value.is_floating_point():
            small[name] = value
        elif not value.isfinite().all():
            raise ValueError(f"weights must be finite, but {name} is not")
        elif value.ndim < 2 or value.numel() < SMALL:
            small[name] = value.half()
        else:
            rows = value.flatten(1)
            scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
            small[name] = (rows / scale).round().to(torch.int8).view(value.shape)
            small[name + SCALE] = scale.float()
    return small


def unpacked(small: dict[str, Tensor]) -> dict[str, Tensor]:
    """The float32 weights that `packed` made smaller, up to rounding."""
    weights = {}
    for name, value in small.items():
        if name + SCALE in small:
            rows = value.flatten(1).float() * small[name + SCALE]
            weights[name] = rows.view(value.shape)
        elif not name.endswith(SCALE):
            weights[name] = value.float() if value.is_floating_point() else value
    return weights
