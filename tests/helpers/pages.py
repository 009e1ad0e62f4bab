"""What the tests of exported pages share: a file in a real Chromium without a network."""

from pathlib import Path

from playwright.sync_api import Browser, Page


def open_file(browser: Browser, path: Path, ready: str, **settings) -> Page:
    """The file on a page of its own, once the JavaScript `ready` is true there.

    What the page reports, and its requests for anything but the file, are in `page.complaints`.
    settings: for `new_context`, such as viewport={"width": 1000, "height": 900}.
    """
    context = browser.new_context(**settings)
    context.set_offline(True)
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("request", lambda request: _complain(page, request.url, path))
    page.goto(path.as_uri())
    page.wait_for_function(ready)
    return page


def _complain(page: Page, url: str, path: Path) -> None:
    if not url.startswith("data:") and url.partition("#")[0] != path.as_uri():
        page.complaints.append(url)
