"""Checks of notebook 03: the KL to another prior, the bound of many samples, active dimensions."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..losses import kl_standard_normal
from .judge import Check, named

# ---- the KL to a wide prior ----


def kl_to_wide_prior(mu: Tensor, logvar: Tensor, s: float) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, s² I)) of each image, in nats, for mu, logvar [B, D] and s."""
    return _kl(mu**2 / s**2, logvar.exp() / s**2, logvar - math.log(s**2))


def _kl(square: Tensor, variance: Tensor, log_ratio: Tensor) -> Tensor:
    """Of its three parts: mean², variance, and log of the variance, in units of the prior."""
    return 0.5 * (square + variance - 1 - log_ratio).sum(1)


def _posteriors() -> list[tuple[Tensor, Tensor, float]]:
    """The mu and logvar of several batches, and the s of a prior each."""
    generator = torch.Generator().manual_seed(0)
    settings = ((6, 4, 1.7), (4, 4, 0.6), (1, 3, 2.9))
    return [(*torch.randn(2, n, dims, generator=generator), s) for n, dims, s in settings]


HALF = (
    "this lacks a ½: a Gaussian's log density has it in front of the square, "
    "so all terms here have it."
)
check_kl_to_wide_prior = Check(
    "03",
    kl_to_wide_prior,
    cases=_posteriors,
    mistakes=named(
        "this is the KL to N(0, I): it does not depend on s.",
        lambda mu, logvar, s: kl_standard_normal(mu, logvar),
        "s is the standard deviation of the prior, its variance is s². Somewhere s stands for s².",
        lambda mu, logvar, s: _kl(mu**2 / s, logvar.exp() / s, logvar - math.log(s**2)),
        lambda mu, logvar, s: _kl(mu**2 / s, logvar.exp() / s, logvar - math.log(s)),
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp() / s**2, logvar - math.log(s)),
        "the prior is too wide: s² stands for s, a variance where a standard deviation belongs.",
        lambda mu, logvar, s: kl_to_wide_prior(mu, logvar, s**2),
        "the log of s is there once for each image. Each of its dimensions needs it.",
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp() / s**2, logvar) + math.log(s),
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp() / s**2, logvar) + math.log(s**2) / 2,
        "s is on the wrong side: the wider the prior, the less should a mean cost.",
        lambda mu, logvar, s: kl_to_wide_prior(mu, logvar, 1 / s),
        lambda mu, logvar, s: _kl(mu**2 * s**2, logvar.exp() * s**2, logvar - math.log(s**2)),
        "this is not 0 where q is the prior: the log of the prior's variance is missing.",
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp() / s**2, logvar),
        "this is not 0 where q is the prior: the log of s has the wrong sign.",
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp() / s**2, logvar + math.log(s**2)),
        "only the variance is measured in units of the prior. The mean should be too.",
        lambda mu, logvar, s: _kl(mu**2, logvar.exp() / s**2, logvar - math.log(s**2)),
        "only the mean is measured in units of the prior. The variance should be too.",
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp(), logvar - math.log(s**2)),
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp(), logvar),
        "this is not 0 where q is the prior: a constant is missing in each dimension.",
        lambda mu, logvar, s: kl_to_wide_prior(mu, logvar, s) + mu.shape[1] / 2,
        HALF,
        lambda mu, logvar, s: 2 * kl_to_wide_prior(mu, logvar, s),
        lambda mu, logvar, s: (
            kl_to_wide_prior(mu, logvar, s) + 0.5 * ((mu**2 + logvar.exp()) / s**2).sum(1)
        ),
        "this is a mean over the latent dimensions. Those of independent dimensions add up: sum.",
        lambda mu, logvar, s: kl_to_wide_prior(mu, logvar, s) / mu.shape[1],
        "the sign is turned around: a KL divergence is never below 0.",
        lambda mu, logvar, s: -kl_to_wide_prior(mu, logvar, s),
        "the two are swapped: this is KL(prior || q). Which of them is the average over?",
        lambda mu, logvar, s: _kl(
            mu**2 / logvar.exp(), s**2 / logvar.exp(), math.log(s**2) - logvar
        ),
        "logvar is log σ², you took it for log σ.",
        lambda mu, logvar, s: kl_to_wide_prior(mu, 2 * logvar, s),
        "σ stands for σ²: undo the log of logvar without a ½.",
        lambda mu, logvar, s: _kl(mu**2 / s**2, (logvar / 2).exp() / s**2, logvar - math.log(s**2)),
        "log σ stands for log σ², which is logvar as it is.",
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp() / s**2, logvar / 2 - math.log(s**2)),
        lambda mu, logvar, s: _kl(mu**2 / s**2, logvar.exp() / s**2, logvar / 2 - math.log(s)),
        "mu and logvar have swapped places.",
        lambda mu, logvar, s: kl_to_wide_prior(logvar, mu, s),
        "a softplus makes σ out of logvar. logvar is a logarithm: only an exponential undoes it.",
        lambda mu, logvar, s: kl_to_wide_prior(mu, 2 * softplus(logvar).log(), s),
        "this is divided by the number of images. Their mean belongs to the caller.",
        lambda mu, logvar, s: kl_to_wide_prior(mu, logvar, s) / len(mu),
    ),
    praise="0 where q is the prior, and a mean costs less the wider the prior is.",
    hint="try q equal to the prior first: there every term has to cancel.",
)

# ---- the tighter bound ----


def iwae(log_w: Tensor) -> Tensor:
    """The log of the mean of the weights of each image, [B], from their logs log_w [k, B]."""
    return log_w.logsumexp(0) - math.log(len(log_w))


def _log_weights() -> list[tuple[Tensor]]:
    """Log weights [k, B]: too small and too large for an exponential, far apart, and moderate."""
    generator = torch.Generator().manual_seed(0)
    settings = (  # k, spread, centers
        (7, 2, [-500, 500, -480, 520]),
        (6, 60, [-300, -250, -320, -280, -310]),
        (9, 2, [-3, 2, 0]),
        (4, 3, [-100]),
    )
    return [
        (spread * torch.randn(k, len(center), generator=generator) + torch.tensor(center),)
        for k, spread, center in settings
    ]


check_iwae = Check(
    "03",
    iwae,
    cases=_log_weights,
    mistakes=named(
        "this is the mean of the logs: the ELBO again. Here the log comes after the mean.",
        lambda log_w: log_w.mean(0),
        "this is the log of a sum of weights. It grows with k: how does a sum become a mean?",
        lambda log_w: log_w.logsumexp(0),
        "the sum is multiplied by k. A mean divides by it: mind the sign of its log.",
        lambda log_w: log_w.logsumexp(0) + math.log(len(log_w)),
        "the number of samples is subtracted from a log. Only its log may be.",
        lambda log_w: log_w.logsumexp(0) - len(log_w),
        "the mean of the shifted weights is right. What was subtracted in the exponent "
        "has to come back.",
        lambda log_w: (log_w - log_w.amax(0)).exp().mean(0).log(),
        lambda log_w: iwae(log_w) - 2 * log_w.amax(0),
        lambda log_w: log_w.logsumexp(0) - log_w.amax(0),
        "one maximum for all images: next to the largest of them, the weights of the others are 0. "
        "Each image needs its own.",
        lambda log_w: log_w.max() + (log_w - log_w.max()).exp().mean(0).log(),
        "this is the largest weight, a bound too, but only of the best draw. "
        "Where is the mean of the others?",
        lambda log_w: log_w.amax(0),
        lambda log_w: log_w.amax(0) - math.log(len(log_w)),
        "the weights are averaged, but no log is taken of their mean.",
        lambda log_w: log_w.amax(0) + (log_w - log_w.amax(0)).exp().mean(0),
        "a small number added in the log only hides that all exponentials underflowed to 0.",
        *(
            lambda log_w, tiny=tiny: (log_w.exp().mean(0) + tiny).log()
            for tiny in (
                1e-4,
                1e-5,
                1e-6,
                1e-7,
                1e-8,
                1e-9,
                1e-10,
                1e-12,
                1e-15,
                1e-16,
                1e-20,
                1e-30,
            )
        ),
        "the number of images is subtracted, as a log. The mean is over the samples.",
        lambda log_w: log_w.logsumexp(0) - math.log(log_w.shape[1]),
        "this is in bits. The bound is in nats, with natural logarithms.",
        lambda log_w: iwae(log_w) / math.log(2),
        lambda log_w: log_w.logsumexp(0) - math.log2(len(log_w)),
        "the log is divided by k. It is the sum of weights that has to be, before the log.",
        lambda log_w: log_w.logsumexp(0) / len(log_w),
        "this is minus the bound. Asked for is the bound: the larger, the better.",
        lambda log_w: -iwae(log_w),
        "this works on the images: the first axis of log_w counts the samples, "
        "the second the images.",
        lambda log_w: log_w.logsumexp(1),
        lambda log_w: log_w.logsumexp(1) - math.log(len(log_w)),
        lambda log_w: log_w.logsumexp(1) - math.log(log_w.shape[1]),
        lambda log_w: log_w.mean(1),
    ),
    praise="the log of the mean, for log weights near −500 and +500 too.",
    hint="weights are the exponentials of log_w: average them, then one log.",
    overflow="exponentials of log weights near −500 and +500, or of differences near 100, "
    "under- and overflow to 0 and ∞.",
    rtol=1e-5,  # of 500 nats
)

# ---- active dimensions ----


def active_dimensions(eigenvalues: Tensor, beta: float, std: float) -> Tensor:
    """How many latent dimensions of the optimal linear VAE are active: eigenvalues, beta, std."""
    return (eigenvalues > beta * std**2).sum()


def _spectra() -> list[tuple[Tensor, float, float]]:
    """Eigenvalues, beta and std; without symmetry: the active are never as many as the others.

    The last are in rising order, as `eigvalsh` returns them, and the third in none.
    """
    settings = ((100, 3.0, 0.5), (100, 0.3, 2.0), (70, 1.6, 0.8), (40, 2.5, 0.4))
    spectra = [10 ** (2 - 5 * torch.linspace(0, 1, n) ** 1.3) for n, *_ in settings]
    spectra[2] = spectra[2][torch.randperm(70, generator=torch.Generator().manual_seed(0))]
    spectra[3] = spectra[3].flip(0)
    return [(each, beta, std) for each, (_, beta, std) in zip(spectra, settings, strict=True)]


def _above(power_of_beta: int, power_of_std: int) -> Callable:
    """How many eigenvalues are above a product of powers of beta and std."""
    return lambda eigenvalues, beta, std: (
        eigenvalues > beta**power_of_beta * std**power_of_std
    ).sum()


check_active_dimensions = Check(
    "03",
    active_dimensions,
    cases=_spectra,
    mistakes=named(
        "eigenvalues are variances: compare them with the noise's variance, "
        "not its standard deviation.",
        _above(1, 1),
        "this does not depend on beta: it is right at β = 1 only.",
        _above(0, 2),
        "this does not depend on std: noise in the pixels hides dimensions, more noise hides more.",
        _above(1, 0),
        "this does not depend on beta, and compares variances with a standard deviation.",
        _above(0, 1),
        "β comes out squared: was it, or were roots of eigenvalues taken?",
        _above(2, 2),
        "roots of eigenvalues are standard deviations: they are compared with a variance here.",
        _above(2, 4),
        "β comes out squared, and std does not come in at all.",
        _above(2, 0),
        "the noise's variance comes out squared: was std squared twice?",
        _above(1, 4),
        "this says that a larger β keeps more dimensions. It is the other way round.",
        _above(-1, 2),
        "this says that more noise keeps more dimensions. It is the other way round.",
        _above(1, -2),
        "the threshold is half of what it should be: no ½ is left in it.",
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2 / 2).sum(),
        "the threshold is twice what it should be: no 2 is left in it.",
        lambda eigenvalues, beta, std: (eigenvalues > 2 * beta * std**2).sum(),
        "this stops at the first dimension that is switched off. Eigenvalues come in any order.",
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).long().cumprod(0).sum(),
        "this is a share of the dimensions. How many are active is a number: count them.",
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).float().mean(),
        "the eigenvalues of the active dimensions are added up. Count them.",
        lambda eigenvalues, beta, std: eigenvalues[eigenvalues > beta * std**2].sum(),
        "these are the dimensions that are switched off. Count the others.",
        lambda eigenvalues, beta, std: (eigenvalues <= beta * std**2).sum(),
        "these are marks for every dimension. How many are active is one number: count them.",
        lambda eigenvalues, beta, std: eigenvalues > beta * std**2,
        "these are the active ones, or where they are. How many they are is one number: "
        "count them.",
        lambda eigenvalues, beta, std: eigenvalues[eigenvalues > beta * std**2],
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).nonzero(),
        lambda eigenvalues, beta, std: (eigenvalues > beta * std**2).nonzero().flatten(),
    ),
    praise="a dimension is kept where what it explains outweighs the noise, β times over.",
    hint="that is not how many are active. Which variance is compared with which, "
    "and where does β come in?",
    form="how many dimensions are active is one number",
    rtol=1e-6,
)
