"""The blur studio (notebook 06) in a real Chromium: the page shows what the functions give."""

import pytest
from helpers.browser import check_fits, difference, keeps_its_keys, press
from playwright.sync_api import expect

from tutorial_utils.studios.blur import blur_state, start_blur

pytestmark = pytest.mark.browser
SETUP = """
from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.blur import blur_studio
from tutorial_utils.training import local_seed

x = load_images("mnist", n_test=50).x_test

def make(seed):
    with local_seed(seed):
        decoder = mlp([2, 16, 784], out_shape=(1, 28, 28))
        return VAE(mlp([784, 4]), decoder, latent_dim=2).eval()

def mean(params):
    return params.sigmoid()

def sample(params, t):
    return mean(params) + t * 0.2 * params.new_empty(params.shape).normal_()

def wide_sample(params, t):
    return sample(params, 2 * t)

likelihoods = {"narrow": (make(0), mean, sample), "wide": (make(1), mean, wide_sample)}
"""
SHOW = "blur_studio(likelihoods, x)"
STUDIO, READY = ".vae-blur", ".vae-part img"


def check_studio(studio, made, name, index, t, *, source="posterior", seed=0) -> None:
    """Wait for the noise t; then pictures, numbers and chart are those of the functions."""
    likelihood = made["likelihoods"][name]
    start = start_blur(likelihood, made["x"][index : index + 1], source=source)
    state = blur_state(likelihood, start, t, seed=seed)
    numbers = ", ".join(f"{which} {part.sharpness:.2f}" for which, part in state.items())
    said = f"{name}, t = {t:.2f}. Sharpness: {numbers}."
    expect(studio.get_by_role("status")).to_contain_text(said)
    expect(studio.locator(".widget-readout")).to_have_text(f"{t:.2f}")
    figures = studio.locator(".vae-part.vae-square")
    assert figures.count() == 3
    for figure, (which, part) in zip(figures.all(), state.items(), strict=True):
        assert difference(figure, part.image[0].clamp(0, 1)) <= 1.01
        beneath = figure.locator(".vae-beneath").inner_text().replace("\N{NO-BREAK SPACE}", " ")
        sharpness, share = beneath.split("\n")[:2]
        assert sharpness == f"sharpness {part.sharpness:.2f}"
        assert share == f"high frequency {100 * part.share:.1f} %"
        expect(studio.locator("svg.vae-broad")).to_contain_text(f"{which} {part.sharpness:.2f}")


def test_keys_change_the_noise_and_the_same_noise_stays(page, studio, made):
    check_studio(studio, made, "narrow", 0, 1.0)
    handle = studio.locator(".noUi-handle")
    handle.focus()
    for key, times, t in (("ArrowLeft", 8, 0.6), ("Home", 1, 0.0), ("End", 1, 1.5)):
        press(page, key, times)
        check_studio(studio, made, "narrow", 0, t)
    assert keeps_its_keys(handle)


def test_buttons_and_switches_by_keyboard(page, studio, made):
    studio.get_by_role("button", name="New noise").press("Enter")
    check_studio(studio, made, "narrow", 0, 1.5, seed=1)
    studio.get_by_role("radio", name="narrow").focus()
    press(page, "Tab")
    press(page, "Space")
    check_studio(studio, made, "wide", 0, 1.5, seed=1)
    studio.get_by_role("button", name="Next image").press("Enter")
    check_studio(studio, made, "wide", 1, 1.5, seed=1)
    new_z = studio.get_by_role("button", name="New z")
    expect(new_z).to_be_disabled()
    studio.get_by_role("radio", name="from the prior").press("Space")
    check_studio(studio, made, "wide", 1, 1.5, source="prior", seed=1)
    expect(new_z).to_be_enabled()


@pytest.mark.parametrize("width", [1332, 1072, 852])
def test_it_fits(width, page, studio):
    check_fits(page, studio, width)
