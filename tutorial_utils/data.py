"""Data sets as tensors: images in [0, 1], not normalized in any hidden way.

How the files of each one are read and downloaded: `support/datasets.py`.
"""

import os
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import torch
from platformdirs import user_cache_dir
from torch import Tensor

from .support import datasets
from .support.arguments import one_of, positive_int
from .support.datasets import DamagedFile as DamagedFile
from .support.memory import return_freed_blocks

NAMES = ("mnist", "fashion_mnist", "cifar10", "digits", "patches")


class ImageData(NamedTuple):
    """Images x [N, C, H, W], float32 in [0, 1], and their classes y [N], int64; train and test."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def data_dir() -> Path:
    """The folder of downloads and trained models: `$TUTORIAL_DATA`, else where caches belong.

    Such as ~/.cache/vae-tutorial on Linux.  A cache in ~/.cache, where the first edition put it on
    every system, is used until there is a newer one.  Without a home: a temporary folder.
    """
    if chosen := os.environ.get("TUTORIAL_DATA"):
        try:
            return Path(chosen).expanduser()
        except RuntimeError as error:
            raise ValueError(
                f"TUTORIAL_DATA must be a folder; nobody knows the home directory in {chosen!r}"
            ) from error
    try:
        folder = Path(user_cache_dir("vae-tutorial", appauthor=False)).expanduser()
    except RuntimeError:  # nobody knows the home directory, as in some containers
        return Path(tempfile.gettempdir()) / "vae-tutorial"
    first_edition = Path(os.path.expanduser("~"), ".cache", "vae-tutorial")
    return first_edition if os.path.isdir(first_edition) and not os.path.exists(folder) else folder


def batches(x: Tensor, *, batch_size: int, generator: torch.Generator | None) -> Iterator[Tensor]:
    """The rows of x in random order, `batch_size` at a time; the last batch may be shorter.

    Built in notebook 01.  x: [N, ...] in memory.  Yields [B, ...].
    """
    for rows in torch.randperm(len(x), generator=generator).split(batch_size):
        yield x[rows]


def load_images(
    name: str = "mnist",
    *,
    n_train: int | None = None,
    n_test: int | None = None,
    root: str | Path | None = None,
) -> ImageData:
    """Load a data set as tensors; with `n_train` or `n_test`, only the first so many images.

    "mnist" travels with this package; "digits" (8x8, scikit-learn) and "patches" (28x28 gray
    patches of two photographs, scikit-learn) need no network either.  "fashion_mnist" and "cifar10"
    are looked for in `root` (default: `data_dir()`), then downloaded there by torchvision.

    Returns ImageData.  Raises ValueError for a bad argument, ConnectionError when a download is
    needed and fails, DamagedFile when a file that travels with the package is damaged.
    """
    return_freed_blocks()
    for size, n in (("n_train", n_train), ("n_test", n_test)):
        positive_int(size, 1 if n is None else n)
    if one_of("name", name, NAMES) == "mnist":
        folder = Path(str(files("tutorial_utils"))) / "assets" / "mnist"
        parts = datasets.load_mnist(folder, n_train, n_test)
    elif name == "fashion_mnist":
        parts = datasets.load_fashion(_downloads(root), n_train, n_test)
    elif name == "cifar10":
        parts = datasets.load_cifar10(_downloads(root))
    else:
        parts = datasets.load_small_digits() if name == "digits" else datasets.load_patches()
    data = ImageData(*parts)
    for size, n, images in (("n_train", n_train, data.x_train), ("n_test", n_test, data.x_test)):
        positive_int(size, len(images) if n is None else n, at_most=len(images))
    return ImageData(
        data.x_train[:n_train], data.y_train[:n_train], data.x_test[:n_test], data.y_test[:n_test]
    )


def is_here(name: str, *, root: str | Path | None = None) -> bool:
    """Whether the files of `load_images(name)` are on this machine: in `root`, or Debian's.

    Looks only for the files, not into them.  Raises ValueError for a name that is no data set.
    """
    if one_of("name", name, NAMES) == "fashion_mnist":
        return datasets.fashion_is_here(_downloads(root))
    return name != "cifar10" or os.path.isdir(_downloads(root) / "cifar-10-batches-py")


def _downloads(root: str | Path | None) -> Path:
    """The folder of downloads: `root`, or `data_dir()`."""
    return data_dir() if root is None else Path(root).expanduser()
