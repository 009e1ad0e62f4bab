"""PNG bytes as arrays, for tests that compare a picture with the tensor it was made of."""

import io

import numpy as np
from PIL import Image


def pixels(png: bytes, mode: str | None = None) -> np.ndarray:
    """The whole-number values of a PNG: [H, W] of a gray one, [H, W, C] of a colored one.

    mode: convert first, such as "RGBA"; None leaves the picture as it is.
    """
    image = Image.open(io.BytesIO(png))
    return np.asarray(image.convert(mode) if mode else image).astype(int)
