"""Rows by number, whatever the file: what tables offer, and readers ask of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.data.sources.bad_row import BadRowError
from rzen.types import Example

Row: TypeAlias = Mapping[str, Any]
Progress: TypeAlias = Callable[[int, int], None]
"""Called with how much of a file is done, and how much there is (bytes or rows)."""


class Table(Protocol):
    """Rows of one file or data set.

    Attributes:
        label: names it in messages.
        folder: what the paths in it are relative to, unless the user says otherwise; ``None`` where
            there is no such place.
        layout: what a scan found out that finds single rows again.
        revision: changes when the rows do; known after a scan.
    """

    label: str
    folder: Path | None
    layout: Mapping[str, NDArray[np.int64]]
    revision: str

    def identity(self) -> Mapping[str, Any]:
        """What changes when the rows may have, as JSON; cheap.

        Raises:
            DataError: if it is not there.
        """

    def columns(self) -> Sequence[str] | None:
        """Names of the columns; ``None`` where each row may have others."""

    def scan(self, wanted: Sequence[str], on_progress: Progress) -> Iterator[Row | BadRowError]:
        """All rows in order; one that cannot be read says why.

        Args:
            wanted: columns to read, where that saves reading others.
            on_progress: called now and then.
        """

    def row(self, number: int, wanted: Sequence[str]) -> Row:
        """A row.

        Raises:
            DataError: if it cannot be read, or the file has changed since it was scanned.
        """

    def where(self, number: int) -> str:
        """Names a row in messages."""


class Reader(Protocol):
    """What the rows of a kind mean."""

    def identity(self) -> Mapping[str, Any]:
        """All that decides over what is read of a row, as JSON."""

    def wanted(self) -> Sequence[str]:
        """The columns that it looks at."""

    def needed(self) -> Sequence[str]:
        """Those of them that must be there."""

    def example(self, row: Row, folder: Path | None) -> Example:
        """The example that a row is.

        Args:
            row: of a table.
            folder: what its paths are relative to; they may not lead out of it.

        Raises:
            BadRowError: if it is none.
        """

    def keys(self, row: Row, example: Example) -> Mapping[str, int]:
        """Further keys to remember of each row; the names are the same for all rows."""
