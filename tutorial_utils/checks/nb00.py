"""Checks of the exercises of notebook 00: how much a code compresses."""

from .judge import Check, named


def compression() -> float:
    """How many times fewer numbers are in a code of 2 than in an image of 28 x 28?"""
    return 28 * 28 / 2


check_compression = Check(
    "00",
    compression,
    mistakes=named(
        "that is one side of the image. An image has 28 x 28 pixels, and all of them count.",
        14,
        "that is the difference, how many fewer. How many *times* fewer is a ratio.",
        782,
        "that is the number of pixels. How many numbers replace them?",
        784,
        (
            "that is the code's share of the image. You want how many times smaller it is: "
            "turn it around."
        ),
        2 / 784,
    ),
    praise="784 pixels become 2 numbers, 392 times fewer.",
    hint="divide the number of pixels in an image by those in its code.",
)
