"""This computer: what it is, how fast it trains, and how long each notebook takes on it."""

import os
import platform
import time
from importlib.metadata import version

import torch

from ..losses import negative_elbo
from ..models import VAE, mlp
from ..support.arguments import positive_number
from ..training import best_device, fit, local_seed

# Seconds to run each notebook with an empty cache, as `make notebooks ARGS=--all` prints, and the
# training speed that notebook 00 printed in the same run, both on two CPU cores.
REFERENCE_SPEED = 21_000
COLD_SECONDS = {
    "00_start_here": 13,
    "01_autoencoders": 262,
    "02_generative_models": 144,
    "03_mathematics": 214,
    "04_latent_space": 41,
    "05_beta": 32,
    "06_blur": 36,
    "07_disentanglement": 14,
    "08_denoising": 189,
    "09_applications": 182,
}


def machine_report() -> str:
    """Versions, processor and device as a few lines of text, to send along with a question."""
    device = best_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else device.type.upper()
    packages = ("torch", "torchvision", "jupyterlab")
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    versions = " · ".join(f"{package} {version(package)}" for package in packages)
    threads = f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} used by torch"
    return f"{python}\n{versions}\n{threads} · training runs on: {name}"


def training_speed() -> float:
    """Images per second that train a VAE, 784-400-20 in batches of 256; takes 1 to 3 seconds."""
    with local_seed(0):
        x = torch.rand(20 * 256, 1, 28, 28)
        decoder = mlp([20, 400, 784], out_shape=(1, 28, 28))
        model = VAE(mlp([784, 400, 2 * 20]), decoder, latent_dim=20).to(best_device())
    settings = {"batch_size": 256, "lr": 1e-3, "seed": 0, "show_progress": False}
    # The first steps are slow, because they also allocate memory and start threads: not measured.
    fit(model, x[:1024], negative_elbo, epochs=1, **settings)
    started = time.perf_counter()
    fit(model, x, negative_elbo, epochs=3, **settings)
    return 3 * len(x) / (time.perf_counter() - started)


def estimated_minutes(speed: float) -> dict[str, float]:
    """Minutes that each notebook takes the first time on a machine of this `training_speed()`."""
    return {
        name: seconds / 60 * REFERENCE_SPEED / positive_number("speed", speed)
        for name, seconds in COLD_SECONDS.items()
    }
