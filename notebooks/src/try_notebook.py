"""Runs notebooks with other settings, and says which claims fail and which cells stop.

`make try ARGS="05 seeds=[20,21] epochs=2"` runs notebook 05 as in its solutions, in a fresh kernel,
with a line `seeds = [20,21]` right behind the line that first assigns `seeds`, and so on.  It goes
on behind a claim that fails and a cell that stops.  A wrong answer to an exercise stops its cell.
What is trained goes to your cache, and nothing into the folder of the notebooks.
"""

import argparse
import ast
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from build import NOTEBOOKS, BuildError, assemble, client_of, sources
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from normal_form import code_cells

# Runs before the first cell: from then on a claim that fails is printed, and the cell goes on.
PATIENT_CLAIM = """
from tutorial_utils import plotting

def claim(*sentence_and_condition, really=plotting.claim, **values):
    try:
        really(*sentence_and_condition, **values)
    except AssertionError as error:
        print("✗", error)

plotting.claim = claim
"""


def main(argv: Sequence[str] | None = None, folder: Path = NOTEBOOKS) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="+", metavar="NOTEBOOK or NAME=VALUE")
    words = parser.parse_args(argv).words
    names = [word for word in words if "=" not in word]
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    if not names:
        parser.error("which notebook? Its number, or its name, such as 05 or 05_beta")
    try:
        failed = [run(source, settings, folder) for source in sources(folder, names)]
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if any(failed) else 0


def run(source: Path, settings: Mapping[str, str], folder: Path) -> int:
    """Run a notebook with these settings, print what fails in it, and return how much that is."""
    notebook = assemble(source, solved=True)
    for name, value in settings.items():
        assign(notebook, name, value)
    notebook.cells.insert(0, new_code_cell(PATIENT_CLAIM))  # so that cell 1 has index 1
    changed = [f"{name} = {value}" for name, value in settings.items()]
    print(", ".join([source.stem, *changed]), flush=True)
    n_failed, started = 0, time.perf_counter()

    def report(cell: NotebookNode, cell_index: int, execute_reply: object) -> None:
        nonlocal n_failed
        for text in failures(cell):
            first_line = next(filter(None, cell.source.splitlines()), "")
            print(f"  cell {cell_index}, {first_line!r}: {text}", flush=True)
            n_failed += 1

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        shutil.copy(folder / "matplotlibrc", place)
        client = client_of(notebook, Path(place), on_cell_executed=report, allow_errors=True)
        try:
            client.execute(env=os.environ | {"TUTORIAL_GRADE": "1"}, cleanup_kc=True)
        except (CellTimeoutError, DeadKernelError) as error:
            print(f"  ends here: {error}")
            n_failed += 1
    seconds = time.perf_counter() - started
    print(f"  {n_failed} failed, in {seconds:.0f} s", flush=True)
    return n_failed


def assign(notebook: NotebookNode, name: str, value: str) -> None:
    """Write `name = value` right behind the line that first assigns the name."""
    for cell in code_cells(notebook):
        for node in ast.parse(cell.source).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            assigned = [part for target in targets for part in ast.walk(target)]
            if any(isinstance(part, ast.Name) and part.id == name for part in assigned):
                lines = cell.source.splitlines()
                lines.insert(node.end_lineno, f"{name} = {value}")
                cell.source = "\n".join(lines)
                return
    raise BuildError(f"no cell has a line {name} = ..., which could be changed")


def failures(cell: NotebookNode) -> list[str]:
    """What went wrong in a cell: claims that fail, and the error that stops it."""
    found = []
    for output in cell.get("outputs", []):
        lines = output.get("text", "").splitlines()
        found += [line[2:] for line in lines if line.startswith("✗ not so: ")]
        if output.output_type == "error":
            found.append(f"{output.ename}: {output.evalue}".strip().splitlines()[0])
    return found


if __name__ == "__main__":
    sys.exit(main())
