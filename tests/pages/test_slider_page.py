"""Slider page: the same bytes as the widget in one file, which works alone in a real Chromium."""

import base64
import io
import json
import re

import pytest
import torch
from helpers.pages import open_file
from PIL import Image

from tutorial_utils.models import VAE, mlp
from tutorial_utils.pages.html import MAX_BYTES
from tutorial_utils.pages.slider import export_slider
from tutorial_utils.plotting import to_png
from tutorial_utils.studios.base import Part, describe
from tutorial_utils.studios.beta_panels import beta_panels
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.training import local_seed

browser_test = pytest.mark.browser
BETAS = (0, 1e-7, 0.01, 1, 12)
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
READY = "() => document.querySelector('.vae-part')"
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
        for dim in (2, 6):
            for beta in BETAS:
                models[dim, beta] = VAE(
                    mlp([64, 2 * dim]), mlp([dim, 64], out_shape=(1, 8, 8)), latent_dim=dim
                )
    scores = {key: {"recon_loss": 40.0 + k, "kl": 2.0**k} for k, key in enumerate(models)}
    return beta_panels(models, scores, digits.x_test, digits.y_test)


def bytes_of(parts: list[dict]) -> list[bytes]:
    return [part["png"] for part in parts if "png" in part]


# ---- the file ----


def test_one_file_that_refers_to_nothing_outside(real, tmp_path):
    path = export_slider("β", real, str(tmp_path / "new" / "a.html"))
    page = path.read_text(encoding="utf-8")
    addresses = re.findall(r"(?:src|href|url|action)\s*[=(]\s*[\"']?([^\"')\s>]+)", page)
    assert set(addresses) == {"data:,", "https://creativecommons.org/licenses/by-sa/3.0/"}
    assert "default-src 'none'" in page and "<!-- " not in page and "Yann LeCun" in page
    assert [file.name for file in path.parent.iterdir()] == ["a.html"]
    assert "LeCun" not in export_slider("β", real, path, credit="").read_text(encoding="utf-8")


def test_the_file_holds_the_same_bytes_as_the_widget(real, tmp_path):
    page = export_slider("β", real, tmp_path / "a.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="vae-panels">(.*?)</script>', page, re.S)[1])
    assert data["labels"] == list(real)
    for label, parts in zip(data["labels"], data["panels"], strict=True):
        shown = model_slider("β", real, start=label).view.parts
        assert [base64.b64decode(part["png"]) for part in parts if "png" in part] == bytes_of(shown)
        assert [part["html"] for part in parts if "html" in part] == [
            part["html"] for part in shown if "html" in part
        ]


def test_a_page_that_is_too_large_is_refused_and_nothing_is_written(tmp_path):
    with local_seed(0):
        noise = to_png(torch.rand(1100, 1100))
    with pytest.raises(ValueError, match=r"too large for one page: 1\.\d\d MB, more than 1\.50"):
        export_slider("β", {"a": [Part("noise", noise, "noise")]}, tmp_path / "a.html")
    assert not list(tmp_path.iterdir())
    assert MAX_BYTES == 1_500_000


# ---- the page ----


@pytest.fixture(scope="module")
def file(real, tmp_path_factory):
    return export_slider("β", real, tmp_path_factory.mktemp("slider") / "slider.html")


@pytest.fixture(scope="module")
def open_page(chromium):
    """A function that opens the file; afterwards no page has complained."""
    pages = []

    def open_(path, **settings):
        settings = {"viewport": {"width": 1000, "height": 900}} | settings
        pages.append(open_file(chromium, path, READY, **settings))
        return pages[-1]

    yield open_
    for page in pages:
        assert page.complaints == []
        page.context.close()


@pytest.fixture(scope="module")
def page(file, open_page):
    return open_page(file)


def settle(page) -> None:
    page.wait_for_timeout(60)
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def now(page) -> str:
    settle(page)
    return page.locator("#value").inner_text()


def same_panel(page, panels, label: str) -> None:
    """The page shows the panel of the label: its bytes, its texts, its text alternatives."""
    assert now(page) == label
    parts = [describe(part) for part in panels[label]]
    pictures = page.locator(".vae-part img").all()
    assert [
        base64.b64decode(img.get_attribute("src").partition(",")[2]) for img in pictures
    ] == bytes_of(parts)
    assert [img.get_attribute("alt") for img in pictures] == [
        part["alt"] for part in parts if "png" in part
    ]
    size = "img => [img.complete, img.naturalWidth, img.naturalHeight]"
    for img, png in zip(pictures, bytes_of(parts), strict=True):
        assert img.evaluate(size) == [True, *Image.open(io.BytesIO(png)).size]
    assert page.locator(".vae-title").all_inner_texts() == [part["title"] for part in parts]
    assert page.locator(".vae-beneath").evaluate_all("all => all.map(p => p.textContent)") == [
        part["caption"] for part in parts
    ]
    words = page.locator(".vae-part svg[role=img]").evaluate_all(
        "all => all.map(s => s.getAttribute('aria-label'))"
    )
    assert words == [
        re.search('aria-label="(.*?)"', part["html"])[1]
        for part in parts
        if "<svg" in part.get("html", "")
    ]
    assert page.locator("#slider").get_attribute("aria-valuetext") == f"β = {label}"


@browser_test
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


@browser_test
def test_a_fast_drag_ends_in_the_panel_of_the_last_value_and_nothing_piles_up(page, real):
    count = "document.querySelectorAll('*').length"
    move = """k => {
      const slider = document.getElementById('slider');
      slider.value = k;
      slider.dispatchEvent(new Event('input'));
    }"""
    page.evaluate(move, 3)
    settle(page)
    before = page.evaluate(count)
    page.evaluate(f"for (let k = 0; k < 1004; k++) ({move})(k % 5)")
    page.wait_for_function(
        "() => document.querySelector('[role=status]').textContent.startsWith('β = 1.')"
    )
    same_panel(page, real, list(real)[3])
    assert page.evaluate(count) == before
    box = page.locator("#slider").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for k in range(12):
        page.mouse.move(
            box["x"] + box["width"] * (0.5 + 0.45 * (-1) ** k), box["y"] + box["height"] / 2
        )
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    same_panel(page, real, next(iter(real)))


@browser_test
def test_a_picture_that_is_slow_to_decode_does_not_replace_a_later_one(page, real):
    slow = """() => {
      const decode = HTMLImageElement.prototype.decode;
      const slider = document.getElementById('slider');
      const go = k => { slider.value = k; slider.dispatchEvent(new Event('input')); };
      HTMLImageElement.prototype.decode = () => new Promise(done => setTimeout(done, 300));
      go(3);
      HTMLImageElement.prototype.decode = decode;
      go(1);
      return new Promise(done => setTimeout(done, 450));
    }"""
    page.evaluate(slow)
    same_panel(page, real, list(real)[1])


@browser_test
def test_what_is_seen_is_said_once_the_slider_rests(page, real):
    label = list(real)[1]
    page.locator("#slider").focus()
    page.keyboard.press("End")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    status = page.get_by_role("status")
    page.wait_for_function(
        "() => document.querySelector('[role=status]').textContent.startsWith('β = 1e-7.')"
    )
    assert status.inner_text().replace("\u00a0", " ") == f"β = {label}. {real[label][0].alt}"


@browser_test
def test_it_plays_to_the_end_and_a_hand_stops_it(file, open_page):
    page = open_page(file)
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


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 640, 1000])
def test_everything_is_on_the_page_and_readable(width, scheme, file, open_page, real):
    settings = PHONE if width == 390 else {"viewport": {"width": width, "height": 900}}
    page = open_page(file, color_scheme=scheme, **settings)
    ground = page.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground))) < 60) == (scheme == "dark")
    page.locator("#slider").press("Home")
    for k in range(len(real)):
        if k:
            (page.locator("#on").tap if width == 390 else page.locator("#on").click)()
            settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        shown = page.locator(".vae-part, .vae-part img, .vae-part text, td")
        assert shown.evaluate_all(INSIDE)
        assert min(page.locator(".vae-part *").evaluate_all(FONT_SIZES)) >= 11
    assert now(page) == list(real)[-1]
    if width == 390:
        assert (
            min(page.locator("button").evaluate_all("nodes => nodes.map(n => n.offsetHeight)"))
            >= 40
        )
    strokes = "nodes => nodes.map(node => getComputedStyle(node).stroke)"
    for stroke in page.locator(".vae-dashed, .vae-solid").evaluate_all(strokes):
        light = min(map(int, re.findall(r"\d+", stroke)[:3]))
        assert (light > 200) if scheme == "dark" else (light < 60)


@browser_test
def test_every_control_has_a_name(page):
    client = page.context.new_cdp_session(page)
    nodes = client.send("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if node.get("role", {}).get("value") in ("button", "slider")]
    names = [node["name"]["value"] for node in controls]
    assert sorted(names) == ["Play", "The next β", "The β before", "β"]
    images = [node for node in nodes if node.get("role", {}).get("value") == "image"]
    assert len(images) >= 7 and all(len(node["name"]["value"]) > 8 for node in images)
    assert page.title() and page.locator("html").get_attribute("lang") == "en"


@browser_test
def test_a_name_and_texts_are_shown_as_they_are(open_page, tmp_path):
    tricky = "</script><b>&amp; <!-- style -->"
    panels = {tricky: [Part(tricky, "<p>one</p>", tricky)], "b": [Part("two", "<p>two</p>", "b")]}
    page = open_page(export_slider("<i>k</i>", panels, tmp_path / "a.html"))
    page.locator("#slider").press("Home")
    assert now(page) == tricky and page.locator(".vae-title").inner_text() == tricky
    assert page.locator(".reading label").inner_text() == "<i>k</i>"
