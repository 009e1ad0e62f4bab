"""SVG charts of the studios: shapes, axes and numbers. All return strings.

A chart is as wide as its place on the page: places across are in percent of that width, from 0 to
100; places down, widths of text and heights are in pixels. Colors are classes of widgets.css.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from html import escape

from ..support.arguments import nonempty_text

Span = tuple[float, float]  # from, to


def svg(shapes: Iterable[str], height: float, alt: str, css_class: str = "") -> tuple[str, str]:
    """A chart: (its SVG, alt). alt: what it shows, in words, for those who cannot see it.

    Raises ValueError for an alt that is no text.
    """
    nonempty_text("alt", alt)
    head = f'<svg class="{css_class}" width="100%" height="{height:g}"'
    return f'{head} role="img" aria-label="{escape(alt)}">{"".join(shapes)}</svg>', alt


def svg_text(x: float, y: float, text: str, anchor: str = "start", css_class: str = "") -> str:
    """A text at (x, y); it starts there, or has its "middle" or "end" there.

    text: markup, in which <tspan> is allowed: escape what others wrote.
    """
    place = f'x="{x:.2f}%" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{css_class}">{text}</text>'


def svg_line(x1: float, y1: float, x2: float, y2: float, css_class: str = "vae-axis") -> str:
    """A straight line from (x1, y1) to (x2, y2)."""
    ends = f'x1="{x1:.2f}%" y1="{y1:.1f}" x2="{x2:.2f}%" y2="{y2:.1f}"'
    return f'<line class="{css_class}" {ends}/>'


def svg_rect(
    x: float, y: float, width: float, height: float, css_class: str, attributes: str = ""
) -> str:
    """A rectangle with its upper left corner at (x, y), `width` percent wide and `height` high."""
    box = f'x="{x:.2f}%" y="{y:.1f}" width="{width:.2f}%" height="{height:.1f}"'
    return f'<rect class="{css_class}" {box} {attributes}/>'


def svg_mark(shape: str, x: float, y: float, css_class: str, radius: float) -> str:
    """A "circle" or a "square" around (x, y)."""
    if shape == "circle":
        return f'<circle class="{css_class}" cx="{x:.2f}%" cy="{y:.2f}" r="{radius}"/>'
    side = f'width="{2 * radius}" height="{2 * radius}"'
    center = f'transform="translate({-radius} {-radius})"'
    return f'<rect class="{css_class}" x="{x:.2f}%" y="{y:.2f}" {side} {center}/>'


def svg_curve(
    points: Iterable[tuple[float, float]], height: float, css_class: str, attributes: str = ""
) -> str:
    """Straight lines through points (x, y), in a chart that is `height` high.

    A path knows no percent: it stands in an SVG of its own, 100 units wide, which is stretched.
    """
    path = " L ".join(f"{x:.2f} {y:.2f}" for x, y in points)
    box = f'width="100%" height="{height:g}" viewBox="0 0 100 {height:g}"'
    curve = f'<path class="{css_class}" {attributes} d="M {path}"/>'
    return f'<svg {box} preserveAspectRatio="none" overflow="visible">{curve}</svg>'


def svg_axis(ticks: Mapping[float, str], y: float, left: float = 0, right: float = 100) -> str:
    """A horizontal axis at height y from `left` to `right`; ticks: {place across: text below}."""
    shapes = [svg_line(left, y, right, y)]
    for x, text in ticks.items():
        shapes += [svg_line(x, y, x, y + 5), svg_text(x, y + 18, text, "middle")]
    return "".join(shapes)


def linear_scale(values: Span, places: Span) -> Callable[[float], float]:
    """Where a value stands: a function with values[0] -> places[0], values[1] -> places[1]."""
    (low, high), (start, end) = values, places
    return lambda value: start + (end - start) * (value - low) / (high - low)


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, … and of their tenths that is at least `least`, above 0."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def percent(share: float) -> str:
    """A share of 1 as text, such as "87 %"."""
    return f"{100 * share:.0f} %"


def number(value: float, decimals: int = 1) -> str:
    """A number with one decimal, or more, and a true minus sign; never "−0.0"."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
