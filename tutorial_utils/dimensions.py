"""What each dimension of a model's code tells of the factors: measured, named and drawn as a map (notebook 07)."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import torch
from torch import Tensor

from .arguments import finite, gray_images
from .charts import _text
from .disentanglement import NAMED_FROM, _checked, _gap, entropies, mutual_information, name_shares
from .losses import negative_elbo
from .metrics import kl_per_dimension
from .models import VAE
from .sprites import FACTORS
from .training import evaluate
from .traversal import rank_dimensions
from .walk import encode_images

HEAD, ROW = 24, 44  # pixels of the map: the names of the factors, a row; a slider is as high as a row
LEFT = 10.0  # percent: where the first column of the map starts


def checked_names(x: Tensor, factors: Tensor, names: Sequence[str]) -> list[str]:
    """The names as a list; TypeError or ValueError unless images, factors and names fit together."""
    gray_images(x)
    try:
        _checked(x.flatten(1), factors)
    except ValueError as error:
        raise ValueError(f"x and factors: {error}") from error
    n_factors = factors.shape[1]
    if isinstance(names, str) or len(names) != n_factors or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"names must hold one text for each of the {n_factors} factors, got {names!r}")
    return list(names)


class Measured(NamedTuple):
    """A model, measured over all images: the mean KL of each dimension [D] in nats; the share of each factor's entropy
    that each dimension tells [D, K], and the dimensions' names after it; −ELBO at β = 1 and kl in nats; MIG."""

    kl: Tensor
    shares: Tensor
    told: list[str]
    loss: float
    rate: float
    mig: float

    def titles(self, n_dims: int) -> dict[int, str]:
        """The dimensions with the largest KL, that one first: {2: "z₃ · 1.9 nats · x 0.71"}."""
        return {dim: f"{name} · {self.told[dim]}" for dim, name in rank_dimensions(self.kl, n_dims).items()}


def measure_model(model: VAE, x: Tensor, factors: Tensor, names: Sequence[str], *, seed: int = 0) -> Measured:
    """All that the studio says of a model.  What dimensions tell is measured on one sample of q(z|x) per image.

    x, factors, names: as for the studio.  seed: of the samples.  As name_dimensions, mig and evaluate of negative_elbo.
    """
    mu, logvar = encode_images(model, x)
    z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=torch.Generator().manual_seed(seed))
    shares = mutual_information(finite("z, samples of q(z|x),", z), factors) / entropies(factors)
    scores = evaluate(model, x, negative_elbo, seed=seed)
    told = name_shares(shares, names)
    return Measured(
        kl_per_dimension(mu, logvar), shares, told, scores["loss"], scores["kl"], float(_gap(shares).mean())
    )


def middle_of(factors: Tensor) -> int:
    """The row of factors [N, K] nearest to the middle of their ranges: an image that shows all of a sprite."""
    factors = factors.double()
    low, high = factors.amin(0), factors.amax(0)
    return int(((factors - low) / (high - low) - 0.5).square().sum(1).argmin())


def value_of(name: str, level: int) -> object:
    """What a level of a factor means: of a sprite's the value, of others the level itself."""
    values = FACTORS.get(name, ())
    return values[level] if 0 <= level < len(values) else level


def draw_shares(shares: Tensor, rows: Sequence[str], columns: Sequence[str]) -> tuple[str, str]:
    """A map of the shares [R, K] in [0, 1], the darker the more, each with its number: SVG, and its words.

    rows, columns: their names.  The largest share of a row is bold, if it names its dimension.
    """
    width, shapes, said = (100 - LEFT) / len(columns), [], []
    for k, name in enumerate(columns):
        shapes.append(_text(LEFT + (k + 0.5) * width, HEAD - 8, escape(name), "middle"))
    for row, (name, values) in enumerate(zip(rows, shares.tolist(), strict=True)):
        y = HEAD + ROW * row
        shapes.append(_text(0, y + ROW / 2 + 5, name, "start", "vae-verdict"))
        for k, value in enumerate(values):
            box = f'x="{LEFT + k * width:.2f}%" width="{width:.2f}%" y="{y}" height="{ROW}" rx="6"'
            kind = "vae-most" if value == max(values) >= NAMED_FROM else "vae-told" if value >= NAMED_FROM else ""
            shapes.append(f'<rect class="vae-share" {box} fill-opacity="{0.05 + 0.7 * value:.3f}"/>')
            shapes.append(_text(LEFT + (k + 0.5) * width, y + ROW / 2 + 5, f"{value:.2f}", "middle", kind))
        told = ", ".join(f"{column} {value:.2f}" for column, value in zip(columns, values, strict=True))
        said.append(f"{name}: {told}")
    alt = f"Share of each factor's entropy that a dimension tells. {'; '.join(said)}."
    height = HEAD + ROW * len(rows)
    return f'<svg width="100%" height="{height}" role="img" aria-label="{escape(alt)}">{"".join(shapes)}</svg>', alt
