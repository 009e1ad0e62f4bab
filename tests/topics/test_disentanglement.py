"""Metrics of disentanglement: codes whose scores are known on paper, and what must not matter."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from tutorial_utils.topics.disentanglement import (
    DCI,
    dci,
    entropies,
    mig,
    mutual_information,
    name_dimensions,
    sap,
)
from tutorial_utils.topics.sprites import FACTORS

pytestmark = pytest.mark.filterwarnings("error")

LOG2, LOG3, LOG4 = math.log(2), math.log(3), math.log(4)


def grid(*sizes: int, times: int = 1) -> torch.Tensor:
    """Every combination of so many levels, `times` over, [N, K]: independent factors."""
    return torch.cartesian_prod(*[torch.arange(size) for size in sizes]).repeat(times, 1)


def noise(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


F = grid(3, 4, 6, 8, times=3)  # 1,728 rows
PERFECT = F.float()


def scores(codes, factors, **settings) -> torch.Tensor:
    """MIG, SAP and the three of DCI."""
    both = mig(codes, factors), sap(codes, factors, **settings)
    return torch.tensor([*both, *dci(codes, factors)])


def columns(*values: torch.Tensor) -> torch.Tensor:
    """Codes with these dimensions, [N, D]."""
    return torch.stack(values, dim=1).float()


def turned(codes: torch.Tensor) -> torch.Tensor:
    """Two dimensions, of unit variance each, turned by 45 degrees."""
    a, b = ((codes - codes.mean(0)) / codes.std(0)).T
    return torch.stack([a + b, a - b], dim=1) / math.sqrt(2)


# ---- mutual information ----


def test_entropies_are_in_nats():
    torch.testing.assert_close(entropies(F), torch.tensor([3.0, 4, 6, 8]).log())
    unequal = torch.tensor([[5], [5], [5], [-7]])
    expected = torch.tensor([0.75 * math.log(4 / 3) + 0.25 * LOG4])
    torch.testing.assert_close(entropies(unequal), expected)


# 2 levels of the code, 3 of the factor.
JOINT = torch.tensor([[0.30, 0.05, 0.05], [0.10, 0.40, 0.10]])


def from_joint(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A code and a factor of exactly the joint distribution, in n rows."""
    cells = (n * JOINT).round().long().flatten()
    code, factor = grid(2, 3).repeat_interleave(cells, dim=0).T
    return 7.5 * code[:, None].float() - 1, factor[:, None]


def test_mutual_information_of_a_discrete_joint_is_the_closed_form():
    closed = (JOINT * (JOINT / (JOINT.sum(1, keepdim=True) * JOINT.sum(0))).log()).sum().item()
    assert mutual_information(*from_joint(200_000)).item() == pytest.approx(closed, abs=2e-5)
    n = 220  # where what chance gives counts: with one degree of freedom less than levels, each
    by_chance, entropy = (2 - 1) * (3 - 1) / (2 * n), entropies(from_joint(n)[1]).item()
    adjusted = entropy * (closed - by_chance) / (entropy - by_chance)
    assert mutual_information(*from_joint(n)).item() == pytest.approx(adjusted, abs=1e-6)
    assert abs(adjusted - closed) > 1e-3


def test_rows_are_dimensions_and_columns_are_factors():
    """Dimension 0 is factor 1, dimension 1 is half of factor 1, dimension 2 is nothing."""
    factors = grid(2, 4, times=1000)
    b = factors[:, 1]
    table = mutual_information(columns(b, b // 2, 0 * b), factors)
    expected = torch.tensor([[0, LOG4], [0, LOG2], [0, 0]])
    torch.testing.assert_close(table, expected, atol=1e-3, rtol=0)


def test_a_code_tells_of_itself_its_entropy_exactly():
    assert torch.equal(mutual_information(PERFECT, F).diag(), entropies(F))
    few = F[torch.randperm(len(F), generator=torch.Generator().manual_seed(0))[:576]]
    torch.testing.assert_close(mutual_information(few.float(), few).diag(), entropies(few))


def test_no_relation_gives_zero_on_average_and_what_is_subtracted_is_not_little():
    factors = F[:, 3:]
    table = mutual_information(noise(len(F), 200), factors)
    plug_in = 23 * 7 / (2 * len(F))  # 0.047 nats: what is taken away
    assert plug_in > 0.035 and table.mean() < 0.1 * plug_in
    assert 0.3 < (table == 0).float().mean() < 0.7, "as often below what chance gives as above"


def test_any_increasing_function_of_a_dimension_tells_the_same():
    codes = (PERFECT + 0.5 * noise(len(F), 4)).double()
    expected = mutual_information(codes, F)
    for function in (torch.exp, lambda z: z**3, lambda z: 1e-6 * z - 5):
        assert torch.equal(mutual_information(function(codes), F), expected)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rare_levels_at_one_end_are_told_apart_from_either_side(sign):
    factors = torch.tensor([0] * 900 + [1] * 60 + [2] * 40)[:, None]
    found = mutual_information(sign * factors.float(), factors)[0]
    torch.testing.assert_close(found, entropies(factors))


def test_more_bins_tell_no_less_of_a_continuous_code():
    codes = PERFECT[:, 3:] + 0.5 * noise(len(F), 1)
    information = partial(mutual_information, codes, F[:, 3:])
    two, eight, forty = (information(bins=bins).item() for bins in (2, 8, 40))
    assert 0.5 < two < LOG2 and two < eight < forty


@pytest.mark.parametrize("shares", [(1, 1, 1), (1, 2, 3, 4), (9, 1), (1, 5, 1, 5, 1, 5, 1, 5)])
def test_a_code_in_order_lacks_what_bins_mix_and_nothing_where_levels_fill_bins(shares):
    """Each of the L - 1 borders of levels lies in one bin, and mixes at most log 2 nats there."""
    counts = 240 * torch.tensor(shares)
    whole_bins = (24 * counts) % counts.sum() == 0
    factors = torch.arange(len(shares)).repeat_interleave(counts)[:, None]
    for seed in range(3):
        if seed:  # as drawn at random
            weights = counts.float().expand(24 * 63, -1)
            generator = torch.Generator().manual_seed(seed)
            factors = torch.multinomial(weights, 1, generator=generator)
        slight = 0.01 * noise(len(factors), 1, seed)
        found, entropy = mutual_information(factors + slight, factors), entropies(factors)
        if seed == 0 and whole_bins.all():
            torch.testing.assert_close(found[0], entropy)
            continue
        n_borders = len(shares) - 1
        by_chance = 23 * n_borders / (2 * len(factors))
        lacks = n_borders * LOG2 / 24 * entropy / (entropy - by_chance)
        assert (found[0] < entropy - 1e-4).all() and (found[0] >= entropy - lacks).all()
        torch.testing.assert_close(mutual_information(factors.float(), factors)[0], entropy)


def test_mig_of_a_perfect_code_of_drawn_levels_is_as_documented():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack(
        [torch.randint(n, (4608,), generator=generator) for n in (3, 4, 6, 8, 8)], 1
    )
    assert mig(drawn + 0.01 * noise(4608, 5), drawn) == pytest.approx(0.95, abs=0.015)
    for codes, factors in ((drawn.float(), drawn), (F + 0.01 * noise(len(F), 4), F)):
        assert mig(codes, factors) == pytest.approx(1, abs=2e-3)


# ---- all metrics: what must and what must not matter ----


def test_a_perfect_code_scores_one():
    torch.testing.assert_close(scores(PERFECT, F), torch.ones(5), atol=1e-6, rtol=0)
    assert isinstance(dci(PERFECT, F), DCI)
    names = ["shape", "scale", "rotation", "x"]
    assert name_dimensions(PERFECT, F, names) == [f"{name} 1.00" for name in names]


@pytest.mark.parametrize(
    "codes", [PERFECT, PERFECT + 0.4 * noise(len(F), 4)], ids=["perfect", "noisy"]
)
def test_order_sign_and_unit_of_dimensions_do_not_matter(codes):
    order, units = [2, 0, 3, 1], torch.tensor([-1.0, 1e-4, -300, 7])
    other = codes[:, order] * units + torch.tensor([5.0, 0, -900, 1])
    torch.testing.assert_close(scores(other, F), scores(codes, F), atol=0.01, rtol=0)
    before, after = (name_dimensions(z, F, list("abcd")) for z in (codes, other))
    assert [name[0] for name in after] == [before[k][0] for k in order]


@pytest.mark.parametrize("seed", range(3))
def test_noise_scores_zero(seed):
    codes = noise(len(F), 10, seed)
    assert (scores(codes, F) < torch.tensor([0.01, 0.02, 0.03, 0.03, 0.04])).all()
    assert name_dimensions(codes, F, list("abcd")) == ["none"] * 10


def test_a_code_turned_by_45_degrees_holds_everything_and_scores_near_zero():
    factors = grid(8, 8, times=30)
    before = scores(factors.float(), factors, categorical=())
    after = scores(turned(factors.float()), factors, categorical=())
    torch.testing.assert_close(before, torch.ones(5), atol=1e-6, rtol=0)
    assert (after[:4] < 0.05).all() and after[4] > 0.9


@pytest.mark.parametrize("offset", [1e9, -1e9])
def test_a_large_offset_or_unit_of_double_codes_costs_nothing(offset):
    codes = (PERFECT + 0.2 * noise(len(F), 4)).double()
    expected = scores(codes, F)
    torch.testing.assert_close(scores(codes + offset, F), expected, atol=0.01, rtol=0)
    torch.testing.assert_close(
        scores(1e200 * codes, F)[[0, 2]], expected[[0, 2]], atol=0.01, rtol=0
    )


def test_constant_dimensions_count_for_nothing():
    more = torch.cat([PERFECT, torch.full((len(F), 3), 0.3)], dim=1)
    torch.testing.assert_close(scores(more, F), torch.ones(5), atol=1e-6, rtol=0)
    assert mutual_information(more, F)[4:].eq(0).all()
    assert name_dimensions(more, F, list("abcd"))[4:] == ["none"] * 3


def test_a_code_that_collapsed_scores_zero():
    assert scores(torch.full((len(F), 4), -0.7), F).tolist() == [0] * 5


# ---- each metric: scores on paper ----


def test_mig_and_sap_on_paper_and_not_of_the_transposed_table():
    """Factor a (4 levels) is whole in dimension 0 and half in dimension 1; factor b is nowhere."""
    factors = grid(4, 2, times=1000)
    a = factors[:, 0]
    codes = columns(a, a // 2, 0 * a)
    assert mig(codes, factors) == pytest.approx((0.5 + 0) / 2, abs=1e-3)  # (log 4 - log 2) / log 4
    r2 = 0.5**2 / (1.25 * 0.25)  # of a // 2: covariance, variance of a, its own
    assert sap(codes, factors, categorical=()) == pytest.approx((1 - r2) / 2, abs=1e-6)


def test_a_factor_told_twice_has_no_gap_and_is_incomplete_but_disentangled():
    twice = torch.cat([PERFECT, -2 * PERFECT[:, :1]], dim=1)
    assert mig(twice, F) == pytest.approx(3 / 4, abs=1e-6)
    assert sap(twice, F) == pytest.approx(3 / 4, abs=1e-6)
    found = dci(twice, F)
    assert found.disentanglement == pytest.approx(1, abs=1e-6)
    assert found.informativeness == pytest.approx(1, abs=1e-6)
    one_of_four_in_two_of_five = 1 - LOG2 / math.log(5) / 4
    assert found.completeness == pytest.approx(one_of_four_in_two_of_five, abs=0.02)


def test_two_factors_in_one_dimension_are_entangled_but_complete():
    factors = grid(3, 4, 5, times=30)
    codes = columns(10 * factors[:, 0] + factors[:, 1], factors[:, 2], 0 * factors[:, 0])
    found = dci(codes, factors)
    assert found.completeness == pytest.approx(1, abs=1e-6)
    assert found.informativeness == pytest.approx(1, abs=0.01)
    # Two thirds of the importance lie on the dimension of two factors, one third on the pure one.
    assert found.disentanglement == pytest.approx(2 / 3 * (1 - LOG2 / LOG3) + 1 / 3, abs=1e-3)
    assert mig(codes, factors) == pytest.approx(1, abs=1e-6), "the gap does not notice"


def test_informativeness_is_of_rows_not_learned_from_and_guessing_the_frequent_level_is_zero():
    rare = (torch.rand(2000, 2, generator=torch.Generator().manual_seed(0)) < 0.1).long()
    assert dci(noise(2000, 5), rare).informativeness < 0.02
    assert dci(noise(600, 10), grid(4, 5, times=30)).informativeness < 0.05


def test_informativeness_is_the_share_of_errors_avoided():
    """Levels 2 and 3 of 4 look the same: 1/4 of all answers are errors, 3/4 if guessed."""
    factors = grid(4, 2, times=400)
    codes = columns(factors[:, 0].clamp(max=2), factors[:, 1])
    assert dci(codes, factors).informativeness == pytest.approx((2 / 3 + 1) / 2, abs=0.03)


def test_sap_of_levels_without_order():
    """Levels 0, 1, 2 lie at 0, 5 and -5: a tree tells them, a line explains a quarter."""
    factors = grid(3, 4, times=100)
    codes = columns(torch.tensor([0.0, 5, -5])[factors[:, 0]], factors[:, 1])
    assert sap(codes, factors, categorical=(0,)) == pytest.approx(1, abs=1e-6)
    assert sap(codes, factors, categorical=()) == pytest.approx((0.25 + 1) / 2, abs=1e-6)
    assert sap(codes[:, [1, 0]], factors[:, [1, 0]], categorical=(1,)) == pytest.approx(1, abs=1e-6)


def test_the_score_of_a_category_is_moved_so_that_chance_is_zero():
    """Level 0 is told from 1 and 2: 2/3 right, chance 1/3, so 1/2.

    Rare levels count as much as frequent ones.
    """
    factors = torch.cat([grid(3, 2, times=100), torch.tensor([[0, 0], [0, 1]]).repeat(2000, 1)])
    codes = columns(factors[:, 0] > 0, factors[:, 1])
    assert sap(codes, factors) == pytest.approx((1 / 2 + 1) / 2, abs=1e-3)


def test_the_tree_of_a_category_answers_for_rare_levels_too():
    """Nine of ten rows have level 0, and 3 of 10 of them look like level 1, the rare one."""
    rare = (torch.arange(2000) % 10 == 0).long()
    like = torch.where(torch.arange(2000) // 10 % 10 < 3, 1, rare)
    codes = columns(like, 0 * like)
    assert sap(codes, rare[:, None]) == pytest.approx((0.7 + 1) / 2 * 2 - 1, abs=0.04)


def test_names_are_of_the_largest_share_not_of_the_most_nats():
    """The dimension has log 4 of the log 64 nats of one factor, and all log 2 of the other."""
    a = torch.arange(64).repeat(80)
    factors = torch.stack([a, a // 32], dim=1)
    codes = (a // 16)[:, None].float()
    table = mutual_information(codes, factors)
    torch.testing.assert_close(table, torch.tensor([[LOG4, LOG2]]), atol=0.02, rtol=0)
    assert name_dimensions(codes, factors, ["a", "b"]) == ["b 1.00"]


def test_noise_is_never_given_a_name_down_to_the_fewest_rows():
    sizes = [len(values) for values in FACTORS.values()]
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        levels = [torch.randint(size, (576,), generator=generator) for size in sizes]
        factors = torch.stack(levels, dim=1)
        assert name_dimensions(noise(576, 6, seed), factors, list(FACTORS)) == ["none"] * 6


def test_a_dimension_just_above_the_threshold_is_named():
    for share, named in ((0.2, True), (0.05, False)):
        known = torch.rand(len(F), generator=torch.Generator().manual_seed(0)) < share
        codes = torch.where(known, F[:, 3].float(), -1 - noise(len(F), 1)[:, 0].abs())[:, None]
        assert (name_dimensions(codes, F, list("abcd")) != ["none"]) == named


# ---- manners ----


def numpy_state() -> np.ndarray:
    return np.random.get_state()[1]  # noqa: NPY002 the global state is what the test is about


def test_nothing_random_is_touched_and_a_seed_repeats():
    codes = PERFECT + 0.5 * noise(len(F), 4)
    before, kept = torch.get_rng_state(), numpy_state().copy()
    first = scores(codes, F)
    assert torch.equal(scores(codes, F), first)
    assert torch.equal(torch.get_rng_state(), before) and (numpy_state() == kept).all()
    one, other = (torch.tensor(dci(codes, F, seed=seed)) for seed in (0, 1))
    assert not torch.equal(one, other) and torch.allclose(one, other, atol=0.06)


def test_gradients_and_other_kinds_of_numbers_are_welcome():
    assert mig(PERFECT.clone().requires_grad_(), F) == pytest.approx(1)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert mig(PERFECT.to(dtype), F.to(torch.uint8)) == pytest.approx(1)
        assert sap(PERFECT.to(dtype), F) == pytest.approx(1) == dci(PERFECT.to(dtype), F)[0]
    numbers = mig(PERFECT, F), sap(PERFECT, F), *dci(PERFECT, F)
    assert all(type(number) is float for number in numbers)
    assert mutual_information(PERFECT.double(), F).dtype == entropies(F).dtype == torch.float32


WHOLE = "factors must be a tensor of whole numbers, got"
BAD_INPUT = [
    (F, F, TypeError, "codes must be a tensor of floats, got a tensor of torch.int64"),
    (PERFECT, PERFECT, TypeError, f"{WHOLE} torch.float32"),
    (PERFECT, F > 1, TypeError, f"{WHOLE} torch.bool"),
    (PERFECT, [1, 2], TypeError, f"{WHOLE} list"),
    (PERFECT[:, 0], F, ValueError, "codes must be a non-empty tensor with 2 axes"),
    (
        PERFECT,
        F[:, 0],
        ValueError,
        r"factors must be a non-empty tensor \[N, K\], got shape \[1728",
    ),
    (PERFECT / 0, F, ValueError, "codes must be finite"),
    (PERFECT[1:], F, ValueError, "codes and factors .* same length, got 1727 and 1728"),
    (PERFECT, F * torch.tensor([1, 0, 1, 0]), ValueError, r"factors must vary, .*: \[1, 3\]"),
    (PERFECT[:150], F[:150, 2:], ValueError, "at least 576 rows, .* 24 bins times 8 .* got 150"),
]


@pytest.mark.parametrize("metric", [mutual_information, mig, sap, dci])
@pytest.mark.parametrize(("codes", "factors", "error", "message"), BAD_INPUT)
def test_bad_codes_and_factors_are_named(metric, codes, factors, error, message):
    with pytest.raises(error, match=message):
        metric(codes, factors)


COLUMNS = "categorical must hold columns of factors, 0 to 3, got"
NAMES = "names must hold one text for each of the 4 factors"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mig(PERFECT[:, :1], F), "codes must have at least 2 columns"),
        (lambda: sap(PERFECT[:, :1], F), "codes must have at least 2 columns"),
        (lambda: dci(PERFECT[:, :1], F), "codes must have at least 2 columns"),
        (lambda: dci(PERFECT, F[:, :1]), "factors must have at least 2 columns"),
        (lambda: mutual_information(PERFECT, F, bins=0), "bins must be a whole number"),
        (lambda: mutual_information(PERFECT, F, bins=300), "codes must have at least 7200 rows"),
        (lambda: sap(PERFECT, F, categorical=(0, 4)), rf"{COLUMNS} \[4\]"),
        (lambda: sap(PERFECT, F, categorical=(-1,)), rf"{COLUMNS} \[-1\]"),
        (lambda: sap(PERFECT, F, categorical=0), COLUMNS),
        (lambda: name_dimensions(PERFECT, F, ["a", "b"]), NAMES),
        (lambda: name_dimensions(PERFECT, F, "abcd"), NAMES),
    ],
)
def test_other_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
