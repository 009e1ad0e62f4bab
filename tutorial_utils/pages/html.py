"""What every page shares: its assets, its largest size, the credit of MNIST, and its template."""

from pathlib import Path

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
