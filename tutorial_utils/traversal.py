"""What a learner turns: one latent number at a time, on sliders for the dimensions that a VAE uses most."""

from collections.abc import Sequence
from html import escape

import ipywidgets
import torch
from torch import Tensor, nn

from .arguments import classes_of, finite, float_tensor, gray_images, positive_int
from .metrics import kl_per_dimension
from .models import VAE, is_vae
from .pictures import decode_images, to_png
from .walk import encode_images
from .widgets import ImageChooser, Picture, name_of_decoded, show_code, style_sheet

REACH, STEP = 3.0, 0.05  # of a slider, in standard deviations of the prior


def traversal_grid(model: nn.Module, z: Tensor, dims: Sequence[int], values: Tensor) -> Tensor:
    """Decoded images: in row r, z with its number dims[r] set to each of the n values; [len(dims) * H, n * W].

    The panel's static twin; as in Higgins et al. (2017), figure 1.  z: [D].  dims: counted from 0.  values: [n].
    Raises TypeError or ValueError for a bad argument.
    """
    finite("z", float_tensor("z", z, ndim=1))
    finite("values", float_tensor("values", values, ndim=1))
    if len(dims) == 0 or not all(0 <= dim < len(z) and dim == int(dim) for dim in dims):
        raise ValueError(f"dims must hold whole numbers from 0 to {len(z) - 1}, got {list(dims)!r}")
    codes = z.repeat(len(dims), len(values), 1)  # [row, column, D]
    for row, dim in enumerate(dims):
        codes[row, :, int(dim)] = values.to(z)
    images = decode_images(model, codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    return images.transpose(1, 2).flatten(2).flatten(0, 1)


def traversal_panel(model: VAE, x: Tensor, y: Tensor, *, n_dims: int = 8) -> "TraversalPanel":
    """A slider for each of the `n_dims` dimensions with the largest mean KL over x, and what the model decodes.

    model: a VAE of gray images.  x: [N, 1, H, W] in [0, 1].  y: [N], the classes.  With fewer than n_dims dimensions,
    each has a slider.  Raises TypeError or ValueError for a bad argument.
    """
    if not is_vae(model):
        raise TypeError(f"model must be a VAE, whose dimensions have a KL, got {type(model).__name__}")
    return TraversalPanel(model, gray_images(x), classes_of(y, x, "x"), positive_int("n_dims", n_dims))


class TraversalPanel(ipywidgets.VBox):
    """What `traversal_panel` returns: `z` [D] is decoded in `picture`; `sliders` are by dimension, counted from 0."""

    def __init__(self, model: VAE, x: Tensor, y: Tensor, n_dims: int):
        self.model, self.z = model, torch.zeros(model.latent_dim)
        self._generator = torch.Generator().manual_seed(0)  # the learner's own random numbers stay as they are
        self.kl = kl_per_dimension(*encode_images(model, x))
        order = self.kl.argsort(descending=True, stable=True)[:n_dims].tolist()
        self.sliders = {dim: self._make_slider(dim) for dim in order}
        self.picture = Picture().add_class("vae-picture")
        self.label, self.said = (ipywidgets.HTML().add_class("vae-label") for _ in range(2))
        self.chooser = ImageChooser("Class", "The image to encode", x, y, 0)
        texts = {"Reset": "z = 0: the center of the prior", "Random": "Draw all of z from the prior N(0, I)"}
        texts["Encode this image"] = "Set all of z to the mean of q(z|x) of the chosen image"
        self.reset, self.random, self.encode = (
            ipywidgets.Button(description=text, tooltip=tooltip) for text, tooltip in texts.items()
        )
        self.reset.on_click(lambda _button: self._go(torch.zeros_like(self.z), "z = 0: the center of the prior."))
        self.random.on_click(lambda _button: self._draw_from_prior())
        self.encode.on_click(lambda _button: self._encode())
        super().__init__([style_sheet(), *self._layout()])
        self.add_class("vae-explorer").add_class("vae-traversal")
        self._go(self.z, "z = 0: the center of the prior.")

    def _make_slider(self, dim: int) -> ipywidgets.FloatSlider:
        name = f"{name_of_dimension(dim)} · {self.kl[dim]:.1f} nats"
        slider = ipywidgets.FloatSlider(
            0,
            min=-REACH,
            max=REACH,
            step=STEP,
            description=name,
            readout_format=".2f",
            style={"description_width": "auto"},
        )
        slider.tooltip = f"{name}: drag, or use the arrow keys"
        slider.observe(lambda _change: self._slide(dim), "value")
        return slider

    def _layout(self) -> list[ipywidgets.Widget]:
        """Beside the picture the sliders; below, the buttons and the image to encode."""
        sliders = ipywidgets.Box(list(self.sliders.values())).add_class("vae-sliders")
        buttons = ipywidgets.HBox([self.reset, self.random])
        side = ipywidgets.VBox([sliders, buttons, self.label]).add_class("vae-beside")
        top = ipywidgets.HBox([self.picture, side]).add_class("vae-columns")
        chosen = ipywidgets.HBox([self.chooser.box.add_class("vae-chosen"), self.encode]).add_class("vae-head")
        return [top, self.said, chosen]

    def _slide(self, dim: int) -> None:
        """A slider has moved; a page that rounds what it was given to a whole step moves nothing."""
        value = self.sliders[dim].value
        if abs(value - self._on_slider(dim)) > 0.51 * STEP:
            self.z[dim] = value
            self.said.value = f"{name_of_dimension(dim)} was moved by hand."
            self._show()

    def _on_slider(self, dim: int) -> float:
        """Where the slider of a dimension stands: at the end, where z goes further."""
        return min(max(float(self.z[dim]), -REACH), REACH)

    def _draw_from_prior(self) -> None:
        z = torch.randn(len(self.z), generator=self._generator)
        self._go(z, f"A draw from the prior: all {len(z)} dimensions are new.")

    def _encode(self) -> None:
        image = self.chooser.caption.value or f"test image {self.chooser.index}"
        z = encode_images(self.model, self.chooser.image[None])[0][0]
        self._go(z, f"All {len(z)} dimensions are those of the mean of q(z|x) of {image}.")

    def _go(self, z: Tensor, said: str) -> None:
        """Move to a code [D], in all dimensions, those without a slider too."""
        self.z, self.said.value = z.clone(), said
        for dim, slider in self.sliders.items():
            slider.value = self._on_slider(dim)
        self._show()

    def _show(self) -> None:
        """z has changed: show what the model decodes there, and how far from the prior's center it is."""
        what = f"{name_of_decoded(self.model)} at z = {show_code(self.z)}"
        self.picture.value = to_png(decode_images(self.model, self.z[None])[0])
        n, rest = len(self.z), len(self.z) - len(self.sliders)
        lines = [what, f"|z| = {self.z.norm():.2f}; typical of the prior: √{n} = {n**0.5:.2f}"]
        if rest:
            nats = float(self.kl.sum() - self.kl[list(self.sliders)].sum())
            lines.append(f"{rest} of {n} dimensions have no slider: {nats:.1f} nats together")
        self.picture.alt = "; ".join(lines)
        self.label.value = "<br>".join(map(escape, lines))


def name_of_dimension(dim: int) -> str:
    """The name of a latent number, counted from 1 as in the text: z₁ for dim 0."""
    return "z" + str(dim + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
