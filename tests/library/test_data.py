"""Data: loaded to the last byte as published; a damaged file is never used in silence."""

import gzip
import hashlib
import pickle
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision

from tutorial_utils import data as data_module
from tutorial_utils.data import DamagedFile, batches, data_dir, is_here, load_images
from tutorial_utils.support import datasets
from tutorial_utils.support.datasets import DEBIAN_FASHION, IDX_FILES

needs_fashion = pytest.mark.skipif(
    not (DEBIAN_FASHION / f"{IDX_FILES[0]}.gz").exists(),
    reason=f"needs Debian's package dataset-fashion-mnist, in {DEBIAN_FASHION}",
)
MNIST = Path(data_module.__file__).parent / "assets" / "mnist"


def entropy(x: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of gray images x with themselves, [N], in nats."""
    entr = torch.special.entr
    return torch.cat([(entr(part) + entr(1 - part)).flatten(1).sum(1) for part in x.split(5000)])


# MNIST


def test_mnist_tensors_are_the_files_pixels(mnist):
    for file, start, tensor in zip(IDX_FILES, (16, 8, 16, 8), mnist, strict=True):
        content = gzip.decompress((MNIST / f"{file}.gz").read_bytes())
        scale = 255 if tensor.is_floating_point() else 1
        expected = torch.tensor(np.frombuffer(content, np.uint8, offset=start))
        assert torch.equal((tensor * scale).round().byte().flatten(), expected)


def test_mnist_is_the_published_one(mnist):
    assert entropy(mnist.x_test).mean().item() == pytest.approx(45.53, abs=0.005)
    assert entropy(mnist.x_train).mean().item() == pytest.approx(45.76, abs=0.005)


@needs_fashion
def test_fashion_mnist_is_the_published_one_taken_from_debians_folder(empty_data_dir, capsys):
    data = load_images("fashion_mnist")
    assert entropy(data.x_test).mean().item() == pytest.approx(189.86, abs=0.005)
    assert entropy(data.x_train).mean().item() == pytest.approx(188.28, abs=0.005)
    assert capsys.readouterr().out == ""


# every data set


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "shape", "n_train", "n_test", "n_classes"),
    [
        ("mnist", (1, 28, 28), 60_000, 10_000, 10),
        ("digits", (1, 8, 8), 1437, 360, 10),
        ("patches", (1, 28, 28), 10_000, 2_000, 2),
    ],
)
def test_shapes_types_and_range(name, shape, n_train, n_test, n_classes, empty_data_dir):
    data = load_images(name)
    assert data.x_train.shape == (n_train, *shape) and data.x_test.shape == (n_test, *shape)
    assert data.y_train.shape == (n_train,) and data.y_test.shape == (n_test,)
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.dtype == torch.float32 and y.dtype == torch.int64
        assert x.min() >= 0 and x.max() <= 1
        assert x.max() > 0.95 and x.min() < 0.05  # scaled to fill [0, 1], not left smaller
        assert y.unique().tolist() == list(range(n_classes))
    assert not empty_data_dir.exists()  # nothing was written


@pytest.mark.parametrize("name", ["mnist", "digits", "patches"])
def test_n_train_and_n_test_take_the_first_rows(name):
    whole, part = load_images(name), load_images(name, n_train=10, n_test=3)
    for i, n in enumerate((10, 10, 3, 3)):
        assert torch.equal(part[i], whole[i][:n])


def test_loading_twice_gives_separate_memory():
    first = load_images("digits")
    first.x_train.zero_()
    assert load_images("digits").x_train.max() == 1


def test_digits_are_scikit_learns_each_exactly_once(digits):
    from sklearn.datasets import load_digits

    ours = torch.cat([digits.x_train, digits.x_test]).flatten(1)
    labels = torch.cat([digits.y_train, digits.y_test]).float()
    theirs = np.column_stack([load_digits().data, load_digits().target])
    ours = torch.column_stack([ours * 16, labels]).numpy()
    assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs))


def test_patches_are_deterministic_and_leave_the_random_state_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = load_images("patches")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, load_images("patches"), strict=True))


def test_train_and_test_patches_come_from_regions_that_do_not_overlap(monkeypatch):
    column = np.tile(np.arange(640), (427, 1))  # photographs whose brightness says the column
    channels = np.stack([(column + i) // 3 for i in range(3)], -1).astype(np.uint8)
    monkeypatch.setattr(
        "sklearn.datasets.load_sample_images", lambda: SimpleNamespace(images=[channels, channels])
    )
    data = load_images("patches")
    train, test = ((x * 255 * 3).round().int() for x in (data.x_train, data.x_test))
    for patches in (train, test):
        assert (patches[:, 0, :, -1] - patches[:, 0, :, 0] == 27).all()  # 28 neighboring columns
    assert train.min() < 20 and test.max() > 620
    assert train.max() < 480 <= test.min()


# the folder


def test_data_dir_follows_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path))
    assert data_dir() == tmp_path
    monkeypatch.setenv("TUTORIAL_DATA", "~/elsewhere")
    assert data_dir() == Path.home() / "elsewhere"
    monkeypatch.setenv("TUTORIAL_DATA", "~nobodyx/y")
    with pytest.raises(ValueError, match=r"TUTORIAL_DATA must be a folder.*'~nobodyx/y'"):
        data_dir()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home directory of this test alone, on Linux, without any variable that leads elsewhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("TUTORIAL_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="folders as on Linux")


@on_linux
def test_without_the_variable_data_lie_where_caches_belong(home, monkeypatch):
    monkeypatch.setenv("TUTORIAL_DATA", "")
    assert data_dir() == home / ".cache" / "vae-tutorial"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "elsewhere"))
    assert data_dir() == home / "elsewhere" / "vae-tutorial"


@on_linux
def test_a_cache_in_the_old_place_is_found_until_there_is_a_new_one(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "elsewhere"))
    (old := home / ".cache" / "vae-tutorial").mkdir(parents=True)
    assert data_dir() == old
    (new := home / "elsewhere" / "vae-tutorial").mkdir(parents=True)
    assert data_dir() == new


@on_linux
def test_mnist_loads_where_nobody_knows_the_home_directory(home, monkeypatch):
    def unknown(*_):
        raise KeyError("no such user (on purpose)")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert len(load_images("mnist", n_train=3).x_train) == 3
    assert data_dir().is_relative_to(tempfile.gettempdir())


# batches


@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (12, 4), (5, 100), (1, 1), (7, 1)])
def test_batches_hold_every_row_exactly_once(n, batch_size):
    x = torch.arange(n).unsqueeze(1)
    parts = list(batches(x, batch_size=batch_size, generator=torch.Generator().manual_seed(0)))
    sizes = [len(part) for part in parts]
    assert sizes[:-1] == [batch_size] * (len(parts) - 1) and sizes[-1] == (n - 1) % batch_size + 1
    assert torch.cat(parts).flatten().sort().values.tolist() == list(range(n))


def test_batches_follow_their_generator_alone():
    x = torch.arange(100)

    def order(seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return torch.cat(list(batches(x, batch_size=8, generator=generator))).tolist()

    before = torch.get_rng_state()
    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0) != x.tolist()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_generator_gives_another_order_in_every_epoch():
    epoch = partial(batches, batch_size=8, generator=torch.Generator().manual_seed(0))
    first, second = (torch.cat(list(epoch(torch.arange(100)))) for _ in range(2))
    assert not torch.equal(first, second)


# damaged and missing files: of MNIST and Fashion-MNIST, with small files in place of the real ones


def idx(array: np.ndarray) -> bytes:
    """The array of whole numbers below 256 as the content of an IDX file."""
    sizes = np.array(array.shape, ">i4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def small(monkeypatch):
    """The content of the four files of each set: 20 and 5 images, which `load_images` expects."""
    rng, contents = np.random.default_rng(0), {}
    for name in ("mnist", "fashion_mnist"):
        arrays = [(rng.integers(0, 256, (n, 28, 28)), rng.integers(0, 10, n)) for n in (20, 5)]
        files = [idx(array) for pair in arrays for array in pair]
        contents[name] = dict(zip(IDX_FILES, files, strict=True))
        hashes = tuple(hashlib.sha256(content).hexdigest() for content in files)
        monkeypatch.setitem(datasets.IDX_SHA256, name, hashes)
    return contents


def write(contents: dict[str, bytes], folder: Path, suffix: str = ".gz") -> None:
    """Write the files into a new folder, zipped if the suffix says so."""
    folder.mkdir(parents=True)
    for file, content in contents.items():
        (folder / f"{file}{suffix}").write_bytes(gzip.compress(content) if suffix else content)


DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "one byte flipped": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "empty": lambda content: b"",
    "another file": lambda content: gzip.compress(b"\0\0\x08\x01\0\0\0\x01\x07"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("file", IDX_FILES)
def test_a_damaged_file_of_the_package_is_named_and_never_used(
    file, damage, small, tmp_path, monkeypatch
):
    folder = tmp_path / "assets" / "mnist"
    write(small["mnist"], folder)
    monkeypatch.setattr(data_module, "files", lambda package: tmp_path)
    assert len(load_images("mnist").x_train) == 20
    path = folder / f"{file}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedFile, match=file):
        load_images("mnist")
    path.unlink()
    with pytest.raises(DamagedFile, match=file):
        load_images("mnist")


@pytest.fixture
def downloads(small, monkeypatch, tmp_path):
    """The names of files that were downloaded: Debian's folder is hidden, and downloads are copies.

    They replace torchvision's function.
    """
    monkeypatch.setattr(datasets, "DEBIAN_FASHION", tmp_path / "no-such-folder")
    calls = []

    def download(url, download_root, filename=None, md5=None, **_):
        calls.append(filename)
        content = small["fashion_mnist"][filename.removesuffix(".gz")]
        (Path(download_root) / filename.removesuffix(".gz")).write_bytes(content)

    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", download)
    return calls


def test_whether_a_data_set_is_here(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "DEBIAN_FASHION", tmp_path / "debian")
    here = [name for name in data_module.NAMES if is_here(name, root=tmp_path)]
    assert here == ["mnist", "digits", "patches"]
    for folder, suffix in ((tmp_path / "FashionMNIST" / "raw", ""), (tmp_path / "debian", ".gz")):
        folder.mkdir(parents=True)
        for file in IDX_FILES:
            assert not is_here("fashion_mnist", root=tmp_path)  # some files are no data set
            (folder / f"{file}{suffix}").touch()
        assert is_here("fashion_mnist", root=tmp_path)
        (folder / f"{IDX_FILES[2]}{suffix}").unlink()
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert is_here("cifar10", root=tmp_path)


def test_fashion_mnist_is_downloaded_once(empty_data_dir, downloads, capsys):
    first = load_images("fashion_mnist", n_train=5, n_test=5)
    assert sorted(downloads) == sorted(f"{file}.gz" for file in IDX_FILES)
    assert f"Downloading to {empty_data_dir}" in capsys.readouterr().out
    second = load_images("fashion_mnist", n_train=5, n_test=5)
    assert len(downloads) == 4 and capsys.readouterr().out == ""
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", [".gz", ""])
def test_damaged_fashion_mnist_is_said_and_replaced(
    tmp_path, small, downloads, capsys, damage, suffix
):
    """Although torchvision takes an unpacked file for good as soon as it exists."""
    folder, contents = tmp_path / "FashionMNIST" / "raw", small["fashion_mnist"]
    write(contents, folder, suffix)
    path = folder / f"{IDX_FILES[3]}{suffix}"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    data = load_images("fashion_mnist", root=tmp_path)
    said = capsys.readouterr().out
    assert str(path) in said and ("damaged" in said or "cannot be read" in said)
    assert len(downloads) == 4 and data.y_test.tolist() == [*contents[IDX_FILES[3]][8:]]
    load_images("fashion_mnist", root=tmp_path)
    assert len(downloads) == 4 and capsys.readouterr().out == ""  # the good copy stayed


# CIFAR-10, with small files in place of the real ones


@pytest.fixture
def small_cifar10(monkeypatch):
    """Calls of the download, and the files: torchvision's CIFAR10 expects and gets tiny batches."""
    rng, CIFAR10 = np.random.default_rng(0), torchvision.datasets.CIFAR10
    train_names, test_name, content = ("data_batch_1", "data_batch_2"), "test_batch", {}
    for name in (*train_names, test_name):
        data = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
        content[name] = pickle.dumps({"data": data, "labels": [0, 1, 8, 9]})
    content["batches.meta"] = pickle.dumps({"label_names": list("abcdefghij")})
    md5 = {name: hashlib.md5(value).hexdigest() for name, value in content.items()}
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in train_names])
    monkeypatch.setattr(CIFAR10, "test_list", [[test_name, md5[test_name]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})
    calls = []

    def download(url, download_root, **_):
        calls.append(url)
        folder = Path(download_root) / CIFAR10.base_folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in content.items():
            (folder / name).write_bytes(value)

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", download)
    return calls, content


def test_cifar10_is_downloaded_once_and_laid_out_in_channels(empty_data_dir, small_cifar10, capsys):
    calls, content = small_cifar10
    data = load_images("cifar10")
    assert data.x_train.shape == (8, 3, 32, 32) and data.x_test.shape == (4, 3, 32, 32)
    assert data.x_train.dtype == torch.float32 and data.y_test.tolist() == [0, 1, 8, 9]
    planes = torch.from_numpy(pickle.loads(content["test_batch"])["data"])  # red, green, blue
    assert torch.equal((data.x_test * 255).round().byte(), planes.view(4, 3, 32, 32))
    load_images("cifar10", n_train=3)
    assert len(calls) == 1
    assert capsys.readouterr().out.count("Downloading") == 1


@pytest.mark.parametrize("file", ["data_batch_2", "test_batch", "batches.meta"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_damaged_cifar10_is_said_and_replaced(empty_data_dir, small_cifar10, capsys, file, damage):
    calls, content = small_cifar10
    load_images("cifar10")
    path = empty_data_dir / "cifar-10-batches-py" / file
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[file][:-7])
    capsys.readouterr()
    assert load_images("cifar10").x_train.shape == (8, 3, 32, 32)
    assert len(calls) == 2 and path.read_bytes() == content[file]
    assert "damaged or incomplete" in capsys.readouterr().out
