"""Denoising studio (notebook 08): a noisy test image, what each method makes of it, and how close that is."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import inf
from typing import NamedTuple

import ipywidgets
import torch
import traitlets
from torch import Tensor

from ..plotting import to_png
from ..support.arguments import finite, float_tensor, gray_images, positive_number, same_shape
from ..topics.noise import gaussian_noise, masking_noise, psnr, salt_and_pepper, ssim
from ..training import local_seed
from .base import ControlNames, PanelView, Part, describe, style_sheet
from .svg import svg_text

Method = Callable[
    [Tensor, str, float], Tensor
]  # noisy [1, 1, H, W], the kind of noise, its level -> [1, 1, H, W]
Noise = Callable[[Tensor, float], Tensor]  # clean images, level -> noisy ones
KINDS: dict[
    str, tuple[Noise, float]
] = {  # the noise, and the highest level that the slider reaches
    "Gaussian": (gaussian_noise, 1.0),
    "masking": (masking_noise, 0.9),
    "salt and pepper": (salt_and_pepper, 0.9),
}
STEP = 0.02  # of the level
MOST = 40.0  # dB: where a bar of PSNR ends
HEIGHT, ROW, BAR = (
    60,
    30,
    6,
)  # pixels: of the two bars with their numbers, of each with its number, of a bar


def denoising_studio(
    methods: Mapping[str, Method], x: Tensor, *, kinds: Mapping[str, tuple[Noise, float]] = KINDS
) -> "DenoisingStudio":
    """Turn the level of some noise, and see what each method makes of the noisy image, with its PSNR and SSIM.

    Notebook 08.  methods: {name: function of the noisy image [1, 1, H, W], the name of the kind of
    noise and its level, which returns [1, 1, H, W], always the same for the same}.  The noisy image
    itself stands among them, unasked, as does the clean one: six methods fill two rows.  x: clean
    test images [N, 1, H, W] in [0, 1], 11 pixels high and wide at least.  kinds: {name: (noise(x,
    level), the highest level)}; noise takes torch's global random numbers, the same ones at every
    level.  All images are clamped to [0, 1], then shown and scored. Raises TypeError or ValueError
    for a bad argument.
    """
    x = gray_images(x).detach().cpu().float()
    if not isinstance(kinds, Mapping) or not kinds:
        raise TypeError(
            'kinds must map one name or more to (noise, highest level), such as "Gaussian"'
        )
    for kind, pair in kinds.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and callable(pair[0])):
            raise TypeError(f"kinds[{kind!r}] must be (noise, highest level), got {pair!r}")
        for level in (
            0.0,
            positive_number(f"kinds[{kind!r}][1]", pair[1]),
        ):  # what fails, fails here, not when dragged
            denoising_state(methods, x[:1], kind, pair[0], level)
    return DenoisingStudio(dict(methods), x, dict(kinds))


def denoising_rows(
    methods: Mapping[str, Method],
    x: Tensor,
    kind: str,
    noise: Noise,
    levels: Sequence[float],
    seed: int = 0,
) -> dict[str, Tensor]:
    """Rows for `plotting.show_rows`: one image, clean and noisy, and what each method makes of it.  The static twin.

    methods, kind, noise: as for `denoising_studio`.  x: [1, 1, H, W] in [0, 1].  levels: one per
    column; the random numbers are the same in each.  Returns {"clean", "noisy" and the methods'
    names: [len(levels), 1, H, W] in [0, 1]}. Raises TypeError or ValueError for a bad argument.
    """
    if len(levels) == 0:
        raise ValueError(f"levels must hold at least one level, got {levels!r}")
    columns = [denoise_all(methods, x, kind, noise, float(level), seed) for level in levels]
    return {name: torch.cat([column[name] for column in columns]) for name in columns[0]}


@torch.no_grad()
def denoise_all(
    methods: Mapping[str, Method], x: Tensor, kind: str, noise: Noise, level: float, seed: int
) -> dict[str, Tensor]:
    """The image x [1, 1, H, W], with noise, and denoised: {"clean", "noisy", names of methods}, clamped to [0, 1].

    The same seed gives the same random numbers at every level.  Raises TypeError or ValueError for
    a bad argument.
    """
    if not isinstance(methods, Mapping) or not methods or not all(map(callable, methods.values())):
        raise TypeError(
            f"methods must map one name or more to a function of (noisy, kind, level), got {methods!r}"
        )
    if taken := {"clean", "noisy"} & set(methods):
        raise ValueError(
            f"methods must have other names than 'clean' and 'noisy', got {sorted(taken)[0]!r}"
        )
    if len(gray_images(x)) != 1:
        raise ValueError(f"x must hold one image [1, 1, H, W], got shape {list(x.shape)}")
    with local_seed(seed):
        noisy = _like(x, f"noise(x, {level:g})", noise(x, level))
        denoised = {
            name: _like(
                x,
                f"methods[{name!r}](noisy, {kind!r}, {level:g})",
                denoise(noisy.clone(), kind, level),
            )
            for name, denoise in methods.items()
        }
    return {
        name: image.clamp(0, 1) for name, image in ({"clean": x, "noisy": noisy} | denoised).items()
    }


class Seen(NamedTuple):
    """An image [1, H, W] as it is shown, its PSNR in dB and its SSIM, and whether each is the highest of a state."""

    image: Tensor
    psnr: float
    ssim: float
    best_psnr: bool = False
    best_ssim: bool = False


def denoising_state(
    methods: Mapping[str, Method],
    x: Tensor,
    kind: str,
    noise: Noise,
    level: float,
    *,
    seed: int = 0,
) -> dict[str, Seen]:
    """What the studio shows of x [1, 1, H, W]: {"clean", "noisy", names of methods}, each with its two numbers.

    methods, kind, noise: as for `denoising_studio`.  Best is the highest number except that of the
    clean image; of equal ones each is.
    """
    images = denoise_all(methods, x, kind, noise, level, seed)
    stacked = torch.cat(list(images.values()))
    numbers = [judge(stacked, x.expand_as(stacked)) for judge in (psnr, ssim)]
    best = [values == values[1:].max() for values in numbers]  # without the clean image
    columns = [column.tolist() for column in (*numbers, *best)]
    state = {name: Seen(*seen) for name, *seen in zip(images, stacked, *columns, strict=True)}
    return state | {"clean": state["clean"]._replace(best_psnr=False, best_ssim=False)}


class DenoisingStudio(ipywidgets.VBox):
    """What `denoising_studio` returns: `kind`, `level`, `index`, `seed` choose; `view` shows `state` on the page."""

    seed = traitlets.Int()

    def __init__(
        self, methods: dict[str, Method], x: Tensor, kinds: dict[str, tuple[Noise, float]]
    ):
        self.methods, self.x, self.kinds = methods, x, kinds
        self._make_controls()
        self.view = PanelView()
        chosen = ipywidgets.HBox([self.kind, ipywidgets.HBox([self.index, self.next])]).add_class(
            "vae-selectors"
        )
        turned = ipywidgets.HBox([self.level, self.new_noise])
        bars = ipywidgets.VBox([chosen, turned]).add_class("vae-blur-controls")
        super().__init__([style_sheet(), ControlNames(), bars, self.view])
        self.add_class("vae-explorer").add_class("vae-slider").add_class("vae-denoise")
        if len(methods) + 2 in (9, 10):
            self.add_class("vae-five")  # columns, where four would leave one or two images alone
        self.kind.observe(self._reach, "value")
        for control in (self.level, self.index):
            control.observe(self._show, "value")
        self.observe(self._show, "seed")
        self._show()

    def _make_controls(self) -> None:
        highest = next(iter(self.kinds.values()))[1]
        self.kind = ipywidgets.ToggleButtons(options=list(self.kinds), description="noise")
        self.kind.style.button_width = "auto"
        self.kind.tooltips = ["The kind of noise"] * len(self.kinds)
        self.level = ipywidgets.FloatSlider(
            round(highest / 2 / STEP) * STEP, min=0, max=highest, step=STEP, description="level"
        )
        self.level.tooltip = "How much noise, 0 for none: drag, or use the arrow keys"
        self.index = ipywidgets.BoundedIntText(
            0, min=0, max=len(self.x) - 1, description="test image"
        )
        self.index.tooltip = f"Which of the {len(self.x):,} test images"
        self.next = ipywidgets.Button(description="Next image", tooltip="The next test image")
        self.new_noise = ipywidgets.Button(
            description="New noise", tooltip="Other random numbers, as much noise"
        )
        self.next.on_click(
            lambda _button: self.index.set_trait("value", (self.index.value + 1) % len(self.x))
        )
        self.new_noise.on_click(lambda _button: self.set_trait("seed", self.seed + 1))

    def _reach(self, _change: object = None) -> None:
        """Another kind of noise: the level stays, as far as the slider now reaches."""
        self.level.max = self.kinds[self.kind.value][1]
        self._show()

    def _show(self, _change: object = None) -> None:
        """Something has changed: pictures and numbers go to the page in one message."""
        kind, level, index = self.kind.value, round(self.level.value, 6), self.index.value
        image = self.x[index : index + 1]
        self.state = denoising_state(
            self.methods, image, kind, self.kinds[kind][0], level, seed=self.seed
        )
        with self.view.hold_sync():
            self.view.parts = [describe(part) for part in parts_of_state(self.state, index)]
            self.view.text = (
                f"Test image {index}, {kind} noise, level {level:.2f}. {say_best(self.state)}"
            )


def parts_of_state(state: Mapping[str, Seen], index: int) -> list[Part]:
    """For each image of a state two parts of a PanelView: the picture under its name, and its numbers with bars.

    Under the clean image, in place of numbers, stands how long the bars can be.  index: of the test
    image.
    """
    parts = []
    for name, seen in state.items():
        alts = {"clean": f"test image {index}, clean", "noisy": f"test image {index}, noisy"}
        alt = alts.get(name, f"what {name} makes of the noisy image")
        scores = _legend() if name == "clean" else draw_scores(name, seen)
        parts += [Part(name, to_png(seen.image[0]), alt), Part("", *scores)]
    return parts


def draw_scores(name: str, seen: Seen) -> tuple[str, str]:
    """PSNR and SSIM of an image, each with a bar and, if it is the best, a star and a word: SVG, and words.

    A bar begins at 0 and ends at 40 dB, or at 1; a PSNR above ends there, too, an SSIM below 0 has
    none.
    """
    shares, bests = (seen.psnr / MOST, seen.ssim), (seen.best_psnr, seen.best_ssim)
    shapes, says = [], []
    for row, ((label, value, unit), share, best) in enumerate(
        zip(_numbers(seen), shares, bests, strict=True)
    ):
        shapes.append(
            svg_text(
                0, ROW * row + 13, f'{label} {value}<tspan class="vae-unit">{unit}</tspan>', "start"
            )
        )
        shapes += [svg_text(100, ROW * row + 13, "★ best", "end", "vae-best")] if best else []
        shapes += [
            _bar(row, 1.0, "vae-track"),
            _bar(row, share, "vae-bar" if best else "vae-bar vae-quiet"),
        ]
        says.append(f"{label} {value}{unit}{', the best' if best else ''}")
    alt = f"{name}: {'; '.join(says)}"
    return _svg(shapes, alt), alt


def say_best(state: Mapping[str, Seen]) -> str:
    """A sentence for each of the two numbers: which method has the highest, and what the noisy image has."""
    sentences = []
    for k, (label, value, unit) in enumerate(_numbers(state["noisy"])):
        best = {
            name: _numbers(seen)[k]
            for name, seen in state.items()
            if (seen.best_psnr, seen.best_ssim)[k]
        }
        highest = "".join(next(iter(best.values()))[1:])
        sentences.append(
            f"Best {label}: {' and '.join(best)}, {highest}; noisy image: {value}{unit}."
        )
    return " ".join(sentences)


def _numbers(seen: Seen) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """PSNR and SSIM as they are shown: name, number, unit."""
    decibels = ("∞", "") if seen.psnr == inf else (f"{seen.psnr:.1f}", " dB")
    return ("PSNR", *decibels), ("SSIM", f"{seen.ssim:.2f}".replace("-", "−"), "")


def _legend() -> tuple[str, str]:
    alt = f"Bars: PSNR from 0 to {MOST:g} dB, SSIM from 0 to 1"
    texts = (f"PSNR, 0 to {MOST:g} dB", "SSIM, 0 to 1")
    shapes = [
        svg_text(0, ROW * row + 13, text) + _bar(row, 1.0, "vae-track")
        for row, text in enumerate(texts)
    ]
    return _svg(shapes, alt), alt


def _bar(row: int, share: float, name: str) -> str:
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<rect class="{name}" x="0" width="{width:.2f}%" y="{ROW * row + 19}" height="{BAR}"/>'


def _svg(shapes: Sequence[str], alt: str) -> str:
    head = f'<svg width="100%" height="{HEIGHT}" role="img" aria-label="{escape(alt)}">'
    return "".join([head, *shapes, "</svg>"])


def _like(x: Tensor, name: str, image: object) -> Tensor:
    """An image, if it is one of finite numbers and of the shape of x."""
    same_shape(name, finite(name, float_tensor(name, image)), "the image", x)
    return image.to(x)
