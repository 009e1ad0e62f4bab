"""Every test, and every notebook kernel, gets one fresh and empty TUTORIAL_DATA: training really happens, and once.

`make test` runs three workers of pytest-xdist: one waits for JupyterLab most of the time, while two
compute.  A worker runs a group of tests from its first to its last: the tests of a file, those in
JupyterLab, or a notebook with its solutions.  What a notebook and its solutions share runs once:
the cells that only the solutions have run in the kernel of the notebook, each where it stands. 
(`pytest notebooks/solutions` alone runs every cell of the solutions.)
"""

import os
import shutil
import tempfile
from pathlib import PurePath

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """One folder for all processes, deleted at the end by the first of them; the workers divide the cores."""
    if hasattr(config, "workerinput"):  # a worker, which has the environment of the first process
        return
    os.environ["TUTORIAL_DATA"] = folder = tempfile.mkdtemp(prefix="vae-tutorial-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if workers := len(config.getoption("tx", [])):
        os.environ["OMP_NUM_THREADS"] = str(max(1, os.cpu_count() // workers))


@pytest.hookimpl(tryfirst=True)  # before the kernel starts
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A notebook trains in as many processes as its worker has cores; the tests of sweeps, all before, in more."""
    if "PYTEST_XDIST_WORKER" in os.environ and is_cell(item):
        os.environ["LOKY_MAX_CPU_COUNT"] = os.environ["OMP_NUM_THREADS"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would run twice, and put the groups in order."""
    items[:], again = join_solutions(items)
    config.hook.pytest_deselected(items=again)
    items.sort(key=place)


def join_solutions(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """What is to run, and the cells of solutions that stand in their notebook as well.

    A cell that only the solutions have is given to the notebook, behind the last cell before it
    that both have.
    """
    run, again, before = [item for item in items if not is_solution(item)], [], {}
    shared = {(item.path.name, item.cell.source): item for item in run if is_cell(item)}
    for item in filter(is_solution, items):
        name = item.path.name
        if (name, item.cell.source) in shared:
            before[name] = shared[name, item.cell.source]
            again.append(item)
        elif name in before:
            item.parent = before[name].parent  # which has the kernel
            run.insert(run.index(before[name]) + 1, item)
            before[name] = item
        else:
            run.append(item)
    return run, again


def is_cell(item: pytest.Item) -> bool:
    return item.path.suffix == ".ipynb"


def is_solution(item: pytest.Item) -> bool:
    return is_cell(item) and item.path.parent.name == "solutions"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Give the next group to the worker that is free.

    (xdist's own groups, --dist=loadgroup, need pytest < 9.2.)
    """
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # the order is that of `place`
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: group(PurePath(nodeid.partition("::")[0]))
    return scheduler


def group(path: PurePath) -> str:
    """What one worker runs in order: the files of one name, and the tests that share a JupyterLab."""
    return "browser" if path.name.startswith("test_browser") else path.stem


def place(item: pytest.Item) -> tuple:
    """Sorts tests: JupyterLab, which waits a lot, beside the other tests; then the notebooks, the longest first.

    So a short one comes last, and both workers have work almost to the end.  Without an estimate
    counts as long.
    """
    from tutorial_utils.store.machine import COLD_SECONDS

    path = item.path
    if not is_cell(item):
        return 0, group(path) != "browser"
    return 1, -COLD_SECONDS.get(path.stem, float("inf")), path.stem
