"""`make models`: train what is missing on the shelf, notebooks/trained, or stale.

A notebook says itself what it trains, so its source is run here as a script.  What is trained goes
to the cache at once and then onto the shelf: a run that was stopped goes on where it was.

    make models                  every notebook of ON_SHELF; then what none asked for is taken away
    make models ARGS=05_beta     one
    make models ARGS=--check     train three models of the shelf again, and compare their losses
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from build import NOTEBOOKS, sources

from tutorial_utils.store.pretrained import PRETRAINED
from tutorial_utils.store.scores import read_scores, write_scores
from tutorial_utils.store.shelf import SHELF

# The notebooks of the second edition, whose models have learned.
ON_SHELF = [
    "04_latent_space",
    "04_width_and_depth",
    "04_what_moves_a_code",
    "04_drawing",
    "05_beta",
    "05_table",
    "05_other_betas",
    "05_schedules",
    "06_blur",
    "07_disentanglement",
    "09_applications",
]


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


def chosen(n: int) -> list[str]:
    """The names of `n` random entries."""
    names = sorted(file.stem for file in SHELF.glob("*.safetensors"))
    return random.sample(names, min(n, len(names)))


def prune(asked: set[str]) -> list[str]:
    """Take what nobody asks for any more off the shelf and out of the table; its names.

    The models that come with the package are copies of entries, which stay.
    """
    asked = asked | {entry for _, entry in PRETRAINED.values()}
    files = {file.stem: file for file in SHELF.glob("*.safetensors")}
    rows = read_scores()
    for name in files.keys() - asked:
        files[name].unlink()
    if rows.keys() - asked:
        write_scores({name: row for name, row in rows.items() if name in asked})
    return sorted((files.keys() | rows.keys()) - asked)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="notebooks, such as 05_beta; default: all")
    parser.add_argument("--check", action="store_true", help="train three again, and compare")
    options = parser.parse_args()
    drawn = chosen(3) if options.check else []
    mode = {"TUTORIAL_SHELF": "write"}
    if options.check:
        mode = {"TUTORIAL_SHELF": "check", "TUTORIAL_SHELF_CHECK": " ".join(drawn)}
        print(f"to be trained again: {', '.join(drawn)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "asked"
        mode["TUTORIAL_SHELF_ASKED"] = str(file)
        ended = [run(source, **mode) for source in sources(NOTEBOOKS, options.names or ON_SHELF)]
        asked = set(file.read_text(encoding="utf-8").split()) if file.exists() else set()
    if unknown := set(drawn) - asked:
        print(f"no notebook asked for {', '.join(sorted(unknown))}: make models takes it away")
    if all(ended) and not options.names and not options.check:
        print("taken away, since no notebook asks for it:", ", ".join(prune(asked)) or "nothing")
    print(size())
    return 0 if all(ended) and not unknown else 1


if __name__ == "__main__":
    sys.exit(main())
