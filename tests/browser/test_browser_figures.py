"""The figures of the series in JupyterLab and on converted pages: there, described, and moving."""

import base64
from collections.abc import Iterator
from itertools import pairwise

import pytest
from helpers.browser import moving
from helpers.lab import open_saved
from helpers.notebooks import LEARNERS, MAIN_LINE, a_notebook, read
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from playwright.sync_api import Page

pytestmark = pytest.mark.browser
TALL = {"viewport": {"width": 1210, "height": 9000}}  # for one screenshot of all figures


def is_animation(output: NotebookNode) -> bool:
    """Whether the output's PNG is an animated one."""
    return b"acTL" in base64.b64decode(output.data["image/png"])


def figures(notebook: NotebookNode) -> Iterator[tuple]:
    """Each PNG and the description that follows it, as a cell of `a_notebook`."""
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        for picture, description in pairwise(outputs):
            if "image/png" in picture.get("data", {}):
                yield "1", picture, description


def some_figures() -> list[tuple]:
    """The first figure of each notebook of the main line, and every animation."""
    return [
        figure
        for path in LEARNERS
        for k, figure in enumerate(figures(read(path)))
        if (k == 0 and path in MAIN_LINE) or is_animation(figure[1])
    ]


FIGURES = some_figures()
ALTS = [picture.metadata["image/png"]["alt"] for _, picture, _ in FIGURES]
MOVING = [k for k, (_, picture, _) in enumerate(FIGURES) if is_animation(picture)]


def without_html(cell: tuple) -> tuple:
    """The cell as a viewer shows it that drops every HTML output."""
    return tuple(part for part in cell if "text/html" not in getattr(part, "data", {}))


def converted(cells: list[tuple], **options) -> str:
    """The HTML page that nbconvert makes of cells."""
    return HTMLExporter(**options).from_notebook_node(a_notebook(*cells))[0]


@pytest.fixture(
    scope="module",
    params=["lab", "converted", "sanitized", "no html"],
)
def page(request, chromium) -> Iterator[Page]:
    """FIGURES in one viewer."""
    if request.param == "lab":
        page = open_saved(chromium, request.getfixturevalue("lab"), FIGURES, **TALL)
        page.locator("img").nth(len(FIGURES) - 1).wait_for()
    else:
        cells = FIGURES if request.param != "no html" else [*map(without_html, FIGURES)]
        page = chromium.new_page(**TALL)
        page.complaints = []
        page.route("https://**", lambda route: route.abort())  # MathJax, which nothing here needs
        page.set_content(converted(cells, sanitize_html=request.param == "sanitized"))
    page.is_described = request.param != "no html"
    yield page
    page.close()


def test_every_figure_is_there(page):
    pictures = page.locator(".jp-OutputArea img")
    assert pictures.count() == len(FIGURES)
    assert all(pictures.evaluate_all("nodes => nodes.map(n => n.complete && n.naturalWidth > 50)"))


def test_a_screen_reader_finds_every_description(page):
    found = " ".join(page.locator("body").aria_snapshot().split()).replace('\\"', '"')
    missing = [alt for alt in ALTS if " ".join(alt.split()) not in found]
    assert missing == ([] if page.is_described else ALTS)


def test_animations_move_and_nothing_else(page):
    assert len(FIGURES) > len(MOVING) > 2
    assert moving(page.locator(".jp-OutputArea img"), page) == MOVING
