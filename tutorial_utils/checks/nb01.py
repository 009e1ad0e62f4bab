"""Checks of notebook 01: the shape of a code, the squared error, a score on test images."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from ..data import ImageData
from ..models import Autoencoder, mlp
from ..training import local_seed
from .judge import Check, named

IMAGE = (1, 2, 3)  # the axes of one image in a batch [B, C, H, W]


def code_shape() -> tuple[int, int]:
    """The shape of the codes of 5 images in an autoencoder with code size 32."""
    return 5, 32


check_code_shape = Check(
    "01",
    code_shape,
    mistakes=named(
        "that is the code of one image. Networks work on batches: the first axis counts images.",
        *(32, (32,), (1, 32)),
        "the axes are swapped: the first axis counts the images in the batch.",
        (32, 5),
        (
            "that is the shape of the images, and of the reconstructions. "
            "The code is the narrow middle."
        ),
        *((5, 1, 28, 28), (1, 28, 28), (28, 28), (5, 28, 28), (1, 1, 28, 28)),
        "that is the flattened image, before the encoder has made it small.",
        *((5, 784), (784,), (5, 1, 784)),
        "that is the hidden layer. The code is what the encoder returns after it.",
        (5, 256),
        "five images, right. Their codes are as long as the name of this model says.",
        *((5, size) for size in (1, 2, 8, 10, 16, 64, 128, 28)),
        "the 0 in the name of the model is the seed of its training. No axis comes from it.",
        *((32, 0), (5, 0), (5, 32, 0)),
        "the length of a code is right. How many images does the slice of x_test hold?",
        *((n, 32) for n in (0, 2, 3, 4, 6, 28, 32, 64, 128, 1000, 10_000, 60_000)),
        "the encoder flattens the image: of channel, height and width no axis is left.",
        *((5, 1, 32), (5, 32, 1), (5, 32, 1, 1), (5, 1, 1, 32), (5, 32, 28, 28), (5, 32, 32)),
        *((1, 5, 32), (5, 1, 32, 32), (5, 28, 32), (5, 32, 28)),
        "that is how many numbers all codes have together. Each image keeps its own, "
        "along an axis of its own.",
        *(160, (160,), (1, 160), (160, 1)),
        "that counts the images alone. Each has a code: how long is it?",
        *(5, (5,), (5, 1, 1)),
    ),
    praise="5 images, 32 numbers each. Whatever the decoder paints, it paints from these.",
    hint="a shape is a tuple of whole numbers: how many images, then how many numbers.",
)


def _images() -> list[tuple[Tensor, Tensor]]:
    """Reconstructions and images, of several shapes [B, C, H, W]."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((6, 3, 4, 4), (1, 1, 5, 3), (9, 1, 6, 8))
    return [tuple(torch.rand(2, *shape, generator=generator)) for shape in shapes]


def squared_error(recon: Tensor, x: Tensor) -> Tensor:
    """The squared error of each image, summed over its pixels, shape [B], of (recon, x)."""
    return (recon - x).square().sum(IMAGE)


check_squared_error = Check(
    "01",
    squared_error,
    cases=_images,
    mistakes=named(
        "this is a mean over the pixels: it shrinks with the size of the image. Sum over pixels.",
        lambda recon, x: (recon - x).square().mean(IMAGE),
        "this is a mean over pixels and images at once, PyTorch's default. Sum over pixels only.",
        lambda recon, x: (recon - x).square().mean(),
        "this is the absolute error. Square it: large mistakes should count more.",
        lambda recon, x: (recon - x).abs().sum(IMAGE),
        "this is a distance: it has a square root too many. PCA minimizes its square.",
        lambda recon, x: squared_error(recon, x).sqrt(),
        "this is a root of a mean. Asked for is the sum of the squares itself.",
        lambda recon, x: (recon - x).square().mean(IMAGE).sqrt(),
        (
            "this is half of the squared error: a Gaussian's -log p, up to a constant. "
            "Here we want all of it."
        ),
        lambda recon, x: squared_error(recon, x) / 2,
        "this is the errors before squaring: positive and negative ones cancel. Square first.",
        lambda recon, x: (recon - x).sum(IMAGE),
        lambda recon, x: (x - recon).sum(IMAGE),
        "this is the square of the summed errors: they cancel before. Square first, then sum.",
        lambda recon, x: (recon - x).sum(IMAGE).square(),
        "28 and 28 are built in, but the images have any size. Sum over whatever pixels there are.",
        lambda recon, x: (recon - x).square().mean(IMAGE) * 784,
        lambda recon, x: squared_error(recon, x) / 784,
        "this is summed over some axes of an image and averaged over others. Sum over all three.",
        *(
            lambda recon, x, axes=axes: (recon - x).square().mean(axes, keepdim=True).sum(IMAGE)
            for axes in (1, 2, 3, (1, 2), (1, 3), (2, 3))
        ),
        "this is divided by the number of images. Their mean is taken outside; "
        "here is one value per image.",
        lambda recon, x: squared_error(recon, x) / len(x),
        "only the first channel counts. An image can have several.",
        lambda recon, x: (recon - x).square()[:, 0].sum((1, 2)),
        "the channels are still apart: this is one value for each of them. "
        "They are pixels of one image: sum over them too.",
        lambda recon, x: (recon - x).square().sum((2, 3)),
        "this is one value for each pixel, over the images. The first axis counts the images: "
        "keep it.",
        lambda recon, x: (recon - x).square().sum(0),
        lambda recon, x: (recon - x).square().mean(0),
        "this is the error of each pixel. All pixels of an image go into one number.",
        lambda recon, x: (recon - x).square(),
        "recon is the picture already, between 0 and 1. A sigmoid of it changes the picture.",
        lambda recon, x: squared_error(recon.sigmoid(), x),
        "this is the cross-entropy. Asked for is the squared error.",
        lambda recon, x: binary_cross_entropy(recon, x, reduction="none").sum(IMAGE),
        "an error has to be 0 where the picture is right, and above 0 elsewhere: mind the signs.",
        lambda recon, x: -squared_error(recon, x),
        lambda recon, x: (recon.square() - x.square()).sum(IMAGE),
        lambda recon, x: (recon + x).square().sum(IMAGE),
    ),
    praise="summed over pixels, one value per image. "
    "Doubling the pixels would double it, as it should.",
    hint="the shape is right, the values are not: subtract, square, then sum over channels, "
    "height and width.",
)


def _models_and_data() -> list[tuple[nn.Module, ImageData]]:
    """Two little models, and images of many gray levels each: few, then many."""
    return [(_model(0), _image_data(97, 131)), (_model(1), _image_data(211, 1511))]


def _model(seed: int) -> Autoencoder:
    """An autoencoder that paints a picture of its own for each image, in black, gray and white."""
    with local_seed(seed):
        model = Autoencoder(mlp([784, 3]), mlp([3, 784], out_shape=(1, 28, 28)))
        nn.init.normal_(model.encoder[1].weight, std=0.2)
        nn.init.normal_(model.decoder[1].weight)
    return model


def _image_data(train: int, test: int) -> ImageData:
    """Images of noise.  The test images are alike in their first third; then they grow darker.

    So the error of the first test images is the same, however many somebody takes, and that of
    every other part of them is another one.  Their number has no divisors: batches never come out
    even.
    """
    generator = torch.Generator().manual_seed(train)
    x_train, x_test = (torch.rand(n, 1, 28, 28, generator=generator) for n in (train, test))
    x_test[: test // 3] = x_test[0]
    x_test[test // 3 :] *= torch.linspace(1, 0.2, test - test // 3).view(-1, 1, 1, 1)
    y_train, y_test = (torch.arange(n) % 10 for n in (train, test))
    return ImageData(0.6 * x_train, y_train, x_test, y_test)


def test_score(model: nn.Module, data: ImageData) -> Tensor:
    """The mean squared error per pixel of a model on data it was not trained on."""
    return _mean_squared_error(model, data.x_test)


def _mean_squared_error(model: nn.Module, x: Tensor) -> Tensor:
    return _errors(model, x).square().mean()


def _errors(model: nn.Module, x: Tensor) -> Tensor:
    return model(x).sigmoid() - x


def _mean_of_batch_means(model: nn.Module, data: ImageData, size: int) -> Tensor:
    return torch.stack([_mean_squared_error(model, x) for x in data.x_test.split(size)]).mean()


def _without_last_batch(model: nn.Module, data: ImageData, size: int) -> Tensor:
    n = len(data.x_test)
    return _mean_squared_error(model, data.x_test[: n // size * size if n > size else n])


BATCH_SIZES = 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1024
check_test_score = Check(
    "01",
    test_score,
    cases=_models_and_data,
    mistakes=named(
        (
            "this is the error on the training images. A model can know those by heart; "
            "ask it about x_test."
        ),
        lambda model, data: _mean_squared_error(model, data.x_train),
        "the model returns logits, you compared them with pixels. Apply .sigmoid() first.",
        lambda model, data: (model(data.x_test) - data.x_test).square().mean(),
        (
            "this is the error on the first test images only. Use all of them: "
            "a part can be easier than the rest."
        ),
        *(
            lambda model, data, n=n: _mean_squared_error(model, data.x_test[:n])
            for n in (1, 2, 50, 64, 100, 128, 200, 256, 500, 512, 1000)
        ),
        "this is a mean of the means of batches, and the last batch is smaller. "
        "Every image should count the same.",
        *(partial(_mean_of_batch_means, size=size) for size in BATCH_SIZES),
        "some of the test images are left out: those of a last batch that is not full, "
        "or all but every tenth, say.",
        *(partial(_without_last_batch, size=size) for size in BATCH_SIZES),
        *(
            lambda model, data, step=step: _mean_squared_error(model, data.x_test[::step])
            for step in (2, 5, 10, 100)
        ),
        "training and test images are mixed. Score on x_test alone.",
        lambda model, data: _mean_squared_error(model, torch.cat([data.x_train, data.x_test])),
        lambda model, data: (
            (_mean_squared_error(model, data.x_train) + _mean_squared_error(model, data.x_test)) / 2
        ),
        "this is summed over the pixels of an image. Divide by their number.",
        lambda model, data: 784 * test_score(model, data),
        "this is summed over images and pixels. A score of another test set should be comparable: "
        "average.",
        lambda model, data: _errors(model, data.x_test).square().sum(),
        "a mean over the pixels is divided by their number once more.",
        lambda model, data: test_score(model, data) / 784,
        "the sigmoid is applied twice. The model returns logits: once makes pixels of them.",
        lambda model, data: (model(data.x_test).sigmoid().sigmoid() - data.x_test).square().mean(),
        "the reconstruction is rounded to black and white. Its gray levels are part of it.",
        lambda model, data: ((model(data.x_test) > 0).float() - data.x_test).square().mean(),
        "this has a root too many. Asked for is the mean squared error itself.",
        lambda model, data: test_score(model, data).sqrt(),
        lambda model, data: _errors(model, data.x_test).square().mean(IMAGE).sqrt().mean(),
        "this is the mean absolute error. Square the errors, then average.",
        lambda model, data: _errors(model, data.x_test).abs().mean(),
        "this is half of the mean squared error. Asked for is all of it.",
        lambda model, data: test_score(model, data) / 2,
        "this is the cross-entropy. Asked for is the mean squared error.",
        lambda model, data: binary_cross_entropy_with_logits(model(data.x_test), data.x_test),
        "this is the score of the mean image, whatever the model. Ask the model.",
        lambda model, data: (data.x_train.mean(0) - data.x_test).square().mean(),
    ),
    praise="all test images, none of the training images, per pixel.",
    hint="not the mean squared error per pixel of all test images. "
    "Which images, which pixels, and what is averaged?",
    form="a score is one number, averaged over images and pixels",
    rtol=2e-5,
)
