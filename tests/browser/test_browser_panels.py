"""Panel studios and the style studio (05, 06, 08, 09) in a real Chromium, beside their twins here.

Page and test make the same studios.  After each move the page must show what the twin has: what
the twin has to have is tested without a browser.
"""

import re
from contextlib import suppress
from html import unescape

import numpy as np
import pytest
from helpers.browser import (
    READ_PIXELS,
    check_fits,
    drag,
    keeps_its_keys,
    on_page,
    press,
    rgba,
    window_of,
)
from helpers.pictures import pixels
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
SETUP = """
import torch
from torch.nn.functional import one_hot
from tutorial_utils.data import load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.beta_panels import beta_panels
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.studios.blur import blur_studio
from tutorial_utils.studios.denoising import denoising_studio
from tutorial_utils.studios.filling import filling_studio
from tutorial_utils.studios.style import style_studio
from tutorial_utils.topics.noise import gaussian_filter, median_filter, non_local_means
from tutorial_utils.training import local_seed

data, digits = load_images("mnist", n_test=50), load_images("digits")
x, y = data.x_test, one_hot(data.y_test, 10).float()

def make_vae(dim=2, size=28):
    decoder = mlp([dim, 16, size**2], out_shape=(1, size, size))
    return VAE(mlp([size**2, 2 * dim]), decoder, latent_dim=dim).eval()

class Labelled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = mlp([794, 4]), mlp([12, 16, 784], out_shape=(1, 28, 28))

    def encode(self, x, y):
        return self.encoder(torch.cat([x.flatten(1), y], 1)).chunk(2, -1)

    def decode(self, z, y):
        return self.decoder(torch.cat([3 * z, 3 * y], 1))

def sample(params, t):
    return params.sigmoid() + t * 0.2 * params.new_empty(params.shape).normal_()

def wide_sample(params, t):
    return sample(params, 2 * t)

with local_seed(0):
    vae, other, labelled, judge = make_vae(), make_vae(), Labelled().eval(), mlp([784, 10])
    models = {
        (dim, beta): make_vae(dim, 8) for dim in (2, 6) for beta in (0, 1e-7, 0.01, 0.5, 1, 12)
    }
likelihoods = {
    "narrow": (vae, torch.sigmoid, sample),
    "wide": (other, torch.sigmoid, wide_sample),
}
methods = {
    "Gaussian filter": lambda noisy, kind, level: gaussian_filter(noisy, 0.3 + level),
    "median filter": lambda noisy, kind, level: median_filter(noisy, 3),
    "non-local means": lambda noisy, kind, level: non_local_means(noisy, 0.1 + level),
    "half": lambda noisy, kind, level: noisy / 2,
    "black": lambda noisy, kind, level: 0 * noisy,
    "always the same gray": lambda noisy, kind, level: 0 * noisy + 0.13,
    "denoising autoencoder": lambda noisy, kind, level: noisy.clamp(0, 0.9),
}
scores = {key: {"recon_loss": 40.0 + k, "kl": 2.0**k} for k, key in enumerate(models)}
studios = {
    "blur": blur_studio(likelihoods, x),
    "denoise": denoising_studio(methods, x),
    "filling": filling_studio(vae, (x > 0.5).float(), classifier=judge),
    "slider": model_slider("β", beta_panels(models, scores, digits.x_test, digits.y_test)),
    "style": style_studio(labelled, x, y),
}
"""
SHOW = "from IPython.display import display\ndisplay(*studios.values())"
STUDIO, READY = ".vae-style", ".vae-strip img"

# Of each studio: a control by its role and name, keys, and what they do to a control of the twin.
MOVES = {
    "blur": [
        ("slider", "noise t", 8 * ["ArrowLeft"], "t", 0.6),
        ("slider", "noise t", ["Home"], "t", 0.0),
        ("slider", "noise t", ["End"], "t", 1.5),
        ("button", "New noise", ["Enter"], "noise_seed", 1),
        ("radio", "wide", ["Space"], "likelihood", "wide"),
        ("button", "Next image", ["Enter"], "image", 1),
        ("radio", "from the prior", ["Space"], "source", "prior"),
        ("button", "New z", ["Space"], "z_seed", 1),
    ],
    "denoise": [
        ("slider", "level", 3 * ["ArrowLeft"], "level", 0.44),
        ("slider", "level", ["Home"], "level", 0.0),
        ("slider", "level", ["End"], "level", 1.0),
        ("button", "masking", ["Enter"], "kind", "masking"),  # 0.9: as far as the slider reaches
        ("button", "New noise", ["Enter"], "seed", 1),
        ("button", "Next image", ["Space"], "image", 1),
        ("button", "salt and pepper", ["Space"], "kind", "salt and pepper"),
    ],
    "filling": [
        ("slider", "rows seen", 3 * ["ArrowLeft"], "count", 11),
        ("radio", "right", ["Space"], "side", "right"),
        ("button", "New answers", ["Enter"], "seed", 1),
        ("button", "Next image", ["Enter"], "image", 1),
        ("radio", "60", ["Space"], "steps", 60),
    ],
    "slider": [
        ("slider", "β", ["ArrowRight"], "label", "1"),
        ("slider", "β", 2 * ["ArrowLeft"], "label", "0.01"),
        ("button", "▶", ["Enter"], "label", "0.5"),
        ("button", "◀", ["Space"], "label", "0.01"),
    ],
}


@pytest.fixture(params=MOVES)
def name(request):
    return request.param


@pytest.fixture
def panel(page, name):
    """Each panel studio on the page, scrolled into view."""
    panel = page.locator(f".vae-{name}")
    panel.scroll_into_view_if_needed()
    return panel


@pytest.fixture
def twin(made, name):
    return made["studios"][name]


def same_png(picture, png: bytes) -> bool:
    """Whether a picture, as the page draws it, is this PNG, to one of 255."""
    there, here = rgba(*picture.evaluate(READ_PIXELS)), pixels(png, "RGBA")
    if there.shape != here.shape:  # as while it is exchanged
        return False
    on_black = [each[..., :3] * each[..., 3:] / 255 for each in (there, here)]
    return max(abs(np.subtract(*on_black)).max(), abs(there - here)[..., 3].max()) <= 1.01


def eventually(compare, page, *given) -> None:
    """Call `compare` again and again, for five seconds at most, until nothing differs."""
    for _ in range(50):
        with suppress(AssertionError):
            return compare(*given)
        page.wait_for_timeout(100)
    return compare(*given)


def same_panel(panel, twin) -> None:
    """What is said, titles, captions, pictures and texts of charts are those of the twin."""
    assert panel.get_by_role("status").text_content() == twin.view.text
    for figure, part in zip(panel.locator("figure").all(), twin.view.parts, strict=True):
        assert figure.locator(".vae-title").text_content() == part["title"]
        assert figure.locator(".vae-beneath").text_content() == part["caption"]
        if "png" in part:
            assert figure.locator("img").get_attribute("alt") == part["alt"]
            assert same_png(figure, part["png"]), part["title"]
        else:
            text = unescape(re.sub("<.*?>", "", part["html"]))
            assert figure.locator(".vae-content").text_content() == text


def test_keys_show_the_panel_of_the_values(page, panel, twin, name):
    eventually(same_panel, page, panel, twin)
    for role, label, keys, control, value in MOVES[name]:
        node = panel.get_by_role(role, name=label, exact=True)
        for key in keys:
            node.press(key)
        getattr(twin.controls, control).value = value
        eventually(same_panel, page, panel, twin)
        if role == "slider":
            text = f"{value:.2f}" if isinstance(value, float) else str(value)
            expect(node).to_have_attribute("aria-valuetext", text)
            assert keeps_its_keys(node)
        for button in panel.locator(".widget-toggle-button").all():
            pressed = button.inner_text() == twin.values["kind"]
            expect(button).to_have_attribute("aria-pressed", str(pressed).lower())


def test_a_button_without_a_meaning_is_disabled(page):
    blur = page.locator(".vae-blur")
    new_z = blur.get_by_role("button", name="New z")
    for source, meant in (("of the image (posterior mean)", False), ("from the prior", True)):
        blur.get_by_role("radio", name=source).press("Space")
        expect(new_z).to_be_enabled(enabled=meant)


COUNT_ADDRESSES = """() => {
  [window.made, window.givenBack] = [0, 0];
  const [make, giveBack] = [URL.createObjectURL, URL.revokeObjectURL];
  URL.createObjectURL = blob => (made++, make.call(URL, blob));
  URL.revokeObjectURL = url => (givenBack++, giveBack.call(URL, url));
}"""


@pytest.mark.parametrize("name", ["slider"])
def test_the_last_of_many_fast_moves_is_shown(page, panel, twin):
    track, handle = panel.locator(".noUi-target"), panel.locator(".noUi-handle")
    box = track.bounding_box()
    grip = (on_page(handle, (0.5, 0.5))[0] - box["x"]) / box["width"]
    drag(page, track, (grip, 0.5), (0.98, 0.5))
    twin.controls.label.value = "12"
    eventually(same_panel, page, panel, twin)
    page.evaluate(COUNT_ADDRESSES)
    handle.focus()
    for key, times in (("ArrowLeft", 5), ("ArrowRight", 4), ("ArrowLeft", 3)):
        press(page, key, times)
    twin.controls.label.value = "1e-7"
    eventually(same_panel, page, panel, twin)
    new, given_back = page.evaluate("[made, givenBack]")
    assert new == given_back and new >= 2 * 5  # each new picture took the place of an old one


def test_style_by_keyboard(page, studio, made):
    twin = made["studios"]["style"]

    def same_pictures() -> None:
        for place, picture in ((".vae-strip", twin.row), (".vae-picture", twin.picture)):
            assert studio.locator(f"{place} img").get_attribute("alt") == picture.alt
            assert same_png(studio.locator(place), picture.value)

    eventually(same_pictures, page)
    for label, control in (("style", twin.style_slider), ("blend", twin.label_slider)):
        studio.get_by_role("slider", name=label, exact=True).press("End")
        control.value = 1
        eventually(same_pictures, page)
    press(page, "ArrowLeft")
    studio.get_by_role("combobox", name="to", exact=True).select_option("5")
    twin.label_slider.value, twin.b.value = 0.98, 5
    eventually(same_pictures, page)
    expect(studio.locator(".vae-written .vae-label")).to_contain_text("label 2 % 3 + 98 % 5")
    studio.get_by_role("combobox", name="Style B").select_option("4")
    twin.second.label.value = 4
    eventually(same_pictures, page)


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
def test_they_fit(width, columns, page):
    denoising = page.locator(".vae-denoise")
    with window_of(page, width):
        for each in (*MOVES, "style"):
            check_fits(page.locator(f".vae-{each}"))
        check_columns(denoising, columns)
        denoising.evaluate("root => root.classList.remove('vae-five')")  # as of four images
        check_fits(denoising)
        check_columns(denoising, 4)
        denoising.evaluate("root => root.classList.add('vae-five')")
