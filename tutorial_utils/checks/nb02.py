"""Checks of the exercises of notebook 02: the sampling step, the loss, its β."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from ..losses import bernoulli_nll, kl_standard_normal, squared_error
from .judge import Check, Verdict, call_answer, named, ok, usual_settings, wrong
from .numbers import numbers_of, spacing_of

# ---- gradients ----


def _problem_of_gradients(
    value: Tensor, to: dict[str, Tensor], right: Tensor, off: float = 1e-3
) -> str | None:
    """What is wrong with the gradients of a value, which is right itself; None when nothing is.

    to: the tensors that a gradient should reach, by their names.  right: the value with the right
    gradients to the same tensors.  off: how far off they may be.
    """
    tensors = list(to.values())
    found: list[Tensor | None] = [None] * len(tensors)
    if value.requires_grad:
        try:
            found = torch.autograd.grad(value.sum(), tensors, allow_unused=True)
        except Exception as error:
            name = type(error).__name__
            return f"the values are right, but backward stopped with {name}: {error}"
    lost = [name for name, grad in zip(to, found, strict=True) if grad is None or not grad.any()]
    if lost:
        names = " and ".join(lost)
        return (
            f"the values are right, but no gradient reaches {names}: training learns nothing there."
        )
    pairs = zip(found, torch.autograd.grad(right.sum(), tensors), strict=True)
    if all(torch.allclose(*pair, rtol=off, atol=off) for pair in pairs):
        return None
    return "the values are right, the gradients are not: a part is cut off from the graph."


# ---- the sampling step ----


@usual_settings()
def check_reparameterize(function: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """Notebook 02: a sample z of N(mu, exp(logvar)), differentiable in both; all [B, D]."""
    generator = torch.Generator().manual_seed(2014)  # not a seed that a function may use itself
    mu = (2 * torch.randn(4000, 5, generator=generator)).requires_grad_()
    logvar = (5 * torch.rand(4000, 5, generator=generator) - 3).requires_grad_()
    samples = []
    for seed in (0, 1):  # with clones: a function may change its arguments
        samples.append(call_answer(function, mu.clone(), logvar.clone(), seed=seed))
        if isinstance(samples[-1], Verdict):
            return samples[-1]
    problem = _problem_of_sample(*(tensor.detach() for tensor in (*samples, mu, logvar)))
    if not problem:
        eps = ((samples[0] - mu) / (0.5 * logvar).exp()).detach()
        right = mu + eps * (0.5 * logvar).exp()
        problem = _problem_of_gradients(samples[0], {"mu": mu, "logvar": logvar}, right)
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
            logvar,
            (0.5 * mu).exp(),
            "mu and logvar have swapped places: the noise is stretched by what mu says.",
        ),
        (
            mu,
            softplus(logvar),
            "a softplus makes σ out of logvar. logvar is a logarithm: only an exponential undoes "
            "it.",
        ),
        (
            mu,
            std.sqrt(),
            "the noise is multiplied by the root of σ: the ½ that makes σ out of logvar came "
            "in twice.",
        ),
        (
            mu,
            std**4,
            "logvar is doubled before the log is undone. It is the log of the variance: "
            "where is its ½?",
        ),
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
        logits = (logits - 0.5) * scale + 0.5
        cases.append((logits.requires_grad_(), x, mu.requires_grad_(), logvar.requires_grad_()))
    return cases


def _cut_off(given: tuple[Tensor, ...], loss: object) -> str | None:
    """What is wrong with the gradients of a loss with the right values; None when nothing is."""
    logits, _, mu, logvar = given
    to = {"logits": logits, "mu": mu, "logvar": logvar}
    off = 1e-3 + 6 * spacing_of(loss)
    return _problem_of_gradients(numbers_of(loss), to, vae_loss(*given), off)


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
    "is a mean over the pixels: that makes β, silently, their number. Sum over pixels.",
    lambda logits, x: _cross_entropy(logits, x).mean((1, 2, 3)),
    "is a squared error. Asked for is the cross-entropy of the pixels, given the logits.",
    lambda logits, x: squared_error(logits.sigmoid(), x),
    lambda logits, x: squared_error(logits.sigmoid(), x) / 2,
    lambda logits, x: squared_error(logits.sigmoid(), x) / x[0].numel(),
    lambda logits, x: (logits.sigmoid() - x).square().mean(),
    ONE_NUMBER,
    lambda logits, x: _cross_entropy(logits, x).sum(),
    lambda logits, x: _cross_entropy(logits, x).mean(),
    lambda logits, x: bernoulli_nll(logits, x).mean(),
    "is a squared error of logits. Asked for is the cross-entropy, which takes them as they are.",
    lambda logits, x: squared_error(logits, x),
    lambda logits, x: squared_error(logits, x) / 2,
    "has the wrong sign: a loss is small where log p(x|z) is large.",
    lambda logits, x: -bernoulli_nll(logits, x),
    "applies the sigmoid twice: the function with logits has it inside.",
    lambda logits, x: bernoulli_nll(logits.sigmoid(), x),
    "takes logits for probabilities. Logits are any real numbers.",
    lambda logits, x: bernoulli_nll(logits.logit(), x),
    lambda logits, x: bernoulli_nll(logits.clamp(0, 1).logit(), x),
    "has the image and the reconstruction swapped.",
    lambda logits, x: _cross_entropy(x, logits).sum((1, 2, 3)),
    lambda logits, x: _cross_entropy(x, logits.sigmoid()).sum((1, 2, 3)),
    "is summed over some axes of an image and averaged over others. Sum over all three.",
    *(
        lambda logits, x, axes=axes: (
            _cross_entropy(logits, x).mean(axes, keepdim=True).sum((1, 2, 3))
        )
        for axes in (1, 2, 3, (1, 2), (1, 3), (2, 3))
    ),
    "is divided by the number of images. That mean is taken later; here is one value per image.",
    lambda logits, x: bernoulli_nll(logits, x) / len(x),
    "is in bits: its logarithms are of base 2. A nat is a natural one.",
    lambda logits, x: bernoulli_nll(logits, x) / math.log(2),
    "is forgotten: without it, nothing ties the code to its image.",
    lambda logits, x: torch.zeros(len(x)),
)
FREQUENT = RECON_LOSSES[:2]  # also found together with a mistake in the KL
KLS = named(
    "has the wrong sign: it is a cost, and never below 0.",
    lambda mu, logvar: -kl_standard_normal(mu, logvar),
    ONE_NUMBER,
    lambda mu, logvar: _kl(mu, logvar).sum(),
    lambda mu, logvar: _kl(mu, logvar).mean(),
    lambda mu, logvar: kl_standard_normal(mu, logvar).mean(),
    "is a mean over the latent dimensions: that makes β smaller, silently. Sum over dimensions.",
    lambda mu, logvar: _kl(mu, logvar).mean(1),
    HALF,
    lambda mu, logvar: 2 * kl_standard_normal(mu, logvar),
    lambda mu, logvar: (mu.square() + logvar.exp() - 0.5 * (1 + logvar)).sum(1),
    lambda mu, logvar: (mu.square() + logvar.exp() - 1 - 0.5 * logvar).sum(1),
    "takes logvar for log σ. It is log σ², twice as much.",
    lambda mu, logvar: kl_standard_normal(mu, 2 * logvar),
    "has σ where σ² belongs: undo the log of logvar without a ½.",
    lambda mu, logvar: 0.5 * (mu.square() + (logvar / 2).exp() - 1 - logvar).sum(1),
    "has log σ where log σ² belongs, which is logvar as it is.",
    lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - 1 - logvar / 2).sum(1),
    "halves logvar first: but both its terms are about σ², not σ.",
    lambda mu, logvar: kl_standard_normal(mu, logvar / 2),
    "has a softplus where logvar is a logarithm: only an exponential undoes that.",
    lambda mu, logvar: kl_standard_normal(mu, 2 * softplus(logvar).log()),
    lambda mu, logvar: kl_standard_normal(mu, softplus(logvar).log()),
    lambda mu, logvar: 0.5 * (mu.square() + softplus(logvar) - 1 - logvar).sum(1),
    "is divided by the number of images. That mean is taken later; here is one value per image.",
    lambda mu, logvar: kl_standard_normal(mu, logvar) / len(mu),
    "has mu and logvar swapped.",
    lambda mu, logvar: kl_standard_normal(logvar, mu),
    "is the other one, KL(prior || q). Which of them is the average over?",
    lambda mu, logvar: kl_standard_normal(mu / (logvar / 2).exp(), -logvar),
    "lacks the square of mu.",
    lambda mu, logvar: 0.5 * (mu + logvar.exp() - 1 - logvar).sum(1),
    lambda mu, logvar: 0.5 * (mu.abs() + logvar.exp() - 1 - logvar).sum(1),
    "is in bits: its logarithms are of base 2. A nat is a natural one.",
    lambda mu, logvar: kl_standard_normal(mu, logvar) / math.log(2),
    "lacks its constant: it is 0 where q(z|x) is the prior.",
    lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - logvar).sum(1),
    "is forgotten: without it, this is an autoencoder with noise.",
    lambda mu, logvar: torch.zeros(len(mu)),
)


def _wrong_losses() -> list[tuple[Callable, str]]:
    """Mistakes in one of the two terms, or in both; then that in the reconstruction is named."""
    in_kl = [(_total(bernoulli_nll, kl), f"the KL {problem}") for kl, problem in KLS]
    in_recon = [
        (_total(recon, kl), f"the reconstruction loss {problem}")
        for recon, problem in RECON_LOSSES
        for kl, other in [(kl_standard_normal, None), *KLS]
        if other is None or (recon, problem) in FREQUENT
    ]
    return in_kl + in_recon


def _total(recon: Callable, kl: Callable) -> Callable:
    return lambda logits, x, mu, logvar: recon(logits, x) + kl(mu, logvar)


check_vae_loss = Check(
    "02",
    vae_loss,
    cases=_batches,
    look=_cut_off,
    mistakes=[
        *named(
            "this is the ELBO itself: training should make it large, and a loss small.",
            lambda *given: -vae_loss(*given),
            "all of it is in bits: the logarithms are of base 2. A nat is a natural one.",
            lambda *given: vae_loss(*given) / math.log(2),
            "all of it is divided by the number of images. That mean is taken later; "
            "here is one value per image.",
            lambda *given: vae_loss(*given) / len(given[0]),
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
        "upside down, and only one of the means. That over the latent dimensions counts too.",
        1 / 784,
        "one of the two is off by a factor: an image has 28 rows and 28 columns of pixels.",
        28 / 20,
        "nearly: it is no whole number. Give the quotient, or one decimal.",
        *(39, 40),
        "there is no ½ and no 2 in it: only the numbers of terms of the two means count.",
        *(784 / 40, 784 / 10, 784 / 2),
        "it looks unweighted, but each mean divides a sum by the number of its terms: "
        "how many are there?",
        1,
    ),
    praise="two harmless means, and the KL weighs 39.2 times as much as in the ELBO. "
    "Sums keep β what it is.",
    hint="write both means as sums; multiply so that one has weight 1.",
)
