"""Notebook 00 where a learner may be: in a strange folder, from a shell that speaks only ASCII."""

import shutil
from copy import deepcopy

from helpers.notebooks import NOTEBOOKS, ROOT, outputs, read
from nbclient import NotebookClient

ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
STRANGE = "Mein Ordner [β] 学习 (2) 100%"


def test_notebook_00_in_a_strange_folder_and_without_utf_8(tmp_path, monkeypatch):
    home = tmp_path / STRANGE
    shutil.copytree(ROOT / "tutorial_utils", home / "tutorial_utils")
    (home / "notebooks").mkdir()
    places = {"PYTHONPATH": home, "TUTORIAL_DATA": home / "data", "HOME": home}
    for name, value in (ASCII | places).items():
        monkeypatch.setenv(name, str(value))
    notebook = deepcopy(read(NOTEBOOKS / "00_start_here.ipynb"))
    where = (
        "import sys, tutorial_utils\nprint(tutorial_utils.__file__, sys.getfilesystemencoding())"
    )
    notebook.cells[-1].update(cell_type="code", source=where, outputs=[])
    resources = {"metadata": {"path": str(home / "notebooks")}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    found = outputs(notebook.cells)
    assert found[-1].text == f"{home / 'tutorial_utils/__init__.py'} ascii\n"
    assert not [output for output in found if output.get("name") == "stderr"]
