"""What every notebook of the series keeps to: its skeleton, its numbers, links, pictures, code and words.

Each law is a function that returns what is wrong; it is tested here on small examples, then asked
about every notebook.
"""

import ast
import base64
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
PATHS = sorted([*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("solutions/*.ipynb")])
LEARNERS = [path for path in PATHS if path.parent == NOTEBOOKS]
every_notebook = pytest.mark.parametrize(
    "path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
every_learners_notebook = pytest.mark.parametrize("path", LEARNERS, ids=lambda path: path.stem)
CODE_OR_MATH = re.compile(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$]*\$", re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
FORBIDDEN = {
    r"simply": "say it without",
    r"obviously": "it is not",
    r"trivial(ly)?": "it is not",
    r"reparametri[sz]\w*|reparameteris\w*": "reparameterize",
    r"datasets?": "data set",
    r"colour\w*|grey|behaviour|normalis\w+|regularis\w+": "American spelling",
    r"S[0-4]": "name the notebook",
}


def markdown(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def prose(text: str) -> str:
    """Markdown without code and mathematics."""
    return CODE_OR_MATH.sub(" ", text)


def headings(text: str) -> list[tuple[int, str]]:
    """(level, title) of each heading outside fenced code."""
    found = re.findall(
        r"^(#{1,6}) +(.+?)\s*$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE
    )
    return [(len(sharps), title) for sharps, title in found]


# --- laws: each returns what is wrong


def wrong_headings(text: str, required: list[str]) -> list[str]:
    found = headings(text)
    titles, levels = [title for _, title in found], [level for level, _ in found]
    wrong = [
        f"no heading {name!r}"
        for name in required
        if not any(title.startswith(name) for title in titles)
    ]
    if levels.count(1) != 1 or levels[0] != 1 or not re.match(r"\d+ · ", titles[0]):
        wrong.append("the one heading of level 1 must come first and read '# N · ...'")
    pairs = pairwise(found)
    return wrong + [
        f"{title!r} skips a heading level"
        for (before, _), (level, title) in pairs
        if level > before + 1
    ]


def wrong_code(sources: list[str]) -> list[str]:
    wrong = [
        f"over 79 columns: {line}"
        for text in sources
        for line in text.splitlines()
        if len(line) > 79
    ]
    long = [text for text in sources if sum(bool(line.strip()) for line in text.splitlines()) > 15]
    if len(long) > len(sources) / 5:
        firsts = [text.splitlines()[0] for text in long]
        wrong.append(f"{len(long)} of {len(sources)} code cells have more than 15 lines: {firsts}")
    return wrong


NUMBER = re.compile(r"(?<![\w.])(?:\d+(?:,\d{3})*)?\.\d+(?![\w])")
BAND = re.compile(r"between\s+\S+\s+and\s+[\d.,]+|[\d.,]+\s*(?:to|–|-)\s*[\d.,]*\d", re.IGNORECASE)
NOT_MEASURED = re.compile(
    r"https?://\S+|\bdoi\S*\s\S+|\barXiv\S*\s?\S*"
    r"|(?:version|section|chapter|figure|table|eq\.|§|Python|CC BY(?:-SA)?)\s*\(?[\d.]+",
    re.IGNORECASE,
)


def unprinted_numbers(text: str, outputs: str) -> list[str]:
    """Decimals in prose that no output rounds to.

    Free are bands ("between 0.3 and 0.4", "0.3 to 0.4"), code, mathematics, link targets,
    identifiers, versions and section numbers, and everything below the heading "References".
    """
    text = re.split(r"^#+ References", text, flags=re.MULTILINE)[0]
    text = NOT_MEASURED.sub(" ", re.sub(r"\]\([^)]*\)", "]", prose(text)))
    printed = [
        float(word.replace(",", ""))
        for word in re.findall(r"\d[\d,]*\.?\d*(?:e[-+]?\d+)?|\.\d+", outputs)
    ]
    wrong = []
    text = BAND.sub(" ", text)
    for match in NUMBER.finditer(text):
        word, is_share = match[0], re.match(r"\s*(%|percent)", text[match.end() :])
        digits, value = len(word.partition(".")[2]), float(word.replace(",", ""))
        half_a_digit = 0.5 * 10**-digits * (1 + 1e-6)
        candidates = printed + [100 * number for number in printed if is_share]
        if not any(abs(number - value) <= half_a_digit for number in candidates):
            wrong.append(word)
    return wrong


def text_outputs(notebook) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [output.get("text", "") for output in outputs]
    return "\n".join(texts + [output.get("data", {}).get("text/plain", "") for output in outputs])


def anchors(text: str) -> set[str]:
    """Where links to headings may lead: spaces become hyphens, in JupyterLab's spelling or, in lower case, GitHub's."""
    exact = {title.replace(" ", "-") for _, title in headings(text)}
    github = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings(text)
    }
    return exact | github


def wrong_links(text: str, path: Path) -> list[str]:
    """Links and images in the Markdown `text` of the file `path` that lead nowhere; images without alt text."""
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


def markdown_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return markdown(nbformat.reads(text, as_version=4)) if path.suffix == ".ipynb" else text


def undescribed_pictures(notebook) -> list[str]:
    wrong = []
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            for kind in {"image/png", "image/gif"} & set(output.get("data", {})):
                alt = output.metadata.get(kind, {}).get("alt", "")
                if len(alt.strip()) < 20:
                    wrong.append(f"cell {number}: {kind} with alt text {alt!r}")
    return wrong


def package_names(module: str) -> set[str]:
    """Names of the functions and classes in a module of the package."""
    return {
        node.name
        for node in definitions(
            (ROOT / "tutorial_utils" / f"{module}.py").read_text(encoding="utf-8")
        )
    }


def widgets_without_twin(notebook, widget_names: set[str]) -> list[str]:
    """Cells that call a widget with no picture among the outputs of the next three cells."""
    wrong = []
    for number, cell in enumerate(notebook.cells, 1):
        shown = [
            output
            for output in cell.get("outputs", [])
            if "widget appears" in str(output.get("data", ""))
        ]
        if not shown:
            continue
        near = [
            output
            for other in notebook.cells[number : number + 3]
            for output in other.get("outputs", [])
        ]
        if not any(kind.startswith("image/") for output in near for kind in output.get("data", {})):
            wrong.append(
                f"cell {number} ({', '.join(widget_names & calls(cell.source)) or 'a widget'})"
            )
    return wrong


def calls(source: str) -> set[str]:
    tree = ast.parse(without_magics(source))
    return {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def without_magics(source: str) -> str:
    return re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE)


def definitions(source: str) -> list[ast.AST]:
    kinds = ast.FunctionDef, ast.ClassDef
    return [node for node in ast.parse(without_magics(source)).body if isinstance(node, kinds)]


def idea(node: ast.AST, guards: set[str]) -> str:
    """A definition without what the package adds to the idea.

    That is: docstrings, annotations, decorators, argument checks (bare calls of `guards`, which are
    the functions of tutorial_utils.support.arguments, used as an expression they stand for the
    value they check) and `if ...: raise ...`.
    """
    return ast.dump(ast.fix_missing_locations(Idea(guards).visit(ast.parse(ast.unparse(node)))))


class Idea(ast.NodeTransformer):
    def __init__(self, guards: set[str]):
        self.guards = guards

    def is_check(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in self.guards
        )

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
        only_raises = (
            len(node.body) == 1 and isinstance(node.body[0], ast.Raise) and not node.orelse
        )
        return None if only_raises else self.generic_visit(node)

    def visit_AnnAssign(self, node):
        if node.value is None:
            return node
        return self.visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_Call(self, node):
        return (
            self.visit(node.args[1])
            if self.is_check(node) and len(node.args) > 1
            else self.generic_visit(node)
        )


def drifted(sources: list[str], packaged: dict[str, list[ast.AST]], guards: set[str]) -> list[str]:
    """Definitions in a notebook that differ from every one of that name in the package."""
    taught = [node for source in sources for node in definitions(source) if node.name in packaged]
    return [
        node.name
        for node in taught
        if idea(node, guards) not in {idea(other, guards) for other in packaged[node.name]}
    ]


def packaged_definitions() -> dict[str, list[ast.AST]]:
    found: dict[str, list[ast.AST]] = {}
    for path in sorted((ROOT / "tutorial_utils").rglob("*.py")):
        for node in definitions(path.read_text(encoding="utf-8")):
            found.setdefault(node.name, []).append(node)
    return found


def wrong_words(text: str, identifiers: str = "") -> list[str]:
    """Forbidden words in prose, and misspelled identifiers in code."""
    found = [
        f"{match[0]}: {hint}"
        for word, hint in FORBIDDEN.items()
        for match in word_in(word, prose(text))
    ]
    return found + [
        match[0] for match in re.finditer(r"\w*reparametri[sz]\w*|\w*reparameteris\w*", identifiers)
    ]


def word_in(word: str, text: str):
    return re.finditer(rf"\b(?:{word})\b", text, 0 if word == r"S[0-4]" else re.IGNORECASE)


# --- the laws, asked about every notebook


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks_and_each_has_its_solutions():
    assert {"00_start_here", "01_autoencoders"} <= {path.stem for path in LEARNERS}
    assert sorted(path.stem for path in PATHS) == sorted(2 * [path.stem for path in LEARNERS])


@every_notebook
def test_headings(path):
    required = ["Predict", "Where it breaks", "Recap", "Exercises", "References"]
    if path.stem.startswith("00"):
        required.remove("Where it breaks")
    assert wrong_headings(markdown(read(path)), required) == []


@every_learners_notebook
def test_the_notebook_links_to_its_solutions(path):
    assert f"](solutions/{path.name})" in markdown(read(path))


@every_notebook
def test_code_is_short_and_narrow(path):
    assert wrong_code(code(read(path))) == []


@every_learners_notebook
def test_size(path):
    notebook = read(path)
    words, first = len(markdown(notebook).split()), path.stem.startswith("00")
    assert words <= 1500 if first else 1200 <= words <= 2500, f"{words} words"
    assert first or 35 <= len(notebook.cells) <= 70, f"{len(notebook.cells)} cells"


@every_notebook
def test_file_is_small_and_without_errors(path):
    assert path.stat().st_size < 1_500_000
    assert [
        o for cell in read(path).cells for o in cell.get("outputs", []) if o.output_type == "error"
    ] == []


@every_notebook
def test_every_number_in_prose_is_printed(path):
    notebook = read(path)
    assert unprinted_numbers(markdown(notebook), text_outputs(notebook)) == []


@every_notebook
def test_links(path):
    assert wrong_links(markdown(read(path)), path) == []


@every_notebook
def test_pictures_are_described(path):
    assert undescribed_pictures(read(path)) == []


@every_notebook
def test_widgets_have_static_twins(path):
    assert widgets_without_twin(read(path), package_names("studios/pad")) == []


@every_notebook
def test_what_is_taught_is_what_the_package_does(path):
    assert (
        drifted(code(read(path)), packaged_definitions(), package_names("support/arguments")) == []
    )


@every_notebook
def test_words(path):
    notebook = read(path)
    assert wrong_words(markdown(notebook), "\n".join(code(notebook))) == []


@every_learners_notebook
def test_the_readme_lists_the_notebook(path):
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("no README.md")
    assert path.name in readme.read_text(encoding="utf-8")


# --- the laws themselves


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


def test_wrong_code():
    assert wrong_code(["x = 1\n" * 15] * 5) == []
    assert len(wrong_code(["x" * 80])) == 1
    assert wrong_code(["x = 1\n" * 16] + ["x = 1"] * 4) == []
    assert len(wrong_code(["x = 1\n" * 16] * 2 + ["x = 1"] * 4)) == 1


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
    "word",
    [
        "0.0558",
        "0.056 and 0.2",
        "0.2.",
        "| 2 | 0.2 |",
        "1.234",
        "(0.2)",
        "−0.2",
        "0.2 %",
        "5.6 nats",
    ],
)
def test_numbers_that_no_cell_prints_are_found(word):
    assert len(unprinted_numbers(f"It is {word}", "mse .05567")) == 1


def test_wrong_links(tmp_path):
    (tmp_path / "a.md").write_text("# 1 · The idea")
    path = tmp_path / "b.md"
    assert (
        wrong_links(
            "[a](a.md) [b](a.md#1-·-The-idea) ![c](a.md) [d](https://x.org) `[e](f.md)`", path
        )
        == []
    )
    assert wrong_links("# Top\n[a](#Top)", path) == []
    for text in ("[a](no.md)", "[a](a.md#no)", "![](a.md)", "[a](#no)"):
        assert len(wrong_links(text, path)) == 1, text


def a_notebook(*outputs, source="studio(model)"):
    cells = [nbformat.v4.new_code_cell(source, outputs=[output]) for output in outputs]
    return nbformat.v4.new_notebook(cells=cells)


def a_picture(alt: str):
    data = {"image/png": base64.b64encode(b"png").decode()}
    return nbformat.v4.new_output("display_data", data=data, metadata={"image/png": {"alt": alt}})


def test_undescribed_pictures():
    assert undescribed_pictures(a_notebook(a_picture("Ten digits in two rows of five."))) == []
    assert len(undescribed_pictures(a_notebook(a_picture("A figure")))) == 1
    bare = nbformat.v4.new_output("display_data", data={"image/gif": ""})
    assert len(undescribed_pictures(a_notebook(bare))) == 1


def test_widgets_without_twin():
    note = nbformat.v4.new_output(
        "display_data", data={"text/markdown": "*The widget appears here ...*"}
    )
    text = nbformat.v4.new_output("stream", text="hello")
    assert widgets_without_twin(a_notebook(note, text, a_picture("a")), {"studio"}) == []
    assert widgets_without_twin(a_notebook(note, text, text, text, a_picture("a")), {"studio"}) == [
        "cell 1 (studio)"
    ]


PACKAGED = '''
def loss(recon: Tensor, x: Tensor, *, std: float = 1.0) -> Tensor:
    """The loss."""
    same_shape("recon", recon, "x", x)
    if std < 0:
        raise ValueError("std")
    return (recon - x).square().sum() / std
'''


@pytest.mark.parametrize(
    ("taught", "same"),
    [
        ("def loss(recon, x, *, std=1.0):\n    return (recon - x).square().sum() / std", True),
        ("def loss(recon, x, *, std=1.0):\n    return (recon - x).square().mean() / std", False),
        ("def loss(recon, x, *, std=2.0):\n    return (recon - x).square().sum() / std", False),
        ("def loss(x, recon, *, std=1.0):\n    return (recon - x).square().sum() / std", False),
        ("%matplotlib inline\ndef other(x):\n    return x", True),
    ],
)
def test_drifted(taught, same):
    packaged = {"loss": definitions(PACKAGED)}
    assert drifted([taught], packaged, {"same_shape"}) == ([] if same else ["loss"])


def test_a_check_used_as_a_value_stands_for_the_value():
    packaged = {"f": definitions("def f(n):\n    return g(positive_int('n', n))")}
    assert drifted(["def f(n):\n    return g(n)"], packaged, {"positive_int"}) == []
    assert drifted(["def f(n):\n    return g(m)"], packaged, {"positive_int"}) == ["f"]


def test_wrong_words():
    assert wrong_words("The data set is gray. `dataset`", "reparameterize(mu)") == []
    assert len(wrong_words("This is Simply a dataset, as in S3.", "reparametrize(mu)")) == 4
