"""Rows whose columns are texts and media, under whatever names: a mapping says which is which."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.fields import media_of, page_of, text_of
from rzen.data.sources.table import Row
from rzen.types import Content, Example, Image, Part, Text, Video

_SIDES = ("query", "positive", "negative")
_KINDS = ("image", "video", "page", "text")
NAMES = (
    *(f"{side}_{kind}" for side in _SIDES for kind in _KINDS),
    "task",
    "instruction",
    "document_instruction",
)
"""What a column may be mapped to."""

_ELEMENT = re.compile(r"(.+)\[(\d{1,3})\]")

_ToPart: TypeAlias = Callable[[Any, str, Path | None], Part | None]


class FlatRows:
    """See :class:`rzen.data.sources.table.Reader`.

    A query is one content: a list of pictures in its column are parts of it. Several positives or
    negatives come as a list, or as lists of the same length in several columns; a single value
    beside a list belongs to each of its elements. Media stand before the text.

    Args:
        columns: name of :data:`NAMES` -> column, or ``"column[0]"`` for the first element of its
            list; without any, columns are called by those names.
        task: of all rows; empty takes each row's own.
    """

    def __init__(self, columns: Mapping[str, str], task: str = "") -> None:
        self._mapped = dict(columns)
        self._columns = self._mapped or {name: name for name in NAMES}
        self._task = task
        self._sides = {side: tuple(self._side(side)) for side in _SIDES}

    def identity(self) -> Mapping[str, Any]:
        """The mapping and the task."""
        return {"columns": self._columns, "task": self._task}

    def wanted(self) -> Sequence[str]:
        """The columns that are mapped."""
        return tuple(dict.fromkeys(map(_column, self._columns.values())))

    def needed(self) -> Sequence[str]:
        """All that the user mapped."""
        return tuple(dict.fromkeys(map(_column, self._mapped.values())))

    def example(self, row: Row, folder: Path | None) -> Example:
        """The example of a row."""
        query = [
            part
            for column, to_part in self._sides["query"]
            for value in _listed(_value(row, column))
            if (part := to_part(value, column, folder)) is not None
        ]
        if not query:
            raise BadRowError("no query")
        positives = tuple(self._contents("positive", row, folder))
        if not positives:
            raise BadRowError("no positive")
        task = self._task or self._text("task", row)
        if not task:
            raise BadRowError("no task: set the source's task, or map a column to it")
        return Example(
            task=task,
            query=Content(*query),
            positives=positives,
            negatives=tuple(self._contents("negative", row, folder)),
            instruction=self._text("instruction", row),
            document_instruction=self._text("document_instruction", row),
        )

    def keys(self, row: Row, example: Example) -> Mapping[str, int]:
        """None."""
        del row, example
        return {}

    def _side(self, side: str) -> Iterator[tuple[str, _ToPart]]:
        for kind in _KINDS:
            if (column := self._columns.get(f"{side}_{kind}")) is not None:
                yield column, _TO_PART[kind]

    def _contents(self, side: str, row: Row, folder: Path | None) -> Iterator[Content]:
        columns = [
            (column, value, to_part)
            for column, to_part in self._sides[side]
            if (value := _value(row, column)) is not None
        ]
        if not columns:
            return
        lengths = {len(value) for _, value, _ in columns if isinstance(value, list)}
        if len(lengths) > 1:
            names = ", ".join(column for column, _, _ in columns)
            raise BadRowError(f"the lists in {names} are of different lengths")
        for number in range(lengths.pop() if lengths else 1):
            parts = []
            for column, value, to_part in columns:
                if isinstance(value, list):
                    value = value[number]
                if (part := to_part(value, column, folder)) is not None:
                    parts.append(part)
            if parts:
                yield Content(*parts)

    def _text(self, name: str, row: Row) -> str | None:
        column = self._columns.get(name)
        if column is None or (value := _value(row, column)) is None:
            return None
        return text_of({column: value}, column)


def _column(named: str) -> str:
    """The column that a mapping names.

    >>> _column("q_texts[0]"), _column("q_text")
    ('q_texts', 'q_text')
    """
    match = _ELEMENT.fullmatch(named)
    return match[1] if match else named


def _value(row: Row, named: str) -> Any:
    """What is there; ``None`` where the row, or its list, has nothing."""
    match = _ELEMENT.fullmatch(named)
    if match is None:
        return row.get(named)
    held = row.get(match[1])
    if held is None or isinstance(held, list):
        number = int(match[2])
        return held[number] if held and number < len(held) else None
    raise BadRowError(f"{match[1]!r} is not a list", f"{held!r:.40}")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text_part(value: Any, column: str, folder: Path | None) -> Text | None:
    del folder
    text = text_of({column: value}, column)
    return Text(text) if text.strip() else None


def _image_part(value: Any, column: str, folder: Path | None) -> Image | None:
    source = media_of(value, column, folder)
    return None if source is None else Image(source)


def _video_part(value: Any, column: str, folder: Path | None) -> Video | None:
    source = media_of(value, column, folder)
    return None if source is None else Video(source)


_TO_PART: Mapping[str, _ToPart] = {
    "image": _image_part,
    "video": _video_part,
    "page": page_of,
    "text": _text_part,
}
