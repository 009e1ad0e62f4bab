"""Notebook 00 as `make lab` opens it, in a real Chromium: no pop-ups, and its two widgets."""

import re

import pytest
import torch
from helpers.browser import (
    drag,
    is_focused,
    listen,
    move_and_compare,
    press,
    wait_until_equal,
)
from helpers.lab import TOKEN, run_all_cells
from helpers.morph import ends_of, painted, t_of
from helpers.widgets import code_in, numbers
from playwright.sync_api import expect

from tutorial_utils.latent import side_by_side, straight_line
from tutorial_utils.models import decode_images, encode_image
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.studios.interpolation import mark_frame

pytestmark = pytest.mark.browser
PICTURE = ".vae-picture >> visible=true"  # of the chosen model


@pytest.fixture(scope="module")
def page(lab, chromium):
    """Notebook 00, opened by the address that `make lab` prints, with all cells run."""
    printed = re.search(r"http://localhost:\d+(/lab\S*)\?token=", lab.log.read_text())
    assert printed, f"`make lab` printed no address:\n{lab.log.read_text()[-2000:]}"
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    listen(page)
    page.goto(f"{lab.address}{printed[1]}?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    page.wait_for_timeout(4000)  # what pops up, pops up a moment after the notebook is there
    page.pop_ups = page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()
    run_all_cells(page)
    for widget in (".vae-studio .vae-picture", ".vae-plane"):
        page.wait_for_selector(widget, timeout=60_000, state="attached")
    running = page.locator(".jp-InputPrompt", has_text="[*]")
    expect(running).to_have_count(0, timeout=120_000)  # until then, no widget is answered
    yield page
    page.close()


def test_nothing_pops_up(page):
    assert page.pop_ups == []
    assert page.locator(".jp-Dialog").count() == 0
    assert "Python 3" in page.locator(".jp-Toolbar-kernelName").first.inner_text()


def test_slider_by_mouse_and_by_keyboard(page, mnist):
    studio, model = page.locator(".vae-studio"), load_pretrained("vae_2d")
    studio.scroll_into_view_if_needed()
    picture, handle = studio.locator(PICTURE).first, studio.locator(".noUi-handle")

    def expected() -> torch.Tensor:
        return painted(studio, model, mnist.x_test, straight_line)

    expect(studio.locator(".widget-readout")).not_to_be_empty()  # it comes after the slider
    wait_until_equal(picture, expected, page)
    track = studio.locator(".noUi-target")
    move_and_compare(lambda: drag(page, track, (0.5, 0.5), (0.8, 0.5)), picture, expected, page)
    assert 0.7 < t_of(studio) < 0.9
    for key, direction in (("ArrowLeft", -1), ("ArrowRight", 1)):
        before = t_of(studio)

        def move(key=key) -> None:
            handle.focus()
            press(page, key, 12)

        move_and_compare(move, picture, expected, page)
        assert direction * (t_of(studio) - before) > 0.05
    assert f"t = {t_of(studio):.2f}" in studio.locator(".vae-label").first.inner_text()
    button = studio.get_by_role("button", name=re.compile("^Another")).first
    move_and_compare(button.click, picture, expected, page)


def test_the_model_is_chosen_by_keyboard_and_the_walk_follows(page, mnist):
    studio = page.locator(".vae-studio")
    studio.scroll_into_view_if_needed()
    picture, strip = studio.locator(PICTURE).first, studio.locator(".vae-strip >> visible=true")
    group = studio.get_by_role("radiogroup", name="model")
    assert group.get_by_role("radio", name="2 numbers", exact=True).is_checked()
    for key, label, name in (
        ("ArrowRight", "20 numbers", "vae_20d"),
        ("ArrowLeft", "2 numbers", "vae_2d"),
    ):
        model = load_pretrained(name)

        def expected(model=model) -> torch.Tensor:
            return painted(studio, model, mnist.x_test, straight_line)

        def choose(key=key) -> None:
            group.locator("input:checked").focus()
            press(page, key)

        def move() -> None:
            studio.locator(".noUi-handle").focus()
            press(page, "ArrowLeft", 12)

        move_and_compare(choose, picture, expected, page)
        assert group.get_by_role("radio", name=label, exact=True).is_checked()
        move_and_compare(move, picture, expected, page)
        codes = [encode_image(model, image) for image in ends_of(studio, mnist.x_test)]
        images = decode_images(model, straight_line(*codes, torch.linspace(0, 1, 9)))
        marked = mark_frame(side_by_side(images), round(8 * t_of(studio)))
        wait_until_equal(strip, lambda marked=marked: marked, page)
        point = straight_line(*codes, torch.tensor([t_of(studio)]))[0]
        said = numbers(studio.locator(".vae-label >> visible=true").first.inner_text())
        assert said[1:3] == pytest.approx(point[:2].tolist(), abs=0.006)


def test_pad_by_mouse_and_by_keyboard(page):
    model, pad = load_pretrained("vae_2d"), page.locator(".vae-pad")
    pad.scroll_into_view_if_needed()
    plane, picture = pad.locator(".vae-plane"), pad.locator(".vae-picture")

    def code() -> list[float]:
        return code_in(plane.get_attribute("aria-valuetext"))

    def after(act) -> list[float]:
        """Act, compare the picture with the decoded image of the code; returns the code."""
        move_and_compare(act, picture, expected, page)
        return code()

    def expected() -> torch.Tensor:
        return decode_images(model, torch.tensor([code()]))[0]

    wait_until_equal(picture, expected, page)
    width = plane.bounding_box()["width"]
    a_quarter = {"x": 0.25 * width, "y": 0.25 * width}  # from the left and from the top
    assert after(lambda: plane.click(position=a_quarter)) == pytest.approx([-1.75, 1.75], abs=0.05)
    dragged = after(lambda: drag(page, plane, (0.4, 0.4), (0.75, 0.8)))
    assert dragged == pytest.approx([1.75, -2.1], abs=0.05)
    over_the_edge = after(lambda: drag(page, plane, (0.5, 0.5), (1.4, 0.5)))
    assert over_the_edge[0] == 3.5  # it stays on the map
    assert after(lambda: press(page, "Home")) == [0, 0]
    for key, place in (
        ("Shift+ArrowRight", [0.35, 0]),
        ("Shift+ArrowUp", [0.35, 0.35]),
        ("Shift+ArrowLeft", [0, 0.35]),
        ("ArrowDown", [0, 0.28]),
    ):
        assert after(lambda key=key: press(page, key)) == pytest.approx(place)
    assert is_focused(plane)
