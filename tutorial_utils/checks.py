"""What exercises call: each check says ok, not yet, or what went wrong, and names the misconception behind it."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from .data import ImageData
from .models import Autoencoder, mlp
from .training import local_seed


def ok(text: str) -> None:
    """Say that the answer is right, and why."""
    print(f"✓ ok: {text}")


def not_yet(hint: str = "replace the three dots") -> None:
    """Say that there is no answer yet."""
    print(f"… not yet: {hint}, then run this cell again.")


def wrong(text: str) -> None:
    """Say what the answer shows was misunderstood."""
    print(f"✗ not quite: {text}")


def check_compression(answer: object) -> None:
    """Notebook 00: how many times fewer numbers are in a code of 2 than in an image of 28 x 28?"""
    if answer is ...:
        return not_yet()
    misconceptions = {
        14: "that is one side of the image against the code. An image has 28 x 28 pixels, all of them count.",
        782: "that is the difference, how many fewer. How many *times* fewer is a ratio.",
        784: "that is the number of pixels. How many numbers replace them?",
        2 / 784: "that is the code's share of the image. You want how many times smaller it is: turn it around.",
    }
    given = _numbers(answer)
    number = given if isinstance(given, float) else math.nan
    if math.isclose(number, 392, rel_tol=1e-6):
        return ok("784 pixels become 2 numbers, 392 times fewer.")
    found = [text for mistake, text in misconceptions.items() if math.isclose(number, mistake, rel_tol=1e-6)]
    wrong(found[0] if found else "divide the number of pixels in an image by the numbers in its code.")


def check_code_shape(answer: object) -> None:
    """Notebook 01, exercise 1: the shape of the codes of 5 images in an autoencoder with code size 32."""
    if answer is ...:
        return not_yet()
    one = "that is the code of one image. Networks work on batches: the first axis counts the images."
    misconceptions = {
        32: one,
        (32,): one,
        (5, 1, 28, 28): "that is the shape of the images, and of the reconstructions. The code is the narrow middle.",
        (5, 784): "that is the flattened image, before the encoder has made it small.",
        (5, 400): "that is the hidden layer. The code is what the encoder returns after it.",
        (32, 5): "the axes are swapped: the first axis counts the images in the batch.",
        (5, 1, 32): "the encoder flattens the image: of channel, height and width no axis is left.",
    }
    given = _numbers(answer)
    if given == (5, 32):
        return ok("5 images, 32 numbers each. Whatever the decoder paints, it paints from these.")
    wrong(misconceptions.get(given, "a shape is a tuple of whole numbers: how many images, then how many numbers."))


def check_squared_error(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 01, exercise 2: the squared error of each image, summed over its pixels, shape [B]."""
    generator = torch.Generator().manual_seed(0)
    x, recon = torch.rand(2, 6, 3, 4, 4, generator=generator)
    value = _call(loss, recon.clone(), x.clone())
    if value is None:
        return
    error, pixels = recon - x, (1, 2, 3)
    right = error.square().sum(pixels)
    no_square = "the errors before squaring: positive and negative ones cancel. Square first, then sum."
    mistakes = [
        (right / 48, "a mean over the pixels: it shrinks with the size of the image, here 48 times. Sum over pixels."),
        (right.sum(), "one number for the whole batch: the sum over images too, which grows with the batch."),
        (right.mean(), "the mean over the batch. That mean belongs to the caller; return one value per image."),
        (right.mean() / 48, "a mean over pixels and images at once, PyTorch's default. Sum over pixels only."),
        (error.abs().sum(pixels), "the absolute error. Square it: large mistakes should count more."),
        (right.sqrt(), "a distance: it has a square root too many. PCA minimizes its square."),
        (right / 2, "half of the squared error: a Gaussian's -log p, up to a constant. Here we want all of it."),
        (error.sum(pixels), no_square),
        (-error.sum(pixels), no_square),
        (error.sum(pixels).square(), "the square of the summed errors: they cancel before. Square first, then sum."),
    ]
    if value.shape == right.shape and torch.allclose(value, right):
        return ok("summed over pixels, one value per image. Doubling the pixels would double it, as it should.")
    for mistake, text in mistakes:
        if value.shape == mistake.shape and torch.allclose(value, mistake):
            return wrong(f"this is {text}")
    if value.shape != right.shape:
        return wrong(f"6 images need 6 values, shape {list(right.shape)}; yours have shape {list(value.shape)}.")
    wrong("the shape is right, the values are not: subtract, square, then sum over channels, height and width.")


def check_test_score(score: Callable[[nn.Module, ImageData], float]) -> None:
    """Notebook 01, exercise 3: the mean squared error per pixel of a model on data it was not trained on."""
    train, test = torch.full((6000, 1, 28, 28), 0.55), torch.full((5000, 1, 28, 28), 0.7)
    test[2500:] += 0.2
    value = _call(score, _gray_model(), ImageData(train, torch.zeros(6000).long(), test, torch.zeros(5000).long()))
    if value is None:
        return
    if value.numel() != 1:
        return wrong(f"a score is one number, yours has shape {list(value.shape)}. Average over images and pixels.")
    value = value.item()
    misconceptions = {
        0.0025: "this is the error on the training images. A model can know those by heart; ask it about x_test.",
        0.04: "this is the error on the first test images only. Use all of them: a part can be easier than the rest.",
        (0.0025 * 6000 + 0.1 * 5000) / 11000: "training and test images are mixed. Score on x_test alone.",
        78.4: "this is summed over the pixels of an image. Divide by their number.",
        0.65: "the model returns logits, you compared them with pixels. Apply .sigmoid() first.",
    }
    if math.isclose(value, 0.1, rel_tol=1e-3):
        return ok("all test images, none of the training images, per pixel.")
    found = [text for mistake, text in misconceptions.items() if math.isclose(value, mistake, rel_tol=1e-3)]
    wrong(found[0] if found else f"expected 0.1 for a model that is off by 0.2 or 0.4 everywhere, got {value:.4g}.")


def _numbers(answer: object) -> float | tuple[float, ...] | None:
    """A number, or several in a row, out of whatever holds them; None when there are none."""
    try:
        array = np.asarray(answer)
    except (TypeError, ValueError, RuntimeError):
        return None
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        return None
    return tuple(array.tolist()) if array.ndim else float(array)


def _call(function: Callable, *arguments) -> Tensor | None:
    """What a learner's function returns, as floats; None when it gives no numbers, after saying why."""
    if function is ...:
        return not_yet()
    if not callable(function):
        return wrong("give the check the function itself: its name, without parentheses behind it.")
    try:
        value = function(*arguments)
    except Exception as error:
        return wrong(f"your function stopped with {type(error).__name__}: {error}".splitlines()[0][:160])
    if value is None or value is ...:
        return not_yet("the function returns nothing. Replace the three dots, with `return` before the result")
    try:
        return torch.as_tensor(value, dtype=torch.float32).detach()
    except (TypeError, ValueError, RuntimeError):
        return wrong(f"your function should return numbers, it returned a {type(value).__name__}.")


def _gray_model() -> Autoencoder:
    """An autoencoder that, whatever it sees, reconstructs gray one half (logit 0)."""
    with local_seed(0):
        model = Autoencoder(mlp([784, 1]), mlp([1, 784], out_shape=(1, 28, 28)))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model
