"""Noise, image quality and filters (notebook 08): closed forms, bounds, scikit-image's SSIM."""

from functools import partial

import pytest
import torch

from tutorial_utils.topics.noise import (
    gaussian_filter,
    gaussian_noise,
    masking_noise,
    median_filter,
    non_local_means,
    psnr,
    salt_and_pepper,
    ssim,
    tune,
)
from tutorial_utils.training import local_seed

NOISES = {"gaussian": gaussian_noise, "masking": masking_noise, "salt and pepper": salt_and_pepper}
FILTERS = {
    "blur": (gaussian_filter, 0.9),
    "median": (median_filter, 3),
    "non-local means": (non_local_means, 0.3),
}
every_noise = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
every_filter = pytest.mark.parametrize("name", FILTERS)
N = 200_000  # pixels per image


@pytest.fixture(autouse=True)
def seeded():
    with local_seed(0):
        yield


@pytest.fixture(scope="module")
def x(mnist):
    return mnist.x_test[:40]


def closed_forms(noise, value: float, level: float) -> tuple[float, float]:
    """Mean and variance of a pixel that was `value`."""
    if noise is gaussian_noise:
        return value, level**2
    if noise is masking_noise:
        return (1 - level) * value, level * (1 - level) * value**2
    mean = (1 - level) * value + level / 2  # the mean of 0 and 1
    return mean, (1 - level) * value**2 + level / 2 - mean**2


# ---- noise ----


@every_noise
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("level", [0.0, 0.2, 0.7, 1.0])
def test_mean_and_variance_of_a_pixel(noise, value, level):
    noisy = noise(torch.full((1, 1, 1, N), value, dtype=torch.float64), level)
    mean, variance = closed_forms(noise, value, level)
    assert abs(noisy.mean() - mean) <= 5 * (variance / N) ** 0.5 + 1e-9
    squares = (noisy - noisy.mean()).square()
    assert abs(squares.mean() - variance) <= 5 * squares.std() / N**0.5 + 1e-4 * variance + 1e-12


@every_noise
def test_pixels_channels_and_images_are_independent(noise):
    """No two rows of pixels are correlated, in one image or between images."""
    noisy = noise(torch.full((3, 2, 2, N // 4), 0.5), 0.5)
    correlation = torch.corrcoef(noisy.flatten(0, 2))
    assert (correlation - torch.eye(12)).abs().max() < 5 / (N // 4) ** 0.5
    row = noisy[0, 0, 0]
    neighbors = torch.corrcoef(torch.stack([row[:-1], row[1:]]))[0, 1]
    assert neighbors.abs() < 5 / (N // 4) ** 0.5


@every_noise
def test_each_image_may_have_its_own_level(noise, x):
    levels = torch.linspace(0, 1, len(x)).reshape(-1, 1, 1, 1)
    with local_seed(4):
        noisy = noise(x, levels)
    assert torch.equal(noisy[0], x[0]) and noisy.shape == x.shape and noisy.dtype == x.dtype
    for k in (7, 39):
        with local_seed(4):
            assert torch.equal(noisy[k], noise(x, levels[k].item())[k])


def test_more_masks_what_less_had_masked(x):
    masks = []
    for level in (0.2, 0.5, 0.9):
        with local_seed(1):
            masks.append(masking_noise(torch.ones_like(x), level))
    assert (masks[0] >= masks[1]).all() and (masks[1] >= masks[2]).all()


# ---- judges ----


def test_psnr_of_known_errors(x):
    """Of ten images each: white on black, a tenth, a hundredth, a tenth in the upper half."""
    noisy = x.clone()
    for rows, error in ((slice(10), 1.0), (slice(10, 20), 0.1), (slice(20, 30), 0.01)):
        noisy[rows] += error
    noisy[30:, :, :14] += 0.1
    expected = torch.tensor([0.0, 20.0, 40.0, 23.0103]).repeat_interleave(10)
    torch.testing.assert_close(psnr(noisy, x), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(psnr(x, noisy), psnr(noisy, x))
    assert torch.equal(psnr(x, x), torch.full((40,), torch.inf))


def test_ssim_is_1_for_equal_images_only_and_symmetric(x):
    assert torch.equal(ssim(x, x), torch.ones(40))
    for other in (gaussian_noise(x, 0.1), 1 - x, x.flip(0), x + 0.01, 0.99 * x, 0 * x):
        values = ssim(other, x)
        assert (values < 1).all() and (values > -1).all()
        assert torch.equal(values, ssim(x, other))
    assert (ssim(1 - x, x) < 0).all()  # what is bright is dark


def test_ssim_is_that_of_scikit_image(mnist):
    from skimage.metrics import structural_similarity

    x = mnist.x_test[:60]
    others = [
        gaussian_noise(x, 0.3)[:20],
        masking_noise(x, 0.5)[20:40],
        gaussian_filter(x, 1.0)[40:],
    ]
    others = torch.cat(others)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    theirs = partial(structural_similarity, data_range=1.0, **options)
    expected = torch.tensor(list(map(theirs, others[:, 0].numpy(), x[:, 0].numpy())))
    torch.testing.assert_close(ssim(others, x), expected.float(), atol=1e-4, rtol=0)
    wide, other = x[:1, :, 5:22], others[:1, :, 5:22]  # not square
    expected = theirs(other[0, 0].numpy(), wide[0, 0].numpy())
    assert ssim(other, wide).item() == pytest.approx(expected, abs=1e-4)


# ---- filters ----


@every_filter
def test_filters_take_each_image_for_itself(name, x):
    denoise, setting = FILTERS[name]
    noisy = gaussian_noise(x[:5], 0.3)
    alone = torch.cat([denoise(image[None], setting) for image in noisy])
    assert torch.equal(denoise(noisy, setting), alone)
    assert alone.dtype == x.dtype and alone.shape == noisy.shape


@pytest.mark.parametrize("name", ["blur", "median"])
def test_filters_take_each_channel_for_itself(name, x):
    denoise, setting = FILTERS[name]
    as_channels = denoise(x[:4].transpose(0, 1), setting)
    assert torch.equal(as_channels.transpose(0, 1), denoise(x[:4], setting))


@every_filter
def test_filters_take_noise_off_and_do_not_care_for_orientation(name, x):
    denoise, setting = FILTERS[name]
    noisy = gaussian_noise(x, 0.3)
    assert (psnr(denoise(noisy, setting), x) > psnr(noisy, x)).all()
    turned = denoise(noisy.transpose(-1, -2), setting).transpose(-1, -2)
    torch.testing.assert_close(turned, denoise(noisy, setting), atol=1e-5, rtol=0)


def test_blur_keeps_the_sum_and_spreads_a_dot_as_a_gaussian():
    dot = torch.zeros(1, 1, 41, 41)
    dot[..., 20, 20] = 1
    spread = gaussian_filter(dot, 2.0)[0, 0]
    places = torch.arange(41.0) - 20
    assert spread.sum().item() == pytest.approx(1, abs=1e-4)
    assert (spread.sum(0) * places.square()).sum().item() == pytest.approx(4, rel=0.01)
    assert (spread.sum(1) * places.square()).sum().item() == pytest.approx(4, rel=0.01)


def test_non_local_means_keeps_what_is_alike_apart_from_what_is_not():
    """It averages white stripes with white ones and black with black: the edges stay."""
    stripes = torch.zeros(1, 1, 28, 28)
    stripes[..., ::4] = stripes[..., 1::4] = 1
    noisy = gaussian_noise(stripes, 0.15)
    smooth = [psnr(gaussian_filter(noisy, width), stripes).item() for width in (0.5, 1, 2)]
    assert psnr(non_local_means(noisy, 0.15), stripes).item() > max(smooth) + 3
    torch.testing.assert_close(non_local_means(stripes, 0.01), stripes)


def test_tune_finds_the_best_setting(x):
    noisy = gaussian_noise(x, 0.3)
    toward_x = lambda images, share: images + share * (x - noisy)  # noqa: E731
    assert tune(toward_x, [0.0, 0.4, 0.9, 1.3], noisy, x) == 0.9
    settings = [0.3, 0.8, 3.0]
    scores = [psnr(gaussian_filter(noisy, width).clamp(0, 1), x).mean() for width in settings]
    assert tune(gaussian_filter, settings, noisy, x) == settings[scores.index(max(scores))] == 0.8
    assert tune(gaussian_filter, [3.0, 0.3], x, x) == 0.3  # the less the better, without noise


def test_tune_judges_what_is_shown_and_takes_the_first_of_equals(x):
    filters = {
        "far": lambda images: 5.0 * (images > 0.5),
        "near": lambda images: images + 0.2 * (images < 0.5),
    }
    clean = (x > 0.5).float()
    assert tune(lambda images, name: filters[name](images), ["near", "far"], clean, clean) == "far"
    assert tune(lambda images, name: images, ["a", "b"], clean, x) == "a"


# ---- errors ----


@every_filter
def test_filters_take_all_kinds_of_floats_and_give_the_same_kind(name, x):
    denoise, setting = FILTERS[name]
    expected = denoise(x[:3], setting)
    for dtype, error in ((torch.float64, 1e-5), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)):
        found = denoise(x[:3].to(dtype).requires_grad_(), setting)
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), expected, atol=error, rtol=0)


@every_noise
def test_wrong_levels_and_images_are_named(noise, x):
    for level in (torch.ones(28), torch.ones(40), torch.ones(40, 1), torch.ones(3, 1, 1, 1)):
        with pytest.raises(ValueError, match=r"level must be a number or a tensor \[40, 1, 1, 1\]"):
            noise(x, level)
    wrong = [-0.1, torch.nan, torch.full((40, 1, 1, 1), -1.0)]
    for level in wrong if noise is gaussian_noise else [*wrong, 1.2]:
        with pytest.raises(ValueError, match=r"level must lie from 0 to (1|inf), got"):
            noise(x, level)
    with pytest.raises(TypeError, match="x must be a tensor of floats"):
        noise((255 * x).to(torch.uint8), 0.1)


@pytest.mark.parametrize("judge", [psnr, ssim])
def test_wrong_images_are_named(judge, x):
    same_shape = r"images and x must have the same shape, got \[1, 1, 28, 28\] and \[40, "
    for images, others, message in (
        (x[:1], x, same_shape),
        (x[:1] * torch.nan, x[:1], "images must be finite, got 784 NaN"),
        (x[0], x[0], "images must be a non-empty tensor with 4 axes"),
    ):
        with pytest.raises(ValueError, match=message):
            judge(images, others)


@pytest.mark.parametrize(
    ("function", "setting", "name"),
    [
        (gaussian_filter, 0, "width"),
        (gaussian_filter, -1.0, "width"),
        (non_local_means, 0.0, "strength"),
        (median_filter, 2, "size"),
        (median_filter, 3.0, "size"),
    ],
)
def test_wrong_settings_are_named(function, setting, name, x):
    with pytest.raises(ValueError, match=f"{name} must be"):
        function(x, setting)


def test_other_wrong_arguments_are_named(x):
    for denoise, setting in FILTERS.values():
        with pytest.raises(TypeError, match="x must be a tensor of floats, got list"):
            denoise([x], setting)
    with pytest.raises(ValueError, match="x must be at least 11 pixels high and wide"):
        ssim(x[..., :10, :], x[..., :10, :])
    with pytest.raises(ValueError, match=r"x must hold gray images \[N, 1, H, W\]"):
        non_local_means(x.expand(-1, 3, -1, -1), 0.3)
    with pytest.raises(ValueError, match="settings must hold at least one setting"):
        tune(gaussian_filter, [], x, x)
