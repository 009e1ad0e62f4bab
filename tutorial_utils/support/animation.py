"""Animations: gray frames as the bytes of a GIF or of an animated PNG."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .arguments import finite, float_tensor, positive_int, positive_number


def gif_bytes(
    frames: Tensor,
    *,
    seconds: float = 0.1,
    enlarge: int = 4,
    labels: Sequence[str] | None = None,
    levels: int = 256,
) -> bytes:
    """The GIF that loops forever through gray frames [T, H, W] (or [T, 1, H, W]) in [0, 1].

    0 is black, 1 is white.  seconds: how long each frame stays.  enlarge: screen pixels per image
    pixel.  labels: a text under each frame; tabs divide it into parts, each under its share of the
    frame.  levels: of gray, from 2 to 256; 64 look the same in half the bytes.
    """
    import imageio.v3 as imageio

    pixels = _pixels(frames, seconds=seconds, enlarge=enlarge, labels=labels, levels=levels)
    return imageio.imwrite(
        "<bytes>", pixels, extension=".gif", is_batch=True, duration=1000 * seconds, loop=0
    )


def animated_png(frames: Tensor, *, seconds: float, **options) -> bytes:
    """As `gif_bytes`, but an animated PNG: 8-bit gray, about a third of the size."""
    first, *others = map(Image.fromarray, _pixels(frames, seconds=seconds, **options))
    file = io.BytesIO()
    first.save(
        file, "PNG", save_all=True, append_images=others,
        duration=1000 * seconds, loop=0, optimize=True,
    )  # fmt: skip
    return file.getvalue()


def _pixels(
    frames: Tensor, *, seconds: float, enlarge: int, labels: Sequence[str] | None, levels: int
) -> np.ndarray:
    """The frames as they are stored, uint8: checked, enlarged, with their labels below."""
    frames = finite("frames", float_tensor("frames", frames)).detach().cpu()
    frames = frames.squeeze(1) if frames.ndim == 4 else frames
    if frames.ndim != 3:
        raise ValueError(
            f"frames must have shape [T, H, W] or [T, 1, H, W], got {list(frames.shape)}"
        )
    if positive_number("seconds", seconds) < 0.02:
        raise ValueError(
            f"seconds must be at least 0.02 (browsers show shorter frames for 0.1), got {seconds!r}"
        )
    if labels is not None and len(labels) != len(frames):
        raise ValueError(
            f"labels must hold one text for each of {len(frames)} frames, got {len(labels)}"
        )
    if not 2 <= positive_int("levels", levels) <= 256:
        raise ValueError(f"levels must be from 2 to 256, got {levels}")
    frames = (frames.clamp(0, 1) * (levels - 1)).round() / (levels - 1)
    block = torch.ones(positive_int("enlarge", enlarge), enlarge)
    pixels = (255 * torch.kron(frames, block)).round().to(torch.uint8).numpy()
    if labels is None:
        return pixels
    return np.concatenate([pixels, [_caption(text, pixels.shape[2]) for text in labels]], axis=1)


def _caption(text: str, width: int) -> np.ndarray:
    """White on black, as large as fits up to 14 pixels, each part centered: [22, width]."""
    parts = text.split("\t")
    room, image = width / len(parts), Image.new("L", (width, 22))
    widest = max(parts, key=bold_font(14).getlength)
    fitting = (n for n in range(14, 7, -1) if bold_font(n).getlength(widest) <= room - 4)
    font = bold_font(next(fitting, 7))
    for i, part in enumerate(parts):
        ImageDraw.Draw(image).text(((i + 0.5) * room, 11), part, 255, font, anchor="mm")
    return np.array(image)


def bold_font(size: int) -> ImageFont.FreeTypeFont:
    """The bold sans-serif font that travels with matplotlib, `size` pixels high."""
    path = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf"
    return ImageFont.truetype(str(path), size)
