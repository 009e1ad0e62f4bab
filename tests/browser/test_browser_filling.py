"""The filling studio (notebook 09) in a real Chromium: the page shows what the functions give."""

import pytest
from helpers.browser import check_fits, is_focused, press, wait_until_equal
from playwright.sync_api import expect

from tutorial_utils.studios.filling import answers, answers_picture, observed_from, observed_picture

pytestmark = pytest.mark.browser
SETUP = """
from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.filling import filling_studio
from tutorial_utils.training import local_seed

x = (load_images("mnist", n_test=50).x_test > 0.5).float()
with local_seed(0):
    vae = VAE(mlp([784, 4]), mlp([2, 16, 784], out_shape=(1, 28, 28)), latent_dim=2).eval()
    judge = mlp([784, 10])
"""
SHOW = "filling_studio(vae, x, classifier=judge)"
STUDIO, READY = ".vae-filling", "figure img >> nth=1"


def check_studio(studio, made, index, count, side, seed, n_steps=16) -> None:
    """Wait for these controls; then pictures and words are those of the functions."""
    image, observed = made["x"][index], observed_from(side, count, (28, 28))
    words = f"{count} of 28 {'columns' if side in ('left', 'right') else 'rows'}, from the {side}"
    said = f"{words}. 8 answers after {n_steps} steps. Read as "
    expect(studio.get_by_role("status")).to_contain_text(said)
    figures = studio.locator("figure")
    assert figures.count() == 2
    expect(figures.first.locator("p")).to_have_text(words)
    images = answers(made["vae"], image, observed, 8, n_steps=n_steps, seed=seed)
    for figure, expected in (
        (figures.first, observed_picture(image[0], observed)),
        (figures.last, answers_picture(images, observed, 4)),
    ):
        wait_until_equal(figure, lambda expected=expected: expected, studio.page)


def test_filling_by_keyboard(page, studio, made):
    check_studio(studio, made, 0, 14, "top", 0)
    handle = studio.get_by_role("slider", name="rows seen", exact=True)
    handle.focus()
    press(page, "ArrowLeft", 3)
    check_studio(studio, made, 0, 11, "top", 0)
    assert is_focused(handle) and handle.get_attribute("aria-valuetext") == "11"
    studio.get_by_role("radio", name="right").press("Space")
    check_studio(studio, made, 0, 11, "right", 0)
    studio.get_by_role("button", name="New answers").press("Enter")
    check_studio(studio, made, 0, 11, "right", 1)
    studio.get_by_role("button", name="Next image").press("Enter")
    check_studio(studio, made, 1, 11, "right", 1)
    studio.get_by_role("radio", name="60").press("Space")
    check_studio(studio, made, 1, 11, "right", 1, n_steps=60)


@pytest.mark.parametrize("width", [1332, 1072, 852])
def test_it_fits(width, page, studio):
    check_fits(page, studio, width)
