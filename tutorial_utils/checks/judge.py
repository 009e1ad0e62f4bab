"""What every check shares: it says ok, not yet, or what went wrong, and names the misconception behind it."""

import math
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ..training import local_seed


def ok(text: str) -> None:
    """Say that the answer is right, and why."""
    print(f"✓ ok: {text}")


def not_yet(hint: str = "replace the three dots") -> None:
    """Say that there is no answer yet."""
    print(f"… not yet: {hint}, then run this cell again.")


def wrong(text: str) -> None:
    """Say what the answer shows was misunderstood, in one line of less than 200 characters."""
    print(f"✗ not quite: {text.splitlines()[0][:180]}")


def judge_number(
    answer: object,
    right: float,
    misconceptions: dict[float, str],
    praise: str,
    hint: str,
    *,
    rel_tol: float = 1e-6,
) -> None:
    """Say whether a number is `right` (then `praise`), one of `misconceptions` (then its text) or neither (`hint`)."""
    if answer is ...:
        return not_yet()
    given = numbers_in(answer)
    number = given if isinstance(given, float) else math.nan
    if math.isclose(number, right, rel_tol=rel_tol):
        return ok(praise)
    found = [
        text
        for mistake, text in misconceptions.items()
        if math.isclose(number, mistake, rel_tol=rel_tol)
    ]
    wrong(found[0] if found else hint)


def judge_values(
    value: Tensor, right: Tensor, mistakes: list[tuple[Tensor, str]], praise: str, hint: str
) -> None:
    """Say whether one value per image is `right` [B] (then `praise`), one of `mistakes` (its text) or neither (`hint`).

    A mean or a sum over the batch, another shape, and NaN are named for every exercise alike.
    """
    whole_batch = [
        (
            right.sum(),
            "this is one number for the whole batch: the sum over images too, which grows with the batch.",
        ),
        (
            right.mean(),
            "this is the mean over the batch. That mean belongs to the caller; return one value per image.",
        ),
    ]
    if same_values(value, right):
        return ok(praise)
    found = [text for mistake, text in whole_batch + mistakes if same_values(value, mistake)]
    if found:
        return wrong(found[0])
    if value.shape != right.shape:
        n = len(right)
        return wrong(
            f"{n} images need {n} values, shape {list(right.shape)}; yours have shape {list(value.shape)}."
        )
    if not torch.isfinite(value).all():
        return wrong(
            "some values are NaN or infinite. Look for a log or a root of something that can be 0 or below."
        )
    wrong(hint)


def numbers_in(answer: object) -> float | tuple[float, ...] | None:
    """A number, or several in a row, out of whatever holds them; None when there are none."""
    try:
        array = np.asarray(answer)
    except Exception:
        return None
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        return None
    return tuple(array.tolist()) if array.ndim else float(array)


def call_answer(function: Callable, *arguments, seed: int = 0) -> Tensor | None:
    """What a learner's function returns, as floats; None when it gives no numbers, after saying why.

    Gradients are on and stay attached.  Random numbers start from `seed`; the global random states
    stay as they were.
    """
    if function is ...:
        return not_yet()
    if not callable(function):
        return wrong("give the check the function itself: its name, without parentheses behind it.")
    try:
        with _random_numbers_from(seed), torch.enable_grad():
            value = function(*arguments)
    except Exception as error:
        return wrong(f"your function stopped with {type(error).__name__}: {error}")
    if value is None or value is ...:
        return not_yet(
            "the function returns nothing. Replace the three dots, with `return` before the result"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about gradients lost in a list
            return torch.as_tensor(value, dtype=torch.float32, device="cpu").to_dense()
    except Exception:
        return wrong(f"your function should return numbers, it returned a {type(value).__name__}.")


def same_values(value: Tensor, other: Tensor) -> bool:
    return value.shape == other.shape and torch.allclose(value, other, rtol=3e-5, atol=1e-6)


@contextmanager
def _random_numbers_from(seed: int) -> Iterator[None]:
    """`local_seed`, for numpy's and Python's global random numbers as well."""
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with local_seed(seed):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])


def judge_one_number(
    function: Callable,
    cases: Iterable[tuple[Tensor, ...]],
    mistakes_of: Callable[..., tuple[float, dict[float, str]]],
    praise: str,
    hint: str,
    form: str,
) -> None:
    """Say whether a function gives the right number in all cases (then `praise`), or what the first wrong one shows.

    cases: what the function is called with, one after another.  mistakes_of: called with the same,
    gives the right number and {another number: what it shows}.  hint: for all others.  form: what
    the answer is, when it has a shape.
    """
    for given in cases:
        value = call_answer(function, *(tensor.clone() for tensor in given))
        if value is None:
            return
        if value.numel() != 1:
            return wrong(f"{form}; yours has shape {list(value.shape)}.")
        number, (right, mistakes) = value.item(), mistakes_of(*given)
        if not math.isfinite(number):
            return wrong(
                "this is NaN or infinite. Look for a log or a root of something that can be 0 or below."
            )
        if not math.isclose(number, right, rel_tol=1e-3):
            return judge_number(number, right, mistakes, praise, hint, rel_tol=1e-3)
    ok(praise)
