"""Charts of the β panels, as SVG strings: KL bars, the rate-distortion curve, posterior densities beside the prior."""

import math
from collections.abc import Sequence
from html import escape

import torch

from .svg import nice_step, number

HEIGHT = 264  # pixels of a chart
LEFT, RIGHT = 9.0, 96.0  # percent: where the least and the largest rate are drawn
TOP, BOTTOM = 34, 216  # pixels: the highest and the lowest line of a grid
MARKS = ("circle", "square")  # of the points of the first curve, and of the second


def draw_bars(
    groups: dict[str, Sequence[float]], active: float, names: Sequence[str] = ()
) -> tuple[str, str]:
    """A bar for each value of each group, side by side, faint where it is at most `active`: an SVG, and its words.

    groups: {text: values in nats}.  names: under the bars, instead of the groups' texts.  The axis
    ends at 10 nats, the same for all, or at 20, 50, 100, … where a bar is longer.
    """
    top = max(10.0, nice_step(max(max(values) for values in groups.values()) or 1.0))
    lines = {TOP: f"{top:g} nats", (TOP + BOTTOM) / 2: f"{top / 2:g}", BOTTOM: "0"}
    shapes = [_gridline(y, text) for y, text in lines.items()]
    left, room = 9.0, 91.0 - 6 * (len(groups) - 1)
    weights = [1 + math.sqrt(len(values)) for values in groups.values()]
    for (text, values), weight in zip(groups.items(), weights, strict=True):
        width = room * weight / sum(weights)
        each = width / len(values)
        bars = {"vae-bar": "", "vae-bar vae-quiet": ""}
        for k, value in enumerate(values):
            height = max((BOTTOM - TOP) * value / top, 1.5)
            start, wide = left + (k + 0.14) * each, 0.72 * each
            kind = "vae-bar" if value > active else "vae-bar vae-quiet"
            bars[kind] += f"M{start:.2f} {BOTTOM}v{-height:.1f}h{wide:.2f}v{height:.1f}z"
            if len(values) <= 4:
                center = f"{left + (k + 0.5) * each:.2f}%"
                shapes.append(
                    _text(center, BOTTOM - height - 5, number(value), "middle", "vae-curve-name")
                )
                shapes += [_text(center, BOTTOM + 18, names[k], "middle")] if names else []
        shapes += [_path(kind, d) for kind, d in bars.items() if d]
        shapes += (
            []
            if names
            else [_text(f"{left + width / 2:.2f}%", BOTTOM + 18, escape(text), "middle")]
        )
        left += width + 6
    said = [
        f"{text}: {', '.join(number(value) for value in _some(values))}"
        for text, values in groups.items()
    ]
    alt = f"KL in nats, {'; '.join(said)}."
    return _svg(shapes, alt), alt


def _some(values: Sequence[float]) -> Sequence[float]:
    """Of many values the first three and the last one."""
    return values if len(values) <= 4 else [*values[:3], values[-1]]


def draw_tradeoff(
    curves: dict[str, list[tuple[float, float]]], k: int, labels: Sequence[str], name: str = "β"
) -> tuple[str, str]:
    """Distortion against rate, one line per model size through all its settings, setting k of each emphasized.

    curves: {text: [(kl, recon_loss) per setting]}, in nats; the rate lies on a logarithmic axis of
    1 + kl.  labels: of the settings.  Returns the SVG, and its words.  Alemi et al. (2018);
    notebook 05.
    """
    rates, distortions = (
        torch.tensor([point[axis] for points in curves.values() for point in points])
        for axis in (0, 1)
    )
    most, (low, high) = (
        max(float(rates.max()), 1.0),
        (float(distortions.min()), float(distortions.max())),
    )
    span = max(high - low, 1e-3 * abs(high), 1e-6)
    low, high, step = low - 0.16 * span, high + 0.1 * span, nice_step(span / 4)

    def across(rate: float) -> float:
        return LEFT + (RIGHT - LEFT) * math.log1p(max(rate, 0.0)) / math.log1p(most)

    def down(distortion: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (distortion - low) / (high - low)

    grid = [step * j for j in range(math.ceil(low / step), math.floor(high / step) + 1)]
    shapes = [_gridline(down(value), f"{value:g}") for value in grid]
    shapes.append(f'<line class="vae-axis" x1="0" x2="100%" y1="{BOTTOM}" y2="{BOTTOM}"/>')
    ticks = [tick for tick in (0, 1, 10, 100, 1000, 10_000, 100_000) if tick <= most]
    for tick in ticks:
        x = f"{across(tick):.2f}%"
        shapes.append(f'<line class="vae-axis" x1="{x}" x2="{x}" y1="{BOTTOM}" y2="{BOTTOM + 5}"/>')
        shapes.append(_text(x, BOTTOM + 18, f"{tick:,}", "middle"))
    shapes.append(_text("0", 14, "recon_loss, nats"))
    shapes.append(_text("100%", HEIGHT - 10, "kl, nats (logarithmic axis of 1 + kl)", "end"))
    said = []
    for (text, points), line, mark in zip(
        curves.items(), ("vae-dashed", "vae-solid"), MARKS, strict=True
    ):
        places = [(across(rate), down(distortion)) for rate, distortion in points]
        path = " L ".join(f"{x:.2f} {y:.2f}" for x, y in places)
        shapes.append(_path(line, f"M {path}"))
        shapes += [_mark(mark, x, y, "vae-point", 2.5) for x, y in places]
        right = max(places)
        beside = right[0] < 75  # on its right there is room for its name
        at = (
            (f"{right[0] + 2.5:.2f}%", right[1] + 4)
            if beside
            else (f"{right[0]:.2f}%", right[1] - 10)
        )
        shapes.append(_text(*at, escape(text), "start" if beside else "end", "vae-curve-name"))
        shapes.append(_mark(mark, *places[k], "vae-now", 6))
        said.append(f"{text}: kl {number(points[k][0])}, recon_loss {number(points[k][1])}")
    first = min(zip(rates.tolist(), distortions.tolist(), strict=True))
    shapes.append(_text(f"{across(first[0]) + 2:.2f}%", down(first[1]) - 6, "← collapse: kl = 0"))
    shapes.append(_text(f"{RIGHT}%", BOTTOM - 7, "autoencoder: kl is free →", "end"))
    here = f'<tspan class="vae-here">● ■</tspan> {escape(name)} = {escape(labels[k])}'
    shapes.append(_text("100%", 14, here, "end", "vae-verdict"))
    where = f"At {name} = {labels[k]}: {'; '.join(said)}."
    alt = f"recon_loss against kl, in nats, for {len(labels)} values of {name}. {where}"
    return _svg(shapes, alt, "vae-broad"), alt


def draw_densities(
    names: Sequence[str], mu: Sequence[float], std: Sequence[float]
) -> tuple[str, str]:
    """The density of N(mu_j, std_j^2) for each latent number, solid, over that of N(0, 1), dashed: SVG, and its words.

    Each row is as high as its highest density, so that its two areas are equal.
    """
    farthest = max(abs(m) + 3 * s for m, s in zip(mu, std, strict=True))
    reach = 4.0 if farthest <= 4 else nice_step(farthest)
    room, shapes, said = (HEIGHT - 32) / len(names), [], []
    for row, (name, m, s) in enumerate(zip(names, mu, std, strict=True)):
        z = (
            torch.cat([torch.linspace(-reach, reach, 81), torch.linspace(m - 4 * s, m + 4 * s, 41)])
            .double()
            .sort()
            .values
        )
        z = z[z.abs() <= reach]
        curves = [torch.exp(-0.5 * ((z - a) / b) ** 2) / b for a, b in ((0.0, 1.0), (m, s))]
        peak, floor = max(1.0, 1 / s), (row + 1) * room
        shapes.append(
            f'<line class="vae-axis" x1="0" x2="100%" y1="{floor:.1f}" y2="{floor:.1f}"/>'
        )
        for curve, kind in zip(curves, ("vae-dashed", "vae-solid"), strict=True):
            places = zip(
                (50 + 50 * z / reach).tolist(),
                (floor - (room - 22) * curve / peak).tolist(),
                strict=True,
            )
            path = " L ".join(f"{x:.2f} {y:.2f}" for x, y in places)
            shapes.append(_path(kind, f"M {path}"))
        where = f"μ = {round(m, 2) + 0.0:.2f}, σ = {s:.2f}".replace("-", "−")
        shapes.append(_text("0", floor - room + 14, name, "start", "vae-verdict"))
        shapes.append(_text("100%", floor - room + 14, where, "end", "vae-curve-name"))
        said.append(f"{name}: {where}")
    ticks = (-reach, -reach / 2, 0, reach / 2, reach)
    anchors = ("start", "middle", "middle", "middle", "end")
    for tick, anchor in zip(ticks, anchors, strict=True):
        shapes.append(
            _text(
                f"{50 + 50 * tick / reach:g}%", HEIGHT - 14, f"{tick:g}".replace("-", "−"), anchor
            )
        )
    alt = f"Densities of q(z|x) for one row, beside N(0, 1). {'; '.join(said)}."
    return _svg(shapes, alt), alt


# ---- shapes ----


def _svg(shapes: list[str], alt: str, kind: str = "vae-narrow") -> str:
    body = "".join(shapes)
    return f'<svg class="{kind}" width="100%" height="{HEIGHT}" role="img" aria-label="{escape(alt)}">{body}</svg>'


def _text(x: str, y: float, text: str, anchor: str = "start", name: str = "") -> str:
    return f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}" class="{name}">{text}</text>'


def _path(name: str, d: str) -> str:
    """A path whose places across are in percent, those down in pixels."""
    box = f'width="100%" height="{HEIGHT}" viewBox="0 0 100 {HEIGHT}" preserveAspectRatio="none"'
    return f'<svg {box}><path class="{name}" d="{d}"/></svg>'


def _gridline(y: float, text: str) -> str:
    return f'<line class="vae-axis" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>' + _text(
        "0", y - 4, text
    )


def _mark(kind: str, x: float, y: float, name: str, r: float) -> str:
    if kind == "circle":
        return f'<circle class="{name}" cx="{x:.2f}%" cy="{y:.2f}" r="{r}"/>'
    size = f'width="{2 * r}" height="{2 * r}" transform="translate({-r} {-r})"'
    return f'<rect class="{name}" x="{x:.2f}%" y="{y:.2f}" {size}/>'
