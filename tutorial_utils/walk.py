"""A walk between two images, without widgets: its paths, its pictures, what a judge and the densities say of them."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .paths import great_circle, straight_line
from .pictures import decode_images, encode_image

PATHS = {"line": straight_line, "circle": great_circle, "pixels": straight_line}


class Walk(NamedTuple):
    """A path from a to b: through the codes of a model, or, for "pixels", through flattened images, without a model."""

    model: nn.Module
    path: str
    a: Tensor
    b: Tensor
    shape: torch.Size

    def points(self, t: Tensor) -> Tensor:
        """Where the walk is at each t [n] from 0 to 1: codes, or pixels, [n, D]."""
        return PATHS[self.path](self.a, self.b, t.to(self.a.device))

    def paint(self, points: Tensor) -> Tensor:
        """The images [n, H, W] at some points: decoded codes, or the pixels as they are."""
        return points.reshape(-1, *self.shape) if self.path == "pixels" else decode_images(self.model, points)


def start_walk(model: nn.Module, image_a: Tensor, image_b: Tensor, path: str) -> Walk:
    """The walk on a path, one of PATHS, between two images [1, H, W].

    Raises ValueError where the path does not exist: from or to a code of zeros, say, there is no circle.
    """
    ends = [image.flatten() if path == "pixels" else encode_image(model, image) for image in (image_a, image_b)]
    walk = Walk(model, path, *ends, image_a.shape[-2:])
    walk.points(torch.zeros(1))
    return walk


@torch.inference_mode()
def name_digits(judge: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The class that a classifier sees in each image [n, H, W], and how sure it is: [n] each, the latter in [0, 1].

    judge: logits [B, K] of images [B, 1, H, W].
    """
    logits = judge(images.unsqueeze(1).to(next(judge.parameters())))
    shape = list(getattr(logits, "shape", []))
    if len(shape) != 2 or shape[0] != len(images):
        raise ValueError(f"judge must give logits [B, K] of images [B, 1, H, W], got shape {shape}")
    confidence, digits = logits.float().cpu().softmax(1).max(1)
    return digits, confidence


@torch.inference_mode()
def encode_images(model: nn.Module, x: Tensor) -> list[Tensor]:
    """All that the encoder says of images [N, 1, H, W], on the CPU: codes [N, D], or mu and logvar [N, D] of a VAE."""
    out = model.encode(x.to(next(model.parameters())))
    return [part.float().cpu() for part in (out if isinstance(out, tuple) else (out,))]
