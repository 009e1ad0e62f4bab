"""Second look: a check that, when the values are right, also asks for their type or gradients."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import torch
from torch.autograd.graph import saved_tensors_hooks

from .answers import usual_settings
from .judge import Check, Remark, copies, ok, wrong


@dataclass(frozen=True, eq=False, repr=False)
class SecondLook(Check):
    """A `Check` in which right values are not yet a right answer.

    look: a function of the arguments of a call, as a tuple, and of what the answer returned to
    it.  It says what is wrong with that, or returns None.  It is asked only when all values are
    right.
    """

    _: KW_ONLY
    look: Callable[[tuple, object], str | None]

    def _remark_on_function(self, answer: object) -> Remark:
        """The verdict on a function: on its values first, then on what `look` finds."""
        calls = []

        def remembered(*given: object) -> object:
            with saved_tensors_hooks(torch.clone, lambda saved: saved):  # it may change them
                calls.append((given, answer(*copies(given))))
            return calls[-1][1]

        remark = super()._remark_on_function(remembered if callable(answer) else answer)
        problem = self._problem(calls) if remark.say is ok else None
        return Remark(wrong, problem) if problem else remark

    def _problem(self, calls: list[tuple[tuple, object]]) -> str | None:
        """The first problem that `look` finds; None when there is none."""
        with usual_settings():
            return next(filter(None, (self.look(*call) for call in calls)), None)
