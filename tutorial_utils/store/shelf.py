"""Ready-made models: the 2-D VAE that travels with the package, and the classifier that judges images of digits."""

from functools import partial
from pathlib import Path

from torch import nn

from ..data import ImageData, load_images
from ..losses import class_loss, negative_elbo
from ..models import VAE, mlp, start_at_mean_image
from ..support.arguments import one_of
from ..training import evaluate, fit, local_seed, warmup_then_linear
from .files import write_atomically
from .train import load_weights, model_bytes, trained

ASSETS = Path(__file__).parent / "assets"
PRETRAINED = ("vae_2d",)


def load_pretrained(name: str = "vae_2d") -> VAE:
    """A small model that travels with the package, in eval mode; "vae_2d" is a VAE of MNIST with two latent numbers.

    Rebuilt by `make pretrained`.  Raises DamagedFile when its file is not what was shipped.
    """
    one_of("name", name, PRETRAINED)
    model = make_vae_2d()
    load_weights(ASSETS / f"{name}.safetensors", model, name)
    return model.eval()


def make_vae_2d() -> VAE:
    """The untrained network of the shipped 2-D VAE: 784-128-64-2 and back 2-64-128-128-784, GELU."""
    encoder = mlp([784, 128, 64, 2 * 2], activation=nn.GELU)
    decoder = mlp([2, 64, 128, 128, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    return VAE(encoder, decoder, latent_dim=2)


def digit_classifier(data: ImageData, *, retrain: bool = False) -> nn.Module:
    """A small network, 784-256-10, that names the digit in an image: logits [B, 10] of x [B, 1, 28, 28].

    Trained on data.x_train in about ten seconds on two CPU cores, then kept in the cache; used as a
    judge of generated images.  Right for between 97.5 and 99 of 100 test images.
    """
    make_model = partial(mlp, [data.x_train[0].numel(), 256, int(data.y_train.max()) + 1])
    settings = {"epochs": 5, "batch_size": 256, "lr": 4e-3, "schedule": warmup_then_linear}
    name = "digit_classifier"
    return trained(
        name,
        make_model,
        (data.x_train, data.y_train),
        class_loss,
        seed=0,
        retrain=retrain,
        **settings,
    )[0]


def build_vae_2d() -> None:
    """Train the 2-D VAE on MNIST's training images, write it in half precision, print its test loss."""
    data = load_images("mnist")
    with local_seed(0):
        model = make_vae_2d()
    start_at_mean_image(model.decoder, data.x_train)
    loss_fn = partial(negative_elbo, beta=1.0)
    history = fit(
        model,
        data.x_train,
        loss_fn,
        epochs=40,
        batch_size=128,
        lr=5e-3,
        seed=0,
        schedule=warmup_then_linear,
    )
    write_atomically(ASSETS / "vae_2d.safetensors", model_bytes(model.half(), "vae_2d", history))
    print("test, in nats:", evaluate(load_pretrained("vae_2d"), data.x_test, loss_fn))


if __name__ == "__main__":
    build_vae_2d()
