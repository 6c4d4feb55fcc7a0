"""Finds pictures that look alike by the correlation of small thumbnails.

A thumbnail is 32 x 32 RGB on white paper and on grey, so that neither white nor grey things vanish,
with mean 0 and length 1: the inner product of two is their correlation. Resizing and recoding keep
it near 1. What has one outline and one colour, such as two round yellow faces, comes close to that:
at 16 x 16 it cannot be told apart from a copy.
"""

from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEAR: Final = 0.95
"""Above, pictures look alike; all copies but badly cropped ones are among them. Chosen, like
:data:`SAME`, by looking at pairs of stamps, clip art and emoji."""

SAME: Final = 0.985
"""Above, two pictures are one, or differ by little more than a bow or a shade."""

_GRID = 32
_PAPERS = (255, 128)
_ROWS = 1024  # of the matrix of correlations that are in memory at once


def thumbnail(pixels_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture as a vector to correlate: (6144,), mean 0 and length 1 (0 if it is blank).

    Args:
        pixels_HWC: RGB or RGBA; its proportions are kept.
    """
    from PIL import Image

    picture = Image.fromarray(pixels_HWC).convert("RGBA")
    # The longer side fills the square.
    scale = _GRID / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    small = picture.resize((width, height), reducing_gap=2.0)
    seen = []
    for grey in _PAPERS:
        paper = Image.new("RGBA", (_GRID, _GRID), (grey, grey, grey, 255))
        paper.alpha_composite(small, ((_GRID - width) // 2, (_GRID - height) // 2))
        shown_D = np.asarray(paper.convert("RGB"), np.float32).ravel()
        # Of each paper by itself: the papers' own difference would drown a thin drawing.
        seen.append(shown_D - shown_D.mean())
    vector_D = np.concatenate(seen)
    length = float(np.linalg.norm(vector_D))
    return np.asarray(vector_D / length if length else vector_D, np.float32)


def pairs(thumbnail_ND: NDArray[np.float32], threshold: float = NEAR) -> NDArray[np.int64]:
    """All pairs that look alike: (K, 2), the smaller index first, sorted.

    Args:
        thumbnail_ND: of :func:`thumbnail`.
        threshold: the least correlation, in (0, 1].
    """
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(thumbnail_ND), _ROWS):
        block_RD = thumbnail_ND[start : start + _ROWS]
        near_RM = block_RD @ thumbnail_ND[start:].T >= threshold
        pair_K2 = np.argwhere(near_RM) + start
        found.append(pair_K2[pair_K2[:, 0] < pair_K2[:, 1]])
    return np.concatenate(found)


def groups(thumbnail_ND: NDArray[np.float32], threshold: float = NEAR) -> list[tuple[int, ...]]:
    """Groups of two or more pictures that look alike, each linked to the next by a pair.

    Returns:
        Ascending indices; groups by their first index.
    """
    parent = list(range(len(thumbnail_ND)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for one, other in pairs(thumbnail_ND, threshold).tolist():
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    members: dict[int, list[int]] = defaultdict(list)
    for index in range(len(parent)):
        members[root(index)].append(index)
    return [tuple(group) for group in members.values() if len(group) > 1]
