"""Checks of notebook 06: right answers in every form, each mistake by its name, and the right answers are the best."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from helpers.answers import WRONG, given_by

from tutorial_utils.checks.nb06 import (
    check_absolute_error,
    check_learned_std,
    check_noise_that_fools,
)
from tutorial_utils.losses import gaussian_nll
from tutorial_utils.topics.sharpness import laplacian_sharpness

# ---- the least absolute error ----


def over_images(weights):
    return weights[:, None, None, None]


def _median(images, weights):
    gray, order = images.sort(0)
    return gray.gather(0, (weights[order].cumsum(0) < 0.5).sum(0, keepdim=True))[0]


def _highest_median(images, weights):
    gray, order = images.sort(0)
    return gray.gather(0, (weights[order].cumsum(0) <= 0.5).sum(0, keepdim=True))[0]


def _costs_of_all(images, weights):
    return torch.stack([(over_images(weights) * (image - images).abs()).sum(0) for image in images])


def _cheapest(images, weights):
    return images.gather(0, _costs_of_all(images, weights).argmin(0, keepdim=True))[0]


def _repeated(images, weights):
    return images.repeat_interleave((1000 * weights).round().long(), 0).median(0).values


def _pixel_by_pixel(images, weights):
    guess = np.zeros(images.shape[1:])
    for place in np.ndindex(guess.shape):
        pairs = sorted(zip(images[(slice(None), *place)].tolist(), weights.tolist(), strict=True))
        total = 0
        for gray, weight in pairs:
            total += weight
            if total >= 0.5:
                guess[place] = gray
                break
    return guess


def _descent(images, weights):
    guess = images.mean(0).requires_grad_()
    for step in range(1500):
        cost = (over_images(weights) * (guess - images).abs()).sum()
        (slope,) = torch.autograd.grad(cost, guess)
        guess = (guess - 0.05 * 0.993**step * slope).detach().requires_grad_()
    return guess


RIGHT_GUESSES = {
    "sorted": _median,
    "highest": _highest_median,
    "between": lambda x, w: 0.3 * _median(x, w) + 0.7 * _highest_median(x, w),
    "cheapest value": _cheapest,
    "repeated": _repeated,
    "pixel by pixel": _pixel_by_pixel,
    "descent": _descent,
    "a batch of one": lambda x, w: _median(x, w)[None],
    "gray": lambda x, w: _median(x, w)[0],
    "double": lambda x, w: _median(x.double(), w.double()),
    "list": lambda x, w: _median(x, w).tolist(),
    "in place": lambda x, w: _cheapest(x, w.div_(w.sum())),
}
MEAN, PLAIN_MEAN, PLAIN, PROBABLE, WHOLE = (
    "is the mean:",
    "is the mean, as if",
    "is the median as if",
    "most prob",
    "one candidate as",
)
SORTED, BESIDE, SCALED, NUMBERS, COSTLY = (
    "the weights are not",
    "one candidate too far",
    "scaled the gray",
    "numbers of",
    "cost too",
)


def _beside(step):
    def answer(images, weights):
        gray, order = images.sort(0)
        place = (weights[order].cumsum(0) < 0.5).sum(0, keepdim=True) + step
        return gray.gather(0, place.clamp(0, len(images) - 1))[0]

    return answer


def _interpolated(images, weights):
    gray, order = images.sort(0)
    share = weights[order].cumsum(0)
    after = (share < 0.5).sum(0, keepdim=True).clamp(min=1)
    (low, high), (start, end) = (
        [each.gather(0, after - k)[0] for k in (1, 0)] for each in (gray, share)
    )
    return low + (high - low) * (0.5 - start) / (end - start)


WRONG_GUESSES = {
    "mean": (lambda x, w: (over_images(w) * x).sum(0), MEAN),
    "mean, einsum": (lambda x, w: torch.einsum("m,mchw->chw", w, x), MEAN),
    "plain mean": (lambda x, w: x.mean(0), PLAIN_MEAN),
    "plain median": (lambda x, w: x.median(0).values, PLAIN),
    "plain quantile": (lambda x, w: x.quantile(0.5, dim=0), PLAIN),
    "median, numpy": (lambda x, w: np.median(x.numpy(), 0), PLAIN),
    "most probable": (lambda x, w: x[w.argmax()], PROBABLE),
    "most probable, batch": (lambda x, w: x[w.argmax()][None], PROBABLE),
    "least probable": (lambda x, w: x[w.argmin()], WHOLE),
    "best candidate": (lambda x, w: x[_costs_of_all(x, w).sum((1, 2, 3)).argmin()], WHOLE),
    "median image": (lambda x, w: x[(w.cumsum(0) < 0.5).sum()], WHOLE),
    "first": (lambda x, w: x[0], PROBABLE),
    "weights left behind": (lambda x, w: x.sort(0).values[(w.cumsum(0) < 0.5).sum()], SORTED),
    "sorted by themselves": (
        lambda x, w: x.sort(0).values[(w.sort().values.cumsum(0) < 0.5).sum()],
        SORTED,
    ),
    "one before": (_beside(-1), BESIDE),
    "one after": (_beside(1), BESIDE),
    "scaled": (lambda x, w: (over_images(w) * x).median(0).values, SCALED),
    "scaled back": (lambda x, w: (over_images(w) * x * len(x)).median(0).values, SCALED),
    "darkest": (lambda x, w: x.amin(0), "darkest"),
    "brightest": (lambda x, w: x.amax(0), "brightest"),
    "threshold": (lambda x, w: (over_images(w) * x).sum(0) > 0.5, "black and white"),
    "one gray": (lambda x, w: torch.full_like(x[0], 0.5), "the same gray"),
    "median of all pixels": (lambda x, w: x.median().expand_as(x[0]), "the same gray"),
    "median as a number": (lambda x, w: x.median(), "one number for the whole image"),
    "over pixels": (lambda x, w: x.flatten(1).median(1).values, "over its pixels"),
    "over pixels, kept": (
        lambda x, w: x.flatten(1).median(1).values[:, None, None, None],
        "over its pixels",
    ),
    "over the last axis": (lambda x, w: x.median(-1).values, "[7, 1, 4]"),
    "all images": (lambda x, w: over_images(w) * x, "one image for each"),
    "flat": (lambda x, w: _median(x, w).flatten(), "shape [20]"),
    "turned": (lambda x, w: _median(x, w).mT, "shape [1, 5, 4]"),
    "places": (lambda x, w: x.median(0).indices, NUMBERS),
    "places of the best": (lambda x, w: _costs_of_all(x, w).argmin(0), NUMBERS),
    "values and places": (lambda x, w: x.median(0), "returned a median"),
    "sum": (lambda x, w: x.sum(0), "darker or brighter"),
    "interpolated": (_interpolated, COSTLY),
    "half way": (lambda x, w: (_median(x, w) + x.mean(0)) / 2, COSTLY),
    "one wrong pixel": (lambda x, w: _median(x, w).index_fill(-1, torch.tensor(2), 0.99), COSTLY),
    "divided by 0": (lambda x, w: (w[0] - w[0]) / (x[0] - x[0]), "NaN"),
}


def test_candidates_have_one_best_guess_first_and_many_later():
    many = []
    for images, weights in given_by(check_absolute_error, _median):
        assert (
            images.ndim == 4
            and 0 <= images.min() <= images.max() <= 1
            and weights.sum() == pytest.approx(1)
        )
        subsets = [
            sum(some) for n in range(len(weights)) for some in combinations(weights.tolist(), n)
        ]
        many.append(min(abs(some - 0.5) for some in subsets) < 1e-4)
        different = (_median(images, weights) - _highest_median(images, weights)).abs() > 0.01
        assert different.any() == many[-1]
        if not many[-1]:
            assert min(abs(some - 0.5) for some in subsets) > 1e-3
    assert many[0] is False and many.count(True) == 2


def test_no_other_image_has_a_smaller_expected_absolute_error():
    """Over all gray levels on a fine grid, in each pixel."""
    for images, weights in given_by(check_absolute_error, _median):
        cost = lambda guess, x=images, w=weights: (over_images(w) * (guess - x).abs()).sum(0)  # noqa: E731
        least = torch.stack(
            [cost(torch.full_like(images[0], gray)) for gray in torch.linspace(0, 1, 401)]
        ).amin(0)
        for right in (_median, _highest_median, RIGHT_GUESSES["between"]):
            assert (cost(right(images, weights)) <= least + 1e-5).all()


def test_many_right_guesses_are_right_only_where_they_cost_equally_little(said):
    """A guess that is best for the first candidates, and not for the others, is not ok."""

    def answer(images, weights):
        return (
            _median(images, weights) if len(images) == 7 else (over_images(weights) * images).sum(0)
        )

    assert MEAN in said(check_absolute_error, answer)


def test_a_guess_that_changes_the_candidates_is_not_made_right_by_that(said):
    assert said(check_absolute_error, lambda x, w: x.zero_()[0]).startswith(WRONG)


def test_weights_enter(said):
    assert said(check_absolute_error, lambda x, w: _median(x, w * 0 + 1 / len(w))).startswith(WRONG)


# ---- one learned σ ----


def _root(mean, x):
    return (x - mean).square().mean().sqrt()


def _fitted(mean, x):
    log_std = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_std], line_search_fn="strong_wolfe", max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = (0.5 * ((x - mean) / log_std.exp()).square() + log_std).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return log_std.exp()


RIGHT_STDS = {
    "root": _root,
    "other order": lambda mean, x: ((mean - x) ** 2).mean() ** 0.5,
    "by hand": lambda mean, x: math.sqrt(
        sum((a - b) ** 2 for a, b in zip(x.flatten(), mean.flatten(), strict=True)) / x.numel()
    ),
    "norm": lambda mean, x: (x - mean).norm() / math.sqrt(x.numel()),
    "log": lambda mean, x: (0.5 * (x - mean).square().mean().log()).exp(),
    "fitted": _fitted,
    "numpy": lambda mean, x: np.sqrt(((x.numpy() - mean.numpy()) ** 2).mean()),
    "one in a row": lambda mean, x: _root(mean, x)[None],
    "float": lambda mean, x: float(_root(mean, x)),
}
SUM_IMAGE, SUM_ALL, SPREAD, OWN, HALF, LOG, PIXELS, CANCEL, OVER = (
    "an image's pixels are added",
    "grows with the data set",
    "around their own mean",
    "all squares, then one root",
    "a ½ or 2 is left in",
    "this is a log",
    "spread of the pixels themselves",
    "errors cancel",
    "upside down",
)
WRONG_STDS = {
    "variance": (lambda mean, x: (x - mean).square().mean(), "this is σ²"),
    "sum per image": (lambda mean, x: (x - mean).square().sum((1, 2, 3)).mean().sqrt(), SUM_IMAGE),
    "sum per image, no root": (
        lambda mean, x: (x - mean).square().sum((1, 2, 3)).mean(),
        SUM_IMAGE,
    ),
    "sum": (lambda mean, x: (x - mean).square().sum().sqrt(), SUM_ALL),
    "norm": (lambda mean, x: (x - mean).norm(), SUM_ALL),
    "sum, no root": (lambda mean, x: (x - mean).square().sum(), SUM_ALL),
    "absolute": (lambda mean, x: (x - mean).abs().mean(), "mean absolute error"),
    "root of squares": (lambda mean, x: (x - mean).square().sqrt().mean(), "mean absolute error"),
    "std": (lambda mean, x: (x - mean).std(), SPREAD),
    "std, N": (lambda mean, x: (x - mean).std(correction=0), SPREAD),
    "var": (lambda mean, x: (x - mean).var(), SPREAD),
    "N - 1": (lambda mean, x: ((x - mean).square().sum() / (x.numel() - 1)).sqrt(), "one less"),
    "of each image": (lambda mean, x: (x - mean).square().mean((1, 2, 3)).sqrt().mean(), OWN),
    "of each pixel": (lambda mean, x: (x - mean).square().mean(0).sqrt().mean(), OWN),
    "half": (lambda mean, x: (0.5 * (x - mean).square().mean()).sqrt(), HALF),
    "half, no root": (lambda mean, x: 0.5 * (x - mean).square().mean(), HALF),
    "half outside": (lambda mean, x: 0.5 * _root(mean, x), HALF),
    "twice": (lambda mean, x: (2 * (x - mean).square().mean()).sqrt(), HALF),
    "log σ": (lambda mean, x: _root(mean, x).log(), LOG),
    "log σ²": (lambda mean, x: 2 * _root(mean, x).log(), LOG),
    "of x": (lambda mean, x: x.std(), PIXELS),
    "of the means": (lambda mean, x: mean.std(), PIXELS),
    "offset": (lambda mean, x: (x - mean).mean(), CANCEL),
    "offset, other sign": (lambda mean, x: (mean - x).mean(), CANCEL),
    "offset, root of square": (lambda mean, x: (x - mean).mean().square().sqrt(), CANCEL),
    "offset squared": (lambda mean, x: (x - mean).mean() ** 2, CANCEL),
    "precision": (lambda mean, x: 1 / (x - mean).square().mean(), OVER),
    "over σ": (lambda mean, x: 1 / _root(mean, x), OVER),
    "largest": (lambda mean, x: (x - mean).abs().max(), "largest error"),
    "negative": (lambda mean, x: -_root(mean, x), "never below 0"),
    "each image": (lambda mean, x: (x - mean).square().mean((1, 2, 3)).sqrt(), "shape [5]"),
    "each pixel": (lambda mean, x: (x - mean).square().mean(0).sqrt(), "shape [1, 4, 6]"),
    "no reduction": (lambda mean, x: (x - mean).square().sqrt(), "shape [5, 1, 4, 6]"),
    "no square": (lambda mean, x: (x - mean).mean().sqrt() * float("nan"), "NaN"),
    "one": (lambda mean, x: 1.0, "where its slope is 0"),
    "nothing": (lambda mean, x: 0.0, "where its slope is 0"),
    "swapped sum": (lambda mean, x: (x + mean).square().mean().sqrt(), "where its slope is 0"),
}


def test_no_other_std_makes_the_images_more_likely():
    """As `gaussian_nll` of the package has it, whose std is one for all pixels."""
    ((mean, x),) = given_by(check_learned_std, _root)
    best = _root(mean, x).item()
    nll = lambda std: gaussian_nll(mean.double(), x.double(), std=std).mean().item()  # noqa: E731
    assert all(nll(best * factor) > nll(best) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2))
    for answer, phrase in WRONG_STDS.values():
        value = torch.as_tensor(answer(mean, x))
        if value.numel() == 1 and value > 0:
            assert nll(value.item()) > nll(best), phrase


# ---- noise that passes for detail ----


def _fooling(laplacian, variance, target):
    return math.sqrt((target * variance - laplacian) / (20 - target))


def _search(laplacian, variance, target):
    low, high = 0.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        enough = (laplacian + 20 * middle**2) / (variance + middle**2) > target
        low, high = (low, middle) if enough else (middle, high)
    return low


RIGHT_NOISE = {
    "root": _fooling,
    "signs turned twice": lambda a, v, t: ((a - t * v) / (t - 20)) ** 0.5,
    "in units of the variance": lambda a, v, t: (v * (t - a / v) / (20 - t)) ** 0.5,
    "search": _search,
    "tensor": lambda a, v, t: ((t * v - a) / torch.tensor(20 - t)).sqrt(),
    "numpy": lambda a, v, t: np.sqrt((t * v - a) / (20 - t)),
    "one in a row": lambda a, v, t: [_fooling(a, v, t)],
}
VARIANCE, BELOW, BOTH, SIGN, TIMES, CONTRAST = (
    "this is σ²",
    "the root of a number below 0",
    "variance of the pixels too",
    "a sign is turned",
    "how many times sharper",
    "variance 1. Less",
)
WRONG_NOISE = {
    "variance": (lambda a, v, t: _fooling(a, v, t) ** 2, VARIANCE),
    "σ added": (lambda a, v, t: (t * v - a) / (20 - t), VARIANCE),
    "variance, Laplacian alone": (lambda a, v, t: (t * v - a) / 20, VARIANCE),
    "variance, 4": (lambda a, v, t: (t * v - a) / (4 - t), VARIANCE),
    "Laplacian alone": (lambda a, v, t: ((t * v - a) / 20) ** 0.5, BOTH),
    "Laplacian alone, 8": (lambda a, v, t: ((t * v - a) / 8) ** 0.5, BOTH),
    "Laplacian alone, 1": (lambda a, v, t: (t * v - a) ** 0.5, BOTH),
    **{
        f"{gain:.3g} for 20": (
            lambda a, v, t, gain=gain: ((t * v - a) / (gain - t)) ** 0.5,
            f"into {gain:.3g}. How",
        )
        for gain in (4, 5, 8, 16, 12, 400, 20**0.5)
    },
    "1 for 20": (lambda a, v, t: math.sqrt((t * v - a) / (1 - t)), BELOW),
    "sign of the whole": (lambda a, v, t: math.sqrt((a - t * v) / (20 - t)), BELOW),
    "sign of the whole, power": (lambda a, v, t: ((a - t * v) / (20 - t)) ** 0.5, BELOW),
    "sign of the whole, tensor": (
        lambda a, v, t: torch.tensor((a - t * v) / (20 - t)).sqrt(),
        BELOW,
    ),
    "no Laplacian of noise": (lambda a, v, t: math.sqrt(a / t - v), BELOW),
    "sign of the Laplacian": (lambda a, v, t: math.sqrt((t * v + a) / (20 - t)), SIGN),
    "sign below": (lambda a, v, t: math.sqrt((t * v - a) / (20 + t)), SIGN),
    "both signs": (lambda a, v, t: math.sqrt((t * v + a) / (20 + t)), SIGN),
    "sign below, no root": (lambda a, v, t: (t * v - a) / (20 + t), SIGN),
    "times as sharp": (lambda a, v, t: math.sqrt((t - 1) * a / (20 - t * a / v)), TIMES),
    "of ratios": (lambda a, v, t: math.sqrt((t - a / v) / (20 - t)), CONTRAST),
    "negative": (lambda a, v, t: -_fooling(a, v, t), "never below 0"),
    "two numbers": (lambda a, v, t: (-_fooling(a, v, t), _fooling(a, v, t)), "shape [2]"),
    "constant": (lambda a, v, t: 0.1, "solve for σ²"),
    "target": (lambda a, v, t: t, "solve for σ²"),
    "nothing": (lambda a, v, t: 0.0, "solve for σ²"),
    "divided by 0": (lambda a, v, t: torch.tensor(a) / 0, BELOW),
    "domain of its own": (lambda a, v, t: exec("raise ValueError('not this one')"), "not this one"),
}


def test_arguments_of_the_noise_are_plain_floats_that_a_blurred_image_may_have():
    seen = given_by(check_noise_that_fools, _fooling)
    assert len(set(seen)) >= 3 and all(type(number) is float for given in seen for number in given)
    assert all(0 < a / v < t < 20 and t > 1 for a, v, t in seen)


def test_noise_of_the_right_std_brings_a_blurred_image_to_the_target():
    """By the measure of the package: what the praise claims, for an image without any detail."""
    ramp = torch.linspace(0, 1, 200)
    image = 0.5 + 0.25 * (6 * ramp[:, None]).sin() * (4 * ramp).cos()[None, None]
    variance = image.var(correction=0).item()
    laplacian = variance * laplacian_sharpness(image[None]).item()
    noise = torch.randn(20, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    for target in (0.5, 2.0, 8.0):
        found = laplacian_sharpness(image + _fooling(laplacian, variance, target) * noise).mean()
        assert found == pytest.approx(target, rel=0.01)


def test_white_noise_alone_has_the_gain_that_the_check_counts_with():
    noise = torch.randn(50, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    assert laplacian_sharpness(noise).mean() == pytest.approx(20, rel=0.01)


def test_no_message_about_noise_gives_the_gain_away(said):
    for answer, _ in WRONG_NOISE.values():
        assert " 20" not in said(check_noise_that_fools, answer)


# ---- all of them: tested in test_checks_named.py ----

RIGHT = {
    check_absolute_error: RIGHT_GUESSES,
    check_learned_std: RIGHT_STDS,
    check_noise_that_fools: RIGHT_NOISE,
}
WRONGS = {
    check_absolute_error: WRONG_GUESSES,
    check_learned_std: WRONG_STDS,
    check_noise_that_fools: WRONG_NOISE,
}
