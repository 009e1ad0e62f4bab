"""The build: sources become notebooks in one normal form, and disagreement is found."""

import importlib
import json
import shutil
from pathlib import Path

import jupytext
import pytest
from helpers.notebooks import NOTEBOOKS, a_display, a_notebook, a_print
from nbformat.v4 import new_output

with pytest.MonkeyPatch.context() as patch:  # notebooks/src is no package
    patch.syspath_prepend(NOTEBOOKS / "src")
    build, form = (importlib.import_module(name) for name in ("build", "normal_form"))

SOURCE = """\
# %% [markdown]
# # 1 · Tiny
# [Solutions](solutions/01_tiny.ipynb), [next](02_next.ipynb#there)

# %%
import os
import pathlib

found = pathlib.Path(os.environ["TUTORIAL_DATA"], "trained").exists()
pathlib.Path(os.environ["TUTORIAL_DATA"], "trained").write_text("yes")
print("cache" if found else "trained")

# %% tags=["exercise"]
answer = None  # your turn

# %% tags=["solution"]
answer = 42

# %%
print("10 %", end="\\r")
print("100 % done", end="\\r")
print("end", end="       \\n")

# %%
import ipywidgets

ipywidgets.IntSlider()

# %% [markdown]
# The same.

# %% [markdown]
# The same.

# %% tags=["nbval-check-output"]
answer
"""


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "src").mkdir()
    (folder / "src" / "01_tiny.py").write_text(SOURCE, encoding="utf-8")
    (folder / "matplotlibrc").write_text("figure.dpi: 100\n")
    build.build(folder)
    return folder


@pytest.fixture
def folder(built_once, tmp_path) -> Path:
    """A folder of notebooks, built, for this test alone."""
    return Path(shutil.copytree(built_once, tmp_path / "notebooks"))


@pytest.fixture
def executions(monkeypatch) -> list[Path]:
    """Which notebooks are executed (without executing them)."""
    ran = []
    monkeypatch.setattr(build, "execute", lambda notebook, path, data: ran.append(path))
    return ran


def source_in(folder: Path) -> Path:
    return folder / "src" / "01_tiny.py"


def read(folder: Path, solved: bool = False):
    return build.read_notebook(build.target(source_in(folder), solved))


def save(notebook, folder: Path, solved: bool = False) -> None:
    path = build.target(source_in(folder), solved)
    path.write_text(form.dump(notebook), encoding="utf-8")


def files_of(folder: Path) -> dict[Path, bytes]:
    """The built notebooks, byte by byte."""
    return {path: path.read_bytes() for path in folder.rglob("*.ipynb")}


def edit_source(folder: Path, old: str, new: str) -> None:
    path = source_in(folder)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def stream_of(notebook, number: int) -> str:
    return "".join(output.get("text", "") for output in form.code_cells(notebook)[number].outputs)


def test_the_learner_gets_the_exercise_and_the_solutions_the_answer(folder):
    learner, solved = form.code(read(folder)), form.code(read(folder, solved=True))
    assert "answer = None  # your turn" in learner and "answer = 42" not in learner
    assert "answer = 42" in solved and "answer = None  # your turn" not in solved
    assert form.code_cells(read(folder, solved=True))[-1].outputs[0].data["text/plain"] == "42"


def test_both_notebooks_share_one_fresh_data_folder(folder):
    assert stream_of(read(folder), 0) == "trained\n"
    assert stream_of(read(folder, solved=True), 0) == "cache\n"


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ('<img src="figures/a.svg">', '<img src="../figures/a.svg">'),
        ("[a](../README.md#b) ![c](d.svg)", "[a](../../README.md#b) ![c](../d.svg)"),
        ("[a](solutions/b.ipynb)", "[a](b.ipynb)"),
        *((text, text) for text in ("[a](https://a.org/b.c)", "[a](#there)", "`f[x](y.z)`")),
        ("[a](mailto:a@b.org)", "[a](mailto:a@b.org)"),
    ],
)
def test_title_and_links_of_solutions_lead_one_folder_up(text, moved, folder):
    assert build.to_solutions(text) == moved
    title = read(folder, solved=True).cells[0].source
    assert title.startswith("# 1 · Tiny · solutions\n[Solutions](01_tiny.ipynb), [next](../02_")


def test_normal_form_counts_merges_and_replaces_widgets(folder):
    notebook = read(folder)
    cells = form.code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert stream_of(notebook, 2) == "end\n"
    assert cells[3].outputs == [a_display({"text/markdown": form.WIDGET_NOTE})]
    assert "widget appears" in form.WIDGET_NOTE  # by these words tests of notebooks find widgets
    assert notebook.metadata == form.METADATA
    assert form.normal_form(notebook) == notebook


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\rb\n", "b\n"),
        ("long line\rshort    \n", "short\n"),
        ("100%|####|\r200%|####|\n", "200%|####|\n"),
        ("abc\rX\n", "Xbc\n"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("kept blanks  \n", "kept blanks  \n"),
        ("\rlast", "last"),
    ],
)
def test_carriage_returns_are_applied_as_a_terminal_does(written, shown):
    assert form.apply_carriage_returns(written) == shown


def test_neighboring_streams_become_one():
    parts = [a_print(text) for text in ("10 %\r", "20 %\r", "done\n")]
    error = new_output("stream", name="stderr", text="!")
    merged = form.merge_streams([*parts, error, a_print("")])
    assert merged == [a_print("done\n"), error]
    assert parts[0].text == "10 %\r"  # the argument is not changed


def test_ids_are_unique_and_survive_an_insertion(folder):
    before = [cell.id for cell in read(folder).cells]
    assert len(set(before)) == len(before)
    edit_source(folder, "# %%\nprint", "# %% [markdown]\n# New.\n\n# %%\nprint")
    notebook = build.assemble(source_in(folder), False)
    after = [cell.id for cell in notebook.cells]
    assert [cell_id for cell_id in after if cell_id in before] == before
    assert len(after) == len(before) + 1


def test_building_again_changes_nothing(folder, executions, capsys):
    before = files_of(folder)
    build.build(folder)
    assert executions == [] and capsys.readouterr().out.count("unchanged") == 2
    assert files_of(folder) == before and len(before) == 2


def test_a_source_saved_by_jupytext_builds_the_same_notebook(folder):
    path = source_in(folder)
    jupytext.write(jupytext.read(path), path, fmt="py:percent")
    assert build.problems(folder) == []


def test_changed_text_keeps_the_outputs(folder, executions):
    outputs = [cell.outputs for cell in form.code_cells(read(folder))]
    edit_source(folder, "# The same.", "# Not the same.")
    build.build(folder)
    assert executions == [] and build.problems(folder) == []
    assert [cell.outputs for cell in form.code_cells(read(folder))] == outputs


def test_changed_code_is_executed(folder, executions):
    edit_source(folder, "answer = 42", "answer = 43")  # only the solutions show it
    build.build(folder)
    assert [path.parent.name for path in executions] == ["solutions"]


def test_a_side_trip_has_a_folder_of_its_own_and_solutions_if_it_needs_them(folder, executions):
    source = folder / "src" / "side_trips" / "01_trip.py"
    source.parent.mkdir()
    source.write_text("# %% [markdown]\n# [Back](../01_tiny.ipynb)\n\n# %%\n1", encoding="utf-8")
    trip, solved = build.target(source, solved=False), build.target(source, solved=True)
    assert build.main(["--all", "01_trip"], folder) == 0 and build.problems(folder) == []
    assert executions == [trip] == [folder / "side_trips" / "01_trip.ipynb"]
    source.write_text(source.read_text() + '\n\n# %% tags=["solution"]\n2', encoding="utf-8")
    build.build(folder)
    assert solved == folder / "solutions" / "side_trips" / "01_trip.ipynb"
    assert executions == [trip, solved] and build.problems(folder) == []
    assert "](../../01_tiny.ipynb)" in build.read_notebook(solved).cells[0].source
    for path in (trip, solved):
        assert path.with_name("matplotlibrc").read_bytes() == b"figure.dpi: 100\n"
    source.unlink()
    strays = [path.relative_to(folder) for path in (trip, solved)]
    assert build.problems(folder) == [f"{path}: has no source" for path in strays]


def test_a_cell_tagged_hide_input_is_folded():
    notebook = a_notebook(("1",), ("2",))
    notebook.cells[0].metadata["tags"] = ["hide-input"]
    folded, plain = form.normal_form(notebook).cells
    assert folded.metadata["jupyter"] == {"source_hidden": True} and "jupyter" not in plain.metadata


def test_all_executes_everything(folder, executions):
    assert build.main(["--all"], folder) == 0 and len(executions) == 2


def test_an_error_names_the_cell_and_writes_nothing(folder, capsys):
    before = files_of(folder)
    edit_source(folder, "answer = 42", "answer = 1 / 0")
    assert build.main([], folder) == 1
    message = capsys.readouterr().err
    assert "01_tiny.ipynb, cell 3" in message and "ZeroDivisionError" in message
    assert "\x1b" not in message and files_of(folder) == before


DAMAGES = {
    "count": {"execution_count": None},
    "stderr": {"outputs": [new_output("stream", name="stderr", text="careful")]},
    "error": {"outputs": [new_output("error", ename="ValueError", evalue="no", traceback=[])]},
    "widget view": {"outputs": [a_display({form.WIDGET_VIEW: {"model_id": "1"}})]},
    "input": {"source": "changed = True"},
    "tag": {"metadata": {"tags": ["exercise"]}},
    "timing": {"metadata": {"execution": {"started": 1}}},
}


@pytest.mark.parametrize("solved", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_check_names_the_damaged_cell(folder, damage, solved):
    notebook = read(folder, solved)
    notebook.cells[3].update(DAMAGES[damage])
    save(notebook, folder, solved)
    found = build.problems(folder)
    assert found and all("01_tiny.ipynb: cell 4 " in line for line in found)
    assert all(line.startswith("solutions") == solved for line in found)


def test_check_finds_widget_state_missing_and_stray_files(folder):
    notebook = read(folder)
    notebook.metadata["widgets"] = {"state": {}}
    save(notebook, folder)
    (folder / "solutions" / "01_tiny.ipynb").unlink()
    (folder / "02_stray.ipynb").write_text(json.dumps(notebook))
    (folder / "solutions" / "matplotlibrc").write_text("figure.dpi: 300\n")
    found = "\n".join(build.problems(folder))
    assert "metadata" in found and "solutions/01_tiny.ipynb: is missing" in found
    assert "02_stray.ipynb: has no source" in found and "solutions/matplotlibrc" in found
    assert build.main(["--check"], folder) == 1


def test_no_source_is_a_failure(tmp_path):
    assert build.main(["--check"], tmp_path) == 1
    with pytest.raises(build.BuildError, match="no sources"):
        build.problems(tmp_path)


def test_an_unknown_number_is_named(folder):
    with pytest.raises(build.BuildError, match=r"07.*01_tiny"):
        build.build(folder, ["07"])
