"""What holds for every studio: texts, errors, random numbers, messages, and nothing left over."""

import gc
import importlib
import inspect
import pkgutil
import re
import sys

import ipywidgets
import numpy as np
import pytest
import torch
from helpers.studios import STUDIOS, controls_of, move, moves, random_states
from helpers.widgets import widgets_in
from ipywidgets.widgets import widget
from torch import nn

from tutorial_utils import studios
from tutorial_utils.studios import filling
from tutorial_utils.studios.base import PanelView, Picture
from tutorial_utils.studios.pad import CodeMap

KINDS = ("studio", "pad", "slider", "explorer", "composer", "panel")


@pytest.fixture(params=STUDIOS)
def case(request, tmp_path, monkeypatch):
    """Each studio in turn; what it saves, it saves into a folder of this test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(filling, "STEPS", (2, 4, 6))  # the laws are the same for short chains
    return STUDIOS[request.param]


@pytest.fixture
def studio(case):
    return case.make()


def test_every_studio_is_in_the_registry():
    found = set()
    for module in pkgutil.iter_modules(studios.__path__, f"{studios.__name__}."):
        for name, function in inspect.getmembers(importlib.import_module(module.name)):
            here = inspect.isfunction(function) and function.__module__ == module.name
            if here and re.fullmatch(rf"predict|[a-z]\w*_({'|'.join(KINDS)})", name):
                found.add(function)
    assert {case.function for case in STUDIOS.values()} == found


def test_every_control_is_described_and_every_picture_has_a_text(studio):
    controls = controls_of(studio)
    assert controls
    for control in controls:
        assert any(
            getattr(control, name, "") for name in ("description", "text", "tooltip", "drawing")
        ), control
        if isinstance(control, (ipywidgets.Button, ipywidgets.FloatSlider, ipywidgets.IntSlider)):
            assert control.description and control.tooltip, control
    for part in widgets_in(studio):
        if isinstance(part, Picture):
            assert part.value and part.alt
        if isinstance(part, CodeMap):
            assert part.text
        if isinstance(part, PanelView):
            assert part.parts and part.text and all(each["alt"] for each in part.parts)


REQUIRED = {"model", "models", "vae", "autoencoder", "likelihoods", "methods", "panels"}


def wrong_values(name: str, value: object) -> list:
    """Of an argument: what is of another type, of another shape, or out of range."""
    if not isinstance(value, torch.Tensor):
        return ["no", *([None, nn.Linear(2, 2)] if name in REQUIRED else [])]
    wrong = [value.tolist(), value[..., None, None], value[:0]]
    if not value.is_floating_point():
        return [*wrong, value.float(), value[:-1]]
    wrong += [value.int(), value / 0]
    return [*wrong, 2 * value + 1, value.expand(-1, 3, -1, -1)] if name == "x" else wrong


def test_a_wrong_argument_is_named(case):
    for name, value in case.arguments().items():
        if name in ("name", "question", "because"):
            continue  # any text
        for wrong in wrong_values(name, value):
            with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
                case.make(**{name: wrong})


def test_neither_making_nor_moving_it_touches_the_global_random_numbers(case):
    before = random_states()
    studio = case.make()
    assert random_states() == before
    for control in controls_of(studio):
        move(control, 0.3)
        assert random_states() == before, control


def test_a_move_sends_each_thing_once(studio, monkeypatch):
    sent = []
    monkeypatch.setattr(
        widget.Widget, "_send", lambda self, msg, buffers=None: sent.append((self, msg))
    )
    views = [part for part in widgets_in(studio) if isinstance(part, PanelView)]
    messages = dict.fromkeys(views, 0)
    for control in controls_of(studio):
        for share in (0.2, 0.9):
            sent.clear()
            move(control, share)
            states = [(part, msg["state"]) for part, msg in sent if msg.get("method") == "update"]
            things = [(part, name) for part, state in states for name in state]
            assert len(things) == len(set(things)), control
            for view in views:
                (found,) = [sorted(state) for part, state in states if part is view] or [[]]
                assert found in ([], ["parts"], ["parts", "text"]), control
                messages[view] += bool(found)
    assert all(messages.values())


def test_hundreds_of_moves_leave_no_widget_and_no_object_behind(studio):
    found = []
    for k, _moved in enumerate(moves(studio, 301)):
        if k in (150, 300):
            for control in controls_of(studio):  # at both times, it shows as much as at the other
                move(control, 0.3)
            found.append(left_behind())
    widgets, objects, size = np.subtract(*reversed(found)).tolist()
    assert widgets == 0 and objects <= 6 and size <= 600, (widgets, objects, size)


def left_behind() -> tuple[int, int, int]:
    """The numbers of widgets, of objects that hold others, and of the bytes of the latter."""
    gc.collect()
    objects = gc.get_objects()
    return len(widget._instances), len(objects), sum(map(sys.getsizeof, objects))


def test_closing_it_closes_all_that_is_in_it(case):
    arguments = case.arguments()
    before = set(widget._instances)
    studio = case.function(**arguments)
    assert set(widget._instances) - before
    studio.close()
    assert set(widget._instances) <= before
