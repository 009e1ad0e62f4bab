"""The audit of a loss: every row of the loss-scale table, each mistake of the KL by name, every form of a loss."""

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
    audit = audit_loss(loss, **sizes)
    assert audit.effective_beta == pytest.approx(beta, rel=0.02)
    assert len(audit.findings) == len(phrases), audit.findings
    assert all(
        phrase in found
        for phrase, found in zip(sorted(phrases), sorted(audit.findings), strict=True)
    )
    assert audit.kl_at_prior == 0 and audit.scale_parameter == "log variance"


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


@pytest.mark.parametrize("beta", [0.25, 0.5, 1.0, 4.0])
def test_our_own_loss_is_right_in_both_forms(beta):
    def four(recon, x, mu, logvar):
        return bernoulli_nll(recon, x) + beta * kl_standard_normal(mu, logvar)

    expected = ("Bernoulli on logits", "sum", "sum", "none", "none", "log variance", 0)
    for loss in (partial(negative_elbo, beta=beta), four):
        audit = small_audit(loss)
        assert audit[:7] == expected and audit.findings == ()
        assert audit.effective_beta == pytest.approx(beta, rel=1e-6)


def test_beta_0_and_beta_2_are_said_to_be_what_they_may_be():
    none = small_audit(partial(negative_elbo, beta=0.0))
    assert (
        none.effective_beta == 0
        and "no KL term" in said(none)
        and none.latent == none.kl_batch == "absent"
    )
    assert math.isnan(none.kl_at_prior)
    for loss in (partial(negative_elbo, beta=2.0), with_kl(lambda m, s: -(1 + s - m**2 - s.exp()))):
        twice = small_audit(loss)
        assert twice.effective_beta == pytest.approx(2) and twice.kl_at_prior == 0
        assert len(twice.findings) == 1 and "beta = 2, or its ½ is missing" in said(twice)


def test_a_model_whose_logits_are_taken_for_probabilities_is_found():
    def loss(model, x):
        out = model(x)
        return bce(out.logits, x, reduction="none").flatten(1).sum(1) + kl_standard_normal(
            out.mu, out.logvar
        )

    def right(model, x):
        mu, logvar = model.encode(x)
        return (
            bce(model.decode(mu).sigmoid(), x, reduction="sum")
            + kl_standard_normal(mu, logvar).sum()
        ) / len(x)

    assert "apply a sigmoid" in said(small_audit(loss))
    audit = small_audit(right)
    assert audit.likelihood == "Bernoulli on logits" and audit.findings == ()


# ---- public code ----


def pytorch_example(recon_x, x, mu, logvar):
    BCE = bce(recon_x, x.view(-1, 784), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


def test_the_example_of_pytorch_is_right_and_sums_over_the_batch():
    audit = audit_loss(pytorch_example)
    assert audit[:6] == ("Bernoulli on probabilities", "sum", "sum", "sum", "sum", "log variance")
    assert audit.effective_beta == pytest.approx(1) and audit.findings == ()


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
    right, wrong = audit_loss(summed, **sizes), audit_loss(averaged, **sizes)
    assert (right.pixels, right.recon_batch) == ("sum", "mean") and right.findings == ()
    assert right.effective_beta == pytest.approx(1)
    assert (wrong.pixels, wrong.recon_batch) == (
        "mean",
        "mean",
    ) and f"mean over {n} pixels" in said(wrong)
    assert wrong.effective_beta == pytest.approx(n)


def test_latent_dimensions_that_are_written_out():
    def loss(recon, x, mu, logvar):
        return (
            bernoulli_nll(recon, x).sum()
            + 0.5 * (mu.view(16, 3) ** 2 + logvar.exp() - 1 - logvar).sum()
        )

    audit = small_audit(loss)
    assert audit.latent == "sum" and audit.effective_beta == pytest.approx(1)
    assert audit.kl_batch == "unknown", "it takes no other batch"
    assert audit.kl_at_prior == 0 and audit.findings == ()


def test_a_mean_times_a_written_out_number_of_pixels_is_not_called_a_mistake():
    def loss(recon, x, mu, logvar):
        return bce(recon, x) * 64 + kl_standard_normal(mu, logvar).mean()

    assert small_audit(loss).findings == ()
    audit = small_audit(lambda r, x, m, s: mse_loss(r, x) * 64 + kl_sum(m, s))
    assert (
        audit.effective_beta == pytest.approx(0.5)
        and len(audit.findings) == 1
        and HALF in said(audit)
    )


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_a_loss_per_pixel_as_a_whole_has_the_beta_that_it_says(beta):
    def loss(recon, x, mu, logvar):
        return (bernoulli_nll(recon, x) + beta * kl_standard_normal(mu, logvar)).mean() / x[
            0
        ].numel()

    audit = small_audit(loss)
    assert (
        audit.effective_beta == pytest.approx(beta)
        and audit.pixels == "mean"
        and audit.findings == ()
    )


@pytest.mark.parametrize(
    ("recon_batch", "kl_batch", "factor"),
    [("sum", "mean", 1 / 16), ("mean", "sum", 16), ("none", "sum", 16), ("sum", "none", 1 / 16)],
)
def test_parts_reduced_differently_over_the_batch_make_beta_depend_on_its_size(
    recon_batch, kl_batch, factor
):
    def loss(recon, x, mu, logvar):
        return BATCH[recon_batch](bernoulli_nll(recon, x)) + BATCH[kl_batch](
            kl_standard_normal(mu, logvar)
        )

    audit, other = small_audit(loss), small_audit(loss, batch_size=32)
    assert (audit.recon_batch, audit.kl_batch) == (recon_batch, kl_batch)
    assert audit.effective_beta == pytest.approx(factor)
    assert other.effective_beta == pytest.approx(2 * factor if factor > 1 else factor / 2)
    assert len(audit.findings) == 1 and "depends on its size, here 16" in said(audit)


def test_mean_over_the_batch_and_one_value_per_example_are_the_same_once_averaged():
    audit = small_audit(lambda r, x, m, s: bernoulli_nll(r, x) + kl_sum(m, s))
    assert (audit.recon_batch, audit.kl_batch) == ("none", "mean")
    assert audit.effective_beta == pytest.approx(1) and audit.findings == ()


def test_two_means_that_cancel_are_no_mistake():
    audit = audit_loss(
        lambda r, x, m, s: bce(r, x) + per_dim(m, s).mean(), shape=(5,), latent_dim=5
    )
    assert (
        audit[1:3] == ("mean", "mean")
        and audit.effective_beta == pytest.approx(1)
        and audit.findings == ()
    )


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
    for weight in (1.0, 3.0):
        audit = small_audit(with_kl(kl, weight=weight))
        assert audit.kl_at_prior == pytest.approx(0.5) and audit.effective_beta == pytest.approx(
            weight
        )
        assert audit.scale_parameter == "log variance" and len(audit.findings) == 1
        assert "0.3466, at σ² = 0.5" in said(audit) and "lack the ½" in said(audit)
    minus = small_audit(with_kl(kl, weight=-1.0))
    assert minus.effective_beta == pytest.approx(-1) and minus.kl_at_prior == pytest.approx(0.5)
    assert (
        len(minus.findings) == 2
        and "lack the ½" in said(minus)
        and "the KL has the wrong sign" in said(minus)
    )


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

    audit = small_audit(loss)
    assert (
        audit.scale_parameter == name
        and audit.effective_beta == pytest.approx(3)
        and audit.kl_at_prior == 0
    )
    assert len(audit.findings) == (name != "log variance") and (
        name in said(audit) or not audit.findings
    )


@pytest.mark.parametrize(
    ("kl", "lowest"),
    [
        (
            lambda m, s: 0.5 * (m**2 + s.exp() - 1 - 2 * s),
            -0.1931,
        ),  # variance beside the log of a std
        (
            lambda m, s: 0.5 * (m**2 + (s / 2).exp() - 1 - s),
            -0.1931,
        ),  # std where the variance should be
        (lambda m, s: 0.5 * (m**2 + s - 1 - 2 * s.log()), -0.1931),  # the same, given the std
        (
            lambda m, s: 0.5 * (m**2 + (2 * s).exp() - 1 - s),
            -0.0767,
        ),  # given log std, half of the log is missing
    ],
)
def test_mixed_up_scales_are_inconsistent_and_their_minimum_is_not_0(kl, lowest):
    grid = torch.linspace(-4, 4, 100_001, dtype=torch.float64)
    values = kl(torch.zeros(()), grid)
    audit = small_audit(with_kl(kl))
    assert (
        audit.scale_parameter == "inconsistent"
        and len(audit.findings) == 1
        and "mixed up" in said(audit)
    )
    assert values[values.isfinite()].min().item() == pytest.approx(lowest, abs=1e-4)
    assert f"minimum per dimension is {lowest}, not 0" in said(audit)


@pytest.mark.parametrize("weight", [0.1, 1.0, 4.0])
def test_the_sign_of_each_part(weight):
    def loss(recon_sign, kl_sign):
        return lambda r, x, m, s: (
            recon_sign * bernoulli_nll(r, x) + weight * kl_sign * kl_standard_normal(m, s)
        )

    minus_kl, elbo, minus_recon = (
        small_audit(loss(*signs)) for signs in ((1, -1), (-1, -1), (-1, 1))
    )
    assert minus_kl.effective_beta == pytest.approx(
        -weight
    ) and "the KL has the wrong sign" in said(minus_kl)
    assert elbo.effective_beta == pytest.approx(weight) and "return −ELBO" in said(elbo)
    assert "the reconstruction has the wrong sign" in said(minus_recon)
    assert all(
        len(audit.findings) == 1 and audit.kl_at_prior == 0
        for audit in (minus_kl, elbo, minus_recon)
    )


def test_single_terms_of_the_kl_that_are_off():
    no_constant = small_audit(with_kl(lambda m, s: 0.5 * (m**2 + s.exp() - s)))
    assert no_constant.kl_at_prior == pytest.approx(
        0.5
    ) and "at the prior the KL is 0.5, not 0" in said(no_constant)
    mu_twice = small_audit(with_kl(lambda m, s: m**2 + 0.5 * (s.exp() - 1 - s)))
    assert "μ² counts 2 times" in said(mu_twice) and mu_twice.kl_at_prior == 0
    no_mu = small_audit(with_kl(lambda m, s: 0.5 * (s.exp() - 1 - s)))
    assert "μ² counts 0 times" in said(no_mu)
    half_mu = small_audit(with_kl(lambda m, s: 0.25 * m**2 + 0.5 * (s.exp() - 1 - s)))
    assert "μ² counts 0.5 times" in said(half_mu)
    no_scale = small_audit(with_kl(lambda m, s: 0.5 * m**2))
    assert no_scale.scale_parameter == "not used" and "does not depend on the 4th" in said(no_scale)
    assert all(
        len(audit.findings) == 1 for audit in (no_constant, mu_twice, no_mu, half_mu, no_scale)
    )
    assert all(
        audit.effective_beta == pytest.approx(1)
        for audit in (no_constant, mu_twice, no_mu, half_mu, no_scale)
    )


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
    assert (
        audit.scale_parameter == "unknown"
        and math.isnan(audit.effective_beta)
        and "beta cannot be told" in said(audit)
    )
    assert audit.likelihood == "Bernoulli on logits"


def test_constants_that_belong_to_the_likelihood_are_not_taken_for_the_kls():
    for std in (0.3, 1.0, 2.0):
        for reduce in (torch.sum, torch.mean):
            audit = small_audit(
                lambda r, x, m, s, std=std, reduce=reduce: (
                    gaussian_nll(r, x, std=std) + reduce(per_dim(m, s), 1)
                )
            )
            dims = 1 if reduce is torch.sum else 3
            assert audit.kl_at_prior == 0 and audit.effective_beta == pytest.approx(std**2 / dims)


# ---- the likelihood ----


@pytest.mark.parametrize(
    ("cost", "name", "phrase"),
    [
        (
            lambda r, x: bernoulli_nll(r.sigmoid(), x),
            "Bernoulli after two sigmoids",
            "give it the logits",
        ),
        (lambda r, x: bernoulli_nll(r.logit(), x), "Bernoulli on probabilities", ""),
        (
            lambda r, x: bce(x, r, reduction="none").sum((1, 2, 3)),
            "Bernoulli, recon and x swapped",
            "swap the first two",
        ),
        (lambda r, x: 0.5 * squared_error(r.sigmoid(), x), "squared error after a sigmoid", ""),
        (lambda r, x: squared_error(r, x).sqrt(), "unknown", "no usual sum or mean over pixels"),
        (
            lambda r, x: bernoulli_nll(r, x) + squared_error(r, x),
            "unknown",
            "no usual sum or mean over pixels",
        ),
        (lambda r, x: x.flatten(1).sum(1), "absent", "reconstruction term is missing"),
    ],
)
def test_likelihoods_are_told_apart(cost, name, phrase):
    audit = small_audit(with_recon(cost))
    assert (
        audit.likelihood == name and len(audit.findings) == bool(phrase) and phrase in said(audit)
    )
    beta = {"unknown": math.nan, "absent": math.inf}.get(name, 1)
    assert audit.effective_beta == pytest.approx(beta, nan_ok=True)
    assert (
        audit.scale_parameter == "log variance" and audit.latent == "sum" and audit.kl_at_prior == 0
    )


def test_the_small_numbers_that_code_adds_inside_a_log_do_not_matter():
    def loss(recon, x, mu, logvar):
        recon_term = -(x * (recon + 1e-6).log() + (1 - x) * (1 - recon + 1e-6).log()).sum((1, 2, 3))
        return recon_term + 0.5 * (mu**2 + logvar.exp() - 1 - (logvar.exp() + 1e-6).log()).sum(1)

    audit = small_audit(loss)
    assert audit.likelihood == "Bernoulli on probabilities" and audit.findings == ()
    assert audit.effective_beta == pytest.approx(1, rel=1e-3)


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
    assert audit.findings == () and "nothing to report" in str(audit)
    assert audit.effective_beta == pytest.approx(
        1, rel=1e-3
    ) and audit.kl_at_prior == pytest.approx(0, abs=1e-2)
    assert audit.pixels == audit.latent == "sum"


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
    with pytest.raises(
        ValueError,
        match=r"loss_fn must need \(recon, x, mu, logvar\) or \(model, x\), nothing else",
    ):
        small_audit(loss)


def test_what_a_loss_raises_is_said_with_what_it_was_given():
    def broken(recon, x, mu, logvar):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(
        ValueError, match=r"loss_fn raised RuntimeError: shapes cannot.*recon \[16, 3, 5\]"
    ) as caught:
        audit_loss(broken, shape=(3, 5))
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(ValueError, match=r"it was given a VAE with recon \[16, 1, 8, 8\]"):
        small_audit(bernoulli_nll)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "0.5",
        {},
        {"kl": torch.zeros(())},
        (),
        torch.zeros(3),
        torch.zeros(16, 2),
        torch.tensor(1),
        True and [None],
    ],
    ids=str,
)
def test_what_is_no_loss_is_refused(value):
    with pytest.raises(ValueError, match="loss_fn must return a number or"):
        small_audit(lambda recon, x, mu, logvar: value)


@pytest.mark.parametrize("loss", [3, None, "loss"])
def test_what_is_no_function_is_refused(loss):
    with pytest.raises(ValueError, match="loss_fn must be a function"):
        small_audit(loss)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shape", 784),
        ("shape", ()),
        ("shape", (1, 0)),
        ("shape", (2.5,)),
        ("latent_dim", 0),
        ("batch_size", -1),
    ],
)
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
    assert small_audit(noisy).effective_beta == pytest.approx(1), (
        "the same noise each time adds a constant"
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_reported(bad):
    audit = small_audit(lambda r, x, m, s: _right(r, x, m, s) * bad)
    assert "NaN or infinite" in said(audit) and "equal calls" not in said(audit)
    assert (
        math.isnan(audit.effective_beta) and audit.likelihood == audit.scale_parameter == "unknown"
    )


def test_the_report_is_a_few_short_lines_with_all_that_was_found():
    assert len(str(small_audit(_right)).splitlines()) == 5
    for loss, sizes, _, _ in (TABLE[name] for name in ("sum of BCE", "two means", "10 columns")):
        audit = audit_loss(loss, **{**sizes, "batch_size": 2})
        lines = str(audit).splitlines()
        assert len(lines) == 4 + max(1, len(audit.findings)) and max(map(len, lines)) <= 120
        assert (
            all(f"✗ {found}" in lines for found in audit.findings) and audit.likelihood in lines[0]
        )


def test_the_global_random_state_stays_and_two_audits_agree():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = small_audit(negative_elbo)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert small_audit(negative_elbo) == first
