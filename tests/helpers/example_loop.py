"""The VAE that everybody starts from: the example network and loop that `make bench` times."""

import gzip
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from tutorial_utils.losses import kl_standard_normal
from tutorial_utils.models import reparameterize
from tutorial_utils.training import evaluate

PIXELS = 784


class ExampleVAE(nn.Module):
    """784-400-20 with ReLU, two heads for mu and logvar, and a sigmoid at the end."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(PIXELS, 400)
        self.mu, self.logvar = nn.Linear(400, 20), nn.Linear(400, 20)
        layers = nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, PIXELS), nn.Sigmoid()
        self.decoder = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The reconstruction [B, 784] in (0, 1), mu and logvar [B, 20]."""
        h = self.hidden(x.flatten(1)).relu()
        mu, logvar = self.mu(h), self.logvar(h)
        return self.decoder(reparameterize(mu, logvar)), mu, logvar


def example_loss(model: ExampleVAE, x: Tensor) -> Tensor:
    """The sum over the batch of the negative ELBO."""
    recon, mu, logvar = model(x)
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum()
    return binary_cross_entropy(recon, x.flatten(1), reduction="sum") + kl


def example_elbo(model: ExampleVAE, x: Tensor) -> dict[str, Tensor]:
    """The same, of each example [B]: what `evaluate` needs."""
    recon, mu, logvar = model(x)
    recon_loss = binary_cross_entropy(recon, x.flatten(1), reduction="none").sum(1)
    return {"loss": recon_loss + kl_standard_normal(mu, logvar)}


def example_epoch(model: ExampleVAE, adam: torch.optim.Optimizer, dataset) -> Iterator[None]:
    """One epoch over a torchvision data set; yields after each step."""
    for x, _ in DataLoader(dataset, batch_size=128, shuffle=True):
        adam.zero_grad()
        example_loss(model, x).backward()
        adam.step()
        yield


def example_training(dataset, x_test: Tensor, seed: int) -> Iterator[tuple[float, float]]:
    """Trains without end; yields every quarter of an epoch.

    What it yields: the seconds of training so far, and the test negative ELBO.
    """
    torch.manual_seed(seed)
    model = ExampleVAE()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    seconds, step, started = 0.0, 0, time.perf_counter()
    while True:
        for _ in example_epoch(model, adam, dataset):
            step += 1
            if step % 117 == 0:
                seconds += time.perf_counter() - started
                yield seconds, evaluate(model, x_test, example_elbo)["loss"]
                started = time.perf_counter()


def torchvision_mnist(root: Path, train: bool) -> MNIST:
    """torchvision's MNIST: the files of this package, unpacked where torchvision looks for them."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for source in (Path(str(files("tutorial_utils"))) / "assets" / "mnist").glob("*.gz"):
        if not (raw / source.stem).exists():
            (raw / source.stem).write_bytes(gzip.decompress(source.read_bytes()))
    return MNIST(root, train=train, transform=ToTensor())
