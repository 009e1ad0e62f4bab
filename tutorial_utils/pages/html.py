"""What every page shares: its assets, its largest size, the credit of MNIST, and filling in a template."""

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
    """The page made of a template among the assets: each `<!-- key -->` in it is replaced by parts[key]."""
    page = read_asset(name)
    for key, part in parts.items():
        page = page.replace(f"<!-- {key} -->", part)
    return page.encode()
