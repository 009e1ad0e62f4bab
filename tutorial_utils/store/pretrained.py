"""Ready-made models: two VAEs that come with the package, and a classifier of digits."""

import json
from functools import partial
from pathlib import Path

from torch import nn

from ..data import ImageData, load_images
from ..losses import class_loss, negative_elbo
from ..models import VAE, mlp
from ..support.arguments import one_of
from ..training import evaluate, warmup_then_linear
from .files import read_tensors, tensors_bytes, write_atomically
from .packing import unpacked
from .shelf import shelf_path
from .train import restore, trained

ASSETS = Path(__file__).parent / "assets"
# How many latent numbers each has, and the entry of the shelf that it is a copy of.
PRETRAINED = {"vae_2d": (2, "05_sweep_2_1_0"), "vae_20d": (20, "04_vae_20_1_0")}


def load_pretrained(name: str = "vae_2d") -> VAE:
    """A trained model that comes with the package: a VAE of MNIST with 2 latent numbers, or 20.

    name: "vae_2d" or "vae_20d".  They are models of notebooks 05 and 04, copied by `make
    pretrained`.  In eval mode, parameters without gradients.  Raises DamagedFile when its file is
    not what was shipped.
    """
    one_of("name", name, tuple(PRETRAINED))
    model = _untrained(PRETRAINED[name][0])
    weights, history = read_tensors(ASSETS / f"{name}.safetensors", name)
    restore(model, (unpacked(weights), history))
    return model


def _untrained(k: int) -> VAE:
    """The network of notebook 05 with k latent numbers, before its training."""
    down, up = ([256, 128, 64], [64, 128, 256]) if k < 8 else ([256], [256, 256])
    encoder = mlp([784, *down, 2 * k], activation=nn.GELU)
    decoder = mlp([k, *up, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    return VAE(encoder, decoder, latent_dim=k)


def digit_classifier(data: ImageData, *, retrain: bool = False) -> nn.Module:
    """A small classifier of digits, 784-256-10: logits [B, 10] of images x [B, 1, 28, 28].

    Trained on data.x_train in about ten seconds on two CPU cores, then cached; it judges generated
    images.  Between 97.5 and 99 of 100 test images are classified correctly.
    """
    x, y = data.x_train, data.y_train
    make_model = partial(mlp, [x[0].numel(), 256, int(y.max()) + 1])
    settings = {"epochs": 5, "batch_size": 256, "lr": 4e-3, "schedule": warmup_then_linear}
    model, _ = trained(
        "digit_classifier", make_model, (x, y), class_loss, seed=0, retrain=retrain, **settings
    )
    return model


def copy_from_shelf(name: str) -> None:
    """Write a shipped model, a copy of its entry on the shelf, and print its test loss."""
    _, entry = PRETRAINED[name]
    weights, text = read_tensors(shelf_path(entry), entry)
    history = json.dumps(json.loads(text)["history"])
    write_atomically(ASSETS / f"{name}.safetensors", tensors_bytes(weights, name, history))
    scores = evaluate(load_pretrained(name), load_images("mnist").x_test, negative_elbo)
    print(f"{name}, a copy of {entry}; on test images, in nats:", scores)


if __name__ == "__main__":
    for each in PRETRAINED:
        copy_from_shelf(each)
