"""Fits of a VAE's loss (notebook 03): the forms of its two parts, and what their terms weigh."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from .loss_calls import LossCall

on_logits = partial(binary_cross_entropy_with_logits, reduction="none")
on_means = lambda r, x: binary_cross_entropy(r.clamp(0, 1), x, reduction="none")  # noqa: E731
# What a pixel costs, in nats. The errors are those of unit variance and of unit scale.
LIKELIHOODS = {
    "Bernoulli on logits": on_logits,
    "Bernoulli on probabilities": on_means,
    "squared error": lambda r, x: (r - x) ** 2 / 2,
    "absolute error": lambda r, x: (r - x).abs(),
    "squared error after a sigmoid": lambda r, x: (r.sigmoid() - x) ** 2 / 2,
    "Bernoulli after two sigmoids": lambda r, x: on_logits(r.sigmoid(), x),
}
SWAPPED = ", x first"
LIKELIHOODS |= {
    name + SWAPPED: lambda r, x, cost=cost: cost(x, r)
    for name, cost in LIKELIHOODS.items()
    if name not in ("squared error", "absolute error")  # these are the same both ways
}


class Reading(NamedTuple):
    """A way to read the 4th argument s: as σ² = var(s) and log σ² = log(s), so s = scale(log σ²).

    swapped: whether the 3rd argument is s, and the 4th the mean.
    """

    var: Callable[[Tensor], Tensor]
    log: Callable[[Tensor], Tensor]
    scale: Callable[[Tensor], Tensor]
    swapped: bool = False

    def terms(self, third: Tensor, fourth: Tensor) -> list[Tensor]:
        """The KL's terms with μ², μ, σ² and log σ², with their weights in the KL to N(0, 1)."""
        m, s = (fourth, third) if self.swapped else (third, fourth)
        return [m**2 / 2, m, self.var(s) / 2, -self.log(s) / 2]

    def codes(self, mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
        """The 3rd and the 4th argument for this mean and log σ²."""
        s = self.scale(logvar)
        return (s, mu) if self.swapped else (mu, s)


as_is = torch.Tensor.clone
READINGS = {
    "log variance": Reading(torch.exp, as_is, as_is),
    "log standard deviation": Reading(
        lambda s: (2 * s).exp(), lambda s: 2 * s, lambda logvar: logvar / 2
    ),
    "standard deviation": Reading(
        torch.square, lambda s: 2 * s.log(), lambda logvar: (logvar / 2).exp()
    ),
    "variance": Reading(as_is, torch.log, torch.exp),
    "mean, swapped with the 3rd": Reading(torch.exp, as_is, as_is, swapped=True),
    "inconsistent": Reading(lambda s: (s / 2).exp(), lambda s: s / 2, as_is),  # σ for σ²
}
# Where a formula is tried that fits ordinary codes: the range of μ, of log σ², and what fails.
REGIONS = {
    "near the prior": ((-0.05, 0.05), (0.0, 0.05), "free bits or a capacity"),
    "where logvar is below 0": ((-1.0, 1.0), (-4.0, -0.5), "abs, relu or a clamp"),
    "where logvar is far below 0": ((-1.0, 1.0), (-9.0, -5.0), "a clamp"),
    "where the KL is large": ((-40.0, 40.0), (-1.0, 1.0), "a clamp or a capacity"),
}
NO_FORM = {
    "reconstruction": "the reconstruction is no usual sum or mean over pixels",
    "KL": "the KL is no weighted ½ (μ² + σ² − 1 − log σ²): perhaps a capacity, free bits, a clamp",
}
TOO_SMALL = {
    part: f"the {part} is too small beside the rest of the loss: rounding hides it"
    for part in NO_FORM
}
N_DRAWS = 8  # a fit has 5 unknowns


# ---- probe: arguments, and what the loss says to them ----


class Size(NamedTuple):
    """How large the arguments are: examples, the shape of one, latent dimensions; x of 0 and 1?"""

    batch: int
    shape: tuple[int, ...]
    dims: int
    binary: bool = False


def tiled(arguments: tuple[Tensor, ...], size: Size) -> tuple[Tensor, ...]:
    """A batch in which four examples come again and again."""
    return tuple(four[torch.arange(size.batch) % 4] for four in arguments)


def _rand(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def ordinary(size: Size, seed: int) -> tuple[Tensor, ...]:
    """Four examples of recon, x, mu and a 4th argument above 0: legal however they are read.

    Each seed has its own spread, so that no two terms have sums that vary alike; x is the same.
    """
    near, low, high, spread, below, above = _rand(seed, 6).tolist()
    x = 0.1 + 0.8 * _rand(0, 4, *size.shape)
    x = x.round() if size.binary else x
    recon = near * x + (1 - near) * (low + (high - low) * _rand(seed + 50, 4, *size.shape))
    mu, scale = _rand(seed + 100, 2, 4, size.dims)
    scale = below + (above - below) * scale
    return 0.05 + 0.9 * recon, x, 4 * spread * (mu - 0.4), 0.1 + 2.4 * scale


class _Probe(NamedTuple):
    """A loss and the size of its arguments; arguments and terms are those of four examples."""

    call: LossCall
    size: Size

    def ask(self, *arguments: Tensor) -> float:
        """The mean of what the loss returns; NaN if it raises."""
        try:
            return self.call(*tiled(arguments, self.size)).mean().item()
        except ValueError:
            return math.nan

    def mean(self, terms: Tensor) -> float:
        """The sum of terms [4, ...] over an example, averaged over the batch."""
        return tiled((terms.flatten(1).sum(1),), self.size)[0].mean().item()

    def quiet(self) -> tuple[Tensor, Tensor]:
        """recon and x for which the loss is small, so that rounding hides little of the KL."""
        recon, x, mu, scale = ordinary(self.size, 1)
        black = x.round()
        pairs = [(recon, x), (x, x), (black.clamp(1e-6, 1 - 1e-6), black), (60 * black - 30, black)]
        costs = [abs(self.ask(*pair, 0 * mu, 0 * scale + 1)) for pair in pairs]
        return pairs[min(range(4), key=lambda k: costs[k] if costs[k] >= 0 else math.inf)]


# ---- fit: the form of each part, and the weights of its terms ----


class Part(NamedTuple):
    """A part of the loss, reconstruction or KL: its form, the weights of its terms, a constant.

    name: "absent" if the part does not vary, "unknown" if no form fits, for the reason given.
    """

    name: str
    weights: list[float]
    constant: float = math.nan
    reason: str = ""

    @property
    def known(self) -> bool:
        """Whether a form fits."""
        return self.name not in ("absent", "unknown")


def fit_parts(call: LossCall, size: Size) -> tuple[Part, Part]:
    """The reconstruction and the KL at one size, where the loss is an average over the batch."""
    probe, zero = _Probe(call, size), torch.zeros(4, size.dims, dtype=torch.float64)
    recon, kl = _fit_reconstruction(probe, zero, zero + 1), _fit_kl(probe)
    if kl.known and not recon.known:  # the KL may have hidden it: at the prior it is 0
        recon = _fit_reconstruction(probe, *READINGS[kl.name].codes(zero, zero))
    return recon, kl


def _fit_reconstruction(probe: _Probe, *code: Tensor) -> Part:
    """The part of the loss that depends on recon, from draws of it."""
    pairs = [ordinary(probe.size, seed)[:2] for seed in range(1, N_DRAWS + 1)]
    forms = {
        name: [[probe.mean(cost(*pair))] for pair in pairs] for name, cost in LIKELIHOODS.items()
    }
    return _fit([probe.ask(*pair, *code) for pair in pairs], forms, "reconstruction")


def _fit_kl(probe: _Probe) -> Part:
    """The part of the loss that depends on mu and logvar, if it is one formula everywhere."""
    image = probe.quiet()
    codes = [ordinary(probe.size, seed)[2:] for seed in range(1, N_DRAWS + 1)]
    losses = [probe.ask(*image, *code) for code in codes]
    forms = {
        name: [[probe.mean(term) for term in reading.terms(*code)] for code in codes]
        for name, reading in READINGS.items()
    }
    kl = _fit(losses, forms, "KL")
    if kl.name == "absent":
        far = 1e6 * codes[0][0]
        change = abs(probe.ask(*image, far, codes[0][1]) - losses[0])
        if change > 1e-15 * abs(losses[0]) * probe.mean(far**2):
            return kl._replace(name="unknown", reason=TOO_SMALL["KL"])
    if kl.known and mean_without_square(kl.weights):
        return kl._replace(name="unknown", reason=NO_FORM["KL"])
    for region, (means, logvars, guess) in REGIONS.items():
        if kl.known and not _holds(probe, image, kl, means, logvars):
            reason = f"the KL is another formula {region}, perhaps {guess}"
            return kl._replace(name="unknown", reason=reason)
    return kl


def mean_without_square(weights: list[float]) -> bool:
    """Whether μ has a weight, but not its square: weights of μ², μ and others; rounding is none."""
    squared, plain, *_ = map(abs, weights)
    return plain > max(1e3 * squared, 1e-9 * max(map(abs, weights)))


def _holds(probe: _Probe, image: tuple, kl: Part, *ranges: tuple[float, float]) -> bool:
    """Whether a fit of the KL predicts the loss for means and log variances in these ranges."""
    shape, reading = (4, probe.size.dims), READINGS[kl.name]
    low, high = torch.tensor(ranges, dtype=torch.float64).T[:, :, None, None]
    drawn = [low + (high - low) * _rand(seed, 2, *shape) for seed in (0, 1)]
    codes = [reading.codes(*code) for code in (torch.zeros(2, *shape).double(), *drawn)]
    terms = [[probe.mean(term) for term in reading.terms(*code)] for code in codes]
    prior, *predicted = torch.tensor(terms).double() @ torch.tensor(kl.weights).double()
    losses = [probe.ask(*image, *code) for code in codes[1:]]
    off = max(abs(y - kl.constant - p.item()) for y, p in zip(losses, predicted, strict=True))
    size = max(abs(p - prior).item() for p in predicted)
    return off <= 0.01 * size + 4 * _rounding(losses)


def _fit(losses: list[float], forms: dict[str, list[list[float]]], part: str) -> Part:
    """The form whose terms, weighted, explain the losses best, by least squares."""
    y = torch.tensor(losses, dtype=torch.float64)
    nothing = [0.0] * len(next(iter(forms.values()))[0])
    spread, noise = (y - y.mean()).norm().item(), 2 * _rounding(losses)
    if spread <= noise:
        return Part("absent", nothing)
    if spread <= 300 * noise:
        return Part("unknown", nothing, reason=TOO_SMALL[part])
    fits = []
    for name, rows in forms.items():
        table = torch.tensor([[*row, 1.0] for row in rows], dtype=torch.float64)
        unit = table.norm(dim=0)
        solved = torch.linalg.lstsq(table / unit, y.nan_to_num()[:, None]).solution[:, 0] / unit
        fits.append(((table @ solved - y).norm().item(), name, solved.tolist()))
    residual, name, (*weights, constant) = min(fits)
    if residual <= 1e-3 * spread + noise:
        return Part(name, weights, constant)
    return Part("unknown", nothing, reason=NO_FORM[part])


def _rounding(values: list[float]) -> float:
    """How far such numbers may be from exact ones, by the coarsest type that holds them all."""
    y = torch.tensor(values, dtype=torch.float64)
    types = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
    dtype = next((t for t in types if y.to(t).double().equal(y)), torch.float64)
    return 2 * torch.finfo(dtype).eps * y.abs().max().item()
