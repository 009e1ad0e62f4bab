"""Checks of notebook 01: the shape of a code, the squared error, a score on test images."""

import torch
from torch import Tensor, nn

from ..data import ImageData
from ..models import Autoencoder, mlp
from ..training import local_seed
from .judge import Check, named

IMAGE = (1, 2, 3)  # the axes of one image in a batch [B, C, H, W]


def code_shape() -> tuple[int, int]:
    """The shape of the codes of 5 images in an autoencoder with code size 32."""
    return 5, 32


ONE_CODE = (
    "that is the code of one image. Networks work on batches: the first axis counts the images."
)
check_code_shape = Check(
    "01",
    code_shape,
    mistakes=named(
        ONE_CODE,
        32,
        (32,),
        (
            "that is the shape of the images, and of the reconstructions. "
            "The code is the narrow middle."
        ),
        (5, 1, 28, 28),
        "that is the flattened image, before the encoder has made it small.",
        (5, 784),
        "that is the hidden layer. The code is what the encoder returns after it.",
        (5, 256),
        "the axes are swapped: the first axis counts the images in the batch.",
        (32, 5),
        "the encoder flattens the image: of channel, height and width no axis is left.",
        (5, 1, 32),
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


NO_SQUARE = "this is the errors before squaring: positive and negative ones cancel. Square first."
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
        (
            "this is half of the squared error: a Gaussian's -log p, up to a constant. "
            "Here we want all of it."
        ),
        lambda recon, x: squared_error(recon, x) / 2,
        NO_SQUARE,
        lambda recon, x: (recon - x).sum(IMAGE),
        lambda recon, x: (x - recon).sum(IMAGE),
        "this is the square of the summed errors: they cancel before. Square first, then sum.",
        lambda recon, x: (recon - x).sum(IMAGE).square(),
    ),
    praise="summed over pixels, one value per image. "
    "Doubling the pixels would double it, as it should.",
    hint="the shape is right, the values are not: subtract, square, then sum over channels, "
    "height and width.",
)


def _models_and_data() -> list[tuple[nn.Module, ImageData]]:
    """A model that paints gray whatever it is shown, and one that does not, with images."""
    return [
        (_gray_model(), _image_data(train=300, test=2200, gray=0.7)),
        (_random_model(), _image_data(train=400, test=2100, gray=0.9)),
    ]


def _gray_model() -> Autoencoder:
    """An autoencoder that, whatever it is shown, reconstructs gray one half (logit 0)."""
    model = _random_model()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def _random_model() -> Autoencoder:
    """An autoencoder as it is before training."""
    with local_seed(0):
        return Autoencoder(mlp([784, 3]), mlp([3, 784], out_shape=(1, 28, 28)))


def _image_data(train: int, test: int, gray: float) -> ImageData:
    """Images of noise, but for the first half of the test images: all of one gray.

    So the error of the first test images is the same, however many somebody takes.
    """
    generator = torch.Generator().manual_seed(train)
    x_train, x_test = (torch.rand(n, 1, 28, 28, generator=generator) for n in (train, test))
    x_train *= 0.6
    x_test[: test // 2] = gray
    return ImageData(x_train, torch.zeros(train).long(), x_test, torch.zeros(test).long())


def test_score(model: nn.Module, data: ImageData) -> Tensor:
    """The mean squared error per pixel of a model on data it was not trained on."""
    return _mean_squared_error(model, data.x_test)


def _mean_squared_error(model: nn.Module, x: Tensor) -> Tensor:
    return _errors(model, x).square().mean()


def _errors(model: nn.Module, x: Tensor) -> Tensor:
    return model(x).sigmoid() - x


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
        (
            "this is the error on the first test images only. Use all of them: "
            "a part can be easier than the rest."
        ),
        lambda model, data: _mean_squared_error(model, data.x_test[:100]),
        "training and test images are mixed. Score on x_test alone.",
        lambda model, data: _mean_squared_error(model, torch.cat([data.x_train, data.x_test])),
        "this is summed over the pixels of an image. Divide by their number.",
        lambda model, data: 784 * test_score(model, data),
        "the model returns logits, you compared them with pixels. Apply .sigmoid() first.",
        lambda model, data: (model(data.x_test) - data.x_test).square().mean(),
        "the sigmoid is applied twice. The model returns logits: once makes pixels of them.",
        lambda model, data: (model(data.x_test).sigmoid().sigmoid() - data.x_test).square().mean(),
        "this has a root too many. Asked for is the mean squared error itself.",
        lambda model, data: test_score(model, data).sqrt(),
        "this is the mean absolute error. Square the errors, then average.",
        lambda model, data: _errors(model, data.x_test).abs().mean(),
    ),
    praise="all test images, none of the training images, per pixel.",
    hint="not the mean squared error per pixel of all test images. "
    "Which images, which pixels, and what is averaged?",
    form="a score is one number, averaged over images and pixels",
)
