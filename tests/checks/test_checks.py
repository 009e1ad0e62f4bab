"""Checks of exercises: right answers in every form, the untouched hole, and a message that names each misconception."""

import ast
import random
import re
from itertools import combinations
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, NUMBERS, OK, WRONG
from torch import nn
from torch.nn.functional import mse_loss

from tutorial_utils.checks import nb00, nb01, nb02, nb03, nb04, nb05, nb06, nb07, nb08, nb09
from tutorial_utils.checks.nb00 import check_compression
from tutorial_utils.checks.nb01 import check_code_shape, check_squared_error, check_test_score
from tutorial_utils.data import ImageData
from tutorial_utils.models import Autoencoder, mlp

SOURCES = sorted((Path(__file__).parents[2] / "notebooks" / "src").glob("[0-9]*.py"))
MODULES = (nb00, nb01, nb02, nb03, nb04, nb05, nb06, nb07, nb08, nb09)
CHECKS = [f for module in MODULES for name, f in vars(module).items() if name.startswith("check_")]
ON_FUNCTIONS = [check for check in CHECKS if check.__name__ not in NUMBERS]
IMAGE = (1, 2, 3)  # the axes of one image in a batch [B, C, H, W]


# ---- 00, exercise 1: how many times fewer numbers ----


@pytest.mark.parametrize(
    "answer",
    [
        392,
        392.0,
        28 * 28 / 2,
        28 * 28 // 2,
        1 / (2 / 784),
        np.int64(392),
        np.float32(392),
        torch.tensor(392.0),
    ],
    ids=repr,
)
def test_compression_accepts_the_right_number_in_every_form(said, answer):
    assert said(check_compression, answer).startswith(OK)


COMPRESSION = {
    14: "one side",
    782: "difference",
    784: "number of pixels",
    2 / 784: "turn it around",
}


@pytest.mark.parametrize(
    "form",
    [lambda a: a, float, np.float64, torch.tensor],
    ids=["number", "float", "numpy", "tensor"],
)
@pytest.mark.parametrize(("answer", "phrase"), COMPRESSION.items())
def test_compression_names_the_misconception(said, answer, phrase, form):
    text = said(check_compression, form(answer))
    assert text.startswith(WRONG) and phrase in text


def test_misconceptions_about_compression_can_be_told_apart():
    assert len({392, *COMPRESSION}) == len(COMPRESSION) + 1


@pytest.mark.parametrize(
    "answer", [2, 0, -392, 391, 393, 1568, 0.392, True, float("nan"), float("inf")]
)
def test_compression_never_calls_another_number_right(said, answer):
    assert said(check_compression, answer).startswith(WRONG)


# ---- 01, exercise 1: the shape of a code ----


@pytest.mark.parametrize(
    "answer",
    [
        (5, 32),
        [5, 32],
        (5.0, 32.0),
        torch.Size([5, 32]),
        torch.zeros(5, 32).shape,
        np.zeros((5, 32)).shape,
        (np.int64(5), np.int64(32)),
        (torch.tensor(5), torch.tensor(32)),
        np.array([5, 32]),
        torch.tensor([5, 32]),
    ],
    ids=repr,
)
def test_code_shape_accepts_the_right_shape_in_every_form(said, answer):
    assert said(check_code_shape, answer).startswith(OK)


SHAPES = {
    (32,): "code of one image",
    (5, 1, 28, 28): "shape of the images",
    (5, 784): "flattened",
    (5, 256): "hidden layer",
    (32, 5): "swapped",
    (5, 1, 32): "no axis is left",
}


@pytest.mark.parametrize(
    "form", [tuple, list, torch.Size, torch.tensor], ids=lambda form: form.__name__
)
@pytest.mark.parametrize(("answer", "phrase"), SHAPES.items())
def test_code_shape_names_the_misconception(said, answer, phrase, form):
    text = said(check_code_shape, form(answer))
    assert text.startswith(WRONG) and phrase in text


def test_a_bare_32_is_taken_for_the_code_of_one_image(said):
    assert "code of one image" in said(
        check_code_shape, (32)
    )  # parentheses alone do not make a tuple


@pytest.mark.parametrize(
    "answer", [(5, 2), (5,), (), (1, 32), (5, 32, 1), (5, 1, 1, 32), (5, 64), (32, 784), (32, 400)]
)
def test_code_shape_never_calls_another_shape_right(said, answer):
    assert said(check_code_shape, answer).startswith(WRONG)


def test_code_shape_asks_for_the_shape_when_given_the_codes(said):
    assert "shape" in said(check_code_shape, torch.zeros(5, 32))


# ---- all that take a number or a shape: what else a learner may type ----


class _Strange:
    def __array__(self, *_, **__):
        raise OSError("no array")

    __len__ = __float__ = __array__


@pytest.mark.parametrize("check", [check for check in CHECKS if check.__name__ in NUMBERS])
@pytest.mark.parametrize(
    "answer",
    [
        None,
        "(5, 32)",
        "392",
        {5, 32},
        {"shape": (5, 32)},
        [[5, 32]],
        [392],
        [...],
        (5, ...),
        torch.zeros(5, 3),
        np.zeros(2),
        torch.empty(0),
        lambda: 392,
        lambda: 39.2,
        "39.2",
        [39.2],
        _Strange(),
        torch.tensor(392, device="meta"),
        torch.zeros(2, requires_grad=True),
        nn.Identity(),
        tuple,
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_a_strange_answer_gets_a_message(said, check, answer):
    assert not said(check, answer).startswith(OK)


# ---- 01, exercise 2: mean or sum ----


def _loop(recon, x):
    return [((one - other) ** 2).sum() for one, other in zip(recon, x, strict=True)]


RIGHT_LOSSES = {
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
    "numpy double": lambda recon, x: ((recon.numpy().astype(float) - x.numpy()) ** 2).sum(IMAGE),
}
WRONG_LOSSES = {
    "mean over pixels": (lambda recon, x: (recon - x).square().mean(IMAGE), "mean over the pixels"),
    "sum over all": (lambda recon, x: (recon - x).square().sum(), "one number for the whole batch"),
    "sum, as a float": (
        lambda recon, x: (recon - x).square().sum().item(),
        "one number for the whole batch",
    ),
    "batch mean": (lambda recon, x: (recon - x).square().sum(IMAGE).mean(), "mean over the batch"),
    "mean over all": (lambda recon, x: (recon - x).square().mean(), "PyTorch's default"),
    "mse_loss": (mse_loss, "PyTorch's default"),
    "absolute": (lambda recon, x: (recon - x).abs().sum(IMAGE), "absolute"),
    "distance": (lambda recon, x: (recon - x).square().sum(IMAGE).sqrt(), "square root too many"),
    "half": (lambda recon, x: (recon - x).square().sum(IMAGE) / 2, "half"),
    "no square": (lambda recon, x: (recon - x).sum(IMAGE), "Square first"),
    "no square, other sign": (lambda recon, x: (x - recon).sum(IMAGE), "Square first"),
    "square of the sum": (lambda recon, x: (recon - x).sum(IMAGE).square(), "Square first"),
}


@pytest.mark.parametrize("loss", RIGHT_LOSSES.values(), ids=RIGHT_LOSSES)
def test_squared_error_accepts_every_way_to_write_it(said, loss):
    assert said(check_squared_error, loss).startswith(OK)


@pytest.mark.parametrize(("loss", "phrase"), WRONG_LOSSES.values(), ids=WRONG_LOSSES)
def test_squared_error_names_the_misconception(said, loss, phrase):
    text = said(check_squared_error, loss)
    assert text.startswith(WRONG) and phrase in text


def _in_place(recon, x):
    recon -= x
    return recon.abs_().sum(IMAGE)


def test_squared_error_is_not_misled_by_a_function_that_changes_its_arguments(said):
    assert "absolute" in said(check_squared_error, _in_place)


@pytest.mark.parametrize(
    "loss",
    [
        lambda recon, x: (recon - x).square()[:, 0].sum((1, 2)),
        lambda recon, x: (recon - x).square().mean(IMAGE) * 784,
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
        lambda recon, x: torch.zeros(6, dtype=torch.long),
    ],
)
def test_squared_error_never_calls_another_value_right(said, loss):
    assert said(check_squared_error, loss).startswith(WRONG)


# ---- 01, exercise 3: an honest score ----


def _error(model, x, *, reduce=torch.mean, size=lambda error: error.square()):
    return reduce(size(model(x).sigmoid() - x)).item()


def _image_sum(error):
    return error.flatten(1).sum(1).mean()


def _halves(model, data):
    return (model.decode(model.encode(data.x_test)).sigmoid() - data.x_test).square().mean().item()


def _batches(model, data):
    return sum(_error(model, x) * len(x) for x in data.x_test.split(999)) / len(data.x_test)


RIGHT_SCORES = {
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
    "in batches": _batches,
    "encode, decode": _halves,
}
WRONG_SCORES = {
    "training set": (lambda model, data: _error(model, data.x_train), "training images"),
    "first test images": (
        lambda model, data: _error(model, data.x_test[:1000]),
        "first test images",
    ),
    "both": (lambda model, data: _error(model, torch.cat([data.x_train, data.x_test])), "mixed"),
    "sum over pixels": (
        lambda model, data: _error(model, data.x_test, reduce=_image_sum),
        "summed over the pixels",
    ),
    "logits": (
        lambda model, data: (model(data.x_test) - data.x_test).square().mean().item(),
        "sigmoid",
    ),
}
OTHER_SCORES = {
    "training set, summed": lambda model, data: _error(model, data.x_train, reduce=_image_sum),
    "first, summed": lambda model, data: _error(model, data.x_test[:1000], reduce=_image_sum),
    "absolute": lambda model, data: _error(model, data.x_test, size=torch.abs),
    "root": lambda model, data: _error(model, data.x_test) ** 0.5,
    "sum over all": lambda model, data: _error(model, data.x_test, reduce=torch.sum),
    "mean of both": lambda model, data: (
        (_error(model, data.x_train) + _error(model, data.x_test)) / 2
    ),
    "batches of different size": lambda model, data: np.mean(
        [_error(model, x) for x in data.x_test.split(2000)]
    ),
    "half": lambda model, data: _error(model, data.x_test) / 2,
    "not a number": lambda model, data: float("nan"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("score", RIGHT_SCORES.values(), ids=RIGHT_SCORES)
def test_score_accepts_every_way_to_write_it(said, score):
    assert said(check_test_score, score).startswith(OK)


@pytest.mark.parametrize(("score", "phrase"), WRONG_SCORES.values(), ids=WRONG_SCORES)
def test_score_names_the_misconception(said, score, phrase):
    text = said(check_test_score, score)
    assert text.startswith(WRONG) and phrase in text


@pytest.mark.parametrize("score", OTHER_SCORES.values(), ids=OTHER_SCORES)
def test_score_never_calls_another_number_right(said, score):
    assert said(check_test_score, score).startswith(WRONG)


@pytest.mark.parametrize("score", OTHER_SCORES.values(), ids=OTHER_SCORES)
def test_score_does_not_take_one_mistake_for_another(said, score):
    text = said(check_test_score, score)
    assert not [phrase for _, phrase in WRONG_SCORES.values() if phrase in text]


def test_dividing_by_784_is_right_or_is_named(said):
    """Notebook 01 divides by 784 itself: whoever does the same must not be left puzzled."""
    text = said(
        check_test_score, lambda model, data: _error(model, data.x_test, reduce=_image_sum) / 784
    )
    assert text.startswith(OK) or "784" in text


def test_every_score_has_a_value_of_its_own():
    """On what the check passes, no two mistakes give one number, and none gives the right one."""
    values = {}

    def remember(model, data):
        scores = {name: score for name, (score, _) in WRONG_SCORES.items()} | OTHER_SCORES
        scores["right"] = RIGHT_SCORES["float"]
        values.update(
            {name: score(model, data) for name, score in scores.items() if name != "not a number"}
        )

    check_test_score(remember)
    same = [
        pair for pair in combinations(values, 2) if abs(values[pair[0]] - values[pair[1]]) < 1e-3
    ]
    assert len(values) == 14 and not same


# ---- all that take a function: no function, one that raises, or one that returns something strange ----


def _raises(*_):
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


RETURNED = {
    "string": "0.1 per pixel",
    "dict": {"loss": torch.tensor(0.1)},
    "list of strings": ["a"],
    "ragged": [[1.0], [1.0, 2.0]],
    "shape": torch.zeros(5),
    "many axes": torch.zeros([1] * 60),
    "empty": torch.empty(0),
    "empty list": [],
    "function": torch.mean,
    "NaN": float("nan"),
    "infinite": torch.tensor(-torch.inf),
    "bool": True,
    "meta": torch.zeros(6, device="meta"),
    "sparse": torch.eye(6).to_sparse(),
    "deaf": _Strange(),
    "numpy objects": np.array([None, 1]),
}
NOT_AN_ANSWER = {
    "raises": _raises,
    "raises nothing": lambda *_: exec("raise ValueError"),
    "raises a page": lambda *_: exec("raise ValueError('long ' * 999)"),
    "raises lines": lambda *_: exec("raise ValueError('\\n\\nlate')"),
    "reshape": lambda first, *_: first.view(-1, 791),
    "asserts": lambda *_: exec("assert False"),
    "no parameters": lambda: 0.0,
    "not a function": torch.zeros(6),
    "a number": 0.1,
    "a string": "score",
    "none": None,
    "a type": tuple,
    **{f"returns {name}": lambda *_, value=value: value for name, value in RETURNED.items()},
    **{
        f"returns NaN like argument {n}": lambda *given, n=n: given[n] * float("nan")
        for n in (0, -1)
    },
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("check", ON_FUNCTIONS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("answer", NOT_AN_ANSWER.values(), ids=NOT_AN_ANSWER)
def test_a_function_that_fails_gets_a_message(said, check, answer):
    assert said(check, answer).startswith(WRONG)


@pytest.mark.parametrize("check", ON_FUNCTIONS, ids=lambda check: check.__name__)
def test_the_message_repeats_what_a_failing_function_raised(said, check):
    assert "shapes cannot be multiplied" in said(check, _raises)


# ---- the untouched hole ----


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_three_dots_are_not_yet_an_answer(said, check):
    assert said(check, ...).startswith(NOT_YET)


@pytest.mark.parametrize("check", ON_FUNCTIONS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("value", [None, ...], ids=repr)
def test_a_function_that_returns_nothing_is_told_about_return(said, check, value):
    text = said(check, lambda *_: value)
    assert (
        text.startswith(NOT_YET) and "return" in text
    )  # it may be a hole, or a body whose author forgot `return`


# ---- the notebooks ----

# What the cells before the exercises leave behind, as far as exercises and solutions use it; nothing is trained.
STUBS = {
    "01_autoencoders": lambda: {
        "ae": {
            (32, 0): Autoencoder(mlp([784, 400, 32]), mlp([32, 400, 784], out_shape=(1, 28, 28)))
        },
        "x_test": torch.zeros(10, 1, 28, 28),
    },
    "07_disentanglement": lambda: {"turn": torch.tensor([[1.0, 1.0], [-1.0, 1.0]]) / 2**0.5},
}


def _cells(path: Path, tag: str) -> list[str]:
    cells = jupytext.read(path).cells
    return [cell.source for cell in cells if tag in cell.metadata.get("tags", [])]


def _exercises() -> list:
    """One parameter per exercise with a check: the notebook, its number, the hole and the solution."""
    found = []
    for path in SOURCES:
        pairs = zip(_cells(path, "exercise"), _cells(path, "solution"), strict=True)
        found += [
            pytest.param(path.stem, *pair, id=f"{path.stem}-{n}") for n, pair in enumerate(pairs, 1)
        ]
    return found


def _checks_called(source: str) -> list[str]:
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        func.id for func in calls if isinstance(func, ast.Name) and func.id.startswith("check_")
    ]


def _imports(stem: str) -> str:
    """Every import statement of a notebook's cells, one a line."""
    cells = jupytext.read(next(path for path in SOURCES if path.stem == stem)).cells
    nodes = [
        node
        for cell in cells
        if cell.cell_type == "code"
        for node in ast.walk(ast.parse(cell.source))
    ]
    return "\n".join(
        ast.unparse(node) for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))
    )


def _run(source: str, stem: str, capsys) -> str:
    names = STUBS.get(stem, dict)()
    exec(_imports(stem), names)
    capsys.readouterr()
    exec(source, names)
    return capsys.readouterr().out


@pytest.mark.parametrize(("stem", "hole", "solution"), _exercises())
def test_the_untouched_exercise_is_not_yet_and_the_solution_is_ok(stem, hole, solution, capsys):
    assert "..." in hole and "..." not in solution
    assert _run(hole, stem, capsys).startswith(NOT_YET)
    assert _run(solution, stem, capsys).startswith(OK)


@pytest.mark.parametrize(("stem", "hole", "solution"), _exercises())
def test_exercise_and_solution_call_the_same_one_check(stem, hole, solution):
    assert _checks_called(hole) == _checks_called(solution) and len(_checks_called(hole)) == 1


def test_every_check_is_called_by_exactly_one_exercise_of_the_notebook_it_names():
    called = [
        (parameter.values[0][:2], *_checks_called(parameter.values[1]))
        for parameter in _exercises()
    ]
    named = [
        (re.match(r"Notebook (\d\d)", check.__doc__).group(1), check.__name__) for check in CHECKS
    ]
    written = {path.stem[:2] for path in SOURCES}
    assert sorted(called) == sorted(pair for pair in named if pair[0] in written)


# ---- side effects ----


def _states() -> list:
    return [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()]  # noqa: NPY002


def _draws(*given):
    """An answer that draws, and seeds, whatever it finds, and turns off gradients."""
    torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
    torch.randn(3), np.random.rand(), random.random()  # noqa: NPY002
    torch.set_grad_enabled(False)
    return torch.zeros(6)


def _draws_and_raises(*given):
    _draws()
    raise RuntimeError("after drawing")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "answer", [392, (5, 32), _draws, _draws_and_raises], ids=["number", "shape", "draws", "raises"]
)
def test_checks_leave_the_global_random_state_alone(check, answer):
    before = _states()
    check(answer)
    assert _states() == before and torch.is_grad_enabled()


@pytest.mark.parametrize("check", ON_FUNCTIONS, ids=lambda check: check.__name__)
def test_a_function_finds_the_same_random_numbers_whatever_was_drawn_before(check):
    seen = []

    def remember(*given):
        seen.append((torch.rand(()).item(), np.random.rand(), random.random()))  # noqa: NPY002

    check(remember)
    torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
    check(remember)
    assert len(seen) == 2 and seen[0] == seen[1]


def test_score_gets_data_as_the_notebooks_have_it():
    """ImageData of float images in [0, 1], and a model in the form of an `Autoencoder`."""
    seen = []
    check_test_score(lambda model, data: seen.append((model, data)))
    model, data = seen[0]
    assert (
        isinstance(data, ImageData)
        and len(data.x_train) == len(data.y_train)
        and len(data.x_test) == len(data.y_test)
    )
    for x in (data.x_train, data.x_test):
        assert x.dtype == torch.float32 and x.ndim == 4 and x.min() >= 0 and x.max() <= 1
    assert model(data.x_test[:3]).shape == data.x_test[:3].shape
