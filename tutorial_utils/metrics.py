"""Metrics: numbers that say how good an image or a code is."""

import torch
from torch import Tensor, nn

from .support.arguments import classes_of, finite, float_tensor, gray_images, positive_int


@torch.no_grad()
def confidence(classifier: nn.Module, images: Tensor) -> Tensor:
    """The probability that the classifier gives to its favorite class, [B], in [0, 1].

    images: [B, C, H, W].
    """
    return classifier(float_tensor("images", images)).softmax(1).amax(1)


def knn_accuracy(z: Tensor, y: Tensor, *, k: int = 10) -> float:
    """How often most of the k nearest codes have the class of a code; by chance 1 / classes.

    Five-fold cross-validation, so no code is its own neighbor.  Notebook 04.  z: [N, D].  y: [N],
    the classes, whole numbers from 0 on, each at least five times.
    """
    named, y = _knn(z, y, k)
    return (named == y).float().mean().item()


def knn_confusion(z: Tensor, y: Tensor, *, k: int = 10) -> Tensor:
    """The classes that the k nearest codes name (columns) for each class (rows), as shares.

    As `knn_accuracy`.  Returns [C, C] for classes up to C - 1; a class that y lacks has zeros.
    """
    from sklearn.metrics import confusion_matrix

    named, y = _knn(z, y, k)
    n = positive_int("the number of classes in y", int(y.max()) + 1, at_most=1000)
    shares = confusion_matrix(y.numpy(), named.numpy(), labels=range(n), normalize="true")
    return torch.from_numpy(shares).float()


def _knn(z: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The class that the neighbors of each code name, and its own."""
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    y = classes_of(y, finite("z", float_tensor("z", z, ndim=2)), "z").long()
    if (rarest := y.unique(return_counts=True)[1].min()) < 5:  # folds
        raise ValueError(f"y must hold each class at least 5 times, got one {rarest} times")
    judge = KNeighborsClassifier(positive_int("k", k, at_most=len(z) * 4 // 5))
    z = z.detach().cpu().to(torch.promote_types(z.dtype, torch.float32))
    return torch.from_numpy(cross_val_predict(judge, z.numpy(), y.numpy(), cv=5)), y


def looks(images: Tensor) -> Tensor:
    """Ink, slant and width of each image of a digit, [N, 3].

    Ink is the sum of the pixels; slant and width come from second moments, in half image widths.
    Notebook 07. images: gray, [N, 1, H, W], square, each with some ink.
    """
    gray_images(images, "images")
    ink = images.sum((1, 2, 3))
    if images.shape[2] != images.shape[3] or not ink.all():
        raise ValueError(f"images must be square, with ink in each, got {list(images.shape)}")
    share = images[:, 0] / ink[:, None, None]
    u = torch.linspace(-1, 1, images.shape[-1])
    across, down = share.sum(1), share.sum(2)
    dx, dy = [u - (p * u).sum(1, keepdim=True) for p in (across, down)]
    slant = -torch.einsum("nij,ni,nj->n", share, dy, dx) / (down * dy**2).sum(1)
    return torch.stack([ink, slant, (across * dx**2).sum(1).sqrt()], dim=1)


@torch.inference_mode()
def name_digits(judge: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The class that a classifier names for each image [n, H, W], and its probability: [n] each.

    judge: logits [B, K] of images [B, 1, H, W].
    """
    float_tensor("images", images, ndim=3)
    logits = judge(images.unsqueeze(1).to(next(judge.parameters())))
    shape = list(getattr(logits, "shape", []))
    if len(shape) != 2 or shape[0] != len(images):
        raise ValueError(f"judge must give logits [B, K] of images [B, 1, H, W], got shape {shape}")
    confidence, digits = logits.float().cpu().softmax(1).max(1)
    return digits, confidence
