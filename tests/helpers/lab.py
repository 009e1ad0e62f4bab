"""JupyterLab for tests, as `make lab` starts it, and notebooks in it that are in no folder."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from nbformat import NotebookNode
from playwright.sync_api import Browser, Page

from .browser import listen
from .notebooks import a_notebook

ROOT = Path(__file__).parents[2]
TOKEN = "tests"
NUMBERS = count()  # each page has a notebook of its own: the kernel of the last may still be ending
NOW = "2025-01-01T00:00:00Z"
SETTINGS = {
    "docmanager-extension/plugin": {"autosave": False},  # it would write the notebooks that ran
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are drawn
}
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


class Lab(NamedTuple):
    """A running JupyterLab: its address without a path, and the file that it logs to."""

    address: str
    log: Path


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """JupyterLab with its data and settings in `folder`: the learner's own are left alone."""
    for name, setting in SETTINGS.items():
        file = folder / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(setting))
    port = free_port()
    options = f"--no-browser --port={port} --ServerApp.port_retries=0"
    options += f" --IdentityProvider.token={TOKEN} --LabApp.user_settings_dir={folder / 'settings'}"
    venv = os.path.relpath(sys.prefix, ROOT)  # where this test runs, JupyterLab runs
    # -o: what is installed stays as it is; a test never installs
    command = ["make", "-o", f"{venv}/.installed", "lab", f"VENV={venv}", f"ARGS={options}"]
    folders = {"TUTORIAL_DATA": str(folder / "data"), "JUPYTER_RUNTIME_DIR": str(folder / "run")}
    lab = Lab(f"http://localhost:{port}", folder / "log.txt")
    with lab.log.open("w") as log:
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | folders,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for_answer(lab, server)
        yield lab
    finally:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(server.pid, sent)
                server.wait(timeout=15)


def free_port() -> int:
    """A port that no program listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for_answer(lab: Lab, server: subprocess.Popen) -> None:
    """Wait until JupyterLab answers; the test fails when it ends, or after two minutes."""
    for _ in range(240):
        assert server.poll() is None, f"`make lab` ended:\n{lab.log.read_text()[-2000:]}"
        with suppress(OSError):
            urllib.request.urlopen(f"{lab.address}/api?token={TOKEN}", timeout=5).close()
            return
        time.sleep(0.5)
    pytest.fail(f"`make lab` did not answer in two minutes:\n{lab.log.read_text()[-2000:]}")


def run_all_cells(page: Page) -> None:
    """Choose Run > Run All Cells."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu").get_by_text("Run All Cells", exact=True).click()


def open_notebook(browser: Browser, lab: Lab, source: str, wait_for: str, **options) -> Page:
    """A page with a notebook of one cell, run until the selector `wait_for` finds its output."""
    page = open_saved(browser, lab, [(source,)], **options)
    for _ in range(60):  # until the kernel is there, the menu does nothing
        run_all_cells(page)
        page.wait_for_timeout(1000)
        if page.locator(".jp-InputPrompt").first.inner_text() != "[ ]:":
            break
    page.wait_for_selector(wait_for, timeout=120_000)
    return page


def open_saved(browser: Browser, lab: Lab, cells: Iterable[str | tuple], **options) -> Page:
    """A page with a notebook of these cells, as `a_notebook` takes them, and their outputs.

    The notebook is in no folder: the page answers for the server.  options: of `new_page`, such as
    has_touch=True.  Errors of the page are collected in `page.complaints`.
    """
    page = browser.new_page(**({"viewport": {"width": 1210, "height": 1000}} | options))
    listen(page)
    path = f"notebooks/unsaved_{next(NUMBERS)}.ipynb"
    serve(page, path, a_notebook(*cells))
    page.goto(f"{lab.address}/lab/workspaces/unsaved/tree/{path}?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    return page


def serve(page: Page, path: str, notebook: NotebookNode) -> None:
    """Answer in place of JupyterLab for a notebook at `path`, and for its workspace."""
    content = notebook | {"metadata": KERNEL}
    file = {"name": Path(path).name, "path": path, "type": "notebook", "format": "json"}
    file |= {"writable": True, "created": NOW, "last_modified": NOW, "mimetype": None}
    file |= {"size": 1000, "content": content}
    checkpoint = {"id": "a", "last_modified": NOW}
    workspace = {"data": {}, "metadata": {"id": "unsaved"}}

    def checkpoints(route):
        made = route.request.method == "POST"
        route.fulfill(status=201 if made else 200, json=checkpoint if made else [])

    def workspaces(route):
        read = route.request.method == "GET"
        route.fulfill(status=200 if read else 204, json=workspace if read else None)

    page.route(f"**/api/contents/{path}*", lambda route: route.fulfill(json=file))
    page.route(f"**/api/contents/{path}/checkpoints*", checkpoints)
    page.route("**/lab/api/workspaces/**", workspaces)
