"""Filling in missing pixels (notebook 09): samples of them given the observed ones, from a VAE."""

import torch
from torch import Tensor

from ..evidence import log_normal
from ..losses import bernoulli_nll
from ..models import VAE, reparameterize
from ..support.arguments import float_tensor, unit_interval


def log_weight(logits: Tensor, x: Tensor, z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Log importance weight log p(x, z) - log q(z|x) of each pair of x and z, [B], in nats.

    As `evidence.log_weights`, but of codes z that are given; q(z|x) = N(mu, exp(logvar)).
    logits: the decoded z.  x: zeros and ones.  Both [B, C, H, W].  z, mu, logvar: [B, D].
    """
    log_lik = -bernoulli_nll(logits, x)
    zero = torch.zeros_like(z)
    return log_lik + log_normal(z, zero, zero) - log_normal(z, mu, logvar)


@torch.no_grad()
def fill_missing(model: VAE, x: Tensor, seen: Tensor, *, n_steps: int) -> tuple[Tensor, Tensor]:
    """A sample of the missing pixels given the observed ones, and their means at the last code.

    One Markov chain per image, Metropolis-within-Gibbs: Mattei and Frellsen (2018), algorithm 2.
    The chains start from the prior.  In the first half of the steps every proposal is accepted
    (pseudo-Gibbs: Rezende et al., 2014), so that they soon fit the observed pixels.

    model: a VAE with Bernoulli pixels.  x: [B, C, H, W] of zeros and ones; its missing pixels are
    ignored.  seen: bool, True where a pixel is observed; it broadcasts to x.
    Returns sample and mean, [B, C, H, W] each; both have the observed pixels of x.
    """
    float_tensor("x", x, ndim=4)
    if seen.dtype != torch.bool or n_steps < 0:
        raise ValueError(f"seen must be bool, n_steps not negative, got {seen.dtype}, {n_steps}")
    unit_interval("x, where it is observed,", x.where(seen, torch.zeros_like(x)))
    z = torch.randn(len(x), model.latent_dim)
    logits = model.decode(z)
    for step in range(n_steps):
        x = torch.where(seen, x, torch.bernoulli(logits.sigmoid()))
        mu, logvar = model.encode(x)
        new_z = reparameterize(mu, logvar)
        new = model.decode(new_z)
        log_ratio = log_weight(new, x, new_z, mu, logvar) - log_weight(logits, x, z, mu, logvar)
        accept = torch.rand(len(x)).log() < log_ratio
        if step < n_steps // 2:
            accept = torch.ones_like(accept)
        z = torch.where(accept[:, None], new_z, z)
        logits = torch.where(accept[:, None, None, None], new, logits)
    recon = logits.sigmoid()
    return torch.where(seen, x, torch.bernoulli(recon)), torch.where(seen, x, recon)
