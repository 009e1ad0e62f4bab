"""Checks of notebook 04: the middle of a line, collapsed dimensions, central differences."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .judge import Check, call_answer, named, ok, usual_settings, wrong

# ---- the middle of a straight line ----


def midpoint_length() -> float:
    """The typical length of the midpoint of two independent codes from N(0, I) in 64 dimensions."""
    return math.sqrt(32)


check_midpoint_length = Check(
    "04",
    midpoint_length,
    mistakes=named(
        "so long are the ends, and all that lies on the great circle. "
        "A straight line cuts the corner.",
        8,
        "that is half of one end, as if the other were 0. "
        "Squared lengths of independent codes add up.",
        4,
        "that is for opposite ends. Independent ones are nearly orthogonal in 64 dimensions.",
        0,
        "that is the squared length. A length is its root.",
        32,
        "that is the squared length of half of one end, or both lengths together. "
        "Two halves meet in the middle.",
        16,
        "that is the squared length of one end. What is left of it when the end is halved, "
        "and how many are there?",
        64,
        "that is the length of the sum, and the distance of the ends. The midpoint is the mean.",
        math.sqrt(128),
        "that is the squared length of the sum. The midpoint is the mean, and a length has a root.",
        128,
        "that is a ratio of lengths. Which length has it to 8?",
        math.sqrt(0.5),
        0.5,
    ),
    praise="shorter than almost every sample of the prior: "
    "the middle is where the decoder was hardly trained.",
    hint="halve both ends: two nearly orthogonal pieces. How far do they lead together? "
    "One decimal is enough.",
    rtol=0.028,  # from 5.5 to 5.8
)

# ---- collapsed dimensions ----


@usual_settings()
def check_collapsed(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 04: marks, bool [D], of the collapsed latent dimensions, from mu and logvar [N, D].

    Collapsed: the posterior is the prior for every image, N(0, 1), up to a mean KL of 0.01 nats.
    """
    mu, logvar, kinds = _posteriors()
    answers = []

    def remember(*given: Tensor) -> object:
        answers.append(function(*given))
        return answers[-1]

    value = call_answer(remember if callable(function) else function, mu.clone(), logvar.clone())
    if value is None:
        return None
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
    problem = _problem_of_form(value.detach(), kl, kinds) or _problem_of_marks(
        value.bool(), kl.mean(0), kinds
    )
    if problem:
        return wrong(problem)
    if torch.as_tensor(answers[-1]).dtype != torch.bool:
        return wrong(
            "the right dimensions, but as numbers: an index of 0 and 1 picks these two. "
            "Give True and False."
        )
    return ok(
        "where every single posterior is the prior, and not where only their average is, "
        "or their mean, or their σ."
    )


def _posteriors() -> tuple[Tensor, Tensor, str]:
    """mu and logvar [400, 11], and the kind of each dimension, one letter: see the comments."""
    n, kinds = 400, "agcsarwbmav"
    i = torch.arange(n)
    one, other, rare = 1.0 - 2 * (i % 2), 1.0 - 2 * (i // 2 % 2), (i % 20 == 19).float()
    spread = torch.special.ndtri((i.roll(150) + 0.5) / n)  # N(0, 1), evenly
    columns = {
        "a": (0 * one, 0 * one),  # collapsed
        # narrow; the codes of all images together are N(0, 1)
        "g": (0.995 * spread / spread.std(), 0 * one - 4.6),
        "c": (0 * one, 0 * one - 1.4),  # centered, narrow
        "s": (0 * one + 1, 0 * one),  # shifted, all alike
        "r": (3 * rare * one * other, -2 * rare),  # collapsed but for a few images, 5 %
        "w": (0.17 * one, 0 * one),  # close to the prior: a KL of 0.015
        "b": (one, other),  # mu and logvar cancel over the images
        "m": (one, 0 * one),  # mu does
        "v": (0 * one, one),  # logvar does
    }
    mu, logvar = (torch.stack([columns[kind][part] for kind in kinds], 1) for part in (0, 1))
    noise = torch.randn(2, *mu.shape, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    return mu + 0.02 * noise[0], logvar + 0.02 * noise[1], kinds


def _problem_of_form(value: Tensor, kl: Tensor, kinds: str) -> str | None:
    """What keeps `value` from being a mark for each dimension, with KLs [N, D]; or None."""
    n, dims = kl.shape
    right = torch.tensor([float(i) for i, kind in enumerate(kinds) if kind == "a"])
    if torch.equal(value.flatten(), right):
        return (
            f"these are the numbers of the right dimensions. Mark all {dims} dimensions instead, "
            "with True or False."
        )
    if value.numel() == 1:
        return (
            f"this is one value for all {dims} dimensions together. Each collapses by itself: "
            "keep their axis."
        )
    if value.shape == (n,):
        return (
            "this is one value for each image, over its dimensions. Which axis counts the images?"
        )
    if value.shape == kl.shape:
        return (
            "this is one value for each image and dimension. "
            "All images together decide about a dimension."
        )
    if value.shape != (dims,):
        given = list(value.shape)
        return f"{dims} dimensions need {dims} marks, shape {[dims]}; yours have shape {given}."
    if not torch.isfinite(value).all():
        return (
            "some values are NaN or infinite. logvar is any real number, below 0 too: "
            "it has no root and no log."
        )
    if torch.allclose(value, kl.mean(0), rtol=1e-3, atol=1e-5):
        return "these are the right KLs, in nats. One step is left: which of them are small enough?"
    if not ((value == 0) | (value == 1)).all():
        return "these are scores, one for each dimension. Asked for is a decision: True or False."
    return None


CANCEL = (
    "averages over images come first, and what differs in sign cancels. First the KL of each image."
)
STILL = (
    "a posterior that is the same for all images can still differ from the prior: "
    "compare it with N(0, 1)."
)
TOGETHER = (
    "the codes of all images together look like the prior, but no single posterior does. "
    "Judge each one."
)
MARKED = {  # what it shows when these kinds of dimensions, and no others but r and w, are marked
    "": "you find none. Is your KL 0 for N(0, 1), and averaged over images, not added? "
    "It is never quite 0.",
    "abcgmsv": "you mark all dimensions. A KL is never below 0: does yours have the right sign?",
    "bcgmsv": "upside down: you mark the active dimensions, in which posteriors differ from the "
    "prior.",
    "bgm": "you mark dimensions whose mu differs between images: they are in use. "
    "Collapsed is the opposite.",
    "acv": "this looks at mu alone. A posterior centered on 0 but narrower than the prior costs "
    "nats: what of σ?",
    "acsv": "this asks whether mu moves. A mean can stand still far from 0, and what of σ?",
    "abcgmv": "this looks at the average of mu alone, in which both signs cancel. "
    "Judge each image, and σ as well.",
    "ams": "this looks at logvar alone. A posterior as wide as the prior can lie elsewhere: "
    "what of mu?",
    "abmsv": "this looks at the average of logvar alone, in which both signs cancel. "
    "Judge each image, and mu too.",
    "acgms": "this asks whether logvar moves. It can stand still far from 0, and what of mu?",
    "acmsv": "you mark where mu or logvar fits the prior. "
    "For the posterior to be the prior, both have to.",
    "acg": "your KL is 0 or less for narrow posteriors too. They cost most: is the log there, "
    "with its sign?",
    **dict.fromkeys(["ag", "g"], TOGETHER),
    **dict.fromkeys(["abmv", "am", "av", "bmv"], CANCEL),
    **dict.fromkeys(["as", "acs", "asv"], STILL),
}


def _problem_of_marks(marks: Tensor, kl: Tensor, kinds: str) -> str | None:
    """What is wrong with marks [D], of dimensions with mean KLs [D]; None when nothing is."""
    marked, blank = (
        {kinds[i] for i in range(len(kinds)) if marks[i] == mark} for mark in (True, False)
    )
    if marked == {"a"} and "a" not in blank:
        return None
    if marked - {"w"} == {"a", "r"}:
        return (
            "in one dimension that you mark, a few images are far from the prior. "
            "A median overlooks them."
        )
    if blank and "a" not in blank and kl[marks].max() < kl[~marks].min():
        return (
            "a dimension that you mark has 0.015 nats or more. A limit too high, a ½ too many, "
            "mu and logvar swapped?"
        )
    hint = (
        "these are not the collapsed ones. Take the KL of each image in each dimension, "
        "then its mean over images."
    )
    return hint if "a" in marked & blank else MARKED.get("".join(sorted(marked - set("rw"))), hint)


# ---- central differences ----


def central_difference(f: Callable[[Tensor], Tensor], z: Tensor, j: int, h: float) -> Tensor:
    """How f: [D] -> [P] changes with z_j: (f(z + h e_j) - f(z - h e_j)) / 2h, of (f, z, j, h)."""
    step = h * _axis(z, j)
    return (f(z + step) - f(z - step)) / (2 * h)


def _axis(z: Tensor, j: int) -> Tensor:
    """e_j, of length 1 along dimension j."""
    return torch.eye(len(z), dtype=z.dtype)[j]


def _functions() -> list[tuple[Callable, Tensor, int, float]]:
    """Curved functions f: [D] -> [P], a point z, the number j of a dimension, and a step h."""
    generator = torch.Generator().manual_seed(4)
    settings = ((4, 5, 2, 0.3), (3, 2, 1, 0.17))  # D, P, j, h
    return [
        (
            _curved(*torch.randn(2, d, p, generator=generator)),
            torch.randn(d, generator=generator),
            j,
            h,
        )
        for d, p, j, h in settings
    ]


def _curved(a: Tensor, b: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda z: (z @ a.to(z)).sin() + 0.2 * (z @ b.to(z)) ** 3 + 2


def _quotient(numerator: Callable, divisor: Callable = lambda h: 2 * h, **moves) -> Callable:
    """A mistake: numerator(up, mid, down) / divisor(h), of f after a step up, none, and one down.

    step: of (z, j, h), by default h along dimension j.  start: of (z, j), by default z.
    """
    step = moves.get("step", lambda z, j, h: h * _axis(z, j))
    start = moves.get("start", lambda z, j: z)

    def answer(f: Callable, z: Tensor, j: int, h: float) -> Tensor:
        middle, move = start(z, j), step(z, j, h)
        return numerator(f(middle + move), f(middle), f(middle - move)) / divisor(h)

    return answer


def _central(up: Tensor, mid: Tensor, down: Tensor) -> Tensor:
    return up - down


def _forward(up: Tensor, mid: Tensor, down: Tensor) -> Tensor:
    return up - mid


def _backward(up: Tensor, mid: Tensor, down: Tensor) -> Tensor:
    return mid - down


DIVISORS = (lambda h: 2 * h, lambda h: h, lambda h: 1)


def _derivative(f: Callable, z: Tensor, j: int, h: float) -> Tensor:
    return torch.autograd.functional.jvp(f, z, _axis(z, j))[1]


ONE_SIDE = "one of your points is z itself. Central means as far to one side as to the other."
NOTHING = (
    "nothing is subtracted: f itself, divided by h, grows as h shrinks. How much does f change?"
)
HALF = (
    "half of a one-sided difference. Is one point z itself, "
    "or did one tensor with two names move twice?"
)
LAST = "only the second value of f is divided. Parentheses say what belongs together."
FAR = "the change is right. How far apart are the two points? Divide by that."
ALL = "all dimensions move together. Only dimension j should."
OTHER = "a dimension moves, but not j. The first has number 0."
check_central_difference = Check(
    "04",
    central_difference,
    cases=_functions,
    mistakes=named(
        "the sign is turned around: positive means that f grows with z_j.",
        _quotient(lambda up, mid, down: down - up),
        "f is the same at both points: are they the same? A second name for a tensor is no copy.",
        _quotient(lambda up, mid, down: 0 * mid),
        "this is the size of the change. Its sign is lost: does f grow or shrink?",
        _quotient(lambda up, mid, down: (up - down).abs()),
        HALF,
        _quotient(_forward),
        _quotient(_backward),
        "Python divides by 2 and then multiplies by h. Parentheses say what belongs together.",
        _quotient(_central, lambda h: 2 / h),
        LAST,
        lambda f, z, j, h: f(z + h * _axis(z, j)) - f(z - h * _axis(z, j)) / (2 * h),
        lambda f, z, j, h: f(z + h * _axis(z, j)) - f(z - h * _axis(z, j)) / h,
        lambda f, z, j, h: f(z + h * _axis(z, j)) - f(z) / h,
        lambda f, z, j, h: f(z) - f(z - h * _axis(z, j)) / h,
        "the change itself, which shrinks with h. Divide it by how far apart the two points are.",
        _quotient(_central, lambda h: 1),
        "this is the derivative, for h near 0. Use the h that is given.",
        _derivative,
        FAR,
        *(_quotient(_central, by) for by in (lambda h: h, lambda h: 2, lambda h: 4 * h)),
        *(_quotient(_central, by) for by in (lambda h: -h, lambda h: -1, lambda h: h**2)),
        ONE_SIDE,
        *(_quotient(_forward, by) for by in (lambda h: h, lambda h: 1, lambda h: -h)),
        *(_quotient(_backward, by) for by in (lambda h: h, lambda h: 1, lambda h: -h)),
        NOTHING,
        *(_quotient(lambda up, mid, down: up, by) for by in DIVISORS),
        *(_quotient(lambda up, mid, down: mid, by) for by in DIVISORS),
        *(_quotient(lambda up, mid, down: down, by) for by in DIVISORS),
        "the two values of f are added. How much does f change from one to the other?",
        *(_quotient(lambda up, mid, down: up + down, by) for by in DIVISORS),
        ALL,
        *(_quotient(_central, by, step=lambda z, j, h: h) for by in DIVISORS),
        *(_quotient(_forward, by, step=lambda z, j, h: h) for by in DIVISORS),
        *(_quotient(lambda up, mid, down: up, by, step=lambda z, j, h: h) for by in DIVISORS),
        OTHER,
        _quotient(_central, step=lambda z, j, h: h * _axis(z, j - 1)),
        _quotient(_central, step=lambda z, j, h: h * _axis(z, 0)),
        _quotient(_central, step=lambda z, j, h: h * _axis(z, -1)),
        _quotient(_forward, lambda h: h, step=lambda z, j, h: h * _axis(z, j - 1)),
        "z_j is replaced by h and −h. Move it by h from where it is.",
        *(_quotient(_central, by, start=lambda z, j: z * (1 - _axis(z, j))) for by in DIVISORS),
        "you start from 0, not from z. How f changes depends on where you are.",
        *(_quotient(_central, by, start=lambda z, j: 0 * z) for by in DIVISORS),
        "your points are 1 away from z, whatever h is.",
        *(_quotient(_central, by, step=lambda z, j, h: _axis(z, j)) for by in DIVISORS),
        _quotient(_central, lambda h: 2, step=lambda z, j, h: _axis(z, j)),
        "your points are 2h away from z. The step is h, to each side.",
        *(_quotient(_central, by, step=lambda z, j, h: 2 * h * _axis(z, j)) for by in DIVISORS),
        _quotient(_central, lambda h: 4 * h, step=lambda z, j, h: 2 * h * _axis(z, j)),
        "your points are h/2 away from z. The step is h, to each side.",
        *(_quotient(_central, by, step=lambda z, j, h: h / 2 * _axis(z, j)) for by in DIVISORS),
    ),
    praise="the first error terms of both sides cancel: what is left shrinks with the square of h.",
    hint="take f at two points, h from z on either side. "
    "How fast does it change from one to the other?",
    form="each of the numbers of f(z) changes",
    not_finite="some values are NaN or infinite. h is not 0: what do you divide by?",
    unchanged="your function has moved z itself, which its caller needs. Move a copy instead.",
)
