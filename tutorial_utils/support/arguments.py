"""Checks of arguments: the error names the argument, what was given and what is allowed."""

import math

import torch
from torch import Tensor, nn


def positive_int(name: str, value: object, *, at_most: int | None = None) -> int:
    """`value`, if it is a whole number from 1 to `at_most`; else ValueError naming `name`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < 1 or (at_most is not None and value > at_most):
        allowed = "of at least 1" if at_most is None else f"from 1 to {at_most:,}"
        raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")
    return value


def positive_number(name: str, value: object) -> float:
    """`value`, if it is finite and above 0; else ValueError naming `name`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return value


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> str:
    """`value`, if it is among `allowed`; else ValueError naming `name` and what is allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def nonempty_text(name: str, value: object) -> str:
    """`value`, if it is a text that is not empty; else ValueError naming `name`."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text, got {value!r}")
    return value


def float_tensor(name: str, value: object, *, ndim: int | None = None) -> Tensor:
    """`value`, if it is a non-empty float tensor (of `ndim` axes); else TypeError or ValueError."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = f"a tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a tensor of floats, got {kind}")
    if value.numel() == 0 or (ndim is not None and value.ndim != ndim):
        axes = "" if ndim is None else f" with {ndim} axes"
        raise ValueError(f"{name} must be a non-empty tensor{axes}, got shape {list(value.shape)}")
    return value


def same_shape(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Raises ValueError unless both tensors have the same shape: broadcasting here hides a bug."""
    if value.shape != other.shape:
        raise ValueError(
            f"{name} and {other_name} must have the same shape, "
            f"got {list(value.shape)} and {list(other.shape)}"
        )


def finite(name: str, value: Tensor) -> Tensor:
    """`value`, if it holds no NaN and no infinity; raises ValueError naming `name` otherwise."""
    if not torch.isfinite(value).all():
        wrong = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite, got {wrong} NaN or infinite entries")
    return value


def gray_images(x: Tensor) -> Tensor:
    """x, if it holds gray images [N, 1, H, W] in [0, 1]; else TypeError or ValueError."""
    float_tensor("x", x, ndim=4)
    if x.shape[1] != 1:
        raise ValueError(f"x must hold gray images [N, 1, H, W], got shape {list(x.shape)}")
    if not 0 <= x.min() <= x.max() <= 1:
        raise ValueError(f"x must lie in [0, 1], got values from {x.min():g} to {x.max():g}")
    return x


def classes_of(y: Tensor, rows: Tensor, name: str) -> Tensor:
    """y on the CPU, if it holds one whole number per row of the tensor called `name`."""
    if not isinstance(y, Tensor) or y.is_floating_point() or y.ndim != 1:
        raise TypeError(
            f"y must be a tensor of whole numbers [N], got {getattr(y, 'dtype', type(y).__name__)}"
        )
    if len(y) != len(rows):
        raise ValueError(f"{name} and y must have the same length, got {len(rows)} and {len(y)}")
    return y.cpu()


def two_dimensional(model: nn.Module) -> None:
    """Raises ValueError unless the model's latent space is a plane."""
    if getattr(model, "latent_dim", None) != 2:
        raise ValueError(
            f"model must have latent_dim 2, got {getattr(model, 'latent_dim', None)!r}"
        )
