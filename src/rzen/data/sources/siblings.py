"""Clips of one long video as each other's hard negatives."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np

from rzen.data.sources.caption_rows import CAPTION_KEY, VIDEO_KEY
from rzen.data.sources.directions import direction_number
from rzen.data.sources.source import LEFT_OUT
from rzen.data.sources.table_source import TableSource
from rzen.types import Content, Example, Video

Direction: TypeAlias = Literal["text-to-video", "video-to-text", "both"]
NEGATIVES = 4
_OVERLAP = 0.5
"""Two stretches that share more than this part of what they cover together show the same."""


class SiblingClips:
    """See :class:`rzen.data.sources.source.Source`.

    Other clips of the same video look alike, and the caption does not say what is in them. Which of
    them are taken is drawn for each row from its number. Clips with the same caption, or of largely
    the same stretch, are not taken.

    Args:
        clips: rows of :class:`rzen.data.sources.caption_rows.CaptionRows`.
        direction: whether captions ask for clips, or clips for captions, or first all of the one,
            then all of the other.
        negatives: of a row, at most.
        seed: of the draw.
    """

    def __init__(
        self, clips: TableSource, direction: Direction, *, negatives: int = NEGATIVES, seed: int = 0
    ) -> None:
        self.name, self.origin, self.licence = clips.name, clips.origin, clips.licence
        self.tasks, self.skipped, self.revision = clips.tasks, clips.skipped, clips.revision
        self._clips, self._negatives, self._seed = clips, negatives, seed
        self._reversed = [False, True] if direction == "both" else [direction == "video-to-text"]
        self.task_N = np.concatenate([clips.task_N for _ in self._reversed])
        none = np.zeros(len(clips), np.int64)
        caption_N = clips.keys.get(CAPTION_KEY, none)
        self.positive_N = np.concatenate(
            [caption_N if each else clips.positive_N for each in self._reversed]
        )
        self.direction_N = np.repeat(
            [
                direction_number(*(("video", "text") if each else ("text", "video")))
                for each in self._reversed
            ],
            len(clips),
        ).astype(np.int8)
        self._caption_N = caption_N
        _, self._video_N = np.unique(clips.keys.get(VIDEO_KEY, none), return_inverse=True)
        usable = np.flatnonzero(clips.task_N != LEFT_OUT)
        self._by_video = usable[np.argsort(self._video_N[usable], kind="stable")]
        self._start_V = np.searchsorted(
            self._video_N[self._by_video], np.arange(int(self._video_N.max(initial=0)) + 2)
        )

    def __len__(self) -> int:
        return len(self.task_N)

    def __getitem__(self, row: int) -> Example:
        """An example with the siblings that were drawn for it."""
        turn, clip = divmod(row, len(self._clips))
        asked = self._clips[clip]
        siblings = self._siblings(row, clip, asked)
        if not self._reversed[turn]:
            negatives = tuple(each.positives[0] for each in siblings)
            return Example(
                task=asked.task, query=asked.query, positives=asked.positives, negatives=negatives
            )
        return Example(
            task=asked.task,
            query=asked.positives[0],
            positives=(asked.query,),
            negatives=tuple(each.query for each in siblings),
        )

    def where(self, row: int) -> str:
        """File and line of a row."""
        return self._clips.where(row % len(self._clips))

    def _siblings(self, row: int, clip: int, asked: Example) -> list[Example]:
        taken: list[Example] = []
        seen = {int(self._caption_N[clip])}
        for other in self._drawn(row, clip):
            if len(taken) == self._negatives:
                break
            if int(self._caption_N[other]) in seen:
                continue
            sibling = self._clips[other]
            if not _same_stretch(asked.positives[0], sibling.positives[0]):
                taken.append(sibling)
                seen.add(int(self._caption_N[other]))
        return taken

    def _drawn(self, row: int, clip: int) -> Iterator[int]:
        """The other clips of a clip's video, in an order of the row's own."""
        video = int(self._video_N[clip])
        others = self._by_video[self._start_V[video] : self._start_V[video + 1]]
        # Further captions of the same clip, of which some sets have twenty, need not be read.
        others = others[self._clips.positive_N[others] != self._clips.positive_N[clip]]
        yield from np.random.default_rng([self._seed, row]).permutation(others).tolist()


def _same_stretch(first: Content, second: Content) -> bool:
    (one,), (other,) = first.parts, second.parts
    assert isinstance(one, Video), one
    assert isinstance(other, Video), other
    if one.source != other.source:
        return False
    times = (one.t_start, one.t_end, other.t_start, other.t_end)
    if None in times:
        return True  # one of them is the whole, or open at an end
    start, end, other_start, other_end = (float(time or 0) for time in times)
    shared = min(end, other_end) - max(start, other_start)
    return shared > _OVERLAP * (max(end, other_end) - min(start, other_start))
