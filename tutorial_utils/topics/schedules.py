"""Schedules of β (notebook 05): values over the epochs, and a small VAE trained with them."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from torch import Tensor

from ..data import ImageData, load_images
from ..losses import kl_standard_normal, negative_elbo
from ..models import VAE, mlp, start_at_mean_image
from ..training import cyclical, fit, linear_warmup, local_seed

EPOCHS, COLUMNS = 30, 15  # a column is drawn for two epochs
TOP, STEP = 4.0, 0.1  # of a drawn β: the largest, and the difference between two
LATENT_DIM = 8
ACTIVE = 0.01  # nats: with a mean KL above, on the test images, a dimension is active


def schedule_of(values: Sequence[float]) -> Callable[[float], float]:
    """A schedule of β for `fit`: constant on n equal parts of the training, values[k] in part k.

    values: finite, not negative.  Raises ValueError for others.
    """
    steps = tuple(values) if isinstance(values, Iterable) else ()
    if not steps or not all(is_beta(value) for value in steps):
        raise ValueError(
            f"values must hold one or more finite numbers that are not negative, got {values!r}"
        )
    return lambda progress: steps[min(int(progress * len(steps) + 1e-9), len(steps) - 1)]


def is_beta(value: object) -> bool:
    """Whether a value can be a β: a finite number that is not negative."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def columns_of(schedule: Callable[[float], float]) -> tuple[float, ...]:
    """A schedule as a learner can draw it: its value in the middle of each column, in steps."""
    return tuple(
        round(schedule((k + 0.5) / COLUMNS) / STEP) / round(1 / STEP) for k in range(COLUMNS)
    )


PRESETS = {
    "constant 1": columns_of(lambda progress: 1.0),
    "warm-up": columns_of(linear_warmup),
    "cyclical": columns_of(lambda progress: cyclical(progress, n_cycles=3)),
    "constant 4": columns_of(lambda progress: 4.0),
    "off, then on": columns_of(lambda progress: float(progress > 1 / 3)),
}


class Run(NamedTuple):
    """What `train_schedule` returns: the schedule, the model, and its scores on the test images.

    recon_loss, kl: [EPOCHS], in nats.  active: [EPOCHS], the number of dimensions with a mean KL
    above ACTIVE.
    """

    values: tuple[float, ...]
    seed: int
    recon_loss: list[float]
    kl: list[float]
    active: list[int]
    model: VAE

    @property
    def name(self) -> str:
        """The preset that the schedule is, or "drawn"."""
        return next((name for name, values in PRESETS.items() if values == self.values), "drawn")

    @property
    def scores(self) -> dict[str, float]:
        """Of the last epoch: -ELBO (at β = 1, for every model), recon_loss, kl, in nats; active."""
        recon_loss, kl, active = self.recon_loss[-1], self.kl[-1], self.active[-1]
        return {"-ELBO": recon_loss + kl, "recon_loss": recon_loss, "kl": kl, "active": active}


@lru_cache(maxsize=1)
def small_digits() -> ImageData:
    """The 8×8 digits, loaded once and cached: the training should start without a wait."""
    return load_images("digits")


def _terms(model: VAE, x: Tensor, *, beta: float = 1.0) -> dict[str, Tensor]:
    """`negative_elbo`; in evaluation mode, the KL of each dimension as well."""
    terms = negative_elbo(model, x, beta=beta)
    if not model.training:
        mu, logvar = model.encode(x)
        terms |= {
            f"kl_{j}": kl_standard_normal(mu[:, [j]], logvar[:, [j]]) for j in range(LATENT_DIM)
        }
    return terms


def train_schedule(
    values: Sequence[float],
    seed: int = 0,
    *,
    report: Callable[[float], object] = lambda progress: None,
) -> Run:
    """A VAE of the 8×8 digits with 8 latent numbers, trained with `schedule_of(values)` as β.

    It takes about half a second.  The same values and seed give the same run; the global random
    state stays as it was.  report: called with the progress, in (0, 1), at every step.  Raises
    ValueError for a bad argument, KeyboardInterrupt when stopped by hand.
    """
    schedule, data = schedule_of(values), small_digits()
    with local_seed(seed):
        decoder = mlp([LATENT_DIM, 128, 64], out_shape=(1, 8, 8))
        model = VAE(mlp([64, 128, 2 * LATENT_DIM]), decoder, latent_dim=LATENT_DIM)
    start_at_mean_image(decoder, data.x_train)

    def beta(progress: float) -> float:
        report(progress)
        return schedule(progress)

    settings = {"epochs": EPOCHS, "batch_size": 64, "lr": 3e-3, "seed": seed, "beta": beta}
    history = fit(model, data.x_train, _terms, x_val=data.x_test, show_progress=False, **settings)
    if history.interrupted:
        raise KeyboardInterrupt
    judged = history.val
    by_dimension = zip(*(judged[f"kl_{j}"] for j in range(LATENT_DIM)), strict=True)
    active = [sum(kl > ACTIVE for kl in kls) for kls in by_dimension]
    return Run(tuple(values), seed, judged["recon_loss"], judged["kl"], active, model.eval())
