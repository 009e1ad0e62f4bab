"""SVG primitives: texts, numbers and round steps, for charts that a studio redraws at every move."""

import math


def percent(share: float) -> str:
    """A share of 1 as text, such as "87 %"."""
    return f"{100 * share:.0f} %"


def number(value: float) -> str:
    """A number with one decimal and a true minus sign."""
    return f"{value + 0.0:.1f}".replace("-", "−").replace("−0.0", "0.0")


def svg_text(x: float, y: float, text: str, anchor: str = "start", name: str = "") -> str:
    return f'<text x="{x:.2f}%" y="{y:.1f}" text-anchor="{anchor}" class="{name}">{text}</text>'


def nice_step(least: float) -> float:
    """The least of 1, 2, 5, 10, 20, … and of their tenths that is at least `least`, above 0."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
