"""Which frames of a stretch of video are kept, decided while they pass by."""

from collections.abc import Callable
from typing import Generic, TypeVar

from rzen.types import MediaBudget

T = TypeVar("T")

_FINE = 4  # frames kept per 1/fps while a stretch is too short for the even grid
_LEAST = 4
_TOLERANCE = 1e-6  # seconds; far below any frame duration, far above rounding


class Sampler(Generic[T]):
    """Keeps frames near an even grid, without knowing when the stretch will end.

    The grid starts at the first frame. Its step is 1/fps, doubled until no more than twice the
    budget's frames are kept; a stretch shorter than 4/fps has a finer one, so that it too can give
    four frames. The first frame at or behind each grid point is kept. Which these are depends on
    the times of the stretch and the budget alone, not on how the frames arrived: a stretch of a
    file gives the same frames when the file is decoded from its start and when it is sought.

    >>> sampler = Sampler[str](MediaBudget(frames=4, fps=1.0))
    >>> for index in range(80):
    ...     sampler.offer(index / 10, lambda index=index: f"frame {index}")
    >>> [time for time, frame in sampler.chosen()]
    [1.0, 3.0, 5.0, 7.0]
    """

    def __init__(self, budget: MediaBudget) -> None:
        self._frames = max(1, budget.frames)
        self._coarse = 1.0 / budget.fps
        self._step = self._coarse / _FINE
        self._kept: list[tuple[float, T]] = []

    def offer(self, time: float, load: Callable[[], T]) -> None:
        """Shows it the next frame.

        Args:
            time: seconds, more than that of the frame before.
            load: makes what is kept of the frame; called at once, or never.
        """
        if self._kept and self._point(time) <= self._point(self._kept[-1][0]):
            return
        self._kept.append((time, load()))
        if self._step < self._coarse and time - self._kept[0][0] >= _LEAST * self._coarse:
            self._thin(self._coarse)
        while self._step >= self._coarse and len(self._kept) > 2 * self._frames:
            self._thin(2 * self._step)

    def chosen(self) -> list[tuple[float, T]]:
        """Times and frames, evenly spread, no more than the budget; an even number from four on."""
        count = len(self._kept)
        wanted = min(count, self._frames if self._step >= self._coarse else _LEAST, self._frames)
        if wanted >= _LEAST:
            wanted -= wanted % 2
        return [self._kept[(2 * index + 1) * count // (2 * wanted)] for index in range(wanted)]

    def _point(self, time: float) -> int:
        return int((time - self._kept[0][0] + _TOLERANCE) / self._step)

    def _thin(self, step: float) -> None:
        self._step = step
        kept, self._kept = self._kept, self._kept[:1]
        for time, frame in kept[1:]:
            if self._point(time) > self._point(self._kept[-1][0]):
                self._kept.append((time, frame))
