"""Checks of notebook 08: right answers in every form, and laws that they obey."""

import pytest
import torch
from helpers.answers import OK, WRONG, every_right, every_wrong, given_by
from torch.distributions import MultivariateNormal

from tutorial_utils.checks.nb08 import check_best_guess, check_block_noise, check_score

# ---- a square of missing pixels ----


def places(x, size):
    """Corners of squares for the images x, uniform among all."""
    return (torch.randint(0, side - size + 1, (len(x),)) for side in x.shape[2:])


def cut(x, tops, lefts, height, width=None, value=0.0):
    """A copy of x without a block in each image, as slices cut it."""
    out = x.clone()
    for image, top, left in zip(out, tops, lefts, strict=True):
        image[:, top : top + height, left : left + (width or height)] = value
    return out


def _blocks(x, size):
    return cut(x, *places(x, size), size)


def _masks(x, size):
    rows, columns = (
        torch.arange(side) - start[:, None]
        for side, start in zip(x.shape[2:], places(x, size), strict=True)
    )
    rows, columns = (rows >= 0) & (rows < size), (columns >= 0) & (columns < size)
    return torch.where(rows[:, None, :, None] & columns[:, None, None], 0, x)


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


def at(places_of):
    """An answer: squares at `places_of(n, room)` along each axis, numbers from 0 to room."""

    def answer(x, size):
        return cut(x, *(places_of(len(x), side - size) for side in x.shape[2:]), size)

    return answer


def squares(*, grow=0, value=0.0):
    """An answer: squares of another size or gray value."""
    return lambda x, size: cut(x, *places(x, size), size + grow, value=value)


def _diagonal(x, size):
    place = torch.randint(0, min(x.shape[2:]) - size + 1, (len(x),))
    return cut(x, place, place, size)


RIGHT_BLOCKS = {
    "slices": _blocks,
    "masks": _masks,
    "floats": at(lambda n, room: (torch.rand(n) * (room + 1)).long()),
    "half precision": lambda x, size: _blocks(x.half(), size),
    "bfloat16": lambda x, size: _masks(x.bfloat16(), size),
    "images of a clone": lambda x, size: _in_place(x.clone(), size),
}
ONE, LEAVES, NEVER = "one place for all", "leave the image", "row or column of places never"
WRONG_BLOCKS = {
    "one place": (at(lambda n, room: torch.randint(room + 1, (1,)).expand(n)), ONE),
    "anywhere": (lambda x, size: cut(x, *places(x, 1), size), LEAVES),
    "swapped axes": (lambda x, size: cut(x, *[*places(x, size)][::-1], size), LEAVES),
    "in place": (_in_place, "changed x itself"),
    "last never": (at(lambda n, room: torch.randint(max(room, 1), (n,))), f"last {NEVER}"),
    "first never": (
        at(lambda n, room: torch.randint(min(room, 1), room + 1, (n,))),
        f"first {NEVER}",
    ),
    "checkerboard": (
        at(lambda n, room: 4 * torch.randint(room // 4 + 1, (n,))),
        "as on a checkerboard",
    ),
    "hard-coded size": (lambda x, size: cut(x, *places(x, 4), 4), "4 x 4 pixels"),
    "white": (squares(value=1.0), "the square is white"),
    "dimmed": (lambda x, size: _blocks(x, size) * 0.99, "neither what"),
    "masking": (lambda x, size: torch.where(torch.rand_like(x) < 0.2, 0, x), "are no square"),
    "lines": (_lines, "are torn"),
    "rows": (lambda x, size: cut(x, next(places(x, size)), [0] * len(x), size, 99), "a stripe"),
    "one too small": (squares(grow=-1), "3 x 3 pixels"),
    "random sizes": (
        lambda x, size: torch.cat([_blocks(part, 2 + i % 4) for i, part in enumerate(x.split(7))]),
        "larger than size",
    ),
    "row fixed": (lambda x, size: cut(x, [0] * len(x), [*places(x, size)][1], size), "the row is"),
    "diagonal": (_diagonal, "on the diagonal"),
    "pushed back": (
        at(lambda n, room: torch.randint(room + 4, (n,)).clamp(max=room)),
        "far more often. Are squares pushed",
    ),
    "rounded": (at(lambda n, room: (torch.rand(n) * room).round().long()), "far less often"),
    "four places": (at(lambda n, room: (torch.rand(n) < 0.5) * room), "many places never"),
    "seed": (_seeded, "set a seed"),
    "one channel": (lambda x, size: torch.cat([_blocks(x, size)[:, :1], x[:, 1:]], 1), "channels"),
    "each channel": (
        lambda x, size: _blocks(x.flatten(0, 1)[:, None], size).view_as(x),
        "channels",
    ),
    "nothing": (lambda x, size: x, "no pixel has changed"),
    "all but three": (
        lambda x, size: torch.cat([x[:3], _blocks(x[3:], size)]),
        "some images have lost nothing",
    ),
    "everything": (lambda x, size: 0 * x, "all pixels are missing"),
    "mask": (lambda x, size: _blocks(torch.ones_like(x), size), "a mask"),
    "inside": (lambda x, size: x - _blocks(x, size), "all that is left"),
    "flat": (lambda x, size: _blocks(x, size).flatten(1), "the images had shape"),
}


def test_images_have_no_black_pixel_and_their_sides_channels_and_squares_differ():
    seen = given_by(check_block_noise, _blocks)
    for x, size in seen:
        assert x.min() > 0 and x.max() < 1 and torch.equal(x, x.bfloat16().float())
        assert size <= min(x.shape[2:]) and type(size) is int
    shapes = [x.shape for x, _ in seen]
    assert {height < width for _, _, height, width in shapes} == {True, False}
    assert len({size for _, size in seen}) >= 3 and {1, 3} <= {shape[1] for shape in shapes}
    assert any(len(x) == 1 and size == x.shape[2] for x, size in seen), "one place along an axis"


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

    assert "far more often" in said(check_block_noise, answer)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_verdict_on_blocks_is_the_same_without_gradients(said, mode):
    with mode():
        assert said(check_block_noise, _blocks).startswith(OK)
        assert ONE in said(check_block_noise, WRONG_BLOCKS["one place"][0])


# ---- the best guess of one number ----


shrunk = check_best_guess.right


def _on_a_grid(y, m, v, n):
    """The mean of all x that may have given y, by numerical integration."""
    x = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    log_p = -0.5 * (x - m).square() / v - 0.5 * (y - x).square() / n
    return (log_p.softmax(0) * x).sum()


RIGHT_GUESSES = {
    "weights": lambda y, m, v, n: (v * y + n * m) / (v + n),
    "back from noisy": lambda y, m, v, n: y - n / (v + n) * (y - m),
    "precisions": lambda y, m, v, n: (y / n + m / v) / (1 / n + 1 / v),
    "grid": _on_a_grid,
    "numpy": lambda *given: shrunk(*(each.numpy() for each in given)),
}


WRONG_GUESSES = {
    "both": (lambda y, m, v, n: (y, m), "is one number"),
}


def test_means_and_variances_are_not_special():
    for given in given_by(check_best_guess, shrunk):
        noisy, mean, variance, noise = (float(each) for each in given)
        assert min(variance, noise) > 0 and min(abs(noisy - mean), abs(variance - noise)) > 0.1


# ---- the score ----


tweedie = check_score.right


RIGHT_SCORES = {
    "signs turned twice": lambda noisy, denoised, std: -(noisy - denoised) / std**2,
    "in place": lambda noisy, denoised, std: denoised.sub_(noisy).div_(std**2),
    "numpy": lambda noisy, denoised, std: (denoised.numpy() - noisy.numpy()) / std**2,
}
FORM = "as many numbers as"
WRONG_SCORES = {
    "log density": (lambda n, d, s: -(d - n).square().sum(1) / (2 * s**2), FORM),
    "turned": (lambda n, d, s: tweedie(n, d, s).T, FORM),
    "denoised itself": (lambda n, d, s: d, "0 where denoising"),
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
    {check_block_noise: RIGHT_BLOCKS, check_best_guess: RIGHT_GUESSES, check_score: RIGHT_SCORES},
)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong(
    {check_block_noise: WRONG_BLOCKS, check_best_guess: WRONG_GUESSES, check_score: WRONG_SCORES}
)
def test_what_is_wrong_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
