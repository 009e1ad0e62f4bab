"""Checks of the exercises of notebook 04: the middle of a straight line, collapsed dimensions, central differences."""

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from .judge import call_answer, judge_number, numbers_in, ok, wrong


def check_midpoint_length(number: object) -> None:
    """Notebook 04: the typical length of the midpoint of two independent codes from N(0, I) in 64 dimensions."""
    right, both_ends, ratio = (
        math.sqrt(32),
        math.sqrt(128),
        "that is a ratio of lengths. Which length has it to 8?",
    )
    misconceptions = {
        8: "so long are the ends, and all that lies on the great circle. A straight line cuts the corner.",
        4: "that is half of one end, as if the other were 0. Squared lengths of independent codes add up.",
        0: "that is for opposite ends. Independent ones are nearly orthogonal in 64 dimensions.",
        32: "that is the squared length. A length is its root.",
        16: "that is the squared length of half of one end, or both lengths together. Two halves meet in the middle.",
        64: "that is the squared length of one end. What is left of it when the end is halved, and how many are there?",
        both_ends: "that is the length of the sum, and the distance of the ends. The midpoint is the mean.",
        128: "that is the squared length of the sum. The midpoint is the mean, and a length has a root.",
        math.sqrt(0.5): ratio,
        0.5: ratio,
    }
    given = numbers_in(number)
    if isinstance(given, float) and 5.5 <= given <= 5.8:
        number = right
    praise = "shorter than almost every sample of the prior: the middle is where the decoder was hardly trained."
    hint = "halve both ends: two nearly orthogonal pieces. How far do they lead together? One decimal is enough."
    judge_number(number, right, misconceptions, praise, hint, rel_tol=0.01)


def check_collapsed(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 04: marks, bool [D], of the latent dimensions that are collapsed, from mu and logvar [N, D].

    Collapsed: the posterior is the prior for every image, N(0, 1), up to a mean KL of 0.01 nats.
    """
    mu, logvar, cases = _posteriors()
    answers = []

    def remember(*given: Tensor) -> object:
        answers.append(function(*given))
        return answers[-1]

    value = call_answer(remember if callable(function) else function, mu.clone(), logvar.clone())
    if value is None:
        return
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
    problem = _problem_of_form(value.detach(), kl, cases) or _problem_of_marks(
        value.bool(), kl.mean(0), cases
    )
    if problem:
        return wrong(problem)
    if torch.as_tensor(answers[-1]).dtype != torch.bool:
        return wrong(
            "the right dimensions, but as numbers: an index of 0 and 1 picks these two. Give True and False."
        )
    ok(
        "where every single posterior is the prior, and not where only their average is, or their mean, or their σ."
    )


def _posteriors() -> tuple[Tensor, Tensor, str]:
    """mu and logvar [400, 12], and the case of each dimension, one letter: see the comments."""
    n, cases = 400, "agcsarwbmav"
    i = torch.arange(n)
    one, other, rare = 1.0 - 2 * (i % 2), 1.0 - 2 * (i // 2 % 2), (i % 20 == 19).float()
    spread = torch.special.ndtri((i.roll(150) + 0.5) / n)  # N(0, 1), evenly
    columns = {
        "a": (0 * one, 0 * one),  # collapsed
        "g": (
            0.995 * spread / spread.std(),
            0 * one - 4.6,
        ),  # narrow; the codes of all images together are N(0, 1)
        "c": (0 * one, 0 * one - 1.4),  # centered, narrow
        "s": (0 * one + 1, 0 * one),  # shifted, all alike
        "r": (3 * rare * one * other, -2 * rare),  # collapsed but for a few images, 5 %
        "w": (0.17 * one, 0 * one),  # close to the prior: a KL of 0.015
        "b": (one, other),  # mu and logvar cancel over the images
        "m": (one, 0 * one),  # mu does
        "v": (0 * one, one),  # logvar does
    }
    mu, logvar = (torch.stack([columns[case][part] for case in cases], 1) for part in (0, 1))
    noise = 0.02 * torch.randn(2, *mu.shape, generator=torch.Generator().manual_seed(0)).clamp(
        -3, 3
    )
    return mu + noise[0], logvar + noise[1], cases


def _problem_of_form(value: Tensor, kl: Tensor, cases: str) -> str | None:
    """What keeps `value` from being a mark, right or wrong, for each dimension, with KLs [N, D]; None: nothing does."""
    n, dims = kl.shape
    right = torch.tensor([float(i) for i, case in enumerate(cases) if case == "a"])
    if torch.equal(value.flatten(), right):
        return f"these are the numbers of the right dimensions. Mark all {dims} dimensions instead, with True or False."
    if value.numel() == 1:
        return f"this is one value for all {dims} dimensions together. Each collapses by itself: keep their axis."
    if value.shape == (n,):
        return (
            "this is one value for each image, over its dimensions. Which axis counts the images?"
        )
    if value.shape == kl.shape:
        return "this is one value for each image and dimension. All images together decide about a dimension."
    if value.shape != (dims,):
        return f"{dims} dimensions need {dims} marks, shape {[dims]}; yours have shape {list(value.shape)}."
    if not torch.isfinite(value).all():
        return "some values are NaN or infinite. logvar is any real number, below 0 too: it has no root and no log."
    if torch.allclose(value, kl.mean(0), rtol=1e-3, atol=1e-5):
        return "these are the right KLs, in nats. One step is left: which of them are small enough?"
    if not ((value == 0) | (value == 1)).all():
        return "these are scores, one for each dimension. Asked for is a decision: True or False."
    return None


def _problem_of_marks(marks: Tensor, kl: Tensor, cases: str) -> str | None:
    """What marks [D] show that are not those of the collapsed dimensions, with mean KLs [D]; None when they are."""
    marked, blank = (
        {cases[i] for i in range(len(cases)) if marks[i] == mark} for mark in (True, False)
    )
    if marked == {"a"} and "a" not in blank:
        return None
    cancel = "averages over images come first, and what differs in sign cancels. First the KL of each image."
    still = "a posterior that is the same for all images can still differ from the prior: compare it with N(0, 1)."
    together = "the codes of all images together look like the prior, but no single posterior does. Judge each one."
    texts = {  # what the marked cases, but for r and w, show
        "": "you find none. Is your KL 0 for N(0, 1), and averaged over images, not added? It is never quite 0.",
        "abcgmsv": "you mark all dimensions. A KL is never below 0: does yours have the right sign?",
        "bcgmsv": "upside down: you mark the active dimensions, in which posteriors differ from the prior.",
        "bgm": "you mark dimensions whose mu differs between images: they are in use. Collapsed is the opposite.",
        "acv": "this looks at mu alone. A posterior centered on 0 but narrower than the prior costs nats: what of σ?",
        "acsv": "this asks whether mu moves. A mean can stand still far from 0, and what of σ?",
        "abcgmv": "this looks at the average of mu alone, in which both signs cancel. Judge each image, and σ as well.",
        "ams": "this looks at logvar alone. A posterior as wide as the prior can lie elsewhere: what of mu?",
        "abmsv": "this looks at the average of logvar alone, in which both signs cancel. Judge each image, and mu too.",
        "acgms": "this asks whether logvar moves. It can stand still far from 0, and what of mu?",
        "acmsv": "you mark where mu or logvar fits the prior. For the posterior to be the prior, both have to.",
        **dict.fromkeys(["ag", "g"], together),
        **dict.fromkeys(["abmv", "am", "av", "bmv"], cancel),
        **dict.fromkeys(["as", "acs", "asv"], still),
        "acg": "your KL is 0 or less for narrow posteriors too. They cost most: is the log there, with its sign?",
    }
    if marked - {"w"} == {"a", "r"}:
        return "in one dimension that you mark, a few images are far from the prior. A median overlooks them."
    if blank and "a" not in blank and kl[marks].max() < kl[~marks].min():
        return "a dimension that you mark has 0.015 nats or more. A limit too high, a ½ too many, mu and logvar swapped?"
    hint = "these are not the collapsed ones. Take the KL of each image in each dimension, then its mean over images."
    return hint if "a" in marked & blank else texts.get("".join(sorted(marked - set("rw"))), hint)


def check_central_difference(
    function: Callable[[Callable[[Tensor], Tensor], Tensor, int, float], Tensor],
) -> None:
    """Notebook 04: how f: [D] -> [P] changes with z_j, (f(z + h e_j) - f(z - h e_j)) / 2h, [P], of (f, z, j, h)."""
    generator = torch.Generator().manual_seed(4)
    a, b, z = (torch.randn(*shape, generator=generator) for shape in ((4, 5), (4, 5), (4,)))
    j, h = 2, 0.3

    def f(z: Tensor) -> Tensor:
        return (z @ a.to(z)).sin() + 0.2 * (z @ b.to(z)) ** 3 + 2

    given = z.clone()
    value = call_answer(function, f, given, j, h)
    if value is None:
        return
    if not torch.allclose(given, z, rtol=1e-4, atol=1e-5):
        return wrong(
            "your function has moved z itself, which its caller still needs. Move a copy instead."
        )
    value = value.detach()
    right, mistakes = _differences(f, z, j, h)
    if value.shape != right.shape:
        shapes = [list(tensor.shape) for tensor in (right, value)]
        return wrong(
            f"f(z) has shape {shapes[0]}, and each of its numbers changes; your answer has shape {shapes[1]}."
        )
    if not torch.isfinite(value).all():
        return wrong("some values are NaN or infinite. h is not 0: what do you divide by?")
    if not _close(value, right):
        hint = "take f at two points, h from z on either side. How fast does it change from one to the other?"
        return wrong(next((text for mistake, text in mistakes if _close(value, mistake)), hint))
    ok("the first error terms of both sides cancel: what is left shrinks with the square of h.")


def _differences(
    f: Callable, z: Tensor, j: int, h: float
) -> tuple[Tensor, list[tuple[Tensor, str]]]:
    """The central difference, and other values with what each shows, the likelier first."""
    eye = torch.eye(len(z))
    e, others = eye[j], [eye[i] for i in range(len(z)) if i != j]
    mid, up, down = f(z), f(z + h * e), f(z - h * e)
    right = (up - down) / (2 * h)
    one_side = "one of your points is z itself. Central means as far to one side as to the other."
    nothing = (
        "nothing is subtracted: f itself, divided by h, grows as h shrinks. How much does f change?"
    )
    changes = [
        ([up - down], "the change is right. How far apart are the two points? Divide by that."),
        ([up - mid, mid - down], one_side),
        ([up, down, mid], nothing),
        (
            [up + down],
            "the two values of f are added. How much does f change from one to the other?",
        ),
        (_changes(f, z, [h]), "all dimensions move together. Only dimension j should."),
        (
            _changes(f, z, [h * other for other in others]),
            "a dimension moves, but not j. The first has number 0.",
        ),
        (
            _changes(f, z * (1 - e), [h * e]),
            "z_j is replaced by h and −h. Move it by h from where it is.",
        ),
        (
            _changes(f, 0 * z, [h * e]),
            "you start from 0, not from z. How f changes depends on where you are.",
        ),
        (_changes(f, z, [e]), "your points are 1 away from z, whatever h is."),
        (
            _changes(f, z, [2 * h * e]),
            "your points are 2h away from z. The step is h, to each side.",
        ),
        (
            _changes(f, z, [h / 2 * e]),
            "your points are h/2 away from z. The step is h, to each side.",
        ),
    ]
    divisors = (1, 2, h, 2 * h, 4 * h, 2 / h, 1 / h, h**2, len(z), 2 * h * len(z))
    half = "half of a one-sided difference. Is one point z itself, or did one tensor with two names move twice?"
    only_last = "only the second value of f is divided. Parentheses say what belongs together."
    mistakes = [
        (-right, "the sign is turned around: positive means that f grows with z_j."),
        (
            0 * right,
            "f is the same at both points: are they the same? A second name for a tensor is no copy.",
        ),
        (right.abs(), "this is the size of the change. Its sign is lost: does f grow or shrink?"),
        ((up - mid) / (2 * h), half),
        ((mid - down) / (2 * h), half),
        (
            (up - down) * h / 2,
            "Python divides by 2 and then multiplies by h. Parentheses say what belongs together.",
        ),
        *(
            (first - last / by, only_last)
            for first in (up, mid)
            for last in (mid, down)
            for by in (2, h, 2 * h)
        ),
        (
            up - down,
            "the change itself, which shrinks with h. Divide it by how far apart the two points are.",
        ),
        (
            torch.autograd.functional.jvp(f, z, e)[1],
            "this is the derivative, for h near 0. Use the h that is given.",
        ),
    ]
    mistakes += [
        (change / by, text) for found, text in changes for change, by in product(found, divisors)
    ]
    return right, mistakes + [(-value, text) for value, text in mistakes[1:]]


def _changes(f: Callable, z: Tensor, steps: list) -> list[Tensor]:
    """Over each step: the central, forward and backward change of f, and its values."""
    return [
        change
        for step in steps
        for up, mid, down in [(f(z + step), f(z), f(z - step))]
        for change in (up - down, up - mid, mid - down, up, down)
    ]


def _close(value: Tensor, other: Tensor) -> bool:
    return torch.allclose(value, other, rtol=1e-4, atol=1e-4)
