"""Checks of notebook 03: right answers in every form, and no mixture of mistakes is one."""

import math
from functools import reduce
from itertools import product

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right
from torch import distributions as D

from tutorial_utils.checks.nb03 import check_active_dimensions, check_iwae, check_kl_to_wide_prior
from tutorial_utils.losses import kl_standard_normal


def std_of(logvar):
    return (0.5 * logvar).exp()


# ---- the KL to a wide prior ----


def _kl_of_distributions(mu, logvar, s):
    return D.kl_divergence(D.Normal(mu, std_of(logvar)), D.Normal(torch.zeros_like(mu), s)).sum(-1)


def _wide(*parts):
    """KL as half of a sum of parts, each a function of mu, logvar, s, and of −1."""
    return lambda *given: 0.5 * (sum(part(*given) for part in parts) - 1).sum(1)


MEANS = {
    "right": lambda mu, logvar, s: mu**2 / s**2,
    "s": lambda mu, logvar, s: mu**2 / s,
    "none": lambda mu, logvar, s: mu**2,
    "inverse": lambda mu, logvar, s: mu**2 * s**2,
    "by q": lambda mu, logvar, s: mu**2 / logvar.exp(),
}
VARIANCES = {
    "right": lambda mu, logvar, s: logvar.exp() / s**2,
    "s": lambda mu, logvar, s: logvar.exp() / s,
    "none": lambda mu, logvar, s: logvar.exp(),
    "log std": lambda mu, logvar, s: (2 * logvar).exp() / s**2,
    "std": lambda mu, logvar, s: std_of(logvar) / s**2,
    "swapped": lambda mu, logvar, s: s**2 / logvar.exp(),
}
LOGS = {
    "right": lambda mu, logvar, s: 2 * math.log(s) - logvar,
    "s": lambda mu, logvar, s: math.log(s) - logvar,
    "none": lambda mu, logvar, s: -logvar,
    "sign": lambda mu, logvar, s: -2 * math.log(s) - logvar,
    "swapped": lambda mu, logvar, s: logvar - 2 * math.log(s),
    "log std": lambda mu, logvar, s: 2 * math.log(s) - 2 * logvar,
}
RIGHT_KLS = {
    "parts": _wide(MEANS["right"], VARIANCES["right"], LOGS["right"]),
    "distributions": _kl_of_distributions,
    "rescaled": lambda mu, logvar, s: kl_standard_normal(mu / s, logvar - 2 * math.log(s)),
    "log std": lambda mu, logvar, s: (
        math.log(s) - logvar / 2 + (std_of(logvar) ** 2 + mu**2) / (2 * s**2) - 0.5
    ).sum(-1),
    "constants once": lambda mu, logvar, s: (
        0.5 * ((mu**2 + logvar.exp()) / s**2 - logvar).sum(1)
        + mu.shape[1] * (torch.tensor(s).log() - 0.5)
    ),
    "numpy": lambda mu, logvar, s: (
        kl_standard_normal(mu / s, logvar - 2 * np.log(s)).numpy().astype(float)
    ),
    "double": lambda mu, logvar, s: _kl_of_distributions(mu.double(), logvar.double(), s),
}


def test_no_mixture_of_mistakes_is_a_right_kl(said):
    for mean, variance, log in product(MEANS, VARIANCES, LOGS):
        text = said(check_kl_to_wide_prior, _wide(MEANS[mean], VARIANCES[variance], LOGS[log]))
        assert text.startswith(OK) == (mean == variance == log == "right")


# ---- the tighter bound ----


def _shifted(log_w):
    largest = log_w.max(dim=0).values
    return largest + (log_w - largest).exp().mean(0).log()


RIGHT_BOUNDS = {
    "logsumexp": lambda log_w: torch.logsumexp(log_w, dim=0) - math.log(len(log_w)),
    "inside": lambda log_w: (log_w - math.log(log_w.shape[0])).logsumexp(-2),
    "shifted": _shifted,
    "logaddexp": lambda log_w: np.logaddexp.reduce(log_w.numpy(), axis=0) - np.log(len(log_w)),
    "one by one": lambda log_w: reduce(torch.logaddexp, log_w) - math.log(len(log_w)),
    "double": lambda log_w: log_w.double().exp().mean(0).log(),
    "list": lambda log_w: [_shifted(column[:, None]).item() for column in log_w.T],
    "in place": lambda log_w: log_w.sub_(math.log(len(log_w))).logsumexp(0),
}


def test_no_mixture_of_mistakes_is_a_right_bound(said):
    inner = {"lse": torch.logsumexp, "mean": torch.mean, "max": torch.amax, "sum": torch.sum}
    shifts = {
        "k": lambda w: math.log(len(w)),
        "none": lambda w: 0,
        "B": lambda w: math.log(w.shape[1]),
        "len": len,
    }
    for name, shift, axis, sign in product(inner, shifts, (0, 1), (1, -1)):

        def bound(log_w, name=name, shift=shift, axis=axis, sign=sign):
            return inner[name](log_w, dim=axis) - sign * shifts[shift](log_w)

        right = (name, shift, axis, sign) == ("lse", "k", 0, 1)
        assert said(check_iwae, bound).startswith(OK) == right


@pytest.mark.parametrize(
    "bound",
    [
        lambda log_w: log_w.exp().mean(0).log(),
        lambda log_w: log_w.exp().mean(0).log1p(),
        lambda log_w: log_w.amin(0) + (log_w - log_w.amin(0)).exp().mean(0).log(),
        lambda log_w: log_w.mean(0) + (log_w - log_w.mean(0)).exp().mean(0).log(),
    ],
)
def test_a_bound_by_exponentials_that_overflow_is_told_so(said, bound):
    assert "overflow" in said(check_iwae, bound)


# ---- active dimensions ----


RIGHT_COUNTS = {
    "tensor": lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).sum(),
    "int": lambda eigenvalues, beta, std: int((eigenvalues > beta * std**2).sum()),
    "numpy": lambda eigenvalues, beta, std: np.sum(eigenvalues.numpy() > beta * std**2),
    "roots": lambda eigenvalues, beta, std: (eigenvalues.sqrt() > math.sqrt(beta) * std).sum(),
    "at least": lambda eigenvalues, beta, std: (eigenvalues >= beta * std**2).sum(),
    "ratio": lambda eigenvalues, beta, std: (eigenvalues / (beta * std * std) > 1).float().sum(),
    "KL above 0": lambda eigenvalues, beta, std: ((eigenvalues / beta / std**2).log() > 0).sum(),
    "in place": lambda eigenvalues, beta, std: eigenvalues.div_(beta * std**2).gt_(1).sum(),
    "one in a list": lambda eigenvalues, beta, std: [int((eigenvalues > beta * std**2).sum())],
}


def test_no_mixture_of_mistakes_counts_the_active_dimensions(said):
    powers = (-2, -1, -0.5, 0, 0.5, 1, 2, 4)
    for root, p, q, inactive in product((False, True), powers, powers, (False, True)):

        def count(eigenvalues, beta, std, root=root, p=p, q=q, inactive=inactive):
            found = ((eigenvalues.sqrt() if root else eigenvalues) > beta**p * std**q).sum()
            return len(eigenvalues) - found if inactive else found

        right = not inactive and (p, q) == ((0.5, 1) if root else (1, 2))
        assert said(check_active_dimensions, count).startswith(OK) == right, (root, p, q, inactive)


def test_one_dimension_more_or_less_is_not_right(said):
    for off in (-1, 1, 0.5, 0.01):
        answer = lambda *given, off=off: RIGHT_COUNTS["int"](*given) + off  # noqa: E731
        assert said(check_active_dimensions, answer).startswith(WRONG)


# ---- all of them ----

RIGHT = {
    check_kl_to_wide_prior: RIGHT_KLS,
    check_iwae: RIGHT_BOUNDS,
    check_active_dimensions: RIGHT_COUNTS,
}


@pytest.mark.filterwarnings("error")
@every_right("03", RIGHT)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)
