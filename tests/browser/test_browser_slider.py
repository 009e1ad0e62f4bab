"""The slider over models (notebook 05) in a real Chromium: by keyboard, mouse and buttons."""

import pytest
from helpers.browser import check_fits, drag, keeps_its_keys, on_page, png_on_page, press, window_of
from playwright.sync_api import expect

from tutorial_utils.studios.base import describe

pytestmark = pytest.mark.browser
SETUP = """
from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.beta_panels import beta_panels
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.training import local_seed

data, models = load_images("digits"), {}
with local_seed(0):
    for dim in (2, 6):
        for beta in (0, 1e-7, 0.01, 0.1, 0.5, 1, 2, 12):
            decoder = mlp([dim, 64], out_shape=(1, 8, 8))
            models[dim, beta] = VAE(mlp([64, 2 * dim]), decoder, latent_dim=dim)
scores = {key: {"recon_loss": 40.0 + k, "kl": 2.0**k} for k, key in enumerate(models)}
panels = beta_panels(models, scores, data.x_test, data.y_test)
"""
SHOW = 'model_slider("β", panels, start="0.5")'
STUDIO, READY = ".vae-slider", ".vae-part img"
COUNT_ADDRESSES = """() => {
  [window.made, window.givenBack] = [0, 0];
  const [make, giveBack] = [URL.createObjectURL, URL.revokeObjectURL];
  URL.createObjectURL = blob => (made++, make.call(URL, blob));
  URL.revokeObjectURL = url => (givenBack++, giveBack.call(URL, url));
}"""


def check_panel(studio, made, label: str) -> None:
    """Wait for the panel of the label; then its pictures, texts and numbers are on the page."""
    parts = [describe(part) for part in made["panels"][label]]
    pngs = [part["png"] for part in parts if "png" in part]
    expect(studio.locator("svg.vae-broad .vae-verdict")).to_have_text(f"● ■ β = {label}")
    studio.page.wait_for_timeout(300)  # and it stays
    assert studio.locator(".widget-readout").inner_text() == label
    for k, png in zip((1, 2, 3, 6, 7), pngs, strict=True):
        assert png_on_page(studio.locator(".vae-part").nth(k)) == png
    assert studio.locator(".vae-title").all_inner_texts() == [part["title"] for part in parts]
    expect(studio.get_by_role("status")).to_contain_text(f"β = {label}. ")


def test_keys_move_it(page, studio, made):
    check_panel(studio, made, "0.5")
    handle = studio.locator(".noUi-handle")
    handle.focus()
    for key, label in (("ArrowRight", "1"), ("ArrowLeft", "0.5"), ("ArrowLeft", "0.1")):
        press(page, key)
        check_panel(studio, made, label)
    assert keeps_its_keys(handle)


def test_the_last_of_many_fast_moves_is_shown(page, studio, made):
    track, handle = studio.locator(".noUi-target"), studio.locator(".noUi-handle")
    box = track.bounding_box()
    grip = (on_page(handle, (0.5, 0.5))[0] - box["x"]) / box["width"]
    drag(page, track, (grip, 0.5), (0.98, 0.5))
    check_panel(studio, made, "12")
    page.evaluate(COUNT_ADDRESSES)
    handle.focus()
    for key, times in (("ArrowLeft", 7), ("ArrowRight", 5), ("ArrowLeft", 4)):
        press(page, key, times)
    check_panel(studio, made, "1e-7")
    new, given_back = page.evaluate("[made, givenBack]")
    assert new == given_back and new >= 2 * 5  # each new picture took the place of an old one


def test_buttons_move_it(studio, made):
    studio.get_by_role("button", name="▶").click()
    check_panel(studio, made, "0.01")
    studio.get_by_role("button", name="◀").click()
    check_panel(studio, made, "1e-7")


@pytest.mark.parametrize("width", [1260, 780])
def test_it_fits(width, page, studio):
    with window_of(page, width):
        check_fits(studio)
