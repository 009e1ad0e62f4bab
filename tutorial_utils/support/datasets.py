"""Data files: how each data set of `load_images` is read, and downloaded where it has to be.

Four tensors each: train images and classes, test images and classes.
"""

import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Split = tuple[Tensor, Tensor, Tensor, Tensor]

# Train images and labels, test images and labels; and the SHA-256 of these files, unzipped.
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
# Where Debian's package dataset-fashion-mnist puts it.
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


class DamagedFile(Exception):
    """A data file is there, but its content is not what it should be."""


def _read_idx(path: Path, sha256: str) -> np.ndarray:
    """One IDX file, plain or gzipped, as uint8; DamagedFile unless its raw bytes have the hash."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedFile(f"{path} cannot be read: {error}.") from error
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise DamagedFile(f"{path} is damaged: its SHA-256 is not {sha256[:12]}….")
    n_axes = raw[3]
    shape = np.frombuffer(raw, ">i4", count=n_axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * n_axes).reshape(shape)  # no copy


def read_idx_folder(
    folder: Path, sha256s: tuple[str, ...], n_train: int | None = None, n_test: int | None = None
) -> Split:
    """The four IDX files of `folder`, gzipped or plain; of each part the first so many images."""
    paths = [folder / f"{file}.gz" for file in IDX_FILES]
    paths = [path if os.path.exists(path) else path.with_suffix("") for path in paths]
    x_train, y_train, x_test, y_test = map(_read_idx, paths, sha256s)
    train, test = slice(n_train), slice(n_test)  # before they take four times the memory
    x_train, x_test = _to_unit(x_train[train]), _to_unit(x_test[test])
    return x_train, _classes(y_train[train]), x_test, _classes(y_test[test])


def _to_unit(images: np.ndarray) -> Tensor:
    """uint8 [N, H, W] as float32 [N, 1, H, W] in [0, 1]."""
    return torch.tensor(images, dtype=torch.float32).unsqueeze(1).div_(255)


def _classes(y: np.ndarray) -> Tensor:
    """uint8 [N] as int64 [N]."""
    return torch.tensor(y, dtype=torch.int64)


def load_mnist(folder: Path, n_train: int | None = None, n_test: int | None = None) -> Split:
    """MNIST from the folder that travels with the package; the first so many images."""
    try:
        return read_idx_folder(folder, IDX_SHA256["mnist"], n_train, n_test)
    except DamagedFile as error:
        raise DamagedFile(
            f"{error} It travels with the package: get that file, or the package, again."
        ) from error


def fashion_is_here(root: Path) -> bool:
    """Whether all files of Fashion-MNIST are in `root` or where Debian puts them."""
    return any(
        all(
            any(os.path.exists(folder / f"{file}{end}") for end in ("", ".gz"))
            for file in IDX_FILES
        )
        for folder in (root / "FashionMNIST" / "raw", DEBIAN_FASHION)
    )


def load_fashion(root: Path, n_train: int | None = None, n_test: int | None = None) -> Split:
    """Fashion-MNIST: from `root`, else from Debian's package, else downloaded to `root`.

    Of each part the first so many images.
    """
    raw = root / "FashionMNIST" / "raw"  # torchvision's layout
    for folder in (raw, DEBIAN_FASHION):
        if not os.path.isdir(folder):
            continue
        try:
            return read_idx_folder(folder, IDX_SHA256["fashion_mnist"], n_train, n_test)
        except DamagedFile as error:
            print(f"Fashion-MNIST: {error} Looking further.")
    for file in raw.glob("*-ubyte*"):  # torchvision trusts whatever lies there
        file.unlink()
    from torchvision.datasets import FashionMNIST

    _download(
        "fashion_mnist", root, lambda: FashionMNIST(root, download=True), f"{raw}, {DEBIAN_FASHION}"
    )
    return read_idx_folder(raw, IDX_SHA256["fashion_mnist"], n_train, n_test)


def load_cifar10(root: Path) -> Split:
    """CIFAR-10 from `root`, downloaded there if it is missing or damaged."""
    from torchvision.datasets import CIFAR10

    def read(train: bool) -> tuple[Tensor, Tensor]:
        # torchvision checks the MD5 of every file, and raises RuntimeError if one is off.
        data = CIFAR10(root, train=train)
        x = torch.from_numpy(data.data).permute(0, 3, 1, 2).float().div_(255)
        return x, torch.tensor(data.targets)

    try:
        return (*read(train=True), *read(train=False))
    except RuntimeError:
        if os.path.exists(root / CIFAR10.base_folder):
            print(f"CIFAR-10: {root / CIFAR10.base_folder} is damaged or incomplete. Replacing it.")
            shutil.rmtree(root / CIFAR10.base_folder)
    _download(
        "cifar10", root, lambda: CIFAR10(root, download=True), str(root / CIFAR10.base_folder)
    )
    return (*read(train=True), *read(train=False))


def _download(name: str, root: Path, download: Callable[[], object], looked_in: str) -> None:
    """Call `download`; without a network say what was tried and what to do."""
    print(f"{name}: not found in {looked_in}. Downloading to {root} …")
    try:
        root.mkdir(parents=True, exist_ok=True)
        download()
    except (OSError, RuntimeError) as error:
        hint = " or, on Debian, install the package dataset-fashion-mnist"
        raise ConnectionError(
            f'load_images("{name}") found no complete copy in {looked_in}, and downloading one '
            f"failed ({type(error).__name__}: {error}). Connect to a network and run this again"
            f"{hint if name == 'fashion_mnist' else ''}; or copy the folder from a machine that "
            f"has it and set the environment variable TUTORIAL_DATA to the folder that contains "
            f'it. "mnist", "digits" and "patches" work without a network.'
        ) from error


def load_small_digits() -> Split:
    """scikit-learn's digits, 8x8: 1,437 to train, 360 to test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    split = train_test_split(
        x, torch.from_numpy(digits.target).long(), test_size=360, random_state=0
    )
    x_train, x_test, y_train, y_test = split
    return x_train, y_train, x_test, y_test


def load_patches(size: int = 28, n_train_each: int = 5000, n_test_each: int = 1000) -> Split:
    """Gray patches of two photographs: to train from the left three quarters of each, to test from
    the right quarter.
    """
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

    return *cut(n_train_each, 0, 0.75), *cut(n_test_each, 0.75, 1)
