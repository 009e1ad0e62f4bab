"""Folders that may not be read or written: said in a sentence, and everything goes on."""

import os
import tempfile
from pathlib import Path

import pytest
import torch
from torch import nn

from tutorial_utils.data import data_dir, is_here, load_images
from tutorial_utils.models import Autoencoder
from tutorial_utils.store.train import train_many, trained
from tutorial_utils.training import fit

NOBODY = 65534


def make_model():
    return Autoencoder(nn.Linear(4, 1), nn.Linear(1, 4))


def squared(model, x):
    return {"loss": (model(x)[0] - x).square().sum(1).mean()}


SETTINGS = {"seed": 0, "epochs": 1, "batch_size": 4, "lr": 0.1, "show_progress": False}


@pytest.fixture
def as_somebody_else():
    """Not root, for whom nothing is forbidden; other people stay who they are."""
    if os.geteuid() != 0:
        yield
        return
    fit(make_model(), torch.rand(8, 4), squared, **SETTINGS)  # imports what only root may read
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


@pytest.fixture(params=[0o000, 0o111, 0o444, 0o555], ids=oct)
def forbidden(request, tmp_path, monkeypatch):
    """A folder of data with all but these rights, in which models lie already."""
    folder = tmp_path / "data"
    (folder / "models").mkdir(parents=True)
    monkeypatch.setenv("TUTORIAL_DATA", str(folder))
    temporary = Path(tempfile.gettempdir()).resolve()
    for path in (tmp_path, *tmp_path.parents):  # pytest keeps its folders from other people
        if temporary in path.parents:
            path.chmod(0o755)
    for path in (folder / "models", folder):
        path.chmod(request.param)
    yield folder
    for path in (folder, folder / "models"):
        path.chmod(0o755)


@pytest.mark.usefixtures("forbidden", "as_somebody_else")
def test_what_cannot_be_kept_is_trained_each_time_and_said(capsys):
    x = torch.rand(8, 4)
    first, _ = trained("kept", make_model, x, squared, **SETTINGS)
    again, _ = trained("kept", make_model, x, squared, **SETTINGS)
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert capsys.readouterr().out.count("kept: made, but not saved:") == 2
    job = {"make_model": make_model, "x": x, "loss_fn": squared, **SETTINGS}
    jobs = {"one": job, "two": job | {"seed": 1}}
    found = train_many(jobs, n_jobs=1, show_progress=False)
    assert list(found) == list(jobs)


@pytest.mark.usefixtures("forbidden", "as_somebody_else")
def test_images_are_loaded_without_the_folder():
    assert len(load_images("mnist", n_train=3, n_test=1).x_train) == 3
    assert not is_here("cifar10")


def test_mnist_needs_no_folder_and_no_home(monkeypatch):
    monkeypatch.setenv("TUTORIAL_DATA", "~nobody-of-this-name/data")
    with pytest.raises(ValueError, match="TUTORIAL_DATA"):
        data_dir()
    for name in ("mnist", "digits", "patches"):
        assert is_here(name) and len(load_images(name, n_test=1).x_test) == 1
