"""Fixtures of a test of one studio in JupyterLab: `made`, `page` and `studio`.

The test module says which studio it is about:

    SETUP   the imports and what the studio is made of; both the notebook and the test run it
    SHOW    the last lines of the notebook's cell, which show the studio
    STUDIO  a selector of the studio on the page
    READY   a selector of something in it that appears last
    OPTIONS of the browser page, such as {"has_touch": True}; may be left out
"""

import pytest
from helpers.lab import open_notebook


@pytest.fixture(scope="module")
def made(request) -> dict:
    """What the notebook makes, by name, made here."""
    names = {}
    exec(request.module.SETUP, names)
    return names


@pytest.fixture(scope="module")
def page(request, lab, chromium):
    """A page with a notebook that shows the studio and nothing else."""
    module = request.module
    options = getattr(module, "OPTIONS", {})
    ready = f"{module.STUDIO} {module.READY}"
    page = open_notebook(chromium, lab, module.SETUP + module.SHOW, ready, **options)
    yield page
    page.close()


@pytest.fixture
def studio(request, page):
    """The studio on the page, scrolled into view."""
    studio = page.locator(request.module.STUDIO)
    studio.scroll_into_view_if_needed()
    return studio


@pytest.fixture(autouse=True)
def no_errors(page):
    """After each test: the page has reported no error."""
    yield
    assert page.complaints == []
