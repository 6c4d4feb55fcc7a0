"""A source over one or several tables of one kind."""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.row_index import OnProgress, RowIndex, indexed
from rzen.data.sources.source import LEFT_OUT, all_skipped
from rzen.data.sources.table import Reader, Table
from rzen.errors import DataError
from rzen.types import Example


class TableSource:
    """See :class:`rzen.data.sources.source.Source`.

    Args:
        name: of the source.
        tables: at least one; their rows are numbered one table after the other.
        reader: says what a row means.
        media: the folder that paths in rows are relative to; ``None`` takes each table's own.
        licence: of the data.
        on_progress: called while a table is read for the first time.

    Attributes:
        keys: further keys of each row, by name, where the reader has any.

    Raises:
        DataError: if a table cannot be read, or lacks a column that the reader needs.
    """

    def __init__(
        self,
        name: str,
        tables: Sequence[Table],
        reader: Reader,
        *,
        media: Path | None = None,
        licence: str = "",
        on_progress: OnProgress | None = None,
    ) -> None:
        assert tables, name
        self.name, self.licence = name, licence
        more = f" and {len(tables) - 1} more" if len(tables) > 1 else ""
        self.origin = f"{tables[0].label}{more}"
        self._tables, self._reader = tuple(tables), reader
        self._folders = [media or table.folder for table in tables]
        indexes = []
        for table, folder in zip(tables, self._folders, strict=True):
            _check_columns(table.label, table.columns() or (), reader)
            indexes.append(indexed(table, reader, folder, on_progress))
            _check_columns(table.label, indexes[-1].columns, reader)
        self.tasks = tuple(dict.fromkeys(task for each in indexes for task in each.tasks))
        self.task_N = np.concatenate([_renumbered(each, self.tasks) for each in indexes])
        self.positive_N = np.concatenate([each.positive_N for each in indexes])
        self.direction_N = np.concatenate([each.direction_N for each in indexes])
        self.keys: Mapping[str, NDArray[np.int64]] = {
            name: np.concatenate([each.keys.get(name, each.positive_N * 0) for each in indexes])
            for name in dict.fromkeys(name for each in indexes for name in each.keys)
        }
        self.skipped = all_skipped(each.skipped for each in indexes)
        revisions = "\n".join(table.revision for table in tables)
        self.revision = (
            tables[0].revision
            if len(tables) == 1
            else hashlib.sha256(revisions.encode()).hexdigest()[:20]
        )
        self._start_T = np.cumsum([0, *(len(each.task_N) for each in indexes)])

    def __len__(self) -> int:
        return len(self.task_N)

    def __getitem__(self, row: int) -> Example:
        """An example."""
        table, number = self._place(row)
        found = self._tables[table].row(number, self._reader.wanted())
        try:
            return self._reader.example(found, self._folders[table])
        except BadRowError as error:
            raise DataError(f"{self.where(row)}: {error}: mend the row, or take it out") from None

    def where(self, row: int) -> str:
        """File and line of a row."""
        table, number = self._place(row)
        return self._tables[table].where(number)

    def _place(self, row: int) -> tuple[int, int]:
        assert 0 <= row < len(self), (row, len(self))
        table = int(np.searchsorted(self._start_T, row, "right")) - 1
        return table, row - int(self._start_T[table])


def _check_columns(label: str, columns: Sequence[str], reader: Reader) -> None:
    for needed in reader.needed() if columns else ():
        if needed in columns:
            continue
        near = difflib.get_close_matches(needed, columns, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else "its columns are"
        raise DataError(
            f"{label} has no column {needed!r}: {hint} ({', '.join(sorted(columns)[:30])})"
        )


def _renumbered(index: RowIndex, tasks: Sequence[str]) -> NDArray[np.int16]:
    """The tasks of an index's rows, as places in the tasks of all."""
    places = np.array([*(tasks.index(task) for task in index.tasks), LEFT_OUT], np.int16)
    # The last one is what LEFT_OUT, being -1, finds.
    return places[index.task_N]
