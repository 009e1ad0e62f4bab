"""The evidence log p(x): bounds on it, densities of codes, and the law of the linear VAE."""

import math

import torch
from torch import Tensor

from .losses import bernoulli_nll
from .models import VAE, reparameterize
from .support.arguments import float_tensor, positive_int, positive_number, same_shape


def log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mu, exp(logvar)), summed over the last axis, in nats.

    Notebook 03, section 1.  z, mu, logvar: [..., D], the same shape.  Returns [...].
    """
    same_shape("z", z, "mu", mu)
    same_shape("mu", mu, "logvar", logvar)
    squares = (z - mu).square() / logvar.exp()
    return -0.5 * (squares + logvar + math.log(2 * math.pi)).sum(-1)


@torch.no_grad()
def log_weights(model: VAE, x: Tensor, *, k: int) -> Tensor:
    """log p(x, z) - log q(z|x) of k draws of z from q(z|x) for each image, in nats.

    Their mean is the ELBO.  Notebook 03, section 7; Burda et al. (2016), eq. (8).
    x: [B, C, H, W] of zeros and ones.  Returns [k, B].
    """
    positive_int("k", k)
    float_tensor("x", x)
    mu, logvar = (part.expand(k, *part.shape) for part in model.encode(x))
    z = reparameterize(mu, logvar)
    copies = x.expand(k, *x.shape).flatten(0, 1)
    log_lik = -bernoulli_nll(model.decode(z.flatten(0, 1)), copies).view(k, -1)
    zero = torch.zeros_like(z)
    return log_lik + log_normal(z, zero, zero) - log_normal(z, mu, logvar)


def iwae_bound(log_w: Tensor) -> Tensor:
    """The importance-weighted bound, log of the mean of k weights, of each image, in nats.

    On average at most log p(x), and the more the larger k; with k = 1 a one-sample ELBO.  Notebook
    03, section 7; Burda et al. (2016), eq. (8).  log_w: [k, B], from `log_weights`.  Returns [B].
    """
    float_tensor("log_w", log_w, ndim=2)
    return log_w.logsumexp(0) - math.log(len(log_w))


def linear_vae_law(
    eigenvalues: Tensor, *, beta: float, variance: float = 1.0
) -> tuple[Tensor, Tensor]:
    """KL in nats and squared error of the best linear VAE, for each principal direction.

    Notebook 03, section 8; for a fixed variance and enough latent numbers.  A direction is active,
    that is has KL > 0, if and only if its eigenvalue exceeds beta * variance. eigenvalues: [D], of
    the data's covariance.  variance: of the Gaussian likelihood. Returns kl [D], error [D].
    """
    threshold = positive_number("beta", beta) * positive_number("variance", variance)
    if float_tensor("eigenvalues", eigenvalues).min() < -1e-4 * eigenvalues.max():
        raise ValueError(f"eigenvalues must not be negative, got {eigenvalues.min():g}")
    kl = 0.5 * (eigenvalues / threshold).clamp(min=1).log()
    error = eigenvalues.clamp(max=threshold)
    return kl, error


def log_aggregate(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log q(z), in nats, of the aggregate posterior: the mean of q(z|x) over N images.

    Notebook 04.  q(z|x) = N(mu, exp(logvar)).  z: [M, D].  mu, logvar: [N, D].  Returns [M].
    M * N numbers are in memory at once.
    """
    same_shape("mu", float_tensor("mu", mu, ndim=2), "logvar", logvar)
    same_shape("z[0]", float_tensor("z", z, ndim=2)[0], "mu[0]", mu[0])
    z, mu, logvar = z.double(), mu.double(), logvar.double()
    precision = (-logvar).exp()
    squares = z.square() @ precision.T - 2 * z @ (mu * precision).T
    constants = (mu.square() * precision + logvar + math.log(2 * math.pi)).sum(1)
    log_q = -0.5 * (squares + constants).float()  # [M, N]: of every z under every q(z|x)
    return log_q.logsumexp(1) - math.log(len(mu))
