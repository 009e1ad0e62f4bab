"""The studios of notebooks 06, 08 and 09 in a real Chromium: the page shows what functions give."""

import pytest
import torch
from helpers.browser import (
    check_fits,
    difference,
    keeps_its_keys,
    press,
    wait_until_equal,
    window_of,
)
from playwright.sync_api import expect
from torch.nn.functional import one_hot

from tutorial_utils.latent import side_by_side
from tutorial_utils.studios.blur import blur_state, decode_params
from tutorial_utils.studios.denoising import KINDS, denoising_state, describe_best
from tutorial_utils.studios.filling import answers, answers_picture, observed_from, observed_picture
from tutorial_utils.studios.style import blend, encode_style, write

pytestmark = pytest.mark.browser
SETUP = """
import torch
from IPython.display import display
from torch.nn.functional import one_hot
from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.blur import blur_studio
from tutorial_utils.studios.denoising import denoising_studio
from tutorial_utils.studios.filling import filling_studio
from tutorial_utils.studios.style import style_studio
from tutorial_utils.topics.noise import gaussian_filter, median_filter, non_local_means
from tutorial_utils.training import local_seed

data = load_images("mnist", n_test=50)
x, y = data.x_test, one_hot(data.y_test, 10).float()
binary = (x > 0.5).float()

def mean(params):
    return params.sigmoid()

def sample(params, t):
    return mean(params) + t * 0.2 * params.new_empty(params.shape).normal_()

def wide_sample(params, t):
    return sample(params, 2 * t)

class Labelled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = mlp([794, 4]), mlp([12, 16, 784], out_shape=(1, 28, 28))

    def encode(self, x, y):
        return self.encoder(torch.cat([x.flatten(1), y], 1)).chunk(2, -1)

    def decode(self, z, y):
        return self.decoder(torch.cat([3 * z, 3 * y], 1))

def make_vae():
    return VAE(mlp([784, 4]), mlp([2, 16, 784], out_shape=(1, 28, 28)), latent_dim=2).eval()

with local_seed(0):
    vae, other, labelled, judge = make_vae(), make_vae(), Labelled().eval(), mlp([784, 10])
likelihoods = {"narrow": (vae, mean, sample), "wide": (other, mean, wide_sample)}
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
SHOW = """
display(blur_studio(likelihoods, x), denoising_studio(methods, x))
display(filling_studio(vae, binary, classifier=judge), style_studio(labelled, x, y))
"""
STUDIO, READY = ".vae-style", ".vae-strip img"


def opened(page, name: str):
    """A studio on the page, scrolled into view."""
    studio = page.locator(name)
    studio.scroll_into_view_if_needed()
    return studio


# ---- blur ----


@pytest.fixture
def blur(page):
    return opened(page, ".vae-blur")


def check_blur(studio, made, name, index, t, *, source="posterior", seed=0) -> None:
    """Wait for the noise t; then pictures, numbers and chart are those of the functions."""
    likelihood, x = made["likelihoods"][name], made["x"]
    params = decode_params(likelihood[0], x[[index]], source=source)
    state = blur_state(likelihood, x[index], params, t, seed=seed)
    numbers = ", ".join(f"{which} {part.sharpness:.2f}" for which, part in state.items())
    said = f"{name}, t = {t:.2f}. Sharpness: {numbers}."
    expect(studio.get_by_role("status")).to_contain_text(said)
    expect(studio.locator(".widget-readout")).to_have_text(f"{t:.2f}")
    figures = studio.locator(".vae-part.vae-square")
    assert figures.count() == 3
    for figure, (which, part) in zip(figures.all(), state.items(), strict=True):
        assert difference(figure, part.image[0].clamp(0, 1)) <= 1.01
        beneath = figure.locator(".vae-beneath").inner_text().replace("\N{NO-BREAK SPACE}", " ")
        share = f"high frequency {100 * part.share:.1f} %"
        assert beneath.split("\n")[:2] == [f"sharpness {part.sharpness:.2f}", share]
        expect(studio.locator("svg.vae-broad")).to_contain_text(f"{which} {part.sharpness:.2f}")


def test_blur_keys_change_the_noise_and_the_same_noise_stays(page, blur, made):
    check_blur(blur, made, "narrow", 0, 1.0)
    handle = blur.locator(".noUi-handle")
    handle.focus()
    for key, times, t in (("ArrowLeft", 8, 0.6), ("Home", 1, 0.0), ("End", 1, 1.5)):
        press(page, key, times)
        check_blur(blur, made, "narrow", 0, t)
    assert keeps_its_keys(handle)


def test_blur_buttons_and_switches_by_keyboard(page, blur, made):
    blur.get_by_role("button", name="New noise").press("Enter")
    check_blur(blur, made, "narrow", 0, 1.5, seed=1)
    blur.get_by_role("radio", name="narrow").focus()
    press(page, "Tab")
    press(page, "Space")
    check_blur(blur, made, "wide", 0, 1.5, seed=1)
    blur.get_by_role("button", name="Next image").press("Enter")
    check_blur(blur, made, "wide", 1, 1.5, seed=1)
    new_z = blur.get_by_role("button", name="New z")
    expect(new_z).to_be_disabled()
    blur.get_by_role("radio", name="from the prior").press("Space")
    check_blur(blur, made, "wide", 1, 1.5, source="prior", seed=1)
    expect(new_z).to_be_enabled()


# ---- denoising ----


@pytest.fixture
def denoising(page):
    return opened(page, ".vae-denoise")


def check_denoising(studio, made, kind, level, *, index=0, seed=0) -> None:
    """Wait for the level; then pictures, names and numbers are those of the functions."""
    image = made["x"][[index]]
    state = denoising_state(made["methods"], image, kind, KINDS[kind][0], level, seed=seed)
    said = f"Test image {index}, {kind} noise, level {level:.2f}. {describe_best(state)}"
    expect(studio.get_by_role("status")).to_have_text(said)
    expect(studio.locator(".widget-readout")).to_have_text(f"{level:.2f}")
    figures = studio.locator("figure").all()
    pairs = zip(figures[::2], figures[1::2], strict=True)
    for (picture, scores), (name, part) in zip(pairs, state.items(), strict=True):
        assert picture.locator(".vae-title").inner_text() == name
        assert difference(picture, part.image[0]) <= 1.01
        if name != "clean":
            stars = [" ★ best" if best else "" for best in (part.best_psnr, part.best_ssim)]
            psnr = "∞" if part.psnr == float("inf") else f"{part.psnr:.1f} dB"
            wanted = f"PSNR {psnr}{stars[0]} SSIM {part.ssim:.2f}{stars[1]}".replace("-", "−")
            assert " ".join(scores.locator("text").all_text_contents()) == wanted


def test_denoising_keys_change_the_level_and_the_same_noise_stays(page, denoising, made):
    check_denoising(denoising, made, "Gaussian", 0.5)
    handle = denoising.locator(".noUi-handle")
    handle.focus()
    for key, times, level in (("ArrowLeft", 3, 0.44), ("Home", 1, 0.0), ("End", 1, 1.0)):
        press(page, key, times)
        check_denoising(denoising, made, "Gaussian", level)
    assert keeps_its_keys(handle)
    expect(handle).to_have_attribute("aria-valuetext", "1.00")


def test_denoising_buttons_by_keyboard(denoising, made):
    group = denoising.get_by_role("group", name="noise")
    group.get_by_role("button", name="masking").press("Enter")
    check_denoising(denoising, made, "masking", 0.9)  # as far as the slider reaches
    denoising.get_by_role("button", name="New noise").press("Enter")
    check_denoising(denoising, made, "masking", 0.9, seed=1)
    denoising.get_by_role("button", name="Next image").press("Space")
    check_denoising(denoising, made, "masking", 0.9, index=1, seed=1)
    group.get_by_role("button", name="salt and pepper").press("Space")
    check_denoising(denoising, made, "salt and pepper", 0.9, index=1, seed=1)
    assert group.locator("button[aria-pressed=true]").all_inner_texts() == ["salt and pepper"]


# ---- filling ----


def check_filling(studio, made, index, count, side, seed, n_steps=16) -> None:
    """Wait for these controls; then pictures and words are those of the functions."""
    image, observed = made["binary"][index], observed_from(side, count, (28, 28))
    words = f"{count} of 28 {'columns' if side in ('left', 'right') else 'rows'}, from the {side}"
    said = f"{words}. 8 answers after {n_steps} steps. Read as "
    expect(studio.get_by_role("status")).to_contain_text(said)
    figures = studio.locator("figure")
    expect(figures.first.locator("p")).to_have_text(words)
    images = answers(made["vae"], image, observed, 8, n_steps=n_steps, seed=seed)
    pictures = observed_picture(image[0], observed), answers_picture(images, observed, 4)
    for figure, picture in zip(figures.all(), pictures, strict=True):
        wait_until_equal(figure, lambda picture=picture: picture, studio.page)


def test_filling_by_keyboard(page, made):
    studio = opened(page, ".vae-filling")
    check_filling(studio, made, 0, 14, "top", 0)
    handle = studio.get_by_role("slider", name="rows seen", exact=True)
    handle.focus()
    press(page, "ArrowLeft", 3)
    check_filling(studio, made, 0, 11, "top", 0)
    assert keeps_its_keys(handle) and handle.get_attribute("aria-valuetext") == "11"
    studio.get_by_role("radio", name="right").press("Space")
    check_filling(studio, made, 0, 11, "right", 0)
    studio.get_by_role("button", name="New answers").press("Enter")
    check_filling(studio, made, 0, 11, "right", 1)
    studio.get_by_role("button", name="Next image").press("Enter")
    check_filling(studio, made, 1, 11, "right", 1)
    studio.get_by_role("radio", name="60").press("Space")
    check_filling(studio, made, 1, 11, "right", 1, n_steps=60)


# ---- style ----


def check_style(studio, made, b: int, style: float, labels: tuple[int, int], t: float) -> None:
    """Wait for styles of images 0 and b, and these sliders; then row and picture are theirs."""
    model, indices = made["labelled"], [0, b]
    z = torch.lerp(*encode_style(model, made["x"][indices], made["y"][indices]), style)
    row = side_by_side(write(model, z, one_hot(torch.arange(10), 10).float()))
    image = write(model, z, blend(*labels, t, 10)[None])[0]
    wait_until_equal(studio.locator(".vae-strip"), lambda: row, studio.page)
    wait_until_equal(studio.locator(".vae-picture"), lambda: image, studio.page)


def test_style_by_keyboard(page, studio, made):
    one, four = (int((made["y"].argmax(1) == label).nonzero()[0]) for label in (1, 4))
    check_style(studio, made, one, 0, (3, 8), 0)
    for name in ("style", "blend"):
        studio.get_by_role("slider", name=name, exact=True).focus()
        press(page, "End")
    check_style(studio, made, one, 1, (3, 8), 1)
    press(page, "ArrowLeft")
    studio.get_by_role("combobox", name="to", exact=True).select_option("5")
    check_style(studio, made, one, 1, (3, 5), 0.98)
    expect(studio.locator(".vae-written .vae-label")).to_contain_text("label 2 % 3 + 98 % 5")
    studio.get_by_role("combobox", name="Style B").select_option("4")
    check_style(studio, made, four, 1, (3, 5), 0.98)
    assert "style B" in studio.locator(".vae-strip img").get_attribute("alt")


# ---- room ----


OVERLAPS = """root => Array.from(root.querySelectorAll('svg')).filter(svg => {
  const texts = Array.from(svg.querySelectorAll('text'));
  const boxes = texts.map(text => text.getBoundingClientRect());
  return boxes.some((a, k) => boxes.slice(k + 1).some(b => a.left < b.right && b.left < a.right
    && a.top < b.bottom - 4 && b.top < a.bottom - 4));
}).map(svg => svg.outerHTML)"""


def check_columns(denoising, columns: int) -> None:
    """Each picture stands above its numbers, `columns` pictures in a row."""
    boxes = [figure.bounding_box() for figure in denoising.locator("figure").all()]
    pictures, scores = boxes[::2], boxes[1::2]
    for k, box in enumerate(pictures):
        assert box["y"] == pictures[k - k % columns]["y"] and box["x"] == pictures[k % columns]["x"]
    for picture, score in zip(pictures, scores, strict=True):
        assert picture["x"] == score["x"] and 0 <= score["y"] - picture["y"] - picture["height"] < 1
    assert denoising.evaluate(OVERLAPS) == []


@pytest.mark.parametrize(("width", "columns"), [(1332, 5), (1072, 3), (852, 3)])
def test_they_fit(width, columns, page, denoising):
    with window_of(page, width):
        for name in (".vae-blur", ".vae-denoise", ".vae-filling", ".vae-style"):
            check_fits(page.locator(name))
        check_columns(denoising, columns)
        denoising.evaluate("root => root.classList.remove('vae-five')")  # as of four images
        check_fits(denoising)
        check_columns(denoising, 4)
        denoising.evaluate("root => root.classList.add('vae-five')")
