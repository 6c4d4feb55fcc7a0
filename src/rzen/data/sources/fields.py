"""Values of a row, checked as they are read."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rzen.data.media_folder import inside
from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.table import Row
from rzen.errors import DataError
from rzen.types import Page, Source

_ADDRESS = ("http://", "https://")
_NUMBERED = re.compile(r"(.+\.pdf)#(\d{1,9})", re.IGNORECASE)


def text_of(row: Row, column: str) -> str:
    """A text of a row; empty where it has none.

    Raises:
        BadRowError: if it is something else.
    """
    value = row.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRowError(f"{column!r} is not a text", f"{value!r:.40}")
    return value


def seconds_of(row: Row, column: str) -> float | None:
    """A time of a row; ``None`` where it has none.

    Raises:
        BadRowError: if it is no number of seconds.
    """
    value = row.get(column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise BadRowError(f"{column!r} is no number of seconds", f"{value!r:.40}")
    return float(value)


def media_of(value: Any, column: str, folder: Path | None) -> Source | None:
    """Where a medium comes from: bytes, a path, an address, or the library's ``{bytes, path}``.

    Args:
        value: of a row.
        column: it stands in, for the message.
        folder: what paths are relative to, and may not lead out of.

    Returns:
        ``None`` where the row has none.

    Raises:
        BadRowError: if it is something else, or the path leads out of the folder.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    match value:
        case None | "" | b"":
            return None
        case bytes():
            return value
        case str() if value.startswith(_ADDRESS):
            return value
        case str():
            return _path(value, column, folder)
    raise BadRowError(f"{column!r} holds no medium", f"{type(value).__name__} {value!r:.40}")


def page_of(value: Any, column: str, folder: Path | None) -> Page | None:
    """A page: a picture, or a page of a PDF, such as ``report.pdf#3``.

    Raises:
        BadRowError: as :func:`media_of`.
    """
    if isinstance(value, str) and (match := _NUMBERED.fullmatch(value)):
        source = media_of(match[1], column, folder)
        return None if source is None else Page(source, int(match[2]))
    source = media_of(value, column, folder)
    return None if source is None else Page(source)


def _path(name: str, column: str, folder: Path | None) -> Path:
    if folder is None:
        raise BadRowError(
            f"{column!r} is a path, and there is no folder of media: set the source's media",
            f"{name!r:.80}",
        )
    try:
        return inside(folder, name)
    except DataError:
        raise BadRowError(
            f"{column!r} leads out of the folder of media {folder}: set the source's media",
            f"{name!r:.80}",
        ) from None
