"""Panel studio: controls, and below them pictures and charts that depend on their values."""

from collections.abc import Callable, Mapping, Sequence
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
    """

    def __init__(
        self,
        css_class: str,
        rows: Rows,
        draw: Callable[..., Panel],
        adjust: Callable[[SimpleNamespace], None] = lambda controls: None,
    ):
        self.controls = SimpleNamespace(**{name: row[name] for row in rows for name in row})
        self.view, self._draw, self._adjust, self._drawn = PanelView(), draw, adjust, None
        bars = [ipywidgets.HBox(list(row.values())) for row in rows]
        super().__init__(
            css_class, ipywidgets.VBox(bars).add_class("vae-panel-controls"), self.view
        )
        self.add_class("vae-panel")
        for control in vars(self.controls).values():
            control.observe(self._show, "value")
        self._show()

    @property
    def values(self) -> dict[str, object]:
        """The values of all controls, by name."""
        return {name: control.value for name, control in vars(self.controls).items()}

    def _show(self, _change: object = None) -> None:
        """A control has changed: draw the panel, unless `adjust` has had it drawn already."""
        self._adjust(self.controls)
        if (values := self.values) == self._drawn:
            return
        parts, text = self._draw(**values)
        self._drawn = values
        with self.view.hold_sync():
            self.view.parts, self.view.text = [describe(part) for part in parts], text
