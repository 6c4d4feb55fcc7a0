"""Looking for damage in a catalog: bit-rot, torn files, rows that belong to nothing."""

import os
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rzen.index import rows
from rzen.index.schema import FILE_NAME

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


def damages(
    connection: sqlite3.Connection, folder: Path, dim: int, *, is_writable: bool
) -> list[Damage]:
    """All damage that can be found; what cannot be read is damage too."""
    place = str(folder / FILE_NAME)
    found: list[Damage] = []
    for check in (_structure, _orphans):
        try:
            found += [Damage(place, reason) for reason in check(connection)]
        except sqlite3.DatabaseError as error:
            found.append(Damage(place, str(error)))
    if is_writable:
        try:
            connection.execute("INSERT INTO passages (passages) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            found.append(Damage(place, f"full-text table: {error}"))
    return found + _row_damages(connection, place, dim)


def _structure(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield str(line)


def _orphans(connection: sqlite3.Connection) -> Iterator[str]:
    for what, table, column, known in _ORPHANS:
        is_known = f"{column} IS NULL OR {column} IN ({known})"
        query = f"SELECT {column} FROM {table} WHERE NOT ({is_known})"  # noqa: S608
        for (number,) in connection.execute(query):
            yield f"{what} (row {number})"


def _row_damages(connection: sqlite3.Connection, place: str, dim: int) -> list[Damage]:
    found: list[Damage] = []
    try:
        ids = [row[0] for row in connection.execute("SELECT id FROM records ORDER BY id")]
    except sqlite3.DatabaseError as error:
        return [Damage(place, f"the records cannot be listed: {error}")]
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


def _chunk_damages(connection: sqlite3.Connection, ids: list[int], dim: int) -> list[Damage]:
    found: list[Damage] = []
    query = """SELECT r.id, r.checksum, r.metadata, r.text, p.jpeg, v.checksum, v.data
        FROM records AS r LEFT JOIN previews AS p ON p.record = r.id
        LEFT JOIN vectors AS v ON v.record = r.id WHERE r.id BETWEEN ? AND ?"""
    for rowid, checksum, metadata, text, jpeg, sum_stored, data in connection.execute(
        query, [ids[0], ids[-1]]
    ):
        if rows.record_checksum(metadata, text, jpeg) != checksum:
            found.append(_named(connection, rowid, "its text, metadata or preview has changed"))
        if data is not None and zlib.crc32(data) != sum_stored:
            found.append(_named(connection, rowid, "its vector has changed"))
        elif data is not None and (fault := rows.vector_fault(rows.read_vector(data), dim)):
            found.append(_named(connection, rowid, fault))
    return found


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
    return os.fsdecode(row[0]) if row else otherwise
