"""Schedule composer (notebook 05): draw β over the epochs, train a small VAE, compare runs."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import anywidget
import ipywidgets
import numpy as np
import traitlets
from sklearn.isotonic import isotonic_regression

from ..topics.schedules import (
    COLUMNS,
    EPOCHS,
    LATENT_DIM,
    PRESETS,
    STEP,
    TOP,
    Run,
    is_beta,
    small_digits,
    train_schedule,
)
from .base import ASSETS, Studio
from .svg import linear_scale, svg, svg_line, svg_text

N_RUNS = 6  # that stay on the page
LEFT, RIGHT = 9.0, 94.0  # percent of the width: where epochs 0 and EPOCHS are, in every chart
# In pixels: a chart's title, the height of a chart of a term, the room below it; the chart of β.
HEAD, PLOT, GAP, DRAWN = 22, 84, 14, 150

# Of earlier runs, legible on light and on dark; dashes by the number of the run.
COLORS = ("#d1495b", "#1f9e89", "#c07f00", "#8a6de9", "#a0522d", "#6b8e23")
DASHES = ("7 4", "2 3", "10 3 2 3", "4 2", "14 4", "6 2 2 2 2 2")

Curves = Mapping[int, Sequence[tuple[float, float]]]  # {run: points (share of the epochs, value)}


def svg_schedule(runs: dict[int, Run]) -> tuple[str, str]:
    """The axes on which β is drawn, and the schedules of `runs` by number: (SVG, alt)."""
    curves, said = {}, []
    for n, run in runs.items():
        edges = [k / len(run.values) for k in range(len(run.values) + 1)]
        steps = zip(pairwise(edges), run.values, strict=True)
        curves[n] = [(x, beta) for ends, beta in steps for x in ends]
        said.append(f"run {n}: β {', '.join(f'{beta:g}' for beta in run.values)}")
    chart = _chart("β, weight of kl", HEAD, DRAWN, (0, TOP), range(5), curves)
    alt = f"β over {EPOCHS} epochs, from 0 to {TOP:g}. {'; '.join(said)}"
    return _over_epochs(chart, HEAD + DRAWN, alt)


def svg_terms(runs: dict[int, Run]) -> tuple[str, str]:
    """The terms of the loss over the epochs, on the test images, of `runs` by number: (SVG, alt).

    The last run is emphasized, the others are dashed; each curve ends in the number of its run.
    """
    losses = [value for run in runs.values() for value in run.recon_loss] or [16, 28]
    low, high = 4 * math.floor(min(losses) / 4), 4 * math.ceil(max(losses) / 4)
    top = max([9.0, *(value for run in runs.values() for value in run.kl)])
    nats = range(low, high + 1, 4 * math.ceil((high - low) / 16))
    root = math.sqrt(top)  # on this axis, ticks stand 16 pixels apart or more
    squares = [k**2 for k in range(0, int(root) + 1, math.ceil(16 / PLOT * root))]
    dimensions = range(0, LATENT_DIM + 1, 4)
    terms = {
        "recon_loss": ("recon_loss, nats", (low, high), nats, float),
        "kl": ("kl, nats (square-root axis)", (0, top), squares, math.sqrt),
        "active": (f"active dimensions of {LATENT_DIM}", (0, LATENT_DIM), dimensions, float),
    }
    charts, y = "", HEAD
    for term, (title, limits, ticks, shape) in terms.items():
        curves = {
            n: [((k + 1) / EPOCHS, value) for k, value in enumerate(getattr(run, term))]
            for n, run in runs.items()
        }
        charts += _chart(title, y, PLOT, limits, ticks, curves, shape)
        y += PLOT + GAP + HEAD
    return _over_epochs(charts, y - GAP - HEAD, describe_terms(runs))


def describe_terms(runs: dict[int, Run]) -> str:
    """The curves of the last of `runs` in words, and which other runs there are."""
    if not runs:
        return "No run yet: the axes of recon_loss, kl and active dimensions over the epochs."
    *others, last = runs
    run, parts = runs[last], []
    terms = {"recon_loss": run.recon_loss, "kl": run.kl, "active dimensions": run.active}
    for name, values in terms.items():
        digits = ".2f" if isinstance(values[0], float) else ""
        between = f"between {min(values):{digits}} and {max(values):{digits}}"
        first, end = f"{values[0]:{digits}} after epoch 1", f"{values[-1]:{digits}} after epoch"
        parts.append(f"{name} {first}, {between}, {end} {EPOCHS}")
    said = f"Run {last}, {run.name}, seed {run.seed}, on the test images: {'; '.join(parts)}."
    if others:
        said += f" Dashed beside it: {', '.join(f'run {n}, {runs[n].name}' for n in others)}."
    return said


def _chart(
    title: str,
    top: float,
    height: float,
    limits: tuple[float, float],
    ticks: Iterable[float],
    curves: Curves,
    shape: Callable[[float], float] = float,
) -> str:
    """One chart: title, a line at each tick, and for each run a curve with its number at the end.

    shape: what is linear on the vertical axis, such as the square root of the values.
    """
    down = linear_scale(tuple(map(shape, limits)), (top + height, top))
    shapes = [svg_text(LEFT, top - 8, title, css_class="vae-curve-name")]
    for tick in ticks:
        y = down(shape(tick))
        shapes.append(svg_line(LEFT, y, RIGHT, y, "vae-grid"))
        shapes.append(svg_text(LEFT - 1, y + 4, f"{tick:g}", "end"))
    paths, ends = "", {}
    for n, points in curves.items():
        path = " L ".join(
            f"{1000 * x:.1f} {100 * (down(shape(value)) - top) / height:.2f}" for x, value in points
        )
        paths += f'<path {_line(n, curves)} d="M {path}"/>'
        ends[n] = down(shape(points[-1][1]))
    box = f'x="{LEFT}%" y="{top}" width="{RIGHT - LEFT}%" height="{height}" overflow="visible"'
    stretched = 'viewBox="0 0 1000 100" preserveAspectRatio="none"'
    shapes.append(f"<svg {box} {stretched}>{paths}</svg>")
    for n, y in keep_apart(ends, 12, top, top + height).items():
        css_class = "vae-newest-name" if n == max(curves) else ""
        shapes.append(svg_text(RIGHT + 1.2, y + 4, str(n), css_class=css_class))
    return "".join(shapes)


def _line(n: int, numbers: Iterable[int]) -> str:
    """Attributes of a run's curves: the newest solid, others in dashes and color by number."""
    if n == max(numbers):
        return 'class="vae-now"'
    return f'class="vae-then" stroke="{COLORS[n % N_RUNS]}" stroke-dasharray="{DASHES[n % N_RUNS]}"'


def keep_apart(places: dict[int, float], gap: float, top: float, bottom: float) -> dict[int, float]:
    """Places of labels, moved as little as possible until neighbors are at least `gap` apart.

    As little as possible: least squares, in the same order, between `top` and `bottom`, which must
    have the room.  Without the gaps, they may not decrease: that is isotonic regression.
    """
    if not places:
        return {}
    order = sorted(places, key=lambda n: (places[n], n))
    gaps = gap * np.arange(len(order))
    wanted = np.array([places[n] for n in order]) - gaps
    found = isotonic_regression(wanted, y_min=top, y_max=bottom - gaps[-1]) + gaps
    return dict(zip(order, found.tolist(), strict=True))


def _over_epochs(charts: str, bottom: float, alt: str) -> tuple[str, str]:
    """Charts with the epochs below them: (SVG, alt)."""
    across, epochs = linear_scale((0, EPOCHS), (LEFT, RIGHT)), range(0, EPOCHS + 1, 5)
    ticks = [svg_text(across(epoch), bottom + 16, str(epoch), "middle") for epoch in epochs]
    title = svg_text((LEFT + RIGHT) / 2, bottom + 31, "epochs", "middle")
    return svg([charts, title, *ticks], bottom + 36, alt)


def table_of(runs: dict[int, Run]) -> str:
    """The scores of `runs`, the last one first, as an HTML table, with the line of each."""
    rows = []
    for n, run in reversed(runs.items()):
        path = f'<path {_line(n, runs)} d="M 0 4 H 26"/>'
        line = f'<svg width="26" height="8" aria-hidden="true">{path}</svg>'
        scores = (f"{run.scores['-ELBO']:.2f}", f"{run.scores['kl']:.2f}", run.scores["active"])
        cells = "".join(f"<td>{cell}</td>" for cell in (run.name, run.seed, *scores))
        newest = ' class="vae-newest"' if n == max(runs) else ""
        rows.append(f'<tr{newest}><th scope="row">{line} {n}</th>{cells}</tr>')
    rows = rows or ['<tr><td colspan="6">no run yet</td></tr>']
    columns = ("run", "β", "seed", "−ELBO", "kl", "active")
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    what = f"Test images, after {EPOCHS} epochs, in nats; "
    what += "−ELBO is at β = 1, whatever trained the model."
    table = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<table class="vae-runs">{table}</table><p>{what}</p>'


class ScheduleArea(anywidget.AnyWidget):
    """The chart on which β is drawn: `values`, COLUMNS numbers from 0 to TOP in whole steps.

    drawing: the SVG behind it.  box: where its plot is, [left, right] in percent, [top, height] in
    pixels. progress: of the training under way, or 0.
    """

    _esm = ASSETS / "composer.js"
    kind = traitlets.Unicode("area").tag(sync=True)
    values = traitlets.List(traitlets.Float(), PRESETS["constant 1"]).tag(sync=True)
    drawing = traitlets.Unicode().tag(sync=True)
    box = traitlets.List(traitlets.Float(), [LEFT, RIGHT, HEAD, DRAWN]).tag(sync=True)
    limits = traitlets.List(traitlets.Float(), [TOP, STEP, EPOCHS]).tag(sync=True)
    progress = traitlets.Float(0.0).tag(sync=True)

    @traitlets.validate("values")
    def _drawable(self, proposal: dict) -> list[float]:
        values = proposal["value"]
        if len(values) != COLUMNS or not all(is_beta(value) and value <= TOP for value in values):
            allowed = f"{COLUMNS} numbers from 0 to {TOP:g}"
            raise ValueError(f"values must hold {allowed}, got {values!r}")
        return [round(value / STEP) / round(1 / STEP) for value in values]


class TrainButton(anywidget.AnyWidget):
    """A button that is busy from its press until `done` equals `pressed`, so that none is doubled.

    said: a text beside it, which screen readers announce.
    """

    _esm = ASSETS / "composer.js"
    kind = traitlets.Unicode("button").tag(sync=True)
    pressed = traitlets.Int(0).tag(sync=True)
    done = traitlets.Int(0).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)


def schedule_composer() -> "ScheduleComposer":
    """A chart on which β is drawn over the epochs, and a small VAE that is trained with it."""
    return ScheduleComposer()


class ScheduleComposer(Studio):
    """What `schedule_composer` returns: β is drawn in `area`; `runs` are the last few by number."""

    def __init__(self):
        small_digits()
        self.runs: dict[int, Run] = {}
        self.area = ScheduleArea().add_class("vae-chart").add_class("vae-beta-chart")
        self.presets = {name: self._preset(name) for name in PRESETS}
        self.seed = ipywidgets.BoundedIntText(0, min=0, max=9999, description="seed")
        self.seed.style.description_width = "auto"
        self.seed.tooltip = "Another seed, another run: initial weights, order of the images, noise"
        self.button = TrainButton().add_class("vae-train")
        self.button.observe(lambda _change: self.train(), "pressed")
        self.button.said = (
            "Draw β, or start from one of the five, then train: about a second. "
            "Another seed shows how much is chance."
        )
        self.chart = ipywidgets.HTML().add_class("vae-chart").add_class("vae-term-chart")
        self.table = ipywidgets.HTML().add_class("vae-run-table")
        presets = ipywidgets.Box(list(self.presets.values())).add_class("vae-presets")
        go = ipywidgets.Box([self.seed, self.button]).add_class("vae-go")
        parts = ipywidgets.Box([presets, self.area, go, self.chart, self.table])
        super().__init__("vae-composer", parts.add_class("vae-composing"))
        self._show()

    def _preset(self, name: str) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name, tooltip=f"β: {name}")
        button.on_click(lambda _button: self.area.set_trait("values", list(PRESETS[name])))
        return button

    def train(self) -> None:
        """Train with the β that is drawn and the seed that is set; the run joins `runs`."""
        number = max(self.runs, default=0) + 1
        try:
            run = train_schedule(self.area.values, self.seed.value, report=self._report)
            self.runs = dict([*self.runs.items(), (number, run)][-N_RUNS:])
            scores = run.scores
            self.button.said = (
                f"Run {number}, {run.name}: "
                f"−ELBO {scores['-ELBO']:.2f} = recon_loss {scores['recon_loss']:.2f} + "
                f"kl {scores['kl']:.2f}; {scores['active']} of {LATENT_DIM} dimensions active."
            )
            self._show()
        except KeyboardInterrupt:
            self.button.said = f"Run {number} was stopped by hand, and is not kept."
        finally:
            self.area.progress, self.button.done = 0.0, self.button.pressed

    def _report(self, progress: float) -> None:
        """Tell the page, once per epoch."""
        if int(progress * EPOCHS) > int(self.area.progress * EPOCHS):
            self.area.progress = progress

    def _show(self) -> None:
        self.area.drawing, _alt = svg_schedule(self.runs)
        self.chart.value, _alt = svg_terms(self.runs)
        self.table.value = table_of(self.runs)
