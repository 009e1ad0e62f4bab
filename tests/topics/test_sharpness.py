"""Sharpness: blur lowers it, noise raises it, contrast leaves it alone; closed forms."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import pad
from torchvision.transforms.functional import gaussian_blur

from tutorial_utils.data import load_images
from tutorial_utils.topics.sharpness import (
    bootstrap_interval,
    high_frequency_share,
    laplacian_sharpness,
    radial_spectrum,
)

MEASURES_OF_IMAGES = (laplacian_sharpness, high_frequency_share)
MEASURES = pytest.mark.parametrize("measure", MEASURES_OF_IMAGES)
BLURS = (0.4, 0.6, 0.9, 1.3, 1.8)  # standard deviations, in pixels


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wave(height: int, width: int, up: float, right: float) -> torch.Tensor:
    """A plane wave with these frequencies in cycles per pixel: [1, 1, height, width]."""
    rows, columns = torch.arange(height).double(), torch.arange(width).double()
    return torch.sin(2 * math.pi * (up * rows[:, None] + right * columns) + 0.3)[None, None]


@pytest.fixture(scope="module")
def digits28() -> torch.Tensor:
    return load_images("mnist", n_test=200).x_test


@pytest.fixture(scope="module")
def patches() -> torch.Tensor:
    return load_images("patches", n_test=300).x_test


# ---- both numbers ----


@MEASURES
@pytest.mark.parametrize("name", ["digits28", "patches"])
def test_falls_strictly_with_every_wider_blur_of_every_image(measure, name, request):
    x = pad(request.getfixturevalue(name), (10,) * 4)
    values = [measure(x), *(measure(gaussian_blur(x, 21, std)) for std in BLURS)]
    assert all((after < before).all() and (after > 0).all() for before, after in pairwise(values))


def test_cut_edges_are_sharp_for_the_share_however_wide_the_blur(patches):
    """Its weakness: the borders of a patch are edges to the transform, and no blur removes them."""
    values = [measure(gaussian_blur(patches, 21, 3.0)).mean() for measure in MEASURES_OF_IMAGES]
    before = [measure(patches).mean() for measure in MEASURES_OF_IMAGES]
    assert values[0] < 0.01 * before[0] and 0.1 * before[1] < values[1] < before[1]


@MEASURES
@pytest.mark.parametrize("factor", [3.0, 0.2, -1.0])
def test_contrast_brightness_and_sign_do_not_count(measure, factor, digits28, patches):
    for x in (digits28, patches):
        torch.testing.assert_close(measure(0.7 + factor * x.double()), measure(x))


@MEASURES
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e6])
def test_a_constant_image_has_none_and_spoils_no_other(measure, value, digits28):
    images = torch.stack([torch.full((1, 28, 28), value), digits28[0]])
    assert measure(images)[0] == 0
    assert measure(images)[1] == measure(digits28[:1])[0] > 0
    colors = torch.tensor([0.1, 0.5, 0.7]).reshape(1, 3, 1, 1).expand(1, 3, 9, 8)
    assert measure(colors).tolist() == [0]


@MEASURES
def test_each_image_counts_alone_whatever_its_orientation(measure):
    x = normal(5, 1, 18, 24)
    values = measure(x.requires_grad_())
    assert values.shape == (5,) and values.dtype == torch.float32 and not values.requires_grad
    torch.testing.assert_close(values, torch.cat([measure(image[None]) for image in x]))
    for turned in (x.flip(-1), x.flip(-2), x.transpose(-1, -2)):
        torch.testing.assert_close(measure(turned), values)


@MEASURES
def test_channels_are_added_up_whatever_their_brightness(measure):
    x = normal(4, 1, 20, 24)
    torch.testing.assert_close(measure(torch.cat([x, x + 5, x - 1], dim=1)), measure(x))
    flat = torch.zeros_like(x)
    torch.testing.assert_close(measure(torch.cat([x, flat], dim=1)), measure(x))


# ---- translation ----


def test_share_does_not_know_where_the_image_begins(patches):
    for shift in ((5, 0), (0, -11), (13, 2)):
        moved = patches.roll(shift, (-2, -1))
        torch.testing.assert_close(high_frequency_share(moved), high_frequency_share(patches))


# ---- closed forms ----


def test_white_noise_has_20_and_the_area_outside_the_disc():
    x = normal(40, 1, 128, 128) * 0.3 + 2
    assert laplacian_sharpness(x).mean() == pytest.approx(20, rel=0.01)
    for cutoff in (0.1, 0.25, 0.4, 0.5):
        share = high_frequency_share(x, cutoff=cutoff).mean()
        assert share == pytest.approx(1 - math.pi * cutoff**2, abs=0.01)


@pytest.mark.parametrize(
    ("up", "right"), [(0, 1 / 8), (1 / 16, 0), (1 / 8, 1 / 4), (3 / 8, 3 / 8), (1 / 2, 7 / 16)]
)
def test_a_plane_wave_has_the_closed_form(up, right):
    x = wave(256, 256, up, right)
    gain = 4 - 2 * math.cos(2 * math.pi * up) - 2 * math.cos(2 * math.pi * right)
    # Not exact: there is no Laplacian at the border.
    assert laplacian_sharpness(x).item() == pytest.approx(gain**2, rel=0.02)
    for cutoff in (0.05, 0.25, 0.49):
        above = float(math.hypot(up, right) > cutoff)
        assert high_frequency_share(x, cutoff=cutoff).item() == pytest.approx(above, abs=1e-6)


def test_share_of_two_waves_is_the_share_of_their_squared_amplitudes():
    x = 3 * wave(32, 48, 1 / 16, 0) + 2 * wave(32, 48, 0, 3 / 8) + 7
    assert high_frequency_share(x).item() == pytest.approx(4 / 13)


def test_laplacian_by_hand():
    x = torch.zeros(1, 1, 5, 5)
    x[..., 2, 2] = 1  # inner pixels: one of -4, four of 1, four of 0
    assert laplacian_sharpness(x).item() == pytest.approx((20 / 9) / (1 / 25 - 1 / 625))


# ---- the spectrum ----


SIZES = [(28, 28), (27, 27), (16, 31), (31, 16), (9, 13), (8, 5), (4, 4), (3, 3)]


@pytest.mark.parametrize("size", SIZES)
def test_spectrum_of_white_noise_is_its_variance_in_every_ring(size):
    """On average over all noise: white noise is a sum of single white pixels with independent
    weights of variance 1, so its mean power is the sum of theirs.
    """
    height, width = size
    pixels = torch.eye(height * width).reshape(-1, 1, height, width)
    frequency, power = radial_spectrum(pixels)
    torch.testing.assert_close(len(pixels) * power, torch.ones(min(size) // 2))
    torch.testing.assert_close(frequency, torch.arange(1, len(power) + 1) / min(size))


def test_spectrum_of_drawn_white_noise_whatever_its_mean():
    parts = torch.stack(
        [radial_spectrum(0.5 * normal(20, 2, 21, 30, seed=k) + 3)[1] for k in range(40)]
    )
    error = 5 * parts.std(0) / 40**0.5
    assert ((parts.mean(0) - 0.25).abs() < error).all() and (error < 0.02).all()


@pytest.mark.parametrize(
    ("up", "right"), [(1 / 8, 0), (0, 3 / 8), (3 / 16, 1 / 4), (5 / 64, 6 / 64)]
)
def test_spectrum_of_a_wave_has_its_peak_there_and_little_elsewhere(up, right):
    frequency, power = radial_spectrum(wave(64, 64, up, right) + 1)
    radius = math.hypot(up, right)
    assert frequency[power.argmax()] == pytest.approx(radius, abs=0.5 / 64)
    assert power[(frequency - radius).abs() > 3 / 64].max() < 1e-3 * power.max()


def test_spectrum_does_not_see_the_cut_edges_of_a_smooth_ramp():
    ramp = wave(64, 64, 1 / 256, 1 / 300)  # the ends do not meet
    frequency, power = radial_spectrum(ramp)
    raw = torch.fft.fft2(ramp - ramp.mean()).abs().square()[0, 0]
    assert power[frequency > 0.25].mean() / power[0] < 1e-3 * raw[0, 16:33].mean() / raw[0, 1]


def test_spectrum_is_a_mean_over_images_and_channels():
    x = normal(2, 2, 16, 16)
    both = radial_spectrum(x)[1]
    each = [radial_spectrum(x[i : i + 1, j : j + 1])[1] for i in range(2) for j in range(2)]
    torch.testing.assert_close(both, torch.stack(each).mean(0))


# ---- the interval ----


@pytest.mark.parametrize(("level", "quantile"), [(0.5, 0.6745), (0.95, 1.96), (0.99, 2.576)])
def test_interval_has_the_width_of_the_normal_theory(level, quantile):
    values = normal(1000) * 3 + 10
    low, high = bootstrap_interval(values, level=level, n_resamples=4000)
    error = values.std().item() / 1000**0.5
    assert high - low == pytest.approx(2 * quantile * error, rel=0.08)
    assert (low + high) / 2 == pytest.approx(values.mean().item(), abs=0.15 * error)


def test_interval_moves_and_stretches_with_the_values_and_its_seed_decides():
    values, before = normal(60), torch.get_rng_state()
    low, high = bootstrap_interval(values)
    assert bootstrap_interval(values) == (low, high) != bootstrap_interval(values, seed=1)
    assert bootstrap_interval(3 * values + 1) == pytest.approx((3 * low + 1, 3 * high + 1))
    assert bootstrap_interval(torch.full((5,), 2.5)) == (2.5, 2.5)
    assert torch.equal(torch.get_rng_state(), before)


# ---- errors ----


BYTES = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
BAD_IMAGES = [
    (BYTES, TypeError, "images must be a tensor of floats, got a tensor of"),
    (torch.zeros(28, 28), ValueError, r"non-empty tensor with 4 axes, got shape \[28, 28\]"),
    (torch.zeros(1, 1, 2, 9), ValueError, r"at least 3 pixels .*, got shape \[1, 1, 2, 9\]"),
    (torch.full((1, 1, 8, 8), math.nan), ValueError, "images must be finite"),
]


@pytest.mark.parametrize("function", [*MEASURES_OF_IMAGES, radial_spectrum])
@pytest.mark.parametrize(("images", "error", "message"), BAD_IMAGES)
def test_wrong_images_are_named(function, images, error, message):
    with pytest.raises(error, match=f"images must be .*{message.removeprefix('images must be ')}"):
        function(images)


@pytest.mark.parametrize(
    ("cutoff", "message"),
    [(0, "above 0"), (-0.1, "above 0"), (0.6, "at most 0.5"), (True, "a finite number")],
)
def test_wrong_cutoffs_are_named(cutoff, message, digits28):
    with pytest.raises(ValueError, match=f"cutoff must be .*{message}.* got {cutoff}"):
        high_frequency_share(digits28[:1], cutoff=cutoff)


VALUES = torch.linspace(0, 1, 9)
BAD_INTERVALS = [
    (VALUES[:1], {}, "values must hold at least 2 numbers, got 1"),
    (VALUES[:, None], {}, "values must be a non-empty tensor with 1 axes"),
    (VALUES / 0, {}, "values must be finite"),
    (VALUES, {"level": 1.0}, "level must be above 0 and below 1, got 1"),
    (VALUES, {"level": 0}, "level must be a finite number above 0"),
    (VALUES, {"n_resamples": 0}, "n_resamples must be a whole number of at least 1, got 0"),
]


@pytest.mark.parametrize(("values", "settings", "message"), BAD_INTERVALS)
def test_wrong_arguments_of_the_interval_are_named(values, settings, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, **settings)
