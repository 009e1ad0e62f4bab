"""`make test` in two workers: a group stays in one of them and in order; all share one folder."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from helpers.notebooks import ROOT, a_notebook

NOTE = """
import json, os
def note(name):
    place = {"name": name, "data": os.environ["TUTORIAL_DATA"]}
    place["worker"] = os.environ.get("PYTEST_XDIST_WORKER")
    place["threads"] = os.environ.get("OMP_NUM_THREADS")
    place["processes"] = os.environ.get("LOKY_MAX_CPU_COUNT")
    with open(os.environ["NOTES"], "a") as file:
        file.write(json.dumps(place) + "\\n")
"""
TESTS = """
import sys
sys.path.insert(0, __file__.rpartition("/")[0])
import pytest
from note import note
@pytest.mark.parametrize("n", range(4))
def test_note(n): note({name!r})
"""
CELLS = ["n = 1; from note import note; note('{stem}')", "n += 1; note({name!r}); assert n < {n}"]


def write_project(folder: Path) -> None:
    """Four files of tests, and three notebooks whose solutions share a cell; one of 05 fails."""
    shutil.copy(ROOT / "conftest.py", folder)
    package = folder / "tutorial_utils" / "store"  # that importing it costs no time
    package.mkdir(parents=True)
    (package / "machine.py").write_text("COLD_SECONDS = {'00_start_here': 13, '05_beta': 314}")
    rooms = ("", "side_trips", "solutions", "solutions/side_trips")
    for place in (folder / "tests", *(folder / "notebooks" / room for room in rooms)):
        place.mkdir()
        (place / "note.py").write_text(NOTE)
    for name in ("browser", "browser_2", "one", "two"):
        (folder / "tests" / f"test_{name}.py").write_text(TESTS.format(name=name))
    for stem, n in (("00_start_here", 4), ("05_beta", 2), ("side_trips/05_table", 4)):
        for part in ("", "solutions/"):
            sources = [source.format(stem=stem, name=part + stem, n=n) for source in CELLS]
            notebook = a_notebook(*[(source,) for source in sources])
            nbformat.write(notebook, folder / "notebooks" / f"{part}{stem}.ipynb")


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """pytest with the settings of this repository, in an environment like that of a learner."""
    settings = ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}", "-p", "no:cacheprovider"]
    ours = ("XDIST", "LOKY", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if not any(o in name for o in ours)}
    env |= {"NOTES": f"{folder}/notes", "TUTORIAL_DATA": "of a learner"}
    env |= {"OMP_NUM_THREADS": "as ever"}
    command = [sys.executable, "-m", "pytest", *settings, *arguments]
    said = {"capture_output": True, "text": True, "encoding": "utf-8"}
    return subprocess.run(command, cwd=folder, env=env, **said)


@pytest.fixture(scope="module", params=[0, 2], ids=["in one process", "in two workers"])
def run(request, tmp_path_factory):
    """The notes of all tests in order, what pytest printed, its return code, how many workers."""
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    ended = run_pytest(folder, "-n", str(request.param), "-rA", "tests", "notebooks")
    notes = [json.loads(line) for line in (folder / "notes").read_text().splitlines()]
    return notes, ended.stdout + ended.stderr, ended.returncode, request.param


def test_all_run_and_a_failing_cell_fails_the_run(run):
    _, said, code, _ = run
    assert code == 1 and re.search(r"=+ 2 failed, 23 passed(, 3 deselected)? in ", said), said
    failed = re.findall(r"^FAILED notebooks/(?:solutions/)?05_beta.ipynb::Cell 1", said, re.M)
    assert len(failed) == 2, said


def test_a_group_stays_in_one_worker_and_in_order(run):
    notes, said, *_ = run
    workers, times = {}, {}
    for note in notes:
        name = "browser" if note["name"].startswith("browser") else Path(note["name"]).name
        workers.setdefault(name, set()).add(note["worker"])
        times[note["name"]] = times.get(note["name"], 0) + 1
    assert all(len(those) == 1 for those in workers.values()), said
    assert times == dict.fromkeys(("browser", "browser_2", "one", "two"), 4) | {
        "00_start_here": 2, "solutions/00_start_here": 1, "05_beta": 2, "solutions/05_beta": 1,
        "side_trips/05_table": 2, "solutions/side_trips/05_table": 1,
    }  # fmt: skip
    for worker in {note["worker"] for note in notes}:
        here = [note["name"] for note in notes if note["worker"] == worker]
        order = [name for name, _ in groupby(here)]
        notebooks = [name for name in order if "0" in name]
        parts = ("", "solutions/", "")
        assert notebooks == [part + name for name in notebooks[::3] for part in parts]
        files = [name for name in order if "0" not in name] + notebooks[::3]
        assert len(files) == len(set(files)), "one file after another"
        kinds = ["browser" not in name and 1 + ("0" in name) + ("00" in name) for name in order]
        assert kinds == sorted(kinds), "browsers, other tests, notebooks, the longest first"


def test_the_solutions_alone_run_in_full(tmp_path):
    write_project(tmp_path)
    ended = run_pytest(tmp_path, "--collect-only", "notebooks/solutions/00_start_here.ipynb")
    assert " 2 tests collected in " in ended.stdout, ended.stdout


def test_all_share_one_new_folder_that_is_gone_and_divide_the_cores(run):
    notes, said, _, n_workers = run
    (folder,) = {note["data"] for note in notes}
    assert folder != "of a learner" and not os.path.exists(folder), said
    assert len({note["worker"] for note in notes}) == max(1, n_workers)
    threads = str(max(1, os.cpu_count() // n_workers)) if n_workers else "as ever"
    assert {note["threads"] for note in notes} == {threads}
    for note in notes:  # a notebook leaves other workers their cores; test_sweep uses all
        is_notebook = "0" in note["name"]
        assert note["processes"] == (threads if n_workers and is_notebook else None)
