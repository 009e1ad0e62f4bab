"""The interpolation studio of two models (notebook 04) in a real Chromium, by keyboard alone."""

import re
from pathlib import Path

import pytest
import torch
from helpers.browser import move_and_compare, press, shown, wait_until_equal
from helpers.morph import ends_of, painted, t_of

from tutorial_utils.latent import great_circle, straight_line

pytestmark = pytest.mark.browser
SETUP = """
from tutorial_utils.data import load_images
from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.training import local_seed

data, model = load_images("mnist"), load_pretrained("vae_2d")
with local_seed(0):
    untrained = Autoencoder(mlp([784, 16, 2]), mlp([2, 16, 784], out_shape=(1, 28, 28)))
    judge = mlp([784, 10])
"""
SHOW = """
import os, tempfile
os.chdir(tempfile.mkdtemp())
interpolation_studio(model, data.x_test, data.y_test, other=untrained, judge=judge)
"""
STUDIO, READY = ".vae-studio", ".vae-chart svg"


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
    press(page, "Tab")
    path = great_circle
    move_and_compare(lambda: press(page, "Space"), picture, expected, page)
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
