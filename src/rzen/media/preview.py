"""Small JPEGs for result pages, and what is laid over them."""

import io

import numpy as np
from numpy.typing import NDArray

from rzen.errors import MediaError

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


def size(picture: bytes) -> tuple[int, int]:
    """Width and height of a preview.

    Raises:
        MediaError: if it is none.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(picture)) as opened:
            return opened.size
    except UnidentifiedImageError:
        raise MediaError("a preview in the index is damaged: index its file again") from None


def png(pixels: NDArray[np.uint8], size: tuple[int, int]) -> bytes:
    """A PNG with transparency, drawn out smoothly.

    Args:
        pixels: (H, W, 4) RGBA.
        size: width and height that it gets.
    """
    from PIL import Image

    buffer = io.BytesIO()
    # Premultiplied while it is resized (mode RGBa): else the colour of what is transparent bleeds.
    picture = Image.fromarray(pixels).convert("RGBa")
    picture = picture.resize(size, Image.Resampling.BICUBIC).convert("RGBA")
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
