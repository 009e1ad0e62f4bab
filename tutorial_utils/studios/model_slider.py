"""Model slider (notebook 05): a slider over trained models; each stop shows a panel that was drawn beforehand."""

from collections.abc import Mapping, Sequence

import ipywidgets
import traitlets

from ..support.arguments import one_of
from .base import PanelView, Part, describe, style_sheet

PNG = b"\x89PNG\r\n\x1a\n"
MILLISECONDS = 1200  # that a panel stays when the slider plays


def model_slider(
    name: str, panels: Mapping[str, Sequence[Part]], *, start: str | None = None
) -> "ModelSlider":
    """A slider over trained models: the arrow keys, ◀ and ▶ go from one panel to the next; nothing is computed then.

    name: of what is turned, such as "β".  panels: {the slider's label: its parts}, as from
    `panels.beta_panels`, as many parts under each label.  start: the first label shown; by default
    the one in the middle. Raises TypeError or ValueError for a bad argument.
    """
    panels = checked_panels(name, panels)
    labels = tuple(panels)
    return ModelSlider(
        name, panels, labels[len(labels) // 2] if start is None else one_of("start", start, labels)
    )


class ModelSlider(ipywidgets.VBox):
    """What `model_slider` returns: `slider` chooses the label, `view` shows its panel; `back`, `on`, `play` move it."""

    def __init__(self, name: str, panels: dict[str, list[Part]], start: str):
        self.name, self.view = name, PanelView()
        self.shown = {label: [describe(part) for part in parts] for label, parts in panels.items()}
        self.slider = ipywidgets.SelectionSlider(
            options=list(panels), value=start, description=name
        )
        self.slider.style.description_width = "auto"
        self.slider.tooltip = f"{name}: drag, or use the arrow keys"
        self.back, self.on = (
            ipywidgets.Button(description=text, tooltip=tip) for text, tip in steps_of(name)
        )
        self.back.on_click(lambda _button: self._step(-1))
        self.on.on_click(lambda _button: self._step(1))
        last = len(panels) - 1
        self.play = ipywidgets.Play(
            value=self.slider.index, max=last, interval=MILLISECONDS, show_repeat=False
        )
        traitlets.link((self.play, "value"), (self.slider, "index"))
        self.slider.observe(self._show, "index")
        bar = ipywidgets.HBox([self.back, self.slider, self.on, self.play]).add_class(
            "vae-bar-of-slider"
        )
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


def say(name: str, label: str, parts: Sequence[dict]) -> str:
    """What a screen reader says of a panel: its label, and its lines of numbers."""
    return ". ".join(
        [f"{name} = {label}", *(part["alt"] for part in parts if part["kind"] == "row")]
    )


def steps_of(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("◀", f"The {name} before"), ("▶", f"The next {name}")


def checked_panels(name: str, panels: Mapping[str, Sequence[Part]]) -> dict[str, list[Part]]:
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
        raise TypeError(
            f"panels[{label!r}] must hold Part(title, content, alt), got {type(part).__name__}"
        )
    if not isinstance(part.content, str) and not (
        isinstance(part.content, bytes) and part.content[:8] == PNG
    ):
        raise TypeError(
            f"content of a Part in panels[{label!r}] must be the bytes of a PNG, or SVG or HTML as text"
        )
    if not part.content or not part.alt:
        raise ValueError(
            f"panels[{label!r}]: the Part {part.title!r} must have content, and alt, what is seen in words"
        )
