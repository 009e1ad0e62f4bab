"""Animated GIFs, with imageio."""

import torch
from torch import Tensor

from .arguments import finite, float_tensor, positive_int, positive_number


def gif_bytes(frames: Tensor, *, seconds: float = 0.1, enlarge: int = 4) -> bytes:
    """A GIF that loops forever through gray frames [T, H, W] (or [T, 1, H, W]) in [0, 1], 0 black and 1 white.

    seconds: how long each frame stays.  enlarge: screen pixels per image pixel.
    """
    import imageio.v3 as imageio

    frames = finite("frames", float_tensor("frames", frames)).detach().cpu()
    frames = frames.squeeze(1) if frames.ndim == 4 else frames
    if frames.ndim != 3:
        raise ValueError(f"frames must have shape [T, H, W] or [T, 1, H, W], got {list(frames.shape)}")
    if positive_number("seconds", seconds) < 0.02:
        raise ValueError(f"seconds must be at least 0.02, browsers show shorter frames for 0.1 s, got {seconds!r}")
    block = torch.ones(positive_int("enlarge", enlarge), enlarge)
    pixels = (255 * torch.kron(frames.clamp(0, 1), block)).round().to(torch.uint8)
    return imageio.imwrite("<bytes>", pixels.numpy(), extension=".gif", is_batch=True, duration=1000 * seconds, loop=0)
