"""What every notebook keeps to: its skeleton, numbers, links, pictures, code and words.

Each law is a function that returns what is wrong; it is asked about every notebook, and tested on
small examples.
"""

import ast
import html
import os
import re
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.parse import unquote

import nbformat
import pytest
from helpers.notebooks import (
    LEARNERS,
    NOTEBOOKS,
    ROOT,
    SECOND_EDITION,
    a_display,
    a_notebook,
    a_picture,
    a_print,
    a_widget,
    code,
    every_learners_notebook,
    every_notebook,
    headings,
    is_widget,
    markdown,
    outputs,
    prose,
    read,
    wrong_words,
)
from nbconvert import HTMLExporter

# A notebook that has not yet been rewritten with the helpers of `plotting` has its own `span`.
NOT_TAUGHT = {"span"}
# 07 has a `log_normal` of each number alone.  Its trained models are found by this text, so that
# another name must wait until they are trained again, with its second edition.
OF_ITS_OWN = {"07_disentanglement": {"log_normal"}}
REQUIRED = ["Predict", "Where it breaks", "Recap", "Exercises", "References"]
REQUIRED_SECOND = ["Where it breaks", "Recap", "Where to go", "References"]
# What a side trip, and a notebook of the second edition, may have at most.
# In a side trip the imports and one more cell may have over 12 lines.
SIDE_TRIP = {"cells": 34, "lines of code": 150, "share of code cells over 12 lines": 0.15}
MAIN_LINE_SECOND = {"cells": 45, "lines of code": 300, "import statements": 10}
MAIN_LINE_SECOND |= {"lines of the median code cell": 6, "share of code cells over 12 lines": 0.1}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
NUMBER = re.compile(r"(?<![\w.])(?:\d+(?:,\d{3})*)?\.\d+(?![\w])")
BAND = re.compile(r"between\s+\S+\s+and\s+[\d.,]+|[\d.,]+\s*(?:to|–|-)\s*[\d.,]*\d", re.IGNORECASE)
NOT_MEASURED = re.compile(
    r"https?://\S+|\bdoi\S*\s\S+|\barXiv\S*\s?\S*"
    r"|(?:version|section|chapter|figure|table|eq\.|§|Python|CC BY(?:-SA)?)\s*\(?[\d.]+",
    re.IGNORECASE,
)
# What JupyterLab, GitHub and nbconvert all show; of anything else some reader sees nothing.
SHOWN_EVERYWHERE = {"text/html", "text/markdown", "text/latex", "text/plain"}
SHOWN_EVERYWHERE |= {"image/png", "image/jpeg", "image/svg+xml"}


def wrong_headings(text: str, required: list[str]) -> list[str]:
    """Required headings that are missing, a wrong title, and skipped levels."""
    found = headings(text)
    titles, levels = [title for _, title in found], [level for level, _ in found]
    missing = [name for name in required if not any(title.startswith(name) for title in titles)]
    wrong = [f"no heading {name!r}" for name in missing]
    if levels.count(1) != 1 or levels[0] != 1 or not re.match(r"\d+ · ", titles[0]):
        wrong.append("the one heading of level 1 must come first and read '# N · ...'")
    return wrong + [
        f"{title!r} skips a heading level"
        for (before, _), (level, title) in pairwise(found)
        if level > before + 1
    ]


def open_code(notebook) -> list[str]:
    """The text of each code cell that is not folded."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell.source for cell in cells if "hide-input" not in cell.metadata.get("tags", [])]


def wrong_code(sources: list[str], to_read: list[str] | None = None) -> list[str]:
    """Lines that are too wide, and too many cells that are too long, of all or of some cells."""
    lines = [line for text in sources for line in text.splitlines()]
    wrong = [f"over 79 columns: {line}" for line in lines if len(line) > 79]
    counted = sources if to_read is None else to_read
    long = [text for text in counted if n_lines_of(text) > 15]
    if len(long) > len(counted) / 5:
        firsts = [text.splitlines()[0] for text in long]
        wrong.append(f"{len(long)} of {len(counted)} code cells have more than 15 lines: {firsts}")
    return wrong


def over_budget(notebook, budget: dict[str, float]) -> dict[str, float]:
    """What is more than a budget allows; folded cells and empty lines count as no code."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    lines = [n_lines_of(text) for text in open_code(notebook)]
    nodes = [node for cell in cells for node in ast.walk(parsed(cell.source))]
    size = {
        "cells": len(notebook.cells),
        "lines of code": sum(lines),
        "lines of the median code cell": median(lines),
        "share of code cells over 12 lines": sum(n > 12 for n in lines) / len(lines),
        "import statements": sum(isinstance(n, (ast.Import, ast.ImportFrom)) for n in nodes),
    }
    return {name: size[name] for name, most in budget.items() if size[name] > most}


def n_lines_of(text: str) -> int:
    """How many lines are not empty."""
    return sum(bool(line.strip()) for line in text.splitlines())


def unprinted_numbers(text: str, printed_text: str) -> list[str]:
    """Decimals in prose that no output rounds to.

    Free are bands ("between 0.3 and 0.4", "0.3 to 0.4"), code, mathematics, link targets,
    identifiers, versions and section numbers, and everything below the heading "References".
    """
    text = re.split(r"^#+ References", text, flags=re.MULTILINE)[0]
    text = NOT_MEASURED.sub(" ", re.sub(r"\]\([^)]*\)", "]", prose(text)))
    text = BAND.sub(" ", text)
    words = re.findall(r"\d[\d,]*\.?\d*(?:e[-+]?\d+)?|\.\d+", printed_text)
    printed = [float(word.replace(",", "")) for word in words]
    wrong = []
    for match in NUMBER.finditer(text):
        digits, value = len(match[0].partition(".")[2]), float(match[0].replace(",", ""))
        is_share = re.match(r"\s*(%|percent)", text[match.end() :])
        half_a_digit = 0.5 * 10**-digits * (1 + 1e-6)
        candidates = printed + [100 * number for number in printed if is_share]
        if not any(abs(number - value) <= half_a_digit for number in candidates):
            wrong.append(match[0])
    return wrong


def printed(notebook) -> str:
    """Everything that the notebook prints or shows as text."""
    found = outputs(notebook.cells)
    texts = [output.get("text", "") for output in found]
    return "\n".join(texts + [output.get("data", {}).get("text/plain", "") for output in found])


def anchors(text: str) -> set[str]:
    """Where links to headings may lead, as JupyterLab spells it, or, in lower case, GitHub."""
    titles = [title for _, title in headings(text)]
    github = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return github | {title.replace(" ", "-") for title in titles}


def wrong_links(text: str, path: Path) -> list[str]:
    """In the Markdown of a file: links that lead nowhere, and images without alt text."""
    wrong = []
    for image, label, target in LINK.findall(prose(text)):
        if image and not label.strip():
            wrong.append(f"no alt text: {target}")
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = path.parent / name if name else path
        if name and not file.exists():
            wrong.append(f"no such file: {target}")
        elif anchor and anchor not in anchors(text if not name else markdown_of(file)):
            wrong.append(f"no such heading: {target}")
    return wrong


def missing_links(path: Path, folder: Path) -> list[Path]:
    """What a notebook in a folder does not link to, of its solutions, and of side trip and main."""
    main, solved = next(folder.glob(f"{path.stem[:2]}_*.ipynb")), folder / "solutions"
    solved /= path.relative_to(folder)
    wanted = [(path, main), (main, path)] if path != main else []
    wanted += [(path, solved)] if solved.exists() else []
    links = [(start, end, Path(os.path.relpath(end, start.parent))) for start, end in wanted]
    return [end for start, end, link in links if f"]({link.as_posix()}" not in markdown_of(start)]


def markdown_of(path: Path) -> str:
    """The Markdown of a notebook or of a Markdown file."""
    return markdown(read(path)) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")


def undescribed_pictures(notebook) -> list[str]:
    """Pictures with an alternative text of less than 20 characters, or none."""
    wrong = []
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            for kind in {"image/png", "image/gif"} & set(output.get("data", {})):
                alt = output.metadata.get(kind, {}).get("alt", "")
                if len(alt.strip()) < 20:
                    wrong.append(f"cell {number}: {kind} with alt text {alt!r}")
    return wrong


def not_shown_everywhere(notebook) -> list[str]:
    """Outputs of a type that nbconvert or GitHub drops, such as image/gif."""
    kinds = {kind for output in outputs(notebook.cells) for kind in output.get("data", {})}
    return sorted(kinds - SHOWN_EVERYWHERE)


def pictures_without_hidden_description(notebook) -> list[str]:
    """PNGs that are not followed by their description in HTML that only screen readers find.

    JupyterLab shows a PNG without its alt text.
    """
    wrong = []
    for number, cell in enumerate(notebook.cells, 1):
        for output, following in pairwise([*cell.get("outputs", []), {}]):
            if "image/png" not in output.get("data", {}):
                continue
            alt = output.metadata.get("image/png", {}).get("alt", "")
            description = following.get("data", {}).get("text/html", "")
            if html.escape(alt) not in description or "overflow:hidden" not in description:
                wrong.append(f"cell {number}: {alt[:40]!r}")
    return wrong


def widgets_without_twin(notebook) -> list[str]:
    """Cells that show a widget, with no picture among the outputs of the next three cells."""
    wrong = []
    for number, cell in enumerate(notebook.cells, 1):
        near = outputs(notebook.cells[number : number + 3])
        kinds = [kind for output in near for kind in output.get("data", {})]
        has_twin = any(kind.startswith("image/") for kind in kinds)
        if any(map(is_widget, cell.get("outputs", []))) and not has_twin:
            wrong.append(f"cell {number}: {cell.source}")
    return wrong


# ---- what a notebook defines is what the package has ----


def parsed(source: str) -> ast.Module:
    """A module or a cell, without magics."""
    return ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE))


def definitions(source: str) -> list[ast.AST]:
    """The functions and classes that a module or a cell defines."""
    kinds = ast.FunctionDef, ast.ClassDef
    return [node for node in parsed(source).body if isinstance(node, kinds)]


def idea(node: ast.AST, guards: set[str]) -> str:
    """A definition without what the package adds to the idea.

    That is: docstrings, annotations, decorators, argument checks (bare calls of `guards`, which are
    the functions of tutorial_utils.support.arguments; used as an expression they stand for the
    value they check) and `if ...: raise ...`.
    """
    return ast.dump(ast.fix_missing_locations(Idea(guards).visit(ast.parse(ast.unparse(node)))))


class Idea(ast.NodeTransformer):
    """Takes away what `idea` names."""

    def __init__(self, guards: set[str]):
        self.guards = guards

    def is_check(self, node: ast.AST) -> bool:
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        return is_call and node.func.id in self.guards

    def visit_FunctionDef(self, node):
        node.returns, node.decorator_list = None, []
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self.visit_body(node)

    def visit_ClassDef(self, node):
        node.decorator_list = []
        return self.visit_body(node)

    def visit_body(self, node):
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        node = self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_Expr(self, node):
        return None if self.is_check(node.value) else self.generic_visit(node)

    def visit_If(self, node):
        only_raises = len(node.body) == 1 and isinstance(node.body[0], ast.Raise)
        return None if only_raises and not node.orelse else self.generic_visit(node)

    def visit_AnnAssign(self, node):
        if node.value is None:
            return node
        return self.visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_Call(self, node):
        if self.is_check(node) and len(node.args) > 1:
            return self.visit(node.args[1])
        return self.generic_visit(node)


def drifted(sources: list[str], packaged: dict[str, list[ast.AST]], guards: set[str]) -> list[str]:
    """Definitions in a notebook that differ from every one of that name in the package."""
    taught = [node for source in sources for node in definitions(source) if node.name in packaged]
    return [
        node.name
        for node in taught
        if idea(node, guards) not in {idea(other, guards) for other in packaged[node.name]}
    ]


@pytest.fixture(scope="module")
def packaged() -> dict[str, list[ast.AST]]:
    """All definitions in the package, by name: not those of checks, which answer exercises."""
    found: dict[str, list[ast.AST]] = {}
    modules = sorted((ROOT / "tutorial_utils").rglob("*.py"))
    for path in (path for path in modules if path.parent.name != "checks"):
        for node in definitions(path.read_text(encoding="utf-8")):
            found.setdefault(node.name, []).append(node)
    return found


@pytest.fixture(scope="module")
def guards() -> set[str]:
    """The functions that check arguments."""
    text = (ROOT / "tutorial_utils" / "support" / "arguments.py").read_text(encoding="utf-8")
    return {node.name for node in definitions(text)}


# ---- the laws, asked about every notebook ----


@every_notebook
def test_headings(path):
    required = REQUIRED_SECOND if path.stem in SECOND_EDITION else REQUIRED
    required = [] if path.parent.name == "side_trips" else required
    required = [name for name in required if (path.stem[:2], name) != ("00", "Where it breaks")]
    assert wrong_headings(markdown(read(path)), required) == []


@every_learners_notebook
def test_links_to_and_from_the_notebook(path):
    assert missing_links(path, NOTEBOOKS) == []
    assert sum(path.name == other.name for other in LEARNERS) == 1  # finds its solutions by it


@every_notebook
def test_code_is_short_and_narrow(path):
    folded = path.stem in SECOND_EDITION  # there, as in `over_budget`, it counts as no code
    assert wrong_code(code(read(path)), open_code(read(path)) if folded else None) == []


@every_learners_notebook
def test_size(path):
    notebook = read(path)
    if path.parent.name == "side_trips" or path.stem in SECOND_EDITION:
        budget = MAIN_LINE_SECOND if path.stem in SECOND_EDITION else SIDE_TRIP
        assert over_budget(notebook, budget) == {}
        return
    of_the_build = notebook.cells[0].source.splitlines()[-1]  # what to do where it is alone
    words = len(markdown(notebook).replace(of_the_build, "").split())
    first = path.stem.startswith("00")
    assert words <= 1500 if first else 1200 <= words <= 2510, f"{words} words"
    assert first or 35 <= len(notebook.cells) <= 80, f"{len(notebook.cells)} cells"


@every_notebook
def test_file_is_small_and_without_errors(path):
    assert path.stat().st_size < 1_500_000
    assert "error" not in {output.output_type for output in outputs(read(path).cells)}


@every_notebook
def test_every_number_in_prose_is_printed(path):
    notebook = read(path)
    assert unprinted_numbers(markdown(notebook), printed(notebook)) == []


@every_notebook
def test_links(path):
    assert wrong_links(markdown(read(path)), path) == []


@every_notebook
def test_pictures_are_described(path):
    notebook = read(path)
    assert undescribed_pictures(notebook) == []
    assert not_shown_everywhere(notebook) == []
    assert pictures_without_hidden_description(notebook) == []


@every_notebook
def test_widgets_have_static_twins(path):
    assert widgets_without_twin(read(path)) == []


@every_notebook
def test_what_is_taught_is_what_the_package_does(path, packaged, guards):
    own = NOT_TAUGHT | OF_ITS_OWN.get(path.stem, set())
    assert set(drifted(code(read(path)), packaged, guards)) <= own


@every_notebook
def test_words(path):
    notebook = read(path)
    assert wrong_words(markdown(notebook), "\n".join(code(notebook))) == []


# ---- the laws themselves ----


@pytest.mark.parametrize(
    ("text", "n_wrong"),
    [
        ("# 1 · A\n## Recap\n### B\n## C", 0),
        ("# A\n## Recap", 1),
        ("# 1 · A\n# 2 · B\n## Recap", 1),
        ("# 1 · A\n### Recap", 1),
        ("# 1 · A\n## B", 1),
        ("# 1 · A\n## Recap\n```\n# comment\n```", 0),
    ],
)
def test_wrong_headings(text, n_wrong):
    assert len(wrong_headings(text, ["Recap"])) == n_wrong


@pytest.mark.parametrize(
    ("sources", "n_wrong"),
    [
        (["x = 1\n" * 15] * 5, 0),
        (["x" * 80], 1),
        (["x = 1\n" * 16] + ["x = 1"] * 4, 0),
        (["x = 1\n" * 16] * 2 + ["x = 1"] * 4, 1),
    ],
)
def test_wrong_code(sources, n_wrong):
    assert len(wrong_code(sources)) == n_wrong


@pytest.mark.parametrize(
    ("sources", "over"),
    [
        (["x = 1\n\n" * 6] * 5, []),
        (["x = 1\n" * 31] + ["x = 1"] * 9, ["cells", "lines of code"]),
        (["x = 1\n" * 7] * 4, ["lines of the median code cell"]),
        (["x = 1\n" * 13] + ["x = 1"] * 4, ["share of code cells over 12 lines"]),
        (["import a\n" * 4, "if x:\n  from b import c\n" * 2], ["import statements"]),
    ],
)
def test_over_budget(sources, over):
    notebook = a_notebook(("import a\n" * 5 + "x = 1\n" * 90,), *((text,) for text in sources))
    notebook.cells[0].metadata["tags"] = ["hide-input"]
    budget = MAIN_LINE_SECOND | {"cells": 6, "lines of code": 30}
    assert list(over_budget(notebook, budget)) == over


@pytest.mark.parametrize(
    "text",
    [
        "PCA reaches 0.0557 here.",
        "PCA reaches .056.",
        "| 2 | 0.06 |",
        "between 0.31 and 0.42",
        "about 0.3 to 0.4 nats, 0.3–0.4",
        "`lr = 0.123`, $x = 0.123$",
        "$$\n0.123\n$$",
        "Python 3.11, section 2.4, eq. (4), version 0.10",
        "[a](https://a.org/1312.6114)",
        "## References\nWelling, arXiv:1312.6114, 0.123",
        "1,234.5 nats",
        "28 pixels, at 12:30",
        "5.57 percent",
    ],
)
def test_numbers_that_may_stand_in_prose(text):
    assert unprinted_numbers(text, "mse .05567\nloss 1234.52") == []


@pytest.mark.parametrize(
    "word", ["0.0558", "0.056 and 0.2", "| 2 | 0.2 |", "(−1.234).", "5.6 nats"]
)
def test_numbers_that_no_cell_prints_are_found(word):
    assert len(unprinted_numbers(f"It is {word}", "mse .05567")) == 1


GOOD_LINKS = "[a](a.md) [b](a.md#1-·-The-idea) ![c](a.md) [d](https://x.org) `[e](f.md)`"


@pytest.mark.parametrize(
    ("text", "n_wrong"),
    [
        (GOOD_LINKS, 0),
        ("# Top\n[a](#Top)", 0),
        ("[a](no.md)", 1),
        ("[a](a.md#no)", 1),
        ("![](a.md)", 1),
        ("[a](#no)", 1),
    ],
)
def test_wrong_links(text, n_wrong, tmp_path):
    (tmp_path / "a.md").write_text("# 1 · The idea")
    assert len(wrong_links(text, tmp_path / "b.md")) == n_wrong


MAIN, TRIP, SOLVED = "01_a.ipynb", "side_trips/01_b.ipynb", "solutions/side_trips/01_b.ipynb"
TEXTS = {MAIN: f"[b]({TRIP}#There)", TRIP: f"[a](../{MAIN}) [s](../{SOLVED})", SOLVED: ""}


@pytest.mark.parametrize(("emptied", "missing"), [("", []), (MAIN, [TRIP]), (TRIP, [MAIN, SOLVED])])
def test_missing_links(emptied, missing, tmp_path):
    for name, text in TEXTS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(a_notebook("" if name == emptied else text), tmp_path / name)
    assert missing_links(tmp_path / MAIN, tmp_path) == []
    assert missing_links(tmp_path / TRIP, tmp_path) == [tmp_path / name for name in missing]


ALT = "Ten <digits> in two rows of five."
HIDDEN = '<div style="position:absolute;overflow:hidden">Figure: {}</div>'
DESCRIPTION = a_display({"text/html": HIDDEN.format(html.escape(ALT)), "text/plain": ""})


@pytest.mark.parametrize(
    ("outputs", "undescribed", "dropped", "not_followed"),
    [
        ([a_picture(ALT), DESCRIPTION], 0, 0, 0),
        ([a_picture(ALT)], 0, 0, 1),
        ([a_picture(ALT), a_print("loss 3"), DESCRIPTION], 0, 0, 1),
        ([a_picture(ALT), a_display({"text/html": html.escape(ALT)})], 0, 0, 1),  # not hidden
        ([a_picture(ALT), a_display({"text/html": HIDDEN.format("Else")})], 0, 0, 1),
        ([a_picture("A figure"), DESCRIPTION], 1, 0, 1),
        ([a_picture("", "image/gif")], 1, 1, 0),
        ([a_picture(ALT, "image/gif")], 0, 1, 0),
        ([a_display({"application/x": "", "text/plain": ALT})], 0, 1, 0),
        ([a_print("loss 3"), a_display({"text/markdown": "*A*"})], 0, 0, 0),
    ],
)
def test_laws_of_pictures(outputs, undescribed, dropped, not_followed):
    notebook = a_notebook(("plot()", *outputs), "text")
    assert len(undescribed_pictures(notebook)) == undescribed
    assert len(not_shown_everywhere(notebook)) == dropped
    assert len(pictures_without_hidden_description(notebook)) == not_followed


def test_nbconvert_shows_what_is_shown_everywhere():
    shown = set(HTMLExporter().config.NbConvertBase.display_data_priority)
    assert shown >= SHOWN_EVERYWHERE and "image/gif" not in shown


def test_widgets_without_twin():
    widget, text = ("studio()", a_widget()), ("1", a_print("hello"))
    picture = ("2", a_picture(ALT))
    assert widgets_without_twin(a_notebook(widget, text, picture)) == []
    far = a_notebook(widget, text, text, text, picture)
    assert widgets_without_twin(far) == ["cell 1: studio()"]


PACKAGED = '''
def loss(recon: Tensor, x: Tensor, *, std: float = 1.0) -> Tensor:
    """The loss."""
    same_shape("recon", recon, "x", x)
    if std < 0:
        raise ValueError("std")
    return (recon - x).square().sum() / std
'''
TAUGHT = "def loss(recon, x, *, std=1.0):\n    return (recon - x).square().sum() / std"


@pytest.mark.parametrize(
    ("taught", "packaged", "found"),
    [
        (TAUGHT, PACKAGED, []),
        (TAUGHT.replace("sum", "mean"), PACKAGED, ["loss"]),
        (TAUGHT.replace("1.0", "2.0"), PACKAGED, ["loss"]),
        (TAUGHT.replace("recon, x", "x, recon"), PACKAGED, ["loss"]),
        ("%matplotlib inline\ndef other(x):\n    return x", PACKAGED, []),
        # a check that is used as a value stands for the value
        ("def f(n):\n    return g(n)", "def f(n):\n    return g(same_shape('n', n))", []),
        ("def f(n):\n    return g(m)", "def f(n):\n    return g(same_shape('n', n))", ["f"]),
    ],
)
def test_drifted(taught, packaged, found):
    by_name = {node.name: [node] for node in definitions(packaged)}
    assert drifted([taught], by_name, {"same_shape"}) == found


def test_wrong_words():
    assert wrong_words("The data set is gray. `dataset`", "reparameterize(mu)") == []
    assert len(wrong_words("This is Simply a dataset, as in S3.", "reparametrize(mu)")) == 4
    assert wrong_words("s3 is no tutorial") == []
