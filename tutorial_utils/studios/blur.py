"""Blur studio (notebook 06): a test image, the mean of p(x|z), a sample of it, and how sharp each of them is."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import NamedTuple

import ipywidgets
import torch
import traitlets
from torch import Tensor, nn

from ..models import encode_images, is_vae
from ..plotting import to_png
from ..support.arguments import finite, float_tensor, gray_images, one_of, same_shape
from ..topics.sharpness import high_frequency_share, laplacian_sharpness
from ..training import local_seed
from .base import PanelView, Part, describe, style_sheet
from .svg import nice_step, svg_text

Likelihood = tuple[
    nn.Module, Callable[[Tensor], Tensor], Callable[[Tensor, float], Tensor]
]  # model, mean, sample
Measure = Callable[[Tensor], Tensor]  # images [N, 1, H, W] -> [N]
Span = tuple[float, float]  # from, to
T_MAX, T_STEP = 1.5, 0.05  # of the noise slider
SOURCES = {"of the image (posterior mean)": "posterior", "from the prior": "prior"}
GLYPHS = {"image": "●", "mean": "■", "sample": "▲"}
N_BAND, N_PROBED = (
    1000,
    8,
)  # images whose sharpness makes the band, and whose means and samples fit on the axis
HEIGHT, TOP, ROW = 128, 20, 26  # pixels: of the chart, above its first row, of each row
LEFT, RIGHT = 3.0, 97.0  # percent: where the ends of the axis are drawn
CAPTION = "Band: the middle 80 % of the test images. Noise counts as sharpness, too."
GAP = 4 * "\N{NO-BREAK SPACE}"  # between a glyph and its text


def blur_studio(
    likelihoods: Mapping[str, Likelihood], x: Tensor, *, sharpness: Measure = laplacian_sharpness
) -> "BlurStudio":
    """Turn the noise t of p(x|z) from 0, its mean, over 1, a sample, to 1.5, and see and measure the image.

    Notebook 06.  likelihoods: {name: (model, mean, sample)}, with model a trained VAE of gray
    images, mean(params) and sample(params, t) of what it decodes, the latter with noise times t
    from torch's global random numbers; both [B, 1, H, W], and equal at t = 0.  x: test images [N,
    1, H, W] in [0, 1].  sharpness: images [N, 1, H, W] -> [N]. Pictures are clipped to [0, 1]; the
    numbers are those of the images as mean and sample give them. Raises TypeError or ValueError for
    a bad argument.
    """
    if not callable(sharpness):
        raise TypeError(f"sharpness must be a function of images, got {type(sharpness).__name__}")
    return BlurStudio(_checked(likelihoods, gray_images(x)), x.detach().cpu().float(), sharpness)


def blur_rows(
    likelihoods: Mapping[str, Likelihood], x: Tensor, *, t: float = 1.0, seed: int = 0
) -> dict[str, Tensor]:
    """Rows for `plotting.show_rows`: the images x, and of each likelihood the mean and a sample.  The static twin.

    z is the posterior mean.  likelihoods, x, t: as for `blur_studio`.  Returns {name: [N, 1, H,
    W]}. Raises TypeError or ValueError for a bad argument.
    """
    rows = {"test image": gray_images(x)}
    for name, likelihood in _checked(likelihoods, x).items():
        blur = start_blur(likelihood, x)
        rows |= {
            f"{name}: mean": blur.mean,
            f"{name}: sample": draw_noisy(likelihood, blur, t, seed),
        }
    return rows


class Blur(NamedTuple):
    """Images x [N, 1, H, W], the parameters [N, P, H, W] of p(x|z) for each, and the mean [N, 1, H, W] of p(x|z)."""

    x: Tensor
    params: Tensor
    mean: Tensor


@torch.inference_mode()
def start_blur(
    likelihood: Likelihood, x: Tensor, *, source: str = "posterior", seed: int = 0
) -> Blur:
    """All that does not depend on the noise.  x: [N, 1, H, W].

    source: "posterior" for z = mu, "prior" for draws.
    """
    model, mean, _ = likelihood
    if one_of("source", source, tuple(SOURCES.values())) == "posterior":
        z = encode_images(model, x)[0]
    else:
        z = torch.randn(len(x), model.latent_dim, generator=torch.Generator().manual_seed(seed))
    params = model.decode(z.to(next(model.parameters())))
    return Blur(x, params, float_tensor("mean(params)", mean(params), ndim=4).cpu())


@torch.inference_mode()
def draw_noisy(likelihood: Likelihood, blur: Blur, t: float, seed: int) -> Tensor:
    """A sample of p(x|z) with noise times t, [N, 1, H, W]; the same seed gives the same noise at every t."""
    with local_seed(seed):
        return float_tensor("sample(params, t)", likelihood[2](blur.params, t), ndim=4).cpu()


class Seen(NamedTuple):
    """An image [1, H, W] and its two numbers: its sharpness, and its share of high frequencies."""

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
) -> dict[str, Seen]:
    """What the studio shows of the first image at noise t: {"image", "mean", "sample"}, each with its two numbers."""
    images = torch.cat(
        [
            part[:1].cpu().float()
            for part in (blur.x, blur.mean, draw_noisy(likelihood, blur, t, seed))
        ]
    )
    numbers = sharpness(images).tolist(), high_frequency_share(images).tolist()
    return {name: Seen(*each) for name, *each in zip(GLYPHS, images, *numbers, strict=True)}


class BlurStudio(ipywidgets.VBox):
    """What `blur_studio` returns: `likelihood`, `index`, `source`, `noise` choose; `view` shows `state` on the page."""

    z_seed, noise_seed = traitlets.Int(), traitlets.Int()

    def __init__(self, likelihoods: dict[str, Likelihood], x: Tensor, sharpness: Measure):
        self.likelihoods, self.x, self.sharpness = likelihoods, x, sharpness
        self.band, self.axis = probe(likelihoods, x, sharpness)
        self._make_controls()
        self.view = PanelView()
        rows = [
            [self.likelihood],
            [self.index, self.next],
            [self.source, self.new_z],
            [self.noise, self.new_noise],
        ]
        bars = ipywidgets.VBox([ipywidgets.HBox(row) for row in rows]).add_class(
            "vae-blur-controls"
        )
        super().__init__([style_sheet(), bars, self.view])
        self.add_class("vae-explorer").add_class("vae-slider").add_class("vae-blur")
        for control in (self.likelihood, self.index, self.source):
            control.observe(self._decode, "value")
        self.observe(self._decode, "z_seed")
        self.noise.observe(self._show, "value")
        self.observe(self._show, "noise_seed")
        self._decode()

    def _make_controls(self) -> None:
        radios = partial(ipywidgets.RadioButtons, orientation="horizontal")
        self.likelihood = radios(options=list(self.likelihoods), description="p(x|z)")
        self.likelihood.tooltip = "The likelihood with which the VAE was trained"
        self.source = radios(options=SOURCES, value="posterior", description="z")
        self.source.tooltip = (
            "Which z is decoded: the mean of q(z|x) of the test image, or a draw from N(0, I)"
        )
        self.index = ipywidgets.BoundedIntText(
            0, min=0, max=len(self.x) - 1, description="test image"
        )
        self.index.tooltip = f"Which of the {len(self.x):,} test images"
        self.noise = ipywidgets.FloatSlider(
            1.0, min=0, max=T_MAX, step=T_STEP, description="noise t"
        )
        self.noise.tooltip = "0: the mean, 1: a sample of p(x|z). Drag, or use the arrow keys."
        self.next = ipywidgets.Button(description="Next image", tooltip="The next test image")
        self.new_z = ipywidgets.Button(
            description="New z", tooltip="Another draw of z from the prior"
        )
        self.new_noise = ipywidgets.Button(
            description="New noise", tooltip="Other random numbers for the sample"
        )
        self.next.on_click(
            lambda _button: self.index.set_trait("value", (self.index.value + 1) % len(self.x))
        )
        for button, name in ((self.new_z, "z_seed"), (self.new_noise, "noise_seed")):
            button.on_click(
                lambda _button, name=name: self.set_trait(name, getattr(self, name) + 1)
            )

    def _decode(self, _change: object = None) -> None:
        """Another likelihood, image or z: the only place where the model is asked."""
        self.new_z.disabled = self.source.value != "prior"
        likelihood, x = self.likelihoods[self.likelihood.value], self.x[self.index.value][None]
        self.blur = start_blur(likelihood, x, source=self.source.value, seed=self.z_seed)
        self._show()

    def _show(self, _change: object = None) -> None:
        """The noise has changed: pictures, numbers and chart go to the page in one message."""
        t, likelihood = self.noise.value, self.likelihoods[self.likelihood.value]
        self.state = blur_state(
            likelihood, self.blur, t, seed=self.noise_seed, sharpness=self.sharpness
        )
        chart, said = draw_sharpness(
            {name: seen.sharpness for name, seen in self.state.items()}, self.band, self.axis
        )
        measure = getattr(
            getattr(self.sharpness, "func", self.sharpness), "__name__", "sharpness"
        ).replace("_", " ")
        title = f"{measure.capitalize()}, logarithmic axis\n{CAPTION}"
        parts = [
            *parts_of(self.state, self.index.value, self.source.value, t),
            Part(title, chart, said),
        ]
        with self.view.hold_sync():
            self.view.parts = [describe(part) for part in parts]
            self.view.text = f"{self.likelihood.value}, t = {t:.2f}. {said}"


def parts_of(state: Mapping[str, Seen], index: int, source: str, t: float) -> list[Part]:
    """The three pictures of a state with their titles, numbers and descriptions, for a PanelView."""
    of_image, sample = source == "posterior", state["sample"].image
    says = {0.0: ": the mean itself", 1.0: ": as in p(x|z)"}.get(round(t, 2), "")
    clipped = ["shown clipped to [0, 1]"] if sample.min() < 0 or sample.max() > 1 else []
    notes = {
        "image": (f"test image {index}", [] if of_image else ["not what is decoded"]),
        "mean": (
            "mean of p(x|z)",
            ["at the posterior mean" if of_image else "at a z from the prior"],
        ),
        "sample": ("sample, noise × t", [f"t = {t:.2f}{says}", *clipped]),
    }
    parts = []
    for (name, seen), (title, note) in zip(state.items(), notes.values(), strict=True):
        lines = [
            f"sharpness {seen.sharpness:.2f}",
            f"high frequency {100 * seen.share:.1f}\N{NO-BREAK SPACE}%",
            *note,
        ]
        text = "\n".join([f"{GLYPHS[name]} {title}", *lines])
        parts.append(Part(text, to_png(seen.image[0]), f"{title}: {', '.join(lines)}"))
    return parts


def probe(
    likelihoods: Mapping[str, Likelihood], x: Tensor, sharpness: Measure
) -> tuple[Span, Span]:
    """The 10th and the 90th percentile of the sharpness of x, and the ends of an axis on which the studio's fit."""
    of_images = finite(
        "sharpness of x", float_tensor("sharpness of x", sharpness(x[:N_BAND]), ndim=1)
    )
    low, high = of_images.quantile(torch.tensor([0.1, 0.9]).to(of_images)).tolist()
    found = [low, high]
    for likelihood in likelihoods.values():
        for source in SOURCES.values():
            blur = start_blur(likelihood, x[:N_PROBED], source=source)
            found += sharpness(
                torch.cat([blur.mean, draw_noisy(likelihood, blur, T_MAX, 0)]).float()
            ).tolist()
    return (low, high), axis_around(found)


def axis_around(values: list[float]) -> Span:
    """The ends of the least logarithmic axis, among 1, 2, 5, 10, … and their tenths, that holds all values above 0."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = 1 / nice_step(1 / min(positive)), nice_step(max(positive))
    return low, high if high > 1.01 * low else nice_step(1.5 * low)


def draw_sharpness(values: Mapping[str, float], band: Span, axis: Span) -> tuple[str, str]:
    """One row for "image", "mean" and "sample", each with its glyph, name and number, over the band: SVG, and words.

    band: from, to.  axis: its ends, as from `axis_around`; what lies beyond stands at the end, with
    an arrow.
    """
    low, high = axis

    def across(value: float) -> float:
        share = math.log(min(max(value, low), high) / low) / math.log(high / low)
        return LEFT + (RIGHT - LEFT) * share

    bottom, (left, right) = TOP + ROW * len(values), map(across, band)
    place = (
        f'x="{left:.2f}%" width="{max(right - left, 0.4):.2f}%" y="{TOP}" height="{bottom - TOP}"'
    )
    shapes = [
        f'<rect class="vae-band" {place}/>',
        svg_text((left + right) / 2, TOP - 6, "test images", "middle"),
    ]
    line = '<line class="vae-axis" x1="{:.2f}%" x2="{:.2f}%" y1="{}" y2="{}"/>'
    shapes.append(line.format(LEFT, RIGHT, bottom, bottom))
    tick = low
    while tick <= high * 1.01:
        shapes.append(line.format(across(tick), across(tick), bottom, bottom + 5))
        shapes.append(svg_text(across(tick), bottom + 19, f"{tick:g}", "middle"))
        tick = nice_step(1.5 * tick)
    for row, (name, value) in enumerate(values.items()):
        x, y = across(value), TOP + ROW * (row + 0.5) + 5
        label = f"{'← ' if value < low else ''}{name} {value:.2f}{' →' if value > high else ''}"
        beside = (f"{GAP}{label}", "start") if x < 60 else (f"{label}{GAP}", "end")
        shapes.append(svg_text(x, y, GLYPHS[name], "middle", "vae-verdict"))
        shapes.append(svg_text(x, y - 1, *beside, "vae-curve-name"))
    said = ", ".join(f"{name} {value:.2f}" for name, value in values.items())
    alt = (
        f"Sharpness: {said}. Of the test images, 80 % lie between {band[0]:.2f} and {band[1]:.2f}."
    )
    head = f'<svg class="vae-broad" width="100%" height="{HEIGHT}" role="img" aria-label="{escape(alt)}">'
    return "".join([head, *shapes, "</svg>"]), alt


def _checked(likelihoods: Mapping[str, Likelihood], x: Tensor) -> dict[str, Likelihood]:
    """The likelihoods as a dict; TypeError or ValueError unless each has a VAE, and images like x at t = 0 and 1."""
    if not isinstance(likelihoods, Mapping) or not likelihoods:
        raise TypeError("likelihoods must map one name or more to (model, mean, sample)")
    for name, likelihood in likelihoods.items():
        of = f"likelihoods[{name!r}]"
        if not (
            isinstance(likelihood, tuple)
            and len(likelihood) == 3
            and all(map(callable, likelihood))
        ):
            raise TypeError(
                f"{of} must be (model, mean, sample), the last two functions, got {likelihood!r}"
            )
        if not is_vae(likelihood[0]):
            raise TypeError(f"{of}: model must be a VAE, got {type(likelihood[0]).__name__}")
        blur = start_blur(likelihood, x[:1])
        still, noisy = (draw_noisy(likelihood, blur, t, 0) for t in (0.0, 1.0))
        for what, image in {
            "mean(params)": blur.mean,
            "sample(params, 0)": still,
            "sample(params, 1)": noisy,
        }.items():
            same_shape(f"{of}: {what}", finite(f"{of}: {what}", image), "an image of x", blur.x)
        if not torch.allclose(still, blur.mean, atol=1e-4):
            raise ValueError(
                f"{of}: sample(params, 0) must be mean(params), got images that differ"
            )
    return dict(likelihoods)
