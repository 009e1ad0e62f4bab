"""What a learner drags and chooses: pictures, image choosers, maps of codes, and the latent pad built from them."""

import math
import re
from html import escape
from pathlib import Path

import anywidget
import ipywidgets
import torch
import traitlets
from torch import Tensor, nn

from .arguments import classes_of, finite, float_tensor, positive_number, same_shape, two_dimensional
from .models import is_vae
from .pictures import decode_images, draw_map, far_distance, nearest_code, to_png

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


class Picture(anywidget.AnyWidget):
    """PNG bytes on the page, with a text alternative, which ipywidgets.Image does not have."""

    _esm = ASSETS / "picture.js"
    value = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)


class ImageChooser(traitlets.HasTraits):
    """A class to choose, the test image, its index, a button for another one; `box` holds them.

    title: stands before the classes.  what: says what the image is for.  x: [N, 1, H, W].  y: [N].  index: the first.
    `image` [1, H, W] is the chosen image, a test image or the learner's own (`put`); `index` the last test image.
    """

    index = traitlets.Int()
    image = traitlets.Instance(Tensor)

    def __init__(self, title: str, what: str, x: Tensor, y: Tensor, index: int):
        super().__init__()
        self.what, self.x, self.y = what, x, y
        self.label = ipywidgets.Dropdown(options=sorted(set(y.tolist())), value=int(y[index]), description=title)
        self.label.style.description_width = "auto"
        self.picture = Picture().add_class("vae-end-picture")
        self.field = ipywidgets.BoundedIntText(value=index, min=0, max=len(x) - 1, description="index")
        self.field.style.description_width = "auto"
        self.field.tooltip = f"{what}: which of the {len(x):,} test images"
        self.button = ipywidgets.Button()
        self.caption = ipywidgets.HTML().add_class("vae-caption")
        self.label.observe(lambda _change: self._follow_label(), "value")
        self.field.observe(lambda change: change["new"] != self.index and self.choose(change["new"]), "value")
        self.button.on_click(lambda _button: self.choose(next_of_class(y, self.label.value, after=self.index)))
        parts = [self.label, self.picture, self.caption, self.field, self.button]
        self.box = ipywidgets.VBox(parts).add_class("vae-end")
        self.choose(index)

    @property
    def name(self) -> str:
        """What the image is, in a word that a file name may hold: its class, or the caption of the learner's own."""
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
        """Show an image [1, H, W] in [0, 1] of the learner's own, such as a drawing, until a test image is chosen.

        Raises TypeError or ValueError unless it is as large as the test images, and `caption` a text.
        """
        same_shape("image", float_tensor("image", image, ndim=3), "x[0]", self.x[0])
        if not 0 <= image.min() <= image.max() <= 1:
            raise ValueError(f"image must lie in [0, 1], got values from {image.min():g} to {image.max():g}")
        if not isinstance(caption, str) or not caption:
            raise ValueError(f"caption must be a text, got {caption!r}")
        self._show(image.clone(), caption, caption)

    def _follow_label(self) -> None:
        if self.label.value != self.y[self.index]:
            self.choose(next_of_class(self.y, self.label.value))

    def _show(self, image: Tensor, text: str, caption: str) -> None:
        """Put the image on the page, then tell whoever observes it."""
        self.picture.value, self.picture.alt = to_png(image[0]), f"{self.what}: {text}"
        self._caption, self.caption.value = caption, escape(caption)
        self.caption.layout.display = None if caption else "none"
        self.image = image


def latent_pad(
    model: nn.Module, z: Tensor, y: Tensor, *, std: Tensor | None = None, extent: float = 3.5
) -> "LatentPad":
    """A map of the codes z on which a finger, a mouse or the arrow keys choose what the model decodes.

    model: a VAE or an Autoencoder of gray images with two latent numbers.  z: [N, 2], y: [N], their classes.
    std: [N, 2], of q(z|x) of each image; given, the map shows the q(z|x) of the image with the nearest code.
    extent: the map reaches from -extent to extent on both axes.  Raises TypeError or ValueError for a bad argument.
    """
    two_dimensional(model)
    finite("z", float_tensor("z", z, ndim=2))
    if z.shape[1] != 2:
        raise ValueError(f"z must hold two numbers per image, [N, 2], got shape {list(z.shape)}")
    if std is not None:
        same_shape("std", finite("std", float_tensor("std", std)), "z", z)
        if not (std > 0).all():
            raise ValueError(f"std must be above 0, got {std.min():g}")
        std = std.detach().float().cpu()
    return LatentPad(model, z.detach().float().cpu(), classes_of(y, z, "z"), std, positive_number("extent", extent))


class CodeMap(anywidget.AnyWidget):
    """The map alone: a point (x, y) that pointer and keyboard move, in steps that the label can show in full.

    std_x, std_y: above 0, an ellipse around the point, with handles that drag them.  passive: nothing moves by hand.
    These never do: dots, more points; ellipse, [x, y, std_x, std_y] or nothing; path, points on a line from a to b;
    rings, radii of circles around 0.  size: how large it is on the page, about, in pixels.  text: what it shows, for
    those who cannot see it.
    """

    _esm = ASSETS / "latent_pad.js"
    x = traitlets.Float(0.0).tag(sync=True)
    y = traitlets.Float(0.0).tag(sync=True)
    std_x = traitlets.Float(0.0).tag(sync=True)
    std_y = traitlets.Float(0.0).tag(sync=True)
    dots = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    ellipse = traitlets.List(traitlets.Float()).tag(sync=True)
    path = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    rings = traitlets.List(traitlets.Float()).tag(sync=True)
    passive = traitlets.Bool(False).tag(sync=True)
    size = traitlets.Int(400).tag(sync=True)
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


def code_map(z: Tensor, y: Tensor, extent: float, *, size: int = 400, **traits) -> CodeMap:
    """A CodeMap from -extent to extent with the codes z [N, 2] of the classes y [N]; `traits` are set as well."""
    decimals = max(0, 2 - math.floor(math.log10(extent / 2)))
    background = draw_map(z, y, extent, pixels=round(1.8 * size))
    traits = {"extent": extent, "size": size, "decimals": decimals, "background": background} | traits
    return CodeMap(**traits).add_class("vae-map")


class LatentPad(ipywidgets.HBox):
    """What `latent_pad` returns: `pad` is the map, `picture` the decoded image, `label` says where and how far."""

    def __init__(self, model: nn.Module, z: Tensor, y: Tensor, std: Tensor | None, extent: float):
        self.model, self.z, self.y, self.std = model, z, y, std
        self.far = far_distance(z)
        self.pad = code_map(z, y, extent)
        if std is not None:
            self.pad.hint += " Ellipses: q(z|x) of the nearest image, 1σ, and dashed 2σ."
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
        spread = []
        if self.std is not None:
            std = self.std[index]
            self.pad.ellipse = [*self.z[index].tolist(), *std.tolist()]
            spread = [f"its q(z|x): σ = {show_code(std, self.pad.decimals + 1)}"]
        what = name_of_decoded(self.model)
        self.picture.alt = f"{what} at {where}"
        self.pad.text = "; ".join([where, nearest, *spread, *far])
        self.label.value = "<br>".join([f"{what} at", where, nearest, *spread, *(f"<b>{text}</b>" for text in far)])


def name_of_decoded(model: nn.Module) -> str:
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
