"""What the tests in a real Chromium share: pressing, dragging, and reading what a page shows."""

import base64
import io
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
Place = tuple[float, float]

READ_PIXELS = """root => {
  const node = root.matches('img, canvas') ? root : root.querySelector('img');
  let canvas = node;
  if (node?.tagName !== 'CANVAS') {
    if (!node?.complete || !node.naturalWidth) return [0, 0, ''];  // about to be replaced
    canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [node.naturalWidth, node.naturalHeight];
    canvas.getContext('2d').drawImage(node, 0, 0);
  }
  const {width, height} = canvas;
  const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
  return [height, width, btoa(Array.from(data, byte => String.fromCharCode(byte)).join(''))];
}"""
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
CUT_OFF = """root => Array.from(root.querySelectorAll(
    'img, text, button, input, select, p, .widget-label, .widget-readout, .widget-slider'
  )).filter(node => {
    const [box, room] = [node, root].map(each => each.getBoundingClientRect());
    const outside = !box.width || box.left < room.left || box.right > room.right + 1;
    const full = node.matches('button, .widget-label') && node.scrollWidth > node.clientWidth + 1;
    return node.checkVisibility({visibilityProperty: true}) && (outside || full);
  }).map(node => node.outerHTML)"""


def installed() -> dict:
    """How the Chromium that is installed here is started; fails when there is none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"no browser found: install Chromium (looked for {', '.join(BROWSERS)})"
    return {"executable_path": path, "args": ["--no-sandbox"]}


def launch(playwright: Playwright) -> Browser:
    """The Chromium that is installed here."""
    return playwright.chromium.launch(**installed())


def listen(page: Page) -> None:
    """Collect in `page.complaints` what the page reports as errors."""
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and page.complaints.append(told(said)))


def told(said: ConsoleMessage) -> str:
    """What a page says on its console, and about which address."""
    return f"{said.text} {said.location['url']}"


def settle(page: Page) -> None:
    """Wait for two frames: what was asked for is on the screen."""
    page.evaluate(TWO_FRAMES)


# ---- reading ----


def rgba(height: int, width: int, data: str) -> np.ndarray:
    """What READ_PIXELS returns, as whole numbers [H, W, 4]."""
    pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
    return pixels.astype(int)


def grays(height: int, width: int, data: str) -> np.ndarray:
    """What READ_PIXELS returns, as gray values [H, W]; fails when they are not gray and opaque."""
    pixels = rgba(height, width, data)
    assert (pixels[..., 3] == 255).all() and (pixels[..., :1] == pixels[..., :3]).all()
    return pixels[..., 0]


def shown(picture: Locator) -> np.ndarray:
    """The gray values [H, W] of a canvas, or of the image in `picture`, as the page draws them.

    Read from the drawn pixels: the address of a picture that is exchanged just then is gone.
    """
    return grays(*picture.evaluate(READ_PIXELS))


def moving(pictures: Locator, page: Page) -> list[int]:
    """Which of the pictures, all in the window, look different at some time in two seconds."""
    boxes = [picture.bounding_box() for picture in pictures.all()]
    shots = []
    for _ in range(8):
        shots.append(np.asarray(Image.open(io.BytesIO(page.screenshot()))))
        page.wait_for_timeout(250)

    def part(shot: np.ndarray, box: dict) -> np.ndarray:
        x, y, width, height = (int(box[key]) for key in ("x", "y", "width", "height"))
        return shot[y : y + height, x : x + width]

    return [
        k for k, box in enumerate(boxes)
        if any((part(shot, box) != part(shots[0], box)).any() for shot in shots)
    ]  # fmt: skip


def difference(picture: Locator, image) -> float:
    """How many gray values the picture is away from a tensor [H, W] in [0, 1], at most."""
    there, here = shown(picture), 255 * image.double().numpy()
    return abs(there - here).max() if there.shape == here.shape else np.inf


def wait_until_equal(picture: Locator, expected: Callable, page: Page) -> None:
    """Wait until the picture is `expected()`, [H, W] in [0, 1], to one gray value, and stays so."""
    equal = 0  # so often in a row: a picture may be right on its way to another one
    for _ in range(80):
        equal = equal + 1 if difference(picture, expected()) <= 1.01 else 0
        if equal == 4:
            return
        page.wait_for_timeout(100)
    pytest.fail("the picture on the page is not what the model gives")


def move_and_compare(act: Callable, picture: Locator, expected: Callable, page: Page) -> None:
    """`act()` must change the picture, and what comes must be what the model gives."""
    before = shown(picture)
    act()
    for _ in range(50):
        page.wait_for_timeout(100)
        if (now := shown(picture)).shape == before.shape and (now != before).any():
            break
    else:
        pytest.fail("the picture did not change")
    wait_until_equal(picture, expected, page)


def is_focused(node: Locator) -> bool:
    """Whether keys go to this element."""
    return node.evaluate("node => node === document.activeElement")


def keeps_its_keys(handle: Locator) -> bool:
    """Whether a slider's handle has the focus, and JupyterLab takes none of its keys."""
    return is_focused(handle) and handle.evaluate("node => node.dataset.lmSuppressShortcuts")


# ---- acting ----


def press(page: Page, key: str, times: int = 1) -> None:
    """Press a key, again and again."""
    for _ in range(times):
        page.keyboard.press(key)


def on_page(target: Locator, place: Place) -> Place:
    """A place in shares of the target's width and height, as a point of the page."""
    box = target.bounding_box()
    return box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"]


def drag(page: Page, target: Locator, start: Place, end: Place) -> None:
    """Drag the mouse in ten steps; places are shares of the target's width and height."""
    target.scroll_into_view_if_needed()
    start, end = on_page(target, start), on_page(target, end)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=10)
    page.mouse.up()
    settle(page)


def swipe(page: Page, points: Iterable[Place]) -> None:
    """Move a finger through points of the page."""
    client = page.context.new_cdp_session(page)
    for k, (x, y) in enumerate(points):
        touch = {"type": "touchMove" if k else "touchStart", "touchPoints": [{"x": x, "y": y}]}
        client.send("Input.dispatchTouchEvent", touch)
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    client.detach()


@contextmanager
def window_of(page: Page, width: int) -> Iterator[None]:
    """A window of other width for a while: 1332, 1072, 852 leave 900, 640, 420 to a studio."""
    size = page.viewport_size
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(400)
    yield
    page.set_viewport_size(size)


def check_fits(studio: Locator) -> None:
    """Nothing in the studio is cut off, nor scrolls sideways."""
    assert studio.evaluate(CUT_OFF) == []
    area = studio.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')]").first
    assert area.evaluate("node => node.scrollWidth <= node.clientWidth")
