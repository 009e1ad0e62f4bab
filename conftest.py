"""Every test, and every notebook kernel, gets one fresh and empty TUTORIAL_DATA: training really happens, and once.

`make test` runs three workers of pytest-xdist: one waits for JupyterLab most of the time, while two compute.  A worker
runs a group of tests from its first to its last: the tests of a file, those in JupyterLab, or a notebook and then its
solution, which finds the models that the notebook trained.
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
    if "PYTEST_XDIST_WORKER" in os.environ and item.path.suffix == ".ipynb":
        os.environ["LOKY_MAX_CPU_COUNT"] = os.environ["OMP_NUM_THREADS"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the groups in order."""
    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Give the next group to the worker that is free.  (xdist's own groups, --dist=loadgroup, need pytest < 9.2.)"""
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

    So a short one comes last, and both workers have work almost to the end.  Without an estimate counts as long.
    """
    from tutorial_utils.machine import COLD_SECONDS

    path = item.path
    if path.suffix != ".ipynb":
        return 0, group(path) != "browser"
    return 1, -COLD_SECONDS.get(path.stem, float("inf")), path.stem, path.parent.name == "solutions"
