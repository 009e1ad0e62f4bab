"""Assignments for nbgrader: cells to answer and cells that grade, and no solution outside marks."""

import importlib
import re

import pytest
from helpers.notebooks import NOTEBOOKS
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from nbformat.validator import validate

with pytest.MonkeyPatch.context() as patch:  # notebooks/src is no package
    patch.syspath_prepend(NOTEBOOKS / "src")
    build, made = (importlib.import_module(name) for name in ("build", "assignment"))

SOURCES = [path for path in build.sources(NOTEBOOKS) if len(build.made_of(path)) == 2]
MARKED = re.compile(r"### BEGIN SOLUTION\n.*?\n### END SOLUTION", re.DOTALL)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_each_exercise_is_a_cell_to_answer_and_one_that_grades(source):
    cells = build.read_source(source)
    notebook = made.assignment(cells)
    validate(notebook)
    about = [cell.metadata["nbgrader"] for cell in notebook.cells if "nbgrader" in cell.metadata]
    solutions = [cell for cell in cells if "solution" in build.tags(cell)]
    assert len(about) == 2 * len(solutions) > 0
    for answer, grade in zip(about[::2], about[1::2], strict=True):
        assert answer["solution"] and not answer["grade"] and not answer["locked"]
        assert grade["grade"] and grade["locked"] and grade["points"] == 1
    names = [each["grade_id"] for each in about]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_without_what_nbgrader_takes_out_no_solution_is_left(source):
    cells = build.read_source(source)
    released = [MARKED.sub("", cell.source) for cell in made.assignment(cells).cells]
    learners = [cell.source for cell in build.assemble(source, solved=False).cells]
    solved = [cell.source for cell in cells if "solution" in build.tags(cell)]
    secret = _lines(solved) - _lines(learners)
    assert len(secret) >= len(solved) and not secret & _lines(released)


def _lines(texts: list[str]) -> set[str]:
    return {line.strip() for text in texts for line in text.splitlines()}


@pytest.mark.parametrize("right", [True, False])
def test_a_check_raises_on_a_wrong_answer_when_it_is_graded(tmp_path, monkeypatch, right):
    """What `nbgrader autograde` does: run the notebook as handed in, and count cells that fail."""
    source = next(path for path in SOURCES if path.stem.startswith("00"))
    notebook = made.assignment(build.read_source(source))
    graded = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    if not right:
        graded[0].source = MARKED.sub("", graded[0].source).replace("...", "28")
    imports = new_code_cell("from tutorial_utils.checks.nb00 import check_compression")
    notebook.cells = [imports, *graded]
    monkeypatch.setenv("TUTORIAL_GRADE", "1")
    NotebookClient(
        notebook, allow_errors=True, resources={"metadata": {"path": tmp_path}}
    ).execute()
    failed = [
        output.ename for output in notebook.cells[-1].outputs if output.output_type == "error"
    ]
    assert failed == ([] if right else ["AssertionError"])


def test_an_exercise_without_a_check_cannot_be_graded():
    cells = [new_code_cell("x = ...", metadata={"tags": [tag]}) for tag in ("exercise", "solution")]
    with pytest.raises(ValueError, match="the last line of an exercise must call its check"):
        made.assignment(cells)
