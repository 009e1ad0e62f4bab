"""Checks of notebook 03: right answers in every form, and no mixture of mistakes is one."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right, every_wrong
from torch import distributions as D

from tutorial_utils.checks.nb03 import check_active_dimensions, check_iwae, check_kl_to_wide_prior
from tutorial_utils.losses import kl_standard_normal


def std_of(logvar):
    return (0.5 * logvar).exp()


# ---- the KL to a wide prior ----


def _kl_of_distributions(mu, logvar, s):
    return D.kl_divergence(D.Normal(mu, std_of(logvar)), D.Normal(torch.zeros_like(mu), s)).sum(-1)


def _wide(mean_part, variance_part, log_part, constant=-1.0, factor=0.5):
    """KL as a sum of parts, each a function of mu, logvar, s."""
    return lambda mu, logvar, s: (
        factor
        * (
            mean_part(mu, logvar, s)
            + variance_part(mu, logvar, s)
            + log_part(mu, logvar, s)
            + constant
        )
    ).sum(1)


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
    "torch log": lambda mu, logvar, s: (
        -0.5
        * (1 + logvar - torch.log(torch.tensor(s) ** 2) - (mu.pow(2) + logvar.exp()) / s**2).sum(1)
    ),
    "numpy": lambda mu, logvar, s: np.sum(
        0.5
        * (np.log(s**2) - logvar.numpy() + (mu.numpy() ** 2 + np.exp(logvar.numpy())) / s**2 - 1),
        axis=1,
    ),
    "double": lambda mu, logvar, s: _kl_of_distributions(mu.double(), logvar.double(), s),
}


def test_no_mixture_of_mistakes_is_a_right_kl(said):
    grid = product(MEANS.items(), VARIANCES.items(), LOGS.items(), (-1.0, 0.0), (0.5, 1.0))
    for (mean, mean_part), (variance, variance_part), (log, log_part), constant, factor in grid:
        right = mean == variance == log == "right" and constant == -1.0 and factor == 0.5
        text = said(
            check_kl_to_wide_prior, _wide(mean_part, variance_part, log_part, constant, factor)
        )
        assert text.startswith(OK) == right, (mean, variance, log, constant, factor)


# ---- the tighter bound ----


def _shifted(log_w):
    largest = log_w.max(dim=0).values
    return largest + (log_w - largest).exp().mean(0).log()


RIGHT_BOUNDS = {
    "logsumexp": lambda log_w: torch.logsumexp(log_w, dim=0) - math.log(len(log_w)),
    "negative axis": lambda log_w: log_w.logsumexp(-2) - torch.log(torch.tensor(log_w.shape[0])),
    "inside": lambda log_w: (log_w - math.log(log_w.shape[0])).logsumexp(0),
    "shifted": _shifted,
    "transposed": lambda log_w: log_w.T.logsumexp(1) - math.log(log_w.size(0)),
    "logaddexp": lambda log_w: np.logaddexp.reduce(log_w.numpy(), axis=0) - np.log(len(log_w)),
    "double": lambda log_w: log_w.double().exp().mean(0).log(),
    "list": lambda log_w: [
        (column.logsumexp(0) - math.log(len(column))).item() for column in log_w.T
    ],
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
    grid = product(inner, shifts, (0, 1), (1, -1), (1, -1), (False, True))
    for name, shift, axis, sign, shift_sign, average in grid:

        def bound(
            log_w,
            name=name,
            shift=shift,
            axis=axis,
            sign=sign,
            shift_sign=shift_sign,
            average=average,
        ):
            value = sign * (inner[name](log_w, dim=axis) - shift_sign * shifts[shift](log_w))
            return value.mean() if average else value

        right = (name, shift, axis, sign, shift_sign, average) == ("lse", "k", 0, 1, 1, False)
        assert said(check_iwae, bound).startswith(OK) == right


# ---- active dimensions ----


def _above(threshold):
    return lambda eigenvalues, beta, std: (eigenvalues > threshold(beta, std)).sum()


RIGHT_COUNTS = {
    "tensor": _above(lambda beta, std: beta * std**2),
    "int": lambda eigenvalues, beta, std: int((eigenvalues > beta * std**2).sum()),
    "float": lambda eigenvalues, beta, std: float((eigenvalues > beta * std**2).sum()),
    "numpy": lambda eigenvalues, beta, std: np.sum(eigenvalues.numpy() > beta * std**2),
    "numpy array": lambda eigenvalues, beta, std: np.array(
        (eigenvalues.numpy() > beta * std**2).sum()
    ),
    "roots": lambda eigenvalues, beta, std: (
        (eigenvalues.sqrt() > math.sqrt(beta) * std).sum().item()
    ),
    "at least": lambda eigenvalues, beta, std: (eigenvalues >= beta * std**2).sum(),
    "ratio": lambda eigenvalues, beta, std: (eigenvalues / (beta * std * std) > 1).float().sum(),
    "loop": lambda eigenvalues, beta, std: sum(1 for value in eigenvalues if value > beta * std**2),
    "sum of a list": lambda eigenvalues, beta, std: sum(
        [value > beta * std**2 for value in eigenvalues.tolist()]
    ),
    "length": lambda eigenvalues, beta, std: len(eigenvalues[eigenvalues > beta * std**2]),
    "count_nonzero": lambda eigenvalues, beta, std: torch.count_nonzero(
        (eigenvalues - beta * std**2).clamp(min=0)
    ),
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
WRONG_ONES = {  # of another kind than the mistakes of the checks
    check_kl_to_wide_prior: {
        "s for s² as a variance": (
            lambda mu, logvar, s: _kl_of_distributions(mu, logvar, s**0.5),
            "s stands for s²",
        ),
        "swapped": (
            lambda mu, logvar, s: D.kl_divergence(
                D.Normal(0 * mu, s), D.Normal(mu, std_of(logvar))
            ).sum(1),
            "KL(prior || q)",
        ),
        "one value per dimension": (
            lambda mu, logvar, s: RIGHT_KLS["parts"](mu.T, logvar.T, s),
            "[4]",
        ),
        "log of a number": (lambda mu, logvar, s: torch.log(s), "TypeError"),
    },
    check_iwae: {
        "naive": (lambda log_w: log_w.exp().mean(0).log(), "overflow"),
        "naive, log1p": (lambda log_w: log_w.exp().mean(0).log1p(), "overflow"),
        "naive sum": (lambda log_w: log_w.exp().sum(0).log(), "overflow"),
        "naive, all": (lambda log_w: log_w.exp().mean().log(), "overflow"),
        "weighted": (lambda log_w: (log_w.exp() / log_w.exp().sum(0) * log_w).sum(0), "overflow"),
        "all of it": (
            lambda log_w: log_w.flatten().logsumexp(0) - math.log(log_w.numel()),
            "shape []",
        ),
        "kept axis": (
            lambda log_w: log_w.logsumexp(0, keepdim=True) - math.log(len(log_w)),
            "shape [1, 4]",
        ),
    },
    check_active_dimensions: {
        "roots, variance": (
            lambda eigenvalues, beta, std: (eigenvalues.sqrt() > beta * std**2).sum(),
            "roots of eigenvalues are standard deviations",
        ),
        "roots": (
            lambda eigenvalues, beta, std: (eigenvalues.sqrt() > beta * std).sum(),
            "roots of eigenvalues taken",
        ),
        "mask, numpy": (
            lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).numpy(),
            "marks for every",
        ),
        "mask, list": (
            lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).tolist(),
            "marks for every",
        ),
        "where": (lambda eigenvalues, beta, std: torch.where(eigenvalues > beta * std**2), "tuple"),
    },
}


@pytest.mark.filterwarnings("error")
@every_right("03", RIGHT)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong(WRONG_ONES)
def test_mistakes_are_named_in_other_forms_too(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
