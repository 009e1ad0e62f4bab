"""What tests of ipywidgets share."""

import re

import ipywidgets


def widgets_in(box: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """A widget and everything inside it, in the order of the page."""
    return [box] + [inner for child in getattr(box, "children", ()) for inner in widgets_in(child)]


def numbers(text: str) -> list[float]:
    """The decimals in a text, also behind a true minus sign.

    "image 7, kl 0.50, recon_loss −3.25" gives [0.5, -3.25].
    """
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text.replace("−", "-"))]


def code_in(text: str, name: str = "z") -> list[float]:
    """The numbers in the parentheses of "name = (...)": "z = (0.12, −0.80)" gives [0.12, -0.8]."""
    inside = re.search(rf"{name} = \((.*?)\)", text)[1].replace("−", "-")
    return [float(part) for part in inside.split(",")]
