"""Filling studio (notebook 09): hide a part of a digit, and see several answers to what it may be."""

import math
from functools import partial

import ipywidgets
import torch
import traitlets
from torch import Tensor, nn

from ..metrics import name_digits
from ..models import VAE, decode_images, is_vae
from ..plotting import to_png
from ..support.arguments import gray_images, one_of, positive_int, same_shape
from ..topics.filling import fill_missing
from ..training import local_seed
from .base import ControlNames, PanelView, Part, describe, style_sheet

SIDES = ("top", "bottom", "left", "right")
STEPS = (16, 60, 400)  # of the chains; the first is what a drag of the slider can wait for
SCALE, LINE = (
    6,
    0.5,
)  # pixels of a picture per pixel of an image; the gray of the line around what is seen


def filling_studio(
    model: VAE, x: Tensor, *, n_answers: int = 8, classifier: nn.Module | None = None
) -> "FillingStudio":
    """Choose how many rows or columns of a test image are seen, and see `n_answers` draws of what is missing.

    Notebook 09.  model: a VAE with Bernoulli pixels, of images like x, on the CPU.  x: [N, 1, H, W]
    of zeros and ones. classifier: logits [B, K] of images [B, 1, H, W]; given, the answers are
    read.  Its static twin is `fill_missing`. Raises TypeError or ValueError for a bad argument.
    """
    if not is_vae(model):
        raise TypeError(f"model must be a VAE, got {type(model).__name__}")
    x = gray_images(x).detach().cpu().float()
    if not ((x == 0) | (x == 1)).all():
        raise ValueError(
            "x must hold zeros and ones only, got grays between: (x > 0.5).float() makes it so"
        )
    same_shape(
        "a decoded image",
        decode_images(model, torch.zeros(1, model.latent_dim)),
        "an image of x",
        x[0],
    )
    if classifier is not None:
        name_digits(classifier, x[:1, 0])
    return FillingStudio(model, x, positive_int("n_answers", n_answers), classifier)


def seen_from(side: str, n: int, shape: tuple[int, int]) -> Tensor:
    """Which pixels are seen if n rows (or columns) are, counted from a side, one of SIDES: bool [H, W]."""
    along = one_of("side", side, SIDES) in ("left", "right")
    places = torch.arange(shape[along])
    if side in ("bottom", "right"):
        places = places.flip(0)
    seen = places < n
    return (seen if along else seen[:, None]).expand(shape)


def answers(model: VAE, image: Tensor, seen: Tensor, n: int, *, n_steps: int, seed: int) -> Tensor:
    """What the studio shows: of n draws, seen pixels and the means of the others.

    image: [1, H, W].  [n, H, W].
    """
    with local_seed(seed):
        return fill_missing(model, image.expand(n, *image.shape), seen, n_steps=n_steps)[1][:, 0]


class FillingStudio(ipywidgets.VBox):
    """What `filling_studio` returns: `index`, `side`, `count`, `steps` choose; `view` shows `images` [n, H, W]."""

    seed = traitlets.Int()

    def __init__(self, model: VAE, x: Tensor, n_answers: int, classifier: nn.Module | None):
        self.model, self.x, self.n_answers, self.classifier = model, x, n_answers, classifier
        self._make_controls()
        self.view = PanelView()
        rows = [[self.index, self.next], [self.side], [self.count], [self.steps, self.anew]]
        bars = ipywidgets.VBox([ipywidgets.HBox(row) for row in rows]).add_class(
            "vae-blur-controls"
        )
        super().__init__([style_sheet(), ControlNames(), bars, self.view])
        self.add_class("vae-explorer").add_class("vae-slider").add_class("vae-filling")
        for control in (self.index, self.count, self.steps):
            control.observe(self._show, "value")
        self.side.observe(self._turn, "value")
        self.observe(self._show, "seed")
        self._show()

    def _make_controls(self) -> None:
        radios = partial(ipywidgets.RadioButtons, orientation="horizontal")
        height = self.x.shape[-2]
        self.index = ipywidgets.BoundedIntText(
            0, min=0, max=len(self.x) - 1, description="test image"
        )
        self.index.tooltip = f"Which of the {len(self.x):,} test images"
        self.side = radios(
            options=SIDES, description="seen from", tooltip="The side from which the image is seen"
        )
        self.count = ipywidgets.IntSlider(height // 2, min=0, max=height, description="rows seen")
        self.count.tooltip = "How many rows or columns are seen. Drag, or use the arrow keys."
        self.steps = radios(
            options=STEPS, description="steps", tooltip="Of each chain: more is slower, and nearer"
        )
        self.next = ipywidgets.Button(description="Next image", tooltip="The next test image")
        self.anew = ipywidgets.Button(
            description="New answers", tooltip="Other random numbers for all answers"
        )
        self.next.on_click(
            lambda _button: self.index.set_trait("value", (self.index.value + 1) % len(self.x))
        )
        self.anew.on_click(lambda _button: self.set_trait("seed", self.seed + 1))

    @property
    def seen(self) -> Tensor:
        """Which pixels are seen: bool [H, W]."""
        return seen_from(self.side.value, self.count.value, self.x.shape[-2:])

    def _turn(self, _change: object) -> None:
        """Another side: rows become columns, and there may be fewer of them."""
        columns = self.side.value in ("left", "right")
        self.count.description = "columns seen" if columns else "rows seen"
        self.count.max = self.x.shape[-1 if columns else -2]
        self._show()

    def _show(self, _change: object = None) -> None:
        """A control has changed: draw the answers, and send all to the page in one message."""
        image, seen, unit = self.x[self.index.value], self.seen, self.count.description.split()[0]
        self.images = answers(
            self.model, image, seen, self.n_answers, n_steps=self.steps.value, seed=self.seed
        )
        self.digits = (
            [] if self.classifier is None else name_digits(self.classifier, self.images)[0].tolist()
        )
        given = f"{self.count.value} of {self.count.max} {unit}, from the {self.side.value}"
        n_columns = math.ceil(self.n_answers / 2)
        read = say_digits(self.digits, n_columns)
        alt = f"{self.n_answers} answers after {self.steps.value} steps. {read}"
        parts = [
            Part(
                f"What is seen\n{given}",
                to_png(draw_seen(image[0], seen)),
                f"Test image {self.index.value}: {given}",
            ),
            Part(
                f"Answers: means of the missing pixels\n{read}",
                to_png(draw_answers(self.images, seen, n_columns)),
                alt,
            ),
        ]
        with self.view.hold_sync():
            self.view.parts = [describe(part) for part in parts]
            self.view.text = f"{given}. {alt}"


def say_digits(digits: list[int], n_columns: int) -> str:
    """What a classifier reads in the answers, row by row, and how many digits that are; nothing if there are none."""
    if not digits:
        return ""
    rows = [" ".join(map(str, digits[k : k + n_columns])) for k in range(0, len(digits), n_columns)]
    n = len(set(digits))
    return f"Read as {' / '.join(rows)}: {'one digit' if n == 1 else f'{n} different digits'}"


def enlarge(pixels: Tensor) -> Tensor:
    """Each pixel of [..., H, W] as a square of SCALE x SCALE."""
    return pixels.repeat_interleave(SCALE, -2).repeat_interleave(SCALE, -1)


def draw_seen(image: Tensor, seen: Tensor) -> Tensor:
    """The image [H, W], large, hatched where it is not seen."""
    large = enlarge(image)
    down, across = (torch.arange(size) for size in large.shape)
    hatch = torch.where((down[:, None] + across) % 12 < 4, 0.45, 0.25)
    return torch.where(_edge(seen), LINE, torch.where(enlarge(seen), large, hatch))


def draw_answers(images: Tensor, seen: Tensor, n_columns: int) -> Tensor:
    """Images [N, H, W], large, in rows of n_columns, each with a gray line around what is seen."""
    large = torch.where(_edge(seen), LINE, enlarge(images))
    large[:, -1], large[:, :, -1] = 0.25, 0.25  # where one image ends and the next begins
    missing = large.new_zeros(-len(large) % n_columns, *large.shape[1:])
    rows = torch.cat([large, missing]).unflatten(0, (-1, n_columns))
    return rows.transpose(1, 2).flatten(2).flatten(0, 1)


def _edge(seen: Tensor) -> Tensor:
    """The line between what is seen and what is not, two pixels wide: bool, as large as a picture."""
    large = enlarge(seen)
    edge = torch.zeros_like(large)
    for axis in (0, 1):
        n = large.shape[axis] - 1
        differs = large.narrow(axis, 0, n) != large.narrow(axis, 1, n)
        for start in (0, 1):
            edge.narrow(axis, start, n).logical_or_(differs)
    return edge
