"""What every check shares: `Check`, its mistakes as functions, and three tones of a verdict."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import starmap
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ..training import local_seed
from .answers import attempt, cut, in_words, usual_settings
from .numbers import Observer, inside, numbers_of, spacing_of, wrapping_of


class Verdict(int):
    """True or False, which a notebook does not show: the sentence above it has said it."""

    def _ipython_display_(self) -> None:
        """Show nothing."""


def ok(text: str) -> Verdict:
    """Say that the answer is right, and why."""
    print(f"✓ ok: {text}")
    return Verdict(True)


def not_yet(hint: str = "replace the three dots") -> Verdict:
    """Say that there is no answer yet."""
    return _not_right(f"… not yet: {hint}, then run this cell again.")


def wrong(text: str) -> Verdict:
    """Say what the answer shows was misunderstood, in one line of less than 200 characters."""
    return _not_right(f"✗ not quite: {cut(text.splitlines()[0], 180)}")


def stopped(text: str) -> Verdict:
    """Say what a function stopped with, in one line, and show the lines of its code below."""
    return _not_right(f"✗ not quite: {text}")


def _not_right(text: str) -> Verdict:
    """Say it; or raise it, so that a grader counts it, with TUTORIAL_GRADE=1 in the environment."""
    if os.environ.get("TUTORIAL_GRADE", "0") not in ("", "0"):
        raise AssertionError(text)
    print(text)
    return Verdict(False)


class Remark(NamedTuple):
    """What is said about an answer that gives no numbers: one of the tones, and its text.

    inside: the numbers in it all the same, in a wrong wrapping.
    """

    say: Callable[[str], Verdict]
    text: str
    inside: Sequence[Tensor] = ()


class Numbers(NamedTuple):
    """What a function returned: float32; and how coarse its numbers are, if in low precision."""

    values: Tensor
    spacing: float = 0.0


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
    answer stops with an error), and in two with different numbers at least, so never by chance.
    Only a mistake that ignores its arguments may give the same number in all cases.

    form: what the answer is, where it is not one value per image; said when it has another shape.
    overflow: said when it is NaN or infinite because of an exponential.  not_finite: said when that
    has another reason.  unchanged: said when the function has changed its arguments, where it must
    not.  rtol: how far off a right number may be, as a share of the largest.

    look: a second look at a function whose values are all right: of the arguments of a call and of
    what it returned, it says what is wrong with that, such as its type or gradients, or None.

    A function gets tensors, and single numbers as numbers of Python.  It may calculate in float16
    or bfloat16: its formula is judged.
    """

    notebook: str
    right: Callable
    _: KW_ONLY
    cases: Callable[[], Iterable[tuple]] | None = None
    mistakes: Sequence[tuple[object, str]]
    praise: str
    hint: str
    form: str = ""
    overflow: str = ""
    not_finite: str = ""
    unchanged: str = ""
    look: Callable[[tuple, object], str | None] | None = None
    rtol: float = 1e-4

    def __post_init__(self):
        object.__setattr__(self, "__name__", f"check_{self.right.__name__}")
        object.__setattr__(self, "__doc__", f"Notebook {self.notebook}: {self.right.__doc__}")

    def __repr__(self) -> str:
        return f"<{self.__name__} of notebook {self.notebook}>"

    def __call__(self, answer: object) -> Verdict:
        """Print the verdict on an answer, the learner's function or value; True if it is right.

        With TUTORIAL_GRADE=1 in the environment a wrong answer raises AssertionError.
        """
        with usual_settings():
            remark = self._remark_on_function(answer) if self.cases else self._remark_on(answer)
        return remark.say(remark.text)

    def _remark_on(self, answer: object) -> Remark:
        """The verdict on a value."""
        parts = answer if type(answer) in (list, tuple) else (answer,)
        if answer is None or any(part is ... for part in parts):
            return Remark(not_yet, "replace the three dots")
        right = numbers_of(self.right())
        value, error = attempt(_plain_numbers, answer, right.ndim, quiet=True)
        if error:
            return self._remark_on_form(answer, right)
        coarse = spacing_of(answer)
        if same_values(value, right, max(self.rtol, coarse)):
            return Remark(ok, self.praise)
        rtol = max(min(self.rtol, 5e-3), coarse)
        found = [text for mistake, text in self.mistakes if same_values(value, mistake, rtol)]
        return Remark(wrong, found[0] if found else self.hint)

    def _remark_on_form(self, answer: object, right: Tensor) -> Remark:
        """The verdict on a value that is no number, or wrapped up: first the form."""
        form = "a shape, a tuple such as (3, 4)" if right.ndim else "one number"
        form = f"Asked for is {form}, with nothing around it."
        words, error = attempt(wrapping_of, answer, quiet=True)
        words = "no number" if error else words
        parts, _ = attempt(inside, answer, quiet=True)
        if any(same_values(part.squeeze(), right, self.rtol) for part in parts or ()):
            return Remark(wrong, f"the number is right, but it is {words}. {form}")
        return Remark(wrong, f"first the form: yours is {words}. {form}")

    def _remark_on_function(self, answer: Callable) -> Remark:
        """The verdict on a function: on its values, and then on what `look` finds."""
        if self.look is None or not callable(answer):
            return self._remark_on_values(answer)
        calls = []

        def remembered(*given: object) -> object:
            with saved_tensors_hooks(torch.clone, lambda saved: saved):  # it may change them
                calls.append((given, answer(*copies(given))))
            return calls[-1][1]

        remark = self._remark_on_values(remembered)
        if remark.say is not ok:
            return remark
        problem = next(filter(None, (self.look(*call) for call in calls)), None)
        return Remark(wrong, problem) if problem else remark

    def _remark_on_values(self, answer: Callable) -> Remark:
        """The verdict on the values of a function."""
        cases, outcomes = list(self.cases()), []
        rights = [self.right(*copies(case)) for case in cases]
        for case in cases:
            given, outcome = _outcome_in(case, answer)
            outcomes.append(outcome)
            if isinstance(outcomes[0], Remark):
                return self._remark_on_wrapping(outcomes[0], rights[0])
            if self.unchanged and not _same_arguments(given, case):
                return Remark(wrong, self.unchanged)
        coarse = any(each.spacing for each in outcomes if isinstance(each, Numbers))
        if not coarse and all(map(self._agrees, outcomes, rights)):
            return Remark(ok, self.praise)
        observer = Observer()
        again = [_outcome_in(case, answer, observer)[1] for case in cases]
        if coarse or observer.low:
            if all(map(self._agrees, again, rights)):
                return self._remark_on_precision(outcomes, rights)
            outcomes = again
        return self._remark_on_numbers(outcomes, rights, observer)

    def _remark_on_wrapping(self, remark: Remark, right: object) -> Remark:
        """The remark on what gives no numbers, unless the right ones are wrapped up in it."""
        if any(self._agrees(Numbers(part), right) for part in remark.inside):
            return Remark(wrong, f"the numbers are right, their form is not: {remark.text}")
        return remark

    def _remark_on_precision(self, outcomes: list, rights: list) -> Remark:
        """The verdict on a right formula in float16 or bfloat16: are its numbers right, too?"""
        off = max(map(_share_off, outcomes, rights))
        if off < 0.05:
            return Remark(ok, self.praise)
        size = f"off by {off:.0%}" if math.isfinite(off) else "too large, or lost"
        problem = f"in float16 or bfloat16 its numbers are {size}. Calculate in float32."
        return Remark(wrong, f"the formula is right, but {problem}")

    def _remark_on_numbers(self, outcomes: list, rights: list, observer: Observer) -> Remark:
        """The verdict on a wrong function: the first mistake that explains it, or a hint."""
        pairs = zip(outcomes, rights, strict=True)
        outcome, right = next(pair for pair in pairs if not self._agrees(*pair))
        if isinstance(outcome, Remark):
            return outcome
        with local_seed(0):
            text = self._mistake_in(outcomes)
        text = text or self._general_problem(outcome.values, right, observer)
        if text:
            return Remark(wrong, text)
        errors = [each for each in outcomes if isinstance(each, Remark)]
        return errors[0] if errors else Remark(wrong, self.hint)

    def _mistake_in(self, outcomes: list[Numbers | Remark]) -> str | None:
        """The text of the first mistake that explains all outcomes, two different ones at least."""
        for expected, is_constant, text in self._expected:
            pairs = zip(outcomes, expected, strict=True)
            pairs = [pair for pair in pairs if isinstance(pair[0], Numbers)]
            agrees = len(pairs) > 1 and all(starmap(self._agrees, pairs))
            if agrees and (is_constant or _differ(pairs)):
                return text
        return None

    @cached_property
    def _expected(self) -> list[tuple[list[Tensor | None], bool, str]]:
        """Of each mistake: its numbers in all cases, whether it is a constant, and its text."""
        cases, found = list(self.cases()), []
        for mistake, text in (*([] if self.form else self._whole_batch()), *self.mistakes):
            values = [_value_or_none(mistake, case) for case in cases]
            is_constant = _value_or_none(mistake, (None,) * len(cases[0])) is not None
            found.append((values, is_constant, text))
        return found

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

    def _agrees(self, outcome: Numbers | Remark, expected: object) -> bool:
        """Is the outcome what is expected?  One number may stand in brackets."""
        if isinstance(outcome, Remark) or expected is None:
            return False
        value, expected = outcome.values, torch.as_tensor(expected)
        if not expected.ndim and value.numel() == 1:
            value = value.reshape(())
        return same_values(value, expected, max(self.rtol, outcome.spacing))

    def _general_problem(self, value: Tensor, right: object, observer: Observer) -> str | None:
        """What every exercise has in common: NaN, or another shape; None when it is neither."""
        if not torch.isfinite(value).all():
            return self._why_not_finite(observer)
        right = torch.as_tensor(right)
        shape, given = list(right.shape), list(value.shape)
        if given == shape or (not shape and value.numel() == 1):
            return None
        form = self.form or f"{shape[0]} images need {shape[0]} values"
        if not shape:
            return f"{form}; yours has shape {given}."
        alike = value.reshape(shape) if value.numel() == right.numel() else None
        if alike is not None and self._agrees(Numbers(alike), right):
            form = f"the numbers are right, their shape is not: {form}"
        return f"{form}, shape {shape}; yours have shape {given}."

    def _why_not_finite(self, observer: Observer) -> str:
        """What is said about NaN and infinite values, whose reason was observed where possible."""
        special = self.overflow if observer.by_exponential else self.not_finite
        reason = observer.cause or "is there a log or a root of something that is 0 or below?"
        return special or f"some values are NaN or infinite: {reason}"


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


def _differ(pairs: list[tuple[Numbers, Tensor]]) -> bool:
    """Are there two different ones among the expected numbers, so that agreement is no chance?"""
    first, *others = (expected for _, expected in pairs)
    return not all(same_values(each, first) for each in others)


def copies(case: tuple) -> tuple:
    """The arguments of a case, tensors as copies: a function may change its own."""
    return tuple(given.clone() if isinstance(given, Tensor) else given for given in case)


def _outcome_in(
    case: tuple, function: Callable, observer: Observer | None = None
) -> tuple[tuple, "Numbers | Remark"]:
    """The arguments of a case and what a function makes of them, which may have changed them.

    A single number is one of Python, or a tensor for functions that can do nothing else.
    """
    tensors = copies(case)
    single = [isinstance(each, Tensor) and not each.ndim for each in tensors]
    pairs = zip(tensors, single, strict=True)
    plain = tuple(each.item() if is_single else each for each, is_single in pairs)
    outcome = outcome_of(function, *plain, observer=observer)
    if isinstance(outcome, Remark) and outcome.say is stopped and any(single):
        again = outcome_of(function, *tensors, observer=observer)
        outcome = again if isinstance(again, Numbers) else outcome
    return plain, outcome


def _share_off(outcome: Numbers | Remark, right: object) -> float:
    """How far numbers are off, as a share of the largest; infinite where they are none."""
    right = torch.as_tensor(right)
    if isinstance(outcome, Remark) or outcome.values.numel() != right.numel():
        return math.inf
    value, right = outcome.values.detach().reshape(right.shape), right.detach().double()
    off = (value - right).abs().max() / right.abs().max()
    return float(off.nan_to_num(math.inf))


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


def call_answer(function: Callable, *arguments, seed: int = 0) -> Tensor | Verdict:
    """What a learner's function returns, as floats; the verdict, once said, when it is no numbers.

    Gradients are on and stay attached.  Random numbers start from `seed`; the global random states
    and settings stay as they were.  If it returns low precision, it is called again without.
    """
    before = copies(arguments)
    outcome = outcome_of(function, *arguments, seed=seed)
    if isinstance(outcome, Numbers) and outcome.spacing:
        outcome = outcome_of(function, *before, seed=seed, observer=Observer())
    return outcome.say(outcome.text) if isinstance(outcome, Remark) else outcome.values


def outcome_of(
    function: Callable, *arguments, seed: int = 0, observer: Observer | None = None
) -> Numbers | Remark:
    """What a learner's function returns, as floats; or what to say when it gives no numbers.

    With an observer nothing is printed: it has been before.
    """
    if function is ...:
        return Remark(not_yet, "replace the three dots")
    if not callable(function):
        text = "give the check the function itself: its name, without parentheses behind it."
        return Remark(wrong, text)
    called = _observed(function, observer) if observer else function
    quiet = observer is not None
    value, error = attempt(called, *arguments, seed=seed, quiet=quiet)
    if error and _outside_domain(error):
        return Numbers(torch.tensor(math.nan))
    if error:
        return Remark(stopped, in_words(error))
    if value is None or value is ...:
        text = (
            "the function returns nothing. Replace the three dots, with `return` before the result"
        )
        return Remark(not_yet, text)
    numbers, error = attempt(_numbers_and_spacing, value, quiet=True)
    if error:
        text = f"your function should return numbers alone, it returned a {type(value).__name__}."
        return Remark(wrong, text, attempt(inside, value, quiet=True)[0] or ())
    return numbers


def _observed(function: Callable, observer: Observer) -> Callable:
    """The function, with each of its operations observed."""

    def called(*arguments):
        with observer:
            return function(*arguments)

    return called


def _numbers_and_spacing(value: object) -> Numbers:
    return Numbers(numbers_of(value, torch.float32), spacing_of(value))


def _plain_numbers(answer: object, ndim: int) -> Tensor:
    """The numbers in an answer that is one number, or up to a row of numbers; else an error."""
    if isinstance(answer, bool) or (not ndim and isinstance(answer, (list, tuple))):
        raise TypeError("no number, or one in a row")
    value = numbers_of(answer).detach()
    if value.ndim > ndim and value.numel() != 1:
        raise ValueError("too many axes")
    return value if ndim else value.reshape(())


def _outside_domain(error: BaseException) -> bool:
    """Is this what `math.sqrt` or `math.log` raise for a number that has no root or no log?"""
    words = "math domain", "expected a nonnegative", "expected a positive"  # by Python's version
    return isinstance(error, ValueError) and any(word in str(error) for word in words)
