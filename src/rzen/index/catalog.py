"""The catalog: one SQLite file that is the truth of an index.

Contents and paths are many-to-one: equal files share their records, and a content's records go
when its last path goes. A file is indexed in one transaction. One process writes at a time; any
number of processes read meanwhile and see the last commit.
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rzen.errors import CatalogError
from rzen.index import changes, reading, rows, schema
from rzen.index import filters as conditions
from rzen.index.filters import Filters
from rzen.index.lock import Holder, WriterLock
from rzen.index.reading import Around as Around
from rzen.index.reading import Columns as Columns
from rzen.index.reading import Counts as Counts
from rzen.index.reading import FileRow as FileRow
from rzen.index.transactions import Transactions
from rzen.index.verification import Damage as Damage
from rzen.index.verification import damages
from rzen.types import Fingerprint, Record, Vectors
from rzen.version import __version__


class Catalog:
    """An open index. Made by :meth:`open`; a context manager; may be shared by threads."""

    def __init__(
        self, folder: Path, connection: sqlite3.Connection, lock: WriterLock | None
    ) -> None:
        self.folder = folder
        self.is_writable = lock is not None
        self._is_closed = False
        self._lock = lock
        self._connection = connection
        self._transactions = Transactions(connection, folder)
        self._columns: tuple[str, Columns] | None = None
        connection.create_function("path_matches", 2, conditions.path_matches, deterministic=True)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        write: bool = False,
        create: Fingerprint | None = None,
        lock_timeout: float = 0.0,
        on_wait: Callable[[Holder | None], None] | None = None,
    ) -> Self:
        """Opens an index.

        Args:
            folder: ``NAME.rzen``.
            write: whether it will be changed; then no other process can until it is closed.
            create: make it for this encoder if there is none (needs ``write``).
            lock_timeout: seconds to wait for another writer.
            on_wait: called once with who holds it when there is a wait.

        Raises:
            UsageError: if there is no index.
            CatalogError: if another process writes to it, or it cannot be read.
        """
        assert write or create is None, "making an index needs write=True"
        folder = folder.absolute()
        lock = None
        schema.prepare(folder, create=create is not None)
        if write:
            lock = WriterLock(folder, timeout=lock_timeout, on_wait=on_wait)
        try:
            connection = schema.connect(folder, write=write, create=create is not None)
            try:
                catalog = cls(folder, connection, lock)
                if create is not None and catalog.meta("fingerprint") is None:
                    catalog._initialise(create)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return catalog

    def _initialise(self, fingerprint: Fingerprint) -> None:
        with self._transactions.change():
            self.set_meta("fingerprint", rows.fingerprint_text(fingerprint))
            self.set_meta("rzen", __version__)
            self.set_meta("generation", "0")
            self.set_meta("state", secrets.token_hex(8))

    def close(self) -> None:
        """Commits, folds the log into the file, and lets the next writer in; once is enough."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self.is_writable:
                self._transactions.flush()
                # Not for the sake of tidiness shall anyone wait for a reader.
                self._connection.execute("PRAGMA busy_timeout = 0")
                # The log stays good when there is no room to fold it into the file.
                with suppress(sqlite3.OperationalError):
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.close()
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # What the index is.

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the encoder that made its vectors.

        Raises:
            CatalogError: if it is damaged.
        """
        try:
            return rows.read_fingerprint(self.meta("fingerprint") or "")
        except ValueError:
            raise CatalogError(
                f"the index {self.folder} does not say which encoder made it: index into a new one"
            ) from None

    @cached_property
    def _dim(self) -> int:
        return self.fingerprint.dim

    @property
    def generation(self) -> int:
        """Grows with every change of the records."""
        return int(self.meta("generation") or 0)

    @property
    def state(self) -> str:
        """A name for what the records are now, which no other state of any index has."""
        return f"{self.meta('state')}.{self.generation}"

    def meta(self, key: str) -> str | None:
        """A value kept with the index."""
        with self.snapshot() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keeps a value with the index."""
        with self._transactions.change() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value])

    def snapshot(self) -> AbstractContextManager[sqlite3.Connection]:
        """All that is read inside belongs to one state, whatever a writer does meanwhile."""
        return self._transactions.snapshot()

    # Changing it.

    def batch(self) -> AbstractContextManager[None]:
        """Lets the changes inside share commits, which is much faster for many small files.

        A crash loses whole files only, those of the last half second. A caller that pauses inside
        says :meth:`flush` first. What was done before an exception is kept.
        """
        return self._transactions.batch()

    def flush(self) -> None:
        """Commits what a batch holds back."""
        self._transactions.flush()

    def put(
        self,
        path: str,
        size: int,
        mtime_ns: int,
        content: str,
        records: Sequence[Record],
        *,
        reason: str = "",
    ) -> None:
        """Stores a file's records in place of all that its path, and its content, held before.

        Args:
            path: absolute.
            size: bytes.
            mtime_ns: when it was last changed.
            content: hash of its content.
            records: in the file's order; ``vector`` may be ``None`` for what is found by words
                only, ``uri`` and ``paths`` are ignored.
            reason: what of the content could not be indexed; empty when all of it was. It is
                noted for every path of the content.

        Raises:
            CatalogError: if a vector is not finite, not of unit length or not of the index's
                dimension, or the disk is full; then nothing of the file is stored.
        """
        self._check_vectors(path, records)
        with self._transactions.change() as connection:
            number = changes.store(connection, content, records)
            changes.set_file(connection, (path, size, mtime_ns), number)
            changes.share_reason(connection, number, reason)
            changes.renew(connection)

    def _check_vectors(self, path: str, records: Sequence[Record]) -> None:
        for record in records:
            if record.vector is not None:
                fault = rows.vector_fault(record.vector, self._dim)
                if fault:
                    raise CatalogError(
                        f"cannot store {path} ({record.id}): {fault}: the encoder is at fault"
                    )

    def link(self, path: str, size: int, mtime_ns: int, content: str, *, reason: str = "") -> str:
        """Says that a path holds a content whose records are stored already.

        Args:
            path: absolute.
            size: bytes.
            mtime_ns: when it was last changed.
            content: hash of its content.
            reason: what of the content could not be indexed, for all its paths; empty takes over
                what is noted for it.

        Returns:
            what of the content could not be indexed.
        """
        with self._transactions.change() as connection:
            number = changes.content_number(connection, content)
            assert number is not None, "link() is for contents that has_content() knows"
            noted = reason or changes.shared_reason(connection, number)
            changes.set_file(connection, (path, size, mtime_ns), number, noted)
            if reason:
                changes.share_reason(connection, number, reason)
            changes.renew(connection)
        return noted

    def fail(self, path: str, size: int, mtime_ns: int, reason: str) -> None:
        """Notes that a file could not be indexed, and why; what its path held before goes."""
        with self._transactions.change() as connection:
            changes.fail(connection, (path, size, mtime_ns), reason)
            changes.renew(connection)

    def remove(self, paths: Iterable[str]) -> int:
        """Forgets files.

        Args:
            paths: absolute, each of a file; of a folder it means nothing (see :meth:`files`).

        Returns:
            how many files were forgotten.
        """
        with self._transactions.change() as connection:
            count = changes.remove(connection, paths)
            if count:
                changes.renew(connection)
        return count

    # Reading it.

    def files(self, under: Path | None = None) -> dict[str, FileRow]:
        """All files by path, or those that are ``under`` a folder (or are it)."""
        where, values = ("1", []) if under is None else changes.under(str(under))
        with self.snapshot() as connection:
            return reading.files(connection, where, values)

    def has_content(self, content: str) -> bool:
        """Whether the records of a content are stored."""
        with self.snapshot() as connection:
            return changes.content_number(connection, content) is not None

    def counts(self) -> Counts:
        """How much is in it."""
        with self.snapshot() as connection:
            return reading.counts(connection)

    def columns(self) -> Columns:
        """Row numbers, modalities and contents of the records with a vector."""
        with self.snapshot() as connection:
            state = self.state
            if self._columns is None or self._columns[0] != state:
                self._columns = state, reading.columns(connection)
            return self._columns[1]

    def adopt(self, state: str, columns: Columns) -> None:
        """Takes the columns of a state from a derived file, to save reading them."""
        self._columns = state, columns

    def vectors(self) -> Vectors:
        """The (N, D) matrix whose rows are those of ``columns().rowid_N``.

        Raises:
            CatalogError: if a vector is damaged.
        """
        with self.snapshot() as connection:
            return rows.read_matrix(connection, self._dim, self.folder)

    def allowed(self, filters: Filters, rowid_N: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the given rows pass the filters, (N,).

        Raises:
            UsageError: if a filter makes no sense.
        """
        with self.snapshot() as connection:
            return reading.allowed(connection, filters, rowid_N)

    def records(
        self, rowids: Sequence[int], *, vectors: bool = False, previews: bool = True
    ) -> list[Record]:
        """The records of row numbers, in that order; rows that are gone meanwhile are left out."""
        with self.snapshot() as connection:
            return reading.records(connection, rowids, vectors=vectors, previews=previews)

    def find_by_path(self, path: str) -> list[int]:
        """The row numbers of a file's records, in the file's order; empty if it has none."""
        with self.snapshot() as connection:
            return reading.rowids_of(connection, path)

    def around(self, record_id: str) -> Around:
        """The row numbers of a record and of its neighbours in its file."""
        with self.snapshot() as connection:
            return reading.around(connection, record_id)

    def search_text(self, query: str, k: int, filters: Filters) -> list[tuple[int, float]]:
        """The records whose words fit a query best.

        Any text is a query: it has no operators. A record need not have all the words; rare ones
        count more (BM25). The words of a file's name and of its folder's belong to its first
        record; of many equal files, the names of the first twenty do.

        Returns:
            row numbers with scores, larger is better, best first; equal scores by row number.

        Raises:
            UsageError: if a filter makes no sense.
        """
        with self.snapshot() as connection:
            return reading.search_text(connection, query, k, filters)

    def verify(self) -> list[Damage]:
        """Looks for damage in every row and in the full-text table; finding some is no error.

        Changes nothing. The full-text table is checked in a temporary copy on disk.
        """
        with self.snapshot() as connection:
            return damages(connection, self.folder)
