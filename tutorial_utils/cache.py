"""Trained models are kept: what was trained once is loaded, unless anything that made it has changed."""

import argparse
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from .arguments import one_of
from .data import DamagedFile, data_dir
from .fingerprint import fingerprint
from .models import VAE, mlp
from .training import History, LossFn, best_device, fit, local_seed

PRETRAINED = ("vae_2d",)


def trained(
    name: str,
    make_model: Callable[[], nn.Module],
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    seed: int,
    device: torch.device | str | None = None,
    retrain: bool = False,
    **settings,
) -> tuple[nn.Module, History]:
    """`fit(make_model(), x, loss_fn, seed=seed, **settings)`, or what that gave the last time, from `models_dir()`.

    Trains on `device` (default: `best_device()`); the model comes back on the CPU, where the data are.
    The key covers the initial model, the data, every setting, the seed, and the code of the loss and of `fit`
    (`fingerprint`).  A damaged file is reported and trained anew; a training stopped by hand is not kept.
    name: letters, digits, '-' and '_', for people to recognize the file by.  Returns the model in eval mode, and
    its History.  Raises as `fit` does.
    """
    device = torch.device(device or best_device())
    model, path = untrained(name, make_model, x, loss_fn, seed=seed, device=device, **settings)
    history = None if retrain else load_kept(model, path, name)
    if history is not None:
        if settings.get("show_progress", True):
            print(f"{name}: from the cache (training took {history.seconds[-1]:.0f} s)")
        return model.eval(), history
    history = fit(model.to(device), x, loss_fn, seed=seed, **settings)
    keep(model.cpu(), path, name, history)
    return model.eval(), history


def untrained(
    name: str,
    make_model: Callable[[], nn.Module],
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    seed: int,
    device: torch.device,
    data_key: str = "",
    **settings,
) -> tuple[nn.Module, Path]:
    """The model that `trained` starts from, and the file that keeps what becomes of it: "name-key.safetensors".

    data_key: `fingerprint(x)`, if it is at hand; reading 60,000 images takes a tenth of a second.
    """
    file_name(name, "")
    with local_seed(seed):
        model = make_model()
    counted = {setting: value for setting, value in sorted(settings.items()) if setting != "show_progress"}
    key = fingerprint(model, data_key or fingerprint(x), loss_fn, seed, str(device), counted, fit, torch.__version__)
    return model, models_dir() / file_name(name, key)


def load_kept(model: nn.Module, path: Path, name: str) -> History | None:
    """Fill `model` from the file of `keep` and return its History; None without a file, or (said) a damaged one."""
    if not path.exists():
        return None
    try:
        return _load(path, model, key_in(path))
    except DamagedFile as error:
        print(f"{name}: {error}. Training it again.")
        return None


def keep(model: nn.Module, path: Path, name: str, history: History) -> bool:
    """Write a trained model, unless it was stopped by hand; returns whether that is done (a full disk is said)."""
    if history.interrupted:
        return False
    try:
        write_atomically(path, model_bytes(model, key_in(path), history))
        return True
    except OSError as error:
        print(f"{name}: trained, but not kept: {error}")
        return False


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


def load_pretrained(name: str = "vae_2d") -> VAE:
    """A small model that travels with the package, in eval mode; "vae_2d" is a VAE of MNIST with two latent numbers.

    Rebuilt by `make pretrained`.  Raises DamagedFile when its file is not what was shipped.
    """
    one_of("name", name, PRETRAINED)
    model = make_vae_2d()
    _load(Path(str(files(__package__))) / "assets" / f"{name}.safetensors", model, name)
    return model.eval()


def make_vae_2d() -> VAE:
    """The untrained network of the shipped 2-D VAE: 784-128-64-2 and back 2-64-128-128-784, GELU."""
    encoder = mlp([784, 128, 64, 2 * 2], activation=nn.GELU)
    decoder = mlp([2, 64, 128, 128, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    return VAE(encoder, decoder, latent_dim=2)


def model_bytes(model: nn.Module, key: str, history: History) -> bytes:
    """Weights, key and history as one file of `tensors_bytes`."""
    return tensors_bytes(model.state_dict(), key, json.dumps(history._asdict()))


def tensors_bytes(tensors: dict[str, Tensor], key: str, text: str = "") -> bytes:
    """Tensors, key and a text as one safetensors file that carries a hash of all three."""
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    return safetensors.torch.save(tensors, {"key": key, "history": text, "sha256": _hash(tensors, key, text)})


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


def _load(path: Path, model: nn.Module, key: str) -> History:
    """Fill `model` from a file of `model_bytes`; DamagedFile as in `read_tensors`."""
    state, history = read_tensors(path, key)
    model.load_state_dict(state)
    return History(**json.loads(history))


def _hash(state: dict[str, Tensor], key: str, history: str) -> str:
    digest = hashlib.sha256(f"{key}\n{history}\n".encode())
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The cache of trained models and of embeddings.")
    parser.add_argument("--clear", action="store_true", help="delete every trained model and embedding")
    if parser.parse_args().clear:
        print(f"{clear()} trained models and embeddings deleted from {data_dir()}.")
    else:
        parser.print_help()
