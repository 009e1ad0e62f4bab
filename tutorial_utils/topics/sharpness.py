"""Sharpness of images (notebook 06): two measures, a spectrum, and the interval around a mean.

images: [N, C, H, W], at least 3 pixels high and wide.  All functions raise TypeError or ValueError
for a bad argument.
"""

import torch
from torch import Tensor

from ..support.arguments import finite, float_tensor, positive_int, positive_number

PART = 250  # images that are measured at once: in double precision they need much memory


def laplacian_sharpness(images: Tensor) -> Tensor:
    """Laplacian sharpness, [N]: the variance of the Laplacian over the variance of the pixels.

    The Laplacian is the sum of the four neighbors minus four times the pixel, where there are four.
    Variances are within channels.  Contrast and brightness do not count: a + b * images has the
    same number.  Noise raises it, up to 20 for white noise; a constant image has 0.
    After Pech-Pacheco et al. (2000).
    """
    return torch.cat([_laplacian_sharpness(part) for part in _checked(images).split(PART)])


def _laplacian_sharpness(images: Tensor) -> Tensor:
    x = _centered(images)
    inner = x[..., 1:-1, 1:-1]
    neighbors = x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]
    return _ratio(_variance(neighbors - 4 * inner), _variance(x))


def high_frequency_share(images: Tensor, *, cutoff: float = 0.25) -> Tensor:
    """The share of each image's power at frequencies above `cutoff`, [N], from 0 to 1.

    The power is that of the discrete Fourier transform of the image minus its mean, summed over
    channels and directions.  Contrast and brightness do not count.  White noise has about
    1 - π * cutoff², a constant image 0.
    The transform continues an image at the opposite edge, so the borders of a photograph count as
    edges, even if it is blurred.

    cutoff: in cycles per pixel, up to 0.5.
    """
    images = _checked(images)
    if positive_number("cutoff", cutoff) > 0.5:
        raise ValueError(f"cutoff must be above 0 and at most 0.5 cycles per pixel, got {cutoff!r}")
    return torch.cat([_share_above(part, cutoff) for part in images.split(PART)])


def _share_above(images: Tensor, cutoff: float) -> Tensor:
    x = _centered(images)
    power = torch.fft.fft2(x).abs().square().sum(1)  # [N, H, W]
    power[:, 0, 0] = 0  # the mean
    return _ratio(power[:, _radius(x) > cutoff].sum(1), power.sum((1, 2)))


def radial_spectrum(images: Tensor) -> tuple[Tensor, Tensor]:
    """Radial power spectrum: frequencies [R] in cycles per pixel, up to 0.5, and mean power [R].

    The power is a mean over images, channels and directions, in units of what white noise of
    variance 1 has: white noise has its variance at every frequency.  A Hann window fades the images
    toward their borders, which would otherwise count as high frequencies; the mean under this
    window is subtracted first.  That takes power from the lowest frequencies, and from the unit.
    """
    x = _centered(_checked(images))
    rows, columns = (
        torch.hann_window(n + 2, periodic=False, dtype=x.dtype)[1:-1] for n in x.shape[-2:]
    )
    window = torch.outer(rows, columns)
    x = x - (x * window).sum((-2, -1), keepdim=True) / window.sum()
    power = torch.fft.fft2(x * window).abs().square().mean((0, 1))
    unit = _power_of_white_noise(window)
    size = min(x.shape[-2:])
    ring = (_radius(x) * size).round().long()  # 0 is the mean
    means = [power[ring == k].sum() / unit[ring == k].sum() for k in range(1, size // 2 + 1)]
    return torch.arange(1, size // 2 + 1) / size, torch.stack(means).float()


def _power_of_white_noise(window: Tensor) -> Tensor:
    """The mean power of each frequency in white noise of variance 1 under this window, [H, W]."""
    # Without its mean, the noise gets the weights window * (wave - share) in a frequency's sum.
    share = torch.fft.fft2(window) / window.sum()
    squares = torch.fft.fft2(window.square())
    return squares[0, 0].real * (1 + share.abs().square()) - 2 * (share.conj() * squares).real


def bootstrap_interval(
    values: Tensor, *, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Confidence interval (low, high) of the mean, by percentile bootstrap.

    It takes the means of n_resamples draws of N values with replacement, and returns their
    quantiles (1 - level) / 2 and (1 + level) / 2.  Efron and Tibshirani (1993).
    values: [N], N at least 2, one per image.  seed: of the draws.
    """
    values = finite("values", float_tensor("values", values, ndim=1)).detach().cpu().double()
    if len(values) < 2:
        raise ValueError(f"values must hold at least 2 numbers, got {len(values)}")
    if positive_number("level", level) >= 1:
        raise ValueError(f"level must be above 0 and below 1, got {level!r}")
    n, generator = len(values), torch.Generator().manual_seed(seed)
    draws = (
        torch.randint(n, (n,), generator=generator)
        for _ in range(positive_int("n_resamples", n_resamples))
    )
    means = torch.stack([values[draw].mean() for draw in draws])
    low, high = means.quantile(torch.tensor([1 - level, 1 + level]).double() / 2).tolist()
    return low, high


def _checked(images: Tensor) -> Tensor:
    """The images, on the CPU; raises unless they can be measured."""
    images = finite("images", float_tensor("images", images, ndim=4)).detach().cpu()
    if min(images.shape[-2:]) < 3:
        raise ValueError(
            f"images must be at least 3 pixels high and wide, got shape {list(images.shape)}"
        )
    return images


def _centered(images: Tensor) -> Tensor:
    """The images in double precision, each channel minus its first pixel: 0 where constant."""
    images = images.double()
    return images - images[..., :1, :1]


def _variance(x: Tensor) -> Tensor:
    """The variance of each image's pixels within its channels, mean over the channels: [N]."""
    return x.var((-2, -1), correction=0).mean(1)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, and 0 where whole is 0."""
    return torch.where(whole > 0, part / whole, 0.0).float()


def _radius(x: Tensor) -> Tensor:
    """The radius of each frequency of the Fourier transform, in cycles per pixel: [H, W]."""
    rows, columns = (torch.fft.fftfreq(n, dtype=x.dtype) for n in x.shape[-2:])
    return torch.hypot(rows[:, None], columns)
