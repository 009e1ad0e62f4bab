"""Choosers, maps and the pad without a browser: every picture is exactly what the model gives."""

import io

import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from PIL import Image
from traitlets import TraitError

from tutorial_utils.latent import decode_grid, great_circle, morph, morph_strip, straight_line
from tutorial_utils.models import Autoencoder, decode_images, encode_image, mlp
from tutorial_utils.plotting import to_png
from tutorial_utils.studios.controls import ImageChooser, next_of_class
from tutorial_utils.studios.interpolation import mark_frame
from tutorial_utils.studios.pad import (
    CodeMap,
    code_map,
    far_distance,
    latent_pad,
    map_png,
    nearest_code,
)


@pytest.fixture
def model(make_vae):
    return make_vae().eval()


@pytest.fixture
def chooser(digits):
    return ImageChooser("From", "The digit to start from", digits.x_test, digits.y_test, 0)


@pytest.fixture
def pad(model, digits):
    with torch.no_grad():
        mu, _ = model.encode(digits.x_test)
    return latent_pad(model, mu, digits.y_test)


def test_png_holds_the_image_rounded_to_8_bits_and_clipped():
    image = torch.linspace(-0.5, 1.5, 28 * 20).reshape(28, 20)
    png = to_png(image)
    assert Image.open(io.BytesIO(png)).mode == "L"
    expected = (255 * image.clamp(0, 1)).round().numpy()
    np.testing.assert_array_equal(pixels(png), expected)


def test_every_gray_value_survives_the_png():
    image = torch.arange(256).reshape(16, 16) / 255
    np.testing.assert_array_equal(pixels(to_png(image)), np.arange(256).reshape(16, 16))


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
def test_strip_is_the_morph_at_equal_steps_and_constant_between_identical_digits(path, model):
    z_a, z_b = torch.tensor([-1.0, 2.0]), torch.tensor([1.5, 0.0])
    frames = morph_strip(model, z_a, z_b, n=5, path=path).reshape(8, 5, 8).unbind(1)
    for k, frame in enumerate(frames):
        torch.testing.assert_close(frame, morph(model, z_a, z_b, k / 4, path=path))
        point = path(z_a, z_b, torch.tensor([k / 4]))
        torch.testing.assert_close(frame, decode_images(model, point)[0])
    same = morph_strip(model, z_a, z_a, n=5, path=path).reshape(8, 5, 8)
    torch.testing.assert_close(same, same[:, :1].expand_as(same))


def test_marked_frame_changes_only_the_border_of_one_frame():
    strip = torch.full((8, 32), 0.25)
    marked = mark_frame(strip, 2, n=4)
    assert (strip == 0.25).all()
    changed = marked != strip
    assert changed.sum() == 28 and changed[:, 16:24].sum() == 28 and not changed[1:-1, 17:23].any()


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


def test_next_of_class_goes_through_all_images_and_around():
    y = torch.tensor([3, 1, 3, 3, 1])
    assert [next_of_class(y, 3, after) for after in (-1, 0, 2, 3)] == [0, 2, 3, 0]
    with pytest.raises(ValueError, match=r"label must be one of the classes in y, \[1, 3\], got 7"):
        next_of_class(y, 7)


def test_chooser_goes_by_class_by_index_and_to_the_next_image_of_the_class(chooser, digits):
    x, y = digits.x_test, digits.y_test

    def shows(index: int) -> None:
        label = int(y[index])
        assert chooser.index == chooser.field.value == index and chooser.label.value == label
        assert torch.equal(chooser.image, x[index]) and chooser.picture.value == to_png(x[index, 0])
        assert chooser.picture.alt == f"The digit to start from: test image {index}, a {label}"
        assert chooser.button.description == f"Another {label}" and chooser.name == str(label)

    shows(0)
    for index in (17, 359, 3):
        chooser.field.value = index
        shows(index)
    for label in (3, 8, 3):
        chooser.label.value = label
        first = next_of_class(y, label)
        shows(first)
        chooser.button.click()
        shows(next_of_class(y, label, after=first))
    chooser.field.value = 10_000  # beyond the last one
    shows(359)
    with pytest.raises(TraitError):
        chooser.label.value = 12


def test_chooser_tells_its_observers_once_per_choice_whatever_the_way(chooser, digits):
    seen = []
    chooser.observe(lambda change: seen.append(change["new"]), "image")
    drawing = torch.rand(1, 8, 8)
    for act in (
        lambda: setattr(chooser.label, "value", 6),
        lambda: setattr(chooser.field, "value", 40),
        chooser.button.click,
        lambda: chooser.put(drawing, "a drawing"),
        chooser.button.click,
        lambda: chooser.choose(5),
    ):
        before = len(seen)
        act()
        assert len(seen) == before + 1 and seen[-1] is chooser.image
    assert torch.equal(seen[3], drawing) and torch.equal(seen[5], digits.x_test[5])


def test_chooser_shows_a_drawing_until_a_test_image_is_chosen(chooser, digits):
    drawing = torch.rand(1, 8, 8)
    chooser.put(drawing, "my <7>")
    assert torch.equal(chooser.image, drawing) and chooser.picture.value == to_png(drawing[0])
    assert (
        chooser.picture.alt == "The digit to start from: my <7>"
        and chooser.caption.value == "my &lt;7&gt;"
    )
    assert chooser.caption.layout.display is None and chooser.name == "my_7_"
    drawing.zero_()
    assert chooser.image.any()  # a copy
    chooser.button.click()
    assert torch.equal(chooser.image, digits.x_test[chooser.index])
    assert chooser.caption.layout.display == "none" and chooser.name == str(
        int(digits.y_test[chooser.index])
    )


def test_chooser_with_one_image_of_a_class_comes_back_to_it(digits):
    chooser = ImageChooser("From", "The digit", digits.x_test[:1], digits.y_test[:1], 0)
    chooser.put(torch.zeros(1, 8, 8), "nothing")
    chooser.button.click()
    assert torch.equal(chooser.image, digits.x_test[0]) and "test image 0" in chooser.picture.alt


def test_chooser_names_what_is_wrong_with_a_drawing(chooser):
    blank = torch.zeros(1, 8, 8)
    for image, caption, error, message in (
        (
            torch.zeros(1, 28, 28),
            "a",
            ValueError,
            r"image and x\[0\] must have the same shape, got \[1, 28, 28\]",
        ),
        (blank[0], "a", ValueError, "image must be a non-empty tensor with 3 axes"),
        (blank.int(), "a", TypeError, "image must be a tensor of floats"),
        (blank + 2, "a", ValueError, r"image must lie in \[0, 1\], got values from 2 to 2"),
        (blank / 0, "a", ValueError, r"image must lie in \[0, 1\]"),
        (blank, "", ValueError, "caption must be a text"),
        (blank, 7, ValueError, "caption must be a text, got 7"),
    ):
        with pytest.raises(error, match=message):
            chooser.put(image, caption)
    assert "test image 0" in chooser.picture.alt


def test_pad_shows_what_the_model_decodes_at_the_point(pad, model):
    for x, y in ((0.5, -1.25), (3.5, 3.5), (-3.5, 0)):
        pad.pad.set_state({"x": x, "y": y})
        assert pad.picture.value == to_png(decode_images(model, torch.tensor([[x, y]]))[0])
        assert f"z = ({x:.2f}, {y:.2f})".replace("-", "−") in pad.pad.text
        assert f"z = ({x:.2f}, {y:.2f})".replace("-", "−") in pad.label.value


def test_pad_stays_on_the_map_and_shows_all_digits_of_its_numbers(pad):
    pad.pad.x, pad.pad.y = 1e9, -1e9
    assert (pad.pad.x, pad.pad.y) == (3.5, -3.5)
    pad.pad.x = 0.12345
    assert pad.pad.x == 0.12
    with pytest.raises(ValueError, match="x must be finite"):
        pad.pad.x = float("nan")


def test_pad_says_which_code_is_near_and_when_none_is(model):
    z = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [1.0, 1.0]])
    pad = latent_pad(model, z, torch.tensor([5, 5, 5, 8]), extent=100)
    pad.pad.x, pad.pad.y = 1.0, 1.5
    assert "nearest test code: a 8, 0.50 away" in pad.pad.text and "far from" not in pad.pad.text
    pad.pad.x = -90.0
    assert (
        "far from every test code" in pad.pad.text and "far from every test code" in pad.label.value
    )


def test_nearest_and_far_on_points_on_a_line():
    z = torch.stack([torch.arange(50.0), torch.zeros(50)], dim=1)
    assert nearest_code(z, torch.tensor([7.2, 0.0])) == (7, pytest.approx(0.2, abs=1e-5))
    assert far_distance(z) == pytest.approx(3.0)  # neighbors are 1 apart
    assert far_distance(z[:1]) == 0


def test_map_puts_every_code_where_it_belongs():
    z, y = torch.tensor([[1.0, 1.0], [-9.0, 0.0]]), torch.tensor([4, 4])
    image = pixels(map_png(z, y, 2.0, pixels=400)).copy()
    alpha = image[..., 3]
    assert alpha[80:120, 280:320].any()  # three quarters to the right, one quarter from the top
    alpha[80:120, 280:320] = 0
    assert not alpha.any()  # nothing for the code outside


def test_pad_draws_the_posterior_of_the_nearest_image(model, digits):
    with torch.no_grad():
        mu, logvar = model.encode(digits.x_test)
    std = (0.5 * logvar).exp()
    pad = latent_pad(model, mu, digits.y_test, std=std)
    for x, y in ((0.5, -0.3), (-1.0, 1.0), (0.0, 0.0)):
        pad.pad.set_state({"x": x, "y": y})
        nearest = int(torch.cdist(torch.tensor([[x, y]]), mu).argmin())
        torch.testing.assert_close(
            torch.tensor(pad.pad.ellipse), torch.cat([mu[nearest], std[nearest]])
        )
        assert (
            "σ = (" in pad.pad.text
            and f"σ = ({std[nearest, 0]:.3f}, {std[nearest, 1]:.3f})" in pad.label.value
        )
    assert "1σ" in pad.pad.hint


def test_pad_without_std_draws_no_posterior(pad):
    pad.pad.x = 1.0
    assert pad.pad.ellipse == [] and "σ" not in pad.pad.text + pad.label.value + pad.pad.hint


def test_small_map_shows_the_same_codes_with_fewer_pixels():
    z, y = torch.randn(50, 2), torch.arange(50) % 10
    large, small = (
        code_map(z, y, 3.5),
        code_map(z, y, 3.5, size=200, path=[[0.0, 0.0], [1.0, 2.0]], rings=[1.0]),
    )
    assert pixels(large.background).shape == (720, 720, 4) and pixels(small.background).shape == (
        360,
        360,
        4,
    )
    assert small.path == [[0.0, 0.0], [1.0, 2.0]] and small.rings == [1.0] and CodeMap().path == []


def test_bad_arguments_are_named(model, make_vae, digits):
    x, y = digits.x_test, digits.y_test
    z = torch.zeros(len(y), 2)
    for call, error, message in (
        (
            lambda: latent_pad(make_vae(latent_dim=3), z, y),
            ValueError,
            "model must have latent_dim 2, got 3",
        ),
        (lambda: latent_pad(model, z[:, :1], y), ValueError, "z must hold two numbers per image"),
        (lambda: latent_pad(model, z, y[:4]), ValueError, "z and y must have the same length"),
        (lambda: latent_pad(model, z / 0, y), ValueError, "z must be finite"),
        (
            lambda: latent_pad(model, z, y, std=z[:, :1] + 1),
            ValueError,
            "std and z must have the same shape",
        ),
        (lambda: latent_pad(model, z, y, std=z), ValueError, "std must be above 0, got 0"),
        (lambda: latent_pad(model, z, y, std=z + torch.nan), ValueError, "std must be finite"),
        (lambda: latent_pad(model, z, y, std=1.0), TypeError, "std must be a tensor of floats"),
        (
            lambda: latent_pad(model, z, y, extent=0),
            ValueError,
            "extent must be a finite number above 0",
        ),
        (
            lambda: decode_grid(make_vae(latent_dim=1)),
            ValueError,
            "model must have latent_dim 2, got 1",
        ),
        (lambda: decode_grid(model, 0), ValueError, "n must be a whole number"),
        (
            lambda: morph(model, z[0], z[0, :1], 0.5),
            ValueError,
            "z_a and z_b must have the same shape",
        ),
        (lambda: morph(model, [0, 0], z[0], 0.5), TypeError, "z_a must be a tensor of floats"),
        (lambda: morph(model, z[0], z[0], float("nan")), ValueError, "z must be finite"),
        (lambda: to_png(x[0]), ValueError, "image must be a non-empty tensor with 2 axes"),
    ):
        with pytest.raises(error, match=message):
            call()
