"""Checks of the exercises of notebook 02: the sampling step, the loss, its β."""

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from ..losses import bernoulli_nll, kl_standard_normal
from .judge import call_answer, judge_number, judge_values, ok, wrong


@torch.inference_mode(False)
def check_reparameterize(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 02: a sample z of N(mu, exp(logvar)), differentiable in mu and logvar, all of shape [B, D]."""
    generator = torch.Generator().manual_seed(
        2014
    )  # not a seed that a function is likely to use itself
    mu = (2 * torch.randn(4000, 5, generator=generator)).requires_grad_()
    logvar = (5 * torch.rand(4000, 5, generator=generator) - 3).requires_grad_()
    z = call_answer(
        function, mu.clone(), logvar.clone()
    )  # clones: a function may change its arguments
    again = None if z is None else call_answer(function, mu.clone(), logvar.clone(), seed=1)
    if again is None:
        return
    problem = _problem_of_sample(*(tensor.detach() for tensor in (z, again, mu, logvar)))
    problem = problem or _problem_of_gradient(z, mu, logvar)
    if problem:
        return wrong(problem)
    ok(
        "20,000 numbers have the right mean and spread, each its own noise, and gradients reach mu and logvar."
    )


def _problem_of_sample(z: Tensor, again: Tensor, mu: Tensor, logvar: Tensor) -> str | None:
    """What keeps z, and a second draw, from being a sample of N(mu, exp(logvar)); None when nothing does."""
    std, one = (0.5 * logvar).exp(), torch.ones_like(mu)
    if z.shape != mu.shape:
        return f"mu and logvar had shape {list(mu.shape)}, and so should z; yours has shape {list(z.shape)}."
    if not torch.isfinite(z).all():
        return "some samples are NaN or infinite. logvar is any real number, below 0 too: it has no root and no log."
    if torch.allclose(z, mu):
        return "this is the mean itself, for every draw. Nothing is random: where does the noise come in?"
    if torch.equal(z, again):
        return "two calls give the same z. Either there is no noise in it, or your function sets a seed."
    forms = [  # the center of z, its spread around it, what that shows
        (mu, std, None),
        (
            mu,
            std**2,
            "the noise is multiplied by the variance σ². What stretches a distribution is its σ.",
        ),
        (
            mu,
            logvar,
            "the noise is multiplied by logvar itself: a logarithm, below 0 as often as above. Undo the log.",
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
            "the noise is small where the variance is large, large where it is small: mind the signs.",
        ),
        (std, mu, "mu and σ have swapped places: the noise is multiplied by the mean."),
        (
            0 * mu,
            mu + std,
            "the noise multiplies the mean too. The mean is not random: only what is added to it is.",
        ),
        (0 * mu, std, "the spread is right, the center is not: the mean is missing."),
        (
            0 * mu,
            one,
            "this is noise from N(0, 1), the same for every image: neither mu nor logvar is used.",
        ),
    ]
    shared_by = {  # constant along the axis of images, of dimensions
        (True, False): "all images of the batch get the same noise. Draw it for each image anew.",
        (
            False,
            True,
        ): "all dimensions of an image get the same random number. Draw one for each dimension.",
        (
            True,
            True,
        ): "one single random number moves all images and all dimensions together. Each needs its own.",
    }
    for center, spread, problem in forms:
        noise = (z - center) / spread
        firsts = [noise.narrow(axis, 0, 1).expand_as(noise) for axis in (0, 1)]
        shared = tuple(torch.allclose(noise, first, rtol=1e-3, atol=1e-3) for first in firsts)
        if any(shared):
            return shared_by[shared]
        if _standard_normal(noise, mu, logvar):
            return problem
    noise = (z - mu) / std
    if (
        abs((noise - noise.mean()).pow(4).mean() / noise.var() ** 2 - 1.8) < 0.1
    ):  # 3 for a normal distribution
        return "the noise is uniform, all values in a range equally likely. Draw it from a normal distribution."
    return "these are not samples of this normal distribution: noise from N(0, 1), stretched by σ, moved to mu."


def _standard_normal(noise: Tensor, mu: Tensor, logvar: Tensor) -> bool:
    """Could these be draws from N(0, 1), independent of mu, logvar and their neighbors?  To six standard errors."""
    scaled = [(tensor - tensor.mean()) / tensor.std() for tensor in (mu, logvar)]
    traces = [torch.ones_like(noise), *scaled, noise.roll(1, 0), noise.roll(1, 1)]
    moments = [
        noise,
        (noise**2 - 1) / math.sqrt(2),
        (noise**4 - 3) / math.sqrt(96),
    ]  # mean 0, variance 1
    errors = torch.stack([(moment * trace).mean() for moment in moments for trace in traces])
    return bool((errors.abs() < 6 / math.sqrt(noise.numel())).all())


def _problem_of_gradient(z: Tensor, mu: Tensor, logvar: Tensor) -> str | None:
    """What is wrong with the gradients of a right sample; None when nothing is."""
    found: list[Tensor | None] = [None, None]
    if z.requires_grad:
        try:
            found = torch.autograd.grad(z.sum(), [mu, logvar], allow_unused=True)
        except Exception as error:
            return (
                f"the values are right, but backward stopped with {type(error).__name__}: {error}"
            )
    lost = [
        name
        for name, grad in zip(("mu", "logvar"), found, strict=True)
        if grad is None or not grad.any()
    ]
    if lost:
        return f"the values are right, but no gradient reaches {' and '.join(lost)}: training learns nothing there."
    rights = torch.ones_like(mu), 0.5 * (z - mu)
    exact = [
        torch.allclose(*pair, rtol=1e-3, atol=1e-3) for pair in zip(found, rights, strict=True)
    ]
    return (
        None
        if all(exact)
        else "the values are right, the gradients are not: a part of z is cut off from the graph."
    )


def check_vae_loss(loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> None:
    """Notebook 02: -ELBO of each image at β = 1, in nats, from logits, x [B, C, H, W] and mu, logvar [B, D]."""
    generator = torch.Generator().manual_seed(0)
    logits, x = 0.05 + 0.9 * torch.rand(
        2, 6, 1, 5, 8, generator=generator
    )  # in (0, 1): either could be the other
    mu, logvar = torch.randn(2, 6, 3, generator=generator)
    value = call_answer(loss, logits.clone(), x.clone(), mu.clone(), logvar.clone())
    if value is None:
        return
    recon_loss, kl = bernoulli_nll(logits, x), kl_standard_normal(mu, logvar)
    one_number = "is one number for the whole batch. Every image needs its own."
    recon_losses = [
        (recon_loss, None),
        (
            recon_loss / 40,
            "is a mean over the pixels: that makes β, silently, their number. Sum over pixels.",
        ),
        (recon_loss.mean() / 40, one_number),
        (recon_loss.sum(), one_number),
        (-recon_loss, "has the wrong sign: a loss is small where log p(x|z) is large."),
        (
            bernoulli_nll(logits.sigmoid(), x),
            "applies the sigmoid twice: the function with logits has it inside.",
        ),
        (
            bernoulli_nll(logits.logit(), x),
            "takes logits for probabilities. Logits are any real numbers.",
        ),
        (bernoulli_nll(x, logits), "has the image and the reconstruction swapped."),
    ]
    half = "lacks a ½: the Gaussian's log density has it in front of the square, and so in front of all four terms."
    kls = [
        (kl, None),
        (
            kl / 3,
            "is a mean over the latent dimensions: that makes β smaller, silently. Sum over dimensions.",
        ),
        (kl.mean() / 3, one_number),
        (kl.sum(), one_number),
        (-kl, "has the wrong sign: it is a cost, and never below 0."),
        (2 * kl, half),
        ((mu.square() + logvar.exp() - 0.5 * (1 + logvar)).sum(1), half),
        (
            kl_standard_normal(mu, 2 * logvar),
            "takes logvar for log σ. It is log σ², twice as much.",
        ),
        (kl + 1.5, "lacks its constant: it is 0 where q(z|x) is the prior."),
        (0 * kl, "is forgotten: without it, this is an autoencoder with noise."),
    ]
    mistakes = [
        (
            -recon_loss - kl,
            "this is the ELBO itself: training should make it large, and a loss small.",
        )
    ]
    for (first, its_problem), (second, problem) in list(product(recon_losses, kls))[1:]:
        text = f"the reconstruction loss {its_problem}" if its_problem else f"the KL {problem}"
        mistakes.append((first + second, text))
    praise = (
        "summed over pixels and latent dimensions, one value per image: in this loss β means β."
    )
    judge_values(
        value,
        recon_loss + kl,
        mistakes,
        praise,
        "compare each term alone with its formula in the text.",
    )


def check_effective_beta(answer: object) -> None:
    """Notebook 02: the β for sums of a loss with means over 28 x 28 pixels and over 20 latent dimensions."""
    misconceptions = {
        784: "that is β when only the cross-entropy is averaged. The mean over the latent dimensions counts too.",
        20: "that is the number of latent dimensions. The mean over the pixels counts too, and the other way.",
        1
        / 20: "that is β when only the KL is averaged. The mean over the pixels counts too, and weighs more.",
        784
        * 20: "one mean makes the cross-entropy small, the other the KL: they work against each other.",
        20
        / 784: "upside down: that is the weight of the cross-entropy when the KL has weight 1. β weighs the KL.",
        1: "it looks unweighted, but each mean divides a sum by the number of its terms: how many are there?",
    }
    praise = "two harmless means, and the KL weighs 39.2 times as much as in the ELBO. Sums keep β what it is."
    judge_number(
        answer,
        39.2,
        misconceptions,
        praise,
        "write both means as sums; multiply so that one has weight 1.",
    )
