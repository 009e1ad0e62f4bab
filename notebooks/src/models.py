"""`make models`: train what is missing on the shelf, notebooks/trained, or stale.

A notebook says itself what it trains, so its source is run here as a script.  What is trained goes
to the cache at once and then onto the shelf: a run that was stopped goes on where it was.

    make models                  every notebook of ON_SHELF
    make models ARGS=05_beta     one
    make models ARGS=--check     train three models of the shelf again, and compare their losses
"""

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from build import NOTEBOOKS, sources

from tutorial_utils.store.shelf import SHELF

# The notebooks of the second edition, whose models have learned.
ON_SHELF = ["05_beta", "06_blur", "05_table", "05_other_betas", "05_schedules"]


def run(source: Path, **environment: str) -> bool:
    """Run a notebook's source where the notebook runs; returns whether it came to its end."""
    folder = NOTEBOOKS / source.parent.relative_to(NOTEBOOKS / "src")
    folder.mkdir(exist_ok=True)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(source.resolve())],
        cwd=folder,
        env=os.environ | {"MPLBACKEND": "Agg", "PYTHONUTF8": "1"} | environment,
    )
    print(f"{source.stem}: {(time.perf_counter() - started) / 60:.1f} min", flush=True)
    return done.returncode == 0


def size() -> str:
    """How many entries the shelf has, and how large they are."""
    files = [*SHELF.glob("*.safetensors")]
    return f"{len(files)} models, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


def chosen(n: int) -> str:
    """The names of `n` random entries."""
    names = sorted(file.stem for file in SHELF.glob("*.safetensors"))
    return " ".join(random.sample(names, min(n, len(names))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=ON_SHELF, help="notebooks, such as 05_beta")
    parser.add_argument("--check", action="store_true", help="train three again, and compare")
    options = parser.parse_args()
    mode = {"TUTORIAL_SHELF": "write"}
    if options.check:
        mode = {"TUTORIAL_SHELF": "check", "TUTORIAL_SHELF_CHECK": chosen(3)}
        print(f"to be trained again: {mode['TUTORIAL_SHELF_CHECK']}", flush=True)
    ended = [run(source, **mode) for source in sources(NOTEBOOKS, options.names)]
    print(size())
    return 0 if all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
