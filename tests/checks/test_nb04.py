"""Checks of notebook 04: right answers in every form, and no mixture of mistakes is one."""

from itertools import product

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right, every_wrong, given_by
from torch import distributions as D

from tutorial_utils.checks.nb04 import (
    check_central_difference,
    check_collapsed,
    check_midpoint_length,
)

# ---- the middle of a straight line ----

ENDS = torch.randn(2, 20_000, 64, generator=torch.Generator().manual_seed(0))
RIGHT_LENGTHS = {
    "root": 32**0.5,
    "roughly": 5.7,
    "lowest": 5.5,
    "highest": 5.8,
    "numpy": np.float32(5.65),
    "tensor": torch.tensor(32.0).sqrt(),
    "measured": ENDS.mean(0).norm(dim=1).mean(),
}


@pytest.mark.parametrize("answer", [5, 6, 5.4, 5.9, -5.66, 2.83, 1, 100])
def test_another_length_gets_a_hint_and_the_name_of_no_mistake(said, answer):
    assert said(check_midpoint_length, answer) == f"{WRONG}: {check_midpoint_length.hint}"


@pytest.mark.parametrize(
    ("rounded", "phrase"), [(7.97, "great circle"), (11.3, "length of the sum"), (0.707, "ratio")]
)
def test_a_mistake_in_a_length_is_named_when_it_is_rounded(said, rounded, phrase):
    assert phrase in said(check_midpoint_length, rounded)


# ---- collapsed dimensions ----


def _kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def _loop(mu, logvar):
    return [bool(_kl(mu[:, i], logvar[:, i]).mean() < 0.01) for i in range(mu.shape[1])]


def _numpy(mu, logvar):
    mu, logvar = mu.numpy(), logvar.numpy()
    return np.mean(0.5 * (mu**2 + np.exp(logvar) - 1 - logvar), axis=0) < 0.01


RIGHT_MARKS = {
    "mean": lambda mu, logvar: _kl(mu, logvar).mean(0) < 0.01,
    "named axis": lambda mu, logvar: _kl(mu, logvar).mean(dim=-2).lt(0.01),
    "not active": lambda mu, logvar: ~(_kl(mu, logvar).mean(0) >= 0.01),
    "sum over images": lambda mu, logvar: _kl(mu, logvar).sum(0) < 0.01 * len(mu),
    "double": lambda mu, logvar: _kl(mu.double(), logvar.double()).mean(0) < 0.01,
    "loop": _loop,
    "list of tensors": lambda mu, logvar: list(RIGHT_MARKS["mean"](mu, logvar)),
    "distributions": lambda mu, logvar: (
        D.kl_divergence(D.Normal(mu, (logvar / 2).exp()), D.Normal(0.0, 1.0)).mean(0) < 0.01
    ),
    "numpy": _numpy,
    "in place": lambda mu, logvar: (
        (mu.square_() + logvar.exp() - 1 - logvar).div_(2).mean(0).lt(0.01)
    ),
}
WRONG_MARKS = {  # in other forms than the mistakes of the check, or with other limits
    "a lower limit": (lambda m, v: _kl(m, v).mean(0) < 0.0011, "limit for the mean KL lower"),
    "a higher limit": (lambda m, v: _kl(m, v).mean(0) < 0.4, "a limit too high"),
    "zeros and ones": (lambda m, v: RIGHT_MARKS["mean"](m, v).float(), "as numbers"),
    "integers": (lambda m, v: RIGHT_MARKS["mean"](m, v).long().tolist(), "as numbers"),
    "kept axis": (lambda m, v: _kl(m, v).mean(0, keepdim=True) < 0.01, "needs a mark"),
    "all of it": (lambda m, v: _kl(m, v).mean() < 0.01, "needs a mark"),
    "some of them": (
        lambda m, v: RIGHT_MARKS["mean"](m, v) & (torch.arange(m.shape[1]) < 5),
        "not the collapsed ones",
    ),
    "NaN": (lambda m, v: v.sqrt().mean(0), "NaN"),
}


def test_dimensions_lie_near_the_limit_on_both_sides_but_not_on_it():
    """So that another limit is told apart, and no right KL depends on how it is rounded."""
    for mu, logvar in check_collapsed.cases():
        off = _kl(mu, logvar).mean(0) / 0.01 - 1
        assert -0.1 < off[off < 0].max() < -0.03 and 0.03 < off[off > 0].min() < 0.1
        assert mu.shape == logvar.shape and len(mu) != mu.shape[1]


def test_the_codes_of_all_images_are_the_prior_where_no_posterior_is():
    mu, logvar = max(check_collapsed.cases(), key=lambda case: len(case[0]))
    center, variance = mu.mean(0), mu.var(0) + logvar.exp().mean(0)
    fooled = (center.abs() < 0.01) & ((variance - 1).abs() < 0.01) & (_kl(mu, logvar).mean(0) > 1)
    assert fooled.sum() == 1


@pytest.mark.parametrize("scale", [0.9, 1.1])
@pytest.mark.parametrize("part", ["mu", "logvar", "KL"])
def test_a_kl_that_is_slightly_off_is_not_right(said, part, scale):
    by = {"mu": 1, "logvar": 1, "KL": 1, part: scale}

    def answer(mu, logvar):
        return by["KL"] * _kl(by["mu"] * mu, by["logvar"] * logvar).mean(0) < 0.01

    assert said(check_collapsed, answer).startswith(WRONG)


# ---- central differences ----


def _points(z, j, h):
    step = torch.zeros_like(z)
    step[j] = h
    return z + step, z - step


def _central(f, z, j, h):
    up, down = _points(z, j, h)
    return (f(up) - f(down)) / (2 * h)


def _clones(f, z, j, h):
    up, down = z.clone(), z.clone()
    up[j] += h
    down[j] -= h
    return (f(up) - f(down)) / 2 / h


def _put_back(f, z, j, h):
    z[j] += h
    up = f(z)
    z[j] -= 2 * h
    down = f(z)
    z[j] += h
    return (up - down) / (2 * h)


def _batch(f, z, j, h):
    up, down = f(torch.stack(_points(z, j, h)))
    return (up - down) / (2 * h)


def _by_numpy(f, z, j, h):
    up, down = z.numpy().copy(), z.numpy().copy()
    up[j], down[j] = up[j] + h, down[j] - h
    return (f(torch.from_numpy(up)).numpy() - f(torch.from_numpy(down)).numpy()) / (2 * h)


RIGHT_DIFFERENCES = {
    "step": _central,
    "clones": _clones,
    "eye": lambda f, z, j, h: (
        (f(z + h * torch.eye(len(z))[j]) - f(z - h * torch.eye(len(z))[j])) / (2 * h)
    ),
    "two halves": lambda f, z, j, h: (
        ((f(_points(z, j, h)[0]) - f(z)) / h + (f(z) - f(_points(z, j, h)[1])) / h) / 2
    ),
    "negative h": lambda f, z, j, h: _central(f, z, j, -h),
    "put back": _put_back,
    "batch": _batch,
    "numpy": _by_numpy,
    "double": lambda f, z, j, h: _central(f, z.double(), j, h),
}


def _alias(f, z, j, h):
    up, down = z, z
    up[j] += h
    down[j] -= h
    return (f(up) - f(down)) / (2 * h)


def _moves_z(f, z, j, h):
    z[j] += h
    up = f(z)
    z[j] -= 2 * h
    return (up - f(z)) / (2 * h)


def _autograd(f, z, j, h):
    return torch.autograd.functional.jvp(f, z, torch.eye(len(z))[j])[1]


def _of(numerator, divisor):
    """A difference quotient, from functions of (up, mid, down) and of h."""

    def answer(f, z, j, h):
        up, down = _points(z, j, h)
        return numerator(f(up), f(z), f(down)) / divisor(h)

    return answer


WRONG_DIFFERENCES = {  # written in another way than the mistakes of the check
    "own small h": (lambda f, z, j, h: _central(f, z.double(), j, 1e-5), "this is the derivative"),
    "alias": (_alias, "no copy"),
    "moves z": (_moves_z, "your function has moved z"),
    "one pixel": (lambda *given: _central(*given)[1], "shape []"),
    "divided by 0": (lambda f, z, j, h: (f(z + h) - f(z - h)) / (h - h), "NaN or infinite"),
}


def test_a_difference_over_nothing_grows_as_h_shrinks():
    """What the message says, for the f of the check; the central difference errs by h ** 2."""
    f, z, j, _ = given_by(check_central_difference, _central)[0]
    z = z.double()
    derivative = _autograd(f, z, j, 0).double()
    errors = [(_central(f, z, j, h) - derivative).norm() for h in (0.1, 0.05)]
    assert 3.9 < errors[0] / errors[1] < 4.1
    alone = [(f(_points(z, j, h)[0]) / h).norm() for h in (0.1, 0.05)]
    assert alone[1] > 1.9 * alone[0]


def test_no_mixture_of_mistakes_is_a_right_difference(said):
    weights, factors = (-1, 0, 1), (1, 2)
    for up, mid, down, factor, power in product(weights, weights, weights, factors, (0, 1)):
        weighted = lambda a, b, c, up=up, mid=mid, down=down: up * a + mid * b + down * c  # noqa: E731
        answer = _of(weighted, lambda h, factor=factor, power=power: factor * h**power)
        right = (up, mid, down, factor, power) == (1, 0, -1, 2, 1)
        assert said(check_central_difference, answer).startswith(OK) == right


# ---- all of them ----

RIGHT = {
    check_midpoint_length: RIGHT_LENGTHS,
    check_collapsed: RIGHT_MARKS,
    check_central_difference: RIGHT_DIFFERENCES,
}


@pytest.mark.filterwarnings("error")
@every_right("04", RIGHT)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong({check_collapsed: WRONG_MARKS, check_central_difference: WRONG_DIFFERENCES})
def test_every_mistake_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
