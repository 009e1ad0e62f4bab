"""Checks of notebook 06: the least absolute error, a learned σ, noise that passes as detail."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .judge import Check, Verdict, call_answer, named, ok, usual_settings, wrong

# ---- the least absolute error: a function, because several images may be right ----


@usual_settings()
def check_absolute_error(best_guess: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """Notebook 06: The image [1, H, W] with the least expected absolute error.

    Of (images, weights), equally sharp candidates [M, 1, H, W] in [0, 1] and their probabilities
    [M].  Where several images cost equally little, each of them is right; axes of length 1 in front
    do not count.
    """
    for images, weights in _candidates():
        value = call_answer(best_guess, images.clone(), weights.clone())
        if isinstance(value, Verdict):
            return value
        problem = _problem_of_guess(value.detach(), images, weights)
        if problem:
            return wrong(problem)
    return ok(
        "pixel by pixel, half of the probability on either side. "
        "No gray between two images, yet none of them either."
    )


def _candidates() -> Iterator[tuple[Tensor, Tensor]]:
    """Candidates and weights: some with one best image, some with many, and a single candidate.

    Where one is best, no weights sum to nearly ½.  Gray values are the same in half precision.
    """
    generator = torch.Generator().manual_seed(6)
    for away, height, width, shares in (
        (1, 4, 5, [4, 1, 2, 3, 1, 1, 1]),
        (2, 4, 5, [3, 1, 2, 2]),
        (2, 3, 2, [1] * 4),
        (1, 5, 4, [2, 1, 2]),
        (0, 2, 3, [1]),
    ):
        n = len(shares)
        shared = torch.rand(1, 1, height, width, generator=generator)
        own = torch.rand(n, 1, height, width, generator=generator)
        unlike = (torch.arange(n) < away).float()[:, None, None, None]  # unlike the other images
        images = (8 * (own + unlike + (1 - 2 * unlike) * shared)).round() / 16
        yield images, torch.tensor(shares) / sum(shares)


def _problem_of_guess(value: Tensor, images: Tensor, weights: Tensor) -> str | None:
    """What is wrong with a guess; None when nothing is."""
    problem = _problem_of_shape(value, images)
    if problem:
        return problem
    if not torch.isfinite(value).all():
        return "some pixels are NaN or infinite. Is there a division by a sum of no weights?"
    guess = value.reshape(images[0].shape)
    least = torch.stack([_cost(image, images, weights) for image in images]).amin(0)
    if (_cost(guess, images, weights) <= least + 1e-3).all():
        return None
    for mistake, text in COSTLY_GUESSES:
        if torch.allclose(guess, mistake(images, weights), rtol=0, atol=1e-4):
            return text
    return _problem_of_grays(guess, images)


def _cost(guess: Tensor, images: Tensor, weights: Tensor) -> Tensor:
    """The expected absolute error of each pixel of a guess [1, H, W]."""
    return (_over_images(weights) * (guess - images).abs()).sum(0)


def _over_images(weights: Tensor) -> Tensor:
    return weights[:, None, None, None]


def _problem_of_shape(value: Tensor, images: Tensor) -> str | None:
    """What keeps `value` from being one image like those in `images`; None when nothing does."""
    shape, given = list(images[0].shape), list(value.shape)
    while given and given[0] == 1:
        given = given[1:]
    if given == shape[1:]:
        return None
    if value.shape == images.shape:
        return "this is one image for each candidate. A single guess is allowed: it pays for all."
    if value.numel() == len(images):
        return "this is one number for each candidate, over its pixels. Which axis counts them?"
    if value.numel() == 1:
        return "this is one number for the whole image. Each pixel needs a guess of its own."
    return f"a guess is an image of shape {shape}; yours has shape {list(value.shape)}."


def _weighted(images: Tensor, weights: Tensor) -> Tensor:
    return _over_images(weights) * images


def _beside_median(images: Tensor, weights: Tensor, steps: int) -> Tensor:
    """The candidate's gray value that is `steps` brighter than the median, in each pixel."""
    gray, order = images.sort(0)
    median = (weights[order].cumsum(0) < 0.5).sum(0, keepdim=True)
    return gray.gather(0, (median + steps).clamp(0, len(images) - 1))[0]


def _most_probable_gray(images: Tensor, weights: Tensor) -> Tensor:
    """The gray value that has the largest sum of weights, in each pixel."""
    same = (images[:, None] == images).to(weights)
    probability = (same * weights[:, None, None, None]).sum(1)
    return images.gather(0, probability.argmax(0, keepdim=True))[0]


COSTLY_GUESSES = named(
    "this is the mean: least squared error, in which far values pull harder. Here all pull alike.",
    lambda images, weights: _weighted(images, weights).sum(0),
    "this is the mean, as if all candidates were equally likely. Least, in which error?",
    lambda images, _: images.mean(0),
    "this is the median as if all candidates were equally likely.",
    lambda images, _: images.median(0).values,
    "this is the most probable candidate as a whole: wrong more often than not.",
    lambda images, weights: images[weights.argmax()],
    "this is one candidate as a whole. The guess may be none of them: decide pixel by pixel.",
    *(lambda images, _, i=i: images[i % len(images)] for i in range(1, 7)),
    "this is the most probable gray of each pixel. It is often wrong, and nothing tells how far.",
    _most_probable_gray,
    "halfway between the darkest and the brightest: that keeps the largest error small.",
    lambda images, _: (images.amin(0) + images.amax(0)) / 2,
    "this is the darkest value of each pixel. It is far from most others.",
    lambda images, _: images.amin(0),
    "this is the brightest value of each pixel. It is far from most others.",
    lambda images, _: images.amax(0),
    "the gray values are sorted, the weights are not: each has to stay with its own value.",
    *(lambda images, _, i=i: images.sort(0).values[i % len(images)] for i in (1, 2, 4, 5)),
    "one candidate too far from the right value, in each pixel. Where do you count from?",
    lambda images, weights: _beside_median(images, weights, -1),
    lambda images, weights: _beside_median(images, weights, 1),
    "the weights have scaled the gray values. A weight is no brightness.",
    lambda images, weights: _weighted(images, weights).median(0).values,
    lambda images, weights: _weighted(len(images) * images, weights).median(0).values,
    "this is black and white, the candidates are gray. Which gray costs least?",
    lambda images, weights: (_weighted(images, weights).sum(0) > 0.5).float(),
)


def _problem_of_grays(guess: Tensor, images: Tensor) -> str:
    """What the gray values of a guess [1, H, W] show that costs too much."""
    if (guess == guess.flatten()[0]).all():
        return "every pixel has the same gray. Each has its own candidates: keep its axes."
    if guess.max() > 1 and torch.equal(guess, guess.round()):
        return "these are numbers of candidates, not gray values. Look the gray up, pixel by pixel."
    if guess.min() < -1e-4 or guess.max() > 1 + 1e-4:
        return "some pixels are darker or brighter than all candidates. Is a division missing?"
    return "some pixels cost too much. Move one of them up a little: which errors grow or shrink?"


# ---- one learned σ ----


def learned_std(mean: Tensor, x: Tensor) -> Tensor:
    """The σ, one for all pixels and images, under which x is most likely, N(x; mean, σ² I).

    Of (mean, x), both [N, 1, H, W]; returns one number.
    """
    return (x - mean).square().mean().sqrt()


def _means_and_images() -> Iterator[tuple[Tensor, Tensor]]:
    """Means and images; the errors have an offset, and another size in each image."""
    generator = torch.Generator().manual_seed(1)
    for height, width, size in (
        (4, 6, [0.1, 0.3, 0.8, 0.2, 0.5]),
        (5, 3, [0.4, 0.2, 0.7]),
        (7, 2, [0.05]),
    ):
        x, noise = torch.rand(2, len(size), 1, height, width, generator=generator)
        yield x - torch.tensor(size)[:, None, None, None] * (noise - 0.2), x


def _of_errors(*texts_and_functions: object) -> list[tuple[Callable, str]]:
    """Mistakes, given as functions of the errors x - mean."""
    mistakes = named(*texts_and_functions)
    return [(lambda mean, x, f=function: f(x - mean), text) for function, text in mistakes]


def _and_root(square: Callable[..., Tensor]) -> tuple[Callable, Callable]:
    """A variance, and the standard deviation that belongs to it."""
    return square, lambda *given: square(*given) ** 0.5


check_learned_std = Check(
    "06",
    learned_std,
    cases=_means_and_images,
    mistakes=_of_errors(
        "this is σ², the variance. A standard deviation has the unit of a pixel, not its square.",
        lambda error: error.square().mean(),
        "the squared errors of an image's pixels are added up. σ is that of a single pixel.",
        *_and_root(lambda error: error.square().sum((1, 2, 3)).mean()),
        "the squared errors of a pixel are added up over images. σ is that of a single pixel.",
        *_and_root(lambda error: error.square().sum(0).mean()),
        "the squared errors are added up along one axis. σ is that of a single pixel.",
        *_and_root(lambda error: error.square().sum(2).mean()),
        *_and_root(lambda error: error.square().sum(3).mean()),
        "the root is taken of the squares, and not of their number.",
        *(lambda error, n=n: error.norm() / n(error) for n in (torch.numel, len)),
        "all squared errors added up: that grows with the data set. How far off is one pixel?",
        *_and_root(lambda error: error.square().sum()),
        "this is the mean absolute error, right for a Laplace density. A Gaussian squares.",
        lambda error: error.abs().mean(),
        "this follows from absolute errors, as if they were normal. The likeliest σ squares them.",
        lambda error: error.abs().mean() * (math.pi / 2) ** 0.5,
        lambda error: 1.4826 * error.abs().median(),
        "this is the spread of the errors around their own mean. An offset is an error too.",
        *_and_root(lambda error: error.var()),
        *_and_root(lambda error: error.var(correction=0)),
        *(lambda error, n=n: error.std((1, 2, 3), correction=n).mean() for n in (0, 1)),
        "divided by one less: that makes up for a mean fitted to the errors. None is here.",
        *_and_root(lambda error: error.square().sum() / (error.numel() - 1)),
        "this is the mean of many σ. One σ for all: first all squares, then one root.",
        lambda error: error.square().mean((1, 2, 3)).sqrt().mean(),
        lambda error: error.square().mean(0).sqrt().mean(),
        "a ½ or 2 is left in. A ½ stands before the error and before log σ² too: it cancels.",
        *_and_root(lambda error: error.square().mean() / 2),
        *_and_root(lambda error: error.square().mean() * 2),
        lambda error: error.square().mean().sqrt() / 2,
        "this is a log, of σ² or σ, as a decoder may learn it. Asked for is σ itself.",
        lambda error: error.square().mean().log(),
        lambda error: error.square().mean().log() / 2,
        "this is in decibels, as a PSNR: the larger, the better. σ has the unit of a pixel.",
        *(
            lambda error, log=log: -10 * log(error.square().mean())
            for log in (torch.log10, torch.log)
        ),
        "averaged before they are squared, errors cancel.",
        lambda error: error.mean(),
        lambda error: -error.mean(),
        lambda error: error.mean().square(),
        "upside down: this grows as the errors shrink. σ has the unit of a pixel.",
        *_and_root(lambda error: 1 / error.square().mean()),
        "this is the largest error of all. Most are smaller, and σ is typical of them.",
        lambda error: error.abs().max(),
        "a standard deviation is never below 0.",
        lambda error: -error.square().mean().sqrt(),
    )
    + named(
        "this is the spread of the pixels themselves. What the means explain is no noise.",
        *(lambda _, x, n=n: x.std(correction=n) for n in (0, 1)),
        *(lambda mean, _, n=n: mean.std(correction=n) for n in (0, 1)),
    ),
    praise="the root of the mean squared error: a learned σ follows from the means.",
    hint="write -log p of all pixels as a function of σ alone, and look where its slope is 0.",
    form="σ is one number, shared by all pixels and images",
)

# ---- noise that passes as detail ----

_GAIN = 20  # white noise of variance 1 has a Laplacian of this variance
_WRONG_GAINS = (
    0,
    1,
    4,
    5,
    6,
    8,
    9,
    10,
    12,
    16,
    17,
    19,
    21,
    24,
    25,
    32,
    36,
    64,
    72,
    80,
    400,
    _GAIN**0.5,
)


def noise_that_fools(laplacian: float, variance: float, target: float) -> float:
    """The std of white noise that brings a blurred image's sharpness to a target.

    laplacian, variance: the variances of the image's Laplacian and of its pixels; target: what the
    first over the second should be once the noise has raised both, as expected.
    """
    return math.sqrt((target * variance - laplacian) / (_GAIN - target))


def _blurred_images() -> list[tuple[float, float, float]]:
    return [(0.02, 0.1, 1.3), (0.02, 0.08, 2.6), (0.015, 0.03, 1.7), (0.3, 1.9, 3.1)]


def _with_gain(gain: float) -> tuple[Callable, Callable]:
    """Variance and std of the noise, if the Laplacian multiplied a variance by `gain`.

    Below the target, its sign is turned, as one may to have a root at all.
    """
    return _and_root(lambda laplacian, v, target: (target * v - laplacian) / abs(gain - target))


def _laplacian_alone(gain: float) -> tuple[Callable, Callable]:
    """Variance and std of the noise, if besides it left the variance of the pixels as it is."""
    return _and_root(lambda laplacian, v, target: (target * v - laplacian) / gain)


def _if_stds_added(laplacian: float, variance: float, target: float) -> float:
    gap = math.sqrt(target * variance) - math.sqrt(laplacian)
    return gap / (math.sqrt(_GAIN) - math.sqrt(target))


def _wrong_gain(gain: float) -> tuple[Callable, str]:
    text = f"you let the Laplacian turn a noise variance of 1 into {gain:.3g}."
    return _with_gain(gain)[1], f"{text} How do the weights of a sum enter its variance?"


check_noise_that_fools = Check(
    "06",
    noise_that_fools,
    cases=_blurred_images,
    mistakes=[
        *named(
            "a standard deviation is never below 0.",
            lambda *given: -noise_that_fools(*given),
            "this is σ²: variances add up. Asked for is the standard deviation of the noise.",
            *(_with_gain(gain)[0] for gain in (_GAIN, *_WRONG_GAINS)),
            *(_laplacian_alone(gain)[0] for gain in (_GAIN, *_WRONG_GAINS[1:])),
            "noise raises the variance of the pixels too, not only that of the Laplacian.",
            *(_laplacian_alone(gain)[1] for gain in (_GAIN, *_WRONG_GAINS[1:])),
            "a sign is turned around. Write the target as a ratio with σ² in it, and collect σ².",
            *_and_root(lambda laplacian, v, target: (target * v - laplacian) / (_GAIN + target)),
            *_and_root(lambda laplacian, v, target: (target * v + laplacian) / (_GAIN - target)),
            *_and_root(lambda laplacian, v, target: (target * v + laplacian) / (_GAIN + target)),
            "the target is the sharpness to reach, not how many times sharper the image gets.",
            *_and_root(lambda a, v, times: (times - 1) * a / (_GAIN - times * a / v)),
            "this is right for an image of variance 1. Less contrast, less noise.",
            *_and_root(lambda laplacian, v, target: (target - laplacian / v) / (_GAIN - target)),
            *_and_root(lambda laplacian, v, target: (target - laplacian) / (_GAIN - target)),
            "noise is added to the ratio. It enters above and below the line, each for itself.",
            *_and_root(lambda laplacian, v, target: target - laplacian / v),
            *_and_root(lambda laplacian, v, target: (target - laplacian / v) / _GAIN),
            "the ratio is upside down: sharpness is the variance of the Laplacian over the other.",
            *_and_root(
                lambda laplacian, v, target: (v - target * laplacian) / (_GAIN * target - 1)
            ),
            *_and_root(lambda laplacian, v, target: (v - target * laplacian) / (_GAIN - target)),
            "standard deviations are added. Of independent numbers, what adds up?",
            _if_stds_added,
            "the target is squared, as if it were a ratio of standard deviations.",
            *_and_root(
                lambda laplacian, v, target: (target**2 * v - laplacian) / (_GAIN - target**2)
            ),
            "a root is taken of the target, as if it were a ratio of standard deviations.",
            *_and_root(
                lambda laplacian, v, target: (
                    (target**0.5 * v - laplacian) / abs(_GAIN - target**0.5)
                )
            ),
            "the root is taken of a part of the fraction only. What is σ² as a whole?",
            lambda a, v, target: (target * v - a) ** 0.5 / (_GAIN - target),
            lambda a, v, target: (target * v - a) / (_GAIN - target) ** 0.5,
            "the Laplacian of the image itself is forgotten: it is there before the noise is.",
            *_and_root(lambda laplacian, v, target: target * v / (_GAIN - target)),
            "a ½ or 2 is left in. Is the noise added twice?",
            *_and_root(
                lambda laplacian, v, target: (target * v - laplacian) / (_GAIN - target) / 2
            ),
            *_and_root(
                lambda laplacian, v, target: (target * v - laplacian) / (_GAIN - target) * 2
            ),
            lambda *given: noise_that_fools(*given) / 2,
        ),
        *map(_wrong_gain, _WRONG_GAINS),
    ],
    praise="as sharp as asked for, without one detail more: sharpness takes noise for detail.",
    hint="noise raises both variances, that of the Laplacian by more. How much each? Solve for σ².",
    form="the standard deviation is one number",
    not_finite="the root of a number below 0, or a division by 0. "
    "Which sign is it, which variance grows faster?",
)
