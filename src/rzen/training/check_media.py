"""Media of training rows, opened to see whether they can be."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rzen import media
from rzen.config import Limits
from rzen.data.mixture import Mixture
from rzen.data.sources.content_key import content_key
from rzen.data.sources.source import NAMED, Skipped, SkippedRow
from rzen.errors import DataError, RzenError
from rzen.media.source import label
from rzen.render.depiction import FRAMES, SIDE
from rzen.types import Content, Example, Image, MediaBudget, Page, Part, Text, Video

# Enough to decode something of each part of a file; what a preview would need, no more.
_BUDGET = MediaBudget(
    image_pixels=SIDE * SIDE,
    page_pixels=SIDE * SIDE,
    frame_pixels=SIDE * SIDE,
    frames=FRAMES,
    fps=1.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFindings:
    """Media of the rows of a source that were looked at.

    Attributes:
        rows: that were looked at.
        opened: modality -> different media that could be opened.
        bytes: of those.
        failed: different media, and rows, that could not; and why.
        failed_rows: rows that have such a medium or could not be read themselves.
    """

    rows: int
    opened: Mapping[str, int]
    bytes: int
    failed: Skipped
    failed_rows: int


@dataclass(slots=True)
class _Notes:
    rows: int = 0
    opened: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: list[SkippedRow] = field(default_factory=list)
    failed_rows: int = 0

    def fail(self, where: str, reason: str, problem: str) -> None:
        self.reasons[reason] += 1
        if len(self.first) < NAMED:
            self.first.append(SkippedRow(where=where, reason=problem))


class MediaCheck:
    """Opens the media of rows, each medium once.

    Args:
        mixture: whose rows.
        limits: what a file may ask for.
    """

    def __init__(self, mixture: Mixture, limits: Limits) -> None:
        self._mixture, self._limits = mixture, limits
        self._notes: defaultdict[int, _Notes] = defaultdict(_Notes)
        self._can_be_opened: dict[int, bool] = {}

    def look_at(self, source: int, row: int) -> None:
        """Opens all that a row holds; what cannot be opened is noted."""
        notes = self._notes[source]
        notes.rows += 1
        try:
            example = self._mixture.example(source, row)
        except DataError as error:
            where = self._mixture.where(source, row)
            notes.fail(where, "the row cannot be read", str(error))
            notes.failed_rows += 1
            return
        is_whole = [self._open(part, source, row) for part in _media(example)]
        notes.failed_rows += not all(is_whole)

    def findings(self, source: int) -> MediaFindings:
        """What was found in a source."""
        notes = self._notes[source]
        return MediaFindings(
            rows=notes.rows,
            opened=dict(notes.opened),
            bytes=notes.bytes,
            failed=Skipped(by_reason=dict(notes.reasons.most_common()), first=tuple(notes.first)),
            failed_rows=notes.failed_rows,
        )

    def _open(self, part: Image | Video | Page, source: int, row: int) -> bool:
        key = content_key(Content(part))
        if key not in self._can_be_opened:
            self._can_be_opened[key] = self._open_first(part, source, row)
        return self._can_be_opened[key]

    def _open_first(self, part: Image | Video | Page, source: int, row: int) -> bool:
        notes = self._notes[source]
        if isinstance(part, Page):
            part = replace(part, text="")  # else a scan would be read, which takes seconds
        try:
            media.open(part, budget=_BUDGET, limits=self._limits)
        except RzenError as error:
            where = self._mixture.where(source, row)
            notes.fail(where, _reason(error, part), str(error))
            return False
        notes.opened[Content(part).modality] += 1
        match part.source:
            case bytes() as data:
                notes.bytes += len(data)
            case Path() as path:
                notes.bytes += path.stat().st_size
        return True


def _media(example: Example) -> Iterator[Image | Video | Page]:
    for content in (example.query, *example.positives, *example.negatives):
        for part in content.parts:
            if not isinstance(part, Text):
                yield part


def _reason(error: RzenError, part: Part) -> str:
    """What went wrong, without the name of the file: the same words for all such files."""
    assert not isinstance(part, Text)
    source = part.source
    name = label(source) if isinstance(source, Path | bytes) else str(source)
    return str(error).replace(name, "").lstrip(": ")
