"""Assignments for nbgrader: a notebook whose exercises are cells to answer and cells that grade.

`build.py --assignment FOLDER 03` writes FOLDER/03_mathematics.ipynb, to be put into a course's
`source` folder.  It has the solutions, between the marks that `nbgrader generate_assignment` looks
for.  With TUTORIAL_GRADE=1 in the environment a check raises on a wrong answer, so each one counts.
"""

from collections.abc import Iterator, Sequence

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from normal_form import normal_form, tags


def assignment(cells: Sequence[NotebookNode]) -> NotebookNode:
    """The notebook of a source's cells for nbgrader, not executed.

    An exercise, the solution behind it, and the check in their last line become two cells: the
    hole with the solution, and the check, for one point.
    """
    notebook = normal_form(NotebookNode(cells=[cell for cell in cells if not _is_exercise(cell)]))
    plain, made, holes = iter(notebook.cells), [], []
    for cell in cells:
        if "exercise" in tags(cell):
            holes.append(cell)
        elif "solution" in tags(cell):
            made += _graded(holes.pop(), cell)
        else:
            made.append(next(plain))
    notebook.cells = made
    return notebook


def _is_exercise(cell: NotebookNode) -> bool:
    return bool({"exercise", "solution"} & set(tags(cell)))


def _graded(hole: NotebookNode, solution: NotebookNode) -> Iterator[NotebookNode]:
    """The cell to answer, and the cell that grades it."""
    question, check = _without_check(hole.source)
    answer, _ = _without_check(solution.source)
    text = f"{question}\n\n\n### BEGIN SOLUTION\n{answer}\n### END SOLUTION"
    name = check.partition("(")[0]
    yield _cell(text, f"answer-{name}", solution=True, locked=False)
    yield _cell(check, name, grade=True, locked=True, points=1)


def _without_check(code: str) -> tuple[str, str]:
    """The code of an exercise up to its check, and the check: the last line."""
    before, _, check = code.rstrip().rpartition("\n")
    if not check.startswith("check_"):
        raise ValueError(f"the last line of an exercise must call its check, got {check!r}")
    return before.rstrip(), check


def _cell(text: str, grade_id: str, **settings: object) -> NotebookNode:
    """A code cell with what nbgrader keeps about it."""
    about = {"schema_version": 3, "grade": False, "solution": False, "task": False}
    cell = new_code_cell(text, metadata={"nbgrader": about | {"grade_id": grade_id} | settings})
    cell.id = grade_id
    return cell
