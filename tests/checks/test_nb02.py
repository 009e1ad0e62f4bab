"""Checks of notebook 02: right answers in every form, and no mixture of mistakes is one."""

import math
from itertools import combinations, product

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


# ---- the loss ----


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
WRONG_LOSSES = {  # of another kind than the mistakes of the check
    "log of the mean": (lambda logits, x, mu, logvar: mu.log().sum(1), "NaN or infinite"),
    "batch sum, as a float": (
        lambda *given: RIGHT_LOSSES["package"](*given).sum().item(),
        "this is one number",
    ),
    "an axis too many": (
        lambda *given: RIGHT_LOSSES["package"](*given)[:, None],
        "yours have shape [6, 1]",
    ),
    "half a batch": (lambda *given: RIGHT_LOSSES["package"](*given)[:3], "yours have shape [3]"),
    "probabilities": (
        lambda logits, x, mu, logvar: (
            _sum(binary_cross_entropy(logits, x, reduction="none")) + kl_standard_normal(mu, logvar)
        ),
        "logits for probabilities",
    ),
    "default": (
        lambda logits, x, mu, logvar: (
            binary_cross_entropy_with_logits(logits, x) + kl_standard_normal(mu, logvar)
        ),
        "the reconstruction loss is one number",
    ),
}


def _terms() -> list:
    """Each pair of a reconstruction loss and a KL, right or wrong, with what is wrong with both."""
    recons = [(bernoulli_nll, None), *nb02.RECON_LOSSES]
    kls = [(kl_standard_normal, None), *nb02.KLS]
    return [
        (_loss(recon, kl), its, problem) for (recon, its), (kl, problem) in product(recons, kls)
    ]


def test_of_two_mistakes_in_the_loss_one_is_named_first(said):
    """A mistake in each term, or in one, is never ok, and what is said of a term is true."""
    assert len(_terms()) >= 80
    for answer, of_recon, of_kl in _terms():
        text = said(check_vae_loss, answer)
        assert text.startswith(WRONG if of_recon or of_kl else OK)
        whole = [named in text for named in ("ELBO itself", "one number for the whole batch")]
        assert any(whole) or (of_recon or of_kl or "") in text


@pytest.mark.parametrize("reduce", [torch.mean, torch.sum, torch.amax, lambda loss: loss[0]])
def test_no_mixture_of_mistakes_and_a_reduction_is_a_right_loss(said, reduce):
    for answer, *_ in _terms():
        reduced = lambda *given, answer=answer: reduce(answer(*given))  # noqa: E731
        assert said(check_vae_loss, reduced).startswith(WRONG)


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
        "quotient": 784 / 20,
        "inverse": 1 / (20 / 784),
        "numpy": np.float32(39.2),
        "numpy double": np.float64(39.2),
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


def test_no_two_mistakes_in_a_sample_get_the_same_text_unless_they_are_the_same(said):
    texts = {
        name: said(check_reparameterize, answer) for name, (answer, _) in WRONG_SAMPLES.items()
    }
    for one, other in combinations(texts, 2):
        assert texts[one] != texts[other] or WRONG_SAMPLES[one][1] in texts[other], (one, other)
    assert len(set(texts.values())) >= 25
