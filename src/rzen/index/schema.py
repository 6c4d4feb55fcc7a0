"""The tables of a catalog, and opening the SQLite file that holds them.

``application_id`` says that a file is ours, ``user_version`` which schema it has. The write-ahead
log lets readers see the last commit while a writer works; ``synchronous=FULL`` makes a commit
outlive a power cut.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from rzen.errors import CatalogError, UsageError

FILE_NAME = "catalog.sqlite"
APPLICATION_ID = int.from_bytes(b"rzen", "big")
VERSION = 1
BUSY_SECONDS = 10.0
# A vector of 384 dimensions fills 1.5 kB: SQLite's default of 4096 would waste a quarter.
PAGE_BYTES = 8192
WAY_OUT = "restore the index from a backup, or index into a new one"

# Paths are BLOBs because a file's name need not be text; see os.fsencode.
# AUTOINCREMENT: a row number is never given twice, so that a hit that was found a moment ago is
# gone, or the same.
_TABLES = (
    """CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE contents (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE)""",
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY,
        path BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        content INTEGER REFERENCES contents (id),
        reason TEXT NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0
    )""",
    """CREATE INDEX files_by_content ON files (content)""",
    """CREATE TABLE records (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        content INTEGER NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
        ordinal INTEGER NOT NULL,
        key TEXT NOT NULL,
        modality INTEGER NOT NULL,
        page INTEGER, box TEXT, t_start REAL, t_end REAL, char_start INTEGER, char_end INTEGER,
        taken REAL,
        checksum INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (content, key)
    )""",
    """CREATE TABLE previews (
        record INTEGER PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
        jpeg BLOB NOT NULL
    )""",
    """CREATE TABLE vectors (
        record INTEGER PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,
        checksum INTEGER NOT NULL,
        data BLOB NOT NULL
    )""",
    # The Porter stemmer is for English; elsewhere it cuts queries and texts alike.
    """CREATE VIRTUAL TABLE passages USING fts5 (
        name, text, tokenize = 'porter unicode61 remove_diacritics 2'
    )""",
    """CREATE TRIGGER records_leave AFTER DELETE ON records
        BEGIN DELETE FROM passages WHERE rowid = old.id; END""",
)


def connect(folder: Path, *, write: bool, create: bool = False) -> sqlite3.Connection:
    """Opens the catalog of an index, and makes it where ``create`` says so.

    Args:
        folder: the index; :func:`prepare` has seen it.
        write: whether rows may be changed.
        create: make the tables if there are none (needs ``write``).

    Returns:
        a connection in autocommit mode whose tables exist.

    Raises:
        UsageError: if there is no index in the folder.
        CatalogError: if the file is none of ours, of another version, or cannot be read.
    """
    try:
        connection = _connection(folder / FILE_NAME, write=write)
    except sqlite3.Error as error:
        raise unreadable(folder, error) from None
    try:
        if create and _is_blank(connection):
            _create(connection, folder)
        _check_version(connection, folder)
    except sqlite3.Error as error:
        connection.close()
        raise unreadable(folder, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def is_made(folder: Path) -> bool:
    """Whether an index lies in a folder; one whose creation was cut short does not count.

    A damaged one does: opening it says what is wrong.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        return False
    try:
        with closing(_connection(file, write=False)) as connection:
            made = connection.execute("SELECT 1 FROM meta WHERE key = 'fingerprint'").fetchone()
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    except sqlite3.Error:
        return True
    return made is not None


def prepare(folder: Path, *, create: bool) -> None:
    """Makes the folder of an index, or makes sure that there is an index in it.

    Raises:
        UsageError: if there is none, or its folder cannot be made.
    """
    if not create:
        if not (folder / FILE_NAME).is_file():
            raise _no_index(folder)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the index {folder}: {error.strerror}: choose another place with --index"
        ) from None


def unreadable(folder: Path, error: Exception) -> CatalogError:
    """The error for a catalog that SQLite refuses."""
    return CatalogError(f"cannot use the index {folder}: {error} ({FILE_NAME}): {WAY_OUT}")


def _no_index(folder: Path) -> UsageError:
    return UsageError(
        f"there is no index at {folder}: make one with `rzen index FOLDER --index {folder}`"
    )


def _connection(file: Path, *, write: bool) -> sqlite3.Connection:
    if write:
        mode = "mode=rwc"
    elif _is_sealed(file):
        mode = "immutable=1"
    else:
        mode = "mode=ro"
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    return connection


def _is_sealed(file: Path) -> bool:
    """Whether nothing can write beside the file, so that the log's files cannot be made."""
    log = file.with_name(file.name + "-wal")
    is_logged = log.exists() and log.stat().st_size > 0
    return not os.access(file.parent, os.W_OK) and not is_logged


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Whether the file is new, or its creation was cut short."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return not tables and not application


def _create(connection: sqlite3.Connection, folder: Path) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
    for place in (folder, folder.parent):
        sync_folder(place)


def sync_folder(folder: Path) -> None:
    """Makes a new name in a folder outlive a power cut (nothing to do outside POSIX)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_version(connection: sqlite3.Connection, folder: Path) -> None:
    if _is_blank(connection):
        raise _no_index(folder)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise CatalogError(
            f"{folder / FILE_NAME} is a database of another program: choose another folder with "
            "--index"
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise CatalogError(
            f"the index {folder} was made by a newer rzen (schema {version}, this one knows "
            f"{VERSION}): upgrade with `pip install -U rzen`"
        )
    if version < VERSION:
        raise CatalogError(
            f"the index {folder} was made by an older rzen (schema {version}, this one needs "
            f"{VERSION}): make it anew with `rzen index FOLDER --index OTHER.rzen`"
        )
