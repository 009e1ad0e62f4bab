"""Checks of the exercises of notebook 05: who sums and who averages, a warm-up of β, and β and σ as one knob."""

import math
from collections.abc import Callable

import torch

from .judge import call_answer, judge_number, not_yet, ok, wrong

VERDICTS = {  # the right one, and what refutes the other
    "A": (
        "averaged",
        "A: summed, 0.5 against 0.5 is β = 1, and at β = 1 MNIST shows clusters. Which β leaves none?",
    ),
    "B": (
        "summed",
        "B: averaged over 784 pixels, 12 is β = 9,408: total collapse, no cluster, no manifold. Yet both are seen.",
    ),
    "C": (
        "averaged",
        "C: summed, no factor is β = 1, where two classes stay apart. And why does the number of columns mend it?",
    ),
    "D": (
        "summed",
        "D: averaged over 784 pixels, 10 is β = 7,840: total collapse, all samples alike. Yet some digits are left.",
    ),
}


def check_detective(verdicts: dict[str, str]) -> None:
    """Notebook 05: "summed" or "averaged", for each of four earlier tutorials A, B, C, D, judged by what they claim."""
    if verdicts is None or verdicts is ...:
        return not_yet()
    form = 'give a dict with the keys A, B, C and D, each with "summed" or "averaged".'
    if not isinstance(verdicts, dict):
        return wrong(form)
    given = {key.strip().upper(): value for key, value in verdicts.items() if isinstance(key, str)}
    if len(given) < len(verdicts) or not given.keys() <= VERDICTS.keys():
        return wrong(form)
    still_open = [
        letter for letter in VERDICTS if given.get(letter) is None or given[letter] is ...
    ]
    if still_open:
        return not_yet(f"no verdict on {', '.join(still_open)}. Replace the three dots")
    for letter, (right, refuted) in VERDICTS.items():
        said = given[letter].strip().lower() if isinstance(given[letter], str) else None
        if said not in ("summed", "averaged"):
            return wrong(f'the verdict on {letter} is neither "summed" nor "averaged", in quotes.')
        if said != right:
            return wrong(refuted)
    ok(
        "one symbol, four scales. Counted in sums, the first claims are about β = 784, 12, 48 and 10."
    )


PROGRESS = [
    0,
    0.01,
    0.1,
    0.2,
    0.249,
    0.251,
    0.275,
    0.3,
    0.325,
    0.35,
    0.374,
    0.4,
    0.425,
    0.45,
    0.475,
    0.499,
]
PROGRESS += [0.501, 0.6, 0.7, 0.8, 0.9, 0.99, 1]


def check_warmup(function: Callable[[float], float]) -> None:
    """Notebook 05: beta_at(progress), 0 in the first quarter of training, in a line up to 1 at half time, then 1.

    progress: 0 at the start of training, 1 at its end.
    """
    values: list[float] = []

    def returned(progress: float) -> object:
        value = function(progress)
        return math.nan if value is None and values else value

    for progress in map(float, PROGRESS):
        value = call_answer(returned if callable(function) else function, progress)
        if value is None:
            return
        if value.numel() != 1:
            return wrong(f"β is one number at a time, yours has shape {list(value.shape)}.")
        values.append(value.item())
        if not math.isfinite(values[-1]):
            return wrong(
                f"at progress {progress:g} there is no finite number. Has each part of training its return?"
            )
    problem = _problem_of_warmup(values)
    if problem:
        return wrong(problem)
    ok(
        "first the decoder learns to use z for free, then z gets its price, and the second half trains at β = 1."
    )


def _problem_of_warmup(values: list[float]) -> str | None:
    """What keeps `values`, those at PROGRESS, from being the warm-up; None when nothing does."""
    progress, beta = torch.tensor(PROGRESS), torch.tensor(values)
    early, late, middle = (
        beta[progress < 0.25],
        beta[progress > 0.5],
        (progress > 0.25) & (progress < 0.5),
    )
    ramp, tol, low, high = beta[middle], 1e-4, beta.min(), beta.max()
    if beta[0] > beta[-1] + tol:
        return "upside down: β falls during training, as a learning rate does. A warm-up rises."
    if high < 0.1:
        return "β hardly leaves the ground. Do you count percent, or epochs? progress is a share: at the end it is 1."
    if low > 1 - tol and high < 1 + tol:
        return "β is 1 from the first step on: nothing warms up."
    if (beta.diff() < -tol).any():
        return "β comes down again on its way. It never falls, and stays at 1 once it is there."
    if low < -tol and high > 1 + tol:
        return "the line goes on at both ends, below 0 and above 1. Hold it at 0 before it starts and at 1 after it."
    if low < -tol:
        return (
            "β starts below 0: that pays for a large KL instead of charging for it. Hold it at 0."
        )
    if high > 1 + tol:
        return "β goes on rising, above 1. Hold it there from half time on."
    if (early > tol).any():
        if (late[:-1] < 1 - tol).all():
            return "β rises from the first step to the last. It waits for a quarter of training, and is up at half time."
        return "β is above 0 in the first quarter already. It rises only after that."
    if high < 1 - tol:
        return "β never reaches 1: at the end of training it is still less. How long is the line, and how far up?"
    if (late[:-1] < 1 - tol).all():
        return "β reaches 1 only at the end. It is there at half time."
    if (late < 1 - tol).any():
        return (
            "β reaches 1 only after half time. How long is the line, from one quarter to one half?"
        )
    if ((ramp < tol) | (ramp > 1 - tol)).all():
        return "β jumps from 0 to 1. Between a quarter and a half of training it rises in a line."
    if ramp[0] > 0.1 or ramp[-1] < 0.9:
        return "β has a jump at an end of its line. The line begins at 0 and ends at 1: how steep is it?"
    if not torch.allclose(ramp, 4 * (progress[middle] - 0.25), rtol=0, atol=1e-3):
        return "β starts and ends where it should, but what is between is no line."
    return None


def check_one_knob(number: object) -> None:
    """Notebook 05: the β that gives, with σ = 1, the model that a Gaussian VAE has with σ = 0.1 and β = 4."""
    root = "the squared error is divided by twice the variance, which is σ², not σ."
    half = "the ½ stands before the squared error at either σ, so it cancels."
    squared = "β comes out squared. It multiplies the KL once."
    misconceptions = {
        4: "so σ would not matter. But it decides how much a squared error costs, against the same KL.",
        0.4: root,
        400: "this is the wrong direction: a small σ makes errors dear. Is the KL's share then large, or small?",
        40: "this is the wrong direction, and σ where σ² should be. Does a small σ make errors dear, or cheap?",
        0.01: "that is the variance alone. Where is the β that the model had?",
        0.1: "that is σ alone. Where is the β that the model had, and what squares in a Gaussian?",
        100: "that is what the squared error is multiplied with at σ = 0.1. What does it do to the KL's share?",
        10: "that is one over σ. A Gaussian has σ², and where is the β that the model had?",
        25: "upside down: that is the weight of the squared error when the KL has weight 1. β weighs the KL.",
        2.5: "upside down, and σ where σ² should be. β weighs the KL.",
        0.0025: "this divides by the β that the model had: a larger one would become a smaller one.",
        0.025: "this divides by the β that the model had, and has σ where σ² should be.",
        0.16: squared,
        1.6: squared,
        0.02: half,
        0.08: half,
        0.2: "that compares standard deviations. Which of them stands in the Gaussian's squared error, σ or σ²?",
        0.0004: "σ is squared twice: the variance is squared once more.",
        1: "at σ = 1 and β = 1 it would be the ELBO. The model with σ = 0.1 and β = 4 is another one.",
    }
    praise = "only the product of β and the variance counts. A σ chosen by hand is a β in disguise."
    hint = "multiply the whole loss by one number, so that the squared error is as it is at σ = 1. What is left of β?"
    judge_number(... if number is None else number, 0.04, misconceptions, praise, hint)
