"""The posterior explorer (notebook 02) in a real Chromium: by mouse and by keyboard."""

import re

import pytest
import torch
from helpers.browser import drag, is_focused, move_and_compare, on_page, press, wait_until_equal
from helpers.widgets import code_in

from tutorial_utils.models import decode_images
from tutorial_utils.studios.posterior import fixed_eps, image_row

pytestmark = pytest.mark.browser
SETUP = """
from tutorial_utils.data import load_images
from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.studios.posterior import posterior_explorer
from tutorial_utils.training import local_seed

data, model = load_images("mnist"), load_pretrained("vae_2d")
with local_seed(0):
    untrained = Autoencoder(mlp([784, 16, 2]), mlp([2, 16, 784], out_shape=(1, 28, 28)))
"""
SHOW = "posterior_explorer(model, untrained, data.x_test[:500], data.y_test[:500])"
STUDIO, READY = ".vae-explorer", ".vae-strip img"


@pytest.fixture
def plane(studio):
    """The map on which q(z|x) can be moved."""
    return studio.locator(".vae-plane").first


def posterior(plane) -> tuple[list[float], list[float]]:
    """mu and std, as the map says them."""
    text = plane.get_attribute("aria-valuetext")
    return code_in(text, "mu"), code_in(text, "std")


@pytest.fixture
def act(page, studio, plane, made):
    """A function: act, and compare the samples with those of the posterior on the map."""
    samples = studio.locator(".vae-strip").first

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


def test_the_posterior_by_mouse_and_by_keyboard(page, studio, plane, act):
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
        studio.locator(".noUi-handle").nth(axis).focus()
        act(lambda: press(page, "ArrowLeft"))
        assert posterior(plane)[1][axis] == pytest.approx(std[axis] / 10**0.05, rel=0.06)
    assert "higher than the encoder" in plane.get_attribute("aria-valuetext")
    act(studio.get_by_role("button", name="The encoder’s answer").click)
    assert plane.get_attribute("aria-valuetext") == start
    act(studio.get_by_role("button", name=re.compile("^Another")).click)
    text = plane.get_attribute("aria-valuetext")
    assert "are equal" in text and text != start


def test_the_map_beside_it_is_passive(page, studio):
    other = studio.locator(".vae-plane").nth(1)
    before = other.get_attribute("aria-label"), other.inner_html()
    other.click(position={"x": 50, "y": 60})
    page.wait_for_timeout(300)
    assert (other.get_attribute("aria-label"), other.inner_html()) == before
    assert "code = (" in before[0]
    assert other.get_attribute("role") == "img" and other.get_attribute("tabindex") is None
    assert other.evaluate("node => getComputedStyle(node).cursor") == "default"
    assert other.locator(".vae-dot").count() == 8
