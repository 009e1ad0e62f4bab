"""The house: one home for dependencies, documented commands and names, links that resolve, light imports."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "tutorial_utils").rglob("*.py"))
LIGHT = ("data", "models", "losses", "training", "cache")
HEAVY = ("sklearn", "imageio", "ipywidgets", "matplotlib", "torchvision", "scipy")
CONDA_NAMES = {
    "torch": "pytorch",
    "playwright": "playwright-python",
}  # where conda-forge's name is another one


def read(name: str) -> str:
    """A file of the repository as text."""
    return (ROOT / name).read_text(encoding="utf-8")


def files_in_git() -> list[Path]:
    """What is, or is about to be, in the repository: tracked files and new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(command, cwd=ROOT, text=True, encoding="utf-8").split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def text_files() -> dict[Path, bytes]:
    """Those of them that hold text: no zero byte, not compressed."""
    contents = {path: path.read_bytes() for path in files_in_git()}
    return {path: content for path, content in contents.items() if b"\0" not in content}


def dependency_lines() -> list[str]:
    """The lines of pyproject.toml that name a dependency: between `dependencies = [` or `test = [` and `]`."""
    blocks = re.findall(
        r"^(?:dependencies|test) = \[\n(.*?)^\]", read("pyproject.toml"), re.M | re.S
    )
    assert len(blocks) == 2
    return [line.strip() for block in blocks for line in block.splitlines()]


# ---- modules ----


def test_contributing_names_every_module_and_what_it_is_about():
    rows = dict(re.findall(r"^\| `(\w+\.py)` \| (.+) \|$", read("CONTRIBUTING.md"), re.M))
    sentences = {
        path.name: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        for path in MODULES
    }
    assert rows == {
        name: text.splitlines()[0] for name, text in sentences.items() if name != "__init__.py"
    }


@pytest.mark.parametrize(
    "path",
    [*(ROOT / "tests").glob("*.py"), *(ROOT / "notebooks" / "src").glob("*.py")],
    ids=lambda path: path.name,
)
def test_what_is_imported_from_the_package_is_there(path):
    """Also inside functions that no test runs, as in `make bench`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tutorial_utils"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                is_module = (
                    node.module == "tutorial_utils"
                    and ROOT / node.module / f"{alias.name}.py" in MODULES
                )
                assert is_module or hasattr(module, alias.name), (
                    f"line {node.lineno}: no {alias.name} in {node.module}"
                )


# ---- dependencies ----


def test_conda_environment_has_the_dependencies_of_pyproject():
    wanted = [re.match(r'"([\w-]+)(\S*)",', line).groups() for line in dependency_lines()]
    wanted = {CONDA_NAMES.get(name, name) + bound for name, bound in wanted}
    python = re.search(r'requires-python = "(.+)"', read("pyproject.toml")).group(1)
    given = re.findall(
        r"^  - ([^\s:]+)$", read("environment.yml").partition("dependencies:")[2], re.M
    )
    assert sorted(given) == sorted([*wanted, f"python{python}", "pip"])
    assert read("environment.yml").endswith("  - pip:\n      - -e .\n")


@pytest.mark.parametrize("line", dependency_lines())
def test_each_dependency_has_a_lower_bound_and_a_reason(line):
    assert re.fullmatch(r'"[\w-]+>=[\d.]+", +# \S.{3,}', line)


# ---- commands ----


def test_make_help_lists_exactly_the_targets_that_exist():
    makefile = read("Makefile")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split())
    rules = set(re.findall(r"^([a-z]+):", makefile, re.M))
    listed = dict(
        re.findall(
            r"^make (\w+) +(\S.*)$",
            subprocess.check_output(["make", "help"], cwd=ROOT, text=True),
            re.M,
        )
    )
    assert set(listed) == rules == phony
    assert all(len(text) > 10 for text in listed.values())


def test_make_lets_python_keep_what_it_compiled():
    rule = f"include {ROOT / 'Makefile'}\nshow:\n\t@echo [$$PYTHONDONTWRITEBYTECODE]\n"
    forbidden = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    make = ["make", "--no-print-directory", "-f", "-", "show"]  # make test is itself run by make
    said = subprocess.check_output(make, input=rule, env=forbidden, cwd=ROOT, text=True)
    assert said.splitlines() == ["[]"]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_in_the_text_exists(name):
    rules = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    named = set(re.findall(r"(?:^|`|FIND_LINKS=wheelhouse )make ([a-z]+)", read(name), re.M))
    assert named <= rules and named


# ---- README ----


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "tutorial_utils/assets/mnist/LICENSE.md"]
)
def test_local_links_resolve(name):
    text = read(name)
    anchors = {
        re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-")
        for head in re.findall(r"^#+ (.+)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif "://" not in target:
            assert ((ROOT / name).parent / target).exists(), (
                f"{name} links to {target}, which is not there"
            )


def test_readme_has_its_pictures_with_alternative_texts():
    pictures = dict(
        reversed(pair) for pair in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", read("README.md"))
    )
    names = ("morph.gif", "manifold.png", "playground.png", "beta.png")
    assert set(pictures) == {f"notebooks/figures/{name}" for name in names}
    assert all(len(alternative) > 30 for alternative in pictures.values())


def test_readme_table_names_every_notebook():
    notebooks = {path.relative_to(ROOT).as_posix() for path in (ROOT / "notebooks").glob("*.ipynb")}
    rows = set(re.findall(r"^\| \[[^\]]+\]\((notebooks/[^)]+)\) \|", read("README.md"), re.M))
    assert rows == notebooks


# ---- files ----


def test_no_file_names_a_registry_or_an_absolute_home_or_has_carriage_returns():
    # letters in brackets, so that these lines do not find themselves
    registries = r"pypi[.](org|python)|pythonhosted[.]|download[.]pytorch|npmjs[.]|anaconda[.](org|com)|debian[.]org"
    homes = r"/[r]oot/|/[h]ome/[a-z]|/[U]sers/[a-z]|/[w]ork/|[C]:\\+Users"
    for path, content in text_files().items():
        found = re.search(f"{registries}|{homes}".encode(), content)
        assert not found, f"{path.relative_to(ROOT)} contains {found.group().decode()}"
        assert b"\r" not in content, f"{path.relative_to(ROOT)} has carriage returns"


# ---- the package ----


def public_definitions(path: Path) -> list[ast.FunctionDef | ast.ClassDef]:
    """Functions and classes of a module, and methods of its classes, without a leading underscore."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_"
    ]
    methods = [node for cls in top if isinstance(cls, ast.ClassDef) for node in cls.body]
    return top + [
        node for node in methods if isinstance(node, ast.FunctionDef) and node.name[0] != "_"
    ]


def names_used(path: Path) -> list[str]:
    """Every name a source file reads or imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.append(node.id)
        elif isinstance(node, ast.Attribute):
            names.append(node.attr)
        elif isinstance(node, ast.alias):
            names.append(node.name)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_is_thin_and_all_its_public_names_are_documented(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 260
    assert ast.get_docstring(ast.parse(text))
    for node in public_definitions(path):
        assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


def test_every_public_name_is_used():
    sources = [*MODULES, *(ROOT / "notebooks" / "src").glob("*.py"), *(ROOT / "tests").glob("*.py")]
    used = {name for source in sources for name in names_used(source)}
    defined = {node.name: path.name for path in MODULES for node in public_definitions(path)}
    used.add("forward")  # torch calls it
    unused = {name: module for name, module in defined.items() if name not in used}
    assert not unused


@pytest.mark.parametrize(
    "module", ["tutorial_utils", *(f"tutorial_utils.{name}" for name in LIGHT)]
)
def test_light_modules_import_nothing_heavy(module):
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).split()
    assert module in loaded
    assert not set(HEAVY) & set(loaded)
