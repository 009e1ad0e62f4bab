"""Judges: numbers that say how good an image or a code is."""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .arguments import classes_of, finite, float_tensor, positive_int, same_shape
from .cache import trained
from .data import ImageData
from .models import mlp
from .training import warmup_then_linear


def digit_classifier(data: ImageData, *, retrain: bool = False) -> nn.Module:
    """A small network, 784-256-10, that names the digit in an image: logits [B, 10] of x [B, 1, 28, 28].

    Trained on data.x_train in about ten seconds on two CPU cores, then kept in the cache; used as a judge of
    generated images.  Right for between 97.5 and 99 of 100 test images.
    """
    make_model = partial(mlp, [data.x_train[0].numel(), 256, int(data.y_train.max()) + 1])
    settings = {"epochs": 5, "batch_size": 256, "lr": 4e-3, "schedule": warmup_then_linear}
    name = "digit_classifier"
    return trained(name, make_model, (data.x_train, data.y_train), class_loss, seed=0, retrain=retrain, **settings)[0]


def class_loss(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Cross-entropy and accuracy of each example.  x: [B, C, H, W], y: [B].  Returns {"loss", "accuracy"}, [B] each."""
    logits = model(x)
    return {"loss": cross_entropy(logits, y, reduction="none"), "accuracy": (logits.argmax(1) == y).float()}


@torch.no_grad()
def confidence(classifier: nn.Module, images: Tensor) -> Tensor:
    """The probability that the classifier gives to its favorite class, [B], in [0, 1].  images: [B, C, H, W]."""
    return classifier(images).softmax(1).amax(1)


def kl_per_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """The mean over images of KL(q(z_j|x) || N(0, 1)) of each latent dimension, in nats: their sum is `kl`.

    Notebook 03.  mu, logvar: [N, D].  Returns [D].
    """
    same_shape("mu", float_tensor("mu", mu, ndim=2), "logvar", logvar)
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)


def log_aggregate(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log q(z) in nats, where q(z) is the aggregate posterior: the mean over N images of q(z|x) = N(mu, exp(logvar)).

    Notebook 04.  z: [M, D].  mu, logvar: [N, D].  Returns [M].  M * N numbers are in memory at once.
    """
    same_shape("mu", float_tensor("mu", mu, ndim=2), "logvar", logvar)
    if float_tensor("z", z, ndim=2).shape[1] != mu.shape[1]:
        raise ValueError(f"z must hold {mu.shape[1]} numbers per code, as mu does, got shape {list(z.shape)}")
    z, mu, logvar = z.double(), mu.double(), logvar.double()
    precision = (-logvar).exp()
    squares = z.square() @ precision.T - 2 * z @ (mu * precision).T
    constants = (mu.square() * precision + logvar + math.log(2 * math.pi)).sum(1)
    log_q = -0.5 * (squares + constants)  # [M, N]: of every z under every q(z|x)
    return (log_q.logsumexp(1) - math.log(len(mu))).float()


def knn_accuracy(z: Tensor, y: Tensor, *, k: int = 10) -> float:
    """How often the k nearest codes, by majority, name the class of a code: 1 for pure regions, by chance 1 / classes.

    Five-fold cross-validation, so no code is its own neighbor.  Notebook 04.  z: [N, D].  y: [N], the classes.
    """
    return (_knn(z, y, k) == y.cpu()).float().mean().item()


def knn_confusion(z: Tensor, y: Tensor, *, k: int = 10) -> Tensor:
    """Which class the k nearest codes name (columns) for codes of each class (rows), as shares: each row adds up to 1.

    As `knn_accuracy`.  y: [N], each of the classes 0 to C - 1 at least once.  Returns [C, C].
    """
    named, y = _knn(z, y, k), y.cpu()
    n = int(y.max()) + 1
    counts = torch.bincount(n * y + named, minlength=n * n).reshape(n, n)
    return counts / counts.sum(1, keepdim=True)


def _knn(z: Tensor, y: Tensor, k: int) -> Tensor:
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    y = classes_of(y, finite("z", float_tensor("z", z, ndim=2)), "z")
    judge = KNeighborsClassifier(positive_int("k", k, at_most=len(z) * 4 // 5))
    return torch.from_numpy(cross_val_predict(judge, z.cpu().numpy(), y.numpy(), cv=5))


def looks(images: Tensor) -> Tensor:
    """What a human might name of digits: ink, slant and width of each image, [N, 3].

    Ink is the sum of the pixels; slant and width come from second moments, in half image widths.  Notebook 07.
    images: gray, [N, 1, H, W], square, each with some ink.
    """
    ink = images.sum((1, 2, 3))
    share = images[:, 0] / ink[:, None, None]
    u = torch.linspace(-1, 1, images.shape[-1])
    across, down = share.sum(1), share.sum(2)
    dx, dy = [u - (p * u).sum(1, keepdim=True) for p in (across, down)]
    slant = -torch.einsum("nij,ni,nj->n", share, dy, dx) / (down * dy**2).sum(1)
    return torch.stack([ink, slant, (across * dx**2).sum(1).sqrt()], dim=1)
