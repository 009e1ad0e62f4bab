"""What every check shares: `Check`, its mistakes as functions, and three tones of a verdict."""

import math
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

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


class Remark(NamedTuple):
    """What is said about an answer that gives no numbers: one of the three tones, and its text."""

    say: Callable[[str], None]
    text: str


@dataclass(frozen=True, eq=False, repr=False)
class Check:
    """Check of an exercise: called with an answer, it says ok, not yet, or which mistake it shows.

    notebook: its number, "09".  right: the correct function; its name and docstring become those
    of the check.  cases: a function that returns several tuples of arguments, the same ones at each
    call.  mistakes: (function, text) each, where the function takes the same arguments and makes
    the mistake; the likelier ones first.  praise, hint: for a right answer, and for a wrong one
    that is none of the mistakes.  Without cases the answer is a value, `right` takes no arguments,
    and the mistakes are values too.

    A mistake is named when the answer agrees with it in every case (but for cases in which the
    answer stops with an error), so that no wrong number is named by chance.

    form: what the answer is, where it is not one value per image; said when it has another shape.
    not_finite: said when it is NaN or infinite.  unchanged: said when the function has changed its
    arguments, where it must not.  rtol: how far off a right number may be, as a share of the
    largest.
    """

    notebook: str
    right: Callable
    _: KW_ONLY
    cases: Callable[[], Iterable[tuple]] | None = None
    mistakes: Sequence[tuple[object, str]]
    praise: str
    hint: str
    form: str = ""
    not_finite: str = (
        "some values are NaN or infinite. Look for a log or a root of something that is 0 or below."
    )
    unchanged: str = ""
    rtol: float = 1e-4

    def __post_init__(self):
        object.__setattr__(self, "__name__", f"check_{self.right.__name__}")
        object.__setattr__(self, "__doc__", f"Notebook {self.notebook}: {self.right.__doc__}")

    def __repr__(self) -> str:
        return f"<{self.__name__} of notebook {self.notebook}>"

    def __call__(self, answer: object) -> None:
        """Print the verdict on an answer: the learner's function, or value."""
        with usual_settings():
            remark = self._remark_on_function(answer) if self.cases else self._remark_on(answer)
        remark.say(remark.text)

    def _remark_on(self, answer: object) -> Remark:
        """The verdict on a value."""
        if answer is ... or answer is None:
            return Remark(not_yet, "replace the three dots")
        given = numbers_in(answer)
        value = torch.tensor(math.nan if given is None else given, dtype=torch.float64)
        if same_values(value, self.right(), self.rtol):
            return Remark(ok, self.praise)
        found = [text for mistake, text in self.mistakes if same_values(value, mistake, self.rtol)]
        return Remark(wrong, found[0] if found else self.hint)

    def _remark_on_function(self, answer: Callable) -> Remark:
        """The verdict on a function."""
        cases, outcomes = list(self.cases()), []
        for case in cases:
            given = copies(case)
            outcomes.append(outcome_of(answer, *given))
            if isinstance(outcomes[0], Remark):
                return outcomes[0]
            if self.unchanged and not _same_arguments(given, case):
                return Remark(wrong, self.unchanged)
        rights = [self.right(*copies(case)) for case in cases]
        pairs = zip(outcomes, rights, strict=True)
        failed = [pair for pair in pairs if not self._agrees(*pair)]
        if not failed:
            return Remark(ok, self.praise)
        outcome, right = failed[0]
        if isinstance(outcome, Remark):
            return outcome
        with _random_numbers_from(0):
            text = self._mistake_in(outcomes, cases)
        return Remark(wrong, text or self._general_problem(outcome, right) or self.hint)

    def _mistake_in(self, outcomes: list[Tensor | Remark], cases: list[tuple]) -> str | None:
        """The text of the first mistake that explains all outcomes; None when none does."""
        pairs = zip(outcomes, cases, strict=True)
        numbers = [(each, case) for each, case in pairs if not isinstance(each, Remark)]
        for mistake, text in (*([] if self.form else self._whole_batch()), *self.mistakes):
            if all(self._agrees(each, _value_or_none(mistake, case)) for each, case in numbers):
                return text
        return None

    def _whole_batch(self) -> list[tuple[Callable, str]]:
        """The mistakes that every function can make that should return one value per image."""
        return named(
            "this is one number for the whole batch: the sum over images too. "
            "It grows with the batch.",
            lambda *case: self.right(*case).sum(),
            "this is the mean over the batch. That belongs to the caller; "
            "return a value per image.",
            lambda *case: self.right(*case).mean(),
        )

    def _agrees(self, outcome: Tensor | Remark, expected: object) -> bool:
        """Is the outcome what is expected?  One number may stand in brackets."""
        if isinstance(outcome, Remark) or expected is None:
            return False
        expected = torch.as_tensor(expected)
        if not expected.ndim and outcome.numel() == 1:
            outcome = outcome.reshape(())
        return same_values(outcome, expected, self.rtol)

    def _general_problem(self, value: Tensor, right: object) -> str | None:
        """What every exercise has in common: NaN, or another shape; None when it is neither."""
        if not torch.isfinite(value).all():
            return self.not_finite
        shape, given = list(torch.as_tensor(right).shape), list(value.shape)
        if given == shape or (not shape and value.numel() == 1):
            return None
        form = self.form or f"{shape[0]} images need {shape[0]} values"
        if not shape:
            return f"{form}; yours has shape {given}."
        return f"{form}, shape {shape}; yours have shape {given}."


def named(*texts_and_mistakes: object) -> list[tuple[object, str]]:
    """Mistakes for a `Check`: a text, the functions (or values) it is about, the next text, ...

    `named("large", f, g, "small", h)` is [(f, "large"), (g, "large"), (h, "small")].
    """
    text, found = "", []
    for each in texts_and_mistakes:
        if isinstance(each, str):
            text = each
        else:
            found.append((each, text))
    return found


def _value_or_none(mistake: Callable, case: tuple) -> Tensor | None:
    """What a mistake gives for a case; None where it cannot be made."""
    torch.default_generator.manual_seed(0)  # as for the answer, which may draw the same numbers
    try:
        return torch.as_tensor(mistake(*copies(case)))
    except Exception:
        return None


def copies(case: tuple) -> tuple:
    """The arguments of a case, tensors as copies: a function may change its own."""
    return tuple(given.clone() if isinstance(given, Tensor) else given for given in case)


def _same_arguments(given: tuple, case: tuple) -> bool:
    """Are the tensors in `given` still those of the case?"""
    pairs = zip(given, case, strict=True)
    return all(same_values(*pair) for pair in pairs if isinstance(pair[1], Tensor))


def same_values(value: Tensor, other: object, rtol: float = 1e-4) -> bool:
    """Are these the same numbers in the same shape, up to `rtol` of the largest of them?"""
    value, other = (torch.as_tensor(each, dtype=torch.float64).detach() for each in (value, other))
    if value.shape != other.shape:
        return False
    largest = max(other.nan_to_num(0, 0, 0).abs().flatten().tolist(), default=0)
    return torch.allclose(value, other, rtol=0, atol=1e-6 + rtol * largest, equal_nan=True)


@contextmanager
def usual_settings() -> Iterator[None]:
    """PyTorch as it is when nothing is set, for checks under another default or without gradients.

    float32 by default, with gradients.
    """
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)


def call_answer(function: Callable, *arguments, seed: int = 0) -> Tensor | None:
    """What a learner's function returns, as floats; None, after saying why, when it is no numbers.

    Gradients are on and stay attached.  Random numbers start from `seed`; the global random states
    stay as they were.
    """
    outcome = outcome_of(function, *arguments, seed=seed)
    return outcome.say(outcome.text) if isinstance(outcome, Remark) else outcome


def outcome_of(function: Callable, *arguments, seed: int = 0) -> Tensor | Remark:
    """What a learner's function returns, as floats; or what to say when it gives no numbers."""
    if function is ...:
        return Remark(not_yet, "replace the three dots")
    if not callable(function):
        text = "give the check the function itself: its name, without parentheses behind it."
        return Remark(wrong, text)
    try:
        with _random_numbers_from(seed), torch.enable_grad():
            value = function(*arguments)
    except Exception as error:
        if not _outside_domain(error):
            return Remark(wrong, f"your function stopped with {type(error).__name__}: {error}")
        value = math.nan
    if value is None or value is ...:
        text = (
            "the function returns nothing. Replace the three dots, with `return` before the result"
        )
        return Remark(not_yet, text)
    if isinstance(value, complex):  # a root of a negative number, as `**` takes it
        value = math.nan
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about gradients lost in a list
            return torch.as_tensor(value, dtype=torch.float32, device="cpu").to_dense()
    except Exception:
        text = f"your function should return numbers, it returned a {type(value).__name__}."
        return Remark(wrong, text)


def _outside_domain(error: Exception) -> bool:
    """Is this what `math.sqrt` or `math.log` raise for a number that has no root or no log?"""
    words = "math domain", "expected a nonnegative", "expected a positive"  # by Python's version
    return isinstance(error, ValueError) and any(word in str(error) for word in words)


def numbers_in(answer: object) -> float | tuple[float, ...] | None:
    """A number, or several in a row, out of whatever holds them; None when there are none."""
    try:
        array = np.asarray(answer)
    except Exception:
        return None
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        return None
    return tuple(array.tolist()) if array.ndim else float(array)


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
