"""What every page shares: its assets, its largest size, the credit of MNIST, and its template."""

import tempfile
from pathlib import Path

from ..store.files import write_atomically

ASSETS = Path(__file__).parent / "assets"
MAX_BYTES = 1_500_000  # of a page, so that it travels by mail and opens on a phone
MNIST = (
    "The digits are test images of MNIST, by Yann LeCun and Corinna Cortes, "
    '<a href="https://creativecommons.org/licenses/by-sa/3.0/">CC BY-SA 3.0</a>.'
)


def read_asset(name: str, folder: Path = ASSETS) -> str:
    """The text of an asset, by default one of the pages."""
    return (folder / name).read_text(encoding="utf-8")


def fill_template(name: str, parts: dict[str, str]) -> bytes:
    """The page of a template among the assets: parts[key] replaces each `<!-- key -->` in it."""
    page = read_asset(name)
    for key, part in parts.items():
        page = page.replace(f"<!-- {key} -->", part)
    return page.encode()


def check_size(what: str, page: bytes, advice: str) -> None:
    """Raises ValueError if the page is larger than MAX_BYTES; it says what is, and what helps."""
    if len(page) > MAX_BYTES:
        sizes = f"{len(page) / 1e6:.2f} MB, more than {MAX_BYTES / 1e6:.2f}"
        raise ValueError(f"{what} too large for one page: {sizes}. {advice}")


def save_page(path: str | Path, page: bytes) -> Path:
    """Write a page to `path`; where that is impossible, to the temporary folder, which is printed.

    So a notebook in a folder that may only be read goes on.  Returns where the page is.
    """
    path = Path(path)
    try:
        write_atomically(path, page)
    except OSError as error:
        elsewhere = Path(tempfile.gettempdir()) / path.name
        print(f"{path} cannot be written ({error}): it is {elsewhere} instead.")
        path = elsewhere
        write_atomically(path, page)
    return path
