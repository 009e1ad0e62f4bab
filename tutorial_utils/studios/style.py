"""Style studio (notebook 09): all digits in the style of a test image, and blends of two labels."""

from collections.abc import Sequence

import ipywidgets
import torch
from torch import Tensor, nn

from ..latent import side_by_side, straight_line
from ..plotting import to_png
from ..support.arguments import finite, float_tensor, gray_images
from .base import Picture, Studio
from .controls import ImageChooser, next_of_class, slider

SECOND, BLEND = 1, (3, 8)  # at the start: the class of the second image, the labels of the blend
SPACE = "\N{NO-BREAK SPACE}"


def style_studio(model: nn.Module, x: Tensor, y: Tensor) -> "StyleStudio":
    """All digits in the style of a test image, or between two styles, and a blend of two labels.

    Notebook 09.  model: any with encode(x, y) -> mu, logvar and decode(z, y) -> logits [B, 1, H,
    W]. x: test images [N, 1, H, W] in [0, 1].  y: [N, K] floats, one-hot or mixtures of K labels.
    Raises TypeError or ValueError for a bad argument.
    """
    _check(model, x, y)
    return StyleStudio(model, x.detach().cpu().float(), y.detach().cpu().float())


def style_rows(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """The style studio on paper, rows for `plotting.show_rows`: an image, all digits in its style.

    model, x, y: as for `style_studio`.  Returns {"style 1": [1 + K, 1, H, W], ...}, one row per
    image. Raises TypeError or ValueError for a bad argument.
    """
    _check(model, x, y)
    codes, labels = encode_style(model, x, y), torch.eye(y.shape[1])
    return {
        f"style {k + 1}": torch.cat([x[[k]].cpu(), write(model, z, labels)[:, None]])
        for k, z in enumerate(codes)
    }


@torch.inference_mode()
def encode_style(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean of q(z|x, y): [N, D], on the CPU.  x: [N, 1, H, W].  y: [N, K]."""
    like = next(model.parameters())
    return model.encode(x.to(like), y.to(like))[0].float().cpu()


@torch.inference_mode()
def write(model: nn.Module, z: Tensor, y: Tensor) -> Tensor:
    """The means of p(x|z, y) of one style z [D] and N labels y [N, K]: [N, H, W], on the CPU."""
    like = next(model.parameters())
    return model.decode(z.expand(len(y), -1).to(like), y.to(like)).sigmoid()[:, 0].float().cpu()


class StyleStudio(Studio):
    """What `style_studio` returns: `first` and `second` choose the images of two styles.

    `style_slider` goes from one style z to the other, `label_slider` from label `a` to label `b`.
    `images` [K, H, W] are all digits in the style z;
    `image` [H, W] has the blended label `y`.
    """

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor):
        self.model, self.x, self.y_all = model, x, y
        classes, n = y.argmax(1), y.shape[1]
        there = classes.unique().tolist()
        second = next_of_class(classes, SECOND if SECOND in there else there[-1])
        self.first, self.second = (
            ImageChooser(f"Style {name}", f"The image that gives style {name}", x, classes, index)
            for name, index in (("A", 0), ("B", second))
        )
        self.style_slider = slider("style", 0.0, 1, 0.02, tip="0: style A, 1: style B.")
        self.label_slider = slider("blend", 0.0, 1, 0.02, tip="0: the first label, 1: the second.")
        self.a, self.b = (
            ipywidgets.Dropdown(options=range(n), value=min(start, n - 1), description=name)
            for start, name in zip(BLEND, ("label", "to"), strict=True)
        )
        self.picture = Picture().add_class("vae-picture")
        self.row = Picture().add_class("vae-strip")
        self.caption, self.row_caption = (
            ipywidgets.HTML().add_class("vae-label") for _ in range(2)
        )
        super().__init__("vae-style", self._desk(), self.row_caption, self.row)
        for chooser in (self.first, self.second):
            chooser.observe(self._encode, "image")
        for control in (self.style_slider, self.label_slider, self.a, self.b):
            control.observe(self._show, "value")
        self._encode()

    def _desk(self) -> ipywidgets.Box:
        """The two images, the sliders and the picture, beside each other."""
        ends = ipywidgets.HBox([self.first, self.second]).add_class("vae-styles")
        labels = ipywidgets.HBox([self.a, self.b])
        sliders = ipywidgets.VBox([self.style_slider, labels, self.label_slider])
        written = ipywidgets.VBox([self.picture, self.caption]).add_class("vae-written")
        return ipywidgets.Box([ends, sliders.add_class("vae-turns"), written]).add_class("vae-desk")

    @property
    def z(self) -> Tensor:
        """The style that is shown: [D]."""
        return straight_line(*self.styles, torch.tensor([self.style_slider.value]))[0]

    @property
    def y(self) -> Tensor:
        """The label that is shown: [K]."""
        labels = torch.eye(self.y_all.shape[1])
        return torch.lerp(labels[self.a.value], labels[self.b.value], self.label_slider.value)

    def _encode(self, _change: object = None) -> None:
        """Another image: the only place where the encoder is asked."""
        indices = [self.first.index, self.second.index]
        self.styles = encode_style(self.model, self.x[indices], self.y_all[indices])
        self._show()

    def _show(self, _change: object = None) -> None:
        """A slider or a label has changed: the decoder is called once, for row and picture."""
        labels = torch.cat([torch.eye(self.y_all.shape[1]), self.y[None]])
        *row, self.image = write(self.model, self.z, labels)
        self.images = torch.stack(row)
        style = say_share("style", ("A", "B"), self.style_slider.value)
        label = say_share("label", (self.a.value, self.b.value), self.label_slider.value)
        self.picture.value, self.row.value = to_png(self.image), to_png(side_by_side(self.images))
        self.picture.alt = f"Mean of p(x|z, y): {label}, {style}"
        of_row = f"the labels 0 to {len(row) - 1}, from left to right: {style}"
        self.row.alt = f"Means of p(x|z, y) for {of_row}"
        self.caption.value = "<br>".join(("Mean of p(x|z, y):", label, style))
        self.row_caption.value = f"Means of p(x|z, y) of all labels, {style}:"


def say_share(what: str, ends: Sequence, t: float) -> str:
    """Where between two ends: "label 3", "label 60 % 3 + 40 % 8"."""
    if t in (0, 1) or ends[0] == ends[1]:
        return f"{what} {ends[int(t == 1)]}"
    shares = zip((1 - t, t), ends, strict=True)
    parts = [f"{100 * share:.0f}{SPACE}%{SPACE}{end}" for share, end in shares]
    return f"{what} {' + '.join(parts)}"


def _check(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """TypeError or ValueError unless x are images, y labels [N, K], and the model is of such."""
    if not all(callable(getattr(model, method, None)) for method in ("encode", "decode")):
        allowed = "encode(x, y) and decode(z, y)"
        raise TypeError(f"model must have {allowed}, got {type(model).__name__}")
    finite("y", float_tensor("y", y, ndim=2))
    if len(gray_images(x)) != len(y):
        raise ValueError(f"x and y must have the same length, got {len(x)} and {len(y)}")
    image = write(model, encode_style(model, x[:1], y[:1])[0], y[:1])
    if image.shape[1:] != x.shape[2:]:
        raise ValueError(
            f"model must decode to images like x, {list(x.shape[2:])}, got {list(image.shape[1:])}"
        )
