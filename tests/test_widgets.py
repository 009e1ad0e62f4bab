"""The widgets without a browser: every picture is exactly what the pure functions and the model give."""

import io

import ipywidgets
import numpy as np
import pytest
import torch
from ipywidgets.widgets import widget
from PIL import Image
from traitlets import TraitError

from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.pictures import (
    decode_grid,
    decode_images,
    draw_map,
    encode_image,
    far_distance,
    mark_frame,
    morph,
    morph_strip,
    nearest_code,
    to_png,
)
from tutorial_utils.widgets import Picture, interpolation_studio, latent_pad, next_of_class


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def widgets_in(box: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    return [box] + [inner for child in getattr(box, "children", ()) for inner in widgets_in(child)]


@pytest.fixture
def model(make_vae):
    return make_vae().eval()


@pytest.fixture
def studio(model, digits):
    return interpolation_studio(model, digits.x_test, digits.y_test)


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


def test_strip_is_the_morph_at_equal_steps_and_constant_between_identical_digits(model):
    z_a, z_b = torch.tensor([-1.0, 2.0]), torch.tensor([1.5, 0.0])
    frames = morph_strip(model, z_a, z_b, n=5).reshape(8, 5, 8).unbind(1)
    for k, frame in enumerate(frames):
        torch.testing.assert_close(frame, morph(model, z_a, z_b, k / 4))
    same = morph_strip(model, z_a, z_a, n=5).reshape(8, 5, 8)
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


def test_next_of_class_goes_through_all_images_and_around():
    y = torch.tensor([3, 1, 3, 3, 1])
    assert [next_of_class(y, 3, after) for after in (-1, 0, 2, 3)] == [0, 2, 3, 0]
    with pytest.raises(ValueError, match=r"label must be one of the classes in y, \[1, 3\], got 7"):
        next_of_class(y, 7)


def test_slider_shows_what_morph_gives(studio, model):
    seen = set()
    for t in (0, 0.13, 0.5, 0.99, 1):
        studio.slider.value = t
        assert studio.picture.value == to_png(morph(model, studio.z_a, studio.z_b, t))
        frame = round(8 * t)
        assert studio.strip.value == to_png(mark_frame(morph_strip(model, studio.z_a, studio.z_b), frame))
        z_1, z_2 = ((1 - t) * studio.z_a + t * studio.z_b).tolist()
        label = f"mean of p(x|z) at t = {t:.2f}, z = ({z_1:.2f}, {z_2:.2f})".replace("-", "−")
        assert studio.label.value == label == studio.picture.alt
        seen.add(studio.picture.value)
    assert len(seen) == 5


def test_play_moves_the_slider_and_goes_on_where_the_slider_stands(studio):
    studio.play.value = 75
    assert studio.slider.value == 0.75
    studio.slider.value = 0.29
    assert studio.play.value == 29 and studio.slider.value == 0.29


def test_choosing_digits_encodes_and_shows_them(studio, model, digits):
    for end, code in ((studio.start, "z_a"), (studio.end, "z_b")):
        end.label.value = 3
        first = end.index
        end.button.click()
        assert end.index > first and digits.y_test[first] == digits.y_test[end.index] == 3
        image = digits.x_test[end.index]
        assert end.picture.value == to_png(image[0])
        torch.testing.assert_close(getattr(studio, code), encode_image(model, image))
        assert f"test image {end.index}, a 3" in end.picture.alt
    assert studio.picture.value == to_png(morph(model, studio.z_a, studio.z_b, 0.5))
    with pytest.raises(TraitError):
        studio.start.label.value = 12


def test_two_identical_digits_stay_the_same_all_the_way(model, digits):
    studio = interpolation_studio(model, digits.x_test[:1], digits.y_test[:1])
    assert studio.start.index == studio.end.index == 0
    studio.start.button.click()  # there is no other one
    studio.slider.value = 0.0
    start = pixels(studio.picture.value).astype(int)
    studio.slider.value = 0.7
    assert abs(pixels(studio.picture.value) - start).max() <= 1


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
    assert "far from every test code" in pad.pad.text and "far from every test code" in pad.label.value


def test_nearest_and_far_on_points_on_a_line():
    z = torch.stack([torch.arange(50.0), torch.zeros(50)], dim=1)
    assert nearest_code(z, torch.tensor([7.2, 0.0])) == (7, pytest.approx(0.2, abs=1e-5))
    assert far_distance(z) == pytest.approx(3.0)  # neighbors are 1 apart
    assert far_distance(z[:1]) == 0


def test_map_puts_every_code_where_it_belongs():
    z, y = torch.tensor([[1.0, 1.0], [-9.0, 0.0]]), torch.tensor([4, 4])
    image = pixels(draw_map(z, y, 2.0, pixels=400)).copy()
    alpha = image[..., 3]
    assert alpha[80:120, 280:320].any()  # three quarters to the right, one quarter from the top
    alpha[80:120, 280:320] = 0
    assert not alpha.any()  # nothing for the code outside


def test_a_thousand_moves_leave_no_widget_behind(studio, pad):
    before = len(widget._instances)
    for k in range(1000):
        studio.slider.value = (k % 101) / 100
        pad.pad.x = (k % 70) / 10 - 3.5
    assert len(widget._instances) == before > 0


def test_every_control_has_a_label_and_every_picture_a_text(studio, pad):
    found = widgets_in(studio) + widgets_in(pad)
    for part in found:
        if isinstance(part, Picture):
            assert part.alt
        if isinstance(part, (ipywidgets.Dropdown, ipywidgets.Button, ipywidgets.FloatSlider)):
            assert part.description
        if isinstance(part, ipywidgets.Play):
            assert part.tooltip
    assert sum(isinstance(part, Picture) for part in found) == 5


def test_bad_arguments_are_named(model, make_vae, digits):
    x, y = digits.x_test, digits.y_test
    z = torch.zeros(len(y), 2)
    for call, error, message in (
        (lambda: interpolation_studio(model, x, y[:5]), ValueError, "x and y must have the same length, got 360 and 5"),
        (lambda: interpolation_studio(model, 255 * x, y), ValueError, r"x must lie in \[0, 1\]"),
        (lambda: interpolation_studio(model, x - 0.1, y), ValueError, r"x must lie in \[0, 1\]"),
        (lambda: interpolation_studio(model, x.expand(-1, 3, -1, -1), y), ValueError, "x must hold gray images"),
        (lambda: interpolation_studio(model, x[0], y), ValueError, "x must be a non-empty tensor with 4 axes"),
        (lambda: interpolation_studio(model, x, y.float()), TypeError, "y must be a tensor of whole numbers"),
        (lambda: latent_pad(make_vae(latent_dim=3), z, y), ValueError, "model must have latent_dim 2, got 3"),
        (lambda: latent_pad(model, z[:, :1], y), ValueError, "z must hold two numbers per image"),
        (lambda: latent_pad(model, z, y[:4]), ValueError, "z and y must have the same length"),
        (lambda: latent_pad(model, z / 0, y), ValueError, "z must be finite"),
        (lambda: latent_pad(model, z, y, extent=0), ValueError, "extent must be a finite number above 0"),
        (lambda: decode_grid(make_vae(latent_dim=1)), ValueError, "model must have latent_dim 2, got 1"),
        (lambda: decode_grid(model, 0), ValueError, "n must be a whole number"),
        (lambda: morph(model, z[0], z[0, :1], 0.5), ValueError, "z_a and z_b must have the same shape"),
        (lambda: morph(model, z[0], z[0], float("nan")), ValueError, "z must be finite"),
        (lambda: to_png(x[0]), ValueError, "image must be a non-empty tensor with 2 axes"),
    ):
        with pytest.raises(error, match=message):
            call()
