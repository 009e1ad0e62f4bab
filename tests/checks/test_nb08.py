"""Checks of notebook 08: right answers in every form, and laws that they obey."""

import math

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right, every_wrong, given_by
from torch.distributions import MultivariateNormal

from tutorial_utils.checks.nb08 import check_best_guess, check_block_noise, check_score

# ---- a square of missing pixels ----


def places(x, size, *, more=1, fewer=0):
    """Corners of squares for the images x, uniform among all for which `more` is 1, `fewer` 0."""
    return (torch.randint(fewer, side - size + more, (len(x),)) for side in x.shape[2:])


def cut(x, tops, lefts, height, width=None, value=0.0):
    """A copy of x without a block in each image, as slices cut it."""
    out = x.clone()
    for image, top, left in zip(out, tops, lefts, strict=True):
        image[:, top : top + height, left : left + (width or height)] = value
    return out


def _blocks(x, size):
    return cut(x, *places(x, size), size)


def _masks(x, size):
    top, left = places(x, size)
    rows, columns = (
        torch.arange(n) - start[:, None] for n, start in zip(x.shape[2:], (top, left), strict=True)
    )
    hole = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[
        :, None, :
    ]
    return torch.where(hole[:, None], 0, x)


def _numpy(x, size):
    images = x.numpy().copy()
    for image in images:
        top, left = (np.random.randint(side - size + 1) for side in image.shape[1:])  # noqa: NPY002
        image[0, top : top + size, left : left + size] = 0
    return images


def _one_index(x, size):
    """One random number for row and column together."""
    height, width = (side - size + 1 for side in x.shape[2:])
    place = torch.randint(height * width, (len(x),))
    return cut(x, place // width, place % width, size)


def _floats(x, size):
    tops, lefts = ((torch.rand(len(x)) * (side - size + 1)).long() for side in x.shape[2:])
    return cut(x, tops, lefts, size)


def _wrapped(x, size):
    out = x.clone()
    for image in out:
        rows, columns = (
            (torch.randint(0, side, ()) + torch.arange(size)) % side for side in image.shape[1:]
        )
        image[:, rows[:, None], columns] = 0
    return out


def _lines(x, size):
    keep = [torch.rand(len(x), side).argsort(1) >= size for side in x.shape[2:]]
    return x * (keep[0][:, None, :, None] | keep[1][:, None, None, :])


def _in_place(x, size):
    for image, top, left in zip(x, *places(x, size), strict=True):
        image[:, top : top + size, left : left + size] = 0
    return x


def _seeded(x, size):
    torch.manual_seed(0)
    return _blocks(x, size)


def _one_place_per_ten(x, size):
    return cut(
        x, *(each.view(-1, 10)[:, :1].expand(-1, 10).flatten() for each in places(x, size)), size
    )


def squares(*, grow=0, wide=None, value=0.0, **places_of):
    """An answer: squares of another size, gray value or places."""

    def answer(x, size):
        return cut(x, *places(x, size, **places_of), size + grow, wide and size + wide, value)

    return answer


def at(places_of):
    """An answer: squares at `places_of(n, room)` along each axis, numbers from 0 to room."""

    def answer(x, size):
        return cut(x, *(places_of(len(x), side - size) for side in x.shape[2:]), size)

    return answer


def fixed(axis, at_place):
    """An answer: squares whose place along one axis is the same in all images."""

    def answer(x, size):
        corners = list(places(x, size))
        corners[axis] = [at_place] * len(x)
        return cut(x, *corners, size)

    return answer


def _diagonal(x, size):
    place = torch.randint(0, min(x.shape[2:]) - size + 1, (len(x),))
    return cut(x, place, place, size)


def _normal(n, room):
    return (room / 2 + room / 4 * torch.randn(n)).round().clamp(0, room).long()


def _swapped(x, size):
    top, left = places(x, size)
    return cut(x, left, top, size)


RIGHT_BLOCKS = {
    "slices": _blocks,
    "masks": _masks,
    "numpy": _numpy,
    "one index": _one_index,
    "floats": _floats,
    "double": lambda x, size: _blocks(x, size).double(),
    "stacked": lambda x, size: torch.stack(list(_blocks(x, size))),
    "images of a clone": lambda x, size: _in_place(x.clone(), size),
}
ONE, LEAVES, SCATTERED, TORN, OFTEN, MASK, SHAPE, NEITHER = (
    "one place for all",
    "leave the image",
    "the missing pixels are no square",
    "are torn",
    "far more often",
    "a mask",
    "the images had shape",
    "neither what they were nor 0",
)
WRONG_BLOCKS = {
    "one place": (at(lambda n, room: torch.randint(room + 1, (1,)).expand(n)), ONE),
    "middle": (at(lambda n, room: [room // 2] * n), ONE),
    "anywhere": (lambda x, size: cut(x, *places(x, 1), size), LEAVES),
    "centers": (at(lambda n, room: (torch.randint(room + 4, (n,)) - 2).clamp(min=0)), LEAVES),
    "swapped axes": (_swapped, LEAVES),
    "in place": (_in_place, "changed x itself"),
    "last never": (squares(more=0), "the last row or column"),
    "last two never": (squares(more=-1), "the last row or column"),
    "first never": (squares(fewer=1), "the first row or column"),
    "white": (squares(value=1.0), "the square is white"),
    "gray": (squares(value=0.5), NEITHER),
    "noise": (lambda x, size: x + torch.randn_like(x), NEITHER),
    "blurred elsewhere": (lambda x, size: _blocks(x, size) * 0.99, NEITHER),
    "masking": (lambda x, size: torch.where(torch.rand_like(x) < 0.2, 0, x), SCATTERED),
    "masking, as many": (
        lambda x, size: x * (torch.rand(len(x), 70).argsort(1) >= size**2).view_as(x),
        SCATTERED,
    ),
    "lines": (_lines, TORN),
    "wrapped": (_wrapped, TORN),
    "rows": (lambda x, size: cut(x, next(places(x, size)), [0] * len(x), size, 10), "a stripe"),
    "columns": (lambda x, size: cut(x, [0] * len(x), [*places(x, size)][1], 7, size), "a stripe"),
    "one too large": (squares(more=0, grow=1), "5 x 5 pixels"),
    "one too small": (squares(grow=-1), "3 x 3 pixels"),
    "half": (squares(grow=-2), "2 x 2 pixels"),
    "not square": (squares(wide=-1), "4 x 3 pixels"),
    "random sizes": (
        lambda x, size: torch.cat([_blocks(part, 2 + i % 4) for i, part in enumerate(x.split(7))]),
        "larger than size",
    ),
    "row fixed": (fixed(0, 2), "the row is"),
    "column fixed": (fixed(1, 0), "the column is"),
    "diagonal": (_diagonal, "on the diagonal"),
    "pushed back": (at(lambda n, room: torch.randint(room + 4, (n,)).clamp(max=room)), OFTEN),
    "normal": (at(_normal), OFTEN),
    "rounded": (at(lambda n, room: (torch.rand(n) * room).round().long()), OFTEN),
    "ten alike": (_one_place_per_ten, OFTEN),
    "four places": (at(lambda n, room: (torch.rand(n) < 0.5) * room), "many places never"),
    "seed": (_seeded, "set a seed"),
    "nothing": (lambda x, size: x, "no pixel has changed"),
    "lost copy": (lambda x, size: [_blocks(x, size), x][1], "no pixel has changed"),
    "everything": (lambda x, size: 0 * x, "all pixels are missing"),
    "mask": (lambda x, size: _blocks(torch.ones_like(x), size), MASK),
    "bool": (lambda x, size: _blocks(torch.ones_like(x), size) == 0, MASK),
    "inside": (lambda x, size: x - _blocks(x, size), "all that is left"),
    "one image": (lambda x, size: _blocks(x, size)[0], SHAPE),
    "flat": (lambda x, size: _blocks(x, size).flatten(1), SHAPE),
    "NaN": (squares(value=math.nan), "NaN"),
}


def test_images_have_no_black_pixel_and_room_for_squares_in_both_directions():
    seen = given_by(check_block_noise, _blocks)
    assert len(seen) == 2
    for x, size in seen:
        assert (
            x.min() > 0
            and x.max() < 1
            and size < x.shape[2] < x.shape[3] < 28
            and type(size) is int
        )


def test_uniform_places_are_ok_whatever_the_random_numbers(said):
    """As many as in some hundred runs: the bound on frequencies is far from chance."""
    for shift in range(60):

        def answer(x, size, shift=shift):
            torch.rand(2000 * shift)  # more than one answer takes: new random numbers each time
            return _masks(x, size)

        assert said(check_block_noise, answer).startswith(OK)


@pytest.mark.parametrize("excess", [0.5, 1.0])
def test_a_preference_for_one_corner_is_seen(said, excess):
    def answer(x, size):
        tops, lefts = places(x, size)
        again = torch.rand(len(x)) < excess / 4
        return cut(x, torch.where(again, 0, tops), torch.where(again, 0, lefts), size)

    assert OFTEN in said(check_block_noise, answer)


def test_a_mistake_in_a_few_images_only_is_not_ok(said):
    def answer(x, size):
        return torch.cat([_blocks(x[:-3], size), x[-3:]])

    assert said(check_block_noise, answer).startswith(WRONG)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_verdict_on_blocks_is_the_same_without_gradients(said, mode):
    with mode():
        assert said(check_block_noise, _blocks).startswith(OK)
        assert ONE in said(check_block_noise, WRONG_BLOCKS["one place"][0])


@pytest.mark.parametrize("scale", [0.9, 0.99, 1.01, 1.1])
def test_images_that_are_a_little_darker_or_brighter_are_not_right(said, scale):
    assert said(check_block_noise, lambda *given: scale * _blocks(*given)).startswith(WRONG)


# ---- the best guess of one number ----


shrunk = check_best_guess.right


def _by_precision(y, m, v, n):
    return (y / n + m / v) / (1 / n + 1 / v)


def _on_a_grid(y, m, v, n):
    x = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    log_p = -0.5 * (x - m).square() / v - 0.5 * (y - x).square() / n
    return (log_p.softmax(0) * x).sum()


RIGHT_GUESSES = {
    "weights": lambda y, m, v, n: (v * y + n * m) / (v + n),
    "back from noisy": lambda y, m, v, n: y - n / (v + n) * (y - m),
    "precisions": _by_precision,
    "grid": _on_a_grid,
    "floats": lambda *given: shrunk(*(float(each) for each in given)),
    "numpy": lambda *given: shrunk(*(each.numpy() for each in given)),
    "one in a row": lambda *given: [float(shrunk(*given))],
}


WRONG_GUESSES = {
    "back from the mean": (
        lambda y, m, v, n: y - v / (v + n) * (y - m),
        "the weights are swapped",
    ),
    "both": (lambda y, m, v, n: (y, m), "is one number"),
    "NaN": (lambda y, m, v, n: y / (v - v), "NaN"),
    "nothing": (lambda y, m, v, n: 0.0, "between the mean"),
    "product": (lambda y, m, v, n: y * m * v * n, "between the mean"),
}


def test_the_best_guess_is_the_mean_of_those_x_that_give_this_noisy_value():
    """By samples of x and noise, and by regression: the line with the least squared error."""
    generator = torch.Generator().manual_seed(0)
    for _, mean, variance, noise in given_by(check_best_guess, shrunk):
        x, eps = torch.randn(2, 400_000, generator=generator)
        x = mean + variance**0.5 * x
        noisy = x + noise**0.5 * eps
        slope = torch.stack([noisy, x]).cov()[0, 1] / noisy.var()
        for at in (-1.0, 0.5):
            line = float(x.mean() + slope * (at - noisy.mean()))
            assert shrunk(at, mean, variance, noise) == pytest.approx(line, abs=0.02)


def test_means_and_variances_are_not_special():
    for given in given_by(check_best_guess, shrunk):
        assert all(isinstance(each, float) for each in given)
        noisy, mean, variance, noise = (float(each) for each in given)
        assert (
            variance > 0 and noise > 0 and abs(noisy - mean) > 0.1 and abs(variance - noise) > 0.1
        )


# ---- the score ----


tweedie = check_score.right


RIGHT_SCORES = {
    "signs turned twice": lambda noisy, denoised, std: -(noisy - denoised) / std**2,
    "two divisions": lambda noisy, denoised, std: (denoised - noisy) / std / std,
    "in place": lambda noisy, denoised, std: denoised.sub_(noisy).div_(std**2),
    "numpy": lambda noisy, denoised, std: (denoised.numpy() - noisy.numpy()) / std**2,
    "list": lambda *given: tweedie(*given).tolist(),
    "rows": lambda noisy, denoised, std: [
        list((d - n) / std**2) for n, d in zip(noisy, denoised, strict=True)
    ],
}
FORM, HINT = "as many numbers as", "0 where denoising"
WRONG_SCORES = {
    "normalize": (lambda n, d, s: torch.nn.functional.normalize(d - n), "its length is lost"),
    "log density": (lambda n, d, s: -(d - n).square().sum(1) / (2 * s**2), FORM),
    "number": (lambda n, d, s: ((d - n) / s**2).sum(), FORM),
    "turned": (lambda n, d, s: tweedie(n, d, s).T, FORM),
    "first row": (lambda n, d, s: tweedie(n, d, s)[0], FORM),
    "no parentheses": (lambda n, d, s: d - n / s**2, HINT),
    "denoised itself": (lambda n, d, s: d, HINT),
    "nothing": (lambda n, d, s: 0 * n, HINT),
    "NaN": (lambda n, d, s: (d - n) / (n - n), "NaN"),
}


def test_the_right_answer_is_the_gradient_of_the_log_density():
    """Tweedie's formula, for a Gaussian, by automatic differentiation."""
    for noisy, _, std in given_by(check_score, tweedie):
        d = noisy.shape[1]
        mix = torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        covariance, mean = mix @ mix.T, mix[0]
        covariance_of_noisy = covariance + std**2 * torch.eye(d).double()
        noisy = noisy.double().requires_grad_()
        MultivariateNormal(mean, covariance_of_noisy).log_prob(noisy).sum().backward()
        denoised = mean + (noisy - mean) @ torch.linalg.solve(covariance_of_noisy, covariance)
        torch.testing.assert_close(tweedie(noisy, denoised, std), noisy.grad)


# ---- all of them ----


@pytest.mark.filterwarnings("error")
@every_right(
    "08",
    {
        check_block_noise: RIGHT_BLOCKS,
        check_best_guess: RIGHT_GUESSES,
        check_score: RIGHT_SCORES,
    },
)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong(
    {
        check_block_noise: WRONG_BLOCKS,
        check_best_guess: WRONG_GUESSES,
        check_score: WRONG_SCORES,
    }
)
def test_what_is_wrong_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
