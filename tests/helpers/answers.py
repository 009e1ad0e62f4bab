"""Answers to exercises, and what a check says to them."""

import linecache
import re
import zlib
from collections.abc import Callable

import pytest
import torch

from tutorial_utils.checks import CHECKS

NUMBERS = {
    "check_midpoint_length": r"5[.,][5-8]|√32",
    "check_compression": r"\b392\b",
    "check_code_shape": r"\b5, 32\b",
    "check_effective_beta": r"39[.,]2|784 ?/ ?20",
    "check_one_knob": r"0[.,]04\b|1/25",
    "check_entangling": r"0[.,]5\b|½|√|Hadamard|cos|sin\b",
    "check_detective": r"A.*averaged.*B.*summed.*C.*averaged.*D.*summed",
}
CODE = (
    r"torch\.|\.exp|exp\(|log\(|sum\(|mean\(|\*\*|==| [*/] |\w\*\w"
    r"|logvar ?[-+*/]|[-+*/] ?(logvar|mu|std|beta|log_w)\b"
)
OK, NOT_YET, WRONG = "✓ ok", "… not yet", "✗ not quite"


def every_right(notebook: str, answers: dict[Callable, dict]) -> pytest.MarkDecorator:
    """For a test with the parameters check and answer: each answer that is right.

    answers: {check: {name: answer}}, for every check of the notebook.
    """
    assert set(answers) == set(CHECKS[notebook]), "every check of the notebook needs right answers"
    return pytest.mark.parametrize(
        ("check", "answer"),
        [
            pytest.param(check, answer, id=f"{check.__name__}-{name}")
            for check, named in answers.items()
            for name, answer in named.items()
        ],
    )


def every_wrong(answers: dict[Callable, dict]) -> pytest.MarkDecorator:
    """For a test with the parameters check, answer and phrase: each answer that is wrong, and how.

    answers: {check: {name: (answer, a phrase of what the check says to it)}}.
    """
    return pytest.mark.parametrize(
        ("check", "answer", "phrase"),
        [
            pytest.param(check, *pair, id=f"{check.__name__}-{name}")
            for check, named in answers.items()
            for name, pair in named.items()
        ],
    )


def given_by(check: Callable, right: Callable) -> list[tuple]:
    """Everything that a check calls a right answer with."""
    seen = []
    check(lambda *given: seen.append(given) or right(*given))
    return seen


def cell(source: str) -> Callable:
    """The last function that is defined in a cell of a notebook, as IPython runs the cell."""
    name = f"/tmp/ipykernel_1/{zlib.crc32(source.encode())}.py"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    names = {"torch": torch}
    exec(compile(source, name, "exec"), names)
    return list(names.values())[-1]


def hear(capsys, check, answer) -> str:
    """What a check says: one line, in one of three tones, that never gives the answer away.

    Below what a function stopped with, up to three lines of its own code are shown.
    """
    capsys.readouterr()
    is_right = check(answer)
    text = capsys.readouterr().out.rstrip("\n")
    assert is_right == text.startswith(OK)
    sentence, *code = text.splitlines()
    stopped = "stopped with" in sentence or "stopped after" in sentence
    assert sentence.startswith((OK, NOT_YET, WRONG)) and 30 < len(sentence) < 200
    assert len(code) <= 3 * stopped and all(line.startswith("    line ") for line in code)
    if not stopped:
        assert text[-1] in ".?" or "[1, 1, 1, 1, " in text, "a whole sentence"
    if not text.startswith(OK) and not stopped:
        assert not re.search(NUMBERS.get(check.__name__, CODE), text), "a hint, not the answer"
    return text
