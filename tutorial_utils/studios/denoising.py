"""Denoising studio (notebook 08): a noisy image, and how close methods come to the clean one."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor

from ..plotting import to_png
from ..support.arguments import finite, float_tensor, gray_images, positive_number, same_shape
from ..topics.noise import gaussian_noise, masking_noise, psnr, salt_and_pepper, ssim
from ..training import local_seed
from .base import Part
from .controls import Another, PickImage, slider, toggles
from .panel import Panel, PanelStudio
from .svg import svg, svg_rect, svg_text

# {name: function of a noisy image [1, 1, H, W], the kind of its noise, its level}
Methods = Mapping[str, Callable[[Tensor, str, float], Tensor]]
Noise = Callable[[Tensor, float], Tensor]  # clean images, level -> noisy ones
Kinds = Mapping[str, tuple[Noise, float]]  # the noise, and the highest level of the slider
KINDS = {
    "Gaussian": (gaussian_noise, 1.0),
    "masking": (masking_noise, 0.9),
    "salt and pepper": (salt_and_pepper, 0.9),
}
STEP = 0.02  # of the level
MOST = 40.0  # dB: where a bar of PSNR ends
HEIGHT, ROW, BAR = 60, 30, 6  # pixels: of the chart, of a bar with its number, of a bar


def denoising_studio(methods: Methods, x: Tensor, *, kinds: Kinds = KINDS) -> PanelStudio:
    """Denoising studio (notebook 08): a noisy image, and what each method makes of it.

    Controls set the kind of noise and its level. Each image stands over its PSNR and SSIM; with the
    clean and the noisy image, six methods fill two rows.  methods: {name: function of the noisy
    image [1, 1, H, W], the name of the kind of noise and its level, which returns [1, 1, H, W],
    always the same for the same}.  x: clean test images [N, 1, H, W] in [0, 1], 11 pixels high and
    wide at least.  kinds: {name: (noise(x, level), the highest level)}; noise takes torch's global
    random numbers, the same ones at every level.  All images are clamped to [0, 1], then shown and
    scored. Raises TypeError or ValueError for a bad argument.
    """
    x = gray_images(x).detach().cpu().float()
    _check_methods(methods)
    _check_kinds(kinds, methods, x[:1])

    def draw(kind: str, image: int, level: float, seed: int) -> Panel:
        level = round(level, 6)
        images = denoise_all(methods, x[[image]], kind, kinds[kind][0], level, seed)
        scores = score_images(images)
        where = f"Test image {image}, {kind} noise, level {level:.2f}"
        return parts_of(images, scores, image), f"{where}. {describe_best(scores)}"

    def adjust(controls: SimpleNamespace) -> None:
        controls.level.max = kinds[controls.kind.value][1]

    highest = next(iter(kinds.values()))[1]
    middle = round(highest / 2 / STEP) * STEP
    rows = [
        {
            "kind": toggles("noise", list(kinds), tip="The kind of noise"),
            "image": PickImage("test image", x),
        },
        {
            "level": slider("level", middle, highest, STEP, tip="How much noise, 0 for none."),
            "seed": Another("New noise", tip="Other random numbers, as much noise"),
        },
    ]
    studio = PanelStudio("vae-denoise", rows, draw, adjust)
    if len(methods) + 2 in (9, 10):
        studio.add_class("vae-five")  # columns, where four would leave one or two images alone
    return studio


def denoising_rows(
    methods: Methods, x: Tensor, kind: str, noise: Noise, levels: Sequence[float], seed: int = 0
) -> dict[str, Tensor]:
    """The denoising studio without controls: an image, clean, noisy and denoised, at some levels.

    For `show_rows`.  methods, kind, noise: as for `denoising_studio`.  x: [1, 1, H, W] in [0, 1].
    levels: one per column; the random numbers are the same in each.  Returns {"clean", "noisy" and
    the methods' names: [len(levels), 1, H, W] in [0, 1]}. Raises TypeError or ValueError for a bad
    argument.
    """
    _check_methods(methods)
    if len(gray_images(x)) != 1:
        raise ValueError(f"x must hold one image [1, 1, H, W], got shape {list(x.shape)}")
    if len(levels) == 0:
        raise ValueError(f"levels must hold at least one level, got {levels!r}")
    columns = [denoise_all(methods, x, kind, noise, float(level), seed) for level in levels]
    return {name: torch.cat([column[name] for column in columns]) for name in columns[0]}


@torch.no_grad()
def denoise_all(
    methods: Methods, x: Tensor, kind: str, noise: Noise, level: float, seed: int
) -> dict[str, Tensor]:
    """The image x [1, 1, H, W], clean, noisy, and as each method denoises it, clamped to [0, 1].

    Returns {"clean", "noisy" and the methods' names: [1, 1, H, W]}.  The same seed gives the same
    random numbers at every level.  TypeError or ValueError if noise or a method gives no image.
    """
    with local_seed(seed):
        images = {"clean": x, "noisy": _like(x, f"noise(x, {level:g})", noise(x, level))}
        for name, denoise in methods.items():
            call = f"methods[{name!r}](noisy, {kind!r}, {level:g})"
            images[name] = _like(x, call, denoise(images["noisy"].clone(), kind, level))
    return {name: image.clamp(0, 1) for name, image in images.items()}


def _like(x: Tensor, name: str, image: object) -> Tensor:
    """An image, if it is one of finite numbers and of the shape of x."""
    same_shape(name, finite(name, float_tensor(name, image)), "the image", x)
    return image.to(x)


class Score(NamedTuple):
    """A score: its name, number, unit, share of the longest bar, and whether it is the best."""

    label: str
    number: str
    unit: str
    share: float
    best: bool


def score_images(images: Mapping[str, Tensor]) -> dict[str, list[Score]]:
    """PSNR and SSIM of the images of `denoise_all` but the clean one: {name: [PSNR, SSIM]}.

    Best is the highest of all; of equal ones each is.
    """
    clean, *others = images.values()
    stacked = torch.cat(others)
    clean = clean.expand_as(stacked)
    decibels, similarities = psnr(stacked, clean).tolist(), ssim(stacked, clean).tolist()
    scores = {}
    for name, high, alike in zip(list(images)[1:], decibels, similarities, strict=True):
        number = ("∞", "") if high == inf else (f"{high:.1f}", " dB")
        text = f"{alike:.2f}".replace("-", "−")
        scores[name] = [
            Score("PSNR", *number, high / MOST, high == max(decibels)),
            Score("SSIM", text, "", alike, alike == max(similarities)),
        ]
    return scores


# ---- the panel ----


def parts_of(
    images: Mapping[str, Tensor], scores: Mapping[str, list[Score]], index: int
) -> list[Part]:
    """Two parts for each image: the picture under its name, and its scores with bars.

    In place of the clean image's scores stands how long the bars can be.  index: of the test image.
    """
    alts = {"clean": f"test image {index}, clean", "noisy": f"test image {index}, noisy"}
    parts = []
    for name, image in images.items():
        alt = alts.get(name, f"what {name} makes of the noisy image")
        chart = _svg_legend() if name == "clean" else svg_scores(name, scores[name])
        parts += [Part(name, to_png(image[0, 0]), alt), Part("", *chart)]
    return parts


def svg_scores(name: str, scores: list[Score]) -> tuple[str, str]:
    """PSNR and SSIM, each with a bar and, where it is the best, a star and a word: SVG, and words.

    A bar begins at 0 and ends at 40 dB, or at 1: a higher PSNR ends there, too, an SSIM below 0 has
    none.
    """
    shapes, said = [], []
    for row, (label, number, unit, share, best) in enumerate(scores):
        text = f'{label} {number}<tspan class="vae-unit">{unit}</tspan>'
        star = svg_text(100, ROW * row + 13, "★ best", "end", "vae-best") if best else ""
        bar = _svg_bar(row, share, "vae-bar" if best else "vae-bar vae-quiet")
        shapes += [svg_text(0, ROW * row + 13, text), star, _svg_bar(row, 1.0, "vae-track"), bar]
        said.append(f"{label} {number}{unit}{', the best' if best else ''}")
    return svg(shapes, HEIGHT, f"{name}: {'; '.join(said)}")


def describe_best(scores: Mapping[str, list[Score]]) -> str:
    """A sentence for each score: which images have the best, and what the noisy image has."""
    sentences = []
    for noisy, *column in zip(scores["noisy"], *scores.values(), strict=True):
        names = " and ".join(name for name, score in zip(scores, column, strict=True) if score.best)
        best = next(score for score in column if score.best)
        numbers = f"{best.number}{best.unit}; noisy image: {noisy.number}{noisy.unit}"
        sentences.append(f"Best {noisy.label}: {names}, {numbers}.")
    return " ".join(sentences)


def _svg_legend() -> tuple[str, str]:
    texts = (f"PSNR, 0 to {MOST:g} dB", "SSIM, 0 to 1")
    shapes = [
        svg_text(0, ROW * row + 13, text) + _svg_bar(row, 1.0, "vae-track")
        for row, text in enumerate(texts)
    ]
    return svg(shapes, HEIGHT, f"Bars: PSNR from 0 to {MOST:g} dB, SSIM from 0 to 1")


def _svg_bar(row: int, share: float, css_class: str) -> str:
    return svg_rect(0, ROW * row + 19, 100 * min(max(share, 0.0), 1.0), BAR, css_class)


# ---- checks ----


def _check_kinds(kinds: Kinds, methods: Methods, x: Tensor) -> None:
    """TypeError or ValueError unless all noises and methods work at both ends of the slider."""
    if not isinstance(kinds, Mapping) or not kinds:
        allowed = 'one name or more to (noise, highest level), such as "Gaussian"'
        raise TypeError(f"kinds must map {allowed}")
    for kind, pair in kinds.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and callable(pair[0])):
            raise TypeError(f"kinds[{kind!r}] must be (noise, highest level), got {pair!r}")
        for level in (0.0, positive_number(f"kinds[{kind!r}][1]", pair[1])):
            score_images(denoise_all(methods, x, kind, pair[0], level, 0))


def _check_methods(methods: Methods) -> None:
    if not isinstance(methods, Mapping) or not methods or not all(map(callable, methods.values())):
        allowed = "one name or more to a function of (noisy, kind, level)"
        raise TypeError(f"methods must map {allowed}, got {methods!r}")
    if taken := {"clean", "noisy"} & set(methods):
        allowed = "other names than 'clean' and 'noisy'"
        raise ValueError(f"methods must have {allowed}, got {min(taken)!r}")
