"""`nbconvert --to slides` makes a talk: a section for each heading, and a slide for each cell."""

import re

from helpers.notebooks import NOTEBOOKS, read
from nbconvert import SlidesExporter


def test_slides():
    notebook = read(NOTEBOOKS / "00_start_here.ipynb")
    page, _ = SlidesExporter().from_notebook_node(notebook)
    tags = re.findall(r"</?section", page)
    depth, sections, slides = 0, 0, 0
    for tag in tags:
        depth += 1 if tag == "<section" else -1
        sections += tag == "<section" and depth == 1
        slides += tag == "<section" and depth == 2
    titles = [cell for cell in notebook.cells if re.search(r"^##? ", cell.source, re.MULTILINE)]
    assert sections == len([cell for cell in titles if cell.cell_type == "markdown"]) > 5
    assert slides == len(notebook.cells)
