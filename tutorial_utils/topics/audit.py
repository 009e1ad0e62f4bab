"""Audit of a VAE loss (notebook 03): what it sums and averages, and its effective beta."""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from ..models import VAE
from ..support.arguments import positive_int
from ..training import local_seed

close = partial(math.isclose, rel_tol=0.01, abs_tol=0.01)
on_logits = partial(binary_cross_entropy_with_logits, reduction="none")
on_means = partial(binary_cross_entropy, reduction="none")
# What a pixel costs, in nats. The errors are those of unit variance and of unit scale.
LIKELIHOODS = {
    "Bernoulli on logits": lambda r, x: [on_logits(r, x)],
    "Bernoulli on probabilities": lambda r, x: [on_means(r, x)],
    "squared error": lambda r, x: [(r - x) ** 2 / 2],
    "absolute error": lambda r, x: [(r - x).abs()],
    "squared error after a sigmoid": lambda r, x: [(r.sigmoid() - x) ** 2 / 2],
    "Bernoulli after two sigmoids": lambda r, x: [on_logits(r.sigmoid(), x)],
    "Bernoulli, recon and x swapped": lambda r, x: [on_means(x, r)],
}
# How the 4th argument s is read, and the terms of the KL of one dimension without its -1/2.
READINGS = {
    "log variance": lambda m, s: [m**2 / 2, s.exp() / 2, -s / 2],
    "log standard deviation": lambda m, s: [m**2 / 2, (2 * s).exp() / 2, -s],
    "standard deviation": lambda m, s: [m**2 / 2, s**2 / 2, -s.log()],
    "variance": lambda m, s: [m**2 / 2, s / 2, -s.log() / 2],
    "mean, swapped with the 3rd": lambda m, s: [s**2 / 2, m.exp() / 2, -m / 2],
    "inconsistent": lambda m, s: [m**2 / 2, (s / 2).exp() / 2, -s / 4],  # σ, not σ²
}
N_DRAWS = 12  # a fit has at most 4 unknowns


class LossAudit(NamedTuple):
    """What `audit_loss` found out about a loss; print it to read it.

    likelihood: what a pixel costs.
    pixels, latent, recon_batch, kl_batch: "sum" or "mean" over them, or "none", one value each.
    scale_parameter: how the 4th argument is read, as log variance or otherwise.
    kl_at_prior: the KL of one dimension with mean 0 and variance 1, if the KL's weight were 1.  It
    should be 0.  Where the KL is a mean over dimensions, its constant is not measured.
    effective_beta: the weight of one nat of KL over the weight of one nat of reconstruction.
    findings: the mistakes, one sentence each.
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

    def __str__(self) -> str:
        recon = f"{self.likelihood} · over pixels: {self.pixels}"
        kl = f"over latent dimensions: {self.latent}"
        kl_at_prior = f"KL at the prior: {self.kl_at_prior:.4g} nats per dimension"
        ratio = "weight of a nat of KL / weight of a nat of reconstruction"
        lines = [
            f"reconstruction  {recon} · over the batch: {self.recon_batch}",
            f"KL              {kl} · over the batch: {self.kl_batch}",
            f"4th argument    {self.scale_parameter} · {kl_at_prior}",
            f"effective beta  {self.effective_beta:,.4g} = {ratio}",
        ]
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
    a KL with a capacity or with free bits is "unknown".

    loss_fn: `loss_fn(recon, x, mu, logvar)`, or `loss_fn(model, x)` like `negative_elbo`; what else
    it takes has defaults.  It returns a number, one value per example, a tuple that starts with
    one of these, or a dict with "loss".
    shape: of one example x.
    Raises ValueError if loss_fn does, or if it takes or returns anything else.
    """
    if not isinstance(shape, Sequence) or not shape:
        raise ValueError(f"shape must be that of one example, such as (1, 28, 28), got {shape!r}")
    shape = tuple(positive_int("shape", side) for side in shape)
    dims = positive_int("latent_dim", latent_dim)
    size = _Size(positive_int("batch_size", batch_size), shape, dims)
    takes_model = _takes_model(loss_fn)
    with local_seed(0):
        ask, doubts = _accepted_form(loss_fn, takes_model, size)
        recon, kl = _reconstruction(ask, size), _kl(ask, size)
        kl_over_pixels = _kl_over_pixels(ask, size)
    kl_weights = _with_constant(kl, size)
    kl_weight = _weight_of_kl(kl_weights)
    terms = [weight / kl_weight if kl_weight else math.nan for weight in kl_weights]
    reading = _reading(kl.name, terms)
    at_prior = round((terms[1] - terms[3]) / 2, 6) + 0.0  # never -0.0
    beta = _effective_beta(recon, kl, kl_weight, size.batch)
    findings = [
        *doubts,
        *_likelihood_findings(recon.name, takes_model),
        *_sign_findings(recon.weights[0], kl_weight),
        *_kl_findings(reading, terms, at_prior),
        *_batch_findings(recon.batch, kl.batch, size.batch),
    ]
    if not close(abs(beta), 1):
        n = size.pixels if _hides_pixels(recon, kl_over_pixels) else 1
        d = dims if kl.extent == "mean" else 1
        findings += _beta_findings(recon, kl_weight, n, d)
    return LossAudit(
        likelihood=recon.name,
        pixels=recon.extent,
        latent=kl.extent,
        recon_batch=recon.batch,
        kl_batch=kl.batch,
        scale_parameter=reading,
        kl_at_prior=at_prior,
        effective_beta=beta,
        findings=tuple(findings),
    )


# ---- the parts of the loss ----


class _Size(NamedTuple):
    """How large the arguments of the loss are: examples, the shape of one, latent dimensions."""

    batch: int
    shape: tuple[int, ...]
    dims: int

    @property
    def pixels(self) -> int:
        return math.prod(self.shape)

    def wider(self) -> "_Size":
        """More than twice as many pixels: the longest axis grows.

        The batch is no multiple of that axis, so that x.view(-1, n) fails and does not read the
        wide images as a larger batch of narrow ones.
        """
        longest = self.shape.index(max(self.shape))
        shape = [2 * n + 1 if axis == longest else n for axis, n in enumerate(self.shape)]
        return _Size(self.uneven_batch(), tuple(shape), self.dims)

    def uneven_batch(self) -> int:
        """The number of examples, plus 1 if it is a multiple of the longest axis."""
        return self.batch + 1 if self.batch % max(self.shape) == 0 else self.batch


class _Fit(NamedTuple):
    """A part of the loss at one size: its form, the weights of the terms, and a constant.

    name: "absent" if the part does not vary, "unknown" if no form fits or loss_fn raises.
    """

    name: str
    weights: list[float]
    constant: float


class _Part(NamedTuple):
    """A part of the loss, reconstruction or KL, as several sizes show it.

    weights: of its terms in the loss of one example.  batch, extent: how it is reduced over the
    batch, and over pixels or latent dimensions.  growth: of its constant with the latter.
    """

    name: str
    weights: list[float]
    batch: str
    extent: str
    growth: float


def _reconstruction(ask: Callable, size: _Size) -> _Part:
    """The part of the loss that depends on recon."""
    x, recon, mu, scale = _draws(size)
    own = _one_value_each(ask, (recon[0], x, mu[0], scale[0]), (recon[1], x, mu[0], scale[0]))
    twice, wider = size._replace(batch=2 * size.batch), size.wider()
    fits = [_fit_reconstruction(ask, one) for one in (size, twice, wider)]
    return _part(fits, own, (size.batch, wider.batch), (size.pixels, wider.pixels))


def _kl(ask: Callable, size: _Size) -> _Part:
    """The part of the loss that depends on mu and logvar."""
    x, recon, mu, scale = _draws(size)
    own = _one_value_each(ask, (recon[0], x, mu[0], scale[0]), (recon[0], x, mu[1], scale[1]))
    twice, deeper = size._replace(batch=2 * size.batch), size._replace(dims=2 * size.dims)
    fits = [_fit_kl(ask, one) for one in (size, twice, deeper)]
    return _part(fits, own, (size.batch, deeper.batch), (size.dims, deeper.dims))


def _kl_over_pixels(ask: Callable, size: _Size) -> str:
    """How the KL is reduced over pixels: "mean" where the whole loss is divided by their number."""
    small, wider = size._replace(batch=size.uneven_batch()), size.wider()
    fits = [_fit_kl(ask, one) for one in (small, wider)]
    return _reduction(fits[0].weights, fits[1].weights, wider.pixels / size.pixels)


def _part(fits: list[_Fit], own: bool, batches: tuple[int, int], extents: tuple[int, int]) -> _Part:
    """How a part of the loss is reduced, from three fits: as given, twice the batch, larger.

    own: each value of the loss depends on its own example only.  batches, extents: the number of
    examples, and of pixels or latent dimensions, of the first and the last fit.
    """
    given, double, larger = fits
    batch = _reduction(given.weights, double.weights, 2)
    # From the weights in the mean loss of a batch to those in the loss of one example.
    scale, larger_scale = (1, 1) if batch == "sum" else batches
    weights = [scale * weight for weight in given.weights]
    extent = _reduction(
        weights, [larger_scale * weight for weight in larger.weights], extents[1] / extents[0]
    )
    typical = sum(map(abs, weights)) / len(weights)
    if extent == "unknown" and typical > 0:
        # loss_fn has a size written out. A sum or a mean: under which is the weight closer to 1?
        as_sum, as_mean = abs(math.log(typical)), abs(math.log(typical * extents[0]))
        extent = "sum" if as_sum <= as_mean else "mean"
    batch = "none" if own and batch == "mean" else batch
    return _Part(given.name, weights, batch, extent, scale * (larger.constant - given.constant))


def _one_value_each(ask: Callable, arguments: tuple, others: tuple) -> bool:
    """Whether another first example changes the first value of the loss only."""
    mixed = [torch.cat([b[:1], a[1:]]) for a, b in zip(arguments, others, strict=True)]
    before, after = ask(*arguments), ask(*mixed)
    return len(before) > 1 and before[1:].equal(after[1:])


def _reduction(before: Sequence[float], after: Sequence[float], times: float) -> str:
    """How a part is reduced over what there is `times` as much of, from its weights."""
    before, after = (sum(map(abs, weights)) for weights in (before, after))
    if not before:
        return "absent"
    if close(after / before, 1):
        return "sum"
    return "mean" if close(times * after / before, 1) else "unknown"


# ---- the weights of the KL ----


def _with_constant(kl: _Part, size: _Size) -> list[float]:
    """The weights of the KL's three terms, and of its constant -1/2 where it can be measured."""
    measured = kl.extent == "sum" and math.isfinite(kl.growth)
    constant = -2 * kl.growth / (size.batch * size.dims) if measured else kl.weights[2]
    return [*kl.weights, constant]


def _weight_of_kl(weights: list[float]) -> float:
    """The weight of the KL as a whole: what most of its four terms weigh, or the last two."""
    sign, largest = math.copysign(1, sum(weights)), max(weights, key=abs)
    second_smallest = sorted(sign * weight for weight in weights)[1]
    return sign * second_smallest if abs(second_smallest) > 1e-6 * abs(largest) else largest


def _reading(name: str, terms: list[float]) -> str:
    """How the 4th argument is read, given the relative weights of μ², σ², log σ² and constant."""
    if name not in READINGS:
        return name
    lacks_half = all(map(close, terms, (2, 2, 1, 1)))
    if not close(terms[1], terms[2]) and not lacks_half:
        return "inconsistent"
    return "not used" if close(terms[1], 0) else name


def _effective_beta(recon: _Part, kl: _Part, kl_weight: float, batch_size: int) -> float:
    """Weight of the KL over that of the reconstruction: 0 without a KL, inf without the other."""
    if kl_weight == 0:
        return 0.0
    beta = kl_weight / recon.weights[0] if recon.weights[0] else math.inf
    beta *= batch_size if kl.batch == "sum" else 1
    return beta / (batch_size if recon.batch == "sum" else 1)


def _hides_pixels(recon: _Part, kl_over_pixels: str) -> bool:
    """Whether a mean over pixels makes the reconstruction small, and nothing makes up for it."""
    scaled_back = close(recon.weights[0], 1) or close(recon.weights[0], 2)
    return recon.extent == "mean" and kl_over_pixels != "mean" and not scaled_back


# ---- fits ----


def _draws(size: _Size) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, and twelve draws each of recon, mu and a 4th argument.

    x and recon are in (0, 1) and the 4th argument is above 0, so all are legal however they are
    read.  Each draw has its own spread, so that no two terms have sums that vary alike.
    """
    generator = torch.Generator().manual_seed(0)
    rand = partial(torch.rand, generator=generator, dtype=torch.float64)
    b, shape, d = size
    x = 0.1 + 0.8 * rand(b, *shape)
    low, high, near = rand(3, N_DRAWS, 1, *[1] * len(shape))
    recon = near * x + (1 - near) * (low + (high - low) * rand(N_DRAWS, b, *shape))
    spread, low, high = rand(3, N_DRAWS, 1, 1)
    mu = 4 * spread * (rand(N_DRAWS, b, d) - 0.4)
    scale = 0.1 + 4 * (low + (high - low) * rand(N_DRAWS, b, d))
    return x, 0.05 + 0.9 * recon, mu, scale


def _fit_reconstruction(ask: Callable, size: _Size) -> _Fit:
    """The reconstruction term: only recon varies, the codes stay at their first draw."""
    x, recon, mu, scale = _draws(size)
    losses = _losses(ask, x, recon, mu[:1].expand_as(mu), scale[:1].expand_as(scale))
    forms = {name: terms(recon, x.expand_as(recon)) for name, terms in LIKELIHOODS.items()}
    return _fit(losses, forms)


def _fit_kl(ask: Callable, size: _Size) -> _Fit:
    """The KL: only mu and the 4th argument vary, recon stays at its first draw."""
    x, recon, mu, scale = _draws(size)
    losses = _losses(ask, x, recon[:1].expand_as(recon), mu, scale)
    return _fit(losses, {name: terms(mu, scale) for name, terms in READINGS.items()})


def _losses(ask: Callable, x: Tensor, *draws: Tensor) -> Tensor | None:
    """The mean loss of each draw of (recon, mu, 4th argument); None if loss_fn raises."""
    try:
        return torch.stack(
            [ask(recon, x, *code).mean() for recon, *code in zip(*draws, strict=True)]
        )
    except ValueError:
        return None


def _fit(losses: Tensor | None, forms: dict[str, list[Tensor]]) -> _Fit:
    """The form whose terms explain the losses best, by least squares."""
    n_terms = len(next(iter(forms.values())))
    unknown = _Fit("unknown", [math.nan] * n_terms, math.nan)
    if losses is None:
        return unknown
    y = losses.double()[:, None]
    spread = (y - y.mean()).norm()
    noise = 30 * torch.finfo(losses.dtype).eps * y.abs().max()
    fits = []
    for name, terms in forms.items():
        residual, weights = _least_squares(terms, y)
        fits.append((residual, name, weights))
    residual, name, (*weights, constant) = min(fits)
    if spread <= noise:
        return _Fit("absent", [0.0] * n_terms, constant)
    return _Fit(name, weights, constant) if residual <= 1e-3 * spread + noise else unknown


def _least_squares(terms: list[Tensor], y: Tensor) -> tuple[float, list[float]]:
    """How far y [12, 1] is from weighted sums of the terms plus a constant; weights, constant."""
    sums = [term.flatten(1).sum(1) for term in terms]
    table = torch.stack([*sums, torch.ones(len(y)).double()], 1)
    unit = table.norm(dim=0)
    solution = torch.linalg.lstsq(table / unit, y.nan_to_num()).solution / unit[:, None]
    return (table @ solution - y).norm().item(), solution.flatten().tolist()


# ---- calls of the loss ----


def _takes_model(loss_fn: Callable) -> bool:
    """Whether it is called as loss_fn(model, x), and not as loss_fn(recon, x, mu, logvar)."""
    if not callable(loss_fn):
        raise ValueError(f"loss_fn must be a function, got {loss_fn!r}")
    signature = inspect.signature(loss_fn.forward if isinstance(loss_fn, nn.Module) else loss_fn)
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = [p for p in signature.parameters.values() if p.kind not in several]
    needed = [p for p in parameters if p.default is p.empty]
    if len(needed) not in (2, 4) or any(p.kind is p.KEYWORD_ONLY for p in needed):
        raise ValueError(
            f"loss_fn must need (recon, x, mu, logvar) or (model, x), nothing else, got {signature}"
        )
    return len(needed) == 2


def _accepted_form(loss_fn: Callable, takes_model: bool, size: _Size) -> tuple[Callable, list[str]]:
    """`_call` in the first precision and layout that loss_fn takes, and doubts about its value."""
    x, *draws = _draws(size)
    recon, mu, scale = (draw[0] for draw in draws)
    errors = {}
    layouts = (), ("recon",), ("recon", "x")  # many decoders return rows
    for form in product((torch.float64, torch.float32), layouts):
        ask = partial(_call, loss_fn, takes_model, *form)
        try:
            first, second = (ask(recon, x, mu, scale, seed=seed) for seed in (0, 1))
        except ValueError as error:
            errors[form] = error
            continue
        return ask, _doubts(first, second)
    raise errors[torch.float32, ()]  # images in float32: what most people pass


def _doubts(first: Tensor, second: Tensor) -> list[str]:
    """What is wrong with the values of two calls, equal but for the random seed."""
    if not first.isfinite().all():
        return ["it is NaN or infinite: look for the log of 0 and for a division by 0"]
    if not first.equal(second):
        return ["two equal calls differ: it draws at random, this is for one draw"]
    return []


def _call(
    loss_fn: Callable,
    takes_model: bool,
    dtype: torch.dtype,
    as_rows: tuple[str, ...],
    *arguments: Tensor,
    seed: int = 0,
) -> Tensor:
    """The loss of one (recon, x, mu, logvar), as a vector of one value or one per example.

    as_rows: which of "recon" and "x" are passed as [B, n].
    """
    recon, x, mu, logvar = (tensor.to(dtype, copy=True) for tensor in arguments)
    recon = recon.flatten(1) if "recon" in as_rows else recon
    x = x.flatten(1) if "x" in as_rows else x
    given = f"recon {[*recon.shape]}, x {[*x.shape]}, mu and logvar {[*mu.shape]}, {dtype}"
    given = f"a VAE with {given}" if takes_model else given
    model = VAE(nn.Linear(1, 1), nn.Linear(1, 1), latent_dim=mu.shape[1])
    model.encode, model.decode = lambda _: (mu, logvar), lambda _: recon
    torch.default_generator.manual_seed(seed)  # torch.manual_seed is slow: it writes a traceback
    try:
        out = loss_fn(model, x) if takes_model else loss_fn(recon, x, mu, logvar)
    except Exception as error:
        text = f"loss_fn raised {type(error).__name__}: {error}; it was given {given}"
        raise ValueError(text) from error
    loss = _only_loss(out)
    if not _is_loss(loss, len(x)):
        got = getattr(loss, "shape", loss)
        wanted = 'loss_fn must return a number or [B] (in a dict: "loss")'
        raise ValueError(f"{wanted}, got {got}; it was given {given}")
    return loss.detach().flatten()


def _only_loss(out: object) -> object:
    """The loss in what a loss function returns: out itself, out["loss"], or out[0]."""
    if isinstance(out, dict):
        out = out.get("loss")
    elif isinstance(out, (tuple, list)) and out:
        out = out[0]
    return torch.tensor(out, dtype=torch.float64) if isinstance(out, (int, float)) else out


def _is_loss(loss: object, batch_size: int) -> bool:
    """Whether it is a tensor of one float, or of one per example."""
    is_float = isinstance(loss, Tensor) and loss.is_floating_point()
    return is_float and loss.numel() in (1, batch_size)


# ---- findings: what is wrong, what it does, and how to mend it ----

Findings = Iterator[str]


def _likelihood_findings(likelihood: str, takes_model: bool) -> Findings:
    if likelihood == "unknown":
        yield "the reconstruction term is no usual sum or mean over pixels: beta cannot be told"
    if likelihood == "absent":
        yield "nothing depends on recon: the reconstruction term is missing"
    if likelihood == "Bernoulli after two sigmoids":
        yield "a sigmoid goes into a function that has its own: give it the logits"
    if likelihood == "Bernoulli, recon and x swapped":
        yield "recon is scored as if it were the data: swap the first two arguments"
    if takes_model and likelihood == "Bernoulli on probabilities":
        yield "the decoder's logits are taken for probabilities: apply a sigmoid"


def _sign_findings(recon: float, kl: float) -> Findings:
    """What the signs of the two weights say: both should be positive."""
    if recon < 0 and kl < 0:
        yield "this is the ELBO, minimizing it makes the model worse: return −ELBO"
    if recon * kl < 0:
        wrong = "KL" if kl < 0 else "reconstruction"
        yield f"the {wrong} has the wrong sign: minimize −log p(x|z) + KL"


def _kl_findings(reading: str, terms: list[float], at_prior: float) -> Findings:
    """What the relative weights of μ², σ², log σ² and the constant say: all should be 1."""
    mu, var, log, const = terms
    best = log / var if var and log / var > 0 else math.nan  # the variance of the lowest KL
    lowest = f"its minimum per dimension is {(log * (1 - math.log(best)) - const) / 2:.4f}"
    if reading == "unknown":
        yield "the KL term is no weighted ½ (μ² + σ² − 1 − log σ²): beta cannot be told"
    if reading == "absent":
        yield "there is no KL term: nothing depends on mu or logvar, beta is 0"
    if reading == "not used":
        yield "the KL does not depend on the 4th argument, so nothing holds σ at 1"
    if reading == "inconsistent":
        yield f"σ, σ² or their logs are mixed up, {lowest}, not 0: take σ² = exp(logvar)"
    if reading not in READINGS or reading == "inconsistent":
        return
    lacks_half = not close(var, log)
    if lacks_half:
        text = f"μ² and σ² lack the ½ of the KL: {lowest}, at σ² = {best:.3g}"
        yield f"{text}. Write ½ (μ² + σ² − 1 − log σ²)"
    if reading != "log variance":
        yield f"the 4th argument, log σ² in most code, is read as the {reading}"
    if not lacks_half and not close(mu, 1):
        yield f"μ² counts {round(mu, 2) + 0:g} times: give the KL's terms one ½"
    if not lacks_half and not close(const, 1):
        yield f"at the prior the KL is {at_prior:.3g}, not 0: subtract its ½"


def _batch_findings(recon_batch: str, kl_batch: str, batch_size: int) -> Findings:
    kinds = {recon_batch, kl_batch}
    if "sum" in kinds and ("mean" in kinds or "none" in kinds):
        text = "one part is summed over the batch, one is not: beta depends on its size"
        yield f"{text}, here {batch_size}. Treat both alike"


def _beta_findings(recon: _Part, kl_weight: float, n: int, d: int) -> Findings:
    """Why beta is not 1.  n pixels and d dimensions are averaged over, 1 where none are."""
    if n > 1:
        text = f"the mean over {n:,} pixels makes beta {n:,} times as large as it looks"
        yield f"{text}: sum over pixels"
    if d > 1:
        yield f"the mean over {d} latent dimensions makes beta {d} times too small: sum over them"
    if recon.name.startswith("squared error") and _is_twice(recon.weights[0], n):
        yield "the squared error lacks its ½ (or your σ² is ½), which halves beta"
    if _is_twice(kl_weight, d):
        text = "the KL counts twice: beta = 2, or its ½ is missing"
        yield f"{text}; from outside nobody can tell which"


def _is_twice(weight: float, count: int) -> bool:
    """Whether a weight, of a sum or of a mean over `count`, is 2 up to its sign."""
    return 2 in (round(abs(weight), 2), round(abs(weight * count), 2))
