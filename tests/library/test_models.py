"""Networks: shapes, what they refuse, and the laws of sampling."""

import torch
from torch import nn

from tutorial_utils.models import VAE, Autoencoder, mlp, reparameterize, start_at_mean_image

# mlp


def test_mlp_shapes_and_layers():
    net = mlp([64, 32, 16, 4])
    assert net(torch.rand(5, 1, 8, 8)).shape == (5, 4)
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in layers] == [(32, 64), (16, 32), (4, 16)]
    assert mlp([4, 16, 64], out_shape=(1, 8, 8))(torch.rand(5, 4)).shape == (5, 1, 8, 8)


def test_mlp_puts_the_activation_between_layers_and_not_after_the_last():
    net = mlp([3, 5, 5, 2], activation=nn.Tanh)
    assert sum(isinstance(layer, nn.Tanh) for layer in net) == 2
    affine, x = mlp([3, 2]), torch.randn(50, 3)
    of_mean = affine(x.mean(0, keepdim=True))[0]
    torch.testing.assert_close(affine(x).mean(0), of_mean, atol=1e-5, rtol=1e-5)


# Autoencoder and VAE


def test_autoencoder_is_decode_after_encode():
    model = Autoencoder(mlp([64, 3]), mlp([3, 64], out_shape=(1, 8, 8)))
    x = torch.rand(5, 1, 8, 8)
    assert model.encode(x).shape == (5, 3)
    assert torch.equal(model(x), model.decode(model.encode(x)))


def test_vae_output_shapes_and_halves(make_vae):
    model, x = make_vae(latent_dim=3), torch.rand(5, 1, 8, 8)
    out = model(x)
    assert out.logits.shape == x.shape
    assert out.mu.shape == out.logvar.shape == out.z.shape == (5, 3)
    torch.testing.assert_close(torch.cat([out.mu, out.logvar], 1), model.encoder(x))
    assert torch.equal(out.logits, model.decode(out.z))


def test_sample_shape_range_and_generator(make_vae):
    model = make_vae()

    def draw(seed: int) -> torch.Tensor:
        return model.sample(7, generator=torch.Generator().manual_seed(seed))

    images = draw(0)
    assert images.shape == (7, 1, 8, 8)
    assert images.min() > 0 and images.max() < 1
    assert torch.equal(images, draw(0)) and not torch.equal(images, draw(1))
    assert len(images.flatten(1).unique(dim=0)) == 7


def test_sample_draws_z_from_the_standard_normal():
    model = VAE(mlp([2, 4]), nn.Identity(), latent_dim=2)
    model.register_parameter("somewhere", nn.Parameter(torch.zeros(1)))
    z = model.sample(100_000, generator=torch.Generator().manual_seed(0)).logit()
    torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=0.02, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(2), atol=0.02, rtol=0)


# reparameterize


def test_reparameterize_has_the_mean_and_the_variance_it_is_given():
    n, mu, logvar = 200_000, torch.tensor([0.0, 3.0, -1.0]), torch.tensor([0.0, -4.0, 2.0])
    torch.manual_seed(0)
    z = reparameterize(mu.expand(n, 3), logvar.expand(n, 3))
    std_of_mean = (logvar.exp() / n).sqrt()
    assert ((z.mean(0) - mu).abs() < 5 * std_of_mean).all()
    assert (z.var(0) / logvar.exp() - 1).abs().max() < 5 * (2 / n) ** 0.5
    assert z.T.corrcoef().triu(1).abs().max() < 0.02  # each dimension has its own noise


def test_reparameterize_gradients():
    torch.manual_seed(0)
    mu = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    logvar = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    z = reparameterize(mu, logvar)
    to_mu, to_logvar = torch.autograd.grad(z.sum(), (mu, logvar))
    std_times_eps = (z - mu).detach()
    torch.testing.assert_close(to_mu, torch.ones_like(mu))
    torch.testing.assert_close(to_logvar, 0.5 * std_times_eps)


def test_the_vae_samples_in_eval_mode_too(make_vae):
    model, x = make_vae().eval(), torch.rand(3, 1, 8, 8)
    first, second = model(x), model(x)
    assert torch.equal(first.mu, second.mu)
    assert not torch.equal(first.z, second.z) and not torch.equal(first.z, first.mu)


# start_at_mean_image


def test_start_at_mean_image_paints_the_mean(digits):
    x = digits.x_train
    torch.manual_seed(0)
    decoder = mlp([2, 16, 64], out_shape=(1, 8, 8))
    hidden = {name: value.clone() for name, value in decoder.state_dict().items()}
    start_at_mean_image(decoder, x)
    now = decoder.state_dict()
    assert [name for name in now if not torch.equal(now[name], hidden[name])] == ["3.bias"]
    with torch.no_grad():
        painted = decoder(torch.randn(500, 2)).sigmoid().mean(0)
        assert (painted - x.mean(0)).abs().max() < 0.1
        decoder[3].weight.zero_()
        painted = decoder(torch.zeros(1, 2)).sigmoid()[0]
        error = (painted - x.mean(0)).abs().max()
        assert error < 0.0011, "a pixel that is always 0 starts at 0.001"


def test_start_at_mean_image_takes_pixels_that_are_always_black_or_white():
    decoder = mlp([2, 4], out_shape=(1, 2, 2))
    start_at_mean_image(decoder, torch.tensor([0.0, 1.0, 0.5, 0.25]).view(1, 1, 2, 2))
    assert decoder[1].bias.isfinite().all()
