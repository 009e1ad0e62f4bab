"""Playground page (notebook 04): trained models in one HTML file that needs no network."""

import base64
import copy
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..data import load_images
from ..losses import kl_per_dimension
from ..models import encode_images
from ..plotting import COLORS
from ..studios.base import models_by_label
from ..studios.drawing import BOX, DOT, PEN, SIZE
from ..studios.pad import far_distance
from ..support.arguments import classes_of, gray_images
from .html import MAX_BYTES, MNIST, check_size, fill_template, read_asset, save_page

N_CODES = 2000  # on the map
N_EACH = 5  # images of each class to choose from
N_AXES = 10  # dimensions that get a slider

# Levels on each side of 0 to which a row of weights of the decoder, and of the encoder, is rounded;
# the finest that fits is used.  With 16 bits a pixel is exact to 0.1 gray values, with 14 bits to
# 0.3; an encoder of many layers needs more than 8 bits.  Rows that have no more levels than 8 bits
# hold, as those of the shelf, are packed into these: nothing is rounded.  Two models that were just
# trained may fit with 8 bits only: a pixel is then off by 0.3 gray values on average, in 1 of 1,000
# by more than 8 (measured on 1,000 samples of notebook 04's models).
BYTE = 127
LEVELS = ((32767, 32767), (8191, 2047), (8191, BYTE), (BYTE, BYTE))

ACTIVATIONS = dict.fromkeys(("SiLU", "GELU", "ReLU", "Tanh", "Sigmoid"), ())  # and their settings
ACTIVATIONS |= {"LeakyReLU": ("negative_slope",), "Softplus": ("beta", "threshold")}


class Exported(NamedTuple):
    """A model as the page needs it: `meta` in words and numbers, layers, codes of the images."""

    meta: dict
    decoder: list[nn.Module]
    encoder: list[nn.Module]
    mu: Tensor


def export_playground(
    models: nn.Module | Mapping[str, nn.Module],
    path: str | Path,
    *,
    x: Tensor | None = None,
    y: Tensor | None = None,
) -> Path:
    """Write models to `path` as one HTML page: a morph, a map, sliders of z, and a drawn digit.

    The page decodes and encodes on its own, in plain JavaScript; a pixel is off by at most 1 of
    255, or by some more where two large models share the page (see LEVELS).  models: a VAE or an
    Autoencoder of gray images [1, H, W] with two latent numbers or more, its encoder and decoder
    nn.Sequential of Linear, activations (SiLU, GELU, ReLU, LeakyReLU, Tanh, Sigmoid, Softplus),
    Flatten, Unflatten, Identity and Dropout; or several of them by label, {"2 numbers": vae, ...}:
    the page offers the choice and shows the first.  x: [N, 1, H, W] in [0, 1], y: [N]; default:
    MNIST's test images.  Returns the path.  Raises TypeError for another layer, ValueError for
    other shapes or a page above 1.5 MB.
    """
    credit = MNIST if x is None else ""
    x, y = _images_or_mnist(x, y)
    exported = []
    for label, model in models_by_label("models", models).items():
        with _errors_name(label):
            exported.append(_read(label, model, x))
    for levels in LEVELS:
        page = _page(*_pack(exported, levels, x, y), credit)
        if len(page) <= MAX_BYTES:
            break
    what = "model is" if len(exported) == 1 else "models are"
    check_size(what, page, "Narrower layers, or fewer, make it smaller.")
    return save_page(path, page)


@contextmanager
def _errors_name(label: str) -> Iterator[None]:
    """Errors inside begin with the label of their model, if it has one."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if not label:
            raise
        raise type(error)(f"models[{label!r}]: {error}") from error


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


def _describe(layers: list[nn.Module], size: int) -> list[list]:
    """Each layer without its weights, for the page: kind, numbers in and out, settings."""
    steps = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            if layer.in_features != size:
                what = f"{layer} is given {size} numbers"
                raise ValueError(f"model must flatten its images and codes: {what}")
            steps.append(["Linear", size, layer.out_features])
            size = layer.out_features
        else:
            kind = type(layer).__name__
            settings = [getattr(layer, setting) for setting in ACTIVATIONS[kind]]
            steps.append([kind, size, size, *settings])
    return steps


def _read(label: str, model: nn.Module, x: Tensor) -> Exported:
    """The model, checked, with what it makes of the images x."""
    decoder, encoder = (
        _layers(name, getattr(model, name, None)) for name in ("decoder", "encoder")
    )
    model = copy.deepcopy(model).float().cpu().eval()
    mu, *logvar = _encode(model, x)
    _same_function(model, x[:8], mu[:8])
    meta = {"label": label, **_describe_codes(mu, *logvar)}
    meta["decoder"] = _describe(decoder, mu.shape[1])
    meta["encoder"] = _describe(encoder, x[0].numel())
    return Exported(meta, decoder, encoder, mu)


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


def _describe_codes(mu: Tensor, logvar: Tensor | None = None) -> dict:
    """What the page needs to know of the codes: how far they reach, which numbers are active."""
    vae = logvar is not None
    activity = kl_per_dimension(mu, logvar) if vae else mu.var(0)
    axes = activity.argsort(descending=True, stable=True).tolist() if mu.shape[1] > 2 else [0, 1]
    extent, step = _extent(float(mu[:N_CODES].abs().max()), least=3.0 if vae else 0.0)
    return {
        "vae": vae,
        "dim": mu.shape[1],
        "axes": axes[:N_AXES],
        "extent": extent,
        "step": step,
        "far": far_distance(mu[:N_CODES]),
        "center": [0.0] * mu.shape[1] if vae else mu.mean(0).tolist(),
        "spread": [1.0] * mu.shape[1] if vae else mu.std(0).tolist(),
        "code_levels": 32767 if mu.shape[1] <= N_AXES else BYTE,
    }


def _describe_images(x: Tensor, y: Tensor) -> dict:
    """What all models of a page have in common: the images, their classes, the pen."""
    classes = sorted(set(y.tolist()))
    return {
        "height": x.shape[2],
        "width": x.shape[3],
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
    models: list[Exported], levels: tuple[int, int], x: Tensor, y: Tensor
) -> tuple[dict, bytes]:
    """What the page must know, and in one row its numbers: classes, images, weights, codes."""
    meta = _describe_images(x, y)
    chosen = torch.tensor(meta["images"])
    label = {name: place for place, name in enumerate(meta["classes"])}
    parts = [bytes(label[name] for name in labels.tolist()) for labels in (y[:N_CODES], y[chosen])]
    parts.append(x[chosen].mul(255).round().to(torch.uint8).numpy().tobytes())
    meta["models"] = []
    for model in models:
        described = dict(model.meta)
        networks = {"decoder": model.decoder, "encoder": model.encoder}
        for (name, layers), at_most in zip(networks.items(), levels, strict=True):
            described[name], weights = _pack_network(layers, described[name], at_most)
            parts.append(weights)
        parts.append(_integers(model.mu[:N_CODES].reshape(1, -1), described["code_levels"]))
        parts.append(_floats(model.mu[chosen]))
        meta["models"].append(described)
    return meta, b"".join(parts)


def _pack_network(
    layers: list[nn.Module], steps: list[list], at_most: int
) -> tuple[list[list], bytes]:
    """The description of the layers with the levels of their weights, and the weights of all."""
    described, parts = [], []
    for layer, step in zip(layers, steps, strict=True):
        described.append(step)
        if isinstance(layer, nn.Linear):
            weight = layer.weight.detach().float().cpu()
            levels = BYTE if _fits_in_bytes(weight) else at_most
            bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
            described[-1] = [*step, levels]
            parts += [_floats(bias), _integers(weight, levels)]
    return described, b"".join(parts)


def _scale_of(rows: Tensor, levels: int) -> Tensor:
    """The scale [N] of each row [N, n]: its largest number becomes `levels`."""
    return rows.abs().amax(1).clamp(min=1e-30) / levels


def _fits_in_bytes(rows: Tensor) -> bool:
    """Whether 8 bits and a scale for each row hold the rows as exactly as 16 bits would."""
    levels = rows / _scale_of(rows, BYTE)[:, None]
    return bool((levels - levels.round()).abs().max() < 1e-3)


def _integers(rows: Tensor, levels: int) -> bytes:
    """A scale for each row, then whole numbers from -levels to levels: low bytes, high bytes."""
    scale = _scale_of(rows, levels)
    whole = (rows / scale[:, None]).round().to(torch.int16).numpy()
    if levels <= BYTE:
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
        "meta": json.dumps(meta, separators=(",", ":")).replace("<", "\\u003c"),
        "numbers": base64.b64encode(zlib.compress(numbers, 9)).decode(),
        "credit": credit,
    }
    return fill_template("playground.html", parts)
