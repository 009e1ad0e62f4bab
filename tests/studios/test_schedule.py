"""The schedule composer without a browser: schedules, runs, their drawings, the buttons and the table."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import torch
from ipywidgets.widgets import widget
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy

from tutorial_utils.studios import schedule as module
from tutorial_utils.studios.schedule import (
    keep_apart,
    schedule_composer,
    svg_schedule,
    svg_terms,
    table_of,
)
from tutorial_utils.topics import schedules as schedule_runs
from tutorial_utils.topics.schedules import (
    COLUMNS,
    EPOCHS,
    LATENT_DIM,
    PRESETS,
    Run,
    schedule_of,
    train_schedule,
)
from tutorial_utils.training import linear_warmup, local_seed


@pytest.fixture(scope="module")
def trained():
    """train_schedule, each run trained once."""
    kept = {}

    def train(values, seed=0) -> Run:
        key = (tuple(values), seed)
        if key not in kept:
            kept[key] = train_schedule(values, seed)
        return kept[key]

    return train


def made_up(k: int) -> Run:
    """A run that no training made: its terms lie on lines."""
    recon_loss = [27 - k - 0.1 * epoch for epoch in range(EPOCHS)]
    kl = [k + 0.5 * epoch for epoch in range(EPOCHS)]
    active = [min(k + epoch // 5, LATENT_DIM) for epoch in range(EPOCHS)]
    return Run(PRESETS[list(PRESETS)[k % 5]], k, recon_loss, kl, active, None)


def same(run: Run, other: Run) -> bool:
    return run[:5] == other[:5]


def panels_of(drawing: str) -> list[ElementTree.Element]:
    """The inner SVGs, each with the curves of one chart."""
    return ElementTree.fromstring(drawing).findall("svg")


def points_of(path: ElementTree.Element) -> list[tuple[float, float]]:
    """The points of a curve: shares of the width and of the height, counted from the lower left corner."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", path.get("d"))]
    return [(x / 1000, 1 - y / 100) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


# ---- schedules ----


def test_each_value_holds_for_its_part_of_the_training():
    for n in (1, 2, 7, 15, 100):
        values = [0.1 * k for k in range(n)]
        schedule = schedule_of(values)
        for k, value in enumerate(values):
            assert {schedule((k + share) / n) for share in (0, 0.01, 0.5, 0.99)} == {value}
    assert schedule_of([1, 2])(1.0) == 2


def test_a_schedule_keeps_its_values_when_the_list_changes():
    values = [1.0, 2.0]
    schedule = schedule_of(values)
    values[0] = 9.0
    assert schedule(0.1) == 1.0


def test_presets_can_be_drawn_and_are_what_they_are_called():
    for values in PRESETS.values():
        assert len(values) == COLUMNS and all(0 <= v <= 4 and v == round(v, 1) for v in values)
    assert set(PRESETS["constant 1"]) == {1.0} and set(PRESETS["constant 4"]) == {4.0}
    warmup, cyclical = PRESETS["warm-up"], PRESETS["cyclical"]
    assert warmup == pytest.approx(
        [linear_warmup((k + 0.5) / COLUMNS) for k in range(COLUMNS)], abs=0.051
    )
    assert cyclical[:5] == cyclical[5:10] == cyclical[10:] and sorted(cyclical[:5]) == list(
        cyclical[:5]
    )
    assert PRESETS["off, then on"] == (0.0,) * 5 + (1.0,) * 10
    assert len(set(PRESETS.values())) == len(PRESETS)


@pytest.mark.parametrize(
    "values", [[], [1, -0.1], [math.nan], [1, math.inf], ["1"], [None], [True], 1.0, None]
)
def test_values_that_are_no_schedule_are_named(values):
    for call in (schedule_of, train_schedule):
        with pytest.raises(
            ValueError,
            match="values must hold one or more finite numbers that are not negative, got",
        ):
            call(values)


@pytest.mark.parametrize("seed", [0.5, "1", None, True])
def test_a_seed_that_is_none_is_named(seed):
    with pytest.raises(ValueError, match=f"seed must be a whole number, got {seed!r}"):
        train_schedule([1.0], seed)


# ---- runs ----


def test_terms_and_scores_are_those_of_the_model(trained, digits):
    for values in (PRESETS["warm-up"], PRESETS["constant 4"]):
        run = trained(values)
        assert (
            len(run.recon_loss) == len(run.kl) == len(run.active) == EPOCHS
            and not run.model.training
        )
        with torch.no_grad(), local_seed(0):
            mu, logvar = run.model.encode(digits.x_test)
            posterior = Normal(mu.double(), (logvar.double() / 2).exp())
            z = (posterior.loc + posterior.scale * torch.randn(mu.shape)).float()
            mean = run.model.decode(z).sigmoid()
        kl = kl_divergence(posterior, Normal(0.0, 1.0)).mean(0)
        recon_loss = float(binary_cross_entropy(mean, digits.x_test, reduction="sum")) / len(mean)
        expected = {
            "recon_loss": recon_loss,
            "kl": float(kl.sum()),
            "active": int((kl > 0.01).sum()),
        }
        expected["-ELBO"] = expected["recon_loss"] + expected["kl"]
        assert run.scores == pytest.approx(expected, rel=1e-5)
        last = (run.recon_loss[-1], run.kl[-1], run.active[-1])
        assert last == (run.scores["recon_loss"], run.scores["kl"], run.scores["active"])


def test_beta_acts_in_the_epochs_for_which_it_is_drawn(trained):
    for column in (1, 10, 14):
        run, other = (
            trained((1.0,) * column + (beta,) * (COLUMNS - column)) for beta in (1.0, 4.0)
        )
        before = 2 * column
        assert (
            run.kl[:before] == other.kl[:before]
            and run.recon_loss[:before] == other.recon_loss[:before]
        )
        assert run.kl[before] > other.kl[before]


def test_the_same_values_and_seed_give_the_same_run_and_leave_the_random_state_alone(trained):
    values = PRESETS["constant 1"]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = train_schedule(list(values), 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert same(again, trained(values))
    for weights, others in zip(
        again.model.parameters(), trained(values).model.parameters(), strict=True
    ):
        assert torch.equal(weights, others)
    assert trained(values, 1).kl != again.kl


def test_the_seed_is_that_of_the_first_weights_and_of_the_training(monkeypatch):
    seen = []

    def stop(model, *_args, seed, **_settings):
        seen.append((seed, next(model.parameters()).sum().item()))
        raise KeyboardInterrupt

    monkeypatch.setattr(schedule_runs, "fit", stop)
    for seed in (0, 1, 1):
        with pytest.raises(KeyboardInterrupt):
            train_schedule([1.0], seed)
    assert [seed for seed, _ in seen] == [0, 1, 1] and seen[0][1] != seen[1][1] == seen[2][1]


def test_no_price_makes_a_larger_kl_than_a_high_price_and_a_better_reconstruction(trained):
    for seed in (0, 1, 3):
        free, dear = trained([0.0], seed), trained(PRESETS["constant 4"], seed)
        assert free.kl[-1] > 10 * dear.kl[-1] and free.recon_loss[-1] < dear.recon_loss[-1] - 1
        assert free.active[-1] > dear.active[-1]


def test_a_run_reports_its_progress_and_knows_its_name():
    told = []
    run = train_schedule([0.5, 0.5], report=told.append)
    assert told[0] > 0 and told[-1] < 1 and told == sorted(set(told)) and len(told) % EPOCHS == 0
    assert run.name == "drawn"
    for name, values in PRESETS.items():
        assert run._replace(values=values).name == name


# ---- drawings ----


def test_curves_are_the_terms_of_every_run_on_common_axes():
    runs = {n: made_up(n) for n in range(3, 9)}
    panels = panels_of(svg_terms(runs)[0])
    assert len(panels) == 3
    for panel, term in zip(panels, ("recon_loss", "kl", "active"), strict=True):
        found, drawn = [], []
        for path, run in zip(panel.findall("path"), runs.values(), strict=True):
            points = points_of(path)
            assert [x for x, _ in points] == pytest.approx(
                [(e + 1) / EPOCHS for e in range(EPOCHS)], abs=1e-4
            )
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
        root = ElementTree.fromstring(svg_terms({1: run})[0])
        texts = [
            (text.text, float(text.get("y")))
            for text in root.findall("text")
            if text.get("text-anchor") == "end"
        ]
        for panel, term in zip(
            panels_of(svg_terms({1: run})[0]), ("recon_loss", "kl", "active"), strict=True
        ):
            top, height = float(panel.get("y")), float(panel.get("height"))
            ticks = [
                (float(text), 1 - (y - 4 - top) / height)
                for text, y in texts
                if top <= y - 4 <= top + height
            ]
            assert len(ticks) >= 3 and all(
                height * abs(b - a) >= 12 for (_, a), (_, b) in pairwise(ticks)
            )
            level = points_of(panel.find("path"))[-1][1]
            shape = math.sqrt if term == "kl" else float
            (first, low), (last, high) = ticks[0], ticks[-1]
            share = (shape(getattr(run, term)[-1]) - shape(first)) / (shape(last) - shape(first))
            assert level == pytest.approx(low + share * (high - low), abs=2e-3)


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
        root = ElementTree.fromstring(drawing)
        for panel in panels_of(drawing):
            dashes = [path.get("stroke-dasharray") for path in panel.findall("path")]
            assert len(set(dashes)) == 6 and dashes[-1] is None
            top, bottom = (
                float(panel.get("y")),
                float(panel.get("y")) + float(panel.get("height")),
            )
            names = [
                t
                for t in root.findall("text")
                if t.get("text-anchor") == "start" and t.text.isdigit()
            ]
            names = {
                int(t.text): float(t.get("y")) - 4
                for t in names
                if top - 1 <= float(t.get("y")) - 4 <= bottom + 1
            }
            ends = {
                n: points_of(path)[-1][1]
                for n, path in zip(runs, panel.findall("path"), strict=True)
            }
            assert names.keys() == runs.keys()
            assert all(names[a] < names[b] for a in runs for b in runs if ends[a] > ends[b] + 1e-6)
    lines = re.findall(r"<path (.*?) d=.*?</svg> (\d+)<", table_of(runs))
    assert [int(n) for _, n in lines] == [9, 8, 7, 6, 5, 4]
    for attributes, n in lines:
        assert f"<path {attributes} d=" in svg_terms(runs)[0] and ("dasharray" in attributes) == (
            n != "9"
        )


def test_names_at_the_ends_keep_their_distance_and_stay_near():
    assert keep_apart({1: 10.0, 2: 40.0, 3: 70.0}, 12, 0, 84) == {1: 10.0, 2: 40.0, 3: 70.0}
    assert keep_apart({1: 40.0, 2: 40.0}, 12, 0, 84) == {1: 34.0, 2: 46.0}
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        places = {n: float(84 * torch.rand((), generator=generator) ** 3) for n in range(6)}
        moved = keep_apart(places, 12, 0, 84)
        assert min(moved.values()) >= 0 and max(moved.values()) <= 84 + 1e-9
        order = sorted(places, key=places.get)
        assert all(moved[b] - moved[a] >= 12 - 1e-9 for a, b in pairwise(order))
    assert keep_apart({}, 12, 0, 84) == {}


def test_text_alternatives_say_what_the_curves_do():
    runs = {1: made_up(0), 2: made_up(3)}
    root = ElementTree.fromstring(svg_terms(runs)[0])
    said = root.get("aria-label")
    assert (
        root.get("role") == "img"
        and "Run 2, constant 4, seed 3" in said
        and "run 1, constant 1" in said
    )
    assert "recon_loss 24.00 after epoch 1, between 21.10 and 24.00, 21.10 after epoch 30" in said
    assert "kl 3.00 after epoch 1, between 3.00 and 17.50, 17.50 after epoch 30" in said
    assert "active dimensions 3 after epoch 1, between 3 and 8, 8 after epoch 30" in said
    root = ElementTree.fromstring(svg_schedule(runs)[0])
    assert root.get("role") == "img" and "run 2: β 4, 4, 4" in root.get("aria-label")
    assert "No run yet" in svg_terms({})[0] and "no run yet" in table_of({}) and svg_schedule({})[0]


# ---- the widget ----


@pytest.fixture
def composer():
    return schedule_composer()


def press(composer) -> None:
    """What the page does when the button is pressed."""
    composer.button.pressed += 1


def rows_of(composer) -> list[list[str]]:
    body = composer.table.value.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr.*?>(.*?)</tr>", body)
    return [
        [re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)]
        for row in rows
    ]


def test_presets_train_and_table(composer, trained):
    for name, button in composer.presets.items():
        button.click()
        assert tuple(composer.area.values) == PRESETS[name]
    composer.presets["warm-up"].click()
    press(composer)
    composer.presets["constant 4"].click()
    composer.seed.value = 3
    press(composer)
    first, second = trained(PRESETS["warm-up"]), trained(PRESETS["constant 4"], 3)
    assert (
        list(composer.runs) == [1, 2]
        and same(composer.runs[1], first)
        and same(composer.runs[2], second)
    )
    expected = [
        [
            str(n),
            run.name,
            str(run.seed),
            f"{run.scores['-ELBO']:.2f}",
            f"{run.kl[-1]:.2f}",
            str(run.active[-1]),
        ]
        for n, run in ((2, second), (1, first))
    ]
    assert rows_of(composer) == expected
    assert (
        composer.chart.value == svg_terms(composer.runs)[0]
        and composer.area.drawing == svg_schedule(composer.runs)[0]
    )
    assert (
        f"Run 2, constant 4: −ELBO {second.scores['-ELBO']:.2f} = recon_loss"
        in composer.button.said
    )
    assert composer.button.done == composer.button.pressed == 2 and composer.area.progress == 0


def test_what_was_drawn_is_trained(composer, monkeypatch):
    seen = []
    monkeypatch.setattr(
        module, "train_schedule", lambda *args, report: seen.append(args) or made_up(1)
    )
    composer.area.values = [0.1 * k for k in range(COLUMNS)]
    composer.seed.value = 7
    press(composer)
    assert seen == [([k / 10 for k in range(COLUMNS)], 7)]


def test_the_last_runs_stay_with_their_numbers_and_no_widget_is_left_behind(composer, monkeypatch):
    monkeypatch.setattr(module, "train_schedule", lambda values, seed, report: made_up(seed))
    before = len(widget._instances)
    for k in range(40):
        composer.seed.value = k % 4
        press(composer)
    assert list(composer.runs) == [35, 36, 37, 38, 39, 40]
    assert [row[0] for row in rows_of(composer)] == ["40", "39", "38", "37", "36", "35"]
    assert len(widget._instances) == before > 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_fails_leaves_a_button_that_works(composer, monkeypatch, error):
    def fail(*_args, report):
        report(0.5)
        raise error

    monkeypatch.setattr(module, "train_schedule", fail)
    if error is KeyboardInterrupt:
        press(composer)
        assert composer.button.said == "Run 1 was stopped by hand, and is not kept."
    else:
        with pytest.raises(error):
            press(composer)
    assert (
        composer.button.done == composer.button.pressed
        and composer.area.progress == 0
        and not composer.runs
    )


def test_stopping_by_hand_ends_the_run():
    def stop(progress):
        if progress > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_schedule([1.0], report=stop)


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
