"""Noise, measures of image quality, and classical filters that denoise (notebook 08).

x, images: [N, C, H, W].  All functions raise TypeError or ValueError for a bad argument.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ..support.arguments import (
    finite,
    float_tensor,
    noise_level,
    positive_int,
    positive_number,
    same_shape,
)

Setting = TypeVar("Setting")
WINDOW, WIDTH = 11, 1.5  # pixels: the window of `ssim`, and the width of its Gaussian weights
K_1, K_2 = 0.01, 0.03  # Wang et al. (2004), section III
PATCH, REACH = 5, 6  # pixels: of a patch in `non_local_means`, and how far away another one may lie


# ---- noise: `level` is a number or [N, 1, 1, 1], one for each image ----


def gaussian_noise(x: Tensor, level: float | Tensor) -> Tensor:
    """x plus Gaussian noise of standard deviation `level`, not clamped: x + level * eps.

    level: 0 or above.
    """
    noise_level(level, x, at_most=torch.inf)
    return x + level * torch.randn_like(x)


def masking_noise(x: Tensor, level: float | Tensor) -> Tensor:
    """Masking noise: each pixel of x is set to 0 with probability `level`, independently.

    Vincent et al. (2008).  level: in [0, 1].
    """
    noise_level(level, x, at_most=1)
    return torch.where(torch.rand_like(x) < level, 0, x)


def salt_and_pepper(x: Tensor, level: float | Tensor) -> Tensor:
    """Salt-and-pepper noise: each pixel becomes 0 or 1, equally likely, with probability `level`.

    Pixels are independent.  level: in [0, 1].
    """
    noise_level(level, x, at_most=1)
    extreme = torch.rand_like(x).round()
    return torch.where(torch.rand_like(x) < level, extreme, x)


# ---- image quality ----


def psnr(images: Tensor, x: Tensor) -> Tensor:
    """Peak signal-to-noise ratio (PSNR) in dB, [N]: 10 log10(1 / mean squared error).

    The peak is 1, white.  Ten times less squared error is 10 dB more; equal images have infinity.
    Nothing is clamped here.  images, x: of one shape.
    """
    images, x = _pair(images, x)
    return -10 * (images - x).square().mean((1, 2, 3)).log10().float()


def ssim(images: Tensor, x: Tensor) -> Tensor:
    """Structural similarity (SSIM), [N]: at most 1, which only equal images have, and symmetric.

    Equation 13 of Wang et al. (2004): it compares means, variances and covariance under a Gaussian
    window of 11 x 11 pixels, σ = 1.5, wherever the window fits into the image.  The result is the
    mean over places and channels.  Nothing is clamped here.

    Same values as skimage's structural_similarity with gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1, which takes eight times as long.
    images, x: of one shape, at least 11 pixels high and wide.
    """
    images, x = _pair(images, x)
    if min(x.shape[-2:]) < WINDOW:
        raise ValueError(
            f"x must be at least {WINDOW} pixels high and wide, got shape {list(x.shape)}"
        )
    rows, columns = (_windows(n).to(x) for n in x.shape[-2:])

    def mean(a: Tensor) -> Tensor:
        return rows @ a @ columns.T

    mu_1, mu_2 = mean(images), mean(x)
    variances = mean(images.square()) - mu_1.square() + mean(x.square()) - mu_2.square()
    covariance = mean(images * x) - mu_1 * mu_2
    brightness = (2 * mu_1 * mu_2 + K_1**2) / (mu_1.square() + mu_2.square() + K_1**2)
    return (brightness * (2 * covariance + K_2**2) / (variances + K_2**2)).mean((1, 2, 3)).float()


# ---- filters ----


def gaussian_filter(x: Tensor, width: float) -> Tensor:
    """Gaussian filter: each pixel becomes a weighted mean of the pixels around it.

    The weights are exp(-distance² / (2 width²)); scipy's gaussian_filter, images mirrored at their
    edges.  width: above 0, in pixels.
    """
    from scipy.ndimage import gaussian_filter

    sigma = positive_number("width", width)
    return torch.from_numpy(gaussian_filter(_array(x), (0, 0, sigma, sigma))).to(x)


def median_filter(x: Tensor, size: int) -> Tensor:
    """Median filter: each pixel becomes the median of the `size` x `size` pixels around it.

    scipy's median_filter, images mirrored at their edges.  size: odd, in pixels.
    """
    from scipy.ndimage import median_filter

    if positive_int("size", size) % 2 == 0:
        raise ValueError(f"size must be odd, so that a pixel is in the middle, got {size}")
    return torch.from_numpy(median_filter(_array(x), (1, 1, size, size))).to(x)


def non_local_means(x: Tensor, strength: float) -> Tensor:
    """Non-local means: each pixel becomes a mean of those near it whose patches look alike.

    Buades et al. (2005); skimage's denoise_nl_means in its fast mode, with patches of 5 x 5 pixels,
    up to 6 pixels away.  x: gray images [N, 1, H, W].  strength: above 0, how different two patches
    may be, in gray values.
    """
    from skimage.restoration import denoise_nl_means

    options = {"patch_size": PATCH, "patch_distance": REACH, "preserve_range": True}
    options["h"] = positive_number("strength", strength)
    images = _array(x)
    if images.shape[1] != 1:
        raise ValueError(f"x must hold gray images [N, 1, H, W], got shape {list(x.shape)}")
    denoised = [torch.from_numpy(denoise_nl_means(image, **options)) for image in images[:, 0]]
    return torch.stack(denoised).unsqueeze(1).to(x)


def tune(
    denoise: Callable[[Tensor, Setting], Tensor],
    settings: Sequence[Setting],
    noisy: Tensor,
    x: Tensor,
) -> Setting:
    """The best setting of a filter: the one with the highest mean PSNR, the first one of equals.

    denoise: called as denoise(noisy, setting); its result is clamped to [0, 1].
    noisy, x: x is clean.  Take other images than those that are judged later.
    """
    if len(settings) == 0:
        raise ValueError(f"settings must hold at least one setting, got {settings!r}")
    return max(
        settings, key=lambda setting: psnr(denoise(noisy, setting).clamp(0, 1), x).mean().item()
    )


def _array(x: Tensor) -> np.ndarray:
    """x as an array of float32 or float64, if it holds images [N, C, H, W] of finite numbers."""
    x = finite("x", float_tensor("x", x, ndim=4)).detach().cpu()
    return x.to(torch.promote_types(x.dtype, torch.float32)).numpy()


def _pair(images: Tensor, x: Tensor) -> list[Tensor]:
    """Both in double precision, if they are finite images [N, C, H, W] of one shape."""
    same_shape("images", float_tensor("images", images, ndim=4), "x", x)
    both = finite("images", images), finite("x", x)
    return [each.detach().cpu().double() for each in both]


def _windows(n: int) -> Tensor:
    """The Gaussian windows that fit into n pixels, rows that add up to 1: [n - WINDOW + 1, n]."""
    weights = torch.exp(-0.5 * ((torch.arange(WINDOW).double() - WINDOW // 2) / WIDTH).square())
    rows = torch.zeros(n - WINDOW + 1, n).double()
    for k, row in enumerate(rows):
        row[k : k + WINDOW] = weights / weights.sum()
    return rows
