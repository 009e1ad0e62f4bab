"""The one form of built notebooks: nothing in it depends on when and where they ran."""

import re
from collections.abc import Sequence

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# In place of a widget: without its kernel, a saved one opens as "Error displaying widget".
WIDGET_NOTE = "*The widget appears here when you run this cell (Shift+Enter).*"
# What JupyterLab and Notebook 7 fold: code that is not the lesson, the answer that stands in the
# code of a question, and results to predict.
FOLDED = {"hide-input": "source_hidden", "predict": "source_hidden"}
FOLDED |= {"after-predict": "outputs_hidden"}


def normal_form(notebook: NotebookNode) -> NotebookNode:
    """The same cells with nothing in them that depends on when and where they ran."""
    cells, count = [], 0
    for cell in notebook.cells:
        metadata = {"tags": tags(cell)} if tags(cell) else {}
        metadata["slideshow"] = {"slide_type": slide_type(cell)}
        if cell.cell_type == "code":
            metadata |= folds(cell)
        new = NotebookNode(
            id=cell.id, cell_type=cell.cell_type, metadata=metadata, source=cell.source
        )
        if cell.cell_type == "code":
            count += 1
            new.execution_count = count
            kept = [each for each in merge_streams(cell.outputs) if not has_twin(each)]
            new.outputs = [plain_output(output, count) for output in kept]
        cells.append(new)
    return NotebookNode(
        cells=cells, metadata=nbformat.from_dict(METADATA), nbformat=4, nbformat_minor=5
    )


def slide_type(cell: NotebookNode) -> str:
    """Where a cell goes when `nbconvert --to slides` makes a talk of the notebook.

    A cell with a heading begins a new section, to the right; any other lies below the one before.
    """
    begins = cell.cell_type == "markdown" and re.search(r"^#{1,2} ", cell.source, re.MULTILINE)
    return "slide" if begins else "subslide"


def folds(cell: NotebookNode) -> dict:
    """The metadata that folds the cell's code or outputs, as JupyterLab writes it itself.

    Whoever runs a cell unfolds its outputs.  nbconvert knows no folds, so that a converted page
    leaves the code of a question out: its answer stands in it.
    """
    hidden = {name: True for tag, name in FOLDED.items() if tag in tags(cell)}
    collapsed = {"collapsed": True} if "outputs_hidden" in hidden else {}
    left_out = {"transient": {"remove_source": True}} if "predict" in tags(cell) else {}
    return {"jupyter": hidden} | collapsed | left_out if hidden else {}


def merge_streams(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Neighboring outputs to one stream as one, as a terminal would show it; empty ones vanish."""
    merged: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if merged and merged[-1].output_type == "stream" and merged[-1].name == output.name:
                merged[-1].text += output.text
                continue
            output = new_output("stream", name=output.name, text=output.text)
        merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            output.text = apply_carriage_returns(output.text)
    return [output for output in merged if output.output_type != "stream" or output.text]


def apply_carriage_returns(text: str) -> str:
    """What a terminal shows of `text`: after a carriage return, writing starts over at the left."""
    lines = text.replace("\r\n", "\n").split("\n")
    for i, line in enumerate(lines):
        if "\r" in line:
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines[i] = shown.rstrip()
    return "\n".join(lines)


def has_twin(output: NotebookNode) -> bool:
    """Whether this is a widget with an output of its own to stand for it, as `predict` has one.

    The widget itself then has an empty text.
    """
    data = output.get("data", {})
    return WIDGET_VIEW in data and data.get("text/plain") == ""


def plain_output(output: NotebookNode, count: int) -> NotebookNode:
    """The output without what belongs to one run; a widget becomes a sentence."""
    if output.output_type in ("stream", "error"):
        return output
    if WIDGET_VIEW in output.data:
        return new_output("display_data", data={"text/markdown": WIDGET_NOTE})
    counted = {"execution_count": count} if output.output_type == "execute_result" else {}
    return new_output(output.output_type, data=output.data, metadata=output.metadata, **counted)


def faults(notebook: NotebookNode) -> list[str]:
    """What is wrong with a built notebook, whatever its source.

    That is: failed cells, output to standard error, and whatever is not in normal form.
    """
    found, normal = [], normal_form(notebook)
    for number, (cell, expected) in enumerate(zip(notebook.cells, normal.cells, strict=True), 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                found.append(f"cell {number} ends in {output.ename}: {output.evalue}")
            elif output.output_type == "stream" and output.name == "stderr":
                found.append(f"cell {number} writes to standard error: {output.text.strip()}")
        if differing := [key for key in cell if cell[key] != expected.get(key)]:
            found.append(f"cell {number} is not in normal form ({', '.join(sorted(differing))})")
    if differing := [key for key in notebook if key != "cells" and notebook[key] != normal[key]]:
        parts = ", ".join(sorted(differing))
        found.append(f"cell 0 (the notebook itself) is not in normal form ({parts})")
    return found


def dump(notebook: NotebookNode) -> str:
    """The text of a notebook's file."""
    return nbformat.writes(notebook, version=4) + "\n"


def tags(cell: NotebookNode) -> list[str]:
    """The cell's tags."""
    return list(cell.metadata.get("tags", []))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code(notebook: NotebookNode) -> list[str]:
    """The text of every code cell, in order."""
    return [cell.source for cell in code_cells(notebook)]


def inputs(notebook: NotebookNode) -> list[tuple]:
    """Everything in a notebook that its source decides."""
    return [(cell.id, cell.cell_type, cell.source, tags(cell)) for cell in notebook.cells]
