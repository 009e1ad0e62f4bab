"""What the interpolation studio must paint, computed from what its page says."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator
from torch import Tensor, nn

from tutorial_utils.latent import morph
from tutorial_utils.models import encode_image


def ends_of(studio: Locator, x: Tensor) -> list[Tensor]:
    """The two images of x [N, 1, H, W] that the page names as ends: [1, H, W] each."""
    pictures = studio.locator(".vae-end-picture img")
    alts = [pictures.nth(k).get_attribute("alt") for k in (0, 1)]
    return [x[int(re.search(r"test image (\d+)", alt)[1])] for alt in alts]


def t_of(studio: Locator) -> float:
    """How far along the path the slider stands, from 0 to 1."""
    return float(studio.locator(".widget-readout").inner_text())


def painted(studio: Locator, model: nn.Module, x: Tensor, path: Callable) -> Tensor:
    """The image [H, W] on a path between the codes of the page's two ends."""
    codes = [encode_image(model, image) for image in ends_of(studio, x)]
    return morph(model, *codes, t_of(studio), path=path)
