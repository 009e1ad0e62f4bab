"""Training: the same seed gives the same weights, and nothing outside the model changes."""

import math
import random
import re
from functools import partial

import numpy as np
import pytest
import torch
from helpers.toys import same, weights
from torch import nn

from tutorial_utils.losses import negative_elbo, squared_error
from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.training import (
    History,
    best_device,
    constant,
    evaluate,
    fit,
    local_seed,
    warmup_then_linear,
)

SETTINGS = {"epochs": 2, "batch_size": 64, "lr": 1e-2, "seed": 0, "show_progress": False}


@pytest.fixture
def x(digits):
    return digits.x_train[:300]


def random_state() -> tuple:
    """The global state of the three random number generators a notebook may use."""
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002


def line(slope: float = 0.0) -> nn.Linear:
    """y = slope * x, one weight and no bias."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, slope)
    return model


def to_zero(model, x):
    """The squared output: lowest where the weight is 0."""
    return {"loss": model(x).square().flatten(1).sum(1)}


def train(model, x, loss_fn, **settings) -> History:
    """`fit` for tiny data: one epoch in batches of 4, unless said otherwise."""
    small = {"epochs": 1, "batch_size": 4, "lr": 0.1, "seed": 0, "show_progress": False}
    return fit(model, x, loss_fn, **(small | settings))


class InterruptAt:
    """The loss `to_zero`, stopped by hand at its n-th call; weights: the model's at each call."""

    def __init__(self, n: int):
        self.n, self.weights = n, []

    def __call__(self, model, x):
        self.weights.append(model.weight.item())
        if len(self.weights) == self.n:
            raise KeyboardInterrupt
        return to_zero(model, x)


# seeds and random state


def test_the_same_seed_gives_bitwise_the_same_weights_and_history(make_vae, x):
    models, histories = [], []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)  # must not matter
        models.append(make_vae())
        histories.append(fit(models[-1], x, negative_elbo, **SETTINGS, x_val=x[:50]))
    assert same(*models) and not same(models[0], make_vae())
    assert histories[0].train == histories[1].train and histories[0].val == histories[1].val


@pytest.mark.parametrize("loss_fn", [negative_elbo, lambda model, x: to_zero(model.encoder, x)])
def test_another_seed_gives_other_weights(make_vae, x, loss_fn):
    """By its noise and, where the loss has none, by the order of the batches."""
    models = [make_vae(), make_vae()]
    for seed, model in enumerate(models):
        fit(model, x, loss_fn, **{**SETTINGS, "seed": seed})
    assert not same(*models)


def test_validation_does_not_change_what_is_learned(make_vae, x):
    with_val, without = make_vae(), make_vae()
    fit(with_val, x, negative_elbo, **SETTINGS, x_val=x[:50])
    fit(without, x, negative_elbo, **SETTINGS)
    assert same(with_val, without)


def test_the_global_random_state_is_left_alone(make_vae, x):
    torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
    torch.rand(3)
    model, before = make_vae(), random_state()
    fit(model, x, negative_elbo, **SETTINGS, x_val=x[:50])
    assert random_state() == before
    evaluate(model, x, negative_elbo)
    assert random_state() == before
    with local_seed(3):
        torch.rand(10)
    assert random_state() == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_global_random_state_is_left_alone_when_something_is_raised(make_vae, x, error):
    def broken(model, x):
        torch.rand(7)
        raise error("on purpose")

    model, before = make_vae(), random_state()
    if error is KeyboardInterrupt:
        fit(model, x, broken, **SETTINGS)
    else:
        with pytest.raises(error, match="on purpose"):
            fit(model, x, broken, **SETTINGS)
    with pytest.raises(error):
        evaluate(model, x, broken)
    with pytest.raises(error), local_seed(0):
        broken(model, x)
    assert random_state() == before


def test_local_seed_starts_from_its_seed_and_nests():
    with local_seed(1):
        first = torch.rand(4)
        with local_seed(2):
            other = torch.rand(4)
        rest = torch.rand(4)
    with local_seed(1):
        again = torch.rand(8)
    assert torch.equal(torch.cat([first, rest]), again)
    assert not torch.equal(first, other)


def test_evaluate_gives_the_same_number_twice_and_another_for_another_seed(make_vae, x):
    model = make_vae()
    first = evaluate(model, x, negative_elbo)
    assert first == evaluate(model, x, negative_elbo)
    other = evaluate(model, x, negative_elbo, seed=1)
    assert other["recon_loss"] != first["recon_loss"] and other["kl"] == first["kl"]


# schedules


def test_warmup_then_linear():
    values = [warmup_then_linear(i / 100) for i in range(101)]
    assert values[0] == values[100] == 0 and values[10] == pytest.approx(1)
    assert np.diff(values) == pytest.approx([0.1] * 10 + [-1 / 90] * 90), "two straight lines"


def test_constant_is_one_throughout():
    assert [constant(progress) for progress in (0.0, 0.3, 1.0)] == [1.0] * 3


@pytest.mark.parametrize("schedule", [constant, warmup_then_linear, lambda progress: progress**2])
def test_the_schedule_multiplies_the_learning_rate(schedule):
    """Under a constant gradient Adam's steps are as long as the rate: the weight adds them up."""
    model, path = line(0.0), []

    def slope(model, x):
        path.append(model.weight.item())
        return {"loss": -model(x).sum(1)}

    train(model, torch.ones(100, 1), slope, epochs=10, batch_size=10, lr=0.01, schedule=schedule)
    steps = np.diff([*path, model.weight.item()]) / 0.01
    # The progress is inside (0, 1), so that no step is wasted at rate 0.
    assert steps == pytest.approx([schedule((i + 1) / 101) for i in range(100)], abs=1e-3)


# the history


def test_history_has_one_entry_per_epoch_and_term(make_vae, x):
    history = fit(make_vae(), x, negative_elbo, **{**SETTINGS, "epochs": 3}, x_val=x[:50])
    assert isinstance(history, History) and not history.interrupted
    for terms in (history.train, history.val):
        assert list(terms) == ["loss", "recon_loss", "kl"]
        for values in (*terms.values(), history.grad_peak, history.seconds):
            assert len(values) == 3 and all(map(math.isfinite, values))
    assert history.seconds == sorted(history.seconds) and history.seconds[0] > 0
    assert fit(make_vae(), x, negative_elbo, **SETTINGS).val == {}


def test_the_last_validation_is_what_evaluate_gives(make_vae, digits, x):
    model = make_vae()
    history = fit(model, x, negative_elbo, **SETTINGS, x_val=digits.x_test)
    last = {name: values[-1] for name, values in history.val.items()}
    assert evaluate(model, digits.x_test, negative_elbo) == last


def test_grad_peak_is_the_largest_gradient_norm_of_each_epoch():
    """The loss is (3 weight + 4 bias) x with x = 1, 2, 1: its gradient (3 x, 4 x) has norm 5 x."""
    model = nn.Linear(1, 1)
    slope = lambda model, x: {"loss": (3 * model.weight + 4 * model.bias).sum() * x.sum(1)}  # noqa: E731
    x = torch.tensor([[1.0], [2.0], [1.0]])
    history = train(model, x, slope, epochs=2, batch_size=1, lr=1e-3)
    assert history.grad_peak == pytest.approx([10.0, 10.0])


def test_training_means_weigh_every_example_once():
    x = torch.tensor([[1.0], [1.0], [1.0], [1.0], [10.0]])  # the last batch has one row
    too_slow_to_matter = 1e-12
    history = train(line(1.0), x, to_zero, epochs=5, batch_size=2, lr=too_slow_to_matter)
    assert history.train["loss"] == pytest.approx([104 / 5] * 5, rel=1e-5)


def test_every_example_is_seen_once_per_epoch():
    seen = []

    def note(model, x):
        seen.append(x.flatten().tolist())
        return to_zero(model, x)

    train(line(1.0), torch.arange(10.0).unsqueeze(1), note, epochs=2, lr=1e-3)
    assert [len(rows) for rows in seen] == [4, 4, 2, 4, 4, 2]
    epochs = [[row for rows in part for row in rows] for part in (seen[:3], seen[3:])]
    assert [sorted(rows) for rows in epochs] == [list(range(10))] * 2 and epochs[0] != epochs[1]


def test_several_tensors_stay_aligned():
    x, y = torch.arange(10.0).unsqueeze(1), 3 * torch.arange(10.0).unsqueeze(1)

    def loss_fn(model, x, y):
        assert torch.equal(y, 3 * x)
        return {"loss": squared_error(model(x), y)}

    model = line(0.0)
    few = (x[:3], y[:3])
    history = train(model, (x, y), loss_fn, epochs=200, x_val=few, schedule=warmup_then_linear)
    assert model.weight.item() == pytest.approx(3, abs=1e-3)
    assert history.val["loss"][-1] == pytest.approx(evaluate(model, [*few], loss_fn)["loss"])


def test_a_loss_that_is_already_a_mean_trains_alike():
    def mean_to_zero(model, x):
        return {"loss": to_zero(model, x)["loss"].mean()}

    x = torch.randn(64, 1, generator=torch.Generator().manual_seed(0))
    models = [line(2.0), line(2.0)]
    one, other = (
        train(model, x, loss_fn, epochs=3, batch_size=16)
        for model, loss_fn in zip(models, (to_zero, mean_to_zero), strict=True)
    )
    torch.testing.assert_close(weights(models[0]), weights(models[1]))
    assert one.train["loss"] == pytest.approx(other.train["loss"])


# evaluate


@pytest.mark.parametrize("batch_size", [1, 7, 100, 299, 300, 2000])
def test_evaluate_is_the_mean_over_all_examples_whatever_the_batches(digits, x, batch_size):
    torch.manual_seed(0)
    model = Autoencoder(mlp([64, 4]), mlp([4, 64], out_shape=(1, 8, 8)))

    def loss_fn(model, x):
        return {"loss": squared_error(model(x), x), "code": model.encode(x).abs().sum(1)}

    with torch.no_grad():
        whole = {name: term.double().mean().item() for name, term in loss_fn(model, x).items()}
    assert evaluate(model, x, loss_fn, batch_size=batch_size) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("raises", [True, False])
def test_the_mode_of_every_part_is_restored(x, training, raises):
    """A part in eval mode, such as a frozen classifier, is in eval mode afterward."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Dropout(0.5)).train(training)
    model[0].eval()
    modes = []

    def loss_fn(model, x):
        modes.append((model.training, torch.is_grad_enabled()))
        if raises:
            raise RuntimeError("on purpose")
        return to_zero(model, x)

    for run in (partial(evaluate, model, x, loss_fn), partial(fit, model, x, loss_fn, **SETTINGS)):
        if raises:
            with pytest.raises(RuntimeError, match="on purpose"):
                run()
        else:
            run()
        assert [part.training for part in model] == [False, training, training]
        assert model.training == training
    assert modes[0] == (False, False) and modes[-1] == (True, True)


# what stops training


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_at_its_step(bad):
    calls = []

    def loss_fn(model, x):
        calls.append(1)
        return {"loss": to_zero(model, x)["loss"] * (bad if len(calls) == 5 else 1.0)}

    model = line(1.0)
    said = r"at step 5 \(epoch 2/3\).*smaller lr \(it is 0.1\)"
    with pytest.raises(FloatingPointError, match=said):
        train(model, torch.ones(12, 1), loss_fn, epochs=3)
    assert len(calls) == 5 and model.weight.isfinite().all()


def test_a_gradient_that_is_not_finite_never_leaves_a_broken_model_in_silence():
    """sqrt(0) is finite and its derivative is not: after the only step the weight would be NaN."""
    root = lambda model, x: {"loss": (model(x) ** 2).sqrt().sum(1)}  # noqa: E731
    with pytest.raises(FloatingPointError, match="step 1"):
        train(line(0.0), torch.ones(4, 1), root)


def test_ctrl_c_keeps_what_was_learned(capsys):
    loss_fn, model = InterruptAt(8), line(1.0).eval()
    history = train(model, torch.ones(12, 1), loss_fn, epochs=10, lr=0.01)
    assert history.interrupted and not model.training
    assert model.weight.item() == loss_fn.weights[-1] < loss_fn.weights[0] == 1.0
    assert len(history.train["loss"]) == len(history.seconds) == 2
    said = "Stopped by hand in epoch 3 of 10; the model keeps what it learned.\n"
    assert capsys.readouterr().out == said


def test_ctrl_c_during_validation_leaves_columns_of_one_length():
    x = torch.ones(4, 1)  # an epoch calls the loss twice: one step and one validation
    history = train(line(1.0), x, InterruptAt(4), epochs=9, x_val=x)
    assert history.interrupted
    assert len(history.train["loss"]) == len(history.val["loss"]) == len(history.seconds) == 1


# the progress bar


def shown(text: str) -> list[str]:
    """The lines on a terminal after `text`: after a carriage return a line is overwritten."""
    lines = []
    for raw in text.removesuffix("\n").split("\n"):
        line = ""
        for part in raw.split("\r"):
            line = part + line[len(part) :]
        lines.append(line.rstrip())
    return lines


def test_the_bar_ends_as_one_clean_line_with_the_last_means(make_vae, x, capsys):
    history = fit(make_vae(), x, negative_elbo, **{**SETTINGS, "show_progress": True})
    out, err = capsys.readouterr()
    assert err == "" and out.endswith("\n")
    (text,) = shown(out)
    assert text.startswith("epoch 2/2 |") and "█" * 16 in text
    said = re.findall(r"(\w+) ([\d.e+-]+)(?: ·|$)", text)
    last = {name: values[-1] for name, values in history.train.items()}
    assert {name: float(value) for name, value in said} == pytest.approx(last, rel=0.01)
    assert "\x1b" not in out


def test_the_bar_is_one_line_and_the_message_another_after_ctrl_c(capsys):
    train(line(1.0), torch.ones(12, 1), InterruptAt(8), epochs=10, show_progress=True)
    lines = shown(capsys.readouterr().out)
    assert len(lines) == 2 and lines[1].startswith("Stopped by hand in epoch 3 of 10")


def test_best_device_is_one_that_works():
    assert torch.zeros(2, device=best_device()).add(1).sum().item() == 2


# a schedule of beta


def noting(seen: list):
    """to_zero, with a beta of 7 unless given, that appends (in training?, beta) to `seen`."""

    def loss_fn(model, x, *, beta=7.0):
        seen.append((model.training, beta))
        return {"loss": beta * to_zero(model, x)["loss"], "beta": torch.tensor(float(beta))}

    return loss_fn


def test_a_batch_gets_the_beta_of_its_progress_and_validation_that_of_the_loss():
    """10 examples by 4 are 3 steps, and 2 epochs are 6: the progress goes from 1/7 to 6/7."""
    seen, asked, rates = [], [], []
    history = train(
        line(1.0),
        torch.ones(10, 1),
        noting(seen),
        epochs=2,
        schedule=lambda progress: rates.append(progress) or 1.0,
        beta=lambda progress: asked.append(progress) or 100 * progress,
        x_val=torch.ones(4, 1),
    )
    assert asked == [step / 7 for step in range(1, 7)]
    assert all(0 < progress < 1 for progress in asked) and asked == sorted(set(asked))
    assert rates[:6] == asked
    assert [beta for training, beta in seen if training] == [100 * progress for progress in asked]
    assert [beta for training, beta in seen if not training] == [7.0, 7.0]
    assert history.val["beta"] == [7.0, 7.0]
    weighted = [100 * p * n for p, n in zip(asked, (4, 4, 2) * 2, strict=True)]
    means = [sum(weighted[:3]) / 10, sum(weighted[3:]) / 10]
    assert history.train["beta"] == pytest.approx(means)


def test_without_a_schedule_of_beta_the_loss_gets_none():
    seen, x = [], torch.ones(10, 1)
    train(line(1.0), x, noting(seen), beta=None)
    assert seen == [(True, 7.0)] * 3
    train(line(1.0), x, to_zero, beta=None)
    with pytest.raises(TypeError, match="beta"):
        train(line(1.0), x, to_zero, beta=constant)


@pytest.mark.parametrize("beta", [0.0, 0.5, 4])
def test_a_constant_schedule_is_a_fixed_beta_whatever_the_loss_has_by_itself(make_vae, x, beta):
    models = [make_vae(), make_vae()]
    nine, fixed = (partial(negative_elbo, beta=beta) for beta in (9.0, beta))
    histories = [
        fit(models[0], x, nine, **SETTINGS, beta=lambda progress: beta),
        fit(models[1], x, fixed, **SETTINGS),
    ]
    assert same(*models) and histories[0].train == histories[1].train
