"""The shelf: trained models that travel with the notebooks, in notebooks/trained.

`make models` writes it, and nothing else does.  An entry carries its recipe; where the notebook's
is another one, the entry is refused, and the notebook trains its own.
"""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..data import DamagedFile
from .files import Contents, read_tensors, tensors_bytes, write_atomically
from .packing import packed, unpacked
from .recipe import Recipe, differences

SHELF = Path(__file__).parents[2] / "notebooks" / "trained"


class StaleEntry(RuntimeError):
    """An entry of the shelf is damaged, or was made by another recipe than the notebook's."""


def shelf_mode() -> str:
    """How the shelf is used, from TUTORIAL_SHELF: "read", "write", "strict" or "check".

    write: what is trained goes onto the shelf (`make models`).  strict: a refused entry is an error
    (`make notebooks`).  check: the entries named in TUTORIAL_SHELF_CHECK are trained again.
    """
    mode = os.environ.get("TUTORIAL_SHELF", "read")
    if mode not in ("read", "write", "strict", "check"):
        raise ValueError(f"TUTORIAL_SHELF must be read, write, strict or check, got {mode!r}")
    return mode


def shelf_path(name: str) -> Path:
    """Where the entry is, or will be."""
    return SHELF / f"{name}.safetensors"


def take(name: str, make_recipe: Callable[[], Recipe]) -> Contents | None:
    """The weights and history of an entry; None if there is none.

    An entry that is damaged or of another recipe is refused: None, and a line that says why.  In
    strict mode StaleEntry is raised instead.
    """
    if not shelf_path(name).exists():
        return None
    try:
        weights, text = read_tensors(shelf_path(name), name)
        entry = json.loads(text)
        wrong = differences(make_recipe(), entry["recipe"])
    except (DamagedFile, OSError, TypeError) as error:  # OSError: a function without a source
        wrong = [str(error)]
    if not wrong:
        return unpacked(weights), json.dumps(entry["history"])
    refuse(name, wrong)
    return None


def refuse(name: str, wrong: list[str]) -> None:
    """Say why something of the shelf is not taken; in strict mode, raise StaleEntry."""
    said = f"{name}: not taken from the shelf: {'; '.join(wrong)}"
    if shelf_mode() == "strict":
        raise StaleEntry(f"{said}. Run: make models")
    print(said)


def note_asked(names: Iterable[str]) -> None:
    """Tell `make models` what a notebook asked for: names, in the file TUTORIAL_SHELF_ASKED."""
    if file := os.environ.get("TUTORIAL_SHELF_ASKED"):
        with open(file, "a", encoding="utf-8") as asked:
            asked.writelines(f"{name}\n" for name in names)


def to_check(name: str) -> bool:
    """Whether this entry is to be trained again."""
    return shelf_mode() == "check" and name in os.environ["TUTORIAL_SHELF_CHECK"].split()


def put(name: str, recipe: Recipe, content: Contents) -> None:
    """Write an entry."""
    weights, history = content
    text = json.dumps({"recipe": recipe, "history": json.loads(history)})
    write_atomically(shelf_path(name), tensors_bytes(packed(weights), name, text))
