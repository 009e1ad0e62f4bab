"""Every experiment and correction that experiments.md lists is in its notebook (read it first)."""

import base64
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers.notebooks import (
    FENCED,
    a_notebook,
    a_picture,
    a_print,
    a_widget,
    cells,
    is_widget,
    notebook_called,
    one_line,
    outputs,
    part,
    read,
    rows,
)

PAGE = Path(__file__).with_name("experiments.md")
TITLES = "Experiments", "Corrections", "Claims that were measured"
LAST = {"S1": 6, "S2": 13, "S3": 5, "S4": 9}  # the number of a tutorial's last experiment
IDS = {f"{tutorial}-{n}" for tutorial, last in LAST.items() for n in range(1, last + 1)}
IDS |= {"S0-0"} | {f"S0-{group}{n}" for group in "ABC" for n in (1, 2, 3)}
CORRECTIONS_OF = {"S0": 4, "S1": 4, "S2": 8, "S3": 4, "S4": 8}


def table(title: str) -> list[dict[str, str]]:
    """The rows of the table under a heading of the page, by column."""
    text = part(PAGE.read_text(encoding="utf-8"), title)
    names = cells(next(line for line in text.splitlines() if line.startswith("|")))
    texts = [[cell.replace(r"\|", "|") for cell in row] for row in rows(text)]
    return [dict(zip(names, row, strict=True)) for row in texts]


EXPERIMENTS, CORRECTIONS, CLAIMS = map(table, TITLES)
ROWS = [*EXPERIMENTS, *CORRECTIONS, *CLAIMS]


class Section(NamedTuple):
    """What stands under a heading; `shown` are outputs and drawings, each "kind: words"."""

    markdown: str
    code: str
    shown: list[str]


def section(notebook, title: str) -> Section:
    """The section of a heading.  LookupError unless it is there exactly once."""
    parts = []  # (level and title of a heading, or None; Markdown; code; outputs)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            parts.append((None, "", cell.source, outputs([cell])))
            continue
        hidden = FENCED.sub(lambda match: match[0].replace("\n#", "\n\0#"), cell.source)
        for block in re.split(r"^(?=#{1,6} )", hidden, flags=re.MULTILINE):
            heading = re.match(r"(#{1,6}) +(.+?)\s*$", block, re.MULTILINE)
            text = block[heading.end() :] if heading else block
            heading = heading and (len(heading[1]), heading[2])
            parts.append((heading, text.replace("\0", ""), "", []))
    starts = [n for n, (heading, *_) in enumerate(parts) if heading and heading[1] == title]
    if len(starts) != 1:
        raise LookupError(f"{len(starts)} headings {title!r}")
    level, found = parts[starts[0]][0][0], []
    for heading, *rest in parts[starts[0] :]:
        if found and heading and heading[0] <= level:
            break
        found.append(rest)
    markdown, code, results = zip(*found, strict=True)
    drawings = re.findall(r"!\[([^\]]*)\]\([^)\s]+\)", "\n".join(markdown))
    shown = [shown_as(output) for several in results for output in several]
    shown += [f"drawing: {one_line(alt)}" for alt in drawings]
    return Section(one_line("\n".join(markdown)), one_line("\n".join(code)), shown)


def shown_as(output) -> str:
    """An output as "kind: words"; an animation is a GIF, or a PNG with the chunk of animations."""
    if output.output_type == "stream":
        return f"print: {one_line(output.text)}"
    if is_widget(output):
        return "widget:"
    for kind in {"image/png", "image/gif"} & set(output.get("data", {})):
        moves = kind == "image/gif" or b"acTL" in base64.b64decode(output.data[kind])
        alt = one_line(output.metadata.get(kind, {}).get("alt", ""))
        return f"{'animation' if moves else 'picture'}: {alt}"
    return "other:"


def missing(row: dict[str, str], notebook) -> list[str]:
    """What a row asks for and its notebook does not have."""
    try:
        found = section(notebook, row["heading"])
    except LookupError as error:
        return [str(error)]
    wrong = []
    for asked in filter(None, row.get("shows", "").split(" <br> ")):
        kind, _, words = asked.partition(":")
        same_kind = [shown for shown in found.shown if shown.startswith(f"{kind}:")]
        if not any(words.strip() in shown for shown in same_kind):
            wrong.append(f"does not show {asked!r}")
    text = f"{found.markdown}\n{found.code}" if "shows" in row else found.markdown
    asked = row["says"].split(" <br> ")
    return wrong + [f"does not say {words!r}" for words in asked if words not in text]


def name_of(row: dict[str, str]) -> str:
    """The row in words, for pytest."""
    return f"{row.get('id') or row['tutorial'] + ' ' + row['about']} in {row['notebook']}"


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_it_is_in_its_notebook(row):
    assert missing(row, read(notebook_called(row["notebook"]))) == []


def test_no_row_is_lost():
    assert {row["id"] for row in EXPERIMENTS} == IDS
    assert Counter(row["tutorial"] for row in CORRECTIONS) == CORRECTIONS_OF
    assert len(CLAIMS) == 13 and len({(name_of(row), row["heading"]) for row in ROWS}) == len(ROWS)
    assert all(row["shows"] and row["what is measured"] for row in EXPERIMENTS)
    assert all(row["says"] for row in ROWS)
    assert {row["notebook"][:2] for row in ROWS} == {f"{n:02}" for n in range(1, 10)}


ANIMATED = base64.b64encode(b"\x89PNG acTL").decode()
GOOD = a_notebook(
    "# 1 · A\ntext\n## The figure\nwith\nbeta 7",
    ("plot(lr=3)", a_picture("A blue  line")),
    "### Below\nmore\n```\n## no heading\n```\n![A box](box.svg)\n## Next\nelse",
    ("other()", a_picture("A red line", "image/gif"), a_print("loss 3"), a_widget()),
)


@pytest.mark.parametrize(
    ("heading", "shows", "says", "n_wrong"),
    [
        ("The figure", "picture: A blue line <br> drawing: box", "lr=3 <br> with beta 7", 0),
        ("The figure", "", "## no heading", 0),
        ("Next", "animation: red <br> print: loss <br> widget:", "else", 0),
        ("The figure", "picture: red", "lr=3", 1),  # in another section
        ("Below", "picture: A blue line", "more", 1),  # above the heading
        ("The figure", "animation: A blue line", "lr=3", 1),
        ("The figure", "widget:", "lr=3", 1),
        ("Next", "print: loss 4", "else", 1),
        ("The figure", "picture:", "lr=4 <br> else", 2),
        ("Next", "", "beta 7", 1),
        ("No such heading", "picture:", "lr=3", 1),
        ("no heading", "picture:", "lr=3", 1),  # inside fenced code
    ],
)
def test_missing(heading, shows, says, n_wrong):
    row = {"heading": heading, "shows": shows, "says": says}
    assert len(missing(row, GOOD)) == n_wrong


def test_corrections_stand_in_the_text():
    assert missing({"heading": "The figure", "says": "with beta 7"}, GOOD) == []
    assert len(missing({"heading": "The figure", "says": "lr=3"}, GOOD)) == 1


def test_a_heading_that_is_there_twice_names_no_section():
    row = {"heading": "B", "says": "text"}
    assert missing(row, a_notebook("## B\n## B")) == ["2 headings 'B'"]


def test_an_animated_png_is_an_animation():
    picture = a_picture("A walk")
    picture.data["image/png"] = ANIMATED
    assert shown_as(picture) == "animation: A walk"
