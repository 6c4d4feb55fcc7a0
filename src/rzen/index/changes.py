"""Writing to the tables of a catalog. Each function runs inside one transaction of its caller."""

import os
import sqlite3
from collections.abc import Iterable, Sequence

from rzen.index import rows, words
from rzen.types import Record

_NAMING_PATHS = 20


def store(connection: sqlite3.Connection, content: str, records: Sequence[Record]) -> int:
    """Stores the records of a content in place of those it had; returns its number."""
    connection.execute("INSERT OR IGNORE INTO contents (hash) VALUES (?)", [content])
    number = content_number(connection, content)
    assert number is not None
    connection.execute("DELETE FROM records WHERE content = ?", [number])
    for ordinal, record in enumerate(records):
        assert record.id.partition(":")[0] == content, "a record's id begins with its content"
        _insert(connection, rows.record_row(number, ordinal, record), record)
    return number


def _insert(connection: sqlite3.Connection, values: tuple[object, ...], record: Record) -> None:
    execute = connection.execute
    rowid = execute(rows.INSERT, values).lastrowid
    assert rowid is not None
    if record.vector is not None:
        execute("INSERT INTO vectors VALUES (?, ?, ?)", rows.vector_row(rowid, record.vector))
    if record.preview is not None:
        execute("INSERT INTO previews VALUES (?, ?)", [rowid, record.preview])
    execute(
        "INSERT INTO passages (rowid, name, text) VALUES (?, '', ?)",
        [rowid, words.indexed(record.text)],
    )


def set_file(
    connection: sqlite3.Connection,
    file: tuple[str, int, int],
    number: int | None,
    reason: str = "",
) -> None:
    """Points a path at a content (``None``: at none); what it held before goes if no path has it.

    Args:
        connection: inside a transaction.
        file: path, size and mtime_ns.
        number: of the content.
        reason: what could not be indexed.
    """
    path, size, mtime_ns = file
    key = os.fsencode(path)
    before = connection.execute("SELECT content FROM files WHERE path = ?", [key]).fetchone()
    connection.execute(
        "INSERT INTO files (path, size, mtime_ns, content, reason) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns, "
        "content = excluded.content, reason = excluded.reason, attempts = 0",
        [key, size, mtime_ns, number, rows.storable(reason)],
    )
    if before and before[0] not in (None, number):
        _tidy(connection, before[0])
    if number is not None:
        _name(connection, number)


def fail(connection: sqlite3.Connection, file: tuple[str, int, int], reason: str) -> None:
    """Notes that a file could not be indexed, and counts how often in this state of it."""
    path, size, mtime_ns = file
    key = os.fsencode(path)
    known = connection.execute(
        "SELECT attempts FROM files WHERE path = ? AND size = ? AND mtime_ns = ?",
        [key, size, mtime_ns],
    ).fetchone()
    set_file(connection, file, None, reason)
    attempts = 1 + (known[0] if known else 0)
    connection.execute("UPDATE files SET attempts = ? WHERE path = ?", [attempts, key])


def share_reason(connection: sqlite3.Connection, number: int, reason: str) -> None:
    """Notes for all paths of a content what of it could not be indexed."""
    connection.execute(
        "UPDATE files SET reason = ? WHERE content = ?", [rows.storable(reason), number]
    )


def shared_reason(connection: sqlite3.Connection, number: int) -> str:
    """What of a content could not be indexed: its paths agree, so one of them is asked."""
    query = "SELECT reason FROM files WHERE content = ? LIMIT 1"
    row = connection.execute(query, [number]).fetchone()
    return str(row[0]) if row else ""


def remove(connection: sqlite3.Connection, paths: Iterable[str]) -> int:
    """Forgets files; returns how many of them were known."""
    count = 0
    contents: set[int | None] = set()
    for path in paths:
        key = os.fsencode(path)
        held = connection.execute("SELECT content FROM files WHERE path = ?", [key]).fetchone()
        if held is not None:
            connection.execute("DELETE FROM files WHERE path = ?", [key])
            count += 1
            contents.add(held[0])
    for number in contents:
        if number is not None:
            _tidy(connection, number)
    return count


def renew(connection: sqlite3.Connection) -> None:
    """Notes that the records have changed."""
    connection.execute(
        "UPDATE meta SET value = CASE key WHEN 'generation' THEN CAST(value + 1 AS TEXT) "
        "ELSE lower(hex(randomblob(8))) END WHERE key IN ('generation', 'state')"
    )


def content_number(connection: sqlite3.Connection, content: str) -> int | None:
    """The row number of a content by its hash."""
    row = connection.execute("SELECT id FROM contents WHERE hash = ?", [content]).fetchone()
    return None if row is None else int(row[0])


def under(path: str) -> tuple[str, list[object]]:
    """SQL for files that are a path or lie in it, and its values."""
    key = os.fsencode(path.rstrip(os.sep) or os.sep)
    separator = os.fsencode(os.sep)
    first = key if key.endswith(separator) else key + separator
    behind = first[:-1] + bytes([first[-1] + 1])
    return "(path = ? OR (path >= ? AND path < ?))", [key, first, behind]


def _tidy(connection: sqlite3.Connection, number: int) -> None:
    """Drops a content that no path has any more, else names it anew."""
    query = "SELECT 1 FROM files WHERE content = ? LIMIT 1"
    if connection.execute(query, [number]).fetchone():
        _name(connection, number)
    else:
        connection.execute("DELETE FROM contents WHERE id = ?", [number])


def _name(connection: sqlite3.Connection, number: int) -> None:
    """Makes a content's first record findable by the names of its files.

    Only the first record, or a document would fill the list with each of its pages; and only the
    files known longest, or each further one of many equal files would cost more than the last.
    """
    query = "SELECT path FROM files WHERE content = ? ORDER BY id LIMIT ?"
    paths = connection.execute(query, [number, _NAMING_PATHS])
    name = " ".join(words.name_words(os.fsdecode(path)) for (path,) in paths)
    # Writing a row of the full-text table anew costs as much as its whole text.
    connection.execute(
        "UPDATE passages SET name = ? WHERE name <> ? AND rowid IN "
        "(SELECT id FROM records WHERE content = ? AND ordinal = 0)",
        [name, name, number],
    )
