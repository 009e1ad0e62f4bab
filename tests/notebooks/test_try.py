"""`make try`: a notebook with other settings goes on, and what fails in it is named."""

import importlib
import re

import pytest
from helpers.notebooks import NOTEBOOKS

with pytest.MonkeyPatch.context() as patch:  # notebooks/src is no package
    patch.syspath_prepend(NOTEBOOKS / "src")
    try_notebook = importlib.import_module("try_notebook")

SOURCE = """\
# %% [markdown]
# # 1 · Tiny

# %%
from pathlib import Path
from tutorial_utils import claim

# %%
seeds, epochs = [
    0, 1], 3
doubled = [2 * seed for seed in seeds]

# %%

claim("0 is there", 0 in doubled, doubled=doubled)
Path("page.html").write_text("went on")

# %% tags=["exercise"]
1 / 0

# %% tags=["solution"]
assert 1 in seeds, "the first line\\n and another"

# %%
claim("a page is there", Path("page.html").exists(), epochs=epochs)
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of notebooks with one source."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "01_tiny.py").write_text(SOURCE)
    (tmp_path / "matplotlibrc").write_text("")
    return tmp_path


def test_what_fails_is_named_and_nothing_is_written(folder, capsys):
    before = sorted(folder.rglob("*"))
    assert try_notebook.main(["01", "seeds=[3]", "epochs=5"], folder) == 1
    title, claim, cell, end = capsys.readouterr().out.splitlines()
    assert title == "01_tiny, seeds = [3], epochs = 5"
    assert re.fullmatch(r"  cell 4, 'claim.*': not so: 0 is there \(doubled = \[6\]\)", claim)
    assert re.fullmatch("  cell 5, 'assert.*': AssertionError: the first line", cell)
    assert end.startswith("  2 failed, in ") and sorted(folder.rglob("*")) == before


def test_where_nothing_fails_the_status_is_0(folder, capsys):
    assert try_notebook.main(["01_tiny", "seeds=(1, 0)"], folder) == 0
    assert "\n  0 failed, in " in capsys.readouterr().out


def test_a_setting_that_no_cell_has_is_named(folder, capsys):
    assert try_notebook.main(["01", "sedes=[3]"], folder) == 1
    assert "sedes" in capsys.readouterr().err
