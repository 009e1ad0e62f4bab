"""Checks of the exercises of notebook 06: the least absolute error, a learned σ, noise that passes as detail."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .judge import call_answer, judge_one_number, judge_values, ok, wrong


def check_absolute_error(best_guess: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 06: the image [1, H, W] with the least expected absolute error, from (images, weights).

    images: equally sharp candidates [M, 1, H, W] in [0, 1], weights: their probabilities [M].
    Where several images cost equally little, each of them is right; axes of length 1 in front do
    not count.
    """
    for images, weights in _candidates():
        value = call_answer(best_guess, images.clone(), weights.clone())
        if value is None:
            return
        value = value.detach()
        problem = _problem_of_shape(value, images)
        if problem:
            return wrong(problem)
        guess, costs = (
            value.reshape(images[0].shape),
            torch.stack([_cost(image, images, weights) for image in images]),
        )
        if not torch.isfinite(guess).all():
            return wrong(
                "some pixels are NaN or infinite. Is there a division by a sum of no weights?"
            )
        if (_cost(guess, images, weights) > costs.min(0).values + 1e-4).any():
            return wrong(_problem_of_guess(guess, images, weights, costs))
    ok(
        "pixel by pixel, half of the probability on either side. No gray between two images, yet none of them either."
    )


def _candidates() -> list[tuple[Tensor, Tensor]]:
    """Candidates and their weights: with one best image, and twice with many, where weights add up to one half."""
    generator = torch.Generator().manual_seed(6)

    def blend(n: int, away: int) -> Tensor:  # `away` of them unlike the others
        shared, own = (
            torch.rand(1, 1, 4, 5, generator=generator),
            torch.rand(n, 1, 4, 5, generator=generator),
        )
        unlike = (torch.arange(n) < away).float()[:, None, None, None]
        return (10 * (own + unlike + (1 - 2 * unlike) * shared)).round() / 20

    weights = (
        [0.311, 0.067, 0.163, 0.247, 0.053, 0.138, 0.021],
        [3 / 8, 1 / 8, 1 / 4, 1 / 4],
        [1 / 4] * 4,
    )
    return [
        (blend(len(each), away), torch.tensor(each))
        for each, away in zip(weights, (1, 2, 2), strict=True)
    ]


def _cost(guess: Tensor, images: Tensor, weights: Tensor) -> Tensor:
    """The expected absolute error of each pixel of a guess [1, H, W]."""
    return (weights[:, None, None, None] * (guess - images).abs()).sum(0)


def _problem_of_shape(value: Tensor, images: Tensor) -> str | None:
    """What keeps `value` from being one image in the form of those in `images`; None when nothing does."""
    shape, given = list(images[0].shape), list(value.shape)
    while given and given[0] == 1:
        given = given[1:]
    if given == shape[1:]:
        return None
    if value.shape == images.shape:
        return "this is one image for each candidate. Only a single guess is allowed: which one pays for all of them?"
    if value.numel() == len(images):
        return "this is one number for each candidate, over its pixels. Which axis counts the candidates?"
    if value.numel() == 1:
        return "this is one number for the whole image. Each pixel has an error of its own, so each is a guess."
    return f"a guess is an image of shape {shape}, like each candidate; yours has shape {list(value.shape)}."


def _problem_of_guess(guess: Tensor, images: Tensor, weights: Tensor, costs: Tensor) -> str:
    """What a guess [1, H, W] shows that costs more than the best; costs: [M, 1, H, W], of the candidates."""
    each = weights[:, None, None, None]
    ranked, order = images.sort(0)
    best = (weights[order].cumsum(0) < 0.5).sum(0, keepdim=True)
    beside = [ranked.gather(0, (best + step).clamp(0, len(images) - 1))[0] for step in (-1, 1)]
    mean, scaled = (each * images).sum(0), (each * images).median(0).values
    flat = guess.flatten()[0].expand_as(guess)
    mistakes = [
        (
            [mean],
            "this is the mean: least squared error, in which far values pull harder. Here all pull alike.",
        ),
        (
            [images.mean(0)],
            "this is the mean, as if all candidates were equally likely. Least, in which error?",
        ),
        ([images.median(0).values], "this is the median as if all candidates were equally likely."),
        (
            [images[weights.argmax()]],
            "this is the most probable candidate as a whole: wrong more often than not.",
        ),
        (
            images,
            "this is one candidate as a whole. The guess may be none of them: decide each pixel by itself.",
        ),
        ([ranked[0]], "this is the darkest value of each pixel. It is far from most others."),
        ([ranked[-1]], "this is the brightest value of each pixel. It is far from most others."),
        (
            ranked,
            "the gray values are sorted, the weights are not: each has to stay with its own value.",
        ),
        (
            beside,
            "next to the right value in each pixel, one candidate too far. Where do you count from?",
        ),
        (
            [scaled, len(images) * scaled],
            "the weights have scaled the gray values. A weight is no brightness.",
        ),
        (
            [(mean > 0.5).float()],
            "this is black and white, the candidates are gray. Which gray costs least?",
        ),
        ([flat], "every pixel has the same gray. Each has its own candidates: keep its axes."),
    ]
    for values, text in mistakes:
        if any(torch.allclose(guess, value, rtol=0, atol=1e-4) for value in values):
            return text
    if guess.max() > 1 and torch.equal(guess, guess.round()):
        return "these are numbers of candidates, not gray values. Look the gray up, pixel by pixel."
    if guess.min() < -1e-4 or guess.max() > 1 + 1e-4:
        return "some pixels are darker or brighter than every candidate can be. Is there a division missing?"
    return "some pixels cost too much. Move your guess in one of them up a little: which errors grow, which shrink?"


def check_learned_std(learned_std: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 06: the σ, one for all pixels and images, under which x is most likely, N(x; mean, σ² I).

    learned_std(mean, x), both [N, 1, H, W], returns one number.
    """
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.rand(2, 5, 1, 4, 6, generator=generator)
    size = torch.tensor([0.1, 0.3, 0.8, 0.2, 0.5])[:, None, None, None]
    judge_one_number(
        learned_std,
        [(x - size * (noise - 0.2), x)],
        _mistakes_of_std,
        "the root of the mean squared error: where σ is learned, its best value follows from the means.",
        "write -log p of all pixels as a function of σ alone, and look where its slope is 0.",
        "σ is one number, shared by all pixels and images",
    )


def _mistakes_of_std(mean: Tensor, x: Tensor) -> tuple[float, dict[float, str]]:
    """The best σ, and other numbers with what each shows."""
    error, pixels, n = x - mean, x[0].numel(), x.numel()
    square = error.square()
    mse = square.mean()
    spread = [error.std(), error.std(correction=0), error.var(), error.var(correction=0)]
    of_pixels = [tensor.std(correction=k) for tensor in (x, mean) for k in (0, 1)]
    own = [square.mean((1, 2, 3)).sqrt().mean(), square.mean(0).sqrt().mean()]
    half = [*_both(mse / 2), *_both(2 * mse), mse.sqrt() / 2]
    mistakes = [
        (
            [mse],
            "this is σ², the variance. A standard deviation has the unit of a pixel, not of its square.",
        ),
        (
            _both(pixels * mse),
            "the squared errors of an image's pixels are added up. σ is that of a single pixel.",
        ),
        (
            _both(n * mse),
            "all squared errors are added up: that grows with the data set. How far off is one pixel?",
        ),
        (
            [error.abs().mean()],
            "this is the mean absolute error, right for a Laplace density. A Gaussian squares.",
        ),
        (
            spread,
            "this is the spread of the errors around their own mean. An offset is an error too, and here is one.",
        ),
        (
            _both(mse * n / (n - 1)),
            "divided by one less: that makes up for a mean fitted to the errors. None is here.",
        ),
        (
            own,
            "first a σ for each image or pixel, then their mean. One σ for all: first all squares, then one root.",
        ),
        (
            half,
            "a ½ or 2 is left in. A ½ stands before the squared error, and before log σ² too: it cancels.",
        ),
        (
            [mse.log(), mse.log() / 2],
            "this is a log, of σ² or σ, as a decoder may learn it. Asked for is σ itself.",
        ),
        (
            of_pixels,
            "this is the spread of the pixels themselves. What the means explain is no noise.",
        ),
        (
            [error.mean(), -error.mean(), error.mean().square()],
            "averaged before they are squared, errors cancel.",
        ),
        (
            _both(1 / mse),
            "upside down: this grows as the errors shrink. σ has the unit of a pixel.",
        ),
        (
            [error.abs().max()],
            "this is the largest error of all. Most are smaller, and σ is typical of them.",
        ),
        ([-mse.sqrt()], "a standard deviation is never below 0."),
    ]
    return mse.sqrt().item(), {
        value.item(): text for values, text in reversed(mistakes) for value in values
    }


def check_noise_that_fools(noise_std: Callable[[float, float, float], float]) -> None:
    """Notebook 06: the std of white noise that brings a blurred image's sharpness to a target.

    noise_std(laplacian_variance, variance, target), three floats: the variance of the image's
    Laplacian, that of its pixels, and what the first over the second should be once the noise has
    raised both, as expected.
    """
    settings = [(0.02, 0.1, 1.3), (0.06, 0.08, 2.6), (0.015, 0.03, 1.7)]
    values = []

    def returned(*given: float) -> object:
        try:
            value = noise_std(*given)
        except ValueError as error:
            if not any(word in str(error) for word in ("math domain", "nonnegative")):
                raise
            return math.nan
        return math.nan if isinstance(value, complex) else value

    for setting in settings:
        value = call_answer(returned if callable(noise_std) else noise_std, *setting)
        if value is None:
            return
        if value.numel() != 1:
            return wrong(
                f"the standard deviation is one number, yours has shape {list(value.shape)}."
            )
        values.append(value.detach().reshape(()))
        if not math.isfinite(values[-1]):
            return wrong(
                "the root of a number below 0, or a division by 0. Which sign is it, which variance grows faster?"
            )
    laplacian, variance, target = torch.tensor(settings, dtype=torch.float64).T
    value, missing = torch.stack(values), target * variance - laplacian
    right, sharper = (
        (missing / (20 - target)).sqrt(),
        (target - 1) * laplacian / (20 - target * laplacian / variance),
    )
    signs = "a sign is turned around. Write the target as a ratio with σ² in it, multiply out, and collect σ²."
    flips = [
        missing / (20 + target),
        *((missing + 2 * laplacian) / (20 + c * target) for c in (-1, 1)),
    ]
    mistakes = [
        ([-right], "a standard deviation is never below 0."),
        ([v for flip in flips for v in _both(flip)], signs),
        (
            _both(sharper),
            "the target is the sharpness to reach, not how many times sharper the image should be.",
        ),
        (
            _both(right.square() / variance),
            "this is right for an image of variance 1. Less contrast, less noise.",
        ),
    ]
    named = [(v.float(), text) for both, text in mistakes for v in both] + _mistake_of_gain(
        value, missing, target
    )
    praise = "as sharp as asked for, without one detail more. A number for sharpness takes noise for detail."
    hint = "noise adds to both variances, to that of the Laplacian by more. By how much each? Then solve for σ²."
    judge_values(value, right.float(), named, praise, hint)


def _both(variance: Tensor) -> tuple[Tensor, Tensor]:
    """A standard deviation, and the variance that someone may have taken for it."""
    return variance.sqrt(), variance


def _mistake_of_gain(value: Tensor, missing: Tensor, target: Tensor) -> list[tuple[Tensor, str]]:
    """What `value` shows if it solves the equation with another gain than 20 of the Laplacian, for one noise or none.

    missing: by how much the Laplacian's variance falls short of the target, before the noise.
    """
    for squared, is_root in ((value.double().square(), True), (value.double(), False)):
        for gain, in_both in ((missing / squared + target, True), (missing / squared, False)):
            if not 0 < gain.min() <= gain.max() < 1.001 * gain.min():
                continue
            if not is_root:
                return [
                    (
                        value,
                        "this is σ²: variances add up. Asked for is the standard deviation of the noise.",
                    )
                ]
            if not in_both:
                return [
                    (
                        value,
                        "noise raises the variance of the pixels too, not only that of the Laplacian.",
                    )
                ]
            text = f"you let the Laplacian turn a noise variance of 1 into {gain.mean():.3g}."
            return [(value, f"{text} How do the weights of a sum enter its variance?")]
    return []
