"""Pictures: tensors and an optional `Axes` in, `Axes` out; nothing here trains, samples, seeds or saves."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageFont
from torch import Tensor
from torch.nn.functional import pad

from .support.arguments import finite, float_tensor, positive_int, positive_number

# Ten colors that stand out on white and on near-black and that people with any kind of color vision can tell apart.
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
    """The grayscale PNG of an image [H, W]: 0 is black, 1 is white, values outside are clipped, 8 bits per pixel."""
    pixels = (
        float_tensor("image", image.detach(), ndim=2).clamp(0, 1).mul(255).round().to(torch.uint8)
    )
    file = io.BytesIO()
    Image.fromarray(pixels.cpu().numpy()).save(file, "PNG", compress_level=1)
    return file.getvalue()


def bold_font(size: int) -> ImageFont.FreeTypeFont:
    """The bold sans-serif font that travels with matplotlib, `size` pixels high."""
    return ImageFont.truetype(
        Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf", size
    )


GAP = 0.07  # between the images of `show_rows`, as a share of their width
LINE = 0.18  # inches for the texts above a row of images


def show_figure(fig: Figure, *, alt: str) -> None:
    """Display a figure as a PNG that carries its description for readers who do not see it, and close it."""
    _described(alt)
    png = io.BytesIO()
    fig.savefig(png, format="png", bbox_inches="tight")
    plt.close(fig)
    small = io.BytesIO()  # 256 colors look the same, and the notebook is half as large
    picture = (
        Image.open(png).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    )
    picture.save(small, format="png", optimize=True)
    _display("image/png", small.getvalue(), alt)


def show_gif(gif: bytes, *, alt: str) -> None:
    """Display an animated GIF with its description."""
    _display("image/gif", gif, alt)


def _described(alt: str) -> None:
    if len(alt.strip()) < 20:
        raise ValueError(f"alt must describe the picture in at least 20 characters, got {alt!r}")


def _display(mime: str, data: bytes, alt: str) -> None:
    _described(alt)
    display({mime: data, "text/plain": alt}, metadata={mime: {"alt": alt}}, raw=True)


def show_image(image: Tensor, *, title: str = "", ax: Axes | None = None, **imshow) -> Axes:
    """One gray image [H, W] (or [1, H, W]), 0 black and 1 white, values outside [0, 1] clipped."""
    ax = plt.subplots()[1] if ax is None else ax
    image = float_tensor("image", image).detach().cpu()
    ax.imshow(
        (image[0] if image.ndim == 3 else image).numpy(),
        **{"cmap": "gray", "vmin": 0, "vmax": 1} | imshow,
    )
    ax.set_title(title)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return ax


def show_images(
    images: Tensor, *, n_columns: int = 10, title: str = "", ax: Axes | None = None, **imshow
) -> Axes:
    """Images [N, 1, H, W] as one grid, `n_columns` wide; `imshow` takes cmap, vmin, vmax."""
    from torchvision.utils import make_grid

    if float_tensor("images", images, ndim=4).shape[1] != 1:
        raise ValueError(f"images must be gray, shape [N, 1, H, W], got {list(images.shape)}")
    grid = make_grid(
        images.detach().cpu(), nrow=n_columns, padding=1, pad_value=imshow.get("vmax", 1) / 3
    )[0]
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
    if not lengths or lengths != [lengths[0] or -1] * len(lengths):
        raise ValueError(
            f"rows must hold equally many images in each row, at least one, got {lengths}"
        )
    above = above or {}
    if wrong := [
        name for name, texts in above.items() if name not in rows or len(texts) != lengths[0]
    ]:
        raise ValueError(
            f"above must hold {lengths[0]} texts for each of some of {list(rows)}, not so for {wrong}"
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
        row = (
            pad(images, (0, gap), value=1.0).permute(1, 0, 2).flatten(1)
        )  # one picture, for many axes are slow
        show_image(row[:, :-gap], ax=ax)
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        for i, text in enumerate(above.get(name, [])):
            middle = i * (images.shape[2] + gap) + (images.shape[2] - 1) / 2
            ax.annotate(
                text,
                (middle, -0.5),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=9,
            )
    top = 0.1 + LINE * (next(iter(rows)) in above)
    fig.suptitle(title, y=1 + top / height, va="bottom")
    return fig


def plot_codes(
    z: Tensor, y: Tensor, *, title: str = "", ax: Axes | None = None, n: int = 2000
) -> Axes:
    """The first n codes z [N, 2] as small glyphs of their class y [N], each class in its own color."""
    if float_tensor("z", z, ndim=2).shape != (len(y), 2):
        raise ValueError(
            f"z must have shape [{len(y)}, 2], two numbers for each entry of y, got {list(z.shape)}"
        )
    ax = plt.subplots(figsize=(6, 6))[1] if ax is None else ax
    z, y = z.detach().cpu()[:n], y.cpu()[:n]
    for k in torch.unique(y).tolist():
        ax.scatter(
            *z[y == k].T.numpy(),
            marker=f"${k}$",
            s=22,
            color=COLORS[k % len(COLORS)],
            linewidths=0.3,
        )
    ax.set_title(title)
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    return ax


def gif_bytes(
    frames: Tensor,
    *,
    seconds: float = 0.1,
    enlarge: int = 4,
    labels: Sequence[str] | None = None,
    levels: int = 256,
) -> bytes:
    """A GIF that loops forever through gray frames [T, H, W] (or [T, 1, H, W]) in [0, 1], 0 black and 1 white.

    seconds: how long each frame stays.  enlarge: screen pixels per image pixel.  labels: a text
    under each frame. levels: of gray, from 2 to 256; 64 look the same in half the bytes.
    """
    import imageio.v3 as imageio

    frames = finite("frames", float_tensor("frames", frames)).detach().cpu()
    frames = frames.squeeze(1) if frames.ndim == 4 else frames
    if frames.ndim != 3:
        raise ValueError(
            f"frames must have shape [T, H, W] or [T, 1, H, W], got {list(frames.shape)}"
        )
    if positive_number("seconds", seconds) < 0.02:
        raise ValueError(
            f"seconds must be at least 0.02, browsers show shorter frames for 0.1 s, got {seconds!r}"
        )
    if labels is not None and len(labels) != len(frames):
        raise ValueError(
            f"labels must hold one text for each of {len(frames)} frames, got {len(labels)}"
        )
    if not 2 <= positive_int("levels", levels) <= 256:
        raise ValueError(f"levels must be from 2 to 256, got {levels}")
    frames = (frames.clamp(0, 1) * (levels - 1)).round() / (levels - 1)
    block = torch.ones(positive_int("enlarge", enlarge), enlarge)
    pixels = (255 * torch.kron(frames, block)).round().to(torch.uint8)
    if labels is not None:
        captions = torch.stack([_caption(text, pixels.shape[2]) for text in labels])
        pixels = torch.cat([pixels, captions], dim=1)
    return imageio.imwrite(
        "<bytes>", pixels.numpy(), extension=".gif", is_batch=True, duration=1000 * seconds, loop=0
    )


def _caption(text: str, width: int) -> Tensor:
    """White on black, centered, as large as fits up to 14 pixels: [22, width]."""
    import numpy as np
    from PIL import Image, ImageDraw

    size = next(
        (size for size in range(14, 7, -1) if bold_font(size).getlength(text) <= width - 4), 7
    )
    image = Image.new("L", (width, 22))
    ImageDraw.Draw(image).text((width / 2, 11), text, 255, bold_font(size), anchor="mm")
    return torch.from_numpy(np.array(image))
