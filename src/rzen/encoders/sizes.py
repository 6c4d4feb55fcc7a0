"""How large a picture is shown: whole tokens in both directions, within bounds.

The arithmetic is that of qwen-vl-utils' ``smart_resize`` and of the Qwen2-VL image processor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_RATIO = 200
"""Of the sides of a picture; a longer one is squeezed to it, as RzenEmbed's release does."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Pixels that a picture may have.

    Attributes:
        low: pixels, at least.
        high: pixels, at most.
        side: both sides are multiples of it.
    """

    low: int
    high: int
    side: int

    @classmethod
    def tokens(cls, low: int, high: int, side: int = 28) -> "Bounds":
        """Bounds given in tokens of ``side`` x ``side`` pixels.

        >>> Bounds.tokens(4, 1280)
        Bounds(low=3136, high=1003520, side=28)
        """
        return cls(low * side * side, high * side * side, side)


def fitted(height: int, width: int, bounds: Bounds) -> tuple[int, int]:
    """Height and width nearest to those of a picture that are within bounds.

    >>> fitted(480, 640, Bounds.tokens(256, 1280)), fitted(1, 1, Bounds.tokens(4, 1280))
    ((476, 644), (56, 56))
    >>> fitted(1, 20_000, Bounds.tokens(4, 1280))
    (28, 5600)

    Args:
        height: of the picture, at least 1.
        width: of the picture, at least 1.
        bounds: of what is wanted.
    """
    side = bounds.side
    down = max(side, round(height / side) * side)
    across = max(side, round(width / side) * side)
    if down * across > bounds.high:
        shrink = math.sqrt(height * width / bounds.high)
        down = max(side, math.floor(height / shrink / side) * side)
        across = max(side, math.floor(width / shrink / side) * side)
    elif down * across < bounds.low:
        grow = math.sqrt(bounds.low / (height * width))
        down = math.ceil(height * grow / side) * side
        across = math.ceil(width * grow / side) * side
    if max(down, across) > LONGEST_RATIO * min(down, across):
        down, across = min(down, LONGEST_RATIO * across), min(across, LONGEST_RATIO * down)
    return down, across


def fitted_through(height: int, width: int, steps: Sequence[Bounds]) -> list[tuple[int, int]]:
    """The sizes of a picture that is resized several times.

    >>> fitted_through(2000, 3000, [Bounds.tokens(4, 16384), Bounds.tokens(256, 1280)])
    [(1988, 2996), (812, 1204)]
    """
    found: list[tuple[int, int]] = []
    for bounds in steps:
        height, width = fitted(height, width, bounds)
        found.append((height, width))
    return found
