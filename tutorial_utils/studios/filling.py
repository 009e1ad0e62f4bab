"""Filling studio (notebook 09): hide a part of a digit, and see several answers to what it is."""

import math
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from ..metrics import name_digits
from ..models import VAE
from ..plotting import to_png
from ..support.arguments import gray_images, positive_int
from ..topics.filling import fill_missing
from ..training import local_seed
from .base import Part, check_classifier, check_decodes_like, check_vae
from .controls import Another, PickImage, choice, slider
from .panel import Panel, PanelStudio

SIDES = ("top", "bottom", "left", "right")
COLUMNS = ("left", "right")  # sides from which columns are counted, not rows
STEPS = (16, 60, 400)  # of the chains; the first is fast enough to follow the slider
SCALE = 6  # pixels of a picture per pixel of an image
LINE = 0.5  # the gray of the line around what is observed


def filling_studio(
    model: VAE, x: Tensor, *, n_answers: int = 8, classifier: nn.Module | None = None
) -> PanelStudio:
    """Filling studio (notebook 09): some rows or columns of an image, and draws of what is missing.

    model: a VAE with Bernoulli pixels, of images like x, on the CPU.  x: [N, 1, H, W] of zeros and
    ones.  n_answers: how many draws.  classifier: logits [B, K] of images [B, 1, H, W]; given, its
    digits stand below the answers.  `fill_missing` is the same without controls. Raises TypeError
    or ValueError for a bad argument.
    """
    check_vae("model", model)
    x = gray_images(x).detach().cpu().float()
    if not ((x == 0) | (x == 1)).all():
        raise ValueError(
            "x must hold zeros and ones only, got grays between: (x > 0.5).float() makes it so"
        )
    check_decodes_like("model", model, x)
    check_classifier("classifier", classifier)
    n = positive_int("n_answers", n_answers)
    height, width = x.shape[-2:]

    def draw(image: int, side: str, count: int, steps: int, seed: int) -> Panel:
        observed = observed_from(side, count, (height, width))
        with local_seed(seed):
            same = x[image].expand(n, -1, -1, -1)
            images = fill_missing(model, same, observed, n_steps=steps)[1][:, 0]
        of = f"{width} columns" if side in COLUMNS else f"{height} rows"
        given = f"{count} of {of}, from the {side}"
        picture = to_png(observed_picture(x[image, 0], observed))
        first = Part(f"What is seen\n{given}", picture, f"Test image {image}: {given}")
        second = answers_part(images, observed, steps, classifier)
        return [first, second], f"{given}. {second.alt}"

    def adjust(controls: SimpleNamespace) -> None:
        columns = controls.side.value in COLUMNS
        controls.count.description = "columns seen" if columns else "rows seen"
        controls.count.max = width if columns else height

    how_many = "How many rows or columns are seen."
    rows = [
        {"image": PickImage("test image", x)},
        {"side": choice("seen from", SIDES, tip="The side from which the image is seen")},
        {"count": slider("rows seen", height // 2, height, tip=how_many)},
        {
            "steps": choice("steps", STEPS, tip="Of each chain: more is slower, and nearer"),
            "seed": Another("New answers", tip="Other random numbers for all answers"),
        },
    ]
    return PanelStudio("vae-filling", rows, draw, adjust)


def observed_from(side: str, n: int, shape: tuple[int, int]) -> Tensor:
    """Which pixels are observed: the first n rows or columns from a side, one of SIDES, [H, W]."""
    places = torch.arange(shape[side in COLUMNS])
    if side in ("bottom", "right"):
        places = places.flip(0)
    observed = places < n
    return (observed if side in COLUMNS else observed[:, None]).expand(shape)


# ---- the panel ----


def answers_part(
    images: Tensor, observed: Tensor, steps: int, classifier: nn.Module | None
) -> Part:
    """The answers [n, H, W] in two rows, and what the classifier reads in them."""
    n_columns = math.ceil(len(images) / 2)
    read = ""
    if classifier is not None:
        read = describe_digits(name_digits(classifier, images)[0].tolist(), n_columns)
    return Part(
        f"Answers: means of the missing pixels\n{read}",
        to_png(answers_picture(images, observed, n_columns)),
        f"{len(images)} answers after {steps} steps. {read}",
    )


def describe_digits(digits: list[int], n_columns: int) -> str:
    """The digits that a classifier reads, row by row, and how many different ones."""
    rows = [" ".join(map(str, digits[k : k + n_columns])) for k in range(0, len(digits), n_columns)]
    n = len(set(digits))
    return f"Read as {' / '.join(rows)}: {'one digit' if n == 1 else f'{n} different digits'}"


def observed_picture(image: Tensor, observed: Tensor) -> Tensor:
    """The image [H, W], enlarged, hatched where it is not observed."""
    large = _enlarge(image)
    down, across = (torch.arange(size) for size in large.shape)
    hatch = torch.where((down[:, None] + across) % 12 < 4, 0.45, 0.25)
    return torch.where(_edge(observed), LINE, torch.where(_enlarge(observed), large, hatch))


def answers_picture(images: Tensor, observed: Tensor, n_columns: int) -> Tensor:
    """Images [N, H, W], enlarged, in rows, each with a gray line around what is observed."""
    large = torch.where(_edge(observed), LINE, _enlarge(images))
    large[:, -1], large[:, :, -1] = 0.25, 0.25  # where one image ends and the next begins
    missing = large.new_zeros(-len(large) % n_columns, *large.shape[1:])
    rows = torch.cat([large, missing]).unflatten(0, (-1, n_columns))
    return rows.transpose(1, 2).flatten(2).flatten(0, 1)


def _enlarge(pixels: Tensor) -> Tensor:
    """Each pixel of [..., H, W] as a square of SCALE x SCALE."""
    return pixels.repeat_interleave(SCALE, -2).repeat_interleave(SCALE, -1)


def _edge(observed: Tensor) -> Tensor:
    """The border of what is observed, two pixels wide: bool, as large as a picture."""
    large = _enlarge(observed)
    edge = torch.zeros_like(large)
    down, across = large[1:] != large[:-1], large[:, 1:] != large[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge
