"""Arithmetic of picture sizes."""

import math


def fit(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The largest size of the same shape with no more than so many pixels; never enlarges.

    >>> fit(4000, 3000, 1_000_000), fit(20, 10, 1_000_000), fit(1, 10_000, 100)
    ((1154, 866), (20, 10), (1, 100))
    """
    assert width > 0, width
    assert height > 0, height
    assert pixels > 0, pixels
    if width * height <= pixels:
        return width, height
    scale = math.sqrt(pixels / (width * height))
    fitted_width = max(1, min(int(width * scale), pixels))
    fitted_height = max(1, min(int(height * scale), pixels // fitted_width))
    return min(fitted_width, pixels // fitted_height), fitted_height
