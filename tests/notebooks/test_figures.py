"""The README's GIF: it shows the digits that its alternative text names, in that order."""

import re

import numpy as np
import pytest
import torch
from helpers.notebooks import NOTEBOOKS, ROOT
from PIL import Image, ImageSequence

from tutorial_utils.metrics import name_digits
from tutorial_utils.store.pretrained import digit_classifier

SIDE, BORDER, ENLARGED = 28, 1, 6  # pixels, as figures.py draws them


def halves(frame: Image.Image) -> list[torch.Tensor]:
    """The two digits [28, 28] of a frame, from the middle of each enlarged pixel."""
    pixels = np.asarray(frame.convert("L"))[ENLARGED // 2 :: ENLARGED, ENLARGED // 2 :: ENLARGED]
    rows, width = slice(BORDER, BORDER + SIDE), SIDE + 2 * BORDER
    starts = (BORDER, width + BORDER)
    return [torch.tensor(pixels[rows, start : start + SIDE] / 255).float() for start in starts]


def is_passed(wanted: list[int], digits: list[int]) -> bool:
    """Whether the wanted digits are among the digits in this order, others between them or not."""
    rest = iter(digits)
    return all(digit in rest for digit in wanted)


@pytest.mark.parametrize("half", [0, 1], ids=["2 numbers", "20 numbers"])
def test_the_tour_passes_the_digits_that_its_text_names(half, mnist):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    alternative = re.search(r"!\[([^\]]*)\]\(notebooks/figures/morph.gif\)", readme)[1]
    named = re.search(r"from (\d to (?:\d, )+\d and back to \d)", alternative)[1]
    wanted = [int(digit) for digit in re.findall(r"\d", named)]
    with Image.open(NOTEBOOKS / "figures" / "morph.gif") as gif:
        images = torch.stack([halves(frame)[half] for frame in ImageSequence.Iterator(gif)])
    digits, confidence = name_digits(digit_classifier(mnist), images)
    sure = digits[confidence > 0.9].tolist()
    assert is_passed(wanted, sure + sure)  # it loops: the first digit comes again
    assert len(wanted) == 8 and wanted[0] == wanted[-1]


def test_digits_in_another_order_are_not_passed():
    assert is_passed([2, 3], [2, 2, 5, 3]) and not is_passed([3, 2], [2, 2, 5, 3])
