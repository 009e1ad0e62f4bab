"""Checks of notebook 01: right answers in every form, and wrong ones of other kinds."""

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right, given_by
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
        "floats": (5.0, 32.0),
        "size": torch.Size([5, 32]),
        "shape": torch.zeros(5, 32).shape,
        "numpy shape": np.zeros((5, 32)).shape,
        "numpy numbers": (np.int64(5), np.int64(32)),
        "tensors": (torch.tensor(5), torch.tensor(32)),
        "numpy": np.array([5, 32]),
        "tensor": torch.tensor([5, 32]),
    },
    check_squared_error: {
        "sum": lambda recon, x: ((recon - x) ** 2).sum(dim=IMAGE),
        "the other way round": lambda recon, x: (x - recon).square().sum(IMAGE),
        "flatten": lambda recon, x: (recon - x).square().flatten(1).sum(1),
        "one axis after another": lambda recon, x: (recon - x).square().sum(3).sum(2).sum(1),
        "mse_loss": lambda recon, x: mse_loss(recon, x, reduction="none").sum(IMAGE),
        "mean times pixels": lambda recon, x: (recon - x).square().mean(IMAGE) * x[0].numel(),
        "norm": lambda recon, x: torch.linalg.vector_norm(recon - x, dim=IMAGE) ** 2,
        "einsum": lambda recon, x: torch.einsum("bchw,bchw->b", recon - x, recon - x),
        "loop": _loop,
        "list of floats": lambda recon, x: [float(value) for value in _loop(recon, x)],
        "double": lambda recon, x: (recon.double() - x.double()).square().sum(IMAGE),
        "numpy": lambda recon, x: ((recon.numpy() - x.numpy()) ** 2).sum(IMAGE),
        "numpy double": lambda recon, x: ((recon.numpy().astype(float) - x.numpy()) ** 2).sum(
            IMAGE
        ),
    },
    check_test_score: {
        "float": lambda model, data: _error(model, data.x_test),
        "tensor": lambda model, data: (
            (model(data.x_test).sigmoid() - data.x_test).square().mean().detach()
        ),
        "with a gradient": lambda model, data: (
            (model(data.x_test).sigmoid() - data.x_test).square().mean()
        ),
        "numpy": lambda model, data: np.float32(_error(model, data.x_test)),
        "mse_loss": lambda model, data: mse_loss(model(data.x_test).sigmoid(), data.x_test).item(),
        "sum, then divided": lambda model, data: (
            _error(model, data.x_test, reduce=_image_sum) / data.x_test[0].numel()
        ),
        "sum, divided by 784": lambda model, data: (  # as notebook 01 does
            _error(model, data.x_test, reduce=_image_sum) / 784
        ),
        "in batches": _in_batches,
        "encode, decode": lambda model, data: (
            (model.decode(model.encode(data.x_test)).sigmoid() - data.x_test).square().mean().item()
        ),
    },
}


@pytest.mark.filterwarnings("error")
@every_right("01", RIGHT)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


# ---- the shape of a code ----


@pytest.mark.parametrize(
    "answer", [(5, 2), (5,), (), (1, 32), (5, 32, 1), (5, 1, 1, 32), (5, 64), (32, 784), (32, 400)]
)
def test_another_shape_is_not_right(said, answer):
    assert said(check_code_shape, answer).startswith(WRONG)


@pytest.mark.parametrize("form", [tuple, list, torch.Size], ids=lambda form: form.__name__)
def test_a_wrong_shape_is_named_in_every_form(said, form):
    assert "swapped" in said(check_code_shape, form((32, 5)))


def test_code_shape_asks_for_the_shape_when_given_the_codes(said):
    assert "shape" in said(check_code_shape, torch.zeros(5, 32))


# ---- the squared error ----


def _absolute_in_place(recon, x):
    recon -= x
    return recon.abs_().sum(IMAGE)


def test_a_function_that_changes_its_arguments_is_called_by_its_mistake_all_the_same(said):
    assert "absolute" in said(check_squared_error, _absolute_in_place)


@pytest.mark.parametrize(
    "loss",
    [
        lambda recon, x: (recon - x).square()[:, 0].sum((1, 2)),
        lambda recon, x: (recon - x).square().mean(IMAGE) * 784,
        lambda recon, x: (recon - x).square().mean(IMAGE) * 48,
        lambda recon, x: (recon - x).square(),
        lambda recon, x: (recon - x).square().sum((2, 3)),
        lambda recon, x: (recon - x).square().sum(IMAGE, keepdim=True),
        lambda recon, x: (recon - x).square().sum(0),
        lambda recon, x: -(recon - x).square().sum(IMAGE),
        lambda recon, x: (recon - x).square().sum(IMAGE)[:3],
        lambda recon, x: recon.square().sum(IMAGE),
        lambda recon, x: torch.full((6,), float("nan")),
        lambda recon, x: 0,
        lambda recon, x: 0.0,
        lambda recon, x: torch.zeros(len(x), dtype=torch.long),
    ],
)
def test_another_loss_is_not_right(said, loss):
    assert said(check_squared_error, loss).startswith(WRONG)


# ---- an honest score ----

OTHER_SCORES = {
    "training set, summed": lambda model, data: _error(model, data.x_train, reduce=_image_sum),
    "first, summed": lambda model, data: _error(model, data.x_test[:1000], reduce=_image_sum),
    "sum over all": lambda model, data: _error(model, data.x_test, reduce=torch.sum),
    "mean of both": lambda model, data: (
        (_error(model, data.x_train) + _error(model, data.x_test)) / 2
    ),
    "batches of different size": lambda model, data: np.mean(
        [_error(model, x) for x in data.x_test.split(2000)]
    ),
    "whole batches only": lambda model, data: _error(
        model, data.x_test[: len(data.x_test) // 128 * 128]
    ),
    "every tenth image": lambda model, data: _error(model, data.x_test[::10]),
    "half": lambda model, data: _error(model, data.x_test) / 2,
    "not a number": lambda model, data: float("nan"),
}


@pytest.mark.parametrize("score", OTHER_SCORES.values(), ids=OTHER_SCORES)
def test_another_score_is_not_right_and_not_taken_for_a_mistake(said, score):
    text = said(check_test_score, score)
    assert text.startswith(WRONG)
    assert not [named for _, named in check_test_score.mistakes if named in text]


@pytest.mark.parametrize("n", [1, 32, 1000])
def test_the_first_test_images_are_named_however_many_they_are(said, n):
    text = said(check_test_score, lambda model, data: _error(model, data.x_test[:n]))
    assert "first test images" in text


def test_a_score_gets_data_as_the_notebooks_have_it():
    """ImageData of float images in [0, 1], and a model in the form of an `Autoencoder`."""
    for model, data in given_by(check_test_score, RIGHT[check_test_score]["float"]):
        assert isinstance(data, ImageData)
        assert len(data.x_train) == len(data.y_train) and len(data.x_test) == len(data.y_test)
        for x in (data.x_train, data.x_test):
            assert x.dtype == torch.float32 and x.ndim == 4 and x.min() >= 0 and x.max() <= 1
        assert model(data.x_test[:3]).shape == data.x_test[:3].shape
