"""What holds for every studio in a real Chromium: controls have names, and keys move sliders."""

import re

import pytest
from helpers.browser import check_fits, window_of
from helpers.lab import ROOT
from helpers.studios import STUDIOS

pytestmark = pytest.mark.browser
SETUP = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from IPython.display import display
from helpers.studios import STUDIOS
for k, case in enumerate(STUDIOS.values()):
    display(case.make().add_class(f"contract-{{k}}"))
"""
SHOW, STUDIO, READY = "", f".contract-{len(STUDIOS) - 1}", ".vae-part"
ROLES = (
    "slider",
    "button",
    "spinbutton",
    "combobox",
    "radio",
    "checkbox",
    "textbox",
    "application",
)


@pytest.fixture(params=enumerate(STUDIOS), ids=list(STUDIOS))
def studio(request, page):
    """Each studio in turn."""
    studio = page.locator(f".contract-{request.param[0]}")
    studio.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    return studio


def test_each_control_has_a_name_of_its_own(studio):
    lines = studio.aria_snapshot().splitlines()
    found, group = [], ""
    for line in lines:
        role, name = re.match(r'\s*- (?:\'|")?(\w+)(?: "((?:[^"\\]|\\.)*)")?', line).groups()
        if role in ("group", "radiogroup"):
            group = name
        if role in ROLES:
            assert name and name.strip(), line
            found.append((role, name, group if role == "radio" else ""))
    assert found and len(found) == len(set(found)), found


def test_one_radio_button_of_each_group_is_chosen(studio):
    """Also where other studios on the page have radio buttons; none, while a question is open."""
    is_question = studio.evaluate("node => node.matches('.vae-predict')")
    for group in studio.get_by_role("radiogroup").all():
        chosen = group.locator("input:checked").count()
        assert chosen == (0 if is_question else 1), group.get_attribute("aria-label")


def test_keys_move_each_slider(studio, page):
    handles = studio.get_by_role("slider")
    for k in range(handles.count()):
        handle, values = handles.nth(k), set()
        handle.focus()
        for key in ("Home", "ArrowRight", "ArrowUp", "End"):
            page.keyboard.press(key)
            page.wait_for_timeout(100)
            names = ("aria-valuenow", "aria-valuetext")
            values.add(tuple(map(handle.get_attribute, names)))
        assert len(values) > 1, handle.get_attribute("aria-label")


# 524 and 244 pixels for a studio, as on windows of 640 and 360 without the list of files
@pytest.mark.parametrize("width", [956, 676], ids=["at 200 %", "telephone"])
def test_nothing_is_cut_off_on_a_small_screen(studio, page, width):
    with window_of(page, width):
        check_fits(studio)
