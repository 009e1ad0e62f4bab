"""What exercises call: each check says ok, not yet, or what went wrong, and names the misconception behind it."""

import math
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

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
    """Say what the answer shows was misunderstood, in one line of less than 200 characters."""
    print(f"✗ not quite: {text.splitlines()[0][:180]}")


def check_compression(answer: object) -> None:
    """Notebook 00: how many times fewer numbers are in a code of 2 than in an image of 28 x 28?"""
    misconceptions = {
        14: "that is one side of the image against the code. An image has 28 x 28 pixels, all of them count.",
        782: "that is the difference, how many fewer. How many *times* fewer is a ratio.",
        784: "that is the number of pixels. How many numbers replace them?",
        2 / 784: "that is the code's share of the image. You want how many times smaller it is: turn it around.",
    }
    praise = "784 pixels become 2 numbers, 392 times fewer."
    judge_number(answer, 392, misconceptions, praise, "divide the number of pixels in an image by those in its code.")


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
        (5, 256): "that is the hidden layer. The code is what the encoder returns after it.",
        (32, 5): "the axes are swapped: the first axis counts the images in the batch.",
        (5, 1, 32): "the encoder flattens the image: of channel, height and width no axis is left.",
    }
    given = numbers_in(answer)
    if given == (5, 32):
        return ok("5 images, 32 numbers each. Whatever the decoder paints, it paints from these.")
    wrong(misconceptions.get(given, "a shape is a tuple of whole numbers: how many images, then how many numbers."))


def check_squared_error(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Notebook 01, exercise 2: the squared error of each image, summed over its pixels, shape [B]."""
    generator = torch.Generator().manual_seed(0)
    x, recon = torch.rand(2, 6, 3, 4, 4, generator=generator)
    value = call_answer(loss, recon.clone(), x.clone())
    if value is None:
        return
    error, pixels = recon - x, (1, 2, 3)
    right = error.square().sum(pixels)
    no_square = "the errors before squaring: positive and negative ones cancel. Square first, then sum."
    mistakes = [
        (right / 48, "a mean over the pixels: it shrinks with the size of the image, here 48 times. Sum over pixels."),
        (right.mean() / 48, "a mean over pixels and images at once, PyTorch's default. Sum over pixels only."),
        (error.abs().sum(pixels), "the absolute error. Square it: large mistakes should count more."),
        (right.sqrt(), "a distance: it has a square root too many. PCA minimizes its square."),
        (right / 2, "half of the squared error: a Gaussian's -log p, up to a constant. Here we want all of it."),
        (error.sum(pixels), no_square),
        (-error.sum(pixels), no_square),
        (error.sum(pixels).square(), "the square of the summed errors: they cancel before. Square first, then sum."),
    ]
    praise = "summed over pixels, one value per image. Doubling the pixels would double it, as it should."
    hint = "the shape is right, the values are not: subtract, square, then sum over channels, height and width."
    judge_values(value, right, [(mistake, f"this is {text}") for mistake, text in mistakes], praise, hint)


def check_test_score(score: Callable[[nn.Module, ImageData], float]) -> None:
    """Notebook 01, exercise 3: the mean squared error per pixel of a model on data it was not trained on."""
    train, test = torch.full((6000, 1, 28, 28), 0.55), torch.full((5000, 1, 28, 28), 0.7)
    test[2500:] += 0.2
    data = ImageData(train, torch.zeros(6000).long(), test, torch.zeros(5000).long())
    value = call_answer(score, _gray_model(), data)
    if value is None:
        return
    if value.numel() != 1:
        return wrong(f"a score is one number, yours has shape {list(value.shape)}. Average over images and pixels.")
    misconceptions = {
        0.0025: "this is the error on the training images. A model can know those by heart; ask it about x_test.",
        0.04: "this is the error on the first test images only. Use all of them: a part can be easier than the rest.",
        (0.0025 * 6000 + 0.1 * 5000) / 11000: "training and test images are mixed. Score on x_test alone.",
        78.4: "this is summed over the pixels of an image. Divide by their number.",
        0.65: "the model returns logits, you compared them with pixels. Apply .sigmoid() first.",
    }
    praise = "all test images, none of the training images, per pixel."
    hint = f"expected 0.1 for a model that is off by 0.2 or 0.4 everywhere, got {value.item():.4g}."
    judge_number(value.item(), 0.1, misconceptions, praise, hint, rel_tol=1e-3)


def judge_number(
    answer: object, right: float, misconceptions: dict[float, str], praise: str, hint: str, *, rel_tol: float = 1e-6
) -> None:
    """Say whether a number is `right` (then `praise`), one of `misconceptions` (then its text) or neither (`hint`)."""
    if answer is ...:
        return not_yet()
    given = numbers_in(answer)
    number = given if isinstance(given, float) else math.nan
    if math.isclose(number, right, rel_tol=rel_tol):
        return ok(praise)
    found = [text for mistake, text in misconceptions.items() if math.isclose(number, mistake, rel_tol=rel_tol)]
    wrong(found[0] if found else hint)


def judge_values(value: Tensor, right: Tensor, mistakes: list[tuple[Tensor, str]], praise: str, hint: str) -> None:
    """Say whether one value per image is `right` [B] (then `praise`), one of `mistakes` (its text) or neither (`hint`).

    A mean or a sum over the batch, another shape, and NaN are named for every exercise alike.
    """
    whole_batch = [
        (right.sum(), "this is one number for the whole batch: the sum over images too, which grows with the batch."),
        (right.mean(), "this is the mean over the batch. That mean belongs to the caller; return one value per image."),
    ]
    if _same(value, right):
        return ok(praise)
    found = [text for mistake, text in whole_batch + mistakes if _same(value, mistake)]
    if found:
        return wrong(found[0])
    if value.shape != right.shape:
        n = len(right)
        return wrong(f"{n} images need {n} values, shape {list(right.shape)}; yours have shape {list(value.shape)}.")
    if not torch.isfinite(value).all():
        return wrong("some values are NaN or infinite. Look for a log or a root of something that can be 0 or below.")
    wrong(hint)


def numbers_in(answer: object) -> float | tuple[float, ...] | None:
    """A number, or several in a row, out of whatever holds them; None when there are none."""
    try:
        array = np.asarray(answer)
    except Exception:
        return None
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        return None
    return tuple(array.tolist()) if array.ndim else float(array)


def call_answer(function: Callable, *arguments, seed: int = 0) -> Tensor | None:
    """What a learner's function returns, as floats; None when it gives no numbers, after saying why.

    Gradients are on and stay attached.  Random numbers start from `seed`; the global random states stay as they were.
    """
    if function is ...:
        return not_yet()
    if not callable(function):
        return wrong("give the check the function itself: its name, without parentheses behind it.")
    try:
        with _random_numbers_from(seed), torch.enable_grad():
            value = function(*arguments)
    except Exception as error:
        return wrong(f"your function stopped with {type(error).__name__}: {error}")
    if value is None or value is ...:
        return not_yet("the function returns nothing. Replace the three dots, with `return` before the result")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about gradients lost in a list
            return torch.as_tensor(value, dtype=torch.float32, device="cpu").to_dense()
    except Exception:
        return wrong(f"your function should return numbers, it returned a {type(value).__name__}.")


def _same(value: Tensor, other: Tensor) -> bool:
    return value.shape == other.shape and torch.allclose(value, other, rtol=3e-5, atol=1e-6)


@contextmanager
def _random_numbers_from(seed: int) -> Iterator[None]:
    """`local_seed`, for numpy's and Python's global random numbers as well."""
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with local_seed(seed):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])


def _gray_model() -> Autoencoder:
    """An autoencoder that, whatever it sees, reconstructs gray one half (logit 0)."""
    with local_seed(0):
        model = Autoencoder(mlp([784, 1]), mlp([1, 784], out_shape=(1, 28, 28)))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def judge_one_number(
    function: Callable,
    cases: Iterable[tuple[Tensor, ...]],
    mistakes_of: Callable[..., tuple[float, dict[float, str]]],
    praise: str,
    hint: str,
    form: str,
) -> None:
    """Say whether a function gives the right number in all cases (then `praise`), or what the first wrong one shows.

    cases: what the function is called with, one after another.  mistakes_of: called with the same, gives the right
    number and {another number: what it shows}.  hint: for all others.  form: what the answer is, when it has a shape.
    """
    for given in cases:
        value = call_answer(function, *(tensor.clone() for tensor in given))
        if value is None:
            return
        if value.numel() != 1:
            return wrong(f"{form}; yours has shape {list(value.shape)}.")
        number, (right, mistakes) = value.item(), mistakes_of(*given)
        if not math.isfinite(number):
            return wrong("this is NaN or infinite. Look for a log or a root of something that can be 0 or below.")
        if not math.isclose(number, right, rel_tol=1e-3):
            return judge_number(number, right, mistakes, praise, hint, rel_tol=1e-3)
    ok(praise)
