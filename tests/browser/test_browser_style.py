"""The style studio (notebook 09) in a real Chromium: the page shows what the functions give."""

import pytest
import torch
from helpers.browser import check_fits, is_focused, press, wait_until_equal
from playwright.sync_api import expect
from torch.nn.functional import one_hot

from tutorial_utils.latent import side_by_side
from tutorial_utils.studios.style import blend, encode_style, write

pytestmark = pytest.mark.browser
SETUP = """
import torch
from torch.nn.functional import one_hot
from tutorial_utils.data import load_images
from tutorial_utils.models import mlp
from tutorial_utils.studios.style import style_studio
from tutorial_utils.training import local_seed

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
    labelled = Labelled().eval()
"""
SHOW = "style_studio(labelled, x, y)"
STUDIO, READY = ".vae-style", ".vae-strip img"


def check_studio(studio, made, b: int, style: float, labels: tuple[int, int], t: float) -> None:
    """Wait for styles of images 0 and b, and these sliders; then row and picture are theirs."""
    model, indices = made["labelled"], [0, b]
    z = torch.lerp(*encode_style(model, made["x"][indices], made["y"][indices]), style)
    row = side_by_side(write(model, z, one_hot(torch.arange(10), 10).float()))
    image = write(model, z, blend(*labels, t, 10)[None])[0]
    wait_until_equal(studio.locator(".vae-strip"), lambda: row, studio.page)
    wait_until_equal(studio.locator(".vae-picture"), lambda: image, studio.page)


def test_style_by_keyboard(page, studio, made):
    one, four = (int((made["y"].argmax(1) == label).nonzero()[0]) for label in (1, 4))
    check_studio(studio, made, one, 0, (3, 8), 0)
    for name in ("style", "blend"):
        handle = studio.get_by_role("slider", name=name, exact=True)
        handle.focus()
        assert is_focused(handle)
        press(page, "End")
    check_studio(studio, made, one, 1, (3, 8), 1)
    press(page, "ArrowLeft")
    studio.get_by_role("combobox", name="to", exact=True).select_option("5")
    check_studio(studio, made, one, 1, (3, 5), 0.98)
    expect(studio.locator(".vae-written .vae-label")).to_contain_text("label 2 % 3 + 98 % 5")
    studio.get_by_role("combobox", name="Style B").select_option("4")
    check_studio(studio, made, four, 1, (3, 5), 0.98)
    assert "style B" in studio.locator(".vae-strip img").get_attribute("alt")


@pytest.mark.parametrize("width", [1332, 1072, 852])
def test_it_fits(width, page, studio):
    check_fits(page, studio, width)
