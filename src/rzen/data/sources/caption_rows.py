"""Rows of clips with captions: where the clip lies in which long video, and what is seen in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.content_key import content_key, text_key
from rzen.data.sources.fields import media_of, seconds_of, text_of
from rzen.data.sources.table import Row
from rzen.types import Content, Example, Text, Video

TASK = "video retrieval"
NAMES = ("video", "start", "end", "caption", "video_id")
"""What a column may be mapped to; without a ``video_id`` the path of the video stands for it."""

VIDEO_KEY, CAPTION_KEY = "video", "caption"


class CaptionRows:
    """See :class:`rzen.data.sources.table.Reader`: the caption asks for the clip.

    Args:
        columns: name of :data:`NAMES` -> column; those that are not named have their own name.
        task: of all rows.
    """

    def __init__(self, columns: Mapping[str, str], task: str = TASK) -> None:
        self._mapped = dict(columns)
        self._columns = {name: columns.get(name, name) for name in NAMES}
        self._task = task

    def identity(self) -> Mapping[str, Any]:
        """The mapping and the task."""
        return {"columns": self._columns, "task": self._task}

    def wanted(self) -> Sequence[str]:
        """The five columns."""
        return tuple(self._columns.values())

    def needed(self) -> Sequence[str]:
        """Video and caption, and what the user mapped."""
        names = (self._columns["video"], self._columns["caption"], *self._mapped.values())
        return tuple(dict.fromkeys(names))

    def example(self, row: Row, folder: Path | None) -> Example:
        """The example of a row, without hard negatives."""
        columns = self._columns
        caption = text_of(row, columns["caption"])
        if not caption.strip():
            raise BadRowError("no query", f"{columns['caption']!r} is empty")
        source = media_of(row.get(columns["video"]), columns["video"], folder)
        if source is None:
            raise BadRowError("no positive", f"{columns['video']!r} is empty")
        start, end = (seconds_of(row, columns[name]) for name in ("start", "end"))
        if start is not None and end is not None and end <= start:
            raise BadRowError("the clip ends before it starts", f"{start} to {end}")
        return Example(
            task=self._task,
            query=Content(Text(caption)),
            positives=(Content(Video(source, start, end)),),
        )

    def keys(self, row: Row, example: Example) -> Mapping[str, int]:
        """Of the long video, whose clips are siblings, and of the caption."""
        (clip,) = example.positives[0].parts
        assert isinstance(clip, Video)
        named = row.get(self._columns["video_id"])
        whole = (
            text_key(str(named)) if named is not None else content_key(Content(Video(clip.source)))
        )
        return {VIDEO_KEY: whole, CAPTION_KEY: content_key(example.query)}
