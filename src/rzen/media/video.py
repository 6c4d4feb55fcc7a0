"""Video: scenes and sampled frames, in one decoding pass."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media import scenes
from rzen.media.reel import opened_video
from rzen.media.sampling import Sampler
from rzen.media.source import label
from rzen.types import Frames, MediaBudget, Metadata

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """A stretch of video.

    Attributes:
        t_start: seconds from the start of the file, inclusive.
        t_end: seconds, exclusive.
        frames: the sampled ones, with their times.
        metadata: duration (of the file, seconds), width, height (as shown), fps.
    """

    t_start: float
    t_end: float
    frames: Frames
    metadata: Metadata


def scan(
    source: Path | bytes,
    *,
    budget: MediaBudget,
    limits: Limits,
    shortest: float,
    longest: float,
) -> Generator[Clip, None, str]:
    """Cuts a video into clips at its scene changes, decoding it once.

    A clip begins at a scene change where that leaves no clip shorter than ``shortest``, and in any
    case after ``longest`` seconds. Only the last clip can be shorter: where the file is, or where
    its header does not tell its duration.

    A file that breaks off gives the clips up to there.

    Args:
        source: a file or its bytes.
        budget: frames of a clip and pixels of a frame, at most.
        limits: duration, frames decoded and frame size.
        shortest: seconds.
        longest: seconds.

    Returns:
        What could not be read, as a sentence; empty when all of it was.

    Raises:
        MediaError: if not one frame can be read, or a limit is exceeded.
    """
    with opened_video(source, limits) as reel:
        sampler: Sampler[NDArray[np.uint8]] | None = None
        start = end = 0.0
        for (time, frame), cut in scenes.mark_cuts(reel.frames(), _thumbnail):
            if sampler is not None and _ends(time, cut, start, reel.length, (shortest, longest)):
                yield _clip(sampler, start, time, reel.metadata)
                sampler = None
            if sampler is None:
                sampler, start = Sampler[NDArray[np.uint8]](budget), time
            sampler.offer(time, partial(reel.pixels, frame, budget.frame_pixels))
            end = time + reel.frame_seconds
        if sampler is None:
            raise reel.unreadable()
        yield _clip(sampler, start, end, reel.metadata)
        return reel.remark(end)


def sample(
    source: Path | bytes,
    t_start: float | None = None,
    t_end: float | None = None,
    *,
    budget: MediaBudget,
    limits: Limits,
) -> Frames:
    """The frames of one stretch, the same as :func:`scan` gives for it.

    Where a file's clock jumps back in the middle, times behind the jump are those of one pass from
    the start, which seeking cannot know; there the two may differ.

    Raises:
        MediaError: if there is no frame in the stretch, or as :func:`scan`.
    """
    begin = t_start or 0.0
    with opened_video(source, limits) as reel:
        sampler = Sampler[NDArray[np.uint8]](budget)
        for time, frame in reel.frames(begin):
            if t_end is not None and time >= t_end:
                break
            if time >= begin:
                sampler.offer(time, partial(reel.pixels, frame, budget.frame_pixels))
        chosen = sampler.chosen()
        if not chosen:
            raise (
                reel.unreadable()
                if t_start is None
                else MediaError(
                    f"{label(source)}: there is no frame between {begin:g} s and "
                    f"{'its end' if t_end is None else f'{t_end:g} s'}"
                )
            )
        return _frames(chosen)


def _ends(
    time: float, cut: bool, start: float, duration: float | None, bounds: tuple[float, float]
) -> bool:
    """Whether a clip that began at ``start`` ends before the frame at ``time``."""
    shortest, longest = bounds
    if duration is None:
        return time - start >= (shortest if cut else longest)
    rest = duration - start
    # Cut off at the longest, a rest just over it would leave too short an end.
    forced = rest - shortest if longest < rest < longest + shortest else longest
    if time - start >= max(forced, shortest):
        return True
    return cut and time - start >= shortest and duration - time >= shortest


def _clip(
    sampler: Sampler[NDArray[np.uint8]], start: float, end: float, metadata: Metadata
) -> Clip:
    return Clip(t_start=start, t_end=end, frames=_frames(sampler.chosen()), metadata=metadata)


def _frames(chosen: list[tuple[float, NDArray[np.uint8]]]) -> Frames:
    return Frames(
        pixels=tuple(pixels for _, pixels in chosen), times=tuple(time for time, _ in chosen)
    )


def _thumbnail(timed: "tuple[float, VideoFrame]") -> NDArray[np.uint8]:
    small = timed[1].reformat(scenes.WIDTH, scenes.HEIGHT, "yuv444p", interpolation="AREA")
    planes = small.to_ndarray().reshape(3, scenes.HEIGHT, scenes.WIDTH)
    return planes.astype(np.uint8, copy=False)
