"""Checks of notebook 04: the middle of a line, collapsed dimensions, central differences."""

import math
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor
from torch.nn.functional import softplus

from .judge import Check, named

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
    praise="shorter than almost every sample of the prior. "
    "Whether the decoder minds depends on which of the 64 numbers it reads.",
    hint="halve both ends: two nearly orthogonal pieces. How far do they lead together? "
    "One decimal is enough.",
    rtol=0.028,  # from 5.5 to 5.8
)

# ---- collapsed dimensions ----


def collapsed(mu: Tensor, logvar: Tensor) -> Tensor:
    """Marks, bool [D], of dimensions with a mean KL under 0.01 nats, of mu and logvar [N, D]."""
    return _kl(mu, logvar).mean(0) < 0.01


def _kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) of each image in each dimension, [N, D]."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


NEAR_THE_LIMIT = (  # mu and logvar, with KLs from 0.003 to 0.09 nats
    *((0.08, 0), (0.11, 0), (0, 0.12), (0.135, 0), (0, 0.18), (0, -0.2), (0.09, 0.1)),  # collapsed
    *((0.15, 0), (0.25, 0), (0, 0.2), (0, -0.25), (0, 0.25), (0.12, 0.15), (0, 0.54)),  # not
)


def _dimensions(n: int) -> list[tuple[Tensor, Tensor]]:
    """The mu and logvar of n images in dimensions of every kind."""
    i = torch.arange(n)
    one, other, rare = 1.0 - 2 * (i % 2), 1.0 - 2 * (i // 2 % 2), (i % 40 == 39).float()
    spread = torch.special.ndtri((i.roll(3 * n // 8) + 0.5) / n)  # N(0, 1), evenly
    noise = 0.02 * torch.randn(4, n, generator=torch.Generator().manual_seed(0))
    zero = 0 * one
    return [
        (noise[0], noise[1]),  # collapsed
        (noise[2], noise[3]),
        (zero + 0.12, zero),  # collapsed, though its mean is never 0
        (0.4 * rare * one, zero),  # collapsed: of a few images the KL is larger, of the mean not
        (0.995 * spread / spread.std(), zero - 4.6),  # narrow; all codes together are N(0, 1)
        (zero, zero - 1.4),  # centered, narrow
        (zero - 1, zero),  # shifted, all alike
        (zero + 1, zero),
        (3 * rare * one * other, -2 * rare),  # collapsed but for a few images
        (one, other),  # mu and logvar cancel over the images
        (one, zero),  # mu does
        (zero, one),  # logvar does
        *((mu * one, zero + logvar) for mu, logvar in NEAR_THE_LIMIT),
    ]


def _posteriors() -> list[tuple[Tensor, Tensor]]:
    """The mu and logvar [N, D] of many images, of some, and of two, in mixed dimensions.

    Of two images there are only the dimensions near the limit.
    """
    generator = torch.Generator().manual_seed(0)
    cases = []
    for n, first in ((400, 0), (60, 0), (2, -len(NEAR_THE_LIMIT))):
        dimensions = torch.stack([torch.stack(each) for each in _dimensions(n)[first:]])
        mixed = dimensions[torch.randperm(len(dimensions), generator=generator)]  # [D, 2, N]
        cases.append((mixed[:, 0].T.contiguous(), mixed[:, 1].T.contiguous()))
    return cases


def _not_bool(_: tuple, marks: object) -> str | None:
    """What is wrong with right marks that are no bools; None when they are."""
    with suppress(TypeError, ValueError, RuntimeError):  # no tensor can be made of Decimals
        if torch.as_tensor(marks).dtype == torch.bool:
            return None
    return (
        "the right dimensions, but as numbers: an index of 0 and 1 picks these two. "
        "Give True and False."
    )


def _under(score: Callable, *limits: float) -> list[Callable]:
    """Mistakes that mark the dimensions in which score(mu, logvar), [D], is under a limit."""
    return [lambda mu, logvar, limit=limit: score(mu, logvar) < limit for limit in limits]


def _mean_under(kl: Callable, *limits: float) -> list[Callable]:
    """The same, where the score is the mean over the images of kl(mu, logvar), [N, D]."""
    return _under(lambda mu, logvar: kl(mu, logvar).mean(0), *(limits or (0.01,)))


def _both_under(first: Callable, second: Callable, *limits: float) -> list[Callable]:
    """Mistakes that ask two scores, each of one of mu and logvar, to be under the same limit."""
    return _under(lambda mu, logvar: torch.maximum(first(mu), second(logvar)), *limits)


def _average(part: Tensor) -> Tensor:
    """The size of the mean over the images, in which signs cancel, [D]."""
    return part.mean(0).abs()


def _size(part: Tensor) -> Tensor:
    """The mean size, [D]."""
    return part.abs().mean(0)


def _movement(part: Tensor) -> Tensor:
    """The standard deviation over the images, [D]."""
    return part.std(0)


def _of_all_codes(mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """The center and the variance of the codes of all images together, both [D]."""
    return mu.mean(0), mu.var(0) + logvar.exp().mean(0)


SMALL = 0.01, 0.05, 0.1, 0.2  # limits that somebody may choose
check_collapsed = Check(
    "04",
    collapsed,
    cases=_posteriors,
    look=_not_bool,
    mistakes=named(
        "upside down: you mark the active dimensions, where posteriors differ from the prior.",
        *(lambda mu, logvar, at=at: _kl(mu, logvar).mean(0) > at for at in SMALL),
        "you mark too few, as if each KL were twice as large. Does your KL have its ½?",
        *_mean_under(lambda mu, logvar: 2 * _kl(mu, logvar)),
        "you mark too few, as if the KL were in bits. The limit is in nats.",
        *_mean_under(lambda mu, logvar: _kl(mu, logvar) / math.log(2)),
        "you mark too few: is your limit for the mean KL lower than the one asked for?",
        *_mean_under(_kl, 0.001, 0.0035, 0.0063, 0.008, 0.009, 0.0092),
        "you mark too many: a limit too high, or a ½ too many?",
        *_mean_under(_kl, 0.011, 0.012, 0.014, 0.015, 0.02, 0.05, 0.1, 0.2, 0.5),
        "you take logvar for log σ. It is log σ², twice as much.",
        *_mean_under(lambda mu, logvar: _kl(mu, 2 * logvar)),
        "you halve logvar on the way into the KL. But what enters it is σ² and its log.",
        *_mean_under(lambda mu, logvar: _kl(mu, logvar / 2)),
        "σ stands where σ² belongs: your KL is below 0 for posteriors a little wider than the "
        "prior.",
        *_mean_under(lambda mu, logvar: _kl(mu, logvar) + ((logvar / 2).exp() - logvar.exp()) / 2),
        "log σ stands where log σ² belongs: your KL is below 0 for narrow posteriors.",
        *_mean_under(lambda mu, logvar: _kl(mu, logvar) + logvar / 4),
        "a softplus makes σ out of logvar. logvar is a logarithm: only an exponential undoes it.",
        *_mean_under(lambda mu, logvar: _kl(mu, 2 * softplus(logvar).log())),
        "this is KL(prior || posterior). Which of the two is the average over?",
        *_mean_under(lambda mu, logvar: _kl(mu / (logvar / 2).exp(), -logvar)),
        "mu and logvar have swapped places.",
        *_mean_under(lambda mu, logvar: _kl(logvar, mu)),
        "mu comes in without its square, and below 0 it makes the KL small.",
        *_mean_under(lambda mu, logvar: _kl(0 * mu, logvar) + mu / 2),
        "your KL is 0 or less for narrow posteriors too. They cost most: is the log there, "
        "with its sign?",
        *_mean_under(lambda mu, logvar: _kl(mu, logvar) + logvar / 2),
        *_mean_under(lambda mu, logvar: _kl(mu, logvar) + logvar),
        "you find none. Is your KL 0 for N(0, 1)? Even then its mean is never quite 0.",
        *_mean_under(lambda mu, logvar: _kl(mu, logvar) + 0.5),
        *_under(lambda mu, logvar: _kl(mu, logvar).mean(0), 0),
        "the KL is added over the images, so it grows with their number. Take its mean.",
        *_under(lambda mu, logvar: _kl(mu, logvar).sum(0), 0.01),
        "you mark all dimensions. A KL is never below 0: does yours have the right sign?",
        *_mean_under(lambda mu, logvar: -_kl(mu, logvar)),
        "this asks that no single image is over the limit. Asked for is the mean over the images.",
        *_under(lambda mu, logvar: _kl(mu, logvar).amax(0), 0.01),
        "you mark dimensions in which a few images are far from the prior. "
        "The mean counts them, a median overlooks them.",
        *_under(lambda mu, logvar: _kl(mu, logvar).median(0).values, 0.01),
        *_under(lambda mu, logvar: _kl(mu, logvar).amin(0), 0.01),
        *_under(lambda mu, logvar: _kl(mu, logvar)[0], 0.01),
        *_under(lambda mu, logvar: (_kl(mu, logvar) > 0.01).float().mean(0), 0.1, 0.5),
        "averages over images come first, and what differs in sign cancels. "
        "First the KL of each image.",
        *_under(lambda mu, logvar: _kl(mu.mean(0), logvar.mean(0)), 0.01),
        *_under(lambda mu, logvar: _kl(mu.mean(0), logvar.exp().mean(0).log()), 0.01),
        *_both_under(_average, _average, *SMALL),
        *_both_under(_average, _size, *SMALL),
        *_both_under(_size, _average, *SMALL),
        "the codes of all images together look like the prior, but no single posterior does. "
        "Judge each one.",
        *_under(lambda mu, logvar: _kl(mu.mean(0), _of_all_codes(mu, logvar)[1].log()), 0.01),
        *_under(
            lambda mu, logvar: torch.maximum(
                _average(mu), (_of_all_codes(mu, logvar)[1] - 1).abs()
            ),
            *SMALL,
        ),
        "you ask for a mu that differs between images like the prior. "
        "Such a dimension is in use; collapsed is the opposite.",
        *_under(lambda mu, logvar: torch.maximum(_average(mu), (_movement(mu) - 1).abs()), *SMALL),
        *(lambda mu, logvar, at=at: _movement(mu) > at for at in SMALL),
        "this looks at mu alone. A posterior centered on 0 can be narrower than the prior: "
        "what of σ?",
        *_under(lambda mu, logvar: _size(mu), *SMALL),
        *_under(lambda mu, logvar: mu.square().mean(0), *SMALL),
        *_mean_under(lambda mu, logvar: _kl(mu, 0 * logvar)),
        "this asks whether mu moves. A mean can stand still far from 0, and what of σ?",
        *_under(lambda mu, logvar: _movement(mu), *SMALL),
        "this looks at the average of mu alone, in which both signs cancel. "
        "Judge each image, and σ as well.",
        *_under(lambda mu, logvar: _average(mu), *SMALL),
        "this looks at logvar alone. A posterior as wide as the prior can lie elsewhere: "
        "what of mu?",
        *_under(lambda mu, logvar: _size(logvar), *SMALL),
        *_under(lambda mu, logvar: (logvar.exp() - 1).abs().mean(0), *SMALL),
        *_mean_under(lambda mu, logvar: _kl(0 * mu, logvar)),
        "this looks at the average of logvar alone, in which both signs cancel. "
        "Judge each image, and mu too.",
        *_under(lambda mu, logvar: _average(logvar), *SMALL),
        "this asks whether logvar moves. It can stand still far from 0, and what of mu?",
        *_under(lambda mu, logvar: _movement(logvar), *SMALL),
        "you ask whether the posterior is the same for all images. "
        "It can be so and still differ from the prior, N(0, 1).",
        *_both_under(_movement, _movement, *SMALL),
        *_both_under(_movement, _size, *SMALL),
        *_both_under(_size, _movement, *SMALL),
        "you mark where mu or logvar fits the prior. For the posterior to be the prior, "
        "both have to.",
        *_under(lambda mu, logvar: torch.minimum(_size(mu), _size(logvar)), *SMALL),
        "mu and logvar are each small, but small by which measure? One number counts both: the KL.",
        *_both_under(_size, _size, 0.05, 0.1, 0.2),
        "these are the right KLs, in nats. One step is left: which of them are small enough?",
        lambda mu, logvar: _kl(mu, logvar).mean(0),
        "these are the numbers of the right dimensions. Mark every dimension instead, "
        "with True or False.",
        lambda mu, logvar: collapsed(mu, logvar).nonzero().flatten(),
        lambda mu, logvar: collapsed(mu, logvar).nonzero(),
        "this is how many they are. Each dimension collapses by itself: give a mark for each.",
        lambda mu, logvar: collapsed(mu, logvar).sum(),
        "this is one value for each image, over its dimensions. Which axis counts the images?",
        lambda mu, logvar: _kl(mu, logvar).mean(1) < 0.01,
        lambda mu, logvar: _kl(mu, logvar).sum(1) < 0.01,
        "this is one value for each image and dimension. All images together decide about a "
        "dimension.",
        lambda mu, logvar: _kl(mu, logvar) < 0.01,
        lambda mu, logvar: _kl(mu, logvar),
    ),
    praise="where every single posterior is the prior, and not where only their average is, "
    "or their mean, or their σ.",
    hint="not the collapsed ones. Take the KL of each image in each dimension, "
    "then its mean over the images.",
    form="each dimension collapses by itself and needs a mark",
    not_finite="some values are NaN or infinite. logvar is any real number, below 0 too: "
    "it has no root and no log.",
)

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
        "this is the second derivative: how the slope changes. Asked for is the slope.",
        _quotient(lambda up, mid, down: up - 2 * mid + down, lambda h: h**2),
        _quotient(lambda up, mid, down: up - 2 * mid + down),
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
