"""The filling and the style studio in JupyterLab, in a real Chromium: the page shows what the functions give."""

import pytest
import torch
from helpers.browser import open_unsaved
from playwright.sync_api import expect
from torch.nn.functional import one_hot

from tutorial_utils.data import load_images
from tutorial_utils.latent import side_by_side
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.filling import answers, answers_picture, observed_from, observed_picture
from tutorial_utils.studios.style import blend, encode_style, write
from tutorial_utils.training import local_seed

pytestmark = pytest.mark.browser
MAKE = """
from torch.nn.functional import one_hot
data = load_images("mnist", n_test=50)
x, y = data.x_test, one_hot(data.y_test, 10).float()
class Labelled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = mlp([794, 4]), mlp([12, 16, 784], out_shape=(1, 28, 28))
    def encode(self, x, y):
        return self.encoder(torch.cat([x.flatten(1), y], 1)).chunk(2, -1)
    def decode(self, z, y):
        return self.decoder(torch.cat([3 * z, 3 * y], 1))
with local_seed(0):
    vae = VAE(mlp([784, 4]), mlp([2, 16, 784], out_shape=(1, 28, 28)), latent_dim=2).eval()
    judge, labelled = mlp([784, 10]), Labelled().eval()
"""
SOURCE = f"""
import torch
from IPython.display import display
from tutorial_utils.data import load_images
from tutorial_utils.studios.filling import filling_studio
from tutorial_utils.models import VAE, mlp
from tutorial_utils.studios.style import style_studio
from tutorial_utils.training import local_seed
{MAKE}
display(filling_studio(vae, (x > 0.5).float(), classifier=judge), style_studio(labelled, x, y))
"""


@pytest.fixture(scope="module")
def made() -> dict:
    """What the notebook makes, made here: `x`, `y`, `vae`, `labelled`."""
    names = {
        "torch": torch,
        "load_images": load_images,
        "VAE": VAE,
        "mlp": mlp,
        "local_seed": local_seed,
    }
    exec(MAKE, names)
    return names


@pytest.fixture(scope="module")
def page(lab, chromium):
    """A notebook with both studios as its only output."""
    page = open_unsaved(chromium, lab, "applications", SOURCE, ".vae-style .vae-strip img")
    yield page
    page.close()


def focus_handle(studio, name: str):
    """The handle of the slider with this name, as a screen reader knows it."""
    handle = studio.get_by_role("slider", name=name, exact=True)
    handle.focus()
    assert handle.evaluate("node => node === document.activeElement")
    return handle


def wait_for_picture(picture, expected: torch.Tensor) -> None:
    """Wait until the page draws an image [H, W] in [0, 1], to one gray value.

    Read from the drawn pixels: a picture that is exchanged just then has no address any more, and
    the page complains.
    """
    script = """(img, [gray, width]) => {
      const canvas = document.createElement('canvas');
      if (!img.complete || img.naturalWidth !== width) return false;
      [canvas.width, canvas.height] = [width, gray.length / width];
      const context = canvas.getContext('2d');
      context.drawImage(img, 0, 0);
      const found = context.getImageData(0, 0, canvas.width, canvas.height).data;
      return gray.every((value, k) => Math.abs(found[4 * k] - value) <= 1.01);
    }"""
    gray = [(255 * expected).flatten().tolist(), expected.shape[1]]
    for _ in range(100):
        if picture.locator("img").evaluate(script, gray):
            return
        picture.page.wait_for_timeout(100)
    pytest.fail("the picture on the page is not what the functions give")


def filled_as_functions(
    studio, made, index: int, count: int, side: str, seed: int, n_steps: int = 16
) -> None:
    """Wait for these controls; then pictures and words on the page are those of the functions."""
    image, seen = (made["x"][index] > 0.5).float(), observed_from(side, count, (28, 28))
    unit = "columns" if side in ("left", "right") else "rows"
    words = f"{count} of 28 {unit}, from the {side}. 8 answers after {n_steps} steps. Read as "
    expect(studio.get_by_role("status")).to_contain_text(words)
    figures = studio.locator("figure")
    assert figures.count() == 2
    expect(figures.first.locator("p")).to_have_text(f"{count} of 28 {unit}, from the {side}")
    images = answers(made["vae"], image, seen, 8, n_steps=n_steps, seed=seed)
    wait_for_picture(figures.first, observed_picture(image[0], seen))
    wait_for_picture(figures.last, answers_picture(images, seen, 4))


def test_filling_by_keyboard(page, made):
    studio = page.locator(".vae-filling")
    studio.scroll_into_view_if_needed()
    filled_as_functions(studio, made, 0, 14, "top", 0)
    handle = focus_handle(studio, "rows seen")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    filled_as_functions(studio, made, 0, 11, "top", 0)
    assert handle.get_attribute("aria-valuetext") == "11"
    studio.get_by_role("radio", name="right").press("Space")
    filled_as_functions(studio, made, 0, 11, "right", 0)
    studio.get_by_role("button", name="New answers").press("Enter")
    filled_as_functions(studio, made, 0, 11, "right", 1)
    studio.get_by_role("button", name="Next image").press("Enter")
    filled_as_functions(studio, made, 1, 11, "right", 1)
    studio.get_by_role("radio", name="60").press("Space")
    filled_as_functions(studio, made, 1, 11, "right", 1, n_steps=60)


def written_as_functions(
    studio, made, indices: tuple[int, int], style: float, labels: tuple[int, int], t: float
) -> None:
    """Wait for these controls; then row and picture on the page are those of the functions."""
    z = encode_style(made["labelled"], made["x"][list(indices)], made["y"][list(indices)])
    z, label = torch.lerp(*z, style), blend(*labels, t, 10)
    row = side_by_side(write(made["labelled"], z, one_hot(torch.arange(10), 10).float()))
    wait_for_picture(studio.locator(".vae-strip"), row)
    image = write(made["labelled"], z, label[None])[0]
    wait_for_picture(studio.locator(".vae-picture"), image)


def test_style_by_keyboard(page, made):
    studio = page.locator(".vae-style")
    studio.scroll_into_view_if_needed()
    second = int((made["y"].argmax(1) == 1).nonzero()[0])
    written_as_functions(studio, made, (0, second), 0, (3, 8), 0)
    for name, key in (("style", "End"), ("blend", "End")):
        focus_handle(studio, name)
        page.keyboard.press(key)
    written_as_functions(studio, made, (0, second), 1, (3, 8), 1)
    page.keyboard.press("ArrowLeft")
    studio.get_by_role("combobox", name="to", exact=True).select_option("5")
    written_as_functions(studio, made, (0, second), 1, (3, 5), 0.98)
    expect(studio.locator(".vae-written .vae-label")).to_contain_text("label 2 % 3 + 98 % 5")
    studio.get_by_role("combobox", name="Style B").select_option("4")
    fourth = int((made["y"].argmax(1) == 4).nonzero()[0])
    written_as_functions(studio, made, (0, fourth), 1, (3, 5), 0.98)
    assert "style B" in studio.locator(".vae-strip img").get_attribute("alt")


@pytest.mark.parametrize("width", [1332, 1072, 852])  # 900, 640 and 420 pixels for the studios
@pytest.mark.parametrize("name", ["filling", "style"])
def test_nothing_is_cut_off_or_scrolls_sideways(width, name, page):
    size, studio = page.viewport_size, page.locator(f".vae-{name}")
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(200)
    cut_off = """root => Array.from(root.querySelectorAll('img, button, input, select, .widget-label, .widget-readout'))
      .filter(node => {
        const [box, room] = [node, root].map(each => each.getBoundingClientRect());
        const label = node.matches('.widget-label') && node.scrollWidth > node.clientWidth + 1;
        return node.checkVisibility() && (!box.width || label || box.left < room.left || box.right > room.right + 1);
      }).map(node => node.outerHTML)"""
    assert studio.evaluate(cut_off) == []
    area = studio.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')]").first
    assert area.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.set_viewport_size(size)


def test_our_code_raises_no_errors_in_the_page(page):
    assert page.complaints == []
