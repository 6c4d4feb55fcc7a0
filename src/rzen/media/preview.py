"""Small JPEGs for result pages."""

import io

import numpy as np
from numpy.typing import NDArray

SIDE = 320
QUALITY = 80


def jpeg(pixels: NDArray[np.uint8], side: int = SIDE) -> bytes:
    """A JPEG of a picture whose longer side has ``side`` pixels at most.

    Args:
        pixels: (H, W, 3) RGB.
        side: in pixels.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    # A box filter first: for a thumbnail, four times faster and not seen.
    picture.thumbnail((side, side), Image.Resampling.HAMMING, reducing_gap=1.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
