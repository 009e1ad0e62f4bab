"""Checks of notebook 05: right answers in every form, each mistake by its name, and no other answer ok."""

import math
import re
from functools import partial
from itertools import combinations, product

import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, OK, WRONG, hear
from test_checks import NOT_AN_ANSWER, _draws, _draws_and_raises, _raises, _states

from tutorial_utils.checks.nb05 import check_detective, check_one_knob, check_warmup
from tutorial_utils.losses import gaussian_nll, kl_standard_normal
from tutorial_utils.training import constant, cyclical, linear_warmup, warmup_then_linear

CHECKS = [check_detective, check_warmup, check_one_knob]


@pytest.fixture
def said(capsys):
    """`hear`, as a function of a check and an answer."""
    return partial(hear, capsys)


# ---- who sums and who averages ----

RIGHT = {"A": "averaged", "B": "summed", "C": "averaged", "D": "summed"}
REFUTED = {"A": "is β = 1,", "B": "β = 9,408", "C": "no factor is β = 1", "D": "β = 7,840"}


def other(verdict: str) -> str:
    return "summed" if verdict == "averaged" else "averaged"


@pytest.mark.parametrize(
    "verdicts",
    [
        RIGHT,
        dict(reversed(RIGHT.items())),
        {letter.lower(): verdict for letter, verdict in RIGHT.items()},
        {f" {letter}": f"{verdict.title()} " for letter, verdict in RIGHT.items()},
        {letter: np.str_(verdict) for letter, verdict in RIGHT.items()},
    ],
    ids=["plain", "reversed", "small", "spaces", "numpy"],
)
def test_right_verdicts_are_ok_in_every_form(said, verdicts):
    assert said(check_detective, verdicts).startswith(OK)


def test_each_wrong_verdict_is_refuted_by_its_own_reason_one_at_a_time(said):
    for flips in product([False, True], repeat=4):
        if not any(flips):
            continue
        verdicts = {
            letter: other(verdict) if flip else verdict
            for (letter, verdict), flip in zip(RIGHT.items(), flips, strict=True)
        }
        text, first = said(check_detective, verdicts), "ABCD"[flips.index(True)]
        assert text.startswith(WRONG) and REFUTED[first] in text
        assert re.findall(r"\b[ABCD]\b", text) == [first], "the others stay open"


def test_the_betas_of_the_reasons_are_those_that_the_verdicts_mean():
    """What weighs the KL in sums, when the reconstruction loss is a mean over `pixels`, times its weight."""
    effective = lambda kl_weight, recon_weight, pixels: kl_weight * pixels / recon_weight  # noqa: E731
    assert effective(12, 1, 784) == 9408 and effective(10, 1, 784) == 7840
    assert effective(0.5, 0.5, 1) == 1 and effective(0.5, 0.5, 784) == 784
    assert effective(1, 1, 48) == 48 and effective(1, 48, 48) == 1


def test_the_praise_gives_the_four_betas(said):
    assert all(
        re.search(rf"\b{beta}\b", said(check_detective, RIGHT)) for beta in (784, 12, 48, 10)
    )


@pytest.mark.parametrize("hole", [..., None], ids=repr)
def test_open_verdicts_are_not_yet_and_are_named(said, hole):
    assert said(check_detective, hole).startswith(NOT_YET)
    for letters in ("A", "BD", "ABCD"):
        text = said(check_detective, {**RIGHT, **dict.fromkeys(letters, hole)})
        assert text.startswith(NOT_YET) and f"no verdict on {', '.join(letters)}." in text
    wrong_and_open = {**RIGHT, "A": "summed", "C": hole}
    assert said(check_detective, wrong_and_open).startswith(NOT_YET)
    assert "no verdict on D." in said(check_detective, {letter: RIGHT[letter] for letter in "ABC"})
    assert said(check_detective, {}).startswith(NOT_YET)


class _Strange:
    """Nothing can be asked of it."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    def __repr__(self):
        raise RuntimeError("not printable")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "verdicts",
    [
        "averaged",
        ["averaged", "summed", "averaged", "summed"],
        784,
        _Strange(),
        torch.zeros(4),
        set(RIGHT),
        _raises,
    ],
    ids=["string", "list", "number", "strange", "tensor", "set", "function"],
)
def test_what_is_no_dict_of_verdicts_is_told_so(said, verdicts):
    assert "give a dict" in said(check_detective, verdicts)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "key", ["E", 1, None, ("A", "B"), "beta", _Strange()], ids=lambda key: type(key).__name__
)
def test_another_key_is_told_so(said, key):
    assert "give a dict" in said(check_detective, {**RIGHT, key: "summed"})


VALUES = [
    "mean",
    "sum",
    "summed or averaged",
    "",
    "a" * 999,
    "x\ny",
    1,
    True,
    0.5,
    ["summed"],
    torch.ones(3),
    _Strange(),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_another_verdict_is_told_so(said, value):
    assert "verdict on B is neither" in said(check_detective, {**RIGHT, "B": value})


# ---- a warm-up ----


def right(progress):
    if progress < 0.25:
        return 0
    if progress < 0.5:
        return (progress - 0.25) / 0.25
    return 1


RIGHT_WARMUPS = {
    "cases": right,
    "min and max": lambda p: min(max(4 * p - 1, 0), 1),
    "numpy": lambda p: np.clip((p - 0.25) / 0.25, 0, 1),
    "interp": lambda p: np.interp(p, [0.25, 0.5], [0, 1]),
    "tensor": lambda p: torch.tensor((p - 0.25) / 0.25).clamp(0, 1),
    "parameter": lambda p: torch.tensor(4 * p - 1, requires_grad=True).clamp(0, 1),
    "one in a row": lambda p: torch.tensor([right(p)]),
    "list": lambda p: [right(p)],
    "double": lambda p: torch.tensor(float(right(p)), dtype=torch.float64),
    "linear_warmup": lambda p: linear_warmup(max(p - 0.25, 0), share=0.25),
    "strict": lambda p: 0.0 if p <= 0.25 else 1.0 if p > 0.5 else 4 * (p - 0.25),
    "sum of parts": lambda p: (p >= 0.5) + (0.25 < p < 0.5) * (4 * p - 1),
}
EARLY, WHOLE, END, LATE, BELOW, ABOVE = (
    "in the first quarter already",
    "to the last",
    "only at the end",
    "only after half time",
    "starts below 0",
    "goes on rising",
)
BOTH, NEVER, JUMP, EDGE, CURVE = (
    "at both ends",
    "never reaches 1",
    "jumps from 0 to 1",
    "a jump at an end",
    "no line",
)
UNITS, DOWN, AGAIN, COLD, MISSING = (
    "percent, or epochs",
    "upside down",
    "comes down again",
    "nothing warms",
    "its return",
)


def clipped(p, start, end, top=1.0):
    return top * min(max((p - start) / (end - start), 0), 1)


WRONG_WARMUPS = {
    "linear_warmup": (linear_warmup, EARLY),
    "starts at 0, fast": (lambda p: linear_warmup(p, share=0.25), EARLY),
    "starts at a tenth": (lambda p: clipped(p, 0.1, 0.5), EARLY),
    "on from the start": (lambda p: 0.5 if p < 0.25 else 1.0, EARLY),
    "a sigmoid": (lambda p: 1 / (1 + math.exp(-20 * (p - 0.375))), EARLY),
    "progress": (lambda p: p, WHOLE),
    "square of progress": (lambda p: p**2, WHOLE),
    "to the end": (lambda p: clipped(p, 0.25, 1), END),
    "from half time to the end": (lambda p: clipped(p, 0.5, 1), END),
    "half as steep": (lambda p: clipped(p, 0.25, 0.75), LATE),
    "shifted": (lambda p: clipped(p, 0.5, 0.75), LATE),
    "jump at 3/4": (lambda p: float(p >= 0.75), LATE),
    "unclamped": (lambda p: 4 * p - 1, BOTH),
    "unclamped below": (lambda p: min(4 * p - 1, 1), BELOW),
    "unclamped above": (lambda p: max(4 * p - 1, 0), ABOVE),
    "from 0, unclamped": (lambda p: 2 * p, ABOVE),
    "another top": (lambda p: clipped(p, 0.25, 0.5, 4), ABOVE),
    "half": (lambda p: clipped(p, 0.25, 0.5, 0.5), NEVER),
    "almost": (lambda p: clipped(p, 0.25, 0.5, 0.99), NEVER),
    "not divided": (lambda p: min(max(p - 0.25, 0), 1), NEVER),
    "not divided, held": (lambda p: clipped(p, 0.25, 0.5, 0.25), NEVER),
    "jump at a quarter": (lambda p: float(p >= 0.25), JUMP),
    "jump at half time": (lambda p: p >= 0.5, JUMP),
    "jump between": (lambda p: int(p > 0.375), JUMP),
    "whole numbers": (lambda p: int(right(p)), JUMP),
    "rounded": (lambda p: round(right(p)), JUMP),
    "progress in the middle": (lambda p: 0 if p < 0.25 else p if p < 0.5 else 1, EDGE),
    "twice progress": (lambda p: 0 if p < 0.25 else 2 * p if p < 0.5 else 1, EDGE),
    "slow in the middle": (lambda p: 0 if p < 0.25 else 2 * (p - 0.25) if p < 0.5 else 1, EDGE),
    "square": (lambda p: right(p) ** 2, CURVE),
    "cosine": (lambda p: 0.5 - 0.5 * math.cos(math.pi * right(p)), CURVE),
    "steps": (lambda p: math.floor(8 * right(p) + 0.5) / 8, CURVE),
    "constant 0": (lambda p: 0.0, UNITS),
    "percent": (lambda p: clipped(p, 25, 50), UNITS),
    "percent, unclamped": (lambda p: (p - 25) / 25, UNITS),
    "percent from 0": (lambda p: min(p / 50, 1), UNITS),
    "epochs": (lambda p: clipped(p, 5, 10), UNITS),
    "epochs, unclamped": (lambda p: 4 * (p / 20) - 1, UNITS),
    "falls": (lambda p: 1 - right(p), DOWN),
    "decay": (lambda p: 1 - p, DOWN),
    "decay in steps": (lambda p: 0.1 ** int(4 * p), DOWN),
    "half cosine": (lambda p: 0.5 + 0.5 * math.cos(math.pi * p), DOWN),
    "learning rate": (warmup_then_linear, AGAIN),
    "triangle": (lambda p: right(p) if p <= 0.5 else 2 - 2 * p, AGAIN),
    "cyclical": (cyclical, AGAIN),
    "forgets the end": (lambda p: clipped(p, 0.25, 0.5) if p <= 0.5 else 0.5, AGAIN),
    "constant 1": (constant, COLD),
    "multiplied": (lambda p: min(max(100 * p - 0.25, 0) / 0.25, 1), EARLY),
    "no last return": (lambda p: 0.0 if p < 0.25 else 4 * p - 1 if p < 0.5 else None, MISSING),
    "no second return": (lambda p: 0.0 if p < 0.25 else None, MISSING),
    "divides by what is left": (lambda p: 0.0 if p < 0.25 else float("nan"), MISSING),
    "two numbers": (lambda p: (0, right(p)), "one number at a time"),
    "nothing in it": (lambda p: [], "one number at a time"),
    "divides by 0": (lambda p: right(p) / (p - p), "ZeroDivisionError"),
    "three dots at the end": (lambda p: right(p) if p < 0.5 else "1", "returned a str"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answer", RIGHT_WARMUPS.values(), ids=RIGHT_WARMUPS)
def test_every_way_to_write_the_warmup_is_ok(said, answer):
    assert said(check_warmup, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("answer", "phrase"), WRONG_WARMUPS.values(), ids=WRONG_WARMUPS)
def test_every_mistake_in_a_warmup_is_named(said, answer, phrase):
    text = said(check_warmup, answer)
    assert text.startswith(WRONG) and phrase in text


def test_no_two_mistakes_in_a_warmup_get_the_same_text_unless_they_are_the_same(said):
    texts = {name: said(check_warmup, answer) for name, (answer, _) in WRONG_WARMUPS.items()}
    for one, two in combinations(texts, 2):
        assert texts[one] != texts[two] or WRONG_WARMUPS[one][1] == WRONG_WARMUPS[two][1], (
            one,
            two,
        )
    assert len(set(texts.values())) >= 16


def test_only_this_line_is_right(said):
    """Of those from one level to another, between two moments."""
    moments, levels = (0, 0.24, 0.25, 0.5, 0.51, 1), (0, 0.9, 1)
    for (start, end), first, last in product(combinations(moments, 2), levels, levels):
        answer = lambda p, s=start, e=end, a=first, b=last: a + (b - a) * clipped(p, s, e)  # noqa: E731
        exact = (start, end, first, last) == (0.25, 0.5, 0, 1)
        assert said(check_warmup, answer).startswith(OK) == exact, (start, end, first, last)


def test_progress_is_a_plain_number_inside_training():
    seen = []
    check_warmup(lambda progress: seen.append(progress) or right(progress))
    assert all(type(progress) is float for progress in seen) and seen == sorted(seen)
    assert seen[0] == 0 and seen[-1] == 1 and len(seen) > 20


@pytest.mark.parametrize("value", [None, ...], ids=repr)
def test_a_warmup_that_returns_nothing_is_told_about_return(said, value):
    text = said(check_warmup, lambda progress: value)
    assert text.startswith(NOT_YET) and "return" in text
    assert said(check_warmup, lambda progress: 0.0 if progress < 0.25 else ...).startswith(NOT_YET)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answer", NOT_AN_ANSWER.values(), ids=NOT_AN_ANSWER)
def test_a_warmup_that_fails_gets_a_message(said, answer):
    assert said(check_warmup, answer).startswith(WRONG)


def test_the_message_repeats_what_a_failing_warmup_raised(said):
    assert "shapes cannot be multiplied" in said(check_warmup, _raises)


def test_checks_of_a_warmup_give_the_same_verdict_without_gradients(said):
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert said(check_warmup, RIGHT_WARMUPS["parameter"]).startswith(OK)
            assert said(check_warmup, linear_warmup).startswith(WRONG)


# ---- beta and sigma are one knob ----

RIGHT_BETAS = {
    "decimal": 0.04,
    "product": 4 * 0.1**2,
    "quotient": 4 / 10**2,
    "fraction": 1 / 25,
    "numpy": np.float32(0.04),
    "tensor": torch.tensor(0.04),
}
ROOT, BACK, OWN, DIVIDED, SQUARED, HALF = (
    "not σ.",
    "wrong direction",
    "that the model had",
    "divides by",
    "squared",
    "½",
)
WRONG_BETAS = {
    "4": (4, "σ would not matter"),
    "σ": (4 * 0.1, ROOT),
    "over σ²": (4 / 0.1**2, BACK),
    "over σ": (4 / 0.1, BACK),
    "σ² alone": (0.1**2, OWN),
    "σ alone": (0.1, OWN),
    "one over σ²": (1 / 0.1**2, "squared error is multiplied"),
    "one over σ": (1 / 0.1, "one over σ"),
    "upside down": (1 / 0.04, "upside down"),
    "upside down, σ": (1 / 0.4, "upside down, and σ"),
    "σ² over β": (0.1**2 / 4, DIVIDED),
    "σ over β": (0.1 / 4, DIVIDED),
    "β²σ²": (0.1**2 * 16, "β comes out squared"),
    "β²σ": (0.1 * 16, "β comes out squared"),
    "half": (0.02, HALF),
    "twice": (0.08, HALF),
    "root": (0.2, "standard deviations"),
    "σ⁴": (4 * 0.1**4, "squared twice"),
    "1": (1, "the ELBO"),
}
OTHER_BETAS = [
    0,
    -0.04,
    0.05,
    0.041,
    0.039,
    3.96,
    2,
    5,
    True,
    math.nan,
    math.inf,
    "0.04",
    [0.04],
    (0.04, 1),
    [...],
    {},
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answer", RIGHT_BETAS.values(), ids=RIGHT_BETAS)
def test_the_right_beta_is_ok_in_every_form(said, answer):
    assert said(check_one_knob, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "form", [float, np.float64, torch.tensor], ids=["float", "numpy", "tensor"]
)
@pytest.mark.parametrize(("answer", "phrase"), WRONG_BETAS.values(), ids=WRONG_BETAS)
def test_every_wrong_beta_is_named(said, answer, phrase, form):
    text = said(check_one_knob, form(answer))
    assert text.startswith(WRONG) and phrase in text
    assert not re.search(r"0[.,]04|1/25|σ² ?(times|[*·×]) ?β|β ?(times|[*·×]) ?σ²", text), (
        "a hint, not the answer"
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answer", [*OTHER_BETAS, _Strange()], ids=range(len(OTHER_BETAS) + 1))
def test_another_beta_gets_a_hint_and_the_name_of_no_mistake(said, answer):
    text = said(check_one_knob, answer)
    assert text.startswith(WRONG) and "multiply the whole loss" in text


def test_wrong_betas_can_be_told_apart():
    values = [0.04, *(value for value, _ in WRONG_BETAS.values())]
    assert all(not math.isclose(a, b, rel_tol=1e-3) for a, b in combinations(values, 2))


def test_the_right_beta_gives_the_same_loss_but_for_a_factor_and_a_constant():
    mean, x, mu, logvar = torch.randn(
        4, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    kl = kl_standard_normal(mu, logvar)

    def differences(std, beta):
        loss = gaussian_nll(mean, x, std=std) + beta * kl
        return loss - loss[0]

    torch.testing.assert_close(differences(1, 0.04), 0.1**2 * differences(0.1, 4))
    for other_beta, _ in WRONG_BETAS.values():
        assert not torch.allclose(
            differences(1, other_beta), 0.1**2 * differences(0.1, 4), rtol=1e-3
        )


# ---- all of them ----


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_three_dots_are_not_yet_an_answer(said, check):
    assert said(check, ...).startswith(NOT_YET)


@pytest.mark.parametrize(
    "check", [check_detective, check_one_knob], ids=lambda check: check.__name__
)
def test_none_is_not_yet_an_answer(said, check):
    assert said(check, None).startswith(NOT_YET)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "answer", [0.5, RIGHT, _draws, _draws_and_raises], ids=["number", "dict", "draws", "raises"]
)
def test_checks_leave_the_global_random_state_alone(check, answer):
    before = _states()
    check(answer)
    assert _states() == before and torch.is_grad_enabled()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_names_its_notebook(check):
    assert check.__doc__.startswith("Notebook 05: ")
