"""Makes the README's pictures, GIF and playground from the shipped models: `make figures`.

The page of β is the one that notebook 05 writes when it is executed; it is copied and
photographed, and the first picture of 05 is cut out of it.  The diagrams
(`notebooks/figures/*.svg`) are drawn by hand and kept as they are.
"""

import base64
import io
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import pil_to_tensor

from tutorial_utils.data import load_images
from tutorial_utils.latent import decode_grid, morph, straight_line
from tutorial_utils.models import encode_images
from tutorial_utils.pages.playground import export_playground
from tutorial_utils.plotting import plot_codes, show_image, show_rows
from tutorial_utils.store.files import write_atomically
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.support.animation import gif_bytes

NOTEBOOKS = Path(__file__).parents[1]
TOUR = (2, 3, 8, 7, 9, 1, 0)  # the digits that the GIF visits, by class
WALK = (174, 111)  # test images, a 2 and a 7


def draw_map(model, z, y) -> plt.Figure:
    """The codes of the test images, and what the decoder paints all over their plane."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5.1))
    plot_codes(z, y, ax=left, n=2500, title="Where a VAE files 2,500 test images")
    left.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), aspect="equal")
    show_image(decode_grid(model, n=18), ax=right, title="What it paints at each place of that map")
    return fig


def class_center(z: torch.Tensor, y: torch.Tensor, label: int) -> torch.Tensor:
    """The code of class `label` that has the most codes of its class around it."""
    own = z[y == label]
    neighbors = torch.cdist(own, own).topk(50, largest=False).values.mean(1)
    return own[neighbors.argmin()]


def tour(model, z, y, *, frames_per_step: int = 12, rest: int = 4) -> torch.Tensor:
    """Frames [T, H, W] of a walk through the digits of TOUR and back to the first."""
    stops = [class_center(z, y, label) for label in (*TOUR, TOUR[0])]
    frames = []
    for a, b in pairwise(stops):
        frames += [morph(model, a, b, 0.0)] * rest
        frames += [morph(model, a, b, step / frames_per_step) for step in range(1, frames_per_step)]
    return torch.stack(frames)


def tour_of_both(models: dict, x: torch.Tensor, y: torch.Tensor) -> bytes:
    """The same tour in the codes of each model, side by side, as a GIF."""
    walks = [tour(model, encode_images(model, x)[0], y) for model in models.values()]
    frames = torch.cat([nn.functional.pad(walk, (1, 1)) for walk in walks], dim=2)
    labels = [(" " * 18).join(models)] * len(frames)
    return gif_bytes(frames, seconds=0.09, enlarge=6, labels=labels, levels=64)


def draw_knob(page: Path, *, chosen: tuple[int, int] = (2, 7), side: int = 28) -> plt.Figure:
    """What 64 numbers make of two test images and of two prior codes, one column for each β.

    page: the page of β, which has the pictures.  chosen: which of its ten images and ten codes.
    """
    text = re.search(r'id="vae-panels">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    panels = json.loads(text[1])
    pictures = {"copied": "Test images", "invented": "Drawn from the prior"}
    rows = {f"{name} {n}": [] for name in pictures for n in (1, 2)}
    for parts in panels["panels"]:
        for name, title in pictures.items():
            part = next(part for part in parts if part["title"].startswith(title))
            image = Image.open(io.BytesIO(base64.b64decode(part["png"]))).convert("L")
            last_row = pil_to_tensor(image)[:, -side:] / 255
            for n, k in enumerate(chosen, 1):
                rows[f"{name} {n}"].append(last_row[..., k * side : (k + 1) * side])
    labels = [f"β = {label}" for label in panels["labels"]]
    stacked = {name: torch.stack(images) for name, images in rows.items()}
    return show_rows(stacked, size=0.82, above={"copied 1": labels})


def draw_walks(models: dict, ends: torch.Tensor, n: int = 13) -> plt.Figure:
    """A row of decoded images for each model: its straight line between the codes of two images."""
    rows = {}
    for name, model in models.items():
        z = straight_line(*encode_images(model, ends)[0], torch.linspace(0, 1, n))
        rows[name] = model.decode(z).sigmoid()
    return show_rows(rows, size=0.8)


def photograph(page: Path, picture: Path, ready: str) -> None:
    """The upper part of an HTML page as a PNG, taken by an installed Chromium.

    ready: the JavaScript that is true when the page has drawn itself.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page(viewport={"width": 1000, "height": 860})
        tab.goto(page.resolve().as_uri())
        tab.wait_for_function(ready)
        tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    matplotlib.rc_file(NOTEBOOKS / "matplotlibrc")
    data = load_images("mnist")
    x, y = data.x_test, data.y_test
    models = {"2 numbers": load_pretrained("vae_2d"), "20 numbers": load_pretrained("vae_20d")}
    plane = models["2 numbers"]
    figures = NOTEBOOKS / "figures"
    drawn = draw_map(plane, encode_images(plane, x)[0], y)
    drawn.savefig(figures / "manifold.png", bbox_inches="tight")
    write_atomically(figures / "morph.gif", tour_of_both(models, x, y))
    walks = draw_walks(models, x[[*WALK]])
    walks.savefig(figures / "two_walks.png", bbox_inches="tight")
    page = export_playground(models, figures / "playground.html")
    pages = {page: "window.playground"}
    if (exported := NOTEBOOKS / "beta.html").exists():
        page = figures / "beta.html"
        write_atomically(page, exported.read_bytes())
        pages[page] = "document.querySelector('#panel svg')"
        draw_knob(page).savefig(figures / "one_knob.png", bbox_inches="tight")
    for page, ready in pages.items():
        if shutil.which("chromium"):
            photograph(page, page.with_suffix(".png"), ready)
