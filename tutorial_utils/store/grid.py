"""A grid of trainings: one model for each combination of values, such as every beta and seed."""

import inspect
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import product
from numbers import Number

from torch import Tensor, nn

from ..training import History, LossFn, fit
from .train import train_many

ARGUMENTS = ("make_model", "x", "loss_fn", "seed", "device")
FUNCTIONS = ("make_model", "x", "loss_fn")  # these may take the value of an axis by its name
SETTINGS = {*inspect.signature(fit).parameters} - {"model", "show_progress", *ARGUMENTS}


def train_grid(
    make_model: Callable[..., nn.Module] | None,
    x: Tensor | Sequence[Tensor] | Callable[..., Tensor | Sequence[Tensor]] | None,
    loss_fn: LossFn | None,
    *,
    over: Mapping[str, Iterable],
    name: str,
    n_jobs: int | None = None,
    retrain: bool = False,
    show_progress: bool = True,
    **settings,
) -> dict[Hashable, tuple[nn.Module, History]]:
    """One trained model for each combination of the values in `over`, trained by `train_many`.

        train_grid(make_vae, x, negative_elbo, over={"beta": [1, 4], "seed": [0, 1]},
                   name="05_sweep", epochs=1, batch_size=256, lr=1e-2)

    returns {(beta, seed): (model, history)}, or {beta: (model, history)} with one axis.  A value
    goes to all of make_model, x and loss_fn that have a parameter of the axis's name, else to `fit`
    (a function for `beta` always does: it is a schedule).  An axis called "make_model", "x",
    "loss_fn" or "seed" is that argument itself.  The values may be a dict {label: value}; then the
    labels make the keys, and a value that is a dict replaces arguments: {"wide": {"lr": 1e-3}}.

    x: data, or a function of the axes' values that returns it.  name: what file names begin with.
    Raises TypeError or ValueError for a bad argument, RuntimeError as `train_many` does.
    """
    axes = {axis: _labeled(axis, values, settings) for axis, values in _checked(over).items()}
    fixed = {"make_model": make_model, "x": x, "loss_fn": loss_fn, **settings}
    if callable(x):
        fixed["x"] = lru_cache(maxsize=None)(x)  # seeds share the same data
    jobs, keys = {}, []
    for labels in product(*axes.values()):
        chosen = {axis: axes[axis][label] for axis, label in zip(axes, labels, strict=True)}
        jobs[_unused([name, *map(_readable, labels)], jobs)] = _job(fixed, chosen)
        keys.append(labels if len(axes) > 1 else labels[0])
    results = train_many(jobs, n_jobs=n_jobs, retrain=retrain, show_progress=show_progress)
    return dict(zip(keys, results.values(), strict=True))


def _checked(over: Mapping[str, Iterable]) -> Mapping[str, Iterable]:
    if not isinstance(over, Mapping) or not over:
        raise TypeError(f"over must be a dict of axes, such as {{'seed': [0, 1]}}, got {over!r}")
    return over


def _labeled(axis: str, values: Iterable, settings: dict) -> dict[Hashable, object]:
    """The values of an axis by their labels; without labels, values are their own."""
    if axis in settings:
        raise TypeError(f"{axis} is given twice: in over, and as {settings[axis]!r}")
    if isinstance(values, (str, Tensor)) or not isinstance(values, Iterable):
        raise TypeError(f"over[{axis!r}] must be a list of values, or a dict, got {values!r}")
    pairs = [*values.items()] if isinstance(values, Mapping) else [(v, v) for v in values]
    for label, _ in pairs:
        if not isinstance(label, Hashable):
            raise TypeError(
                f"over[{axis!r}] must be a dict {{label: value}} for values such as {label}"
            )
    labeled = dict(pairs)
    if not labeled or len(labeled) < len(pairs):
        raise ValueError(f"over[{axis!r}] must hold different values, at least one, got {values!r}")
    return labeled


def _job(fixed: dict, chosen: dict[str, object]) -> dict:
    """The arguments of one training, with the chosen value of each axis."""
    job, free = dict(fixed), {}
    for axis, value in chosen.items():
        if isinstance(value, dict):
            job |= value
        elif axis in ARGUMENTS:
            job[axis] = value
        else:
            free[axis] = value
    for axis, value in free.items():
        takers = [part for part in FUNCTIONS if _takes(job[part], axis)]
        if axis in SETTINGS and (not takers or callable(value)):
            job[axis] = value
        elif takers:
            job |= {part: partial(job[part], **{axis: value}) for part in takers}
        else:
            raise TypeError(f"over[{axis!r}]: none of make_model, x, loss_fn and fit takes {axis}")
    if callable(job["x"]):
        job["x"] = job["x"]()
    if "seed" not in job:
        raise TypeError("seed is missing: give seed=0, or seeds as over={'seed': [0, 1, 2]}")
    return job


def _takes(function: object, name: str) -> bool:
    """Whether a function has a parameter of this name, which a keyword can set."""
    if not callable(function):
        return False
    parameter = inspect.signature(function).parameters.get(name)
    return parameter is not None and parameter.kind in (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )


def _readable(label: object) -> str:
    """A label as part of a file name: 0.5 is "0p5", "2 units" is "2_units", a function its name."""
    if isinstance(label, tuple):
        return "_".join(map(_readable, label))
    if isinstance(label, partial):
        return _readable(label.func)
    if label is None or isinstance(label, (str, Number)):
        text = re.sub(r"(?<=\d)\.(?=\d)", "p", str(label))
    else:  # no address of an object may get into the name
        text = getattr(label, "__name__", type(label).__name__)
    return re.sub(r"[^\w-]+", "_", text).strip("_")


def _unused(parts: list[str], used: Iterable[str]) -> str:
    """The parts as one name, numbered if that name is used already."""
    name, n = "_".join(parts), 1
    free = name
    while free in used:
        n += 1
        free = f"{name}_{n}"
    return free
