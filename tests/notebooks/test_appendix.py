"""The appendix and the notebooks say the same: places, symbols, terms and references.

Each law is a function that returns what is wrong; it is asked about notebooks/appendix.md, and
tested on a small example. A place is "[NN: heading](NN_topic.ipynb)", in a side trip
"[NN: heading](side_trips/NN_topic.ipynb)", without an anchor: GitHub ignores anchors into
notebooks, and JupyterLab finds only some of them, so the reader finds the heading by its name.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers.notebooks import (
    LEARNERS,
    NOTEBOOKS,
    ROOT,
    cells,
    code,
    headings,
    markdown,
    one_line,
    part,
    read,
    rows,
    wrong_words,
)

PAGE = NOTEBOOKS / "appendix.md"
VIEWER = ROOT / "jupyter" / "overrides.json"
LINK = re.compile(  # a heading may have brackets, a DOI parentheses
    r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(((?:[^()\s]|\([^()\s]*\))+)\)"
)
PARTS = ["Which notebook answers which question", "Notation", "Glossary", "References"]


class Notebook(NamedTuple):
    text: str = ""  # its Markdown
    code: str = ""


Notebooks = Mapping[str, Notebook]  # by the target of a link; sorted, side trips come last


# ---- what the page says ----


def terms(text: str) -> list[tuple[list[str], str]]:
    """The glossary: names ("**a term (AT)**" has "a term" and "AT") and notebook of each row."""
    found = rows(part(text, "Glossary"))
    return [(re.findall(r"[^*()]*[^*() ]", term), LINK.match(place)[2]) for term, _, place in found]


def number(target: str) -> str:
    """The number of the notebook that a link leads to."""
    return target.removeprefix("side_trips/")[:2]


# ---- references, in the page and in notebooks ----

ENTRY = re.compile(r"(?:and )?([^\W\d_][^()\[\]*]*) \((\d{4})\), \*(.+?)\*")


class Reference(NamedTuple):
    key: str  # surname of the first author, and the year
    title: str
    link: str  # "arxiv 1312.6114", "doi 10.1038/...", an address without https://, or nothing


def references(text: str) -> list[Reference]:
    """All entries such as "* Ng (2011), *Sparse autoencoder*, [doi:...](...)" of a list."""
    text = one_line(text).partition("**Next:**")[0]
    found = list(ENTRY.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    entries = []
    for match, end in zip(found, ends, strict=False):
        surname = re.split(r",| and ", match[1])[0].strip()
        link = LINK.search(text, match.end(), end)
        target = identifier(link[2]) if link else ""
        entries.append(Reference(f"{surname} {match[2]}", match[3], target))
    return entries


def identifier(target: str) -> str:
    """What a link leads to, however it is written."""
    address = re.sub(r"^https?://(www\.)?", "", target)
    arxiv = r"(?:arxiv\.org/abs/|doi\.org/10\.48550/arxiv\.)(\d{4}\.\d{4,5})"
    if found := re.fullmatch(arxiv, address, re.IGNORECASE):
        return f"arxiv {found[1]}"
    is_doi = address.startswith("doi.org/")
    return address.replace("doi.org/", "doi ", 1).lower() if is_doi else address


def listed(text: str) -> list[tuple[Reference, list[str]]]:
    """Each entry of the page's list, and the numbers of the notebooks behind it."""
    items = re.split(r"^\* ", part(text, "References"), flags=re.MULTILINE)[1:]
    items = [item.partition("\n\n")[0] for item in items]
    numbers = [re.findall(r"\d\d", item.rpartition(" In ")[2]) for item in items]
    return [(references(item)[0], used) for item, used in zip(items, numbers, strict=True)]


# ---- laws: each returns what is wrong ----


def wrong_places(text: str, notebooks: Notebooks, folder: Path) -> list[str]:
    """Links to notebooks, to headings in them, or to other files that are not there."""
    wrong = []
    for label, target in LINK.findall(text):
        place, title = f"[{label}]({target})", label[4:].replace(r"\|", "|")
        if re.match(r"https://", target):
            continue
        if not target.endswith(".ipynb"):
            wrong += [] if (folder / target).exists() else [f"no such file: {target}"]
        elif target not in notebooks or label[:2] != number(target):
            wrong.append(f"not that notebook: {place}")
        elif len(label) > 2 and titles(notebooks[target].text).count(title) != 1:
            wrong.append(f"no heading, or more than one: {place}")
    return wrong


def titles(text: str) -> list[str]:
    """The titles of all headings."""
    return [title for _, title in headings(text)]


def wrong_tables(text: str) -> list[str]:
    """Rows with another number of cells than the row above, and empty cells."""
    empty = [f"empty: {row}" for row in rows(text) if "" in row]
    return empty + [
        f"cells in {table}"
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
        if len({len(cells(line)) for line in table.splitlines()}) > 1
    ]


def wrong_formulas(text: str) -> list[str]:
    """Formulas that GitHub or a table breaks.

    By a pipe, a backslash before punctuation, or space inside the dollars.
    """
    formulas = re.findall(r"\$([^$]*)\$", re.sub(r"`[^`]*`", "", text))
    return [formula for formula in formulas if re.search(r"\||\\[^A-Za-z]|^\s|\s$|\n", formula)]


def wrong_symbols(text: str, notebooks: Notebooks) -> list[str]:
    """Rows of the notation whose name in code is not in the code of their notebook."""
    named = [
        (symbol, name, LINK.match(place)[2])
        for symbol, names, *_, place in rows(part(text, "Notation"))
        for name in re.findall(r"`(\w+)`", names) or [""]
    ]
    return [
        f"{symbol}: {name or 'no name'} is not in {home}"
        for symbol, name, home in named
        if not name or not re.search(rf"\b{name}\b", notebooks.get(home, Notebook()).code)
    ]


def wrong_terms(text: str, notebooks: Notebooks) -> list[str]:
    """Terms that their notebook does not use or an earlier one introduces, doubles, wrong order.

    A notebook introduces a term in bold.
    """
    found = terms(text)
    wrong = []
    for name, home in ((name, home) for names, home in found for name in names):
        whole_word = rf"(?<!\w){re.escape(name)}"
        text_there = one_line(notebooks.get(home, Notebook()).text)
        if not re.search(whole_word, text_there, re.IGNORECASE):
            wrong.append(f"{name} is not in {home}")
        in_bold = [n for n in sorted(notebooks) if name.casefold() in bold(notebooks[n].text)]
        if in_bold and in_bold[0] != home:
            wrong.append(f"{name} is introduced in {in_bold[0]}, not in {home}")
    times = Counter(name.casefold() for names, _ in found for name in names)
    wrong += [f"{name} twice" for name, n in times.items() if n > 1]
    return wrong + wrong_order(names[0].replace("β", "beta") for names, _ in found)


def wrong_order(names) -> list[str]:
    """Neighbors that are not in the order of the alphabet."""
    pairs = pairwise(name.casefold() for name in names)
    return [f"{b} stands behind {a}" for a, b in pairs if a > b]


def bold(text: str) -> set[str]:
    """What stands in bold, outside code."""
    text = one_line(re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL))
    return {name.casefold() for name in re.findall(r"\*\*(?:the )?([^*]+?)\*\*", text)}


def wrong_references(text: str, notebooks: Notebooks) -> list[str]:
    """Entries that are missing, out of order, twice, without a link, or unlike a notebook's."""
    entries = {reference.key: (reference, used) for reference, used in listed(text)}
    times = Counter(reference.key for reference, _ in listed(text))
    wrong = [f"{key} twice" for key, n in times.items() if n > 1] + wrong_order(entries)
    wrong += [f"{key} has no link" for key, (reference, _) in entries.items() if not reference.link]
    using: dict[str, set[str]] = {key: set() for key in entries}
    for name, notebook in notebooks.items():
        n = number(name)
        _, has_list, below = notebook.text.rpartition("## References")
        for reference in references(below if has_list else ""):
            if reference.key not in entries:
                wrong.append(f"{n} names {reference.key}, which is not listed")
                continue
            using[reference.key].add(n)
            entry, _ = entries[reference.key]
            differs = f"{reference.key}: {{!r}} in {n}, {{!r}} in the list"
            if not entry.title.casefold().startswith(reference.title.casefold()):
                wrong.append(differs.format(reference.title, entry.title))
            if reference.link not in ("", entry.link):
                wrong.append(differs.format(reference.link, entry.link))
    return wrong + [
        f"{key}: listed for {used}, used in {sorted(using[key])}"
        for key, (_, used) in entries.items()
        if used != sorted(using[key])
    ]


def wrong_identifiers(text: str) -> list[str]:
    """Links in the list of references whose text is not their target."""
    wrong = []
    for label, target in LINK.findall(part(text, "References")):
        address = target.removeprefix("https://")
        if label not in (address, address.replace("doi.org/", "doi:")):
            wrong.append(label)
    return wrong


# ---- the laws, asked about the appendix ----


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def notebooks() -> Notebooks:
    found = {path.relative_to(NOTEBOOKS).as_posix(): read(path) for path in LEARNERS}
    return {name: Notebook(markdown(each), "\n".join(code(each))) for name, each in found.items()}


def test_the_parts_and_the_questions(text, notebooks):
    assert [title for level, title in headings(text) if level == 2] == PARTS
    questions = part(text, PARTS[0])
    assert len(rows(questions)) >= 35
    assert set(re.findall(r"\[(\d\d): ", questions)) == set(map(number, notebooks))


def test_places(text, notebooks):
    assert wrong_places(text, notebooks, NOTEBOOKS) == []


def test_tables_and_formulas(text):
    assert wrong_tables(text) + wrong_formulas(text) == []


def test_symbols(text, notebooks):
    assert wrong_symbols(text, notebooks) == []


def test_terms(text, notebooks):
    assert wrong_terms(text, notebooks) == []


def test_references(text, notebooks):
    assert wrong_references(text, notebooks) + wrong_identifiers(text) == []


def test_words(text):
    assert wrong_words(LINK.sub(" ", text)) == []


def test_jupyterlab_opens_markdown_as_a_preview():
    settings = json.loads(VIEWER.read_text(encoding="utf-8"))
    plugin = settings["@jupyterlab/docmanager-extension:plugin"]
    assert plugin == {"defaultViewers": {"markdown": "Markdown Preview"}}


# ---- the laws themselves ----

FIRST = """# 0 · A
A **code**, a score.
## References
* Ng (2011), *Sparse*."""
SECOND = """# 1 · B
## Why β = 0?
Its **rate**, a *code*

## References
* Ng (2011), *Sparse
  autoencoder*, [arXiv:1112.0001](https://arxiv.org/abs/1112.0001), and Le and
  others (2012), *Cats*, [doi:10.1/AB](https://doi.org/10.1/AB): why."""
TRIP = """# 1 · C
## A table
**Code**, a **tree**
## References
* Ng (2011), *Sparse*."""
SMALL = {
    "00_a.ipynb": Notebook(FIRST, "x"),
    "01_b.ipynb": Notebook(SECOND, "rate = mu + std"),
    "side_trips/01_c.ipynb": Notebook(TRIP, "y"),
    "side_trips/01_d.ipynb": Notebook("# 1 · D\nHo (2020), *No list*", ""),
}
GOOD = """# Appendix
## Which notebook answers which question
| question | where |
|---|---|
| Why? | [01: Why β = 0?](01_b.ipynb), [a page](here.html) |
| Who? | [01: A table](side_trips/01_c.ipynb) |

## Notation
| symbol | in code | from |
|---|---|---|
| $p(x \\mid z)$ | `mu`, `std` | [01: Why β = 0?](01_b.ipynb) |

## Glossary
| term | in one sentence | from |
|---|---|---|
| **code** | Numbers. | [00](00_a.ipynb) |
| **rate (R)** | A price. | [01](01_b.ipynb) |
| **tree** | A plant. | [01: A table](side_trips/01_c.ipynb) |

A text.

## References
* Le, Ma and Oh (2012), *Cats and dogs*, [doi:10.1/AB](https://doi.org/10.1/AB). In 01.
* Ng (2011), *Sparse autoencoder*,
  [doi:10.48550/arXiv.1112.0001](https://doi.org/10.48550/arXiv.1112.0001). In 00, 01.
"""


def all_wrong(text: str, folder: Path) -> list[str]:
    """What any of the laws finds."""
    wrong = wrong_tables(text) + wrong_formulas(text) + wrong_identifiers(text)
    wrong += wrong_places(text, SMALL, folder)
    for law in (wrong_symbols, wrong_terms, wrong_references):
        wrong += law(text, SMALL)
    return wrong


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here.html").write_text("")
    return tmp_path


def test_the_good_example_is_good(folder):
    assert all_wrong(GOOD, folder) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("01_b.ipynb", "01_b.ipynb#Why-β-=-0?"),
        ("[01: Why β = 0?]", "[01: Why?]"),
        ("[01: Why β = 0?]", "[00: Why β = 0?]"),
        ("01_b.ipynb", "01_c.ipynb"),
        ("(here.html)", "(there.html)"),
        ("side_trips/01_c", "01_c"),
        ("[01: A table](side_trips/01_c.ipynb)", "[01: A table](01_b.ipynb)"),
        ("[01: A table](side_trips/01_c.ipynb)", "[00: A table](side_trips/01_c.ipynb)"),
        ("[00](00_a.ipynb)", "[00, first](00_a.ipynb)"),
        ("[00](00_a.ipynb)", "[00](#Notation)"),
        ("| Why? |", "| Why? | Because. |"),
        ("| Numbers. |", "| |"),
        ("(x \\mid z)", "(x | z)"),
        ("A text", "$p(x|z)$"),
        ("(x \\mid z)", "(x \\, z)"),
        ("$p(x", "$ p(x"),
        ("`std`", "`sigma`"),
        ("`mu`, `std`", "μ"),
        ("rate (R)", "rate (RD)"),  # not in the notebook
        ("Numbers. | [00](00_a.ipynb)", "Numbers. | [01](01_b.ipynb)"),  # introduced in 00
        ("**code**", "**codec**"),
        ("**code**", "**score**"),  # behind "rate" in the alphabet
        ("**code**", "**rate**"),
        ("In 00, 01.", "In 01."),
        ("In 01.", "In 00, 01."),
        ("*Cats and dogs*", "*Dogs*"),
        ("Ng (2011)", "Ngo (2011)"),
        ("Ng (2011)", "Ng (2012)"),
        ("Le, Ma", "Pe, Ma"),  # behind Ng, and not listed
        ("[doi:10.1/AB](https://doi.org/10.1/AB)", "[doi:10.1/AC](https://doi.org/10.1/AC)"),
        ("[doi:10.1/AB](", "[doi:10.1/AC]("),
        (", [doi:10.1/AB](https://doi.org/10.1/AB)", ""),
        ("arXiv.1112.0001)", "arXiv.1112.0002)"),
    ],
)
def test_what_is_wrong_is_found(old, new, folder):
    assert old in GOOD
    assert all_wrong(GOOD.replace(old, new), folder)


def test_references_of_a_notebook_are_found():
    assert references(SECOND) == [
        Reference("Ng 2011", "Sparse autoencoder", "arxiv 1112.0001"),
        Reference("Le 2012", "Cats", "doi 10.1/ab"),
    ]
    text = "* van der Maaten and Hinton (2008), *t-SNE*,\n[a.org](https://www.a.org/b)"
    assert references(text) == [Reference("van der Maaten 2008", "t-SNE", "a.org/b")]
