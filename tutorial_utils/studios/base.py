"""What every studio shares: pictures with text alternatives, panels, names for screen readers, the style sheet."""

import struct
from pathlib import Path
from typing import NamedTuple

import anywidget
import ipywidgets
import traitlets
from torch import Tensor, nn

from ..models import is_vae

ASSETS = Path(__file__).parent / "assets"


class Picture(anywidget.AnyWidget):
    """PNG bytes on the page, with a text alternative, which ipywidgets.Image does not have."""

    _esm = ASSETS / "picture.js"
    value = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)


def name_of_decoded(model: nn.Module) -> str:
    """What the decoded image is: of a model with a likelihood its mean, of an autoencoder no more than an image."""
    return "mean of p(x|z)" if is_vae(model) else "decoded image"


def show_code(z: Tensor, decimals: int = 2) -> str:
    """The code as text, with a true minus sign; of a long code the first four numbers."""
    numbers = [f"{value + 0.0:.{decimals}f}".replace("-", "−") for value in z[:4].tolist()]
    return f"({', '.join(numbers)}{', …' if len(z) > 4 else ''})"


def style_sheet() -> ipywidgets.HTML:
    """The style sheet of all widgets, as a widget without a place of its own."""
    sheet = (ASSETS / "widgets.css").read_text(encoding="utf-8")
    return ipywidgets.HTML(f"<style>{sheet}</style>", layout={"display": "none"})


class Part(NamedTuple):
    """A piece of a panel: title, content (PNG bytes, or SVG or HTML), and alt, which says in words what is seen.

    The first line of the title stands above the content, the second, if there is one, below it.
    """

    title: str
    content: bytes | str
    alt: str


class ControlNames(anywidget.AnyWidget):
    """Not seen: it gives the sliders and the buttons beside it the names and states that a screen reader says."""

    _esm = ASSETS / "control_names.js"


class PanelView(anywidget.AnyWidget):
    """One panel on the page: `parts`, as `describe` makes them, all exchanged in one frame; `text` is said aloud."""

    _esm = ASSETS / "slider.js"
    parts = traitlets.List(traitlets.Dict()).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)


def describe(part: Part) -> dict:
    """A part as the page needs it: {"title", "caption", "alt", "kind", and "png" or "html"}.

    kind says how much room it takes: "row", "square", "strip" for a wide picture, "broad" for a
    wide chart.
    """
    title, _, caption = part.title.partition("\n")
    content = {"png": part.content} if isinstance(part.content, bytes) else {"html": part.content}
    return {
        "title": title,
        "caption": caption,
        "alt": part.alt,
        "kind": _kind(part.content),
        **content,
    }


def _kind(content: bytes | str) -> str:
    if isinstance(content, str):
        head = content.lstrip()[:80]
        return (
            "row" if not head.startswith("<svg") else "broad" if "vae-broad" in head else "square"
        )
    width, height = struct.unpack(">II", content[16:24])
    return "strip" if width >= 2 * height else "square"
