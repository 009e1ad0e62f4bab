"""Files of the cache: written in one step, verified by a hash when they are read."""

import argparse
import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ..data import DamagedFile, data_dir

Contents = tuple[dict[str, Tensor], str]  # what one file holds: tensors by name, and a text


def models_dir() -> Path:
    """The folder of trained models, inside `data_dir()`."""
    return data_dir() / "models"


def embeddings_dir() -> Path:
    """The folder of t-SNE embeddings, inside `data_dir()`."""
    return data_dir() / "embeddings"


@dataclass(frozen=True)
class CachedFile:
    """A file of the cache, called `name`-`key`.safetensors.

    name: letters, digits, '-' and '_', for people to recognize the file by.  key: the fingerprint
    of everything that its content depends on.
    """

    folder: Path
    name: str
    key: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[\w-]+", self.name):
            raise ValueError(
                f"name must consist of letters, digits, '-' and '_', got {self.name!r}"
            )

    @property
    def path(self) -> Path:
        """Where the file is, or will be."""
        return self.folder / f"{self.name}-{self.key}.safetensors"

    def load(self) -> Contents | None:
        """The content; None if there is no file, or one that cannot be read, which is reported."""
        if not os.path.exists(self.path):  # Path.exists raises where the folder is forbidden
            return None
        try:
            return read_tensors(self.path, self.key)
        except DamagedFile as error:
            print(f"{self.name}: {error}. Making it again.")
            return None

    def save(self, tensors: dict[str, Tensor], text: str) -> bool:
        """Write the content; returns whether that worked (a full disk is reported, not raised)."""
        try:
            write_atomically(self.path, tensors_bytes(tensors, self.key, text))
        except OSError as error:
            print(f"{self.name}: made, but not saved: {error}")
            return False
        return True


def clear() -> int:
    """Delete all trained models and embeddings, finished or half-written; returns how many."""
    folders = models_dir(), embeddings_dir()
    paths = [path for folder in folders for path in folder.glob("*.safetensors*") if path.is_file()]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step: no reader ever finds half a file under that name."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def tensors_bytes(tensors: dict[str, Tensor], key: str, text: str) -> bytes:
    """Tensors, key and text as the bytes of a safetensors file, with a hash of all three."""
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    return safetensors.torch.save(
        tensors, {"key": key, "history": text, "sha256": _hash(tensors, key, text)}
    )


def read_tensors(path: Path, key: str) -> Contents:
    """The content of a file of `tensors_bytes`; DamagedFile unless it was written for this key."""
    try:
        # All bytes are read: safe_open would keep the file mapped, and Windows cannot replace that.
        data = path.read_bytes()
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({type(error).__name__}: {error})") from error
    return parse_tensors(data, key, str(path))


def parse_tensors(data: bytes, key: str, source: str) -> Contents:
    """What `tensors_bytes` made bytes of; `source` names these bytes in a DamagedFile."""
    try:
        tensors = safetensors.torch.load(data)
        header_size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + header_size])["__metadata__"]
        text = metadata["history"]
        whole = metadata["sha256"] == _hash(tensors, metadata["key"], text)
    except (KeyError, ValueError, safetensors.SafetensorError) as error:
        raise DamagedFile(f"{source} cannot be read ({type(error).__name__}: {error})") from error
    if not whole or metadata["key"] != key:
        raise DamagedFile(f"{source} is damaged or was made for something else")
    return tensors, text


def _hash(tensors: dict[str, Tensor], key: str, text: str) -> str:
    digest = hashlib.sha256(f"{key}\n{text}\n".encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The cache of trained models and of embeddings.")
    parser.add_argument(
        "--clear", action="store_true", help="delete every trained model and embedding"
    )
    if parser.parse_args().clear:
        print(f"{clear()} trained models and embeddings deleted from {data_dir()}.")
    else:
        parser.print_help()
