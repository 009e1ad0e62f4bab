"""The build: sources become notebooks in one normal form, disagreement is found, and edits in Jupyter find back."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

SRC = Path(__file__).resolve().parents[2] / "notebooks" / "src"


def _load(name: str):
    """A module of notebooks/src, which is no package."""
    sys.path.insert(0, str(SRC))
    try:
        spec = importlib.util.spec_from_file_location(name, SRC / f"{name}.py")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(SRC))


form = _load("normal_form")
build = _load("build")

SOURCE = """\
# %% [markdown]
# # 1 · Tiny
# [Solutions](solutions/01_tiny.ipynb), [next](02_next.ipynb#there), `[code](figures/b.svg)`
#
# ![A line](figures/a.svg)

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


def read(folder: Path, solved: bool = False):
    return nbformat.read(build.target(folder / "src" / "01_tiny.py", solved), as_version=4)


def save(notebook, folder: Path, solved: bool = False) -> None:
    build.target(folder / "src" / "01_tiny.py", solved).write_text(
        form.dump(notebook), encoding="utf-8"
    )


def edit_source(folder: Path, old: str, new: str) -> None:
    path = folder / "src" / "01_tiny.py"
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


def test_links_of_the_solutions_lead_one_folder_up(folder):
    title = read(folder, solved=True).cells[0].source
    assert title.startswith("# 1 · Tiny · solutions\n")
    assert "[Solutions](01_tiny.ipynb)" in title and "[next](../02_next.ipynb#there)" in title
    assert "![A line](../figures/a.svg)" in title and "`[code](figures/b.svg)`" in title


@pytest.mark.parametrize(
    "text", ["[a](https://a.org/b.c)", "[a](#there)", "`f[x](y.z)`", "[a](mailto:a@b.org)"]
)
def test_other_links_stay(text):
    assert build.to_solutions(text) == text == build.from_solutions(text)


@pytest.mark.parametrize(
    "text", ["# 1 · T", '<img src="figures/a.svg">', "[a](../README.md#b) ![c](figures/d.svg)"]
)
def test_moving_links_can_be_undone(text):
    assert build.to_solutions(text) != text
    assert build.from_solutions(build.to_solutions(text)) == text


def test_normal_form_counts_merges_and_replaces_widgets(folder):
    notebook = read(folder)
    cells = form.code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert stream_of(notebook, 2) == "end\n"
    assert cells[3].outputs == [
        new_output("display_data", data={"text/markdown": form.WIDGET_NOTE})
    ]
    assert "widget appears" in form.WIDGET_NOTE  # test_notebooks.py finds widgets by these words
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
    parts = [
        new_output("stream", name="stdout", text=text) for text in ("10 %\r", "20 %\r", "done\n")
    ]
    merged = form.merge_streams([*parts, new_output("stream", name="stderr", text="!")])
    assert [(output.name, output.text) for output in merged] == [
        ("stdout", "done\n"),
        ("stderr", "!"),
    ]
    assert parts[0].text == "10 %\r"  # the argument is not changed


def test_ids_are_unique_and_survive_an_insertion(folder):
    before = [cell.id for cell in read(folder).cells]
    assert len(set(before)) == len(before)
    edit_source(folder, "# %%\nprint", "# %% [markdown]\n# New.\n\n# %%\nprint")
    after = [
        cell.id
        for cell in build.assemble(build.read_source(folder / "src" / "01_tiny.py"), False).cells
    ]
    assert [cell_id for cell_id in after if cell_id in before] == before and len(after) == len(
        before
    ) + 1


def test_building_again_changes_nothing(folder, executions, capsys):
    before = {path: path.read_bytes() for path in folder.rglob("*.ipynb")}
    build.build(folder)
    assert executions == [] and capsys.readouterr().out.count("unchanged") == 2
    assert {path: path.read_bytes() for path in folder.rglob("*.ipynb")} == before and len(
        before
    ) == 2


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


def test_all_executes_everything(folder, executions):
    assert build.main(["--all"], folder) == 0 and len(executions) == 2


def test_an_error_names_the_cell_and_writes_nothing(folder, capsys):
    before = {path: path.read_bytes() for path in folder.rglob("*.ipynb")}
    edit_source(folder, "answer = 42", "answer = 1 / 0")
    assert build.main([], folder) == 1
    message = capsys.readouterr().err
    assert (
        "01_tiny.ipynb, cell 3" in message
        and "ZeroDivisionError" in message
        and "\x1b" not in message
    )
    assert {path: path.read_bytes() for path in folder.rglob("*.ipynb")} == before


def test_check_passes_on_what_was_built(folder):
    assert build.main(["--check"], folder) == 0


def damage_count(cell):
    cell.execution_count = None


def damage_stderr(cell):
    cell.outputs = [new_output("stream", name="stderr", text="careful")]


def damage_error(cell):
    cell.outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]


def damage_view(cell):
    cell.outputs = [new_output("display_data", data={form.WIDGET_VIEW: {"model_id": "1"}})]


def damage_input(cell):
    cell.source += "  # changed"


def damage_tag(cell):
    cell.metadata["tags"] = ["exercise"]


def damage_timing(cell):
    cell.metadata["execution"] = {"started": 1}


DAMAGES = [
    damage_count,
    damage_stderr,
    damage_error,
    damage_view,
    damage_input,
    damage_tag,
    damage_timing,
]


@pytest.mark.parametrize("solved", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_check_names_the_damaged_cell(folder, damage, solved):
    notebook = read(folder, solved)
    damage(notebook.cells[3])
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


@pytest.mark.parametrize("solved", [False, True])
def test_adopting_what_was_built_leaves_the_source_as_it_is(folder, solved):
    build.adopt(folder, "01", solved=solved)
    assert (folder / "src" / "01_tiny.py").read_text(encoding="utf-8") == SOURCE


@pytest.mark.parametrize("solved", [False, True])
def test_adopting_edited_new_and_deleted_cells(folder, solved):
    notebook = read(folder, solved)
    notebook.cells[0].source += (
        "\n[More](../01_tiny.ipynb)" if solved else "\n[More](01_tiny.ipynb)"
    )
    notebook.cells[3].source = 'print("edited")'
    notebook.cells.insert(4, new_code_cell('print("new")'))
    notebook.cells.insert(5, new_markdown_cell("New text."))
    del notebook.cells[-2]
    notebook.cells.append(new_code_cell(""))  # Jupyter adds one
    save(notebook, folder, solved)
    expected = (
        SOURCE.replace("a.svg)\n\n", "a.svg)\n# [More](01_tiny.ipynb)\n\n")
        .replace(SOURCE[SOURCE.index('print("10') : SOURCE.index("# %%\nimport ipy")], "EDITED")
        .replace(
            "EDITED", 'print("edited")\n\n# %%\nprint("new")\n\n# %% [markdown]\n# New text.\n\n'
        )
        .replace("# %% [markdown]\n# The same.\n\n", "", 1)
    )
    for _ in range(2):  # adopting twice is adopting once
        build.adopt(folder, "01", solved=solved)
        assert (folder / "src" / "01_tiny.py").read_text(encoding="utf-8") == expected


def test_adopting_refuses_a_source_that_has_moved_on(folder):
    edit_source(folder, 'print("10 %"', 'print("20 %"')
    before = (folder / "src" / "01_tiny.py").read_text(encoding="utf-8")
    assert build.main(["--adopt", "01"], folder) == 1
    assert (folder / "src" / "01_tiny.py").read_text(encoding="utf-8") == before


def test_the_real_notebooks_agree_with_their_sources(capsys):
    assert build.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("source", sorted(SRC.glob("[0-9][0-9]_*.py")), ids=lambda path: path.stem)
def test_a_real_source_survives_reading_and_writing(source):
    assert build.write_source(build.read_source(source)) == source.read_text(encoding="utf-8")
