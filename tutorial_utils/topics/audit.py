"""Audit of a VAE loss (notebook 03): what it sums and averages, and its effective beta."""

import inspect
import math
from collections.abc import Callable, Sequence
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
on_logits, on_means = (
    partial(f, reduction="none") for f in (binary_cross_entropy_with_logits, binary_cross_entropy)
)
LIKELIHOODS = {  # what a pixel costs, in nats; errors are those of unit variance and unit scale
    "Bernoulli on logits": lambda r, x: [on_logits(r, x)],
    "Bernoulli on probabilities": lambda r, x: [on_means(r, x)],
    "squared error": lambda r, x: [(r - x) ** 2 / 2],
    "absolute error": lambda r, x: [(r - x).abs()],
    "squared error after a sigmoid": lambda r, x: [(r.sigmoid() - x) ** 2 / 2],
    "Bernoulli after two sigmoids": lambda r, x: [on_logits(r.sigmoid(), x)],
    "Bernoulli, recon and x swapped": lambda r, x: [on_means(x, r)],
}
READINGS = {  # how the 4th argument s is read, and the terms of the KL of one dimension, without its constant -1/2
    "log variance": lambda m, s: [m**2 / 2, s.exp() / 2, -s / 2],
    "log standard deviation": lambda m, s: [m**2 / 2, (2 * s).exp() / 2, -s],
    "standard deviation": lambda m, s: [m**2 / 2, s**2 / 2, -s.log()],
    "variance": lambda m, s: [m**2 / 2, s / 2, -s.log() / 2],
    "mean, swapped with the 3rd": lambda m, s: [s**2 / 2, m.exp() / 2, -m / 2],
    "inconsistent": lambda m, s: [m**2 / 2, (s / 2).exp() / 2, -s / 4],  # σ, not σ²
}


class LossAudit(NamedTuple):
    """What `audit_loss` found; print it to read it.  What cannot be told is "unknown" or NaN.

    likelihood: what a pixel costs.  pixels, latent, recon_batch, kl_batch: "sum" or "mean" over
    them, or "none", one value per example.  scale_parameter: how the 4th argument is read.
    kl_at_prior: per dimension, were the KL's weight 1 (a mean hides an error of its constant).
    effective_beta: weight of one nat of KL / of one of reconstruction.
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
        lines = [
            f"reconstruction  {self.likelihood} · over pixels: {self.pixels} · over the batch: {self.recon_batch}",
            f"KL              over latent dimensions: {self.latent} · over the batch: {self.kl_batch}",
            f"4th argument    {self.scale_parameter} · KL at the prior: {self.kl_at_prior:.4g} nats per dimension",
            f"effective beta  {self.effective_beta:,.4g} = weight of a nat of KL / weight of a nat of reconstruction",
        ]
        return "\n".join(
            lines + ([f"✗ {text}" for text in self.findings] or ["✓ nothing to report"])
        )


def audit_loss(
    loss_fn: Callable,
    *,
    shape: Sequence[int] = (1, 28, 28),
    latent_dim: int = 20,
    batch_size: int = 16,
) -> LossAudit:
    """What a VAE's loss sums and averages, and its effective beta, found by calling it: print the answer.

    loss_fn: `loss_fn(recon, x, mu, logvar)`, or `loss_fn(model, x)` like `negative_elbo`; what else
    it takes has defaults.  It returns a number, one value per example, a tuple that starts with it,
    or a dict with "loss". shape: of one example x.  Made for a sum over pixels plus one over latent
    dimensions, with any weights: a capacity or free bits are "unknown".  Raises ValueError if
    loss_fn does, or takes or returns anything else.
    """
    if not isinstance(shape, Sequence) or not shape:
        raise ValueError(f"shape must be that of one example, such as (1, 28, 28), got {shape!r}")
    shape, d = (
        tuple(positive_int("shape", side) for side in shape),
        positive_int("latent_dim", latent_dim),
    )
    b, n, takes_model = (
        positive_int("batch_size", batch_size),
        math.prod(shape),
        _takes_model(loss_fn),
    )
    wide = tuple(
        2 * side + 1 if axis == shape.index(max(shape)) else side for axis, side in enumerate(shape)
    )
    odd = b + (
        b % max(shape) == 0
    )  # so that x.view(-1, n) fails on wide images, and takes them for no larger batch
    with local_seed(0):
        ask, doubts = _accepted_form(loss_fn, takes_model, *_draws(b, shape, d))
        cost, (recon,), recon_batch, pixels, _ = _weigh(ask, False, (b, shape, d), (odd, wide, d))
        reading, weights, kl_batch, latent, growth = _weigh(
            ask, True, (b, shape, d), (b, shape, 2 * d)
        )
        kl_over_pixels = _reduction(
            *(_fit(ask, True, odd, one, d)[1] for one in (shape, wide)), math.prod(wide) / n
        )
    weights.append(
        -2 * growth / (b * d) if latent == "sum" and math.isfinite(growth) else weights[2]
    )
    sign, largest = math.copysign(1, sum(weights)), max(weights, key=abs)
    # The second smallest is what most of the four terms weigh, or the last two of them.
    _smallest, second_smallest, *_larger = sorted(sign * weight for weight in weights)
    kl = sign * second_smallest
    kl = kl if abs(kl) > 1e-6 * abs(largest) else largest
    terms = [weight / kl if kl else math.nan for weight in weights]
    if (
        reading in READINGS
        and not close(terms[1], terms[2])
        and not all(map(close, terms, (2, 2, 1, 1)))
    ):
        reading = "inconsistent"
    elif reading in READINGS and close(terms[1], 0):
        reading = "not used"
    beta = 0.0 if kl == 0 else kl / recon if recon else math.inf
    beta *= (b if kl_batch == "sum" else 1) / (b if recon_batch == "sum" else 1)
    at_prior = round((terms[1] - terms[3]) / 2, 6) + 0.0
    audit = LossAudit(cost, pixels, latent, recon_batch, kl_batch, reading, at_prior, beta, ())
    n = (
        n
        if pixels == "mean"
        and kl_over_pixels != "mean"
        and not (close(recon, 1) or close(recon, 2))
        else 1
    )
    doubts += _findings(audit, recon, terms, kl, b, n, d if latent == "mean" else 1, takes_model)
    return audit._replace(findings=tuple(doubts))


def _takes_model(loss_fn: Callable) -> bool:
    """Whether it is called as loss_fn(model, x), and not as loss_fn(recon, x, mu, logvar)."""
    if not callable(loss_fn):
        raise ValueError(f"loss_fn must be a function, got {loss_fn!r}")
    signature = inspect.signature(loss_fn.forward if isinstance(loss_fn, nn.Module) else loss_fn)
    needed = [p for p in signature.parameters.values() if p.default is p.empty and str(p)[0] != "*"]
    if len(needed) not in (2, 4) or any(p.kind is p.KEYWORD_ONLY for p in needed):
        raise ValueError(
            f"loss_fn must need (recon, x, mu, logvar) or (model, x), nothing else, got {signature}"
        )
    return len(needed) == 2


def _draws(b: int, shape: tuple[int, ...], d: int) -> tuple[Tensor, ...]:
    """x, and twelve each of recon, all in (0, 1), of mu, and of a 4th argument above 0: legal however they are read."""
    rand = partial(torch.rand, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, (low, high, near) = 0.1 + 0.8 * rand(b, *shape), rand(3, 12, 1, *[1] * len(shape))
    recon = 0.05 + 0.9 * (near * x + (1 - near) * (low + (high - low) * rand(12, b, *shape)))
    size, low, high = rand(
        3, 12, 1, 1
    )  # each of the twelve has its own spread: no two terms have sums that vary alike
    return (
        x,
        recon,
        4 * size * (rand(12, b, d) - 0.4),
        0.1 + 4 * (low + (high - low) * rand(12, b, d)),
    )


def _call(
    loss_fn: Callable, takes_model: bool, dtype: torch.dtype, rows: tuple, *probe: Tensor, seed=0
) -> Tensor:
    """The loss of one probe (recon, x, mu, logvar), as a vector of one or b values."""
    recon, x, mu, logvar = (tensor.to(dtype, copy=True) for tensor in probe)
    recon, x = (
        tensor.flatten(1) if flat else tensor for tensor, flat in zip((recon, x), rows, strict=True)
    )
    given = f"{'a VAE with ' * takes_model}recon {[*recon.shape]}, x {[*x.shape]}, mu and logvar {[*mu.shape]}, {dtype}"
    model = VAE(nn.Linear(1, 1), nn.Linear(1, 1), latent_dim=mu.shape[1])
    model.encode, model.decode = lambda _: (mu, logvar), lambda _: recon
    torch.default_generator.manual_seed(
        seed
    )  # without the traceback that torch.manual_seed writes each time
    try:
        out = loss_fn(model, x) if takes_model else loss_fn(recon, x, mu, logvar)
    except Exception as error:
        raise ValueError(
            f"loss_fn raised {type(error).__name__}: {error}; it was given {given}"
        ) from error
    out = (
        out.get("loss")
        if isinstance(out, dict)
        else out[0]
        if isinstance(out, (tuple, list)) and out
        else out
    )
    out = torch.tensor(out, dtype=torch.float64) if isinstance(out, (int, float)) else out
    if not isinstance(out, Tensor) or not out.is_floating_point() or out.numel() not in (1, len(x)):
        got = getattr(out, "shape", out)
        raise ValueError(
            f'loss_fn must return a number or [B] (in a dict: "loss"), got {got}; it was given {given}'
        )
    return out.detach().flatten()


def _accepted_form(
    loss_fn: Callable, takes_model: bool, x: Tensor, *draws: Tensor
) -> tuple[Callable, list[str]]:
    """`_call` in the first precision and layout that loss_fn takes (many want recon in rows), and doubts about it."""
    (recon, mu, scale), errors = [draw[0] for draw in draws], []
    for form in product(
        (torch.float64, torch.float32), ((False, False), (True, False), (True, True))
    ):
        ask = partial(_call, loss_fn, takes_model, *form)
        try:
            first, second = (ask(recon, x, mu, scale, seed=seed) for seed in (0, 1))
        except ValueError as error:
            errors.append(error)
            continue
        bad = (
            []
            if first.isfinite().all()
            else ["it is NaN or infinite: look for the log of 0 and for a division by 0"]
        )
        odd = (
            []
            if bad or first.equal(second)
            else ["two equal calls differ: it draws at random, this is for one draw"]
        )
        return ask, bad + odd
    raise errors[3]  # images in float32: what most people pass


def _weigh(ask: Callable, code: bool, size: tuple, larger: tuple) -> tuple:
    """The part of the loss that depends on recon, or on mu and logvar (code), at size (batch, shape, latent_dim).

    Returns its name, the weights of its terms in the loss of one example, how it is reduced over
    the batch, and over what there is more of in `larger`, and how much larger its constant is
    there.
    """
    (b, shape, d), (name, weights, constant) = size, _fit(ask, code, *size)
    double, (_, grown, new_constant) = _fit(ask, code, 2 * b, shape, d)[1], _fit(ask, code, *larger)
    x, *draws = _draws(*size)
    mixed = [
        torch.cat([draw[1, :1], draw[0, 1:]]) if code == (i > 0) else draw[0]
        for i, draw in enumerate(draws)
    ]
    before, after = (
        ask(recon, x, *codes) for recon, *codes in ([draw[0] for draw in draws], mixed)
    )
    own = len(before) > 1 and before[1:].equal(
        after[1:]
    )  # another first example changes the first value only
    batch = _reduction(weights, double, 2)
    scale, large_scale = (
        1 if batch == "sum" else one[0] for one in (size, larger)
    )  # to the loss of one example
    weights, grown = (
        [scale * weight for weight in weights],
        [large_scale * weight for weight in grown],
    )
    extent = _reduction(weights, grown, math.prod(larger[1]) * larger[2] / (math.prod(shape) * d))
    typical = sum(map(abs, weights)) / len(weights)
    if (
        extent == "unknown" and typical > 0
    ):  # loss_fn has a size written out: sum or mean, which weight is closer to 1?
        kinds = ("sum", typical), ("mean", typical * (d if code else math.prod(shape)))
        extent = min(kinds, key=lambda kind: abs(math.log(kind[1])))[0]
    return (
        name,
        weights,
        "none" if own and batch == "mean" else batch,
        extent,
        scale * (new_constant - constant),
    )


def _reduction(before: Sequence[float], after: Sequence[float], times: float) -> str:
    """How a part is reduced over what there is `times` as much of, from its weights before and after."""
    before, after = (sum(map(abs, weights)) for weights in (before, after))
    kinds = (("sum", 1), ("mean", times)) if before else ()
    return next(
        (kind for kind, k in kinds if close(k * after / before, 1)),
        "unknown" if before else "absent",
    )


def _fit(ask: Callable, code: bool, *size) -> tuple[str, Sequence[float], float]:
    """Which terms make up a part of the loss, by least squares: their name, their weights, a constant.

    The name is "absent" if the part does not vary, "unknown" if no terms fit or loss_fn takes no
    such size.
    """
    x, recon, mu, scale = _draws(*size)
    unknown = "unknown", [math.nan] * (3 if code else 1), math.nan
    # Of the arguments, only those of this part vary; the others stay at their first draw.
    recons = recon[:1].expand_as(recon) if code else recon
    mus, scales = (mu, scale) if code else (mu[:1].expand_as(mu), scale[:1].expand_as(scale))
    try:
        losses = [ask(*probe).mean() for probe in zip(recons, [x] * 12, mus, scales, strict=True)]
        values = torch.stack(losses)
    except ValueError:
        return unknown
    y, fits = values.double()[:, None], []
    noise, spread = 30 * torch.finfo(values.dtype).eps * y.abs().max(), (y - y.mean()).norm()
    for name, terms in (READINGS if code else LIKELIHOODS).items():
        columns = terms(mu, scale) if code else terms(recon, x.expand_as(recon))
        table = torch.stack(
            [*(column.flatten(1).sum(1) for column in columns), torch.ones(12).double()], 1
        )
        unit = table.norm(dim=0)
        solution = torch.linalg.lstsq(table / unit, y.nan_to_num()).solution / unit[:, None]
        fits.append(((table @ solution - y).norm().item(), name, solution.flatten().tolist()))
    residual, name, (*weights, constant) = min(fits)
    if spread <= noise:
        return "absent", [0.0 for _ in weights], constant
    return (name, weights, constant) if residual <= 1e-3 * spread + noise else unknown


def _findings(audit, recon, terms, kl, b, n, d, takes_model) -> list[str]:
    """What is wrong, what it does, what mends it; n pixels and d dimensions are averaged, where that matters."""
    cost, reading, at_prior, (mu, var, log, const) = (
        audit.likelihood,
        audit.scale_parameter,
        audit.kl_at_prior,
        terms,
    )
    batch, off = (audit.recon_batch, audit.kl_batch), not close(abs(audit.effective_beta), 1)
    clear = reading in READINGS and reading != "inconsistent"  # or unknown, absent, not used
    half = clear and not close(var, log)
    best = (
        log / var if var and log / var > 0 else math.nan
    )  # the variance at which the KL is lowest
    lowest = f"its minimum per dimension is {(log * (1 - math.log(best)) - const) / 2:.4f}"
    mixed = "sum" in batch and ("mean" in batch or "none" in batch)
    recon_twice, kl_twice = (
        {2} & {round(abs(w), 2), round(abs(w * k), 2)} for w, k in ((recon, n), (kl, d))
    )
    rules = (
        (
            cost == "unknown",
            "the reconstruction term is no usual sum or mean over pixels: beta cannot be told",
        ),
        (cost == "absent", "nothing depends on recon: the reconstruction term is missing"),
        ("two" in cost, "a sigmoid goes into a function that has its own: give it the logits"),
        ("swapped" in cost, "recon is scored as if it were the data: swap the first two arguments"),
        (
            takes_model and "prob" in cost,
            "the decoder's logits are taken for probabilities: apply a sigmoid",
        ),
        (
            recon < 0 and kl < 0,
            "this is the ELBO, minimizing it makes the model worse: return −ELBO",
        ),
        (
            recon * kl < 0,
            f"the {'KL' if kl < 0 else 'reconstruction'} has the wrong sign: minimize −log p(x|z) + KL",
        ),
        (
            reading == "unknown",
            "the KL term is no weighted ½ (μ² + σ² − 1 − log σ²): beta cannot be told",
        ),
        (reading == "absent", "there is no KL term: nothing depends on mu or logvar, beta is 0"),
        (
            reading == "not used",
            "the KL does not depend on the 4th argument, so nothing holds σ at 1",
        ),
        (
            half,
            f"μ² and σ² lack the ½ of the KL: {lowest}, at σ² = {best:.3g}. Write ½ (μ² + σ² − 1 − log σ²)",
        ),
        (
            reading == "inconsistent",
            f"σ, σ² or their logs are mixed up, {lowest}, not 0: take σ² = exp(logvar)",
        ),
        (
            clear and reading != "log variance",
            f"the 4th argument, log σ² in most code, is read as the {reading}",
        ),
        (
            clear and not half and not close(mu, 1),
            f"μ² counts {round(mu, 2) + 0:g} times: give the KL's terms one ½",
        ),
        (
            clear and not half and not close(const, 1),
            f"at the prior the KL is {at_prior:.3g}, not 0: subtract its ½",
        ),
        (
            mixed,
            f"one part is summed over the batch, one is not: beta depends on its size, here {b}. Treat both alike",
        ),
        (
            off and n > 1,
            f"the mean over {n:,} pixels makes beta {n:,} times as large as it looks: sum over pixels",
        ),
        (
            off and d > 1,
            f"the mean over {d} latent dimensions makes beta {d} times too small: sum over them",
        ),
        (
            off and "squ" in cost and recon_twice,
            "the squared error lacks its ½ (or your σ² is ½), which halves beta",
        ),
        (
            off and kl_twice,
            "the KL counts twice: beta = 2, or its ½ is missing; from outside nobody can tell which",
        ),
    )
    return [text for found, text in rules if found]
