"""Records as rows of the catalog's tables, and back; checksums of what the rows hold."""

import json
import math
import sqlite3
import zlib
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rzen.errors import CatalogError
from rzen.index import filters
from rzen.types import (
    MODALITIES,
    Fingerprint,
    MediaBudget,
    Metadata,
    Record,
    Span,
    Vectors,
    record_id,
)

# Encoders normalise in float32, some from bfloat16; more than this is no unit vector.
UNIT_TOLERANCE = 1e-3

COLUMNS = (
    "content, ordinal, key, modality, page, box, t_start, t_end, char_start, char_end, taken, "
    "checksum, metadata, text"
)
INSERT = f"INSERT INTO records ({COLUMNS}) VALUES ({', '.join('?' * 14)})"  # noqa: S608 - constants
SELECT = """SELECT r.id, c.hash, r.content, r.modality, r.page, r.box, r.t_start, r.t_end,
    r.char_start, r.char_end, r.metadata, r.text
    FROM records AS r JOIN contents AS c ON c.id = r.content"""


class StoredRecord(NamedTuple):
    """One row of :data:`SELECT`."""

    rowid: int
    hash: str
    content: int
    modality: int
    page: int | None
    box: str | None
    t_start: float | None
    t_end: float | None
    char_start: int | None
    char_end: int | None
    metadata: str
    text: str

    def record(
        self,
        paths: tuple[str, ...],
        vector: NDArray[np.float32] | None,
        preview: bytes | None,
    ) -> Record:
        """The record, with what other tables hold of it."""
        span = Span(
            page=self.page,
            box=None if self.box is None else tuple(json.loads(self.box)),
            t_start=self.t_start,
            t_end=self.t_end,
            char_start=self.char_start,
            char_end=self.char_end,
        )
        return Record(
            id=record_id(self.hash, span),
            modality=MODALITIES[self.modality],
            span=span,
            text=self.text,
            metadata=json.loads(self.metadata),
            vector=vector,
            preview=preview,
            uri=paths[0] if paths else "",
            paths=paths,
        )


def record_row(content: int, ordinal: int, record: Record) -> tuple[object, ...]:
    """The values for :data:`INSERT`."""
    span = record.span
    text = storable(record.text)
    metadata = metadata_text(record.metadata)
    return (
        content,
        ordinal,
        span.key,
        MODALITIES.index(record.modality),
        span.page,
        None if span.box is None else json.dumps(span.box),
        span.t_start,
        span.t_end,
        span.char_start,
        span.char_end,
        filters.taken_seconds(record.metadata),
        record_checksum(metadata, text, record.preview),
        metadata,
        text,
    )


def metadata_text(metadata: Metadata) -> str:
    """Metadata as JSON; numbers that are not finite have no place in JSON and become null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metadata.items()
    }
    # Not escaped, because SQLite compares names as they are written.
    return storable(json.dumps(finite, allow_nan=False, ensure_ascii=False))


def record_checksum(metadata: str, text: str, preview: bytes | None) -> int:
    """CRC-32 of what a record shows."""
    start = zlib.crc32(metadata.encode())
    return zlib.crc32(preview or b"", zlib.crc32(text.encode(), start))


def vector_row(rowid: int, vector: NDArray[np.float32]) -> tuple[int, int, bytes]:
    """Row number, checksum and little-endian float32 bytes of a vector."""
    data = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    return rowid, zlib.crc32(data), data


def vector_fault(vector: NDArray[np.float32], dim: int) -> str:
    """What is wrong with a vector; empty if nothing is.

    >>> vector_fault(np.array([0.6, 0.8], np.float32), 2)
    ''
    >>> vector_fault(np.array([0.6, np.nan], np.float32), 2)
    'its vector is not finite'
    """
    if vector.shape != (dim,):
        return f"its vector has shape {vector.shape}, not ({dim},)"
    if not np.isfinite(vector).all():
        return "its vector is not finite"
    length = float(np.linalg.norm(vector))
    if abs(length - 1.0) > UNIT_TOLERANCE:
        return f"its vector has length {length:.4g}, not 1"
    return ""


def read_vector(data: bytes) -> NDArray[np.float32]:
    """The (D,) vector of a BLOB."""
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def read_matrix(connection: sqlite3.Connection, dim: int, folder: object) -> Vectors:
    """The (N, D) matrix of all vectors by row number, each checked.

    Raises:
        CatalogError: if a vector is damaged.
    """
    width = 4 * dim
    data_N: list[bytes] = []
    query = "SELECT record, checksum, data FROM vectors ORDER BY record"
    for rowid, checksum, data in connection.execute(query):
        if len(data) != width or zlib.crc32(data) != checksum:
            raise CatalogError(
                f"the index {folder} is damaged: the vector of record {rowid} is not what was "
                "stored: `rzen verify` names the files; remove these with `rzen remove FILE` and "
                "index them again"
            )
        data_N.append(data)
    # A bytearray, so that the matrix can be written to.
    matrix_ND = np.frombuffer(bytearray().join(data_N), "<f4").reshape(len(data_N), dim)
    return matrix_ND.astype(np.float32, copy=False)


def storable(text: str) -> str:
    """Text without halves of surrogate pairs, which cannot be stored as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def fingerprint_text(fingerprint: Fingerprint) -> str:
    """A fingerprint as JSON, with its environment."""
    return json.dumps(asdict(fingerprint), sort_keys=True)


def read_fingerprint(text: str) -> Fingerprint:
    """The fingerprint of a JSON text.

    Raises:
        ValueError: if it is none.
    """
    values = json.loads(text)
    try:
        return Fingerprint(**{**values, "budget": MediaBudget(**values["budget"])})
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from None
