"""The slider over models in JupyterLab, in a real Chromium: by keyboard, by mouse, by its buttons."""

import io

import numpy as np
import pytest
from helpers.browser import drag, open_unsaved, shown
from PIL import Image
from playwright.sync_api import expect

from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.base import Part, describe
from tutorial_utils.studios.beta import beta_panels
from tutorial_utils.training import local_seed

pytestmark = pytest.mark.browser
MAKE = """
data, models = load_images("digits"), {}
with local_seed(0):
    for dim in (2, 6):
        for beta in (0, 1e-7, 0.01, 0.1, 0.5, 1, 2, 12):
            models[dim, beta] = VAE(mlp([64, 2 * dim]), mlp([dim, 64], out_shape=(1, 8, 8)), latent_dim=dim)
scores = {key: {"recon_loss": 40.0 + k, "kl": 2.0**k} for k, key in enumerate(models)}
panels = beta_panels(models, scores, data.x_test, data.y_test)
"""
SOURCE = f"""
from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.beta import beta_panels
from tutorial_utils.studios.model_slider import model_slider
from tutorial_utils.training import local_seed
{MAKE}
model_slider("β", panels, start="0.5")
"""

COUNT_ADDRESSES = """() => {
  [window.made, window.givenBack] = [0, 0];
  const [make, giveBack] = [URL.createObjectURL, URL.revokeObjectURL];
  URL.createObjectURL = blob => (made++, make.call(URL, blob));
  URL.revokeObjectURL = url => (givenBack++, giveBack.call(URL, url));
}"""


@pytest.fixture(scope="module")
def panels() -> dict[str, list[Part]]:
    """The panels that the notebook makes, made here."""
    names = {
        "load_images": load_images,
        "VAE": VAE,
        "mlp": mlp,
        "beta_panels": beta_panels,
        "local_seed": local_seed,
    }
    exec(MAKE, names)
    return names["panels"]


@pytest.fixture(scope="module")
def page(lab, chromium):
    """A notebook with the slider as its only output."""
    page = open_unsaved(chromium, lab, "slider", SOURCE, ".vae-slider .vae-part img")
    yield page
    page.close()


@pytest.fixture
def slider(page):
    slider = page.locator(".vae-slider")
    slider.scroll_into_view_if_needed()
    return slider


def same_panel(slider, panels, label: str) -> None:
    """Wait for the panel of the label; then all its pictures and texts are on the page, and its numbers are said."""
    parts = [describe(part) for part in panels[label]]
    pngs = [part["png"] for part in parts if "png" in part]
    expect(slider.locator("svg.vae-broad .vae-verdict")).to_have_text(f"● ■ β = {label}")
    slider.page.wait_for_timeout(300)  # and it stays
    assert slider.locator(".widget-readout").inner_text() == label
    for k, png in zip((1, 2, 3, 6, 7), pngs, strict=True):
        assert (
            shown(slider.locator(".vae-part").nth(k))
            == np.asarray(Image.open(io.BytesIO(png))).astype(int)
        ).all()
    assert slider.locator(".vae-title").all_inner_texts() == [part["title"] for part in parts]
    expect(slider.get_by_role("status")).to_contain_text(f"β = {label}. ")


def test_keys_move_it(page, slider, panels):
    same_panel(slider, panels, "0.5")
    handle = slider.locator(".noUi-handle")
    handle.focus()
    for key, label in (("ArrowRight", "1"), ("ArrowLeft", "0.5"), ("ArrowLeft", "0.1")):
        page.keyboard.press(key)
        same_panel(slider, panels, label)
    assert (
        handle.evaluate(
            "node => node === document.activeElement && node.dataset.lmSuppressShortcuts"
        )
        == "true"
    )


def test_the_last_of_many_fast_moves_is_shown(page, slider, panels):
    track, handle = slider.locator(".noUi-target"), slider.locator(".noUi-handle")
    left, width = (track.bounding_box()[key] for key in ("x", "width"))
    box = handle.bounding_box()
    grip = (box["x"] + box["width"] / 2 - left) / width
    drag(page, track, (grip, 0.5), (0.98, 0.5))
    same_panel(slider, panels, "12")
    page.evaluate(COUNT_ADDRESSES)
    handle.focus()
    for key in ["ArrowLeft"] * 7 + ["ArrowRight"] * 5 + ["ArrowLeft"] * 4:
        page.keyboard.press(key)
    same_panel(slider, panels, "1e-7")
    made, given_back = page.evaluate("[made, givenBack]")
    assert (
        made == given_back and made >= 2 * 5
    )  # each new picture's address took the place of an old one's


def test_buttons_move_it(page, slider, panels):
    slider.get_by_role("button", name="▶").click()
    same_panel(slider, panels, "0.01")
    slider.get_by_role("button", name="◀").click()
    same_panel(slider, panels, "1e-7")


@pytest.mark.parametrize("width", [1260, 780])
def test_nothing_is_cut_off_or_scrolls_sideways(width, page, slider):
    size = page.viewport_size
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(400)
    fits = """root => [root, ...root.querySelectorAll('.vae-part, .vae-part img, .vae-part text, .widget-play')].every(
      node => node.getBoundingClientRect().right <= root.getBoundingClientRect().right + 1)"""
    assert slider.evaluate(fits)
    area = slider.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')]").first
    assert area.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.set_viewport_size(size)


def test_our_code_raises_no_errors_in_the_page(page):
    assert page.complaints == []
