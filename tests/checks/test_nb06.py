"""Checks of notebook 06: right answers in every form, and that they are the best."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right, every_wrong, given_by

from tutorial_utils.checks.nb06 import (
    COSTLY_GUESSES,
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
MEAN, COSTLY = "is the mean:", "cost too"
WRONG_GUESSES = {
    "median, numpy": (lambda x, w: np.median(x.numpy(), 0), "is the median as if"),
    "most probable, batch": (lambda x, w: x[w.argmax()][None], "most prob"),
    "best candidate": (
        lambda x, w: x[_costs_of_all(x, w).sum((1, 2, 3)).argmin()],
        "one candidate as",
    ),
    "sorted by themselves": (
        lambda x, w: x.sort(0).values[(w.sort().values.cumsum(0) < 0.5).sum()],
        "the weights are not",
    ),
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
    "transposed": (lambda x, w: _median(x, w).mT, "shape [1, 5, 4]"),
    "places": (lambda x, w: x.median(0).indices, "numbers of"),
    "places of the best": (lambda x, w: _costs_of_all(x, w).argmin(0), "numbers of"),
    "values and places": (lambda x, w: x.median(0), "returned a median"),
    "sum": (lambda x, w: x.sum(0), "darker or brighter"),
    "half way": (lambda x, w: (_median(x, w) + x.mean(0)) / 2, COSTLY),
    "one wrong pixel": (lambda x, w: _median(x, w).index_fill(-1, torch.tensor(2), 0.99), COSTLY),
    "divided by 0": (lambda x, w: (w[0] - w[0]) / (x[0] - x[0]), "NaN"),
}


@pytest.mark.parametrize(("mistake", "text"), COSTLY_GUESSES)
def test_every_costly_guess_gets_its_own_text(said, mistake, text):
    assert said(check_absolute_error, mistake) == f"{WRONG}: {text}"


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


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_verdict_on_a_guess_is_the_same_without_gradients(said, mode):
    with mode():
        assert said(check_absolute_error, _median).startswith(OK)
        assert MEAN in said(check_absolute_error, COSTLY_GUESSES[0][0])


@pytest.mark.parametrize("scale", [0.9, 0.99, 1.01, 1.1])
def test_near_the_best_guess_is_not_right(said, scale):
    assert said(check_absolute_error, lambda *given: scale * _median(*given)).startswith(WRONG)


def test_a_guess_that_changes_the_candidates_is_not_made_right_by_that(said):
    assert said(check_absolute_error, lambda x, w: x.zero_()[0]).startswith(WRONG)


def test_weights_enter(said):
    assert said(check_absolute_error, lambda x, w: _median(x, w * 0 + 1 / len(w))).startswith(WRONG)


# ---- one learned σ ----


learned_std = check_learned_std.right


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
    "other order": lambda mean, x: ((mean - x) ** 2).mean() ** 0.5,
    "by hand": lambda mean, x: math.sqrt(
        sum((a - b) ** 2 for a, b in zip(x.flatten(), mean.flatten(), strict=True)) / x.numel()
    ),
    "norm": lambda mean, x: (x - mean).norm() / math.sqrt(x.numel()),
    "log": lambda mean, x: (0.5 * (x - mean).square().mean().log()).exp(),
    "fitted": _fitted,
    "numpy": lambda mean, x: np.sqrt(((x.numpy() - mean.numpy()) ** 2).mean()),
    "one in a row": lambda mean, x: learned_std(mean, x)[None],
    "float": lambda mean, x: float(learned_std(mean, x)),
}
WRONG_STDS = {
    "each image": (lambda mean, x: (x - mean).square().mean((1, 2, 3)).sqrt(), "shape [5]"),
    "each pixel": (lambda mean, x: (x - mean).square().mean(0).sqrt(), "shape [1, 4, 6]"),
    "NaN": (lambda mean, x: (x - mean).square().mean().sub(9).sqrt(), "NaN"),
    "one": (lambda mean, x: 1.0, "where its slope is 0"),
    "swapped": (lambda mean, x: (x + mean).square().mean().sqrt(), "where its slope is 0"),
}


def test_no_other_std_makes_the_images_more_likely():
    """As `gaussian_nll` of the package has it, whose std is one for all pixels."""

    def nll(mean, x, std):
        return gaussian_nll(mean.double(), x.double(), std=float(std)).mean().item()

    for mean, x in given_by(check_learned_std, learned_std):
        best = learned_std(mean, x)
        others = [best * factor for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2)]
        others += [mistake(mean, x) for mistake, _ in check_learned_std.mistakes]
        assert all(nll(mean, x, std) > nll(mean, x, best) for std in others if std > 0)


# ---- noise that passes for detail ----


fooling = check_noise_that_fools.right


def _search(laplacian, variance, target):
    low, high = 0.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        enough = (laplacian + 20 * middle**2) / (variance + middle**2) > target
        low, high = (low, middle) if enough else (middle, high)
    return low


RIGHT_NOISE = {
    "signs turned twice": lambda a, v, t: ((a - t * v) / (t - 20)) ** 0.5,
    "in units of the variance": lambda a, v, t: (v * (t - a / v) / (20 - t)) ** 0.5,
    "search": _search,
    "tensor": lambda a, v, t: ((t * v - a) / torch.tensor(20 - t)).sqrt(),
    "numpy": lambda a, v, t: np.sqrt((t * v - a) / (20 - t)),
    "one in a row": lambda a, v, t: [fooling(a, v, t)],
}
BELOW = "the root of a number below 0"
WRONG_NOISE = {
    "1 for 20": (lambda a, v, t: math.sqrt((t * v - a) / (1 - t)), BELOW),
    "power": (lambda a, v, t: ((a - t * v) / (20 - t)) ** 0.5, BELOW),
    "tensor": (lambda a, v, t: torch.tensor((a - t * v) / (20 - t)).sqrt(), BELOW),
    "divided by 0": (lambda a, v, t: torch.tensor(a) / 0, BELOW),
    "domain of its own": (lambda a, v, t: exec("raise ValueError('not this one')"), "not this one"),
    "two numbers": (lambda a, v, t: (-fooling(a, v, t), fooling(a, v, t)), "shape [2]"),
    "constant": (lambda a, v, t: 0.1, "olve for σ²"),
    "target": (lambda a, v, t: t, "olve for σ²"),
}


def test_arguments_of_the_noise_are_plain_floats_that_a_blurred_image_may_have():
    seen = given_by(check_noise_that_fools, fooling)
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
        found = laplacian_sharpness(image + fooling(laplacian, variance, target) * noise).mean()
        assert found == pytest.approx(target, rel=0.01)


def test_white_noise_alone_has_the_gain_that_the_check_counts_with():
    noise = torch.randn(50, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    assert laplacian_sharpness(noise).mean() == pytest.approx(20, rel=0.01)


def test_no_message_about_noise_gives_the_gain_away():
    texts = [text for _, text in check_noise_that_fools.mistakes]
    for text in (*texts, check_noise_that_fools.hint, check_noise_that_fools.not_finite):
        assert " 20" not in text


# ---- all of them ----


@pytest.mark.filterwarnings("error")
@every_right(
    "06",
    {
        check_absolute_error: RIGHT_GUESSES,
        check_learned_std: RIGHT_STDS,
        check_noise_that_fools: RIGHT_NOISE,
    },
)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong(
    {
        check_absolute_error: WRONG_GUESSES,
        check_learned_std: WRONG_STDS,
        check_noise_that_fools: WRONG_NOISE,
    }
)
def test_what_is_wrong_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
