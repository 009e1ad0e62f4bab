"""What all studios share: frame, names of controls, pictures, panels, checks of their models."""

import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import anywidget
import ipywidgets
import torch
import traitlets
from torch import Tensor, nn

from ..models import decode_images, is_vae
from ..support.arguments import nonempty_text, same_shape

ASSETS = Path(__file__).parent / "assets"
HIDDEN = {"display": "none"}  # the layout of what takes no room on the page


class Picture(anywidget.AnyWidget):
    """PNG bytes on the page, with a text alternative, which ipywidgets.Image does not have."""

    _esm = ASSETS / "picture.js"
    value = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)


class ControlNames(anywidget.AnyWidget):
    """Accessible names and states for all controls of a studio; takes no room on the page."""

    _esm = ASSETS / "control_names.js"


class Studio(ipywidgets.VBox):
    """The frame of every studio: its parts below each other, style sheet, names for all controls.

    css_class: the studio's own class in widgets.css, such as "vae-blur".  parts: its widgets.
    """

    def __init__(self, css_class: str, *parts: ipywidgets.Widget):
        sheet = (ASSETS / "widgets.css").read_text(encoding="utf-8")
        style = ipywidgets.HTML(f"<style>{sheet}</style>", layout=HIDDEN)
        super().__init__([style, ControlNames(layout=HIDDEN), *parts])
        self.add_class("vae-root").add_class(css_class)

    def close(self) -> None:
        """Close the studio and every widget in it."""
        if self.comm is not None and not sys.is_finalizing():  # or it is closed already
            for part in _widgets_in(self):
                part.close()
        super().close()


def _widgets_in(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """All that belong to a widget: its children, its layout, its style, and theirs."""
    # Private ones may be shared by all widgets, as the manager of all canvases is: they stay open.
    public = {name: value for name, value in widget.trait_values().items() if name[0] != "_"}
    parts = [*public.pop("children", ()), *public.values()]
    parts = [part for part in parts if isinstance(part, ipywidgets.Widget)]
    return parts + [inner for part in parts for inner in _widgets_in(part)]


# ---- panels ----


class Part(NamedTuple):
    """A piece of a panel: its title, its content, which is PNG bytes or SVG or HTML, and alt text.

    The first line of the title stands above the content, the second, if there is one, below it.
    """

    title: str
    content: bytes | str
    alt: str


class PanelView(anywidget.AnyWidget):
    """A panel on the page: `parts`, as `describe` makes them, are exchanged in one frame.

    text: what a screen reader reads out when the panel has changed.
    """

    _esm = ASSETS / "slider.js"
    parts = traitlets.List(traitlets.Dict()).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)


def describe(part: Part) -> dict:
    """A part as the page needs it: {"title", "caption", "alt", "kind", and "png" or "html"}.

    kind says how much room it takes: "row", "square", "strip" for a wide picture, "broad" for a
    wide chart.  Raises ValueError for an alt that is no text.
    """
    title, _, caption = part.title.partition("\n")
    content = {"png": part.content} if isinstance(part.content, bytes) else {"html": part.content}
    return {
        "title": title,
        "caption": caption,
        "alt": nonempty_text("alt", part.alt),
        "kind": _kind(part.content),
        **content,
    }


def _kind(content: bytes | str) -> str:
    if isinstance(content, bytes):
        width, height = struct.unpack(">II", content[16:24])  # in the header of every PNG
        return "strip" if width >= 2 * height else "square"
    head = content.lstrip()[:80]
    if not head.startswith("<svg"):
        return "row"
    return "broad" if "vae-broad" in head else "square"


# ---- words ----


def name_of_decoded(model: nn.Module) -> str:
    """What the decoded image is: the mean of a VAE's likelihood, or an autoencoder's image."""
    return "mean of p(x|z)" if is_vae(model) else "decoded image"


def show_code(z: Tensor, decimals: int = 2) -> str:
    """The code [D] as text, with a true minus sign; of a long code the first four numbers."""
    numbers = [f"{value + 0.0:.{decimals}f}".replace("-", "−") for value in z[:4].tolist()]
    return f"({', '.join(numbers)}{', …' if len(z) > 4 else ''})"


# ---- checks ----


def models_by_label(name: str, models: object) -> dict[str, object]:
    """Models by their labels: those of a dict, or a single one with the label "".

    Raises TypeError or ValueError for a dict without models, or a label that is no text.
    """
    if not isinstance(models, Mapping):
        return {"": models}
    if not models:
        raise ValueError(f"{name} must hold at least one model, got none")
    return {nonempty_text(f"a label in {name}", label): models[label] for label in models}


def check_vae(name: str, model: object, *, least: int = 1) -> None:
    """Raises TypeError unless `model` is a VAE, with at least `least` latent numbers."""
    if not is_vae(model):
        raise TypeError(f"{name} must be a VAE, got {type(model).__name__}")
    if model.latent_dim < least:
        raise TypeError(
            f"{name} must be a VAE with {least} or more latent numbers, "
            f"got {type(model).__name__} with latent_dim {model.latent_dim}"
        )


def check_autoencoder(name: str, model: object) -> None:
    """Raises TypeError unless `model` encodes and decodes, as a VAE and an Autoencoder do."""
    if not (callable(getattr(model, "encode", None)) and callable(getattr(model, "decode", None))):
        raise TypeError(f"{name} must be a VAE or an Autoencoder, got {type(model).__name__}")


def check_classifier(name: str, model: object) -> None:
    """Raises TypeError unless `model` is a torch module; None, for no classifier, is allowed."""
    if model is not None and not isinstance(model, nn.Module):
        raise TypeError(f"{name} must be a classifier, a torch module, got {type(model).__name__}")


def check_decodes_like(name: str, model: nn.Module, x: Tensor) -> None:
    """Raises ValueError unless the VAE decodes to images as large as those of x [N, 1, H, W]."""
    decoded = decode_images(model, torch.zeros(1, model.latent_dim))
    same_shape(f"{name}: a decoded image", decoded, "an image of x", x[0])
