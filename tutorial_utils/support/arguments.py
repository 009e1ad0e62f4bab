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


def same_shape(name: str, value: Tensor, other_name: str, other: Tensor, *, least: int = 0) -> None:
    """Raises TypeError or ValueError unless both are float tensors of one shape, not broadcast.

    least: how many axes they must have at least: 2 for batches [B, ...].
    """
    if float_tensor(name, value).shape != float_tensor(other_name, other).shape:
        raise ValueError(
            f"{name} and {other_name} must have the same shape, "
            f"got {list(value.shape)} and {list(other.shape)}"
        )
    if value.ndim < least:
        axes = f"{least} axes or more, [B, ...]"
        raise ValueError(f"{name} and {other_name} must have {axes}, got {list(value.shape)}")


def pixels(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """As `same_shape`, batches, with `other` in [0, 1]: `value` is what a model says about it."""
    same_shape(name, value, other_name, other, least=2)
    unit_interval(other_name, other)


def unit_interval(name: str, value: Tensor) -> None:
    """Raises ValueError unless `value` lies in [0, 1]."""
    if value.device.type != "cpu":
        return  # to look there would be a wait in each step of a training
    low, high = value.detach().aminmax()
    if not 0 <= low <= high <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got values from {low:.9g} to {high:.9g}")


def noise_level(level: object, x: Tensor, *, at_most: float) -> None:
    """Raises TypeError or ValueError unless level is a number, or [N, 1, 1, 1], one per image."""
    one_each = [len(float_tensor("x", x, ndim=4)), 1, 1, 1]
    levels = torch.as_tensor(level)
    if list(levels.shape) not in ([], one_each):
        got = list(levels.shape)
        raise ValueError(f"level must be a number or a tensor {one_each}, got shape {got}")
    low, high = levels.detach().aminmax()
    if not 0 <= low <= high <= at_most:
        raise ValueError(f"level must lie from 0 to {at_most}, got {low:g} to {high:g}")


def finite(name: str, value: Tensor) -> Tensor:
    """`value`, if it holds no NaN and no infinity; raises ValueError naming `name` otherwise."""
    if not torch.isfinite(value).all():
        wrong = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite, got {wrong} NaN or infinite entries")
    return value


def gray_images(x: Tensor, name: str = "x") -> Tensor:
    """x, if it holds gray images [N, 1, H, W] in [0, 1]; else TypeError or ValueError."""
    float_tensor(name, x, ndim=4)
    if x.shape[1] != 1:
        raise ValueError(f"{name} must hold gray images [N, 1, H, W], got shape {list(x.shape)}")
    unit_interval(name, x)
    return x


def classes_of(y: Tensor, rows: Tensor, name: str) -> Tensor:
    """y on the CPU, if it holds one whole number per row of the tensor called `name`."""
    if not isinstance(y, Tensor) or y.is_floating_point() or y.ndim != 1:
        raise TypeError(
            f"y must be a tensor of whole numbers [N], got {getattr(y, 'dtype', type(y).__name__)}"
        )
    if len(y) != len(rows):
        raise ValueError(f"{name} and y must have the same length, got {len(rows)} and {len(y)}")
    if y.min() < 0:
        raise ValueError(f"y must hold classes from 0 on, got {y.min()}")
    return y.cpu()


def two_dimensional(model: nn.Module) -> None:
    """Raises ValueError unless the model's latent space is a plane."""
    if getattr(model, "latent_dim", None) != 2:
        raise ValueError(
            f"model must have latent_dim 2, got {getattr(model, 'latent_dim', None)!r}"
        )
