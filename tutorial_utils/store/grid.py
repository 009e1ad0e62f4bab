"""A grid of trainings: one model for each combination of values, such as every beta and seed."""

import inspect
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from numbers import Number

from torch import Tensor, nn

from ..training import History, LossFn, fit
from .recipe import digest
from .scores import SECONDS, Row, read_scores, summary, write_scores
from .shelf import note_asked, refuse, shelf_mode
from .train import SharedData, recipe_of, train_many

FUNCTIONS = ("make_model", "x", "loss_fn")  # these may take the value of an axis by its name
ARGUMENTS = (*FUNCTIONS, "seed", "device")
OF_FIT = inspect.signature(fit).parameters
SETTINGS = {*OF_FIT} - {"model", "show_progress", *ARGUMENTS}
NEEDED = sorted(name for name in SETTINGS if OF_FIT[name].default is inspect.Parameter.empty)
MAX_NAME = 100  # letters of a job's name, which begins a file name


def train_grid(
    make_model: Callable[..., nn.Module] | None,
    x: Tensor | Sequence[Tensor] | Callable[..., Tensor | Sequence[Tensor]] | None,
    loss_fn: LossFn | None,
    *,
    over: Mapping[str, Iterable],
    name: str,
    n_jobs: int | None = None,
    retrain: bool = False,
    on_shelf: bool = True,
    show_progress: bool = True,
    **settings,
) -> dict[Hashable, tuple[nn.Module, History]]:
    """One trained model for each combination of the values in `over`, trained by `train_many`.

        train_grid(make_vae, x, negative_elbo, over={"beta": [1, 4], "seed": [0, 1]},
                   name="05_sweep", epochs=1, batch_size=256, lr=1e-2)

    returns {(beta, seed): (model, history)}, or {beta: (model, history)} with one axis.  A value
    goes to all of make_model, x and loss_fn that have a parameter of the axis's name, else to `fit`
    (a function for `beta` always does: it is a schedule); a seed goes to `fit` and to all of them.
    An axis called "make_model", "x", "loss_fn" or "device" is that argument itself.  The values may
    be a dict {label: value}; then the labels make the keys, and a value that is a dict replaces
    arguments: {"wide": {"lr": 1e-3}}.

    x: data, or a function of values of the axes that returns it, called once for each combination
    of their labels.  name: what file names begin with.  on_shelf=False: trained by
    the reader.  Raises TypeError or ValueError for a bad argument before anything is trained,
    RuntimeError as `train_many` does.
    """
    plan = plan_grid(make_model, x, loss_fn, over=over, name=name, **settings)
    jobs = {job_name: job for job_name, (_, job) in plan.items()}
    how = {"n_jobs": n_jobs, "retrain": retrain, "on_shelf": on_shelf}
    results = train_many(jobs, **how, show_progress=show_progress)
    return {key: results[job_name] for job_name, (key, _) in plan.items()}


def plan_grid(
    make_model: Callable[..., nn.Module] | None,
    x: Tensor | Sequence[Tensor] | Callable[..., Tensor | Sequence[Tensor]] | None,
    loss_fn: LossFn | None,
    *,
    over: Mapping[str, Iterable],
    name: str,
    **settings,
) -> dict[str, tuple[Hashable, dict]]:
    """{name of the job: (its key, its arguments)} of each training of `train_grid`."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a text, got {name!r}")
    if not isinstance(over, Mapping) or not over:
        raise TypeError(f"over must be a dict of axes, such as {{'seed': [0, 1]}}, got {over!r}")
    axes = {axis: _labeled(axis, values, settings) for axis, values in over.items()}
    fixed = {"make_model": make_model, "x": x, "loss_fn": loss_fn, **settings}
    plan, made = {}, {}
    for labels in product(*axes.values()):
        label_of = dict(zip(axes, labels, strict=True))
        chosen = {axis: axes[axis][label] for axis, label in label_of.items()}
        key = labels if len(axes) > 1 else labels[0]
        job_name = _unused([name, *map(_readable, labels)], plan)
        plan[job_name] = key, _job(fixed, chosen, label_of, made)
    return plan


def score_grid(
    make_model: Callable[..., nn.Module] | None,
    x: Tensor | Sequence[Tensor] | Callable[..., Tensor | Sequence[Tensor]] | None,
    loss_fn: LossFn | None,
    *,
    over: Mapping[str, Iterable],
    name: str,
    measure: Callable[[nn.Module], dict[str, float]],
    n_jobs: int | None = None,
    retrain: bool = False,
    show_progress: bool = True,
    **settings: object,
) -> dict[Hashable, dict[str, float]]:
    """`{key: measure(model)}` of the models of `train_grid`, recorded or measured now.

    A recorded score counts where its recipe, which covers `measure` too, is still the same; the
    other models are trained as by `train_grid`.  measure: returns numbers by their names.
    """
    plan = plan_grid(make_model, x, loss_fn, over=over, name=name, **settings)
    jobs = {job_name: job for job_name, (_, job) in plan.items()}
    if shelf_mode() == "write":
        note_asked(jobs)
    table = {} if retrain else read_scores()
    shared = SharedData()
    recipes = {
        job_name: digest([recipe_of(shared, **job), measure]) for job_name, job in jobs.items()
    }
    found = {
        job_name: table[job_name].scores
        for job_name in jobs
        if job_name in table and table[job_name].recipe == recipes[job_name]
    }
    for job_name in jobs:
        if job_name in table and job_name not in found:
            refuse(job_name, ["the recipe of its recorded scores has changed"])
    if found and show_progress:
        print(summary([table[job_name] for job_name in found], len(jobs)))
    missing = {job_name: job for job_name, job in jobs.items() if job_name not in found}
    trained = train_many(
        missing, n_jobs=n_jobs, retrain=retrain, on_shelf=False, show_progress=show_progress
    )
    for job_name, (model, history) in trained.items():
        found[job_name] = {**measure(model), SECONDS: history.seconds[-1]}
    if trained and shelf_mode() == "write":
        new = {job_name: Row.of_today(recipes[job_name], found[job_name]) for job_name in trained}
        write_scores(read_scores() | new)
    return {
        key: {score: found[job_name][score] for score in found[job_name] if score != SECONDS}
        for job_name, (key, _) in plan.items()
    }


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


def _job(fixed: dict, chosen: dict[str, object], label_of: dict, made: dict) -> dict:
    """The arguments of one training, with the chosen value of each axis.

    made: what x returned, if it is a function, for labels that other trainings had too.
    """
    job = fixed | _replaced(chosen)
    for part in FUNCTIONS:
        if job[part] is None:
            raise TypeError(f"{part} is missing: it is None, and no axis gives it")
    of_part = {part: {} for part in (*FUNCTIONS, "fit")}
    for axis, value in chosen.items():
        if axis == "seed" or not (isinstance(value, dict) or axis in ARGUMENTS):
            for part in _takers(job, axis, value):
                of_part[part][axis] = value
    job |= of_part.pop("fit")
    if callable(job["x"]):
        key = id(job["x"]), *[label_of[axis] for axis in of_part["x"]]
        if key not in made:
            made[key] = _data(job["x"], of_part["x"])
        job["x"] = made[key]
    for part in ("make_model", "loss_fn"):
        job[part] = partial(job[part], **of_part[part]) if of_part[part] else job[part]
    _check_settings(job)
    return job


def _data(x: Callable, values: dict[str, object]) -> Tensor | Sequence[Tensor]:
    """What the function x returns for the values of the axes that it takes."""
    try:
        inspect.signature(x).bind(**values)
    except TypeError as error:
        raise TypeError(f"x must be data, or a function of axes of over: {error}") from error
    return x(**values)


def _replaced(chosen: dict[str, object]) -> dict[str, object]:
    """The arguments that axes replace; TypeError if two axes set the same thing."""
    replaced, axis_of = {}, {}
    for axis, value in chosen.items():
        new = value if isinstance(value, dict) else {axis: value}
        for name in new:
            if name in axis_of:
                raise TypeError(f"{name} is set by both axes, {axis_of[name]!r} and {axis!r}")
            axis_of[name] = axis
        if isinstance(value, dict) or axis in ARGUMENTS:
            replaced |= new
    return replaced


def _takers(job: dict, axis: str, value: object) -> list[str]:
    """Which of make_model, x, loss_fn and fit get the value of an axis."""
    if axis == "model":
        raise TypeError("over['model']: an axis of models is called make_model, others not model")
    functions = [part for part in FUNCTIONS if _takes(job[part], axis)]
    if axis == "seed":
        return functions
    if axis == "beta":
        return ["fit"] if callable(value) or not functions else functions
    if axis in SETTINGS and functions:
        raise TypeError(f"over[{axis!r}] is ambiguous: {' and '.join(functions)} and fit take it")
    if axis not in SETTINGS and not functions:
        raise TypeError(f"over[{axis!r}]: none of make_model, x, loss_fn and fit takes {axis}")
    return functions or ["fit"]


def _check_settings(job: dict) -> None:
    """Raises TypeError unless `fit` can be called with the settings of this job."""
    if "seed" not in job:
        raise TypeError("seed is missing: give seed=0, or seeds as over={'seed': [0, 1, 2]}")
    for name in NEEDED:
        if name not in job:
            raise TypeError(f"{name} is missing: give it as a setting, or as an axis of over")
    for name, value in job.items():
        if name not in (*ARGUMENTS, *SETTINGS):
            raise TypeError(
                f"{name}={value!r} is no setting of fit, allowed are {sorted(SETTINGS)}; for a "
                f"parameter of make_model, x or loss_fn write over={{{name!r}: [{value!r}]}}"
            )
    if not callable(job.get("beta", fit)):
        raise TypeError(
            f"beta must be a schedule, or an axis of numbers that loss_fn takes as its parameter "
            f"beta, got {job['beta']!r}"
        )


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
    """A label as part of a file name: 0.5 is "0p5", "2 units" is "2_units", a function its name.

    In ASCII: not every disk, archive and locale has a sigma.
    """
    if isinstance(label, tuple):
        return "_".join(map(_readable, label))
    if isinstance(label, partial):
        return _readable(label.func)
    if label is None or isinstance(label, (str, Number)):
        text = re.sub(r"(?<=\d)\.(?=\d)", "p", str(label))
    else:  # no address of an object may get into the name
        text = getattr(label, "__name__", type(label).__name__)
    return re.sub(r"[^\w-]+", "_", text, flags=re.ASCII).strip("_")


def _unused(parts: list[str], used: Iterable[str]) -> str:
    """The parts as one name, cut to `MAX_NAME`, numbered if that name is used already."""
    name, n = "_".join(parts)[:MAX_NAME], 1
    free = name
    while free in used:
        n += 1
        free = f"{name}_{n}"
    return free
