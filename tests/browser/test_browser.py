"""JupyterLab as `make lab` starts it, in a real Chromium: notebooks are run, dragged, and typed into."""

import re
from pathlib import Path

import pytest
import torch
from helpers.browser import (
    TOKEN,
    drag,
    listen,
    move_and_compare,
    numbers,
    open_unsaved,
    shown,
    wait_until_equal,
)
from playwright.sync_api import expect

from tutorial_utils.latent import great_circle, morph, straight_line
from tutorial_utils.models import decode_images, encode_image
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.studios.posterior import fixed_eps, image_row

pytestmark = pytest.mark.browser
EXPLORER = """
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.data import load_images
from tutorial_utils.studios.posterior import posterior_explorer
from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.training import local_seed
data = load_images("mnist")
with local_seed(0):
    untrained = Autoencoder(mlp([784, 16, 2]), mlp([2, 16, 784], out_shape=(1, 28, 28)))
posterior_explorer(load_pretrained("vae_2d"), untrained, data.x_test[:500], data.y_test[:500])
"""
STUDIO = """
import os, tempfile
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.data import load_images
from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.training import local_seed
os.chdir(tempfile.mkdtemp())
data, model = load_images("mnist"), load_pretrained("vae_2d")
with local_seed(0):
    untrained = Autoencoder(mlp([784, 16, 2]), mlp([2, 16, 784], out_shape=(1, 28, 28)))
    judge = mlp([784, 10])
interpolation_studio(model, data.x_test, data.y_test, other=untrained, judge=judge)
"""


@pytest.fixture(scope="module")
def page(lab, chromium):
    """Notebook 00, opened by the address that `make lab` prints, with all cells run from the menu."""
    printed = re.search(r"http://localhost:\d+(/lab\S*)\?token=", lab.log.read_text())
    assert printed, f"`make lab` printed no address:\n{lab.log.read_text()[-2000:]}"
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    listen(page)
    page.goto(f"{lab.address}{printed[1]}?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    page.wait_for_timeout(4000)  # what pops up, pops up a moment after the notebook is there
    page.pop_ups = page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    for _ in range(120):  # JupyterLab draws a cell when it comes near the window
        page.mouse.move(760, 600)
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(500)
        if page.locator(".vae-studio").count() and page.locator(".vae-plane").count():
            break
    yield page
    page.close()


@pytest.fixture(scope="module")
def studio_page(lab, chromium):
    """A notebook with the studio of two models and a judge as its only output."""
    page = open_unsaved(chromium, lab, "studio", STUDIO, ".vae-studio .vae-chart svg")
    yield page
    page.close()


@pytest.fixture(scope="module")
def explorer_page(lab, chromium):
    """A notebook with the posterior explorer as its only output."""
    page = open_unsaved(chromium, lab, "explorer", EXPLORER, ".vae-explorer .vae-strip img")
    yield page
    page.close()


def test_nothing_pops_up(page):
    assert page.pop_ups == []
    assert page.locator(".jp-Dialog").count() == 0
    assert "Python 3" in page.locator(".jp-Toolbar-kernelName").first.inner_text()


def test_slider_by_mouse_and_by_keyboard(page, mnist):
    studio = page.locator(".vae-studio")
    studio.scroll_into_view_if_needed()
    picture, handle = studio.locator(".vae-picture"), studio.locator(".noUi-handle")

    def t() -> float:
        return float(studio.locator(".widget-readout").inner_text())

    def expected() -> torch.Tensor:
        return painted(studio, mnist, straight_line, t())

    expect(
        studio.locator(".widget-readout")
    ).not_to_be_empty()  # the page writes it a moment after the slider is there
    wait_until_equal(picture, expected, page)
    track = studio.locator(".noUi-target")
    move_and_compare(lambda: drag(page, track, (0.5, 0.5), (0.8, 0.5)), picture, expected, page)
    assert 0.7 < t() < 0.9
    for key, direction in (("ArrowLeft", -1), ("ArrowRight", 1)):
        before = t()

        def press(key=key):
            handle.focus()
            for _ in range(12):
                page.keyboard.press(key)

        move_and_compare(press, picture, expected, page)
        assert direction * (t() - before) > 0.05
    assert f"t = {t():.2f}" in studio.locator(".vae-label").first.inner_text()
    button = studio.get_by_role("button", name=re.compile("^Another")).first
    move_and_compare(button.click, picture, expected, page)


def painted(studio, mnist, path, t: float) -> torch.Tensor:
    """What the shipped model paints at t on a path between the two test images that the studio's page names."""
    model = load_pretrained("vae_2d")
    ends = [re.search(r"test image (\d+)", alt)[1] for alt in
            (studio.locator(".vae-end-picture img").nth(k).get_attribute("alt") for k in (0, 1))]  # fmt: skip
    z_a, z_b = (encode_image(model, mnist.x_test[int(index)]) for index in ends)
    return morph(model, z_a, z_b, t, path=path)


def test_studio_of_two_models_by_keyboard_alone(studio_page, mnist):
    page, studio = studio_page, studio_page.locator(".vae-studio")
    picture, other = studio.locator(".vae-picture").nth(0), studio.locator(".vae-picture").nth(1)
    path = straight_line

    def expected() -> torch.Tensor:
        return painted(studio, mnist, path, float(studio.locator(".widget-readout").inner_text()))

    def cursors() -> set[float]:
        lefts = [
            studio.locator(".vae-cursor [style*=left]").nth(k).get_attribute("style")
            for k in (0, 1)
        ]
        return {float(re.search(r"left: ([\d.]+)%", left)[1]) for left in lefts}

    wait_until_equal(picture, expected, page)
    field = studio.get_by_role("spinbutton").first

    def choose() -> None:
        field.focus()
        page.keyboard.press("Control+a")
        page.keyboard.type("1234")
        page.keyboard.press("Enter")

    move_and_compare(choose, picture, expected, page)
    assert "test image 1234" in studio.locator(".vae-end-picture img").first.get_attribute("alt")
    studio.get_by_role("radio", name="line").focus()
    page.keyboard.press("Tab")
    path = great_circle
    move_and_compare(lambda: page.keyboard.press("Space"), picture, expected, page)
    assert studio.get_by_role("radio", name="circle").is_checked()
    before, charts = (
        shown(other),
        [studio.locator(".vae-chart svg[role]").nth(k).inner_html() for k in (0, 1)],
    )
    assert cursors() == {50.0}

    def press() -> None:
        studio.locator(".noUi-handle").focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")

    move_and_compare(press, picture, expected, page)
    assert (shown(other) != before).any() and cursors() == {round(100 * (0.5 + 8 * 0.8) / 9, 2)}
    assert charts == [studio.locator(".vae-chart svg[role]").nth(k).inner_html() for k in (0, 1)]
    assert studio.locator(".vae-plane .vae-cross.vae-path").count() == 2
    studio.get_by_role("button", name="Save GIF").focus()
    page.keyboard.press("Space")
    saved = studio.get_by_text(re.compile("Saved as .*_circle.gif"))
    saved.wait_for(timeout=10_000)
    file = Path(saved.inner_text().removeprefix("Saved as "))
    assert file.read_bytes()[:3] == b"GIF"


def test_studio_fades_pixels_in_one_column(studio_page, mnist):
    page, studio = studio_page, studio_page.locator(".vae-studio")
    alt = studio.locator(".vae-end-picture img")
    a, b = (
        mnist.x_test[int(re.search(r"test image (\d+)", alt.nth(k).get_attribute("alt"))[1])]
        for k in (0, 1)
    )

    def expected() -> torch.Tensor:
        t = float(studio.locator(".widget-readout").inner_text())
        return (1 - t) * a[0] + t * b[0]

    radio = studio.get_by_role("radio", name="pixels")
    move_and_compare(radio.check, studio.locator(".vae-picture").first, expected, page)
    assert [part.is_visible() for part in studio.locator(".vae-picture").all()] == [True, False]
    assert not any(part.is_visible() for part in studio.locator(".vae-plane").all())
    assert "cross-fade of pixels" in studio.locator(".vae-picture img").first.get_attribute("alt")
    studio.get_by_role("radio", name="line").check()
    studio.locator(".vae-plane").nth(1).wait_for(timeout=5000)


def test_pad_by_mouse_and_by_keyboard(page):
    model, pad = load_pretrained("vae_2d"), page.locator(".vae-pad")
    pad.scroll_into_view_if_needed()
    plane, picture = pad.locator(".vae-plane"), pad.locator(".vae-picture")

    def code() -> list[float]:
        return numbers(plane.get_attribute("aria-valuetext"))

    def expected() -> torch.Tensor:
        return decode_images(model, torch.tensor([code()]))[0]

    wait_until_equal(picture, expected, page)
    width = plane.bounding_box()["width"]
    click = {"position": {"x": 0.25 * width, "y": 0.25 * width}}
    move_and_compare(lambda: plane.click(**click), picture, expected, page)
    assert code() == pytest.approx(
        [-1.75, 1.75], abs=0.05
    )  # a quarter of the map from its left and from its top
    move_and_compare(lambda: drag(page, plane, (0.4, 0.4), (0.75, 0.8)), picture, expected, page)
    assert code() == pytest.approx([1.75, -2.1], abs=0.05)
    move_and_compare(lambda: drag(page, plane, (0.5, 0.5), (1.4, 0.5)), picture, expected, page)
    assert code()[0] == 3.5  # dragged over the edge, it stays on the map
    move_and_compare(lambda: page.keyboard.press("Home"), picture, expected, page)
    assert code() == [0, 0]
    for key, place in (
        ("ArrowRight", [0.35, 0]),
        ("ArrowUp", [0.35, 0.35]),
        ("ArrowLeft", [0, 0.35]),
    ):
        move_and_compare(
            lambda key=key: page.keyboard.press(f"Shift+{key}"), picture, expected, page
        )
        assert code() == pytest.approx(place)
    move_and_compare(lambda: page.keyboard.press("ArrowDown"), picture, expected, page)
    assert code() == pytest.approx([0, 0.28])
    assert plane.evaluate("node => node === document.activeElement")


def test_explorer_by_mouse_and_by_keyboard(explorer_page):
    page, model = explorer_page, load_pretrained("vae_2d")
    explorer = page.locator(".vae-explorer")
    plane, samples = explorer.locator(".vae-plane").first, explorer.locator(".vae-strip").first
    extent = float(plane.get_attribute("aria-valuemax"))
    start = plane.get_attribute("aria-valuetext")

    def posterior() -> tuple[list[float], list[float]]:
        text = plane.get_attribute("aria-valuetext")
        return numbers(text, "mu"), numbers(text, "std")

    def expected() -> torch.Tensor:
        mu, std = map(torch.tensor, posterior())
        return image_row(decode_images(model, (mu + std * fixed_eps())[:8]))

    def act(what) -> None:
        move_and_compare(what, samples, expected, page)

    def grab(handle: int, right: float, up: float) -> None:
        """Drag the middle of a handle by shares of the map."""
        square, box = plane.locator(".vae-handle").nth(handle).bounding_box(), plane.bounding_box()
        at = [
            (square[a] + square[b] / 2 - box[a]) / box[b]
            for a, b in (("x", "width"), ("y", "height"))
        ]
        drag(page, plane, tuple(at), (at[0] + right, at[1] - up))

    wait_until_equal(samples, expected, page)
    act(lambda: drag(page, plane, (0.3, 0.3), (0.6, 0.45)))
    mu, std = posterior()
    assert mu == pytest.approx([0.2 * extent, 0.1 * extent], abs=0.05) and std == numbers(
        start, "std"
    )
    for handle, direction in ((0, (0.1, 0)), (1, (0, 0.1))):
        grab(handle, 0, 0)  # a press alone changes nothing
        page.wait_for_timeout(300)
        assert posterior() == (mu, std)
        act(lambda handle=handle, direction=direction: grab(handle, *direction))
        wider = std[handle] + 0.2 * extent
        std[handle] = posterior()[1][handle]
        assert std[handle] == pytest.approx(wider, abs=0.05) and posterior() == (mu, std)
    assert plane.evaluate("node => node === document.activeElement")
    act(lambda: page.keyboard.press("Shift+ArrowLeft"))
    assert posterior()[0] == pytest.approx([mu[0] - 0.1 * extent, mu[1]], abs=1e-3)
    for axis in (0, 1):
        explorer.locator(".noUi-handle").nth(axis).focus()
        act(lambda: page.keyboard.press("ArrowLeft"))
        assert posterior()[1][axis] == pytest.approx(std[axis] / 10**0.05, rel=0.06)
    assert "higher than the encoder" in plane.get_attribute("aria-valuetext")
    act(explorer.get_by_role("button", name="The encoder’s answer").click)
    assert plane.get_attribute("aria-valuetext") == start
    act(explorer.get_by_role("button", name=re.compile("^Another")).click)
    assert (
        "are equal" in plane.get_attribute("aria-valuetext")
        and plane.get_attribute("aria-valuetext") != start
    )


def test_the_map_beside_the_explorer_is_passive(explorer_page):
    other = explorer_page.locator(".vae-explorer .vae-plane").nth(1)
    before = other.get_attribute("aria-label"), other.inner_html()
    other.click(position={"x": 50, "y": 60})
    explorer_page.wait_for_timeout(300)
    assert (
        other.get_attribute("aria-label"),
        other.inner_html(),
    ) == before and "code = (" in before[0]
    assert other.get_attribute("role") == "img" and other.get_attribute("tabindex") is None
    assert other.evaluate("node => getComputedStyle(node).cursor") == "default"
    assert other.locator(".vae-dot").count() == 8


def test_our_code_raises_no_errors_in_the_page(page, explorer_page, studio_page):
    assert page.complaints == explorer_page.complaints == studio_page.complaints == []
