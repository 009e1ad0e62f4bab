"""JupyterLab as `make lab` starts it, in a real Chromium: notebook 00 is run, dragged, and typed into."""

import base64
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Error, Locator, Page, sync_playwright

from tutorial_utils.cache import load_pretrained
from tutorial_utils.pictures import decode_images, encode_image

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TOKEN = "tests"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that `make lab` started; the learner's settings and data are left alone."""
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"--no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token={TOKEN}"
    options += f" --LabApp.user_settings_dir={folder / 'settings'}"
    environment = os.environ | {"TUTORIAL_DATA": str(folder / "data"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    log = folder / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(
            ["make", "lab", f"ARGS={options}"],
            cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    address = f"http://localhost:{port}"
    try:
        for _ in range(240):
            assert server.poll() is None, f"`make lab` ended:\n{log.read_text()[-2000:]}"
            try:
                urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail(f"`make lab` did not answer within two minutes:\n{log.read_text()[-2000:]}")
        yield address, log
    finally:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(server.pid, sent)
                server.wait(timeout=15)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


@pytest.fixture(scope="module")
def page(lab):
    """Notebook 00, opened by the address that `make lab` prints, with all cells run from the menu."""
    address, log = lab
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"no browser found: install Chromium (looked for {', '.join(BROWSERS)})"
    printed = re.search(r"http://localhost:\d+(/lab\S*)\?token=", log.read_text())
    assert printed, f"`make lab` printed no address:\n{log.read_text()[-2000:]}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
        page.goto(f"{address}{printed[1]}?token={TOKEN}")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        page.wait_for_timeout(4000)  # what pops up, pops up a moment after the notebook is there
        page.pop_ups = page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        for _ in range(120):  # JupyterLab draws a cell when it comes near the window
            page.mouse.move(760, 600)
            page.mouse.wheel(0, 500)
            page.wait_for_timeout(500)
            if page.locator(".vae-studio").count() and page.locator(".vae-plane").count():
                break
        yield page
        browser.close()


def shown(picture: Locator) -> np.ndarray:
    """The pixels of the image on the page, read through the page from its blob: address."""
    script = """async (img) => {
      const bytes = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
      return btoa(String.fromCharCode(...bytes));
    }"""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.locator("img").evaluate(script))))).astype(int)


def numbers(text: str) -> list[float]:
    """The code in a text such as "z = (0.12, −0.80)"."""
    return [float(part) for part in re.search(r"z = \((.*?)\)", text)[1].replace("−", "-").split(",")]


def wait_until_equal(picture: Locator, expected, page: Page) -> None:
    """Wait for the picture on the page to equal `expected()`, an image in [0, 1], to one gray value."""
    for _ in range(50):
        try:
            if abs(shown(picture) - 255 * expected().numpy()).max() <= 1.01:
                return
        except Error:  # the image was replaced while it was read
            pass
        page.wait_for_timeout(100)
    pytest.fail("the picture on the page is not what the model gives")


def move_and_compare(act, picture: Locator, expected, page: Page) -> None:
    """`act()` must change the picture, and what comes must be what the model gives."""
    before = shown(picture)
    act()
    for _ in range(50):
        page.wait_for_timeout(100)
        if (shown(picture) != before).any():
            break
    else:
        pytest.fail("the picture did not change")
    wait_until_equal(picture, expected, page)


def drag(page: Page, target: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press at `start`, move to `end` in ten steps, let go; both as shares of the target's width and height."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    at = [(box["x"] + right * box["width"], box["y"] + down * box["height"]) for right, down in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=10)
    page.mouse.up()


def test_nothing_pops_up(page):
    assert page.pop_ups == []
    assert page.locator(".jp-Dialog").count() == 0
    assert "Python 3" in page.locator(".jp-Toolbar-kernelName").first.inner_text()


def test_slider_by_mouse_and_by_keyboard(page, mnist):
    model, studio = load_pretrained("vae_2d"), page.locator(".vae-studio")
    studio.scroll_into_view_if_needed()
    picture, handle = studio.locator(".vae-picture"), studio.locator(".noUi-handle")

    def t() -> float:
        return float(studio.locator(".widget-readout").inner_text())

    def expected() -> torch.Tensor:
        ends = [re.search(r"test image (\d+)", alt)[1] for alt in
                (studio.locator(".vae-end-picture img").nth(k).get_attribute("alt") for k in (0, 1))]  # fmt: skip
        z_a, z_b = (encode_image(model, mnist.x_test[int(index)]) for index in ends)
        return decode_images(model, ((1 - t()) * z_a + t() * z_b)[None])[0]

    wait_until_equal(picture, expected, page)
    track = studio.locator(".noUi-target")
    move_and_compare(lambda: drag(page, track, (0.5, 0.5), (0.8, 0.5)), picture, expected, page)
    assert 0.7 < t() < 0.9
    for key, direction in (("ArrowLeft", -1), ("ArrowRight", 1)):
        before = t()

        def press(key=key):
            handle.focus()
            for _ in range(12):
                page.keyboard.press(key)

        move_and_compare(press, picture, expected, page)
        assert direction * (t() - before) > 0.05
    assert f"t = {t():.2f}" in studio.locator(".vae-label").inner_text()
    button = studio.get_by_role("button", name=re.compile("^Another")).first
    move_and_compare(button.click, picture, expected, page)


def test_pad_by_mouse_and_by_keyboard(page):
    model, pad = load_pretrained("vae_2d"), page.locator(".vae-pad")
    pad.scroll_into_view_if_needed()
    plane, picture = pad.locator(".vae-plane"), pad.locator(".vae-picture")

    def code() -> list[float]:
        return numbers(plane.get_attribute("aria-valuetext"))

    def expected() -> torch.Tensor:
        return decode_images(model, torch.tensor([code()]))[0]

    wait_until_equal(picture, expected, page)
    width = plane.bounding_box()["width"]
    click = {"position": {"x": 0.25 * width, "y": 0.25 * width}}
    move_and_compare(lambda: plane.click(**click), picture, expected, page)
    assert code() == pytest.approx([-1.75, 1.75], abs=0.05)  # a quarter of the map from its left and from its top
    move_and_compare(lambda: drag(page, plane, (0.4, 0.4), (0.75, 0.8)), picture, expected, page)
    assert code() == pytest.approx([1.75, -2.1], abs=0.05)
    move_and_compare(lambda: drag(page, plane, (0.5, 0.5), (1.4, 0.5)), picture, expected, page)
    assert code()[0] == 3.5  # dragged over the edge, it stays on the map
    move_and_compare(lambda: page.keyboard.press("Home"), picture, expected, page)
    assert code() == [0, 0]
    for key, place in (("ArrowRight", [0.35, 0]), ("ArrowUp", [0.35, 0.35]), ("ArrowLeft", [0, 0.35])):
        move_and_compare(lambda key=key: page.keyboard.press(f"Shift+{key}"), picture, expected, page)
        assert code() == pytest.approx(place)
    move_and_compare(lambda: page.keyboard.press("ArrowDown"), picture, expected, page)
    assert code() == pytest.approx([0, 0.28])
    assert plane.evaluate("node => node === document.activeElement")


def test_our_code_raises_no_errors_in_the_page(page):
    assert page.complaints == []
