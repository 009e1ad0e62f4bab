"""Checks of the exercises of notebook 00: how much a code compresses."""

from .judge import judge_number


def check_compression(answer: object) -> None:
    """Notebook 00: how many times fewer numbers are in a code of 2 than in an image of 28 x 28?"""
    misconceptions = {
        14: "that is one side of the image against the code. An image has 28 x 28 pixels, all of them count.",
        782: "that is the difference, how many fewer. How many *times* fewer is a ratio.",
        784: "that is the number of pixels. How many numbers replace them?",
        2
        / 784: "that is the code's share of the image. You want how many times smaller it is: turn it around.",
    }
    praise = "784 pixels become 2 numbers, 392 times fewer."
    judge_number(
        answer,
        392,
        misconceptions,
        praise,
        "divide the number of pixels in an image by those in its code.",
    )
