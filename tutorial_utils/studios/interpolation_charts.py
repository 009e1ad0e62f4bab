"""Charts of the interpolation studio: the digit a classifier names and the log density of the code, along the path."""

from itertools import groupby

import torch
from torch import Tensor

from ..latent import N_FRAMES
from ..plotting import COLORS
from .svg import number, percent, svg_text

VERDICTS = 38  # pixels: the height of the row of digits, above which no cursor reaches
HEAD, PAD, PLOT = (
    18,
    16,
    56,
)  # pixels: a panel's title, the room above and below its curves, the curves
BAND = 16  # pixels: the band of digits under the judge's confidence


def across(t: float) -> float:
    """Where t is drawn, in percent of the width: t = 0 and t = 1 stand in the middle of the strip's outer frames."""
    return 100 * (0.5 + (N_FRAMES - 1) * t) / N_FRAMES


def runs(digits: list[int]) -> list[tuple[int, float, float]]:
    """Stretches of one and the same digit, for digits at equal steps from t = 0 to t = 1: (digit, from t, to t).

    A stretch ends halfway to the first step of the next one; the first starts at 0, the last ends
    at 1.
    """
    found, start = [], 0
    for digit, group in groupby(digits):
        end = start + len(list(group))
        edges = [min(max((k - 0.5) / (len(digits) - 1), 0.0), 1.0) for k in (start, end)]
        found.append((digit, *edges))
        start = end
    return found


def draw_chart(
    judged: tuple[Tensor, Tensor] | None, densities: tuple[Tensor, Tensor] | str | None
) -> str:
    """What a judge says, and how dense the codes are, at n equal steps of t from 0 to 1: one SVG, "" for nothing.

    judged: the digits [n] that it names, and its confidence [n] from 0 to 1.  densities: log
    densities [n] in nats, under the aggregate posterior (drawn solid) and under the prior (dashed);
    or a text that says why there are none. It is as wide as where it is put; its text alternative
    says what the curves do.
    """
    shapes, texts, top = [], [], 0
    if judged is not None:
        digits, confidence = judged[0].tolist(), judged[1]
        shapes += [
            _verdicts(digits, confidence),
            _confidence(confidence, VERDICTS),
            _band(digits, VERDICTS),
        ]
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
    alt = f"Along the path, t from 0 to 1: {' '.join(texts)}"
    return f'<svg width="100%" height="{top + 18}" role="img" aria-label="{alt}">{"".join(shapes)}</svg>'


def describe_judged(digits: list[int], confidence: Tensor) -> str:
    """The judge's part of a chart in words."""
    parts = [f"{digit} from {start:.2f} to {end:.2f}" for digit, start, end in runs(digits)]
    least = int(confidence.argmin())
    return (
        f"the judge names {', '.join(parts)}; its confidence is lowest, {percent(confidence[least].item())}, "
        f"at t = {least / (len(digits) - 1):.2f}."
    )


def describe_densities(log_q: Tensor, log_p: Tensor) -> str:
    """The densities' part of a chart in words."""
    parts = []
    for name, values in (("the aggregate posterior", log_q), ("the prior", log_p)):
        first, least, last = (
            number(float(value)) for value in (values[0], values.min(), values[-1])
        )
        parts.append(f"under {name} {first} at t = 0, at the lowest {least}, {last} at t = 1")
    return f"Log density of z in nats: {'; '.join(parts)}."


def _verdicts(digits: list[int], confidence: Tensor) -> str:
    """Under each frame of the strip the digit that the judge sees in it, and its confidence."""
    frames = torch.linspace(0, len(digits) - 1, N_FRAMES).round().int().tolist()
    texts = []
    for k, frame in enumerate(frames):
        x = across(k / (N_FRAMES - 1))
        texts.append(svg_text(x, 15, str(digits[frame]), "middle", "vae-verdict"))
        texts.append(svg_text(x, 30, percent(confidence[frame].item()), "middle"))
    return "".join(texts)


def _panel(top: float, curves: dict[str, list[float]]) -> str:
    """Curves with values from 0, at the bottom, to 1, between two lines; their upper edge lies at `top`."""
    left, right = across(0), across(1)
    lines = [
        f'<line x1="{left:.2f}%" x2="{right:.2f}%" y1="{y:.1f}" y2="{y:.1f}" class="vae-axis"/>'
        for y in (top, top + PLOT)
    ]
    paths = [f'<path class="{name}" d="{_polyline(values)}"/>' for name, values in curves.items()]
    box = f'x="{left:.2f}%" y="{top}" width="{right - left:.2f}%" height="{PLOT}"'
    return f'{"".join(lines)}<svg {box} viewBox="0 0 1000 100" preserveAspectRatio="none">{"".join(paths)}</svg>'


def _polyline(values: list[float]) -> str:
    return "M " + " L ".join(
        f"{1000 * k / (len(values) - 1):.1f} {100 - 100 * v:.1f}" for k, v in enumerate(values)
    )


def _confidence(confidence: Tensor, top: int) -> str:
    title = svg_text(across(0), top + 12, "confidence of the judge, 0 to 100 %")
    return title + _panel(top + HEAD, {"vae-solid": confidence.tolist()})


def _band(digits: list[int], top: int) -> str:
    """The digits that the judge names, as a colored band under its confidence."""
    y, parts = top + HEAD + PLOT, []
    for digit, start, end in runs(digits):
        x, width = across(start), across(end) - across(start)
        color = COLORS[digit % len(COLORS)]
        parts.append(
            f'<rect x="{x:.2f}%" y="{y}" width="{width:.2f}%" height="{BAND}" fill="{color}" opacity="0.4"/>'
        )
        if width > 4:
            parts.append(svg_text(x + width / 2, y + 12, str(digit), "middle", "vae-verdict"))
    return "".join(parts)


def _densities(log_q: Tensor, log_p: Tensor, top: int) -> str:
    """Both log densities in one panel, each with its name where the curves are farthest apart."""
    both = torch.stack([log_q, log_p]).double()
    low, high = both.min(), both.max()
    levels = ((both - low) / (high - low).clamp_min(1e-9)).tolist()
    title = f"log density of z, {number(low.item())} to {number(high.item())} nats"
    upper = top + HEAD + PAD
    n = len(log_q)
    apart = max(
        range(round(0.25 * n), round(0.75 * n)), key=lambda k: abs(levels[0][k] - levels[1][k])
    )
    names = []
    for name, level, other in (("aggregate posterior", *levels), ("prior", *reversed(levels))):
        above = level[apart] > other[apart] or (level[apart] == other[apart] and name != "prior")
        y = upper + PLOT * (1 - level[apart]) + (-6 if above else 14)
        names.append(svg_text(across(apart / (n - 1)), y, name, "middle", "vae-curve-name"))
    panel = _panel(upper, dict(zip(("vae-solid", "vae-dashed"), levels, strict=True)))
    return svg_text(across(0), top + 12, title) + panel + "".join(names)
