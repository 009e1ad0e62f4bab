"""Schedules of beta: exact values at fixed progress, their ends and their period."""

import math
from itertools import pairwise

import pytest
import torch

from tutorial_utils.losses import kl_standard_normal
from tutorial_utils.training import cyclical, linear_warmup

LAST = 1 - 2**-20  # as good as the end: `fit` asks strictly between 0 and 1
GRID = [*(i / 1000 for i in range(1000)), LAST]

# ---- a warm-up ----


WARMUPS = [
    ({}, {0: 0, 0.125: 0.25, 0.25: 0.5, 0.5: 1, 0.75: 1, 1: 1}),
    ({"share": 0.125}, {0.0625: 0.5, 0.125: 1}),
    ({"share": 1}, {0.25: 0.25, 1: 1}),
    ({"top": 8.0}, {0.25: 4, 0.9: 8}),
    ({"share": 1.0, "top": 0.5}, {0.25: 0.125}),
]


@pytest.mark.parametrize(("settings", "values"), WARMUPS)
def test_values_of_a_warmup(settings, values):
    assert {progress: linear_warmup(progress, **settings) for progress in values} == values


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("top", [1e-7, 1.0, 12])
def test_a_warmup_is_a_line_and_then_stays(share, top):
    grid = [*GRID, 1.0]
    values = [linear_warmup(progress, share=share, top=top) for progress in grid]
    assert values[0] == 0 and values[-1] == top and values == sorted(values)
    assert all(0 <= value <= top for value in values)
    expected = [top * progress / share if progress < share else top for progress in grid]
    assert values == pytest.approx(expected, rel=1e-12)
    assert linear_warmup(share, share=share, top=top) == top, "without rounding"


# ---- cycles ----


FOUR = {0: 0, 0.0625: 0.5, 0.125: 1, 0.1875: 1, 0.25: 0, 0.3125: 0.5, 0.5: 0, 0.75: 0, 0.875: 1}
CYCLES = [
    ({}, {**FOUR, LAST: 1}),
    ({"n_cycles": 3, "top": 2.0}, {LAST: 2}),
    ({"n_cycles": 2}, {0.5: 0, 0.625: 0.5}),
    ({"n_cycles": 2, "share": 1}, {0.625: 0.25}),
    ({"n_cycles": 2, "share": 0.25}, {0.625: 1}),
    ({"n_cycles": 2, "share": 1, "top": 4}, {0.625: 1}),
]


@pytest.mark.parametrize(("settings", "values"), CYCLES)
def test_values_of_cycles(settings, values):
    assert {progress: cyclical(progress, **settings) for progress in values} == values


@pytest.mark.parametrize("n_cycles", [1, 2, 4, 8])
@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_each_cycle_is_a_warmup_of_its_own(n_cycles, share):
    """A power of two as the number of cycles, and moments that are too: nothing is rounded."""
    settings = {"share": share, "top": 3.0}
    for step in range(64):
        for cycle in range(n_cycles):
            value = cyclical((cycle + step / 64) / n_cycles, n_cycles=n_cycles, **settings)
            assert value == linear_warmup(step / 64, **settings)


@pytest.mark.parametrize("n_cycles", [1, 3, 4, 7, 10])
@pytest.mark.parametrize("top", [0.1, 1.0, 12])
def test_cycles_stay_within_their_bounds_and_start_as_often_as_said(n_cycles, top):
    values = [cyclical(progress, n_cycles=n_cycles, top=top) for progress in GRID]
    assert min(values) == 0 == values[0] and max(values) == top == values[-1]
    falls = sum(after < before for before, after in pairwise(values))
    assert falls == n_cycles - 1, "the last cycle does not fall"


def test_one_cycle_is_a_warmup():
    for progress in GRID:
        assert cyclical(progress, n_cycles=1, share=0.3) == linear_warmup(progress, share=0.3)


# ---- wrong arguments ----


@pytest.mark.parametrize("schedule", [linear_warmup, cyclical])
@pytest.mark.parametrize("progress", [0.0, 0.3, LAST])
@pytest.mark.parametrize("share", [0, -0.5, math.nan, math.inf, "half", True, None])
def test_a_bad_share_is_named(schedule, progress, share):
    with pytest.raises(ValueError, match=f"share must be a finite number above 0, got {share!r}"):
        schedule(progress, share=share)


@pytest.mark.parametrize("schedule", [linear_warmup, cyclical])
def test_a_share_beyond_all_of_training_is_named(schedule):
    assert schedule(0.125, share=1) in (0.125, 0.5)
    with pytest.raises(ValueError, match=r"share must be at most 1, got 1\.5"):
        schedule(0.5, share=1.5)


@pytest.mark.parametrize("progress", [0.0, 0.3, LAST])
@pytest.mark.parametrize("n_cycles", [0, -1, 2.5, 4.0, True, "4"])
def test_a_bad_number_of_cycles_is_named(progress, n_cycles):
    said = f"n_cycles must be a whole number of at least 1, got {n_cycles!r}"
    with pytest.raises(ValueError, match=said):
        cyclical(progress, n_cycles=n_cycles)


# ---- what both are for: a KL that is charged later ----


def test_at_the_start_of_a_warmup_nothing_pulls_a_posterior_to_the_prior():
    mu = torch.full((3, 2), 0.1, requires_grad=True)
    (linear_warmup(0.0) * kl_standard_normal(mu, torch.zeros(3, 2))).sum().backward()
    assert not mu.grad.any()
