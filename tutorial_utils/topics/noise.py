"""Noise on images, how close an image is to the clean one, and classical filters that denoise (notebook 08)."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from ..support.arguments import finite, float_tensor, positive_int, positive_number, same_shape

Setting = TypeVar("Setting")
WINDOW, WIDTH = (
    11,
    1.5,
)  # pixels: of the window in which `ssim` compares, and of its Gaussian weights
K_1, K_2 = 0.01, 0.03  # Wang et al. (2004), section III
PATCH, REACH = 5, 6  # pixels: of a patch in `non_local_means`, and how far away another one may lie


# ---- noise ----


def gaussian_noise(x: Tensor, level: float | Tensor) -> Tensor:
    """x plus Gaussian noise of standard deviation `level`, not clamped: x + level * eps.

    Built in notebook 08.  x: images [N, C, H, W].  level: 0 or above, a number, or [N, 1, 1, 1],
    one for each image.
    """
    return x + level * torch.randn_like(x)


def masking_noise(x: Tensor, level: float | Tensor) -> Tensor:
    """x with each pixel 0, with probability `level`, independently of the others.  Vincent et al. (2008).

    Built in notebook 08.  x: images [N, C, H, W].  level: in [0, 1], a number, or [N, 1, 1, 1], one
    for each image.
    """
    return torch.where(torch.rand_like(x) < level, 0, x)


def salt_and_pepper(x: Tensor, level: float | Tensor) -> Tensor:
    """x with each pixel, with probability `level`, replaced by 0 or by 1, equally likely, independently of the others.

    Built in notebook 08.  x: images [N, C, H, W].  level: in [0, 1], a number, or [N, 1, 1, 1], one
    for each image.
    """
    extreme = torch.rand_like(x).round()
    return torch.where(torch.rand_like(x) < level, extreme, x)


# ---- how near ----


def psnr(images: Tensor, x: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, [N]: 10 log10(1 / mean squared error), infinite where images and x are equal.

    The peak is 1, white.  Ten times less squared error is 10 dB more.  Nothing is clamped here.
    Notebook 08. images, x: [N, C, H, W], of one shape.  Raises TypeError or ValueError for a bad
    argument.
    """
    images, x = _pair(images, x)
    return -10 * (images - x).square().mean((1, 2, 3)).log10().float()


def ssim(images: Tensor, x: Tensor) -> Tensor:
    """Structural similarity, [N], at most 1, which only equal images have; symmetric.  Nothing is clamped here.

    Means, variances and the covariance under a Gaussian window of 11 x 11 pixels, σ = 1.5, wherever
    it fits into the image; equation 13 of Wang et al. (2004), mean over places and channels.  It is
    skimage's structural_similarity with gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1, for a batch at once: that one takes one image per
    call, and for 28 x 28 pixels about eight times as long.  Notebook 08. images, x: [N, C, H, W],
    of one shape, 11 pixels high and wide at least. Raises TypeError or ValueError for a bad
    argument.
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
    """Gaussian filter: each pixel becomes a mean of those around it, weighted by exp(-distance² / (2 width²)).

    Notebook 08; scipy's gaussian_filter, images mirrored at their edges.  x: [N, C, H, W].  width:
    above 0, in pixels. Raises TypeError or ValueError for a bad argument.
    """
    from scipy.ndimage import gaussian_filter

    sigma = positive_number("width", width)
    return torch.from_numpy(gaussian_filter(_checked(x).numpy(), (0, 0, sigma, sigma))).to(x)


def median_filter(x: Tensor, size: int) -> Tensor:
    """Median filter: each pixel becomes the median of the `size` x `size` pixels around it.

    Notebook 08; scipy's median_filter, images mirrored at their edges.  x: [N, C, H, W].  size:
    odd, in pixels. Raises TypeError or ValueError for a bad argument.
    """
    from scipy.ndimage import median_filter

    if positive_int("size", size) % 2 == 0:
        raise ValueError(f"size must be odd, so that a pixel is in the middle, got {size}")
    return torch.from_numpy(median_filter(_checked(x).numpy(), (1, 1, size, size))).to(x)


def non_local_means(x: Tensor, strength: float) -> Tensor:
    """Non-local means: each pixel becomes a mean of all near it, weighted by how alike the patches around them are.

    Buades et al. (2005); notebook 08; skimage's denoise_nl_means in its fast mode, patches of 5 x 5
    pixels, up to 6 pixels away.  x: gray images [N, 1, H, W].  strength: above 0, how unlike two
    patches may be, in gray values. Raises TypeError or ValueError for a bad argument.
    """
    from skimage.restoration import denoise_nl_means

    options = {
        "patch_size": PATCH,
        "patch_distance": REACH,
        "h": positive_number("strength", strength),
    }
    if _checked(x).shape[1] != 1:
        raise ValueError(f"x must hold gray images [N, 1, H, W], got shape {list(x.shape)}")
    images = [
        denoise_nl_means(image, preserve_range=True, **options)
        for image in _checked(x)[:, 0].numpy()
    ]
    return torch.stack([torch.from_numpy(image) for image in images]).unsqueeze(1).to(x)


def tune(
    denoise: Callable[[Tensor, Setting], Tensor],
    settings: Sequence[Setting],
    noisy: Tensor,
    x: Tensor,
) -> Setting:
    """The setting under which denoise(noisy, setting), clamped to [0, 1], has the highest mean PSNR.

    The first one, of equals.  noisy, x: [N, C, H, W], the latter clean; other images than those
    that are judged later. Notebook 08. Raises TypeError or ValueError for a bad argument.
    """
    if len(settings) == 0:
        raise ValueError(f"settings must hold at least one setting, got {settings!r}")
    return max(
        settings, key=lambda setting: psnr(denoise(noisy, setting).clamp(0, 1), x).mean().item()
    )


def _checked(x: Tensor) -> Tensor:
    """x on the CPU, if it holds images [N, C, H, W] of finite numbers."""
    return finite("x", float_tensor("x", x, ndim=4)).detach().cpu()


def _pair(images: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Both in double precision, if they are finite images [N, C, H, W] of one shape."""
    same_shape(
        "images",
        finite("images", float_tensor("images", images, ndim=4)),
        "x",
        float_tensor("x", x),
    )
    return images.detach().cpu().double(), _checked(x).double()


def _windows(n: int) -> Tensor:
    """The Gaussian windows that fit into n pixels, one per row, each adding up to 1: [n - WINDOW + 1, n]."""
    weights = torch.exp(-0.5 * ((torch.arange(WINDOW).double() - WINDOW // 2) / WIDTH).square())
    rows = torch.zeros(n - WINDOW + 1, n).double()
    for k, row in enumerate(rows):
        row[k : k + WINDOW] = weights / weights.sum()
    return rows
