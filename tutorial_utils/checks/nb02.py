"""Checks of the exercises of notebook 02: the sampling step, the loss, its β."""

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ..losses import bernoulli_nll, kl_standard_normal
from .judge import Check, call_answer, named, ok, usual_settings, wrong

# ---- the sampling step ----


@usual_settings()
def check_reparameterize(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 02: a sample z of N(mu, exp(logvar)), differentiable in both; all [B, D]."""
    generator = torch.Generator().manual_seed(2014)  # not a seed that a function may use itself
    mu = (2 * torch.randn(4000, 5, generator=generator)).requires_grad_()
    logvar = (5 * torch.rand(4000, 5, generator=generator) - 3).requires_grad_()
    samples = []
    for seed in (0, 1):  # with clones: a function may change its arguments
        samples.append(call_answer(function, mu.clone(), logvar.clone(), seed=seed))
        if samples[-1] is None:
            return None
    problem = _problem_of_sample(*(tensor.detach() for tensor in (*samples, mu, logvar)))
    problem = problem or _problem_of_gradient(samples[0], mu, logvar)
    if problem:
        return wrong(problem)
    return ok(
        "20,000 numbers have the right mean and spread, each its own noise, "
        "and gradients reach mu and logvar."
    )


def _problem_of_sample(z: Tensor, again: Tensor, mu: Tensor, logvar: Tensor) -> str | None:
    """What keeps z, and a second sample, from being samples of N(mu, exp(logvar)), or None."""
    if z.shape != mu.shape:
        shapes = [list(tensor.shape) for tensor in (mu, z)]
        return f"mu and logvar had shape {shapes[0]}, and so should z; yours has shape {shapes[1]}."
    if not torch.isfinite(z).all():
        return (
            "some samples are NaN or infinite. logvar is any real number, below 0 too: "
            "it has no root and no log."
        )
    if torch.allclose(z, mu):
        return (
            "this is the mean itself, for every draw. Nothing is random: "
            "where does the noise come in?"
        )
    if torch.equal(z, again):
        return (
            "two calls give the same z. Either there is no noise in it, or your function sets a "
            "seed."
        )
    return _problem_of_noise(z, mu, logvar)


def _problem_of_noise(z: Tensor, mu: Tensor, logvar: Tensor) -> str | None:
    """What is wrong with the center, the spread or the noise of a sample; None when nothing is."""
    for center, spread, problem in _forms(mu, logvar):
        noise = (z - center) / spread
        firsts = [noise.narrow(axis, 0, 1).expand_as(noise) for axis in (0, 1)]
        shared = tuple(torch.allclose(noise, first, rtol=1e-3, atol=1e-3) for first in firsts)
        if any(shared):
            return SHARED_NOISE[shared]
        if _standard_normal(noise, mu, logvar):
            return problem
    noise = (z - mu) / (0.5 * logvar).exp()
    kurtosis = (noise - noise.mean()).pow(4).mean() / noise.var() ** 2
    if abs(kurtosis - 1.8) < 0.1:  # it is 3 for a normal distribution
        return (
            "the noise is uniform, all values in a range equally likely. "
            "Draw it from a normal distribution."
        )
    return (
        "these are not samples of this normal distribution: "
        "noise from N(0, 1), stretched by σ, moved to mu."
    )


SHARED_NOISE = {  # is the noise the same for all images, and for all dimensions?
    (True, False): "all images of the batch get the same noise. Draw it for each image anew.",
    (False, True): "all dimensions of an image get the same random number. Draw one for each.",
    (True, True): "one single random number moves all images and all dimensions together. "
    "Each needs its own.",
}


def _forms(mu: Tensor, logvar: Tensor) -> list[tuple[Tensor, Tensor, str | None]]:
    """Centers and spreads that a sample may have, and what each shows; the right ones first."""
    std, one = (0.5 * logvar).exp(), torch.ones_like(mu)
    return [
        (mu, std, None),
        (
            mu,
            std**2,
            "the noise is multiplied by the variance σ². What stretches a distribution is its σ.",
        ),
        (
            mu,
            logvar,
            "the noise is multiplied by logvar itself: a logarithm, below 0 as often as above. "
            "Undo the log.",
        ),
        (
            mu,
            0.5 * logvar,
            "the noise is multiplied by half of logvar: that is the log of σ. Undo the log.",
        ),
        (
            mu,
            one,
            "noise of one size: z misses mu by as much in every dimension, whatever logvar says.",
        ),
        (
            mu + std,
            one,
            "noise of one size: σ is added, which moves z. It should stretch the noise.",
        ),
        (
            mu,
            1 / std,
            "the noise is small where the variance is large, large where it is small: "
            "mind the signs.",
        ),
        (std, mu, "mu and σ have swapped places: the noise is multiplied by the mean."),
        (
            0 * mu,
            mu + std,
            "the noise multiplies the mean too. The mean is not random: "
            "only what is added to it is.",
        ),
        (0 * mu, std, "the spread is right, the center is not: the mean is missing."),
        (
            0 * mu,
            one,
            "this is noise from N(0, 1), the same for every image: neither mu nor logvar is used.",
        ),
    ]


def _standard_normal(noise: Tensor, mu: Tensor, logvar: Tensor) -> bool:
    """Is noise from N(0, 1) and independent of mu, logvar, neighbors?  To six standard errors."""
    scaled = [(tensor - tensor.mean()) / tensor.std() for tensor in (mu, logvar)]
    traces = [torch.ones_like(noise), *scaled, noise.roll(1, 0), noise.roll(1, 1)]
    moments = [  # each of mean 0 and variance 1
        noise,
        (noise**2 - 1) / math.sqrt(2),
        (noise**4 - 3) / math.sqrt(96),
    ]
    errors = torch.stack([(moment * trace).mean() for moment in moments for trace in traces])
    return bool((errors.abs() < 6 / math.sqrt(noise.numel())).all())


def _problem_of_gradient(z: Tensor, mu: Tensor, logvar: Tensor) -> str | None:
    """What is wrong with the gradients of a right sample; None when nothing is."""
    found: list[Tensor | None] = [None, None]
    if z.requires_grad:
        try:
            found = torch.autograd.grad(z.sum(), [mu, logvar], allow_unused=True)
        except Exception as error:
            name = type(error).__name__
            return f"the values are right, but backward stopped with {name}: {error}"
    pairs = zip(("mu", "logvar"), found, strict=True)
    lost = " and ".join(name for name, grad in pairs if grad is None or not grad.any())
    if lost:
        return (
            f"the values are right, but no gradient reaches {lost}: training learns nothing there."
        )
    right = torch.ones_like(mu), 0.5 * (z - mu)
    exact = [torch.allclose(*pair, rtol=1e-3, atol=1e-3) for pair in zip(found, right, strict=True)]
    if all(exact):
        return None
    return "the values are right, the gradients are not: a part of z is cut off from the graph."


# ---- the loss ----


def vae_loss(logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """-ELBO of each image at β = 1, in nats, of (logits, x [B, C, H, W], mu, logvar [B, D])."""
    return bernoulli_nll(logits, x) + kl_standard_normal(mu, logvar)


def _batches() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Logits, x, mu, logvar.  Logits in (0, 1) could be taken for x; the last are any numbers."""
    generator = torch.Generator().manual_seed(0)
    cases = []
    for images, dims, scale in (((6, 1, 5, 8), 3, 1), ((4, 3, 2, 3), 5, 1), ((1, 1, 6, 4), 2, 9)):
        logits, x = 0.05 + 0.9 * torch.rand(2, *images, generator=generator)
        mu, logvar = torch.randn(2, images[0], dims, generator=generator)
        cases.append(((logits - 0.5) * scale + 0.5, x, mu, logvar))
    return cases


def _cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    """Of each pixel."""
    return binary_cross_entropy_with_logits(logits, x, reduction="none")


def _kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Of each image in each dimension, [B, D]."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


ONE_NUMBER = "is one number for the whole batch. Every image needs its own."
HALF = (
    "lacks a ½: the Gaussian's log density has it in front of the square, "
    "and so in front of all four terms."
)
RECON_LOSSES = named(
    "has the wrong sign: a loss is small where log p(x|z) is large.",
    lambda logits, x: -bernoulli_nll(logits, x),
    ONE_NUMBER,
    lambda logits, x: _cross_entropy(logits, x).sum(),
    lambda logits, x: _cross_entropy(logits, x).mean(),
    "is a mean over the pixels: that makes β, silently, their number. Sum over pixels.",
    lambda logits, x: _cross_entropy(logits, x).mean((1, 2, 3)),
    "applies the sigmoid twice: the function with logits has it inside.",
    lambda logits, x: bernoulli_nll(logits.sigmoid(), x),
    "takes logits for probabilities. Logits are any real numbers.",
    lambda logits, x: bernoulli_nll(logits.logit(), x),
    "has the image and the reconstruction swapped.",
    lambda logits, x: _cross_entropy(x, logits).flatten(1).sum(1),
)
KLS = named(
    "has the wrong sign: it is a cost, and never below 0.",
    lambda mu, logvar: -kl_standard_normal(mu, logvar),
    ONE_NUMBER,
    lambda mu, logvar: _kl(mu, logvar).sum(),
    lambda mu, logvar: _kl(mu, logvar).mean(),
    "is a mean over the latent dimensions: that makes β smaller, silently. Sum over dimensions.",
    lambda mu, logvar: _kl(mu, logvar).mean(1),
    HALF,
    lambda mu, logvar: 2 * kl_standard_normal(mu, logvar),
    lambda mu, logvar: (mu.square() + logvar.exp() - 0.5 * (1 + logvar)).sum(1),
    "takes logvar for log σ. It is log σ², twice as much.",
    lambda mu, logvar: kl_standard_normal(mu, 2 * logvar),
    "lacks its constant: it is 0 where q(z|x) is the prior.",
    lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - logvar).sum(1),
    "is forgotten: without it, this is an autoencoder with noise.",
    lambda mu, logvar: torch.zeros(len(mu)),
)


def _wrong_losses() -> list[tuple[Callable, str]]:
    """Mistakes in one of the two terms or in both; then that in the reconstruction is named."""
    recon_losses = [(bernoulli_nll, None), *RECON_LOSSES]
    kls = [(kl_standard_normal, None), *KLS]
    found = []
    for (i, (recon, its)), (j, (kl, problem)) in product(enumerate(recon_losses), enumerate(kls)):
        if i == j < 3:  # right, the ELBO itself, and the sum over the batch
            continue
        text = f"the reconstruction loss {its}" if its else f"the KL {problem}"
        found.append((_total(recon, kl), text))
    return found


def _total(recon: Callable, kl: Callable) -> Callable:
    return lambda logits, x, mu, logvar: recon(logits, x) + kl(mu, logvar)


check_vae_loss = Check(
    "02",
    vae_loss,
    cases=_batches,
    mistakes=[
        *named(
            "this is the ELBO itself: training should make it large, and a loss small.",
            lambda *given: -vae_loss(*given),
        ),
        *_wrong_losses(),
    ],
    praise="summed over pixels and latent dimensions, one value per image: in this loss β means β.",
    hint="compare each term alone with its formula in the text.",
)

# ---- β ----


def effective_beta() -> float:
    """The β for sums of a loss with means over 28 x 28 pixels and over 20 latent dimensions."""
    return 28 * 28 / 20


check_effective_beta = Check(
    "02",
    effective_beta,
    mistakes=named(
        "that is β when only the cross-entropy is averaged. "
        "The mean over the latent dimensions counts too.",
        784,
        "that is the number of latent dimensions. "
        "The mean over the pixels counts too, and the other way.",
        20,
        "that is β when only the KL is averaged. "
        "The mean over the pixels counts too, and weighs more.",
        1 / 20,
        "one mean makes the cross-entropy small, the other the KL: they work against each other.",
        784 * 20,
        "upside down: that is the weight of the cross-entropy when the KL has weight 1. "
        "β weighs the KL.",
        20 / 784,
        "it looks unweighted, but each mean divides a sum by the number of its terms: "
        "how many are there?",
        1,
    ),
    praise="two harmless means, and the KL weighs 39.2 times as much as in the ELBO. "
    "Sums keep β what it is.",
    hint="write both means as sums; multiply so that one has weight 1.",
)
