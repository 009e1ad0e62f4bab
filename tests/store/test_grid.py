"""A grid of trainings is what `trained` gives for each combination, by readable keys."""

import re
from functools import partial
from itertools import product

import pytest
import torch
from helpers.toys import kept, weights, written
from torch import nn

from tutorial_utils.losses import squared_error
from tutorial_utils.store.files import models_dir
from tutorial_utils.store.grid import train_grid
from tutorial_utils.store.train import trained
from tutorial_utils.training import cyclical, linear_warmup

pytestmark = pytest.mark.usefixtures("empty_data_dir")

X = torch.rand(24, 3, generator=torch.Generator().manual_seed(0))
FIXED = {"epochs": 1, "batch_size": 8, "lr": 1e-2, "device": "cpu"}


def make_model(units=2):
    return nn.Sequential(nn.Linear(3, units), nn.Linear(units, 3))


def loss_fn(model, x, beta=1.0):
    return {"loss": squared_error(model(x), x) * beta}


def same(result, other) -> bool:
    """Whether two results of a training have the same weights."""
    return torch.equal(weights(result[0]), weights(other[0]))


def grid(over, *, make_model=make_model, x=X, loss_fn=loss_fn, **settings):
    """A grid trained in this process, without a word, with the settings that `over` leaves open."""
    fixed = {setting: value for setting, value in FIXED.items() if setting not in over}
    quiet = {"name": "grid", "n_jobs": 1, "show_progress": False}
    return train_grid(make_model, x, loss_fn, over=over, **{**quiet, **fixed, **settings})


def one(make_model=make_model, x=X, loss_fn=loss_fn, seed=0, **settings):
    return trained("one", make_model, x, loss_fn, seed=seed, **{**FIXED, **settings})


def test_each_combination_is_what_trained_gives():
    """beta goes to the loss, units to make_model, epochs to fit; keys are in the order of over."""
    results = grid({"units": [2, 4], "beta": [1, 0.5], "epochs": [1, 2], "seed": [0, 1]})
    assert list(results) == list(product([2, 4], [1, 0.5], [1, 2], [0, 1]))
    for (units, beta, epochs, seed), result in results.items():
        loss = partial(loss_fn, beta=beta)
        alone = one(partial(make_model, units=units), X, loss, seed, epochs=epochs)
        assert same(result, alone) and result[1].train == alone[1].train
        assert not any(parameter.requires_grad for parameter in result[0].parameters())


def test_one_axis_has_bare_keys_and_files_have_readable_names():
    assert list(grid({"seed": [3, 1]})) == [3, 1] and kept() == {"grid_3", "grid_1"}
    grid({"beta": [1e-7, 0.25, -1.0], "seed": [0]}, name="05_sweep")
    assert kept() > {"05_sweep_1e-07_0", "05_sweep_0p25_0", "05_sweep_-1p0_0"}


def test_trained_once_then_loaded():
    over = {"warm": {"slow": {"lr": 1e-3}, "fast": {"lr": 1e-1}}, "seed": [0, 1]}
    first, files = grid(over), written()
    again = grid(over)
    assert files == written() and all(same(again[key], first[key]) for key in first)
    grid(over, retrain=True)
    assert all(when > files[name] for name, when in written().items())


def squares(model, x, beta=1.0):
    return {"loss": beta * (model(x) - x).pow(4).sum(1)}


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"loss_fn": {"4": squares}}, {"loss_fn": squares}),
        ({"make_model": {"wide": partial(make_model, 9)}}, {"make_model": partial(make_model, 9)}),
        ({"x": {"few": X[:5]}}, {"x": X[:5]}),
        ({"kind": {"a": {"x": X[:7], "epochs": 2}}}, {"x": X[:7], "epochs": 2}),
        ({"run": {"a": {"seed": 4}}}, {"seed": 4}),
        ({"schedule": [linear_warmup]}, {"schedule": linear_warmup}),
        ({"beta": {"up": linear_warmup}}, {"beta": linear_warmup}),
        ({"beta": [2], "loss_fn": {"4": squares}}, {"loss_fn": partial(squares, beta=2)}),
    ],
    ids=["a loss", "a model", "data", "several", "a seed", "a schedule", "of beta", "of that loss"],
)
def test_what_an_axis_may_be(over, expected):
    fixed = {} if "run" in over else {"seed": 0}
    (result,) = grid(over, **fixed).values()
    assert same(result, one(**expected)) and not same(result, one())


def test_data_may_be_a_function_of_the_values_and_is_made_once_for_all_seeds():
    made = []

    def some(n):
        made.append(n)
        return X[:n]

    results = grid({"n": [8, 16], "seed": [0, 1]}, x=some)
    assert made == [8, 16]
    assert same(results[16, 1], one(x=X[:16], seed=1))


@pytest.mark.parametrize(
    ("n", "sizes"),
    [({"int": 1, "float": 1.0, "bool": True}, [4, 8, 12]), ({"list": [1], "two": [1, 2]}, [4, 8])],
    ids=["equal values", "lists"],
)
def test_each_label_has_its_own_data(n, sizes):
    kinds, made = [*n.values()], []

    def some(n):
        made.append(next(i for i, kind in enumerate(kinds) if kind is n))
        return X[: sizes[made[-1]]]

    results = grid({"n": n, "seed": [0, 1]}, x=some)
    assert made == [*range(len(n))]
    for label, size in zip(n, sizes, strict=True):
        assert same(results[label, 1], one(x=X[:size], seed=1))


def test_data_may_depend_on_the_seed():
    results = grid({"seed": [1, 2]}, x=lambda seed: X[seed:])
    assert same(results[2], one(x=X[2:], seed=2))


def test_a_model_that_make_model_returns_again_is_copied_for_each_training():
    shared = make_model()
    before = weights(shared)
    results = grid({"lr": [1e-2, 1e-1]}, make_model=lambda: shared, seed=0)
    assert torch.equal(before, weights(shared)) and not same(results[1e-2], results[1e-1])
    assert same(results[1e-1], one(lambda: shared, lr=1e-1))


def test_long_labels_are_cut_in_names():
    grid({"label": {"a" * 300 + end: {} for end in "bc"}}, seed=0, name="n")
    assert kept() == {"n_" + "a" * 98, "n_" + "a" * 98 + "_2"}


def test_a_value_goes_to_all_that_take_it():
    def tall(model, x, units=2):
        return {"loss": squared_error(model(x), x) / units}

    results = grid({"units": [4]}, loss_fn=tall, seed=0)
    expected = one(partial(make_model, units=4), loss_fn=partial(tall, units=4))
    assert same(results[4], expected)


def test_names_are_unique_and_the_same_in_every_process():
    schedules = [partial(cyclical, n_cycles=2), partial(cyclical, n_cycles=4), lambda part: 1.0]
    grid({"schedule": schedules, "seed": [0]})
    grid({"label": {"2 units, σ = 0.1": {}, ("a", 0.5): {}}, "seed": [0]})
    expected = {"cyclical_0", "cyclical_0_2", "lambda_0", "2_units_0p1_0", "a_0p5_0"}
    assert kept() == {f"grid_{name}" for name in expected}


S = {"seed": 0}


def copies(model, x):
    return {"loss": squared_error(model(x), x)}


def frozen():
    return make_model().requires_grad_(False)


def test_a_missing_setting_is_named():
    with pytest.raises(TypeError, match="batch_size is missing"):
        train_grid(make_model, X, loss_fn, over={"seed": [0]}, name="grid", epochs=1, lr=1e-2)


@pytest.mark.parametrize(
    ("over", "settings", "error", "said"),
    [
        ({"alpha": [1], "seed": [0]}, {}, TypeError, "over['alpha']: none of make_model, x, loss_"),
        ({"beta": [1]}, {}, TypeError, "seed is missing: give seed=0, or seeds as over="),
        ({}, {}, TypeError, "over must be a dict of axes, such as {'seed': [0, 1]}, got {}"),
        ([1, 2], {}, TypeError, "over must be a dict of axes"),
        ({"seed": 3}, {}, TypeError, "over['seed'] must be a list of values, or a dict, got 3"),
        ({"seed": "12"}, {}, TypeError, "over['seed'] must be a list of values"),
        ({"seed": []}, {}, ValueError, "over['seed'] must hold different values, at least one"),
        ({"beta": [1, 2, 1.0]}, {}, ValueError, "over['beta'] must hold different values"),
        ({"units": [[1]]}, {}, TypeError, "over['units'] must be a dict {label: value} for values"),
        ({"seed": [0]}, {"seed": 1}, TypeError, "seed is given twice: in over, and as 1"),
        ({"seed": [0.5]}, {}, ValueError, "job 'grid_0p5': seed must be a whole number, got 0.5"),
        ({"a": {"w": {"epochs": 2}}, "epochs": [1]}, S, TypeError, "epochs is set by both axes"),
        ({"seed": [0], "a": {"w": {"seed": 1}}}, {}, TypeError, "seed is set by both axes, 'seed'"),
        ({"a": {"w": {"lr": 1}}, "b": {"v": {"lr": 1}}}, S, TypeError, "lr is set by both axes"),
        ({"lr": [1]}, {**S, "make_model": lambda lr: 0}, TypeError, "['lr'] is ambiguous: make_mo"),
        ({"seed": [0]}, {"k": 9}, TypeError, "k=9 is no setting of fit, allowed are ['batch_size"),
        ({"a": {"w": {"k": 9}}}, S, TypeError, "k=9 is no setting of fit"),
        ({"seed": [0]}, {"beta": [1, 4]}, TypeError, "beta must be a schedule, or an axis of num"),
        ({"beta": [1]}, {**S, "loss_fn": copies}, TypeError, "beta must be a schedule, or an axis"),
        ({"a": {"w": {"make_model": None}}}, S, TypeError, "make_model is missing: it is None"),
        ({"seed": [0]}, {"x": None}, TypeError, "x is missing: it is None, and no axis gives it"),
        ({"seed": [0]}, {"loss_fn": None}, TypeError, "loss_fn is missing: it is None"),
        ({"seed": [0]}, {"x": lambda n: X}, TypeError, "x must be data, or a function of axes of"),
        ({"model": [make_model]}, S, TypeError, "over['model']: an axis of models is called make"),
        ({"seed": [0]}, {"name": 5}, TypeError, "name must be a text, got 5"),
        ({"seed": [0]}, {"make_model": lambda: 7}, TypeError, "make_model must return a torch.nn"),
        ({"seed": [0]}, {"make_model": frozen}, ValueError, "call model.requires_grad_() first"),
        ({"seed": [0]}, {"name": "a/b"}, ValueError, "name must consist of letters, digits"),
    ],
)
def test_a_bad_argument_is_named(over, settings, error, said):
    with pytest.raises(error, match=re.escape(said)):
        grid(over, **settings)
    assert not models_dir().exists()
