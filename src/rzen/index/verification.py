"""Looking for damage in a catalog: bit-rot, torn files, rows that belong to nothing."""

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from rzen.index import rows
from rzen.index.schema import FILE_NAME, WAY_OUT

_CHUNK = 500

# What is wrong, table, column, and a query for what the column may be.
_ORPHANS = (
    ("a record without a content", "records", "content", "SELECT id FROM contents"),
    ("a vector without a record", "vectors", "record", "SELECT id FROM records"),
    ("a preview without a record", "previews", "record", "SELECT id FROM records"),
    ("a file without its content", "files", "content", "SELECT id FROM contents"),
    (
        "a content without a file",
        "contents",
        "id",
        "SELECT content FROM files WHERE content IS NOT NULL",
    ),
    ("a record that no words find", "records", "id", "SELECT id FROM passages_docsize"),
    ("words without a record", "passages_docsize", "id", "SELECT id FROM records"),
)


class Damage(NamedTuple):
    """One thing that is wrong: in which file (or table of the catalog), and what."""

    uri: str
    reason: str


def damages(connection: sqlite3.Connection, folder: Path) -> list[Damage]:
    """All damage that can be found; what cannot be read is damage too."""
    place = str(folder / FILE_NAME)
    found: list[Damage] = []
    for check in (_structure, _orphans, _full_text, _meta):
        try:
            found.extend(Damage(place, reason) for reason in check(connection))
        except sqlite3.DatabaseError as error:
            found.append(Damage(place, f"{error}: {WAY_OUT}"))
    return found + _row_damages(connection, place)


def _structure(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"{line}: {WAY_OUT}"


def _full_text(connection: sqlite3.Connection) -> Iterator[str]:
    """Compares the texts with their words.

    SQLite does so only where it may write, hence in a copy: an empty name is a temporary file.
    """
    with closing(sqlite3.connect("", isolation_level=None)) as copy:
        query = "SELECT sql FROM sqlite_master WHERE name = 'passages'"
        for (table,) in connection.execute(query):
            copy.execute(table)
        for part in ("data", "idx", "content", "docsize", "config"):
            rows_found = connection.execute(f"SELECT * FROM passages_{part}")  # noqa: S608
            marks = ", ".join("?" * len(rows_found.description))
            copy.execute(f"DELETE FROM passages_{part}")  # noqa: S608
            copy.executemany(f"INSERT INTO passages_{part} VALUES ({marks})", rows_found)  # noqa: S608
        try:
            copy.execute("INSERT INTO passages (passages) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            yield f"full-text table: {error}: {WAY_OUT}"


def _meta(connection: sqlite3.Connection) -> Iterator[str]:
    if _dim(connection) is None:
        yield f"it does not say which encoder made it: {WAY_OUT}"


def _dim(connection: sqlite3.Connection) -> int | None:
    """Of the vectors, as far as the fingerprint can be read."""
    query = "SELECT value FROM meta WHERE key = 'fingerprint'"
    row = connection.execute(query).fetchone()
    try:
        return rows.read_fingerprint(str(row[0])).dim if row else None
    except ValueError:
        return None


def _orphans(connection: sqlite3.Connection) -> Iterator[str]:
    for what, table, column, known in _ORPHANS:
        is_known = f"{column} IS NULL OR {column} IN ({known})"
        query = f"SELECT {column} FROM {table} WHERE NOT ({is_known})"  # noqa: S608
        for (number,) in connection.execute(query):
            yield f"{what} (row {number})"


def _row_damages(connection: sqlite3.Connection, place: str) -> list[Damage]:
    found: list[Damage] = []
    try:
        dim = _dim(connection)
    except sqlite3.DatabaseError:
        dim = None
    try:
        ids = [row[0] for row in connection.execute("SELECT id FROM records ORDER BY id")]
    except sqlite3.DatabaseError as error:
        return [Damage(place, f"the records cannot be listed: {error}: {WAY_OUT}")]
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        try:
            found += _chunk_damages(connection, chunk, dim)
        except sqlite3.DatabaseError:
            for rowid in chunk:
                try:
                    found += _chunk_damages(connection, [rowid], dim)
                except sqlite3.DatabaseError as error:
                    found.append(Damage(_uri(connection, rowid, place), f"unreadable: {error}"))
    return found


def _chunk_damages(connection: sqlite3.Connection, ids: list[int], dim: int | None) -> list[Damage]:
    found: list[Damage] = []
    query = """SELECT r.id, r.checksum, r.metadata, r.text, p.jpeg, v.checksum, v.data
        FROM records AS r LEFT JOIN previews AS p ON p.record = r.id
        LEFT JOIN vectors AS v ON v.record = r.id WHERE r.id BETWEEN ? AND ?"""
    for rowid, checksum, metadata, text, jpeg, sum_stored, data in connection.execute(
        query, [ids[0], ids[-1]]
    ):
        if not _is_shown(metadata, text, jpeg, checksum):
            found.append(_named(connection, rowid, "its text, metadata or preview has changed"))
        if data is None:
            continue
        if not isinstance(data, bytes) or zlib.crc32(data) != sum_stored:
            found.append(_named(connection, rowid, "its vector has changed"))
            continue
        vector = rows.read_vector(data)
        if fault := rows.vector_fault(vector, len(vector) if dim is None else dim):
            found.append(_named(connection, rowid, fault))
    return found


def _is_shown(metadata: object, text: object, jpeg: object, checksum: object) -> bool:
    """Whether a record shows what was stored; bit-rot may have changed even the types."""
    return (
        isinstance(metadata, str)
        and isinstance(text, str)
        and isinstance(jpeg, bytes | None)
        and rows.record_checksum(metadata, text, jpeg) == checksum
    )


def _named(connection: sqlite3.Connection, rowid: int, reason: str) -> Damage:
    return Damage(_uri(connection, rowid, f"record {rowid}"), reason)


def _uri(connection: sqlite3.Connection, rowid: int, otherwise: str) -> str:
    query = (
        "SELECT f.path FROM files AS f JOIN records AS r ON r.content = f.content "
        "WHERE r.id = ? ORDER BY f.path LIMIT 1"
    )
    try:
        row = connection.execute(query, [rowid]).fetchone()
    except sqlite3.DatabaseError:
        return otherwise
    return os.fsdecode(row[0]) if row and isinstance(row[0], bytes) else otherwise
