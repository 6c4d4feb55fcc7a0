"""Positions of tokens: one after the other, or in the grids of what they show.

Shape suffixes: S tokens.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Grid: TypeAlias = tuple[int, int, int]
"""Tokens in time, height and width."""


def one_dimensional(length: int) -> NDArray[np.int64]:
    """(3, S): the same count on all three axes.

    >>> one_dimensional(3).tolist()
    [[0, 1, 2], [0, 1, 2], [0, 1, 2]]
    """
    return np.tile(np.arange(length, dtype=np.int64), (3, 1))


def multimodal(
    ids_S: NDArray[np.int64], pads: Sequence[int], grids: Sequence[Grid]
) -> NDArray[np.int64]:
    """(3, S): M-RoPE's time, height and width of each token (Qwen2-VL, arXiv 2409.12191, 2.1).

    Words count on along all axes. The tokens of a grid begin where the words stopped and take its
    three coordinates; the words behind it go on from its largest coordinate.

    >>> ids = np.array([1, 9, 9, 9, 9, 2])
    >>> multimodal(ids, [9], [(1, 2, 2)]).tolist()
    [[0, 1, 1, 1, 1, 3], [0, 1, 1, 2, 2, 3], [0, 1, 2, 1, 2, 3]]

    Args:
        ids_S: the tokens.
        pads: ids that stand for tokens of media.
        grids: of the media, in the order in which they stand among the tokens.
    """
    found = np.empty((3, len(ids_S)), np.int64)
    at = start = 0
    left = iter(grids)
    for length, is_medium in _runs(np.isin(ids_S, pads)):
        end = at + length
        if not is_medium:
            found[:, at:end] = start + np.arange(length)
            start, at = start + length, end
        while at < end:
            grid = next(left)
            count = int(np.prod(grid))
            found[:, at : at + count] = start + np.indices(grid).reshape(3, -1)
            start, at = start + max(grid), at + count
    assert next(left, None) is None, "more media than tokens for them"
    assert at == len(ids_S), "more tokens for media than media"
    return found


def _runs(is_medium_S: NDArray[np.bool_]) -> Iterator[tuple[int, bool]]:
    """Lengths of stretches of words and of media, in turns."""
    cuts = np.flatnonzero(np.diff(is_medium_S)) + 1
    for stretch in np.split(is_medium_S, cuts):
        if len(stretch):
            yield len(stretch), bool(stretch[0])
