"""Playground page (notebook 04): a trained model in one HTML file that needs no network."""

import base64
import copy
import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..data import load_images
from ..losses import kl_per_dimension
from ..models import encode_images
from ..plotting import COLORS
from ..studios.drawing import BOX, DOT, PEN, SIZE
from ..studios.pad import far_distance
from ..support.arguments import classes_of, gray_images
from .html import MAX_BYTES, MNIST, check_size, fill_template, read_asset, save_page

N_CODES = 2000  # on the map
N_EACH = 5  # images of each class to choose from
N_AXES = 10  # dimensions that get a slider

# Levels on each side of 0 to which a row of weights of the decoder, and of the encoder, is rounded;
# the finest that fits is used.  With 16 bits a pixel is exact to 0.1 gray values, with 14 bits to
# 0.3; an encoder of many layers needs more than 8 bits.
LEVELS = ((32767, 32767), (8191, 2047), (8191, 127))

ACTIVATIONS = dict.fromkeys(("SiLU", "GELU", "ReLU", "Tanh", "Sigmoid"), ())  # and their settings
ACTIVATIONS |= {"LeakyReLU": ("negative_slope",), "Softplus": ("beta", "threshold")}


def export_playground(
    model: nn.Module, path: str | Path, *, x: Tensor | None = None, y: Tensor | None = None
) -> Path:
    """Write `model` to `path` as one HTML page: a morph, a map, sliders of z, and a drawn digit.

    The page decodes and encodes on its own, in plain JavaScript; a pixel is off by at most 1 of
    255.  model: a VAE or an Autoencoder of gray images [1, H, W] with two latent numbers or
    more, its encoder and decoder nn.Sequential of Linear, activations (SiLU, GELU, ReLU, LeakyReLU,
    Tanh, Sigmoid, Softplus), Flatten, Unflatten, Identity and Dropout.  x: [N, 1, H, W] in [0, 1],
    y: [N]; default: MNIST's test images. Returns the path.  Raises TypeError for another layer,
    ValueError for other shapes or a page above 1.5 MB.
    """
    credit = MNIST if x is None else ""
    x, y = _images_or_mnist(x, y)
    names = ("decoder", "encoder")
    networks = {name: _layers(name, getattr(model, name, None)) for name in names}
    model = copy.deepcopy(model).float().cpu().eval()
    mu, *logvar = _encode(model, x)
    _same_function(model, x[:8], mu[:8])
    fixed = _meta(x, y, mu, *logvar)
    for levels in LEVELS:
        page = _page(*_pack(networks, levels, fixed, x, y, mu), credit)
        if len(page) <= MAX_BYTES:
            break
    check_size("model is", page, "Narrower layers, or fewer, make it smaller.")
    return save_page(path, page)


def _images_or_mnist(x: Tensor | None, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """x and y, checked; if neither is given, the test images of MNIST and their classes."""
    if (x is None) != (y is None):
        raise ValueError("x and y must be given together, or neither: the images and their classes")
    if x is None:
        data = load_images("mnist", n_train=1)
        return data.x_test, data.y_test
    y = classes_of(y, gray_images(x), "x")
    if len(set(y.tolist())) > 255:
        raise ValueError(f"y must hold at most 255 classes, got {len(set(y.tolist()))}")
    return x.detach().float().cpu(), y


# ---- the network ----


def _layers(name: str, network: object) -> list[nn.Module]:
    """The layers of a network in order, but for those that change no number in eval mode."""
    if isinstance(network, nn.Sequential):
        return [layer for part in network for layer in _layers(name, part)]
    if isinstance(network, (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout)):
        return []
    if isinstance(network, nn.GELU) and network.approximate != "none":
        raise ValueError(f"{name} must have nn.GELU() in its exact form, got {network}")
    if isinstance(network, nn.Linear) or type(network).__name__ in ACTIVATIONS:
        return [network]
    allowed = "nn.Sequential, Linear, activations and Flatten"
    raise TypeError(f"{name} must consist of {allowed}; got {type(network).__name__}")


def _describe(layers: list[nn.Module], size: int, levels: int) -> list[list]:
    """Each layer without its weights, for the page: kind, numbers in and out, settings."""
    steps = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            if layer.in_features != size:
                what = f"{layer} is given {size} numbers"
                raise ValueError(f"model must flatten its images and codes: {what}")
            steps.append(["Linear", size, layer.out_features, levels])
            size = layer.out_features
        else:
            kind = type(layer).__name__
            settings = [getattr(layer, setting) for setting in ACTIVATIONS[kind]]
            steps.append([kind, size, size, *settings])
    return steps


def _encode(model: nn.Module, x: Tensor) -> list[Tensor]:
    """The codes [N, D] and, of a VAE, the logvar; ValueError unless it takes images like x."""
    try:
        parts = [encode_images(model, images) for images in x.split(1000)]
    except RuntimeError as error:
        given = f"{list(x.shape)}: {error}"
        raise ValueError(f"x must have the shape of the model's images, got {given}") from error
    mu, *logvar = map(torch.cat, zip(*parts, strict=True))
    if mu.ndim != 2 or mu.shape[1] < 2:
        given = f"codes of shape {list(mu.shape)}"
        raise ValueError(f"model must have two latent numbers or more, got {given}")
    if not torch.isfinite(mu).all():
        raise ValueError("model must give finite codes, got NaN or infinity: was it trained?")
    return [mu, *logvar]


@torch.inference_mode()
def _same_function(model: nn.Module, x: Tensor, mu: Tensor) -> None:
    """Raises ValueError unless encode and decode are encoder and decoder, which the page runs."""
    images = model.decode(mu)
    if images.shape != x.shape:
        given = f"got {list(images.shape[1:])}"
        raise ValueError(f"model must decode to the shape of x, {list(x.shape[1:])}, {given}")
    if not torch.allclose(model.encoder(x).flatten(1)[:, : mu.shape[1]], mu, atol=1e-4):
        raise ValueError("model.encode must give the first numbers of model.encoder and no others")
    if not torch.allclose(model.decoder(mu), images, atol=1e-4):
        raise ValueError("model.decode must be model.decoder, and nothing else")


# ---- the page ----


def _meta(x: Tensor, y: Tensor, mu: Tensor, logvar: Tensor | None = None) -> dict:
    """What the page needs to know besides the numbers of `_pack`."""
    vae = logvar is not None
    activity = kl_per_dimension(mu, logvar) if vae else mu.var(0)
    axes = activity.argsort(descending=True, stable=True).tolist() if mu.shape[1] > 2 else [0, 1]
    extent, step = _extent(float(mu[:N_CODES].abs().max()), least=3.0 if vae else 0.0)
    classes = sorted(set(y.tolist()))
    return {
        "vae": vae,
        "height": x.shape[2],
        "width": x.shape[3],
        "dim": mu.shape[1],
        "axes": axes[:N_AXES],
        "extent": extent,
        "step": step,
        "far": far_distance(mu[:N_CODES]),
        "center": [0.0] * mu.shape[1] if vae else mu.mean(0).tolist(),
        "spread": [1.0] * mu.shape[1] if vae else mu.std(0).tolist(),
        "classes": classes,
        "colors": COLORS,
        "images": [int(i) for label in classes for i in (y == label).nonzero().flatten()[:N_EACH]],
        "codes": min(len(x), N_CODES),
        "drawing": {"box": BOX, "dot": DOT, "pen": PEN, "size": SIZE},
    }


def _extent(largest: float, least: float) -> tuple[float, float]:
    """How far map and sliders reach, a round number, and the step of a slider, which divides it."""
    largest = max(1.02 * largest, least) or 1.0
    unit = 10.0 ** math.floor(math.log10(largest)) / 2
    return round(math.ceil(largest / unit) * unit, 9), round(unit / 10, 9)


def _pack(
    networks: dict[str, list[nn.Module]],
    levels: tuple[int, int],
    meta: dict,
    x: Tensor,
    y: Tensor,
    mu: Tensor,
) -> tuple[dict, bytes]:
    """What the page must know, and in one row its numbers: weights, codes, classes, images."""
    sizes = (meta["dim"], meta["height"] * meta["width"])
    meta, parts = dict(meta), []
    for (name, layers), size, at_most in zip(networks.items(), sizes, levels, strict=True):
        meta[name] = _describe(layers, size, at_most)
        parts += [_pack_linear(layer, at_most) for layer in layers if isinstance(layer, nn.Linear)]
    meta["code_levels"] = code_levels = 32767 if meta["dim"] <= N_AXES else 127
    chosen = torch.tensor(meta["images"])
    label = {name: place for place, name in enumerate(meta["classes"])}
    parts.append(_integers(mu[:N_CODES].reshape(1, -1), code_levels))
    for labels in (y[:N_CODES], y[chosen]):
        parts.append(bytes(label[name] for name in labels.tolist()))
    parts.append(_floats(mu[chosen]))
    parts.append(x[chosen].mul(255).round().to(torch.uint8).numpy().tobytes())
    return meta, b"".join(parts)


def _pack_linear(layer: nn.Linear, levels: int) -> bytes:
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
    return _floats(bias) + _integers(layer.weight.detach().float().cpu(), levels)


def _integers(rows: Tensor, levels: int) -> bytes:
    """A scale for each row, then whole numbers from -levels to levels: low bytes, high bytes."""
    scale = rows.abs().amax(1).clamp(min=1e-30) / levels
    whole = (rows / scale[:, None]).round().to(torch.int16).numpy()
    if levels <= 127:
        return _floats(scale) + whole.astype(np.int8).tobytes()
    low, high = (whole & 255).astype(np.uint8), (whole >> 8).astype(np.int8)
    return _floats(scale) + low.tobytes() + high.tobytes()


def _floats(numbers: Tensor) -> bytes:
    return numbers.float().cpu().numpy().astype("<f4").tobytes()


def _page(meta: dict, numbers: bytes, credit: str) -> bytes:
    """The page: the template with style, script, numbers and credit in it."""
    parts = {
        "style": read_asset("playground.css"),
        "script": read_asset("playground.js"),
        "meta": json.dumps(meta, separators=(",", ":")),
        "numbers": base64.b64encode(zlib.compress(numbers, 9)).decode(),
        "credit": credit,
    }
    return fill_template("playground.html", parts)
