"""Pictures: tensors and an optional `Axes` in, `Axes` out; nothing here trains, samples, seeds or saves."""

import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .arguments import float_tensor

# Ten colors that people with any kind of color vision can tell apart (Paul Tol's "muted" scheme, and black).
COLORS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#b8860b", "#cc6677", "#882255", "#aa4499", "#222222")


def show_figure(fig: Figure, *, alt: str) -> None:
    """Display a figure as a PNG that carries its description for readers who do not see it, and close it."""
    if len(alt) < 20:
        raise ValueError(f"alt must describe the figure in at least 20 characters, got {alt!r}")
    png = io.BytesIO()
    fig.savefig(png, format="png", bbox_inches="tight")
    plt.close(fig)
    _display("image/png", png.getvalue(), alt)


def show_gif(gif: bytes, *, alt: str) -> None:
    """Display an animated GIF with its description."""
    _display("image/gif", gif, alt)


def _display(mime: str, data: bytes, alt: str) -> None:
    display({mime: data, "text/plain": alt}, metadata={mime: {"alt": alt}}, raw=True)


def show_image(image: Tensor, *, title: str = "", ax: Axes | None = None, **imshow) -> Axes:
    """One gray image [H, W] (or [1, H, W]), 0 black and 1 white, values outside [0, 1] clipped."""
    ax = plt.subplots()[1] if ax is None else ax
    ax.imshow(image.detach().cpu().squeeze(0), **{"cmap": "gray", "vmin": 0, "vmax": 1} | imshow)
    ax.set_title(title)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return ax


def show_images(images: Tensor, *, n_columns: int = 10, title: str = "", ax: Axes | None = None, **imshow) -> Axes:
    """Images [N, 1, H, W] as one grid, `n_columns` wide; `imshow` takes cmap, vmin, vmax."""
    from torchvision.utils import make_grid

    float_tensor("images", images, ndim=4)
    grid = make_grid(images.detach().cpu(), nrow=n_columns, padding=1, pad_value=imshow.get("vmax", 1) / 3)[0]
    return show_image(grid, title=title, ax=ax, **imshow)


def show_rows(rows: dict[str, Tensor], *, columns: Sequence[str] = (), title: str = "", size: float = 0.75) -> Figure:
    """Rows of images, each with its name on the left; `columns` are names above the first row.

    rows: name -> [N, 1, H, W], the same N.  size: inches per image.
    """
    names, n = list(rows), len(next(iter(rows.values())))
    fig, axes = plt.subplots(len(names), n, figsize=(size * n + 1, size * len(names) + 0.4), squeeze=False)
    for name, row in zip(names, axes, strict=True):
        for image, ax in zip(rows[name], row, strict=True):
            show_image(image, ax=ax)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, name in zip(axes[0], columns, strict=bool(columns)):
        ax.set_title(name, fontsize="medium")
    fig.suptitle(title)
    return fig


def plot_codes(z: Tensor, y: Tensor, *, title: str = "", ax: Axes | None = None, n: int = 2000) -> Axes:
    """The first n codes z [N, 2] as small glyphs of their class y [N], each class in its own color."""
    float_tensor("z", z, ndim=2)
    ax = plt.subplots(figsize=(6, 6))[1] if ax is None else ax
    z, y = z.detach().cpu()[:n], y.cpu()[:n]
    for k in torch.unique(y).tolist():
        ax.scatter(*z[y == k].T, marker=f"${k}$", s=22, color=COLORS[k % len(COLORS)], linewidths=0.3)
    ax.set_title(title)
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    return ax
