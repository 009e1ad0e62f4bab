"""Audit of a loss: a table of losses with their truths, laws, what is unknown, what is refused."""

import math
import random
from collections import namedtuple
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss, mse_loss, softplus

from tutorial_utils.losses import (
    bernoulli_nll,
    gaussian_nll,
    kl_per_dimension,
    kl_standard_normal,
    negative_elbo,
    squared_error,
)
from tutorial_utils.topics.audit import LossAudit, audit_loss

SMALL = {"shape": (1, 8, 8), "latent_dim": 3}  # where the size does not matter
RGB = {"shape": (3, 64, 64), "latent_dim": 128}
small_audit = partial(audit_loss, **SMALL)
HALF = "the squared error lacks its ½"
TWICE = "beta = 2, or its ½ is missing"


def per_dim(mu, logvar):
    """The right KL, [B, D]."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def kl_mean(mu, logvar):
    """The right KL, a mean over the batch."""
    return kl_standard_normal(mu, logvar).mean()


def to_prior(mean, std):
    """The KL [B, D] to the prior N(mean, std²)."""
    prior = Normal(torch.tensor(mean).double(), torch.tensor(std).double())
    return lambda mu, logvar: kl_divergence(Normal(mu, (logvar / 2).exp()), prior)


def with_kl(kl, *, weight=1.0):
    """A loss with a right reconstruction and this KL [B, D] of its own."""
    return lambda recon, x, mu, logvar: bernoulli_nll(recon, x) + weight * kl(mu, logvar).sum(1)


def with_recon(recon_term):
    """A loss with a right KL and this reconstruction [B] of its own."""
    return lambda recon, x, mu, logvar: recon_term(recon, x) + kl_standard_normal(mu, logvar)


def weighted(likelihood, beta):
    """A loss with these two, averaged over the batch."""
    return lambda recon, x, mu, logvar: (
        likelihood(recon, x).mean() + beta * kl_standard_normal(mu, logvar).mean()
    )


def in_float32(loss):
    """The same loss, computed in float32."""
    return lambda r, x, m, v: loss(r.float(), x.float(), m.float(), v.float())


def said(audit: LossAudit) -> str:
    """All findings in one line."""
    return " | ".join(audit.findings)


def expect(audit: LossAudit, *phrases: str, beta: float, **fields: object):
    """Compare an audit: one finding for each phrase, the effective beta, and the fields given."""
    assert len(audit.findings) == len(phrases), audit.findings
    assert all(phrase in said(audit) for phrase in phrases), audit.findings
    assert audit.effective_beta == pytest.approx(beta, rel=2e-3, nan_ok=True)
    assert audit.kl_at_prior == pytest.approx(fields.pop("kl_at_prior", 0), abs=1e-3, nan_ok=True)
    assert {name: getattr(audit, name) for name in fields} == fields


# ---- losses as people write them: beta by hand, and what there is to say ----


def bce_over(sums, means):
    """A loss whose cross-entropy is summed over some axes of x [B, C, H, W], averaged over others."""
    cost = lambda r, x: bce(r, x, reduction="none").sum(sums, True).mean(means)  # noqa: E731
    return lambda r, x, m, v: cost(r, x).mean() + kl_mean(m, v)


PIXELS = "mean over 784 pixels"
TABLE = {
    # likelihoods: all pixels summed, one nat for one nat
    "Bernoulli": (with_recon(bernoulli_nll), {}, 1, ()),
    "Bernoulli.log_prob": (
        with_recon(lambda r, x: -Bernoulli(logits=r).log_prob(x).sum((1, 2, 3))),
        {},
        1,
        (),
    ),
    "half squared error": (with_recon(lambda r, x: squared_error(r, x) / 2), {}, 1, ()),
    "squared error": (with_recon(squared_error), {}, 1 / 2, (HALF,)),
    "Gaussian": (with_recon(gaussian_nll), {}, 1, ()),
    "absolute error, three times": (
        with_recon(lambda r, x: 3 * l1_loss(r, x, reduction="none").sum((1, 2, 3))),
        {},
        1 / 3,
        (),
    ),
    # pytorch/examples: sums over all, the size written out
    "784 written out": (
        lambda r, x, m, v: bce(r, x.view(-1, 784), reduction="sum") + per_dim(m, v).sum(),
        {},
        1,
        (),
    ),
    # means over pixels: beta is their number times as large, half of that for a squared error
    "mean BCE": (lambda r, x, m, v: bce(r, x) + kl_mean(m, v), {}, 784, (PIXELS,)),
    "784 divided by": (
        lambda r, x, m, v: bce(r, x, reduction="sum") / len(x) / 784 + kl_mean(m, v),
        {"shape": (784,)},
        784,
        (PIXELS,),
    ),
    "MSE over 12,288, weighted": (
        lambda r, x, m, v: mse_loss(r, x) + 0.00025 * kl_mean(m, v),
        RGB,
        0.00025 * 12_288 / 2,
        ("mean over 12,288 pixels",),
    ),
    "two means": (
        lambda r, x, m, v: mse_loss(r, x) + 0.1 * per_dim(m, v).mean(),
        {"latent_dim": 5},
        0.1 * 784 / 2 / 5,
        (PIXELS, "mean over 5 latent dimensions"),
    ),
    "MSE over 10": (
        lambda r, x, m, v: mse_loss(r, x) + kl_mean(m, v),
        {"shape": (10,), "latent_dim": 2},
        5,
        ("mean over 10 pixels", HALF),
    ),
    # a factor that makes up for a mean is no mistake
    "MSE times 64": (lambda r, x, m, v: mse_loss(r, x) * 64 + kl_mean(m, v), SMALL, 1 / 2, (HALF,)),
    "BCE times 64": (lambda r, x, m, v: bce(r, x) * 64 + kl_mean(m, v), SMALL, 1, ()),
    "means of 5 and of 5": (
        lambda r, x, m, v: bce(r, x) + per_dim(m, v).mean(),
        {"shape": (5,), "latent_dim": 5},
        1,
        (),
    ),
    "all of it per pixel": (
        lambda r, x, m, v: weighted(bernoulli_nll, 4)(r, x, m, v) / x[0].numel(),
        SMALL,
        4,
        (),
    ),
    # some axes summed, others averaged
    "mean over height": (
        bce_over((1, 3), (2,)),
        {"shape": (3, 20, 14)},
        20,
        ("mean over axis 2 of an",),
    ),
    "mean over width": (
        bce_over((1, 2), (3,)),
        {"shape": (3, 20, 14)},
        14,
        ("mean over axis 3 of an",),
    ),
    "mean over channels": (bce_over((2, 3), (1,)), {"shape": (3, 20, 14)}, 3, ("over axis 1 of",)),
    "mean over one channel": (bce_over((2, 3), (1,)), {}, 1, ()),
    "mean over both sides": (
        bce_over((1,), (2, 3)),
        {"shape": (3, 20, 14)},
        280,
        ("mean over axis 2 and 3",),
    ),
    # the batch
    "sum of recon, mean of KL": (
        lambda r, x, m, v: bce(r, x, reduction="sum") + per_dim(m, v).mean(),
        {"batch_size": 32, "latent_dim": 32},
        1 / 32 / 32,
        ("beta depends on the batch size", "mean over 32 latent dimensions"),
    ),
    "KL divided twice": (
        lambda r, x, m, v: bernoulli_nll(r, x).mean() + kl_mean(m, v) / len(x),
        SMALL,
        1 / 16,
        ("beta depends on the batch size: 0.0625 at 16, 0.03125 at 32",),
    ),
    "batch written out": (
        lambda r, x, m, v: bernoulli_nll(r, x).sum() + per_dim(m.view(16, 3), v).sum(),
        SMALL,
        1,
        (),
    ),
    # the KL
    "KL without its half": (with_kl(lambda m, v: 2 * per_dim(m, v)), SMALL, 2, (TWICE,)),
    "weighted": (with_kl(per_dim, weight=4.0), SMALL, 4, ()),
    "logvar clamped far out": (with_kl(lambda m, v: per_dim(m, v.clamp(-30, 20))), SMALL, 1, ()),
    "small numbers in logs": (
        lambda r, x, m, v: (
            -(x * (r + 1e-6).log() + (1 - x) * (1 - r + 1e-6).log()).sum((1, 2, 3))
            + 0.5 * (m**2 + v.exp() - 1 - (v.exp() + 1e-6).log()).sum(1)
        ),
        SMALL,
        1,
        (),
    ),
    "prior N(0, 4)": (with_kl(to_prior(0.0, 2.0)), SMALL, 1, ("to a prior N(0, 4), not N(0, 1)",)),
    "prior N(1, 1)": (with_kl(to_prior(1.0, 1.0)), SMALL, 1, ("to a prior N(1, 1), not N(0, 1)",)),
    "prior N(-1, 1/4)": (with_kl(to_prior(-1.0, 0.5)), SMALL, 1, ("to a prior N(-1, 0.25)",)),
    "prior, constant left out": (
        with_kl(lambda m, v: 0.5 * (m**2 / 4 + v.exp() / 4 - 1 - v)),
        SMALL,
        1,
        ("prior N(0, 4)",),
    ),
}


@pytest.mark.parametrize(("loss", "sizes", "beta", "phrases"), TABLE.values(), ids=TABLE)
def test_losses_with_their_truths(loss, sizes, beta, phrases):
    audit = audit_loss(loss, **sizes)
    at_prior = audit.kl_at_prior if "prior" in said(audit) else 0
    expect(audit, *phrases, beta=beta, kl_at_prior=at_prior, scale_parameter="log variance")
    lines = str(audit).splitlines()
    assert len(lines) == 4 + max(1, len(phrases)) and max(map(len, lines)) <= 130


NATS = {
    "Bernoulli on logits": (partial(binary_cross_entropy_with_logits, reduction="none"), 1),
    "Bernoulli on probabilities": (partial(bce, reduction="none"), 1),
    "squared error": (partial(mse_loss, reduction="none"), 2),
    "absolute error": (partial(l1_loss, reduction="none"), 1),
}
BATCH = {"none": lambda t: t, "mean": torch.mean, "sum": torch.sum}


@pytest.mark.parametrize("seed", range(24))
def test_any_combination_of_reductions_and_weights_is_taken_apart(seed):
    pick = random.Random(seed)
    likelihood = pick.choice([*NATS])
    pixels, latent = pick.choices(["sum", "mean"], k=2)
    recon_batch, kl_batch = pick.choices([*BATCH], k=2)
    recon_weight, kl_weight = (10 ** pick.uniform(-4, 3) for _ in range(2))
    shape = pick.choice([(1, 8, 8), (48,), (3, 4, 6), (7, 5), (1, 28, 28)])
    dims, b = pick.choice([1, 2, 7, 16, 30]), pick.choice([2, 3, 8, 16])
    cost, nats = NATS[likelihood]

    def loss(recon, x, mu, logvar):
        recon_term = getattr(cost(recon, x).flatten(1), pixels)(1)
        kl = getattr(per_dim(mu, logvar), latent)(1)
        return recon_weight * BATCH[recon_batch](recon_term) + kl_weight * BATCH[kl_batch](kl)

    audit = audit_loss(loss, shape=shape, latent_dim=dims, batch_size=b)
    latent = latent if dims > 1 else "sum"  # of one, both are the same
    assert audit[:6] == (likelihood, pixels, audit.latent, recon_batch, kl_batch, "log variance")
    assert dims == 1 or audit.latent == latent
    one_recon = recon_weight * nats / (math.prod(shape) if pixels == "mean" else 1)
    one_kl = kl_weight / (dims if latent == "mean" else 1)
    batches = (b if kl_batch == "sum" else 1) / (b if recon_batch == "sum" else 1)
    assert audit.effective_beta == pytest.approx(one_kl / one_recon * batches, rel=0.02)
    assert ("batch" in said(audit)) == ((recon_batch == "sum") != (kl_batch == "sum"))


@pytest.mark.parametrize("std", [0.05, 0.1, 0.137, 0.5, 2.0])
@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_a_gaussian_with_its_constant_has_a_known_sigma(std, beta):
    audit = small_audit(weighted(partial(gaussian_nll, std=std), beta))
    expect(audit, beta=beta * std**2, likelihood="squared error")
    assert audit.likelihood_std == pytest.approx(std, rel=1e-3)
    assert f"{beta:g} for σ = {std:g}, or {beta * std**2:.4g} at σ = 1" in str(audit)


# ---- laws ----

LAWS = {
    "right": weighted(bernoulli_nll, 1.0),
    "known sigma": weighted(partial(gaussian_nll, std=0.1), 1.0),
    "means": lambda r, x, m, v: mse_loss(r, x) + 0.1 * per_dim(m, v).mean(),
    "mixed up": with_kl(lambda m, v: 0.5 * (m**2 + (v / 2).exp() - 1 - v)),
    "free bits": with_kl(lambda m, v: per_dim(m, v).clamp(min=0.5)),
    "batch": lambda r, x, m, v: bernoulli_nll(r, x).mean() + per_dim(m, v).sum(),
    "sign": weighted(bernoulli_nll, -2.0),
}
CHANGES = {
    "times a thousand": lambda loss: lambda r, x, m, v: 1000.0 * loss(r, x, m, v),
    "over a million": lambda loss: lambda r, x, m, v: 1e-6 * loss(r, x, m, v),
    "plus a constant": lambda loss: lambda r, x, m, v: loss(r, x, m, v) + 12.5,
    "another order of the batch": lambda loss: (
        lambda r, x, m, v: loss(*(t.flip(0) for t in (r, x, m, v)))
    ),
    "float32": in_float32,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("loss", LAWS.values(), ids=LAWS)
def test_what_changes_no_gradient_but_its_scale_changes_no_finding(loss, change):
    before, after = small_audit(loss), small_audit(change(loss))
    assert before.effective_beta == pytest.approx(after.effective_beta, rel=1e-3, nan_ok=True)
    assert before.findings == after.findings and before.scale_parameter == after.scale_parameter
    assert before.likelihood_std == pytest.approx(after.likelihood_std, rel=1e-3, nan_ok=True)


@pytest.mark.parametrize("seed", range(8))
def test_beta_is_found_over_decades_in_float64_and_in_float32(seed):
    pick = random.Random(seed)
    beta, likelihood = 10 ** pick.uniform(-6, 4), pick.choice([bernoulli_nll, gaussian_nll])
    loss = weighted(likelihood, beta)
    assert small_audit(loss).effective_beta == pytest.approx(beta, rel=1e-3)
    found = small_audit(in_float32(loss))
    unknown = "rounding hides it" in said(found)
    assert unknown or found.effective_beta == pytest.approx(beta, rel=0.01)
    assert not unknown or beta < 1e-3


@pytest.mark.parametrize("weight", [1e-9, 1e-7])
def test_below_the_rounding_a_kl_is_unknown_and_not_absent(weight):
    tiny = small_audit(in_float32(weighted(gaussian_nll, weight)))
    expect(tiny, "KL is too small beside", beta=math.nan, kl_at_prior=math.nan)
    assert "unknown" in str(tiny)
    noise = small_audit(
        lambda r, x, m, v: (bernoulli_nll(r, x) + per_dim(m, v).sum(1)) - per_dim(m, v).sum(1)
    )
    assert not noise.effective_beta > 0


@pytest.mark.parametrize("beta", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_our_own_loss_is_right_in_both_forms(beta):
    for loss in (partial(negative_elbo, beta=beta), with_kl(per_dim, weight=beta)):
        audit = small_audit(loss)
        assert audit[:6] == ("Bernoulli on logits", "sum", "sum", "none", "none", "log variance")
        expect(audit, *([TWICE] if beta == 2 else []), beta=beta)


def test_a_named_loss_is_believed_where_its_kl_weighs_nothing():
    absent = {"latent": "absent", "kl_batch": "absent", "scale_parameter": "absent"}
    none = small_audit(partial(negative_elbo, beta=0.0))
    expect(none, "no KL term", beta=0, kl_at_prior=math.nan, **absent)


# ---- mistakes of the KL ----


@pytest.mark.parametrize("weight", [1.0, 3.0, -1.0])
def test_a_missing_half_has_its_minimum_at_a_variance_of_one_half(weight):
    kl = lambda m, v: -0.5 * (1 + v) + m**2 + v.exp()  # noqa: E731
    logvar = torch.linspace(-3, 1, 100_001, dtype=torch.float64)
    lowest = kl(torch.zeros(()), logvar)
    assert lowest.min().item() == pytest.approx(0.3466, abs=1e-4)
    assert logvar[lowest.argmin()].exp().item() == pytest.approx(0.5, abs=1e-3)
    phrases = ["lack the ½ of the KL: its minimum per dimension is 0.3466, at σ² = 0.5"]
    phrases += ["the KL has the wrong sign"] if weight < 0 else []
    expect(small_audit(with_kl(kl, weight=weight)), *phrases, beta=weight, kl_at_prior=0.5)


READ_AS = {
    "log variance": per_dim,
    "log standard deviation": lambda m, s: 0.5 * (m**2 + (2 * s).exp() - 1) - s,
    "standard deviation": lambda m, s: 0.5 * (m**2 + s**2 - 1) - s.log(),
    "variance": lambda m, s: 0.5 * (m**2 + s - 1 - s.log()),
}


@pytest.mark.parametrize(("name", "kl"), READ_AS.items(), ids=READ_AS)
@pytest.mark.parametrize("batch", BATCH)
def test_how_the_fourth_argument_is_read(name, kl, batch):
    def loss(recon, x, mu, logvar):
        return BATCH[batch](bernoulli_nll(recon, x) + 3 * kl(mu, logvar).sum(1))

    phrases = [] if name == "log variance" else [f"is read as the {name}"]
    expect(small_audit(loss), *phrases, beta=3, scale_parameter=name)


MIXED_UP = {
    "variance beside log std": (lambda m, s: 0.5 * (m**2 + s.exp() - 1 - 2 * s), -0.1931),
    "std in place of variance": (lambda m, s: 0.5 * (m**2 + (s / 2).exp() - 1 - s), -0.1931),
    "the same, given the std": (lambda m, s: 0.5 * (m**2 + s - 1 - 2 * s.log()), -0.1931),
    "log std, half of the log": (lambda m, s: 0.5 * (m**2 + (2 * s).exp() - 1 - s), -0.0767),
}


@pytest.mark.parametrize(("kl", "lowest"), MIXED_UP.values(), ids=MIXED_UP)
def test_mixed_up_scales_are_inconsistent_and_their_minimum_is_not_0(kl, lowest):
    values = kl(torch.zeros(()), torch.linspace(-4, 4, 100_001, dtype=torch.float64))
    assert values[values.isfinite()].min().item() == pytest.approx(lowest, abs=1e-4)
    audit = small_audit(with_kl(kl))
    assert audit.scale_parameter == "inconsistent" and len(audit.findings) == 1
    assert f"mixed up, its minimum per dimension is {lowest}, not 0" in said(audit)


@pytest.mark.parametrize(
    ("recon_sign", "kl_sign", "phrase"),
    [(1, -1, "the KL has the"), (-1, -1, "return −ELBO"), (-1, 1, "the reconstruction has the")],
)
def test_the_sign_of_each_part(recon_sign, kl_sign, phrase):
    loss = weighted(lambda r, x: recon_sign * bernoulli_nll(r, x), 0.1 * kl_sign)
    expect(small_audit(loss), phrase, beta=0.1 * kl_sign * recon_sign)


@pytest.mark.parametrize(
    ("kl", "phrase", "kl_at_prior"),
    [
        (lambda m, s: 0.5 * (m**2 + s.exp() - s), "at the prior the KL is 0.5, not 0", 0.5),
        (lambda m, s: m**2 + 0.5 * (s.exp() - 1 - s), "μ² counts 2 times", 0),
        (lambda m, s: 0.5 * (s.exp() - 1 - s), "μ² counts 0 times", 0),
        (lambda m, s: 0.5 * m**2, "does not depend on the 4th", 0),
    ],
)
def test_single_terms_of_the_kl_that_are_off(kl, phrase, kl_at_prior):
    expect(small_audit(with_kl(kl)), phrase, beta=1, kl_at_prior=kl_at_prior)


KL = kl_standard_normal
NO_FORMULA = {
    "free bits per dimension": (lambda m, v: kl_per_dimension(m, v).clamp(min=0.5).sum(), ""),
    "free bits, few": (lambda m, v: per_dim(m, v).clamp(min=1e-3).sum(1), "near the prior"),
    "hinge": (lambda m, v: (KL(m, v) - 0.01).relu(), "near the prior"),
    "floor": (lambda m, v: KL(m, v).mean().clamp(min=16), ""),
    "capacity": (lambda m, v: 30 * (KL(m, v) - 5).abs(), "capacity"),
    "capacity, large": (lambda m, v: 30 * (KL(m, v) - 150).abs(), "where the KL is large"),
    "capacity, squared": (lambda m, v: (KL(m, v).mean() - 5) ** 2, "capacity"),
    "ceiling": (lambda m, v: KL(m, v).clamp(max=100), "where the KL is large"),
    "relu": (lambda m, v: KL(m, v.relu()), "where logvar is below 0"),
    "abs": (lambda m, v: KL(m, v.abs()), "where logvar is below 0"),
    "clamp": (lambda m, v: KL(m, v.clamp(-4, 4)), "where logvar is far below 0"),
    "mu clamped": (lambda m, v: KL(m.clamp(-3, 3), v), "where the KL is large"),
    "softplus": (lambda m, v: KL(m, 2 * softplus(v).log()), ""),
    "other powers": (lambda m, v: (m.abs() + v.exp() - v).sum(1), ""),
    "mean without square": (lambda m, v: 0.5 * (m + v.exp() - 1 - v).sum(1), ""),
    "KL of the mean code": (lambda m, v: KL(m.mean(0).expand_as(m), v), ""),
}


@pytest.mark.parametrize(("kl", "region"), NO_FORMULA.values(), ids=NO_FORMULA)
def test_what_is_no_kl_everywhere_is_unknown_and_says_where(kl, region):
    audit = small_audit(lambda r, x, m, v: bernoulli_nll(r, x) + kl(m, v))
    expect(audit, "beta cannot be told", beta=math.nan, kl_at_prior=math.nan, latent="unknown")
    assert region in said(audit) and audit.likelihood == "Bernoulli on logits"


NOT_A_SUM = "no usual sum or mean over pixels"
COSTS = [
    (lambda r, x: bernoulli_nll(r.sigmoid(), x), "Bernoulli after two sigmoids", "give it the log"),
    (lambda r, x: squared_error(r.sigmoid(), x) / 2, "squared error after a sigmoid", ""),
    (lambda r, x: squared_error(r, x).sqrt(), "unknown", NOT_A_SUM),
    (lambda r, x: bernoulli_nll(r, x) + squared_error(r, x), "unknown", NOT_A_SUM),
    (lambda r, x: x.flatten(1).sum(1), "absent", "reconstruction term is missing"),
]


@pytest.mark.parametrize(("cost", "name", "phrase"), COSTS)
def test_likelihoods_have_names(cost, name, phrase):
    beta = {"unknown": math.nan, "absent": math.inf}.get(name, 1)
    audit = small_audit(with_recon(cost))
    expect(audit, *([phrase] if phrase else []), beta=beta, likelihood=name, latent="sum")


def test_a_model_whose_logits_are_taken_for_probabilities_is_found():
    def wrong(model, x):
        out = model(x)
        return bce(out.logits, x, reduction="none").flatten(1).sum(1) + KL(out.mu, out.logvar)

    expect(small_audit(wrong), "apply a sigmoid", beta=1, likelihood="Bernoulli on probabilities")


# ---- the order of the arguments ----


def test_x_first_is_no_mistake_where_the_names_say_so_and_else_a_question():
    def named(x, x_hat, mean, log_var):
        return bce(x_hat, x, reduction="sum") + per_dim(mean, log_var).sum()

    def codes_swapped(recon, x, logvar, mu):
        return bernoulli_nll(recon, x) + KL(mu, logvar)

    for loss in (named, codes_swapped):
        expect(small_audit(loss), beta=1, scale_parameter="log variance")
        assert f"in the order {', '.join(small_audit(loss).order)}" in str(small_audit(loss))

    question = small_audit(lambda a, b, m, v: bernoulli_nll(b, a) + KL(m, v))
    expect(question, "right if loss_fn takes (x, recon, …)", beta=1)
    expect(small_audit(lambda a, b, c, d: bernoulli_nll(a, b) + KL(d, c)), "right if", beta=1)
    bug = small_audit(lambda recon, x, mu, logvar: bernoulli_nll(x, recon) + KL(mu, logvar))
    expect(bug, "recon is scored as if it were the data", beta=1)


# ---- forms: what is taken, what is returned ----

right = with_recon(bernoulli_nll)


class _Module(nn.Module):
    def forward(self, recon, x, mu, logvar, *, beta=1.0):
        return bernoulli_nll(recon, x).mean() + beta * kl_standard_normal(mu, logvar).mean()


def _needs_float32(recon, x, mu, logvar):
    assert recon.dtype == torch.float32
    return right(recon, x, mu, logvar)


def _changes_its_arguments(recon, x, mu, logvar):
    loss = right(recon, x, mu, logvar)
    for tensor in (recon, x, mu, logvar):
        tensor.zero_()
    return loss


def _rows(recon, x, mu, logvar):
    assert recon.ndim == x.ndim == 2
    return right(recon, x, mu, logvar)


FORMS = {
    "[B, 1]": lambda r, x, m, s: right(r, x, m, s)[:, None],
    "dict": lambda r, x, m, s: {"kl": KL(m, s), "loss": right(r, x, m, s)},
    "tuple": lambda r, x, m, s: (right(r, x, m, s), bernoulli_nll(r, x), KL(m, s)),
    "float": lambda r, x, m, s: right(r, x, m, s).mean().item(),
    "optional": lambda r, x, m, s, beta=1.0, *rest, flag=False, **more: right(r, x, m, s),
    "module": _Module(),
    "partial": partial(lambda beta, r, x, m, s: bernoulli_nll(r, x) + beta * KL(m, s), 1.0),
    "float32 only": _needs_float32,
    "in place": _changes_its_arguments,
    "rows": _rows,
    "rows against images": lambda r, x, m, s: right(
        r, x.reshape(-1, x.shape[2] * x.shape[3]), m, s
    ),
}


@pytest.mark.parametrize("loss", FORMS.values(), ids=FORMS)
def test_every_form_of_a_right_loss_is_right(loss):
    audit = small_audit(loss)
    expect(audit, beta=1, pixels="sum", latent="sum")
    assert "nothing to report" in str(audit)


_Parts = namedtuple("_Parts", "recon kl")
REFUSED = {
    "parts": lambda r, x, m, v: (bernoulli_nll(r, x).mean(), kl_mean(m, v)),
    "named parts": lambda r, x, m, v: _Parts(bernoulli_nll(r, x), KL(m, v)),
    "dict of parts": lambda r, x, m, v: {"kl": KL(m, v), "recon": bernoulli_nll(r, x)},
    "total last": lambda r, x, m, v: (bernoulli_nll(r, x), KL(m, v), right(r, x, m, v)),
    "z": lambda recon_x, x, mu, log_var, z: right(recon_x, x, mu, log_var),
    "epoch": lambda r, x, m, v, epoch: bernoulli_nll(r, x) + min(epoch, 1) * KL(m, v),
    "keywords": lambda *, out, target, mean, log_var: right(out, target, mean, log_var),
    "star": lambda *args: right(*args),
    "settings": lambda *args, **kw: bernoulli_nll(*args[:2]) + kw["M_N"] * KL(*args[2:]),
    "outputs": lambda x, _, out: right(out[0], x, out[1], out[2]),
    "pair": lambda data, recon, latent_dist, is_train: right(recon, data, *latent_dist),
    "q": lambda r, x, q: bernoulli_nll(r, x) + kl_divergence(q, Normal(0.0, 1.0)).sum(1),
    "maps": lambda r, x, m, v: bernoulli_nll(r, x) + per_dim(m, v).sum(dim=[1, 2, 3]),
}


def wrapper_of(loss, loss_fn):
    """The wrapper that the refusal of a loss shows, as a reader would paste it."""
    with pytest.raises(ValueError, match="lambda") as caught:
        audit_loss(loss, shape=(1, 8, 8), latent_dim=4)
    return eval(str(caught.value).splitlines()[-1], {"torch": torch, "loss_fn": loss_fn})


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_shows_a_wrapper_that_works(name):
    loss = wrapper_of(REFUSED[name], REFUSED[name])
    loss = wrapper_of(loss, REFUSED[name]) if name == "settings" else loss  # it misses M_N
    expect(audit_loss(loss, shape=(1, 8, 8), latent_dim=4), beta=1)


def test_parts_say_what_depends_on_what():
    with pytest.raises(ValueError, match=r"0 on recon; 1 on mu and logvar.*weights of your"):
        small_audit(REFUSED["parts"])


def test_what_a_loss_raises_is_said_with_what_it_was_given():
    def broken(recon, x, mu, logvar):
        raise RuntimeError("shapes cannot be multiplied")

    wanted = r"loss_fn raised RuntimeError: shapes cannot.*recon \[\d+, 3, 5\]"
    with pytest.raises(ValueError, match=wanted) as caught:
        audit_loss(broken, shape=(3, 5))
    assert isinstance(caught.value.__cause__, RuntimeError)


NO_LOSSES = [None, "0.5", {}, {"kl": torch.zeros(())}, (), [None]]
NO_LOSSES += [torch.zeros(3), torch.zeros(16, 2), torch.tensor(1)]


@pytest.mark.parametrize("value", NO_LOSSES, ids=str)
def test_what_is_no_loss_is_refused(value):
    with pytest.raises(ValueError, match="loss_fn must return a number or"):
        small_audit(lambda recon, x, mu, logvar: value)


BAD = [("shape", value) for value in (784, (), (1, 0), (2.5,))]
BAD += [("latent_dim", 0), ("batch_size", -1), ("loss_fn", 3), ("loss_fn", None)]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        audit_loss(**{"loss_fn": right, **SMALL, name: value})


# ---- doubts, side effects, cost ----


def test_a_loss_that_draws_at_random_is_reported():
    def noisy(recon, x, mu, logvar):
        return right(recon, x, mu, logvar) + torch.randn(())

    def sampled(recon, x, mu, logvar):  # log q(z) - log p(z) at one z
        z = mu + (logvar / 2).exp() * torch.randn_like(mu)
        q = Normal(mu, (logvar / 2).exp()).log_prob(z)
        return bernoulli_nll(recon, x) + (q - Normal(0.0, 1.0).log_prob(z)).sum(1)

    # The same noise in each call adds a constant, and a sample is no closed formula.
    expect(small_audit(noisy), "two equal calls differ", beta=1)
    audit = small_audit(sampled)
    expect(audit, "two equal calls", "beta cannot", beta=math.nan, kl_at_prior=math.nan)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_reported(bad):
    audit = small_audit(lambda r, x, m, s: right(r, x, m, s) * bad)
    assert "NaN or infinite" in said(audit) and "equal calls" not in said(audit)
    assert math.isnan(audit.effective_beta) and "effective beta  unknown" in str(audit)


def test_the_global_random_state_stays_and_two_audits_agree():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = small_audit(negative_elbo)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert str(small_audit(negative_elbo)) == str(first)


def test_large_images_in_large_batches_are_asked_for_rarely_and_without_gradients():
    numbers = []

    def loss(recon, x, mu, logvar):
        numbers.append(recon.numel())
        assert not torch.is_grad_enabled()
        return right(recon, x, mu, logvar).mean()

    audit_loss(loss, **RGB, batch_size=64)
    assert sum(numbers) <= 100 * 64 * 3 * 64 * 64 and max(numbers) <= 2 * 64 * 3 * 64 * 64
