"""Filling in: samples have the exact conditional law, and observed pixels stay."""

import pytest
import torch
from helpers.quadrature import log_joint
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tutorial_utils.evidence import log_normal, log_weights
from tutorial_utils.models import VAE, mlp
from tutorial_utils.topics.filling import fill_missing, log_weight

N = 1000  # chains, each of which ends in one independent draw


class OneAnswer(nn.Module):
    """An encoder with the same output for every image: mu = (0.5, -0.3), log variances 1.2."""

    def forward(self, x):
        return torch.tensor([0.5, -0.3, 1.2, 1.2]).expand(len(x), 4)


@pytest.fixture
def vae():
    """A VAE of 4x4 images with two latent numbers and an encoder that is always wrong."""
    torch.manual_seed(3)
    decoder = mlp([2, 8, 16], out_shape=(1, 4, 4))
    with torch.no_grad():
        for layer in (decoder[1], decoder[3]):
            layer.weight *= 3
    return VAE(OneAnswer(), decoder, latent_dim=2).eval()


@pytest.fixture
def image(vae):
    return torch.bernoulli(vae.decode(torch.tensor([[-1.0, 1.2]])).sigmoid()).detach()


@pytest.fixture
def seen():
    """The upper half."""
    return torch.arange(4)[:, None].expand(4, 4) < 2


@torch.no_grad()
def exact_means(model, image, seen) -> torch.Tensor:
    """E[x | x_seen] of every pixel, on a grid of codes."""
    axis = torch.linspace(-6, 6, 401)
    z = torch.cartesian_prod(axis, axis)
    logits = model.decode(z)
    log_lik = -binary_cross_entropy_with_logits(logits, image.expand_as(logits), reduction="none")
    log_p = (log_lik * seen).flatten(1).sum(1) - 0.5 * z.square().sum(1)
    return torch.einsum("k,kchw->chw", log_p.softmax(0), logits.sigmoid())


def distance(images, expected, where) -> float:
    """The largest distance of a pixel's mean over the chains to `expected`, in standard errors."""
    errors = (images.mean(0) - expected) / (images.std(0) / len(images) ** 0.5).clamp(min=1e-6)
    return errors[where.expand_as(errors)].abs().max().item()


def test_a_weight_is_the_joint_density_over_that_of_the_encoder(vae, image):
    x, (mu, logvar) = image.expand(5, -1, -1, -1), vae.encode(image.expand(5, -1, -1, -1))
    z = torch.randn(5, 2)
    with torch.no_grad():
        found = log_weight(vae.decode(z), x, z, mu, logvar)
        expected = log_joint(vae, image, z)[:, 0] - log_normal(z, mu, logvar)
        torch.testing.assert_close(found, expected)
        torch.manual_seed(0)
        drawn = log_weights(vae, image, k=5)[:, 0]
        torch.manual_seed(0)
        z = mu + (0.5 * logvar).exp() * torch.randn(5, 1, 2)[:, 0]
        torch.testing.assert_close(log_weight(vae.decode(z), x, z, mu, logvar), drawn)


def test_long_chains_have_the_exact_conditional_means_however_bad_the_encoder(vae, image, seen):
    expected = exact_means(vae, image, seen)
    torch.manual_seed(0)
    sample, mean = fill_missing(vae, image.expand(N, -1, -1, -1), seen, n_steps=160)
    assert distance(mean, expected, ~seen) < 4
    assert distance(sample, expected, ~seen) < 4
    assert set(sample.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("n_steps", [0, 1, 7])
def test_what_is_seen_stays_and_what_is_not_is_not_looked_at(n_steps, vae, image, seen):
    x = image.expand(6, -1, -1, -1)
    x_other = torch.where(seen, x, 1 - x)
    torch.manual_seed(0)
    sample, mean = fill_missing(vae, x, seen, n_steps=n_steps)
    torch.manual_seed(0)
    again = fill_missing(vae, x_other, seen, n_steps=n_steps)
    assert torch.equal(again[0], sample) and torch.equal(again[1], mean)
    for filled in (sample, mean):
        assert torch.equal(filled[..., :2, :], x[..., :2, :]) and filled.shape == x.shape
    assert ((mean[..., 2:, :] > 0) & (mean[..., 2:, :] < 1)).all()


def test_if_all_is_seen_nothing_changes_and_each_image_may_have_its_own_mask(vae, image):
    x = torch.cat([image, 1 - image])
    for filled in fill_missing(vae, x, torch.tensor(True), n_steps=4):
        assert torch.equal(filled, x)
    each = torch.stack([torch.ones(1, 4, 4), torch.zeros(1, 4, 4)]).bool()
    _, mean = fill_missing(vae, x, each, n_steps=4)
    assert torch.equal(mean[0], x[0]) and ((mean[1] > 0) & (mean[1] < 1)).all()


def test_if_nothing_is_seen_a_metropolis_step_keeps_the_prior(vae, image):
    nothing = torch.zeros(4, 4, dtype=torch.bool)
    expected = exact_means(vae, image, nothing)
    for n_steps in (0, 1, 100):  # one step: no warm-up, and it must leave the prior as it is
        torch.manual_seed(1)
        sample, mean = fill_missing(vae, image.expand(N, -1, -1, -1), nothing, n_steps=n_steps)
        assert distance(mean, expected, ~nothing) < 4 and distance(sample, expected, ~nothing) < 4


def test_wrong_arguments_are_named(vae, image, seen):
    for settings, error, message in (
        ({"x": image * 2}, ValueError, "x, where it is observed, must lie in"),
        ({"x": image.byte()}, TypeError, "x must be a tensor of floats"),
        ({"x": image[:0]}, ValueError, "x must be a non-empty tensor"),
        ({"seen": seen.float()}, ValueError, "seen must be bool, .* got torch.float32"),
        ({"n_steps": -1}, ValueError, "n_steps not negative, .* -1"),
    ):
        with pytest.raises(error, match=message):
            fill_missing(**{"model": vae, "x": image, "seen": seen, "n_steps": 1} | settings)
    unknown = torch.where(seen, image, torch.nan)  # missing pixels may hold anything
    assert fill_missing(vae, unknown, seen, n_steps=2)[0].isfinite().all()
