"""How sharp images are: two numbers per image, a spectrum, and the interval around a mean.

Notebook 06.
"""

import torch
from torch import Tensor

from ..support.arguments import finite, float_tensor, positive_int, positive_number


def laplacian_sharpness(images: Tensor) -> Tensor:
    """The variance of the Laplacian (four neighbors minus four times the pixel) over that of the pixels, [N], above 0.

    Contrast and brightness do not count: a + b * images has the same number.  White noise has 20,
    and noise raises it; a constant image has 0.  Only pixels with four neighbors count for the
    Laplacian; variances are within channels. After Pech-Pacheco et al. (2000); notebook 06.
    images: [N, C, H, W], 3 pixels high and wide at least. Raises TypeError or ValueError for a bad
    argument.
    """
    x = _centered(images)
    inner = x[..., 1:-1, 1:-1]
    neighbors = x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]
    return _ratio(_variance(neighbors - 4 * inner), _variance(x))


def high_frequency_share(images: Tensor, *, cutoff: float = 0.25) -> Tensor:
    """The share of each image's power at frequencies above `cutoff`, in all directions, [N], from 0 to 1.

    The power is that of the discrete Fourier transform of the image minus its mean, channels added
    up.  Contrast and brightness do not count; noise raises it: of white noise about 1 - π * cutoff²
    is above.  So do edges where a photograph was cut, even of a blurred one: the transform goes on
    at the opposite edge.  A constant image has 0. Notebook 06.  images: [N, C, H, W], 3 pixels high
    and wide at least.  cutoff: in cycles per pixel, up to 0.5. Raises TypeError or ValueError for a
    bad argument.
    """
    x = _centered(images)
    if positive_number("cutoff", cutoff) > 0.5:
        raise ValueError(f"cutoff must be above 0 and at most 0.5 cycles per pixel, got {cutoff!r}")
    power = torch.fft.fft2(x).abs().square().sum(1)  # [N, H, W]
    power[:, 0, 0] = 0  # the mean
    return _ratio(power[:, _radius(x) > cutoff].sum(1), power.sum((1, 2)))


def radial_spectrum(images: Tensor) -> tuple[Tensor, Tensor]:
    """Frequencies [R] in cycles per pixel, up to 0.5, and the mean power [R] of the images around each, for a figure.

    The power is a mean over images, channels and directions; that of white noise is its variance at
    every frequency. A Hann window fades the images toward their edges, which would else count as
    high frequencies; the mean, by the window's weights, is taken off before.  Notebook 06.  images:
    [N, C, H, W], 3 pixels high and wide at least. Raises TypeError or ValueError for a bad
    argument.
    """
    x = _centered(images)
    rows, columns = (
        torch.hann_window(n + 2, periodic=False, dtype=x.dtype)[1:-1] for n in x.shape[-2:]
    )
    window = torch.outer(rows, columns)
    x = x - (x * window).sum((-2, -1), keepdim=True) / window.sum()
    power = torch.fft.fft2(x * window).abs().square().mean((0, 1)) / window.square().sum()
    size = min(x.shape[-2:])
    ring = (_radius(x) * size).round().long()  # 0 is the mean
    means = [power[ring == k].mean() for k in range(1, size // 2 + 1)]
    return torch.arange(1, size // 2 + 1) / size, torch.stack(means).float()


def bootstrap_interval(
    values: Tensor, *, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The interval (low, high) in which the mean of the values lies with probability `level`: percentile bootstrap.

    Of n_resamples draws of N values, with replacement, the means between the quantiles (1 - level)
    / 2 and (1 + level) / 2.  Efron and Tibshirani (1993); notebook 06.  values: [N], N at least 2,
    one per image. Raises TypeError or ValueError for a bad argument.
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


def _centered(images: Tensor) -> Tensor:
    """The images in double precision on the CPU, each channel minus its first pixel: a constant one is exactly 0."""
    images = finite("images", float_tensor("images", images, ndim=4)).detach().cpu().double()
    if min(images.shape[-2:]) < 3:
        raise ValueError(
            f"images must be at least 3 pixels high and wide, got shape {list(images.shape)}"
        )
    return images - images[..., :1, :1]


def _variance(x: Tensor) -> Tensor:
    """The variance of each image's pixels within its channels, mean over the channels: [N]."""
    return x.var((-2, -1), correction=0).mean(1)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, 0 where there is nothing."""
    return torch.where(whole > 0, part / whole, 0.0).float()


def _radius(x: Tensor) -> Tensor:
    """How far each frequency of the discrete Fourier transform is from 0, in cycles per pixel: [H, W]."""
    rows, columns = (torch.fft.fftfreq(n, dtype=x.dtype) for n in x.shape[-2:])
    return torch.hypot(rows[:, None], columns)
