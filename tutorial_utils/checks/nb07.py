"""Checks of notebook 07: the mutual information gap, total correlation, a matrix that entangles."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .judge import Check, Verdict, named, not_yet, ok, usual_settings, wrong
from .numbers import numbers_of

# ---- the mutual information gap ----


def mig(table: Tensor, entropies: Tensor) -> Tensor:
    """The mutual information gap of (table, entropies), one number.

    table: mutual information [D, K], rows are latent dimensions, columns are factors.  entropies:
    of the factors, [K].
    """
    return _mean_share(_gap(table), entropies)


def _gap(table: Tensor) -> Tensor:
    """How far the largest number of each column is ahead of the next, [K]."""
    ranked = _ranked(table)
    return ranked[0] - ranked[1]


def _ranked(table: Tensor) -> Tensor:
    """The table with each column sorted, the largest number first."""
    return table.sort(0, descending=True).values


def _mean_share(gap: Tensor, entropies: Tensor) -> Tensor:
    return (gap / entropies).mean()


def _entropy_of_shares(table: Tensor) -> Tensor:
    """The entropy of each column, made to add up to 1, [K]."""
    return torch.special.entr(table / table.sum(0)).sum(0)


def _tables() -> Iterator[tuple[Tensor, Tensor]]:
    """Tables and entropies: two are square, for which a wrong axis gives a number, no error."""
    generator = torch.Generator().manual_seed(165)
    for d, k in ((4, 4), (6, 3), (3, 5), (3, 3), (5, 1)):
        entropies = torch.tensor([0.6, 1.1, 2.1, 1.6, 2.9])[:k]
        yield entropies * torch.rand(d, k, generator=generator) ** 2, entropies
    ties = torch.tensor([[0.9, 0.5], [0.9, 0.2], [0.1, 0.1]])  # two dimensions equally informative
    yield ties, torch.tensor([1.0, 1.3])


_ALONG_ROWS = (
    "a gap along the rows: between factors of one dimension. What competes for one factor?"
)
_WRONG_GAPS = named(
    _ALONG_ROWS,
    lambda table: _gap(table.T),
    "nothing is subtracted: two dimensions that say the same would count as much as one.",
    lambda table: table.amax(0),
    "the mean of the others is subtracted. A strong rival among them hides in it.",
    lambda table: table.amax(0) - _ranked(table)[1:].mean(0),
    "the mean over all dimensions is subtracted, the best included. Who is its rival?",
    lambda table: table.amax(0) - table.mean(0),
    "the smallest is subtracted: that is the range. The gap is to the nearest rival.",
    lambda table: table.amax(0) - table.amin(0),
    "the third best is subtracted. Positions are counted from 0.",
    lambda table: _ranked(table)[0] - _ranked(table)[2],
    "this is the second best alone. How far is the best ahead of it?",
    lambda table: _ranked(table)[1],
    "the sign is turned around: nothing is ahead of the best.",
    lambda table: -_gap(table),
    "this is the gap from the second to the third. Positions are counted from 0.",
    lambda table: _gap(_ranked(table)[1:]),
    "these are the two that say least. Which end of the sorted numbers counts?",
    lambda table: _gap(-table),
    "these are the first two dimensions, whatever they say. Which two say most of a factor?",
    lambda table: table[0] - table[1],
    lambda table: (table[0] - table[1]).abs(),
    "the two largest of the whole table. Each factor has a best of its own.",
    lambda table: _gap(table.flatten()).expand(table.shape[1]),
)
_WRONG_MEANS = named(
    "not divided by the entropies: a factor with more to tell counts more. Its share is asked for.",
    lambda gap, entropies: gap.mean(),
    "not divided by the entropies: a factor with more to tell counts more. And a mean, not a sum.",
    lambda gap, entropies: gap.sum(),
    "divided only after averaging: factors with much entropy count more. First each one's share.",
    lambda gap, entropies: gap.mean() / entropies.mean(),
    lambda gap, entropies: gap.mean() / entropies.sum(),
    "divided by the largest entropy, for all. Each factor has one of its own.",
    lambda gap, entropies: gap.mean() / entropies.max(),
    "nats are divided by bits. Table and entropies are in the same unit as they are.",
    lambda gap, entropies: (gap / entropies).mean() * math.log(2),
    lambda gap, entropies: (gap / entropies).mean() / math.log(2),
    "a sum over the factors grows with their number. What is the score of one, on average?",
    lambda gap, entropies: (gap / entropies).sum(),
    "this is the median over the factors. The score is their mean.",
    lambda gap, entropies: (gap / entropies).median(),
    "this is the score of one factor, the worst or the best. The score is the mean over all.",
    lambda gap, entropies: (gap / entropies).min(),
    lambda gap, entropies: (gap / entropies).max(),
    "multiplied by the entropies. A share is a quotient.",
    lambda gap, entropies: (gap * entropies).mean(),
)


def _mistake(gap_of: Callable, mean_of: Callable) -> Callable[[Tensor, Tensor], Tensor]:
    """A score out of a gap for each factor and what is made of the gaps."""
    return lambda table, entropies: mean_of(gap_of(table), entropies)


check_mig = Check(
    "07",
    mig,
    cases=_tables,
    mistakes=[
        *((_mistake(_gap, mean), text) for mean, text in _WRONG_MEANS),
        *named(
            "divided by the number of dimensions. The mean is over the factors.",
            lambda table, entropies: (_gap(table) / entropies).sum() / len(table),
            "divided by what the best dimension says. What is the most that one could say?",
            lambda table, entropies: (_gap(table) / table.amax(0)).mean(),
            "the second as a share of the best: how alike they are. And what could be said of it?",
            lambda table, entropies: (_ranked(table)[1] / table.amax(0)).mean(),
            "divided by what all dimensions say, added up. They may repeat each other.",
            lambda table, entropies: (_gap(table) / table.sum(0)).mean(),
            lambda table, entropies: (_gap(table) / _ranked(table)[:2].sum(0)).mean(),
            "divided by what the second best says: far ahead of nothing may still be a small gap.",
            lambda table, entropies: (_gap(table) / _ranked(table)[1]).mean(),
            lambda table, entropies: (_ranked(table)[0] / _ranked(table)[1]).mean(),
            "divided by an entropy of the table's numbers. It is the factor's that bounds them.",
            lambda table, entropies: (_gap(table) / _entropy_of_shares(table)).mean(),
            "this is how evenly dimensions share a factor, as DCI measures it, not a gap.",
            lambda table, entropies: 1 - _entropy_of_shares(table).mean() / math.log(len(table)),
            "divided by a logarithm of how many there are: right for equally likely values only.",
            lambda table, entropies: _gap(table).mean() / math.log(len(table)),
            _ALONG_ROWS,
            lambda table, entropies: _gap((table / entropies).T).mean(),
            lambda table, entropies: (_gap(table.T) / table.amax(1)).mean(),
        ),
        *((_mistake(gap, _mean_share), text) for gap, text in _WRONG_GAPS),
        *((_mistake(gap, mean), text) for gap, text in _WRONG_GAPS for mean, _ in _WRONG_MEANS),
    ],
    praise="a factor counts 0 when two dimensions are equally informative about it.",
    hint="for each factor: how far is the best dimension ahead of the next, as a share of the "
    "factor's entropy?",
    form="the score is one number, the mean over the factors",
)

# ---- the total correlation of a Gaussian ----


def total_correlation(covariance: Tensor) -> Tensor:
    """The total correlation of a Gaussian in nats, one number, from its covariance [D, D].

    That is the KL divergence from the joint density to the product of its marginal ones.
    """
    return 0.5 * (_sum_of_logs(covariance) - covariance.logdet())


def _sum_of_logs(covariance: Tensor) -> Tensor:
    """The logs of the variances, added up."""
    return covariance.diagonal().log().sum()


def _off_diagonal(matrix: Tensor) -> Tensor:
    """All entries but the diagonal ones: each pair of dimensions twice."""
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def _squared_correlations(covariance: Tensor) -> Tensor:
    variances = covariance.diagonal()
    return _off_diagonal(covariance.square() / variances / variances[:, None])


def _of_pairs(covariance: Tensor) -> Tensor:
    """The total correlations of all pairs of dimensions, added up."""
    return -0.25 * (1 - _squared_correlations(covariance)).log().sum()


def _entropy_constant(covariance: Tensor) -> float:
    return len(covariance) / 2 * math.log(2 * math.pi * math.e)


def _covariances() -> Iterator[tuple[Tensor]]:
    generator = torch.Generator().manual_seed(125)
    for d in (3, 5, 2):
        mix = torch.randn(d, d + 1, generator=generator)
        covariance = mix @ mix.T / d + 0.1 * torch.eye(d)
        yield ((covariance + covariance.T) / 2,)


def _times(function: Callable, *factors: float) -> list[Callable]:
    return [lambda covariance, f=factor: f * function(covariance) for factor in factors]


check_total_correlation = Check(
    "07",
    total_correlation,
    cases=_covariances,
    mistakes=named(
        "the sign is turned around: this falls as the dependence grows. A KL is never below 0.",
        *_times(total_correlation, -1, -2),
        "a factor ½ is missing. The entropy of a Gaussian has it before the log of its variance.",
        *_times(total_correlation, 2),
        "only one of the two parts has its ½: for independent dimensions, they should cancel.",
        lambda c: _sum_of_logs(c) - 0.5 * c.logdet(),
        lambda c: 0.5 * _sum_of_logs(c) - c.logdet(),
        lambda c: 0.25 * _sum_of_logs(c) - 0.5 * c.logdet(),
        "a ½ too many. The entropy of a Gaussian has one before the log of its variance.",
        *_times(total_correlation, 0.5),
        "this is in bits. Nats have natural logarithms.",
        *_times(total_correlation, 1 / math.log(2)),
        "this is in bits, and a factor ½ is missing.",
        *_times(total_correlation, 2 / math.log(2)),
        "this is in logs to base 10. Nats have natural logarithms.",
        *_times(total_correlation, 1 / math.log(10)),
        "the variances of the dimensions are missing: this is right for correlations only.",
        *_times(torch.logdet, -0.5, -1),
        "this is one entropy, up to a constant. The dependence is a difference of two: which two?",
        *_times(torch.logdet, 0.5, 1),
        lambda c: 0.5 * c.logdet() + _entropy_constant(c),
        *_times(_sum_of_logs, 0.5, 1),
        lambda c: 0.5 * _sum_of_logs(c) + _entropy_constant(c),
        "the two parts are added. The joint entropy is what is subtracted.",
        lambda c: 0.5 * (_sum_of_logs(c) + c.logdet()),
        "this adds up squared correlations: right for weak ones only. Where is the logarithm?",
        *_times(lambda c: _squared_correlations(c).sum(), 0.25, 0.5, 1),
        "this adds up squared covariances. They grow with the variances, and dependence does not.",
        *_times(lambda c: _off_diagonal(c).square().sum(), 0.25, 0.5, 1),
        "this adds up pairs. Right for two dimensions; with more, pairs share what they know.",
        *_times(_of_pairs, 1, 2, 4, -1, -2, -4),
        "this is what one pair shares, on average or at most. All of it is asked for.",
        lambda c: 2 * _of_pairs(c) / len(c) / (len(c) - 1),
        lambda c: -0.5 * (1 - _squared_correlations(c).amax()).log(),
        "this adds up absolute correlations. Where is the logarithm?",
        *_times(lambda c: _squared_correlations(c).sqrt().sum(), 0.5, 1),
        "there is no logarithm: nats are logs, and entropies of independent dimensions add up.",
        lambda c: c.diagonal().prod() / c.det(),
        lambda c: c.diagonal().prod() - c.det(),
        lambda c: 0.5 * (c.diagonal().prod() - c.det()),
        lambda c: 1 - c.det() / c.diagonal().prod(),
        "this is the KL to N(0, I): it counts variances other than 1 too. Which product is meant?",
        lambda c: 0.5 * (c.trace() - len(c) - c.logdet()),
        "this is a KL, the other way round: the product is measured with the joint. Which is true?",
        lambda c: (
            0.5 * ((c.inverse() @ c.diagonal().diag()).trace() - len(c)) - total_correlation(c)
        ),
        "0 would be independence. These dimensions depend on each other.",
        lambda c: 0.0,
        "a constant is left over. Each dimension's entropy has it, and that of all as often.",
        *(
            lambda c, n=n: total_correlation(c) + n(len(c)) / len(c) * _entropy_constant(c)
            for n in (lambda d: d, lambda d: -d, lambda d: d - 1, lambda d: 1 - d, lambda d: 1)
        ),
        lambda c: total_correlation(c) + len(c) / 2 * math.log(2 * math.pi),
        "the log of a sum of variances. Entropies add up: first the logs, then the sum.",
        lambda c: 0.5 * (c.trace().log() - c.logdet()),
        "the variances are added without their logs. An entropy holds the log of a variance.",
        lambda c: 0.5 * (c.trace() - c.logdet()),
        "this is a mean over the dimensions. All of it is asked for.",
        lambda c: total_correlation(c) / len(c),
        lambda c: 0.5 * (c.diagonal().log().mean() - c.logdet()),
        lambda c: 0.5 * (_sum_of_logs(c) - c.logdet() / len(c)),
    ),
    praise="0 for independent dimensions, whatever their variances. It counts more than pairs.",
    hint="the entropies of the dimensions one by one, less that of all together. What cancels?",
    form="total correlation is one number for all dimensions together",
)

# ---- a matrix that entangles: a function, because many matrices are right ----


@usual_settings()
def check_entangling(matrix: Tensor) -> Verdict:
    """Notebook 07: A matrix R [4, 4] for z → z R that mixes the dimensions and keeps N(0, I).

    So it keeps every −ELBO too.  Right: orthogonal to 0.01, and at least two entries of 0.01 or
    more, of either sign, in each column.
    """
    if matrix is None or matrix is ...:
        return not_yet()
    try:
        r = numbers_of(matrix).detach()
    except Exception:
        return wrong("give the matrix itself: one tensor, 4 rows of 4 numbers.")
    problem = _problem_of_matrix(r) or _problem_of_prior(r) or _problem_of_mixing(r)
    if problem:
        return wrong(problem)
    return ok(
        "the same prior and the same −ELBO, once the decoder rotates back. "
        "Training cannot prefer the axes you name."
    )


def _problem_of_matrix(r: Tensor) -> str | None:
    """What keeps r from being a matrix that changes codes of 4 numbers; None when nothing does."""
    shape = list(r.shape)
    if shape == [2, 2]:
        return "this is for codes of two numbers. The codes here have four: what of the other two?"
    if r.numel() == 16 and shape != [4, 4]:
        return f"these are 16 numbers in shape {shape}. A matrix has two axes: [4, 4]."
    if shape != [4, 4]:
        return f"codes of 4 numbers stay so: the matrix has shape [4, 4], yours {shape}."
    if not torch.isfinite(r).all():
        return "some entries are NaN, infinite or complex."
    if torch.allclose(r, torch.eye(4).double(), rtol=0, atol=0.01):
        return "this is the identity, up to weights below 0.01: nothing is mixed."
    return None


def _problem_of_prior(r: Tensor) -> str | None:
    """What r does to the prior N(0, I), [4, 4]; None when it leaves it as it is."""
    gram, eye = r.T @ r, torch.eye(4).double()
    if torch.allclose(gram, eye, rtol=0, atol=0.01):
        return None
    becomes = "The prior would become N(0, RᵀR)"
    lengths = gram.diagonal().sqrt()
    right_angles = (gram / lengths / lengths[:, None] - eye).abs().max() < 0.01
    triangular = torch.equal(r.triu(), r) or torch.equal(r.tril(), r)
    if (r >= 0).all() and (r.sum(0) - 1).abs().max() < 0.01 and lengths.max() < 0.99:
        what = "averages: they mix, but independent numbers cancel in part."
        return f"{what} {becomes}, with variances below 1."
    if torch.linalg.matrix_rank(r, rtol=1e-3) < 4:
        what = "this cannot be undone: different codes become the same one."
        return f"{what} {becomes}, flat in some direction."
    if (r[eye == 0].abs() < 1e-6).all():
        return f"a scaling: it stretches and mixes nothing. {becomes}: its variances are not 1."
    if right_angles:
        long = ", ".join(f"{length:.3g}" for length in lengths)
        what = f"a rotation and a scaling: the columns are at right angles, but {long} long."
        return f"{what} {becomes}."
    if triangular and (r.diagonal().abs() - 1).abs().max() < 0.01:
        what = "a shear: what it adds to one number, no other gives up."
        return f"{what} {becomes}: variances grow, numbers correlate."
    i, j = divmod(int((gram - eye).abs().argmax()), 4)
    what = f"variance of new number {i}" if i == j else f"covariance of new numbers {i} and {j}"
    how = f"the {what} is {gram[i, j]:.3g}. What length and angle do columns need?"
    return f"not orthogonal. {becomes}, not N(0, I): {how}"


def _problem_of_mixing(r: Tensor) -> str | None:
    """What an orthogonal r, [4, 4], leaves unmixed; None when each new number mixes old ones."""
    weights = r.abs() >= 0.01
    single = weights.sum(0) < 2
    if single.all():
        moves = [] if weights.diagonal().all() else ["changes the order"]
        flips = ["flips signs"] if (r[weights] < 0).any() else []
        does = " and ".join(moves + flips)
        return f"this only {does}. Each new number is still a single old one: nothing is entangled."
    if single.any():
        what = f"new number {int(single.int().argmax())}, counted from 0, is a single old one"
        return (
            f"orthogonal, so the prior stays. But {what} up to tiny weights. Mix it with another."
        )
    return None
