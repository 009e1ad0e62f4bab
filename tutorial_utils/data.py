"""Data sets as tensors: images in [0, 1], no hidden normalization, and no network unless a name needs it."""

import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from platformdirs import user_cache_dir
from torch import Tensor

from .support.arguments import one_of, positive_int

NAMES = ("mnist", "fashion_mnist", "cifar10", "digits", "patches")

# SHA-256 of the raw (unzipped) IDX files, in the order train images, train labels, test images, test labels.
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
IDX_SHA256 = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion_mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
DEBIAN_FASHION = Path(
    "/usr/share/datasets/fashion-mnist"
)  # where Debian's package dataset-fashion-mnist puts it


class ImageData(NamedTuple):
    """Images x [N, C, H, W], float32 in [0, 1], and their classes y [N], int64; train and test."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


class DamagedFile(Exception):
    """A data file is there, but its content is not what it should be."""


def data_dir() -> Path:
    """The folder of downloads and trained models: `$TUTORIAL_DATA`, else where caches belong.

    That is ~/.cache/vae-tutorial on Linux (or inside `$XDG_CACHE_HOME`), ~/Library/Caches/... on
    macOS, AppData\\Local\\... on Windows.  A cache in ~/.cache, where the first edition put it on
    every system, is used as long as there is no newer one.  Without a home: a temporary folder.
    """
    if chosen := os.environ.get("TUTORIAL_DATA"):
        return Path(chosen).expanduser()
    try:
        folder = Path(user_cache_dir("vae-tutorial", appauthor=False)).expanduser()
    except RuntimeError:  # nobody knows the home directory, as in some containers
        return Path(tempfile.gettempdir()) / "vae-tutorial"
    first_edition = Path(os.path.expanduser("~"), ".cache", "vae-tutorial")
    return first_edition if first_edition.is_dir() and not folder.exists() else folder


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
    one_of("name", name, NAMES)
    root = data_dir() if root is None else Path(root).expanduser()
    if name == "mnist":
        try:
            data = _read_idx_folder(
                Path(str(files(__package__))) / "assets" / "mnist", IDX_SHA256["mnist"]
            )
        except DamagedFile as error:
            raise DamagedFile(
                f"{error} It travels with the package: get that file, or the package, again."
            ) from error
    elif name == "fashion_mnist":
        data = _load_fashion(root)
    elif name == "cifar10":
        data = _load_cifar10(root)
    else:
        data = _load_digits() if name == "digits" else _load_patches()
    if n_train is not None:
        positive_int("n_train", n_train, at_most=len(data.x_train))
    if n_test is not None:
        positive_int("n_test", n_test, at_most=len(data.x_test))
    return ImageData(
        data.x_train[:n_train], data.y_train[:n_train], data.x_test[:n_test], data.y_test[:n_test]
    )


def is_here(name: str, *, root: str | Path | None = None) -> bool:
    """Whether the files of `load_images(name)` lie on this machine, in `root` or where Debian puts them.

    Looks only for the files, not into them.  Raises ValueError for a name that is no data set.
    """
    root = data_dir() if root is None else Path(root).expanduser()
    if one_of("name", name, NAMES) == "fashion_mnist":
        folders = (root / "FashionMNIST" / "raw", DEBIAN_FASHION)
        return any(
            all((f / file).exists() or (f / f"{file}.gz").exists() for file in IDX_FILES)
            for f in folders
        )
    return name != "cifar10" or (root / "cifar-10-batches-py").is_dir()


def _read_idx(path: Path, sha256: str) -> Tensor:
    """One IDX file, plain or gzipped, as a uint8 tensor; DamagedFile unless its raw bytes have the hash."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, gzip.zlib.error) as error:
        raise DamagedFile(f"{path} cannot be read: {error}.") from error
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise DamagedFile(f"{path} is damaged: its SHA-256 is not {sha256[:12]}….")
    n_axes = raw[3]
    shape = np.frombuffer(raw, ">i4", count=n_axes, offset=4)
    return torch.from_numpy(
        np.frombuffer(raw, np.uint8, offset=4 + 4 * n_axes).reshape(*shape).copy()
    )


def _read_idx_folder(folder: Path, sha256s: tuple[str, ...]) -> ImageData:
    """The four IDX files of `folder`, gzipped or plain, as ImageData."""
    paths = [folder / f"{file}.gz" for file in IDX_FILES]
    paths = [path if path.exists() else path.with_suffix("") for path in paths]
    x_train, y_train, x_test, y_test = map(_read_idx, paths, sha256s)
    return ImageData(_to_unit(x_train), y_train.long(), _to_unit(x_test), y_test.long())


def _to_unit(images: Tensor) -> Tensor:
    """uint8 [N, H, W] as float32 [N, 1, H, W] in [0, 1]."""
    return images.unsqueeze(1).float().div_(255)


def _load_fashion(root: Path) -> ImageData:
    raw = root / "FashionMNIST" / "raw"  # torchvision's layout
    for folder in (raw, DEBIAN_FASHION):
        if not folder.is_dir():
            continue
        try:
            return _read_idx_folder(folder, IDX_SHA256["fashion_mnist"])
        except DamagedFile as error:
            print(f"Fashion-MNIST: {error} Looking further.")
    for file in raw.glob("*-ubyte*"):  # torchvision trusts whatever lies there
        file.unlink()
    from torchvision.datasets import FashionMNIST

    _download(
        "fashion_mnist", root, lambda: FashionMNIST(root, download=True), f"{raw}, {DEBIAN_FASHION}"
    )
    return _read_idx_folder(raw, IDX_SHA256["fashion_mnist"])


def _load_cifar10(root: Path) -> ImageData:
    from torchvision.datasets import CIFAR10

    def read(train: bool) -> tuple[Tensor, Tensor]:
        data = CIFAR10(
            root, train=train
        )  # torchvision checks the MD5 of every file; RuntimeError if one is off
        return torch.from_numpy(data.data).permute(0, 3, 1, 2).float().div_(255), torch.tensor(
            data.targets
        )

    try:
        return ImageData(*read(True), *read(False))
    except RuntimeError:
        if (root / CIFAR10.base_folder).exists():
            print(
                f"CIFAR-10: the files in {root / CIFAR10.base_folder} are damaged or incomplete. Replacing them."
            )
            shutil.rmtree(root / CIFAR10.base_folder)
    _download(
        "cifar10", root, lambda: CIFAR10(root, download=True), str(root / CIFAR10.base_folder)
    )
    return ImageData(*read(True), *read(False))


def _download(name: str, root: Path, download, looked_in: str) -> None:
    """Call `download`; without a network say what was tried and what to do."""
    print(f"{name}: not found in {looked_in}. Downloading to {root} …")
    try:
        root.mkdir(parents=True, exist_ok=True)
        download()
    except (OSError, RuntimeError) as error:
        hint = (
            " or, on Debian, install the package dataset-fashion-mnist"
            if name == "fashion_mnist"
            else ""
        )
        raise ConnectionError(
            f'load_images("{name}") found no complete copy in {looked_in}, and downloading one failed '
            f"({type(error).__name__}: {error}). Connect to a network and run this again{hint}; or copy the folder "
            f"from a machine that has it and set the environment variable TUTORIAL_DATA to the folder that "
            f'contains it. "mnist", "digits" and "patches" work without a network.'
        ) from error


def _load_digits() -> ImageData:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    split = train_test_split(
        x, torch.from_numpy(digits.target).long(), test_size=360, random_state=0
    )
    x_train, x_test, y_train, y_test = split
    return ImageData(x_train, y_train, x_test, y_test)


def _load_patches(size: int = 28, n_train_each: int = 5000, n_test_each: int = 1000) -> ImageData:
    """Gray patches of the two photographs; train from the left three quarters of each, test from the right."""
    from sklearn.datasets import load_sample_images

    gray = [torch.tensor(image).float().mean(-1) / 255 for image in load_sample_images().images]
    generator = torch.Generator().manual_seed(0)

    def cut(n: int, left: float, right: float) -> tuple[Tensor, Tensor]:
        y = torch.arange(2 * n) % 2  # which photograph
        patches = []
        for photo in y:
            height, width = gray[photo].shape
            row = torch.randint(0, height - size, (), generator=generator)
            column = torch.randint(
                int(left * width), int(right * width) - size, (), generator=generator
            )
            patches.append(gray[photo][row : row + size, column : column + size])
        return torch.stack(patches).unsqueeze(1), y

    return ImageData(*cut(n_train_each, 0, 0.75), *cut(n_test_each, 0.75, 1))
