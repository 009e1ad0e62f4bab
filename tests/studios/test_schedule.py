"""Schedule composer: the drawings of schedules and runs, the buttons and the table."""

import math
import re
from contextlib import nullcontext, suppress
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import torch
from helpers.svg import elements, number, root
from ipywidgets.widgets import widget

from tutorial_utils.studios import schedule as module
from tutorial_utils.studios.schedule import (
    keep_apart,
    schedule_composer,
    svg_schedule,
    svg_terms,
    table_of,
)
from tutorial_utils.topics.schedules import (
    COLUMNS,
    EPOCHS,
    LATENT_DIM,
    PRESETS,
    Run,
    train_schedule,
)
from tutorial_utils.training import local_seed


def made_up(k: int) -> Run:
    """A run that no training made: its terms lie on lines."""
    recon_loss = [27 - k - 0.1 * epoch for epoch in range(EPOCHS)]
    kl = [k + 0.5 * epoch for epoch in range(EPOCHS)]
    active = [min(k + epoch // 5, LATENT_DIM) for epoch in range(EPOCHS)]
    return Run(PRESETS[list(PRESETS)[k % 5]], k, recon_loss, kl, active, None)


TERMS = ("recon_loss", "kl", "active")


def panels_of(drawing: str) -> list[ElementTree.Element]:
    """The inner SVGs, each with the curves of one chart."""
    return root(drawing).findall("svg")


def span_of(panel: ElementTree.Element) -> tuple[float, float]:
    """The top and the height of a chart, in pixels."""
    return number(panel, "y"), number(panel, "height")


def beside(drawing: str, panel: ElementTree.Element, anchor: str) -> dict[float, float]:
    """The numbers beside a chart, anchored so, and how high they stand: {number: pixels}."""
    top, height = span_of(panel)
    found = {}
    for node in elements(drawing, "text"):
        y = number(node, "y") - 4
        if node.get("text-anchor") == anchor and top - 1 <= y <= top + height + 1:
            with suppress(ValueError):
                found[float(node.text)] = y
    return found


def points_of(path: ElementTree.Element) -> list[tuple[float, float]]:
    """The points of a curve: shares of the width and of the height, from the lower left corner."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", path.get("d"))]
    return [(x / 1000, 1 - y / 100) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


# ---- drawings ----


def test_curves_are_the_terms_of_every_run_on_common_axes():
    runs = {n: made_up(n) for n in range(3, 9)}
    for panel, term in zip(panels_of(svg_terms(runs)[0]), TERMS, strict=True):
        found, drawn = [], []
        for path, run in zip(panel.findall("path"), runs.values(), strict=True):
            points = points_of(path)
            epochs = [(epoch + 1) / EPOCHS for epoch in range(EPOCHS)]
            assert [x for x, _ in points] == pytest.approx(epochs, abs=1e-4)
            found += [math.sqrt(v) if term == "kl" else v for v in getattr(run, term)]
            drawn += [level for _, level in points]
        assert min(drawn) >= -1e-9 and max(drawn) <= 1 + 1e-9
        low, high = min(found), max(found)
        slope = (drawn[found.index(high)] - drawn[found.index(low)]) / (high - low)
        expected = [drawn[found.index(low)] + slope * (value - low) for value in found]
        assert slope > 0 and drawn == pytest.approx(expected, abs=2e-4)


def test_ticks_lie_where_their_values_are_and_do_not_touch():
    for scale in (0.001, 1, 30):
        run = made_up(2)
        run = run._replace(kl=[scale * value for value in run.kl])
        drawing = svg_terms({1: run})[0]
        for panel, term in zip(panels_of(drawing), TERMS, strict=True):
            top, height = span_of(panel)
            ticks = beside(drawing, panel, "end")
            assert len(ticks) >= 3 and all(abs(b - a) >= 12 for a, b in pairwise(ticks.values()))
            shape = math.sqrt if term == "kl" else float
            (first, low), *_, (last, high) = ticks.items()
            share = (shape(getattr(run, term)[-1]) - shape(first)) / (shape(last) - shape(first))
            level = top + height * (1 - points_of(panel.find("path"))[-1][1])
            assert level == pytest.approx(low + share * (high - low), abs=2e-3 * height)


def test_schedules_are_drawn_as_steps():
    runs = {1: made_up(1), 2: made_up(2)}
    (panel,) = panels_of(svg_schedule(runs)[0])
    for path, run in zip(panel.findall("path"), runs.values(), strict=True):
        points = points_of(path)
        for k, beta in enumerate(run.values):
            (left, start), (right, end) = points[2 * k : 2 * k + 2]
            assert (left, right) == pytest.approx((k / COLUMNS, (k + 1) / COLUMNS), abs=1e-4)
            assert start == end == pytest.approx(beta / 4, abs=1e-4)


def test_runs_are_told_apart_without_color():
    runs = {n: made_up(n) for n in range(4, 10)}
    for drawing in (svg_terms(runs)[0], svg_schedule(runs)[0]):
        for panel in panels_of(drawing):
            paths = panel.findall("path")
            dashes = [path.get("stroke-dasharray") for path in paths]
            assert len(set(dashes)) == 6 and dashes[-1] is None
            ends = {n: points_of(path)[-1][1] for n, path in zip(runs, paths, strict=True)}
            names = beside(drawing, panel, "start")
            assert names.keys() == runs.keys()
            assert all(names[a] < names[b] for a in runs for b in runs if ends[a] > ends[b] + 1e-6)
    lines = re.findall(r"<path (.*?) d=.*?</svg> (\d+)<", table_of(runs))
    assert [int(n) for _, n in lines] == [9, 8, 7, 6, 5, 4]
    for attributes, n in lines:
        assert f"<path {attributes} d=" in svg_terms(runs)[0]
        assert ("dasharray" in attributes) == (n != "9")


def test_names_at_the_ends_keep_their_distance_and_stay_near():
    assert keep_apart({1: 10.0, 2: 40.0, 3: 70.0}, 12, 0, 84) == {1: 10.0, 2: 40.0, 3: 70.0}
    assert keep_apart({1: 40.0, 2: 40.0}, 12, 0, 84) == {1: 34.0, 2: 46.0}
    with local_seed(0):
        many = (84 * torch.rand(200, 6) ** 3).tolist()
    for places in many:
        moved = keep_apart(dict(enumerate(places)), 12, 0, 84)
        assert min(moved.values()) >= 0 and max(moved.values()) <= 84 + 1e-9
        order = sorted(range(6), key=places.__getitem__)
        assert all(moved[b] - moved[a] >= 12 - 1e-9 for a, b in pairwise(order))


def test_text_alternatives_say_what_the_curves_do():
    runs = {1: made_up(0), 2: made_up(3)}
    said = svg_terms(runs)[1]
    assert "Run 2, constant 4, seed 3" in said and "run 1, constant 1" in said
    assert "recon_loss 24.00 after epoch 1, between 21.10 and 24.00, 21.10 after epoch 30" in said
    assert "kl 3.00 after epoch 1, between 3.00 and 17.50, 17.50 after epoch 30" in said
    assert "active dimensions 3 after epoch 1, between 3 and 8, 8 after epoch 30" in said
    assert "run 2: β 4, 4, 4" in svg_schedule(runs)[1]
    assert "No run yet" in svg_terms({})[0] and "no run yet" in table_of({}) and svg_schedule({})[0]


# ---- the widget ----


@pytest.fixture
def composer():
    return schedule_composer()


def press(composer) -> None:
    """What the page does when the button is pressed."""
    composer.button.pressed += 1


def rows_of(composer) -> list[str]:
    """The rows of the table below its head: their cells, with "|" between them."""
    rows = re.findall(r"<tr.*?>(.*?)</tr>", composer.table.value)[1:]
    cells = [re.sub(r"</t[hd]>(?=.)", "|", row) for row in rows]
    return [re.sub(r"<.*?>", "", row).strip() for row in cells]


def test_presets_train_and_table(composer):
    for name, button in composer.presets.items():
        button.click()
        assert tuple(composer.area.values) == PRESETS[name]
    composer.presets["warm-up"].click()
    press(composer)
    composer.presets["constant 4"].click()
    composer.seed.value = 3
    press(composer)
    first, second = train_schedule(PRESETS["warm-up"], 0), train_schedule(PRESETS["constant 4"], 3)
    assert {n: run[:5] for n, run in composer.runs.items()} == {1: first[:5], 2: second[:5]}
    scores = [
        f"{run.scores['-ELBO']:.2f}|{run.kl[-1]:.2f}|{run.active[-1]}" for run in (second, first)
    ]
    assert rows_of(composer) == [f"2|constant 4|3|{scores[0]}", f"1|warm-up|0|{scores[1]}"]
    assert composer.chart.value == svg_terms(composer.runs)[0]
    assert composer.area.drawing == svg_schedule(composer.runs)[0]
    said = f"Run 2, constant 4: −ELBO {second.scores['-ELBO']:.2f} = recon_loss"
    assert said in composer.button.said
    assert composer.button.done == composer.button.pressed == 2 and composer.area.progress == 0


def test_what_was_drawn_is_trained_and_the_last_runs_stay_with_their_numbers(composer, monkeypatch):
    trained = []

    def train(*given, report):
        trained.append(given)
        return made_up(1)

    monkeypatch.setattr(module, "train_schedule", train)
    before = len(widget._instances)
    drawn = [k / 10 for k in range(COLUMNS)]
    composer.area.values = drawn
    for seed in range(40):
        composer.seed.value = seed
        press(composer)
    assert trained == [(drawn, seed) for seed in range(40)]
    assert list(composer.runs) == [35, 36, 37, 38, 39, 40]
    assert [int(row.partition("|")[0]) for row in rows_of(composer)] == [40, 39, 38, 37, 36, 35]
    assert len(widget._instances) == before > 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_fails_leaves_a_button_that_works(composer, monkeypatch, error):
    def fail(*_args, report):
        report(0.5)
        raise error

    monkeypatch.setattr(module, "train_schedule", fail)
    by_hand = error is KeyboardInterrupt
    with nullcontext() if by_hand else pytest.raises(error):
        press(composer)
    assert (composer.button.said == "Run 1 was stopped by hand, and is not kept.") == by_hand
    assert composer.button.done == composer.button.pressed
    assert composer.area.progress == 0 and not composer.runs


def test_progress_is_told_once_per_epoch(composer):
    told = []
    composer.area.observe(lambda change: told.append(change["new"]), "progress")
    press(composer)
    assert len(told) == EPOCHS and told[:-1] == sorted(told[:-1]) and told[-1] == 0
    assert [int(EPOCHS * progress) for progress in told[:-1]] == list(range(1, EPOCHS))


def test_only_what_can_be_drawn_is_taken(composer):
    composer.area.values = [0.26] * COLUMNS
    assert composer.area.values == [0.3] * COLUMNS
    for values in ([1.0] * 14, [1.0] * 14 + [4.1], [1.0] * 14 + [-1.0], [1.0] * 14 + [math.nan]):
        with pytest.raises(ValueError, match="values must hold 15 numbers from 0 to 4, got"):
            composer.area.values = values
    assert composer.area.values == [0.3] * COLUMNS
