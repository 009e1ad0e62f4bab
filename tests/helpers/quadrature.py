"""What the evidence of a VAE with two latent numbers really is, by adding up a fine grid of codes."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from tutorial_utils.evidence import log_normal
from tutorial_utils.models import VAE


def log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z) of every code z [K, D] with every image x [B, C, H, W] of zeros and ones, in nats: [K, B]."""
    logits = model.decode(z).flatten(1)
    log_likelihood = logits @ x.flatten(1).T - softplus(logits).sum(1, keepdim=True)
    return log_likelihood + log_normal(z, torch.zeros_like(z), torch.zeros_like(z))[:, None]


@torch.no_grad()
def posterior_on_grid(
    model: VAE, x: Tensor, *, extent: float = 5.0, n: int = 401
) -> tuple[Tensor, Tensor, Tensor]:
    """The axis [n] of an n x n grid up to `extent`, log p(x) [B] in nats, and log p(z|x) on the grid [B, n, n]."""
    axis = torch.linspace(-extent, extent, n)
    log_p = torch.cat(
        [log_joint(model, x, z) for z in torch.cartesian_prod(axis, axis).split(2000)]
    )
    log_evidence = log_p.logsumexp(0) + 2 * (axis[1] - axis[0]).log()
    return axis, log_evidence, (log_p - log_evidence).T.reshape(-1, n, n)
