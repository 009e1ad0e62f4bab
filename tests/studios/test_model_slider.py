"""Model slider: each label shows its panel."""

import pytest
import torch

from tutorial_utils.pages.slider import export_slider
from tutorial_utils.plotting import to_png
from tutorial_utils.studios.base import Part, describe
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.training import local_seed

SVG = '<svg role="img" aria-label="a text" height="20"><text x="0" y="15">{}</text></svg>'


@pytest.fixture
def panels() -> dict[str, list[Part]]:
    """Three panels of a picture, a strip, a chart and a line, different under each label."""
    with local_seed(0):
        pictures = [torch.rand(3, 40, 40), torch.rand(3, 10, 60)]
    return {
        label: [
            Part("", f"<p>line {label}</p>", f"line {label}"),
            Part(f"square\ncaption {label}", to_png(pictures[0][k]), f"square {label}"),
            Part("strip", to_png(pictures[1][k]), f"strip {label}"),
            Part("chart", SVG.format(label), f"chart {label}"),
        ]
        for k, label in enumerate(("a", "b", "c"))
    }


def bytes_of(parts: list[dict]) -> list[bytes]:
    return [part["png"] for part in parts if "png" in part]


# ---- in the notebook ----


def test_a_move_shows_the_panel_of_the_label(panels):
    studio = model_slider("β", panels)
    slider = studio.controls.label.slider
    assert slider.value == "b" and slider.description == "β"
    for label in ("a", "c", "b", "a"):
        slider.value = label
        assert studio.values == {"label": label}
        assert studio.view.parts == [describe(part) for part in panels[label]]
        assert studio.view.text == f"β = {label}. line {label}"
        assert bytes_of(studio.view.parts) == [part.content for part in panels[label][1:3]]
    assert model_slider("β", panels, start="c").controls.label.value == "c"


def test_buttons_go_one_step_and_end_at_the_ends(panels):
    steps = model_slider("β", panels, start="a").controls.label
    found = []
    for button in (steps.back, steps.on, steps.on, steps.on, steps.back):
        button.click()
        found.append((steps.value, steps.play.value, steps.back.disabled, steps.on.disabled))
    assert found == [
        ("a", 0, True, False),
        ("b", 1, False, False),
        *[("c", 2, False, True)] * 2,
        ("b", 1, False, False),
    ]
    steps.play.value = 0
    assert steps.value == "a" and steps.play.max == 2


def test_one_label_is_a_slider_too(panels):
    steps = model_slider("β", {"a": panels["a"]}).controls.label
    assert steps.back.disabled and steps.on.disabled and steps.value == "a"


GOOD = Part("t", "<p>x</p>", "x")


@pytest.mark.parametrize(
    ("name", "panels", "error", "message"),
    [
        ("", {"a": [GOOD]}, ValueError, "name must be a text"),
        (5, {"a": [GOOD]}, ValueError, "name must be a text"),
        ("β", [GOOD], TypeError, "labels"),
        ("β", {0.5: [GOOD]}, TypeError, "labels"),
        ("β", {}, ValueError, "a label at least"),
        ("β", {"a": [GOOD], "b": []}, ValueError, "a Part at least"),
        ("β", {"a": [GOOD], "b": [GOOD, GOOD]}, ValueError, r"as many parts.*'a': 1, 'b': 2"),
        ("β", {"a": ["text"]}, TypeError, r"panels\['a'\] must hold Part"),
        ("β", {"a": [GOOD._replace(content=b"GIF89a")]}, TypeError, "bytes of a PNG"),
        ("β", {"a": [GOOD._replace(content=None)]}, TypeError, "bytes of a PNG"),
        ("β", {"a": [GOOD._replace(content="")]}, ValueError, "must have content"),
        ("β", {"a": [GOOD._replace(alt="")]}, ValueError, "and alt"),
    ],
)
def test_bad_arguments_are_refused_by_both_and_nothing_is_written(
    name, panels, error, message, tmp_path
):
    with pytest.raises(error, match=message):
        model_slider(name, panels)
    with pytest.raises(error, match=message):
        export_slider(name, panels, tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


def test_a_start_that_is_no_label_is_refused(panels):
    with pytest.raises(ValueError, match="start must be one of 'a', 'b', 'c', got 'd'"):
        model_slider("β", panels, start="d")
