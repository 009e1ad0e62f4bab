"""Trained models: loaded from the cache, or trained, one or many side by side, and cached."""

import io
import json
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, redirect_stdout, suppress
from pathlib import Path

import joblib
import safetensors.torch
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..data import DamagedFile
from ..support.arguments import positive_int
from ..training import History, LossFn, as_tensors, best_device, fit, local_seed, progress_bar
from .files import file_name, key_in, models_dir, read_tensors, tensors_bytes, write_atomically
from .fingerprint import fingerprint


def trained(
    name: str,
    make_model: Callable[[], nn.Module],
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    seed: int,
    device: torch.device | str | None = None,
    retrain: bool = False,
    **settings,
) -> tuple[nn.Module, History]:
    """`fit(make_model(), x, loss_fn, seed=seed, **settings)`, or what that gave the last time, from `models_dir()`.

    Trains on `device` (default: `best_device()`); the model comes back on the CPU, where the data
    are. The key covers the initial model, the data, every setting, the seed, and the code of the
    loss and of `fit` (`fingerprint`).  A damaged file is reported and trained anew; a training
    stopped by hand is not kept. name: letters, digits, '-' and '_', for people to recognize the
    file by.  Returns the model in eval mode, and its History.  Raises as `fit` does.
    """
    device = torch.device(device or best_device())
    model, path = untrained(name, make_model, x, loss_fn, seed=seed, device=device, **settings)
    history = None if retrain else load_kept(model, path, name)
    if history is not None:
        if settings.get("show_progress", True):
            print(f"{name}: from the cache (training took {history.seconds[-1]:.0f} s)")
        return model.eval(), history
    history = fit(model.to(device), x, loss_fn, seed=seed, **settings)
    keep(model.cpu(), path, name, history)
    return model.eval(), history


def untrained(
    name: str,
    make_model: Callable[[], nn.Module],
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    seed: int,
    device: torch.device,
    data_key: str = "",
    **settings,
) -> tuple[nn.Module, Path]:
    """The model that `trained` starts from, and the file that keeps what becomes of it: "name-key.safetensors".

    data_key: `fingerprint(x)`, if it is at hand; reading 60,000 images takes a tenth of a second.
    """
    file_name(name, "")
    with local_seed(seed):
        model = make_model()
    counted = {
        setting: value for setting, value in sorted(settings.items()) if setting != "show_progress"
    }
    key = fingerprint(
        model,
        data_key or fingerprint(x),
        loss_fn,
        seed,
        str(device),
        counted,
        fit,
        torch.__version__,
    )
    return model, models_dir() / file_name(name, key)


def load_kept(model: nn.Module, path: Path, name: str) -> History | None:
    """Fill `model` from the file of `keep` and return its History; None without a file, or (said) a damaged one."""
    if not path.exists():
        return None
    try:
        return load_weights(path, model, key_in(path))
    except DamagedFile as error:
        print(f"{name}: {error}. Training it again.")
        return None


def keep(model: nn.Module, path: Path, name: str, history: History) -> bool:
    """Write a trained model, unless it was stopped by hand; returns whether that is done (a full disk is said)."""
    if history.interrupted:
        return False
    try:
        write_atomically(path, model_bytes(model, key_in(path), history))
        return True
    except OSError as error:
        print(f"{name}: trained, but not kept: {error}")
        return False


def model_bytes(model: nn.Module, key: str, history: History) -> bytes:
    """Weights, key and history as one file of `tensors_bytes`."""
    return tensors_bytes(model.state_dict(), key, json.dumps(history._asdict()))


def load_weights(path: Path, model: nn.Module, key: str) -> History:
    """Fill `model` from a file of `model_bytes`; DamagedFile as in `read_tensors`."""
    state, history = read_tensors(path, key)
    model.load_state_dict(state)
    return History(**json.loads(history))


ALONE = (
    threading.Lock()
)  # a process trains one model at a time: random state and standard output belong to all of it


def train_many(
    jobs: dict[str, dict],
    *,
    n_jobs: int | None = None,
    retrain: bool = False,
    show_progress: bool = True,
) -> dict[str, tuple[nn.Module, History]]:
    """`{name: trained(name, **job)}` of all `jobs`; `n_jobs` processes (default: as many as cores) train side by side.

    job: the arguments of `cache.trained`, without name.  Each training has one thread wherever it
    runs, so any `n_jobs` gives the same weights; with n_jobs=1, one missing job, or a device other
    than the CPU, all run in this process.  An x that jobs share is copied once.  Each result is
    kept at once: Ctrl-C, a failed job or a killed process cost only what was under way.  Inside
    `joblib.parallel_config(backend="dask")` Dask's workers train. Raises TypeError or ValueError
    for a job that cannot start, RuntimeError naming the jobs that failed at the end.
    """
    n_jobs = joblib.effective_n_jobs(-1) if n_jobs is None else positive_int("n_jobs", n_jobs)
    models, histories, tasks, arrays, data_keys, n, failed = {}, {}, {}, {}, {}, 0, {}
    for name, job in jobs.items():
        try:
            job = {
                **job,
                "device": torch.device(job.get("device") or best_device()),
                "show_progress": False,
            }
            trusted = not job.pop("retrain", retrain)
            x = job.get("x")
            if id(x) not in data_keys:
                data_keys[id(x)] = fingerprint(x)
            models[name], path = untrained(name, data_key=data_keys[id(x)], **job)
            histories[name] = load_kept(models[name], path, name) if trusted else None
            if histories[name] is None:
                tasks[name] = _task(name, models[name], path.absolute(), arrays, **job)
        except (TypeError, ValueError) as error:
            raise type(error)(f"job {name!r}: {error}") from error
    on_cpu = all(task["device"].type == "cpu" for task, *_ in tasks.values())
    bar = progress_bar(len(tasks), show_progress and len(tasks) > 0)
    with (
        closing(bar),
        closing(run_jobs(_train, [*tasks.values()], n_jobs if on_cpu else 1)) as results,
    ):
        bar.set_description_str(f"trained 0 of {len(tasks)}")
        try:
            for name, history, weights, said, trouble in results:
                if history is not None and history.interrupted:
                    raise KeyboardInterrupt
                if said:
                    tqdm.write(said, end="")
                if weights:
                    models[name].load_state_dict(safetensors.torch.load(weights))
                elif (
                    history is None or load_kept(models[name], tasks[name][0]["path"], name) is None
                ):
                    failed[name] = (
                        trouble or f"its file is not on this machine: {tasks[name][0]['path']}"
                    )
                    continue
                histories[name], n = history, n + 1
                bar.set_description_str(f"trained {n} of {len(tasks)}", refresh=False)
                bar.update()
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"a process was killed (no memory?): {n} of {len(tasks)} are kept"
            ) from error
    if failed:
        name, trouble = next(iter(failed.items()))
        raise RuntimeError(
            f"{', '.join(failed)}: failed, the others of {len(tasks)} are kept. {name}:\n{trouble}"
        )
    return {name: (model.eval(), histories[name]) for name, model in models.items()}


def _task(name, model, path, arrays, *, make_model, x, x_val=None, device, **settings) -> tuple:
    """What `_train` needs: a dict, then x and x_val as arrays, the same array for the same memory."""
    x, x_val = as_tensors("x", x, "cpu"), [] if x_val is None else as_tensors("x_val", x_val, "cpu")
    keys = [(part.data_ptr(), part.shape, part.stride(), part.dtype) for part in (*x, *x_val)]
    shared = [
        arrays.setdefault(key, part.detach().numpy())
        for key, part in zip(keys, (*x, *x_val), strict=True)
    ]
    task = {
        "name": name,
        "model": model,
        "path": path,
        "device": device,
        "settings": settings,
        "n_x": len(x),
    }
    return {**task, "code": fingerprint(model, settings, fit)}, *shared


def run_jobs(work: Callable, tasks: list[tuple], n_jobs: int) -> Iterator:
    """`work(*task)` of each task, as they end, from `n_jobs` processes; from this one if that, or the tasks, is 1."""
    if n_jobs == 1 or len(tasks) < 2:
        yield from (work(*task) for task in tasks)
        return
    parallel = joblib.Parallel(
        min(n_jobs, len(tasks)), return_as="generator_unordered", batch_size=1, mmap_mode="c"
    )
    results = parallel(joblib.delayed(work)(*task) for task in tasks)
    try:
        for result in results:  # noqa: UP028 (`yield from` would close `results`, which warns)
            yield result
    except GeneratorExit:  # stopped between two results: end the processes
        with suppress(KeyboardInterrupt):
            results.throw(KeyboardInterrupt())
        raise


def _train(task, *arrays) -> tuple[str, History | None, bytes, str, str]:
    """Train and keep one model: name, History, the weights if they could not be kept, what was printed, the error.

    What is kept is not sent: a process whose parent was killed would wait forever to be rid of it.
    """
    model, said = task["model"], io.StringIO()
    with ALONE, redirect_stdout(said):
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            if fingerprint(model, task["settings"], fit) != task["code"]:
                raise RuntimeError(
                    "its code, or a value it uses, is not what it was at the call (an edited module?)"
                )
            tensors, n_x = [torch.from_numpy(array) for array in arrays], task["n_x"]
            history = fit(
                model.to(task["device"]),
                tensors[:n_x],
                x_val=tensors[n_x:] or None,
                **task["settings"],
            )
            kept = keep(model.cpu(), task["path"], task["name"], history)
            return (
                task["name"],
                history,
                b"" if kept else model_bytes(model, "", history),
                said.getvalue(),
                "",
            )
        except Exception:
            return task["name"], None, b"", said.getvalue(), traceback.format_exc()
        finally:
            torch.set_num_threads(threads)
