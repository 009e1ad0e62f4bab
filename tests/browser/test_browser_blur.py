"""The blur studio in JupyterLab, in a real Chromium: what the page shows is what the functions give."""

import pytest
from helpers.browser import check_fits, open_unsaved, shown
from playwright.sync_api import expect

from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.blur import blur_state, start_blur
from tutorial_utils.training import local_seed

pytestmark = pytest.mark.browser
MAKE = """
x = load_images("mnist", n_test=50).x_test
def make(seed):
    with local_seed(seed):
        return VAE(mlp([784, 4]), mlp([2, 16, 784], out_shape=(1, 28, 28)), latent_dim=2).eval()
def sample(params, t):
    mean = params.sigmoid()
    return mean + t * 0.2 * mean.new_empty(mean.shape).normal_()
likelihoods = {"narrow": (make(0), lambda params: params.sigmoid(), sample),
               "wide": (make(1), lambda params: params.sigmoid(), lambda params, t: sample(params, 2 * t))}
"""
SOURCE = f"""
from tutorial_utils.studios.blur import blur_studio
from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.training import local_seed
{MAKE}
blur_studio(likelihoods, x)
"""


@pytest.fixture(scope="module")
def made() -> dict:
    """What the notebook makes, made here: `x` and `likelihoods`."""
    names = {"load_images": load_images, "VAE": VAE, "mlp": mlp, "local_seed": local_seed}
    exec(MAKE, names)
    return names


@pytest.fixture(scope="module")
def page(lab, chromium):
    """A notebook with the studio as its only output."""
    page = open_unsaved(chromium, lab, "blur", SOURCE, ".vae-blur .vae-part img")
    yield page
    page.close()


@pytest.fixture
def studio(page):
    studio = page.locator(".vae-blur")
    studio.scroll_into_view_if_needed()
    return studio


def same_as_functions(
    studio, made, name: str, index: int, t: float, source: str = "posterior", seed: int = 0
) -> None:
    """Wait for the noise t; then pictures, numbers and chart on the page are those of the functions."""
    likelihood = made["likelihoods"][name]
    state = blur_state(
        likelihood,
        start_blur(likelihood, made["x"][index : index + 1], source=source),
        t,
        seed=seed,
    )
    numbers = ", ".join(f"{which} {seen.sharpness:.2f}" for which, seen in state.items())
    expect(studio.get_by_role("status")).to_contain_text(
        f"{name}, t = {t:.2f}. Sharpness: {numbers}."
    )
    expect(studio.locator(".widget-readout")).to_have_text(f"{t:.2f}")
    figures = studio.locator(".vae-part.vae-square")
    assert figures.count() == 3
    for k, (which, seen) in enumerate(state.items()):
        assert abs(shown(figures.nth(k)) - 255 * seen.image[0].clamp(0, 1).numpy()).max() <= 1.01
        text = (
            figures.nth(k).locator(".vae-beneath").inner_text().replace("\N{NO-BREAK SPACE}", " ")
        )
        assert text.split("\n")[:2] == [
            f"sharpness {seen.sharpness:.2f}",
            f"high frequency {100 * seen.share:.1f} %",
        ]
        expect(studio.locator("svg.vae-broad")).to_contain_text(f"{which} {seen.sharpness:.2f}")


def test_keys_turn_the_noise_and_the_same_noise_stays(page, studio, made):
    same_as_functions(studio, made, "narrow", 0, 1.0)
    handle = studio.locator(".noUi-handle")
    handle.focus()
    for key, times, t in (("ArrowLeft", 8, 0.6), ("Home", 1, 0.0), ("End", 1, 1.5)):
        for _ in range(times):
            page.keyboard.press(key)
        same_as_functions(studio, made, "narrow", 0, t)
    assert (
        handle.evaluate(
            "node => node === document.activeElement && node.dataset.lmSuppressShortcuts"
        )
        == "true"
    )


def test_buttons_and_switches_by_keyboard(page, studio, made):
    studio.get_by_role("button", name="New noise").press("Enter")
    same_as_functions(studio, made, "narrow", 0, 1.5, seed=1)
    studio.get_by_role("radio", name="narrow").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    same_as_functions(studio, made, "wide", 0, 1.5, seed=1)
    studio.get_by_role("button", name="Next image").press("Enter")
    same_as_functions(studio, made, "wide", 1, 1.5, seed=1)
    expect(studio.get_by_role("button", name="New z")).to_be_disabled()
    studio.get_by_role("radio", name="from the prior").press("Space")
    same_as_functions(studio, made, "wide", 1, 1.5, source="prior", seed=1)
    expect(studio.get_by_role("button", name="New z")).to_be_enabled()


@pytest.mark.parametrize("width", [1332, 1072, 852])  # 900, 640 and 420 pixels for the studio
def test_nothing_is_cut_off_or_scrolls_sideways(width, page, studio):
    check_fits(page, studio, width)


def test_our_code_raises_no_errors_in_the_page(page):
    assert page.complaints == []
