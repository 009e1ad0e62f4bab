"""Slider page: the same bytes as the widget in one file, which works alone in a real Chromium."""

import base64
import io
import itertools
import re

import pytest
from helpers.browser import drag, settle
from PIL import Image

from tutorial_utils.models import VAE, mlp
from tutorial_utils.pages.slider import export_slider
from tutorial_utils.studios.base import Part, describe
from tutorial_utils.studios.beta_panels import beta_panels
from tutorial_utils.training import local_seed

pytestmark = pytest.mark.browser
BETAS = (0, 1e-7, 0.01, 1, 12)
LAPTOP = {"viewport": {"width": 1000, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
READY = "() => document.querySelector('.vae-part')"
STATUS = "document.querySelector('[role=status]').textContent"
GO = """k => {
  const slider = document.getElementById('slider');
  slider.value = k;
  slider.dispatchEvent(new Event('input'));
}"""
INSIDE = """nodes => nodes.every(node => {
  const box = node.getBoundingClientRect();
  return box.left >= 0 && box.right <= innerWidth;
})"""
FONT_SIZES = "nodes => nodes.map(node => parseFloat(getComputedStyle(node).fontSize))"


@pytest.fixture(scope="module")
def real(digits) -> dict[str, list[Part]]:
    """The panels of notebook 05, of models that are not trained."""
    models = {}
    with local_seed(0):
        for dim, beta in itertools.product((2, 6), BETAS):
            decoder = mlp([dim, 64], out_shape=(1, 8, 8))
            models[dim, beta] = VAE(mlp([64, 2 * dim]), decoder, latent_dim=dim)
    scores = {key: {"recon_loss": 40.0 + k, "kl": 2.0**k} for k, key in enumerate(models)}
    return beta_panels(models, scores, digits.x_test, digits.y_test)


@pytest.fixture(scope="module")
def file(real, tmp_path_factory):
    return export_slider("β", real, tmp_path_factory.mktemp("slider") / "slider.html")


@pytest.fixture(scope="module")
def page(file, open_page):
    return open_page(file, **LAPTOP)


def now(page) -> str:
    page.wait_for_timeout(60)
    settle(page)
    return page.locator("#value").inner_text()


def same_panel(page, panels, label: str) -> None:
    """The page shows the panel of the label: its bytes, its texts, its text alternatives."""
    assert now(page) == label
    parts = [describe(part) for part in panels[label]]
    pngs = [part for part in parts if "png" in part]
    pictures = page.locator(".vae-part img").all()
    for img, part in zip(pictures, pngs, strict=True):
        source = img.get_attribute("src").partition(",")[2]
        assert base64.b64decode(source) == part["png"]
        assert img.get_attribute("alt") == part["alt"]
        size = img.evaluate("img => [img.complete, img.naturalWidth, img.naturalHeight]")
        assert size == [True, *Image.open(io.BytesIO(part["png"])).size]
    assert page.locator(".vae-title").all_inner_texts() == [part["title"] for part in parts]
    captions = page.locator(".vae-beneath").all_text_contents()
    assert captions == [part["caption"] for part in parts]
    charts = page.locator(".vae-part svg[role=img]").all()
    svgs = [part["html"] for part in parts if part.get("html", "").startswith("<svg")]
    for chart, html in zip(charts, svgs, strict=True):
        assert f'aria-label="{chart.get_attribute("aria-label")}"' in html
    assert page.locator("#slider").get_attribute("aria-valuetext") == f"β = {label}"


def test_keys_go_to_the_next_label_wherever_the_focus_is(page, real):
    labels = list(real)
    same_panel(page, real, labels[2])
    page.locator("#slider").focus()
    for key, label in (
        ("ArrowRight", 3),
        ("ArrowRight", 4),
        ("ArrowRight", 4),
        ("ArrowLeft", 3),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        same_panel(page, real, labels[label])
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    same_panel(page, real, labels[1])
    page.get_by_role("button", name="The next β").press("Enter")
    same_panel(page, real, labels[2])
    page.get_by_role("button", name="The β before").click()
    same_panel(page, real, labels[1])
    page.locator("#ticks span").nth(4).click()
    same_panel(page, real, labels[4])


def test_a_fast_drag_ends_in_the_panel_of_the_last_value_and_nothing_piles_up(page, real):
    count = "document.querySelectorAll('*').length"
    page.evaluate(GO, 3)
    settle(page)
    before = page.evaluate(count)
    page.evaluate(f"for (let k = 0; k < 1004; k++) ({GO})(k % 5)")
    page.wait_for_function(f"() => {STATUS}.startsWith('β = 1.')")
    same_panel(page, real, list(real)[3])
    assert page.evaluate(count) == before
    for start in (0.05, 0.95):
        drag(page, page.locator("#slider"), (start, 0.5), (1 - start, 0.5))
    same_panel(page, real, next(iter(real)))


def test_a_picture_that_is_slow_to_decode_does_not_replace_a_later_one(page, real):
    slow = f"""() => {{
      const decode = HTMLImageElement.prototype.decode;
      HTMLImageElement.prototype.decode = () => new Promise(done => setTimeout(done, 300));
      ({GO})(3);
      HTMLImageElement.prototype.decode = decode;
      ({GO})(1);
      return new Promise(done => setTimeout(done, 450));
    }}"""
    page.evaluate(slow)
    same_panel(page, real, list(real)[1])


def test_what_is_seen_is_said_once_the_slider_rests(page, real):
    label = list(real)[1]
    page.locator("#slider").focus()
    page.keyboard.press("End")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => {STATUS}.startsWith('β = 1e-7.')")
    said = page.evaluate(STATUS).replace("\u00a0", " ")
    assert said == f"β = {label}. {real[label][0].alt}"


def test_it_plays_to_the_end_and_a_hand_stops_it(file, open_page):
    page = open_page(file, **LAPTOP)
    page.clock.install()
    page.locator("#slider").press("Home")
    play = page.locator("#play")
    play.click()
    assert play.inner_text() == "Pause"
    page.clock.run_for(2500)
    assert page.locator("#value").inner_text() == "0.01"
    page.locator("#slider").press("ArrowRight")
    assert play.inner_text() == "Play"
    page.clock.run_for(5000)
    assert page.locator("#value").inner_text() == "1"
    play.click()
    page.clock.run_for(5000)
    assert (page.locator("#value").inner_text(), play.inner_text()) == ("12", "Play")
    play.click()  # from the end it starts again
    assert page.locator("#value").inner_text() == "0"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 640, 1000])
def test_everything_is_on_the_page_and_readable(width, scheme, file, open_page, real):
    phone = width == 390
    settings = PHONE if phone else {"viewport": {"width": width, "height": 900}}
    page = open_page(file, color_scheme=scheme, **settings)
    ground = page.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground))) < 60) == (scheme == "dark")
    page.locator("#slider").press("Home")
    for k in range(len(real)):
        if k:
            (page.locator("#on").tap if phone else page.locator("#on").click)()
        assert now(page) == list(real)[k]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        shown = page.locator(".vae-part, .vae-part img, .vae-part text, td")
        assert shown.evaluate_all(INSIDE)
        assert min(page.locator(".vae-part *").evaluate_all(FONT_SIZES)) >= 11
    if phone:  # fingers are wide
        heights = page.locator("button").evaluate_all("nodes => nodes.map(n => n.offsetHeight)")
        assert min(heights) >= 40
    strokes = "nodes => nodes.map(node => getComputedStyle(node).stroke)"
    for stroke in page.locator(".vae-dashed, .vae-solid").evaluate_all(strokes):
        light = min(map(int, re.findall(r"\d+", stroke)[:3]))
        assert (light > 200) if scheme == "dark" else (light < 60)


def test_every_control_has_a_name(page):
    client = page.context.new_cdp_session(page)
    nodes = client.send("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if node.get("role", {}).get("value") in ("button", "slider")]
    names = [node["name"]["value"] for node in controls]
    assert sorted(names) == ["Play", "The next β", "The β before", "β"]
    images = [node for node in nodes if node.get("role", {}).get("value") == "image"]
    assert len(images) >= 7 and all(len(node["name"]["value"]) > 8 for node in images)
    assert page.title() and page.locator("html").get_attribute("lang") == "en"


def test_a_name_and_texts_are_shown_as_they_are(open_page, tmp_path):
    tricky = "</script><b>&amp; <!-- style -->"
    panels = {tricky: [Part(tricky, "<p>one</p>", tricky)], "b": [Part("two", "<p>two</p>", "b")]}
    page = open_page(export_slider("<i>k</i>", panels, tmp_path / "a.html"), **LAPTOP)
    page.locator("#slider").press("Home")
    assert now(page) == tricky and page.locator(".vae-title").inner_text() == tricky
    assert page.locator(".reading label").inner_text() == "<i>k</i>"
