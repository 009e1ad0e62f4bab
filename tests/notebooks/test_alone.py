"""A notebook opened alone, without the package, says in its first cell what to do."""

import importlib
import re

import pytest
from helpers.notebooks import NOTEBOOKS, every_notebook, read

with pytest.MonkeyPatch.context() as patch:  # notebooks/src is no package
    patch.syspath_prepend(NOTEBOOKS / "src")
    build = importlib.import_module("build")


@every_notebook
def test_the_first_cell_says_what_to_do_in_one_line(path):
    last = read(path).cells[0].source.splitlines()[-1]
    assert last == build.note_for_a_notebook_alone(build.public_address())
    assert len(last) < 200


def test_without_an_address_the_whole_folder_is_needed():
    note = build.note_for_a_notebook_alone(None)
    assert "make lab" in note and "pip" not in note


def test_with_an_address_one_command_installs_the_package():
    note = build.note_for_a_notebook_alone("https://example.org/vae.git")
    assert re.search("`%pip install git\\+https://example.org/vae.git`", note)


@pytest.mark.parametrize(
    ("urls", "address"),
    [
        (None, None),
        (["Documentation, https://example.org/docs"], None),
        (
            ["Documentation, https://example.org", "Repository, https://example.org/r"],
            "https://example.org/r",
        ),
    ],
)
def test_the_address_is_that_of_pyproject(monkeypatch, urls, address):
    class Installed:
        def get_all(self, name, default):
            return urls or default

    monkeypatch.setattr(build, "metadata", lambda name: Installed())
    assert build.public_address() == address
