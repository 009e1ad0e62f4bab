"""Networks: `mlp`, put together as an `Autoencoder` or a `VAE`; encoding and decoding images."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .support.arguments import finite, float_tensor, positive_int, same_shape


class VAEOutput(NamedTuple):
    """One pass through a VAE: logits [B, C, H, W]; mu, logvar and the sampled z [B, D]."""

    logits: Tensor
    mu: Tensor
    logvar: Tensor
    z: Tensor


def mlp(
    dims: Sequence[int], *, activation: type[nn.Module] = nn.SiLU, out_shape: Sequence[int] = ()
) -> nn.Sequential:
    """Linear layers of sizes `dims` with `activation` between them (none after the last).

    Notebook 01 writes one out.  Flattens its input [B, ...] to [B, dims[0]]; returns [B, dims[-1]],
    or [B, *out_shape].
    """
    if len(dims) < 2:
        raise ValueError(f"dims must name at least an input and an output size, got {list(dims)}")
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in pairwise(dims):
        layers += [nn.Linear(positive_int("dims", n_in), positive_int("dims", n_out)), activation()]
    layers[-1] = nn.Unflatten(1, tuple(out_shape)) if out_shape else nn.Identity()
    return nn.Sequential(*layers)


class Autoencoder(nn.Module):
    """An encoder x -> z and a decoder z -> logits, trained together.  Built in notebook 01."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, x: Tensor) -> Tensor:
        """Codes z [B, D] of images x [B, C, H, W]."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Logits [B, C, H, W] of codes z [B, D]; `.sigmoid()` gives the image."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, C, H, W] of the reconstruction of x."""
        return self.decode(self.encode(x))


class VAE(nn.Module):
    """An encoder x -> (mu, logvar) of q(z|x), and a decoder z -> logits of p(x|z).

    Kingma and Welling (2014).

    encoder: any module from images to [B, 2 * latent_dim], the first half mu, the second logvar.
    decoder: any module from [B, latent_dim] to logits shaped like the images.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, latent_dim: int):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.latent_dim = positive_int("latent_dim", latent_dim)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar of the posterior q(z|x), [B, D] each."""
        out = self.encoder(x)
        if out.shape[-1] != 2 * self.latent_dim:
            raise ValueError(
                f"encoder must return {2 * self.latent_dim} values (mu and logvar), "
                f"got {out.shape[-1]}"
            )
        mu, logvar = out.chunk(2, dim=-1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Logits [B, C, H, W] of p(x|z) for z [B, D]; their sigmoid is the mean of p(x|z)."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> VAEOutput:
        """Encode, sample once, decode."""
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar)
        return VAEOutput(self.decode(z), mu, logvar, z)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Means of p(x|z), [n, C, H, W] in (0, 1), for n draws of z from the prior N(0, I)."""
        device = next(self.parameters()).device
        z = torch.randn(positive_int("n", n), self.latent_dim, generator=generator).to(device)
        return self.decode(z).sigmoid()


def is_vae(model: nn.Module) -> bool:
    """Whether it is a VAE, ours or one that a notebook builds: each has a `latent_dim`."""
    return hasattr(model, "latent_dim")


def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """A sample z = mu + std * eps of N(mu, exp(logvar)), differentiable in both; it always samples.

    Kingma and Welling (2014), section 2.4.  mu, logvar: [B, D].  Returns [B, D].
    """
    same_shape("mu", mu, "logvar", logvar)
    std = (0.5 * logvar).exp()
    eps = torch.randn_like(std)
    return mu + std * eps


@torch.no_grad()
def start_at_mean_image(decoder: nn.Sequential, x: Tensor) -> None:
    """Set the decoder's output bias so that, before training, it paints the mean of x.

    x: [N, C, H, W] in [0, 1].  Worth about one epoch of training: the average image need not be
    learned.  Raises ValueError unless the last layer with a bias has one entry per pixel.
    """
    float_tensor("x", x)
    biases = [parameter for name, parameter in decoder.named_parameters() if name.endswith("bias")]
    mean = x.mean(0).flatten()
    n_biases = biases[-1].numel() if biases else 0
    if n_biases != mean.numel():
        raise ValueError(f"decoder must end in one bias per pixel ({mean.numel()}), got {n_biases}")
    biases[-1].copy_(mean.clamp(0.001, 0.999).logit())


@torch.inference_mode()
def decode_images(model: Autoencoder | VAE, z: Tensor) -> Tensor:
    """The decoded images [N, H, W] at the codes z [N, D]: for a VAE, the mean of p(x|z)."""
    finite("z", float_tensor("z", z, ndim=2))
    like = next(model.parameters())
    images = model.decode(z.to(like.device, like.dtype)).sigmoid()
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(f"model must decode to gray images [N, 1, H, W], got {list(images.shape)}")
    return images[:, 0].float()


def encode_image(model: Autoencoder | VAE, image: Tensor) -> Tensor:
    """The code [D] of an image [1, H, W], on the CPU: of a VAE, the mean of q(z|x)."""
    return encode_images(model, image.unsqueeze(0))[0][0]


@torch.inference_mode()
def encode_images(model: Autoencoder | VAE, x: Tensor) -> list[Tensor]:
    """Encode images [N, 1, H, W]: [codes], or [mu, logvar] of a VAE; each [N, D], on the CPU."""
    encoded: Any = model.encode(x.to(next(model.parameters())))
    return [part.float().cpu() for part in (encoded if is_vae(model) else [encoded])]
