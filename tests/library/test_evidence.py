"""Evidence: closed forms, ELBO <= IWAE-k <= IWAE-(k+1) <= log p(x), and the linear VAE's law."""

import math
from itertools import pairwise

import pytest
import torch
from helpers.quadrature import log_joint, posterior_on_grid
from torch import distributions as D
from torch import nn
from torch.nn.functional import linear

from tutorial_utils.evidence import iwae_bound, linear_vae_law, log_normal, log_weights
from tutorial_utils.losses import (
    bernoulli_nll,
    gaussian_nll,
    kl_per_dimension,
    kl_standard_normal,
    squared_error,
)
from tutorial_utils.models import VAE, mlp, reparameterize
from tutorial_utils.training import evaluate, fit, warmup_then_linear


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def vae():
    """A small VAE with two latent numbers and wrong posteriors, and eight binary images."""
    torch.manual_seed(0)
    model = VAE(mlp([16, 8, 4]), mlp([2, 8, 16], out_shape=(1, 4, 4)), latent_dim=2).eval()
    with torch.no_grad():
        for layer in model.decoder:
            if isinstance(layer, nn.Linear):
                layer.weight *= 3
    return model, torch.bernoulli(torch.full((8, 1, 4, 4), 0.5))


def test_log_normal_against_torch(rng):
    z, mu, logvar = torch.randn(3, 5, 4, 6, generator=rng)
    expected = D.Normal(mu, (0.5 * logvar).exp()).log_prob(z).sum(-1)
    torch.testing.assert_close(log_normal(z, mu, logvar), expected)


def test_log_joint_is_minus_the_losses_for_every_pair(vae, rng):
    model, x = vae
    z = torch.randn(5, 2, generator=rng)
    with torch.no_grad():
        table = log_joint(model, x, z)
        for k in range(5):
            log_lik = -bernoulli_nll(model.decode(z[[k]]).expand_as(x), x)
            log_prior = D.Normal(0.0, 1.0).log_prob(z[k]).sum()
            torch.testing.assert_close(table[k], log_lik + log_prior)


# --- the grid


def test_evidence_adds_up_to_one_over_all_images():
    torch.manual_seed(0)
    model = VAE(mlp([6, 4]), mlp([2, 8, 6], out_shape=(1, 2, 3)), latent_dim=2)
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).reshape(64, 1, 2, 3)
    _, log_evidence, _ = posterior_on_grid(model, images)
    assert log_evidence.exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_the_gap_of_the_elbo_is_the_kl_to_the_true_posterior(vae):
    model, x = vae
    axis, log_evidence, log_posterior = posterior_on_grid(model, x)
    z, area = torch.cartesian_prod(axis, axis), (axis[1] - axis[0]) ** 2
    with torch.no_grad():
        mu, logvar = model.encode(x)
        torch.manual_seed(0)
        log_w = log_weights(model, x, k=20_000)
        for i in range(len(x)):
            log_q = log_normal(z, mu[[i]].expand_as(z), logvar[[i]].expand_as(z))
            kl = (log_q.exp() * (log_q - log_posterior[i].flatten())).sum() * area
            error = 5 * log_w[:, i].std() / len(log_w) ** 0.5
            assert abs(log_evidence[i] - log_w[:, i].mean() - kl) < error + 1e-3
            assert kl > 2 * error, "the comparison means something"


def test_the_mean_weight_is_the_evidence(vae):
    model, x = vae
    _, log_evidence, _ = posterior_on_grid(model, x)
    torch.manual_seed(0)
    w = log_weights(model, x, k=50_000).exp()
    error = 5 * w.std(0) / len(w) ** 0.5
    assert ((w.mean(0) - log_evidence.exp()).abs() < error).all()
    assert (error < 0.1 * log_evidence.exp()).all()


# --- bounds on a model whose log p(x) is closed form: p(z) = N(0, I), p(x|z) = N(W z, std^2 I)


@pytest.fixture(scope="module")
def linear_gaussian():
    """log p(x), the true posterior, and weights(shift, widen, k) and elbo(shift, widen, k).

    The last two use a posterior with a shifted mean and a wider variance than the true one.
    """
    generator = torch.Generator().manual_seed(3)
    std, n = 0.6, 8
    orthogonal = torch.linalg.qr(torch.randn(5, 2, generator=generator)).Q
    W = orthogonal * torch.tensor([1.5, 0.7])
    x = torch.randn(n, 2, generator=generator) @ W.T + std * torch.randn(n, 5, generator=generator)
    log_p = D.MultivariateNormal(torch.zeros(5), W @ W.T + std**2 * torch.eye(5)).log_prob(x)
    variance = 1 / (1 + W.square().sum(0) / std**2)  # the true posterior factorizes as q does
    mu, logvar = (x @ W / std**2) * variance, variance.log().expand(n, 2)

    def weights(shift: float, widen: float, k: int) -> torch.Tensor:
        many_mu, many_logvar = (mu + shift).expand(k, n, 2), (logvar + widen).expand(k, n, 2)
        z = reparameterize(many_mu, many_logvar)
        zero = torch.zeros_like(z)
        log_lik = -gaussian_nll(linear(z, W).flatten(0, 1), x.repeat(k, 1), std=std).view(k, n)
        return log_lik + log_normal(z, zero, zero) - log_normal(z, many_mu, many_logvar)

    def elbo(shift: float, widen: float, k: int) -> torch.Tensor:
        z = reparameterize((mu + shift).repeat(k, 1), (logvar + widen).repeat(k, 1))
        recon_loss = gaussian_nll(linear(z, W), x.repeat(k, 1), std=std).view(k, n).mean(0)
        return -recon_loss - kl_standard_normal(mu + shift, logvar + widen)

    return log_p, mu, logvar, weights, elbo


def test_bounds_are_ordered(linear_gaussian):
    log_p, _, _, weights, elbo = linear_gaussian
    torch.manual_seed(0)
    log_w = weights(0.3, 0.8, 200_000)
    # [k, 200,000 / k * images] each
    groups = [log_w.unflatten(0, (-1, k)).transpose(0, 1).flatten(1) for k in (1, 2, 5, 20, 100)]
    bounds = [iwae_bound(group).unflatten(0, (-1, log_w.shape[1])) for group in groups]
    errors = [5 * bound.std(0) / len(bound) ** 0.5 for bound in bounds]
    means = [bound.mean(0) for bound in bounds]
    one_weight_is_the_elbo = elbo(0.3, 0.8, 100_000)
    torch.testing.assert_close(means[0], one_weight_is_the_elbo, atol=0.03, rtol=0)
    for (low, high), (error_low, error_high) in zip(pairwise(means), pairwise(errors), strict=True):
        assert (low < high + error_low + error_high).all()
    assert (means[0] < means[-1] - 0.1).all(), "the comparison means something"
    assert (means[-1] < log_p + errors[-1]).all() and (means[-1] > log_p - 0.05).all()


def test_with_the_true_posterior_every_weight_is_log_p(linear_gaussian):
    log_p, _, _, weights, _ = linear_gaussian
    torch.testing.assert_close(weights(0.0, 0.0, 10), log_p.expand(10, -1), atol=1e-4, rtol=1e-4)


def test_iwae_bound_of_equal_weights_is_the_weight_and_never_overflows():
    for value in (-500.0, 0.0, 500.0):
        bound = iwae_bound(torch.full((7, 3), value))
        torch.testing.assert_close(bound, torch.full((3,), value), atol=1e-4, rtol=0)
    mean_of_1_and_3 = iwae_bound(torch.tensor([[1.0], [3.0]]).log())
    assert mean_of_1_and_3.item() == pytest.approx(math.log(2))


# --- the law of the linear VAE


def test_law_at_known_values():
    kl, error = linear_vae_law(torch.tensor([4.0, 1.0, 0.5]), beta=1.0)
    assert kl.tolist() == pytest.approx([0.5 * math.log(4), 0, 0])
    assert error.tolist() == pytest.approx([1, 1, 0.5])


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.5, 7.0])
def test_law_is_the_minimum_found_by_search(threshold):
    """One direction of variance 2.5, with decoder w and encoder a, u as in the notebook."""
    eigenvalue, beta, variance = torch.tensor(2.5), threshold / 0.5, 0.5
    w, a = [torch.linspace(0, 2, 161)] * 2
    w, a, u = torch.meshgrid(w, a, torch.linspace(0.005, 1, 200), indexing="ij")
    error = (1 - w * a).square() * eigenvalue + w.square() * u
    kl = 0.5 * (a.square() * eigenvalue + u - 1 - u.log())
    loss = error / (2 * variance) + beta * kl
    law_kl, law_error = linear_vae_law(eigenvalue, beta=beta, variance=variance)
    law_loss = (law_error / (2 * variance) + beta * law_kl).item()
    assert law_loss == pytest.approx(loss.min().item(), rel=2e-3)
    assert law_loss <= loss.min().item() + 1e-5
    assert kl.flatten()[loss.argmin()].item() == pytest.approx(law_kl.item(), abs=0.03)


EIGENVALUES = torch.tensor([4.0, 2.0, 1.0, 0.5, 0.25, 0.1])


@pytest.fixture(scope="module")
def gaussian_data():
    """2,000 points whose covariance has exactly EIGENVALUES, in a rotated frame."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2000, 6, generator=generator)
    white = torch.linalg.qr(z - z.mean(0)).Q * 2000**0.5
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=generator)).Q
    return white * EIGENVALUES.sqrt() @ rotation.T


@pytest.mark.parametrize(
    ("beta", "variance"), [(0.5, 1.0), (1.0, 0.7), (4.0, 0.4), (10.0, 0.5), (20.0, 1.0)]
)
def test_training_a_linear_vae_ends_at_the_law(gaussian_data, beta, variance):
    """Dimension i is active if and only if EIGENVALUES[i] > beta * variance."""
    torch.manual_seed(0)
    model = VAE(mlp([6, 12]), mlp([6, 6]), latent_dim=6)

    def loss_fn(model, x):
        out = model(x)
        kl = kl_standard_normal(out.mu, out.logvar)
        loss = gaussian_nll(out.logits, x, std=variance**0.5) + beta * kl
        return {"loss": loss, "kl": kl, "distortion": squared_error(out.logits, x)}

    settings = {"epochs": 80, "batch_size": 100, "lr": 1e-2, "seed": 0}
    settings |= {"schedule": warmup_then_linear, "show_progress": False}
    fit(model, gaussian_data, loss_fn, **settings)
    law, law_error = linear_vae_law(EIGENVALUES, beta=beta, variance=variance)
    with torch.no_grad():
        kl = kl_per_dimension(*model.encode(gaussian_data)).sort(descending=True).values
    torch.testing.assert_close(kl, law, atol=0.02, rtol=0.03)
    assert ((kl > 0.02) == (beta * variance < EIGENVALUES)).all()
    scores = evaluate(model, gaussian_data.repeat(10, 1), loss_fn)
    assert scores["kl"] == pytest.approx(law.sum().item(), abs=0.05)
    assert scores["distortion"] == pytest.approx(law_error.sum().item(), rel=0.03)


# --- bad input


MANY = torch.ones(3)
BAD_CALLS = [
    ("k must be a whole number of at least 1", lambda model, x: log_weights(model, x, k=0)),
    ("x must be a tensor of floats", lambda model, x: log_weights(model, x.byte(), k=1)),
    ("x must be a non-empty tensor", lambda model, x: log_weights(model, x[:0], k=1)),
    ("log_w must be a non-empty tensor with 2 axes", lambda *_: iwae_bound(MANY)),
    ("beta must be a finite number above 0", lambda *_: linear_vae_law(MANY, beta=0.0)),
    ("variance must be", lambda *_: linear_vae_law(MANY, beta=1.0, variance=-1.0)),
    ("eigenvalues must not be negative, got -1", lambda *_: linear_vae_law(-MANY, beta=1.0)),
    ("eigenvalues must be a tensor of floats", lambda *_: linear_vae_law([1.0], beta=1.0)),
    ("the same shape", lambda *_: log_normal(*(torch.zeros(n, 2) for n in (3, 1, 3)))),
    ("logvar must be a tensor of floats", lambda *_: log_normal(MANY, MANY, MANY.long())),
]


@pytest.mark.parametrize(("message", "call"), BAD_CALLS)
def test_bad_arguments_are_named(vae, message, call):
    with pytest.raises((TypeError, ValueError), match=message):
        call(*vae)
