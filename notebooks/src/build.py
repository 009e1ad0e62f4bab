"""Makes the notebooks from their sources, and checks that they agree.

Each `src/NN_topic.py` (py:percent) becomes `NN_topic.ipynb`, without the cells tagged `solution`,
and, if it has such cells, `solutions/NN_topic.ipynb`, without the cells tagged `exercise`.  Both
are executed and keep their outputs.  A side trip of notebook NN, `src/side_trips/NN_topic.py`,
becomes `side_trips/NN_topic.ipynb` and `solutions/side_trips/NN_topic.ipynb`.  Edit the sources: as
text, or in Jupyter, where jupytext opens them as notebooks.
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
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import metadata
from itertools import zip_longest
from pathlib import Path

import jupytext
import nbformat
from assignment import assignment
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from normal_form import code, code_cells, dump, faults, inputs, normal_form, tags

from tutorial_utils.store.files import write_atomically

NOTEBOOKS = Path(__file__).resolve().parents[1]
CELL_TIMEOUT = 1800  # seconds
LINK = re.compile(  # or code, in which nothing is a link
    r"(?P<code>```.*?```|`[^`\n]*`)|(?P<open>\]\(|(?:src|href)=\")(?P<target>[^)\"\s]+)", re.DOTALL
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class BuildError(Exception):
    """A notebook cannot be built; the message says which, where and why."""


def main(argv: Sequence[str] | None = None, folder: Path = NOTEBOOKS) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names_help = "only these notebooks: 01 02 of the main line, or by name, such as a side trip"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names_help)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--all", action="store_true", help="execute even what has not changed")
    check_help = "write nothing; fail if a notebook and its source disagree"
    mode.add_argument("--check", action="store_true", help=check_help)
    assign_help = "write these notebooks for nbgrader, with points for their exercises, to a folder"
    mode.add_argument("--assignment", metavar="FOLDER", type=Path, help=assign_help)
    args = parser.parse_args(argv)
    try:
        if args.assignment:
            return assign(folder, args.names, args.assignment)
        if args.check:
            found = problems(folder, args.names)
            print("\n".join(found) or "Every notebook agrees with its source.")
            return 1 if found else 0
        build(folder, args.names, everything=args.all)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


# --- building


def build(folder: Path, names: Sequence[str] = (), *, everything: bool = False) -> None:
    """Build what changed (or `everything`) and print a line on each notebook.

    BuildError: nothing of it is written.
    """
    for source in sources(folder, names):
        finished = []
        # in one folder of data: what the notebook trains, its solutions find
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
            for path, unexecuted in made_of(source).items():
                copy_style(folder, path.parent)
                notebook, done = build_one(unexecuted, path, data, everything)
                finished.append((path, notebook, f"{path.relative_to(folder)}: {done}"))
        for path, notebook, line in finished:
            if not path.exists() or dump(notebook) != path.read_text(encoding="utf-8"):
                write_atomically(path, dump(notebook).encode())
            print(line, flush=True)


def assign(folder: Path, names: Sequence[str], target_folder: Path) -> int:
    """Write the notebooks for nbgrader, and print where they are; returns the exit status."""
    for source in sources(folder, names):
        path = target_folder / f"{source.stem}.ipynb"
        write_atomically(path, dump(assignment(read_source(source))).encode())
        print(path)
    return 0


def copy_style(folder: Path, place: Path) -> None:
    """Copy matplotlibrc to a place: matplotlib reads it in the folder of a notebook."""
    place.mkdir(parents=True, exist_ok=True)
    style = folder / "matplotlibrc"
    if style.exists() and place != folder:
        write_atomically(place / "matplotlibrc", style.read_bytes())


def build_one(
    notebook: NotebookNode, path: Path, data: str, everything: bool
) -> tuple[NotebookNode, str]:
    """`notebook` with outputs, and what was done.

    The outputs are those in `path`, if its code is the same; otherwise the notebook is executed.
    """
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
    """Run all cells in the folder of `path`; BuildError names the cell that fails."""
    started = [0]  # the cells
    client = client_of(
        notebook, path.parent, on_cell_start=lambda cell, cell_index: started.append(cell_index)
    )
    try:
        environment = {**os.environ, "TUTORIAL_DATA": data, "TUTORIAL_SHELF": "strict"}
        client.execute(env=environment, cleanup_kc=True)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        where = f"{path.parent.name}/{path.name}, cell {started[-1] + 1}"
        raise BuildError(f"{where}:\n{ANSI.sub('', str(error))}") from None


def client_of(notebook: NotebookNode, folder: Path, **settings) -> NotebookClient:
    """What runs a notebook in a fresh kernel, in a folder.

    The kernel is of this interpreter, even if another one called python3 is installed.
    """
    own_kernel_only = KernelSpecManager(kernel_dirs=[])
    return NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=own_kernel_only),
        timeout=CELL_TIMEOUT,
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
        **settings,
    )


def made_of(source: Path) -> dict[Path, NotebookNode]:
    """What is built of a source, by path, not executed: solutions only if there are any."""
    with_tags = {tag for cell in read_source(source) for tag in tags(cell)}
    kinds = (False, True) if {"exercise", "solution"} & with_tags else (False,)
    return {target(source, solved): assemble(source, solved) for solved in kinds}


def assemble(source: Path, solved: bool) -> NotebookNode:
    """The learner's notebook, or the solved one, of a source: not executed, in normal form."""
    dropped = "exercise" if solved else "solution"
    kept = [cell for cell in read_source(source) if dropped not in tags(cell)]
    notebook = normal_form(NotebookNode(cells=kept))
    notebook.cells[0].source += "\n\n" + note_for_a_notebook_alone(public_address())
    if solved:
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = to_solutions(cell.source, room_of(source))
    return notebook


def public_address() -> str | None:
    """Where the project can be had: `Repository` under [project.urls] in pyproject.toml."""
    urls = metadata("vae-tutorial").get_all("Project-URL", [])
    return dict(url.split(", ", 1) for url in urls).get("Repository")


def note_for_a_notebook_alone(address: str | None) -> str:
    """What to do where the package is missing, as on Colab: the end of every first cell."""
    if address is None:
        return (
            "*Opened without the folder that it comes from? Then its imports fail. "
            "Get the whole folder, and run `make lab` in it.*"
        )
    return (
        "*Opened without the folder that it comes from, on Colab for instance? First run "
        f"`%pip install git+{address}` in a cell of its own.*"
    )


def to_solutions(text: str, room: str = "") -> str:
    """Markdown of a notebook in a room as its solutions have it: title (`# ...`) and links."""
    text = re.sub(r"\A(# .*)", r"\1 · solutions", text)
    return LINK.sub(partial(moved_link, room), text)


def moved_link(room: str, match: re.Match) -> str:
    """A link of a notebook, as its solutions need it; code, addresses and anchors stay."""
    path, sharp, anchor = (match["target"] or "").partition("#")
    is_code, is_address = match["code"], re.match(r"[a-z]+:|/", path)
    if is_code or not path or is_address or not re.search(r"[./]", path):
        return match[0]
    moved = posixpath.relpath(f"/1/2/3/{room}/{path}", f"/1/2/3/solutions/{room}")
    return f"{match['open']}{moved}{sharp}{anchor}"


# --- checking


def problems(folder: Path, names: Sequence[str] = ()) -> list[str]:
    """Everything in which the built notebooks are not what their sources say, a line each."""
    found, expected = [], set()
    for source in sources(folder, names):
        for path, notebook in made_of(source).items():
            expected.add(path)
            wrong = compare(path, notebook)
            found += [f"{path.relative_to(folder)}: {problem}" for problem in wrong]
    if not names:
        places = ("", "side_trips/", "solutions/", "solutions/side_trips/")
        built = {path for place in places for path in folder.glob(f"{place}*.ipynb")}
        strays = sorted(built - expected)
        found += [f"{path.relative_to(folder)}: has no source" for path in strays]
    style = folder / "matplotlibrc"
    for copy in sorted({path.with_name("matplotlibrc") for path in expected}):
        if style.exists() and not (copy.exists() and copy.read_bytes() == style.read_bytes()):
            found.append(f"{copy.relative_to(folder)}: is not a copy of matplotlibrc")
    return found


def compare(path: Path, expected: NotebookNode) -> Iterator[str]:
    """How a built notebook differs from what its source makes: the first cell, and every fault."""
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


# --- files


def sources(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """The sources, or those named; BuildError if there is none.

    A name is that of a notebook, such as "05_table", or a number of the main line, such as "05".
    """
    main_line = sorted((folder / "src").glob("[0-9][0-9]_*.py"))
    every = main_line + sorted((folder / "src").glob("side_trips/[0-9][0-9]_*.py"))
    by_name = {path.stem: path for path in every} | {path.name[:2]: path for path in main_line}
    if not every:
        raise BuildError(f"no sources NN_topic.py in {folder / 'src'}")
    if unknown := sorted(set(names) - by_name.keys()):
        there = ", ".join(path.stem for path in every)
        raise BuildError(f"no source is called {', '.join(unknown)}; there are: {there}")
    wanted = {by_name[name] for name in names} or set(every)
    return [path for path in every if path in wanted]


def room_of(source: Path) -> str:
    """The folder below `src` that a source lies in: "side_trips", or "" for the main line."""
    return "side_trips" if source.parent.name == "side_trips" else ""


def target(source: Path, solved: bool) -> Path:
    """Where the notebook made of `source` lies."""
    room = room_of(source)
    folder = source.parents[2 if room else 1]
    return folder / ("solutions" if solved else "") / room / f"{source.stem}.ipynb"


def read_source(path: Path) -> list[NotebookNode]:
    """The cells of a source, each with an id made of its content: an insertion changes no id."""
    cells = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells
    times = Counter()
    for cell in cells:
        cell.id = content_id(cell.cell_type, cell.source)
        times[cell.id] += 1
        if times[cell.id] > 1:
            cell.id += f"-{times[cell.id]}"
    return cells


def read_notebook(path: Path) -> NotebookNode | None:
    """The notebook in `path`; None if there is none, or something else."""
    not_a_notebook = UnicodeDecodeError, nbformat.reader.NotJSONError, nbformat.ValidationError
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (FileNotFoundError, *not_a_notebook):
        return None


def content_id(cell_type: str, text: str) -> str:
    """Twelve hexadecimal digits that stand for this cell."""
    return hashlib.sha256(f"{cell_type}\n{text}".encode()).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main())
