"""Laws of all checks: what is right passes, every mistake is named, and nothing is left behind."""

import ast
import math
import os
import random
import re
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from itertools import chain, product, repeat
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, NUMBERS, OK, WRONG, cell
from torch import nn

from tutorial_utils.checks import CHECKS, answers
from tutorial_utils.checks.judge import Check, ok, same_values
from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.training import local_seed

ALL = [check for checks in CHECKS.values() for check in checks]
AS_DATA = [check for check in ALL if isinstance(check, Check)]
ON_VALUES = [check for check in ALL if check.__name__ in NUMBERS]
ON_FUNCTIONS = [check for check in ALL if check not in ON_VALUES]
FUNCTIONS_AS_DATA = [check for check in AS_DATA if check in ON_FUNCTIONS]
VALUES_AS_DATA = [check for check in AS_DATA if check in ON_VALUES]
BY_NAME = {check.__name__: check for check in ALL}


def every(checks: list) -> pytest.MarkDecorator:
    """For a test with the parameter check."""
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


def right_answer(check: Check) -> object:
    return check.right if check.cases else check.right()


# ---- checks as data: what is right, and the mistakes ----


@every(AS_DATA)
def test_the_right_answer_is_ok(said, check):
    assert said(check, right_answer(check)).startswith(OK)


@every(AS_DATA)
def test_every_mistake_gets_its_own_text(said, check, recwarn):
    """So no two mistakes with different texts are the same in all cases, and none is right."""
    for mistake, text in check.mistakes:
        assert said(check, mistake) == f"{WRONG}: {text}"
    assert not recwarn.list


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


def _wrong_numbers(check: Check, seed: int):
    """A function that returns wrong numbers without any reason, of one of five kinds."""
    rng = np.random.default_rng(seed)
    factor, offset = math.exp(rng.normal()), rng.normal()
    kind, only = rng.integers(5), rng.integers(4)
    calls = iter(range(99))

    def answer(*given):
        right = torch.as_tensor(check.right(*given)).double()
        if kind == 0:  # wrong in the same way each time
            return factor * right + offset
        if kind == 1:  # nearly right
            return right * (1 + 0.02 * factor * torch.randn(right.shape))
        if kind == 2:  # one number, with two digits
            return torch.full_like(right, round(offset, 2))
        if kind == 3 and next(calls) != only:  # an error in all cases but one
            raise ValueError("only some shapes will do")
        return torch.as_tensor(rng.uniform(size=tuple(right.shape))) * right.abs().max()

    return answer


@every(FUNCTIONS_AS_DATA)
def test_one_case_is_too_few_to_name_a_mistake(said, check):
    """Where an answer agrees with a mistake in one case, and stops with an error in the others."""
    for mistake, text in check.mistakes[-5:]:
        calls = iter([True])
        answer = lambda *given, f=mistake, calls=calls: next(calls) and f(*given)  # noqa: E731
        assert text not in said(check, answer)


@every(FUNCTIONS_AS_DATA)
def test_no_mistake_is_named_by_chance(said, check):
    texts = {text for _, text in check.mistakes}
    heard = [
        said(check, _wrong_numbers(check, seed)).removeprefix(f"{WRONG}: ") for seed in range(40)
    ]
    assert not texts & set(heard)


@every(FUNCTIONS_AS_DATA)
def test_a_mistake_shows_in_two_cases_with_different_numbers(check):
    """But for one that is a constant, whatever the arguments."""
    for mistake, text in check.mistakes:
        values = []
        for case in check.cases():
            with suppress(Exception), local_seed(0):  # a mistake that some shapes do not allow
                values.append(torch.as_tensor(mistake(*case)))
        assert len(values) >= 2, text
        if all(same_values(value, values[0]) for value in values):
            assert same_values(values[0], mistake(*[None] * len(case))), text


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


@pytest.fixture
def float64():
    """Inside, float64 is the default, as a learner may have set it."""
    torch.set_default_dtype(torch.float64)
    yield
    assert torch.get_default_dtype() == torch.float64
    torch.set_default_dtype(torch.float32)


@every(AS_DATA)
def test_the_verdict_is_the_same_whatever_the_default_dtype(said, check, float64):
    assert said(check, right_answer(check)).startswith(OK)
    for mistake, text in check.mistakes[:5]:
        assert text in said(check, mistake)


@every(ON_FUNCTIONS)
def test_a_function_gets_float32_whatever_the_default_dtype(check, float64):
    dtypes = set()

    def remember(*given):
        dtypes.update(each.dtype for each in given if isinstance(each, torch.Tensor))
        dtypes.add(torch.get_default_dtype())

    check(remember)
    assert torch.float32 in dtypes and torch.float64 not in dtypes


@every(ON_FUNCTIONS)
def test_a_single_number_reaches_a_function_as_a_number_of_python(check):
    given = []
    check(lambda *arguments: given.extend(arguments))
    assert given and not any(isinstance(each, torch.Tensor) and not each.ndim for each in given)
    assert not any(isinstance(each, np.generic) for each in given)


@every([check for check in FUNCTIONS_AS_DATA if not check.unchanged])
def test_a_function_may_change_its_arguments(said, check):
    def answer(*given):
        value = torch.as_tensor(check.right(*given)).clone()
        for each in given:
            if isinstance(each, torch.Tensor):
                each.zero_()
        return value

    assert said(check, answer).startswith(OK)


# ---- the right numbers in another form ----


def _flat(convert):
    """Numbers as a nested list, each one converted."""
    return lambda value: _each(convert, torch.as_tensor(value).tolist())


def _each(convert, value):
    return [_each(convert, each) for each in value] if isinstance(value, list) else convert(value)


FORMS = {  # of one number, and of many
    "numpy": lambda value: torch.as_tensor(value).detach().numpy(),
    "float64": lambda value: torch.as_tensor(value).double(),
    "with a gradient": lambda value: torch.as_tensor(value).double().requires_grad_(),
    "parameter": lambda value: nn.Parameter(torch.as_tensor(value).double()),
    "sparse": lambda value: torch.as_tensor(value).to_sparse(),
    "complex": lambda value: torch.as_tensor(value).to(torch.complex128),
    "list": _flat(lambda number: number),
    "list of tensors": _flat(torch.tensor),
    "list of Fraction": _flat(Fraction),
    "list of Decimal": _flat(Decimal),
    "list of numpy": _flat(np.float64),
    "list of complex": _flat(complex),
}
OF_ONE_NUMBER = {
    "one-element array": lambda value: np.array([torch.as_tensor(value).item()]),
    "one-element tensor": lambda value: torch.as_tensor(value).reshape(1, 1),
}


@every(AS_DATA)
@pytest.mark.parametrize("form", [*FORMS, *OF_ONE_NUMBER])
def test_the_right_numbers_are_right_in_every_form(said, check, form, recwarn):
    convert = (FORMS | OF_ONE_NUMBER)[form]
    if form in OF_ONE_NUMBER and torch.as_tensor(_right_in_first_case(check)).ndim:
        return
    answer = lambda *given: convert(check.right(*given))  # noqa: E731
    text = said(check, answer if check.cases else answer())
    assert text.startswith(OK) or (check.look and " right" in text)
    assert not recwarn.list


def _right_in_first_case(check: Check) -> object:
    return check.right(*next(iter(check.cases()))) if check.cases else check.right()


@pytest.mark.parametrize(
    "convert",
    [list, torch.Tensor.half, torch.Tensor.bfloat16, torch.Tensor.double],
    ids=lambda convert: convert.__name__,
)
def test_checks_that_are_functions_take_every_form_too(said, convert):
    def sample(mu, logvar):
        return convert(mu + (logvar / 2).exp() * torch.randn_like(mu))

    assert said(BY_NAME["check_reparameterize"], sample).startswith(OK)
    warmup = lambda progress: convert((4 * torch.tensor([progress]) - 1).clamp(0, 1))  # noqa: E731
    assert said(BY_NAME["check_warmup"], warmup).startswith(OK)
    turn = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    assert said(BY_NAME["check_entangling"], convert(turn)).startswith(OK)


@every(FUNCTIONS_AS_DATA)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_never_called_a_mistake(said, check, dtype):
    def rounded(*given):
        return torch.as_tensor(check.right(*given)).to(dtype)

    def low_inside(*given):
        value = check.right(
            *(each.to(dtype).float() if _is_float(each) else each for each in given)
        )
        return torch.as_tensor(value).to(torch.float32)

    for answer in (rounded, low_inside):
        text = said(check, answer)
        second = check.look and " right" in text
        assert text.startswith(OK) or "the formula is right" in text or second


def _is_float(given: object) -> bool:
    return isinstance(given, torch.Tensor) and given.is_floating_point()


@every(FUNCTIONS_AS_DATA)
def test_a_mistake_in_low_precision_is_the_same_mistake(said, check):
    for mistake, text in check.mistakes[:12]:
        low = lambda *given, f=mistake: torch.as_tensor(f(*given)).bfloat16()  # noqa: E731
        assert text in said(check, low)


def test_numbers_that_low_precision_ruins_are_told_so(said):
    text = said(BY_NAME["check_iwae"], lambda log_w: log_w.half().exp().mean(0).log())
    assert "exponentials" in text
    kl = BY_NAME["check_kl_to_wide_prior"].right
    ruined = lambda mu, logvar, s: (kl(mu, logvar, s).half() + 3_000) - 3_000  # noqa: E731
    text = said(BY_NAME["check_kl_to_wide_prior"], ruined)
    assert text.startswith(WRONG) and "the formula is right" in text and "float32" in text


# ---- why a number is not finite ----


@pytest.mark.parametrize(
    ("name", "answer", "reason"),
    [
        ("check_iwae", lambda log_w: log_w.exp().mean(0).log(), "exponentials"),
        ("check_iwae", lambda log_w: (math.e**log_w).mean(0).log(), "exponentials"),
        ("check_iwae", lambda log_w: (log_w - 999).exp().mean(0).log() + 999, "exponentials"),
        ("check_iwae", lambda log_w: log_w.log().mean(0), "takes the log of -"),
        ("check_squared_error", lambda r, x: (99 + r).exp().sum((1, 2, 3)), "the exponential of 1"),
        ("check_squared_error", lambda r, x: (r - x).sqrt().sum((1, 2, 3)), "takes the root of -"),
        ("check_squared_error", lambda r, x: (r - x).log().sum((1, 2, 3)), "takes the log of -"),
        ("check_squared_error", lambda r, x: r.sum((1, 2, 3)) / (0 * x).sum((1, 2, 3)), "by 0"),
        ("check_squared_error", lambda r, x: r.sum((1, 2, 3)) * math.nan, "is there a log"),
    ],
)
def test_the_reason_of_infinite_numbers_is_found(said, name, answer, reason):
    assert reason in said(BY_NAME[name], answer)


# ---- answers of a strange kind ----


class _Strange:
    """Whatever is done to it is an error."""

    def __getattribute__(self, name):
        raise OSError("nothing can be had of it")

    def __array__(self, *_, **__):
        raise OSError("no array")

    __len__ = __float__ = __iter__ = __bool__ = __eq__ = __repr__ = __array__
    __hash__ = None


WRAPPED = {
    "tuple": lambda value: (value,),
    "quotes": str,
    "list": lambda value: [value],
    "set": lambda value: {value},
    "dict": lambda value: {"answer": value},
    "function": lambda value: lambda: value,
    "function of a list": lambda value: lambda: [value],
    "loop": lambda value: iter([value]),
}


@every(VALUES_AS_DATA)
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapped_value_is_asked_for_its_form_first(said, check, wrap):
    text = said(check, wrap(check.right()))
    assert text.startswith(WRONG) and "the number is right, but" in text and "Asked for is" in text
    text = said(check, wrap((7, 7) if isinstance(check.right(), tuple) else 12345))
    assert text.startswith(WRONG) and "Asked for is" in text and "right" not in text


@every(FUNCTIONS_AS_DATA)
@pytest.mark.parametrize("wrap", ["dict", "function", "beside another"])
def test_right_numbers_in_a_wrapping_are_told_so(said, check, wrap):
    around = {**WRAPPED, "beside another": lambda value: (value, None)}[wrap]
    text = said(check, lambda *given: around(check.right(*given)))
    assert text.startswith(WRONG) and "the numbers are right" in text
    text = said(check, lambda *given: around(torch.as_tensor(check.right(*given)) + 0.7))
    assert text.startswith(WRONG) and "numbers alone" in text and "are right" not in text


@every(ON_VALUES)
@pytest.mark.parametrize(
    "answer",
    [
        None,
        ...,
        [...],
        (5, ...),
        "a lot",
        "(5, 32",
        {5, 32},
        {"shape": (5, 32)},
        [[5, 32]],
        torch.zeros(5, 3),
        np.zeros(2),
        torch.empty(0),
        torch.tensor(392, device="meta"),
        torch.zeros(2, requires_grad=True),
        nn.Identity(),
        tuple,
        print,
        True,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        1 + 2j,
        b"392",
        range(3),
        iter(int, 1),
        lambda: sys.exit(),
        math,
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_a_strange_value_gets_a_message(said, check, answer):
    assert not said(check, answer).startswith(OK)


@every(AS_DATA)
def test_even_an_answer_that_nothing_can_be_done_with_gets_a_message(said, check):
    assert said(check, _Strange()).startswith(WRONG)


@every(VALUES_AS_DATA)
@pytest.mark.parametrize("form", [np.asarray, torch.tensor], ids=["numpy", "tensor"])
def test_a_value_is_judged_alike_in_every_form(said, check, form):
    assert said(check, form(check.right())).startswith(OK)
    for mistake, text in check.mistakes:
        assert text in said(check, form(mistake))


@every([check for check in VALUES_AS_DATA if not isinstance(check.right(), tuple)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_value_in_low_precision_is_right(said, check, dtype):
    assert said(check, torch.tensor(check.right(), dtype=dtype)).startswith(OK)
    assert said(check, np.float16(check.right())).startswith(OK)


def _raises(*_):
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


async def _waits(*_):
    return 0.1


class _Mute(Exception):
    """An error without words: its message is an error, too."""

    def __str__(self):
        raise OSError("no words")


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
    "generator": (0.1 for _ in range(3)),
    "NaN": float("nan"),
    "not real": 1 + 2j,
    "infinite": torch.tensor(-torch.inf),
    "bool": True,
    "meta": torch.zeros(6, device="meta"),
    "sparse": torch.eye(6).to_sparse(),
    "numpy objects": np.array([None, 1]),
    "endless loop": iter(int, 1),
}
RAISED = [
    ValueError(),
    AssertionError("asserted"),
    RuntimeError("long " * 999),
    RuntimeError("x" * 999),
    ValueError("\n\nlate"),
    _Mute(),
    StopIteration(),
    RecursionError("deep"),
    MemoryError(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    BaseException("base"),
]


def _raising(error: BaseException):
    def answer(*_):
        raise error

    return answer


def _calls_itself(*given):
    return _calls_itself(*given)


NOT_AN_ANSWER = {
    **{f"raises {type(each).__name__} {n}": _raising(each) for n, each in enumerate(RAISED)},
    "calls itself": _calls_itself,
    "reshape": lambda first, *_: first.view(-1, 791),
    "no parameters": lambda: 0.0,
    "not a function": torch.zeros(6),
    "a number": 0.1,
    "a string": "score",
    "none": None,
    "a type": tuple,
    "async": _waits,
    "returns strange": lambda *_: _Strange(),
    **{f"returns {name}": lambda *_, value=value: value for name, value in RETURNED.items()},
    **{
        f"returns NaN like argument {n}": lambda *given, n=n: given[n] * float("nan")
        for n in (0, -1)
    },
}


@pytest.mark.filterwarnings("error", "ignore:coroutine")
@every(ON_FUNCTIONS)
@pytest.mark.parametrize("answer", NOT_AN_ANSWER.values(), ids=NOT_AN_ANSWER)
def test_a_function_that_fails_gets_a_message(said, check, answer):
    assert said(check, answer).startswith(WRONG)


# ---- what a function stopped with ----


@every(ON_FUNCTIONS)
def test_the_message_repeats_what_a_failing_function_raised(said, check):
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in said(check, _raises)


NESTED = """def inner(x):
    return x @ x.flatten()


def outer(x):
    return inner(x)


def answer(*given):
    return outer(given[0])
"""


def test_an_error_shows_the_lines_of_the_cell_innermost_last(said):
    sentence, *code = said(BY_NAME["check_squared_error"], cell(NESTED)).splitlines()
    assert "RuntimeError: " in sentence
    assert [line.strip() for line in code] == [
        "line 10, in answer: return outer(given[0])",
        "line 6, in outer: return inner(x)",
        "line 2, in inner: return x @ x.flatten()",
    ]


def test_an_error_shows_a_lambda_and_no_line_of_ours_or_of_a_library(said):
    text = said(BY_NAME["check_squared_error"], cell("f = lambda a, b: torch.cat(a, b)\n"))
    assert text.splitlines()[1:] == ["    line 1, in <lambda>: f = lambda a, b: torch.cat(a, b)"]
    wants_more = cell("def answer(a, b, c):\n    return a\n")
    assert len(said(BY_NAME["check_squared_error"], wants_more).splitlines()) == 1
    inside_ours = cell("def answer(model, x, y, new_y):\n    return model.encode(x)\n")
    assert len(said(BY_NAME["check_write_as"], inside_ours).splitlines()) == 2
    here = said(BY_NAME["check_squared_error"], _raises).splitlines()[1]
    assert " of test_checks_contract.py, in _raises: raise RuntimeError(" in here


def test_a_long_message_is_cut_between_words(said):
    words = [f"word{n}" for n in range(100)]
    text = said(BY_NAME["check_auc"], _raising(ValueError("\n".join(words)))).splitlines()[0]
    shown = text.partition("ValueError: ")[2].removesuffix(" …").split()
    assert 5 < len(shown) < 100 and shown == words[: len(shown)]


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
    return [
        *(torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()),  # noqa: NPY002
        *(torch.get_default_dtype(), torch.empty(0).device, torch.is_grad_enabled()),
        *(torch.get_num_threads(), torch.is_anomaly_enabled(), np.geterr()),
        *(torch.are_deterministic_algorithms_enabled(), sys.getrecursionlimit()),
        *(sys.stdout, sys.stderr, [action for action, *_ in warnings.filters]),
        *(signal.getsignal(signal.SIGINT), threading.active_count()),
    ]


def _changes_everything():
    torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
    torch.randn(3), np.random.rand(), random.random()  # noqa: NPY002
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.autograd.set_detect_anomaly(True)
    torch.use_deterministic_algorithms(True)
    np.seterr(all="raise")
    warnings.simplefilter("error")
    sys.setrecursionlimit(sys.getrecursionlimit() + 99)
    sys.stdout = sys.stderr = None


def _changes_and_returns(*given):
    _changes_everything()
    return [0.0] * 6


def _changes_and_raises(*given):
    _changes_everything()
    raise RuntimeError("after all that")


@every(ALL)
@pytest.mark.parametrize(
    "answer",
    [392, (5, 32), {}, _changes_and_returns, _changes_and_raises],
    ids=lambda answer: str(answer)[:12],
)
def test_checks_leave_all_global_states_alone(check, answer):
    before = _states()
    check(answer)
    assert _states() == before and torch.is_grad_enabled()


@every(FUNCTIONS_AS_DATA)
def test_a_right_function_that_changes_global_states_is_right(said, check):
    def answer(*given):
        value = check.right(*given)
        _changes_everything()
        return value

    assert said(check, answer).startswith(OK)


@every(FUNCTIONS_AS_DATA)
def test_the_verdict_is_the_same_on_another_default_device(said, check):
    torch.set_default_device("meta")
    try:
        assert said(check, check.right).startswith(OK)
        assert torch.empty(0).device.type == "meta"
    finally:
        torch.set_default_device(None)


@every(FUNCTIONS_AS_DATA)
def test_what_a_function_prints_is_shown_above_the_verdict_and_never_floods(check, capsys):
    check(lambda *given: print("look", len(given)) or check.right(*given))
    first, *_, verdict = capsys.readouterr().out.splitlines()
    assert first.startswith("look ") and verdict.startswith(OK)
    check(lambda *given: print("many words " * 9999) or check.right(*given))
    flood = (answers.PRINTED + 100) * (len(list(check.cases())) + 1)
    out = capsys.readouterr().out
    assert "many words" in out and "printed more" in out and len(out) < flood
    assert out.splitlines()[-1].startswith(OK)


def test_a_warning_is_shown_and_is_no_error(said):
    auc = BY_NAME["check_auc"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warns = lambda *given: warnings.warn("mind", stacklevel=2) or auc.right(*given)  # noqa: E731
        assert said(auc, warns).startswith(OK)
    assert "mind" in str(caught[0].message)


# ---- functions without an end ----


def _loops(*_):
    while True:
        pass


def _sleeps(*_):
    time.sleep(60)


def _catches_errors(*_):
    while True:
        with suppress(Exception):
            time.sleep(0.01)


def _catches_everything(*_):
    try:
        time.sleep(60)
    except BaseException:
        return 0.5


def _tries_again(*_):
    try:
        time.sleep(60)
    except BaseException:
        time.sleep(30)
        os.kill(os.getpid(), signal.SIGINT)  # nobody stopped it a second time


@every(ON_FUNCTIONS)
def test_a_loop_without_end_is_stopped_and_shown(said, check, monkeypatch):
    monkeypatch.setattr(answers, "SECONDS", 0.1)
    text = said(check, _loops)
    assert text.startswith(WRONG) and "stopped after 0.1 seconds" in text and "in _loops: " in text


@pytest.mark.parametrize("answer", [_sleeps, _catches_errors, _catches_everything, _tries_again])
def test_whatever_takes_too_long_is_stopped(said, answer, monkeypatch):
    monkeypatch.setattr(answers, "SECONDS", 0.1)
    before = _states()
    assert "stopped after 0.1 seconds" in said(BY_NAME["check_auc"], answer)
    assert _states() == before


def test_a_function_that_takes_its_time_is_judged(said):
    auc, waits = BY_NAME["check_auc"], chain([1.2], repeat(0))
    assert said(auc, lambda *given: time.sleep(next(waits)) or auc.right(*given)).startswith(OK)


@pytest.mark.parametrize("answer", [_sleeps, _loops, _catches_errors])
def test_a_learner_can_interrupt(answer):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells may have switched off
    before = _states()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        BY_NAME["check_auc"](answer)
    timer.join()
    assert _states() == before


def test_outside_of_the_main_thread_a_check_works_without_a_watchdog(capsys):
    auc = BY_NAME["check_auc"]
    thread = threading.Thread(target=auc, args=(auc.right,))
    thread.start()
    thread.join()
    assert capsys.readouterr().out.startswith(OK)


@every(ON_FUNCTIONS)
def test_a_function_finds_the_same_random_numbers_whatever_was_drawn_before(check):
    seen = []

    def remember(*given):
        seen.append((torch.rand(()).item(), np.random.rand(), random.random()))  # noqa: NPY002

    check(remember)
    torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
    check(remember)
    assert len(seen) == 2 and seen[0] == seen[1]


# ---- grading ----


@every(AS_DATA)
def test_when_it_is_graded_a_check_raises_unless_the_answer_is_right(monkeypatch, check):
    monkeypatch.setenv("TUTORIAL_GRADE", "1")
    assert check(right_answer(check)) == True  # noqa: E712
    for answer in (check.mistakes[0][0], ..., "nothing"):
        with pytest.raises(AssertionError, match="not"):
            check(answer)


def test_a_notebook_does_not_show_what_a_check_returns():
    assert callable(ok("An exercise is solved.")._ipython_display_)


# ---- the notebooks ----

SOURCES = sorted((Path(__file__).parents[2] / "notebooks" / "src").rglob("[0-9]*.py"))
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
def test_the_solution_is_ok_whatever_the_default_dtype(stem, hole, solution, capsys, float64):
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
