"""Interpolation (notebook 04) and posterior explorer (02) in a real Chromium: hand and keyboard."""

import re
from pathlib import Path

import pytest
import torch
from helpers.browser import (
    drag,
    is_focused,
    move_and_compare,
    on_page,
    press,
    shown,
    wait_until_equal,
)
from helpers.morph import ends_of, painted, t_of
from helpers.widgets import code_in

from tutorial_utils.latent import great_circle, straight_line
from tutorial_utils.models import decode_images
from tutorial_utils.studios.posterior import fixed_eps, image_row

pytestmark = pytest.mark.browser
SETUP = """
from tutorial_utils.data import load_images
from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.studios.posterior import posterior_explorer
from tutorial_utils.training import local_seed

data, model = load_images("mnist"), load_pretrained("vae_2d")
with local_seed(0):
    untrained = Autoencoder(mlp([784, 16, 2]), mlp([2, 16, 784], out_shape=(1, 28, 28)))
    judge = mlp([784, 10])
"""
SHOW = """
import os, tempfile
from IPython.display import display
os.chdir(tempfile.mkdtemp())
display(interpolation_studio(model, data.x_test, data.y_test, other=untrained, judge=judge))
display(posterior_explorer(model, untrained, data.x_test[:500], data.y_test[:500]))
"""
STUDIO, READY = ".vae-studio", ".vae-chart svg"


# ---- interpolation ----


def test_two_models_by_keyboard(page, studio, made):
    picture, other = studio.locator(".vae-picture").nth(0), studio.locator(".vae-picture").nth(1)
    charts = studio.locator(".vae-chart svg[role]")
    path = straight_line

    def expected() -> torch.Tensor:
        return painted(studio, made["model"], made["data"].x_test, path)

    def cursors() -> set[float]:
        marks = studio.locator(".vae-cursor [style*=left]")
        styles = [marks.nth(k).get_attribute("style") for k in (0, 1)]
        return {float(re.search(r"left: ([\d.]+)%", style)[1]) for style in styles}

    wait_until_equal(picture, expected, page)
    field = studio.get_by_role("spinbutton").first

    def choose() -> None:
        field.focus()
        press(page, "Control+a")
        page.keyboard.type("1234")
        press(page, "Enter")

    move_and_compare(choose, picture, expected, page)
    assert "test image 1234" in studio.locator(".vae-end-picture img").first.get_attribute("alt")
    studio.get_by_role("radio", name="line").focus()
    path = great_circle
    move_and_compare(lambda: press(page, "ArrowRight"), picture, expected, page)
    assert studio.get_by_role("radio", name="circle").is_checked()
    before = shown(other)
    drawn = [charts.nth(k).inner_html() for k in (0, 1)]
    assert cursors() == {50.0}

    def move() -> None:
        studio.locator(".noUi-handle").focus()
        press(page, "ArrowRight", 30)

    move_and_compare(move, picture, expected, page)
    assert (shown(other) != before).any() and cursors() == {round(100 * (0.5 + 8 * 0.8) / 9, 2)}
    assert drawn == [charts.nth(k).inner_html() for k in (0, 1)]
    assert studio.locator(".vae-plane .vae-cross.vae-path").count() == 2


def test_an_animation_is_saved(page, studio):
    studio.get_by_role("button", name="Save GIF").focus()
    press(page, "Space")
    saved = studio.get_by_text(re.compile("Saved as .*_circle.gif"))
    saved.wait_for(timeout=10_000)
    file = Path(saved.inner_text().removeprefix("Saved as "))
    assert file.read_bytes()[:3] == b"GIF"


def test_pixels_are_faded_in_one_column(page, studio, made):
    a, b = ends_of(studio, made["data"].x_test)
    pictures = studio.locator(".vae-picture")

    def expected() -> torch.Tensor:
        return torch.lerp(a, b, t_of(studio))[0]

    radio = studio.get_by_role("radio", name="pixels")
    move_and_compare(radio.check, pictures.first, expected, page)
    assert [picture.is_visible() for picture in pictures.all()] == [True, False]
    assert not any(plane.is_visible() for plane in studio.locator(".vae-plane").all())
    assert "cross-fade of pixels" in pictures.first.locator("img").get_attribute("alt")
    studio.get_by_role("radio", name="line").check()
    studio.locator(".vae-plane").nth(1).wait_for(timeout=5000)


# ---- the posterior explorer ----


@pytest.fixture
def explorer(page):
    explorer = page.locator(".vae-explorer")
    explorer.scroll_into_view_if_needed()
    return explorer


@pytest.fixture
def plane(explorer):
    """The map on which q(z|x) can be moved."""
    return explorer.locator(".vae-plane").first


def posterior(plane) -> tuple[list[float], list[float]]:
    """mu and std, as the map says them."""
    text = plane.get_attribute("aria-valuetext")
    return code_in(text, "mu"), code_in(text, "std")


@pytest.fixture
def act(page, explorer, plane, made):
    """A function: act, and compare the samples with those of the posterior on the map."""
    samples = explorer.locator(".vae-strip").first

    def expected() -> torch.Tensor:
        mu, std = map(torch.tensor, posterior(plane))
        return image_row(decode_images(made["model"], (mu + std * fixed_eps())[:8]))

    wait_until_equal(samples, expected, page)
    return lambda what: move_and_compare(what, samples, expected, page)


def grab(plane, handle: int, right: float, up: float) -> None:
    """Drag the middle of a handle by shares of the map."""
    x, y = on_page(plane.locator(".vae-handle").nth(handle), (0.5, 0.5))
    box = plane.bounding_box()
    at = (x - box["x"]) / box["width"], (y - box["y"]) / box["height"]
    drag(plane.page, plane, at, (at[0] + right, at[1] - up))


def test_the_posterior_by_mouse_and_by_keyboard(page, explorer, plane, act):
    extent = float(plane.get_attribute("aria-valuemax"))
    start, (_, first_std) = plane.get_attribute("aria-valuetext"), posterior(plane)
    act(lambda: drag(page, plane, (0.3, 0.3), (0.6, 0.45)))
    mu, std = posterior(plane)
    assert mu == pytest.approx([0.2 * extent, 0.1 * extent], abs=0.05) and std == first_std
    for handle, direction in ((0, (0.1, 0)), (1, (0, 0.1))):
        grab(plane, handle, 0, 0)  # a press alone changes nothing
        page.wait_for_timeout(300)
        assert posterior(plane) == (mu, std)
        act(lambda handle=handle, direction=direction: grab(plane, handle, *direction))
        wider = std[handle] + 0.2 * extent
        std[handle] = posterior(plane)[1][handle]
        assert std[handle] == pytest.approx(wider, abs=0.05) and posterior(plane) == (mu, std)
    assert is_focused(plane)
    act(lambda: press(page, "Shift+ArrowLeft"))
    assert posterior(plane)[0] == pytest.approx([mu[0] - 0.1 * extent, mu[1]], abs=1e-3)
    for axis in (0, 1):
        explorer.locator(".noUi-handle").nth(axis).focus()
        act(lambda: press(page, "ArrowLeft"))
        assert posterior(plane)[1][axis] == pytest.approx(std[axis] / 10**0.05, rel=0.06)
    assert "higher than the encoder" in plane.get_attribute("aria-valuetext")
    act(explorer.get_by_role("button", name="The encoder’s answer").click)
    assert plane.get_attribute("aria-valuetext") == start
    act(explorer.get_by_role("button", name=re.compile("^Another")).click)
    text = plane.get_attribute("aria-valuetext")
    assert "are equal" in text and text != start


def test_the_map_beside_it_is_passive(page, explorer):
    other = explorer.locator(".vae-plane").nth(1)
    before = other.get_attribute("aria-label"), other.inner_html()
    other.click(position={"x": 50, "y": 60})
    page.wait_for_timeout(300)
    assert (other.get_attribute("aria-label"), other.inner_html()) == before
    assert "code = (" in before[0]
    assert other.get_attribute("role") == "img" and other.get_attribute("tabindex") is None
    assert other.evaluate("node => getComputedStyle(node).cursor") == "default"
    assert other.locator(".vae-dot").count() == 8
