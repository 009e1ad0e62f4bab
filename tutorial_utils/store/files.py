"""Files of the cache: written atomically, verified by hash when read."""

import argparse
import hashlib
import os
import re
import tempfile
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ..data import DamagedFile, data_dir


def file_name(name: str, key: str) -> str:
    """How a file of the cache is called: by a name for people to recognize, and by the key."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name):
        raise ValueError(f"name must consist of letters, digits, '-' and '_', got {name!r}")
    return f"{name}-{key}.safetensors"


def key_in(path: Path) -> str:
    """The key that `file_name` put into a path."""
    return path.stem.rpartition("-")[2]


def models_dir() -> Path:
    """The folder of trained models, inside `data_dir()`."""
    return data_dir() / "models"


def embeddings_dir() -> Path:
    """The folder of t-SNE's pictures of codes, inside `data_dir()`."""
    return data_dir() / "embeddings"


def clear() -> int:
    """Delete every trained model and embedding, finished or half-written; returns how many files that were."""
    folders = models_dir(), embeddings_dir()
    paths = [path for folder in folders for path in folder.glob("*.safetensors*") if path.is_file()]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step: a reader, or a killed writer, never leaves half a file under that name."""
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


def tensors_bytes(tensors: dict[str, Tensor], key: str, text: str = "") -> bytes:
    """Tensors, key and a text as one safetensors file that carries a hash of all three."""
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    return safetensors.torch.save(
        tensors, {"key": key, "history": text, "sha256": _hash(tensors, key, text)}
    )


def read_tensors(path: Path, key: str) -> tuple[dict[str, Tensor], str]:
    """Tensors and text of a file of `tensors_bytes`; DamagedFile unless all is what was written, for this key."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        whole = metadata["sha256"] == _hash(tensors, metadata["key"], metadata["history"])
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise DamagedFile(f"{path} cannot be read ({type(error).__name__}: {error})") from error
    if not whole or metadata["key"] != key:
        raise DamagedFile(f"{path} is damaged or was made for something else")
    return tensors, metadata["history"]


def _hash(state: dict[str, Tensor], key: str, history: str) -> str:
    digest = hashlib.sha256(f"{key}\n{history}\n".encode())
    for name, value in sorted(state.items()):
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
