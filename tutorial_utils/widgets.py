"""What a learner drags: the interpolation studio and the latent pad, thin shells over pure draw functions."""

import math
from html import escape
from pathlib import Path

import anywidget
import ipywidgets
import torch
import traitlets
from torch import Tensor, nn

from .arguments import classes_of, finite, float_tensor, gray_images, positive_number, two_dimensional
from .models import is_vae
from .pictures import (
    N_FRAMES,
    decode_images,
    draw_map,
    encode_image,
    far_distance,
    mark_frame,
    morph,
    morph_strip,
    nearest_code,
    to_png,
)

ASSETS = Path(__file__).parent / "assets"


def next_of_class(y: Tensor, label: int, after: int = -1) -> int:
    """The index of the next image of class `label` behind index `after`; behind the last one comes the first.

    Raises ValueError when no image has that class.
    """
    of_class = (y == label).nonzero().flatten()
    if len(of_class) == 0:
        raise ValueError(f"label must be one of the classes in y, {sorted(set(y.tolist()))}, got {label!r}")
    behind = of_class[of_class > after]
    return int((behind if len(behind) else of_class)[0])


def interpolation_studio(model: nn.Module, x: Tensor, y: Tensor) -> "InterpolationStudio":
    """Choose two of the images x, drag t, and watch one turn into the other.

    model: a VAE or an Autoencoder of gray images.  x: [N, 1, H, W] in [0, 1].  y: [N], the classes.
    Raises TypeError or ValueError for a bad argument.
    """
    return InterpolationStudio(model, gray_images(x), classes_of(y, x, "x"))


class Picture(anywidget.AnyWidget):
    """PNG bytes on the page, with a text alternative, which ipywidgets.Image does not have."""

    _esm = ASSETS / "picture.js"
    value = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)


class InterpolationStudio(ipywidgets.VBox):
    """What `interpolation_studio` returns: its controls and pictures are attributes, for tests and later notebooks."""

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor):
        self.model, self.x, self.y = model, x, y
        others = (y != y[0]).nonzero().flatten()
        other = int(others[0]) if len(others) else next_of_class(y, int(y[0]), after=0)
        self.start = ImageChooser("From", "The digit to morph from", x, y, 0)
        self.end = ImageChooser("To", "The digit to morph to", x, y, other)
        self.picture = Picture().add_class("vae-picture")
        self.strip = Picture().add_class("vae-strip")
        self.label = ipywidgets.HTML().add_class("vae-label")
        self.slider = ipywidgets.FloatSlider(
            min=0, max=1, step=0.01, value=0.5, description="t", readout_format=".2f", layout={"flex": "1 1 180px"}
        )
        self.slider.tooltip = "t: 0 is the digit on the left, 1 the digit on the right. Drag, or use the arrow keys."
        self.play = ipywidgets.Play(
            min=0, max=100, value=50, interval=60, show_repeat=True, tooltip="Play t from 0 to 1"
        )
        for end in (self.start, self.end):
            end.observe(self._choose, "index")
        self.slider.observe(self._draw, "value")
        self.play.observe(lambda change: setattr(self.slider, "value", change["new"] / 100), "value")
        middle = ipywidgets.VBox([self.picture]).add_class("vae-middle")
        ends = ipywidgets.HBox([self.start.box, middle, self.end.box]).add_class("vae-ends")
        controls = ipywidgets.HBox([self.play, self.slider]).add_class("vae-controls")
        super().__init__([style_sheet(), ends, self.label, controls, self.strip])
        self.add_class("vae-studio")
        self._choose()

    def _choose(self, _change: dict | None = None) -> None:
        """Another digit was chosen: encode both ends, decode the strip."""
        self.z_a, self.z_b = (encode_image(self.model, self.x[end.index]) for end in (self.start, self.end))
        self._frames, self._frame = morph_strip(self.model, self.z_a, self.z_b), None
        self._draw()

    def _draw(self, _change: dict | None = None) -> None:
        """t or an end has changed: show the decoded image, the frame it is nearest to, and what it is."""
        t = self.slider.value
        self.play.value = round(100 * t)
        self.picture.value = to_png(morph(self.model, self.z_a, self.z_b, t))
        frame = round(t * (N_FRAMES - 1))
        if frame != self._frame:
            self._frame = frame
            self.strip.value = to_png(mark_frame(self._frames, frame))
            self.strip.alt = f"{N_FRAMES} decoded images from t = 0 to t = 1; a border marks number {frame + 1}"
        z = (1 - t) * self.z_a + t * self.z_b
        self.picture.alt = f"{_what(self.model)} at t = {t:.2f}, z = {show_code(z)}"
        self.label.value = escape(self.picture.alt)


class ImageChooser(traitlets.HasTraits):
    """A class to choose, the test image, a button for another one; `box` holds them, `index` says which it is.

    title: stands before the classes.  what: says what the image is for.  x: [N, 1, H, W].  y: [N].  index: the first.
    """

    index = traitlets.Int()

    def __init__(self, title: str, what: str, x: Tensor, y: Tensor, index: int):
        super().__init__(index=index)
        self.what, self.x, self.y = what, x, y
        self.label = ipywidgets.Dropdown(options=sorted(set(y.tolist())), value=int(y[index]), description=title)
        self.label.style.description_width = "auto"
        self.picture = Picture().add_class("vae-end-picture")
        self.button = ipywidgets.Button()
        self.caption = ipywidgets.HTML().add_class("vae-caption")
        self.label.observe(lambda change: self._go(next_of_class(y, change["new"])), "value")
        self.button.on_click(lambda _button: self._go(next_of_class(y, self.label.value, after=self.index)))
        self.box = ipywidgets.VBox([self.label, self.picture, self.caption, self.button]).add_class("vae-end")
        self._go(index)

    def _go(self, index: int) -> None:
        """Show image `index`, then tell whoever observes it."""
        label = int(self.y[index])
        self.picture.value = to_png(self.x[index, 0])
        self.picture.alt = f"{self.what}: test image {index}, a {label}"
        self.caption.value = f"test image {index:,}"
        self.button.description = f"Another {label}"
        self.button.tooltip = f"{self.what}: the next test image of class {label}"
        self.index = index


def latent_pad(model: nn.Module, z: Tensor, y: Tensor, *, extent: float = 3.5) -> "LatentPad":
    """A map of the codes z on which a finger, a mouse or the arrow keys choose what the model decodes.

    model: a VAE or an Autoencoder of gray images with two latent numbers.  z: [N, 2], y: [N], their classes.
    extent: the map reaches from -extent to extent on both axes.  Raises TypeError or ValueError for a bad argument.
    """
    two_dimensional(model)
    finite("z", float_tensor("z", z, ndim=2))
    if z.shape[1] != 2:
        raise ValueError(f"z must hold two numbers per image, [N, 2], got shape {list(z.shape)}")
    return LatentPad(model, z.detach().float().cpu(), classes_of(y, z, "z"), positive_number("extent", extent))


class CodeMap(anywidget.AnyWidget):
    """The map alone: a point (x, y) that pointer and keyboard move, in steps that the label can show in full.

    std_x, std_y: above 0, an ellipse around the point, with handles that drag them.  dots: more points, which do not
    move by hand.  passive: nothing on the map does.  text: what it shows, for those who cannot see it.
    """

    _esm = ASSETS / "latent_pad.js"
    x = traitlets.Float(0.0).tag(sync=True)
    y = traitlets.Float(0.0).tag(sync=True)
    std_x = traitlets.Float(0.0).tag(sync=True)
    std_y = traitlets.Float(0.0).tag(sync=True)
    dots = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    passive = traitlets.Bool(False).tag(sync=True)
    extent = traitlets.Float(3.5).tag(sync=True)
    decimals = traitlets.Int(2).tag(sync=True)
    background = traitlets.Bytes().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode("Drag, or use the arrow keys (Shift: larger steps, Home: center).").tag(sync=True)

    @traitlets.validate("x", "y", "std_x", "std_y")
    def _on_the_map(self, proposal: dict) -> float:
        name, value, least = proposal["trait"].name, proposal["value"], -self.extent
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value!r}")
        if name.startswith("std"):  # 0 is no ellipse; any other is ten steps or more, so that two digits are shown
            least = 10.0 ** (1 - self.decimals) if value else 0.0
        return round(min(max(value, least), self.extent), self.decimals)


def code_map(z: Tensor, y: Tensor, extent: float, **traits) -> CodeMap:
    """A CodeMap from -extent to extent with the codes z [N, 2] of the classes y [N]; `traits` are set as well."""
    decimals = max(0, 2 - math.floor(math.log10(extent / 2)))
    traits = {"extent": extent, "decimals": decimals, "background": draw_map(z, y, extent)} | traits
    return CodeMap(**traits).add_class("vae-map")


class LatentPad(ipywidgets.HBox):
    """What `latent_pad` returns: `pad` is the map, `picture` the decoded image, `label` says where and how far."""

    def __init__(self, model: nn.Module, z: Tensor, y: Tensor, extent: float):
        self.model, self.z, self.y = model, z, y
        self.far = far_distance(z)
        self.pad = code_map(z, y, extent)
        self.picture = Picture().add_class("vae-picture")
        self.label = ipywidgets.HTML().add_class("vae-label")
        self._drawn = None
        self.pad.observe(self._draw, ["x", "y"])
        side = ipywidgets.VBox([self.picture, self.label]).add_class("vae-side")
        super().__init__([style_sheet(), self.pad, side])
        self.add_class("vae-pad")
        self._draw()

    def _draw(self, _change: dict | None = None) -> None:
        """The point has moved: show what the model decodes there, and what the nearest code is."""
        if self._drawn == (self.pad.x, self.pad.y):  # one move changes x and y: two calls
            return
        self._drawn = (self.pad.x, self.pad.y)
        point = torch.tensor(self._drawn)
        self.picture.value = to_png(decode_images(self.model, point.unsqueeze(0))[0])
        index, distance = nearest_code(self.z, point)
        where = f"z = {show_code(point, self.pad.decimals)}"
        nearest = f"nearest test code: a {int(self.y[index])}, {distance:.2f} away"
        far = ["far from every test code: a digit here is luck"] if distance > self.far else []
        self.picture.alt = f"{_what(self.model)} at {where}"
        self.pad.text = "; ".join([where, nearest, *far])
        self.label.value = "<br>".join([f"{_what(self.model)} at", where, nearest, *(f"<b>{text}</b>" for text in far)])


def _what(model: nn.Module) -> str:
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
