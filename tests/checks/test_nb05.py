"""Checks of notebook 05: right answers in every form, each mistake by its name, no other is ok."""

import math
import re
from itertools import chain, combinations, product

import numpy as np
import pytest
import torch
from helpers.answers import NOT_YET, OK, WRONG, every_right, every_wrong

from tutorial_utils.checks.nb05 import check_detective, check_one_knob, check_warmup
from tutorial_utils.losses import gaussian_nll, kl_standard_normal
from tutorial_utils.training import constant, cyclical, linear_warmup

# ---- who sums and who averages ----

VERDICTS = {"A": "averaged", "B": "summed", "C": "averaged", "D": "summed"}
OTHER = {"A": "summed", "B": "averaged", "C": "summed", "D": "averaged"}
REFUTED = {"A": "is β = 1,", "B": "β = 9,408", "C": "no factor is β = 1", "D": "β = 7,840"}


def test_each_wrong_verdict_is_refuted_by_its_own_reason_one_at_a_time(said):
    for letters in chain(*(combinations("ABCD", n) for n in range(1, 5))):
        text = said(check_detective, VERDICTS | {each: OTHER[each] for each in letters})
        assert text.startswith(WRONG) and REFUTED[letters[0]] in text
        assert re.findall(r"\b[ABCD]\b", text) == [letters[0]], "the others stay open"


def test_the_betas_of_the_reasons_are_those_that_the_verdicts_mean():
    """What weighs the KL in sums, when the reconstruction loss is a mean over `pixels`."""
    effective = lambda kl_weight, recon_weight, pixels: kl_weight * pixels / recon_weight  # noqa: E731
    assert effective(12, 1, 784) == 9408 and effective(10, 1, 784) == 7840
    assert effective(0.5, 0.5, 1) == 1 and effective(0.5, 0.5, 784) == 784
    assert effective(1, 1, 48) == 48 and effective(1, 48, 48) == 1


@pytest.mark.parametrize("hole", [..., None], ids=repr)
def test_open_verdicts_are_not_yet_and_are_named(said, hole):
    assert said(check_detective, hole).startswith(NOT_YET)
    for letters in ("A", "BD", "ABCD"):
        text = said(check_detective, {**VERDICTS, **dict.fromkeys(letters, hole)})
        assert text.startswith(NOT_YET) and f"no verdict on {', '.join(letters)}." in text
    wrong_and_open = {**VERDICTS, "A": "summed", "C": hole}
    assert said(check_detective, wrong_and_open).startswith(NOT_YET)
    assert "no verdict on B, C, D." in said(check_detective, {"A": "averaged"})


@pytest.mark.parametrize(
    "verdicts",
    ["averaged", list(VERDICTS.values()), 784, torch.zeros(4), set(VERDICTS)],
    ids=lambda each: type(each).__name__,
)
def test_what_is_no_dict_of_verdicts_is_told_so(said, verdicts):
    assert "give a dict" in said(check_detective, verdicts)


@pytest.mark.parametrize("key", ["E", 1, None, ("A", "B")], ids=str)
def test_another_key_is_told_so(said, key):
    assert "give a dict" in said(check_detective, {**VERDICTS, key: "summed"})


class _Strange:
    """Nothing can be asked of it."""

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    __hash__ = object.__hash__
    __repr__ = __eq__


VALUES = ["mean", "summed or averaged", "", "a" * 999, 1, ["summed"], torch.ones(3), _Strange()]


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
    "interp": lambda p: np.interp(p, [0.25, 0.5], [0, 1]),
    "median": lambda p: sorted([0, 4 * p - 1, 1])[1],
    "tensor": lambda p: torch.tensor(4 * p - 1, requires_grad=True).clamp(0, 1),
    "list": lambda p: [right(p)],
    "linear_warmup": lambda p: linear_warmup(max(p - 0.25, 0), share=0.25),
    "strict": lambda p: 0.0 if p <= 0.25 else 1.0 if p > 0.5 else 4 * (p - 0.25),
    "sum of parts": lambda p: (p >= 0.5) + (0.25 < p < 0.5) * (4 * p - 1),
    "difference of ramps": lambda p: max(4 * p - 1, 0) - max(4 * p - 2, 0),
}


def clipped(p, start, end, top=1.0):
    return top * min(max((p - start) / (end - start), 0), 1)


def parts(early, line, late):
    """The three parts of training, each from its start on to before its end."""
    return lambda p: early(p) if p < 0.25 else line(p) if p < 0.5 else late(p)


WRONG_WARMUPS = {
    "linear_warmup": (linear_warmup, "in the first quarter already"),
    "a sigmoid": (lambda p: 1 / (1 + math.exp(9 - 24 * p)), "in the first quarter already"),
    "progress": (lambda p: p, "to the last"),
    "to the end": (lambda p: clipped(p, 0.25, 1), "only at the end"),
    "half as steep": (lambda p: clipped(p, 0.25, 0.75), "only after half time"),
    "unclamped": (lambda p: 4 * p - 1, "at both ends"),
    "unclamped below": (lambda p: min(4 * p - 1, 1), "starts below 0"),
    "unclamped above": (lambda p: max(4 * p - 1, 0), "goes on rising"),
    "almost": (lambda p: clipped(p, 0.25, 0.5, 0.99), "never reaches 1"),
    "not divided": (lambda p: min(max(p - 0.25, 0), 1), "never reaches 1"),
    "jump at a quarter": (lambda p: float(p >= 0.25), "jumps from 0 to 1"),
    "rounded": (lambda p: round(right(p)), "jumps from 0 to 1"),
    "twice progress": (parts(lambda p: 0, lambda p: 2 * p, lambda p: 1), "a jump at an end"),
    "square": (lambda p: right(p) ** 2, "no line"),
    "cosine": (lambda p: 0.5 - 0.5 * math.cos(math.pi * right(p)), "no line"),
    "two decimals": (lambda p: round(right(p) - 0.004, 2) if p > 0.3 else right(p), "no line"),
    "constant 0": (lambda p: 0.0, "percent, or epochs"),
    "percent": (lambda p: clipped(p, 25, 50), "percent, or epochs"),
    "falls": (lambda p: 1 - right(p), "upside down"),
    "cyclical": (cyclical, "comes down again"),
    "0 at the end": (lambda p: right(p) if p < 1 else 0, "comes down again"),
    "constant 1": (constant, "nothing warms"),
    "no last return": (parts(lambda p: 0, right, lambda p: None), "at progress 0.5 there is no"),
    "no second return": (parts(lambda p: 0, lambda p: None, right), "at progress 0.25 there is no"),
    "no return at half time": (lambda p: right(p) if p != 0.5 else None, "at progress 0.5 there"),
    "1 at a quarter": (lambda p: 1 if p == 0.25 else right(p), "β is 1 at exactly a quarter"),
    "0 at half time": (lambda p: 0 if p == 0.5 else right(p), "β is 0 at exactly a half"),
    "0 over 0 at a quarter": (lambda p: right(p) * (p - 0.25) / (p - 0.25), "progress 0.25 there"),
    "0 over 0 at the start": (lambda p: right(p) * p / p, "at progress 0 there is no"),
    "two numbers": (lambda p: (0, right(p)), "one number at a time"),
}


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


# ---- β and σ are one knob ----


@pytest.mark.parametrize("answer", [0, -0.04, 0.05, 0.041, 0.039, 3.96, 2, 5], ids=repr)
def test_another_beta_gets_a_hint_and_the_name_of_no_mistake(said, answer):
    assert said(check_one_knob, answer) == f"{WRONG}: {check_one_knob.hint}"


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
        "spaces": {f" {letter}": f"{verdict.title()} " for letter, verdict in VERDICTS.items()},
        "numpy": {letter: np.str_(verdict) for letter, verdict in VERDICTS.items()},
    },
    check_warmup: RIGHT_WARMUPS,
    check_one_knob: {
        "decimal": 0.04,
        "quotient": 4 / 10**2,
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
