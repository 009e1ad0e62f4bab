"""Controls of the studios: sliders, choices, counters, and two ways to choose a test image."""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape

import ipywidgets
import traitlets
from torch import Tensor

from ..plotting import to_png
from ..support.arguments import float_tensor, nonempty_text, same_shape
from .base import Picture


def slider(
    name: str, value: float, high: float, step: float = 1, *, low: float = 0, tip: str, **traits
) -> ipywidgets.FloatSlider | ipywidgets.IntSlider:
    """A slider from `low` to `high`, of whole numbers if all four are.  tip: what values mean.

    Raises ValueError for a value outside.
    """
    if not low <= value <= high:
        raise ValueError(f"value of {name!r} must lie from {low} to {high}, got {value!r}")
    whole = all(isinstance(each, int) for each in (value, high, step, low))
    make = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    control = make(value, min=low, max=high, step=step, description=name, **traits)
    control.tooltip = f"{tip} Drag, or use the arrow keys."
    return control


def button(text: str, act: Callable[[], None], *, tip: str) -> ipywidgets.Button:
    """A button that calls `act` when it is pressed.  tip: what it does."""
    control = ipywidgets.Button(description=text, tooltip=tip)
    control.on_click(lambda _button: act())
    return control


def choice(name: str, options: Sequence | Mapping, *, tip: str) -> ipywidgets.RadioButtons:
    """Radio buttons in a row, the first one chosen; options: values, or {text: value}."""
    return ipywidgets.RadioButtons(
        options=options, orientation="horizontal", description=name, tooltip=tip
    )


def toggles(name: str, options: Sequence | Mapping, *, tip: str) -> ipywidgets.ToggleButtons:
    """Buttons of which one stays pressed, first the first; options: values, or {text: value}."""
    control = ipywidgets.ToggleButtons(options=options, description=name)
    control.style.button_width, control.tooltips = "auto", [tip] * len(options)
    return control.add_class("vae-toggles")


class Another(ipywidgets.Button):
    """A button that counts: `value` is how often it was clicked, the seed of what it renews."""

    value = traitlets.Int()

    def __init__(self, text: str, *, tip: str):
        super().__init__(description=text, tooltip=tip)
        self.on_click(lambda _button: self.set_trait("value", self.value + 1))


class PickImage(ipywidgets.HBox):
    """The number of a test image: a field, and a button for the next one.

    `value` is an index of x [N, 1, H, W], kept in 0..N-1; after the last image comes the first.
    Raises TypeError or ValueError unless x holds images.
    """

    value = traitlets.Int()

    def __init__(self, name: str, x: Tensor):
        float_tensor("x", x, ndim=4)
        self.field = ipywidgets.BoundedIntText(0, min=0, max=len(x) - 1, description=name)
        self.field.tooltip = f"Which of the {len(x):,} test images"
        self.button = button("Next image", self._next, tip="The next test image")
        super().__init__([self.field, self.button])
        traitlets.link((self.field, "value"), (self, "value"))
        self.add_class("vae-pick-image")

    def _next(self) -> None:
        self.value = (self.value + 1) % (self.field.max + 1)

    @traitlets.validate("value")
    def _stay_in_range(self, proposal) -> int:
        return min(max(proposal["value"], self.field.min), self.field.max)


def next_of_class(y: Tensor, label: int, after: int = -1) -> int:
    """The index of the next image of class `label` after index `after`, or else of the first one.

    Raises ValueError when no image has that class.
    """
    of_class = (y == label).nonzero().flatten()
    if len(of_class) == 0:
        raise ValueError(
            f"label must be one of the classes in y, {sorted(set(y.tolist()))}, got {label!r}"
        )
    behind = of_class[of_class > after]
    return int((behind if len(behind) else of_class)[0])


class ImageChooser(ipywidgets.VBox):
    """A class to choose, a test image of it, its index, and a button for another image.

    title: stands before the classes.  what: says what the image is for.  x: [N, 1, H, W].  y: [N].
    index: the first. `image` [1, H, W] is the chosen image, a test image or the learner's own
    (`put`); `index` the last test image.
    """

    index = traitlets.Int()
    image = traitlets.Instance(Tensor)

    def __init__(self, title: str, what: str, x: Tensor, y: Tensor, index: int):
        self.what, self.x, self.y = what, x, y
        classes = sorted(set(y.tolist()))
        self.label = ipywidgets.Dropdown(options=classes, value=int(y[index]), description=title)
        self.field = ipywidgets.BoundedIntText(index, max=len(x) - 1, description="index")
        self.label.style.description_width = self.field.style.description_width = "auto"
        self.field.tooltip = f"{what}: which of the {len(x):,} test images"
        self.picture = Picture().add_class("vae-end-picture")
        self.caption = ipywidgets.HTML().add_class("vae-caption")
        self.button = button("", self._next, tip="")
        self.label.observe(self._follow_label, "value")
        self.field.observe(self._follow_field, "value")
        super().__init__([self.label, self.picture, self.caption, self.field, self.button])
        self.add_class("vae-end")
        self.choose(index)

    @property
    def name(self) -> str:
        """A word for the image that a file name may hold: its class, or its caption."""
        return re.sub(r"\W+", "_", self._caption) or str(int(self.y[self.index]))

    def choose(self, index: int) -> None:
        """Show test image `index`; its class and its number follow."""
        label = int(self.y[index])
        self.index = index
        self.label.value, self.field.value = label, index
        self.button.description = f"Another {label}"
        self.button.tooltip = f"{self.what}: the next test image of class {label}"
        self._show(self.x[index], f"test image {index}, a {label}", "")

    def put(self, image: Tensor, caption: str) -> None:
        """Show an image [1, H, W] in [0, 1] that is no test image, such as a drawing.

        Raises TypeError or ValueError unless it is as large as the test images, and `caption` a
        text.
        """
        same_shape("image", float_tensor("image", image, ndim=3), "x[0]", self.x[0])
        if not 0 <= image.min() <= image.max() <= 1:
            raise ValueError(
                f"image must lie in [0, 1], got values from {image.min():g} to {image.max():g}"
            )
        nonempty_text("caption", caption)
        self._show(image.clone(), caption, caption)

    def _next(self) -> None:
        self.choose(next_of_class(self.y, self.label.value, after=self.index))

    def _follow_label(self, _change: object) -> None:
        if self.label.value != self.y[self.index]:
            self.choose(next_of_class(self.y, self.label.value))

    def _follow_field(self, _change: object) -> None:
        if self.field.value != self.index:
            self.choose(self.field.value)

    def _show(self, image: Tensor, text: str, caption: str) -> None:
        """Put the image on the page, then tell whoever observes it."""
        self.picture.value, self.picture.alt = to_png(image[0]), f"{self.what}: {text}"
        self._caption, self.caption.value = caption, escape(caption)
        self.caption.layout.display = None if caption else "none"
        self.image = image
