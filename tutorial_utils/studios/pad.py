"""Latent pad (notebook 00): a map of codes, and a point on it that is decoded."""

import io
import math

import anywidget
import ipywidgets
import torch
import traitlets
from PIL import Image, ImageDraw
from torch import Tensor, nn

from ..models import decode_images
from ..plotting import COLORS, to_png
from ..support.animation import bold_font
from ..support.arguments import (
    classes_of,
    finite,
    float_tensor,
    positive_number,
    same_shape,
    two_dimensional,
)
from .base import ASSETS, Picture, Studio, name_of_decoded, show_code


def map_png(z: Tensor, y: Tensor, extent: float, *, pixels: int = 720, spacing: int = 34) -> bytes:
    """A square PNG, transparent between the codes: a dot for every code, a digit for some.

    z: [N, 2], y: [N].  Both axes reach from -extent to extent; z_2 increases upward.  A code gets
    the digit of its class when no other digit stands within `spacing` pixels; codes outside the
    square are left out.
    """
    places = (z / extent * torch.tensor([0.5, -0.5]) + 0.5) * pixels
    inside = ((places >= 0) & (places <= pixels)).all(dim=1)
    places, labels = places[inside].tolist(), y[inside].tolist()
    image = Image.new("RGBA", (pixels, pixels), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    for (left, top), label in zip(places, labels, strict=True):
        draw.ellipse((left - 2, top - 2, left + 2, top + 2), fill=COLORS[label % 10] + "70")
    font = bold_font(24)
    taken: set[tuple[int, int]] = set()
    for (left, top), label in zip(places, labels, strict=True):
        cell = (int(left / spacing), int(top / spacing))
        near = {(cell[0] + i, cell[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
        if not taken & near:
            taken.add(cell)
            halo = {"anchor": "mm", "stroke_width": 3, "stroke_fill": "#fff"}
            draw.text((left, top), str(label), COLORS[label % 10], font, **halo)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def nearest_code(z: Tensor, point: Tensor) -> tuple[int, float]:
    """The index of the code z [N, D] nearest to `point` [D], and the distance between them."""
    index = int((z - point).square().sum(dim=1).argmin())
    return index, float((z[index] - point).norm())


def far_distance(z: Tensor, *, n: int = 1000) -> float:
    """A point farther than this from all codes z [N, D] is far from them.

    Three times the distance that 99 % of the first n codes have, at most, from their nearest other
    code; 0 when there is one code only.
    """
    if len(z) < 2:
        return 0.0
    distances = torch.cdist(z[:n], z)
    distances.fill_diagonal_(torch.inf)
    return 3 * float(distances.min(dim=1).values.quantile(0.99))


def latent_pad(
    model: nn.Module, z: Tensor, y: Tensor, *, std: Tensor | None = None, extent: float = 3.5
) -> "LatentPad":
    """A map of the codes z on which a finger, a mouse or the arrow keys choose a point to decode.

    model: a VAE or an Autoencoder of gray images with two latent numbers.  z: [N, 2], y: [N], their
    classes. std: [N, 2], of q(z|x) of each image; given, the map shows the q(z|x) of the image with
    the nearest code. extent: the map reaches from -extent to extent on both axes.  Raises TypeError
    or ValueError for a bad argument.
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
    y, extent = classes_of(y, z, "z"), positive_number("extent", extent)
    return LatentPad(model, z.detach().float().cpu(), y, std, extent)


class CodeMap(anywidget.AnyWidget):
    """The map alone: a point (x, y) that pointer and keyboard move, in steps of 0.1 ** decimals.

    std_x, std_y: above 0, an ellipse around the point, with handles that drag them.  passive:
    nothing moves by hand. These never do: dots, more points; ellipse, [x, y, std_x, std_y] or
    nothing; path, points on a line from a to b.  size: how large it is on the page, about, in
    pixels.  text: what it shows, for those who cannot see it.
    """

    _esm = ASSETS / "latent_pad.js"
    x = traitlets.Float(0.0).tag(sync=True)
    y = traitlets.Float(0.0).tag(sync=True)
    std_x = traitlets.Float(0.0).tag(sync=True)
    std_y = traitlets.Float(0.0).tag(sync=True)
    dots = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    ellipse = traitlets.List(traitlets.Float()).tag(sync=True)
    path = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    passive = traitlets.Bool(False).tag(sync=True)
    size = traitlets.Int(400).tag(sync=True)
    extent = traitlets.Float(3.5).tag(sync=True)
    decimals = traitlets.Int(2).tag(sync=True)
    background = traitlets.Bytes().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode(
        "Drag, or use the arrow keys (Shift: larger steps, Home: center)."
    ).tag(sync=True)

    @traitlets.validate("x", "y", "std_x", "std_y")
    def _on_the_map(self, proposal: dict) -> float:
        name, value, least = proposal["trait"].name, proposal["value"], -self.extent
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value!r}")
        if name.startswith("std"):  # 0: no ellipse; or at least ten steps, to show two digits
            least = 10.0 ** (1 - self.decimals) if value else 0.0
        return round(min(max(value, least), self.extent), self.decimals)


def code_map(z: Tensor, y: Tensor, extent: float, *, size: int = 400, **traits) -> CodeMap:
    """A CodeMap from -extent to extent, codes z [N, 2], classes y [N], other `traits`."""
    traits.setdefault("decimals", max(0, 2 - math.floor(math.log10(extent / 2))))
    background = map_png(z, y, extent, pixels=round(1.8 * size))
    made = CodeMap(extent=extent, size=size, background=background, **traits)
    return made.add_class("vae-map")


class LatentPad(Studio):
    """What `latent_pad` returns: `pad` is the map, `picture` the decoded image, `label` words."""

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
        super().__init__("vae-pad", self.pad, side)
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
        self.label.value = "<br>".join(
            [f"{what} at", where, nearest, *spread, *(f"<b>{text}</b>" for text in far)]
        )
