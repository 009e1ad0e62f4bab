"""Check of notebook 00: the right number in every form, and no other number."""

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right

from tutorial_utils.checks.nb00 import check_compression

RIGHT = {
    check_compression: {
        "number": 392,
        "float": 392.0,
        "quotient": 28 * 28 / 2,
        "whole quotient": 28 * 28 // 2,
        "inverse": 1 / (2 / 784),
        "numpy": np.int64(392),
        "numpy float": np.float32(392),
        "tensor": torch.tensor(392.0),
    }
}


@every_right("00", RIGHT)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.parametrize("answer", [2, 0, -392, 391, 393, 1568, 0.392])
def test_another_number_is_not_right(said, answer):
    assert said(check_compression, answer).startswith(WRONG)
