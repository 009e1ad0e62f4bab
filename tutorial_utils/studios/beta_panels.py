"""Panels of the β slider (notebook 05): the pictures, charts and numbers of each trained model."""

import io
import re
from collections.abc import Iterable, Mapping
from html import escape
from itertools import chain

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..latent import decode_grid, name_of_dimension, side_by_side
from ..losses import kl_per_dimension
from ..models import VAE, decode_images, encode_images
from ..plotting import to_png
from ..support.arguments import classes_of, finite, float_tensor, gray_images, positive_number
from .base import Part, check_vae
from .beta_charts import svg_bars, svg_densities, svg_tradeoff
from .controls import next_of_class
from .pad import map_png
from .svg import number

N_CODES = 1500  # images whose codes are on the maps: the first ones
N_GRID = 10  # images on each side of a manifold
N_SHOWN = 10  # images in a row: reconstructed, or decoded from the prior
ACTIVE = 0.01  # nats: a dimension with a larger mean KL is active
PIXELS = 440  # on each side of a map
RING = 2.0  # radius of the circle on a map: two standard deviations of the prior
Curves = dict[str, list[tuple[float, float]]]  # {model size: (kl, recon_loss) of each β}


@torch.inference_mode()
def beta_panels(
    models: Mapping[tuple[int, float], VAE],
    scores: Mapping[tuple[int, float], Mapping[str, float]],
    x: Tensor,
    y: Tensor,
) -> dict[str, list[Part]]:
    """Panels of the β slider (notebook 05): one for each β, {"0": parts, "1e-7": …, "200": …}.

    models: {(latent_dim, beta): VAE} of gray images, with latent_dim 2 and one larger, both with
    the same βs. scores: the same keys -> {"recon_loss", "kl"}, in nats, over the test set.  x: [N,
    1, H, W] in [0, 1], y: [N], test images: of the first 1,500 the codes are shown, of each class
    the first one is reconstructed; the KL of a dimension is the mean over all.  The random numbers
    are the same for every β. Raises TypeError or ValueError for a bad argument.
    """
    dims, betas = _sizes_and_betas(models, scores)
    y = classes_of(y, gray_images(x), "x").cpu()
    digits = x[[next_of_class(y, label) for label in sorted(set(y.tolist()))[:N_SHOWN]]]
    generator = torch.Generator().manual_seed(0)
    eps = torch.randn(len(x[:N_CODES]), 2, generator=generator)
    prior = [torch.randn(N_SHOWN, dim, generator=generator) for dim in dims]
    curves = {
        f"{dim} numbers": [(scores[dim, b]["kl"], scores[dim, b]["recon_loss"]) for b in betas]
        for dim in dims
    }
    panels = {}
    for k, beta in enumerate(betas):
        pair = [models[dim, beta] for dim in dims]
        encoded = [encode_images(model, x) for model in pair]
        mu, logvar = (part[:N_CODES] for part in encoded[0])
        kl = {name: kl_per_dimension(*code) for name, code in zip(curves, encoded, strict=True)}
        panels[label_of(beta)] = [
            _scores(curves, k, kl),
            *_maps(mu, mu + (0.5 * logvar).exp() * eps, y[:N_CODES]),
            _manifold(pair[0]),
            _bars(kl),
            _tradeoff(curves, k, [label_of(b) for b in betas]),
            _reconstructions(digits, pair, dims),
            _prior_samples(prior, pair, dims),
        ]
    return panels


@torch.inference_mode()
def multiplier_panels(models: Mapping[float, VAE], x: Tensor, y: Tensor) -> dict[str, list[Part]]:
    """Panels of the multiplier slider (notebook 05), one for each; β is columns / multiplier.

    models: {multiplier: VAE} of the rows of a table, trained with multiplier * (mean over the
    columns of the cross-entropy) + KL.  x: [N, columns] in [0, 1].  y: [N], the classes. Returns
    {label: parts}.  Raises TypeError or ValueError for a bad argument.
    """
    y = classes_of(y, finite("x", float_tensor("x", x, ndim=2)), "x")
    if not isinstance(models, Mapping) or not models:
        raise ValueError(f"models must map each multiplier to a VAE, got {models!r}")
    for multiplier, model in models.items():
        positive_number("a multiplier in models", multiplier)
        check_vae(f"models[{multiplier:g}]", model, least=2)
    labels_differ(models)
    x, y = x[:N_CODES], y[:N_CODES]
    return {label_of(m): _table_panel(models[m], m, x, y) for m in sorted(models)}


def label_of(value: float) -> str:
    """A number as the slider shows it: the shortest form, such as "0", "1e-7", "0.01" or "200"."""
    return re.sub(r"e([+-])0+", r"e\1", f"{value:g}").replace("e+", "e")


def labels_differ(values: Iterable[float]) -> None:
    """Raises ValueError if two values have one label, under which one of them would be lost."""
    labels = [label_of(value) for value in values]
    if len(set(labels)) < len(labels):
        allowed = "values that differ in six digits"
        raise ValueError(f"models must have {allowed}, got the labels {', '.join(labels)}")


def extent_of(*codes: Tensor) -> float:
    """How far maps of codes [N, 2] reach: to 4, 10, 40, 100, …, so that 99 % of each are inside."""
    least = max(float(part.abs().amax(1).quantile(0.99)) for part in codes)
    steps = chain.from_iterable((4 * 10**k, 10 ** (k + 1)) for k in range(30))
    return float(next(step for step in steps if step >= least))


def _sizes_and_betas(models: Mapping, scores: Mapping) -> tuple[list[int], list[float]]:
    """The two latent sizes, 2 first, and the βs that both have; an error unless all fits."""
    pairs = isinstance(models, Mapping) and all(isinstance(key, tuple) for key in models)
    if not pairs or not all(len(key) == 2 for key in models):
        raise TypeError("models must map (latent_dim, beta) to a VAE")
    dims, betas = sorted({dim for dim, _ in models}), sorted({beta for _, beta in models})
    if len(dims) != 2 or dims[0] != 2 or len(models) != 2 * len(betas):
        allowed = "latent_dim 2 and one larger, both with the same betas"
        given = ", ".join(f"({dim}, {beta:g})" for dim, beta in models) or "no models"
        raise ValueError(f"models must have {allowed}, got {given}")
    labels_differ(betas)
    for (dim, beta), model in models.items():
        key, latent_dim = f"[{dim}, {beta:g}]", getattr(model, "latent_dim", None)
        if latent_dim != dim:
            given = f"{type(model).__name__} with latent_dim {latent_dim!r}"
            raise ValueError(f"models{key} must be a VAE with latent_dim {dim}, got {given}")
        score = scores.get((dim, beta), {})
        if not {"recon_loss", "kl"} <= set(score):
            raise ValueError(f"scores{key} must hold recon_loss and kl, got {dict(score)!r}")
        finite(f"scores{key}", torch.tensor([score["recon_loss"], score["kl"]]))
    return dims, betas


# ---- parts ----


def _scores(curves: Curves, k: int, kl: dict[str, Tensor]) -> Part:
    """The numbers of both models, as a table."""
    columns = ("latent size", "−ELBO at β\u00a0=\u00a01", "recon_loss", "kl", "active")
    head = "".join(f'<th scope="col">{text}</th>' for text in columns)
    rows, texts = [f"<tr>{head}</tr>"], []
    for name, points in curves.items():
        rate, distortion = points[k]
        total, recon_loss, rate = map(number, (distortion + rate, distortion, rate))
        active = _active(kl[name])
        cells = "".join(f"<td>{text}</td>" for text in (total, recon_loss, rate, active))
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
        numbers = f"−ELBO at β = 1 {total}, recon_loss {recon_loss}, kl {rate} nats"
        texts.append(f"{name}: {numbers}, active {active}")
    table = f'<table class="vae-scores">{"".join(rows)}</table>'
    return Part("Test set, nats per image", table, "; ".join(texts))


def _part(name: str, what: str, caption: str, content: bytes) -> Part:
    """A part with a caption; `what` stands behind its name in the text alternative."""
    return Part(f"{name}\n{caption}", content, f"{name}{what}. {caption}")


def _active(kl: Tensor) -> str:
    return f"{int((kl > ACTIVE).sum())} of {len(kl)}"


def _maps(mu: Tensor, z: Tensor, y: Tensor) -> list[Part]:
    """The maps of means and of samples, [N, 2] each, to one scale."""
    extent, parts = extent_of(mu, z), []
    for name, codes in (("Means μ of q(z|x)", mu), ("Samples z = μ + σε", z)):
        caption = f"Axes ±{extent:g}. Ring: 2σ of the prior. {_spread(codes, ['z₁', 'z₂'])}"
        what = f". Map of the codes of {len(codes):,} test images, 2 latent numbers"
        parts.append(_part(name, what, caption, _map(codes, y, extent)))
    return parts


def _spread(codes: Tensor, names: list[str]) -> str:
    """The standard deviation of codes [N, 2] on both axes, as words that stay on one line."""
    std = zip(names, codes.std(0, correction=0).tolist(), strict=True)
    return f"Std {', '.join(f'{name} {value:.2f}' for name, value in std)}.".replace(" ", "\u00a0")


def _map(codes: Tensor, y: Tensor, extent: float) -> bytes:
    """`map_png` over a circle of radius RING around 0, in few colors."""
    image = Image.new("RGBA", (PIXELS, PIXELS), (128, 128, 128, 0))
    near, far = (PIXELS / 2 * (1 + side * RING / extent) for side in (-1, 1))
    ImageDraw.Draw(image).ellipse((near, near, far, far), outline=(128, 128, 128, 255), width=2)
    dots = map_png(codes, y, extent, pixels=PIXELS, spacing=20)
    image.alpha_composite(Image.open(io.BytesIO(dots)))
    return _save(image.quantize(64, method=Image.Quantize.FASTOCTREE))


def _manifold(model: VAE) -> Part:
    caption = f"Means of p(x|z) at {N_GRID} × {N_GRID} normal quantiles of z₁ (right) and z₂ (up)."
    image = _gray(decode_grid(model, N_GRID))
    return _part("What the prior decodes to", ", 2 latent numbers", caption, image)


def _bars(kl: dict[str, Tensor]) -> Part:
    active = ", ".join(_active(values).replace(" ", "\u00a0") for values in kl.values())
    name, caption = "KL of each dimension", f"Sorted. Active, above {ACTIVE:g} nats: {active}."
    groups = {text: sorted(values.tolist(), reverse=True) for text, values in kl.items()}
    svg, alt = svg_bars(groups, ACTIVE)
    return Part(f"{name}\n{caption}", svg, f"{name}. {caption} {alt}")


def _tradeoff(curves: Curves, k: int, labels: list[str]) -> Part:
    caption = "One point for each β: down is better pictures, left a shorter code."
    return Part(f"What a nat of KL buys\n{caption}", *svg_tradeoff(curves, k, labels))


def _reconstructions(digits: Tensor, pair: list[VAE], dims: list[int]) -> Part:
    recons = [decode_images(model, encode_images(model, digits)[0]) for model in pair]
    rows = [side_by_side(images.cpu()) for images in (digits[:, 0], *recons)]
    name, what = "Test images, reconstructed from μ", f", {len(digits)} classes"
    caption = f"Top to bottom: the image, from {dims[0]} numbers, from {dims[1]}."
    return _part(name, what, caption, _gray(torch.cat(rows)))


def _prior_samples(prior: list[Tensor], pair: list[VAE], dims: list[int]) -> Part:
    images = [decode_images(model, z).cpu() for model, z in zip(pair, prior, strict=True)]
    name, what = "Drawn from the prior, decoded", f": {N_SHOWN} means of p(x|z) each"
    caption = f"Top: {dims[0]} numbers. Below: {dims[1]}. The same z for every β."
    return _part(name, what, caption, _gray(torch.cat([side_by_side(row) for row in images])))


def _table_panel(model: VAE, multiplier: float, x: Tensor, y: Tensor) -> list[Part]:
    """One multiplier: its line of numbers, the codes, the posteriors of one row, the KL."""
    mu, logvar = encode_images(model, x)
    kl, beta = kl_per_dimension(mu, logvar), x.shape[1] / multiplier
    names = [name_of_dimension(dim) for dim in range(mu.shape[1])]
    effective = f"β = {x.shape[1]}/{label_of(multiplier)} = {label_of(beta)}"
    scores = f"kl {number(float(kl.sum()))} nats · active {_active(kl)}"
    line = f"multiplier {label_of(multiplier)} · {effective} · {scores}"
    densities = svg_densities(names, mu[0].tolist(), (0.5 * logvar[0]).exp().tolist())
    bars = svg_bars({f"{len(kl)} numbers": kl.tolist()}, ACTIVE, names)
    caption = "Solid: q(z|x). Dashed: the prior N(0, 1)."
    return [
        Part("", f'<p class="vae-line">{escape(line)}</p>', line),
        _widest(mu, y, names),
        Part(f"q(z|x) of one row of the table\n{caption}", *densities),
        Part(f"KL of each dimension\nActive, above {ACTIVE:g} nats: {_active(kl)}.", *bars),
    ]


def _widest(mu: Tensor, y: Tensor, names: list[str]) -> Part:
    """The map of the means on the two dimensions with the largest variance."""
    right, up = mu.var(0).argsort(descending=True, stable=True)[:2].sort().values.tolist()
    codes, extent = mu[:, [right, up]], extent_of(mu[:, [right, up]])
    axes = f"{names[right]} right, {names[up]} up, ±{extent:g}. Ring: 2σ of the prior."
    caption = f"{axes} {_spread(codes, [names[right], names[up]])}"
    return _part("Means μ of q(z|x)", f", {len(mu):,} rows", caption, _map(codes, y, extent))


# ---- bytes ----


def _gray(image: Tensor) -> bytes:
    """The PNG of an image [H, W] in even gray values: two thirds of the bytes, off by at most 1."""
    even = image.clamp(0, 1).mul(127.5).round() / 127.5
    return _save(Image.open(io.BytesIO(to_png(even))))


def _save(image: Image.Image) -> bytes:
    image.save(file := io.BytesIO(), "PNG", compress_level=6)
    return file.getvalue()
