"""Rebuilds the shipped model: `make pretrained`, about a minute on two CPU cores."""

from functools import partial
from pathlib import Path

from .cache import load_pretrained, make_vae_2d, model_bytes, write_atomically
from .data import load_images
from .losses import negative_elbo
from .models import start_at_mean_image
from .training import evaluate, fit, local_seed, warmup_then_linear

ASSETS = Path(__file__).parent / "assets"


def build_vae_2d() -> None:
    """Train the 2-D VAE on MNIST's training images, write it in half precision, print its test loss."""
    data = load_images("mnist")
    with local_seed(0):
        model = make_vae_2d()
    start_at_mean_image(model.decoder, data.x_train)
    loss_fn = partial(negative_elbo, beta=1.0)
    history = fit(model, data.x_train, loss_fn, epochs=40, batch_size=128, lr=5e-3, seed=0, schedule=warmup_then_linear)
    write_atomically(ASSETS / "vae_2d.safetensors", model_bytes(model.half(), "vae_2d", history))
    print("test, in nats:", evaluate(load_pretrained("vae_2d"), data.x_test, loss_fn))


if __name__ == "__main__":
    build_vae_2d()
