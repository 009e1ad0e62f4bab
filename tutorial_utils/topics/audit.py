"""Audit of a VAE loss (notebook 03): what it sums and averages, and its effective beta."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from ..support.arguments import positive_int
from ..training import local_seed
from .loss_calls import MODEL, PLAIN, LossCall, accepted_call

close = partial(math.isclose, rel_tol=0.01, abs_tol=0.01)
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
    """A way to read the 4th argument s: the KL's terms with μ² and μ, σ², log σ²; s from log σ²."""

    terms: Callable[[Tensor, Tensor], list[Tensor]]
    codes: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda m, v: (m, v)


READINGS = {
    "log variance": Reading(lambda m, s: [m**2 / 2, m, s.exp() / 2, -s / 2]),
    "log standard deviation": Reading(
        lambda m, s: [m**2 / 2, m, (2 * s).exp() / 2, -s], lambda m, v: (m, v / 2)
    ),
    "standard deviation": Reading(
        lambda m, s: [m**2 / 2, m, s**2 / 2, -s.log()], lambda m, v: (m, (v / 2).exp())
    ),
    "variance": Reading(lambda m, s: [m**2 / 2, m, s / 2, -s.log() / 2], lambda m, v: (m, v.exp())),
    "mean, swapped with the 3rd": Reading(
        lambda m, s: [s**2 / 2, s, m.exp() / 2, -m / 2], lambda m, v: (v, m)
    ),
    # σ in place of σ²
    "inconsistent": Reading(lambda m, s: [m**2 / 2, m, (s / 2).exp() / 2, -s / 4]),
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


class LossAudit(NamedTuple):
    """What `audit_loss` found out about a loss; print it to read it.

    likelihood: what a pixel costs.
    pixels, latent, recon_batch, kl_batch: "sum" or "mean" over them, "none", one value each, or
    "mixed", a sum over some axes and a mean over others.
    scale_parameter: how the 4th argument is read, as log variance or otherwise.
    kl_at_prior: the KL of one dimension with mean 0 and variance 1, if the KL's weight were 1.  It
    should be 0.  Where the KL is a mean over dimensions, its constant is not measured.
    effective_beta: the weight of one nat of KL over the weight of one nat of reconstruction, at
    this shape and batch size.  A squared error counts as that of a Gaussian with σ = 1.
    findings: the mistakes, one sentence each.
    likelihood_std: the σ of a Gaussian likelihood, if its constant, log σ per pixel, is there.
    order: the order of the arguments, by their names.
    What no measurement can decide is "unknown" or NaN.
    """

    likelihood: str
    pixels: str
    latent: str
    recon_batch: str
    kl_batch: str
    scale_parameter: str
    kl_at_prior: float
    effective_beta: float
    findings: tuple[str, ...]
    likelihood_std: float
    order: tuple[str, ...]

    def __str__(self) -> str:
        at_prior = "unknown" if math.isnan(self.kl_at_prior) else f"{self.kl_at_prior:.4g} nats"
        beta, std = self.effective_beta, self.likelihood_std
        text = "unknown" if math.isnan(beta) else f"{beta:,.4g}"
        if not math.isnan(std + beta) and not close(std, 1):
            text = f"{beta / std**2:,.4g} for σ = {std:.4g}, or {text} at σ = 1,"
        lines = [
            f"reconstruction  {self.likelihood} · over pixels: {self.pixels}"
            f" · over the batch: {self.recon_batch}",
            f"KL              over latent dimensions: {self.latent}"
            f" · over the batch: {self.kl_batch}",
            f"4th argument    {self.scale_parameter} · KL at the prior: {at_prior} per dimension",
            f"effective beta  {text} = weight of a nat of KL / weight of a nat of reconstruction",
        ]
        if self.order not in (PLAIN, MODEL):
            lines.insert(0, f"arguments       in the order {', '.join(self.order)}, by their names")
        findings = [f"✗ {text}" for text in self.findings] or ["✓ nothing to report"]
        return "\n".join(lines + findings)


def audit_loss(
    loss_fn: Callable,
    *,
    shape: Sequence[int] = (1, 28, 28),
    latent_dim: int = 20,
    batch_size: int = 16,
) -> LossAudit:
    """An audit of a VAE's loss: what it sums and averages, and its effective beta.

    It calls the loss with random arguments of several sizes and fits the terms that it knows.
    Print the answer.  Made for a sum over pixels plus one over latent dimensions, with any weights;
    a KL with a capacity, free bits or a clamp is "unknown".

    loss_fn: `loss_fn(recon, x, mu, logvar)`, or `loss_fn(model, x)` like `negative_elbo`; what else
    it takes has defaults.  The names of its parameters may say another order, such as (x, x_hat,
    mean, log_var).  It returns a number, one value per example, a tuple that starts with one of
    these, or a dict with "loss".
    shape: of one example x.
    Raises ValueError if loss_fn does, or if it takes or returns anything else; most of these errors
    show the line to write.
    """
    if not isinstance(shape, Sequence) or not shape:
        raise ValueError(f"shape must be that of one example, such as (1, 28, 28), got {shape!r}")
    shape = tuple(positive_int("shape", side) for side in shape)
    dims = positive_int("latent_dim", latent_dim)
    batches = min(4, positive_int("batch_size", batch_size)), batch_size
    with local_seed(0):
        # Four examples will do, unless the loss has its batch size written out.
        sizes = [_Size(b, shape, dims, binary) for b in batches for binary in (False, True)]
        drawn = [[_tiled(_ordinary(s, seed), s) for seed in (1, 2)] for s in sizes]
        call, place = accepted_call(loss_fn, drawn)
        by = _reductions(call, sizes[place], batch_size)
        return _report(call, by, drawn[place])


# ---- probe: arguments, and what the loss says to them ----


class _Size(NamedTuple):
    """How large the arguments are: examples, the shape of one, latent dimensions; x of 0 and 1?"""

    batch: int
    shape: tuple[int, ...]
    dims: int
    binary: bool = False


def _tiled(arguments: tuple[Tensor, ...], size: _Size) -> tuple[Tensor, ...]:
    """A batch in which four examples come again and again."""
    return tuple(four[torch.arange(size.batch) % 4] for four in arguments)


def _rand(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _ordinary(size: _Size, seed: int) -> tuple[Tensor, ...]:
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
    size: _Size

    def ask(self, *arguments: Tensor) -> float:
        """The mean of what the loss returns; NaN if it raises."""
        try:
            return self.call(*_tiled(arguments, self.size)).mean().item()
        except ValueError:
            return math.nan

    def mean(self, terms: Tensor) -> float:
        """The sum of terms [4, ...] over an example, averaged over the batch."""
        return _tiled((terms.flatten(1).sum(1),), self.size)[0].mean().item()

    def quiet(self) -> tuple[Tensor, Tensor]:
        """recon and x for which the loss is small, so that rounding hides little of the KL."""
        recon, x, mu, scale = _ordinary(self.size, 1)
        black = x.round()
        pairs = [(recon, x), (x, x), (black.clamp(1e-6, 1 - 1e-6), black), (60 * black - 30, black)]
        costs = [abs(self.ask(*pair, 0 * mu, 0 * scale + 1)) for pair in pairs]
        return pairs[min(range(4), key=lambda k: costs[k] if costs[k] >= 0 else math.inf)]


# ---- fit: the form of each part, and the weights of its terms ----


class _Part(NamedTuple):
    """A part of the loss, reconstruction or KL: its form, the weights of its terms, a constant.

    name: "absent" if the part does not vary, "unknown" if no form fits, for the reason given.
    """

    name: str
    weights: list[float]
    constant: float = math.nan
    reason: str = ""

    @property
    def known(self) -> bool:
        return self.name not in ("absent", "unknown")


def _fit_parts(call: LossCall, size: _Size) -> tuple[_Part, _Part]:
    """The reconstruction and the KL at one size, where the loss is an average over the batch."""
    probe, zero = _Probe(call, size), torch.zeros(4, size.dims, dtype=torch.float64)
    recon, kl = _fit_reconstruction(probe, zero, zero + 1), _fit_kl(probe)
    if kl.known and not recon.known:  # the KL may have hidden it: at the prior it is 0
        recon = _fit_reconstruction(probe, *READINGS[kl.name].codes(zero, zero))
    return recon, kl


def _fit_reconstruction(probe: _Probe, *code: Tensor) -> _Part:
    """The part of the loss that depends on recon, from draws of it."""
    pairs = [_ordinary(probe.size, seed)[:2] for seed in range(1, N_DRAWS + 1)]
    forms = {
        name: [[probe.mean(cost(*pair))] for pair in pairs] for name, cost in LIKELIHOODS.items()
    }
    return _fit([probe.ask(*pair, *code) for pair in pairs], forms, "reconstruction")


def _fit_kl(probe: _Probe) -> _Part:
    """The part of the loss that depends on mu and logvar, if it is one formula everywhere."""
    image = probe.quiet()
    codes = [_ordinary(probe.size, seed)[2:] for seed in range(1, N_DRAWS + 1)]
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
    if kl.known and abs(kl.weights[0]) < 1e-3 * abs(kl.weights[1]):  # μ without its square
        return kl._replace(name="unknown", reason=NO_FORM["KL"])
    for region, (means, logvars, guess) in REGIONS.items():
        if kl.known and not _holds(probe, image, kl, means, logvars):
            reason = f"the KL is another formula {region}, perhaps {guess}"
            return kl._replace(name="unknown", reason=reason)
    return kl


def _holds(probe: _Probe, image: tuple, kl: _Part, *ranges: tuple[float, float]) -> bool:
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


def _fit(losses: list[float], forms: dict[str, list[list[float]]], part: str) -> _Part:
    """The form whose terms, weighted, explain the losses best, by least squares."""
    y = torch.tensor(losses, dtype=torch.float64)
    nothing = [0.0] * len(next(iter(forms.values()))[0])
    spread, noise = (y - y.mean()).norm().item(), 2 * _rounding(losses)
    if spread <= noise:
        return _Part("absent", nothing)
    if spread <= 300 * noise:
        return _Part("unknown", nothing, reason=TOO_SMALL[part])
    fits = []
    for name, rows in forms.items():
        table = torch.tensor([[*row, 1.0] for row in rows], dtype=torch.float64)
        unit = table.norm(dim=0)
        solved = torch.linalg.lstsq(table / unit, y.nan_to_num()[:, None]).solution[:, 0] / unit
        fits.append(((table @ solved - y).norm().item(), name, solved.tolist()))
    residual, name, (*weights, constant) = min(fits)
    if residual <= 1e-3 * spread + noise:
        return _Part(name, weights, constant)
    return _Part("unknown", nothing, reason=NO_FORM[part])


def _rounding(values: list[float]) -> float:
    """How far such numbers may be from exact ones, by the coarsest type that holds them all."""
    y = torch.tensor(values, dtype=torch.float64)
    types = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
    dtype = next((t for t in types if y.to(t).double().equal(y)), torch.float64)
    return 2 * torch.finfo(dtype).eps * y.abs().max().item()


# ---- reduce: the same loss, with more of something ----


class _Reductions(NamedTuple):
    """Both parts at the size asked for, and how they are reduced.

    axes: of the reconstruction, over each axis of x; hidden: those over which it alone is averaged.
    per_batch: what beta is multiplied by if the batch doubles.  per_pixel, per_dimension: by how
    much the constants grow, relative to the weight of the reconstruction, and the KL's largest.
    """

    size: _Size
    recon: _Part
    kl: _Part
    batch: list[str]
    axes: list[str]
    hidden: list[int]
    latent: str
    per_batch: float
    per_pixel: float
    per_dimension: float


def _reductions(call: LossCall, size: _Size, batch_size: int) -> _Reductions:
    """How both parts are reduced, from what they weigh where there is more of something.

    Where a size is written out in the loss, nothing can grow: then it is a sum or a mean, whichever
    leaves beta closer to 1.
    """
    fit, given = cache(partial(_fit_parts, call)), size._replace(batch=batch_size)
    recon, kl = many = fit(given)
    twice = _growth(many, fit(given._replace(batch=2 * batch_size)))
    deeper = fit(size._replace(dims=2 * size.dims))
    beta = _ratio(kl.weights[0], recon.weights[0])
    axes, hidden, per_pixel = [], [], math.nan
    for axis, n in enumerate(size.shape):
        if n == 1 and math.prod(size.shape) > 1:
            axes.append("")  # a sum and a mean of one are the same
            continue
        # A batch that is no multiple of n: so x.view(-1, n) raises, and does not read longer
        # images as more short ones.
        even = size._replace(batch=size.batch + (size.batch % n == 0))
        longer = tuple(2 * side + 1 if k == axis else side for k, side in enumerate(size.shape))
        before, after = fit(even), fit(even._replace(shape=longer))
        growth = _growth(before, after)
        label = _label(growth[0], 1, n / (2 * n + 1))
        if label == "unknown":
            label = _closer_to_1(beta, beta / n)
        axes.append(label)
        if label == "mean" and _label(growth[1], 1, n / (2 * n + 1)) != "mean":
            hidden.append(axis)
            beta /= n
        if label == "sum":
            more = (math.prod(longer) - math.prod(size.shape)) * before[0].weights[0]
            per_pixel = _ratio(after[0].constant - before[0].constant, more)
    _, few = fit(size)
    latent = _label(_growth(fit(size), deeper)[1], 1, 1 / 2)
    more = size.dims * max(few.weights, key=abs)
    return _Reductions(
        given,
        *many,
        batch=[_label(growth, 2, 1) for growth in twice],
        axes=axes,
        hidden=hidden,
        latent=_closer_to_1(beta, beta * size.dims) if latent == "unknown" else latent,
        per_batch=_ratio(twice[1], twice[0]),
        per_pixel=per_pixel,
        per_dimension=_ratio(deeper[1].constant - few.constant, more),
    )


def _ratio(after: float, before: float) -> float:
    return after / before if before else math.nan


def _growth(before: tuple[_Part, _Part], after: tuple[_Part, _Part]) -> list[float]:
    """What the weights of both parts are multiplied by."""
    return [
        _ratio(sum(map(abs, b.weights)), sum(map(abs, a.weights)) if a.known else math.nan)
        for a, b in zip(before, after, strict=True)
    ]


def _label(change: float, if_sum: float, if_mean: float) -> str:
    """How a part is reduced over what has grown."""
    return "sum" if close(change, if_sum) else "mean" if close(change, if_mean) else "unknown"


def _closer_to_1(if_sum: float, if_mean: float) -> str:
    """Whichever number, in size, is fewer times 1."""
    both = [abs(math.log(abs(beta))) if beta else math.inf for beta in (if_sum, if_mean)]
    return "mean" if both[1] < both[0] else "sum"


# ---- report: what the numbers mean ----


class _Terms(NamedTuple):
    """The KL's weight, and the weights of its terms relative to it: all 1 for N(0, 1), `linear` 0.

    kind: "right", or the mistake.  prior: the mean and the variance of the prior.
    """

    weight: float
    mu: float
    linear: float
    var: float
    log: float
    const: float
    kind: str = "right"
    prior: tuple[float, float] = (0.0, 1.0)


def _terms(by: _Reductions) -> _Terms:
    """Which KL this is, from the weights of its terms."""
    mu, _, var, log = weights = by.kl.weights
    largest = max(weights, key=abs)
    same = partial(math.isclose, rel_tol=0.01, abs_tol=1e-4 * abs(largest))
    measured = by.latent == "sum" and math.isfinite(by.per_dimension)
    const = -2 * by.per_dimension * largest if measured else log
    weight = log if same(mu, var) or same(var, log) else mu
    relative = lambda one: _Terms(one, *(w / one for w in (*weights, const)))  # noqa: E731
    terms = relative(largest if same(weight, 0) else weight)
    if same(var, 0):
        return terms._replace(kind="not used")
    if by.kl.name != "inconsistent" and same(mu, var) and terms.var > 0:
        mean, variance = round(-terms.linear / terms.mu, 6) + 0.0, 1 / terms.var
        to_prior = 1 - math.log(variance) - terms.mu * mean**2
        if close(variance, 0.5) and close(terms.const, 1):
            return terms._replace(kind="lacks ½")
        if not measured or close(terms.const, to_prior) or close(terms.const, 1):
            return terms._replace(prior=(mean, variance))
    if same(var, log) and by.kl.name != "inconsistent":
        return terms
    return relative(mu or largest)._replace(kind="inconsistent")


def _likelihood_std(per_pixel: float, beta: float) -> float:
    """The σ of a Gaussian whose constant per pixel is this many times the weight of ½ error².

    That is σ² (log σ + ½ log 2π), or without ½ log 2π; NaN if no σ fits.  Of several, the one that
    is round, or whose square is, and else that for which beta is 1.
    """
    if not abs(per_pixel) > 1e-4:
        return math.nan
    stds, found = torch.logspace(-3, 3, 300_001, dtype=torch.float64), []
    for offset in (math.log(2 * math.pi) / 2, 0):
        misses = stds**2 * (stds.log() + offset) - per_pixel
        found += stds[1:][misses[1:] * misses[:-1] <= 0].tolist()
    is_round = lambda v: math.isclose(v, float(f"{v:.2g}"), rel_tol=2e-4)  # noqa: E731
    likely = lambda s: (not (is_round(s) or is_round(s * s)), not close(beta / s**2, 1))  # noqa: E731
    return float(f"{min(found, key=likely, default=math.nan):.4g}")


def _one_value_each(call: LossCall, first: tuple, second: tuple) -> list[bool]:
    """Whether another first example changes the first value only, by its recon and by its code."""
    own, before = [], call(*first)
    for places in ((0,), (2, 3)):
        mixed = list(first)
        for place in places:
            mixed[place] = torch.cat([second[place][:1], first[place][1:]])
        own.append(len(before) > 1 and before[1:].equal(call(*mixed)[1:]))
    return own


def _report(call: LossCall, by: _Reductions, drawn: list[tuple]) -> LossAudit:
    """The audit, from the fits and the reductions."""
    recon, kl = by.recon, by.kl
    terms = _terms(by) if kl.known else _Terms(*[math.nan] * 6)
    beta = terms.weight / recon.weights[0] if recon.known else math.nan
    beta = math.inf if recon.name == "absent" else 0.0 if kl.name == "absent" else beta
    std = _likelihood_std(by.per_pixel, beta) if recon.name == "squared error" else math.nan
    own = _one_value_each(call, *drawn)
    batch = [
        part.name if not part.known else "none" if alone and label == "mean" else label
        for part, label, alone in zip((recon, kl), by.batch, own, strict=True)
    ]
    extents = {label for label in by.axes if label}
    at_prior = round((terms.var - terms.const) / 2, 4) + 0.0  # never -0.0
    reading = terms.kind if terms.kind in ("not used", "inconsistent") else kl.name
    return LossAudit(
        likelihood=recon.name,
        pixels=(extents.pop() if len(extents) == 1 else "mixed") if recon.known else recon.name,
        latent=by.latent if kl.known else kl.name,
        recon_batch=batch[0],
        kl_batch=batch[1],
        scale_parameter=reading,
        kl_at_prior=at_prior,
        effective_beta=beta,
        findings=(
            *_doubts(call, drawn[0]),
            *(f"{part.reason}: beta cannot be told" for part in (recon, kl) if part.reason),
            *_likelihood_findings(recon.name, call),
            *_sign_findings(recon.weights[0], terms.weight),
            *_kl_findings(reading, terms, at_prior, call.named),
            *_batch_findings(by.per_batch, beta, by.size.batch),
            *_beta_findings(recon.name, by, beta, std),
        ),
        likelihood_std=std,
        order=call.order,
    )


# ---- findings: what is wrong, what it does, and how to mend it ----

Findings = Iterator[str]


def _doubts(call: LossCall, arguments: tuple) -> Findings:
    """What is wrong with the values of two calls, equal but for the random seed."""
    first, second = (call(*arguments, seed=seed) for seed in (0, 1))
    if not first.isfinite().all():
        yield "it is NaN or infinite: look for the log of 0 and for a division by 0"
    elif not first.equal(second):
        yield "two equal calls differ: it draws at random, this is for one draw"


def _likelihood_findings(likelihood: str, call: LossCall) -> Findings:
    if likelihood == "absent":
        yield "nothing depends on recon: the reconstruction term is missing"
    if likelihood.startswith("Bernoulli after two sigmoids"):
        yield "a sigmoid goes into a function that has its own: give it the logits"
    if likelihood.endswith(SWAPPED) and call.named:
        yield "recon is scored as if it were the data: swap the two"
    elif likelihood.endswith(SWAPPED):
        text = "the 2nd argument is scored as the reconstruction of the 1st"
        yield f"{text}: right if loss_fn takes (x, recon, …), else swap the two inside"
    if "model" in call.order and likelihood == "Bernoulli on probabilities":
        yield "the decoder's logits are taken for probabilities: apply a sigmoid"


def _sign_findings(recon: float, kl: float) -> Findings:
    """What the signs of the two weights say: both should be positive."""
    if recon < 0 and kl < 0:
        yield "this is the ELBO, minimizing it makes the model worse: return −ELBO"
    if recon * kl < 0:
        wrong = "KL" if kl < 0 else "reconstruction"
        yield f"the {wrong} has the wrong sign: minimize −log p(x|z) + KL"


def _kl_findings(reading: str, terms: _Terms, at_prior: float, named: bool) -> Findings:
    """What the relative weights of μ², σ², log σ² and the constant say: all should be 1."""
    if reading == "absent":
        yield "there is no KL term: nothing depends on mu or logvar, beta is 0"
    if reading == "not used":
        yield "the KL does not depend on the 4th argument, so nothing holds σ at 1"
    if reading in ("absent", "not used", "unknown"):
        return
    best = terms.log / terms.var if terms.log / terms.var > 0 else math.nan  # the lowest KL's σ²
    lowest = (terms.log * (1 - math.log(best)) - terms.const) / 2
    lowest = f"its minimum per dimension is {lowest:.4f}"
    if terms.kind == "inconsistent":
        yield f"σ, σ² or their logs are mixed up, {lowest}, not 0: take σ² = exp(logvar)"
        return
    if terms.kind == "lacks ½":
        text = f"μ² and σ² lack the ½ of the KL: {lowest}, at σ² = {best:.3g}"
        yield f"{text}. Write ½ (μ² + σ² − 1 − log σ²)"
    if reading.startswith("mean") and not named:
        text = "the 3rd argument is read as log σ² and the 4th as the mean"
        yield f"{text}: right if loss_fn takes them so, else swap the two inside"
    elif reading != "log variance":
        yield f"the 4th argument, log σ² in most code, is read as the {reading}"
    mean, variance = terms.prior
    if not (close(mean, 0) and close(variance, 1)):
        yield f"the KL is that to a prior N({mean:.3g}, {variance:.3g}), not N(0, 1)"
    elif terms.kind == "right" and not close(terms.mu, 1):
        yield f"μ² counts {round(terms.mu, 2) + 0:g} times: give the KL's terms one ½"
    elif terms.kind == "right" and not close(terms.const, 1):
        yield f"at the prior the KL is {at_prior:.3g}, not 0: subtract its ½"


def _batch_findings(per_batch: float, beta: float, batch: int) -> Findings:
    """Whether beta changes with the batch, as it does where one part alone is summed over it."""
    if not math.isnan(per_batch * beta) and not close(per_batch, 1):
        text = f"beta depends on the batch size: {beta:.4g} at {batch}, {beta * per_batch:.4g} at"
        yield f"{text} {2 * batch}. Treat both parts alike, one sum or one mean over the batch"


def _beta_findings(likelihood: str, by: _Reductions, beta: float, std: float) -> Findings:
    """Why beta is not 1."""
    squared = likelihood.startswith("squared error") and math.isnan(std)
    beta = abs(beta) if math.isnan(std) else abs(beta) / std**2
    if math.isnan(beta) or close(beta, 1):
        return
    n = math.prod(by.size.shape[axis] for axis in by.hidden)
    d = by.size.dims if by.latent == "mean" else 1
    if squared and close(beta, 0.5):
        n = d = 1  # a number written out makes up for the means
    pixels = math.prod(by.size.shape)
    if n * d == 1 < pixels and (close(beta, pixels) or (squared and close(beta, pixels / 2))):
        n = pixels  # divided by a number written out
    if n > 1:
        text = f"the mean over {n:,} pixels makes beta {n:,} times as large as it looks"
        if by.hidden and "sum" in by.axes:
            axes = " and ".join(str(axis + 1) for axis in by.hidden)
            text = f"the mean over axis {axes} of an example makes beta {n:,} times as large"
        yield f"{text}: sum over pixels"
    if d > 1:
        yield f"the mean over {d} latent dimensions makes beta {d} times too small: sum over them"
    if squared and close(beta / n * d, 0.5):
        yield "the squared error lacks its ½ (or your σ² is ½), which halves beta"
    if close(beta / n * d, 2):
        text = "the KL counts twice: beta = 2, or its ½ is missing"
        yield f"{text}; from outside nobody can tell which"
