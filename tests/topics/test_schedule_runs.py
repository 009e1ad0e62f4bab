"""Schedules that are drawn, and the runs of a small VAE that they train."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy

from tutorial_utils.topics.schedules import (
    COLUMNS,
    EPOCHS,
    PRESETS,
    Run,
    schedule_of,
    train_schedule,
)
from tutorial_utils.training import linear_warmup, local_seed


@pytest.fixture(scope="module")
def trained():
    """train_schedule, each run trained once."""
    kept = {}

    def train(values, seed=0) -> Run:
        key = (tuple(values), seed)
        if key not in kept:
            kept[key] = train_schedule(values, seed)
        return kept[key]

    return train


# ---- schedules ----


def test_each_value_holds_for_its_part_of_the_training():
    for n in (1, 2, 7, 15, 100):
        values = [0.1 * k for k in range(n)]
        kept = list(values)
        schedule = schedule_of(kept)
        kept[0] = 9.0  # the schedule keeps what it was given
        for k, value in enumerate(values):
            assert {schedule((k + share) / n) for share in (0, 0.01, 0.5, 0.99)} == {value}
    assert schedule_of([1, 2])(1.0) == 2


def test_presets_can_be_drawn_and_are_what_they_are_called():
    for values in PRESETS.values():
        assert len(values) == COLUMNS and all(0 <= v <= 4 and v == round(v, 1) for v in values)
    assert set(PRESETS["constant 1"]) == {1.0} and set(PRESETS["constant 4"]) == {4.0}
    warmup, cyclical = PRESETS["warm-up"], PRESETS["cyclical"]
    middles = [(k + 0.5) / COLUMNS for k in range(COLUMNS)]
    assert warmup == pytest.approx([linear_warmup(share) for share in middles], abs=0.051)
    assert cyclical[:5] == cyclical[5:10] == cyclical[10:]
    assert sorted(cyclical[:5]) == list(cyclical[:5])
    assert PRESETS["off, then on"] == (0.0,) * 5 + (1.0,) * 10
    assert len(set(PRESETS.values())) == len(PRESETS)


@pytest.mark.parametrize("call", [schedule_of, train_schedule])
@pytest.mark.parametrize(
    "values", [[], [1, -0.1], [math.nan], [1, math.inf], ["1"], [None], [True], 1.0, None]
)
def test_values_that_are_no_schedule_are_named(values, call):
    message = "values must hold one or more finite numbers that are not negative, got"
    with pytest.raises(ValueError, match=message):
        call(values)


@pytest.mark.parametrize("seed", [0.5, "1", None, True])
def test_a_seed_that_is_none_is_named(seed):
    with pytest.raises(ValueError, match=f"seed must be a whole number, got {seed!r}"):
        train_schedule([1.0], seed)


# ---- runs ----


def test_terms_and_scores_are_those_of_the_model(trained, digits):
    for values in (PRESETS["warm-up"], PRESETS["constant 4"]):
        run = trained(values)
        assert len(run.recon_loss) == len(run.kl) == len(run.active) == EPOCHS
        assert not run.model.training
        with torch.no_grad(), local_seed(0):
            mu, logvar = run.model.encode(digits.x_test)
            posterior = Normal(mu.double(), (logvar.double() / 2).exp())
            z = (posterior.loc + posterior.scale * torch.randn(mu.shape)).float()
            mean = run.model.decode(z).sigmoid()
        kl = kl_divergence(posterior, Normal(0.0, 1.0)).mean(0)
        recon_loss = float(binary_cross_entropy(mean, digits.x_test, reduction="sum")) / len(mean)
        expected = {
            "recon_loss": recon_loss,
            "kl": float(kl.sum()),
            "active": int((kl > 0.01).sum()),
        }
        expected["-ELBO"] = expected["recon_loss"] + expected["kl"]
        assert run.scores == pytest.approx(expected, rel=1e-5)
        last = (run.recon_loss[-1], run.kl[-1], run.active[-1])
        assert last == (run.scores["recon_loss"], run.scores["kl"], run.scores["active"])


def test_beta_acts_in_the_epochs_for_which_it_is_drawn(trained):
    for column in (1, 10, 14):
        shapes = [(1.0,) * column + (beta,) * (COLUMNS - column) for beta in (1.0, 4.0)]
        run, other = map(trained, shapes)
        before = 2 * column
        assert run.kl[:before] == other.kl[:before]
        assert run.recon_loss[:before] == other.recon_loss[:before]
        assert run.kl[before] > other.kl[before]


def test_the_same_values_and_seed_give_the_same_run_and_leave_the_random_state_alone(trained):
    values = PRESETS["constant 1"]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = train_schedule(list(values), 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert again[:5] == trained(values)[:5]
    for weights, others in zip(
        again.model.parameters(), trained(values).model.parameters(), strict=True
    ):
        assert torch.equal(weights, others)
    assert trained(values, 1).kl != again.kl


def test_no_price_makes_a_larger_kl_than_a_high_price_and_a_better_reconstruction(trained):
    free, dear = trained([0.0]), trained(PRESETS["constant 4"])
    assert free.kl[-1] > 10 * dear.kl[-1] and free.recon_loss[-1] < dear.recon_loss[-1] - 1
    assert free.active[-1] > dear.active[-1]


def test_a_run_reports_its_progress_and_knows_its_name():
    told = []
    run = train_schedule([0.5, 0.5], report=told.append)
    assert told[0] > 0 and told[-1] < 1 and told == sorted(set(told)) and len(told) % EPOCHS == 0
    assert run.name == "drawn"
    for name, values in PRESETS.items():
        assert run._replace(values=values).name == name


def test_stopping_by_hand_ends_the_run():
    def stop(progress):
        if progress > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_schedule([1.0], report=stop)
