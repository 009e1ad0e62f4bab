"""Every formula of the series, as JupyterLab sets it."""

import pytest
from helpers.lab import open_saved
from helpers.notebooks import LEARNERS, read

pytestmark = pytest.mark.browser


def with_formulas(path) -> str:
    """The Markdown cells of a notebook that have formulas, as one text."""
    texts = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    return "\n\n".join(text for text in texts if "$" in text)


TEXTS = [with_formulas(path) for path in LEARNERS if with_formulas(path)]
TEXT_LEFT = """nodes => nodes.map(node => {
  const copy = node.cloneNode(true);
  copy.querySelectorAll('mjx-container, pre, code').forEach(part => part.remove());
  return copy.innerText;
})"""


@pytest.fixture(scope="module")
def page(lab, chromium):
    """All of TEXTS, in a window so tall that all of them are drawn."""
    page = open_saved(chromium, lab, TEXTS, viewport={"width": 1210, "height": 40_000})
    page.locator(".jp-MarkdownOutput").nth(len(TEXTS) - 1).wait_for()
    page.wait_for_timeout(5000)
    yield page
    page.close()


def test_formulas_are_set_and_none_is_wrong(page):
    assert len(TEXTS) >= 9 and page.locator("mjx-container").count() > 500
    assert page.locator("mjx-merror, mjx-mtext[style*=red]").count() == 0
    left = page.locator(".jp-MarkdownOutput").evaluate_all(TEXT_LEFT)
    assert [text for text in left if "$" in text or "\\" in text] == []
