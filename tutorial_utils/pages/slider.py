"""The slider page: panels of trained models as one HTML file that runs without a network, Python or a library."""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from ..store.files import write_atomically
from ..studios.base import ASSETS as WIDGETS
from ..studios.base import Part, describe
from ..studios.model_slider import MILLISECONDS, checked_panels, say, steps_of
from .html import MAX_BYTES, MNIST, fill_template, read_asset


def export_slider(
    name: str, panels: Mapping[str, Sequence[Part]], path: str | Path, *, credit: str = MNIST
) -> Path:
    """Write the slider to `path` as one HTML page of at most 1.5 MB, which needs no network, Python or library.

    name, panels: as for `model_slider`; the pictures in the page are the same bytes.  credit: HTML
    under the page, by default that of MNIST, whose digits the panels of notebook 05 show. Returns
    the path.  Raises TypeError or ValueError for a bad argument or a page above 1.5 MB.
    """
    panels = checked_panels(name, panels)
    page = _page(name, panels, credit)
    if len(page) > MAX_BYTES:
        sizes = f"{len(page) / 1e6:.2f} MB, more than {MAX_BYTES / 1e6:.2f}"
        raise ValueError(
            f"panels are too large for one page: {sizes}. Fewer labels, or smaller pictures, make it fit."
        )
    path = Path(path)
    write_atomically(path, page)
    return path


# ---- the page ----


def _page(name: str, panels: dict[str, list[Part]], credit: str) -> bytes:
    """The page: the template with style, script, panels and credit in it."""
    described = {label: [describe(part) for part in parts] for label, parts in panels.items()}
    texts = [say(name, label, parts) for label, parts in described.items()]
    for part in (part for parts in described.values() for part in parts if "png" in part):
        part["png"] = base64.b64encode(part["png"]).decode()
    data = {
        "name": name,
        "labels": list(panels),
        "panels": list(described.values()),
        "texts": texts,
    }
    data |= {"start": len(panels) // 2, "milliseconds": MILLISECONDS}
    (back, _), (on, _) = steps_of(name)
    parts = {
        "style": "\n".join(
            [
                read_asset("playground.css"),
                read_asset("widgets.css", WIDGETS),
                read_asset("slider.css"),
            ]
        ),
        "script": read_asset("slider.js", WIDGETS),
        "name": escape(name),
        "count": str(len(panels)),
        "back": back,
        "on": on,
        "credit": credit,
        "panels": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace(
            "<", "\\u003c"
        ),
    }
    return fill_template("slider.html", parts)
