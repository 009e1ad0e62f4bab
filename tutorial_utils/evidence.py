"""The evidence log p(x): bounds on it, its value on a grid, and the law of the linear VAE.  Built in notebook 03."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from .arguments import float_tensor, positive_int, positive_number, same_shape, two_dimensional
from .losses import bernoulli_nll
from .matmul import fast_matmul
from .models import VAE, reparameterize


def log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mu, exp(logvar)), summed over the last axis, in nats.

    Notebook 03, section 1.  z, mu, logvar: [..., D], the same shape.  Returns [...].
    """
    same_shape("z", z, "mu", mu)
    same_shape("mu", mu, "logvar", logvar)
    squares = (z - mu).square() / logvar.exp()
    return -0.5 * (squares + logvar + math.log(2 * math.pi)).sum(-1)


def log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z) = log p(x|z) + log p(z) of every code with every image, in nats: Bernoulli pixels, standard prior.

    Notebook 03, section 1.  x: [B, C, H, W] of zeros and ones.  z: [K, D].  Returns [K, B].
    """
    logits = model.decode(z).flatten(1)
    log_lik = logits @ x.flatten(1).T - softplus(logits).sum(1, keepdim=True)
    zero = torch.zeros_like(z)
    return log_lik + log_normal(z, zero, zero)[:, None]


@torch.no_grad()
@fast_matmul()
def posterior_on_grid(model: VAE, x: Tensor, *, extent: float = 5.0, n: int = 401) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x) by quadrature, and the true posterior log p(z|x), on n x n points with |z_1|, |z_2| <= extent.

    Notebook 03, section 1.  Right if the posterior lies inside the grid and is wider than the distance of its points.
    model: a VAE with two latent numbers.  x: [B, C, H, W] of zeros and ones.  Returns
    axis [n], log_evidence [B] in nats, log_posterior [B, n, n] (z_1 along the second axis, z_2 along the third).
    """
    two_dimensional(model)
    float_tensor("x", x, ndim=4)
    if not isinstance(n, int) or n < 2:
        raise ValueError(f"n must be a whole number of at least 2, got {n!r}")
    axis = torch.linspace(-positive_number("extent", extent), extent, n)
    parts = torch.cartesian_prod(axis, axis).split(2000)
    log_p = torch.cat([log_joint(model, x, z) for z in parts])
    log_evidence = log_p.logsumexp(0) + 2 * (axis[1] - axis[0]).log()
    log_posterior = (log_p - log_evidence).T.reshape(-1, n, n)
    return axis, log_evidence, log_posterior


@torch.no_grad()
def log_weights(model: VAE, x: Tensor, *, k: int) -> Tensor:
    """log p(x, z) - log q(z|x) of k draws of z from q(z|x) for each image, in nats: their mean is the ELBO.

    Notebook 03, section 7; Burda et al. (2016), eq. (8).
    x: [B, C, H, W] of zeros and ones.  Returns [k, B].
    """
    positive_int("k", k)
    mu, logvar = (part.expand(k, *part.shape) for part in model.encode(x))
    z = reparameterize(mu, logvar)
    copies = x.expand(k, *x.shape).flatten(0, 1)
    log_lik = -bernoulli_nll(model.decode(z.flatten(0, 1)), copies).view(k, -1)
    zero = torch.zeros_like(z)
    return log_lik + log_normal(z, zero, zero) - log_normal(z, mu, logvar)


def iwae_bound(log_w: Tensor) -> Tensor:
    """The importance-weighted bound, log of the mean of k weights, of each image, in nats.

    On average at most log p(x), and the more the larger k; with k = 1 a one-sample ELBO.  Notebook 03, section 7; Burda
    et al. (2016), eq. (8).  log_w: [k, B], from `log_weights`.  Returns [B].
    """
    float_tensor("log_w", log_w, ndim=2)
    return log_w.logsumexp(0) - math.log(len(log_w))


def linear_vae_law(eigenvalues: Tensor, *, beta: float, variance: float = 1.0) -> tuple[Tensor, Tensor]:
    """What the best linear VAE spends on each principal direction: its KL in nats, and its squared error.

    Notebook 03, section 8; for a fixed variance and enough latent numbers.  A direction is active, that is has
    KL > 0, if and only if its eigenvalue exceeds beta * variance.
    eigenvalues: [D], of the data's covariance.  variance: of the Gaussian likelihood.
    Returns kl [D], error [D].
    """
    threshold = positive_number("beta", beta) * positive_number("variance", variance)
    kl = 0.5 * (eigenvalues / threshold).clamp(min=1).log()
    error = eigenvalues.clamp(max=threshold)
    return kl, error
