"""Checks of notebook 04: right answers in every form, and no mixture of mistakes is one."""

import math
import re
from itertools import combinations, product

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right, every_wrong, given_by
from torch import distributions as D
from torch.nn.functional import one_hot

from tutorial_utils.checks.nb04 import (
    check_central_difference,
    check_collapsed,
    check_midpoint_length,
)
from tutorial_utils.losses import kl_standard_normal

# ---- the middle of a straight line ----

RIGHT_LENGTHS = {
    "root": 32**0.5,
    "rounded": 5.66,
    "roughly": 5.7,
    "lowest": 5.5,
    "highest": 5.8,
    "from 8": 8 / math.sqrt(2),
    "numpy": np.sqrt(32),
    "numpy float": np.float32(5.65),
    "tensor": torch.tensor(32.0).sqrt(),
    "measured": lambda n=10_000: (
        torch.randn(2, n, 64, generator=torch.Generator().manual_seed(1)).mean(0).norm(dim=1)
    ),
}
RIGHT_LENGTHS["measured"] = RIGHT_LENGTHS["measured"]().mean()


@pytest.mark.parametrize("answer", [5, 6, 5.4, 5.9, -5.66, 2.83, 1, 100])
def test_another_length_gets_a_hint_and_the_name_of_no_mistake(said, answer):
    assert said(check_midpoint_length, answer) == f"{WRONG}: {check_midpoint_length.hint}"


@pytest.mark.parametrize(
    ("rounded", "phrase"), [(7.97, "great circle"), (11.3, "length of the sum"), (0.707, "ratio")]
)
def test_a_mistake_in_a_length_is_named_when_it_is_rounded(said, rounded, phrase):
    assert phrase in said(check_midpoint_length, rounded)


def test_the_accepted_lengths_are_those_that_midpoints_have():
    ends = torch.randn(2, 50_000, 64, generator=torch.Generator().manual_seed(0))
    assert abs(ends.norm(dim=2).mean() - 8) < 0.05
    assert 5.6 < ends.mean(0).norm(dim=1).mean() < 5.7


@pytest.mark.parametrize("answer", [1, *(answer for answer, _ in check_midpoint_length.mistakes)])
def test_no_hint_gives_the_length_away(said, answer):
    assert not re.search(r"5[.,][5-8]|32|√2|root of 2", said(check_midpoint_length, answer))


# ---- collapsed dimensions ----


def _kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def _loop(mu, logvar):
    return [bool(_kl(mu[:, i], logvar[:, i]).mean() < 0.01) for i in range(mu.shape[1])]


def _distributions(mu, logvar):
    prior = D.Normal(torch.zeros(()), torch.ones(()))
    return D.kl_divergence(D.Normal(mu, (0.5 * logvar).exp()), prior).mean(0) < 0.01


def _numpy(mu, logvar):
    mu, logvar = mu.numpy(), logvar.numpy()
    return np.mean(0.5 * (mu**2 + np.exp(logvar) - 1 - logvar), axis=0) < 0.01


def _one_by_one(mu, logvar):
    columns = zip(mu.split(1, dim=1), logvar.split(1, dim=1), strict=True)
    return torch.tensor([kl_standard_normal(*column).mean().item() < 0.01 for column in columns])


def _in_place(mu, logvar):
    return (0.5 * (mu.square_() + logvar.clone().exp_() - 1 - logvar)).mean(0).lt(0.01)


RIGHT_MARKS = {
    "mean": lambda mu, logvar: _kl(mu, logvar).mean(0) < 0.01,
    "named axis": lambda mu, logvar: _kl(mu, logvar).mean(dim=-2).lt(0.01),
    "minus half": lambda mu, logvar: (
        (-0.5 * (1 + logvar - mu.pow(2) - logvar.exp())).mean(0) < 0.01
    ),
    "not active": lambda mu, logvar: ~(_kl(mu, logvar).mean(0) >= 0.01),
    "sum over images": lambda mu, logvar: _kl(mu, logvar).sum(0) < 0.01 * len(mu),
    "every image": lambda mu, logvar: (_kl(mu, logvar) < 0.01).all(0),
    "worst image": lambda mu, logvar: _kl(mu, logvar).amax(0) < 0.01,
    "double": lambda mu, logvar: _kl(mu.double(), logvar.double()).mean(0) < 0.01,
    "loop": _loop,
    "list of tensors": lambda mu, logvar: list(RIGHT_MARKS["mean"](mu, logvar)),
    "distributions": _distributions,
    "numpy": _numpy,
    "kl_standard_normal": _one_by_one,
    "in place": _in_place,
    "transposed": lambda mu, logvar: _kl(mu.T, logvar.T).mean(1) < 0.01,
}


def _near(value, target, limit):
    return (value - target).abs() < limit


def _pooled(mu, logvar):
    """Center and variance of the codes of all images together."""
    return mu.mean(0), mu.var(0) + logvar.exp().mean(0)


TOGETHER, MU, LOGVAR, CANCEL = (
    "together look like the prior",
    "mu alone.",
    "logvar alone.",
    "averages over images",
)
WRONG_MARKS = {
    "aggregate": (
        lambda m, v: _near(m.mean(0), 0, 0.05) & _near(_pooled(m, v)[1], 1, 0.05),
        TOGETHER,
    ),
    "aggregate, KL": (lambda m, v: _kl(_pooled(m, v)[0], _pooled(m, v)[1].log()) < 0.01, TOGETHER),
    "spread of mu": (
        lambda m, v: _near(m.mean(0), 0, 0.05) & _near(m.std(0), 1, 0.05),
        "mu differs between images",
    ),
    "mu": (lambda m, v: m.abs().mean(0) < 0.1, MU),
    "mu squared": (lambda m, v: m.square().mean(0) / 2 < 0.01, MU),
    "mu, all": (lambda m, v: (m.abs() < 0.1).all(0), MU),
    "mean of mu": (lambda m, v: _near(m.mean(0), 0, 0.1), "average of mu alone"),
    "std of mu": (lambda m, v: m.std(0) < 0.1, "whether mu moves"),
    "variance of mu": (lambda m, v: m.var(0) < 0.01, "whether mu moves"),
    "logvar": (lambda m, v: v.abs().mean(0) < 0.1, LOGVAR),
    "KL without mu": (lambda m, v: _kl(0 * m, v).mean(0) < 0.01, LOGVAR),
    "std near 1": (lambda m, v: _near((0.5 * v).exp(), 1, 0.1).all(0), LOGVAR),
    "mean of logvar": (lambda m, v: _near(v.mean(0), 0, 0.05), "average of logvar alone"),
    "std of logvar": (lambda m, v: v.std(0) < 0.1, "whether logvar moves"),
    "both stand still": (
        lambda m, v: (m.std(0) < 0.1) & (v.std(0) < 0.1),
        "the same for all images",
    ),
    "stands still, wide": (
        lambda m, v: (m.std(0) < 0.1) & (v.abs().mean(0) < 0.1),
        "the same for all images",
    ),
    "either": (lambda m, v: (m.abs().mean(0) < 0.1) | (v.abs().mean(0) < 0.1), "both have to"),
    "KL of means": (lambda m, v: _kl(m.mean(0), v.mean(0)) < 0.01, CANCEL),
    "KL of mean and mean variance": (
        lambda m, v: _kl(m.mean(0), v.exp().mean(0).log()) < 0.01,
        CANCEL,
    ),
    "mean of mu, logvar": (lambda m, v: _near(m.mean(0), 0, 0.1) & (v.abs().mean(0) < 0.1), CANCEL),
    "mu, mean of logvar": (
        lambda m, v: (m.abs().mean(0) < 0.1) & _near(v.mean(0), 0, 0.05),
        CANCEL,
    ),
    "KL, mu not squared": (lambda m, v: (_kl(0 * m, v) + m / 2).mean(0).abs() < 0.01, CANCEL),
    "no log": (lambda m, v: (m**2 + v.exp() - 1).mean(0) / 2 < 0.01, "is the log there"),
    "sign of the log": (lambda m, v: (m**2 + v.exp() - 1 + v).mean(0) / 2 < 0.01, "with its sign"),
    "no constant": (lambda m, v: (m**2 + v.exp() - v).mean(0) / 2 < 0.01, "you find none"),
    "sum over images": (lambda m, v: _kl(m, v).sum(0) < 0.01, "you find none"),
    "exactly": (lambda m, v: _kl(m, v).mean(0) == 0, "you find none"),
    "negative KL": (lambda m, v: -_kl(m, v).mean(0) < 0.01, "does yours have the right sign"),
    "active": (lambda m, v: _kl(m, v).mean(0) > 0.01, "upside down"),
    "active, rougher": (lambda m, v: _kl(m, v).mean(0) > 0.1, "upside down"),
    "active units": (lambda m, v: m.var(0) > 0.01, "mu differs between images"),
    "median": (lambda m, v: _kl(m, v).median(0).values < 0.01, "A median"),
    "any image": (lambda m, v: (_kl(m, v) < 0.01).any(0), "a few images are far"),
    "first image": (lambda m, v: _kl(m, v)[0] < 0.01, "a few images are far"),
    "most images": (lambda m, v: (_kl(m, v) < 0.01).float().mean(0) > 0.9, "a few images are far"),
    "limit 0.1": (lambda m, v: _kl(m, v).mean(0) < 0.1, "limit too high"),
    "half the KL": (lambda m, v: _kl(m, v).mean(0) / 2 < 0.01, "½ too many"),
    "limit 0.4": (lambda m, v: _kl(m, v).mean(0) < 0.4, "limit too high"),
    "wrong axis": (lambda m, v: _kl(m, v).mean(1) < 0.01, "one value for each image, over"),
    "sum over dimensions": (
        lambda m, v: kl_standard_normal(m, v) < 0.01,
        "one value for each image, over",
    ),
    "all of it": (lambda m, v: _kl(m, v).mean() < 0.01, "dimensions together"),
    "all of it, summed": (
        lambda m, v: kl_standard_normal(m, v).mean() < 0.01,
        "dimensions together",
    ),
    "how many": (lambda m, v: RIGHT_MARKS["mean"](m, v).sum(), "dimensions together"),
    "no reduction": (lambda m, v: _kl(m, v) < 0.01, "each image and dimension"),
    "kept axis": (lambda m, v: _kl(m, v).mean(0, keepdim=True) < 0.01, "shape [1, 11]"),
    "KLs": (lambda m, v: _kl(m, v).mean(0), "right KLs"),
    "KLs, in place": (lambda m, v: 0.5 * (m.square_() - v + v.exp() - 1).mean(0), "right KLs"),
    "scores": (lambda m, v: m.var(0), "scores"),
    "share": (lambda m, v: (_kl(m, v) < 0.01).float().mean(0), "scores"),
    "difference": (lambda m, v: 0.01 - _kl(m, v).mean(0), "scores"),
    "zeros and ones": (lambda m, v: RIGHT_MARKS["mean"](m, v).float(), "as numbers"),
    "integers": (lambda m, v: RIGHT_MARKS["mean"](m, v).long().tolist(), "as numbers"),
    "wrong zeros and ones": (lambda m, v: (m.abs().mean(0) < 0.1).int(), MU),
    "indices": (lambda m, v: RIGHT_MARKS["mean"](m, v).nonzero(), "Mark all"),
    "flat indices": (lambda m, v: RIGHT_MARKS["mean"](m, v).nonzero().flatten(), "Mark all"),
    "where": (lambda m, v: torch.where(RIGHT_MARKS["mean"](m, v)), "a tuple"),
    "swapped": (lambda m, v: RIGHT_MARKS["mean"](v, m), "mu and logvar swapped"),
    "some of them": (
        lambda m, v: RIGHT_MARKS["mean"](m, v) & (torch.arange(11) < 5),
        "not the collapsed ones",
    ),
    "root of logvar": (lambda m, v: v.sqrt() + m.mean(0), "each image and dimension"),
    "NaN": (lambda m, v: v.sqrt().mean(0), "NaN"),
}


def test_collapsed_dimensions_are_clear_cut():
    """However the KL is computed: none is near the limit, and no image of a collapsed one above."""
    kl = _kl(*given_by(check_collapsed, RIGHT_MARKS["mean"])[0])
    assert kl.shape[0] > kl.shape[1]
    mean = kl.mean(0)
    assert ((mean < 0.001) | (mean > 0.014)).all()
    collapsed = mean < 0.01
    assert 2 <= collapsed.sum() < len(mean) / 2 and kl[:, collapsed].max() < 0.01


def test_no_collapsed_dimension_can_be_told_by_its_place():
    collapsed = RIGHT_MARKS["mean"](*given_by(check_collapsed, RIGHT_MARKS["mean"])[0])
    assert collapsed.tolist() != sorted(collapsed.tolist()) != collapsed.flip(0).tolist()


def test_the_codes_of_all_images_are_the_prior_where_no_posterior_is():
    mu, logvar = given_by(check_collapsed, RIGHT_MARKS["mean"])[0]
    center, variance = _pooled(mu, logvar)
    fooled = _near(center, 0, 0.01) & _near(variance, 1, 0.01) & (_kl(mu, logvar).mean(0) > 1)
    assert fooled.sum() == 1


def test_only_the_right_marks_are_right(said):
    """Every answer that is off in one or two dimensions, or in all but those."""
    right = RIGHT_MARKS["mean"](*given_by(check_collapsed, RIGHT_MARKS["mean"])[0])
    off = [
        torch.eye(len(right)).bool()[list(dims)].any(0)
        for n in (0, 1, 2)
        for dims in combinations(range(11), n)
    ]
    for flipped in (*off, *(~flipped for flipped in off)):
        text = said(check_collapsed, lambda mu, logvar, flipped=flipped: right ^ flipped)
        assert text.startswith(OK) == (not flipped.any())


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
    "one_hot": lambda f, z, j, h: (
        (f(z + h * one_hot(torch.tensor(j), len(z))) - f(z - h * one_hot(torch.tensor(j), len(z))))
        * 0.5
        / h
    ),
    "two halves": lambda f, z, j, h: (
        ((f(_points(z, j, h)[0]) - f(z)) / h + (f(z) - f(_points(z, j, h)[1])) / h) / 2
    ),
    "negative h": lambda f, z, j, h: _central(f, z, j, -h),
    "no gradients": torch.no_grad()(_central),
    "put back": _put_back,
    "batch": _batch,
    "numpy": _by_numpy,
    "double": lambda f, z, j, h: _central(f, z.double(), j, h),
    "list": lambda *given: _central(*given).tolist(),
}


def _alias(f, z, j, h):
    up, down = z, z
    up[j] += h
    down[j] -= h
    return (f(up) - f(down)) / (2 * h)


def _alias_of_clone(f, z, j, h):
    up = z.clone()
    up[j] += h
    down = up
    value = f(up)
    down[j] -= h
    return (value - f(down)) / (2 * h)


def _moves_z(f, z, j, h):
    z[j] += h
    up = f(z)
    z[j] -= 2 * h
    return (up - f(z)) / (2 * h)


def _moves_up(f, z, j, h):
    middle = f(z)
    z[j] += h
    return (f(z) - middle) / h


def _replaces(f, z, j, h):
    up, down = z.clone(), z.clone()
    up[j], down[j] = h, -h
    return (f(up) - f(down)) / (2 * h)


def _autograd(f, z, j, h):
    return torch.autograd.functional.jvp(f, z, torch.eye(len(z))[j])[1]


def _of(numerator, divisor):
    """A difference quotient, from functions of (up, mid, down) and of h."""

    def answer(f, z, j, h):
        up, down = _points(z, j, h)
        return numerator(f(up), f(z), f(down)) / divisor(h)

    return answer


MOVED = "your function has moved z"
WRONG_DIFFERENCES = {  # written in another way than the mistakes of the check
    "counted from 1": (lambda f, z, j, h: _central(f, z, j - 1, h), "but not j"),
    "replaced": (_replaces, "replaced by h"),
    "own small h": (lambda f, z, j, h: _central(f, z.double(), j, 1e-5), "this is the derivative"),
    "step of 1": (lambda f, z, j, h: _central(f, z, j, 1), "1 away from z"),
    "step of 2h": (lambda f, z, j, h: _central(f, z, j, 2 * h), "2h away"),
    "alias": (_alias, "no copy"),
    "alias of a clone": (_alias_of_clone, "half of a one-sided difference"),
    "moves z": (_moves_z, MOVED),
    "moves z up": (_moves_up, MOVED),
    "moves all of z": (lambda f, z, j, h: f(z.add_(h)) / h, MOVED),
    "one number": (lambda *given: _central(*given).mean(), "shape []"),
    "norm": (lambda *given: _central(*given).norm(), "shape []"),
    "one pixel": (lambda *given: _central(*given)[1], "shape []"),
    "kept axis": (lambda *given: _central(*given)[None], "shape [1, 5]"),
    "all dimensions one by one": (
        lambda f, z, j, h: torch.stack([_central(f, z, i, h) for i in range(len(z))]),
        "shape [4, 5]",
    ),
    "like z": (lambda f, z, j, h: z, "shape [4]"),
    "divided by 0": (lambda f, z, j, h: (f(z + h) - f(z - h)) / (h - h), "NaN or infinite"),
    "j as a step": (lambda f, z, j, h: _central(f, z, j, j), "take f at two points"),
    "calls f with two": (lambda f, z, j, h: f(z, h), "TypeError"),
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
        assert said(check_central_difference, answer).startswith(OK) == right, (
            up,
            mid,
            down,
            factor,
            power,
        )


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


def test_no_two_mistakes_in_marks_get_the_same_text_unless_they_are_the_same(said):
    texts = {name: said(check_collapsed, answer) for name, (answer, _) in WRONG_MARKS.items()}
    for one, other in combinations(texts, 2):
        assert texts[one] != texts[other] or WRONG_MARKS[one][1] in texts[other], (one, other)
    assert len(set(texts.values())) >= 20


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_marks_are_judged_alike_without_gradients(said, mode):
    with mode():
        assert said(check_collapsed, RIGHT_MARKS["mean"]).startswith(OK)
        assert "upside down" in said(check_collapsed, WRONG_MARKS["active"][0])
