"""Jobs: loaded from the cache if they are there, else made, side by side, and saved."""

import io
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import joblib
import numpy as np
from tqdm import tqdm

from ..support.progress import time_left
from ..training import progress_bar
from .files import CachedFile, Contents, parse_tensors, tensors_bytes
from .fingerprint import fingerprint

# A process makes one thing at a time: random state and standard output belong to all its threads.
ONE_AT_A_TIME = threading.Lock()


@dataclass
class Job:
    """One thing to make: `work(*arrays, **arguments)` gives the content of `file`.

    anew: make it even if the file is there.  code: the fingerprint of work and its arguments, by
    which the process that runs the job verifies that it has the same ones.  recipe: makes the
    recipe of a model, if it is one.
    """

    file: CachedFile
    work: Callable[..., Contents]
    arguments: dict[str, object]
    arrays: Sequence[np.ndarray]
    anew: bool = False
    recipe: Callable[[], dict[str, str]] | None = None
    code: str = field(init=False)

    def __post_init__(self) -> None:
        self.code = fingerprint(self.work, self.arguments)

    def __getstate__(self) -> dict:
        """What is sent to another process: without the recipe, which may hold all the data."""
        return vars(self) | {"recipe": None}


class Outcome(NamedTuple):
    """What a process reports of its job: what it printed, and what went wrong."""

    name: str
    printed: str
    unsaved: bytes = b""
    trouble: str = ""
    interrupted: bool = False


def load_or_make(
    jobs: Sequence[Job], *, verb: str, n_jobs: int, show_progress: bool
) -> dict[str, Contents]:
    """{name: content} of all jobs, in their order; missing ones are made in `n_jobs` processes.

    Each is saved as soon as it is done, so Ctrl-C, a failed job or a killed process cost only what
    was under way.  verb: what the progress bar says, such as "trained".  Raises RuntimeError at the
    end, with the names of the jobs that failed.
    """
    found = {job.file.name: None if job.anew else job.file.load() for job in jobs}
    missing = [job for job in jobs if found[job.file.name] is None]
    return found | _make(missing, verb, n_jobs, show_progress)


def _make(jobs: Sequence[Job], verb: str, n_jobs: int, show_progress: bool) -> dict[str, Contents]:
    """{name: content} of all jobs, made now; shows a progress bar."""
    files, made, failed = {job.file.name: job.file for job in jobs}, {}, {}
    bar = progress_bar(len(jobs), show_progress and len(jobs) > 0)
    with closing(bar), closing(run_jobs(_run, jobs, n_jobs)) as outcomes:
        bar.set_description_str(f"{verb} 0 of {len(jobs)}")
        try:
            for outcome in outcomes:
                try:
                    made[outcome.name] = _content(outcome, files[outcome.name])
                except RuntimeError as error:
                    failed[outcome.name] = error
                    continue
                bar.set_description_str(f"{verb} {len(made)} of {len(jobs)}", refresh=False)
                bar.set_postfix_str(time_left(bar, len(made)), refresh=False)
                bar.update()
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"a process was killed (no memory?): {len(made)} of {len(jobs)} are kept"
            ) from error
    if failed:
        name, trouble = next(iter(failed.items()))
        raise RuntimeError(
            f"{', '.join(failed)}: failed, the others of {len(jobs)} are kept. {name}:\n{trouble}"
        )
    return made


def _content(outcome: Outcome, file: CachedFile) -> Contents:
    """The content that a job made; prints what it printed.  RuntimeError if it made none."""
    if outcome.interrupted:
        raise KeyboardInterrupt
    if outcome.printed:
        tqdm.write(outcome.printed, end="")
    if outcome.trouble:
        raise RuntimeError(outcome.trouble)
    if outcome.unsaved:
        return parse_tensors(outcome.unsaved, file.key, file.name)
    content = file.load()
    if content is None:  # a machine of a cluster wrote it into a folder of its own
        raise RuntimeError(f"its file is not on this machine: {file.path}")
    return content


def run_jobs(work: Callable, jobs: Sequence, n_jobs: int) -> Iterator:
    """`work(job)` of each job, as they end, from `n_jobs` processes.

    With n_jobs=1, or a single job, all run in this process.  Arrays that jobs share are copied
    once.  Inside `joblib.parallel_config(backend="dask")` the workers of Dask run them.
    """
    if n_jobs == 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    parallel = joblib.Parallel(
        min(n_jobs, len(jobs)), return_as="generator_unordered", batch_size=1, mmap_mode="c"
    )
    results = parallel(joblib.delayed(work)(job) for job in jobs)
    try:
        for result in results:  # noqa: UP028 (`yield from` would close `results`, which warns)
            yield result
    except GeneratorExit:  # stopped between two results: end the processes
        with suppress(KeyboardInterrupt):
            results.throw(KeyboardInterrupt())
        raise


def _run(job: Job) -> Outcome:
    """Make and save the content of one job, in whatever process.

    Reports only the file, not its content: sending weights through a pipe blocks for ever if the
    parent was killed.
    """
    printed = io.StringIO()
    with ONE_AT_A_TIME, redirect_stdout(printed):
        try:
            if fingerprint(job.work, job.arguments) != job.code:
                raise RuntimeError(
                    "its code, or a value it uses, is not what it was at the call "
                    "(an edited module?)"
                )
            content = job.work(*job.arrays, **job.arguments)
            if job.file.save(*content):
                return Outcome(job.file.name, printed.getvalue())
            unsaved = tensors_bytes(content[0], job.file.key, content[1])
            return Outcome(job.file.name, printed.getvalue(), unsaved)
        except KeyboardInterrupt:
            return Outcome(job.file.name, "", interrupted=True)
        except Exception:
            return Outcome(job.file.name, printed.getvalue(), trouble=traceback.format_exc())
