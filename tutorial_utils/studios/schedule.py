"""Schedule composer (notebook 05): draw β over the epochs, train a small VAE with it, compare runs."""

import math
from collections.abc import Iterable

import anywidget
import ipywidgets
import traitlets

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
from .base import ASSETS, style_sheet
from .svg import svg_text

N_RUNS = 6  # that stay on the page
LEFT, RIGHT = 9.0, 94.0  # percent of the width: where the epochs 0 and EPOCHS stand, in every chart
HEAD, PLOT, GAP, DRAWN = (
    22,
    84,
    14,
    150,
)  # pixels: a chart's title, its height, the room below; that of β's chart

# Of earlier runs, seen on light and on dark.
COLORS = ("#d1495b", "#1f9e89", "#c07f00", "#8a6de9", "#a0522d", "#6b8e23")
DASHES = ("7 4", "2 3", "10 3 2 3", "4 2", "14 4", "6 2 2 2 2 2")  # of the earlier runs, by number


def draw_schedule(runs: dict[int, Run]) -> str:
    """The axes on which a learner draws β, up to TOP, and the schedules of `runs`, by their number: SVG."""
    curves = {
        n: [
            ((k + end) / len(run.values), beta)
            for k, beta in enumerate(run.values)
            for end in (0, 1)
        ]
        for n, run in runs.items()
    }
    alt = "; ".join(
        f"run {n}: β {', '.join(f'{beta:g}' for beta in run.values)}" for n, run in runs.items()
    )
    panel = _panel("β, weight of kl", HEAD, DRAWN, (0, TOP), range(5), curves)
    return _svg(panel, HEAD + DRAWN, f"β over {EPOCHS} epochs, from 0 to {TOP:g}. {alt}")


def draw_terms(runs: dict[int, Run]) -> str:
    """The terms of the loss over the epochs, on the test images, of `runs` by number, the last one emphasized: SVG.

    The others are dashed; at the end of each curve stands the number of its run.
    """
    losses = [value for run in runs.values() for value in run.recon_loss]
    low, high = (
        4 * math.floor(min(losses, default=16) / 4),
        4 * math.ceil(max(losses, default=28) / 4),
    )
    top = max([9.0, *(value for run in runs.values() for value in run.kl)])
    squares = [0]  # ticks that are not too near to each other on an axis of square roots
    for k in range(1, int(math.sqrt(top)) + 1):
        if math.sqrt(k * k / top) - math.sqrt(squares[-1] / top) >= 16 / PLOT:
            squares.append(k * k)
    terms = (
        (
            "recon_loss, nats",
            "recon_loss",
            (low, high),
            range(low, high + 1, 4 * math.ceil((high - low) / 16)),
            float,
        ),
        ("kl, nats (square-root axis)", "kl", (0, top), squares, math.sqrt),
        (
            f"active dimensions of {LATENT_DIM}",
            "active",
            (0, LATENT_DIM),
            range(0, LATENT_DIM + 1, 4),
            float,
        ),
    )
    panels, y = [], HEAD
    for title, term, limits, ticks, shape in terms:
        curves = {
            n: [((k + 1) / EPOCHS, value) for k, value in enumerate(getattr(run, term))]
            for n, run in runs.items()
        }
        panels.append(_panel(title, y, PLOT, limits, ticks, curves, shape))
        y += PLOT + GAP + HEAD
    return _svg("".join(panels), y - GAP - HEAD, describe_terms(runs))


def describe_terms(runs: dict[int, Run]) -> str:
    """What the curves of the last of `runs` do, in words, and which other runs are there."""
    if not runs:
        return "No run yet: the axes of recon_loss, kl and active dimensions over the epochs."
    *others, last = runs
    run, parts = runs[last], []
    for name, values in (
        ("recon_loss", run.recon_loss),
        ("kl", run.kl),
        ("active dimensions", run.active),
    ):
        first, least, most, end = (
            f"{v:.2f}" if isinstance(v, float) else str(v)
            for v in (values[0], min(values), max(values), values[-1])
        )
        parts.append(
            f"{name} {first} after epoch 1, between {least} and {most}, {end} after epoch {EPOCHS}"
        )
    beside = (
        f" Dashed beside it: {', '.join(f'run {n}, {runs[n].name}' for n in others)}."
        if others
        else ""
    )
    return (
        f"Run {last}, {run.name}, seed {run.seed}, on the test images: {'; '.join(parts)}.{beside}"
    )


def _panel(title, top, height, limits, ticks, curves, shape=float) -> str:
    """One chart: its title, lines at the ticks, a curve and its number per run.

    shape: float is linear.
    """
    low, high = map(shape, limits)

    def down(value: float) -> float:
        return 1 - (shape(value) - low) / (high - low)

    parts = [svg_text(LEFT, top - 8, title, name="vae-curve-name")]
    for tick in ticks:
        y = top + height * down(tick)
        parts.append(
            f'<line x1="{LEFT}%" x2="{RIGHT}%" y1="{y:.1f}" y2="{y:.1f}" class="vae-grid"/>'
        )
        parts.append(svg_text(LEFT - 1, y + 4, f"{tick:g}", "end"))
    paths, ends = [], {}
    for n, points in curves.items():
        d = " L ".join(f"{1000 * x:.1f} {100 * down(value):.2f}" for x, value in points)
        paths.append(f'<path {_line(n, curves)} d="M {d}"/>')
        ends[n] = top + height * down(points[-1][1])
    box = f'x="{LEFT}%" y="{top}" width="{RIGHT - LEFT}%" height="{height}" overflow="visible"'
    parts.append(
        f'<svg {box} viewBox="0 0 1000 100" preserveAspectRatio="none">{"".join(paths)}</svg>'
    )
    for n, y in spread(ends, 12, top, top + height).items():
        parts.append(
            svg_text(RIGHT + 1.2, y + 4, str(n), name="vae-newest-name" if n == max(curves) else "")
        )
    return "".join(parts)


def _line(n: int, numbers: Iterable[int]) -> str:
    """How a run's curves look: the newest of all solid, each other one in the dashes and the color of its number."""
    if n == max(numbers):
        return 'class="vae-now"'
    return f'class="vae-then" stroke="{COLORS[n % N_RUNS]}" stroke-dasharray="{DASHES[n % N_RUNS]}"'


def spread(places: dict[int, float], gap: float, top: float, bottom: float) -> dict[int, float]:
    """The places moved as little as possible, in order, until none is nearer to the next than `gap`: least squares.

    All lie between `top` and `bottom`, which must have the room.
    """
    order = sorted(places, key=lambda n: (places[n], n))
    groups: list[
        list[float]
    ] = []  # neighbors that touch lie around the mean of where they want to be
    for k, n in enumerate(order):
        groups.append([places[n] - k * gap])
        while len(groups) > 1 and sum(groups[-2]) * len(groups[-1]) > sum(groups[-1]) * len(
            groups[-2]
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    starts = [sum(group) / len(group) for group in groups for _ in group]
    highest = bottom - gap * (len(order) - 1)
    return {
        n: min(max(start, top), highest) + k * gap
        for k, (n, start) in enumerate(zip(order, starts, strict=True))
    }


def _svg(panels: str, bottom: float, alt: str) -> str:
    """The charts, the epochs below them, and the text alternative."""
    below = svg_text((LEFT + RIGHT) / 2, bottom + 31, "epochs", "middle")
    for epoch in range(0, EPOCHS + 1, 5):
        below += svg_text(LEFT + (RIGHT - LEFT) * epoch / EPOCHS, bottom + 16, str(epoch), "middle")
    return f'<svg width="100%" height="{bottom + 36}" role="img" aria-label="{alt}">{panels}{below}</svg>'


def table_of(runs: dict[int, Run]) -> str:
    """The scores of `runs`, by number, the last one first, as an HTML table; beside a number its curves’ line."""
    rows = []
    for n, run in reversed(runs.items()):
        line = f'<svg width="26" height="8" aria-hidden="true"><path {_line(n, runs)} d="M 0 4 H 26"/></svg>'
        scores = (f"{run.scores['-ELBO']:.2f}", f"{run.scores['kl']:.2f}", run.scores["active"])
        cells = "".join(f"<td>{cell}</td>" for cell in (run.name, run.seed, *scores))
        newest = ' class="vae-newest"' if n == max(runs) else ""
        rows.append(f'<tr{newest}><th scope="row">{line} {n}</th>{cells}</tr>')
    rows = rows or ['<tr><td colspan="6">no run yet</td></tr>']
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("run", "β", "seed", "−ELBO", "kl", "active")
    )
    what = f"Test images, after {EPOCHS} epochs, in nats; −ELBO is at β = 1, whatever trained the model."
    return f'<table class="vae-runs"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table><p>{what}</p>'


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
            raise ValueError(
                f"values must hold {COLUMNS} numbers from 0 to {TOP:g}, got {values!r}"
            )
        return [round(value / STEP) / round(1 / STEP) for value in values]


class TrainButton(anywidget.AnyWidget):
    """A button that is busy from its press until `done` is `pressed` again, so that no second press gets through.

    said: a text beside it, which screen readers announce.
    """

    _esm = ASSETS / "composer.js"
    kind = traitlets.Unicode("button").tag(sync=True)
    pressed = traitlets.Int(0).tag(sync=True)
    done = traitlets.Int(0).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)


def schedule_composer() -> "ScheduleComposer":
    """Draw β over the epochs, train a small VAE with it, and see what becomes of the terms of its loss; notebook 05."""
    return ScheduleComposer()


class ScheduleComposer(ipywidgets.VBox):
    """What `schedule_composer` returns: β is drawn in `area`; `runs` are the last few, by their number."""

    def __init__(self):
        small_digits()
        self.runs: dict[int, Run] = {}
        self.area, self.button = (
            ScheduleArea().add_class("vae-chart").add_class("vae-beta-chart"),
            TrainButton(),
        )
        self.presets = {
            name: ipywidgets.Button(description=name, tooltip=f"β: {name}") for name in PRESETS
        }
        for name, button in self.presets.items():
            button.on_click(
                lambda _button, name=name: setattr(self.area, "values", list(PRESETS[name]))
            )
        self.seed = ipywidgets.BoundedIntText(0, min=0, max=9999, description="seed")
        self.seed.style.description_width = "auto"
        self.seed.tooltip = "Another seed, another run: initial weights, order of the images, noise"
        self.chart, self.table = (ipywidgets.HTML() for _ in range(2))
        self.button.observe(lambda _change: self.train(), "pressed")
        presets = ipywidgets.Box(list(self.presets.values())).add_class("vae-presets")
        go = ipywidgets.Box([self.seed, self.button.add_class("vae-train")]).add_class("vae-go")
        parts = [
            presets,
            self.area,
            go,
            self.chart.add_class("vae-chart").add_class("vae-term-chart"),
            self.table.add_class("vae-run-table"),
        ]
        super().__init__([style_sheet(), ipywidgets.Box(parts).add_class("vae-composing")])
        self.add_class("vae-composer")
        self.button.said = "Draw β, or start from one of the five, then train: about a second. Another seed shows how much is chance."
        self._show()

    def train(self) -> None:
        """Train with the β that is drawn and the seed that is set; the run joins `runs`."""
        number = max(self.runs, default=0) + 1
        try:
            run = train_schedule(self.area.values, self.seed.value, report=self._report)
            self.runs = dict([*self.runs.items(), (number, run)][-N_RUNS:])
            scores = run.scores
            self.button.said = (
                f"Run {number}, {run.name}: −ELBO {scores['-ELBO']:.2f} = recon_loss {scores['recon_loss']:.2f} + "
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
        self.area.drawing = draw_schedule(self.runs)
        self.chart.value, self.table.value = draw_terms(self.runs), table_of(self.runs)
