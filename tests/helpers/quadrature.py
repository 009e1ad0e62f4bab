"""The evidence of a VAE with two latent numbers, as a sum over a fine grid of codes."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from tutorial_utils.evidence import log_normal
from tutorial_utils.models import VAE


def log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z) [K, B] in nats, of codes z [K, D] and images x [B, C, H, W] of zeros and ones."""
    logits = model.decode(z).flatten(1)
    log_likelihood = logits @ x.flatten(1).T - softplus(logits).sum(1, keepdim=True)
    return log_likelihood + log_normal(z, torch.zeros_like(z), torch.zeros_like(z))[:, None]


@torch.no_grad()
def posterior_on_grid(
    model: VAE, x: Tensor, *, extent: float = 5.0, n: int = 401
) -> tuple[Tensor, Tensor, Tensor]:
    """Log evidence and log posterior on an n x n grid of codes, from -extent to extent.

    Returns the axis [n], log p(x) [B] in nats and log p(z|x) [B, n, n].
    """
    axis = torch.linspace(-extent, extent, n)
    log_p = torch.cat(
        [log_joint(model, x, z) for z in torch.cartesian_prod(axis, axis).split(2000)]
    )
    log_evidence = log_p.logsumexp(0) + 2 * (axis[1] - axis[0]).log()
    return axis, log_evidence, (log_p - log_evidence).T.reshape(-1, n, n)
