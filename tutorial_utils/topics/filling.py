"""Filling in what is missing: draws of the unseen pixels given the seen ones, from a trained VAE.

Notebook 09.
"""

import torch
from torch import Tensor

from ..evidence import log_normal
from ..losses import bernoulli_nll
from ..models import VAE, reparameterize


def log_weight(logits: Tensor, x: Tensor, z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log p(x, z) - log q(z|x) of each pair, in nats, where q(z|x) = N(mu, exp(logvar)).

    As `evidence.log_weights`, for given z.  logits: what z is decoded to.  x: of zeros and ones;
    both [B, C, H, W]. z, mu, logvar: [B, D].  Returns [B].
    """
    log_lik = -bernoulli_nll(logits, x)
    zero = torch.zeros_like(z)
    return log_lik + log_normal(z, zero, zero) - log_normal(z, mu, logvar)


@torch.no_grad()
def fill_missing(model: VAE, x: Tensor, seen: Tensor, *, n_steps: int) -> tuple[Tensor, Tensor]:
    """A draw of the missing pixels from p(x_missing | x_seen), and their means at the last code; one chain per image.

    Metropolis-within-Gibbs: Mattei and Frellsen (2018), algorithm 2.  The first half of the steps
    takes every proposal (pseudo-Gibbs: Rezende et al., 2014), so that the chains, which start from
    the prior, soon fit what is seen. model: a VAE with Bernoulli pixels.  x: [B, C, H, W] of zeros
    and ones; what is not seen is ignored.  seen: bool, broadcastable to x.  Returns sample and
    mean, [B, C, H, W] each; the seen pixels are those of x in both.
    """
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
