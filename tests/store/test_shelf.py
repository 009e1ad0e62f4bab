"""The shelf: models are taken from it only where their recipe is the notebook's."""

import importlib
import json
import math
import pickle
from functools import partial

import pytest
import torch
from helpers.toys import SETTINGS, X, copy_loss, make_model, same
from torch import nn

from tutorial_utils.data import DamagedFile
from tutorial_utils.losses import class_loss
from tutorial_utils.models import mlp
from tutorial_utils.store import grid, scores, shelf, train
from tutorial_utils.store.files import read_tensors
from tutorial_utils.store.grid import score_grid, train_grid
from tutorial_utils.store.packing import packed, unpacked
from tutorial_utils.store.pretrained import PRETRAINED, digit_classifier
from tutorial_utils.store.scores import read_scores
from tutorial_utils.store.shelf import SHELF, StaleEntry, shelf_path
from tutorial_utils.store.train import plan_many, trained
from tutorial_utils.training import evaluate

with pytest.MonkeyPatch.context() as patch:  # notebooks/src is no package
    patch.syspath_prepend(SHELF.parent / "src")
    models = importlib.import_module("models")

ENTRIES = sorted(SHELF.glob("*.safetensors"))
QUIET = {"show_progress": False}


@pytest.fixture
def empty_shelf(tmp_path, monkeypatch, empty_data_dir):
    """A shelf and a cache of this test alone."""
    for module in (shelf, scores):
        monkeypatch.setattr(module, "SHELF", tmp_path / "trained")
    return tmp_path / "trained"


@pytest.fixture
def writing(empty_shelf, monkeypatch):
    """As in `make models`; returns a function that ends it."""
    monkeypatch.setenv("TUTORIAL_SHELF", "write")
    return lambda: monkeypatch.delenv("TUTORIAL_SHELF")


def toy(**changed) -> tuple[nn.Module, object]:
    """`trained` with the settings of the toys and seed 0."""
    arguments = {"make_model": make_model, "x": X, "loss_fn": copy_loss, "seed": 0}
    return trained("toy", **(arguments | SETTINGS | QUIET | changed))


def other_loss(model, x):
    """A loss that is not that of the toys."""
    return {"loss": 2 * copy_loss(model, x)["loss"]}


def forbidden(*_, **__):
    """Stands for what must not be called."""
    raise AssertionError("this was to be loaded")


# ---- 8-bit weights ----


@pytest.mark.parametrize("shape", [(40, 50), (8, 3, 10, 10), (2000, 1)])
def test_a_weight_is_kept_to_half_a_step_of_its_row(shape):
    value = torch.randn(shape) * torch.logspace(-6, 6, shape[0]).view(-1, *[1] * (len(shape) - 1))
    small = packed({"w": value})
    steps = value.flatten(1).abs().amax(1) / 127
    error = (unpacked(small)["w"] - value).flatten(1).abs().amax(1)
    assert small["w"].dtype == torch.int8 and (error <= 0.51 * steps).all()


def test_small_and_whole_ones_are_kept_as_they_are():
    weights = {"bias": torch.rand(3000), "tiny": torch.rand(3, 3), "n": torch.tensor(2**40)}
    weights |= {"zero": torch.zeros(64, 64), "none": torch.zeros(0, 2)}
    again = unpacked(packed(weights))
    assert again.keys() == weights.keys()
    for name, value in weights.items():
        assert again[name].shape == value.shape and again[name].dtype == value.dtype
        torch.testing.assert_close(again[name], value, rtol=1e-3, atol=1e-6)


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="weights must be finite, but w is not"):
        packed({"w": torch.full((2,), torch.inf)})


# ---- what is taken ----


def test_what_was_put_there_is_taken_and_not_trained(writing, monkeypatch, capsys):
    make_wide = partial(mlp, [3, 400, 3])  # so large that it is rounded
    first, _ = toy(make_model=make_wide)
    made, history = toy(make_model=make_wide)
    assert same(first, made) and not same(first, toy(make_model=make_wide, on_shelf=False)[0])
    writing()
    monkeypatch.setattr(train, "fit", forbidden)
    found, again = toy(make_model=make_wide, show_progress=True)
    assert "toy: from the shelf" in capsys.readouterr().out
    assert same(found, made) and again == history
    assert not any(parameter.requires_grad for parameter in found.parameters())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epochs": 3}, "epochs is 3, not 2"),
        ({"seed": 1}, "seed is 1, not 0"),
        ({"x": X + 1}, "data has changed"),
        ({"loss_fn": other_loss}, "loss has changed"),
        ({"make_model": lambda: nn.Linear(3, 3)}, "network has changed"),
    ],
)
def test_another_recipe_is_refused_by_name_and_trained(changed, said, writing, capsys, monkeypatch):
    toy()
    writing()
    model, _ = toy(**changed)
    assert f"toy: not taken from the shelf: {said}" in capsys.readouterr().out
    assert same(model, toy(**changed, on_shelf=False)[0])
    monkeypatch.setenv("TUTORIAL_SHELF", "strict")
    with pytest.raises(StaleEntry, match=rf"toy: .*{said}.*make models"):
        toy(**changed)


def test_retrain_trains_whatever_lies_there(writing, monkeypatch):
    trainings, real = [], train.fit

    def counted(*arguments, **settings):
        trainings.append(settings["epochs"])
        return real(*arguments, **settings)

    toy()
    writing()
    monkeypatch.setattr(train, "fit", counted)
    toy()
    assert trainings == []
    toy(retrain=True)
    assert trainings == [2]


def test_make_models_replaces_an_entry_of_another_recipe(writing):
    toy()
    toy(epochs=1)
    writing()
    _, text = read_tensors(shelf_path("toy"), "toy")
    assert json.loads(text)["recipe"]["epochs"] == "1"


def test_every_damaged_byte_is_found(writing, capsys):
    toy()
    writing()
    path = shelf_path("toy")
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedFile):
            read_tensors(path, "toy")
    path.write_bytes(whole[:-1])
    model, _ = toy()
    assert "not taken from the shelf" in capsys.readouterr().out
    assert same(model, toy(on_shelf=False)[0])


def test_nothing_but_make_models_writes(empty_shelf):
    toy()
    train_grid(make_model, X, copy_loss, over={"seed": [0]}, name="grid", **SETTINGS, **QUIET)
    assert not empty_shelf.exists()


def test_a_wrong_mode_is_an_error(empty_shelf, monkeypatch):
    monkeypatch.setenv("TUTORIAL_SHELF", "yes")
    with pytest.raises(ValueError, match="TUTORIAL_SHELF must be read, write, strict or check"):
        shelf.shelf_mode()


def test_a_grid_says_what_comes_from_the_shelf(writing, capsys):
    over = {"seed": [0, 1, 2]}
    arguments = {"name": "grid", "n_jobs": 1, **SETTINGS}
    first = train_grid(make_model, X, copy_loss, over=over, **arguments)
    writing()
    shelf_path("grid_1").unlink()
    again = train_grid(make_model, X, copy_loss, over=over, **arguments)
    assert "2 of 3 models from the shelf" in capsys.readouterr().out
    assert again[0][1] == first[0][1] and same(again[0][0], first[0][0])
    torch.testing.assert_close(
        again[1][0].state_dict(), first[1][0].state_dict(), rtol=0, atol=1e-3
    )


def test_a_killed_run_goes_on_from_the_cache(writing, monkeypatch):
    """Each model is cached when it is done; only the end of a grid fills the shelf."""
    over = {"seed": [0, 1]}
    arguments = {"name": "grid", "n_jobs": 1, **SETTINGS, **QUIET}
    with monkeypatch.context() as patch:
        patch.setattr(train, "fill_shelf", forbidden)
        with pytest.raises(AssertionError):
            train_grid(make_model, X, copy_loss, over=over, **arguments)
    monkeypatch.setattr(train, "train_alone", forbidden)
    train_grid(make_model, X, copy_loss, over=over, **arguments)
    assert shelf_path("grid_0").exists() and shelf_path("grid_1").exists()


def test_a_recipe_does_not_travel_with_its_job():
    (job,) = plan_many({"toy": {"make_model": make_model, "x": X, "loss_fn": copy_loss, "seed": 0}})
    assert job.recipe() and pickle.loads(pickle.dumps(job)).recipe is None


def test_check_trains_again_and_compares(writing, monkeypatch, capsys):
    toy()
    monkeypatch.setenv("TUTORIAL_SHELF", "check")
    monkeypatch.setenv("TUTORIAL_SHELF_CHECK", "toy other")
    toy()
    assert "toy: the last loss is" in capsys.readouterr().out
    weights, text = read_tensors(shelf_path("toy"), "toy")
    entry = json.loads(text)
    entry["history"]["train"]["loss"][-1] *= 1.02
    shelf.put("toy", entry["recipe"], (unpacked(weights), json.dumps(entry["history"])))
    with pytest.raises(RuntimeError, match="toy: the last loss is"):
        toy()


def test_make_models_hears_what_a_notebook_asked_for(writing, monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_SHELF_ASKED", str(tmp_path / "asked"))
    toy()
    grid = {"over": {"seed": [0, 1]}, "n_jobs": 1, **SETTINGS, **QUIET}
    score_grid(make_model, X, copy_loss, measure=measured, name="scores", **grid)
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["toy", "scores_0", "scores_1"]


def test_make_models_takes_away_what_no_notebook_asks_for(writing, monkeypatch):
    monkeypatch.setattr(models, "SHELF", shelf.SHELF)
    toy()
    _, shipped = PRETRAINED["vae_20d"]
    for name in ("old", shipped):
        shelf_path(name).write_bytes(shelf_path("toy").read_bytes())
    grid = {"over": {"seed": [0, 1]}, "n_jobs": 1, **SETTINGS, **QUIET}
    score_grid(make_model, X, copy_loss, measure=measured, name="scores", **grid)
    assert models.prune({"toy", "scores_1"}) == ["old", "scores_0"]
    assert not shelf_path("old").exists() and shelf_path("toy").exists()
    assert shelf_path(shipped).exists()  # the package has a copy of it
    assert set(read_scores()) == {"scores_1"}


@pytest.mark.parametrize(
    ("arguments", "ends", "pruned", "status"),
    [
        ([], True, True, 0),
        ([], False, False, 1),
        (["05_beta"], True, False, 0),
        (["--check"], True, False, 1),  # what was drawn, no notebook asked for
    ],
)
def test_make_models_takes_away_only_at_the_end_of_all(
    arguments, ends, pruned, status, monkeypatch
):
    calls = []
    monkeypatch.setattr(models, "run", lambda source, **environment: ends)
    monkeypatch.setattr(models, "prune", lambda asked: calls.append(asked) or [])
    monkeypatch.setattr("sys.argv", ["models.py", *arguments])
    assert models.main() == status
    assert calls == ([set()] if pruned else [])


# ---- recorded scores ----


def measured(model):
    """A score of the toys."""
    return evaluate(model, X, copy_loss)


def test_scores_are_recorded_and_not_measured_again(writing, monkeypatch, capsys):
    arguments = {"over": {"seed": [0, 1]}, "name": "scores", "n_jobs": 1, **SETTINGS}
    first = score_grid(make_model, X, copy_loss, measure=measured, **arguments)
    writing()
    models = train_grid(make_model, X, copy_loss, **arguments)
    assert first == {key: measured(model) for key, (model, _) in models.items()}
    assert not shelf_path("scores_0").exists()  # only the numbers are kept
    assert set(read_scores()) == {"scores_0", "scores_1"}
    with monkeypatch.context() as patch:
        patch.setattr(train, "load_or_make", lambda jobs, **_: forbidden() if jobs else {})
        again = score_grid(make_model, X, copy_loss, measure=measured, **arguments)
    for key, row in first.items():
        assert again[key] == pytest.approx(row, rel=1e-5)
    assert "2 of 2 models: scores as recorded" in capsys.readouterr().out

    def other(model):
        return {"twice": 2 * measured(model)["loss"]}

    found = score_grid(make_model, X, copy_loss, measure=other, **arguments)
    assert {key: row["twice"] for key, row in found.items()} == {
        key: 2 * row["loss"] for key, row in first.items()
    }
    assert "scores_0: not taken from the shelf" in capsys.readouterr().out
    monkeypatch.setenv("TUTORIAL_SHELF", "strict")
    with pytest.raises(StaleEntry, match=r"scores_0: .*make models"):
        score_grid(make_model, X, copy_loss, measure=other, **arguments)
    assert set(read_scores()["scores_0"].scores) == {"loss", grid.SECONDS}  # nothing was written


def test_a_damaged_table_is_an_error(empty_shelf):
    empty_shelf.mkdir()
    (empty_shelf / "scores.csv").write_text("name,value\na,b\n")
    with pytest.raises(DamagedFile, match=r"scores\.csv cannot be read"):
        read_scores()


# ---- the shelf that travels ----


def test_every_entry_can_be_read_and_all_are_small():
    assert sum(path.stat().st_size for path in ENTRIES) <= 60e6
    for path in ENTRIES:
        weights, text = read_tensors(path, path.stem)
        entry = json.loads(text)
        assert unpacked(weights) and {"network", "loss", "data", "seed"} <= entry["recipe"].keys()
        losses = entry["history"]["train"]["loss"]  # below 0 where the likelihood is a density
        assert math.isfinite(losses[-1]) and losses[-1] <= losses[0]
        assert not entry["history"]["interrupted"]


@pytest.mark.parametrize("path", ENTRIES[:3], ids=lambda path: path.stem)
def test_flipped_bytes_of_an_entry_are_found(path, tmp_path):
    whole = path.read_bytes()
    for place in (9, 500, len(whole) // 2, len(whole) - 1):
        copy = tmp_path / path.name
        copy.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with pytest.raises(DamagedFile):
            read_tensors(copy, path.stem)


def test_the_judge_trained_again_is_the_judge_of_the_shelf(mnist, empty_data_dir):
    found, made = digit_classifier(mnist), digit_classifier(mnist, retrain=True)
    images = mnist.x_test, mnist.y_test
    first, second = (evaluate(judge, images, class_loss)["accuracy"] for judge in (found, made))
    assert first == pytest.approx(second, abs=0.003)


def test_entries_trained_again_end_with_the_same_loss(empty_data_dir, tmp_path):
    """Two small ones, as by `make models ARGS=--check`: a notebook's source asks for them."""
    drawn, asked = ["05_times_8_0", "05_times_16_0"], tmp_path / "asked"
    mode = {"TUTORIAL_SHELF": "check", "TUTORIAL_SHELF_CHECK": " ".join(drawn)}
    source = SHELF.parent / "src" / "side_trips" / "05_table.py"
    assert models.run(source, **mode, TUTORIAL_SHELF_ASKED=str(asked))
    assert sorted(asked.read_text().split()) == sorted(drawn)
