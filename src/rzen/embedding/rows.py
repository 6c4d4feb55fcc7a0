"""The rows that are embedded: one JSON object a line, with paths relative to the file.

A row has any of ``text``, ``image``, ``images``, ``video`` (a file, or a list of pictures that are
its frames) and ``page`` (``"file.pdf#3"``), and may say ``instruction``, ``role`` and ``id``. Media
come before the text, as the published scripts have it. A row with nothing in it is an empty text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rzen import media
from rzen.config import Limits
from rzen.errors import DataError, RzenError
from rzen.types import Content, Frames, Image, MediaBudget, Page, Part, Role, Text, Video

_LINE_BYTES = 64 * 2**20
_Names = Annotated[list[str], Field(min_length=1)]


class _Line(BaseModel):
    """A row as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str | int | None = None
    text: str | None = None
    image: str | None = None
    images: _Names | None = None
    video: str | _Names | None = None
    page: str | None = None
    instruction: str | None = None
    role: Role = "query"

    @property
    def has_content(self) -> bool:
        """Whether it says anything of what is embedded, be it an empty text."""
        said = self.model_fields_set & {"text", "image", "images", "video", "page"}
        return bool(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line, read and not opened yet.

    Attributes:
        number: of the line, from 1.
        id: its own, or the number of the line.
        line: what it says; ``None`` if it cannot be read.
        error: why not.
    """

    number: int
    id: str
    line: _Line | None
    error: str = ""

    @property
    def role(self) -> Role:
        """Query, where it does not say."""
        return self.line.role if self.line is not None else "query"

    @property
    def instruction(self) -> str | None:
        """``None`` where it does not say: the encoder takes its own."""
        return self.line.instruction if self.line is not None else None


def read_rows(file: Path) -> Iterator[Row]:
    """The rows of a file, in order; a line that cannot be read is a row with an error.

    Raises:
        DataError: if the file cannot be read.
    """
    try:
        with file.open("rb") as lines:
            number = 0
            while raw := lines.readline(_LINE_BYTES):
                number += 1
                if len(raw) == _LINE_BYTES and not raw.endswith(b"\n"):
                    while (more := lines.readline(_LINE_BYTES)) and not more.endswith(b"\n"):
                        pass
                    error = f"longer than {_LINE_BYTES} bytes"
                    yield Row(number=number, id=str(number), line=None, error=error)
                elif raw.strip(b" \t\r\n\xef\xbb\xbf"):
                    yield _row(number, raw)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error


def content_of(row: Row, folder: Path, budget: MediaBudget, limits: Limits) -> Content:
    """What a row stands for. Pictures that are frames of a video are opened here, all else later.

    Args:
        row: one that could be read.
        folder: that its paths are relative to.
        budget: of the encoder: frames have at most the pixels of its pictures.
        limits: what a file may ask for.

    Raises:
        DataError: if a page has no number.
        MediaError: if a frame cannot be opened.
    """
    line = row.line
    assert line is not None, "a row that cannot be read has no content"
    parts: list[Part] = []
    if isinstance(line.video, str):
        parts.append(Video(folder / line.video))
    elif line.video:
        frames = [_frame(folder / name, budget, limits) for name in line.video]
        parts.append(Video(Frames(pixels=tuple(frames))))
    names = [*([line.image] if line.image is not None else []), *(line.images or [])]
    parts += [Image(folder / name) for name in names]
    if line.page is not None:
        parts.append(_page(line.page, folder))
    if line.text is not None or not parts:
        parts.append(Text(line.text or ""))
    return Content(*parts)


def _row(number: int, raw: bytes) -> Row:
    try:
        found = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return Row(number=number, id=str(number), line=None, error=f"no JSON object: {error}")
    return parsed_row(number, found)


def parsed_row(number: int, found: object) -> Row:
    """A row from what its line holds; one that cannot be read has an error.

    Args:
        number: of the line.
        found: the line as JSON.
    """
    try:
        line = _Line.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][:1])) or "the line"
        return Row(number=number, id=str(number), line=None, error=_said(where, str(first["msg"])))
    return Row(number=number, id=str(number if line.id is None else line.id), line=line)


def _said(where: str, message: str) -> str:
    known = ", ".join(_Line.model_fields)
    if message == "Extra inputs are not permitted":
        return f"there is no field {where!r}: a row has {known}"
    return f"{where}: {message}"


def _frame(file: Path, budget: MediaBudget, limits: Limits) -> NDArray[np.uint8]:
    opened = media.open(Image(file), budget=budget, limits=limits)
    assert opened.frames is not None
    return opened.frames.pixels[0]


def _page(name: str, folder: Path) -> Page:
    path, mark, number = name.rpartition("#")
    if not mark:
        return Page(folder / name)
    if not (number.isdecimal() and int(number) > 0):
        raise DataError(f"{name}: a page is written FILE#NUMBER, counted from 1, such as a.pdf#3")
    return Page(folder / path, int(number))


def failed(row: Row, error: RzenError | str) -> str:
    """Why a row has no vector, with its place."""
    return f"line {row.number} ({row.id}): {error}"
