"""Panel studio: controls, and below them pictures and charts that depend on their values."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from types import SimpleNamespace

import ipywidgets

from .base import PanelView, Part, Studio, describe

Rows = Sequence[Mapping[str, ipywidgets.Widget]]  # of controls: {name: widget with a `value`}
Panel = tuple[list[Part], str]  # what is shown, and the text that a screen reader reads out


class PanelStudio(Studio):
    """A studio that shows draw(**values), where `values` are those of its controls by name.

    css_class: the studio's own class.  rows: the controls in each row of the page, {name: control}.
    draw: a function of the values alone, which returns the parts of the panel and its text.
    adjust: called with `controls` before each draw, where one control depends on another.
    `controls` holds the controls by name, `view` the panel. A move sends one message to the page.
    Once the studio is there, an error of `draw` is shown in place of the panel, and logged.  Raises
    ValueError for two controls of one name.
    """

    def __init__(
        self,
        css_class: str,
        rows: Rows,
        draw: Callable[..., Panel],
        adjust: Callable[[SimpleNamespace], None] = lambda controls: None,
    ):
        names = [name for row in rows for name in row]
        if len(set(names)) < len(names):
            raise ValueError(f"rows must give each control its own name, got {', '.join(names)}")
        self.controls = SimpleNamespace(**{name: row[name] for row in rows for name in row})
        self.view, self._draw, self._adjust = PanelView(), draw, adjust
        bars = [ipywidgets.HBox(list(row.values())) for row in rows]
        controls = ipywidgets.VBox(bars).add_class("vae-panel-controls")
        super().__init__(css_class, controls, self.view)
        self.add_class("vae-panel")
        adjust(self.controls)
        self._show(draw(**self.values))
        for control in vars(self.controls).values():
            control.observe(self._follow, "value")

    @property
    def values(self) -> dict[str, object]:
        """The values of all controls, by name."""
        return {name: control.value for name, control in vars(self.controls).items()}

    def _follow(self, _change: object) -> None:
        """A control has changed: draw the panel, unless `adjust` has had it drawn already."""
        self._adjust(self.controls)
        if (values := self.values) == self._drawn:
            return
        try:
            panel = self._draw(**values)
        except Exception as error:
            self.log.exception("A panel could not be drawn.")
            text = f"This panel could not be drawn. {type(error).__name__}: {error}"
            panel = [Part("", f'<p class="vae-line">{escape(text)}</p>', text)], text
        self._show(panel)

    def _show(self, panel: Panel) -> None:
        parts, text = panel
        self._drawn = self.values
        with self.view.hold_sync():
            self.view.parts, self.view.text = [describe(part) for part in parts], text
