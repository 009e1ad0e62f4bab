"""Pictures of a latent space: pure functions from codes to images and PNG bytes, which the widgets show."""

import io
from pathlib import Path

import matplotlib
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from .arguments import finite, float_tensor, positive_int, same_shape, two_dimensional

N_FRAMES = 9  # of the strip under the studio's slider

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


def morph(model: nn.Module, z_a: Tensor, z_b: Tensor, t: float) -> Tensor:
    """The decoded image [H, W] at (1 - t) z_a + t z_b, on the straight line between two codes [D]."""
    return decode_images(model, _between(z_a, z_b, torch.tensor([float(t)])))[0]


def morph_strip(model: nn.Module, z_a: Tensor, z_b: Tensor, n: int = N_FRAMES) -> Tensor:
    """The morph at n values of t from 0 to 1, side by side: [H, n * W].  The studio's static twin."""
    t = torch.linspace(0, 1, positive_int("n", n))
    return torch.cat(list(decode_images(model, _between(z_a, z_b, t))), dim=1)


def decode_grid(model: nn.Module, n: int = 15) -> Tensor:
    """Decoded images on n x n normal quantiles of a 2-D latent space: [n * H, n * W].  The pad's static twin.

    z_1 increases to the right, z_2 upward; each image stands for an equal share of the prior N(0, I).
    """
    two_dimensional(model)
    quantiles = torch.special.ndtri((torch.arange(positive_int("n", n)) + 0.5) / n)
    z_2, z_1 = torch.meshgrid(quantiles.flip(0), quantiles, indexing="ij")
    images = decode_images(model, torch.stack([z_1, z_2], dim=-1).reshape(-1, 2))
    rows = images.reshape(n, n, *images.shape[1:])  # [row, column, H, W]
    return rows.permute(0, 2, 1, 3).reshape(n * images.shape[1], n * images.shape[2])


def mark_frame(strip: Tensor, frame: int, n: int = N_FRAMES) -> Tensor:
    """The strip [H, n * W] with a white border around one of its n frames; the given strip stays as it was."""
    width = strip.shape[1] // n
    left, right = frame * width, (frame + 1) * width - 1
    marked = strip.clone()
    marked[[0, -1], left : right + 1] = 1
    marked[:, [left, right]] = 1
    return marked


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
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf", 24)
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


def _between(z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) z_a + t z_b for each of the n entries of t: [n, D]."""
    same_shape("z_a", float_tensor("z_a", z_a, ndim=1), "z_b", float_tensor("z_b", z_b, ndim=1))
    t = t.to(z_a.device).unsqueeze(1)
    return (1 - t) * z_a + t * z_b
