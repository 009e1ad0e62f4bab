"""Blur studio (notebook 06): an image, the mean of p(x|z), a sample, and how sharp each is."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..models import encode_images
from ..plotting import to_png
from ..support.arguments import finite, float_tensor, gray_images, same_shape
from ..topics.sharpness import high_frequency_share, laplacian_sharpness
from ..training import local_seed
from .base import Part, check_vae
from .controls import Another, PickImage, choice, slider
from .panel import Panel, PanelStudio
from .svg import Span, linear_scale, nice_step, svg, svg_axis, svg_rect, svg_text

# model, mean(params), sample(params, t)
Likelihood = tuple[nn.Module, Callable[[Tensor], Tensor], Callable[[Tensor, float], Tensor]]
T_MAX, T_STEP = 1.5, 0.05  # of the noise slider
SOURCES = {"of the image (posterior mean)": "posterior", "from the prior": "prior"}
GLYPHS = {"image": "●", "mean": "■", "sample": "▲"}
N_BAND = 1000  # images whose sharpness makes the band
N_PROBED = 8  # images whose means and samples fit on the axis
HEIGHT, TOP, ROW = 128, 20, 26  # pixels: of the chart, above its first row, of each row
LEFT, RIGHT = 3.0, 97.0  # percent: where the ends of the axis are drawn
SPACE = "\N{NO-BREAK SPACE}"
GAP = 4 * SPACE  # between a glyph and its text
CHART = """Laplacian sharpness, logarithmic axis
Band: the middle 80 % of the test images. Noise counts as sharpness, too."""


def blur_studio(likelihoods: Mapping[str, Likelihood], x: Tensor) -> PanelStudio:
    """Blur studio (notebook 06): an image, the mean of p(x|z), a sample, and how sharp each is.

    A slider sets the noise t of the sample: 0 is the mean, 1 a sample of p(x|z), and 1.5 the end.
    likelihoods: {name: (model, mean, sample)}, with model a trained VAE of gray images.
    mean(params) and sample(params, t) are functions of what it decodes, both [B, 1, H, W], equal at
    t = 0; sample has noise times t from torch's global random numbers.  x: test images [N, 1, H, W]
    in [0, 1]. Pictures are clipped to [0, 1]; the numbers are those of the images as mean and
    sample give them. Raises TypeError or ValueError for a bad argument.
    """
    _check(likelihoods, gray_images(x))
    likelihoods, x = dict(likelihoods), x.detach().cpu().float()
    band, axis = probe(likelihoods, x)

    @lru_cache(maxsize=1)  # a move of the noise slider asks no model
    def params_of(name: str, image: int, source: str, z_seed: int) -> Tensor:
        return decode_params(likelihoods[name][0], x[[image]], source=source, seed=z_seed)

    def draw(
        likelihood: str, image: int, source: str, z_seed: int, t: float, noise_seed: int
    ) -> Panel:
        params = params_of(likelihood, image, source, z_seed)
        state = blur_state(likelihoods[likelihood], x[image], params, t, seed=noise_seed)
        chart = Part(CHART, *svg_sharpness(state, band, axis))
        text = f"{likelihood}, t = {t:.2f}. {chart.alt}"
        return [*pictures(state, image, source, t), chart], text

    def adjust(controls: SimpleNamespace) -> None:
        controls.z_seed.disabled = controls.source.value != "prior"

    of_z = "Which z is decoded: the mean of q(z|x) of the test image, or a draw from N(0, I)"
    of_model = "The likelihood with which the VAE was trained"
    of_t = "0: the mean, 1: a sample of p(x|z)."
    rows = [
        {"likelihood": choice("p(x|z)", list(likelihoods), tip=of_model)},
        {"image": PickImage("test image", x)},
        {
            "source": choice("z", SOURCES, tip=of_z),
            "z_seed": Another("New z", tip="Another draw of z from the prior"),
        },
        {
            "t": slider("noise t", 1.0, T_MAX, T_STEP, tip=of_t),
            "noise_seed": Another("New noise", tip="Other random numbers for the sample"),
        },
    ]
    return PanelStudio("vae-blur", rows, draw, adjust)


def blur_rows(likelihoods: Mapping[str, Likelihood], x: Tensor) -> dict[str, Tensor]:
    """The blur studio without controls: the images x, each likelihood's means, and a sample each.

    For `show_rows`.  z is the posterior mean.  likelihoods, x: as for `blur_studio`.  Returns
    {name: [N, 1, H, W]}. Raises TypeError or ValueError for a bad argument.
    """
    rows = {"test image": gray_images(x)}
    _check(likelihoods, x)
    for name, likelihood in likelihoods.items():
        params = decode_params(likelihood[0], x)
        rows[f"{name}: mean"], rows[f"{name}: sample"] = sample_likelihood(likelihood, params, 1.0)
    return rows


@torch.inference_mode()
def decode_params(
    model: nn.Module, x: Tensor, *, source: str = "posterior", seed: int = 0
) -> Tensor:
    """The parameters [N, P, H, W] of p(x|z), of a z for each of the images x [N, 1, H, W].

    source: where z comes from, "posterior" for z = mu, "prior" for draws from N(0, I).
    """
    if source == "prior":
        z = torch.randn(len(x), model.latent_dim, generator=torch.Generator().manual_seed(seed))
    else:
        z = encode_images(model, x)[0]
    return model.decode(z.to(next(model.parameters())))


@torch.inference_mode()
def sample_likelihood(
    likelihood: Likelihood, params: Tensor, t: float, *, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The means of p(x|z), and samples with noise times t: [N, 1, H, W] each, on the CPU.

    The noise depends on the seed alone.
    """
    _, mean, sample = likelihood
    with local_seed(seed):
        noisy = float_tensor("sample(params, t)", sample(params, t), ndim=4)
    return float_tensor("mean(params)", mean(params), ndim=4).cpu(), noisy.cpu()


class Measured(NamedTuple):
    """An image [1, H, W] with its sharpness and its share of high frequencies."""

    image: Tensor
    sharpness: float
    share: float


def blur_state(
    likelihood: Likelihood, image: Tensor, params: Tensor, t: float, *, seed: int = 0
) -> dict[str, Measured]:
    """An image [1, H, W] and, of its params, mean and sample: {"image", "mean", "sample"}."""
    shown = (image[None], *sample_likelihood(likelihood, params, t, seed=seed))
    images = torch.cat([part.cpu().float() for part in shown])
    numbers = laplacian_sharpness(images).tolist(), high_frequency_share(images).tolist()
    return {name: Measured(*each) for name, *each in zip(GLYPHS, images, *numbers, strict=True)}


# ---- the panel ----


def pictures(state: Mapping[str, Measured], index: int, source: str, t: float) -> list[Part]:
    """The three pictures of a state, each with its title, numbers and text alternative."""
    of_image, sample = source == "posterior", state["sample"].image
    says = {0.0: ": the mean itself", 1.0: ": as in p(x|z)"}.get(round(t, 2), "")
    clipped = ["shown clipped to [0, 1]"] if sample.min() < 0 or sample.max() > 1 else []
    z = "at the posterior mean" if of_image else "at a z from the prior"
    notes = {
        "image": (f"test image {index}", [] if of_image else ["not what is decoded"]),
        "mean": ("mean of p(x|z)", [z]),
        "sample": ("sample, noise × t", [f"t = {t:.2f}{says}", *clipped]),
    }
    return [_picture(name, state[name], *note) for name, note in notes.items()]


def _picture(name: str, shown: Measured, title: str, notes: list[str]) -> Part:
    share = f"high frequency {100 * shown.share:.1f}{SPACE}%"
    lines = [f"sharpness {shown.sharpness:.2f}", share, *notes]
    text = "\n".join([f"{GLYPHS[name]} {title}", *lines])
    return Part(text, to_png(shown.image[0]), f"{title}: {', '.join(lines)}")


def probe(likelihoods: Mapping[str, Likelihood], x: Tensor) -> tuple[Span, Span]:
    """The 10th and 90th percentile of the sharpness of x, and an axis that holds what is shown."""
    of_images = laplacian_sharpness(x[:N_BAND])
    low, high = of_images.quantile(torch.tensor([0.1, 0.9]).to(of_images)).tolist()
    found = [low, high]
    for likelihood in likelihoods.values():
        for source in SOURCES.values():
            params = decode_params(likelihood[0], x[:N_PROBED], source=source)
            images = torch.cat(sample_likelihood(likelihood, params, T_MAX))
            found += laplacian_sharpness(images.float()).tolist()
    return (low, high), axis_around(found)


def axis_around(values: list[float]) -> Span:
    """The shortest logarithmic axis that holds all values above 0; it ends at 1, 2, 5, 10, …"""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = 1 / nice_step(1 / min(positive)), nice_step(max(positive))
    return low, high if high > 1.01 * low else nice_step(1.5 * low)


def svg_sharpness(state: Mapping[str, Measured], band: Span, axis: Span) -> tuple[str, str]:
    """A row for "image", "mean" and "sample", each at its value, over the band: SVG, and words.

    band, axis: from, to.  What lies beyond the axis stands at its end, with an arrow.
    """
    low, high = axis
    place = linear_scale((math.log(low), math.log(high)), (LEFT, RIGHT))

    def across(value: float) -> float:
        return place(math.log(min(max(value, low), high)))

    ticks = [low]
    while ticks[-1] < 0.99 * high:
        ticks.append(nice_step(1.5 * ticks[-1]))  # 1, 2, 5, 10, …
    bottom, (left, right) = TOP + ROW * len(state), map(across, band)
    shapes = [
        svg_rect(left, TOP, max(right - left, 0.4), bottom - TOP, "vae-band"),
        svg_text((left + right) / 2, TOP - 6, "test images", "middle"),
        svg_axis({across(tick): f"{tick:g}" for tick in ticks}, bottom, LEFT, RIGHT),
    ]
    for row, (name, (_, value, _)) in enumerate(state.items()):
        x, y = across(value), TOP + ROW * (row + 0.5) + 5
        text = f"{'← ' if value < low else ''}{name} {value:.2f}{' →' if value > high else ''}"
        beside = (f"{GAP}{text}", "start") if x < 60 else (f"{text}{GAP}", "end")
        shapes.append(svg_text(x, y, GLYPHS[name], "middle", "vae-verdict"))
        shapes.append(svg_text(x, y - 1, *beside, "vae-curve-name"))
    said = ", ".join(f"{name} {shown.sharpness:.2f}" for name, shown in state.items())
    around = f"Of the test images, 80 % lie between {band[0]:.2f} and {band[1]:.2f}."
    return svg(shapes, HEIGHT, f"Sharpness: {said}. {around}", "vae-broad")


# ---- checks ----


def _check(likelihoods: Mapping[str, Likelihood], x: Tensor) -> None:
    """TypeError or ValueError unless each likelihood has a VAE and gives images like x."""
    if not isinstance(likelihoods, Mapping) or not likelihoods:
        raise TypeError("likelihoods must map one name or more to (model, mean, sample)")
    for key, likelihood in likelihoods.items():
        name = f"likelihoods[{key!r}]"
        triple = isinstance(likelihood, tuple) and len(likelihood) == 3
        if not triple or not all(map(callable, likelihood)):
            allowed = "(model, mean, sample), the last two functions"
            raise TypeError(f"{name} must be {allowed}, got {likelihood!r}")
        check_vae(f"{name}: model", likelihood[0])
        params = decode_params(likelihood[0], x[:1])
        mean, still = sample_likelihood(likelihood, params, 0.0)
        _, noisy = sample_likelihood(likelihood, params, 1.0)
        images = {"mean(params)": mean, "sample(params, 0)": still, "sample(params, 1)": noisy}
        for what, image in images.items():
            same_shape(f"{name}: {what}", finite(f"{name}: {what}", image), "an image of x", x[:1])
        if not torch.allclose(still, mean, atol=1e-4):
            allowed = "mean(params), got images that differ"
            raise ValueError(f"{name}: sample(params, 0) must be {allowed}")
