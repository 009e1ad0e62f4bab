"""Trained models: from the shelf or the cache, or trained, one or many side by side, and cached."""

import json
import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial

import joblib
import numpy as np
import torch
from torch import Tensor, from_numpy, nn

from ..support.arguments import positive_int
from ..training import History, LossFn, as_tensors, best_device, fit, local_seed
from .files import CachedFile, Contents, models_dir
from .fingerprint import fingerprint
from .jobs import Job, load_or_make
from .recipe import Recipe, recipe
from .shelf import put, report, shelf_mode, take, to_check


def trained(
    name: str,
    make_model: Callable[[], nn.Module],
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    seed: int,
    device: torch.device | str | None = None,
    retrain: bool = False,
    on_shelf: bool = True,
    **settings,
) -> tuple[nn.Module, History]:
    """The model of `fit(make_model(), x, loss_fn, seed=seed, **settings)`, loaded where it can be.

    It is taken from the shelf (unless on_shelf=False), else from the cache, else trained on
    `device` (default: `best_device()`).  The model comes back on the CPU, in eval mode, its
    parameters without gradients (for more training: `model.requires_grad_()`).  The key of the
    file covers the initial model, the data, every setting, the seed, and the code of the loss and
    of `fit` (`fingerprint`).  A damaged file is reported and trained anew; a training stopped by
    hand is not cached.  name: letters, digits, '-' and '_', for people to recognize the file by.
    Returns the model and its History.  Raises as `fit` does.
    """
    settings |= {"seed": seed, "retrain": retrain}
    job = plan_training(name, SharedData(), make_model, x, loss_fn, device=device, **settings)
    model = job.arguments["model"]
    where, content = _found(job, on_shelf=on_shelf)
    if content is not None:
        history = restore(model, content)
        if settings.get("show_progress", True):
            print(f"{name}: from {where} (training took {history.seconds[-1]:.0f} s)")
    else:
        del settings["retrain"]
        history = fit(model.to(job.arguments["device"]), x, loss_fn, **settings)
        content = content_of(model.cpu(), history)
        if not history.interrupted:
            job.file.save(*content)
    if on_shelf and not history.interrupted:
        content = fill_shelf([job], {name: content})[name]
    return model, restore(model, content)


def _found(job: Job, *, on_shelf: bool) -> tuple[str, Contents | None]:
    """Where a trained model was found, and its content: None if nowhere, or if it is made anew."""
    if job.anew:
        return "", None
    if on_shelf and job.file.name in (contents := shelved([job])):
        return "the shelf", contents[job.file.name]
    return "the cache", job.file.load()


def shelved(jobs: Sequence[Job]) -> dict[str, Contents]:
    """{name: content} of the jobs whose models lie on the shelf."""
    found = {job.file.name: take(job.file.name, job.recipe) for job in jobs if not job.anew}
    for job in jobs:
        if found.get(job.file.name) and to_check(job.file.name):
            compare(job, found[job.file.name])
    return {name: content for name, content in found.items() if content is not None}


def compare(job: Job, content: Contents) -> None:
    """Train a model again: its last loss must be that of the entry, to one in a hundred.

    Raises RuntimeError if it is not: an entry is what its recipe makes, on every machine.
    """
    report([job.file.name])
    _, again = job.work(*job.arrays, **job.arguments)
    losses = [json.loads(history)["train"]["loss"][-1] for history in (content[1], again)]
    line = f"{job.file.name}: the last loss is {losses[0]:.2f} on the shelf, {losses[1]:.2f} here"
    if not math.isclose(*losses, rel_tol=0.01):
        raise RuntimeError(line)
    print(line)


def fill_shelf(jobs: Sequence[Job], contents: dict[str, Contents]) -> dict[str, Contents]:
    """In `make models`, put what is not there yet onto the shelf.

    Returns the contents that everybody else will find: those of the shelf, which are rounded.
    """
    if shelf_mode() != "write":
        return contents
    report(job.file.name for job in jobs)
    for job in jobs:
        if job.anew or take(job.file.name, job.recipe) is None:
            put(job.file.name, job.recipe(), contents[job.file.name])
    return {job.file.name: take(job.file.name, job.recipe) for job in jobs}


def content_of(model: nn.Module, history: History) -> Contents:
    """What a file keeps of a training: the model's weights, and the history as text."""
    return model.state_dict(), json.dumps(history._asdict())


def restore(model: nn.Module, content: Contents) -> History:
    """Give `model` its trained weights, ready to use: in eval mode, its parameters frozen."""
    weights, history = content
    model.load_state_dict(weights)
    model.eval().requires_grad_(False)
    return History(**json.loads(history))


def train_many(
    jobs: dict[str, dict],
    *,
    n_jobs: int | None = None,
    retrain: bool = False,
    on_shelf: bool = True,
    show_progress: bool = True,
) -> dict[str, tuple[nn.Module, History]]:
    """`{name: trained(name, **job)}` of all `jobs`, trained side by side in `n_jobs` processes.

    job: the arguments of `trained`, without name.  n_jobs: as many as there are cores by default;
    1 if a job has another device than the CPU.  Each training has one thread wherever it runs, so
    any `n_jobs` gives the same weights.  Each result is cached at once: Ctrl-C, a failed job or a
    killed process cost only what was under way.  Inside `joblib.parallel_config(backend="dask")`
    the workers of Dask train.  Raises TypeError or ValueError for a job that cannot start,
    RuntimeError naming the jobs that failed at the end.
    """
    n_jobs = joblib.effective_n_jobs(-1) if n_jobs is None else positive_int("n_jobs", n_jobs)
    planned = plan_many(jobs, retrain=retrain)
    on_cpu = all(job.arguments["device"].type == "cpu" for job in planned)
    contents = shelved(planned) if on_shelf else {}
    missing = [job for job in planned if job.file.name not in contents]
    if contents and show_progress:
        seconds = sum(json.loads(history)["seconds"][-1] for _, history in contents.values())
        print(
            f"{len(contents)} of {len(planned)} models from the shelf; training them takes about "
            f"{math.ceil(seconds / 60)} min on one core"
        )
    contents |= load_or_make(
        missing, verb="trained", n_jobs=n_jobs if on_cpu else 1, show_progress=show_progress
    )
    if on_shelf:
        contents = fill_shelf(planned, contents)
    results = {}
    for job in planned:
        name, model = job.file.name, job.arguments["model"].cpu()
        results[name] = model, restore(model, contents[name])
    return results


def plan_many(jobs: dict[str, dict], **defaults: object) -> list[Job]:
    """The jobs that train many models, which share their data; defaults: arguments of all."""
    shared = SharedData()
    return [_plan(name, shared, defaults | job) for name, job in jobs.items()]


class SharedData:
    """The data of many trainings: fingerprinted once, and one array for each piece of memory."""

    def __init__(self) -> None:
        self._keys: dict[int, tuple[str, object]] = {}
        self._arrays: dict[tuple, np.ndarray] = {}

    def key(self, x: object) -> str:
        """The fingerprint of x, computed when it is first asked for."""
        if id(x) not in self._keys:
            self._keys[id(x)] = fingerprint(x), x  # x too: the id of a freed x may come back
        return self._keys[id(x)][0]

    def arrays(self, tensors: Sequence[Tensor]) -> list[np.ndarray]:
        """The tensors as arrays; jobs with the same array share it when they are sent."""
        keys = [(part.data_ptr(), part.shape, part.stride(), part.dtype) for part in tensors]
        return [
            self._arrays.setdefault(key, part.detach().numpy())
            for key, part in zip(keys, tensors, strict=True)
        ]


def _plan(name: str, shared: SharedData, arguments: dict) -> Job:
    """`plan_training` with the name of the job in its errors."""
    try:
        return plan_training(name, shared, **arguments)
    except (TypeError, ValueError) as error:
        raise type(error)(f"job {name!r}: {error}") from error


def plan_training(
    name: str,
    shared: SharedData,
    make_model: Callable[[], nn.Module],
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    seed: int,
    device: torch.device | str | None = None,
    retrain: bool = False,
    **settings,
) -> Job:
    """The job that trains one model; arguments as for `trained`."""
    device = torch.device(device or best_device())
    with local_seed(seed):
        model = _trainable(make_model())
    settings.pop("show_progress", None)
    counted = dict(sorted(settings.items()))
    key = fingerprint(
        model, shared.key(x), loss_fn, seed, str(device), counted, fit, torch.__version__
    )
    tensors, x_val = as_tensors("x", x, "cpu"), settings.pop("x_val", None)
    val = [] if x_val is None else as_tensors("x_val", x_val, "cpu")
    settings |= {"loss_fn": loss_fn, "seed": seed, "show_progress": False}
    arguments = {"model": model, "n_x": len(tensors), "device": device, "settings": settings}
    file = CachedFile(models_dir().absolute(), name, key)
    make_recipe = partial(recipe_of, shared, make_model, x, loss_fn, seed=seed, **counted)
    arrays = shared.arrays([*tensors, *val])
    return Job(file, train_alone, arguments, arrays, anew=retrain, recipe=make_recipe)


def recipe_of(
    shared: SharedData,
    make_model: Callable[[], nn.Module],
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    device: torch.device | str | None = None,
    retrain: bool = False,
    show_progress: bool = True,
    **settings: object,
) -> Recipe:
    """The recipe of one training, without a model; arguments as for `plan_training`."""
    return recipe(make_model, loss_fn, data=shared.key(x), **settings)


def _trainable(model: object) -> nn.Module:
    """A copy of what make_model returned: jobs must not share a model.  Raises unless it learns."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"make_model must return a torch.nn.Module, got {type(model).__name__}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            "make_model must return a model with parameters to train, got none or only frozen ones "
            "(those of a trained model are frozen: call model.requires_grad_() first)"
        )
    return deepcopy(model)


def train_alone(
    *arrays: np.ndarray, model: nn.Module, n_x: int, device: torch.device, settings: dict
) -> Contents:
    """Train `model` with one thread, so that the weights do not depend on the number of cores.

    arrays: the `n_x` of x, then those of x_val.
    """
    tensors = [from_numpy(array) for array in arrays]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        history = fit(model.to(device), tensors[:n_x], x_val=tensors[n_x:] or None, **settings)
    finally:
        torch.set_num_threads(threads)
    if history.interrupted:
        raise KeyboardInterrupt
    return content_of(model.cpu(), history)
