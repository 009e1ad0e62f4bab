"""Formulas in a form that JupyterLab, converted pages (MathJax 2) and GitHub all show."""

import re

import pytest
from helpers.notebooks import ROOT, every_notebook, markdown, read

FORMULA = re.compile(r"\$\$.+?\$\$|(?<![\\\w`$])\$[^$\s`](?:[^$\n]|\n(?!\n))*?\$", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
BLOCKS = ("|", "- ", "* ", "+ ", "#", ">")


def wrong_formulas(text: str) -> list[str]:
    """Formulas that some viewer shows wrong, and why.

    MathJax 2 prints the backslash of an escaped underscore in text, and GitHub takes it away
    elsewhere.  A line that begins like a list, a heading or a table is one, for some viewers.
    """
    wrong = []
    for formula in FORMULA.findall(CODE.sub("", text)):
        if r"\_" in formula:
            wrong.append(f"escaped underscore: {formula}")
        if any(line.lstrip().startswith(BLOCKS) for line in formula.splitlines()[1:]):
            wrong.append(f"a line begins like a list or a heading: {formula}")
    return wrong


@every_notebook
def test_formulas(path):
    assert wrong_formulas(markdown(read(path))) == []


@pytest.mark.parametrize("name", ["notebooks/appendix.md", "README.md", "CONTRIBUTING.md"])
def test_formulas_of_other_pages(name):
    assert wrong_formulas((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "n_wrong"),
    [
        (r"the $\text{recon loss}$ and $\beta\,\text{kl}$, `\_` and $x_i$", 0),
        (r"the $\text{recon\_loss}$, and $a\_b$", 2),
        ("$$a\n+ b$$", 1),
        ("$$a +\nb$$ and 5 \\$", 0),
    ],
)
def test_wrong_formulas(text, n_wrong):
    assert len(wrong_formulas(text)) == n_wrong
