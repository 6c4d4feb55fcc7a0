"""What is known of every row of a table from one pass over it, and kept in the cache.

A file of the cache is one archive of arrays (NumPy's ``.npz``, whose checksums are checked when it
is read) with a JSON text among them. It is named after the table's identity and the reader's, so
that a file that has changed, or is read in another way, has another one.
"""

import hashlib
import io
import json
import os
import tempfile
import zipfile
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from rzen.config import cache_folder
from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.content_key import content_key
from rzen.data.sources.directions import direction_of
from rzen.data.sources.source import LEFT_OUT, NAMED, Skipped, SkippedRow
from rzen.data.sources.table import Reader, Table
from rzen.errors import DataError
from rzen.types import Example

_VERSION = 1
_TASKS = 2**15 - 1
# What NumPy, JSON and what is done with their results raise, from the first byte to the last.
_DAMAGE = (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError)
OnProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is read, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowIndex:
    """All that is known of a table's rows without opening them.

    Attributes:
        tasks: that occur.
        task_N: which of them each row is of; ``LEFT_OUT`` where it is not one.
        positive_N: key of the first positive.
        direction_N: modalities of query and positive.
        keys: further keys, by name.
        skipped: rows that are none.
        columns: names that occur in some row.
        layout: of the table.
        revision: of the table.
    """

    tasks: tuple[str, ...]
    task_N: NDArray[np.int16]
    positive_N: NDArray[np.int64]
    direction_N: NDArray[np.int8]
    keys: Mapping[str, NDArray[np.int64]]
    skipped: Skipped
    columns: tuple[str, ...]
    layout: Mapping[str, NDArray[np.int64]]
    revision: str


def indexed(
    table: Table, reader: Reader, folder: Path | None, on_progress: OnProgress | None
) -> RowIndex:
    """The index of a table, out of the cache where it is there and whole.

    Of several processes that ask at the same time, one reads the table; the others wait for it.

    Raises:
        DataError: if the table, or the cache, cannot be read or written.
    """
    identity = {
        "version": _VERSION,
        "table": [type(table).__name__, dict(table.identity())],
        "reader": [type(reader).__name__, dict(reader.identity())],
        "folder": str(folder),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]
    file = cache_folder() / "training-index" / f"{digest}.npz"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            index = _read(file)
            if index is None:
                index = _scanned(table, reader, folder, on_progress)
                _write(file, index)
    except OSError as error:
        raise DataError(
            f"cannot keep what is known of {table.label} in {file.parent}: "
            f"{error.strerror or error}: make room there, or set RZEN_CACHE to another folder"
        ) from None
    table.layout, table.revision = index.layout, index.revision
    return index


@dataclass(slots=True)
class _Notes:
    """What a scan gathers."""

    tasks: dict[str, int] = field(default_factory=dict)
    task: "array[int]" = field(default_factory=lambda: array("h"))
    positive: "array[int]" = field(default_factory=lambda: array("q"))
    direction: "array[int]" = field(default_factory=lambda: array("b"))
    keys: dict[str, "array[int]"] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    first: list[SkippedRow] = field(default_factory=list)
    columns: dict[str, None] = field(default_factory=dict)

    def add(self, example: Example, keys: Mapping[str, int]) -> None:
        number = self.tasks.setdefault(example.task, len(self.tasks))
        if number > _TASKS:
            raise DataError(f"more than {_TASKS:,} tasks: is the right column taken for the task?")
        self.task.append(number)
        self.positive.append(content_key(example.positives[0]))
        self.direction.append(direction_of(example))
        for name, key in keys.items():
            # Rows before the first whole one have none.
            self.keys.setdefault(name, array("q", [0]) * (len(self.task) - 1)).append(key)

    def leave_out(self, where: str, error: BadRowError) -> None:
        self.task.append(LEFT_OUT)
        for values in (self.positive, self.direction, *self.keys.values()):
            values.append(0)
        self.reasons[error.reason] += 1
        if len(self.first) < NAMED:
            self.first.append(SkippedRow(where=where, reason=str(error)))


def _scanned(
    table: Table, reader: Reader, folder: Path | None, on_progress: OnProgress | None
) -> RowIndex:
    notes = _Notes()

    def progress(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(table.label, done, total)

    for number, row in enumerate(table.scan(reader.wanted(), progress)):
        try:
            if isinstance(row, BadRowError):
                raise row
            notes.columns |= dict.fromkeys(row)
            example = reader.example(row, folder)
            notes.add(example, reader.keys(row, example))
        except BadRowError as error:
            notes.leave_out(table.where(number), error)
    return RowIndex(
        tasks=tuple(notes.tasks),
        task_N=np.array(notes.task, np.int16),
        positive_N=np.array(notes.positive, np.int64),
        direction_N=np.array(notes.direction, np.int8),
        keys={name: np.array(values, np.int64) for name, values in notes.keys.items()},
        skipped=Skipped(by_reason=dict(notes.reasons.most_common()), first=tuple(notes.first)),
        columns=tuple(table.columns() or notes.columns),
        layout=table.layout,
        revision=table.revision,
    )


def _write(file: Path, index: RowIndex) -> None:
    about = {
        "tasks": index.tasks,
        "by_reason": index.skipped.by_reason,
        "first": [[each.where, each.reason] for each in index.skipped.first],
        "columns": index.columns,
        "revision": index.revision,
    }
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "task": index.task_N,
        "positive": index.positive_N,
        "direction": index.direction_N,
        **{f"key {name}": values for name, values in index.keys.items()},
        **{f"layout {name}": values for name, values in index.layout.items()},
    }
    handle, name = tempfile.mkstemp(prefix=file.stem, suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


def _read(file: Path) -> RowIndex | None:
    """The index in a file; ``None`` where it is missing or damaged, and has to be made anew."""
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(arrays["about"].tobytes())
        return RowIndex(
            tasks=tuple(about["tasks"]),
            task_N=arrays["task"],
            positive_N=arrays["positive"],
            direction_N=arrays["direction"],
            keys=_named(arrays, "key "),
            skipped=Skipped(
                by_reason=about["by_reason"],
                first=tuple(SkippedRow(where=at, reason=why) for at, why in about["first"]),
            ),
            columns=tuple(about["columns"]),
            layout=_named(arrays, "layout "),
            revision=about["revision"],
        )
    except (*_DAMAGE, zipfile.BadZipFile):
        return None


def _named(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[np.int64]]:
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
