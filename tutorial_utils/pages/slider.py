"""Slider page (notebook 05): the model slider as one HTML file that needs no network, no Python."""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from ..studios.base import ASSETS as WIDGETS
from ..studios.base import Part, describe
from ..studios.beta_slider import MILLISECONDS, checked_panels, panel_text, steps_of
from .html import MNIST, check_size, fill_template, read_asset, save_page


def export_slider(
    name: str, panels: Mapping[str, Sequence[Part]], path: str | Path, *, credit: str = MNIST
) -> Path:
    """Write the slider to `path`: one HTML page, of at most 1.5 MB, that needs no network.

    name, panels: as for `model_slider`; the pictures in the page are the same bytes.  credit: HTML
    under the page, by default that of MNIST, whose digits the panels of notebook 05 show. Returns
    the path.  Raises TypeError or ValueError for a bad argument or a page above 1.5 MB.
    """
    panels = checked_panels(name, panels)
    page = _page(name, panels, credit)
    check_size("panels are", page, "Fewer labels, or smaller pictures, make it fit.")
    return save_page(path, page)


# ---- the page ----


def _page(name: str, panels: dict[str, list[Part]], credit: str) -> bytes:
    """The template with style, script, panels and credit in it."""
    (back, _), (on, _) = steps_of(name)
    styles = [("playground.css",), ("widgets.css", WIDGETS), ("slider.css",)]
    data = json.dumps(_data(name, panels), ensure_ascii=False, separators=(",", ":"))
    parts = {
        "style": "\n".join(read_asset(*style) for style in styles),
        "script": read_asset("slider.js", WIDGETS),
        "name": escape(name),
        "count": str(len(panels)),
        "back": back,
        "on": on,
        "credit": credit,
        "panels": data.replace("<", "\\u003c"),  # no tag ends the script that holds the data
    }
    return fill_template("slider.html", parts)


def _data(name: str, panels: dict[str, list[Part]]) -> dict:
    """What the script of the page needs to know."""
    return {
        "name": name,
        "labels": list(panels),
        "panels": [list(map(_without_bytes, parts)) for parts in panels.values()],
        "texts": [panel_text(name, label, parts) for label, parts in panels.items()],
        "start": len(panels) // 2,
        "milliseconds": MILLISECONDS,
    }


def _without_bytes(part: Part) -> dict:
    """A part as the page needs it, its picture in base64."""
    described = describe(part)
    if "png" in described:
        described["png"] = base64.b64encode(described["png"]).decode()
    return described
