"""Checks of the exercises of notebook 01: the shape of a code, the squared error, a score on test images."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..data import ImageData
from ..models import Autoencoder, mlp
from ..training import local_seed
from .judge import Check, call_answer, judge_number, not_yet, numbers_in, ok, wrong

IMAGE = (1, 2, 3)  # the axes of one image in a batch [B, C, H, W]


def check_code_shape(answer: object) -> None:
    """Notebook 01, exercise 1: the shape of the codes of 5 images in an autoencoder with code size 32."""
    if answer is ...:
        return not_yet()
    one = (
        "that is the code of one image. Networks work on batches: the first axis counts the images."
    )
    misconceptions = {
        32: one,
        (32,): one,
        (
            5,
            1,
            28,
            28,
        ): "that is the shape of the images, and of the reconstructions. The code is the narrow middle.",
        (5, 784): "that is the flattened image, before the encoder has made it small.",
        (5, 256): "that is the hidden layer. The code is what the encoder returns after it.",
        (32, 5): "the axes are swapped: the first axis counts the images in the batch.",
        (5, 1, 32): "the encoder flattens the image: of channel, height and width no axis is left.",
    }
    given = numbers_in(answer)
    if given == (5, 32):
        return ok("5 images, 32 numbers each. Whatever the decoder paints, it paints from these.")
    wrong(
        misconceptions.get(
            given, "a shape is a tuple of whole numbers: how many images, then how many numbers."
        )
    )


def _images() -> list[tuple[Tensor, Tensor]]:
    """Reconstructions and images, of several shapes [B, C, H, W]."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((6, 3, 4, 4), (1, 1, 5, 3), (9, 1, 6, 8))
    return [tuple(torch.rand(2, *shape, generator=generator)) for shape in shapes]


def squared_error(recon: Tensor, x: Tensor) -> Tensor:
    """The squared error of each image, summed over its pixels, shape [B], of (recon, x)."""
    return (recon - x).square().sum(IMAGE)


_NO_SQUARE = (
    "this is the errors before squaring: positive and negative ones cancel. Square first, then sum."
)
check_squared_error = Check(
    "01",
    squared_error,
    cases=_images,
    mistakes=[
        (
            lambda recon, x: (recon - x).square().mean(IMAGE),
            "this is a mean over the pixels: it shrinks with the size of the image. Sum over pixels.",
        ),
        (
            lambda recon, x: (recon - x).square().mean(),
            "this is a mean over pixels and images at once, PyTorch's default. Sum over pixels only.",
        ),
        (
            lambda recon, x: (recon - x).abs().sum(IMAGE),
            "this is the absolute error. Square it: large mistakes should count more.",
        ),
        (
            lambda recon, x: squared_error(recon, x).sqrt(),
            "this is a distance: it has a square root too many. PCA minimizes its square.",
        ),
        (
            lambda recon, x: squared_error(recon, x) / 2,
            "this is half of the squared error: a Gaussian's -log p, up to a constant. "
            "Here we want all of it.",
        ),
        (lambda recon, x: (recon - x).sum(IMAGE), _NO_SQUARE),
        (lambda recon, x: (x - recon).sum(IMAGE), _NO_SQUARE),
        (
            lambda recon, x: (recon - x).sum(IMAGE).square(),
            "this is the square of the summed errors: they cancel before. Square first, then sum.",
        ),
    ],
    praise="summed over pixels, one value per image. "
    "Doubling the pixels would double it, as it should.",
    hint="the shape is right, the values are not: subtract, square, then sum over channels, "
    "height and width.",
)


def check_test_score(score: Callable[[nn.Module, ImageData], float]) -> None:
    """Notebook 01, exercise 3: the mean squared error per pixel of a model on data it was not trained on."""
    train, test = torch.full((6000, 1, 28, 28), 0.55), torch.full((5000, 1, 28, 28), 0.7)
    test[2500:] += 0.2
    data = ImageData(train, torch.zeros(6000).long(), test, torch.zeros(5000).long())
    value = call_answer(score, _gray_model(), data)
    if value is None:
        return
    if value.numel() != 1:
        return wrong(
            f"a score is one number, yours has shape {list(value.shape)}. Average over images and pixels."
        )
    misconceptions = {
        0.0025: "this is the error on the training images. A model can know those by heart; ask it about x_test.",
        0.04: "this is the error on the first test images only. Use all of them: a part can be easier than the rest.",
        (0.0025 * 6000 + 0.1 * 5000)
        / 11000: "training and test images are mixed. Score on x_test alone.",
        78.4: "this is summed over the pixels of an image. Divide by their number.",
        0.65: "the model returns logits, you compared them with pixels. Apply .sigmoid() first.",
    }
    praise = "all test images, none of the training images, per pixel."
    hint = f"expected 0.1 for a model that is off by 0.2 or 0.4 everywhere, got {value.item():.4g}."
    judge_number(value.item(), 0.1, misconceptions, praise, hint, rel_tol=1e-3)


def _gray_model() -> Autoencoder:
    """An autoencoder that, whatever it sees, reconstructs gray one half (logit 0)."""
    with local_seed(0):
        model = Autoencoder(mlp([784, 1]), mlp([1, 784], out_shape=(1, 28, 28)))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model
