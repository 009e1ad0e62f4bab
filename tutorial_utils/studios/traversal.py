"""Latent traversal (notebook 04): one slider per latent dimension, and the image that the VAE decodes."""

from collections.abc import Callable, Sequence
from html import escape

import ipywidgets
import torch
from torch import Tensor

from ..latent import name_of_dimension, rank_dimensions
from ..losses import kl_per_dimension
from ..models import VAE, decode_images, encode_images, is_vae
from ..plotting import to_png
from ..support.arguments import classes_of, gray_images, positive_int
from .base import Picture, name_of_decoded, show_code, style_sheet
from .controls import ImageChooser

REACH, STEP = 3.0, 0.05  # of a slider, in standard deviations of the prior


def say_rest(kl: Tensor, dims: Sequence[int]) -> list[str]:
    """A line on the dimensions that are not among `dims`: how many, and their KL together; no line if there are none.

    kl: [D], in nats.
    """
    n, rest = len(kl), len(kl) - len(dims)
    nats = float(kl.sum() - kl[list(dims)].sum())
    return [f"{rest} of {n} dimensions have no slider: {nats:.1f} nats together"] if rest else []


class CodeSliders(ipywidgets.Box):
    """A slider for each of some dimensions of a code: `z` [D] is the code, `dims` are the dimensions, counted from 0.

    reach: the sliders go from -reach to reach; z may lie beyond.  on_move: called, with what was
    done in words, when a hand has moved a slider and z has followed.
    """

    def __init__(self, reach: float, on_move: Callable[[str], None]):
        self.z, self.dims, self.reach, self.on_move = torch.zeros(0), [], reach, on_move
        self._made: list[ipywidgets.FloatSlider] = []
        super().__init__()
        self.add_class("vae-sliders")

    def assign(self, names: dict[int, str], z: Tensor) -> None:
        """From now on the sliders are for these dimensions, in this order and under these names, and z is the code."""
        self._made += [self._make_slider(k) for k in range(len(self._made), len(names))]
        self.dims, self.children = list(names), self._made[: len(names)]
        for slider, name in zip(self.children, names.values(), strict=True):
            slider.description, slider.tooltip = name, f"{name}: drag, or use the arrow keys"
        self.go(z)

    def go(self, z: Tensor) -> None:
        """Move to a code [D], in all dimensions, those without a slider too; `on_move` is not called."""
        self.z = z.clone()
        for k, slider in enumerate(self.children):
            slider.value = self._on_slider(k)

    def _make_slider(self, k: int) -> ipywidgets.FloatSlider:
        slider = ipywidgets.FloatSlider(
            0,
            min=-self.reach,
            max=self.reach,
            step=STEP,
            readout_format=".2f",
            style={"description_width": "auto"},
        )
        slider.observe(lambda _change: self._slide(k), "value")
        return slider

    def _slide(self, k: int) -> None:
        """Slider k has moved; a page that rounds what it was given to a whole step moves nothing."""
        value = self.children[k].value
        if abs(value - self._on_slider(k)) > 0.51 * STEP:
            self.z[self.dims[k]] = value
            self.on_move(f"{name_of_dimension(self.dims[k])} was moved by hand.")

    def _on_slider(self, k: int) -> float:
        """Where slider k stands: at the end, where z goes further, and on a whole step, computed as the page does.

        The page sends back what it rounds: late, when z is somewhere else by then.  On a step it
        rounds nothing.
        """
        value = min(max(float(self.z[self.dims[k]]), -self.reach), self.reach)
        step = STEP * 100 / (2 * self.reach)
        return (
            round((value + self.reach) * 100 / (2 * self.reach) / step)
            * step
            * (2 * self.reach)
            / 100
            - self.reach
        )


def traversal_panel(model: VAE, x: Tensor, y: Tensor, *, n_dims: int = 8) -> "TraversalPanel":
    """A slider for each of the `n_dims` dimensions with the largest mean KL over x, and what the model decodes.

    model: a VAE of gray images.  x: [N, 1, H, W] in [0, 1].  y: [N], the classes.  With fewer than
    n_dims dimensions, each has a slider.  Raises TypeError or ValueError for a bad argument.
    """
    if not is_vae(model):
        raise TypeError(
            f"model must be a VAE, whose dimensions have a KL, got {type(model).__name__}"
        )
    return TraversalPanel(
        model, gray_images(x), classes_of(y, x, "x"), positive_int("n_dims", n_dims)
    )


class TraversalPanel(ipywidgets.VBox):
    """What `traversal_panel` returns: `z` [D] is decoded in `picture`; `sliders` are by dimension, counted from 0."""

    def __init__(self, model: VAE, x: Tensor, y: Tensor, n_dims: int):
        self.model = model
        self._generator = torch.Generator().manual_seed(
            0
        )  # the learner's own random numbers stay as they are
        self.kl = kl_per_dimension(*encode_images(model, x))
        self.code = CodeSliders(REACH, self._show)
        self.code.assign(rank_dimensions(self.kl, n_dims), torch.zeros(model.latent_dim))
        self.sliders = dict(zip(self.code.dims, self.code.children, strict=True))
        self.picture = Picture().add_class("vae-picture")
        self.label, self.said = (ipywidgets.HTML().add_class("vae-label") for _ in range(2))
        self.chooser = ImageChooser("Class", "The image to encode", x, y, 0)
        texts = {
            "Reset": "z = 0: the center of the prior",
            "Random": "Draw all of z from the prior N(0, I)",
        }
        texts["Encode this image"] = "Set all of z to the mean of q(z|x) of the chosen image"
        self.reset, self.random, self.encode = (
            ipywidgets.Button(description=text, tooltip=tooltip) for text, tooltip in texts.items()
        )
        self.reset.on_click(
            lambda _button: self._go(torch.zeros_like(self.z), "z = 0: the center of the prior.")
        )
        self.random.on_click(lambda _button: self._draw_from_prior())
        self.encode.on_click(lambda _button: self._encode())
        super().__init__([style_sheet(), *self._layout()])
        self.add_class("vae-explorer").add_class("vae-traversal")
        self._go(self.z, "z = 0: the center of the prior.")

    @property
    def z(self) -> Tensor:
        """The code [D] that is decoded."""
        return self.code.z

    def _layout(self) -> list[ipywidgets.Widget]:
        """Beside the picture the sliders; below, the buttons and the image to encode."""
        buttons = ipywidgets.HBox([self.reset, self.random])
        side = ipywidgets.VBox([self.code, buttons, self.label]).add_class("vae-beside")
        top = ipywidgets.HBox([self.picture, side]).add_class("vae-columns")
        chosen = ipywidgets.HBox([self.chooser.box.add_class("vae-chosen"), self.encode]).add_class(
            "vae-head"
        )
        return [top, self.said, chosen]

    def _draw_from_prior(self) -> None:
        z = torch.randn(len(self.z), generator=self._generator)
        self._go(z, f"A draw from the prior: all {len(z)} dimensions are new.")

    def _encode(self) -> None:
        image = self.chooser.caption.value or f"test image {self.chooser.index}"
        z = encode_images(self.model, self.chooser.image[None])[0][0]
        self._go(z, f"All {len(z)} dimensions are those of the mean of q(z|x) of {image}.")

    def _go(self, z: Tensor, said: str) -> None:
        """Move to a code [D], in all dimensions, those without a slider too."""
        self.code.go(z)
        self._show(said)

    def _show(self, said: str) -> None:
        """z has changed: show what the model decodes there, and how far from the prior's center it is."""
        what = f"{name_of_decoded(self.model)} at z = {show_code(self.z)}"
        self.said.value = said
        self.picture.value = to_png(decode_images(self.model, self.z[None])[0])
        n = len(self.z)
        lines = [what, f"|z| = {self.z.norm():.2f}; typical of the prior: √{n} = {n**0.5:.2f}"]
        lines += say_rest(self.kl, self.code.dims)
        self.picture.alt = "; ".join(lines)
        self.label.value = "<br>".join(map(escape, lines))
