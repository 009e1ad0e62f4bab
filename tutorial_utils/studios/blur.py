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
from ..support.arguments import finite, float_tensor, gray_images, one_of, same_shape
from ..topics.sharpness import high_frequency_share, laplacian_sharpness
from ..training import local_seed
from .base import Part, check_vae
from .controls import Another, PickImage, choice, slider
from .panel import Panel, PanelStudio
from .svg import Span, linear_scale, nice_step, svg, svg_axis, svg_rect, svg_text

# model, mean(params), sample(params, t)
Likelihood = tuple[nn.Module, Callable[[Tensor], Tensor], Callable[[Tensor, float], Tensor]]
Measure = Callable[[Tensor], Tensor]  # images [N, 1, H, W] -> [N]
T_MAX, T_STEP = 1.5, 0.05  # of the noise slider
SOURCES = {"of the image (posterior mean)": "posterior", "from the prior": "prior"}
GLYPHS = {"image": "●", "mean": "■", "sample": "▲"}
N_BAND = 1000  # images whose sharpness makes the band
N_PROBED = 8  # images whose means and samples fit on the axis
HEIGHT, TOP, ROW = 128, 20, 26  # pixels: of the chart, above its first row, of each row
LEFT, RIGHT = 3.0, 97.0  # percent: where the ends of the axis are drawn
CAPTION = "Band: the middle 80 % of the test images. Noise counts as sharpness, too."
SPACE = "\N{NO-BREAK SPACE}"
GAP = 4 * SPACE  # between a glyph and its text


def blur_studio(
    likelihoods: Mapping[str, Likelihood], x: Tensor, *, sharpness: Measure = laplacian_sharpness
) -> PanelStudio:
    """Blur studio (notebook 06): an image, the mean of p(x|z), a sample, and how sharp each is.

    A slider sets the noise t of the sample: 0 is the mean, 1 a sample of p(x|z), and 1.5 the end.
    likelihoods: {name: (model, mean, sample)}, with model a trained VAE of gray images.
    mean(params) and sample(params, t) are functions of what it decodes, both [B, 1, H, W], equal at
    t = 0; sample has noise times t from torch's global random numbers.  x: test images [N, 1, H, W]
    in [0, 1].  sharpness: images [N, 1, H, W] -> [N]. Pictures are clipped to [0, 1]; the numbers
    are those of the images as mean and sample give them. Raises TypeError or ValueError for a bad
    argument.
    """
    if not callable(sharpness):
        raise TypeError(f"sharpness must be a function of images, got {type(sharpness).__name__}")
    likelihoods = _checked(likelihoods, gray_images(x))
    x = x.detach().cpu().float()
    band, axis = probe(likelihoods, x, sharpness)

    @lru_cache(maxsize=1)  # a move of the noise slider asks no model
    def start(name: str, image: int, source: str, z_seed: int) -> Blur:
        return start_blur(likelihoods[name], x[[image]], source=source, seed=z_seed)

    def draw(
        likelihood: str, image: int, source: str, z_seed: int, t: float, noise_seed: int
    ) -> Panel:
        blur = start(likelihood, image, source, z_seed)
        state = blur_state(likelihoods[likelihood], blur, t, seed=noise_seed, sharpness=sharpness)
        chart = sharpness_part(state, band, axis, sharpness)
        return [
            *pictures(state, image, source, t),
            chart,
        ], f"{likelihood}, t = {t:.2f}. {chart.alt}"

    rows = [
        {"likelihood": choice("p(x|z)", list(likelihoods), tip=TIPS["likelihood"])},
        {"image": PickImage("test image", x)},
        {
            "source": choice("z", SOURCES, tip=TIPS["source"]),
            "z_seed": Another("New z", tip="Another draw of z from the prior"),
        },
        {
            "t": slider("noise t", 1.0, T_MAX, T_STEP, tip=TIPS["t"]),
            "noise_seed": Another("New noise", tip="Other random numbers for the sample"),
        },
    ]
    return PanelStudio("vae-blur", rows, draw, _adjust)


TIPS = {
    "likelihood": "The likelihood with which the VAE was trained",
    "source": "Which z is decoded: the mean of q(z|x) of the test image, or a draw from N(0, I)",
    "t": "0: the mean, 1: a sample of p(x|z).",
}


def _adjust(controls: SimpleNamespace) -> None:
    controls.z_seed.disabled = controls.source.value != "prior"


def blur_rows(
    likelihoods: Mapping[str, Likelihood], x: Tensor, *, t: float = 1.0, seed: int = 0
) -> dict[str, Tensor]:
    """The blur studio without controls: the images x, each likelihood's means, and a sample each.

    For `show_rows`.  z is the posterior mean.  likelihoods, x, t: as for `blur_studio`.  Returns
    {name: [N, 1, H, W]}. Raises TypeError or ValueError for a bad argument.
    """
    rows = {"test image": gray_images(x)}
    for name, likelihood in _checked(likelihoods, x).items():
        blur = start_blur(likelihood, x)
        rows[f"{name}: mean"] = blur.mean
        rows[f"{name}: sample"] = sample_noisy(likelihood, blur, t, seed)
    return rows


class Blur(NamedTuple):
    """Images x [N, 1, H, W], and of each the parameters [N, P, H, W] and the mean of p(x|z)."""

    x: Tensor
    params: Tensor
    mean: Tensor


@torch.inference_mode()
def start_blur(
    likelihood: Likelihood, x: Tensor, *, source: str = "posterior", seed: int = 0
) -> Blur:
    """The images x [N, 1, H, W], encoded and decoded without noise.

    source: where z comes from, "posterior" for z = mu, "prior" for draws from N(0, I).
    """
    model, mean, _ = likelihood
    if one_of("source", source, tuple(SOURCES.values())) == "posterior":
        z = encode_images(model, x)[0]
    else:
        z = torch.randn(len(x), model.latent_dim, generator=torch.Generator().manual_seed(seed))
    params = model.decode(z.to(next(model.parameters())))
    return Blur(x, params, float_tensor("mean(params)", mean(params), ndim=4).cpu())


@torch.inference_mode()
def sample_noisy(likelihood: Likelihood, blur: Blur, t: float, seed: int) -> Tensor:
    """A sample of p(x|z) with noise times t, [N, 1, H, W]; the noise depends on the seed alone."""
    with local_seed(seed):
        return float_tensor("sample(params, t)", likelihood[2](blur.params, t), ndim=4).cpu()


class Measured(NamedTuple):
    """An image [1, H, W] with its sharpness and its share of high frequencies."""

    image: Tensor
    sharpness: float
    share: float


def blur_state(
    likelihood: Likelihood,
    blur: Blur,
    t: float,
    *,
    seed: int = 0,
    sharpness: Measure = laplacian_sharpness,
) -> dict[str, Measured]:
    """The first image of `blur` at noise t, and its measures: {"image", "mean", "sample"}."""
    shown = (blur.x, blur.mean, sample_noisy(likelihood, blur, t, seed))
    images = torch.cat([part[:1].cpu().float() for part in shown])
    numbers = sharpness(images).tolist(), high_frequency_share(images).tolist()
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


def sharpness_part(
    state: Mapping[str, Measured], band: Span, axis: Span, sharpness: Measure
) -> Part:
    """The chart of a state under a title that names the measure."""
    function = getattr(sharpness, "func", sharpness)  # of a partial
    measure = getattr(function, "__name__", "sharpness").replace("_", " ").capitalize()
    values = {name: shown.sharpness for name, shown in state.items()}
    title = f"{measure}, logarithmic axis\n{CAPTION}"
    return Part(title, *svg_sharpness(values, band, axis))


def probe(
    likelihoods: Mapping[str, Likelihood], x: Tensor, sharpness: Measure
) -> tuple[Span, Span]:
    """The 10th and 90th percentile of the sharpness of x, and an axis that holds what is shown."""
    name = "sharpness of x"
    of_images = finite(name, float_tensor(name, sharpness(x[:N_BAND]), ndim=1))
    low, high = of_images.quantile(torch.tensor([0.1, 0.9]).to(of_images)).tolist()
    found = [low, high]
    for likelihood in likelihoods.values():
        for source in SOURCES.values():
            blur = start_blur(likelihood, x[:N_PROBED], source=source)
            images = torch.cat([blur.mean, sample_noisy(likelihood, blur, T_MAX, 0)])
            found += sharpness(images.float()).tolist()
    return (low, high), axis_around(found)


def axis_around(values: list[float]) -> Span:
    """The shortest logarithmic axis that holds all values above 0; it ends at 1, 2, 5, 10, …"""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = 1 / nice_step(1 / min(positive)), nice_step(max(positive))
    return low, high if high > 1.01 * low else nice_step(1.5 * low)


def svg_sharpness(values: Mapping[str, float], band: Span, axis: Span) -> tuple[str, str]:
    """A row for "image", "mean" and "sample", each at its value, over the band: SVG, and words.

    band, axis: from, to.  What lies beyond the axis stands at its end, with an arrow.
    """
    low, high = axis
    place = linear_scale((math.log(low), math.log(high)), (LEFT, RIGHT))

    def across(value: float) -> float:
        return place(math.log(min(max(value, low), high)))

    bottom, (left, right) = TOP + ROW * len(values), map(across, band)
    shapes = [
        svg_rect(left, TOP, max(right - left, 0.4), bottom - TOP, "vae-band"),
        svg_text((left + right) / 2, TOP - 6, "test images", "middle"),
        svg_axis({across(tick): f"{tick:g}" for tick in _ticks(low, high)}, bottom, LEFT, RIGHT),
    ]
    for row, (name, value) in enumerate(values.items()):
        x, y = across(value), TOP + ROW * (row + 0.5) + 5
        text = f"{'← ' if value < low else ''}{name} {value:.2f}{' →' if value > high else ''}"
        beside = (f"{GAP}{text}", "start") if x < 60 else (f"{text}{GAP}", "end")
        shapes.append(svg_text(x, y, GLYPHS[name], "middle", "vae-verdict"))
        shapes.append(svg_text(x, y - 1, *beside, "vae-curve-name"))
    said = ", ".join(f"{name} {value:.2f}" for name, value in values.items())
    around = f"Of the test images, 80 % lie between {band[0]:.2f} and {band[1]:.2f}."
    return svg(shapes, HEIGHT, f"Sharpness: {said}. {around}", "vae-broad")


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … from low to high."""
    ticks = [low]
    while (tick := nice_step(1.5 * ticks[-1])) <= high * 1.01:
        ticks.append(tick)
    return ticks


# ---- checks ----


def _checked(likelihoods: Mapping[str, Likelihood], x: Tensor) -> dict[str, Likelihood]:
    """The likelihoods; TypeError or ValueError unless each has a VAE and gives images like x."""
    if not isinstance(likelihoods, Mapping) or not likelihoods:
        raise TypeError("likelihoods must map one name or more to (model, mean, sample)")
    for name, likelihood in likelihoods.items():
        _check_likelihood(f"likelihoods[{name!r}]", likelihood, x)
    return dict(likelihoods)


def _check_likelihood(name: str, likelihood: object, x: Tensor) -> None:
    triple = isinstance(likelihood, tuple) and len(likelihood) == 3
    if not triple or not all(map(callable, likelihood)):
        allowed = "(model, mean, sample), the last two functions"
        raise TypeError(f"{name} must be {allowed}, got {likelihood!r}")
    check_vae(f"{name}: model", likelihood[0])
    blur = start_blur(likelihood, x[:1])
    still, noisy = (sample_noisy(likelihood, blur, t, 0) for t in (0.0, 1.0))
    images = {"mean(params)": blur.mean, "sample(params, 0)": still, "sample(params, 1)": noisy}
    for what, image in images.items():
        finite(f"{name}: {what}", image)
        same_shape(f"{name}: {what}", image, "an image of x", blur.x)
    if not torch.allclose(still, blur.mean, atol=1e-4):
        raise ValueError(f"{name}: sample(params, 0) must be mean(params), got images that differ")
