"""Checks of notebook 07: right answers in every form, and laws that they obey."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, OK, WRONG, every_right, every_wrong, given_by
from torch.distributions import MultivariateNormal, kl_divergence

from tutorial_utils.checks.nb07 import check_entangling, check_mig, check_total_correlation
from tutorial_utils.topics.disentanglement import entropies as entropies_of
from tutorial_utils.topics.disentanglement import mig as mig_of_codes
from tutorial_utils.topics.disentanglement import mutual_information

# ---- the mutual information gap ----


def _gap(table, axis=0):
    first, second = table.topk(2, dim=axis).values.unbind(axis)
    return first - second


mig = check_mig.right


RIGHT_MIGS = {
    "topk": lambda t, h: (_gap(t) / h).mean(),
    "numpy": lambda t, h: (np.diff(np.sort(t.numpy(), 0), axis=0)[-1] / h.numpy()).mean(),
    "shares first": lambda t, h: _gap(t / h).mean(),
    "sum over K": lambda t, h: (_gap(t) / h).sum() / len(h),
    "transposed": lambda t, h: (_gap(t.T, axis=1) / h).mean(),
    "sorted in place": lambda t, h: ((t.copy_(t.sort(0).values)[-1] - t[-2]) / h).mean(),
}
WRONG_MIGS = {
    "each factor": (lambda t, h: _gap(t) / h, "shape [4]"),
    "along rows, stops later": (lambda t, h: (_gap(t, axis=1) / h).mean(), "along the rows"),
    "ties skipped": (
        lambda t, h: mig(
            t.masked_fill(t == t.max(0).values, -1).index_put(
                (t.argmax(0), torch.arange(t.shape[1])), t.max(0).values
            ),
            h,
        ),
        "best dimension",
    ),
    "square tables only": (lambda t, h: mig(t.reshape(4, 4), h), "RuntimeError"),
}


def test_tables_hold_what_mutual_information_can_be():
    seen = given_by(check_mig, mig)
    shapes = [tuple(table.shape) for table, _ in seen]
    assert {(d > k) - (d < k) for d, k in shapes} == {-1, 0, 1} and min(k for _, k in shapes) == 1
    assert sum(d == k for d, k in shapes) >= 2, "elsewhere a wrong axis gives no number"
    assert all((table >= 0).all() and (table <= h).all() for table, h in seen)


def test_the_right_answer_is_the_score_of_the_package():
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(0, 4, (2000, 3), generator=generator)
    codes = factors.float() @ torch.randn(3, 5, generator=generator) + 0.3 * torch.randn(
        2000, 5, generator=generator
    )
    table = mutual_information(codes, factors)
    assert float(mig(table, entropies_of(factors))) == pytest.approx(
        mig_of_codes(codes, factors), rel=1e-5
    )


def test_a_factor_counts_0_when_two_dimensions_are_equally_informative():
    """The praise."""
    table = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.2, 0.7]])
    assert mig(table, torch.tensor([1.0, 0.7])) == 0.5


# ---- the total correlation of a Gaussian ----


tc = check_total_correlation.right


def _correlations(covariance):
    std = covariance.diagonal().sqrt()
    return covariance / std / std[:, None]


def _as_kl(covariance):
    joint = MultivariateNormal(torch.zeros(len(covariance)), covariance)
    independent = MultivariateNormal(torch.zeros(len(covariance)), covariance.diagonal().diag())
    return kl_divergence(joint, independent)


def _pairs(covariance):
    return sum(
        tc(covariance[[i, j]][:, [i, j]]) for i, j in combinations(range(len(covariance)), 2)
    )


RIGHT_TCS = {
    "correlations": lambda c: -0.5 * _correlations(c).logdet(),
    "det": lambda c: 0.5 * torch.log(c.diagonal().prod() / torch.det(c)),
    "Cholesky": lambda c: (c.diagonal().sqrt() / torch.linalg.cholesky(c).diagonal()).log().sum(),
    "KL": _as_kl,
    "numpy": lambda c: 0.5 * (np.log(np.diag(c.numpy())).sum() - np.linalg.slogdet(c.numpy())[1]),
}
WRONG_TCS = {
    "each dimension": (lambda c: c.diagonal().log(), "shape [3]"),
    "first three": (lambda c: tc(c[:3, :3]), "one by one"),
}


def test_covariances_are_those_of_dependent_dimensions_of_other_variances_than_1():
    seen = [covariance for (covariance,) in given_by(check_total_correlation, tc)]
    assert len({len(covariance) for covariance in seen}) >= 3
    for covariance in seen:
        assert torch.equal(covariance, covariance.T)
        assert torch.linalg.eigvalsh(covariance).min() > 0.05
        assert (covariance.diagonal() - 1).abs().min() > 0.05


def test_total_correlation_is_0_when_independent_and_does_not_see_units():
    """The praise, and why the variances belong into the formula."""
    for variances in ([1.0, 1.0, 1.0], [0.1, 3.0, 20.0]):
        assert float(tc(torch.tensor(variances).diag())) == pytest.approx(0, abs=1e-6)
    for (covariance,) in given_by(check_total_correlation, tc):
        scale = torch.linspace(0.3, 4, len(covariance))
        scaled = covariance * scale * scale[:, None]
        assert float(tc(scaled)) == pytest.approx(float(tc(covariance)), rel=1e-4)
        as_pairs = float(tc(covariance)) == pytest.approx(float(_pairs(covariance)), rel=0.05)
        assert as_pairs == (len(covariance) == 2)


# ---- a matrix that entangles ----


def turn(angle: float, i: int = 0, j: int = 1) -> torch.Tensor:
    """The rotation by an angle in the plane of two of four dimensions."""
    r = torch.eye(4)
    r[i, i] = r[j, j] = math.cos(angle)
    r[i, j], r[j, i] = -math.sin(angle), math.sin(angle)
    return r


def random_orthogonal(seed: int) -> torch.Tensor:
    """A random orthogonal matrix."""
    return torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(seed))).Q


SIGNS = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
HALF_TURNS = turn(math.pi / 4) @ turn(math.pi / 4, 2, 3)
RIGHT_MATRICES = {
    "all equal": 0.5 * SIGNS,
    "pairs": HALF_TURNS,
    "pairs, other angles": turn(0.2) @ turn(2.4, 2, 3),
    "random, half precision": random_orthogonal(3).half(),
    "random, bfloat16": random_orthogonal(4).bfloat16(),
    "rounded": [[0.71, -0.71, 0, 0], [0.71, 0.71, 0, 0], [0, 0, 0.71, -0.71], [0, 0, 0.71, 0.71]],
    "reflection": torch.eye(4) - 0.5 * torch.ones(4, 4),
    "numpy": 0.5 * SIGNS.numpy(),
    "parameter": torch.nn.Parameter(0.5 * SIGNS),
    "sparse": HALF_TURNS.to_sparse(),
}
ORDER, FLIPS, OLD, PRIOR = (
    "changes the order",
    "flips signs",
    ", counted from 0, is a single old one",
    "The prior would become N(0, RᵀR)",
)
WRONG_MATRICES = {
    "complex": (torch.linalg.qr(torch.eye(4) + 0.3j)[0], "complex"),
    "identity": (np.eye(4, dtype=int), "this is the identity"),
    "almost": (turn(0.005), "this is the identity"),
    "order": (torch.eye(4).roll(1, 0), f"only {ORDER}. Each"),
    "signs": (torch.diag(torch.tensor([1.0, -1, 1, -1])), f"only {FLIPS}. Each"),
    "order and signs": (-torch.eye(4).flip(0), f"only {ORDER} and {FLIPS}. Each"),
    "one pair": (turn(math.pi / 4), f"new number 2{OLD}"),
    "shear": (torch.eye(4) + 0.7 * torch.eye(4).roll(1, 1).triu(), "a shear"),
    "scalings": (torch.diag(torch.tensor([1.0, 2, 0.5, 3])), "a scaling: it"),
    "signs only": (SIGNS, "at right angles, but 2, 2, 2, 2 long"),
    "averages of pairs": (0.5 * torch.eye(4) + 0.5 * torch.eye(4).roll(1, 1), "averages"),
    "averages that can be undone": (0.7 * torch.eye(4) + 0.3 * torch.eye(4).roll(1, 0), "averages"),
    "sums": (torch.ones(4, 4), "cannot be undone"),
    "random": (torch.randn(4, 4, generator=torch.Generator().manual_seed(0)), "not orthogonal"),
    "one entry off": (0.5 * SIGNS + torch.eye(4)[0].diag() / 5, "the variance of new number 0"),
    "correlated": (
        torch.tensor([[3.0, 0, 0, 4], [0, 5, 3, 0], [0, 0, 4, 0], [4, 0, 0, 3]]) / 5,
        "of new numbers 0 and 3",
    ),
    "one sum": (torch.eye(4)[0].expand(4, 4), "cannot be undone"),
    "of two": (turn(math.pi / 4)[:2, :2], "codes of two"),
    "row": ((0.5 * SIGNS).flatten(), "16 numbers in shape [16]"),
    "NaN": (torch.eye(4) / torch.eye(4), "NaN"),
    "function": (lambda z: z, "give the matrix itself"),
}


def test_the_prior_becomes_what_the_messages_say():
    z = torch.randn(100_000, 4, generator=torch.Generator().manual_seed(0))
    for name in ("shear", "random", "averages of pairs"):
        r = WRONG_MATRICES[name][0]
        torch.testing.assert_close((z @ r).T.cov(), r.T @ r, rtol=0.05, atol=0.05)
    for r, phrase in WRONG_MATRICES.values():
        if phrase == "averages":
            assert ((r.T @ r).diagonal() < 1).all(), "the variances of the new numbers"


def test_only_what_is_not_orthogonal_is_said_to_change_the_prior(said):
    for seed in range(50):
        r = random_orthogonal(seed)
        for matrix in (
            r @ turn(1.0),
            r * 1.02,
            r + 0.02 * torch.eye(4),
            r @ r.T.round(),
            r.round(),
        ):
            keeps = (matrix.T @ matrix - torch.eye(4)).abs().max() <= 0.01
            assert (PRIOR in said(check_entangling, matrix)) != keeps


def test_every_random_rotation_is_right(said):
    for seed in range(500):
        assert said(check_entangling, random_orthogonal(seed)).startswith(OK), seed


def test_changes_of_order_and_sign_neither_mix_nor_unmix(said):
    for order in permutations(range(4)):
        change = torch.diag((-1.0) ** torch.tensor(order))[list(order[::-1])]
        assert said(check_entangling, change @ HALF_TURNS).startswith(OK)
        assert said(check_entangling, HALF_TURNS @ change).startswith(OK)
        assert "nothing is entangled" in said(check_entangling, change)
        assert OLD in said(check_entangling, change @ turn(0.2))


def test_an_old_number_counts_from_the_weight_that_the_exercise_names(said):
    for degrees in [0, 0.4, 0.5, 0.7, 1, 89, 89.3, 89.5, 89.6, 90, *range(5, 181, 25)]:
        angle = math.radians(degrees)
        smaller = min(abs(math.sin(angle)), abs(math.cos(angle)))
        text = said(check_entangling, turn(angle) @ turn(angle, 2, 3))
        assert text.startswith(OK) == (smaller >= 0.01), degrees


def test_a_missing_matrix_is_not_yet_one(said):
    assert said(check_entangling, None).startswith(NOT_YET)


def test_the_matrix_is_left_as_it_was(said):
    matrix = torch.nn.Parameter(0.5 * SIGNS)
    said(check_entangling, matrix)
    assert torch.equal(matrix, 0.5 * SIGNS) and matrix.requires_grad and matrix.grad is None


# ---- all of them ----


@pytest.mark.filterwarnings("error")
@every_right(
    "07",
    {check_mig: RIGHT_MIGS, check_total_correlation: RIGHT_TCS, check_entangling: RIGHT_MATRICES},
)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong(
    {check_mig: WRONG_MIGS, check_total_correlation: WRONG_TCS, check_entangling: WRONG_MATRICES}
)
def test_what_is_wrong_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
