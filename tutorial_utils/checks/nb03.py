"""Checks of the exercises of notebook 03: the KL to another prior, the importance-weighted bound, active dimensions."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..losses import kl_standard_normal
from .judge import call_answer, judge_values, wrong


def check_kl_to_wide_prior(function: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Notebook 03: KL(N(mu, exp(logvar)) || N(0, s² I)) of each image, in nats, for mu, logvar [B, D] and s > 0."""
    mu, logvar = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    s, log_s = 1.7, math.log(1.7)
    value = call_answer(function, mu.clone(), logvar.clone(), s)
    if value is None:
        return

    def kl(square, variance, log_ratio):
        return 0.5 * (square + variance - 1 - log_ratio).sum(1)

    m, v, r = mu.square() / s**2, logvar.exp() / s**2, logvar - 2 * log_s
    right = kl(m, v, r)
    half = "this lacks a ½: a Gaussian's log density has it in front of the square, so all terms here have it."
    root = (
        "s is the standard deviation of the prior, its variance is s². Somewhere s stands for s²."
    )
    mistakes = [
        (kl_standard_normal(mu, logvar), "this is the KL to N(0, I): it does not depend on s."),
        (kl(s * m, s * v, r), root),
        (kl(s * m, s * v, logvar - log_s), root),
        (kl(m, v, logvar - log_s), root),
        (
            kl(m, v, logvar),
            "this is not 0 where q is the prior: the log of the prior's variance is missing.",
        ),
        (
            kl(m, v, logvar + 2 * log_s),
            "this is not 0 where q is the prior: the log of s has the wrong sign.",
        ),
        (
            kl(mu.square(), v, r),
            "only the variance is measured in units of the prior. The mean should be too.",
        ),
        (
            kl(m, logvar.exp(), r),
            "only the mean is measured in units of the prior. The variance should be too.",
        ),
        (right + 2, "this is not 0 where q is the prior: a constant is missing in each dimension."),
        (2 * right, half),
        ((m + v - 0.5 * (1 + r)).sum(1), half),
        (
            right / 4,
            "this is a mean over the latent dimensions. Those of independent dimensions add up: sum.",
        ),
        (-right, "the sign is turned around: a KL divergence is never below 0."),
        (
            kl(m / v, 1 / v, -r),
            "the two are swapped: this is KL(prior || q). Which of them is the average over?",
        ),
        (
            kl(m, (2 * logvar).exp() / s**2, 2 * (logvar - log_s)),
            "logvar is log σ², you took it for log σ.",
        ),
    ]
    praise = "0 where q is the prior, and a mean costs less the wider the prior is."
    judge_values(
        value,
        right,
        mistakes,
        praise,
        "try q equal to the prior first: there every term has to cancel.",
    )


def check_iwae(function: Callable[[Tensor], Tensor]) -> None:
    """Notebook 03: the log of the mean of the weights of each image, [B], from their logs log_w [k, B]."""
    k, n = 7, 4
    log_w = 2 * torch.randn(k, n, generator=torch.Generator().manual_seed(0)) + torch.tensor(
        [-500.0, 500, -480, 520]
    )
    value = call_answer(function, log_w.clone())
    if value is None:
        return
    log_sum, over_images = log_w.logsumexp(0), log_w.logsumexp(1)
    right = log_sum - math.log(k)
    axis = "this works on the images: the first axis of log_w counts the samples, the second the images."
    mistakes = [
        (
            log_w.mean(0),
            "this is the mean of the logs: the ELBO again. Here the log comes after the mean.",
        ),
        (
            log_sum,
            "this is the log of a sum of weights. It grows with k: how does a sum become a mean?",
        ),
        (
            log_sum + math.log(k),
            "the sum is multiplied by k. A mean divides by it: mind the sign of its log.",
        ),
        (log_sum - k, "the number of samples is subtracted from a log. Only its log may be."),
        (
            log_sum / k,
            "the log is divided by k. It is the sum of weights that has to be, before the log.",
        ),
        (-right, "this is minus the bound. Asked for is the bound: the larger, the better."),
        *((over_images - shift, axis) for shift in (0, math.log(k), math.log(n))),
        (log_w.mean(1), axis),
    ]
    if value.numel() and not torch.isfinite(value).all():
        return wrong(
            "exponentials of log weights near −500 and +500 under- and overflow to 0 and ∞. Stay with logs."
        )
    praise = "the log of the mean, for log weights near −500 and +500 too."
    judge_values(
        value,
        right,
        mistakes,
        praise,
        "weights are the exponentials of log_w: average them, then one log.",
    )


def check_active_dimensions(function: Callable[[Tensor, float, float], int]) -> None:
    """Notebook 03: how many latent dimensions of the optimal linear VAE are active, from eigenvalues, beta and std."""
    eigenvalues = 10 ** (
        2 - 5 * torch.linspace(0, 1, 100) ** 1.3
    )  # no symmetry: active is never taken for inactive
    settings = [(3.0, 0.5), (0.3, 2.0)]  # beta, std
    counts = []
    for beta, std in settings:
        value = call_answer(function, eigenvalues.clone(), beta, std)
        if value is None:
            return
        if value.numel() != 1:
            what = (
                "marks for every dimension"
                if value.shape[:1] == (100,)
                else "the active ones, or where they are"
            )
            return wrong(
                f"these are {what}. How many dimensions are active is one number: count them."
            )
        counts.append(value.detach().reshape(()))
    thresholds = [  # exponents of beta and std in what the eigenvalues are compared with, what that shows
        (1, 2, "right"),
        (
            1,
            1,
            "eigenvalues are variances: compare them with the noise's variance, not its standard deviation.",
        ),
        (0, 2, "this does not depend on beta: it is right at β = 1 only."),
        (
            1,
            0,
            "this does not depend on std: noise in the pixels hides dimensions, more noise hides more.",
        ),
        (0, 1, "this does not depend on beta, and compares variances with a standard deviation."),
        (2, 2, "β comes out squared: was it, or were roots of eigenvalues taken?"),
        (
            2,
            4,
            "roots of eigenvalues are standard deviations: they are compared with a variance here.",
        ),
        (2, 0, "β comes out squared, and std does not come in at all."),
        (1, 4, "the noise's variance comes out squared: was std squared twice?"),
        (-1, 2, "this says that a larger β keeps more dimensions. It is the other way round."),
        (1, -2, "this says that more noise keeps more dimensions. It is the other way round."),
    ]
    (right, _), *mistakes = [
        (
            torch.tensor([float((eigenvalues > beta**p * std**q).sum()) for beta, std in settings]),
            text,
        )
        for p, q, text in thresholds
    ]
    mistakes.append(
        (100 - right, "these are the dimensions that are switched off. Count the others.")
    )
    praise = "a dimension is kept where what it explains outweighs the noise, β times over."
    hint = "that is not how many are active. Which variance is compared with which, and where does β come in?"
    judge_values(torch.stack(counts), right, mistakes, praise, hint)
