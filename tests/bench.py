"""`make bench`: how fast the tutorial is, as ratios of things measured beside each other.

Machines are noisy, so seconds are not comparable between calls; ratios within one call are.  One
seed and 2 to 12 minutes by default; `--full` takes the median of three seeds and three times as
long; `--quick` leaves out the time to quality.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from helpers.example_loop import (
    PIXELS,
    ExampleVAE,
    example_epoch,
    example_training,
    torchvision_mnist,
)
from helpers.timing import Row, faster, interleaved, limit, say, seconds, show, slower
from torch import Tensor, nn
from torch.utils.data import Subset

from tutorial_utils.data import load_images
from tutorial_utils.losses import negative_elbo
from tutorial_utils.models import VAE, mlp, start_at_mean_image
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.store.train import train_many, trained
from tutorial_utils.training import evaluate, fit, local_seed, warmup_then_linear

N_TRAIN = 60_000
QUIET = {"show_progress": False}


def make_vae(encoder: list[int], decoder: list[int], activation: type[nn.Module]) -> VAE:
    """A VAE of fully connected layers of these sizes; the encoder's last counts mu and logvar."""
    there = mlp(encoder, activation=activation)
    back = mlp(decoder, activation=activation, out_shape=(1, 28, 28))
    return VAE(there, back, latent_dim=decoder[0])


SAME = partial(make_vae, [784, 400, 40], [20, 400, 784], nn.ReLU)  # as the example loop
FREE = partial(make_vae, [784, 400, 40], [20, 200, 400, 784], nn.SiLU)
FLAT = partial(make_vae, [784, 256, 128, 64, 4], [2, 64, 128, 256, 784], nn.GELU)


class Recipe(NamedTuple):
    """A training of ours, and the numbers of epochs to try until the target, shortest first."""

    name: str
    target: float  # test negative ELBO, in nats
    goal: float  # how many times faster than the example loop
    make_model: Callable[[], VAE]
    batch_size: int
    lr: float
    epochs: tuple[int, ...]


RECIPES = (
    Recipe("same network", 106, 17, SAME, 256, 1.2e-2, (3, 4, 5, 6)),
    Recipe("notebooks' network", 106, 23, FREE, 256, 8e-3, (2, 3, 4)),
    Recipe("same network", 104, 21, SAME, 256, 1.2e-2, (5, 6, 7, 8)),
    Recipe("notebooks' network", 104, 40, FREE, 128, 6e-3, (2, 3, 4)),
)


# ---- training ----


def train(make_model: Callable[[], VAE], x: Tensor, *, seed: int, **settings) -> VAE:
    """Our recipe: the schedule, and a decoder that starts at the mean image."""
    with local_seed(seed):
        model = make_model()
    start_at_mean_image(model.decoder, x)
    fit(model, x, negative_elbo, seed=seed, schedule=warmup_then_linear, **QUIET, **settings)
    return model


def shortest(recipe: Recipe, data, seed: int) -> float:
    """The seconds of the shortest training, of those in the recipe, that gets to the target."""
    for epochs in recipe.epochs:
        settings = {"epochs": epochs, "batch_size": recipe.batch_size, "lr": recipe.lr}
        models = []
        took = seconds(
            lambda settings=settings, models=models: models.append(
                train(recipe.make_model, data.x_train, seed=seed, **settings)
            )
        )
        elbo = evaluate(models[0], data.x_test, negative_elbo)["loss"]
        reached = f"{elbo:.1f} nats after {took:.1f} s (target {recipe.target})"
        say(f"  ours, {recipe.name}, {epochs} epochs: {reached}")
        if elbo <= recipe.target:
            return took
    return float("inf")


# ---- an epoch ----


def matrix_products(batch_size: int, n: int) -> Callable[[], None]:
    """The products of 784-400-40 and 20-400-784, forward and backward, for n images.

    No loop is faster.
    """
    layers = []
    for n_in, n_out in [(PIXELS, 400), (400, 40), (20, 400), (400, PIXELS)]:
        shapes = [(batch_size, n_in), (n_in, n_out), (batch_size, n_out)]  # x, weight, y
        room = map(torch.empty, shapes)  # for results and gradients
        layers.append([*map(torch.randn, shapes), *room])

    def work() -> None:
        for _ in range(n // batch_size):
            for x, weight, _, _, _, y_room in layers:
                torch.mm(x, weight, out=y_room)
            for number, (x, weight, y, x_room, weight_room, _) in enumerate(layers):
                torch.mm(x.T, y, out=weight_room)
                if number > 0:  # nobody needs the gradient of the images
                    torch.mm(y, weight.T, out=x_room)

    return work


def epoch_rows(x: Tensor, dataset, rounds: int = 5) -> list[Row]:
    """Seconds per epoch: ours, the example loop's, the matrix products alone."""
    say(f"seconds per epoch, {rounds} rounds, about a minute")
    half = N_TRAIN // 2
    example, model = ExampleVAE(), SAME()
    adam = torch.optim.Adam(example.parameters(), lr=1e-3)
    part = Subset(dataset, range(half // 4))

    def epoch(batch_size: int) -> None:
        settings = {"epochs": 1, "batch_size": batch_size, "lr": 1e-3, "seed": 0}
        fit(model, x[:half], negative_elbo, **settings, **QUIET)

    times = interleaved(
        rounds,
        example=lambda: list(example_epoch(example, adam, part)),
        ours_128=lambda: epoch(128),
        floor_128=matrix_products(128, half),
        ours_256=lambda: epoch(256),
        floor_256=matrix_products(256, half),
    )
    times = {name: 2 * took for name, took in times.items()}
    loop = 4 * times["example"]
    rows = [faster("epoch, batch 128, against the example loop", times["ours_128"], loop, None)]
    for batch_size, goal in ((128, 2.3), (256, 1.8)):
        ours, floor = (times[f"{name}_{batch_size}"] for name in ("ours", "floor"))
        name = f"epoch, batch {batch_size}"
        rows.append(slower(f"{name}, ours ÷ matrix products", ours, floor, goal))
    return rows


# ---- time to quality ----


def quality_rows(data, dataset, seeds: int, patience: float) -> list[Row]:
    """Seconds of training until a test negative ELBO, latent 20: ours and the example loop."""
    ours = {recipe: [] for recipe in RECIPES}
    theirs = {recipe.target: [] for recipe in RECIPES}
    never = set()  # the targets that the example loop did not reach
    for seed in range(seeds):
        say(f"time to quality, seed {seed}: example loop, at most {patience / 60:.1f} minutes")
        waiting, found = list(RECIPES), {}

        def run_next(waiting=waiting, seed=seed) -> None:
            recipe = waiting.pop(0)
            ours[recipe].append(shortest(recipe, data, seed))

        for quarter, (spent, elbo) in enumerate(example_training(dataset, data.x_test, seed), 1):
            if quarter % 8 == 0:
                reached = f"{elbo:.1f} nats after {spent:.0f} s"
                say(f"  example loop, {quarter / 4:g} epochs: {reached}")
            if quarter % 4 == 0 and waiting:  # in between, so that both have the same machine
                run_next()
            found = {target: spent for target in theirs if elbo <= target} | found
            if len(found) == len(theirs) or spent > patience:
                break
        while waiting:
            run_next()
        for target, times in theirs.items():
            times.append(found.get(target, spent))
        never |= theirs.keys() - found.keys()
    if never:
        say("the example loop was stopped: its seconds and the ratios marked > are lower bounds")
    return [
        faster(
            f"−ELBO ≤ {recipe.target} nats, latent 20, {recipe.name}",
            statistics.median(ours[recipe]),
            statistics.median(theirs[recipe.target]),
            recipe.goal,
            more=recipe.target in never,
        )
        for recipe in RECIPES
    ]


def flat_rows(data, seeds: int) -> list[Row]:
    """Latent 2: seconds until 147 nats, and what three epochs reach."""
    say("latent 2, about half a minute for each seed")
    recipe = Recipe("latent 2", 147, 10, FLAT, 128, 5e-3, (2, 3, 4))
    took = statistics.median(shortest(recipe, data, seed) for seed in range(seeds))
    settings = {"epochs": 3, "batch_size": 128, "lr": 5e-3}
    models = [train(FLAT, data.x_train, seed=seed, **settings) for seed in range(seeds)]
    elbos = [evaluate(model, data.x_test, negative_elbo)["loss"] for model in models]
    return [
        limit("−ELBO ≤ 147 nats, latent 2", took, 10),
        limit("−ELBO after 3 epochs, latent 2", statistics.median(elbos), 143, "nats"),
    ]


def sweep_rows(folder: Path, x: Tensor, rounds: int = 2) -> list[Row]:
    """Twelve trainings of latent 2: one process per core, against one after another."""
    say(f"twelve trainings of one epoch, {rounds} rounds, about a minute and a half")
    os.environ["TUTORIAL_DATA"] = str(folder / "cache")
    job = {"make_model": FLAT, "loss_fn": negative_elbo, "epochs": 1, "batch_size": 128}
    job |= {"lr": 5e-3, "device": "cpu"}
    jobs = {f"seed_{seed}": job | {"x": x, "seed": seed} for seed in range(12)}

    def one_after_another() -> None:
        for name, job in jobs.items():
            trained(name, **job, retrain=True, **QUIET)

    few = {name: job | {"x": x[:1000]} for name, job in jobs.items()}
    train_many(few, **QUIET)  # starts the processes
    side_by_side = partial(train_many, jobs, retrain=True, **QUIET)
    times = interleaved(rounds, ours=side_by_side, theirs=one_after_another)
    name = "12 trainings side by side, against one after another"
    return [faster(name, times["ours"], times["theirs"], 1.1)]


# ---- widgets and loading ----


def redraw(model: VAE, z: Tensor) -> bytes:
    """What `interact` does at every move: decode, a new small figure, imshow, a PNG of it."""
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
    """One move: a new code, decoded, as PNG bytes in an Image; then a whole panel, dragged."""
    import ipywidgets

    from tutorial_utils.latent import morph
    from tutorial_utils.plotting import to_png
    from tutorial_utils.studios.interpolation import interpolation_studio

    say("widgets, about ten seconds")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    models = {"2 numbers": load_pretrained("vae_2d"), "20 numbers": load_pretrained("vae_20d")}
    model, image = models["2 numbers"], ipywidgets.Image(format="png")
    z_a, z_b = torch.tensor([-1.0, 0.5]), torch.tensor([1.0, -1.5])
    studios = {label: interpolation_studio(models, data.x_test, data.y_test) for label in models}
    acts = {
        "ours": lambda t: setattr(image, "value", to_png(morph(model, z_a, z_b, t))),
        "theirs": lambda t: redraw(model, torch.lerp(z_a, z_b, t)),
    }
    for label, studio in studios.items():
        studio.model.label = label
        acts[label] = lambda t, studio=studio: setattr(studio.slider, "value", round(t, 3))
    times = {name: [] for name in acts}  # milliseconds
    for move in range(moves):
        for name, act in acts.items():
            times[name].append(1e3 * seconds(partial(act, (move + 0.5) / moves)))
    torch.set_num_threads(threads)
    median = {name: statistics.median(values) for name, values in times.items()}
    slow = {name: sorted(values)[int(0.99 * moves)] for name, values in times.items()}
    move = "widget, one core: one move"
    return [
        faster(f"{move}, median", median["ours"], median["theirs"], 60, "ms"),
        limit(f"{move}, median", median["ours"], 0.5, "ms"),
        faster(f"{move}, 99 of 100", slow["ours"], slow["theirs"], None, "ms"),
        *(
            limit(f"widget, one core: the whole studio, {label}, 99 of 100", slow[label], 16, "ms")
            for label in models
        ),
    ]


IMPORT = """
import time, torch
started = time.perf_counter()
from tutorial_utils import data, losses, models, training
import tutorial_utils.store.train
print(time.perf_counter() - started)
"""


def loading_rows(folder: Path, x: Tensor) -> list[Row]:
    """MNIST into tensors, a trained model out of the cache, the package into memory."""
    say("loading, about half a minute")

    def with_torchvision() -> None:
        for part in (True, False):
            torch.stack([image for image, _ in torchvision_mnist(folder, part)])

    times = interleaved(3, ours=load_images, theirs=with_torchvision)
    ours, name = times["ours"], "MNIST as float tensors"
    os.environ["TUTORIAL_DATA"] = str(folder / "cache")
    settings = {"epochs": 1, "batch_size": 1000, "lr": 1e-3, "seed": 0}
    load = partial(trained, "bench", SAME, x, negative_elbo, **settings, **QUIET)
    load()
    cached = statistics.median(seconds(load) for _ in range(5))
    command = [sys.executable, "-c", IMPORT]
    imports = [float(subprocess.check_output(command, text=True)) for _ in range(5)]
    return [
        faster(f"{name}, against torchvision's class", ours, times["theirs"], 1),
        limit(name, ours, 1),
        limit("a trained model from the cache", cached, 0.2),
        limit("import of the package, beyond torch", statistics.median(imports), 0.3),
    ]


# ---- the command ----


def choices() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    full = "the median of three seeds, 6 to 30 minutes"
    quick = "without the time to quality, about a minute"
    parser.add_argument("--full", action="store_true", help=full)
    parser.add_argument("--quick", action="store_true", help=quick)
    return parser.parse_args()


def main() -> None:
    """Measure everything, then print the one table."""
    choice = choices()
    minutes = "6 to 30" if choice.full else "1" if choice.quick else "2 to 12"
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    say(f"torch {torch.__version__}, {threads} threads, load {load:.1f}; {minutes} minutes")
    if load > 1:
        say("other programs are using this machine: even the ratios will be off")
    data, seeds = load_images("mnist"), 3 if choice.full else 1
    patience = 900 if choice.full else 420  # seconds, after which the example loop gives up
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = torchvision_mnist(folder, train=True)
        rows = epoch_rows(data.x_train, dataset)
        if not choice.quick:
            rows += quality_rows(data, dataset, seeds, patience)
            rows += sweep_rows(folder, data.x_train)
        rows += flat_rows(data, seeds) + widget_rows(data) + loading_rows(folder, data.x_train)
    show(rows)


if __name__ == "__main__":
    main()
