"""Interpolation studio (notebooks 00 and 04): a path from one digit to another, decoded."""

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

import ipywidgets
import torch
from torch import Tensor, nn

from ..evidence import log_aggregate, log_normal
from ..latent import N_FRAMES, great_circle, side_by_side, straight_line
from ..metrics import name_digits
from ..models import decode_images, encode_images, is_vae
from ..plotting import to_png
from ..store.files import write_atomically
from ..support.animation import gif_bytes
from ..support.arguments import classes_of, gray_images, same_shape
from .base import (
    Picture,
    Studio,
    check_autoencoder,
    check_classifier,
    models_by_label,
    name_of_decoded,
    show_code,
)
from .controls import ImageChooser, button, choice, next_of_class, slider
from .interpolation_charts import VERDICTS, across, svg_chart
from .pad import code_map
from .svg import number, percent

PATHS = {"line": straight_line, "circle": great_circle, "pixels": straight_line}
N_CODES = 2000  # images on the map, whose q(z|x) make up the aggregate posterior
N_STEPS = 81  # of t in a chart; every tenth is a frame of the strip
N_GIF = 25  # frames of a GIF from t = 0 to t = 1, then back
FADE = "cross-fade of pixels"


def interpolation_studio(
    models: nn.Module | Mapping[str, nn.Module],
    x: Tensor,
    y: Tensor,
    *,
    other: nn.Module | None = None,
    judge: nn.Module | None = None,
) -> "InterpolationStudio":
    """Two of the images x, a path between them, and a slider for t: the image at t is decoded.

    models: a VAE or an Autoencoder of gray images; or several of them by label, such as {"2
    numbers": vae, "20 numbers": another}, of which one is chosen, at first the first.  x: [N, 1, H,
    W] in [0, 1].  y: [N], the classes.  other: a second model, shown beside a single first one.
    judge: a classifier, logits [B, K] of images [B, 1, H, W].  With either, maps of codes and
    densities along the path are shown as well.  Raises TypeError or ValueError for a bad argument.
    """
    x, y = gray_images(x), classes_of(y, x, "x")
    labelled = models_by_label("models", models)
    for label, model in labelled.items():
        _check_model(f"models[{label!r}]" if label else "models", model, x)
    check_classifier("judge", judge)
    if isinstance(models, Mapping):
        if other is not None:
            raise ValueError("other must be None where models is a dict: one is shown at a time")
        return InterpolationStudio(labelled, x, y, judge, choose=True)
    shown = [models]
    if other is not None:
        _check_model("other", other, x)
        shown.append(other)
    return InterpolationStudio(dict(zip(names_of(shown), shown, strict=True)), x, y, judge)


def _check_model(name: str, model: object, x: Tensor) -> None:
    """Raises TypeError or ValueError unless `model` encodes and decodes images like those of x."""
    check_autoencoder(name, model)
    try:
        image = decode_images(model, encode_images(model, x[:1])[0])[0]
    except RuntimeError as error:
        shape = f"the shape of x, {list(x.shape)}"
        raise ValueError(f"{name} must take images of {shape}: {error}") from error
    same_shape(f"{name}: a decoded image", image, "an image of x", x[0, 0])


class InterpolationStudio(Studio):
    """What `interpolation_studio` returns: `start` and `end` choose images, `sides` show models.

    choose: `model` chooses the one side that is on the page; otherwise all are.
    """

    def __init__(
        self,
        models: dict[str, nn.Module],
        x: Tensor,
        y: Tensor,
        judge: nn.Module | None,
        *,
        choose: bool = False,
    ):
        others = (y != y[0]).nonzero().flatten()
        last = int(others[0]) if len(others) else next_of_class(y, int(y[0]), after=0)
        self.start = ImageChooser("From", "The digit to morph from", x, y, 0)
        self.end = ImageChooser("To", "The digit to morph to", x, y, last)
        self.detailed = judge is not None or (len(models) > 1 and not choose)
        self.sides = [Side(model, name, judge) for name, model in models.items()]
        if self.detailed:
            for side in self.sides:
                side.add_details(x[:N_CODES], y[:N_CODES])
        tip = "t: 0 is the digit on the left, 1 the digit on the right."
        wide = {"readout_format": ".2f", "layout": {"flex": "1 1 180px"}}
        self.slider = slider("t", 0.5, 1, 0.01, tip=tip, **wide)
        self.play = ipywidgets.Play(min=0, max=100, value=50, interval=60, show_repeat=True)
        self.play.tooltip = "Play t from 0 to 1"
        tip = "From one digit to the other: in the space of codes, or by fading the pixels"
        self.path = choice("path", list(PATHS), tip=tip)
        tip = "Write the walk, there and back, into a file"
        self.save = button("Save GIF", self._save, tip=tip)
        self.message = ipywidgets.HTML().add_class("vae-label")
        self.model = None
        if choose:
            by_name = {side.name: side for side in self.sides}
            self.model = choice("model", by_name, tip="The model that encodes and decodes")
            self.model.observe(self._show_path, "value")
        for control, trait in ((self.start, "image"), (self.end, "image"), (self.path, "value")):
            control.observe(self._show_path, trait)
        self.slider.observe(self._show_point, "value")
        self.play.observe(
            lambda change: self.slider.set_trait("value", change["new"] / 100), "value"
        )
        super().__init__("vae-studio", *self._layout())
        if self.detailed:
            self.add_class("vae-wide")
        for side in self.sides:  # also those that are not chosen yet
            side.show_path(self.start.image, self.end.image, self.path.value, self.slider.value)
        self._show_path()

    def _layout(self) -> list[ipywidgets.Widget]:
        """Without details: the picture between the digits; otherwise the models below them."""
        controls = ipywidgets.HBox([self.play, self.slider]).add_class("vae-controls")
        options = ipywidgets.HBox([self.path, self.save]).add_class("vae-options")
        above = [] if self.model is None else [ipywidgets.HBox([self.model])]
        for row in above:
            row.add_class("vae-options")
        pictures, labels, strips = (
            [getattr(side, name) for side in self.sides] for name in ("picture", "label", "strip")
        )
        between = [options, controls, self.message] if self.detailed else pictures
        middle = ipywidgets.VBox(between).add_class("vae-middle")
        ends = ipywidgets.HBox([self.start, middle, self.end]).add_class("vae-ends")
        if not self.detailed:
            return [*above, ends, *labels, controls, *strips, options, self.message]
        self.columns = ipywidgets.Box([side.box for side in self.sides]).add_class("vae-halves")
        return [*above, ends, self.columns]

    @property
    def shown(self) -> list["Side"]:
        """The sides on the page: the chosen one, or all; one for a cross-fade, without a model."""
        if self.model is not None:
            return [self.model.value]
        return self.sides[:1] if self.path.value == "pixels" else self.sides

    def _show_path(self, _change: object = None) -> None:
        """Another digit, path or model was chosen: show it, with each model on the page."""
        self.message.value = ""
        try:
            for side in self.shown:
                side.show_path(self.start.image, self.end.image, self.path.value, self.slider.value)
        except ValueError as error:
            if self.path.value != "circle":
                raise
            self.path.value = "line"
            self.message.value = f"No circle here, so this is the line: {escape(str(error))}"
            return
        for side in self.sides:
            side.put_on_page(side in self.shown)
        if self.detailed:
            alone = len(self.shown) == 1
            (self.columns.add_class if alone else self.columns.remove_class)("vae-one")

    def _show_point(self, _change: object) -> None:
        """t has changed: show where the walk is now."""
        self.play.value = round(100 * self.slider.value)
        for side in self.shown:
            side.show_point(self.slider.value)

    def _save(self) -> None:
        """Write the GIF into the working directory; say where it is, or why it is not."""
        words = ["morph", self.start.name, "to", self.end.name, self.path.value]
        if self.model is not None:
            words.append(re.sub(r"\W+", "_", self.model.label).strip("_"))
        try:
            file = Path.cwd() / f"{'_'.join(words)}.gif"
            write_atomically(file, self.gif())
        except OSError as error:
            self.message.value = f"Not saved: {escape(str(error))}"
        else:
            self.message.value = f"Saved as {escape(str(file))}"

    def gif(self) -> bytes:
        """The walk there and back as a GIF that loops, models side by side, each frame labelled."""
        t = torch.linspace(0, 1, N_GIF)
        images = [nn.functional.pad(side.walk(t)[1], (1, 1)) for side in self.shown]
        what = " | ".join(side.title for side in self.shown)
        what += "" if self.path.value == "pixels" else f", {self.path.value}"
        order = [*range(N_GIF), *range(N_GIF - 2, 0, -1)]
        labels = [f"{what}, t = {t[k]:.2f}" for k in order]
        frames = torch.cat(images, dim=2).cpu()
        return gif_bytes(frames[order], seconds=0.08, enlarge=6, labels=labels)


class Side:
    """One model in the studio: `picture` at t, `strip` of the whole path, `label` in words.

    `show_path` after a choice of ends or path, `show_point` at every t.  `ends` [2, D] are codes of
    the model, or, on the path "pixels", the pixels of images of this `shape` [H, W]; `title` says
    which.  After `add_details`, `box` holds all parts; `map`, of codes, is there in the plane only.
    """

    def __init__(self, model: nn.Module, name: str, judge: nn.Module | None):
        self.model, self.name, self.judge = model, name, judge
        self.box = self.map = self.posterior = None  # until `add_details`
        self.picture = Picture().add_class("vae-picture")
        self.strip = Picture().add_class("vae-strip")
        self.label = ipywidgets.HTML().add_class("vae-label")

    def add_details(self, x: Tensor, y: Tensor) -> None:
        """A heading, a chart, and, for codes of two numbers, a map of those of x [N, 1, H, W]."""
        codes, *logvar = encode_images(self.model, x)
        self.posterior = (codes, *logvar) if is_vae(self.model) else None
        pictures = [self.picture]
        if codes.shape[1:] == (2,):
            reach = 1.03 * float(codes.abs().max())
            reach = max(3.5, reach) if self.posterior else reach or 1.0
            self.map = code_map(codes, y, reach, size=200, passive=True, hint="")
            pictures.append(self.map)
        self.heading = ipywidgets.HTML().add_class("vae-label")
        self.chart, self.cursor = ipywidgets.HTML(), ipywidgets.HTML().add_class("vae-cursor")
        row = ipywidgets.HBox(pictures).add_class("vae-pictures")
        chart = ipywidgets.Box([self.cursor, self.chart]).add_class("vae-chart")
        self.box = ipywidgets.VBox([self.heading, row, self.label, self.strip, chart])

    def put_on_page(self, on: bool) -> None:
        """Show all parts of the side, or none of them."""
        for part in [self.box] if self.box else [self.picture, self.label, self.strip]:
            part.layout.display = None if on else "none"

    def walk(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """The points [n, D] of the path at each t [n] from 0 to 1, and the images [n, H, W]."""
        points = PATHS[self.path](*self.ends, t)
        if self.path == "pixels":
            return points, points.unflatten(1, self.shape)
        return points, decode_images(self.model, points)

    def show_path(self, image_a: Tensor, image_b: Tensor, path: str, t: float) -> None:
        """Two images [1, H, W] and a path, one of PATHS: all of it, then the point at t.

        Raises ValueError where the path does not exist: a circle from or to a code of zeros.
        """
        images = torch.stack([image_a.cpu(), image_b.cpu()])
        pixels = path == "pixels"
        self.path, self.shape, self.title = path, images.shape[-2:], FADE if pixels else self.name
        self.ends = images.flatten(1) if pixels else encode_images(self.model, images)[0]
        n = N_STEPS if self.box else N_FRAMES
        points, images = self.walk(torch.linspace(0, 1, n))
        self._frames = side_by_side(images[:: n // (N_FRAMES - 1)])
        if self.box:
            self.heading.value = f"<b>{escape(self.title)}</b>"
            judged = None if self.judge is None else name_digits(self.judge, images)
            self.chart.value = svg_chart(judged, self._densities(points))
        if self.map:
            self.map.layout.display = "none" if pixels else None
            self.map.path = [] if pixels else points.tolist()
        self.show_point(t)

    def show_point(self, t: float) -> None:
        """The point at t: its picture, its frame in the strip, its place on map and chart."""
        point, image = self.walk(torch.tensor([float(t)]))
        self.picture.value = to_png(image[0])
        frame = round(t * (N_FRAMES - 1))
        self.strip.value = to_png(mark_frame(self._frames, frame))
        images = "cross-faded" if self.path == "pixels" else "decoded"
        self.strip.alt = (
            f"{N_FRAMES} {images} images from t = 0 to t = 1; a border marks number {frame + 1}"
        )
        lines = self._describe(t, point, image)
        self.picture.alt = "; ".join(lines)
        self.label.value = "<br>".join(map(escape, lines))
        if self.box:
            top = 0 if self.judge is None else VERDICTS
            self.cursor.value = f'<div style="left: {across(t):.2f}%; top: {top}px"></div>'
        if self.map and self.path != "pixels":
            self.map.x, self.map.y = point[0].tolist()
            self.map.text = (
                f"Map of codes with the path from a to b; at t = {t:.2f}, z = {show_code(point[0])}"
            )

    def _describe(self, t: float, point: Tensor, image: Tensor) -> list[str]:
        """What the picture is, what the judge says of it, and how dense the codes are there."""
        if self.path == "pixels":
            lines = [f"{FADE} at t = {t:.2f}"]
        else:
            lines = [f"{name_of_decoded(self.model)} at t = {t:.2f}, z = {show_code(point[0])}"]
        if self.judge is not None:
            digit, confidence = name_digits(self.judge, image)
            lines.append(f"judge: {digit.item()}, {percent(confidence.item())}")
        densities = self._densities(point)
        if isinstance(densities, tuple):
            log_q, log_p = (number(part.item()) for part in densities)
            lines.append(f"log density of z: {log_q} nats (prior: {log_p})")
        return lines

    def _densities(self, points: Tensor) -> tuple[Tensor, Tensor] | str | None:
        """Log densities of the aggregate posterior and the prior, or why there are none."""
        if self.path == "pixels":
            return None
        if self.posterior is None:
            return "no density: an autoencoder defines none"
        zeros = torch.zeros_like(points)
        return log_aggregate(points, *self.posterior), log_normal(points, zeros, zeros)


def names_of(models: list[nn.Module]) -> list[str]:
    """The name of each model: "VAE" or "autoencoder", with a number if both are the same."""
    kinds = ["VAE" if is_vae(model) else "autoencoder" for model in models]
    if len(set(kinds)) == len(kinds):
        return kinds
    return [f"{kind} {k}" for k, kind in enumerate(kinds, 1)]


def mark_frame(strip: Tensor, frame: int, n: int = N_FRAMES) -> Tensor:
    """The strip [H, n * W] with a white border around one of its n frames, a copy."""
    marked, width = strip.clone(), strip.shape[1] // n
    one = marked[:, frame * width : (frame + 1) * width]
    one[[0, -1]] = 1
    one[:, [0, -1]] = 1
    return marked
