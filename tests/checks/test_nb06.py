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


def _mean(images, weights):
    return (over_images(weights) * images).sum(0)


def _median(images, weights):
    gray, order = images.sort(0)
    return gray.gather(0, (weights[order].cumsum(0) < 0.5).sum(0, keepdim=True))[0]


def _highest_median(images, weights):
    gray, order = images.sort(0, descending=True)
    return gray.gather(0, (weights[order].cumsum(0) < 0.5).sum(0, keepdim=True))[0]


RIGHT_GUESSES = {
    "sorted": _median,
    "sorted from above": _highest_median,
    "between": lambda x, w: 0.3 * _median(x, w) + 0.7 * _highest_median(x, w),
    "numpy": lambda x, w: _median(x, w).numpy(),
    "searched in 1,000 grays": lambda x, w: (999 * _median(x, w)).round() / 999,
    "a batch of one": lambda x, w: _median(x, w)[None],
    "gray": lambda x, w: _median(x, w)[0],
    "half precision": lambda x, w: _median(x.half(), w.half()),
    "bfloat16": lambda x, w: _median(x.bfloat16(), w.bfloat16()),
    "in place": lambda x, w: _median(x, w.div_(w.sum())),
}
WRONG_GUESSES = {
    "one gray": (lambda x, w: x.median().expand_as(x[0]), "the same gray"),
    "median as a number": (lambda x, w: x.median(), "one number for the whole image"),
    "over pixels": (lambda x, w: x.flatten(1).median(1).values, "over its pixels"),
    "all images": (lambda x, w: over_images(w) * x, "one image for each"),
    "flat": (lambda x, w: _median(x, w).flatten(), "shape [20]"),
    "places": (lambda x, w: x.median(0).indices, "numbers of"),
    "sum": (lambda x, w: x.sum(0), "darker or brighter"),
    "made right": (lambda x, w: x.fill_(0.47)[0], "the same gray"),
    "one wrong pixel": (
        lambda x, w: _median(x, w).index_fill(-1, torch.tensor(2), 0.99),
        "cost too",
    ),
    "divided by 0": (lambda x, w: (w[0] - w[0]) / (x[0] - x[0]), "NaN"),
}


@pytest.mark.parametrize(("mistake", "text"), COSTLY_GUESSES)
def test_every_costly_guess_gets_its_own_text(said, mistake, text):
    assert said(check_absolute_error, mistake) == f"{WRONG}: {text}"


def test_some_candidates_have_one_best_guess_some_have_many_and_one_is_alone():
    """Sums of weights are ½, or far from it: half precision cannot take one for the other."""
    seen, many = given_by(check_absolute_error, _median), []
    for images, weights in seen:
        assert images.ndim == 4 and 0 <= images.min() <= images.max() <= 1
        assert torch.equal(images, images.bfloat16().float())
        assert float(weights.sum()) == pytest.approx(1)
        subsets = [
            sum(some) for n in range(len(weights)) for some in combinations(weights.tolist(), n)
        ]
        nearest = min(abs(some - 0.5) for some in subsets)
        assert nearest < 1e-6 or nearest > 0.03
        many.append(nearest < 1e-6)
        assert torch.equal(_median(images, weights), _highest_median(images, weights)) != many[-1]
    assert not many[0] and many.count(True) == 2
    assert {len(images) for images, _ in seen} > {1} and len({x.shape[2:] for x, _ in seen}) > 2


def test_no_other_image_has_a_smaller_expected_absolute_error():
    """Over all gray levels on a fine grid, in each pixel."""
    for images, weights in given_by(check_absolute_error, _median):
        cost = lambda guess, x=images, w=weights: (over_images(w) * (guess - x).abs()).sum(0)  # noqa: E731
        grays = torch.linspace(0, 1, 401)
        least = torch.stack([cost(torch.full_like(images[0], gray)) for gray in grays]).amin(0)
        for right in (_median, _highest_median, RIGHT_GUESSES["between"]):
            assert (cost(right(images, weights)) <= least + 1e-5).all()


@pytest.mark.parametrize("case", range(4))
def test_a_guess_has_to_be_the_best_for_all_candidates(said, case):
    sizes = [x.shape for x, _ in given_by(check_absolute_error, _median)]

    def answer(images, weights):
        return (_mean if images.shape == sizes[case] else _median)(images, weights)

    assert "this is the mean:" in said(check_absolute_error, answer)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_verdict_on_a_guess_is_the_same_without_gradients(said, mode):
    with mode():
        assert said(check_absolute_error, _median).startswith(OK)
        assert "this is the mean:" in said(check_absolute_error, _mean)


@pytest.mark.parametrize("scale", [0.9, 0.99, 1.01, 1.1])
def test_near_the_best_guess_is_not_right(said, scale):
    assert said(check_absolute_error, lambda *given: scale * _median(*given)).startswith(WRONG)


# ---- one learned σ ----


RIGHT_STDS = {
    "other order": lambda mean, x: ((mean - x) ** 2).mean() ** 0.5,
    "norm": lambda mean, x: (x - mean).norm() / math.sqrt(x.numel()),
    "log": lambda mean, x: (0.5 * (x - mean).square().mean().log()).exp(),
    "each image first": lambda mean, x: (x - mean).square().mean((1, 2, 3)).mean().sqrt(),
    "numpy": lambda mean, x: np.sqrt(((x.numpy() - mean.numpy()) ** 2).mean()),
}
WRONG_STDS = {
    "each image": (lambda mean, x: (x - mean).square().mean((1, 2, 3)).sqrt(), "shape [5]"),
    "swapped": (lambda mean, x: (x + mean).square().mean().sqrt(), "where its slope is 0"),
}


def test_no_other_std_makes_the_images_more_likely():
    """As `gaussian_nll` of the package has it, whose std is one for all pixels."""

    def nll(mean, x, std):
        return gaussian_nll(mean.double(), x.double(), std=float(std)).mean().item()

    for mean, x in given_by(check_learned_std, check_learned_std.right):
        best = check_learned_std.right(mean, x)
        others = [best * factor for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2)]
        assert all(nll(mean, x, std) > nll(mean, x, best) for std in others)


# ---- noise that passes for detail ----


fooling = check_noise_that_fools.right


RIGHT_NOISE = {
    "signs turned twice": lambda a, v, t: ((a - t * v) / (t - 20)) ** 0.5,
    "in units of the variance": lambda a, v, t: (v * (t - a / v) / (20 - t)) ** 0.5,
    "tensor": lambda a, v, t: ((t * v - a) / torch.tensor(20 - t)).sqrt(),
    "numpy": lambda a, v, t: np.sqrt((t * v - a) / (20 - t)),
}
BELOW = "the root of a number below 0"
WRONG_NOISE = {
    "1 for 20": (lambda a, v, t: math.sqrt((t * v - a) / (1 - t)), BELOW),
    "tensor": (lambda a, v, t: torch.tensor((a - t * v) / (20 - t)).sqrt(), BELOW),
    "domain of its own": (lambda a, v, t: exec("raise ValueError('not this one')"), "not this one"),
    "two numbers": (lambda a, v, t: (-fooling(a, v, t), fooling(a, v, t)), "shape [2]"),
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
