"""JupyterLab as `make lab` starts it, in a real Chromium: notebooks are run, dragged, and typed into."""

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
from tutorial_utils.explorer import fixed_eps, image_row
from tutorial_utils.pictures import decode_images, encode_image

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TOKEN = "tests"
EXPLORER = """
from tutorial_utils.cache import load_pretrained
from tutorial_utils.data import load_images
from tutorial_utils.explorer import posterior_explorer
from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.training import local_seed
data = load_images("mnist")
with local_seed(0):
    untrained = Autoencoder(mlp([784, 16, 2]), mlp([2, 16, 784], out_shape=(1, 28, 28)))
posterior_explorer(load_pretrained("vae_2d"), untrained, data.x_test[:500], data.y_test[:500])
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that `make lab` started; the learner's settings and data are left alone."""
    folder = tmp_path_factory.mktemp("lab")
    saving = folder / "settings" / "@jupyterlab" / "docmanager-extension" / "plugin.jupyterlab-settings"
    saving.parent.mkdir(parents=True)
    saving.write_text('{"autosave": false}')  # or JupyterLab writes the run notebooks after two minutes
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
        listen(page)
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


@pytest.fixture(scope="module")
def explorer_page(lab, page):
    """A notebook that is in no folder, the page alone has it, with the posterior explorer as its only output."""
    name = "notebooks/explorer.ipynb"
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": EXPLORER, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    now = "2025-01-01T00:00:00Z"
    file = {"name": "explorer.ipynb", "path": name, "type": "notebook", "format": "json", "writable": True}
    file |= {"created": now, "last_modified": now, "mimetype": None, "size": 1000}
    file["content"] = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}

    def checkpoints(route):
        made = route.request.method == "POST"
        route.fulfill(status=201 if made else 200, json={"id": "a", "last_modified": now} if made else [])

    def workspace(route):
        read = route.request.method == "GET"
        route.fulfill(status=200 if read else 204, json={"data": {}, "metadata": {"id": "explorer"}} if read else None)

    page = page.context.browser.new_page(viewport={"width": 1210, "height": 1000})
    listen(page)
    page.route(f"**/api/contents/{name}*", lambda route: route.fulfill(json=file))
    page.route(f"**/api/contents/{name}/checkpoints*", checkpoints)
    page.route("**/lab/api/workspaces/**", workspace)
    page.goto(f"{lab[0]}/lab/workspaces/explorer/tree/{name}?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    for _ in range(60):  # until the kernel is there, the menu does nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.wait_for_timeout(1000)
        if page.locator(".jp-InputPrompt").first.inner_text() != "[ ]:":
            break
    page.wait_for_selector(".vae-explorer .vae-strip img", timeout=120_000)
    yield page
    page.close()


def listen(page: Page) -> None:
    """Collect in `page.complaints` what the page reports as errors."""
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))


def shown(picture: Locator) -> np.ndarray:
    """The pixels of the image on the page, read through the page from its blob: address."""
    script = """async (img) => {
      const bytes = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
      return btoa(String.fromCharCode(...bytes));
    }"""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.locator("img").evaluate(script))))).astype(int)


def numbers(text: str, name: str = "z") -> list[float]:
    """The code in a text such as "z = (0.12, −0.80)"."""
    return [float(part) for part in re.search(rf"{name} = \((.*?)\)", text)[1].replace("−", "-").split(",")]


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


def test_explorer_by_mouse_and_by_keyboard(explorer_page):
    page, model = explorer_page, load_pretrained("vae_2d")
    explorer = page.locator(".vae-explorer")
    plane, samples = explorer.locator(".vae-plane").first, explorer.locator(".vae-strip").first
    extent = float(plane.get_attribute("aria-valuemax"))
    start = plane.get_attribute("aria-valuetext")

    def posterior() -> tuple[list[float], list[float]]:
        text = plane.get_attribute("aria-valuetext")
        return numbers(text, "mu"), numbers(text, "std")

    def expected() -> torch.Tensor:
        mu, std = map(torch.tensor, posterior())
        return image_row(decode_images(model, (mu + std * fixed_eps())[:8]))

    def act(what) -> None:
        move_and_compare(what, samples, expected, page)

    def grab(handle: int, right: float, up: float) -> None:
        """Drag the middle of a handle by shares of the map."""
        square, box = plane.locator(".vae-handle").nth(handle).bounding_box(), plane.bounding_box()
        at = [(square[a] + square[b] / 2 - box[a]) / box[b] for a, b in (("x", "width"), ("y", "height"))]
        drag(page, plane, tuple(at), (at[0] + right, at[1] - up))

    wait_until_equal(samples, expected, page)
    act(lambda: drag(page, plane, (0.3, 0.3), (0.6, 0.45)))
    mu, std = posterior()
    assert mu == pytest.approx([0.2 * extent, 0.1 * extent], abs=0.05) and std == numbers(start, "std")
    for handle, direction in ((0, (0.1, 0)), (1, (0, 0.1))):
        grab(handle, 0, 0)  # a press alone changes nothing
        page.wait_for_timeout(300)
        assert posterior() == (mu, std)
        act(lambda handle=handle, direction=direction: grab(handle, *direction))
        wider = std[handle] + 0.2 * extent
        std[handle] = posterior()[1][handle]
        assert std[handle] == pytest.approx(wider, abs=0.05) and posterior() == (mu, std)
    assert plane.evaluate("node => node === document.activeElement")
    act(lambda: page.keyboard.press("Shift+ArrowLeft"))
    assert posterior()[0] == pytest.approx([mu[0] - 0.1 * extent, mu[1]], abs=1e-3)
    for axis in (0, 1):
        explorer.locator(".noUi-handle").nth(axis).focus()
        act(lambda: page.keyboard.press("ArrowLeft"))
        assert posterior()[1][axis] == pytest.approx(std[axis] / 10**0.05, rel=0.06)
    assert "higher than the encoder" in plane.get_attribute("aria-valuetext")
    act(explorer.get_by_role("button", name="The encoder’s answer").click)
    assert plane.get_attribute("aria-valuetext") == start
    act(explorer.get_by_role("button", name=re.compile("^Another")).click)
    assert "are equal" in plane.get_attribute("aria-valuetext") and plane.get_attribute("aria-valuetext") != start


def test_the_map_beside_the_explorer_is_passive(explorer_page):
    other = explorer_page.locator(".vae-explorer .vae-plane").nth(1)
    before = other.get_attribute("aria-label"), other.inner_html()
    other.click(position={"x": 50, "y": 60})
    explorer_page.wait_for_timeout(300)
    assert (other.get_attribute("aria-label"), other.inner_html()) == before and "code = (" in before[0]
    assert other.get_attribute("role") == "img" and other.get_attribute("tabindex") is None
    assert other.evaluate("node => getComputedStyle(node).cursor") == "default"
    assert other.locator(".vae-dot").count() == 8


def test_our_code_raises_no_errors_in_the_page(page, explorer_page):
    assert page.complaints == explorer_page.complaints == []
