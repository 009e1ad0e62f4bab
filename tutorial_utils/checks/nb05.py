"""Checks of notebook 05: who sums and who averages, a warm-up of β, β and σ as one knob."""

import math
from collections.abc import Callable

import torch

from .judge import Check, Verdict, call_answer, named, not_yet, ok, usual_settings, wrong

# ---- who sums and who averages ----

VERDICTS = {  # the right one, and what refutes the other
    "A": (
        "averaged",
        "A: summed, 0.5 against 0.5 is β = 1, and at β = 1 MNIST shows clusters. "
        "Which β leaves none?",
    ),
    "B": (
        "summed",
        "B: averaged over 784 pixels, 12 is β = 9,408: total collapse, no cluster, no manifold. "
        "Yet both are seen.",
    ),
    "C": (
        "averaged",
        "C: summed, no factor is β = 1, where two classes stay apart. "
        "And why does the number of columns mend it?",
    ),
    "D": (
        "summed",
        "D: averaged over 784 pixels, 10 is β = 7,840: total collapse, all samples alike. "
        "Yet some digits are left.",
    ),
}


def check_detective(verdicts: dict[str, str]) -> Verdict:
    """Notebook 05: "summed" or "averaged", for each of the tutorials A, B, C, D."""
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
    return ok(
        "one symbol, four scales. "
        "Counted in sums, the first claims are about β = 784, 12, 48 and 10."
    )


# ---- a warm-up ----

JOINTS = 0.25, 0.5  # where two parts of training meet
PROGRESS = (
    *(0, 0.01, 0.1, 0.2, 0.249),  # before the rise
    *(0.251, 0.275, 0.3, 0.325, 0.35, 0.374, 0.4, 0.425, 0.45, 0.475, 0.499),  # on the line
    *(0.501, 0.6, 0.7, 0.75, 0.8, 0.9, 0.99, 1),  # after it
)


@usual_settings()
def check_warmup(function: Callable[[float], float]) -> Verdict:
    """Notebook 05: beta_at(progress), 0 in the first quarter of training, then a line up to 1.

    progress: 0 at the start of training, 1 at its end; β is 1 from half time on.
    """
    found: dict[float, float] = {}

    def returned(progress: float) -> object:
        try:
            value = function(progress)
        except ZeroDivisionError:
            return math.nan
        return math.nan if value is None and found else value

    for progress in map(float, sorted((*PROGRESS, *JOINTS))):
        value = call_answer(returned if callable(function) else function, progress)
        if isinstance(value, Verdict):
            return value
        if value.numel() != 1:
            return wrong(f"β is one number at a time, yours has shape {list(value.shape)}.")
        found[progress] = value.item()
        if not math.isfinite(found[progress]):
            return wrong(
                f"at progress {progress:g} there is no finite number. "
                "Has each part of training its return, and is nothing divided by 0?"
            )
    problem = _problem_of_warmup(
        torch.tensor(PROGRESS), torch.tensor([found[progress] for progress in PROGRESS])
    )
    problem = problem or _problem_of_joints(*(found[progress] for progress in JOINTS))
    if problem:
        return wrong(problem)
    return ok(
        "first the decoder learns to use z for free, then z gets its price, "
        "and the second half trains at β = 1."
    )


TOLERANCE = 1e-4


def _problem_of_warmup(progress: torch.Tensor, beta: torch.Tensor) -> str | None:
    """What keeps the values of β from being the warm-up; None when nothing does."""
    middle = (progress > 0.25) & (progress < 0.5)
    return (
        _problem_of_course(beta)
        or _problem_of_ends(beta[progress < 0.25], beta[progress > 0.5], beta.max())
        or _problem_of_line(progress[middle], beta[middle])
    )


def _problem_of_joints(quarter: float, half: float) -> str | None:
    """What is wrong with β at exactly a quarter and a half of training; None when nothing is."""
    for value, right, name in ((quarter, 0, "a quarter"), (half, 1, "a half")):
        if abs(value - right) > TOLERANCE:
            return (
                f"β is {value:.3g} at exactly {name} of training, and right everywhere else. "
                "Which part does that moment belong to?"
            )
    return None


def _problem_of_course(beta: torch.Tensor) -> str | None:
    """What is wrong with β as a whole: its direction, its unit, its range; None when nothing is."""
    low, high = beta.min() < -TOLERANCE, beta.max() > 1 + TOLERANCE
    if beta[0] > beta[-1] + TOLERANCE:
        return "upside down: β falls during training, as a learning rate does. A warm-up rises."
    if beta.max() < 0.1:
        return (
            "β hardly leaves the ground. Do you count percent, or epochs? "
            "progress is a share: at the end it is 1."
        )
    if beta.min() > 1 - TOLERANCE and not high:
        return "β is 1 from the first step on: nothing warms up."
    if (beta.diff() < -TOLERANCE).any():
        return "β comes down again on its way. It never falls, and stays at 1 once it is there."
    if low and high:
        return (
            "the line goes on at both ends, below 0 and above 1. "
            "Hold it at 0 before it starts and at 1 after it."
        )
    if low:
        return (
            "β starts below 0: that pays for a large KL instead of charging for it. Hold it at 0."
        )
    if high:
        return "β goes on rising, above 1. Hold it there from half time on."
    return None


def _problem_of_ends(early: torch.Tensor, late: torch.Tensor, highest: float) -> str | None:
    """What is wrong with β in the first quarter, or from half time on; None when nothing is."""
    rises_late = (late[:-1] < 1 - TOLERANCE).all()
    if (early > TOLERANCE).any() and rises_late:
        return (
            "β rises from the first step to the last. "
            "It waits for a quarter of training, and is up at half time."
        )
    if (early > TOLERANCE).any():
        return "β is above 0 in the first quarter already. It rises only after that."
    if highest < 1 - TOLERANCE:
        return (
            "β never reaches 1: at the end of training it is still less. "
            "How long is the line, and how far up?"
        )
    if rises_late:
        return "β reaches 1 only at the end. It is there at half time."
    if (late < 1 - TOLERANCE).any():
        return (
            "β reaches 1 only after half time. How long is the line, from one quarter to one half?"
        )
    return None


def _problem_of_line(progress: torch.Tensor, beta: torch.Tensor) -> str | None:
    """What is wrong with β between a quarter and a half of training; None when nothing is."""
    if ((beta < TOLERANCE) | (beta > 1 - TOLERANCE)).all():
        return "β jumps from 0 to 1. Between a quarter and a half of training it rises in a line."
    if beta[0] > 0.1 or beta[-1] < 0.9:
        return (
            "β has a jump at an end of its line. The line begins at 0 and ends at 1: "
            "how steep is it?"
        )
    if not torch.allclose(beta, 4 * (progress - 0.25), rtol=0, atol=1e-3):
        return "β starts and ends where it should, but what is between is no line."
    return None


# ---- β and σ are one knob ----


def one_knob() -> float:
    """The β that gives, with σ = 1, the model that a Gaussian VAE has with σ = 0.1 and β = 4."""
    return 4 * 0.1**2


check_one_knob = Check(
    "05",
    one_knob,
    mistakes=named(
        "so σ would not matter. But it decides how much a squared error costs, "
        "against the same KL.",
        4,
        "the squared error is divided by twice the variance, which is σ², not σ.",
        0.4,
        "this is the wrong direction: a small σ makes errors dear. "
        "Is the KL's share then large, or small?",
        400,
        "this is the wrong direction, and σ where σ² should be. "
        "Does a small σ make errors dear, or cheap?",
        40,
        "that is the variance alone. Where is the β that the model had?",
        0.01,
        "that is σ alone. Where is the β that the model had, and what squares in a Gaussian?",
        0.1,
        "that is what the squared error is multiplied with at σ = 0.1. "
        "What does it do to the KL's share?",
        100,
        "that is one over σ. A Gaussian has σ², and where is the β that the model had?",
        10,
        "upside down: that is the weight of the squared error when the KL has weight 1. "
        "β weighs the KL.",
        25,
        "upside down, and σ where σ² should be. β weighs the KL.",
        2.5,
        "this divides by the β that the model had: a larger one would become a smaller one.",
        0.0025,
        "this divides by the β that the model had, and has σ where σ² should be.",
        0.025,
        "β comes out squared. It multiplies the KL once.",
        0.16,
        1.6,
        "the ½ stands before the squared error at either σ, so it cancels.",
        0.02,
        0.08,
        "that compares standard deviations. "
        "Which of them stands in the Gaussian's squared error, σ or σ²?",
        0.2,
        "σ is squared twice: the variance is squared once more.",
        0.0004,
        "at σ = 1 and β = 1 it would be the ELBO. The model with σ = 0.1 and β = 4 is another one.",
        1,
    ),
    praise="only the product of β and the variance counts. A σ chosen by hand is a β in disguise.",
    hint="multiply the whole loss by one number, so that the squared error is as it is at σ = 1. "
    "What is left of β?",
)
