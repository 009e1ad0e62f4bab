"""Charts of the β panels: KL bars, rate and distortion, posterior densities beside the prior."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import torch

from .svg import (
    linear_scale,
    nice_step,
    number,
    svg,
    svg_axis,
    svg_curve,
    svg_line,
    svg_mark,
    svg_rect,
    svg_text,
)

HEIGHT = 264  # pixels of a chart
LEFT, RIGHT = 9.0, 96.0  # percent: where the least and the largest rate are drawn
TOP, BOTTOM = 34, 216  # pixels: the highest and the lowest line of a grid
GAP = 6  # percent between two groups of bars
# The lines and the points of the first curve, and of the second.
STYLES = (("vae-dashed", "circle"), ("vae-solid", "square"))
Values = Sequence[float]
Point = tuple[float, float]  # (kl, recon_loss)


# ---- bars ----


def svg_bars(
    groups: Mapping[str, Values], active: float, names: Sequence[str] = ()
) -> tuple[str, str]:
    """A bar for each value of each group, faint where it is at most `active`: SVG, and its words.

    groups: {text: values in nats}, side by side.  names: under the bars, instead of the groups'
    texts.  The axis ends at 10 nats, or at 20, 50, 100, … where a bar is longer.
    """
    top = max(10.0, nice_step(max(max(values) for values in groups.values()) or 1.0))
    lines = {TOP: f"{top:g} nats", (TOP + BOTTOM) / 2: f"{top / 2:g}", BOTTOM: "0"}
    shapes = [_svg_gridline(y, text) for y, text in lines.items()]
    weights = [1 + math.sqrt(len(values)) for values in groups.values()]
    unit = (100.0 - LEFT - GAP * (len(groups) - 1)) / sum(weights)
    left = LEFT
    for (text, values), weight in zip(groups.items(), weights, strict=True):
        shapes.append(_svg_group(values, top, active, names, left, unit * weight))
        if not names:
            shapes.append(svg_text(left + unit * weight / 2, BOTTOM + 18, escape(text), "middle"))
        left += unit * weight + GAP
    said = [f"{text}: {', '.join(map(number, _some(values)))}" for text, values in groups.items()]
    return svg(shapes, HEIGHT, f"KL in nats, {'; '.join(said)}.", "vae-narrow")


def _svg_group(
    values: Values, top: float, active: float, names: Sequence[str], left: float, width: float
) -> str:
    """The bars of a group, from `left` on; of a few bars each with its value, and its name."""
    each, shapes = width / len(values), []
    for k, value in enumerate(values):
        side, height = left + (k + 0.14) * each, max((BOTTOM - TOP) * value / top, 1.5)
        kind = "vae-bar" if value > active else "vae-bar vae-quiet"
        shapes.append(svg_rect(side, BOTTOM - height, 0.72 * each, height, kind))
        if len(values) <= 4:
            center, above = left + (k + 0.5) * each, BOTTOM - height - 5
            shapes.append(svg_text(center, above, number(value), "middle", "vae-curve-name"))
            shapes += [svg_text(center, BOTTOM + 18, names[k], "middle")] if names else []
    return "".join(shapes)


def _some(values: Values) -> Values:
    """Of many values the first three and the last one."""
    return values if len(values) <= 4 else [*values[:3], values[-1]]


# ---- rate and distortion ----


def svg_tradeoff(
    curves: Mapping[str, Sequence[Point]], k: int, labels: Sequence[str]
) -> tuple[str, str]:
    """Distortion against rate: SVG, and its words.  Alemi et al. (2018); notebook 05.

    curves: {model size: a point (kl, recon_loss) per β}, in nats; kl lies on a logarithmic axis of
    1 + kl.  k: the emphasized β.  labels: of the βs.
    """
    points = [point for curve in curves.values() for point in curve]
    across, down, shapes = _axes_of_tradeoff(points)
    for (text, curve), (line, mark) in zip(curves.items(), STYLES, strict=True):
        places = [(across(kl), down(recon_loss)) for kl, recon_loss in curve]
        shapes.append(svg_curve(places, HEIGHT, line))
        shapes += [svg_mark(mark, *place, "vae-point", 2.5) for place in places]
        shapes += [_svg_curve_name(text, *max(places)), svg_mark(mark, *places[k], "vae-now", 6)]
    least = min(points)
    collapse = (across(least[0]) + 2, down(least[1]) - 6)
    here = f'<tspan class="vae-here">● ■</tspan> β = {labels[k]}'
    shapes += [
        svg_text(*collapse, "← collapse: kl = 0"),
        svg_text(RIGHT, BOTTOM - 7, "autoencoder: kl is free →", "end"),
        svg_text(100, 14, here, "end", "vae-verdict"),
    ]
    said = "; ".join(
        f"{text}: kl {number(curve[k][0])}, recon_loss {number(curve[k][1])}"
        for text, curve in curves.items()
    )
    alt = f"recon_loss against kl, in nats, for {len(labels)} values of β."
    return svg(shapes, HEIGHT, f"{alt} At β = {labels[k]}: {said}.", "vae-broad")


Scale = Callable[[float], float]


def _axes_of_tradeoff(points: Sequence[Point]) -> tuple[Scale, Scale, list[str]]:
    """Where a kl stands across, where a recon_loss stands down, and the axes with their titles."""
    rates, distortions = zip(*points, strict=True)
    most, low, high = max(*rates, 1.0), min(distortions), max(distortions)
    span = max(high - low, 1e-3 * abs(high), 1e-6)
    low, high, step = low - 0.16 * span, high + 0.1 * span, nice_step(span / 4)
    place = linear_scale((0, math.log1p(most)), (LEFT, RIGHT))
    down = linear_scale((low, high), (BOTTOM, TOP))

    def across(kl: float) -> float:
        return place(math.log1p(max(kl, 0.0)))

    grid = [step * j for j in range(math.ceil(low / step), math.floor(high / step) + 1)]
    ticks = [tick for tick in (0, *(10**j for j in range(6))) if tick <= most]
    shapes = [
        *(_svg_gridline(down(value), f"{value:g}") for value in grid),
        svg_axis({across(tick): f"{tick:,}" for tick in ticks}, BOTTOM),
        svg_text(0, 14, "recon_loss, nats"),
        svg_text(100, HEIGHT - 10, "kl, nats (logarithmic axis of 1 + kl)", "end"),
    ]
    return across, down, shapes


def _svg_curve_name(text: str, x: float, y: float) -> str:
    """The name of a curve at its right end (x, y): beside it, or above where there is no room."""
    if x < 75:
        return svg_text(x + 2.5, y + 4, escape(text), "start", "vae-curve-name")
    return svg_text(x, y - 10, escape(text), "end", "vae-curve-name")


# ---- densities ----


def svg_densities(names: Sequence[str], mu: Values, std: Values) -> tuple[str, str]:
    """The density of N(mu_j, std_j^2), solid, over that of N(0, 1), dashed: SVG, and its words.

    Each latent number has a row, as high as its highest density, so that both areas are equal.
    """
    farthest = max(abs(m) + 3 * s for m, s in zip(mu, std, strict=True))
    reach = 4.0 if farthest <= 4 else nice_step(farthest)
    across = linear_scale((-reach, reach), (0, 100))
    room, shapes, said = (HEIGHT - 32) / len(names), [], []
    for row, (name, m, s) in enumerate(zip(names, mu, std, strict=True)):
        floor = (row + 1) * room
        where = f"μ = {number(m, 2)}, σ = {s:.2f}"
        shapes += [
            svg_line(0, floor, 100, floor),
            *_svg_pair(m, s, reach, across, floor, room - 22),
            svg_text(0, floor - room + 14, name, "start", "vae-verdict"),
            svg_text(100, floor - room + 14, where, "end", "vae-curve-name"),
        ]
        said.append(f"{name}: {where}")
    anchors = ("start", "middle", "middle", "middle", "end")
    for share, anchor in zip((-1, -0.5, 0, 0.5, 1), anchors, strict=True):
        text = f"{share * reach:g}".replace("-", "−")
        shapes.append(svg_text(across(share * reach), HEIGHT - 14, text, anchor))
    alt = f"Densities of q(z|x) for one row, beside N(0, 1). {'; '.join(said)}."
    return svg(shapes, HEIGHT, alt, "vae-narrow")


def _svg_pair(
    mu: float, std: float, reach: float, across: Scale, floor: float, height: float
) -> list[str]:
    """The curves of N(0, 1) and of N(mu, std^2), together `height` high above `floor`."""
    wide, near = torch.linspace(-reach, reach, 81), torch.linspace(mu - 4 * std, mu + 4 * std, 41)
    z = torch.cat([wide, near[near.abs() <= reach]]).double().sort().values
    peak, shapes = max(1.0, 1 / std), []
    for (m, s), kind in (((0.0, 1.0), "vae-dashed"), ((mu, std), "vae-solid")):
        density = torch.exp(-0.5 * ((z - m) / s) ** 2) / s
        ups = (floor - height * density / peak).tolist()
        points = zip(map(across, z.tolist()), ups, strict=True)
        shapes.append(svg_curve(points, HEIGHT, kind))
    return shapes


def _svg_gridline(y: float, text: str) -> str:
    return svg_line(0, y, 100, y) + svg_text(0, y - 4, text)
