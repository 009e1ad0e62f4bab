"""The shared parts of all studios: controls, panels that follow them, charts, checks of models."""

import subprocess
import sys

import ipywidgets
import pytest
import torch
from helpers.svg import elements, number, root
from torch import nn

from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.studios.base import (
    Part,
    Studio,
    check_autoencoder,
    check_classifier,
    check_decodes_like,
    check_vae,
)
from tutorial_utils.studios.controls import Another, PickImage, choice, slider, toggles
from tutorial_utils.studios.panel import PanelStudio
from tutorial_utils.studios.svg import (
    linear_scale,
    nice_step,
    percent,
    svg,
    svg_axis,
    svg_curve,
    svg_text,
)
from tutorial_utils.studios.svg import number as text_of_number

# ---- controls ----


def test_after_the_last_image_comes_the_first():
    picked = PickImage("test image", torch.zeros(3, 1, 8, 8))
    found = []
    for _ in range(4):
        picked.button.click()
        found.append((picked.value, picked.field.value))
    assert found == [(1, 1), (2, 2), (0, 0), (1, 1)]
    picked.field.value = 7  # beyond the last
    assert picked.value == picked.field.max == 2
    for value, kept in [(0, 0), (5, 2), (-1, 0)]:
        picked.value = value
        assert picked.value == picked.field.value == kept


def test_another_counts_its_clicks():
    again = Another("New noise", tip="Other random numbers")
    for _ in range(3):
        again.click()
    assert again.value == 3


def test_a_slider_of_whole_numbers_has_whole_values():
    assert isinstance(slider("rows", 4, 8, tip="How many."), ipywidgets.IntSlider)
    half = slider("t", 0.5, 1, 0.02, tip="Where.", low=-1)
    assert (half.value, half.min, half.max, half.step) == (0.5, -1, 1, 0.02)
    assert half.tooltip == "Where. Drag, or use the arrow keys."


@pytest.mark.parametrize("make", [choice, toggles])
def test_the_first_option_is_chosen(make):
    chosen = make("z", {"of the image": "posterior", "from the prior": "prior"}, tip="Which z")
    assert chosen.value == "posterior"
    chosen.index = 1
    assert chosen.value == "prior"


# ---- panels ----


@pytest.fixture
def drawn() -> list[dict]:
    """The values with which the studio drew, in order."""
    return []


@pytest.fixture
def studio(drawn):
    """A panel of one part; "fine" halves the range of the slider, and level 7 cannot be drawn."""

    def draw(**values):
        drawn.append(values)
        if values["level"] == 7:
            raise ValueError("no <level> 7")
        return [Part("title\nbelow", f"<p>{values}</p>", "alt")], f"level {values['level']}"

    def adjust(controls):
        controls.level.max = {"coarse": 10, "fine": 5}[controls.kind.value]

    rows = [
        {"kind": choice("kind", ("coarse", "fine"), tip="Which")},
        {"level": slider("level", 8, 10, tip="How much."), "seed": Another("New", tip="Other")},
    ]
    return PanelStudio("vae-test", rows, draw, adjust)


def test_a_panel_follows_the_values_of_its_controls(studio, drawn):
    studio.controls.level.value = 3
    studio.controls.seed.click()
    assert drawn[-1] == studio.values == {"kind": "coarse", "level": 3, "seed": 1}
    assert studio.view.text == "level 3"
    part = {"title": "title", "caption": "below", "alt": "alt", "kind": "row"}
    assert studio.view.parts == [part | {"html": f"<p>{drawn[-1]}</p>"}]


def test_a_control_that_moves_another_one_draws_once(studio, drawn):
    studio.controls.kind.value = "fine"
    assert drawn == [
        {"kind": "coarse", "level": 8, "seed": 0},
        {"kind": "fine", "level": 5, "seed": 0},
    ]
    studio.controls.kind.value = "coarse"
    assert drawn[2:] == [{"kind": "coarse", "level": 5, "seed": 0}]


def test_an_error_is_shown_in_words_and_the_next_move_draws_again(studio, caplog):
    before = studio.view.parts
    studio.controls.level.value = 7
    said = "This panel could not be drawn. ValueError: no <level> 7"
    (part,) = studio.view.parts
    assert studio.view.text == part["alt"] == said and "no &lt;level&gt; 7" in part["html"]
    assert "no <level> 7" in caplog.text  # with its traceback, for who wrote the function
    caplog.clear()
    studio.controls.level.value = 8
    assert studio.view.parts == before and studio.view.text == "level 8"


def test_what_cannot_be_drawn_at_the_start_is_an_error():
    with pytest.raises(ZeroDivisionError):
        PanelStudio("vae-test", [{"n": slider("n", 0, 1, tip="n.")}], lambda n: 1 / n)


def test_two_controls_of_one_name_are_refused():
    rows = [{"seed": Another("New z", tip="z")}, {"seed": Another("New noise", tip="noise")}]
    with pytest.raises(
        ValueError, match="rows must give each control its own name, got seed, seed"
    ):
        PanelStudio("vae-test", rows, lambda seed: ([], ""))


def test_a_studio_has_the_classes_of_its_style():
    studio = Studio("vae-test", ipywidgets.Button())
    assert {"vae-root", "vae-test"} <= set(studio._dom_classes)
    assert ".vae-root" in studio.children[0].value


# ---- charts ----


def test_a_chart_says_in_words_what_it_shows():
    alt = 'a < b, "quoted"'
    chart, words = svg([svg_text(10, 20, "a")], 40, alt, "vae-broad")
    assert words == alt == root(chart).get("aria-label")
    assert (root(chart).get("role"), root(chart).get("height")) == ("img", "40")


def test_a_curve_stands_where_texts_and_ticks_stand():
    across = linear_scale((-1, 1), (10, 90))
    assert [across(value) for value in (-1, 0, 1, 2)] == [10, 50, 90, 130]
    axis = svg_axis({across(0): "0", across(1): "1"}, 30, 10, 90)
    chart, _ = svg([axis, svg_curve([(across(0), 5), (across(1), 25)], 40, "vae-solid")], 40, "alt")
    line, *ticks = elements(chart, "line")
    assert [number(line, end) for end in ("x1", "x2")] == [10, 90]
    assert [number(tick, "x1") for tick in ticks] == [50, 90]
    (curve,) = elements(chart, "path", "vae-solid")
    assert curve.get("d") == "M 50.00 5.00 L 90.00 25.00"
    assert elements(chart, "svg")[1].get("viewBox") == "0 0 100 40"  # percent, and pixels


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(-0.04, 1, "0.0"), (-0.06, 1, "−0.1"), (12.345, 2, "12.35"), (-3.0, 0, "−3")],
)
def test_numbers_have_a_true_minus_sign_and_no_negative_zero(value, decimals, text):
    assert text_of_number(value, decimals) == text


def test_shares_are_percents():
    assert [percent(share) for share in (0, 0.345, 1)] == ["0 %", "34 %", "100 %"]


@pytest.mark.parametrize("least", [1e-6, 0.03, 1.0, 1.01, 7.0, 19.9, 50.0, 123.0])
def test_nice_steps(least):
    step = nice_step(least)
    assert least * (1 - 1e-9) <= step <= 2.5 * least and f"{step:e}"[0] in "125"


# ---- checks ----


def test_checks_of_models_name_the_argument(make_vae):
    vae, other = make_vae(0), Autoencoder(mlp([64, 2]), mlp([2, 64]))
    check_vae("model", vae, least=2)
    check_autoencoder("model", vae)
    check_autoencoder("model", other)
    check_classifier("judge", None)
    check_classifier("judge", mlp([64, 10]))
    check_decodes_like("model", vae, torch.zeros(1, 1, 8, 8))
    with pytest.raises(TypeError, match="model must be a VAE, got Autoencoder"):
        check_vae("model", other)
    with pytest.raises(TypeError, match="a VAE with 3 or more latent numbers, got VAE with"):
        check_vae("model", vae, least=3)
    with pytest.raises(TypeError, match="model must be a VAE or an Autoencoder, got Linear"):
        check_autoencoder("model", nn.Linear(2, 2))
    with pytest.raises(TypeError, match="judge must be a classifier, a torch module, got str"):
        check_classifier("judge", "no")
    with pytest.raises(ValueError, match="model: a decoded image and an image of x must have"):
        check_decodes_like("model", vae, torch.zeros(1, 1, 9, 9))


def test_a_studio_that_is_open_when_python_ends_complains_about_nothing():
    code = (
        "import ipywidgets; from tutorial_utils.studios.base import Studio;"
        "studio = Studio('vae-x', ipywidgets.IntSlider()); studio.itself = studio"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
