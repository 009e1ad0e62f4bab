"""Checks of notebook 02: right answers in every form, and no mixture of mistakes is one."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right, every_wrong
from torch import distributions as D
from torch.nn.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    logsigmoid,
    softplus,
)

from tutorial_utils.checks import nb02
from tutorial_utils.checks.nb02 import check_effective_beta, check_reparameterize, check_vae_loss
from tutorial_utils.losses import bernoulli_nll, kl_standard_normal
from tutorial_utils.models import reparameterize


def std_of(logvar):
    return (0.5 * logvar).exp()


# ---- the sampling step ----


def _in_place(mu, logvar):
    return mu.add_(logvar.mul_(0.5).exp_().mul(torch.randn_like(mu)))


def _own_generator(mu, logvar):
    return mu + std_of(logvar) * torch.randn(
        mu.shape, generator=torch.Generator().manual_seed(torch.seed() % 2**31)
    )


RIGHT_SAMPLES = {
    "package": reparameterize,
    "randn_like": lambda mu, logvar: mu + std_of(logvar) * torch.randn_like(mu),
    "power": lambda mu, logvar: mu + math.e ** (0.5 * logvar) * torch.randn_like(logvar),
    "minus": lambda mu, logvar: mu - std_of(logvar) * torch.randn_like(mu),
    "rsample": lambda mu, logvar: D.Normal(mu, std_of(logvar)).rsample(),
    "rsample of a matrix": lambda mu, logvar: D.MultivariateNormal(
        mu, torch.diag_embed(logvar.exp())
    ).rsample(),
    "double": lambda mu, logvar: (
        mu.double() + std_of(logvar.double()) * torch.randn(mu.shape).double()
    ),
    "in place": _in_place,
    "own generator": _own_generator,
}


def _noisy(scale, noise=torch.randn_like):
    return lambda mu, logvar: mu + scale(logvar) * noise(mu)


def _seeded(mu, logvar):
    torch.manual_seed(0)
    return reparameterize(mu, logvar)


class _NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return z.clone()

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError("no way back")


WRONG_SAMPLES = {
    "variance": (_noisy(torch.exp), "variance σ²"),
    "logvar": (_noisy(lambda logvar: logvar), "logvar itself"),
    "log std": (_noisy(lambda logvar: 0.5 * logvar), "log of σ"),
    "softplus": (_noisy(softplus), "a softplus"),
    "doubled": (_noisy(lambda logvar: (2 * logvar).exp()), "logvar is doubled"),
    "two roots": (_noisy(lambda logvar: (logvar / 4).exp()), "the root of σ"),
    "no std": (_noisy(torch.ones_like), "one size"),
    "no std, std added": (lambda m, v: m + std_of(v) + torch.randn_like(m), "σ is added"),
    "arguments swapped": (lambda m, v: reparameterize(v, m), "what mu says"),
    "scaled mean": (lambda m, v: (m + std_of(v)) * torch.randn_like(m), "multiplies the mean too"),
    "no mean": (lambda m, v: std_of(v) * torch.randn_like(m), "mean is missing"),
    "prior": (lambda m, v: torch.randn_like(m), "neither mu nor logvar"),
    "sign": (_noisy(lambda logvar: std_of(-logvar)), "mind the signs"),
    "per dimension": (_noisy(std_of, lambda mu: torch.randn(mu.shape[1])), "all images"),
    "σ of all images": (_noisy(lambda v: std_of(v.mean(0))), "not samples of this"),
    "mu of all images": (lambda m, v: reparameterize(m.mean(0) + 0 * m, v), "not samples of this"),
    "per image": (_noisy(std_of, lambda m: torch.randn(len(m), 1)), "all dimensions of an image"),
    "one eps": (_noisy(std_of, lambda mu: torch.randn(())), "one single random number"),
    "uniform": (_noisy(std_of, torch.rand_like), "uniform"),
    "mean": (lambda m, v: m, "Nothing is random"),
    "no eps": (lambda m, v: m + std_of(v), "two calls give the same z"),
    "seed inside": (_seeded, "sets a seed"),
    "root of logvar": (_noisy(torch.sqrt), "NaN"),
    "one value per image": (lambda m, v: reparameterize(m, v).sum(1), "[4000]"),
    "torch.normal": (lambda m, v: torch.normal(m, std_of(v)), "reaches mu and logvar"),
    "sample": (lambda m, v: D.Normal(m, std_of(v)).sample(), "reaches mu and logvar"),
    "no_grad": (torch.no_grad()(reparameterize), "reaches mu and logvar"),
    "inference_mode": (torch.inference_mode()(reparameterize), "reaches mu and logvar"),
    "mu detached": (lambda m, v: reparameterize(m.detach(), v), "no gradient reaches mu:"),
    "logvar detached": (lambda m, v: reparameterize(m, v.detach()), "no gradient reaches logvar:"),
    "half cut": (lambda m, v: reparameterize((m + m.detach()) / 2, v), "cut off from the graph"),
    "backward fails": (lambda m, v: _NoBackward.apply(reparameterize(m, v)), "no way back"),
}


@pytest.mark.parametrize("seed", range(10))
def test_a_right_sample_is_right_whatever_its_noise(said, seed):
    """The bands are six standard errors wide: no draw of a right answer is ever refused."""
    generator = torch.Generator().manual_seed(seed)
    noise = lambda mu: torch.randn(mu.shape, generator=generator)  # noqa: E731
    assert said(check_reparameterize, _noisy(std_of, noise)).startswith(OK)


@pytest.mark.parametrize("factor", [0.9, 0.95, 1.05, 1.1])
@pytest.mark.parametrize("part", ["mu", "std", "logvar"])
def test_a_sample_that_is_slightly_off_is_not_right(said, factor, part):
    by = {"mu": 1, "std": 1, "logvar": 1, part: factor}

    def off(mu, logvar):
        return reparameterize(by["mu"] * mu, by["logvar"] * logvar + 2 * math.log(by["std"]))

    assert said(check_reparameterize, off).startswith(WRONG)


NOISES = {  # of mean 0 and variance 1, nearly all of them, but not independent draws of N(0, 1)
    "Laplace": lambda mu: D.Laplace(0.0, 0.5**0.5).sample(mu.shape),
    "exponential": lambda mu: torch.empty_like(mu).exponential_() - 1,
    "coin": lambda mu: torch.randn_like(mu).sign(),
    "cut": lambda mu: torch.randn_like(mu).clamp(-2, 2),
    "in pairs": lambda mu: torch.randn(len(mu) // 2, mu.shape[1]).repeat_interleave(2, 0),
    "in pairs of dimensions": lambda mu: torch.randn(len(mu), 3).repeat_interleave(2, 1)[:, :5],
    "mean over draws": lambda mu: torch.randn(4, *mu.shape).mean(0),
    "of the mean": lambda mu: (0.6 * torch.randn_like(mu) + 0.4 * mu).detach(),
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_another_noise_is_not_right(said, noise):
    assert said(check_reparameterize, _noisy(std_of, noise)).startswith(WRONG)


def test_gradients_are_found_where_they_are_switched_off(said):
    with torch.no_grad():
        assert said(check_reparameterize, reparameterize).startswith(OK)
    with torch.inference_mode():
        assert said(check_reparameterize, reparameterize).startswith(OK)


# ---- the loss ----


def _kl_of_distributions(mu, logvar, s=1.0):
    return D.kl_divergence(D.Normal(mu, std_of(logvar)), D.Normal(torch.zeros_like(mu), s)).sum(-1)


def _bce(logits, x):
    return binary_cross_entropy_with_logits(logits, x, reduction="none")


def _loss(recon, kl):
    return lambda logits, x, mu, logvar: recon(logits, x) + kl(mu, logvar)


def _sum(values):
    return values.sum((1, 2, 3))


vae_loss = _loss(bernoulli_nll, kl_standard_normal)
RIGHT_LOSSES = {
    "package": _loss(bernoulli_nll, kl_standard_normal),
    "famous form": _loss(
        lambda logits, x: _bce(logits, x).flatten(1).sum(1),
        lambda mu, logvar: -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(dim=1),
    ),
    "minus the log likelihood": _loss(
        lambda logits, x: -_sum(x * logsigmoid(logits) + (1 - x) * logsigmoid(-logits)),
        kl_standard_normal,
    ),
    "sigmoid, then BCE": _loss(
        lambda logits, x: _sum(binary_cross_entropy(logits.sigmoid(), x, reduction="none")),
        kl_standard_normal,
    ),
    "softplus": _loss(lambda logits, x: _sum(softplus(logits) - x * logits), kl_standard_normal),
    "distributions": _loss(
        lambda logits, x: -_sum(D.Bernoulli(logits=logits, validate_args=False).log_prob(x)),
        _kl_of_distributions,
    ),
    "double": lambda *given: vae_loss(*(each.double() for each in given)),
    "mean times number": _loss(
        lambda logits, x: _bce(logits, x).mean((1, 2, 3)) * x[0].numel(),
        lambda mu, logvar: mu.shape[1] * 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean(1),
    ),
    "list": lambda *given: list(vae_loss(*given)),
    "one image at a time": torch.vmap(
        lambda logits, x, mu, logvar: (
            binary_cross_entropy_with_logits(logits, x, reduction="sum")
            + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()
        )
    ),
    "gradients asked for again": lambda logits, x, mu, logvar: vae_loss(
        logits.requires_grad_(), x, mu.requires_grad_(), logvar
    ),
    "in place": lambda logits, x, mu, logvar: vae_loss(logits, x.clone(), mu.mul_(1), logvar),
}
WRONG_LOSSES = {  # of another kind than the mistakes of the check
    "log of the mean": (lambda logits, x, mu, logvar: mu.log().sum(1), "NaN or infinite"),
    "no_grad": (torch.no_grad()(vae_loss), "reaches logits and mu and logvar"),
    "inference_mode": (torch.inference_mode()(vae_loss), "reaches logits and mu and logvar"),
    "detached": (lambda *given: vae_loss(*given).detach(), "reaches logits and mu and logvar"),
    "numpy": (lambda *given: vae_loss(*given).detach().numpy(), "reaches logits and mu"),
    "logits detached": (
        lambda logits, *given: vae_loss(logits.detach(), *given),
        "no gradient reaches logits:",
    ),
    "KL detached": (
        _loss(bernoulli_nll, lambda mu, logvar: kl_standard_normal(mu, logvar).detach()),
        "no gradient reaches mu and logvar:",
    ),
    "mu half cut": (
        lambda logits, x, mu, logvar: vae_loss(logits, x, (mu + mu.detach()) / 2, logvar),
        "the gradients are not",
    ),
    "backward fails": (lambda *given: _NoBackward.apply(vae_loss(*given)), "no way back"),
}


@pytest.mark.parametrize("scale", [0.99, 1.01])
@pytest.mark.parametrize("term", ["recon_loss", "kl"])
def test_a_term_with_a_weight_of_its_own_is_not_right(said, term, scale):
    by = {"recon_loss": 1, "kl": 1, term: scale}
    answer = _loss(
        lambda *given: by["recon_loss"] * bernoulli_nll(*given),
        lambda *given: by["kl"] * kl_standard_normal(*given),
    )
    assert said(check_vae_loss, answer).startswith(WRONG)


def test_mistakes_in_both_terms_are_never_right(said):
    for (recon, _), (kl, _) in product(nb02.RECON_LOSSES[:12], nb02.KLS[:12]):
        assert said(check_vae_loss, _loss(recon, kl)).startswith(WRONG)


# ---- β ----


@pytest.mark.parametrize("answer", [0, -39.2, 39, 40, 78.4, 19.6, 392, 764, 1 / 784])
def test_another_beta_is_not_right(said, answer):
    assert said(check_effective_beta, answer).startswith(WRONG)


def test_the_effective_beta_is_what_the_means_make_of_it():
    """The two means and the sums with this β have the same gradients, up to one factor."""
    logits, x = torch.randn(2, 1, 28, 28).requires_grad_(), torch.rand(2, 1, 28, 28)
    mu, logvar = torch.randn(2, 2, 20).requires_grad_()
    kl_mean = -0.5 * (1 + logvar - mu**2 - logvar.exp()).mean()
    of_means = torch.autograd.grad(
        binary_cross_entropy_with_logits(logits, x) + kl_mean, [logits, mu]
    )
    sums = bernoulli_nll(logits, x) + 39.2 * kl_standard_normal(mu, logvar)
    of_sums = torch.autograd.grad(sums.mean(), [logits, mu])
    for one, other in zip(of_means, of_sums, strict=True):
        torch.testing.assert_close(784 * one, other)


# ---- all of them ----

RIGHT = {
    check_reparameterize: RIGHT_SAMPLES,
    check_vae_loss: RIGHT_LOSSES,
    check_effective_beta: {
        "decimal": 39.2,
        "inverse": 1 / (20 / 784),
        "numpy": np.float32(39.2),
        "tensor": torch.tensor(39.2),
    },
}


@pytest.mark.filterwarnings("error")
@every_right("02", RIGHT)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong({check_reparameterize: WRONG_SAMPLES, check_vae_loss: WRONG_LOSSES})
def test_every_mistake_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
