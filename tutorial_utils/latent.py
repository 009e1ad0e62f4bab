"""Latent space: paths between codes, morphs, grids of decoded images, traversals.

Built in notebook 04.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .models import VAE, Autoencoder, decode_images
from .support.arguments import finite, float_tensor, positive_int, same_shape, two_dimensional


def straight_line(z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
    """The straight line (1 - t) z_a + t z_b, for each entry of t.  Notebook 04.

    z_a, z_b: [D].  t: [n].  Returns [n, D].
    """
    same_shape("z_a", float_tensor("z_a", z_a, ndim=1), "z_b", float_tensor("z_b", z_b, ndim=1))
    t = t[:, None]
    return (1 - t) * z_a + t * z_b


def great_circle(z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
    """The path from z_a to z_b around the origin: direction and length change at constant rates.

    Notebook 04; for codes of one length, Shoemake (1985).
    z_a, z_b: [D], not zero, not in opposite directions.  t: [n].  Returns [n, D].
    """
    same_shape("z_a", float_tensor("z_a", z_a, ndim=1), "z_b", float_tensor("z_b", z_b, ndim=1))
    if not z_a.any() or not z_b.any() or torch.equal(z_a / z_a.norm(), -z_b / z_b.norm()):
        raise ValueError("z_a and z_b must not be zero, nor point in opposite directions")
    t = t[:, None]
    a, b = z_a / z_a.norm(), z_b / z_b.norm()
    angle = (a @ b).clamp(-0.9999, 0.9999).arccos()
    direction = ((1 - t) * angle).sin() * a + (t * angle).sin() * b
    length = (1 - t) * z_a.norm() + t * z_b.norm()
    return length * direction / direction.norm(dim=1, keepdim=True)


N_FRAMES = 9  # of the strip under the studio's slider
LatentPath = Callable[[Tensor, Tensor, Tensor], Tensor]  # z_a [D], z_b [D], t [n] -> [n, D]


def morph(
    model: Autoencoder | VAE,
    z_a: Tensor,
    z_b: Tensor,
    t: float,
    *,
    path: LatentPath = straight_line,
) -> Tensor:
    """The decoded image [H, W] at t on the path between two codes [D]."""
    return decode_images(model, _along(path, z_a, z_b, torch.tensor([float(t)])))[0]


def side_by_side(images: Tensor) -> Tensor:
    """Images [N, H, W] in one row: [H, N * W]."""
    return torch.cat(list(images), dim=1)


def decode_grid(
    model: Autoencoder | VAE, n: int = 15, *, z_1: Tensor | None = None, z_2: Tensor | None = None
) -> Tensor:
    """Decoded images all over a 2-D latent space, as one image [rows * H, columns * W].

    z_1 [columns] increases to the right, z_2 [rows] upward.  By default both are n normal
    quantiles: each image then stands for an equal share of the prior N(0, I).
    """
    two_dimensional(model)
    quantiles = torch.special.ndtri((torch.arange(positive_int("n", n)) + 0.5) / n)
    z_1, z_2 = (
        quantiles if z is None else float_tensor("z_1 and z_2", z, ndim=1) for z in (z_1, z_2)
    )
    up, right = torch.meshgrid(z_2.flip(0), z_1, indexing="ij")
    images = decode_images(model, torch.stack([right, up], dim=-1).reshape(-1, 2))
    rows = images.reshape(len(z_2), len(z_1), *images.shape[1:])  # [row, column, H, W]
    return rows.transpose(1, 2).flatten(2).flatten(0, 1)


def _along(path: LatentPath, z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
    """The points of the path at t, computed where the codes are: [n, D]."""
    return path(z_a, z_b, t.to(float_tensor("z_a", z_a, ndim=1).device))


def traverse(model: Autoencoder | VAE, z: Tensor, dims: Sequence[int], values: Tensor) -> Tensor:
    """Traversals: row r decodes z with its number dims[r] set to each of n values.

    As in Higgins et al. (2017), figure 1.  z: [D].  dims: from 0.  values: [n].  Returns
    [len(dims), n, H, W].  Raises TypeError or ValueError for a bad argument.
    """
    finite("z", float_tensor("z", z, ndim=1))
    finite("values", float_tensor("values", values, ndim=1))
    if len(dims) == 0 or not all(0 <= dim < len(z) and dim == int(dim) for dim in dims):
        raise ValueError(f"dims must hold whole numbers from 0 to {len(z) - 1}, got {list(dims)!r}")
    codes = z.repeat(len(dims), len(values), 1)  # [row, column, D]
    for row, dim in enumerate(dims):
        codes[row, :, int(dim)] = values.to(z)
    return decode_images(model, codes.flatten(0, 1)).unflatten(0, codes.shape[:2])


def rank_dimensions(kl: Tensor, n_dims: int) -> dict[int, str]:
    """The n_dims dimensions with the largest KL, in order, and their names: {2: "z₃ · 1.9 nats"}.

    kl: [D], in nats.  The keys count from 0.
    """
    order = kl.argsort(descending=True, stable=True)[:n_dims].tolist()
    return {dim: f"{name_of_dimension(dim)} · {kl[dim]:.1f} nats" for dim in order}


def name_of_dimension(dim: int) -> str:
    """The name of a latent number, counted from 1 as in the text: z₁ for dim 0."""
    return "z" + str(dim + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
