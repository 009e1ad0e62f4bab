"""The repository: one home for dependencies, documented commands, links, clean files."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch", "playwright": "playwright-python"}


def read(name: str) -> str:
    """A file of the repository as text."""
    return (ROOT / name).read_text(encoding="utf-8")


def files_in_git() -> list[Path]:
    """Tracked files, and new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(command, cwd=ROOT, text=True, encoding="utf-8").split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def text_files() -> dict[Path, bytes]:
    """Those of them that hold text: no zero byte, not compressed."""
    contents = {path: path.read_bytes() for path in files_in_git()}
    return {path: content for path, content in contents.items() if b"\0" not in content}


def dependency_lines() -> list[str]:
    """The lines of pyproject.toml between `dependencies = [` or `test = [` and `]`."""
    blocks = re.findall(
        r"^(?:dependencies|test) = \[\n(.*?)^\]", read("pyproject.toml"), re.M | re.S
    )
    assert len(blocks) == 2
    return [line.strip() for block in blocks for line in block.splitlines()]


# ---- dependencies ----


def test_conda_environment_has_the_dependencies_of_pyproject():
    wanted = [re.match(r'"([\w-]+)(\S*)",', line).groups() for line in dependency_lines()]
    wanted = {CONDA_NAMES.get(name, name) + bound for name, bound in wanted}
    python = re.search(r'requires-python = "(.+)"', read("pyproject.toml")).group(1)
    conda = read("environment.yml").partition("dependencies:")[2]
    given = re.findall(r"^  - ([^\s:]+)$", conda, re.M)
    assert sorted(given) == sorted([*wanted, f"python{python}", "pip"])
    assert read("environment.yml").endswith("  - pip:\n      - -e .\n")


@pytest.mark.parametrize("line", dependency_lines())
def test_each_dependency_has_a_lower_bound_and_a_reason(line):
    assert re.fullmatch(r'"[\w-]+>=[\d.]+", +# \S.{3,}', line)


# ---- commands ----


def test_make_help_lists_exactly_the_targets_that_exist():
    makefile = read("Makefile")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split())
    rules = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    said = subprocess.check_output(["make", "help"], cwd=ROOT, text=True)
    listed = dict(re.findall(r"^make ([\w-]+) +(\S.*)$", said, re.M))
    assert set(listed) == rules == phony
    assert all(len(text) > 10 for text in listed.values())


def test_make_lets_python_keep_what_it_compiled():
    rule = "include Makefile\nshow:\n\t@echo [$$PYTHONDONTWRITEBYTECODE]\n"
    forbidden = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    make = ["make", "--no-print-directory", "-f", "-", "show"]  # make test is itself run by make
    said = subprocess.check_output(make, input=rule, env=forbidden, cwd=ROOT, text=True)
    assert said.splitlines() == ["[]"]


FAKE_PLATFORM = """
import platform
platform.system, platform.machine = lambda: {system!r}, lambda: {machine!r}
"""


@pytest.mark.parametrize(
    ("system", "machine", "index", "refused"),
    [
        ("Darwin", "x86_64", "", True),
        ("Windows", "ARM64", "", True),
        ("Windows", "ARM64", "https://example.org", False),
        ("Darwin", "arm64", "", False),
        ("Linux", "x86_64", "", False),
    ],
)
def test_a_machine_for_which_pip_has_no_torch_is_told_so(tmp_path, system, machine, index, refused):
    fake = FAKE_PLATFORM.format(system=system, machine=machine)
    (tmp_path / "sitecustomize.py").write_text(fake, encoding="utf-8")
    venv = tmp_path / "venv"
    python = str(venv / "bin" / "python")
    done = subprocess.run(
        ["make", f"VENV={venv}", f"PYTHON={sys.executable}", f"TORCH_INDEX={index}", python],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == refused
    assert ("Which way on which machine" in done.stdout) == refused
    assert Path(python).exists() != refused


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_in_the_text_exists(name):
    rules = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.M))
    named = set(re.findall(r"(?:^|`|FIND_LINKS=wheelhouse )make ([a-z-]+)", read(name), re.M))
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
            assert ((ROOT / name).parent / target).exists(), f"{target} is not there"


def test_readme_has_its_pictures_with_alternative_texts():
    pictures = re.findall(r"!\[([^\]]*)\]\(notebooks/figures/([^)]+)\)", read("README.md"))
    names = {"morph.gif", "manifold.png", "playground.png", "beta.png"}
    assert {name for _, name in pictures} == names
    assert all(len(alternative) > 30 for alternative, _ in pictures)


def test_readme_table_names_every_notebook():
    notebooks = {path.relative_to(ROOT).as_posix() for path in (ROOT / "notebooks").glob("*.ipynb")}
    rows = set(re.findall(r"^\| \[[^\]]+\]\((notebooks/[^)]+)\) \|", read("README.md"), re.M))
    assert rows == notebooks


# ---- files ----


def test_no_file_names_a_registry_or_an_absolute_home_or_has_carriage_returns():
    # letters in brackets, so that these lines do not find themselves
    registries = (
        r"pypi[.](org|python)|pythonhosted[.]|download[.]pytorch|npmjs[.]|"
        r"anaconda[.](org|com)|debian[.]org"
    )
    homes = r"/[r]oot/|/[h]ome/[a-z]|/[U]sers/[a-z]|/[w]ork/|[C]:\\+Users"
    for path, content in text_files().items():
        found = re.search(f"{registries}|{homes}".encode(), content)
        assert not found, f"{path.relative_to(ROOT)} contains {found.group().decode()}"
        assert b"\r" not in content, f"{path.relative_to(ROOT)} has carriage returns"
