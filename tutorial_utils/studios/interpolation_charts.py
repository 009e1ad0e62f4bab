"""Charts of the interpolation studio: the judge's digits and log densities along the path."""

from itertools import pairwise

import torch
from torch import Tensor

from ..latent import N_FRAMES
from ..plotting import COLORS
from .svg import number, percent, svg, svg_curve, svg_line, svg_rect, svg_text

VERDICTS = 38  # pixels: the height of the row of digits, which the cursor leaves free
HEAD, PAD, PLOT = 18, 16, 56  # pixels: a title, the room above and below curves, the curves
BAND = 16  # pixels: the band of digits under the judge's confidence

Densities = tuple[Tensor, Tensor] | str | None


def across(t: float) -> float:
    """The place of t in percent of the width: 0 and 1 lie in the middle of the outer frames."""
    return 100 * (0.5 + (N_FRAMES - 1) * t) / N_FRAMES


def stretches_of(digits: list[int]) -> list[tuple[int, float, float]]:
    """Stretches of the same digit, for digits at equal steps from t = 0 to 1: (digit, from, to).

    A stretch ends halfway to the first step of the next one; the first starts at 0, the last ends
    at 1.
    """
    changes = [k for k, (before, digit) in enumerate(pairwise(digits), 1) if digit != before]
    edges = [0.0, *((k - 0.5) / (len(digits) - 1) for k in changes), 1.0]
    return [(digits[k], *ends) for k, ends in zip([0, *changes], pairwise(edges), strict=True)]


def svg_chart(judged: tuple[Tensor, Tensor] | None, densities: Densities) -> str:
    """The judge's digits and the densities at n equal steps of t from 0 to 1, as SVG.

    judged: the digits [n] that the judge names, and its confidence [n] from 0 to 1.  densities: log
    densities [n] in nats, of the aggregate posterior (solid) and of the prior (dashed); or a text
    that says why there are none.  Without both, there is no chart: "".
    """
    shapes, texts, top = [], [], 0
    if judged is not None:
        digits, confidence = judged[0].tolist(), judged[1]
        title = svg_text(across(0), VERDICTS + 12, "confidence of the judge, 0 to 100 %")
        plot = _plot(VERDICTS + HEAD, {"vae-solid": confidence.tolist()})
        shapes += [_verdicts(digits, confidence), title, plot, _band(digits, VERDICTS)]
        texts.append(describe_judged(digits, confidence))
        top = VERDICTS + HEAD + PLOT + BAND + 8
    if isinstance(densities, str):
        shapes.append(svg_text(across(0), top + 14, densities))
        texts.append(densities)
        top += 22
    elif densities is not None:
        shapes.append(_densities(*densities, top))
        texts.append(describe_densities(*densities))
        top += HEAD + 2 * PAD + PLOT
    if not shapes:
        return ""
    shapes += [svg_text(across(t), top + 12, f"t = {t}", "middle") for t in (0, 1)]
    return svg(shapes, top + 18, f"Along the path, t from 0 to 1: {' '.join(texts)}")[0]


def describe_judged(digits: list[int], confidence: Tensor) -> str:
    """The judge's part of a chart in words."""
    parts = [f"{digit} from {start:.2f} to {end:.2f}" for digit, start, end in stretches_of(digits)]
    least = int(confidence.argmin())
    lowest = f"{percent(confidence[least].item())}, at t = {least / (len(digits) - 1):.2f}"
    return f"the judge names {', '.join(parts)}; its confidence is lowest, {lowest}."


def describe_densities(log_q: Tensor, log_p: Tensor) -> str:
    """The densities' part of a chart in words."""
    parts = []
    for name, values in (("the aggregate posterior", log_q), ("the prior", log_p)):
        first, least, last = (number(float(each)) for each in (values[0], values.min(), values[-1]))
        parts.append(f"under {name} {first} at t = 0, at the lowest {least}, {last} at t = 1")
    return f"Log density of z in nats: {'; '.join(parts)}."


def _verdicts(digits: list[int], confidence: Tensor) -> str:
    """Under each frame of the strip the digit that the judge sees in it, and its confidence."""
    texts = []
    for k in range(N_FRAMES):
        t = k / (N_FRAMES - 1)
        step = round(t * (len(digits) - 1))
        texts.append(svg_text(across(t), 15, str(digits[step]), "middle", "vae-verdict"))
        texts.append(svg_text(across(t), 30, percent(confidence[step].item()), "middle"))
    return "".join(texts)


def _plot(top: float, curves: dict[str, list[float]]) -> str:
    """Curves by their class, with values from 0, at the bottom, to 1, between two lines."""
    shapes = [svg_line(across(0), y, across(1), y) for y in (top, top + PLOT)]
    for css_class, values in curves.items():
        places = [
            (across(k / (len(values) - 1)), top + PLOT * (1 - value))
            for k, value in enumerate(values)
        ]
        shapes.append(svg_curve(places, top + PLOT, css_class))
    return "".join(shapes)


def _band(digits: list[int], top: int) -> str:
    """The digits that the judge names, as a colored band under its confidence."""
    y, parts = top + HEAD + PLOT, []
    for digit, start, end in stretches_of(digits):
        x, width = across(start), across(end) - across(start)
        fill = f'fill="{COLORS[digit % len(COLORS)]}" opacity="0.4"'
        parts.append(svg_rect(x, y, width, BAND, "", fill))
        if width > 4:
            parts.append(svg_text(x + width / 2, y + 12, str(digit), "middle", "vae-verdict"))
    return "".join(parts)


def _densities(log_q: Tensor, log_p: Tensor, top: int) -> str:
    """Both log densities in one panel, each with its name where the curves are farthest apart."""
    both = torch.stack([log_q, log_p]).double()
    low, high = both.min(), both.max()
    levels = (both - low) / (high - low).clamp_min(1e-9)
    title = f"log density of z, {number(low.item())} to {number(high.item())} nats"
    upper, n = top + HEAD + PAD, len(log_q)
    first, last = round(0.25 * n), round(0.75 * n)
    apart = first + int((levels[0] - levels[1])[first:last].abs().argmax())
    q, p = levels[:, apart].tolist()
    names = []
    for name, level, above in (("aggregate posterior", q, q >= p), ("prior", p, p > q)):
        y = upper + PLOT * (1 - level) + (-6 if above else 14)
        names.append(svg_text(across(apart / (n - 1)), y, name, "middle", "vae-curve-name"))
    plot = _plot(upper, dict(zip(("vae-solid", "vae-dashed"), levels.tolist(), strict=True)))
    return svg_text(across(0), top + 12, title) + plot + "".join(names)
