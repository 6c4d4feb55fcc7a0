"""Reading the tables of a catalog. Each function runs inside one snapshot of its caller."""

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rzen.index import rows, words
from rzen.index.filters import Filters
from rzen.types import MODALITIES, Modality, Record

_CHOSEN = "IN (SELECT value FROM json_each(?))"


class FileRow(NamedTuple):
    """What the catalog knows of a file.

    Attributes:
        path: absolute; bytes that are no text as ``os.fsdecode`` gives them.
        size: bytes.
        mtime_ns: when it was last changed.
        content: hash of its content; ``None`` if it could not be indexed.
        reason: what of it could not be indexed, and why; empty if all could.
        attempts: how often it failed in this very state.
    """

    path: str
    size: int
    mtime_ns: int
    content: str | None
    reason: str
    attempts: int = 0


class Columns(NamedTuple):
    """What every search needs of the N records with a vector, by growing row number.

    Attributes:
        rowid_N: row numbers.
        modality_N: indices into :data:`rzen.types.MODALITIES`.
        content_N: equal for records of one content, otherwise arbitrary.
    """

    rowid_N: NDArray[np.int64]
    modality_N: NDArray[np.int8]
    content_N: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much is in an index: files (also failed ones), contents, records of each modality."""

    files: int
    failed: int
    contents: int
    records: Mapping[Modality, int]


def files(connection: sqlite3.Connection, where: str, values: list[object]) -> dict[str, FileRow]:
    """Files by path."""
    found = connection.execute(
        "SELECT f.path, f.size, f.mtime_ns, c.hash, f.reason, f.attempts "  # noqa: S608
        f"FROM files AS f LEFT JOIN contents AS c ON c.id = f.content WHERE {where}",
        values,
    ).fetchall()
    return {(path := os.fsdecode(row[0])): FileRow(path, *row[1:]) for row in found}


def counts(connection: sqlite3.Connection) -> Counts:
    """How much there is."""
    number, failed = connection.execute(
        "SELECT count(*), count(*) - count(content) FROM files"
    ).fetchone()
    (contents,) = connection.execute("SELECT count(*) FROM contents").fetchone()
    found = connection.execute("SELECT modality, count(*) FROM records GROUP BY modality")
    by_modality = {MODALITIES[modality]: count for modality, count in found}
    return Counts(files=number, failed=failed, contents=contents, records=by_modality)


def columns(connection: sqlite3.Connection) -> Columns:
    """The columns of the records with a vector."""
    found = connection.execute(
        "SELECT r.id, r.modality, r.content FROM records AS r "
        "WHERE r.id IN (SELECT record FROM vectors) ORDER BY r.id"
    ).fetchall()
    table = np.array(found, np.int64).reshape(-1, 3)
    return Columns(table[:, 0].copy(), table[:, 1].astype(np.int8), table[:, 2].copy())


def allowed(
    connection: sqlite3.Connection, filters: Filters, rowid_N: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which of the given rows pass the filters."""
    condition, values = filters.condition()
    if condition == "1":
        return np.ones(len(rowid_N), np.bool_)
    query = f"SELECT r.id FROM records AS r WHERE {condition}"  # noqa: S608
    found = np.array(connection.execute(query, values).fetchall(), np.int64).reshape(-1)
    return np.isin(rowid_N, found)


def records(
    connection: sqlite3.Connection, rowids: Sequence[int], *, vectors: bool, previews: bool
) -> list[Record]:
    """The records of row numbers, in that order, without those that are not there."""
    wanted = json.dumps([int(rowid) for rowid in rowids])
    query = f"{rows.SELECT} WHERE r.id {_CHOSEN}"
    stored = [rows.StoredRecord(*row) for row in connection.execute(query, [wanted])]
    paths = _paths(connection, {row.content for row in stored})
    data: dict[int, bytes] = {}
    jpegs: dict[int, bytes] = {}
    if vectors:
        query = f"SELECT record, data FROM vectors WHERE record {_CHOSEN}"  # noqa: S608
        data = dict(connection.execute(query, [wanted]))
    if previews:
        query = f"SELECT record, jpeg FROM previews WHERE record {_CHOSEN}"  # noqa: S608
        jpegs = dict(connection.execute(query, [wanted]))
    found = {
        row.rowid: row.record(
            paths.get(row.content, ()),
            rows.read_vector(data[row.rowid]) if row.rowid in data else None,
            jpegs.get(row.rowid),
        )
        for row in stored
    }
    return [found[int(rowid)] for rowid in rowids if int(rowid) in found]


def _paths(connection: sqlite3.Connection, contents: set[int]) -> dict[int, tuple[str, ...]]:
    query = f"SELECT content, path FROM files WHERE content {_CHOSEN} ORDER BY path"  # noqa: S608
    paths: dict[int, list[str]] = {}
    for content, path in connection.execute(query, [json.dumps(sorted(contents))]):
        paths.setdefault(content, []).append(os.fsdecode(path))
    return {content: tuple(names) for content, names in paths.items()}


def rowids_of(connection: sqlite3.Connection, path: str) -> list[int]:
    """The row numbers of a file's records, in the file's order."""
    found = connection.execute(
        "SELECT r.id FROM files AS f JOIN records AS r ON r.content = f.content "
        "WHERE f.path = ? ORDER BY r.ordinal",
        [os.fsencode(path)],
    )
    return [int(rowid) for (rowid,) in found]


class Around(NamedTuple):
    """Row numbers of a record and of those directly before and behind it in its file."""

    before: int | None = None
    own: int | None = None
    after: int | None = None


def around(connection: sqlite3.Connection, record_id: str) -> Around:
    """A record and its neighbours by its id; all ``None`` if it is not there."""
    content, _, key = record_id.partition(":")
    found = connection.execute(
        "SELECT r.content, r.ordinal FROM contents AS c JOIN records AS r ON r.content = c.id "
        "WHERE c.hash = ? AND r.key = ?",
        [content, key],
    ).fetchone()
    if found is None:
        return Around()
    number, ordinal = found
    rows_by_ordinal = dict(
        connection.execute(
            "SELECT ordinal, id FROM records WHERE content = ? AND ordinal BETWEEN ? AND ?",
            [number, ordinal - 1, ordinal + 1],
        )
    )
    return Around(*(rows_by_ordinal.get(ordinal + step) for step in (-1, 0, 1)))


def search_text(
    connection: sqlite3.Connection, query: str, k: int, filters: Filters
) -> list[tuple[int, float]]:
    """Row numbers and BM25 scores, best first, equal ones by row number."""
    expression = words.match_expression(query)
    condition, values = filters.condition()
    if expression is None or k <= 0:
        return []
    # Looking up each match costs more than ranking it.
    join = "" if condition == "1" else "JOIN records AS r ON r.id = p.rowid"
    found = connection.execute(
        f"SELECT p.rowid, -bm25(passages) AS score FROM passages AS p {join} "  # noqa: S608
        f"WHERE passages MATCH ? AND {condition} ORDER BY score DESC, p.rowid LIMIT ?",
        [expression, *values, k],
    )
    return [(int(rowid), float(score)) for rowid, score in found]
