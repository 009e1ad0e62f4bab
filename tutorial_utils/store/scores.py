"""Recorded scores: what models scored that are not worth their megabytes on the shelf.

They lie in notebooks/trained/scores.csv, one number a line, written by `make models` only.
"""

import csv
import io
import math
import platform
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import torch

from ..data import DamagedFile
from .files import write_atomically
from .shelf import SHELF

TABLE = "scores.csv"
FIELDS = ["name", "recipe", "date", "torch", "python", "score", "value"]
SECONDS = "seconds of training"


class Row(NamedTuple):
    """What the table has of one model: its scores, and where they come from."""

    recipe: str
    date: str
    torch: str
    python: str
    scores: dict[str, float]

    @classmethod
    def of_today(cls, recipe: str, scores: dict[str, float]) -> "Row":
        """Scores that were measured just now."""
        version = torch.__version__.partition("+")[0]
        today = date.today().isoformat()
        return cls(recipe, today, version, platform.python_version(), scores)


def summary(rows: Sequence[Row], n_models: int) -> str:
    """Where and when the scores of some models were recorded, in a line."""
    minutes = math.ceil(sum(row.scores[SECONDS] for row in rows) / 60)
    days = sorted({row.date for row in rows})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"{len(rows)} of {n_models} models: scores as recorded, {when}, torch "
        f"{', '.join(sorted({row.torch for row in rows}))}; training them takes about {minutes} "
        "min on one core"
    )


def read_scores() -> dict[str, Row]:
    """The table, by the names of the models; empty if there is none.

    Raises DamagedFile for a table that cannot be read.
    """
    path = SHELF / TABLE
    if not path.exists():
        return {}
    rows: dict[str, Row] = {}
    try:
        for line in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            origin = [line[field] for field in FIELDS[1:5]]
            row = rows.setdefault(line["name"], Row(*origin, {}))
            row.scores[line["score"]] = float(line["value"])
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{path} cannot be read ({type(error).__name__}: {error})") from error
    return rows


def write_scores(rows: dict[str, Row]) -> None:
    """Write the table: a line for each score, models in the order of their names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for name, row in sorted(rows.items()):
        writer.writerows(
            [name, *row[:4], score, f"{value:.6g}"] for score, value in row.scores.items()
        )
    write_atomically(SHELF / TABLE, text.getvalue().encode())
