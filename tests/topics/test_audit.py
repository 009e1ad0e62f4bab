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
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss, softplus
from torch.nn.functional import mse_loss as mse

from tutorial_utils.losses import bernoulli_nll as nll
from tutorial_utils.losses import gaussian_nll, negative_elbo
from tutorial_utils.losses import kl_standard_normal as kl
from tutorial_utils.losses import squared_error as se
from tutorial_utils.topics.audit import LossAudit, audit_loss
from tutorial_utils.topics.loss_fits import mean_without_square

SMALL = {"shape": (1, 8, 8), "latent_dim": 3}  # where the size does not matter
small_audit = partial(audit_loss, **SMALL)
each = partial(bce, reduction="none")
IN_TEXTS = (Bernoulli, softplus, se)  # used in the texts of losses only


def per_dim(mu, logvar):
    """The right KL, [B, D]."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def to_prior(mean, std, mu, logvar):
    """The KL [B] to the prior N(mean, std²)."""
    prior = Normal(mean * torch.ones_like(mu), std)
    return kl_divergence(Normal(mu, (logvar / 2).exp()), prior).sum(1)


def loss_of(text):
    """A loss from its text: r is recon, m is mu, v is logvar."""
    return eval(f"lambda r, x, m, v: {text}", globals())


def weighted(likelihood, beta):
    """A loss with these two, averaged over the batch."""
    return lambda recon, x, mu, logvar: (likelihood(recon, x) + beta * kl(mu, logvar)).mean()


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
    at_prior = fields.pop("kl_at_prior", math.nan if math.isnan(beta) else 0)
    assert audit.kl_at_prior == pytest.approx(at_prior, abs=1e-3, nan_ok=True)
    assert {name: getattr(audit, name) for name in fields} == fields
    lines = str(audit).splitlines()
    assert max(map(len, lines)) <= 130 and all(f"✗ {found}" in lines for found in audit.findings)
    assert ("✓ nothing to report" in lines) == (not phrases)


# ---- losses as people write them, beta by hand, and what there is to say ----

HALF = "the squared error lacks its ½"
TWICE = "beta = 2, or its ½ is missing"
PIXELS = "mean over 784 pixels"
RGB = {"shape": (3, 64, 64), "latent_dim": 128}
TALL = {"shape": (3, 20, 14)}
TABLE = [
    # all pixels summed: a nat for a nat
    ("nll(r, x) + kl(m, v)", {}, 1),
    ("-Bernoulli(logits=r).log_prob(x).sum((1, 2, 3)) + kl(m, v)", {}, 1),
    ("se(r, x) / 2 + kl(m, v)", {}, 1),
    ("se(r, x) + kl(m, v)", {}, 1 / 2, HALF),
    ("gaussian_nll(r, x) + kl(m, v)", {}, 1),
    ("3 * l1_loss(r, x, reduction='sum') / len(x) + kl(m, v)", {}, 1 / 3),
    ("bce(r.view(-1, 784), x.view(-1, 784), reduction='sum') + kl(m, v).sum()", {}, 1),
    ("each(r.view(-1, 784), x.view(-1, 784)).sum(1).mean() + kl(m, v).mean()", {}, 1),
    ("nll(r, x).sum() + per_dim(m.view(16, 3), v).sum()", SMALL, 1),
    ("each(r.view(-1, 8), x.view(-1, 8)).sum(1).mean() + 3 * kl(m, v)", {"shape": (2, 4)}, 3),
    # averaged: beta is their number times as large, half of it for a squared error
    ("bce(r, x) + kl(m, v).mean()", {}, 784, PIXELS),
    ("bce(r.view(-1, 784), x.view(-1, 784)) + kl(m, v).mean()", {}, 784, PIXELS),
    ("each(r, x).sum() / len(x) / 784 + kl(m, v).mean()", {}, 784, PIXELS),
    ("mse(r, x) + 0.00025 * kl(m, v).mean()", RGB, 0.00025 * 12_288 / 2, "mean over 12,288 pixels"),
    ("mse(r, x) + kl(m, v).mean()", {"shape": (10,)}, 5, "mean over 10 pixels", HALF),
    ("mse(r, x) + 0.1 * per_dim(m, v).mean()", {}, 0.1 * 784 / 2 / 20, PIXELS, "mean over 20 lat"),
    # what makes up for a mean is no mistake
    ("64 * bce(r, x) + kl(m, v).mean()", SMALL, 1),
    ("64 * mse(r, x) + kl(m, v).mean()", SMALL, 1 / 2, HALF),
    ("bce(r, x) + per_dim(m, v).mean()", {"shape": (5,), "latent_dim": 5}, 1),
    ("(nll(r, x) + 4 * kl(m, v)).mean() / x[0].numel()", SMALL, 4),
    # some axes summed, others averaged
    ("each(r, x).sum((1, 3)).mean(1) + kl(m, v)", TALL, 20, "mean over axis 2 of an example"),
    ("each(r, x).sum((1, 2)).mean(1) + kl(m, v)", TALL, 14, "mean over axis 3 of an example"),
    ("each(r, x).mean((2, 3)).sum(1) + kl(m, v)", TALL, 280, "mean over axis 2 and 3 of an"),
    ("each(r, x).sum((2, 3)).mean(1) + kl(m, v)", TALL, 3, "mean over axis 1 of an example"),
    ("each(r, x).sum((2, 3)).mean(1) + kl(m, v)", {}, 1),
    # parts that treat the batch differently
    ("nll(r, x).sum() + kl(m, v).mean()", SMALL, 1 / 16, "size: 0.0625 at 16, 0.03125 at 32"),
    ("nll(r, x).mean() + kl(m, v).sum()", SMALL, 16, "batch size: 16 at 16, 32 at 32"),
    ("nll(r, x).mean() + kl(m, v).mean() / len(x)", SMALL, 1 / 16, "0.0625 at 16, 0.03125 at 32"),
    # the KL
    ("nll(r, x) + 2 * kl(m, v)", SMALL, 2, TWICE),
    ("nll(r, x) + kl(m, v.clamp(-30, 20))", SMALL, 1),
    ("nll(r, x) + 0.5 * (m**2 + v.exp() - 1 - (v.exp() + 1e-6).log()).sum(1)", SMALL, 1),
    ("nll(r, x) - 0.1 * kl(m, v)", SMALL, -0.1, "the KL has the wrong sign"),
    ("-nll(r, x) - 0.1 * kl(m, v)", SMALL, 0.1, "return −ELBO"),
    ("0.1 * kl(m, v) - nll(r, x)", SMALL, -0.1, "the reconstruction has the wrong sign"),
    ("nll(r, x) + to_prior(0.0, 2.0, m, v)", SMALL, 1, "a prior N(0, 4), not N(0, 1)"),
    ("nll(r, x) + to_prior(1.0, 1.0, m, v)", SMALL, 1, "a prior N(1, 1), not N(0, 1)"),
    ("nll(r, x) + to_prior(-1.0, 0.5, m, v)", SMALL, 1, "a prior N(-1, 0.25), not"),
    ("nll(r, x) + 0.5 * (m**2 / 4 + v.exp() / 4 - 1 - v).sum(1)", SMALL, 1, "a prior N(0, 4)"),
    # the likelihood
    ("nll(r.sigmoid(), x) + kl(m, v)", SMALL, 1, "give it the logits"),
    ("se(r.sigmoid(), x) / 2 + kl(m, v)", SMALL, 1),
    ("se(r, x).sqrt() + kl(m, v)", SMALL, math.nan, "no usual sum or mean over pixels"),
    ("nll(r, x) + se(r, x) + kl(m, v)", SMALL, math.nan, "no usual sum or mean over pixels"),
    ("x.sum() + kl(m, v)", SMALL, math.inf, "reconstruction term is missing"),
    ("nll(r, x)", SMALL, 0, "no KL term"),
]


@pytest.mark.parametrize(("text", "sizes", "beta", "phrases"), [(*r[:3], r[3:]) for r in TABLE])
def test_losses_with_their_truths(text, sizes, beta, phrases):
    audit = audit_loss(loss_of(text), **sizes)
    expect(audit, *phrases, beta=beta, kl_at_prior=audit.kl_at_prior)
    assert audit.kl_at_prior == 0 or "kl(" not in text or beta == 0


NATS = {
    "Bernoulli on logits": (partial(binary_cross_entropy_with_logits, reduction="none"), 1),
    "Bernoulli on probabilities": (each, 1),
    "squared error": (partial(mse, reduction="none"), 2),
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
    dims, b = pick.choice([2, 7, 16, 30]), pick.choice([2, 3, 8, 16])
    cost, nats = NATS[likelihood]

    def loss(recon, x, mu, logvar):
        recon_term = getattr(cost(recon, x).flatten(1), pixels)(1)
        kl_term = getattr(per_dim(mu, logvar), latent)(1)
        return recon_weight * BATCH[recon_batch](recon_term) + kl_weight * BATCH[kl_batch](kl_term)

    audit = audit_loss(loss, shape=shape, latent_dim=dims, batch_size=b)
    assert audit[:6] == (likelihood, pixels, latent, recon_batch, kl_batch, "log variance")
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
    "right": weighted(nll, 1.0),
    "known sigma": weighted(partial(gaussian_nll, std=0.1), 1.0),
    "means": loss_of("mse(r, x) + 0.1 * per_dim(m, v).mean()"),
    "mixed up": loss_of("nll(r, x) + 0.5 * (m**2 + (v / 2).exp() - 1 - v).sum(1)"),
    "free bits": loss_of("nll(r, x) + per_dim(m, v).clamp(min=0.5).sum(1)"),
    "batch": loss_of("nll(r, x).mean() + kl(m, v).sum()"),
    "sign": weighted(nll, -2.0),
}
CHANGES = {
    "times a thousand": lambda loss: lambda r, x, m, v: 1000.0 * loss(r, x, m, v),
    "over a million": lambda loss: lambda r, x, m, v: 1e-6 * loss(r, x, m, v),
    "plus a constant": lambda loss: lambda r, x, m, v: loss(r, x, m, v) + 12.5,
    "batch reordered": lambda loss: lambda r, x, m, v: loss(*(t.flip(0) for t in (r, x, m, v))),
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
    beta, likelihood = 10 ** pick.uniform(-6, 4), pick.choice([nll, gaussian_nll])
    loss = weighted(likelihood, beta)
    assert small_audit(loss).effective_beta == pytest.approx(beta, rel=1e-3)
    found = small_audit(in_float32(loss))
    unknown = "rounding hides it" in said(found)
    assert beta < 1e-3 if unknown else found.effective_beta == pytest.approx(beta, rel=0.01)


@pytest.mark.parametrize("weight", [1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
def test_below_the_rounding_a_kl_is_unknown_and_not_absent(weight):
    constant = audit_loss(in_float32(weighted(gaussian_nll, weight)))
    if weight > 1e-3 or constant.effective_beta > 0:
        assert constant.effective_beta == pytest.approx(weight, rel=0.02) and not constant.findings
    else:
        expect(constant, "rounding hides it", beta=math.nan, kl_batch="unknown")
        assert "effective beta  unknown" in str(constant)


def test_a_quiet_image_shows_a_kl_that_rounding_would_hide():
    expect(audit_loss(in_float32(weighted(nll, 1e-6))), beta=1e-6)
    noise = small_audit(loss_of("(nll(r, x) + kl(m, v)) - kl(m, v)"))
    assert not noise.effective_beta > 0


@pytest.mark.parametrize("beta", [0.25, 1.0, 2.0, 4.0])
def test_our_own_loss_is_right(beta):
    audit = small_audit(partial(negative_elbo, beta=beta))
    assert audit[:6] == ("Bernoulli on logits", "sum", "sum", "none", "none", "log variance")
    expect(audit, *([TWICE] if beta == 2 else []), beta=beta)


def test_a_named_loss_is_believed_where_its_kl_weighs_nothing():
    none = small_audit(partial(negative_elbo, beta=0.0))
    expect(none, "no KL term", beta=0, kl_at_prior=math.nan, latent="absent", kl_batch="absent")


def test_a_model_whose_logits_are_taken_for_probabilities_is_found():
    def wrong(model, x):
        out = model(x)
        return each(out.logits, x).flatten(1).sum(1) + kl(out.mu, out.logvar)

    expect(small_audit(wrong), "apply a sigmoid", beta=1, likelihood="Bernoulli on probabilities")


# ---- the KL: formulas of one dimension, with m and v ----

KLS = [  # formula, how the 4th argument is read, KL at the prior, findings
    ("per_dim(m, v)", "log variance", 0),
    (
        "m**2 / 2 + (2 * v).exp() / 2 - 0.5 - v",
        "log standard deviation",
        0,
        "is read as the log st",
    ),
    ("0.5 * (m**2 + v**2 - 1) - v.log()", "standard deviation", 0, "is read as the standard dev"),
    ("0.5 * (m**2 + v - 1 - v.log())", "variance", 0, "is read as the variance"),
    ("m**2 + v.exp() - 0.5 - 0.5 * v", "log variance", 0.5, "minimum per dimension is 0.3466, at"),
    ("0.5 * (m**2 + v.exp() - v)", "log variance", 0.5, "at the prior the KL is 0.5, not 0"),
    ("m**2 + 0.5 * (v.exp() - 1 - v)", "log variance", 0, "μ² counts 2 times"),
    ("0.5 * (v.exp() - 1 - v)", "log variance", 0, "μ² counts 0 times"),
    ("0.5 * m**2", "not used", 0, "does not depend on the 4th"),
]
MIXED_UP = {  # the lowest value over v, at m = 0
    "0.5 * (m**2 + v.exp() - 1 - 2 * v)": -0.1931,
    "0.5 * (m**2 + (v / 2).exp() - 1 - v)": -0.1931,
    "0.5 * (m**2 + v - 1 - 2 * v.log())": -0.1931,
    "0.5 * (m**2 + (2 * v).exp() - 1 - v)": -0.0767,
}


@pytest.mark.parametrize("batch", BATCH)
@pytest.mark.parametrize(("text", "read", "prior", "phrases"), [(*r[:3], r[3:]) for r in KLS])
def test_how_the_fourth_argument_is_read_and_single_terms_that_are_off(
    text, read, prior, phrases, batch
):
    loss = loss_of(f"BATCH['{batch}'](nll(r, x) + 3 * ({text}).sum(1))")
    expect(small_audit(loss), *phrases, beta=3, kl_at_prior=prior, scale_parameter=read)


def test_a_mean_that_only_rounding_shows_does_not_count():
    """Weights of μ², μ, σ² and log σ²; the first two of the loss above, in one call of many."""
    assert not mean_without_square([1e-18, 4e-15, 3.0, 3.0])
    assert not mean_without_square([3.0, 1e-4, 3.0, 3.0])
    assert mean_without_square([1e-15, 1.0, 3.0, 3.0])


def test_a_log_of_the_wrong_sign_has_no_minimum():
    audit = small_audit(loss_of("nll(r, x) + (0.5 * (m**2 + v.exp() - 1 + v)).sum(1)"))
    assert "this KL has no minimum" in said(audit) and "nan" not in str(audit)


def test_without_a_kl_no_mean_is_blamed():
    expect(small_audit(loss_of("mse(r, x)")), "no KL term", beta=0, kl_at_prior=math.nan)


@pytest.mark.parametrize("text", MIXED_UP)
def test_mixed_up_scales_are_inconsistent_and_their_minimum_is_not_0(text):
    v = torch.linspace(-4, 4, 100_001, dtype=torch.float64)
    values = loss_of(text)(None, None, torch.zeros(()), v)
    lowest = MIXED_UP[text]
    assert values[values.isfinite()].min().item() == pytest.approx(lowest, abs=1e-4)
    audit = small_audit(loss_of(f"nll(r, x) + ({text}).sum(1)"))
    assert audit.scale_parameter == "inconsistent" and len(audit.findings) == 1
    assert f"mixed up, its minimum per dimension is {lowest}, not 0" in said(audit)


NO_FORMULA = {  # a KL [B] or a number, and what the reason names
    "per_dim(m, v).mean(0).clamp(min=0.5).sum()": "free bits",
    "per_dim(m, v).clamp(min=1e-3).sum(1)": "near the prior",
    "(kl(m, v) - 0.01).relu()": "near the prior",
    "kl(m, v).mean().clamp(min=16)": "",
    "30 * (kl(m, v) - 5).abs()": "capacity",
    "30 * (kl(m, v) - 150).abs()": "where the KL is large",
    "(kl(m, v).mean() - 5) ** 2": "capacity",
    "kl(m, v).clamp(max=100)": "where the KL is large",
    "kl(m, v.relu())": "where logvar is below 0",
    "kl(m, v.abs())": "where logvar is below 0",
    "kl(m, v.clamp(-4, 4))": "where logvar is far below 0",
    "kl(m.clamp(-3, 3), v)": "where the KL is large",
    "kl(m, 2 * softplus(v).log())": "",
    "(m.abs() + v.exp() - v).sum(1)": "",
    "0.5 * (m + v.exp() - 1 - v).sum(1)": "",
    "kl(m.mean(0).expand_as(m), v)": "",
}


@pytest.mark.parametrize("text", NO_FORMULA)
def test_what_is_no_kl_everywhere_is_unknown_and_says_where(text):
    audit = small_audit(loss_of(f"nll(r, x) + {text}"))
    expect(audit, "beta cannot be told", beta=math.nan, latent="unknown", pixels="sum")
    assert NO_FORMULA[text] in said(audit) and audit.likelihood == "Bernoulli on logits"


# ---- forms: what is taken, in which order, and what is returned ----

right = loss_of("nll(r, x) + kl(m, v)")


def test_x_first_is_no_mistake_where_the_names_say_so_and_else_a_question():
    def named(x, x_hat, mean, log_var):
        return bce(x_hat, x, reduction="sum") + kl(mean, log_var).sum()

    def codes_swapped(recon, x, logvar, mu):
        return nll(recon, x) + kl(mu, logvar)

    for loss in (named, codes_swapped):
        audit = small_audit(loss)
        expect(audit, beta=1, scale_parameter="log variance")
        assert f"in the order {', '.join(audit.order)}" in str(audit)

    question = small_audit(lambda a, b, m, v: nll(b, a) + kl(m, v))
    expect(question, "right if loss_fn takes (x, recon, …)", beta=1)
    expect(small_audit(lambda a, b, c, d: nll(a, b) + kl(d, c)), "right if", beta=1)
    bug = small_audit(lambda recon, x, mu, logvar: nll(x, recon) + kl(mu, logvar))
    expect(bug, "recon is scored as if it were the data", beta=1)


class _Module(nn.Module):
    def forward(self, recon, x, mu, logvar, *, beta=1.0):
        return right(recon, x, mu, logvar).mean()


def _rows_in_float32(recon, x, mu, logvar):
    assert recon.ndim == x.ndim == 2 and recon.dtype == torch.float32
    return right(recon, x, mu, logvar)


def _changes_its_arguments(recon, x, mu, logvar):
    loss = right(recon, x, mu, logvar)
    for tensor in (recon, x, mu, logvar):
        tensor.zero_()
    return loss


FORMS = {
    "[B, 1]": loss_of("right(r, x, m, v)[:, None]"),
    "dict": loss_of("{'kl': kl(m, v), 'loss': right(r, x, m, v)}"),
    "tuple": loss_of("(right(r, x, m, v), nll(r, x), kl(m, v))"),
    "float": loss_of("right(r, x, m, v).mean().item()"),
    "optional": lambda r, x, m, v, beta=1.0, *rest, flag=False, **more: right(r, x, m, v),
    "module": _Module(),
    "partial": partial(lambda beta, r, x, m, s: nll(r, x) + beta * kl(m, s), 1.0),
    "rows in float32": _rows_in_float32,
    "in place": _changes_its_arguments,
    "rows against images": loss_of("right(r, x.reshape(len(x), -1), m, v)"),
}


@pytest.mark.parametrize("loss", FORMS.values(), ids=FORMS)
def test_every_form_of_a_right_loss_is_right(loss):
    expect(small_audit(loss), beta=1, pixels="sum", latent="sum")


_Parts = namedtuple("_Parts", "recon kl")
REFUSED = {
    "parts": loss_of("(nll(r, x).mean(), kl(m, v).mean())"),
    "named parts": loss_of("_Parts(nll(r, x), kl(m, v))"),
    "dict of parts": loss_of("{'kl': kl(m, v), 'recon': nll(r, x)}"),
    "total last": loss_of("(nll(r, x), kl(m, v), right(r, x, m, v))"),
    "z": lambda recon_x, x, mu, log_var, z: right(recon_x, x, mu, log_var),
    "epoch": lambda r, x, m, v, epoch: nll(r, x) + min(epoch, 1) * kl(m, v),
    "keywords": lambda *, out, target, mean, log_var: right(out, target, mean, log_var),
    "star": lambda *args: right(*args),
    "settings": lambda *args, **kw: nll(*args[:2]) + kw["M_N"] * kl(*args[2:]),
    "outputs": lambda x, _, out: right(out[0], x, out[1], out[2]),
    "pair": lambda data, recon, latent_dist, is_train: right(recon, data, *latent_dist),
    "q": lambda r, x, q: nll(r, x) + kl_divergence(q, Normal(0.0, 1.0)).sum(1),
    "maps": loss_of("nll(r, x) + per_dim(m, v).sum(dim=[1, 2, 3])"),
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


def test_refusals_say_what_depends_on_what_and_what_was_raised_and_given():
    with pytest.raises(ValueError, match=r"0 on recon; 1 on mu and logvar.*weights of your"):
        small_audit(REFUSED["parts"])
    wanted = r"loss_fn raised ZeroDivisionError: .* zero; it was given recon \[\d+, 3, 5\]"
    with pytest.raises(ValueError, match=wanted) as caught:
        audit_loss(loss_of("1 / 0"), shape=(3, 5))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


NO_LOSSES = [None, "0.5", {}, {"kl": torch.zeros(())}, (), [None]]
NO_LOSSES += [torch.zeros(3), torch.zeros(16, 2), torch.tensor(1)]
BAD = [("shape", value) for value in (784, (), (1, 0), (2.5,))]
BAD += [("latent_dim", 0), ("batch_size", -1), ("loss_fn", 3), ("loss_fn", None)]


@pytest.mark.parametrize("value", NO_LOSSES, ids=str)
def test_what_is_no_loss_is_refused(value):
    with pytest.raises(ValueError, match="loss_fn must return a number or"):
        small_audit(lambda recon, x, mu, logvar: value)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        audit_loss(**{"loss_fn": right, **SMALL, name: value})


# ---- doubts, side effects, cost ----


def test_a_loss_that_draws_at_random_is_reported():
    def sampled(recon, x, mu, logvar):  # log q(z) - log p(z) at one z
        z = mu + (logvar / 2).exp() * torch.randn_like(mu)
        q = Normal(mu, (logvar / 2).exp()).log_prob(z)
        return nll(recon, x) + (q - Normal(0.0, 1.0).log_prob(z)).sum(1)

    # The same noise in each call adds a constant; a sample is no closed formula.
    noisy = loss_of("right(r, x, m, v) + torch.randn(())")
    expect(small_audit(noisy), "two equal calls differ", beta=1)
    expect(small_audit(sampled), "two equal calls", "beta cannot be told", beta=math.nan)


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_a_loss_that_is_not_finite_is_reported(bad):
    audit = small_audit(loss_of(f"right(r, x, m, v) * math.{bad}"))
    assert "NaN or infinite" in said(audit) and "equal calls" not in said(audit)
    assert math.isnan(audit.effective_beta)


def test_the_global_random_state_stays_and_two_audits_agree():
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
