"""What nbconvert makes of a notebook: a talk, and a page on paper."""

import re

from helpers.browser import installed
from helpers.notebooks import NOTEBOOKS, every_learners_notebook, outputs, read
from nbconvert import HTMLExporter, SlidesExporter, WebPDFExporter
from nbformat import NotebookNode
from playwright.async_api import BrowserType


def test_slides_have_a_section_for_each_heading_and_a_slide_for_each_cell():
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


@every_learners_notebook
def test_a_page_asks_before_it_answers(path):
    """The code of a question has its answer: a converted page leaves it out, and has the rest."""
    cells = [cell for cell in read(path).cells if "predict" in cell.metadata.get("tags", [])]
    page, _ = HTMLExporter().from_notebook_node(NotebookNode(read(path) | {"cells": cells}))
    assert "Your guess, please" not in page
    assert page.count("<summary>Answer") == len(cells)


def test_webpdf_has_every_picture(monkeypatch):
    launch = BrowserType.launch

    def launch_installed(self, **options):
        return launch(self, **options | installed())

    monkeypatch.setattr(BrowserType, "launch", launch_installed)
    notebook = read(NOTEBOOKS / "00_start_here.ipynb")
    pdf, _ = WebPDFExporter().from_notebook_node(notebook)
    pictures = [out for out in outputs(notebook.cells) if "image/png" in out.get("data", {})]
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Subtype /Image") >= len(pictures) >= 3
