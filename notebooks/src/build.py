"""Makes the notebooks from their sources, checks that they agree, and writes edits made in Jupyter back.

Each `src/NN_topic.py` (py:percent) becomes `NN_topic.ipynb`, without the cells tagged `solution`,
and `solutions/NN_topic.ipynb`, without the cells tagged `exercise`.  Both are executed and keep
their outputs.
"""

import argparse
import hashlib
import os
import posixpath
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from normal_form import code, code_cells, dump, faults, inputs, normal_form, tags

from tutorial_utils.store.files import write_atomically

NOTEBOOKS = Path(__file__).resolve().parents[1]
CELL_TIMEOUT = 1800  # seconds
LINK = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|(?P<open>\]\(|(?:src|href)=\")(?P<target>[^)\"\s]+)", re.DOTALL
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class BuildError(Exception):
    """A notebook cannot be built or adopted; the message says which, where and why."""


def main(argv: Sequence[str] | None = None, folder: Path = NOTEBOOKS) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks (01 02 ...)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--all", action="store_true", help="execute even what has not changed")
    mode.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if a notebook and its source disagree",
    )
    mode.add_argument(
        "--adopt",
        metavar="NN",
        help="write what was edited in Jupyter in notebook NN to its source",
    )
    parser.add_argument(
        "--solutions", action="store_true", help="with --adopt: take the solutions notebook's edits"
    )
    args = parser.parse_args(argv)
    try:
        if args.check:
            found = problems(folder, args.numbers)
            print("\n".join(found) or "Every notebook agrees with its source.")
            return 1 if found else 0
        if args.adopt:
            adopt(folder, args.adopt, solved=args.solutions)
        else:
            build(folder, args.numbers, everything=args.all)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


# --- building


def build(folder: Path, numbers: Sequence[str] = (), *, everything: bool = False) -> None:
    """Build what changed (or `everything`) and print a line on each notebook.

    BuildError: nothing of it is written.
    """
    style, copy = folder / "matplotlibrc", folder / "solutions" / "matplotlibrc"
    copy.parent.mkdir(exist_ok=True)
    if style.exists():  # matplotlib reads it from the folder that a notebook runs in
        write_atomically(copy, style.read_bytes())
    for source in sources(folder, numbers):
        cells, finished = read_source(source), []
        with tempfile.TemporaryDirectory(
            ignore_cleanup_errors=True
        ) as data:  # what one trains, the other finds
            for solved in (False, True):
                path = target(source, solved)
                notebook, done = build_one(assemble(cells, solved), path, data, everything)
                finished.append((path, notebook, f"{path.relative_to(folder)}: {done}"))
        for path, notebook, line in finished:
            if not path.exists() or dump(notebook) != path.read_text(encoding="utf-8"):
                write_atomically(path, dump(notebook).encode())
            print(line, flush=True)


def build_one(
    notebook: NotebookNode, path: Path, data: str, everything: bool
) -> tuple[NotebookNode, str]:
    """`notebook` with its outputs: those in `path`, if its code is the same, else new ones; and what was done."""
    old = read_notebook(path)
    if old is not None and not faults(old) and code(old) == code(notebook) and not everything:
        same = inputs(old) == inputs(notebook)
        for cell, old_cell in zip(code_cells(notebook), code_cells(old), strict=True):
            cell.outputs = old_cell.outputs
        return normal_form(notebook), "unchanged" if same else "text changed, outputs kept"
    started = time.perf_counter()
    execute(notebook, path, data)
    seconds = time.perf_counter() - started
    notebook = normal_form(notebook)
    if found := faults(notebook):
        raise BuildError("\n".join(f"{path.name}, {fault}" for fault in found))
    return notebook, f"executed in {seconds:.0f} s"


def execute(notebook: NotebookNode, path: Path, data: str) -> None:
    """Run all cells in a fresh kernel of this interpreter, in the folder of `path`; BuildError names the bad cell."""
    own_kernel_only = KernelSpecManager(
        kernel_dirs=[]
    )  # not a kernel called python3 that lies elsewhere
    current = [0]
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=own_kernel_only),
        timeout=CELL_TIMEOUT,
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        store_widget_state=False,
        on_cell_start=lambda cell, cell_index: current.append(cell_index),
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute(env={**os.environ, "TUTORIAL_DATA": data}, cleanup_kc=True)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        where = f"{path.parent.name}/{path.name}, cell {current[-1] + 1}"
        raise BuildError(f"{where}:\n{ANSI.sub('', str(error))}") from None


def assemble(cells: Sequence[NotebookNode], solved: bool) -> NotebookNode:
    """The learner's notebook, or the solved one, of these source cells: not executed, in normal form."""
    dropped = "exercise" if solved else "solution"
    notebook = normal_form(
        NotebookNode(cells=[cell for cell in cells if dropped not in tags(cell)])
    )
    if solved:
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = to_solutions(cell.source)
    return notebook


def to_solutions(text: str) -> str:
    """Markdown as it stands one folder down: relative links follow, the title (a line `# ...`) says so."""
    text = re.sub(r"\A(# .*)", r"\1 · solutions", text)
    return move_links(text, lambda path: posixpath.relpath(f"/1/2/3/{path}", "/1/2/3/solutions"))


def from_solutions(text: str) -> str:
    """The inverse of `to_solutions`."""
    text = re.sub(r"\A(# .*) · solutions", r"\1", text)
    return move_links(text, lambda path: posixpath.normpath(f"solutions/{path}"))


def move_links(text: str, move: Callable[[str], str]) -> str:
    """`text` with `move` applied to the path of every relative link and image outside code."""

    def moved(match: re.Match) -> str:
        path, sharp, anchor = (match["target"] or "").partition("#")
        if (
            match["code"]
            or not path
            or re.match(r"[a-z]+:|/", path)
            or not re.search(r"[./]", path)
        ):
            return match[0]
        return f"{match['open']}{move(path)}{sharp}{anchor}"

    return LINK.sub(moved, text)


# --- checking


def problems(folder: Path, numbers: Sequence[str] = ()) -> list[str]:
    """Everything in which the built notebooks are not what their sources say, a line each."""
    found, expected = [], set()
    for source in sources(folder, numbers):
        cells = read_source(source)
        for solved in (False, True):
            path = target(source, solved)
            expected.add(path)
            found += [
                f"{path.relative_to(folder)}: {problem}"
                for problem in compare(path, assemble(cells, solved))
            ]
    if not numbers:
        built = sorted([*folder.glob("*.ipynb"), *folder.glob("solutions/*.ipynb")])
        found += [
            f"{path.relative_to(folder)}: has no source" for path in built if path not in expected
        ]
    style, copy = folder / "matplotlibrc", folder / "solutions" / "matplotlibrc"
    if style.exists() and not (copy.exists() and copy.read_bytes() == style.read_bytes()):
        found.append("solutions/matplotlibrc: is not a copy of matplotlibrc")
    return found


def compare(path: Path, expected: NotebookNode) -> Iterator[str]:
    """How the notebook in `path` differs from what its source makes of it: the first such cell, and every fault."""
    notebook = read_notebook(path)
    if notebook is None:
        yield "is missing, or is not a notebook"
        return
    for number, (is_, should) in enumerate(zip_longest(inputs(notebook), inputs(expected)), 1):
        if is_ != should:
            first_line = next(filter(None, (should or is_)[2].splitlines()), "")
            yield f"cell {number} differs from the source, at {first_line!r}"
            break
    found = faults(notebook)
    yield from found
    if not found and path.read_text(encoding="utf-8") != dump(notebook):
        yield "is not laid out as the build lays it out"


# --- adopting


def adopt(folder: Path, number: str, *, solved: bool = False) -> None:
    """Write the inputs of a notebook edited in Jupyter to its source; cells that it does not show stay in place."""
    source = sources(folder, [number])[0]
    cells, path = read_source(source), target(source, solved)
    notebook = read_notebook(path)
    if notebook is None:
        raise BuildError(f"{path.relative_to(folder)} is missing, or is not a notebook")
    known = {cell.id: cell for cell in cells}
    shown = {cell.id: cell.source for cell in assemble(cells, solved).cells}
    result = [adopt_cell(edit, known, shown, solved) for edit in notebook.cells]
    result = [cell for cell in result if cell.source]  # Jupyter leaves an empty cell at the end
    kept = {cell.id for cell in result}
    place = 0
    for cell in cells:
        if cell.id in kept:
            place = [cell.id for cell in result].index(cell.id) + 1
        elif cell.id not in shown:
            result.insert(place, cell)
            place += 1
        else:
            print(f"deleted: {cell.source.splitlines()[0]}")
    write_atomically(source, write_source(result).encode())
    print(f"{source.relative_to(folder)} now holds the inputs of {path.relative_to(folder)}.")


def adopt_cell(edit: NotebookNode, known: dict, shown: dict, solved: bool) -> NotebookNode:
    """The source cell that a cell edited in Jupyter stands for.

    BuildError if it is stale: the source has moved on.
    """
    text = (
        from_solutions(edit.source) if solved and edit.cell_type == "markdown" else edit.source
    ).strip("\n")
    as_it_is = content_id(edit.cell_type, text)
    cell_id = edit.id if edit.id in known else as_it_is
    if (
        cell_id not in known and edit.id.partition("-")[0] == as_it_is
    ):  # as built, but gone from the source
        raise BuildError(
            f"the source has changed since the notebook was built, at {text.splitlines()[0]!r}"
        )
    if shown.get(cell_id) == edit.source:
        text = known[cell_id].source
    metadata = {
        key: value for key, value in known.get(cell_id, edit).metadata.items() if key != "tags"
    }
    metadata |= {"tags": tags(edit)} if tags(edit) else {}
    return NotebookNode(id=cell_id, cell_type=edit.cell_type, metadata=metadata, source=text)


# --- files


def sources(folder: Path, numbers: Sequence[str] = ()) -> list[Path]:
    """The sources with these numbers, or all; BuildError if there is none."""
    found = sorted((folder / "src").glob("[0-9][0-9]_*.py"))
    if unknown := [number for number in numbers if number not in {path.name[:2] for path in found}]:
        raise BuildError(
            f"no source is numbered {', '.join(unknown)}; there are: {', '.join(p.stem for p in found)}"
        )
    if not found:
        raise BuildError(f"no sources NN_topic.py in {folder / 'src'}")
    return [path for path in found if not numbers or path.name[:2] in numbers]


def target(source: Path, solved: bool) -> Path:
    """Where the notebook made of `source` lies."""
    folder = source.parents[1]
    return (folder / "solutions" if solved else folder) / f"{source.stem}.ipynb"


def read_source(path: Path) -> list[NotebookNode]:
    """The cells of a source; each id comes from the cell's content, so that an insertion changes no other id."""
    cells, seen = (
        jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells,
        Counter(),
    )
    for cell in cells:
        cell.id = content_id(cell.cell_type, cell.source)
        seen[cell.id] += 1
        if seen[cell.id] > 1:
            cell.id += f"-{seen[cell.id]}"
    return cells


def write_source(cells: Sequence[NotebookNode]) -> str:
    """The text of a source: py:percent without a header, tags the only metadata."""
    cells = [NotebookNode({"execution_count": None, "outputs": []} | cell) for cell in cells]
    only_tags = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "tags,-all"}
    notebook = NotebookNode(
        cells=cells, metadata=NotebookNode(jupytext=only_tags), nbformat=4, nbformat_minor=5
    )
    return jupytext.writes(notebook, fmt="py:percent").rstrip("\n") + "\n"


def read_notebook(path: Path) -> NotebookNode | None:
    """The notebook in `path`; None if there is none, or something else."""
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (
        FileNotFoundError,
        UnicodeDecodeError,
        nbformat.reader.NotJSONError,
        nbformat.ValidationError,
    ):
        return None


def content_id(cell_type: str, text: str) -> str:
    """Twelve hexadecimal digits that stand for this cell."""
    return hashlib.sha256(f"{cell_type}\n{text}".encode()).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main())
