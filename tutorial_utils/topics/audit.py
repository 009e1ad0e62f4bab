"""Audit of a VAE loss (notebook 03): what it sums and averages, and its effective beta."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

import torch

from ..support.arguments import positive_int
from ..training import local_seed
from .loss_calls import MODEL, PLAIN, LossCall, accepted_call
from .loss_fits import SWAPPED, Part, Size, fit_parts, ordinary, tiled

close = partial(math.isclose, rel_tol=0.01, abs_tol=0.01)


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
        sizes = [Size(b, shape, dims, binary) for b in batches for binary in (False, True)]
        drawn = [[tiled(ordinary(s, seed), s) for seed in (1, 2)] for s in sizes]
        call, place = accepted_call(loss_fn, drawn)
        by = _reductions(call, sizes[place], batch_size)
        return _report(call, by, drawn[place])


# ---- reduce: the same loss, with more of something ----


class _Reductions(NamedTuple):
    """Both parts at the size asked for, and how they are reduced.

    axes: of the reconstruction, over each axis of x; hidden: those over which it alone is averaged.
    per_batch: what beta is multiplied by if the batch doubles.  per_pixel, per_dimension: by how
    much the constants grow, relative to the weight of the reconstruction, and the KL's largest.
    """

    size: Size
    recon: Part
    kl: Part
    batch: list[str]
    axes: list[str]
    hidden: list[int]
    latent: str
    per_batch: float
    per_pixel: float
    per_dimension: float


def _reductions(call: LossCall, size: Size, batch_size: int) -> _Reductions:
    """How both parts are reduced, from what they weigh where there is more of something.

    Where a size is written out in the loss, nothing can grow: then it is a sum or a mean if that
    makes beta a plain number, and else unknown.
    """
    fit, given = cache(partial(fit_parts, call)), size._replace(batch=batch_size)
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
        axes.append(label)
        if label == "mean" and _label(growth[1], 1, n / (2 * n + 1)) != "mean":
            hidden.append(axis)
            beta /= n
        if label == "sum":
            more = (math.prod(longer) - math.prod(size.shape)) * before[0].weights[0]
            per_pixel = _ratio(after[0].constant - before[0].constant, more)
    written = [axis for axis, label in enumerate(axes) if label == "unknown"]
    n = math.prod(size.shape[axis] for axis in written)
    label = _plain(beta, beta / n)
    axes = [label if axis in written else known for axis, known in enumerate(axes)]
    if label == "mean":
        hidden, beta = sorted(hidden + written), beta / n
    _, few = fit(size)
    latent = _label(_growth(fit(size), deeper)[1], 1, 1 / 2)
    more = size.dims * max(few.weights, key=abs)
    return _Reductions(
        given,
        *many,
        batch=[_label(growth, 2, 1) for growth in twice],
        axes=axes,
        hidden=hidden,
        latent=_plain(beta, beta * size.dims) if latent == "unknown" else latent,
        per_batch=_ratio(twice[1], twice[0]),
        per_pixel=per_pixel,
        per_dimension=_ratio(deeper[1].constant - few.constant, more),
    )


def _ratio(after: float, before: float) -> float:
    return after / before if before else math.nan


def _growth(before: tuple[Part, Part], after: tuple[Part, Part]) -> list[float]:
    """What the weights of both parts are multiplied by."""
    return [
        _ratio(sum(map(abs, b.weights)), sum(map(abs, a.weights)) if a.known else math.nan)
        for a, b in zip(before, after, strict=True)
    ]


def _label(change: float, if_sum: float, if_mean: float) -> str:
    """How a part is reduced over what has grown."""
    return "sum" if close(change, if_sum) else "mean" if close(change, if_mean) else "unknown"


def _plain(if_sum: float, if_mean: float) -> str:
    """Which beta is ½, 1 or 2, those of losses without a weight; "unknown" if neither is."""
    plain = [any(close(abs(beta), number) for number in (0.5, 1, 2)) for beta in (if_sum, if_mean)]
    return "sum" if plain[0] else "mean" if plain[1] else "unknown"


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
    if math.isnan(best):
        yield "log σ² has the wrong sign: this KL has no minimum. Write ½ (μ² + σ² − 1 − log σ²)"
        return
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
    if math.isnan(beta) or close(beta, 1) or beta == 0:
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
