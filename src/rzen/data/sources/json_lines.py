"""A file of JSON objects, one a line: a row is one seek."""

import hashlib
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.file_stamp import REVISION_CHARS, file_stamp
from rzen.data.sources.table import Progress, Row
from rzen.errors import DataError

LINE_BYTES = 64 * 2**20
"""A line beyond this is no row; a file without line breaks must not be read into memory whole."""

_EVERY = 1000


class JsonLines:
    """See :class:`rzen.data.sources.table.Table`.

    Nothing stays open between two rows, so that the processes that load data can share it whether
    they were forked or started.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = str(path)
        self.folder: Path | None = path.parent
        self.layout: Mapping[str, NDArray[np.int64]] = {}
        self.revision = ""
        self._stamp: Mapping[str, Any] = {}

    def identity(self) -> Mapping[str, Any]:
        """Path, size and time of change."""
        self._stamp = file_stamp(self.path)
        return self._stamp

    def columns(self) -> None:
        """Each row may have its own."""

    def scan(self, wanted: Sequence[str], on_progress: Progress) -> Iterator[Row | BadRowError]:
        """All rows in order."""
        del wanted
        total = int(self._stamp["size"])
        whole = hashlib.sha256()
        starts = array("q", [0])
        position = 0
        try:
            with self.path.open("rb") as lines:
                while line := lines.readline(LINE_BYTES):
                    whole.update(line)
                    position += len(line)
                    starts.append(position)
                    yield _row(line)
                    if len(starts) % _EVERY == 0:
                        on_progress(position, total)
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror or error}") from None
        on_progress(position, total)
        # Where each line begins, and behind the last its end.
        self.layout = {"start": np.array(starts, np.int64)}
        self.revision = whole.hexdigest()[:REVISION_CHARS]

    def row(self, number: int, wanted: Sequence[str]) -> Row:
        """The row of a line."""
        del wanted
        if file_stamp(self.path) != self._stamp:
            raise DataError(f"{self.path} has changed since it was read: start again")
        start, stop = self.layout["start"][number : number + 2].tolist()
        with self.path.open("rb") as file:
            file.seek(start)
            found = _row(file.read(stop - start))
        if isinstance(found, BadRowError):
            raise DataError(f"{self.where(number)}: {found}: mend the line, or take it out")
        return found

    def where(self, number: int) -> str:
        """File and line."""
        return f"{self.path}, line {number + 1}"


def _row(line: bytes) -> Row | BadRowError:
    """The object of a line, or why it has none."""
    if not line.strip():
        return BadRowError("the line is empty")
    if len(line) >= LINE_BYTES:
        return BadRowError("the line is too long", f"more than {LINE_BYTES:,} bytes")
    try:
        found = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return BadRowError("the line is not JSON", str(error))
    if not isinstance(found, dict):
        return BadRowError("the line is not a JSON object", f"{found!r:.40}")
    return found
