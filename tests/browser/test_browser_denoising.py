"""The denoising studio in JupyterLab, in a real Chromium: what the page shows is what the functions give."""

import pytest
from helpers.browser import check_fits, open_unsaved, shown
from playwright.sync_api import expect

from tutorial_utils.data import load_images
from tutorial_utils.studios.denoising import KINDS, denoising_state, describe_best
from tutorial_utils.topics.noise import gaussian_filter, median_filter, non_local_means

pytestmark = pytest.mark.browser
MAKE = """
x = load_images("mnist", n_test=50).x_test
methods = {"Gaussian filter": lambda noisy, kind, level: gaussian_filter(noisy, 0.3 + level),
           "median filter": lambda noisy, kind, level: median_filter(noisy, 3),
           "non-local means": lambda noisy, kind, level: non_local_means(noisy, 0.1 + level),
           "half": lambda noisy, kind, level: noisy / 2, "black": lambda noisy, kind, level: 0 * noisy,
           "always the same gray": lambda noisy, kind, level: 0 * noisy + 0.13,
           "denoising autoencoder": lambda noisy, kind, level: noisy.clamp(0, 0.9)}
"""
SOURCE = f"""
from tutorial_utils.data import load_images
from tutorial_utils.studios.denoising import denoising_studio
from tutorial_utils.topics.noise import gaussian_filter, median_filter, non_local_means
{MAKE}
denoising_studio(methods, x)
"""


@pytest.fixture(scope="module")
def made() -> dict:
    """What the notebook makes, made here: `x` and `methods`."""
    names = {
        "load_images": load_images,
        "gaussian_filter": gaussian_filter,
        "median_filter": median_filter,
        "non_local_means": non_local_means,
    }
    exec(MAKE, names)
    return names


@pytest.fixture(scope="module")
def page(lab, chromium):
    """A notebook with the studio as its only output."""
    page = open_unsaved(chromium, lab, "denoising", SOURCE, ".vae-denoise .vae-part img")
    yield page
    page.close()


@pytest.fixture
def studio(page):
    studio = page.locator(".vae-denoise")
    studio.scroll_into_view_if_needed()
    return studio


def same_as_functions(studio, made, kind: str, level: float, index: int = 0, seed: int = 0) -> None:
    """Wait for the level; then pictures, names and numbers on the page are those of the functions."""
    image = made["x"][index : index + 1]
    state = denoising_state(made["methods"], image, kind, KINDS[kind][0], level, seed=seed)
    said = f"Test image {index}, {kind} noise, level {level:.2f}. {describe_best(state)}"
    expect(studio.get_by_role("status")).to_have_text(said)
    expect(studio.locator(".widget-readout")).to_have_text(f"{level:.2f}")
    figures = studio.locator("figure")
    assert figures.count() == 2 * len(state)
    for k, (name, seen) in enumerate(state.items()):
        assert figures.nth(2 * k).locator(".vae-title").inner_text() == name
        assert abs(shown(figures.nth(2 * k)) - 255 * seen.image[0].numpy()).max() <= 1.01
        if name != "clean":
            stars = [" ★ best" if best else "" for best in (seen.best_psnr, seen.best_ssim)]
            texts = " ".join(figures.nth(2 * k + 1).locator("text").all_text_contents())
            psnr = "∞" if seen.psnr == float("inf") else f"{seen.psnr:.1f} dB"
            assert texts == f"PSNR {psnr}{stars[0]} SSIM {seen.ssim:.2f}{stars[1]}".replace(
                "-", "−"
            )


def test_keys_turn_the_level_and_the_same_noise_stays(page, studio, made):
    same_as_functions(studio, made, "Gaussian", 0.5)
    handle = studio.locator(".noUi-handle")
    handle.focus()
    for key, times, level in (("ArrowLeft", 3, 0.44), ("Home", 1, 0.0), ("End", 1, 1.0)):
        for _ in range(times):
            page.keyboard.press(key)
        same_as_functions(studio, made, "Gaussian", level)
    assert (
        handle.evaluate(
            "node => node === document.activeElement && node.dataset.lmSuppressShortcuts"
        )
        == "true"
    )
    assert [handle.get_attribute(f"aria-{name}") for name in ("label", "valuetext")] == [
        "level",
        "1.00",
    ]


def test_buttons_by_keyboard(studio, made):
    group = studio.get_by_role("group", name="noise")
    group.get_by_role("button", name="masking").press("Enter")
    same_as_functions(studio, made, "masking", 0.9)  # as far as the slider reaches
    studio.get_by_role("button", name="New noise").press("Enter")
    same_as_functions(studio, made, "masking", 0.9, seed=1)
    studio.get_by_role("button", name="Next image").press("Space")
    same_as_functions(studio, made, "masking", 0.9, index=1, seed=1)
    group.get_by_role("button", name="salt and pepper").press("Space")
    same_as_functions(studio, made, "salt and pepper", 0.9, index=1, seed=1)
    assert group.locator("button[aria-pressed=true]").all_inner_texts() == ["salt and pepper"]


@pytest.mark.parametrize(
    ("width", "columns"), [(1332, 5), (1072, 3), (852, 3)]
)  # 900, 640, 420 pixels for the studio
@pytest.mark.parametrize(
    "five", [True, False]
)  # with as many images as four columns hold, there are four
def test_nothing_is_cut_off_and_each_picture_stands_above_its_numbers(
    width, columns, five, page, studio
):
    studio.evaluate("(root, five) => root.classList.toggle('vae-five', five)", five)
    columns = columns if five else 4
    check_fits(page, studio, width)
    size = page.viewport_size
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(200)
    boxes = [figure.bounding_box() for figure in studio.locator("figure").all()]
    pictures, scores = boxes[::2], boxes[1::2]
    for k, box in enumerate(pictures):
        assert box["y"] == pictures[k - k % columns]["y"] and box["x"] == pictures[k % columns]["x"]
    for picture, score in zip(pictures, scores, strict=True):
        assert picture["x"] == score["x"] and 0 <= score["y"] - picture["y"] - picture["height"] < 1
    overlap = """root => Array.from(root.querySelectorAll('svg')).filter(svg => {
      const boxes = Array.from(svg.querySelectorAll('text')).map(text => text.getBoundingClientRect());
      return boxes.some((a, k) => boxes.slice(k + 1).some(b =>
        a.left < b.right && b.left < a.right && a.top < b.bottom - 4 && b.top < a.bottom - 4));
    }).map(svg => svg.outerHTML)"""
    assert studio.evaluate(overlap) == []
    page.set_viewport_size(size)


def test_our_code_raises_no_errors_in_the_page(page):
    assert page.complaints == []
