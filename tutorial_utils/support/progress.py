"""Progress bar of a training: one line of text with the loss terms so far."""

import math
import sys
import time
from collections.abc import Iterable

from torch import Tensor
from tqdm import tqdm


def progress_bar(n_steps: int, show_progress: bool) -> tqdm:
    """A bar on standard output that ends as one clean line of text."""
    return tqdm(
        total=n_steps,
        file=sys.stdout,
        disable=not show_progress,
        mininterval=0.2,
        bar_format="{desc} |{bar:16}| {elapsed}{postfix}",
    )


def time_left(bar: tqdm, n_done: int) -> str:
    """About how long the rest takes if it goes on like this; nothing under a minute."""
    seconds = bar.format_dict["elapsed"] / n_done * (bar.total - n_done)
    return f"about {math.ceil(seconds / 60)} min left" if seconds >= 60 else ""


def advance(bar: tqdm, title: str, names: Iterable[str], values: Tensor) -> None:
    """Advance the bar by a step; its text changes only when it is drawn again.

    values: one for each name.
    """
    if bar.disable:
        return
    last = bar.n + 1 == bar.total
    if last or time.time() - bar.last_print_t >= bar.mininterval:
        bar.set_description_str(title, refresh=False)
        texts = [f"{name} {value:.4g}" for name, value in zip(names, values, strict=True)]
        bar.set_postfix_str(" · ".join(texts), refresh=False)
    bar.update()
