"""Losses: one value per example, in nats, summed over pixels and latent dimensions.

The caller takes the mean.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from .models import VAE
from .support.arguments import classes_of, float_tensor, pixels, positive_number, same_shape


def squared_error(recon: Tensor, x: Tensor) -> Tensor:
    """Squared error of each example, summed over its pixels.

    Built in notebook 01.  recon, x: [B, ...], the same shape.  Returns [B].
    """
    same_shape("recon", recon, "x", x, least=2)
    return (recon - x).square().flatten(1).sum(1)


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) for Bernoulli pixels with these logits, of each example, in nats.

    For gray x in [0, 1] this is the cross-entropy, not a likelihood: its minimum is above 0.
    logits, x: [B, ...], the same shape; x in [0, 1].  Returns [B].
    """
    pixels("logits", logits, "x", x)
    return binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def continuous_bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) for pixels of density exp(logit * x) / const on [0, 1], of each example, in nats.

    Loaiza-Ganem and Cunningham (2019); notebook 03, section 5.  torch's ContinuousBernoulli is no
    density for logits beyond 16.  logits, x: [B, ...], the same shape; x in [0, 1].  Returns [B].
    """
    pixels("logits", logits, "x", x)
    return (log_partition(logits) - x * logits).flatten(1).sum(1)


def log_partition(logits: Tensor) -> Tensor:
    """log((e^logit - 1) / logit), the log of the integral of exp(logit * x) over x in [0, 1]."""
    near, far, is_near = _near_and_far(logits)
    s = near.square()
    series = s * (1 / 24 - s / 2880)
    return logits / 2 + torch.where(is_near, series, (far.expm1() / far).log() - far / 2)


def continuous_bernoulli_mean(logits: Tensor) -> Tensor:
    """The mean of each continuous Bernoulli pixel, in (0, 1); it is not the sigmoid of the logit.

    It is the derivative of `log_partition`.  logits: any shape.  Returns the same shape.
    """
    near, far, is_near = _near_and_far(logits)
    series = 0.5 + near * (1 / 12 - near.square() / 720)
    below = far.exp() / far.expm1() - 1 / far  # of the logit -|logit|
    return torch.where(is_near, series, torch.where(logits > 0, 1 - below, below))


def _near_and_far(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits for a series near 0, -|logit| for a formula that loses digits there, what to take."""
    size = float_tensor("logits", logits).abs()
    # Limits, so that no gradient is infinite where the other one is taken.
    return logits.clamp(-1, 1), -size.clamp(min=0.02), size < 0.05


@torch.no_grad()
def continuous_bernoulli_sample(logits: Tensor) -> Tensor:
    """A draw of each continuous Bernoulli pixel, in [0, 1], by inverting its distribution function.

    logits: any shape.  Returns the same shape, without a gradient.
    """
    size = float_tensor("logits", logits).abs().clamp(min=1e-4)
    below = -(torch.rand_like(size) * (-size).expm1()).log1p() / size  # of the logit -size
    return torch.where(logits > 0, 1 - below, below)


def gaussian_nll(mean: Tensor, x: Tensor, *, std: float = 1.0) -> Tensor:
    """-log p(x|z) for Gaussian pixels N(mean, std^2), of each example, in nats.

    mean, x: [B, ...], the same shape; std: in the units of x.  Returns [B].
    """
    positive_number("std", std)
    same_shape("mean", mean, "x", x, least=2)
    constant = math.log(std) + 0.5 * math.log(2 * math.pi)
    return 0.5 * squared_error(mean, x) / std**2 + x[0].numel() * constant


def kl_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)) of each example, in nats.

    Kingma and Welling (2014), appendix B.  mu, logvar: [B, D] (or [D], of one).  Returns [B].
    """
    same_shape("mu", mu, "logvar", logvar)
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(-1)


def negative_elbo(model: VAE, x: Tensor, *, beta: float = 1.0) -> dict[str, Tensor]:
    """The VAE's loss with one sample of z, recon_loss + beta * kl, in nats; -ELBO if beta = 1.

    Kingma and Welling (2014), eq. (10); beta as in Higgins et al. (2017), eq. (4). model: VAE with
    Bernoulli pixels.  x: [B, C, H, W] in [0, 1].  Returns {"loss", "recon_loss", "kl"}.
    """
    out = model(float_tensor("x", x))
    recon_loss = bernoulli_nll(out.logits, x)
    kl = kl_standard_normal(out.mu, out.logvar)
    loss = recon_loss + beta * kl
    return {"loss": loss, "recon_loss": recon_loss, "kl": kl}


def class_loss(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Cross-entropy and accuracy of each example.  x: [B, C, H, W], y: [B], classes from 0 on.

    Returns {"loss", "accuracy"}, [B] each.
    """
    classes_of(y, float_tensor("x", x), "x")
    logits = model(x)
    loss = cross_entropy(logits, y.long(), reduction="none")
    return {"loss": loss, "accuracy": (logits.argmax(1) == y).float()}


def kl_per_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """The KL of each latent dimension, in nats, a mean over images; their sum is `kl`.

    Notebook 03.  mu, logvar: [N, D].  Returns [D].
    """
    same_shape("mu", float_tensor("mu", mu, ndim=2), "logvar", logvar)
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)
