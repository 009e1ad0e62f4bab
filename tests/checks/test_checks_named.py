"""Checks of notebooks 06 to 09: every right answer is ok, every mistake is named, and nothing beside is ok.

RIGHT and WRONGS of the modules imported here: {check: {name: answer}}, {check: {name: (answer,
phrase)}}.
"""

from itertools import combinations, product

import pytest
import test_checks_applications
import test_checks_blur
import test_checks_denoising
import test_checks_disentanglement
import torch
from helpers.answers import OK, WRONG
from test_checks_latent import accepts, names

NOTEBOOKS = {
    "06": test_checks_blur,
    "07": test_checks_disentanglement,
    "08": test_checks_denoising,
    "09": test_checks_applications,
}
RIGHT = {check: answers for module in NOTEBOOKS.values() for check, answers in module.RIGHT.items()}
WRONGS = {
    check: answers for module in NOTEBOOKS.values() for check, answers in module.WRONGS.items()
}
ON_FUNCTIONS = [check for check, answers in RIGHT.items() if callable(next(iter(answers.values())))]
every_check = pytest.mark.parametrize("check", RIGHT, ids=lambda check: check.__name__)
every_check_of_a_function = pytest.mark.parametrize(
    "check", ON_FUNCTIONS, ids=lambda check: check.__name__
)


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_the_tables_have_every_check_of_the_notebook(number):
    module = NOTEBOOKS[number]
    checks = {f for name, f in vars(module).items() if name.startswith("check_")}
    assert checks == module.RIGHT.keys() == module.WRONGS.keys() and len(checks) == 3
    assert all(check.__doc__.startswith(f"Notebook {number}: ") for check in checks)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("check", "answer"), [each for check in RIGHT for each in accepts(check, RIGHT[check])]
)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("check", "answer", "phrase"),
    [each for check in WRONGS for each in names(check, WRONGS[check])],
)
def test_every_mistake_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text


@every_check
def test_no_two_mistakes_get_the_same_text_unless_they_are_the_same(said, check):
    wrong = WRONGS[check]
    texts = {name: said(check, answer) for name, (answer, _) in wrong.items()}
    for one, other in combinations(texts, 2):
        assert texts[one] != texts[other] or wrong[one][1] in texts[other], (one, other)
    assert len(set(texts.values())) >= 14


@every_check_of_a_function
def test_checks_give_the_same_verdict_without_gradients(said, check):
    right, (wrong, phrase) = next(iter(RIGHT[check].values())), next(iter(WRONGS[check].values()))
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert said(check, right).startswith(OK) and phrase in said(check, wrong)


@pytest.mark.parametrize(("check", "scale"), list(product(ON_FUNCTIONS, (0.9, 0.99, 1.01, 1.1))))
def test_near_the_right_answer_is_not_right(said, check, scale):
    right = next(iter(RIGHT[check].values()))
    assert said(check, lambda *given: scale * right(*given)).startswith(WRONG)
