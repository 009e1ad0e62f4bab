"""Checks of notebook 05: right answers in every form, each mistake by its name, no other is ok."""

import math
import re
from itertools import combinations, product

import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, OK, WRONG, every_right, every_wrong

from tutorial_utils.checks.nb05 import check_detective, check_one_knob, check_warmup
from tutorial_utils.losses import gaussian_nll, kl_standard_normal
from tutorial_utils.training import constant, cyclical, linear_warmup, warmup_then_linear

# ---- who sums and who averages ----

VERDICTS = {"A": "averaged", "B": "summed", "C": "averaged", "D": "summed"}
REFUTED = {"A": "is β = 1,", "B": "β = 9,408", "C": "no factor is β = 1", "D": "β = 7,840"}


def other(verdict: str) -> str:
    return "summed" if verdict == "averaged" else "averaged"


def test_each_wrong_verdict_is_refuted_by_its_own_reason_one_at_a_time(said):
    for flips in product([False, True], repeat=4):
        if not any(flips):
            continue
        verdicts = {
            letter: other(verdict) if flip else verdict
            for (letter, verdict), flip in zip(VERDICTS.items(), flips, strict=True)
        }
        text, first = said(check_detective, verdicts), "ABCD"[flips.index(True)]
        assert text.startswith(WRONG) and REFUTED[first] in text
        assert re.findall(r"\b[ABCD]\b", text) == [first], "the others stay open"


def test_the_betas_of_the_reasons_are_those_that_the_verdicts_mean():
    """What weighs the KL in sums, when the reconstruction loss is a mean over `pixels`."""
    effective = lambda kl_weight, recon_weight, pixels: kl_weight * pixels / recon_weight  # noqa: E731
    assert effective(12, 1, 784) == 9408 and effective(10, 1, 784) == 7840
    assert effective(0.5, 0.5, 1) == 1 and effective(0.5, 0.5, 784) == 784
    assert effective(1, 1, 48) == 48 and effective(1, 48, 48) == 1


def test_the_praise_gives_the_four_betas(said):
    assert all(
        re.search(rf"\b{beta}\b", said(check_detective, VERDICTS)) for beta in (784, 12, 48, 10)
    )


@pytest.mark.parametrize("hole", [..., None], ids=repr)
def test_open_verdicts_are_not_yet_and_are_named(said, hole):
    assert said(check_detective, hole).startswith(NOT_YET)
    for letters in ("A", "BD", "ABCD"):
        text = said(check_detective, {**VERDICTS, **dict.fromkeys(letters, hole)})
        assert text.startswith(NOT_YET) and f"no verdict on {', '.join(letters)}." in text
    wrong_and_open = {**VERDICTS, "A": "summed", "C": hole}
    assert said(check_detective, wrong_and_open).startswith(NOT_YET)
    assert "no verdict on D." in said(
        check_detective, {letter: VERDICTS[letter] for letter in "ABC"}
    )
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
        set(VERDICTS),
        dict.keys,
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
    assert "give a dict" in said(check_detective, {**VERDICTS, key: "summed"})


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
    assert "verdict on B is neither" in said(check_detective, {**VERDICTS, "B": value})


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


def test_a_warmup_that_returns_three_dots_later_is_not_yet_one(said):
    assert said(check_warmup, lambda progress: 0.0 if progress < 0.25 else ...).startswith(NOT_YET)


def test_a_warmup_is_judged_alike_without_gradients(said):
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert said(check_warmup, RIGHT_WARMUPS["parameter"]).startswith(OK)
            assert said(check_warmup, linear_warmup).startswith(WRONG)


# ---- β and σ are one knob ----


@pytest.mark.parametrize("answer", [0, -0.04, 0.05, 0.041, 0.039, 3.96, 2, 5], ids=repr)
def test_another_beta_gets_a_hint_and_the_name_of_no_mistake(said, answer):
    assert said(check_one_knob, answer) == f"{WRONG}: {check_one_knob.hint}"


def test_no_hint_gives_the_beta_away(said):
    for answer in (7, *(mistake for mistake, _ in check_one_knob.mistakes)):
        text = said(check_one_knob, answer)
        assert not re.search(r"0[.,]04|1/25|σ² ?(times|[*·×]) ?β|β ?(times|[*·×]) ?σ²", text)


def test_the_right_beta_gives_the_same_loss_but_for_a_factor_and_a_constant():
    generator = torch.Generator().manual_seed(0)
    mean, x, mu, logvar = torch.randn(4, 6, 5, generator=generator, dtype=torch.float64)
    kl = kl_standard_normal(mu, logvar)

    def differences(std, beta):
        loss = gaussian_nll(mean, x, std=std) + beta * kl
        return loss - loss[0]

    given = 0.1**2 * differences(0.1, 4)
    torch.testing.assert_close(differences(1, 0.04), given)
    for mistake, _ in check_one_knob.mistakes:
        assert not torch.allclose(differences(1, mistake), given, rtol=1e-3)


# ---- all of them ----

RIGHT = {
    check_detective: {
        "plain": VERDICTS,
        "reversed": dict(reversed(VERDICTS.items())),
        "small": {letter.lower(): verdict for letter, verdict in VERDICTS.items()},
        "spaces": {f" {letter}": f"{verdict.title()} " for letter, verdict in VERDICTS.items()},
        "numpy": {letter: np.str_(verdict) for letter, verdict in VERDICTS.items()},
    },
    check_warmup: RIGHT_WARMUPS,
    check_one_knob: {
        "decimal": 0.04,
        "product": 4 * 0.1**2,
        "quotient": 4 / 10**2,
        "fraction": 1 / 25,
        "numpy": np.float32(0.04),
        "tensor": torch.tensor(0.04),
    },
}


@pytest.mark.filterwarnings("error")
@every_right("05", RIGHT)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong({check_warmup: WRONG_WARMUPS})
def test_every_mistake_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
