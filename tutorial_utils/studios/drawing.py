"""Drawing studio (notebook 04): draw a digit, and see how a model encodes and reconstructs it."""

import math
from collections.abc import Callable, Sequence

import ipywidgets
import torch
import traitlets
from ipycanvas import MultiCanvas, hold_canvas
from torch import Tensor, nn

from ..losses import bernoulli_nll, kl_standard_normal
from ..metrics import name_digits
from ..models import encode_images
from ..plotting import to_png
from ..support.arguments import classes_of, gray_images
from .base import Picture, Studio, check_autoencoder, check_classifier, name_of_decoded, show_code
from .controls import ImageChooser
from .pad import code_map
from .svg import percent

SIZE = 28  # pixels of the image on each side
BOX = 20  # pixels of the longer side of a digit in MNIST
PEN = 2.5  # width of a stroke in pixels, as in MNIST
DOT = 0.02  # strokes smaller than this share of the canvas are a dot and stay as small
CENTERS = torch.arange(SIZE, dtype=torch.float64) + 0.5  # of the pixels, on either axis
STEP = 0.01  # a move shorter than this share of the canvas is no new point of a stroke
CANVAS = 448  # pixels of the canvas, twice as many as it takes on the page


def image_of_strokes(strokes: Sequence[Sequence[tuple[float, float]]]) -> Tensor:
    """The image [1, 28, 28] of a drawing, in [0, 1], made like those of MNIST.

    LeCun et al. (1998): fit into a box of 20 x 20 pixels, then moved so that its center of mass is
    in the middle.  strokes: polylines of points (x, y), y downward, on a canvas from 0 to 1; if
    there are none, all pixels are 0.  Raises ValueError for a polyline that is not a list of finite
    points (x, y).
    """
    lines = [line for line in map(_polyline, range(len(strokes)), strokes) if len(line)]
    if not lines:
        return torch.zeros(1, SIZE, SIZE)
    ends = torch.cat(lines)
    starts = torch.cat([torch.cat([line[:1], line[:-1]]) for line in lines])  # a dot has length 0
    low, high = ends.amin(0), ends.amax(0)
    side = float((high - low).max())
    scale = (BOX - PEN) / side if side >= DOT else 1.0
    starts, ends = ((points - (low + high) / 2) * scale + SIZE / 2 for points in (starts, ends))
    ink = _ink(starts, ends)
    shift = SIZE / 2 - torch.stack([ink.sum(0), ink.sum(1)]) @ CENTERS / ink.sum()
    return _ink(starts + shift, ends + shift).float().unsqueeze(0)


def _polyline(k: int, line: Sequence[tuple[float, float]]) -> Tensor:
    """The points of stroke k, [n, 2], in 64 bits."""
    try:
        points = torch.as_tensor(line, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        points = torch.tensor(0.0)
    if not (points.numel() == 0 or points.shape[1:] == (2,)) or not points.isfinite().all():
        raise ValueError(f"strokes[{k}] must be a list of finite points (x, y), got {line!r}")
    return points


def _ink(starts: Tensor, ends: Tensor) -> Tensor:
    """The image [28, 28] of segments from starts to ends [S, 2], dark by the distance."""
    # 64 segments at a time fit into the processor's cache, which is faster than all at once.
    few = zip(starts.split(64), ends.split(64), strict=True)
    squares = torch.stack([_squared_distance(*segments).amin(0) for segments in few]).amin(0)
    return (PEN / 2 + 0.5 - squares.sqrt()).clamp(0, 1).reshape(SIZE, SIZE)


def _squared_distance(starts: Tensor, ends: Tensor) -> Tensor:
    """Of the center of each pixel to each segment: [S, 784]."""
    y, x = torch.cartesian_prod(CENTERS, CENTERS).T
    x, y = x - starts[:, :1], y - starts[:, 1:]
    across, down = (ends - starts).split(1, dim=1)
    share = (x * across + y * down) / (across.square() + down.square()).clamp(min=1e-12)
    share = share.clamp(0, 1)
    return (x - share * across).square() + (y - share * down).square()


def drawing_studio(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    studio: ipywidgets.VBox | None = None,
    judge: nn.Module | None = None,
) -> "DrawingStudio":
    """A canvas for a digit: how a model encodes and reconstructs it, and its place on the map.

    Instead of a drawing, one of the images x can be chosen.  model: a VAE or an Autoencoder of
    28 x 28 images.  x: [N, 1, 28, 28] in [0, 1], the images on
    the map.  y: [N]. studio: an InterpolationStudio, at whose ends the digit can be put.  judge: a
    classifier, logits [B, K] of images. Raises TypeError or ValueError for a bad argument.
    """
    if list(gray_images(x).shape[2:]) != [SIZE, SIZE]:
        allowed = f"images of {SIZE} x {SIZE} pixels, as drawings are"
        raise ValueError(f"x must hold {allowed}, got shape {list(x.shape)}")
    ends = [getattr(studio, end, None) for end in ("start", "end")]
    if studio is not None and not all(isinstance(end, ImageChooser) for end in ends):
        raise TypeError(f"studio must be an InterpolationStudio, got {type(studio).__name__}")
    check_autoencoder("model", model)
    check_classifier("judge", judge)
    return DrawingStudio(model, x, classes_of(y, x, "x"), studio, judge)


class NamedCanvas(MultiCanvas):
    """An ipycanvas that can be named: `tooltip` needs a `description` beside it."""

    description = traitlets.Unicode().tag(sync=True)

    def close(self) -> None:
        """Close both layers as well."""
        for layer in self._canvases:  # none any more if it was closed before
            layer.layout.close()
            layer.close()
        super().close()


class StrokeCanvas(ipywidgets.VBox):
    """A canvas to draw on by mouse or finger: `strokes` are polylines in [0, 1]^2.

    on_change: called at each new point.
    """

    def __init__(self, on_change: Callable[[], None]):
        self.strokes: list[list[tuple[float, float]]] = []
        self.on_change, self._down = on_change, False
        self.canvas = NamedCanvas(2, width=CANVAS, height=CANVAS, tooltip="Canvas: draw a digit")
        self.canvas.add_class("vae-canvas")
        self.canvas.on_client_ready(self._redraw)  # after a reload, the canvas is empty
        self.canvas.on_mouse_down(self._press)
        self.canvas.on_mouse_move(self._move)
        self.canvas.on_touch_start(lambda touches: self._press(*touches[0]))
        self.canvas.on_touch_move(lambda touches: self._move(*touches[0]))
        for end in ("mouse_up", "mouse_out", "touch_end", "touch_cancel"):
            getattr(self.canvas, f"on_{end}")(self._release)
        # ipycanvas would keep the keyboard, Tab and all
        self.canvas.on_key_down(lambda *_key: self.clear.focus())
        self.clear, self.undo = (
            ipywidgets.Button(description=text, tooltip=f"Remove {what} from the canvas")
            for text, what in (("Clear", "all strokes"), ("Undo stroke", "the last stroke"))
        )
        self.clear.on_click(lambda _button: self.keep(0))
        self.undo.on_click(lambda _button: self.keep(-1))
        super().__init__([self.canvas, ipywidgets.HBox([self.clear, self.undo])])
        self.add_class("vae-drawing")
        self._redraw()

    def keep(self, n: int) -> None:
        """Keep the first n strokes, or all but the last for n = -1."""
        self.strokes, self._down = self.strokes[:n], False
        self._redraw()
        self.on_change()

    def _press(self, x: float, y: float) -> None:
        if not self._down:
            self.strokes, self._down = [*self.strokes, []], True
            self._redraw()  # without the hint
            self._move(x, y)

    def _move(self, x: float, y: float) -> None:
        """The next point of the current stroke, if there is one and the point is new."""
        stroke = self.strokes[-1] if self._down else []
        point = (min(max(x / CANVAS, 0.0), 1.0), min(max(y / CANVAS, 0.0), 1.0))
        if not self._down or (stroke and math.dist(point, stroke[-1]) < STEP):
            return
        stroke.append(point)
        with hold_canvas():
            self._paint(stroke[-2:])
        self.on_change()

    def _release(self, *place: float | list) -> None:
        """The end of a stroke: a mouse says where.

        The keyboard is given back, which ipycanvas takes at a press.
        """
        if len(place) == 2:
            self._move(*place)
        self._down = False
        self.canvas.blur()

    def _redraw(self) -> None:
        """Paint everything anew: first the layer of the background, then that of the strokes.

        In this order, since ipycanvas sends another message whenever the layer changes.
        """
        with hold_canvas():
            back, front = self.canvas[0], self.canvas[1]
            back.fill_style = "#000"
            back.fill_rect(0, 0, CANVAS, CANVAS)
            if not self.strokes:
                back.fill_style, back.text_align = "#bbb", "center"
                back.font = f"{CANVAS // 14}px sans-serif"
                back.fill_text("Draw a digit here", CANVAS / 2, CANVAS / 2)
            front.clear()
            front.stroke_style, front.line_width = "#fff", CANVAS * PEN / SIZE
            front.line_cap = front.line_join = "round"
            for stroke in self.strokes:
                self._paint(stroke)

    def _paint(self, points: list[tuple[float, float]]) -> None:
        """A polyline in white; one point is a dot."""
        places = [(CANVAS * x, CANVAS * y) for x, y in points]
        if places:
            self.canvas[1].stroke_lines(places[:1] + places)


class DrawingStudio(Studio):
    """What `drawing_studio` returns: the strokes in `area`, the image in `chooser`, and `picture`.

    `picture` is the reconstruction.  While nothing is drawn, the image is the chosen test image.
    `map` is None unless the codes are points of a plane.
    """

    chooser = traitlets.Instance(ImageChooser)  # its parts stand in columns; it is closed with this

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        studio: ipywidgets.VBox | None,
        judge: nn.Module | None,
    ):
        self.model, self.judge, self._putting, self.map = model, judge, False, None
        self.area = StrokeCanvas(self._draw)
        self.chooser = ImageChooser("Class", "The image that the model sees", x, y, 0)
        self.picture = Picture().add_class("vae-end-picture")
        self.label, self.said = (ipywidgets.HTML().add_class("vae-label") for _ in range(2))
        codes = encode_images(model, x)[0]
        if codes.shape[1] == 2:
            reach = max(3.5, 1.03 * float(codes.abs().amax(1).quantile(0.999)))
            hint = "Ring: the code of the image, among those of the test images."
            self.map = code_map(codes, y, reach, size=300, passive=True, hint=hint)
        self.buttons = []
        if studio is not None:
            from_, to = ("from", "starts", studio.start), ("to", "ends", studio.end)
            self.buttons = [self._morph_button(*from_), self._morph_button(*to)]
        self.chooser.observe(lambda _change: self._putting or self.area.keep(0), "image")
        super().__init__("vae-draw", self._columns(), self.label, self.said)
        self._draw()

    def _morph_button(self, way: str, does: str, end: ImageChooser) -> ipywidgets.Button:
        def put(_button: ipywidgets.Button) -> None:
            end.put(self.chooser.image, self.name)
            self.said.value = f"The morph in the studio {does} with {self.name} now."

        tip = f"Morph {way} this image in the studio"
        button = ipywidgets.Button(description=f"Morph {way} it", tooltip=tip)
        button.on_click(put)
        return button

    def _columns(self) -> ipywidgets.HBox:
        """The canvas, the image that the model sees, its reconstruction, and the map."""

        def column(*parts: ipywidgets.Widget) -> ipywidgets.VBox:
            return ipywidgets.VBox(parts).add_class("vae-end")

        def caption(text: str) -> ipywidgets.HTML:
            return ipywidgets.HTML(text).add_class("vae-caption")

        model, chooser = name_of_decoded(self.model), self.chooser
        above = chooser.picture, caption("what the model sees")
        below = caption("or choose a test image:"), chooser.label, chooser.field, chooser.button
        decoded = self.picture, caption(f"reconstruction: {model}"), *self.buttons
        columns = [self.area, column(*above, *below), column(*decoded)]
        columns += [self.map] if self.map else []
        return ipywidgets.HBox(columns).add_class("vae-columns")

    @property
    def name(self) -> str:
        """What the image is: "your drawing", or "test image" and its index."""
        return "your drawing" if self.area.strokes else f"test image {self.chooser.index}"

    def _draw(self) -> None:
        """The strokes have changed: the image is the drawing, or without one the test image."""
        self._putting = True
        if self.area.strokes:
            self.chooser.put(image_of_strokes(self.area.strokes), self.name)
        else:
            self.chooser.choose(self.chooser.index)
        self._putting = False
        self._show(self.chooser.image)

    @torch.inference_mode()
    def _show(self, image: Tensor) -> None:
        """The reconstruction of the image [1, 28, 28], its numbers, and its place on the map."""
        z, *logvar = encode_images(self.model, image[None])
        logits = self.model.decode(z.to(next(self.model.parameters()))).float().cpu()
        recon, code, spread = logits.sigmoid()[0], show_code(z[0]), []
        decoded = f"{name_of_decoded(self.model)} at z = {code}"
        self.picture.value = to_png(recon[0])
        self.picture.alt = f"Reconstruction of {self.name}: {decoded}"
        lines = [f"Code of {self.name}: z = {code}"]
        if logvar:
            std = (0.5 * logvar[0][0]).exp()
            recon_loss = bernoulli_nll(logits, image[None]).item()
            kl = kl_standard_normal(z, logvar[0]).item()
            lines = [
                f"q(z|x) of {self.name}: μ = {code}, σ = {show_code(std)}",
                f"recon_loss {recon_loss:.1f} nats at z = μ, kl {kl:.1f} nats",
            ]
            spread = [*z[0].tolist(), *std.tolist()]
        if self.judge is not None:
            verdicts = zip(*name_digits(self.judge, torch.cat([image, recon])), strict=True)
            seen = [f"{int(digit)} ({percent(float(sure))} sure)" for digit, sure in verdicts]
            lines += [f"judge: {seen[0]}; of the reconstruction: {seen[1]}"]
        self.label.value, self.said.value = "<br>".join(lines), ""
        if self.map is not None:
            outside = ["The code lies outside the map."] if z.abs().max() > self.map.extent else []
            (self.map.x, self.map.y), self.map.ellipse = z[0].tolist(), spread
            self.map.text = "; ".join(lines + outside)
