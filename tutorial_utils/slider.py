"""A slider over trained models: panels drawn beforehand, in a notebook, or as one HTML file that runs by itself."""

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from .arguments import one_of
from .cache import write_atomically
from .panels import Part
from .playground import MAX_BYTES, MNIST
from .widgets import ASSETS, style_sheet

PNG = b"\x89PNG\r\n\x1a\n"
MILLISECONDS = 1200  # that a panel stays when the slider plays


def model_slider(name: str, panels: Mapping[str, Sequence[Part]], *, start: str | None = None) -> "ModelSlider":
    """A slider over trained models: the arrow keys, ◀ and ▶ go from one panel to the next; nothing is computed then.

    name: of what is turned, such as "β".  panels: {the slider's label: its parts}, as from `panels.beta_panels`, as
    many parts under each label.  start: the first label shown; by default the one in the middle.
    Raises TypeError or ValueError for a bad argument.
    """
    panels = _checked(name, panels)
    labels = tuple(panels)
    return ModelSlider(name, panels, labels[len(labels) // 2] if start is None else one_of("start", start, labels))


def export_slider(name: str, panels: Mapping[str, Sequence[Part]], path: str | Path, *, credit: str = MNIST) -> Path:
    """Write the slider to `path` as one HTML page of at most 1.5 MB, which needs no network, Python or library.

    name, panels: as for `model_slider`; the pictures in the page are the same bytes.  credit: HTML under the page, by
    default that of MNIST, whose digits the panels of notebook 05 show.
    Returns the path.  Raises TypeError or ValueError for a bad argument or a page above 1.5 MB.
    """
    panels = _checked(name, panels)
    page = _page(name, panels, credit)
    if len(page) > MAX_BYTES:
        sizes = f"{len(page) / 1e6:.2f} MB, more than {MAX_BYTES / 1e6:.2f}"
        raise ValueError(f"panels are too large for one page: {sizes}. Fewer labels, or smaller pictures, make it fit.")
    path = Path(path)
    write_atomically(path, page)
    return path


class PanelView(anywidget.AnyWidget):
    """One panel on the page: `parts`, as `describe` makes them, all exchanged in one frame; `text` is said aloud."""

    _esm = ASSETS / "slider.js"
    parts = traitlets.List(traitlets.Dict()).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)


class ModelSlider(ipywidgets.VBox):
    """What `model_slider` returns: `slider` chooses the label, `view` shows its panel; `back`, `on`, `play` move it."""

    def __init__(self, name: str, panels: dict[str, list[Part]], start: str):
        self.name, self.view = name, PanelView()
        self.shown = {label: [describe(part) for part in parts] for label, parts in panels.items()}
        self.slider = ipywidgets.SelectionSlider(options=list(panels), value=start, description=name)
        self.slider.style.description_width = "auto"
        self.slider.tooltip = f"{name}: drag, or use the arrow keys"
        self.back, self.on = (ipywidgets.Button(description=text, tooltip=tip) for text, tip in _steps(name))
        self.back.on_click(lambda _button: self._step(-1))
        self.on.on_click(lambda _button: self._step(1))
        last = len(panels) - 1
        self.play = ipywidgets.Play(value=self.slider.index, max=last, interval=MILLISECONDS, show_repeat=False)
        traitlets.link((self.play, "value"), (self.slider, "index"))
        self.slider.observe(self._show, "index")
        bar = ipywidgets.HBox([self.back, self.slider, self.on, self.play]).add_class("vae-bar-of-slider")
        super().__init__([style_sheet(), bar, self.view])
        self.add_class("vae-explorer").add_class("vae-slider")
        self._show()

    def _step(self, by: int) -> None:
        self.slider.index = min(max(self.slider.index + by, 0), len(self.shown) - 1)

    def _show(self, _change: object = None) -> None:
        """The slider has moved: the whole panel goes to the page in one message."""
        index, last = self.slider.index, len(self.shown) - 1
        self.back.disabled, self.on.disabled = index == 0, index == last
        with self.view.hold_sync():
            self.view.parts = self.shown[self.slider.value]
            self.view.text = say(self.name, self.slider.value, self.shown[self.slider.value])


def describe(part: Part) -> dict:
    """A part as the page needs it: {"title", "caption", "alt", "kind", and "png" or "html"}.

    kind says how much room it takes: "row", "square", "strip" for a wide picture, "broad" for a wide chart.
    """
    title, _, caption = part.title.partition("\n")
    content = {"png": part.content} if isinstance(part.content, bytes) else {"html": part.content}
    return {"title": title, "caption": caption, "alt": part.alt, "kind": _kind(part.content), **content}


def say(name: str, label: str, parts: Sequence[dict]) -> str:
    """What a screen reader says of a panel: its label, and its lines of numbers."""
    return ". ".join([f"{name} = {label}", *(part["alt"] for part in parts if part["kind"] == "row")])


def _kind(content: bytes | str) -> str:
    if isinstance(content, str):
        head = content.lstrip()[:80]
        return "row" if not head.startswith("<svg") else "broad" if "vae-broad" in head else "square"
    width, height = struct.unpack(">II", content[16:24])
    return "strip" if width >= 2 * height else "square"


def _steps(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("◀", f"The {name} before"), ("▶", f"The next {name}")


def _checked(name: str, panels: Mapping[str, Sequence[Part]]) -> dict[str, list[Part]]:
    """The panels as a dict of lists; TypeError or ValueError unless name and panels are what they must be."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"name must be a text such as 'β', got {name!r}")
    if not isinstance(panels, Mapping) or not all(isinstance(label, str) for label in panels):
        raise TypeError("panels must map the labels of the slider, texts, to lists of Part")
    if not panels or not all(panels.values()):
        raise ValueError("panels must hold a label at least, and each label a Part at least")
    panels = {label: list(parts) for label, parts in panels.items()}
    for label, parts in panels.items():
        for part in parts:
            _check_part(label, part)
    counts = {label: len(parts) for label, parts in panels.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"panels must have as many parts under each label, got {counts}")
    return panels


def _check_part(label: str, part: object) -> None:
    if not isinstance(part, Part):
        raise TypeError(f"panels[{label!r}] must hold Part(title, content, alt), got {type(part).__name__}")
    if not isinstance(part.content, str) and not (isinstance(part.content, bytes) and part.content[:8] == PNG):
        raise TypeError(f"content of a Part in panels[{label!r}] must be the bytes of a PNG, or SVG or HTML as text")
    if not part.content or not part.alt:
        raise ValueError(
            f"panels[{label!r}]: the Part {part.title!r} must have content, and alt, what is seen in words"
        )


# ---- the page ----


def _page(name: str, panels: dict[str, list[Part]], credit: str) -> bytes:
    """The page: the template with style, script, panels and credit in it."""
    described = {label: [describe(part) for part in parts] for label, parts in panels.items()}
    texts = [say(name, label, parts) for label, parts in described.items()]
    for part in (part for parts in described.values() for part in parts if "png" in part):
        part["png"] = base64.b64encode(part["png"]).decode()
    data = {"name": name, "labels": list(panels), "panels": list(described.values()), "texts": texts}
    data |= {"start": len(panels) // 2, "milliseconds": MILLISECONDS}
    (back, _), (on, _) = _steps(name)
    parts = {
        "style": "\n".join(_read(sheet) for sheet in ("playground.css", "widgets.css", "slider.css")),
        "script": _read("slider.js"),
        "name": escape(name),
        "count": str(len(panels)),
        "back": back,
        "on": on,
        "credit": credit,
        "panels": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    page = _read("slider.html")
    for key, part in parts.items():
        page = page.replace(f"<!-- {key} -->", part)
    return page.encode()


def _read(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
