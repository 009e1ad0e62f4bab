"""Checks of notebook 01: right answers in every form, and wrong ones of other kinds."""

import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, OK, WRONG, every_right, given_by
from torch.nn.functional import mse_loss

from tutorial_utils.checks.nb01 import check_code_shape, check_squared_error, check_test_score
from tutorial_utils.data import ImageData

IMAGE = (1, 2, 3)  # the axes of one image in a batch [B, C, H, W]


def _loop(recon, x):
    return [((one - other) ** 2).sum() for one, other in zip(recon, x, strict=True)]


def _error(model, x, *, reduce=torch.mean):
    return reduce((model(x).sigmoid() - x).square()).item()


def _image_sum(error):
    return error.flatten(1).sum(1).mean()


def _in_batches(model, data):
    return sum(_error(model, x) * len(x) for x in data.x_test.split(999)) / len(data.x_test)


RIGHT = {
    check_code_shape: {
        "tuple": (5, 32),
        "list": [5, 32],
        "numpy": np.array([5, 32]),
        "tensor": torch.tensor([5, 32]),
    },
    check_squared_error: {
        "sum": lambda recon, x: ((recon - x) ** 2).sum(dim=IMAGE),
        "flatten": lambda recon, x: (x - recon).square().flatten(1).sum(1),
        "mse_loss": lambda recon, x: mse_loss(recon, x, reduction="none").sum(IMAGE),
        "mean times pixels": lambda recon, x: (recon - x).square().mean(IMAGE) * x[0].numel(),
        "norm": lambda recon, x: torch.linalg.vector_norm(recon - x, dim=IMAGE) ** 2,
        "einsum": lambda recon, x: torch.einsum("bchw,bchw->b", recon - x, recon - x),
        "loop": _loop,
        "list of floats": lambda recon, x: [float(value) for value in _loop(recon, x)],
        "expanded": lambda r, x: (r**2 - 2 * r * x + x**2).sum(IMAGE),
        "double": lambda recon, x: (recon.double() - x.double()).square().sum(IMAGE),
        "numpy": lambda recon, x: ((recon.numpy() - x.numpy()) ** 2).sum(IMAGE),
    },
    check_test_score: {
        "float": lambda model, data: _error(model, data.x_test),
        "with a gradient": lambda model, data: mse_loss(model(data.x_test).sigmoid(), data.x_test),
        "numpy": lambda model, data: np.float32(_error(model, data.x_test)),
        "sum, divided by 784": lambda model, data: (  # as notebook 01 does
            _error(model, data.x_test, reduce=_image_sum) / 784
        ),
        "in batches": _in_batches,
        "one by one": lambda model, data: np.mean([_error(model, x[None]) for x in data.x_test]),
        "encode, decode": lambda model, data: _error(
            lambda x: model.decode(model.encode(x)), data.x_test
        ),
    },
}


@pytest.mark.filterwarnings("error")
@every_right("01", RIGHT)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


# ---- the shape of a code ----


@pytest.mark.parametrize(
    "answer", [(), (5, 31), (6, 33), (5, 1, 2, 32), (784, 32), torch.zeros(5, 32), "(5, 32)"]
)
def test_another_shape_is_not_right(said, answer):
    assert said(check_code_shape, answer).startswith(WRONG)


# ---- the squared error ----


def _absolute_in_place(recon, x):
    recon -= x
    return recon.abs_().sum(IMAGE)


def test_a_function_that_changes_its_arguments_is_called_by_its_mistake_all_the_same(said):
    assert "absolute" in said(check_squared_error, _absolute_in_place)


@pytest.mark.parametrize(
    "loss",
    [
        lambda recon, x: (recon - x).square().mean(IMAGE) * 48,
        lambda recon, x: recon.square().sum(IMAGE),
        lambda recon, x: (recon - x).square().sum(IMAGE).round(decimals=1),
    ],
)
def test_another_loss_is_not_right(said, loss):
    assert said(check_squared_error, loss).startswith(WRONG)


# ---- an honest score ----


@pytest.mark.parametrize(
    "score",
    [
        lambda model, data: 0.1,
        lambda model, data: _error(model, data.x_test) + 1e-4,
        lambda model, data: _error(model, data.x_test, reduce=torch.median),
        lambda model, data: _error(model, data.x_test[1:]),
        lambda model, data: _error(lambda x: model(x.flip(0)), data.x_test),
    ],
)
def test_another_score_is_not_right_and_not_taken_for_a_mistake(said, score):
    text = said(check_test_score, score)
    assert text.startswith(WRONG)
    assert not [named for _, named in check_test_score.mistakes if named in text]


@pytest.mark.parametrize(
    ("phrase", "part"),
    [
        *(("first test images", lambda x, n=n: x[:n]) for n in (1, 32, 150)),
        *(("left out", lambda x, n=n: x[: len(x) // n * n]) for n in (32, 128)),
        ("left out", lambda x: x[::10]),
        ("left out", lambda x: x[:-1]),
    ],
)
def test_a_part_of_the_test_images_is_named(said, phrase, part):
    answer = lambda model, data: _error(model, part(data.x_test))  # noqa: E731
    assert phrase in said(check_test_score, answer)


@pytest.mark.parametrize("size", [2, 7, 64, 128, 1000])
def test_a_mean_of_means_of_batches_is_not_right(said, size):
    answer = lambda model, data: np.mean([_error(model, x) for x in data.x_test.split(size)])  # noqa: E731
    assert said(check_test_score, answer).startswith(WRONG)


def test_a_score_gets_data_as_the_notebooks_have_it():
    """ImageData of float images in [0, 1], and a model in the form of an `Autoencoder`."""
    for model, data in given_by(check_test_score, RIGHT[check_test_score]["float"]):
        assert isinstance(data, ImageData)
        assert len(data.x_train) == len(data.y_train) and len(data.x_test) == len(data.y_test)
        for x in (data.x_train, data.x_test):
            assert x.dtype == torch.float32 and x.ndim == 4 and x.min() >= 0 and x.max() <= 1
            assert len(x[0].unique()) > 100, "many gray levels"
        recon = model(data.x_test[:3]).sigmoid()
        assert recon.shape == data.x_test[:3].shape and len(recon.unique()) > 100


@pytest.mark.parametrize("answer", [(..., 32), (5, ...), [...]])
def test_dots_in_a_shape_are_not_yet_an_answer(said, answer):
    assert said(check_code_shape, answer).startswith(NOT_YET)
