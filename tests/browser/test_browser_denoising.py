"""The denoising studio (notebook 08) in a real Chromium: the page shows what the functions give."""

import pytest
from helpers.browser import check_fits, difference, keeps_its_keys, press
from playwright.sync_api import expect

from tutorial_utils.studios.denoising import KINDS, denoising_state, describe_best

pytestmark = pytest.mark.browser
SETUP = """
from tutorial_utils.data import load_images
from tutorial_utils.studios.denoising import denoising_studio
from tutorial_utils.topics.noise import gaussian_filter, median_filter, non_local_means

x = load_images("mnist", n_test=50).x_test
methods = {
    "Gaussian filter": lambda noisy, kind, level: gaussian_filter(noisy, 0.3 + level),
    "median filter": lambda noisy, kind, level: median_filter(noisy, 3),
    "non-local means": lambda noisy, kind, level: non_local_means(noisy, 0.1 + level),
    "half": lambda noisy, kind, level: noisy / 2,
    "black": lambda noisy, kind, level: 0 * noisy,
    "always the same gray": lambda noisy, kind, level: 0 * noisy + 0.13,
    "denoising autoencoder": lambda noisy, kind, level: noisy.clamp(0, 0.9),
}
"""
SHOW = "denoising_studio(methods, x)"
STUDIO, READY = ".vae-denoise", ".vae-part img"
OVERLAPS = """root => Array.from(root.querySelectorAll('svg')).filter(svg => {
  const texts = Array.from(svg.querySelectorAll('text'));
  const boxes = texts.map(text => text.getBoundingClientRect());
  return boxes.some((a, k) => boxes.slice(k + 1).some(b => a.left < b.right && b.left < a.right
    && a.top < b.bottom - 4 && b.top < a.bottom - 4));
}).map(svg => svg.outerHTML)"""


def check_studio(studio, made, kind, level, *, index=0, seed=0) -> None:
    """Wait for the level; then pictures, names and numbers are those of the functions."""
    image = made["x"][index : index + 1]
    state = denoising_state(made["methods"], image, kind, KINDS[kind][0], level, seed=seed)
    said = f"Test image {index}, {kind} noise, level {level:.2f}. {describe_best(state)}"
    expect(studio.get_by_role("status")).to_have_text(said)
    expect(studio.locator(".widget-readout")).to_have_text(f"{level:.2f}")
    figures = studio.locator("figure").all()
    assert len(figures) == 2 * len(state)
    pairs = zip(figures[::2], figures[1::2], strict=True)
    for (picture, scores), (name, part) in zip(pairs, state.items(), strict=True):
        assert picture.locator(".vae-title").inner_text() == name
        assert difference(picture, part.image[0]) <= 1.01
        if name != "clean":
            stars = [" ★ best" if best else "" for best in (part.best_psnr, part.best_ssim)]
            psnr = "∞" if part.psnr == float("inf") else f"{part.psnr:.1f} dB"
            wanted = f"PSNR {psnr}{stars[0]} SSIM {part.ssim:.2f}{stars[1]}".replace("-", "−")
            assert " ".join(scores.locator("text").all_text_contents()) == wanted


def test_keys_change_the_level_and_the_same_noise_stays(page, studio, made):
    check_studio(studio, made, "Gaussian", 0.5)
    handle = studio.locator(".noUi-handle")
    handle.focus()
    for key, times, level in (("ArrowLeft", 3, 0.44), ("Home", 1, 0.0), ("End", 1, 1.0)):
        press(page, key, times)
        check_studio(studio, made, "Gaussian", level)
    assert keeps_its_keys(handle)
    expect(handle).to_have_attribute("aria-label", "level")
    expect(handle).to_have_attribute("aria-valuetext", "1.00")


def test_buttons_by_keyboard(studio, made):
    group = studio.get_by_role("group", name="noise")
    group.get_by_role("button", name="masking").press("Enter")
    check_studio(studio, made, "masking", 0.9)  # as far as the slider reaches
    studio.get_by_role("button", name="New noise").press("Enter")
    check_studio(studio, made, "masking", 0.9, seed=1)
    studio.get_by_role("button", name="Next image").press("Space")
    check_studio(studio, made, "masking", 0.9, index=1, seed=1)
    group.get_by_role("button", name="salt and pepper").press("Space")
    check_studio(studio, made, "salt and pepper", 0.9, index=1, seed=1)
    assert group.locator("button[aria-pressed=true]").all_inner_texts() == ["salt and pepper"]


@pytest.mark.parametrize(("width", "columns"), [(1332, 5), (1072, 3), (852, 3)])
@pytest.mark.parametrize("five", [True, False])  # as many images as four columns hold: four
def test_it_fits_and_each_picture_stands_above_its_numbers(width, columns, five, page, studio):
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
    assert studio.evaluate(OVERLAPS) == []
    page.set_viewport_size(size)
