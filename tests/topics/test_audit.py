"""Audit of a loss: rows of the loss-scale table, mistakes of the KL, and every form of a loss."""

import math
import random
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss, mse_loss

from tutorial_utils.losses import (
    bernoulli_nll,
    gaussian_nll,
    kl_standard_normal,
    negative_elbo,
    squared_error,
)
from tutorial_utils.topics.audit import LossAudit, audit_loss

small_audit = partial(audit_loss, shape=(1, 8, 8), latent_dim=3)  # where the size does not matter
HALF = "the squared error lacks its ½"


def per_dim(mu, logvar):
    """The right KL, [B, D]."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def with_kl(kl, *, weight=1.0):
    """A loss with a right reconstruction term and this KL term [B, D] of its own."""
    return lambda recon, x, mu, logvar: bernoulli_nll(recon, x) + weight * kl(mu, logvar).sum(1)


def with_recon(recon_term):
    """A loss with a right KL and this reconstruction term [B] of its own."""
    return lambda recon, x, mu, logvar: recon_term(recon, x) + kl_standard_normal(mu, logvar)


def said(audit: LossAudit) -> str:
    """All findings in one line."""
    return " | ".join(audit.findings)


def expect(audit: LossAudit, *phrases: str, beta: float, kl_at_prior: float = 0, **fields: str):
    """Compare an audit: one finding for each phrase, the effective beta, and the fields given."""
    assert len(audit.findings) == len(phrases), audit.findings
    assert all(phrase in said(audit) for phrase in phrases), audit.findings
    assert audit.effective_beta == pytest.approx(beta, rel=1e-3, nan_ok=True)
    assert audit.kl_at_prior == pytest.approx(kl_at_prior, abs=1e-4, nan_ok=True)
    assert {name: getattr(audit, name) for name in fields} == fields


# ---- effective beta: the table of what public code calls "normal" ----

kl_sum = lambda mu, logvar: kl_standard_normal(mu, logvar).mean()  # noqa: E731
TABLE = {
    "sum of BCE": (with_recon(lambda r, x: bce(r, x, reduction="none").sum((1, 2, 3))), {}, 1, ()),
    "half squared error": (with_recon(lambda r, x: 0.5 * squared_error(r, x)), {}, 1, ()),
    "Gaussian": (with_recon(gaussian_nll), {}, 1, ()),
    "squared error": (with_recon(squared_error), {}, 0.5, (HALF,)),
    "mean BCE": (lambda r, x, m, s: bce(r, x) + kl_sum(m, s), {}, 784, ("mean over 784 pixels",)),
    "48 columns": (
        lambda r, x, m, s: bce(r, x, reduction="none").mean(1) + kl_standard_normal(m, s),
        {"shape": (48,), "latent_dim": 10},
        48,
        ("mean over 48 pixels",),
    ),
    "12,288, weighted": (
        lambda r, x, m, s: mse_loss(r, x) + 0.00025 * kl_sum(m, s),
        {"shape": (3, 64, 64), "latent_dim": 128, "batch_size": 2},
        1.536,
        ("mean over 12,288 pixels", HALF),
    ),
    "12,288, validated": (
        lambda r, x, m, s: mse_loss(r, x) + kl_sum(m, s),
        {"shape": (3, 64, 64), "latent_dim": 128, "batch_size": 2},
        6144,
        ("mean over 12,288 pixels", HALF),
    ),
    "two means": (
        lambda r, x, m, s: mse_loss(r, x) + 0.1 * per_dim(m, s).mean(),
        {"latent_dim": 5},
        7.84,
        ("mean over 784 pixels", "mean over 5 latent dimensions", HALF),
    ),
    "10 columns": (
        lambda r, x, m, s: mse_loss(r, x) + kl_sum(m, s),
        {"shape": (10,), "latent_dim": 2},
        5,
        ("mean over 10 pixels", HALF),
    ),
    "two means, 200": (
        lambda r, x, m, s: bce(r, x) + per_dim(m, s).mean(),
        {"latent_dim": 200},
        3.92,
        ("mean over 784 pixels", "mean over 200 latent dimensions"),
    ),
}


@pytest.mark.parametrize(("loss", "sizes", "beta", "phrases"), TABLE.values(), ids=TABLE)
def test_effective_beta_of_every_row_of_the_table_and_why(loss, sizes, beta, phrases):
    expect(audit_loss(loss, **sizes), *phrases, beta=beta, scale_parameter="log variance")


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
    recon_weight, kl_weight = (10 ** pick.uniform(-3, 2) for _ in range(2))
    shape = pick.choice([(1, 8, 8), (48,), (3, 4, 6), (7, 5), (1, 28, 28)])
    dims, b = pick.choice([1, 2, 7, 16, 30]), pick.choice([2, 3, 8, 16])
    cost, nats = NATS[likelihood]

    def loss(recon, x, mu, logvar):
        recon_term = getattr(cost(recon, x).flatten(1), pixels)(1)
        kl = getattr(per_dim(mu, logvar), latent)(1)
        return recon_weight * BATCH[recon_batch](recon_term) + kl_weight * BATCH[kl_batch](kl)

    audit = audit_loss(loss, shape=shape, latent_dim=dims, batch_size=b)
    assert audit[:6] == (likelihood, pixels, latent, recon_batch, kl_batch, "log variance")
    one_recon = recon_weight * nats / (math.prod(shape) if pixels == "mean" else 1)
    one_kl = kl_weight / (dims if latent == "mean" else 1)
    batches = (b if kl_batch == "sum" else 1) / (b if recon_batch == "sum" else 1)
    assert audit.effective_beta == pytest.approx(one_kl / one_recon * batches, rel=0.02)
    assert ("batch" in said(audit)) == ((recon_batch == "sum") != (kl_batch == "sum"))


# ---- our own losses ----


@pytest.mark.parametrize("beta", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_our_own_loss_is_right_in_both_forms(beta):
    def four(recon, x, mu, logvar):
        return bernoulli_nll(recon, x) + beta * kl_standard_normal(mu, logvar)

    phrases = ["beta = 2, or its ½ is missing"] if beta == 2 else []
    for loss in (partial(negative_elbo, beta=beta), four):
        audit = small_audit(loss)
        assert audit[:6] == ("Bernoulli on logits", "sum", "sum", "none", "none", "log variance")
        expect(audit, *phrases, beta=beta)


def test_beta_0_is_no_kl_and_a_kl_without_its_half_is_beta_2():
    none = small_audit(partial(negative_elbo, beta=0.0))
    absent = {"latent": "absent", "kl_batch": "absent", "scale_parameter": "absent"}
    expect(none, "no KL term", beta=0, kl_at_prior=math.nan, **absent)
    twice = small_audit(with_kl(lambda m, s: -(1 + s - m**2 - s.exp())))
    expect(twice, "beta = 2, or its ½ is missing", beta=2)


def test_a_model_whose_logits_are_taken_for_probabilities_is_found():
    def wrong(model, x):
        out = model(x)
        cost = bce(out.logits, x, reduction="none").flatten(1).sum(1)
        return cost + kl_standard_normal(out.mu, out.logvar)

    def right(model, x):
        mu, logvar = model.encode(x)
        cost = bce(model.decode(mu).sigmoid(), x, reduction="sum")
        return (cost + kl_standard_normal(mu, logvar).sum()) / len(x)

    expect(small_audit(wrong), "apply a sigmoid", beta=1, likelihood="Bernoulli on probabilities")
    expect(small_audit(right), beta=1, likelihood="Bernoulli on logits")


# ---- public code ----


def pytorch_example(recon_x, x, mu, logvar):
    BCE = bce(recon_x, x.view(-1, 784), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


def test_the_example_of_pytorch_is_right_and_sums_over_the_batch():
    audit = audit_loss(pytorch_example)
    assert audit[:6] == ("Bernoulli on probabilities", "sum", "sum", "sum", "sum", "log variance")
    expect(audit, beta=1)


@pytest.mark.parametrize("batch_size", [2, 16, 28])
@pytest.mark.parametrize(
    ("shape", "n"),
    [((1, 28, 28), 784), ((784,), 784), ((1, 8, 8), 64), ((3, 8, 8), 192)],
    ids=lambda value: str(value),
)
def test_written_out_sizes_do_not_hide_a_sum_or_a_mean(shape, n, batch_size):
    def summed(recon, x, mu, logvar):
        each = bce(recon.view(-1, n), x.view(-1, n), reduction="none").sum(1)
        return each.mean() + per_dim(mu, logvar).sum(1).mean()

    def averaged(recon, x, mu, logvar):
        return bce(recon.view(-1, n), x.view(-1, n)) + per_dim(mu, logvar).sum(1).mean()

    sizes = {"shape": shape, "batch_size": batch_size}
    phrase = f"mean over {n} pixels"
    expect(audit_loss(summed, **sizes), beta=1, pixels="sum", recon_batch="mean")
    expect(audit_loss(averaged, **sizes), phrase, beta=n, pixels="mean", recon_batch="mean")


def test_latent_dimensions_that_are_written_out():
    def loss(recon, x, mu, logvar):
        kl = 0.5 * (mu.view(16, 3) ** 2 + logvar.exp() - 1 - logvar)
        return bernoulli_nll(recon, x).sum() + kl.sum()

    # It takes no other batch, so the reduction over the batch cannot be measured.
    expect(small_audit(loss), beta=1, latent="sum", kl_batch="unknown")


def test_a_mean_times_a_written_out_number_of_pixels_is_not_called_a_mistake():
    expect(small_audit(lambda r, x, m, s: bce(r, x) * 64 + kl_sum(m, s)), beta=1)
    expect(small_audit(lambda r, x, m, s: mse_loss(r, x) * 64 + kl_sum(m, s)), HALF, beta=0.5)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_a_loss_per_pixel_as_a_whole_has_the_beta_that_it_says(beta):
    def loss(recon, x, mu, logvar):
        total = bernoulli_nll(recon, x) + beta * kl_standard_normal(mu, logvar)
        return total.mean() / x[0].numel()

    expect(small_audit(loss), beta=beta, pixels="mean")


@pytest.mark.parametrize(
    ("recon_batch", "kl_batch", "factor"),
    [("sum", "mean", 1 / 16), ("mean", "sum", 16), ("none", "sum", 16), ("sum", "none", 1 / 16)],
)
def test_parts_reduced_differently_over_the_batch_make_beta_depend_on_its_size(
    recon_batch, kl_batch, factor
):
    def loss(recon, x, mu, logvar):
        kl = kl_standard_normal(mu, logvar)
        return BATCH[recon_batch](bernoulli_nll(recon, x)) + BATCH[kl_batch](kl)

    batches = {"recon_batch": recon_batch, "kl_batch": kl_batch}
    for size, beta in ((16, factor), (32, 2 * factor if factor > 1 else factor / 2)):
        phrase = f"depends on its size, here {size}"
        expect(small_audit(loss, batch_size=size), phrase, beta=beta, **batches)


def test_mean_over_the_batch_and_one_value_per_example_are_the_same_once_averaged():
    audit = small_audit(lambda r, x, m, s: bernoulli_nll(r, x) + kl_sum(m, s))
    expect(audit, beta=1, recon_batch="none", kl_batch="mean")


def test_two_means_that_cancel_are_no_mistake():
    both_means = lambda r, x, m, s: bce(r, x) + per_dim(m, s).mean()  # noqa: E731
    audit = audit_loss(both_means, shape=(5,), latent_dim=5)
    expect(audit, beta=1, pixels="mean", latent="mean")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_rounding_is_not_taken_for_a_kl(dtype):
    def loss(recon, x, mu, logvar):
        kl = kl_standard_normal(mu, logvar)
        return ((bernoulli_nll(recon, x) + kl) - kl).to(dtype).sum()

    assert small_audit(loss).scale_parameter == "absent" and small_audit(loss).effective_beta == 0


# ---- mistakes of the KL ----


def test_a_missing_half_has_its_minimum_at_a_variance_of_one_half():
    def kl(mu, logvar):
        return -0.5 * (1 + logvar) + mu**2 + logvar.exp()

    logvar = torch.linspace(-3, 1, 100_001, dtype=torch.float64)
    lowest = kl(torch.zeros(()), logvar)
    assert lowest.min().item() == pytest.approx(0.3466, abs=1e-4)
    assert logvar[lowest.argmin()].exp().item() == pytest.approx(0.5, abs=1e-3)
    phrase = "lack the ½ of the KL: its minimum per dimension is 0.3466, at σ² = 0.5"
    for weight in (1.0, 3.0):
        expect(small_audit(with_kl(kl, weight=weight)), phrase, beta=weight, kl_at_prior=0.5)
    minus = small_audit(with_kl(kl, weight=-1.0))
    expect(minus, phrase, "the KL has the wrong sign", beta=-1, kl_at_prior=0.5)


@pytest.mark.parametrize(
    ("name", "kl"),
    [
        ("log variance", per_dim),
        ("log standard deviation", lambda m, s: 0.5 * (m**2 + (2 * s).exp() - 1) - s),
        ("standard deviation", lambda m, s: 0.5 * (m**2 + s**2 - 1) - s.log()),
        ("variance", lambda m, s: 0.5 * (m**2 + s - 1 - s.log())),
        ("mean, swapped with the 3rd", lambda m, s: per_dim(s, m)),
    ],
)
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
    [
        (1, -1, "the KL has the wrong sign"),
        (-1, -1, "return −ELBO"),
        (-1, 1, "the reconstruction has the wrong sign"),
    ],
)
@pytest.mark.parametrize("weight", [0.1, 1.0, 4.0])
def test_the_sign_of_each_part(recon_sign, kl_sign, phrase, weight):
    def loss(recon, x, mu, logvar):
        kl = kl_standard_normal(mu, logvar)
        return recon_sign * bernoulli_nll(recon, x) + kl_sign * weight * kl

    expect(small_audit(loss), phrase, beta=weight * kl_sign * recon_sign)


@pytest.mark.parametrize(
    ("kl", "phrase", "kl_at_prior"),
    [
        (lambda m, s: 0.5 * (m**2 + s.exp() - s), "at the prior the KL is 0.5, not 0", 0.5),
        (lambda m, s: m**2 + 0.5 * (s.exp() - 1 - s), "μ² counts 2 times", 0),
        (lambda m, s: 0.5 * (s.exp() - 1 - s), "μ² counts 0 times", 0),
        (lambda m, s: 0.25 * m**2 + 0.5 * (s.exp() - 1 - s), "μ² counts 0.5 times", 0),
        (lambda m, s: 0.5 * m**2, "does not depend on the 4th", 0),
    ],
)
def test_single_terms_of_the_kl_that_are_off(kl, phrase, kl_at_prior):
    reading = "not used" if "4th" in phrase else "log variance"
    audit = small_audit(with_kl(kl))
    expect(audit, phrase, beta=1, kl_at_prior=kl_at_prior, scale_parameter=reading)


@pytest.mark.parametrize(
    "kl",
    [
        lambda m, s: m.abs() + s.exp() - s,
        lambda m, s: 0.5 * (m + s.exp() - 1 - s),
        lambda m, s: (per_dim(m, s) - 1).abs(),  # a capacity
        lambda m, s: per_dim(m, s).clamp(min=0.5),  # free bits
        lambda m, s: per_dim(m.mean(0), s),  # the KL of the mean code
        lambda m, s: per_dim(m, 2 * nn.functional.softplus(s).log()),
    ],
)
def test_what_is_no_weighted_kl_is_unknown_and_gets_no_beta(kl):
    audit = small_audit(with_kl(lambda m, s: kl(m, s).expand_as(s)))
    assert audit.scale_parameter == "unknown" and math.isnan(audit.effective_beta)
    assert "beta cannot be told" in said(audit) and audit.likelihood == "Bernoulli on logits"


@pytest.mark.parametrize("std", [0.3, 1.0, 2.0])
@pytest.mark.parametrize(("reduce", "dims"), [(torch.sum, 1), (torch.mean, 3)])
def test_constants_that_belong_to_the_likelihood_are_not_taken_for_the_kls(std, reduce, dims):
    def loss(recon, x, mu, logvar):
        return gaussian_nll(recon, x, std=std) + reduce(per_dim(mu, logvar), 1)

    audit = small_audit(loss)
    assert audit.kl_at_prior == 0 and audit.effective_beta == pytest.approx(std**2 / dims)


# ---- the likelihood ----


NOT_A_SUM = "no usual sum or mean over pixels"
COSTS = [
    (lambda r, x: bernoulli_nll(r.sigmoid(), x), "Bernoulli after two sigmoids", "give it the log"),
    (lambda r, x: bernoulli_nll(r.logit(), x), "Bernoulli on probabilities", ""),
    (
        lambda r, x: bce(x, r, reduction="none").sum((1, 2, 3)),
        "Bernoulli, recon and x swapped",
        "swap the first two",
    ),
    (lambda r, x: 0.5 * squared_error(r.sigmoid(), x), "squared error after a sigmoid", ""),
    (lambda r, x: squared_error(r, x).sqrt(), "unknown", NOT_A_SUM),
    (lambda r, x: bernoulli_nll(r, x) + squared_error(r, x), "unknown", NOT_A_SUM),
    (lambda r, x: x.flatten(1).sum(1), "absent", "reconstruction term is missing"),
]


@pytest.mark.parametrize(("cost", "name", "phrase"), COSTS)
def test_likelihoods_have_names(cost, name, phrase):
    beta = {"unknown": math.nan, "absent": math.inf}.get(name, 1)
    phrases = [phrase] if phrase else []
    audit = small_audit(with_recon(cost))
    expect(
        audit, *phrases, beta=beta, likelihood=name, scale_parameter="log variance", latent="sum"
    )


def test_the_small_numbers_that_code_adds_inside_a_log_do_not_matter():
    def loss(recon, x, mu, logvar):
        recon_term = -(x * (recon + 1e-6).log() + (1 - x) * (1 - recon + 1e-6).log()).sum((1, 2, 3))
        return recon_term + 0.5 * (mu**2 + logvar.exp() - 1 - (logvar.exp() + 1e-6).log()).sum(1)

    expect(small_audit(loss), beta=1, likelihood="Bernoulli on probabilities")


# ---- forms: what is taken, what is returned ----


def _right(recon, x, mu, logvar):
    return bernoulli_nll(recon, x) + kl_standard_normal(mu, logvar)


class _Module(nn.Module):
    def forward(self, recon, x, mu, logvar, *, beta=1.0):
        return bernoulli_nll(recon, x).mean() + beta * kl_standard_normal(mu, logvar).mean()


def _needs_float32(recon, x, mu, logvar):
    assert recon.dtype == torch.float32
    return _right(recon, x, mu, logvar)


def _changes_its_arguments(recon, x, mu, logvar):
    loss = _right(recon, x, mu, logvar)
    for tensor in (recon, x, mu, logvar):
        tensor.zero_()
    return loss


def _rows(recon, x, mu, logvar):
    assert recon.ndim == x.ndim == 2
    return _right(recon, x, mu, logvar)


def _rows_against_images(recon, x, mu, logvar):
    return _right(recon, x.reshape(-1, x.shape[2] * x.shape[3]), mu, logvar)


FORMS = {
    "[B]": _right,
    "[B, 1]": lambda r, x, m, s: _right(r, x, m, s)[:, None],
    "scalar": lambda r, x, m, s: _right(r, x, m, s).mean(),
    "dict": lambda r, x, m, s: {"kl": torch.zeros(3), "loss": _right(r, x, m, s)},
    "tuple": lambda r, x, m, s: (_right(r, x, m, s), bernoulli_nll(r, x), kl_standard_normal(m, s)),
    "list": lambda r, x, m, s: [_right(r, x, m, s).mean(), 0.0],
    "float": lambda r, x, m, s: _right(r, x, m, s).mean().item(),
    "optional": lambda r, x, m, s, beta=1.0, *rest, flag=False, **more: _right(r, x, m, s),
    "module": _Module(),
    "partial": partial(
        lambda beta, r, x, m, s: bernoulli_nll(r, x) + beta * kl_standard_normal(m, s), 1.0
    ),
    "float32 only": _needs_float32,
    "float32 inside": lambda r, x, m, s: _right(r.float(), x.float(), m.float(), s.float()).mean(),
    "in place": _changes_its_arguments,
    "rows": _rows,
    "rows against images": _rows_against_images,
    "flatten": lambda r, x, m, s: (
        bce(r.flatten(), x.flatten(), reduction="sum") / len(x) + per_dim(m, s).sum() / len(x)
    ),
    "axes": lambda r, x, m, s: (
        bce(r, x, reduction="none").sum(dim=(1, 2, 3)).mean() + per_dim(m, s).sum(dim=1).mean()
    ),
}


@pytest.mark.parametrize("loss", FORMS.values(), ids=FORMS)
def test_every_form_of_a_right_loss_is_right(loss):
    audit = small_audit(loss)
    expect(audit, beta=1, pixels="sum", latent="sum")
    assert "nothing to report" in str(audit)


@pytest.mark.parametrize(
    "loss",
    [
        lambda recon: 0,
        lambda recon, x, mu: 0,
        lambda recon, x, mu, logvar, beta: 0,
        lambda recon, x, mu, logvar, *, beta: 0,
        lambda recon, x, mu, *, logvar: 0,
        lambda *everything: 0,
        lambda **everything: 0,
    ],
)
def test_other_signatures_are_refused_with_both_forms(loss):
    wanted = r"loss_fn must need \(recon, x, mu, logvar\) or \(model, x\), nothing else"
    with pytest.raises(ValueError, match=wanted):
        small_audit(loss)


def test_what_a_loss_raises_is_said_with_what_it_was_given():
    def broken(recon, x, mu, logvar):
        raise RuntimeError("shapes cannot be multiplied")

    wanted = r"loss_fn raised RuntimeError: shapes cannot.*recon \[16, 3, 5\]"
    with pytest.raises(ValueError, match=wanted) as caught:
        audit_loss(broken, shape=(3, 5))
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(ValueError, match=r"it was given a VAE with recon \[16, 1, 8, 8\]"):
        small_audit(bernoulli_nll)


NO_LOSSES = [None, "0.5", {}, {"kl": torch.zeros(())}, (), [None]]
NO_LOSSES += [torch.zeros(3), torch.zeros(16, 2), torch.tensor(1)]


@pytest.mark.parametrize("value", NO_LOSSES, ids=str)
def test_what_is_no_loss_is_refused(value):
    with pytest.raises(ValueError, match="loss_fn must return a number or"):
        small_audit(lambda recon, x, mu, logvar: value)


@pytest.mark.parametrize("loss", [3, None, "loss"])
def test_what_is_no_function_is_refused(loss):
    with pytest.raises(ValueError, match="loss_fn must be a function"):
        small_audit(loss)


BAD_SIZES = [("shape", value) for value in (784, (), (1, 0), (2.5,))]


@pytest.mark.parametrize(("name", "value"), [*BAD_SIZES, ("latent_dim", 0), ("batch_size", -1)])
def test_bad_sizes_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        small_audit(_right, **{name: value})


# ---- doubts, the report, side effects ----


def test_a_loss_that_draws_at_random_is_reported():
    def noisy(recon, x, mu, logvar):
        return _right(recon, x, mu, logvar) + torch.randn(())

    def sampled(model, x):
        mu, logvar = model.encode(x)
        return _right(model.decode(mu), x, mu + 0.1 * torch.randn_like(mu), logvar)

    for loss in (noisy, sampled):
        assert "two equal calls differ" in said(small_audit(loss))
    # The same noise in each call adds a constant.
    assert small_audit(noisy).effective_beta == pytest.approx(1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_reported(bad):
    audit = small_audit(lambda r, x, m, s: _right(r, x, m, s) * bad)
    assert "NaN or infinite" in said(audit) and "equal calls" not in said(audit)
    assert math.isnan(audit.effective_beta)
    assert audit.likelihood == audit.scale_parameter == "unknown"


def test_the_report_is_a_few_short_lines_with_all_that_was_found():
    assert len(str(small_audit(_right)).splitlines()) == 5
    for loss, sizes, _, _ in (TABLE[name] for name in ("sum of BCE", "two means", "10 columns")):
        audit = audit_loss(loss, **{**sizes, "batch_size": 2})
        lines = str(audit).splitlines()
        assert len(lines) == 4 + max(1, len(audit.findings)) and max(map(len, lines)) <= 120
        assert all(f"✗ {found}" in lines for found in audit.findings)
        assert audit.likelihood in lines[0]


def test_the_global_random_state_stays_and_two_audits_agree():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = small_audit(negative_elbo)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert small_audit(negative_elbo) == first
