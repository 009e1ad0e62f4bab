"""Figures, tables and claims: what a notebook shows, from tensors and numbers.

Nothing here trains, samples, seeds or saves.
"""

import html
import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from .support.animation import animated_png
from .support.arguments import float_tensor
from .support.tables import span as span
from .support.tables import table_lines

# Ten colors that stand out on white and on near-black, and that people with any kind of color
# vision can tell apart.
COLORS = (
    "#9c0000",
    "#a1b9f5",
    "#0c7943",
    "#6655cc",
    "#f8b402",
    "#5d4459",
    "#ff5675",
    "#0ed0a9",
    "#aa50a4",
    "#9b952f",
)


def to_png(image: Tensor) -> bytes:
    """The 8-bit gray PNG of an image [H, W]: 0 is black, 1 is white, other values are clipped."""
    pixels = (
        float_tensor("image", image.detach(), ndim=2).clamp(0, 1).mul(255).round().to(torch.uint8)
    )
    file = io.BytesIO()
    Image.fromarray(pixels.cpu().numpy()).save(file, "PNG", compress_level=1)
    return file.getvalue()


GAP = 0.07  # between the images of `show_rows`, as a share of their width
LINE = 0.18  # inches for the texts above a row of images
# The style of a text for screen readers only.
HIDDEN = (
    "position:absolute;width:1px;height:1px;overflow:hidden;clip:rect(0,0,0,0);white-space:nowrap"
)


def show_figure(fig: Figure, *, alt: str) -> None:
    """Display a figure as a PNG, with the description `alt` for screen readers, and close it."""
    _check_alt(alt)
    png = io.BytesIO()
    fig.savefig(png, format="png", bbox_inches="tight")
    plt.close(fig)
    small = io.BytesIO()  # 256 colors look the same, and the notebook is half as large
    picture = (
        Image.open(png).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    )
    picture.save(small, format="png", optimize=True)
    _display_png(small.getvalue(), alt)


def show_animation(
    frames: Tensor,
    *,
    alt: str,
    seconds: float = 0.1,
    enlarge: int = 4,
    labels: Sequence[str] | None = None,
    levels: int = 256,
) -> None:
    """Display gray frames [T, H, W] in [0, 1] as an animated PNG that loops forever, with `alt`.

    seconds, enlarge, labels and levels: as for `gif_bytes`.
    """
    png = animated_png(frames, seconds=seconds, enlarge=enlarge, labels=labels, levels=levels)
    _display_png(png, alt)


def _check_alt(alt: str) -> None:
    if len(alt.strip()) < 20:
        raise ValueError(f"alt must describe the picture in at least 20 characters, got {alt!r}")


def _display_png(png: bytes, alt: str) -> None:
    """Display a picture, and then its description, which only a screen reader finds.

    JupyterLab shows a PNG without its alt text.  These styles pass its sanitizer; `clip-path`,
    the newer way to hide a text, does not.
    """
    _check_alt(alt)
    display({"image/png": png, "text/plain": alt}, metadata={"image/png": {"alt": alt}}, raw=True)
    description = f'<div style="{HIDDEN}">Figure: {html.escape(alt)}</div>'
    display({"text/html": description, "text/plain": ""}, raw=True)


def show_image(image: Tensor, *, title: str = "", ax: Axes | None = None, **imshow) -> Axes:
    """One gray image [H, W] (or [1, H, W]), 0 black and 1 white, values outside [0, 1] clipped."""
    ax = plt.subplots()[1] if ax is None else ax
    image = float_tensor("image", image).detach().cpu()
    ax.imshow(
        (image[0] if image.ndim == 3 else image).numpy(),
        **{"cmap": "gray", "vmin": 0, "vmax": 1} | imshow,
    )
    ax.set(title=title, xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def show_images(
    images: Tensor, *, n_columns: int = 10, title: str = "", ax: Axes | None = None, **imshow
) -> Axes:
    """Images [N, 1, H, W] as one grid, `n_columns` wide; `imshow` takes cmap, vmin, vmax."""
    if float_tensor("images", images, ndim=4).shape[1] != 1:
        raise ValueError(f"images must be gray, shape [N, 1, H, W], got {list(images.shape)}")
    # torchvision's make_grid, without 160 MB of modules
    edge, n_columns = imshow.get("vmax", 1) / 3, min(n_columns, len(images))
    tiles = pad(images.detach().cpu()[:, 0], (1, 0, 1, 0, 0, -len(images) % n_columns), value=edge)
    rows = tiles.unflatten(0, (-1, n_columns)).transpose(1, 2)  # [rows, H + 1, n_columns, W + 1]
    grid = pad(rows.flatten(2).flatten(0, 1), (0, 1, 0, 1), value=edge)
    return show_image(grid, title=title, ax=ax, **imshow)


def show_rows(
    rows: dict[str, Tensor],
    *,
    title: str = "",
    size: float = 0.75,
    above: dict[str, Sequence[object]] | None = None,
) -> Figure:
    """Rows of images, each with its name on the left.

    rows: name -> [N, 1, H, W], the same N.  size: inches per image.  above: name of a row -> N
    short texts, one over each of its images.  Raises ValueError for rows or texts of different
    lengths, or a row that is not there.
    """
    lengths = [len(images) for images in rows.values()]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise ValueError(
            f"rows must hold equally many images in each row, at least one, got {lengths}"
        )
    above = above or {}
    if wrong := [
        name for name, texts in above.items() if name not in rows or len(texts) != lengths[0]
    ]:
        raise ValueError(
            f"above must hold {lengths[0]} texts for each of some of {list(rows)}, "
            f"not so for {wrong}"
        )
    hspace = GAP if set(above) <= {next(iter(rows))} else GAP + LINE / size
    height = size * (len(rows) + hspace * (len(rows) - 1))
    fig, axes = plt.subplots(
        len(rows), figsize=(size * lengths[0], height), squeeze=False, layout="none"
    )
    fig.subplots_adjust(0, 0, 1, 1, hspace=hspace)
    for (name, images), ax in zip(rows.items(), axes[:, 0], strict=True):
        images = float_tensor("images", images, ndim=4).detach().cpu()[:, 0]
        gap = max(1, round(GAP * images.shape[2]))
        # One picture for the whole row: many axes are slow.
        row = pad(images, (0, gap), value=1.0).permute(1, 0, 2).flatten(1)
        show_image(row[:, :-gap], ax=ax)
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        for i, text in enumerate(above.get(name, [])):
            middle = i * (images.shape[2] + gap) + (images.shape[2] - 1) / 2
            place = {"xy": (middle, -0.5), "xytext": (0, 2), "textcoords": "offset points"}
            ax.annotate(text, **place, ha="center", va="bottom", fontsize=9)
    top = 0.1 + LINE * (next(iter(rows)) in above)
    fig.suptitle(title, y=1 + top / height, va="bottom")
    return fig


def plot_codes(
    z: Tensor, y: Tensor, *, title: str = "", ax: Axes | None = None, n: int = 2000
) -> Axes:
    """The first n codes z [N, 2], each drawn as its class y [N], each class in its own color."""
    if float_tensor("z", z, ndim=2).shape != (len(y), 2):
        raise ValueError(
            f"z must have shape [{len(y)}, 2], two numbers for each entry of y, got {list(z.shape)}"
        )
    ax = plt.subplots(figsize=(6, 6))[1] if ax is None else ax
    z, y = z.detach().cpu()[:n], y.cpu()[:n]
    for k in torch.unique(y).tolist():
        color = COLORS[k % len(COLORS)]
        ax.scatter(*z[y == k].T.numpy(), marker=f"${k}$", s=22, color=color, linewidths=0.3)
    ax.set(title=title, xlabel="$z_1$", ylabel="$z_2$")
    return ax


def print_table(
    rows: Sequence[Mapping[str, object]] | Mapping[object, object],
    *,
    digits: int = 2,
    columns: Sequence[str] | None = None,
) -> None:
    """Print rows as a table of aligned columns; a list of numbers prints as its `span`.

    rows: a list of {column: value}; or {name or tuple of names: {column: value}}, whose names come
    first; or {name or tuple of names: value}.  digits: of each number that is not whole.  columns:
    the headings, those of the names too; by default those of the rows, with none over the names.
    """
    print(*table_lines(rows, digits=digits, columns=columns), sep="\n")


def claim(sentence: str, condition: bool | Tensor | np.bool_, /, **values: object) -> None:
    """Print "✓ sentence" if the condition holds; else raise AssertionError with the sentence.

    condition: one truth value: a bool, or one of torch or numpy.  values: what the sentence is
    about, by name, shown in the error.
    """
    if isinstance(condition, (Tensor, np.ndarray, np.bool_)):
        one = condition.shape == () and condition.dtype in (torch.bool, np.dtype(bool))
        condition = bool(condition) if one else condition
    if not isinstance(condition, bool):
        raise TypeError(f"condition must be one truth value, got {condition!r}")
    if not condition:
        details = ", ".join(f"{name} = {value}" for name, value in values.items())
        raise AssertionError(f"not so: {sentence}" + (f" ({details})" if details else ""))
    print(f"✓ {sentence}")
