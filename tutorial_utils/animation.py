"""Animated GIFs, with imageio."""

from collections.abc import Sequence

import torch
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
    """A GIF that loops forever through gray frames [T, H, W] (or [T, 1, H, W]) in [0, 1], 0 black and 1 white.

    seconds: how long each frame stays.  enlarge: screen pixels per image pixel.  labels: a text under each frame.
    levels: of gray, from 2 to 256; 64 look the same in half the bytes.
    """
    import imageio.v3 as imageio

    frames = finite("frames", float_tensor("frames", frames)).detach().cpu()
    frames = frames.squeeze(1) if frames.ndim == 4 else frames
    if frames.ndim != 3:
        raise ValueError(f"frames must have shape [T, H, W] or [T, 1, H, W], got {list(frames.shape)}")
    if positive_number("seconds", seconds) < 0.02:
        raise ValueError(f"seconds must be at least 0.02, browsers show shorter frames for 0.1 s, got {seconds!r}")
    if labels is not None and len(labels) != len(frames):
        raise ValueError(f"labels must hold one text for each of {len(frames)} frames, got {len(labels)}")
    if not 2 <= positive_int("levels", levels) <= 256:
        raise ValueError(f"levels must be from 2 to 256, got {levels}")
    frames = (frames.clamp(0, 1) * (levels - 1)).round() / (levels - 1)
    block = torch.ones(positive_int("enlarge", enlarge), enlarge)
    pixels = (255 * torch.kron(frames, block)).round().to(torch.uint8)
    if labels is not None:
        captions = torch.stack([_caption(text, pixels.shape[2]) for text in labels])
        pixels = torch.cat([pixels, captions], dim=1)
    return imageio.imwrite("<bytes>", pixels.numpy(), extension=".gif", is_batch=True, duration=1000 * seconds, loop=0)


def _caption(text: str, width: int) -> Tensor:
    """White on black, centered, as large as fits up to 14 pixels: [22, width]."""
    import numpy as np
    from PIL import Image, ImageDraw

    from .pictures import bold_font

    size = next((size for size in range(14, 7, -1) if bold_font(size).getlength(text) <= width - 4), 7)
    image = Image.new("L", (width, 22))
    ImageDraw.Draw(image).text((width / 2, 11), text, 255, bold_font(size), anchor="mm")
    return torch.from_numpy(np.array(image))
