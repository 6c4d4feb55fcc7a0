"""Transactions over one SQLite connection that several threads may share."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rzen.errors import CatalogError
from rzen.index.schema import unreadable

# A batch commits this often, so that a crash costs no more than this much work.
COMMIT_SECONDS = 0.5


class Transactions:
    """Changes that happen wholly or not at all, and reads that see one state.

    A thread inside :meth:`change` or :meth:`snapshot` has the connection to itself.
    """

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self.connection = connection
        self._folder = folder
        self._guard = threading.RLock()
        self._is_changing = False
        self._is_batch = False
        self._last_commit = time.monotonic()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Everything read inside belongs to one state of the index."""
        with self._guard, self._translated():
            begins = not self.connection.in_transaction
            if begins:
                self.connection.execute("BEGIN")
            try:
                yield self.connection
            finally:
                if begins and self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """What is written inside is kept as a whole, or not at all if an exception passes."""
        with self._guard, self._translated():
            if self._is_changing:
                yield self.connection
                return
            if not self.connection.in_transaction:
                self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("SAVEPOINT change")
            self._is_changing = True
            try:
                yield self.connection
            except BaseException:
                # A full disk makes SQLite roll back the whole transaction by itself.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK TO change")
                raise
            finally:
                self._is_changing = False
                if self.connection.in_transaction:
                    self.connection.execute("RELEASE change")
                    self._commit_if_due()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Changes inside share commits; see :meth:`rzen.index.catalog.Catalog.batch`."""
        assert not self._is_batch, "batches do not nest"
        self._is_batch = True
        try:
            yield
        finally:
            self._is_batch = False
            self.flush()

    def flush(self) -> None:
        """Commits what a batch holds back."""
        with self._guard, self._translated():
            if self.connection.in_transaction:
                self.connection.execute("COMMIT")
            self._last_commit = time.monotonic()

    def _commit_if_due(self) -> None:
        if not self._is_batch or time.monotonic() - self._last_commit >= COMMIT_SECONDS:
            self.flush()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # a programmer's error, such as using it after close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise CatalogError(
                    f"no space left for the index {self._folder}: what was committed is whole; "
                    "free some space and run the same command again"
                ) from None
            raise unreadable(self._folder, error) from None
        except sqlite3.DatabaseError as error:
            raise unreadable(self._folder, error) from None
        except OverflowError as error:
            raise CatalogError(
                f"the index {self._folder} cannot hold so large a number ({error}): check the "
                "file's time of change (`touch FILE` sets it anew), or the number asked for"
            ) from None
