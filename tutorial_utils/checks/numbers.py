"""Numbers in an answer, in whatever form they come: how precise they are, and what broke them."""

import ast
import warnings
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from types import FunctionType

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

LOW_PRECISION = (torch.float16, torch.bfloat16)


def numbers_of(value: object, dtype: torch.dtype = torch.float64) -> Tensor:
    """The numbers in `value` as a tensor on the CPU, with its gradients; raises where are none.

    They may be numbers of any kind, arrays, tensors, or lists of these; several tensors in a tuple
    are several results.  A complex number off the real line is NaN.
    """
    if isinstance(value, tuple) and any(isinstance(each, Tensor) and each.ndim for each in value):
        raise TypeError("a tuple of results")
    rows = list, tuple, Tensor
    if isinstance(value, (list, tuple)) and any(isinstance(each, rows) for each in value):
        tensor = torch.stack([numbers_of(each, dtype) for each in value])
    elif isinstance(value, Tensor):
        tensor = value
    else:
        array = np.asarray(value)
        if array.dtype.kind == "O":  # such as Fraction and Decimal
            array = np.array([float(each) for each in array.flat]).reshape(array.shape)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"no numbers: {array.dtype}")
        kind = np.complex128 if array.dtype.kind == "c" else np.float64
        tensor = torch.as_tensor(array.astype(kind))
    if tensor.is_complex():
        tensor = torch.where(tensor.imag == 0, tensor.real, torch.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sparse ones are in beta
        return tensor.to("cpu").to_dense().to(dtype)


def spacing_of(value: object) -> float:
    """The relative distance of two neighbors among the numbers of this kind, if it is a low one."""
    if isinstance(value, (list, tuple)):
        return max(map(spacing_of, value), default=0.0)
    if isinstance(value, (np.ndarray, np.generic)):
        return float(np.finfo(value.dtype).eps) if value.dtype == np.float16 else 0.0
    low = isinstance(value, Tensor) and value.dtype in LOW_PRECISION
    return torch.finfo(value.dtype).eps if low else 0.0


# ---- a number in a wrong wrapping ----

WRAPPINGS = (
    (str, "in quotes"),
    (tuple, "in a tuple: mind commas and parentheses"),
    (list, "in a list: mind square brackets"),
    ((set, frozenset), "in a set: mind curly brackets"),
    (dict, "in a dict"),
    (FunctionType, "inside of a function"),
)


def wrapping_of(value: object) -> str:
    """What is around the numbers in `value`, in words."""
    found = (words for kind, words in WRAPPINGS if isinstance(value, kind))
    return next(found, f"of type {type(value).__name__}")


def inside(value: object, depth: int = 3) -> list[Tensor]:
    """The numbers in `value`, and those in what is wrapped up in it, one tensor for each part."""
    found = []
    with suppress(Exception):
        found.append(numbers_of(value))
    if depth:
        with suppress(Exception):
            for part in _parts(value):
                found += inside(part, depth - 1)
    return found


def _parts(value: object) -> Iterable:
    """What may be meant in a wrong wrapping: text as Python, a function's result, some elements."""
    if isinstance(value, str):
        return [ast.literal_eval(value.strip())]
    if isinstance(value, FunctionType):
        return [value()]
    if isinstance(value, tuple):
        return [list(value), *value[:9]]
    if isinstance(value, list):
        return value[:9]
    if isinstance(value, (Tensor, np.ndarray)):
        return []
    return [list(islice(value.values() if isinstance(value, dict) else value, 1000))]


# ---- how a function came to its numbers ----


class Observer(TorchFunctionMode):
    """Inside, float16 and bfloat16 are float32, and the first NaN or infinite number is explained.

    low: whether there was low precision.  cause: where that number is from, or "".  by_exponential:
    whether it is from an exponential, too large or too small.
    """

    def __init__(self):
        super().__init__()
        self.low, self.cause, self.by_exponential, self._vanished = False, "", False, None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call one function of PyTorch."""
        if func in (Tensor.half, Tensor.bfloat16):
            func, self.low = Tensor.float, True
        options = {key: self._in_full(value) for key, value in (kwargs or {}).items()}
        result = func(*map(self._in_full, args), **options)
        if not self.cause:
            with suppress(Exception):
                self._explain(func.__name__.strip("_"), args, result)
        return result

    def _in_full(self, given: object) -> object:
        """An argument, with float32 in place of low precision."""
        if isinstance(given, torch.dtype) and given in LOW_PRECISION:
            self.low = True
            return torch.float32
        return given

    def _explain(self, name: str, args: tuple, result: Tensor) -> None:
        """Set the cause, if the result is the first that is not finite."""
        numbers = [each for each in args if isinstance(each, Tensor)]
        if not all(torch.isfinite(each).all() for each in numbers):
            return
        exponential = name in ("exp", "exp2", "expm1", "rpow")
        logarithm = name in ("log", "log2", "log10")
        least, largest = (float(end) for end in torch.aminmax(numbers[0].detach()))
        if exponential and (result == 0).any():
            self._vanished = least
        if torch.isfinite(result).all():
            return
        of_vanished = logarithm and least == 0 and self._vanished is not None
        self.by_exponential = exponential or of_vanished
        if exponential:
            self.cause = f"the exponential of {largest:.3g} is too large for float32."
        elif of_vanished:
            self.cause = f"the exponential of {self._vanished:.3g} is 0 in float32, and has no log."
        elif logarithm:
            self.cause = f"this takes the log of {least:.3g}, and only numbers above 0 have one."
        elif name in ("sqrt", "rsqrt", "pow") and least < 0:
            self.cause = f"this takes the root of {least:.3g}, and numbers below 0 have none."
        elif name in ("div", "truediv", "rtruediv", "reciprocal", "rsqrt", "pow"):
            self.cause = "this divides by 0."
