"""Ready-made models: a VAE that comes with the package, and a classifier of digits."""

from functools import partial
from pathlib import Path

from torch import nn

from ..data import ImageData, load_images
from ..losses import class_loss, negative_elbo
from ..models import VAE, mlp, start_at_mean_image
from ..support.arguments import one_of
from ..training import evaluate, fit, local_seed, warmup_then_linear
from .files import read_tensors, tensors_bytes, write_atomically
from .train import content_of, restore, trained

ASSETS = Path(__file__).parent / "assets"
PRETRAINED = ("vae_2d",)


def load_pretrained(name: str = "vae_2d") -> VAE:
    """A small trained model that comes with the package: a VAE of MNIST with two latent numbers.

    It is in eval mode, its parameters without gradients.  Built by `make pretrained`.  Raises
    DamagedFile when its file is not what was shipped.
    """
    one_of("name", name, PRETRAINED)
    model = make_vae_2d()
    restore(model, read_tensors(ASSETS / f"{name}.safetensors", name))
    return model


def make_vae_2d() -> VAE:
    """The shipped VAE before its training: 784-128-64-2 and back 2-64-128-128-784, GELU."""
    encoder = mlp([784, 128, 64, 2 * 2], activation=nn.GELU)
    decoder = mlp([2, 64, 128, 128, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    return VAE(encoder, decoder, latent_dim=2)


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


def build_vae_2d() -> None:
    """Train the shipped VAE on MNIST, write it in half precision, print its test loss."""
    data = load_images("mnist")
    with local_seed(0):
        model = make_vae_2d()
    start_at_mean_image(model.decoder, data.x_train)
    settings = {"epochs": 40, "batch_size": 128, "lr": 5e-3, "schedule": warmup_then_linear}
    history = fit(model, data.x_train, negative_elbo, seed=0, **settings)
    weights, text = content_of(model.half(), history)
    write_atomically(ASSETS / "vae_2d.safetensors", tensors_bytes(weights, "vae_2d", text))
    print("test, in nats:", evaluate(load_pretrained(), data.x_test, negative_elbo))


if __name__ == "__main__":
    build_vae_2d()
