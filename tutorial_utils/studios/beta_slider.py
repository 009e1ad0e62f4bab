"""β slider (notebook 05): a slider over trained models, each with a panel drawn beforehand."""

from collections.abc import Mapping, Sequence

import ipywidgets
import traitlets

from ..support.arguments import one_of
from .base import Part, describe
from .panel import Panel, PanelStudio

PNG = b"\x89PNG\r\n\x1a\n"
MILLISECONDS = 1200  # that a panel stays when the slider plays


def model_slider(
    name: str, panels: Mapping[str, Sequence[Part]], *, start: str | None = None
) -> PanelStudio:
    """Model slider (notebook 05): the arrow keys, ◀ and ▶ go from one model's panel to the next.

    name: of the setting in which the models differ, such as "β".  panels: {the slider's label: its
    parts}, as from `beta_panels`, as many parts under each label; nothing is computed when the
    slider moves.  start: the first label shown; by default the one in the middle. Raises TypeError
    or ValueError for a bad argument.
    """
    panels = checked_panels(name, panels)
    labels = tuple(panels)
    start = labels[len(labels) // 2] if start is None else one_of("start", start, labels)

    def draw(label: str) -> Panel:
        return panels[label], panel_text(name, label, panels[label])

    return PanelStudio("vae-slider", [{"label": StepSlider(name, labels, start)}], draw)


class StepSlider(ipywidgets.HBox):
    """A slider over labels, with buttons for a step back, a step on, and play."""

    value = traitlets.Unicode()

    def __init__(self, name: str, labels: Sequence[str], start: str):
        self.slider = ipywidgets.SelectionSlider(options=labels, value=start, description=name)
        self.slider.style.description_width = "auto"
        self.slider.tooltip = f"{name}: drag, or use the arrow keys"
        self.back, self.on = (
            ipywidgets.Button(description=text, tooltip=tip) for text, tip in steps_of(name)
        )
        self.back.on_click(lambda _button: self._step(-1))
        self.on.on_click(lambda _button: self._step(1))
        self.last = len(labels) - 1
        self.play = ipywidgets.Play(max=self.last, interval=MILLISECONDS, show_repeat=False)
        self.play.value, self.play.tooltip = self.slider.index, f"Play through all {name}"
        super().__init__([self.back, self.slider, self.on, self.play])
        self.add_class("vae-steps")
        traitlets.link((self.play, "value"), (self.slider, "index"))
        self.slider.observe(self._disable, "index")
        self._disable()
        traitlets.link((self.slider, "value"), (self, "value"))

    def _step(self, by: int) -> None:
        self.slider.index = min(max(self.slider.index + by, 0), self.last)

    def _disable(self, _change: object = None) -> None:
        """There is no step beyond the ends."""
        self.back.disabled = self.slider.index == 0
        self.on.disabled = self.slider.index == self.last


def steps_of(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Text and tooltip of the button for one step back, and of that for one step on."""
    return ("◀", f"The {name} before"), ("▶", f"The next {name}")


def panel_text(name: str, label: str, parts: Sequence[Part]) -> str:
    """A panel in words, for a screen reader: its label, and its rows of numbers."""
    rows = [part.alt for part in parts if describe(part)["kind"] == "row"]
    return ". ".join([f"{name} = {label}", *rows])


def checked_panels(name: str, panels: Mapping[str, Sequence[Part]]) -> dict[str, list[Part]]:
    """The panels as a dict of lists; TypeError or ValueError for a bad name or panel."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"name must be a text such as 'β', got {name!r}")
    if not isinstance(panels, Mapping) or not all(isinstance(label, str) for label in panels):
        raise TypeError("panels must map the labels of the slider, texts, to lists of Part")
    if not panels or not all(panels.values()):
        raise ValueError("panels must hold a label at least, and each label a Part at least")
    panels = {label: list(parts) for label, parts in panels.items()}
    for label, parts in panels.items():
        for part in parts:
            _check_part(f"panels[{label!r}]", part)
    counts = {label: len(parts) for label, parts in panels.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"panels must have as many parts under each label, got {counts}")
    return panels


def _check_part(name: str, part: object) -> None:
    if not isinstance(part, Part):
        raise TypeError(f"{name} must hold Part(title, content, alt), got {type(part).__name__}")
    png = isinstance(part.content, bytes) and part.content.startswith(PNG)
    if not png and not isinstance(part.content, str):
        allowed = "the bytes of a PNG, or SVG or HTML as text"
        raise TypeError(f"content of a Part in {name} must be {allowed}")
    if not part.content or not part.alt:
        allowed = "content, and alt, the content in words"
        raise ValueError(f"{name}: the Part {part.title!r} must have {allowed}")
