"""Pictures of a latent space: pure functions from codes to images and PNG bytes, which the widgets show."""

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from .arguments import finite, float_tensor, positive_int, two_dimensional
from .paths import straight_line

N_FRAMES = 9  # of the strip under the studio's slider
LatentPath = Callable[[Tensor, Tensor, Tensor], Tensor]  # z_a [D], z_b [D], t [n] -> [n, D]

# Ten colors that stand out on white and on near-black and that people with any kind of color vision can tell apart.
COLORS = ("#9c0000", "#a1b9f5", "#0c7943", "#6655cc", "#f8b402", "#5d4459", "#ff5675", "#0ed0a9", "#aa50a4", "#9b952f")


def to_png(image: Tensor) -> bytes:
    """The grayscale PNG of an image [H, W]: 0 is black, 1 is white, values outside are clipped, 8 bits per pixel."""
    pixels = float_tensor("image", image.detach(), ndim=2).clamp(0, 1).mul(255).round().to(torch.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.cpu().numpy()).save(file, "PNG", compress_level=1)
    return file.getvalue()


@torch.inference_mode()
def decode_images(model: nn.Module, z: Tensor) -> Tensor:
    """The decoded images [N, H, W] at the codes z [N, D]: for a VAE, the mean of p(x|z)."""
    finite("z", float_tensor("z", z, ndim=2))
    like = next(model.parameters())
    images = model.decode(z.to(like.device, like.dtype)).sigmoid()
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(f"model must decode to gray images [N, 1, H, W], got {list(images.shape)}")
    return images[:, 0].float()


@torch.inference_mode()
def encode_image(model: nn.Module, image: Tensor) -> Tensor:
    """The code [D] of an image [1, H, W]: of a VAE, the mean of q(z|x)."""
    like = next(model.parameters())
    code = model.encode(image.unsqueeze(0).to(like.device, like.dtype))
    return (code[0] if isinstance(code, tuple) else code)[0].float()


def morph(model: nn.Module, z_a: Tensor, z_b: Tensor, t: float, *, path: LatentPath = straight_line) -> Tensor:
    """The decoded image [H, W] at t on the path between two codes [D]: `straight_line` or `great_circle`."""
    return decode_images(model, _along(path, z_a, z_b, torch.tensor([float(t)])))[0]


def morph_strip(
    model: nn.Module, z_a: Tensor, z_b: Tensor, n: int = N_FRAMES, *, path: LatentPath = straight_line
) -> Tensor:
    """The morph at n values of t from 0 to 1, side by side: [H, n * W].  The studio's static twin."""
    return side_by_side(decode_images(model, _along(path, z_a, z_b, torch.linspace(0, 1, positive_int("n", n)))))


def side_by_side(images: Tensor) -> Tensor:
    """Images [N, H, W] in one row: [H, N * W]."""
    return torch.cat(list(images), dim=1)


def decode_grid(model: nn.Module, n: int = 15, *, z_1: Tensor | None = None, z_2: Tensor | None = None) -> Tensor:
    """Decoded images all over a 2-D latent space, as one: [rows * H, columns * W].  The pad's static twin.

    z_1 [columns] increases to the right, z_2 [rows] upward.  By default both are n normal quantiles: each image then
    stands for an equal share of the prior N(0, I).
    """
    two_dimensional(model)
    quantiles = torch.special.ndtri((torch.arange(positive_int("n", n)) + 0.5) / n)
    z_1, z_2 = (quantiles if z is None else float_tensor("z_1 and z_2", z, ndim=1) for z in (z_1, z_2))
    up, right = torch.meshgrid(z_2.flip(0), z_1, indexing="ij")
    images = decode_images(model, torch.stack([right, up], dim=-1).reshape(-1, 2))
    rows = images.reshape(len(z_2), len(z_1), *images.shape[1:])  # [row, column, H, W]
    return rows.transpose(1, 2).flatten(2).flatten(0, 1)


def mark_frame(strip: Tensor, frame: int, n: int = N_FRAMES) -> Tensor:
    """The strip [H, n * W] with a white border around one of its n frames; the given strip stays as it was."""
    width = strip.shape[1] // n
    left, right = frame * width, (frame + 1) * width - 1
    marked = strip.clone()
    marked[[0, -1], left : right + 1] = 1
    marked[:, [left, right]] = 1
    return marked


def bold_font(size: int) -> ImageFont.FreeTypeFont:
    """The bold sans-serif font that travels with matplotlib, `size` pixels high."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf", size)


def draw_map(z: Tensor, y: Tensor, extent: float, *, pixels: int = 720, spacing: int = 34) -> bytes:
    """A square PNG, transparent between the codes: a dot for every code, and a digit for some of them.

    z: [N, 2], y: [N].  Both axes reach from -extent to extent; z_2 increases upward.  A code gets the digit of its
    class when no other digit stands within `spacing` pixels; codes outside the square are left out.
    """
    places = (z / extent * torch.tensor([0.5, -0.5]) + 0.5) * pixels
    inside = ((places >= 0) & (places <= pixels)).all(dim=1)
    places, labels = places[inside].tolist(), y[inside].tolist()
    image = Image.new("RGBA", (pixels, pixels), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    for (left, top), label in zip(places, labels, strict=True):
        draw.ellipse((left - 2, top - 2, left + 2, top + 2), fill=COLORS[label % 10] + "70")
    font = bold_font(24)
    taken: set[tuple[int, int]] = set()
    for (left, top), label in zip(places, labels, strict=True):
        cell = (int(left / spacing), int(top / spacing))
        if not taken.intersection((cell[0] + i, cell[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
            taken.add(cell)
            draw.text(
                (left, top), str(label), COLORS[label % 10], font, anchor="mm", stroke_width=3, stroke_fill="#fff"
            )
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def nearest_code(z: Tensor, point: Tensor) -> tuple[int, float]:
    """The index of the code z [N, D] nearest to `point` [D], and the distance between them."""
    index = int((z - point).square().sum(dim=1).argmin())
    return index, float((z[index] - point).norm())


def far_distance(z: Tensor, *, n: int = 1000) -> float:
    """Farther than this from every code z [N, D] is far: three times what 99 % of the codes keep from each other.

    Measured as the distance to the nearest other code, for the first n codes; 0 when there is one code only.
    """
    if len(z) < 2:
        return 0.0
    distances = torch.cdist(z[:n], z)
    distances.fill_diagonal_(torch.inf)
    return 3 * float(distances.min(dim=1).values.quantile(0.99))


def _along(path: LatentPath, z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
    """The points of the path at t, computed where the codes are: [n, D]."""
    return path(z_a, z_b, t.to(float_tensor("z_a", z_a, ndim=1).device))
