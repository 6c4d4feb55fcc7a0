"""Scene cuts: where neighbouring frames differ far more than the frames around them do.

A frame's difference to the one before is the mean over its pixels of the absolute change in luma
and in both chroma planes (summed, of 255), on frames of 64 x 36. It begins a new scene where this

- is above ``THRESHOLD``, and
- is above ``RATIO`` times the mean of the ``REACH`` differences on either side,

so that a fast pan or a handheld shot, which changes a lot all the time, is no series of cuts.
Dissolves and fades are not found; a photographer's flash is taken for a cut. The idea is that of
PySceneDetect's content and adaptive detectors (https://www.scenedetect.com/docs/latest/api/
detectors.html); the measure and its numbers are our own, tried on the clips of the tests.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 36
THRESHOLD = 18.0
RATIO = 3.0
REACH = 2

T = TypeVar("T")


def mark_cuts(
    frames: Iterable[T], thumbnail: Callable[[T], NDArray[np.uint8]]
) -> Iterator[tuple[T, bool]]:
    """Yields each frame with whether it begins a new scene; runs ``REACH`` frames behind.

    Args:
        frames: in the order of their times.
        thumbnail: gives a frame as (3, HEIGHT, WIDTH): luma and both chroma planes.
    """
    waiting: deque[T] = deque()
    differences: deque[float] = deque(maxlen=2 * REACH + 1)
    last: NDArray[np.int16] | None = None
    for frame in frames:
        now = thumbnail(frame).astype(np.int16)
        # The first frame differs from nothing, and says nothing about motion.
        differences.append(np.nan if last is None else 3.0 * float(np.abs(now - last).mean()))
        last = now
        waiting.append(frame)
        if len(waiting) > REACH:
            yield waiting.popleft(), is_cut(list(differences), len(differences) - 1 - REACH)
    while waiting:
        at = len(differences) - len(waiting)
        yield waiting.popleft(), is_cut(list(differences)[max(0, at - REACH) :], min(at, REACH))


def is_cut(differences: Sequence[float], at: int) -> bool:
    """Whether one of a few consecutive differences stands out as a cut.

    >>> is_cut([5, 6, 90, 5, 4], 2), is_cut([80, 85, 90, 88, 70], 2), is_cut([1, 1, 9, 1, 1], 2)
    (True, False, False)
    """
    around = [value for place, value in enumerate(differences) if place != at and value == value]
    usual = sum(around) / len(around) if around else 0.0
    return differences[at] > max(THRESHOLD, RATIO * usual)
