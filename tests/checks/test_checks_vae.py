"""Checks of notebooks 02 and 03: right answers in every form, each mistake by its name, no mixture of mistakes ok."""

import math
from functools import partial
from itertools import combinations, pairwise, product

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, hear
from torch import distributions as D
from torch.nn.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    logsigmoid,
    softplus,
)

from tutorial_utils.checks.nb02 import check_effective_beta, check_reparameterize, check_vae_loss
from tutorial_utils.checks.nb03 import check_active_dimensions, check_iwae, check_kl_to_wide_prior
from tutorial_utils.losses import bernoulli_nll, kl_standard_normal
from tutorial_utils.models import reparameterize


@pytest.fixture
def said(capsys):
    """`hear`, as a function of a check and an answer."""
    return partial(hear, capsys)


def accepts(check, answers):
    """Parameters: a check and each of the answers that it must call right."""
    return [
        pytest.param(check, answer, id=f"{check.__name__}-{name}")
        for name, answer in answers.items()
    ]


def names(check, answers):
    """Parameters: a check, each of the wrong answers, and a phrase of what it must say."""
    return [
        pytest.param(check, *pair, id=f"{check.__name__}-{name}") for name, pair in answers.items()
    ]


def std_of(logvar):
    return (0.5 * logvar).exp()


# ---- 02: the sampling step ----


def _numpy_noise(mu, logvar):
    return mu + std_of(logvar) * torch.tensor(np.random.randn(*mu.shape), dtype=torch.float32)  # noqa: NPY002


def _in_place(mu, logvar):
    return mu.add_(logvar.mul_(0.5).exp_().mul(torch.randn_like(mu)))


def _one_by_one(mu, logvar):
    rows = [m + std_of(v) * torch.randn(len(m)) for m, v in zip(mu, logvar, strict=True)]
    return torch.stack(rows)


def _own_generator(mu, logvar):
    return mu + std_of(logvar) * torch.randn(
        mu.shape, generator=torch.Generator().manual_seed(torch.seed() % 2**31)
    )


RIGHT_SAMPLES = {
    "package": reparameterize,
    "randn_like": lambda mu, logvar: mu + std_of(logvar) * torch.randn_like(mu),
    "randn": lambda mu, logvar: torch.randn(mu.shape) * torch.exp(logvar / 2) + mu,
    "root": lambda mu, logvar: mu + logvar.exp().sqrt() * torch.randn_like(logvar),
    "power": lambda mu, logvar: mu + math.e ** (0.5 * logvar) * torch.randn_like(logvar),
    "minus": lambda mu, logvar: mu - std_of(logvar) * torch.randn_like(mu),
    "rsample": lambda mu, logvar: D.Normal(mu, std_of(logvar)).rsample(),
    "rsample of many": lambda mu, logvar: D.Independent(D.Normal(mu, std_of(logvar)), 1).rsample(),
    "rsample of a matrix": lambda mu, logvar: D.MultivariateNormal(
        mu, torch.diag_embed(logvar.exp())
    ).rsample(),
    "addcmul": lambda mu, logvar: torch.addcmul(mu, std_of(logvar), torch.randn_like(mu)),
    "normal_": lambda mu, logvar: mu + std_of(logvar) * torch.empty_like(mu).normal_(),
    "torch.normal for eps": lambda mu, logvar: (
        mu + std_of(logvar) * torch.normal(0.0, 1.0, mu.shape)
    ),
    "double": lambda mu, logvar: (
        mu.double() + std_of(logvar.double()) * torch.randn(mu.shape).double()
    ),
    "numpy noise": _numpy_noise,
    "in place": _in_place,
    "one by one": _one_by_one,
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
    "absolute logvar": (_noisy(torch.abs), "logvar itself"),
    "log std": (_noisy(lambda logvar: 0.5 * logvar), "log of σ"),
    "no std": (_noisy(torch.ones_like), "one size"),
    "no std, std added": (
        lambda mu, logvar: mu + std_of(logvar) + torch.randn_like(mu),
        "σ is added",
    ),
    "swapped": (lambda mu, logvar: std_of(logvar) + mu * torch.randn_like(mu), "swapped"),
    "scaled mean": (
        lambda mu, logvar: (mu + std_of(logvar)) * torch.randn_like(mu),
        "multiplies the mean too",
    ),
    "no mean": (lambda mu, logvar: std_of(logvar) * torch.randn_like(mu), "mean is missing"),
    "prior": (lambda mu, logvar: torch.randn_like(mu), "neither mu nor logvar"),
    "sign": (_noisy(lambda logvar: std_of(-logvar)), "mind the signs"),
    "one eps per dimension": (_noisy(std_of, lambda mu: torch.randn(mu.shape[1])), "all images"),
    "one eps per dimension, variance": (
        _noisy(torch.exp, lambda mu: torch.randn(mu.shape[1])),
        "all images",
    ),
    "one eps per image": (
        _noisy(std_of, lambda mu: torch.randn(len(mu), 1)),
        "all dimensions of an image",
    ),
    "one eps": (_noisy(std_of, lambda mu: torch.randn(())), "one single random number"),
    "one eps, no std": (
        _noisy(torch.ones_like, lambda mu: torch.randn(())),
        "one single random number",
    ),
    "uniform": (_noisy(std_of, torch.rand_like), "uniform"),
    "uniform, -1 to 1": (_noisy(std_of, lambda mu: 2 * torch.rand_like(mu) - 1), "uniform"),
    "uniform, variance 1": (
        _noisy(std_of, lambda mu: 12**0.5 * (torch.rand_like(mu) - 0.5)),
        "uniform",
    ),
    "mean": (lambda mu, logvar: mu, "Nothing is random"),
    "mean, cloned": (lambda mu, logvar: mu + 0 * logvar, "Nothing is random"),
    "no eps": (lambda mu, logvar: mu + std_of(logvar), "two calls give the same z"),
    "seed inside": (_seeded, "sets a seed"),
    "root of logvar": (_noisy(torch.sqrt), "NaN"),
    "log of logvar": (_noisy(torch.log), "NaN"),
    "one value per image": (lambda mu, logvar: reparameterize(mu, logvar).sum(1), "[4000]"),
    "an axis too many": (lambda mu, logvar: reparameterize(mu, logvar)[None], "[1, 4000, 5]"),
    "transposed": (lambda mu, logvar: reparameterize(mu, logvar).T, "[5, 4000]"),
    "two of them": (lambda mu, logvar: (mu, logvar), "tuple"),
    "torch.normal": (
        lambda mu, logvar: torch.normal(mu, std_of(logvar)),
        "no gradient reaches mu and logvar",
    ),
    "sample": (
        lambda mu, logvar: D.Normal(mu, std_of(logvar)).sample(),
        "no gradient reaches mu and logvar",
    ),
    "no_grad": (torch.no_grad()(reparameterize), "no gradient reaches mu and logvar"),
    "inference_mode": (torch.inference_mode()(reparameterize), "no gradient reaches mu and logvar"),
    "detached": (
        lambda mu, logvar: reparameterize(mu, logvar).detach(),
        "no gradient reaches mu and logvar",
    ),
    "mu detached": (
        lambda mu, logvar: reparameterize(mu.detach(), logvar),
        "no gradient reaches mu:",
    ),
    "logvar detached": (
        lambda mu, logvar: reparameterize(mu, logvar.detach()),
        "no gradient reaches logvar:",
    ),
    "new tensor": (
        lambda mu, logvar: mu + torch.tensor(_noisy(std_of)(0 * mu, logvar).tolist()),
        "reaches logvar:",
    ),
    "sample twice": (
        lambda mu, logvar: mu.detach() + 0 * mu + _noisy(std_of)(0 * mu, logvar),
        "reaches mu:",
    ),
    "half cut": (
        lambda mu, logvar: (0.5 * mu + (0.5 * mu).detach()) + std_of(logvar) * torch.randn_like(mu),
        "cut off from the graph",
    ),
    "backward fails": (
        lambda mu, logvar: _NoBackward.apply(reparameterize(mu, logvar)),
        "no way back",
    ),
}


@pytest.mark.parametrize("seed", range(10))
def test_a_right_sample_is_right_whatever_its_noise(said, seed):
    """The bands are six standard errors wide: no draw of a right answer is ever refused."""
    generator = torch.Generator().manual_seed(seed)
    noise = lambda mu: torch.randn(mu.shape, generator=generator)  # noqa: E731
    assert said(check_reparameterize, _noisy(std_of, noise)).startswith(OK)


@pytest.mark.parametrize("factor", [0.9, 0.95, 1.05, 1.1])
@pytest.mark.parametrize("axis", ["center", "spread", "exponent"])
def test_a_sample_that_is_slightly_off_is_not_right(said, factor, axis):
    def off(mu, logvar):  # with gradients as if it were right
        mu = mu + (factor - 1) if axis == "center" else mu
        ratio = (
            factor
            if axis == "spread"
            else ((factor - 1) * logvar).exp().detach()
            if axis == "exponent"
            else 1.0
        )
        return mu + ratio * std_of(logvar) * torch.randn_like(mu)

    assert said(check_reparameterize, off).startswith(WRONG)


NOISES = {
    "normal": torch.randn_like,
    "uniform": torch.rand_like,
    "Laplace": lambda mu: D.Laplace(0.0, 0.5**0.5).sample(mu.shape),
    "exponential": lambda mu: torch.empty_like(mu).exponential_() - 1,
    "coin": lambda mu: torch.randn_like(mu).sign(),
    "absolute": lambda mu: torch.randn_like(mu).abs(),
    "cut": lambda mu: torch.randn_like(mu).clamp(-2, 2),
    "per dimension": lambda mu: torch.randn(mu.shape[1]),
    "per image": lambda mu: torch.randn(len(mu), 1),
    "in pairs": lambda mu: torch.randn(len(mu) // 2, mu.shape[1]).repeat_interleave(2, 0),
    "mean over draws": lambda mu: torch.randn(4, *mu.shape).mean(0),
    "in pairs of dimensions": lambda mu: torch.randn(len(mu), 3).repeat_interleave(2, 1)[
        :, : mu.shape[1]
    ],
    "of the mean": lambda mu: (
        0.6 * torch.randn_like(mu) + 0.8 * (mu.detach() - mu.mean().item()) / mu.std().item()
    ),
}
SPREADS = {
    "std": lambda mu, logvar: std_of(logvar),
    "variance": lambda mu, logvar: logvar.exp(),
    "logvar": lambda mu, logvar: logvar,
    "one": lambda mu, logvar: torch.ones_like(mu),
    "inverse": lambda mu, logvar: std_of(-logvar),
    "mean": lambda mu, logvar: mu,
    "mean over the batch": lambda mu, logvar: std_of(logvar.mean(0)),
}
CENTERS = {
    "mu": lambda mu, logvar: mu,
    "none": lambda mu, logvar: 0 * mu,
    "std": lambda mu, logvar: std_of(logvar),
    "both": lambda mu, logvar: mu + std_of(logvar),
    "mean over the batch": lambda mu, logvar: mu.mean(0),
}


@pytest.mark.parametrize(
    ("noise", "cut"),
    [*((noise, False) for noise in NOISES), ("normal", True)],
    ids=lambda value: str(value),
)
def test_no_mixture_of_mistakes_is_a_right_sample(said, noise, cut):
    for center, spread in product(CENTERS if noise == "normal" else ["mu"], SPREADS):

        def mixture(mu, logvar, center=center, spread=spread):
            z = CENTERS[center](mu, logvar) + SPREADS[spread](mu, logvar) * NOISES[noise](mu)
            return z.detach() if cut else z

        right = (noise, cut, center, spread) == ("normal", False, "mu", "std")
        assert said(check_reparameterize, mixture).startswith(OK) == right, (center, spread)


def test_gradients_are_found_where_they_are_switched_off(said):
    with torch.no_grad():
        assert said(check_reparameterize, reparameterize).startswith(OK)
    with torch.inference_mode():
        assert said(check_reparameterize, reparameterize).startswith(OK)


# ---- 02: the loss ----


def _kl_of_distributions(mu, logvar, s=1.0):
    return D.kl_divergence(D.Normal(mu, std_of(logvar)), D.Normal(torch.zeros_like(mu), s)).sum(-1)


def _bce(logits, x):
    return binary_cross_entropy_with_logits(logits, x, reduction="none")


def _log_likelihood(logits, x):
    return x * logsigmoid(logits) + (1 - x) * logsigmoid(-logits)


def _loss(recon, kl):
    return lambda logits, x, mu, logvar: recon(logits, x) + kl(mu, logvar)


def _sum(values):
    return values.sum((1, 2, 3))


def _elbo_in_numpy(logits, x, mu, logvar):
    logits, x, mu, logvar = (tensor.numpy().astype(float) for tensor in (logits, x, mu, logvar))
    p = 1 / (1 + np.exp(-logits))
    recon_loss = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=(1, 2, 3))
    return recon_loss - 0.5 * (1 + logvar - mu**2 - np.exp(logvar)).sum(axis=1)


RIGHT_LOSSES = {
    "package": _loss(bernoulli_nll, kl_standard_normal),
    "famous form": lambda logits, x, mu, logvar: (
        _bce(logits, x).flatten(1).sum(1) - 0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(dim=1)
    ),
    "one bracket": lambda logits, x, mu, logvar: (
        _sum(_bce(logits, x)) + ((mu**2 + logvar.exp() - 1 - logvar) / 2).sum(1)
    ),
    "minus the ELBO": lambda logits, x, mu, logvar: (
        -(_sum(_log_likelihood(logits, x)) - kl_standard_normal(mu, logvar))
    ),
    "sigmoid, then BCE": lambda logits, x, mu, logvar: (
        _sum(binary_cross_entropy(logits.sigmoid(), x, reduction="none"))
        + kl_standard_normal(mu, logvar)
    ),
    "softplus": lambda logits, x, mu, logvar: (
        _sum(softplus(logits) - x * logits) + kl_standard_normal(mu, logvar)
    ),
    "distributions": lambda logits, x, mu, logvar: (
        -_sum(D.Bernoulli(logits=logits, validate_args=False).log_prob(x))
        + _kl_of_distributions(mu, logvar)
    ),
    "continuous": lambda logits, x, mu, logvar: (
        _sum(_bce(logits, x).double()) + _kl_of_distributions(mu.double(), logvar.double())
    ),
    "mean times number": lambda logits, x, mu, logvar: (
        _bce(logits, x).mean((1, 2, 3)) * x[0].numel()
        + mu.shape[1] * 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean(1)
    ),
    "numpy": _elbo_in_numpy,
    "list": lambda *given: [float(value) for value in _elbo_in_numpy(*given)],
    "list with gradients": lambda logits, x, mu, logvar: list(
        bernoulli_nll(logits.requires_grad_(), x) + kl_standard_normal(mu, logvar)
    ),
    "with gradients": lambda logits, x, mu, logvar: (
        bernoulli_nll(logits.requires_grad_(), x) + kl_standard_normal(mu.requires_grad_(), logvar)
    ),
}
RECONS = {
    "right": (bernoulli_nll, None),
    "pixel mean": (lambda logits, x: _bce(logits, x).mean((1, 2, 3)), "mean over the pixels"),
    "default": (binary_cross_entropy_with_logits, "one number for the whole batch"),
    "batch sum": (lambda logits, x: _bce(logits, x).sum(), "one number for the whole batch"),
    "sign": (lambda logits, x: -bernoulli_nll(logits, x), "wrong sign"),
    "sigmoid twice": (lambda logits, x: bernoulli_nll(logits.sigmoid(), x), "sigmoid twice"),
    "probabilities": (
        lambda logits, x: _sum(binary_cross_entropy(logits, x, reduction="none")),
        "logits for probabilities",
    ),
    "swapped": (lambda logits, x: bernoulli_nll(x, logits), "swapped"),
}
KLS = {
    "right": (kl_standard_normal, None),
    "latent mean": (
        lambda mu, logvar: -0.5 * (1 + logvar - mu**2 - logvar.exp()).mean(1),
        "mean over the latent",
    ),
    "mean over all": (
        lambda mu, logvar: -0.5 * (1 + logvar - mu**2 - logvar.exp()).mean(),
        "one number",
    ),
    "sum over all": (
        lambda mu, logvar: -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(),
        "one number",
    ),
    "sign": (lambda mu, logvar: 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1), "wrong sign"),
    "no half": (lambda mu, logvar: -(1 + logvar - mu**2 - logvar.exp()).sum(1), "lacks a ½"),
    "half of two": (
        lambda mu, logvar: (-0.5 * (1 + logvar) + mu**2 + logvar.exp()).sum(1),
        "lacks a ½",
    ),
    "log std": (
        lambda mu, logvar: (0.5 * (mu**2 + (2 * logvar).exp() - 1) - logvar).sum(1),
        "logvar for log σ",
    ),
    "no constant": (lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - logvar).sum(1), "constant"),
    "none": (lambda mu, logvar: 0 * mu.sum(1), "forgotten"),
}
WRONG_LOSSES = {
    "elbo": (lambda *given: -RIGHT_LOSSES["package"](*given), "ELBO itself"),
    "log of the mean": (lambda logits, x, mu, logvar: mu.log().sum(1), "NaN or infinite"),
    "batch mean": (lambda *given: RIGHT_LOSSES["package"](*given).mean(), "mean over the batch"),
    "batch sum": (
        lambda *given: RIGHT_LOSSES["package"](*given).sum(),
        "this is one number for the whole batch",
    ),
    "batch sum, as a float": (
        lambda *given: RIGHT_LOSSES["package"](*given).sum().item(),
        "this is one number",
    ),
    "an axis too many": (
        lambda *given: RIGHT_LOSSES["package"](*given)[:, None],
        "yours have shape [6, 1]",
    ),
    "half a batch": (lambda *given: RIGHT_LOSSES["package"](*given)[:3], "yours have shape [3]"),
    "no KL": (lambda logits, x, mu, logvar: bernoulli_nll(logits, x), "forgotten"),
    "KL subtracted": (
        lambda logits, x, mu, logvar: bernoulli_nll(logits, x) - kl_standard_normal(mu, logvar),
        "the KL has the wrong sign",
    ),
    **{
        f"recon {name}": (_loss(recon, kl_standard_normal), phrase)
        for name, (recon, phrase) in RECONS.items()
        if phrase
    },
    **{
        f"KL {name}": (_loss(bernoulli_nll, kl), phrase)
        for name, (kl, phrase) in KLS.items()
        if phrase
    },
}


def test_of_two_mistakes_in_the_loss_one_is_named_first(said):
    """The whole grid: a mistake in each term, or in one, is never ok, and what is said of a term is true."""
    for ((recon, phrase), (kl, other)), _ in zip(
        product(RECONS.values(), KLS.values()), range(80), strict=True
    ):
        text = said(check_vae_loss, _loss(recon, kl))
        assert text.startswith(WRONG if phrase or other else OK)
        both_signs = (phrase, other) == ("wrong sign", "wrong sign")
        assert "ELBO itself" in text if both_signs else (phrase or other or "") in text


@pytest.mark.parametrize("reduce", [torch.mean, torch.sum, torch.amax, lambda loss: loss[0]])
def test_no_mixture_of_mistakes_and_a_reduction_is_a_right_loss(said, reduce):
    for (recon, _), (kl, _) in product(RECONS.values(), KLS.values()):
        answer = _loss(recon, kl)
        assert said(
            check_vae_loss, lambda *given, answer=answer: reduce(answer(*given))
        ).startswith(WRONG)


# ---- 02: the β of two means ----

RIGHT_BETAS = {
    repr(answer): answer
    for answer in [
        39.2,
        784 / 20,
        28 * 28 / 20,
        1 / (20 / 784),
        np.float32(39.2),
        np.float64(39.2),
        torch.tensor(39.2),
    ]
}
WRONG_BETAS = {
    "pixels": (784, "only the cross-entropy is averaged"),
    "dimensions": (20, "number of latent dimensions"),
    "one over dimensions": (1 / 20, "only the KL is averaged"),
    "product": (15_680, "against each other"),
    "upside down": (1 / 39.2, "upside down"),
    "one": (1, "looks unweighted"),
    "one, as a tensor": (torch.tensor(1.0), "looks unweighted"),
    "numpy": (np.int64(784), "only the cross-entropy is averaged"),
}


@pytest.mark.parametrize(
    "answer", [0, -39.2, 39, 40, 78.4, 19.6, 392, 764, True, math.nan, math.inf, 1 / 784]
)
def test_effective_beta_never_calls_another_number_right(said, answer):
    assert said(check_effective_beta, answer).startswith(WRONG)


def test_the_effective_beta_is_what_the_means_make_of_it():
    """Gradients decide what is learned: those of the two means are those of sums with this β, up to one factor."""
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


# ---- 03: the KL to a wide prior ----


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
WRONG_KLS = {
    "standard": (lambda mu, logvar, s: kl_standard_normal(mu, logvar), "does not depend on s"),
    "s for s² in units": (_wide(MEANS["s"], VARIANCES["s"], LOGS["right"]), "s stands for s²"),
    "s for s²": (_wide(MEANS["s"], VARIANCES["s"], LOGS["s"]), "s stands for s²"),
    "s for s² as a variance": (
        lambda mu, logvar, s: _kl_of_distributions(mu, logvar, s**0.5),
        "s stands for s²",
    ),
    "s for s² in the log": (
        _wide(MEANS["right"], VARIANCES["right"], LOGS["s"]),
        "s stands for s²",
    ),
    "no log": (_wide(MEANS["right"], VARIANCES["right"], LOGS["none"]), "variance is missing"),
    "sign of the log": (
        _wide(MEANS["right"], VARIANCES["right"], LOGS["sign"]),
        "the log of s has the wrong sign",
    ),
    "mean in other units": (
        _wide(MEANS["none"], VARIANCES["right"], LOGS["right"]),
        "The mean should be too",
    ),
    "variance in other units": (
        _wide(MEANS["right"], VARIANCES["none"], LOGS["right"]),
        "The variance should be too",
    ),
    "no constant": (
        _wide(MEANS["right"], VARIANCES["right"], LOGS["right"], constant=0),
        "constant is missing",
    ),
    "no half": (_wide(MEANS["right"], VARIANCES["right"], LOGS["right"], factor=1), "lacks a ½"),
    "half of two": (
        lambda mu, logvar, s: (
            -0.5 * (1 + logvar - 2 * math.log(s)) + (mu**2 + logvar.exp()) / s**2
        ).sum(1),
        "lacks a ½",
    ),
    "latent mean": (
        lambda *given: RIGHT_KLS["parts"](*given) / given[0].shape[1],
        "mean over the latent",
    ),
    "sign": (
        _wide(MEANS["right"], VARIANCES["right"], LOGS["right"], factor=-0.5),
        "never below 0",
    ),
    "swapped": (
        lambda mu, logvar, s: D.kl_divergence(
            D.Normal(0 * mu, s), D.Normal(mu, std_of(logvar))
        ).sum(1),
        "KL(prior || q)",
    ),
    "log std": (
        lambda mu, logvar, s: _kl_of_distributions(mu, 2 * logvar, s),
        "you took it for log σ",
    ),
    "batch mean": (lambda *given: RIGHT_KLS["parts"](*given).mean(), "mean over the batch"),
    "batch sum": (
        lambda *given: RIGHT_KLS["parts"](*given).sum(),
        "one number for the whole batch",
    ),
    "one value per dimension": (
        lambda *given: RIGHT_KLS["parts"](*(t if t is given[2] else t.T for t in given)),
        "[4]",
    ),
    "log of a number": (lambda mu, logvar, s: torch.log(s), "TypeError"),
}


def test_no_mixture_of_mistakes_is_a_right_kl(said):
    grid = product(MEANS.items(), VARIANCES.items(), LOGS.items(), (-1.0, 0.0), (0.5, 1.0))
    for (mean, mean_part), (variance, variance_part), (log, log_part), constant, factor in grid:
        right = mean == variance == log == "right" and constant == -1.0 and factor == 0.5
        text = said(
            check_kl_to_wide_prior, _wide(mean_part, variance_part, log_part, constant, factor)
        )
        assert text.startswith(OK) == right, (mean, variance, log, constant, factor)


# ---- 03: the tighter bound ----


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
    "list": lambda log_w: [(column.logsumexp(0) - math.log(7)).item() for column in log_w.T],
    "in place": lambda log_w: log_w.sub_(math.log(len(log_w))).logsumexp(0),
}
WRONG_BOUNDS = {
    "mean of logs": (lambda log_w: log_w.mean(0), "ELBO again"),
    "no log k": (lambda log_w: log_w.logsumexp(0), "grows with k"),
    "plus log k": (lambda log_w: log_w.logsumexp(0) + math.log(len(log_w)), "mind the sign"),
    "minus k": (lambda log_w: log_w.logsumexp(0) - len(log_w), "subtracted"),
    "over k": (lambda log_w: log_w.logsumexp(0) / len(log_w), "log is divided"),
    "over images": (
        lambda log_w: log_w.logsumexp(1) - math.log(log_w.shape[1]),
        "works on the images",
    ),
    "over images, k": (
        lambda log_w: log_w.logsumexp(1) - math.log(len(log_w)),
        "works on the images",
    ),
    "over images, sum": (lambda log_w: log_w.logsumexp(1), "works on the images"),
    "over images, mean": (lambda log_w: log_w.mean(1), "works on the images"),
    "naive": (lambda log_w: log_w.exp().mean(0).log(), "overflow"),
    "naive, log1p": (lambda log_w: log_w.exp().mean(0).log1p(), "overflow"),
    "naive sum": (lambda log_w: log_w.exp().sum(0).log(), "overflow"),
    "naive, all": (lambda log_w: log_w.exp().mean().log(), "overflow"),
    "weighted": (lambda log_w: (log_w.exp() / log_w.exp().sum(0) * log_w).sum(0), "overflow"),
    "negative": (lambda log_w: math.log(len(log_w)) - log_w.logsumexp(0), "minus the bound"),
    "batch mean": (lambda log_w: RIGHT_BOUNDS["logsumexp"](log_w).mean(), "mean over the batch"),
    "batch sum": (
        lambda log_w: RIGHT_BOUNDS["logsumexp"](log_w).sum(),
        "one number for the whole batch",
    ),
    "all of it": (lambda log_w: log_w.flatten().logsumexp(0) - math.log(log_w.numel()), "shape []"),
    "kept axis": (
        lambda log_w: log_w.logsumexp(0, keepdim=True) - math.log(len(log_w)),
        "shape [1, 4]",
    ),
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


# ---- 03: active dimensions ----


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
WRONG_COUNTS = {
    "std": (_above(lambda beta, std: beta * std), "eigenvalues are variances"),
    "no beta": (_above(lambda beta, std: std**2), "does not depend on beta"),
    "no std": (_above(lambda beta, std: beta), "does not depend on std"),
    "no beta, std": (_above(lambda beta, std: std), "compares variances with a standard deviation"),
    "roots, variance": (
        lambda eigenvalues, beta, std: (eigenvalues.sqrt() > beta * std**2).sum(),
        "roots of eigenvalues are standard deviations",
    ),
    "roots": (
        lambda eigenvalues, beta, std: (eigenvalues.sqrt() > beta * std).sum(),
        "roots of eigenvalues taken",
    ),
    "beta squared": (_above(lambda beta, std: beta**2 * std**2), "β comes out squared: was it"),
    "beta squared, no std": (_above(lambda beta, std: beta**2), "std does not come in"),
    "std twice": (_above(lambda beta, std: beta * std**4), "std squared twice"),
    "beta on the other side": (_above(lambda beta, std: std**2 / beta), "larger β keeps more"),
    "noise on the other side": (_above(lambda beta, std: beta / std**2), "more noise keeps more"),
    "inactive": (
        lambda eigenvalues, beta, std: (eigenvalues < beta * std**2).sum(),
        "switched off",
    ),
    "mask": (
        lambda eigenvalues, beta, std: eigenvalues > beta * std**2,
        "marks for every dimension",
    ),
    "mask, numpy": (
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).numpy(),
        "marks for every",
    ),
    "mask, list": (
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).tolist(),
        "marks for every",
    ),
    "indices": (
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).nonzero(),
        "where they are",
    ),
    "flat indices": (
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).nonzero().flatten(),
        "where they are",
    ),
    "eigenvalues": (
        lambda eigenvalues, beta, std: eigenvalues[eigenvalues > beta * std**2],
        "the active ones",
    ),
    "where": (lambda eigenvalues, beta, std: torch.where(eigenvalues > beta * std**2), "tuple"),
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

ON_VALUES = {  # check: a right answer, the wrong ones
    check_vae_loss: (RIGHT_LOSSES["package"], WRONG_LOSSES),
    check_kl_to_wide_prior: (RIGHT_KLS["parts"], WRONG_KLS),
    check_iwae: (RIGHT_BOUNDS["logsumexp"], WRONG_BOUNDS),
    check_active_dimensions: (RIGHT_COUNTS["tensor"], WRONG_COUNTS),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("check", "answer"),
    [
        *accepts(check_reparameterize, RIGHT_SAMPLES),
        *accepts(check_vae_loss, RIGHT_LOSSES),
        *accepts(check_effective_beta, RIGHT_BETAS),
        *accepts(check_kl_to_wide_prior, RIGHT_KLS),
        *accepts(check_iwae, RIGHT_BOUNDS),
        *accepts(check_active_dimensions, RIGHT_COUNTS),
    ],
)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("check", "answer", "phrase"),
    [
        *names(check_reparameterize, WRONG_SAMPLES),
        *names(check_vae_loss, WRONG_LOSSES),
        *names(check_effective_beta, WRONG_BETAS),
        *names(check_kl_to_wide_prior, WRONG_KLS),
        *names(check_iwae, WRONG_BOUNDS),
        *names(check_active_dimensions, WRONG_COUNTS),
    ],
)
def test_every_mistake_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text


def _values(check, answers: dict) -> dict[str, list[torch.Tensor]]:
    """What the answers give for all that a check passes to a function."""
    seen = []

    def remember(*given):
        seen.append(given)
        return torch.zeros(())  # so that a check that asks several times goes on

    check(remember)
    copy = lambda given: [
        thing.clone() if isinstance(thing, torch.Tensor) else thing for thing in given
    ]
    return {
        name: [torch.as_tensor(answer(*copy(given)), dtype=torch.float32) for given in seen]
        for name, answer in answers.items()
    }


@pytest.mark.parametrize("check", ON_VALUES, ids=lambda check: check.__name__)
def test_every_mistake_has_a_value_of_its_own(said, check):
    """On what a check passes, none gives the right values, and two give the same only if one text names both."""
    right, wrong = ON_VALUES[check]
    wrong = {name: pair for name, pair in wrong.items() if pair[1] not in ("TypeError", "tuple")}
    values = _values(
        check, {name: answer for name, (answer, _) in wrong.items()} | {"right": right}
    )
    for one, other in combinations(values, 2):
        pairs = list(zip(values[one], values[other], strict=True))
        if all(a.shape == b.shape and torch.allclose(a, b, rtol=3e-4, atol=1e-4) for a, b in pairs):
            assert other != "right", one
            assert wrong[one][1] in said(check, wrong[other][0]), (one, other)
            assert wrong[other][1] in said(check, wrong[one][0]), (one, other)


def test_the_numbers_of_the_misconceptions_can_be_told_apart():
    numbers = sorted({float(number) for number, _ in WRONG_BETAS.values()} | {39.2})
    assert len(numbers) == 7 and all(b / a > 1.1 for a, b in pairwise(numbers))


def test_no_two_mistakes_get_the_same_text_unless_they_are_the_same(said):
    """Samples are random, so values cannot be compared; texts can."""
    texts = {
        name: said(check_reparameterize, answer) for name, (answer, _) in WRONG_SAMPLES.items()
    }
    for one, other in combinations(texts, 2):
        same = texts[one] == texts[other]
        assert not same or WRONG_SAMPLES[one][1] in texts[other], (one, other)
    assert len(set(texts.values())) >= 25
