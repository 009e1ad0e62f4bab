"""Checks of notebook 07: right answers in every form, and laws that they obey."""

import math
from itertools import combinations, permutations, product

import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, OK, WRONG, every_right, every_wrong, given_by
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from tutorial_utils.checks.nb07 import check_entangling, check_mig, check_total_correlation
from tutorial_utils.topics.disentanglement import entropies as entropies_of
from tutorial_utils.topics.disentanglement import mig as mig_of_codes
from tutorial_utils.topics.disentanglement import mutual_information

# ---- the mutual information gap ----


def _gap(table, axis=0):
    first, second = table.topk(2, dim=axis).values.unbind(axis)
    return first - second


mig = check_mig.right


def _by_hand(table, entropies):
    total = 0.0
    for k, entropy in enumerate(entropies.tolist()):
        column = sorted(table[:, k].tolist())
        total += (column[-1] - column[-2]) / entropy / len(entropies)
    return total


def _numpy(table, entropies):
    ranked = np.sort(table.numpy(), 0)
    return ((ranked[-1] - ranked[-2]) / entropies.numpy()).mean()


RIGHT_MIGS = {
    "topk": lambda t, h: (_gap(t) / h).mean(),
    "by hand": _by_hand,
    "numpy": _numpy,
    "shares first": lambda t, h: _gap(t / h).mean(),
    "sum over K": lambda t, h: (_gap(t) / h).sum() / len(h),
    "sorted in place": lambda t, h: ((t.copy_(t.sort(0).values)[-1] - t[-2]) / h).mean(),
    "double": lambda t, h: mig(t.double(), h.double()),
    "one in a row": lambda t, h: mig(t, h)[None],
}
WRONG_MIGS = {
    "each factor": (lambda t, h: _gap(t) / h, "shape [4]"),
    "transposed": (lambda t, h: mig(t.T, h), "along the rows"),
    "loop over dimensions": (
        lambda t, h: sum(_gap(t)[d] / h[d] for d in range(len(t))) / len(t),
        "IndexError",
    ),
    "square tables only": (lambda t, h: mig(t.reshape(4, 4), h), "RuntimeError"),
    "NaN": (lambda t, h: (_gap(t) / (h - h)).mean(), "NaN"),
    "one": (lambda t, h: 1.0, "for each factor"),
    "product": (lambda t, h: t.prod(), "for each factor"),
}


def test_tables_hold_what_mutual_information_can_be():
    seen = given_by(check_mig, mig)
    shapes = [tuple(table.shape) for table, _ in seen]
    assert (
        shapes[0][0] == shapes[0][1]
        and any(d > k for d, k in shapes)
        and any(d < k for d, k in shapes)
    )
    assert all(
        (table >= 0).all() and (table <= h).all() and len(h) == table.shape[1] for table, h in seen
    )


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


def _entropies(covariance):
    joint = MultivariateNormal(torch.zeros(len(covariance)), covariance)
    return Normal(0, covariance.diagonal().sqrt()).entropy().sum() - joint.entropy()


def _chain(covariance):
    """How much each dimension's variance shrinks once the earlier ones are known."""
    total = 0.0
    for d in range(1, len(covariance)):
        known, shared = covariance[:d, :d], covariance[:d, d]
        left = covariance[d, d] - shared @ torch.linalg.solve(known, shared)
        total += 0.5 * (covariance[d, d] / left).log()
    return total


def _pairs(covariance):
    return sum(
        tc(covariance[[i, j]][:, [i, j]]) for i, j in combinations(range(len(covariance)), 2)
    )


RIGHT_TCS = {
    "correlations": lambda c: -0.5 * _correlations(c).logdet(),
    "det": lambda c: 0.5 * torch.log(c.diagonal().prod() / torch.det(c)),
    "eigenvalues": lambda c: (
        0.5 * (c.diagonal().log().sum() - torch.linalg.eigvalsh(c).log().sum())
    ),
    "Cholesky": lambda c: (c.diagonal().sqrt() / torch.linalg.cholesky(c).diagonal()).log().sum(),
    "KL": _as_kl,
    "entropies": _entropies,
    "chain": _chain,
    "numpy": lambda c: 0.5 * (np.log(np.diag(c.numpy())).sum() - np.linalg.slogdet(c.numpy())[1]),
    "double": lambda c: tc(c.double()),
    "float": lambda c: float(tc(c)),
    "one in a row": lambda c: tc(c)[None],
}
WRONG_TCS = {
    "to base 10, by hand": (
        lambda c: 0.5 * (c.diagonal().log10().sum() - c.det().log10()),
        "base 10",
    ),
    "joint": (lambda c: MultivariateNormal(torch.zeros(len(c)), c).entropy(), "one entropy"),
    "marginals": (lambda c: Normal(0, c.diagonal().sqrt()).entropy().sum(), "one entropy"),
    "pairs": (_pairs, "adds up pairs"),
    "log of all": (lambda c: 0.5 * (c.log().sum() - c.logdet()), "NaN"),
    "each dimension": (lambda c: c.diagonal().log(), "shape [3]"),
    "matrix": (_correlations, "shape [3, 3]"),
    "first pair": (lambda c: tc(c[:2, :2]), "one by one"),
    "first three": (lambda c: tc(c[:3, :3]), "one by one"),
    "nothing": (lambda c: 0.0, "one by one"),
}


def test_covariances_are_those_of_dependent_dimensions_of_other_variances_than_1():
    seen = [covariance for (covariance,) in given_by(check_total_correlation, tc)]
    assert [len(covariance) for covariance in seen] == [3, 5]
    for covariance in seen:
        assert (
            torch.equal(covariance, covariance.T) and torch.linalg.eigvalsh(covariance).min() > 0.05
        )
        assert (covariance.diagonal() - 1).abs().min() > 0.05 and (covariance < 0).any()


def test_total_correlation_is_0_when_independent_and_does_not_see_units():
    """The praise, and why the variances belong into the formula."""
    for variances in ([1.0, 1.0, 1.0], [0.1, 3.0, 20.0]):
        assert float(tc(torch.tensor(variances).diag())) == pytest.approx(0, abs=1e-6)
    ((small,), (large,)) = given_by(check_total_correlation, tc)
    for covariance in (small, large):
        scale = torch.linspace(0.3, 4, len(covariance))
        assert float(tc(covariance * scale * scale[:, None])) == pytest.approx(
            float(tc(covariance)), rel=1e-4
        )
        assert float(tc(covariance)) != pytest.approx(float(_pairs(covariance)), rel=0.05)
    assert float(tc(small[:2, :2])) == pytest.approx(float(_pairs(small[:2, :2])))


# ---- a matrix that entangles ----


def as_floats(matrix) -> torch.Tensor:
    """A right matrix, in whatever form, as a plain tensor."""
    dense = matrix.detach().to_dense() if isinstance(matrix, torch.Tensor) else np.asarray(matrix)
    return torch.as_tensor(dense, dtype=torch.float32)


def turn(angle: float, i: int = 0, j: int = 1) -> torch.Tensor:
    """The rotation by an angle in the plane of two of four dimensions."""
    r = torch.eye(4)
    r[i, i] = r[j, j] = math.cos(angle)
    r[i, j], r[j, i] = -math.sin(angle), math.sin(angle)
    return r


SIGNS = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
HALF_TURNS = turn(math.pi / 4) @ turn(math.pi / 4, 2, 3)
RIGHT_MATRICES = {
    "all equal": 0.5 * SIGNS,
    "pairs": HALF_TURNS,
    "pairs, other angles": turn(math.pi / 4) @ turn(2.4, 2, 3),
    "pairs, 3 and 4": torch.tensor(
        [[0.6, -0.8, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 0.8, 0.6], [0, 0, 0.6, -0.8]]
    ),
    "in turn": HALF_TURNS @ turn(math.pi / 4, 0, 2) @ turn(math.pi / 4, 1, 3),
    "rounded": [[0.71, -0.71, 0, 0], [0.71, 0.71, 0, 0], [0, 0, 0.71, -0.71], [0, 0, 0.71, 0.71]],
    "three digits": (1000 * HALF_TURNS).round() / 1000,
    "reflection": torch.eye(4) - 0.5 * torch.ones(4, 4),
    "numpy": 0.5 * SIGNS.numpy(),
    "double": 0.5 * SIGNS.double(),
    "parameter": torch.nn.Parameter(0.5 * SIGNS),
    "list": (0.5 * SIGNS).tolist(),
    "rows of numpy": list(0.5 * SIGNS.numpy()),
    "sparse": HALF_TURNS.to_sparse(),
    "exponential": torch.linalg.matrix_exp(
        math.pi / 4 * torch.tensor([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1], [0, 0, -1, 0]])
    ),
}
IDENTITY, ORDER, FLIPS, OLD, SPREAD, PRIOR = (
    "this is the identity",
    "changes the order",
    "flips signs",
    "is almost an old one",
    "goes into one new",
    "The prior would become N(0, RᵀR)",
)
# orthogonal, all columns have two entries of at least 0.3, the first row has one
SPREAD_OUT = torch.linalg.qr(
    torch.tensor([[0.92, 0.28, 0.2, 0.2], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1.0]]).T
).Q.T
WRONG_MATRICES = {
    "identity": (torch.eye(4), IDENTITY),
    "integers": (np.eye(4, dtype=int), IDENTITY),
    "almost": (turn(0.005), IDENTITY),
    "order": (torch.eye(4)[[1, 0, 3, 2]], f"only {ORDER}. Each"),
    "cycle": (torch.eye(4).roll(1, 0), f"only {ORDER}. Each"),
    "signs": (torch.diag(torch.tensor([1.0, -1, 1, -1])), f"only {FLIPS}. Each"),
    "minus": (-torch.eye(4), f"only {FLIPS}. Each"),
    "order and signs": (-torch.eye(4).flip(0), f"only {ORDER} and {FLIPS}. Each"),
    "quarter turn": (turn(math.pi / 2), f"only {ORDER} and {FLIPS}. Each"),
    "one pair": (turn(math.pi / 4), f"new number 2 {OLD}"),
    "three": (turn(math.pi / 4) @ turn(math.pi / 4, 1, 2), f"new number 3 {OLD}"),
    "small angles": (turn(0.2) @ turn(0.2, 2, 3), f"new number 0 {OLD}"),
    "old one left": (SPREAD_OUT, f"old number 0 {SPREAD}"),
    "shear": (torch.eye(4) + 0.7 * torch.eye(4).roll(1, 1).triu(), "a shear"),
    "shear below": (torch.eye(4) + torch.ones(4, 4).tril(-1), "a shear"),
    "scaling": (2 * torch.eye(4), "a scaling: it"),
    "scalings": (torch.diag(torch.tensor([1.0, 2, 0.5, 3])), "a scaling: it"),
    "signs only": (
        SIGNS,
        "a rotation and a scaling: the columns are at right angles, but 2, 2, 2, 2 long",
    ),
    "not normalized": (2**0.5 * HALF_TURNS, "a rotation and a scaling"),
    "rounded too far": ((10 * HALF_TURNS).round() / 10, "0.99, 0.99, 0.99, 0.99 long"),
    "average of all": (torch.ones(4, 4) / 4, "averages"),
    "averages of pairs": (0.5 * torch.eye(4) + 0.5 * torch.eye(4).roll(1, 1), "averages"),
    "averages that can be undone": (0.7 * torch.eye(4) + 0.3 * torch.eye(4).roll(1, 0), "averages"),
    "softmax": (torch.arange(16.0).reshape(4, 4).cos().softmax(0), "averages"),
    "sums": (torch.ones(4, 4), "cannot be undone"),
    "zeros": (torch.zeros(4, 4), "cannot be undone"),
    "projection": (torch.diag(torch.tensor([1.0, 1, 1, 0])), "cannot be undone"),
    "one length off": (0.5 * SIGNS * torch.tensor([1.0, 1, 1.1, 1]), "1, 1, 1.1, 1 long"),
    "random": (torch.randn(4, 4, generator=torch.Generator().manual_seed(0)), "not orthogonal"),
    "one entry off": (
        0.5 * SIGNS + 0.2 * torch.eye(4)[0] * torch.eye(4)[:, :1],
        "the variance of new number 0",
    ),
    "correlated": (
        torch.tensor([[0.8, 0, 0, 0.6], [0.6, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0.8]]),
        "of new numbers 0 and",
    ),
    "of two": (turn(math.pi / 4)[:2, :2], "codes of two"),
    "row": ((0.5 * SIGNS).flatten(), "16 numbers in shape [16]"),
    "batch": (0.5 * SIGNS[None], "16 numbers in shape [1, 4, 4]"),
    "narrow": (torch.eye(4)[:, :2], "yours [4, 2]"),
    "large": (torch.eye(5), "yours [5, 5]"),
    "code": (torch.randn(4), "yours [4]"),
    "number": (0.7, "yours []"),
    "empty": ([], "yours [0]"),
    "NaN": (torch.eye(4) / torch.eye(4), "NaN"),
    "string": ("R", "give the matrix itself"),
    "function": (lambda z: z, "give the matrix itself"),
    "ragged": ([[1, 0, 0, 0], [0, 1]], "give the matrix itself"),
}


def test_a_matrix_that_is_orthogonal_keeps_the_prior_and_the_log_density():
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    for matrix in RIGHT_MATRICES.values():
        r = as_floats(matrix)
        torch.testing.assert_close((z @ r).square().sum(1), z.square().sum(1), rtol=0.01, atol=0)


def test_the_prior_becomes_what_the_messages_say():
    z = torch.randn(100_000, 4, generator=torch.Generator().manual_seed(0))
    for name in ("shear", "random", "averages of pairs"):
        r = WRONG_MATRICES[name][0]
        torch.testing.assert_close((z @ r).T.cov(), r.T @ r, rtol=0.05, atol=0.05)
    for r, phrase in WRONG_MATRICES.values():
        if phrase == "averages":
            assert ((r.T @ r).diagonal() < 1).all(), "the variances of the new numbers"


def test_averages_are_those_of_old_numbers(said):
    """Rows that add up to 1 make no average: here the first new number is the sum, others are 0."""
    assert "cannot be undone" in said(check_entangling, torch.eye(4)[0].expand(4, 4))
    one_kept = torch.eye(4) * 0.6 + 0.1
    one_kept[:, 0] = torch.eye(4)[0]
    assert "variances below 1" not in said(check_entangling, one_kept)


def test_what_changes_the_prior_is_told_so(said):
    told = (
        "scaling",
        "shear",
        "averages",
        "cannot be undone",
        "long",
        "not orthogonal",
        "variance of",
        "new numbers 0",
    )
    for matrix, phrase in WRONG_MATRICES.values():
        assert (PRIOR in said(check_entangling, matrix)) == any(word in phrase for word in told)


def test_every_order_of_rows_and_columns_and_all_signs_are_judged_alike(said):
    for order in permutations(range(4)):
        for signs in product((-1.0, 1.0), repeat=4):
            change = torch.diag(torch.tensor(signs))[list(order)]
            for right in (0.5 * SIGNS, HALF_TURNS):
                assert said(check_entangling, change @ right).startswith(OK)
            assert said(check_entangling, change).startswith(WRONG)
            assert "cannot be undone" not in said(check_entangling, change @ turn(0.2))


def test_the_right_matrix_transposed_is_right(said):
    """So it does not matter whether a learner thinks of z R or of R z."""
    for matrix in RIGHT_MATRICES.values():
        r = as_floats(matrix)
        assert said(check_entangling, r.T).startswith(OK)


def test_the_angle_has_to_be_large_enough(said):
    for degrees in range(0, 181, 5):
        angle = math.radians(degrees)
        smaller = min(abs(math.sin(angle)), abs(math.cos(angle)))
        text = said(check_entangling, turn(angle) @ turn(angle, 2, 3))
        assert text.startswith(OK) == (smaller >= 0.3), degrees


@pytest.mark.parametrize("hole", [..., None], ids=repr)
def test_a_missing_matrix_is_not_yet_one(said, hole):
    assert said(check_entangling, hole).startswith(NOT_YET)


def test_the_matrix_is_left_as_it_was(said):
    matrix = torch.nn.Parameter(0.5 * SIGNS)
    said(check_entangling, matrix)
    assert torch.equal(matrix, 0.5 * SIGNS) and matrix.requires_grad and matrix.grad is None


# ---- all of them ----


@pytest.mark.filterwarnings("error")
@every_right(
    "07",
    {
        check_mig: RIGHT_MIGS,
        check_total_correlation: RIGHT_TCS,
        check_entangling: RIGHT_MATRICES,
    },
)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong(
    {
        check_mig: WRONG_MIGS,
        check_total_correlation: WRONG_TCS,
        check_entangling: WRONG_MATRICES,
    }
)
def test_what_is_wrong_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
