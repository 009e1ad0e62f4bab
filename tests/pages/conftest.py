"""The fixture of tests of exported pages: `open_page`.  It waits for the module's READY."""

import pytest
from helpers.pages import open_file


@pytest.fixture(scope="module")
def open_page(request, chromium):
    """A function that opens a file on a page of its own; in the end no page has complained."""
    pages = []

    def open_(path, **settings):
        pages.append(open_file(chromium, path, request.module.READY, **settings))
        return pages[-1]

    yield open_
    for page in pages:  # nothing went wrong, and nothing was asked of a network
        assert page.complaints == []
        page.context.close()
