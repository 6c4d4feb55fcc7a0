"""A parquet file: rows lie in groups, and a group is read whole."""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.file_stamp import file_revision, file_stamp
from rzen.data.sources.table import Progress, Row
from rzen.errors import DataError, MissingExtraError

GROUP_BYTES = 256 * 2**20
"""Row groups that were read last are kept up to so many bytes, one at least."""

_BATCH = 256


class Parquet:
    """See :class:`rzen.data.sources.table.Table`.

    A row costs its whole group unless that was read just before: in random order, large groups of
    pictures are slow. A data set of the kind ``huggingface`` is memory-mapped and is not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = str(path)
        self.folder: Path | None = path.parent
        self.layout: Mapping[str, NDArray[np.int64]] = {}
        self.revision = ""
        self._stamp: Mapping[str, Any] = {}
        self._opened: tuple[int, Any] | None = None
        self._groups: OrderedDict[int, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_groups": OrderedDict()}

    def identity(self) -> Mapping[str, Any]:
        """Path, size and time of change."""
        self._stamp = file_stamp(self.path)
        return self._stamp

    def columns(self) -> Sequence[str]:
        """The names in the file."""
        return tuple(self._file().schema_arrow.names)

    def scan(self, wanted: Sequence[str], on_progress: Progress) -> Iterator[Row | BadRowError]:
        """All rows in order."""
        file = self._file()
        total, done = file.metadata.num_rows, 0
        try:
            for batch in file.iter_batches(
                _BATCH, columns=self._present(wanted), use_threads=False
            ):
                yield from batch.to_pylist()
                done += len(batch)
                on_progress(done, total)
            self.revision = file_revision(self.path)
        except (OSError, ValueError) as error:  # pyarrow's errors are among these
            raise self._damaged(error) from None
        groups = range(file.metadata.num_row_groups)
        sizes = [file.metadata.row_group(group).num_rows for group in groups]
        self.layout = {"start": np.cumsum([0, *sizes])}

    def row(self, number: int, wanted: Sequence[str]) -> Row:
        """A row of a group, which is read and kept for its neighbours."""
        start_N = self.layout["start"]
        group = int(np.searchsorted(start_N, number, "right")) - 1
        within = number - int(start_N[group])
        (found,) = self._group(group, wanted).slice(within, 1).to_pylist()
        return dict(found)

    def where(self, number: int) -> str:
        """File and row."""
        return f"{self.path}, row {number + 1}"

    def _group(self, group: int, wanted: Sequence[str]) -> Any:
        file = self._file()
        if group not in self._groups:
            try:
                found = file.read_row_group(group, columns=self._present(wanted), use_threads=False)
            except (OSError, ValueError) as error:
                raise self._damaged(error) from None
            self._groups[group] = found
        self._groups.move_to_end(group)
        while len(self._groups) > 1 and sum(map(_bytes, self._groups.values())) > GROUP_BYTES:
            self._groups.popitem(last=False)
        return self._groups[group]

    def _present(self, wanted: Sequence[str]) -> list[str]:
        names = set(self.columns())
        return [name for name in wanted if name in names]

    def _file(self) -> Any:
        """The open file; another one in a process that was forked since, which must not share."""
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                import pyarrow.parquet as pq  # noqa: PLC0415
            except ImportError:
                raise MissingExtraError("pyarrow", "train") from None
            if self._stamp and file_stamp(self.path) != self._stamp:
                raise DataError(f"{self.path} has changed since it was read: start again")
            try:
                self._opened = os.getpid(), pq.ParquetFile(self.path, memory_map=False)
            except (OSError, ValueError) as error:
                raise self._damaged(error) from None
            self._groups.clear()
        return self._opened[1]

    def _damaged(self, error: Exception) -> DataError:
        return DataError(f"cannot read {self.path} as parquet: {error}: fetch it again")


def _bytes(group: Any) -> int:
    return int(group.nbytes)
