"""Checks of the exercises of notebook 07: the gap of MIG, a Gaussian's total correlation, a matrix that entangles."""

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from .judge import judge_one_number, not_yet, ok, wrong


def check_mig(mig_of_table: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 07: the mutual information gap of (table, entropies), one number.

    table: mutual information [D, K], rows are latent dimensions, columns are factors.  entropies:
    of the factors, [K].
    """
    generator = torch.Generator().manual_seed(7)
    cases = []
    for d, k in (
        (4, 4),
        (6, 3),
        (3, 5),
    ):  # square first: there a wrong axis gives a number, not an error
        entropies = torch.tensor([0.6, 1.1, 2.1, 1.6, 2.9])[:k]
        cases.append((entropies * torch.rand(d, k, generator=generator) ** 2, entropies))
    judge_one_number(
        mig_of_table,
        cases,
        _mistakes_of_mig,
        "a factor that two dimensions tell equally well counts 0, however well they tell it.",
        "for each factor: how far is the best dimension ahead of the next, as a share of what there is to tell?",
        "the score is one number, the mean over the factors",
    )


def _mistakes_of_mig(table: Tensor, entropies: Tensor) -> tuple[float, dict[float, str]]:
    """The mutual information gap, and other numbers with what each shows."""
    d, k = table.shape
    rank, of_rows, whole = (
        tensor.sort(0, True).values for tensor in (table, table.T, table.flatten())
    )
    along_rows = (
        "a gap along the rows: between factors of one dimension. What competes for one factor?"
    )
    gaps = [
        (rank[0] - rank[1], None),
        (of_rows[0] - of_rows[1], along_rows),
        (
            rank[0],
            "nothing is subtracted: two dimensions that tell the same would count as much as one.",
        ),
        (
            rank[0] - rank[1:].mean(0),
            "the mean of the others is subtracted. A strong rival among them hides in it.",
        ),
        (
            rank[0] - table.mean(0),
            "the mean over all dimensions is subtracted, the best included. Who is its rival?",
        ),
        (
            rank[0] - rank[-1],
            "the smallest is subtracted: that is the range. The gap is to the nearest rival.",
        ),
        (rank[1], "this is the second best alone. How far is the best ahead of it?"),
        (rank[1] - rank[0], "the sign is turned around: nothing is ahead of the best."),
        (
            rank[1] - rank[2],
            "this is the gap from the second to the third. Positions are counted from 0.",
        ),
        (
            (whole[0] - whole[1]).expand(k),
            "the two largest of the whole table. Each factor has a best of its own.",
        ),
    ]
    not_divided = "not divided by the entropies: a factor with more to tell counts more. Its share is asked for."
    late = "divided only after averaging: a factor with much entropy outweighs the others. First each one's share."
    total = "a sum over the factors grows with their number. What is the score of one, on average?"
    found = []
    for gap, problem in gaps:
        if len(gap) != k:  # along rows, and as many as dimensions; named where the table is square
            continue
        shares = gap / entropies
        found += [
            (shares.mean(), problem),
            (gap.mean(), problem or not_divided),
            (gap.sum(), problem or f"{not_divided} And a mean, not a sum."),
            *(
                (gap.mean() / whole, problem or late)
                for whole in (entropies.mean(), entropies.sum())
            ),
            (shares.sum(), problem or total),
            (
                shares.sum() / d,
                problem or "divided by the number of dimensions. The mean is over the factors.",
            ),
            (
                shares.median(),
                problem or "this is the median over the factors. The score is their mean.",
            ),
            (
                (gap * entropies).mean(),
                problem or "multiplied by the entropies. A share is a quotient.",
            ),
        ]
    share = (table / entropies).sort(1, True).values
    (right, _), *mistakes = [*found, ((share[:, 0] - share[:, 1]).mean(), along_rows)]
    return right.item(), {value.item(): text for value, text in reversed(mistakes) if text}


def check_total_correlation(total_correlation: Callable[[Tensor], Tensor]) -> None:
    """Notebook 07: the total correlation of a Gaussian in nats, one number, from its covariance [D, D].

    That is the KL divergence from the joint density to the product of its marginal ones.
    """
    generator = torch.Generator().manual_seed(3)
    mixes = [torch.randn(d, d + 1, generator=generator) for d in (3, 5)]
    covariances = [mix @ mix.T / len(mix) + 0.1 * torch.eye(len(mix)) for mix in mixes]
    judge_one_number(
        total_correlation,
        [((each + each.T) / 2,) for each in covariances],
        _mistakes_of_total_correlation,
        "0 for independent dimensions, whatever their variances, and it counts what pairs alone do not show.",
        "the entropies of the dimensions one by one, less that of all of them together. What cancels?",
        "total correlation is one number for all dimensions together",
    )


def _mistakes_of_total_correlation(covariance: Tensor) -> tuple[float, dict[float, str]]:
    """The total correlation of a Gaussian, and other numbers with what each shows."""
    covariance = covariance.double()
    d, variances = len(covariance), covariance.diagonal()
    logs, logdet, off = (
        variances.log().sum(),
        covariance.logdet(),
        ~torch.eye(len(covariance), dtype=torch.bool),
    )
    squared = (covariance.square() / variances / variances[:, None])[off]
    pairs = -0.25 * (1 - squared).log().sum()  # each pair stands twice in `squared`
    right = 0.5 * (logs - logdet)
    sign = "the sign is turned around: this falls as the dependence grows. It is a KL divergence, never below 0."
    half = "a factor ½ is missing. The entropy of a Gaussian has it before the log of its variance."
    one_half = "only one of the two parts has its ½: where the dimensions are independent, they should cancel."
    scale = "the variances of the dimensions are missing: being wide is no dependence. Right for correlations only."
    unit = "this is in bits. Nats have natural logarithms."
    linear = (
        "this adds up squared correlations: about right for weak ones only. Where is the logarithm?"
    )
    covariances = (
        "this adds up squared covariances. They grow with the variances, and dependence does not."
    )
    pairwise = "this adds up pairs. Right for two dimensions; with three or more, pairs share what they know."
    no_log = "there is no logarithm: nats are logs, and entropies of independent dimensions add up."
    lone = (
        "this is one entropy, up to a constant. The dependence is the difference of two: which two?"
    )
    to_prior = "this is the KL to N(0, I): not 0 for independent dimensions of other variances. Which product is meant?"
    constant = d / 2 * math.log(2 * math.pi * math.e)
    mistakes = [
        (-right, sign),
        (2 * right, half),
        (-2 * right, sign),
        (logs - 0.5 * logdet, one_half),
        (0.5 * logs - logdet, one_half),
        (right / math.log(2), unit),
        (2 * right / math.log(2), "this is in bits, and a factor ½ is missing."),
        (right / math.log(10), "this is in logs to base 10. Nats have natural logarithms."),
        (-0.5 * logdet, scale),
        (-logdet, scale),
        (0.5 * logdet, lone),
        (logdet, lone),
        (0.5 * logdet + constant, lone),
        (0.5 * logs, lone),
        (logs, lone),
        (0.5 * logs + constant, lone),
        (
            0.5 * (logs + logdet),
            "the two parts are added. The joint entropy is what is subtracted.",
        ),
        *((factor * squared.sum(), linear) for factor in (0.25, 0.5, 1)),
        *((factor * covariance[off].square().sum(), covariances) for factor in (0.25, 0.5, 1)),
        *((factor * pairs, pairwise) for factor in (1, 2, 4, -1, -2, -4)),
        (squared.sqrt().sum() / 2, linear.replace("squared", "absolute")),
        (squared.sqrt().sum(), linear.replace("squared", "absolute")),
        (variances.prod() / covariance.det(), no_log),
        (variances.prod() - covariance.det(), no_log),
        (0.5 * (variances.prod() - covariance.det()), no_log),
        (0.5 * (variances.sum() - d - logdet), to_prior),
        (
            0.5 * (variances.sum().log() - logdet),
            "the log of a sum of variances. Entropies add up: first the logs, then the sum.",
        ),
        (
            0.5 * (variances.sum() - logdet),
            "the variances are added without their logs. An entropy holds the log of a variance.",
        ),
        (right / d, "this is a mean over the dimensions. All of it is asked for."),
    ]
    return right.item(), {value.item(): text for value, text in reversed(mistakes)}


def check_entangling(matrix: Tensor) -> None:
    """Notebook 07: a matrix R [4, 4] for z → z R that keeps N(0, I), and so every −ELBO, but mixes the dimensions.

    Right: orthogonal to 0.01, and two entries of at least 0.3, of either sign, in each row and in
    each column.
    """
    if matrix is None or matrix is ...:
        return not_yet()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about gradients lost in a list
            r = torch.as_tensor(matrix, dtype=torch.float64, device="cpu").to_dense().detach()
    except Exception:
        return wrong("give the matrix itself: one tensor, 4 rows of 4 numbers.")
    problem = _problem_of_matrix(r) or _problem_of_prior(r) or _problem_of_mixing(r)
    if problem:
        return wrong(problem)
    ok(
        "the same prior and the same −ELBO, once the decoder turns back. Training cannot prefer the axes you name."
    )


def _problem_of_matrix(r: Tensor) -> str | None:
    """What keeps r from being a matrix for codes of 4 numbers, or from changing them; None when nothing does."""
    if r.shape == (2, 2):
        return "this turns a code of two numbers. The codes here have four: what happens to the other two?"
    if r.numel() == 16 and r.shape != (4, 4):
        return f"these are 16 numbers in shape {list(r.shape)}. A matrix has two axes: [4, 4]."
    if r.shape != (4, 4):
        return f"codes of 4 numbers stay codes of 4 numbers: the matrix has shape [4, 4], yours {list(r.shape)}."
    if not torch.isfinite(r).all():
        return "some entries are NaN or infinite."
    if torch.allclose(r, torch.eye(4).double(), rtol=0, atol=0.01):
        return "this is the identity: every code stays where it is, and nothing is mixed."
    return None


def _problem_of_prior(r: Tensor) -> str | None:
    """What r does to the prior N(0, I), [4, 4]; None when it leaves it as it is."""
    gram, eye = r.T @ r, torch.eye(4).double()
    if torch.allclose(gram, eye, rtol=0, atol=0.01):
        return None
    lengths = gram.diagonal().sqrt()
    lost, becomes = torch.linalg.matrix_rank(r, rtol=1e-3) < 4, "The prior would become N(0, RᵀR)"
    if (r >= 0).all() and (r.sum(0) - 1).abs().max() < 0.01 and lengths.max() < 0.99:
        return f"averages: they mix, but independent numbers cancel in part. {becomes}, with variances below 1."
    if lost:
        return f"this cannot be undone: different codes become the same one. {becomes}, flat in some direction."
    if (r[eye == 0].abs() < 1e-6).all():
        return (
            f"a scaling: it stretches and mixes nothing. {becomes}: its variances are no longer 1."
        )
    if (gram / lengths / lengths[:, None] - eye).abs().max() < 0.01:
        lengths = ", ".join(f"{length:.3g}" for length in lengths)
        return f"a rotation and a scaling: the columns are at right angles, but {lengths} long. {becomes}."
    if (
        any(torch.equal(part, r) for part in (r.triu(), r.tril()))
        and (r.diagonal().abs() - 1).abs().max() < 0.01
    ):
        return f"a shear: what it adds to one number, no other gives up. {becomes}: variances grow, numbers correlate."
    i, j = divmod(int((gram - eye).abs().argmax()), 4)
    what = (
        f"the variance of new number {i}"
        if i == j
        else f"the covariance of new numbers {i} and {j}"
    )
    return f"not orthogonal. {becomes}, not N(0, I): {what} is {gram[i, j]:.3g}. What length and angle do columns need?"


def _problem_of_mixing(r: Tensor) -> str | None:
    """What an orthogonal r, [4, 4], leaves unmixed; None when it mixes in every row and column."""
    whole, large = r.abs() > 0.99, r.abs() >= 0.3 - 1e-6
    if whole.any(0).all():
        kept, flips = whole.diagonal().all(), (r[whole] < 0).any()
        does = (
            "flips signs"
            if kept
            else "changes the order and flips signs"
            if flips
            else "changes the order"
        )
        return (
            f"this only {does}. Each new number is still a single old one, so nothing is entangled."
        )
    for axis, text in enumerate(
        ("new number {} is almost an old one", "old number {} goes into one new one only")
    ):
        few = [str(i) for i in range(4) if large.sum(axis)[i] < 2]
        if few:
            return f"orthogonal, so the prior stays. But {text.format(few[0])}, counted from 0. Mix it with another."
    return None
