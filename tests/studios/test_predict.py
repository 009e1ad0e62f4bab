"""The laws of `predict`: one guess, then the answer; a twin that is saved; texts, not HTML."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from tutorial_utils.studios.predict import predict

ASKED = {"question": "Is 1 < 2?", "options": ["yes & no", "<b>no"], "answer": "<b>no"}


@pytest.fixture
def asked():
    return predict(**ASKED, because="Since 2 > 1.")


def make_guess(studio, index: int) -> None:
    """What a learner does."""
    studio.choice.index = index
    studio.button.click()


def test_nothing_is_chosen_and_no_answer_shown_at_first(asked):
    assert asked.choice.value is None and asked.guess is None and asked.reveal.html == ""
    assert asked.button.disabled
    asked.button.click()
    assert asked.guess is None
    asked.choice.index = 0
    assert not asked.button.disabled and asked.guess is None and asked.reveal.html == ""


@pytest.mark.parametrize(("index", "glyph"), [(0, "✗"), (1, "✓")])
def test_a_guess_reveals_the_answer(asked, index, glyph):
    make_guess(asked, index)
    shown = ["yes &amp; no", "&lt;b&gt;no"]
    assert asked.guess == ASKED["options"][index]
    assert glyph in asked.reveal.html and "Since 2 &gt; 1." in asked.reveal.html
    assert f"You guessed <b>{shown[index]}</b>. It is <b>{shown[1]}</b>." in asked.reveal.html


def test_a_guess_is_for_good(asked):
    make_guess(asked, 0)
    before = asked.reveal.html, asked.twin
    assert asked.choice.disabled and asked.button.disabled
    make_guess(asked, 1)
    assert asked.guess == ASKED["options"][0] and (asked.reveal.html, asked.twin) == before


def test_the_twin_folds_the_answer_until_there_is_a_guess(asked):
    folded = asked.twin
    assert "Is 1 &lt; 2?" in folded["text/html"] and "<li>yes &amp; no</li>" in folded["text/html"]
    open_part, answer = folded["text/html"].split("<details>")
    assert "It is" not in open_part and "It is <b>&lt;b&gt;no</b>. " not in open_part
    assert "Since" not in open_part and "Since 2 &gt; 1." in answer
    assert folded["text/plain"] == "Is 1 < 2?\n* yes & no\n* <b>no"
    make_guess(asked, 0)
    kept = asked.twin
    assert "<details>" not in kept["text/html"] and asked.reveal.html in kept["text/html"]
    assert kept["text/plain"].endswith("✗ You guessed yes & no. It is <b>no.\nSince 2 > 1.")


def test_the_twin_is_the_same_in_every_build(asked):
    assert predict(**ASKED, because="Since 2 > 1.").twin == asked.twin


@pytest.fixture
def shell():
    """An IPython, in which `display` sends what a notebook saves."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_displaying_it_shows_widget_and_twin_and_a_guess_updates_the_twin(asked, shell):
    with capture_output() as first:
        shell.display_formatter.format(asked)
    widget, twin = first.outputs
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert widget.data["text/plain"] == ""  # by this the build knows that a twin follows
    assert twin.data == asked.twin
    with capture_output() as then:
        make_guess(asked, 1)
    (update,) = then.outputs
    assert update.update and update.data == asked.twin != twin.data


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"question": ""}, "question"),
        ({"question": 3}, "question"),
        ({"options": ["one"]}, "options"),
        ({"options": [str(k) for k in range(7)]}, "options"),
        ({"options": ["a", "a"]}, "options"),
        ({"options": ["a", ""]}, "options"),
        ({"options": [1, 2], "answer": 1}, "options"),
        ({"options": {"a", "b"}}, "options"),
        ({"answer": "maybe"}, "answer"),
        ({"because": None}, "because"),
    ],
)
def test_a_wrong_argument_is_named(wrong, name):
    with pytest.raises(ValueError, match=rf"^{name} must be"):
        predict(**ASKED | wrong)
