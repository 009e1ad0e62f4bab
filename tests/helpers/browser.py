"""What the tests in a real Chromium share: JupyterLab as `make lab` starts it, notebooks in it, and what they show."""

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Error, Locator, Page, Playwright

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TOKEN = "tests"


class Lab(NamedTuple):
    """A running JupyterLab: its address without a path, and the file into which it writes what it prints."""

    address: str
    log: Path


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """JupyterLab started by `make lab`, its data and settings in `folder`: the learner's own are left alone."""
    saving = (
        folder / "settings" / "@jupyterlab" / "docmanager-extension" / "plugin.jupyterlab-settings"
    )
    saving.parent.mkdir(parents=True)
    saving.write_text(
        '{"autosave": false}'
    )  # or JupyterLab writes the run notebooks after two minutes
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = (
        f"--no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token={TOKEN}"
    )
    options += f" --LabApp.user_settings_dir={folder / 'settings'}"
    environment = os.environ | {
        "TUTORIAL_DATA": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
    }
    lab = Lab(f"http://localhost:{port}", folder / "log.txt")
    with lab.log.open("w") as file:
        server = subprocess.Popen(
            ["make", "lab", f"ARGS={options}"],
            cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(240):
            assert server.poll() is None, f"`make lab` ended:\n{lab.log.read_text()[-2000:]}"
            try:
                urllib.request.urlopen(f"{lab.address}/api?token={TOKEN}", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail(
                f"`make lab` did not answer within two minutes:\n{lab.log.read_text()[-2000:]}"
            )
        yield lab
    finally:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(server.pid, sent)
                server.wait(timeout=15)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def launch(playwright: Playwright) -> Browser:
    """The Chromium that is installed here; fails when there is none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"no browser found: install Chromium (looked for {', '.join(BROWSERS)})"
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


def open_unsaved(
    browser: Browser, lab: Lab, name: str, source: str, wait_for: str, **page_options
) -> Page:
    """A notebook that is in no folder, the page alone has it, with one cell `source`, run until `wait_for` is there.

    name: of the notebook, letters only.  wait_for: a selector of the cell's output.  page_options:
    for `new_page`, such as viewport={"width": 1210, "height": 1000}.  Errors of the page are
    collected in `page.complaints`.
    """
    path = f"notebooks/{name}.ipynb"
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    now = "2025-01-01T00:00:00Z"
    file = {
        "name": f"{name}.ipynb",
        "path": path,
        "type": "notebook",
        "format": "json",
        "writable": True,
    }
    file |= {"created": now, "last_modified": now, "mimetype": None, "size": 1000}
    file["content"] = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}

    def checkpoints(route):
        made = route.request.method == "POST"
        route.fulfill(
            status=201 if made else 200, json={"id": "a", "last_modified": now} if made else []
        )

    def workspace(route):
        read = route.request.method == "GET"
        route.fulfill(
            status=200 if read else 204,
            json={"data": {}, "metadata": {"id": name}} if read else None,
        )

    page = browser.new_page(**({"viewport": {"width": 1210, "height": 1000}} | page_options))
    listen(page)
    page.route(f"**/api/contents/{path}*", lambda route: route.fulfill(json=file))
    page.route(f"**/api/contents/{path}/checkpoints*", checkpoints)
    page.route("**/lab/api/workspaces/**", workspace)
    page.goto(f"{lab.address}/lab/workspaces/{name}/tree/{path}?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    for _ in range(60):  # until the kernel is there, the menu does nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.wait_for_timeout(1000)
        if page.locator(".jp-InputPrompt").first.inner_text() != "[ ]:":
            break
    page.wait_for_selector(wait_for, timeout=120_000)
    return page


def listen(page: Page) -> None:
    """Collect in `page.complaints` what the page reports as errors."""
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "console", lambda message: message.type == "error" and page.complaints.append(message.text)
    )


def shown(picture: Locator) -> np.ndarray:
    """The pixels of the image on the page, read through the page from its blob: address."""
    script = """async (img) => {
      const bytes = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
      return btoa(String.fromCharCode(...bytes));
    }"""
    return np.asarray(
        Image.open(io.BytesIO(base64.b64decode(picture.locator("img").evaluate(script))))
    ).astype(int)


def numbers(text: str, name: str = "z") -> list[float]:
    """The code in a text such as "z = (0.12, −0.80)"."""
    return [
        float(part)
        for part in re.search(rf"{name} = \((.*?)\)", text)[1].replace("−", "-").split(",")
    ]


def wait_until_equal(picture: Locator, expected, page: Page) -> None:
    """Wait for the picture on the page to equal `expected()`, an image in [0, 1], to one gray value, and to stay so."""
    equal = 0  # so often in a row: a picture may be right on its way to another one
    for _ in range(80):
        try:
            equal = equal + 1 if abs(shown(picture) - 255 * expected().numpy()).max() <= 1.01 else 0
        except Error:  # the image was replaced while it was read
            equal = 0
        if equal == 4:
            return
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
    at = [
        (box["x"] + right * box["width"], box["y"] + down * box["height"])
        for right, down in (start, end)
    ]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=10)
    page.mouse.up()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def check_fits(page: Page, studio: Locator, width: int) -> None:
    """With a window of `width` pixels no part of the studio is cut off, and nothing in its output scrolls sideways."""
    size = page.viewport_size
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(200)
    cut_off = """root => Array.from(root.querySelectorAll('img, text, button, input, .widget-label, .widget-readout'))
      .filter(node => {
        const [box, room] = [node, root].map(each => each.getBoundingClientRect());
        return node.checkVisibility() && (!box.width || box.left < room.left || box.right > room.right + 1);
      }).map(node => node.outerHTML)"""
    assert studio.evaluate(cut_off) == []
    area = studio.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')]").first
    assert area.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.set_viewport_size(size)
