"""What exercises call: each check says ok, not yet, or what went wrong, and names the misconception behind it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .data import ImageData


def ok(text: str) -> None:
    """Say that the answer is right, and why."""
    print(f"✓ ok: {text}")


def not_yet() -> None:
    """Say that there is no answer yet."""
    print("… not yet: replace the three dots, then run this cell again.")


def wrong(text: str) -> None:
    """Say what the answer shows was misunderstood."""
    print(f"✗ not quite: {text}")


def check_compression(answer: object) -> None:
    """Notebook 00: how many times fewer numbers are in a code of 2 than in an image of 28 x 28?"""
    if answer is ...:
        return not_yet()
    misconceptions = {
        14: "that is one side of the image against the code. An image has 28 x 28 pixels, all of them count.",
        784: "that is the number of pixels. How many numbers replace them?",
        2 / 784: "that is the code's share of the image. You want how many times smaller it is: turn it around.",
        1 / 392: "that is the code's share of the image. You want how many times smaller it is: turn it around.",
    }
    if answer == 392:
        return ok("784 pixels become 2 numbers, 392 times fewer.")
    wrong(misconceptions.get(answer, "divide the number of pixels in an image by the numbers in its code."))


def check_code_shape(answer: object) -> None:
    """Notebook 01, exercise 1: the shape of the codes of 5 images in an autoencoder with code size 32."""
    if answer is ...:
        return not_yet()
    misconceptions = {
        (32,): "that is the code of one image. Networks work on batches: the first axis counts the images.",
        (5, 1, 28, 28): "that is the shape of the images, and of the reconstructions. The code is the narrow middle.",
        (5, 784): "that is the flattened image, before the encoder has made it small.",
        (5, 400): "that is the hidden layer. The code is what the encoder returns after it.",
        (32, 5): "the axes are swapped: the first axis counts the images in the batch.",
        (5, 1, 32): "the encoder flattens the image: of channel, height and width no axis is left.",
    }
    given = tuple(answer) if isinstance(answer, (tuple, list, torch.Size)) else answer
    if given == (5, 32):
        return ok("5 images, 32 numbers each. Whatever the decoder paints, it paints from these.")
    wrong(misconceptions.get(given, f"{answer!r} has no reason here. Print the shape of model.encode(x_test[:5])."))


def check_squared_error(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 01, exercise 2: the squared error of each image, summed over its pixels, shape [B]."""
    generator = torch.Generator().manual_seed(0)
    x, recon = torch.rand(2, 6, 1, 4, 4, generator=generator)
    right = (recon - x).square().sum((1, 2, 3))
    value = loss(recon, x)
    if value is None or value is ...:
        return not_yet()
    misconceptions = {
        "a mean over the pixels: it shrinks with the size of the image, here 16 times. Sum over pixels.": right / 16,
        "one number for the whole batch: the sum over images too, which grows with the batch.": right.sum(),
        "the mean over the batch. That mean belongs to the caller; return one value per image.": right.mean(),
        "a mean over pixels and images at once, PyTorch's default. Sum over pixels only.": right.mean() / 16,
        "the absolute error. Square it: large mistakes should count more.": (recon - x).abs().sum((1, 2, 3)),
        "a distance: it has a square root too many. PCA minimizes its square.": right.sqrt(),
        "half of the squared error. That is a Gaussian's -log p, up to a constant; here we want all of it.": right / 2,
        "the errors before squaring: positive and negative ones cancel. Square first, then sum.": (recon - x).sum(
            (1, 2, 3)
        ),
    }
    value = torch.as_tensor(value)
    if value.shape == right.shape and torch.allclose(value, right):
        return ok("summed over pixels, one value per image. Doubling the pixels would double it, as it should.")
    for text, mistake in misconceptions.items():
        if value.shape == mistake.shape and torch.allclose(value, mistake):
            return wrong(f"this is {text}")
    wrong(f"expected one value per image, shape {list(right.shape)}, got shape {list(value.shape)} with other values.")


def check_test_score(score: Callable[[nn.Module, ImageData], float]) -> None:
    """Notebook 01, exercise 3: the mean squared error per pixel of a model on data it was not trained on."""
    model = _Constant()
    train, test = torch.full((6000, 1, 2, 2), 0.5), torch.full((5000, 1, 2, 2), 0.5)
    train += 0.1
    test[:2500] += 0.2
    test[2500:] += 0.4
    value = score(model, ImageData(train, torch.zeros(6000).long(), test, torch.zeros(5000).long()))
    if value is None or value is ...:
        return not_yet()
    misconceptions = {
        0.01: "this is the error on the training images. A model can know those by heart; ask it about x_test.",
        0.04: "this is the error on the first test images only. Use all of them: a part can be easier than the rest.",
        (0.01 * 6000 + 0.1 * 5000) / 11000: "training and test images are mixed. Score on x_test alone.",
        0.4: "this is summed over the pixels of an image. Divide by their number.",
    }
    if abs(float(value) - 0.1) < 1e-4:
        return ok("all test images, none of the training images, per pixel.")
    found = [text for mistake, text in misconceptions.items() if abs(float(value) - mistake) < 1e-4]
    wrong(
        found[0] if found else f"expected 0.1 for a model that is off by 0.2 or 0.4 everywhere, got {float(value):.4g}."
    )


class _Constant(nn.Module):
    """A stand-in for an autoencoder: whatever it sees, it reconstructs gray one half (logit 0)."""

    def __init__(self):
        super().__init__()
        self.gray = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x) + self.gray
