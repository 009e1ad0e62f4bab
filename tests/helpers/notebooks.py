"""The notebooks of the series, and what tests read in them: code, Markdown, headings, pictures."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
MAIN_LINE = sorted(NOTEBOOKS.glob("*.ipynb"))
LEARNERS = MAIN_LINE + sorted(NOTEBOOKS.glob("side_trips/*.ipynb"))
SOLUTIONS = [NOTEBOOKS / "solutions" / path.relative_to(NOTEBOOKS) for path in LEARNERS]
PATHS = LEARNERS + [path for path in SOLUTIONS if path.exists()]
# The notebooks of the main line that are rewritten.  Add a name here with its new source: from then
# on test_notebooks holds it to the headings and budgets of the second edition.
SECOND_EDITION = {"04_latent_space", "05_beta"}
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda p: f"{p.parent.name}/{p.stem}")
every_learners_notebook = pytest.mark.parametrize("path", LEARNERS, ids=lambda path: path.stem)

FENCED = re.compile(r"```.*?```", re.DOTALL)
CODE_OR_MATH = re.compile(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$]*\$", re.DOTALL)
FORBIDDEN = {
    r"simply": "say it without",
    r"obviously": "it is not",
    r"trivial(ly)?": "it is not",
    r"reparametri[sz]\w*|reparameteris\w*": "reparameterize",
    r"datasets?": "data set",
    r"colour\w*|grey|behaviour|normalis\w+|regularis\w+": "American spelling",
    r"(?-i:S[0-4])": "name the notebook",
}


@cache
def read(path: Path) -> NotebookNode:
    """The notebook in a file, read once.  Tests must not write into it."""
    return nbformat.read(path, as_version=4)


def notebook_called(name: str) -> Path:
    """The notebook of this number in the main line, such as "05", or of this name: "05_table"."""
    by_name = {path.stem: path for path in LEARNERS} | {path.stem[:2]: path for path in MAIN_LINE}
    return by_name[name]


def code(notebook: NotebookNode) -> list[str]:
    """The text of each code cell."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook: NotebookNode) -> str:
    """The text of all Markdown cells."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(cells: Iterable[NotebookNode]) -> list[NotebookNode]:
    """The outputs of cells, in order."""
    return [output for cell in cells for output in cell.get("outputs", [])]


def prose(text: str) -> str:
    """Markdown without code and mathematics."""
    return CODE_OR_MATH.sub(" ", text)


def one_line(text: str) -> str:
    """The words of a text with one space between them."""
    return " ".join(text.split())


def headings(text: str) -> list[tuple[int, str]]:
    """(level, title) of each heading outside fenced code."""
    found = re.findall(r"^(#{1,6}) +(.+?)\s*$", FENCED.sub("", text), re.MULTILINE)
    return [(len(sharps), title) for sharps, title in found]


def part(text: str, title: str) -> str:
    """What stands under a heading of level 2."""
    return re.split(rf"^## {re.escape(title)}$", text, flags=re.MULTILINE)[1].split("\n## ")[0]


def cells(row: str) -> list[str]:
    """The cells of a row of a table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of the tables in a text, but for their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    ruled = [n for n, line in enumerate(lines) if re.fullmatch(r"[|\-: ]+", line)]
    heads = {*ruled, *(n - 1 for n in ruled)}
    return [cells(line) for n, line in enumerate(lines) if n not in heads]


def is_widget(output: NotebookNode) -> bool:
    """Whether this is the sentence that stands in built notebooks where a widget appears."""
    return "widget appears" in str(output.get("data", ""))


def wrong_words(text: str, identifiers: str = "") -> list[str]:
    """Forbidden words in prose, and misspelled identifiers in code."""
    found = [
        f"{match[0]}: {hint}"
        for word, hint in FORBIDDEN.items()
        for match in re.finditer(rf"\b(?:{word})\b", prose(text), re.IGNORECASE)
    ]
    misspelled = re.finditer(r"\w*reparametri[sz]\w*|\w*reparameteris\w*", identifiers)
    return found + [match[0] for match in misspelled]


# ---- small notebooks for tests of the laws ----


def a_notebook(*cells) -> NotebookNode:
    """A notebook of these cells: Markdown as text, code as a tuple (source, *outputs), or nodes."""
    return new_notebook(cells=[*map(a_cell, cells)])


def a_cell(cell: str | tuple | NotebookNode) -> NotebookNode:
    """One cell of `a_notebook`."""
    if isinstance(cell, str):
        return new_markdown_cell(cell)
    return new_code_cell(cell[0], outputs=list(cell[1:])) if isinstance(cell, tuple) else cell


def a_display(data: dict[str, str], alt: str = "") -> NotebookNode:
    """An output with these contents by media type; `alt` describes the first of them."""
    metadata = {next(iter(data)): {"alt": alt}} if alt else {}
    return new_output("display_data", data=data, metadata=metadata)


def a_picture(alt: str, kind: str = "image/png") -> NotebookNode:
    """An empty picture with this description."""
    return a_display({kind: ""}, alt)


def a_widget() -> NotebookNode:
    """What stands in a built notebook in place of a widget."""
    return a_display({"text/markdown": "*The widget appears here ...*"})


def a_print(text: str) -> NotebookNode:
    """Printed text."""
    return new_output("stream", text=text)
