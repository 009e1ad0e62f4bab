"""Latent space: morphs, strips and grids are decoded images at the codes that they stand for."""

import pytest
import torch

from tutorial_utils.latent import (
    decode_grid,
    great_circle,
    morph,
    name_of_dimension,
    straight_line,
    traverse,
)
from tutorial_utils.models import Autoencoder, decode_images, encode_image, mlp


@pytest.fixture
def model(make_vae):
    return make_vae().eval()


@pytest.fixture
def deep(make_vae):
    return make_vae(latent_dim=12).eval()


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
def test_morph_starts_and_ends_at_the_decoded_ends(kind, model, digits):
    if kind == "autoencoder":
        model = Autoencoder(mlp([64, 8, 3]), mlp([3, 8, 64], out_shape=(1, 8, 8)))
    z_a, z_b = (encode_image(model, image) for image in digits.x_test[:2])
    with torch.no_grad():
        ends = model.decode(torch.stack([z_a, z_b])).sigmoid()[:, 0]
        middle = model.decode((0.5 * (z_a + z_b))[None]).sigmoid()[0, 0]
    for t, image in ((0, ends[0]), (1, ends[1]), (0.5, middle)):
        torch.testing.assert_close(morph(model, z_a, z_b, t), image)


@pytest.mark.parametrize("path", [straight_line, great_circle])
def test_morph_follows_its_path_and_is_constant_between_identical_digits(path, model):
    z_a, z_b = torch.tensor([-1.0, 2.0]), torch.tensor([1.5, 0.0])
    for t in (0, 0.25, 0.5, 1):
        point = path(z_a, z_b, torch.tensor([t]))
        torch.testing.assert_close(
            morph(model, z_a, z_b, t, path=path), decode_images(model, point)[0]
        )
        same = morph(model, z_a, z_a, t, path=path)
        torch.testing.assert_close(same, decode_images(model, z_a[None])[0])


def test_grid_lies_on_normal_quantiles_with_the_second_axis_upward(model):
    n = 3
    grid = decode_grid(model, n)
    cells = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor([1 / 6, 1 / 2, 5 / 6]))
    for row in range(n):
        for column in range(n):
            z = torch.stack([cells[column], cells[n - 1 - row]])
            tile = grid[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            torch.testing.assert_close(tile, decode_images(model, z[None])[0])


def test_grid_on_other_axes_may_be_a_rectangle(model):
    z_1, z_2 = torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.5, 3.0])
    grid = decode_grid(model, z_1=z_1, z_2=z_2)
    assert grid.shape == (16, 24)
    torch.testing.assert_close(grid[:8, 16:], decode_images(model, torch.tensor([[2.0, 3.0]]))[0])
    torch.testing.assert_close(grid[8:, :8], decode_images(model, torch.tensor([[-1.0, 0.5]]))[0])


def test_a_traversal_changes_one_number_per_row_and_keeps_the_others(deep):
    z = torch.randn(12, generator=torch.Generator().manual_seed(1))
    values, dims, before = torch.linspace(-2, 2, 5), [7, 0, 11], z.clone()
    images = traverse(deep, z, dims, values)
    assert images.shape == (3, 5, 8, 8) and torch.equal(z, before)
    for row, dim in enumerate(dims):
        for column, value in enumerate(values):
            code = z.clone()
            code[dim] = value
            torch.testing.assert_close(images[row, column], decode_images(deep, code[None])[0])


def test_dimensions_are_counted_from_one():
    assert [name_of_dimension(dim) for dim in (0, 6, 9, 31)] == ["z₁", "z₇", "z₁₀", "z₃₂"]
