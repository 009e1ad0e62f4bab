"""Laws of all checks: what is right passes, every mistake is named, and nothing is left behind."""

import ast
import random
import re
from itertools import product
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, NUMBERS, OK, WRONG
from torch import nn

from tutorial_utils.checks import CHECKS
from tutorial_utils.checks.judge import Check, same_values
from tutorial_utils.models import Autoencoder, mlp

ALL = [check for checks in CHECKS.values() for check in checks]
AS_DATA = [check for check in ALL if isinstance(check, Check)]
ON_VALUES = [check for check in ALL if check.__name__ in NUMBERS]
ON_FUNCTIONS = [check for check in ALL if check not in ON_VALUES]
FUNCTIONS_AS_DATA = [check for check in AS_DATA if check in ON_FUNCTIONS]


def every(checks: list) -> pytest.MarkDecorator:
    """For a test with the parameter check."""
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


def right_answer(check: Check) -> object:
    return check.right if check.cases else check.right()


# ---- checks as data: what is right, and the mistakes ----


@every(AS_DATA)
def test_the_right_answer_is_ok(said, check):
    assert said(check, right_answer(check)).startswith(OK)


@pytest.mark.filterwarnings("error")
@every(AS_DATA)
def test_every_mistake_gets_its_own_text(said, check):
    """So no two mistakes with different texts are the same in all cases, and none is right."""
    for mistake, text in check.mistakes:
        assert said(check, mistake) == f"{WRONG}: {text}"


@every(AS_DATA)
def test_every_check_has_mistakes_and_each_mistake_is_there_once(check):
    assert len(check.mistakes) >= 4
    values = [mistake for mistake, _ in check.mistakes]
    assert len(values) == len(set(values))


@every(FUNCTIONS_AS_DATA)
@pytest.mark.parametrize("scale", [0.9, 0.99, 1.01, 1.1])
def test_near_the_right_answer_is_not_right(said, check, scale):
    answer = lambda *given: scale * torch.as_tensor(check.right(*given))  # noqa: E731
    assert said(check, answer).startswith(WRONG)


@every(FUNCTIONS_AS_DATA)
def test_right_in_one_case_only_is_not_right(said, check):
    """And it is not called by the name of a mistake that agrees in some of the cases only."""
    n = len(list(check.cases()))
    assert n >= 2, "one case is too few: a number that is right by chance, or a shape built in"
    for right_one in range(n):
        calls = iter(range(n))

        def answer(*given, calls=calls, right_one=right_one):
            value = torch.as_tensor(check.right(*given), dtype=torch.float32)
            return value if next(calls) == right_one else value + 0.37

        text = said(check, answer)
        assert text == f"{WRONG}: {check.hint}"


@every([check for check in FUNCTIONS_AS_DATA if not check.form])
def test_one_number_for_the_batch_and_another_shape_are_named_for_every_check(said, check):
    for reduce, phrase in (
        (torch.sum, "one number for the whole batch"),
        (lambda value: value.sum().item(), "one number for the whole batch"),
        (torch.mean, "mean over the batch"),
        (lambda value: value[None], "yours have shape [1, "),
        (lambda value: value[:0], "yours have shape [0"),
    ):
        assert phrase in said(check, lambda *given, f=reduce: f(check.right(*given)))


@every(FUNCTIONS_AS_DATA)
def test_the_cases_are_the_same_each_time_and_their_right_answers_are_finite(check):
    for case, again in zip(check.cases(), check.cases(), strict=True):
        right = torch.as_tensor(check.right(*case))
        assert torch.isfinite(right).all() and same_values(right, check.right(*again))


@every(FUNCTIONS_AS_DATA)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_verdict_is_the_same_without_gradients(said, check, mode):
    mistake, text = check.mistakes[0]
    with mode():
        assert said(check, check.right).startswith(OK) and text in said(check, mistake)


@every(AS_DATA)
def test_the_verdict_is_the_same_whatever_the_default_dtype(said, check):
    torch.set_default_dtype(torch.float64)
    try:
        assert said(check, right_answer(check)).startswith(OK)
        assert check.mistakes[0][1] in said(check, check.mistakes[0][0])
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@every(ON_FUNCTIONS)
def test_a_function_gets_float32_whatever_the_default_dtype(check):
    dtypes = set()

    def remember(*given):
        dtypes.update(each.dtype for each in given if isinstance(each, torch.Tensor))
        dtypes.add(torch.get_default_dtype())

    torch.set_default_dtype(torch.float64)
    try:
        check(remember)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.float32 in dtypes and torch.float64 not in dtypes


@every([check for check in FUNCTIONS_AS_DATA if not check.unchanged])
def test_a_function_may_change_its_arguments(said, check):
    def answer(*given):
        value = torch.as_tensor(check.right(*given)).clone()
        for each in given:
            if isinstance(each, torch.Tensor):
                each.zero_()
        return value

    assert said(check, answer).startswith(OK)


# ---- answers of a strange kind ----


class _Strange:
    """No array, no number and no length can be had of it."""

    def __array__(self, *_, **__):
        raise OSError("no array")

    __len__ = __float__ = __array__


@every(ON_VALUES)
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
        True,
        float("nan"),
        float("inf"),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_a_strange_value_gets_a_message(said, check, answer):
    assert not said(check, answer).startswith(OK)


@pytest.mark.parametrize("check", [check for check in AS_DATA if not check.cases])
@pytest.mark.parametrize("form", [np.asarray, torch.tensor], ids=["numpy", "tensor"])
def test_a_value_is_judged_alike_in_every_form(said, check, form):
    assert said(check, form(check.right())).startswith(OK)
    for mistake, text in check.mistakes:
        assert text in said(check, form(mistake))


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
@every(ON_FUNCTIONS)
@pytest.mark.parametrize("answer", NOT_AN_ANSWER.values(), ids=NOT_AN_ANSWER)
def test_a_function_that_fails_gets_a_message(said, check, answer):
    assert said(check, answer).startswith(WRONG)


@every(ON_FUNCTIONS)
def test_the_message_repeats_what_a_failing_function_raised(said, check):
    assert "shapes cannot be multiplied" in said(check, _raises)


# ---- the untouched hole ----


@every(ALL)
def test_three_dots_are_not_yet_an_answer(said, check):
    assert said(check, ...).startswith(NOT_YET)


@every(ON_FUNCTIONS)
@pytest.mark.parametrize("value", [None, ...], ids=repr)
def test_a_function_that_returns_nothing_is_told_about_return(said, check, value):
    text = said(check, lambda *_: value)  # a hole, or a body whose author forgot `return`
    assert text.startswith(NOT_YET) and "return" in text


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


@every(ALL)
@pytest.mark.parametrize(
    "answer", [392, (5, 32), {}, _draws, _draws_and_raises], ids=lambda answer: str(answer)[:12]
)
def test_checks_leave_the_global_random_state_alone(check, answer):
    before = _states()
    check(answer)
    assert _states() == before and torch.is_grad_enabled()


@every(ON_FUNCTIONS)
def test_a_function_finds_the_same_random_numbers_whatever_was_drawn_before(check):
    seen = []

    def remember(*given):
        seen.append((torch.rand(()).item(), np.random.rand(), random.random()))  # noqa: NPY002

    check(remember)
    torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
    check(remember)
    assert len(seen) == 2 and seen[0] == seen[1]


# ---- the notebooks ----

SOURCES = sorted((Path(__file__).parents[2] / "notebooks" / "src").glob("[0-9]*.py"))
# What the cells before the exercises leave behind, as far as exercises and solutions use it.
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
    """One parameter per exercise with a check: the notebook, the hole and the solution."""
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
    trees = [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
    nodes = [node for tree in trees for node in ast.walk(tree)]
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


def test_every_check_is_called_by_exactly_one_exercise_of_its_notebook():
    written = {path.stem[:2] for path in SOURCES}
    called = [
        (stem[:2], *_checks_called(hole)) for stem, hole, _ in (p.values for p in _exercises())
    ]
    listed = [(notebook, check.__name__) for notebook in written for check in CHECKS[notebook]]
    assert sorted(called) == sorted(listed) and called


@every(ALL)
def test_the_documentation_begins_with_the_notebook(check):
    number = re.match(r"Notebook (\d\d)(, exercise \d)?: \S", check.__doc__).group(1)
    assert check in CHECKS[number]


def test_a_check_has_the_name_under_which_it_is_imported():
    for notebook, check in product(CHECKS, ALL):
        if check in CHECKS[notebook]:
            module = __import__(f"tutorial_utils.checks.nb{notebook}", fromlist=["*"])
            assert getattr(module, check.__name__) is check
