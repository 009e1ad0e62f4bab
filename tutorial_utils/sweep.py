"""Many trainings side by side: what is in the cache is loaded, the rest is trained by one process per core."""

import io
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, redirect_stdout, suppress

import joblib
import safetensors.torch
import torch
from torch import nn
from tqdm import tqdm

from .arguments import positive_int
from .cache import keep, load_kept, model_bytes, untrained
from .fingerprint import fingerprint
from .training import History, _progress_bar, _tensors, best_device, fit

ALONE = threading.Lock()  # a process trains one model at a time: random state and standard output belong to all of it


def train_many(
    jobs: dict[str, dict], *, n_jobs: int | None = None, retrain: bool = False, show_progress: bool = True
) -> dict[str, tuple[nn.Module, History]]:
    """`{name: trained(name, **job)}` of all `jobs`; `n_jobs` processes (default: as many as cores) train side by side.

    job: the arguments of `cache.trained`, without name.  Each training has one thread wherever it runs, so any
    `n_jobs` gives the same weights; with n_jobs=1, one missing job, or a device other than the CPU, all run in this
    process.  An x that jobs share is copied once.  Each result is kept at once: Ctrl-C, a failed job or a killed
    process cost only what was under way.  Inside `joblib.parallel_config(backend="dask")` Dask's workers train.
    Raises TypeError or ValueError for a job that cannot start, RuntimeError naming the jobs that failed at the end.
    """
    n_jobs = joblib.effective_n_jobs(-1) if n_jobs is None else positive_int("n_jobs", n_jobs)
    models, histories, tasks, arrays, data_keys, n, failed = {}, {}, {}, {}, {}, 0, {}
    for name, job in jobs.items():
        try:
            job = {**job, "device": torch.device(job.get("device") or best_device()), "show_progress": False}
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
    bar = _progress_bar(len(tasks), show_progress and len(tasks) > 0)
    with closing(bar), closing(side_by_side(_train, [*tasks.values()], n_jobs if on_cpu else 1)) as results:
        bar.set_description_str(f"trained 0 of {len(tasks)}")
        try:
            for name, history, weights, said, trouble in results:
                if history is not None and history.interrupted:
                    raise KeyboardInterrupt
                if said:
                    tqdm.write(said, end="")
                if weights:
                    models[name].load_state_dict(safetensors.torch.load(weights))
                elif history is None or load_kept(models[name], tasks[name][0]["path"], name) is None:
                    failed[name] = trouble or f"its file is not on this machine: {tasks[name][0]['path']}"
                    continue
                histories[name], n = history, n + 1
                bar.set_description_str(f"trained {n} of {len(tasks)}", refresh=False)
                bar.update()
        except BrokenProcessPool as error:
            raise RuntimeError(f"a process was killed (no memory?): {n} of {len(tasks)} are kept") from error
    if failed:
        name, trouble = next(iter(failed.items()))
        raise RuntimeError(f"{', '.join(failed)}: failed, the others of {len(tasks)} are kept. {name}:\n{trouble}")
    return {name: (model.eval(), histories[name]) for name, model in models.items()}


def _task(name, model, path, arrays, *, make_model, x, x_val=None, device, **settings) -> tuple:
    """What `_train` needs: a dict, then x and x_val as arrays, the same array for the same memory."""
    x, x_val = _tensors("x", x, "cpu"), [] if x_val is None else _tensors("x_val", x_val, "cpu")
    keys = [(part.data_ptr(), part.shape, part.stride(), part.dtype) for part in (*x, *x_val)]
    shared = [arrays.setdefault(key, part.detach().numpy()) for key, part in zip(keys, (*x, *x_val), strict=True)]
    task = {"name": name, "model": model, "path": path, "device": device, "settings": settings, "n_x": len(x)}
    return {**task, "code": fingerprint(model, settings, fit)}, *shared


def side_by_side(work: Callable, tasks: list[tuple], n_jobs: int) -> Iterator:
    """`work(*task)` of each task, as they end, from `n_jobs` processes; from this one if that, or the tasks, is 1."""
    if n_jobs == 1 or len(tasks) < 2:
        yield from (work(*task) for task in tasks)
        return
    parallel = joblib.Parallel(min(n_jobs, len(tasks)), return_as="generator_unordered", batch_size=1, mmap_mode="c")
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
                raise RuntimeError("its code, or a value it uses, is not what it was at the call (an edited module?)")
            tensors, n_x = [torch.from_numpy(array) for array in arrays], task["n_x"]
            history = fit(model.to(task["device"]), tensors[:n_x], x_val=tensors[n_x:] or None, **task["settings"])
            kept = keep(model.cpu(), task["path"], task["name"], history)
            return task["name"], history, b"" if kept else model_bytes(model, "", history), said.getvalue(), ""
        except Exception:
            return task["name"], None, b"", said.getvalue(), traceback.format_exc()
        finally:
            torch.set_num_threads(threads)
