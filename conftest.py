"""Which tests run where: one fresh TUTORIAL_DATA for all, and groups for the workers of xdist.

Every test, and every kernel of a notebook, gets the same new and empty data folder: training really
happens, and once.  `make test` runs three workers: one waits for JupyterLab most of the time, while
two compute.  A worker runs a group from its first test to its last: a file of tests, or all
tests in JupyterLab, or a notebook with its solutions.

A cell that stands in a notebook and in its solutions runs once.  The cells that only the solutions
have run in the kernel of the notebook, each at its place.  (`pytest notebooks/solutions` alone runs
every cell of the solutions.)
"""

import os
import shutil
import tempfile
from pathlib import PurePath

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the data folder, which is deleted at the end, and divide the cores among the workers."""
    if hasattr(config, "workerinput"):  # a worker, which has the environment of the first process
        return
    os.environ["TUTORIAL_DATA"] = folder = tempfile.mkdtemp(prefix="vae-tutorial-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if workers := len(config.getoption("tx", [])):
        os.environ["OMP_NUM_THREADS"] = str(max(1, os.cpu_count() // workers))


@pytest.hookimpl(tryfirst=True)  # before the kernel starts
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A notebook trains in as many processes as its worker has cores; tests of sweeps use all."""
    if "PYTEST_XDIST_WORKER" in os.environ and is_cell(item):
        os.environ["LOKY_MAX_CPU_COUNT"] = os.environ["OMP_NUM_THREADS"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would run twice, and put the groups in order."""
    items[:], twice = merge_solutions(items)
    config.hook.pytest_deselected(items=twice)
    items.sort(key=place)


def merge_solutions(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests to run, and those to leave out.

    Left out are the cells of solutions that stand in their notebook as well.  Each other cell of
    the solutions runs behind the last such cell before it, in the kernel of the notebook.
    """
    run, left_out = [item for item in items if not is_solution(item)], []
    in_notebook = {(item.path.name, item.cell.source): item for item in run if is_cell(item)}
    last_run = {}  # the cell that ran last, by the name of the notebook
    for item in filter(is_solution, items):
        name = item.path.name
        same = in_notebook.get((name, item.cell.source))
        if same:
            left_out.append(item)
            last_run[name] = same
        elif name in last_run:
            item.parent = last_run[name].parent  # nbval runs a cell in its parent's kernel
            run.insert(run.index(last_run[name]) + 1, item)
            last_run[name] = item
        else:
            run.append(item)
    return run, left_out


def is_cell(item: pytest.Item) -> bool:
    """Whether this is a cell of a notebook."""
    return item.path.suffix == ".ipynb"


def is_solution(item: pytest.Item) -> bool:
    """Whether this is a cell of a solutions notebook."""
    return is_cell(item) and item.nodeid.startswith("notebooks/solutions/")


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
    """The name of the group: that of the file, or "browser" for tests that share a JupyterLab."""
    return "browser" if path.name.startswith("test_browser") else path.stem


def place(item: pytest.Item) -> tuple:
    """The key that sorts tests: JupyterLab, other tests, then notebooks, the longest first.

    JupyterLab waits a lot, beside the other tests.  A short notebook comes last, so that all
    workers have work almost to the end; one whose time is not known counts as long.
    """
    from tutorial_utils.store.machine import COLD_SECONDS

    path = item.path
    if not is_cell(item):
        return 0, group(path) != "browser"
    return 1, -COLD_SECONDS.get(path.stem, float("inf")), path.stem
