"""`make bench`: how fast the tutorial is, as ratios of things measured beside each other in one call.

Machines are noisy, so seconds are not comparable between calls; ratios within one call are.  One
seed and 2 to 12 minutes by default; `--full` takes the median of three seeds and three times as
long.
"""

import argparse
import gzip
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from tutorial_utils.data import load_images
from tutorial_utils.losses import kl_standard_normal, negative_elbo
from tutorial_utils.models import VAE, mlp, reparameterize, start_at_mean_image
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.store.train import train_many, trained
from tutorial_utils.support.matmul import fast_matmul
from tutorial_utils.training import evaluate, fit, local_seed, warmup_then_linear

PIXELS, N_TRAIN = 784, 60_000
STARTED = time.perf_counter()


class Row(NamedTuple):
    """One line of the table: texts, and whether the goal is met."""

    figure: str
    ours: str
    theirs: str
    ratio: str
    goal: str
    met: bool


class Recipe(NamedTuple):
    """A training of ours: the network, the settings of `fit`, the numbers of epochs to try, shortest first."""

    name: str
    target: float
    goal: float
    make_model: Callable[[], VAE]
    batch_size: int
    lr: float
    epochs: tuple[int, ...]


def make_vae(encoder: list[int], decoder: list[int], activation: type[nn.Module]) -> VAE:
    """A VAE of fully connected layers of these sizes; the encoder's last counts mu and logvar."""
    networks = (
        mlp(encoder, activation=activation),
        mlp(decoder, activation=activation, out_shape=(1, 28, 28)),
    )
    return VAE(*networks, latent_dim=decoder[0])


SAME = partial(make_vae, [784, 400, 40], [20, 400, 784], nn.ReLU)  # the network of the example loop
FREE = partial(make_vae, [784, 400, 40], [20, 200, 400, 784], nn.SiLU)
FLAT = partial(make_vae, [784, 256, 128, 64, 4], [2, 64, 128, 256, 784], nn.GELU)

RECIPES = (
    Recipe("same network", 106, 17, SAME, 256, 1.2e-2, (3, 4, 5, 6)),
    Recipe("notebooks' network", 106, 23, FREE, 256, 8e-3, (2, 3, 4)),
    Recipe("same network", 104, 21, SAME, 256, 1.2e-2, (5, 6, 7, 8)),
    Recipe("notebooks' network", 104, 40, FREE, 128, 6e-3, (2, 3, 4)),
)


# ---- the loop everybody starts from ----


class ExampleVAE(nn.Module):
    """784-400-20 with ReLU, two heads for mu and logvar, and a sigmoid at the end."""

    def __init__(self):
        super().__init__()
        self.hidden, self.mu, self.logvar = (
            nn.Linear(PIXELS, 400),
            nn.Linear(400, 20),
            nn.Linear(400, 20),
        )
        self.decoder = nn.Sequential(
            nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, PIXELS), nn.Sigmoid()
        )

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
    return {
        "loss": binary_cross_entropy(recon, x.flatten(1), reduction="none").sum(1)
        + kl_standard_normal(mu, logvar)
    }


def example_epoch(model: ExampleVAE, adam: torch.optim.Optimizer, dataset) -> Iterator[None]:
    """One epoch over a torchvision data set; yields after each step."""
    for x, _ in DataLoader(dataset, batch_size=128, shuffle=True):
        adam.zero_grad()
        example_loss(model, x).backward()
        adam.step()
        yield


def example_training(dataset, x_test: Tensor, seed: int) -> Iterator[tuple[float, float]]:
    """Trains without end; every quarter of an epoch yields (seconds of training so far, test negative ELBO)."""
    torch.manual_seed(seed)
    model = ExampleVAE()
    adam, seconds, step, started = (
        torch.optim.Adam(model.parameters(), lr=1e-3),
        0.0,
        0,
        time.perf_counter(),
    )
    while True:
        for _ in example_epoch(model, adam, dataset):
            step += 1
            if step % 117 == 0:
                seconds += time.perf_counter() - started
                yield seconds, evaluate(model, x_test, example_elbo)["loss"]
                started = time.perf_counter()


def torchvision_mnist(root: Path, train: bool) -> MNIST:
    """torchvision's MNIST, with the files this package carries unpacked where torchvision looks for them."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for source in (Path(str(files("tutorial_utils"))) / "assets" / "mnist").glob("*.gz"):
        if not (raw / source.stem).exists():
            (raw / source.stem).write_bytes(gzip.decompress(source.read_bytes()))
    return MNIST(root, train=train, transform=ToTensor())


# ---- measurements ----


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """The median seconds of each work, all of them called in turn `rounds` times."""
    times = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}


def train(
    make_model: Callable[[], VAE], x: Tensor, *, epochs: int, batch_size: int, lr: float, seed: int
) -> VAE:
    """Our recipe: the schedule, and a decoder that starts at the mean image."""
    with local_seed(seed):
        model = make_model()
    start_at_mean_image(model.decoder, x)
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "seed": seed,
        "schedule": warmup_then_linear,
    }
    fit(model, x, negative_elbo, show_progress=False, **settings)
    return model


def shortest(recipe: Recipe, data, seed: int) -> float:
    """The seconds of training that the first number of epochs takes which ends at or below the target."""
    for epochs in recipe.epochs:
        started = time.perf_counter()
        model = train(
            recipe.make_model,
            data.x_train,
            epochs=epochs,
            batch_size=recipe.batch_size,
            lr=recipe.lr,
            seed=seed,
        )
        took, elbo = (
            time.perf_counter() - started,
            evaluate(model, data.x_test, negative_elbo)["loss"],
        )
        say(
            f"  ours, {recipe.name}, {epochs} epochs: {elbo:.1f} nats after {took:.1f} s (target {recipe.target})"
        )
        if elbo <= recipe.target:
            return took
    return float("inf")


def matrix_products(batch_size: int, n: int) -> Callable[[], None]:
    """The products of 784-400-40 and 20-400-784, forward and backward, for n images: no loop is faster."""
    layers = []
    for n_in, n_out in [(PIXELS, 400), (400, 40), (20, 400), (400, PIXELS)]:
        shapes = [(batch_size, n_in), (n_in, n_out), (batch_size, n_out)]  # x, weight, y
        layers.append(
            [*map(torch.randn, shapes), *map(torch.empty, shapes)]
        )  # and as much room for gradients

    @fast_matmul()
    def work() -> None:
        for _ in range(n // batch_size):
            for x, weight, _, _, _, y_room in layers:
                torch.mm(x, weight, out=y_room)
            for number, (x, weight, y, x_room, weight_room, _) in enumerate(layers):
                torch.mm(x.T, y, out=weight_room)
                if number > 0:  # nobody needs the gradient of the images
                    torch.mm(y, weight.T, out=x_room)

    return work


# ---- rows ----


def say(text: str) -> None:
    """A line of progress, with the minutes so far."""
    print(f"[{(time.perf_counter() - STARTED) / 60:4.1f} min] {text}", file=sys.stderr, flush=True)


def row(
    figure: str, ours: float, theirs: float, goal: float, unit: str = "s", *, more: bool = False
) -> Row:
    """Ours against theirs: the goal is a ratio of at least so much.

    more: theirs, and so the ratio, is more still.
    """
    sign, ratio = "> " if more else "", theirs / ours
    texts = f"{ours:.3g} {unit}", f"{sign}{theirs:.3g} {unit}", f"{sign}{ratio:.1f}"
    return Row(figure, *(texts if ratio else ("never", texts[1], "0")), f"≥ {goal}", ratio >= goal)


def limit(figure: str, ours: float, goal: float, unit: str = "s") -> Row:
    """Ours alone: the goal is at most so much."""
    return Row(figure, f"{ours:.3g} {unit}", "–", "–", f"≤ {goal} {unit}", ours <= goal)


def epoch_rows(x: Tensor, dataset, rounds: int = 5) -> list[Row]:
    """Seconds per epoch: ours, the example's, and the matrix products alone."""
    say(f"seconds per epoch, {rounds} rounds, about a minute")
    half = N_TRAIN // 2
    example = ExampleVAE()
    adam = torch.optim.Adam(example.parameters(), lr=1e-3)
    model = SAME()
    settings = {"epochs": 1, "lr": 1e-3, "seed": 0, "show_progress": False}
    times = interleaved(
        rounds,
        example=lambda: list(example_epoch(example, adam, Subset(dataset, range(half // 4)))),
        ours_128=lambda: fit(model, x[:half], negative_elbo, batch_size=128, **settings),
        floor_128=matrix_products(128, half),
        ours_256=lambda: fit(model, x[:half], negative_elbo, batch_size=256, **settings),
        floor_256=matrix_products(256, half),
    )
    example, ours_128, floor_128, ours_256, floor_256 = (2 * seconds for seconds in times.values())
    rows = [
        Row(
            "epoch, batch 128, against the example loop",
            f"{ours_128:.3g} s",
            f"{4 * example:.3g} s",
            f"{4 * example / ours_128:.1f}",
            "–",
            True,
        )
    ]
    for batch_size, ours, floor, goal in (
        (128, ours_128, floor_128, 2.3),
        (256, ours_256, floor_256, 1.8),
    ):
        name = f"epoch, batch {batch_size}, ours ÷ matrix products"
        ratio = ours / floor
        rows.append(
            Row(name, f"{ours:.3g} s", f"{floor:.3g} s", f"{ratio:.2f}", f"≤ {goal}", ratio <= goal)
        )
    return rows


def quality_rows(data, dataset, seeds: int, patience: float) -> list[Row]:
    """Seconds of training until a test negative ELBO, latent 20: our recipes between slices of the example's."""
    ours = {recipe: [] for recipe in RECIPES}
    theirs = {target: [] for target in (106, 104)}
    cut_short = set()
    for seed in range(seeds):
        waiting, found = list(RECIPES), {}
        say(
            f"time to quality, seed {seed}: example loop, at most {patience / 60:.1f} minutes, ours in between"
        )
        for number, (spent, elbo) in enumerate(example_training(dataset, data.x_test, seed)):
            if number % 8 == 7:
                say(
                    f"  example loop, {(number + 1) / 4:g} epochs: {elbo:.1f} nats after {spent:.0f} s"
                )
            if number % 4 == 3 and waiting:
                recipe = waiting.pop(0)
                ours[recipe].append(shortest(recipe, data, seed))
            found.update(
                {target: spent for target in theirs if elbo <= target and target not in found}
            )
            if len(found) == len(theirs) or spent > patience:
                break
        for recipe in waiting:
            ours[recipe].append(shortest(recipe, data, seed))
        for target, times in theirs.items():
            times.append(found.get(target, spent))
        cut_short |= theirs.keys() - found.keys()
    if cut_short:
        say(
            "the example loop was stopped before it got there: its seconds and the ratios marked > are lower bounds"
        )
    return [
        row(
            f"−ELBO ≤ {recipe.target} nats, latent 20, {recipe.name}",
            statistics.median(ours[recipe]),
            statistics.median(theirs[recipe.target]),
            recipe.goal,
            more=recipe.target in cut_short,
        )
        for recipe in RECIPES
    ]


def flat_rows(data, seeds: int) -> list[Row]:
    """Latent 2: seconds until 147 nats, and what three epochs reach."""
    say("latent 2, about half a minute for each seed")
    recipe = Recipe("latent 2", 147, 10, FLAT, 128, 5e-3, (2, 3, 4))
    times = statistics.median(shortest(recipe, data, seed) for seed in range(seeds))
    settings = {"epochs": 3, "batch_size": 128, "lr": 5e-3}
    models = [train(FLAT, data.x_train, seed=seed, **settings) for seed in range(seeds)]
    elbo = statistics.median(
        evaluate(model, data.x_test, negative_elbo)["loss"] for model in models
    )
    return [
        limit("−ELBO ≤ 147 nats, latent 2", times, 10),
        limit("−ELBO after 3 epochs, latent 2", elbo, 143, "nats"),
    ]


def sweep_rows(folder: Path, x: Tensor, rounds: int = 2) -> list[Row]:
    """Twelve trainings of latent 2: one process per core, against all cores for one after another."""
    say(f"twelve trainings of one epoch, {rounds} rounds, about a minute and a half")
    os.environ["TUTORIAL_DATA"] = str(folder / "cache")
    job = {
        "make_model": FLAT,
        "x": x,
        "loss_fn": negative_elbo,
        "epochs": 1,
        "batch_size": 128,
        "lr": 5e-3,
    }
    jobs = {f"seed_{seed}": {**job, "seed": seed, "device": "cpu"} for seed in range(12)}

    def one_after_another() -> None:
        for name, job in jobs.items():
            trained(name, **job, retrain=True, show_progress=False)

    few = {name: {**job, "x": x[:1000]} for name, job in jobs.items()}
    train_many(few, show_progress=False)  # starts the processes
    side_by_side = partial(train_many, jobs, retrain=True, show_progress=False)
    times = interleaved(rounds, ours=side_by_side, theirs=one_after_another)
    return [
        row(
            "12 trainings side by side, against one after another",
            times["ours"],
            times["theirs"],
            1.1,
        )
    ]


def redraw(model: VAE, z: Tensor) -> bytes:
    """What `interact` does for every move: decode, a new small figure, imshow, the inline backend's PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    with torch.no_grad():
        axes.imshow(model.decode(z[None]).sigmoid()[0, 0].numpy(), cmap="gray")
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


def widget_rows(data, moves: int = 300) -> list[Row]:
    """One move: a new code, decoded, as PNG bytes in an Image; then a whole panel, as the learner drags it."""
    import ipywidgets

    from tutorial_utils.latent import morph
    from tutorial_utils.plotting import to_png
    from tutorial_utils.studios.interpolation import interpolation_studio

    say("widgets, about ten seconds")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model, image = load_pretrained("vae_2d"), ipywidgets.Image(format="png")
    z_a, z_b = torch.tensor([-1.0, 0.5]), torch.tensor([1.0, -1.5])
    studio = interpolation_studio(model, data.x_test[:200], data.y_test[:200])
    ours, theirs, panel = [], [], []
    for move in range(moves):
        t = (move + 0.5) / moves
        ours.append(
            1e3 * seconds(lambda t=t: setattr(image, "value", to_png(morph(model, z_a, z_b, t))))
        )
        theirs.append(1e3 * seconds(lambda t=t: redraw(model, (1 - t) * z_a + t * z_b)))
        panel.append(1e3 * seconds(lambda t=t: setattr(studio.slider, "value", round(t, 3))))
    torch.set_num_threads(threads)
    slowest = [sorted(values)[int(0.99 * moves)] for values in (ours, theirs, panel)]
    return [
        row(
            "widget, one core: one move, median",
            statistics.median(ours),
            statistics.median(theirs),
            60,
            "ms",
        ),
        limit("widget, one core: one move, median", statistics.median(ours), 0.5, "ms"),
        Row(
            "widget, one core: one move, 99 of 100",
            f"{slowest[0]:.3g} ms",
            f"{slowest[1]:.3g} ms",
            f"{slowest[1] / slowest[0]:.1f}",
            "–",
            True,
        ),
        limit("widget, one core: the studio's whole panel, 99 of 100", slowest[2], 16, "ms"),
    ]


def loading_rows(folder: Path, x: Tensor) -> list[Row]:
    """MNIST into tensors, a trained model out of the cache, the package into memory."""
    say("loading, about half a minute")

    def with_torchvision() -> None:
        for part in (True, False):
            torch.stack([image for image, _ in torchvision_mnist(folder, part)])

    times = interleaved(3, ours=load_images, theirs=with_torchvision)
    loading = row(
        "MNIST as float tensors, against torchvision's class", times["ours"], times["theirs"], 1
    )
    os.environ["TUTORIAL_DATA"] = str(folder / "cache")
    settings = {"epochs": 1, "batch_size": 1000, "lr": 1e-3, "seed": 0, "show_progress": False}
    load = partial(trained, "bench", SAME, x, negative_elbo, **settings)
    load()
    cached = statistics.median(seconds(load) for _ in range(5))
    code = (
        "import time, torch; started = time.perf_counter(); import tutorial_utils; "
        ""
        "from tutorial_utils import data, models, losses, training; import tutorial_utils.store.train; "
        "print(time.perf_counter() - started)"
    )
    imports = [
        float(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(5)
    ]
    return [
        loading,
        limit("MNIST as float tensors", times["ours"], 1),
        limit("a trained model from the cache", cached, 0.2),
        limit("import of the package, beyond torch", statistics.median(imports), 0.3),
    ]


def show(rows: list[Row]) -> None:
    """The table, with columns as wide as their widest entry."""
    table = [("figure", "ours", "theirs", "ratio", "goal", "met?")]
    for line in rows:
        table.append((*line[:-1], "–" if line.goal == "–" else "✓ yes" if line.met else "✗ no"))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def main() -> None:
    """Measure everything, then print the one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--full", action="store_true", help="the median of three seeds, 6 to 30 minutes"
    )
    parser.add_argument(
        "--quick", action="store_true", help="without the time to quality, about a minute"
    )
    parser.add_argument(
        "--patience", type=float, help="seconds of training after which the example loop gives up"
    )
    choice = parser.parse_args()
    how_long = (
        "6 to 30 minutes" if choice.full else "one minute" if choice.quick else "2 to 12 minutes"
    )
    say(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}; about {how_long}"
    )
    if os.getloadavg()[0] > 1:
        say("other programs are using this machine: even the ratios will be off")
    data, seeds = load_images("mnist"), 3 if choice.full else 1
    with tempfile.TemporaryDirectory() as folder:
        dataset = torchvision_mnist(Path(folder), train=True)
        rows = epoch_rows(data.x_train, dataset)
        if not choice.quick:
            rows += quality_rows(
                data, dataset, seeds, choice.patience or (900 if choice.full else 420)
            )
            rows += sweep_rows(Path(folder), data.x_train)
        rows += (
            flat_rows(data, seeds) + widget_rows(data) + loading_rows(Path(folder), data.x_train)
        )
    show(rows)


if __name__ == "__main__":
    main()
