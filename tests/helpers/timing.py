"""Measuring time, and the table of `make bench`."""

import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

STARTED = time.perf_counter()


def say(text: str) -> None:
    """A line of progress, with the minutes so far."""
    print(f"[{(time.perf_counter() - STARTED) / 60:4.1f} min] {text}", file=sys.stderr, flush=True)


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """The median seconds of each work, all of them called in turn `rounds` times."""
    times = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}


class Row(NamedTuple):
    """One line of the table: texts, and whether the goal is met."""

    figure: str
    ours: str
    theirs: str
    ratio: str
    goal: str
    met: bool


def faster(
    figure: str, ours: float, theirs: float, goal: float | None, unit: str = "s", *, more=False
) -> Row:
    """Theirs ÷ ours; the goal, if there is one, is a ratio of at least so much.

    more: theirs, and so the ratio, is more still.
    """
    sign, ratio = "> " if more else "", theirs / ours
    mine, ratio_text = (f"{ours:.3g} {unit}", f"{sign}{ratio:.1f}") if ratio else ("never", "0")
    goal_text = "–" if goal is None else f"≥ {goal}"
    met = goal is None or ratio >= goal
    return Row(figure, mine, f"{sign}{theirs:.3g} {unit}", ratio_text, goal_text, met)


def slower(figure: str, ours: float, theirs: float, goal: float) -> Row:
    """Ours ÷ theirs, where theirs is the least possible; the goal is a ratio of at most so much."""
    ratio = ours / theirs
    texts = f"{ours:.3g} s", f"{theirs:.3g} s", f"{ratio:.2f}"
    return Row(figure, *texts, f"≤ {goal}", ratio <= goal)


def limit(figure: str, ours: float, goal: float, unit: str = "s") -> Row:
    """Ours alone: the goal is at most so much."""
    return Row(figure, f"{ours:.3g} {unit}", "–", "–", f"≤ {goal} {unit}", ours <= goal)


def show(rows: list[Row]) -> None:
    """The table, with columns as wide as their widest entry."""
    table = [("figure", "ours", "theirs", "ratio", "goal", "met?")]
    for *texts, goal, met in rows:
        table.append((*texts, goal, "–" if goal == "–" else "✓ yes" if met else "✗ no"))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())
