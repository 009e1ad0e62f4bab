"""SVG read as XML, for tests of charts: `texts`, `elements`, `positions`."""

from xml.etree import ElementTree


def root(svg: str) -> ElementTree.Element:
    """The outermost element of a string of SVG.  ParseError unless it is well-formed."""
    return ElementTree.fromstring(svg)


def elements(svg: str, tag: str | None = None, name: str = "") -> list[ElementTree.Element]:
    """All elements, in order, with this tag ("text", "rect") and this class `name`, if given."""
    found = root(svg).iter(tag)
    return [node for node in found if not name or name in node.get("class", "").split()]


def text_of(node: ElementTree.Element) -> str:
    """Everything written in an element and inside it, without spaces at its ends."""
    return "".join(node.itertext()).strip()


def texts(svg: str, name: str = "") -> list[str]:
    """What stands in the <text> elements (of class `name`, if given), in order."""
    return [text_of(node) for node in elements(svg, "text", name)]


def number(node: ElementTree.Element, attribute: str) -> float:
    """An attribute as a number: "12.5%" is 12.5."""
    return float(node.get(attribute).rstrip("%"))


def positions(svg: str) -> dict[str, tuple[float, float]]:
    """Where the texts of a chart stand: {text: (x in percent, y in pixels)}."""
    return {text_of(node): (number(node, "x"), number(node, "y")) for node in elements(svg, "text")}
