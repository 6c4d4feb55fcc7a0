"""Vectors of contents on disk, so that no content is encoded twice by the same encoder.

There is a file for each encoder in each environment: fingerprint, device, number format, and the
versions of the libraries that decode media all decide over vectors, so a change of any of them
begins a new file. What is read is checked: a row counts only if its length and its checksum fit.
In doubt a content is encoded again.

Two processes may use one file: SQLite's write-ahead log lets them read and write side by side. A
file that SQLite finds damaged is given up: an empty file ``.damaged`` beside it says so, and the
next number is used. It is not renamed or deleted, for another process may have it open, and would
go on to use the log of whatever came under its name.
"""

import contextlib
import hashlib
import importlib.metadata
import itertools
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from rzen.config import cache_folder
from rzen.protocols import Encoder
from rzen.types import Role
from rzen.version import __version__

_FORMAT = 1
_LIBRARIES = ("pillow", "av", "pypdfium2", "rapidocr")
_BUSY_SECONDS = 30.0
_KEYS_AT_ONCE = 500
_PAGE_BYTES = 8192
_TABLE = """CREATE TABLE IF NOT EXISTS vectors (
    key BLOB NOT NULL UNIQUE,
    checksum INTEGER NOT NULL,
    warnings BLOB NOT NULL,
    data BLOB NOT NULL
)"""
# What SQLite says of a file that is not, or no longer, such a database.
_DAMAGED = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_NOTADB}
)


_Row: TypeAlias = tuple[bytes, int, bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CachedVector:
    """What an encoder made of a content.

    Attributes:
        vector: (D,) of unit length.
        warnings: what it had to say about the content.
    """

    vector: NDArray[np.float32]
    warnings: tuple[str, ...] = ()


def encoder_document(encoder: Encoder) -> dict[str, Any]:
    """All that decides over an encoder's vectors, as JSON: they are equal where this is."""
    fingerprint = encoder.fingerprint
    return {
        "fingerprint": {
            "encoder": fingerprint.encoder,
            "weights": fingerprint.weights,
            "template": fingerprint.template,
            "pooling": fingerprint.pooling,
            "positions": fingerprint.positions,
            "budget": asdict(fingerprint.budget),
            "dim": fingerprint.dim,
            "environment": dict(fingerprint.environment),
        },
        "libraries": {"rzen": __version__, **{name: _version(name) for name in _LIBRARIES}},
    }


def cache_file(encoder: Encoder) -> Path:
    """Where the vectors of an encoder are kept."""
    about = {"format": _FORMAT, **encoder_document(encoder)}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "vectors" / f"{digest[:24]}.sqlite"


def vector_key(digest: bytes, role: Role, instruction: str | None) -> bytes:
    """The key of a content's vector: what it is, and how it is encoded.

    >>> vector_key(b"1", "query", None) == vector_key(b"1", "query", "")
    False
    """
    about = json.dumps([role, instruction]).encode()
    return hashlib.sha256(len(about).to_bytes(8, "big") + about + digest).digest()


class VectorCache:
    """The vectors of one encoder, by key.

    A cache that cannot be used (a full disk, a folder that cannot be written) does not end a run:
    it says so in :attr:`warnings`, finds nothing and keeps nothing.

    Args:
        file: the database; it and its folder are made.
        dim: of the vectors; others are not given out.

    Attributes:
        warnings: sentences on what was wrong with the file, in the order it was noticed.
    """

    def __init__(self, file: Path, *, dim: int) -> None:
        self.warnings: list[str] = []
        self._base = file
        self._file = file
        self._dim = dim
        self._connection: sqlite3.Connection | None = None
        with self._guarded():
            self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database; what was put is kept."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def take_warnings(self) -> list[str]:
        """The warnings since this was asked last."""
        taken, self.warnings = self.warnings, []
        return taken

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, CachedVector]:
        """The vectors that are there, by key; keys without one are left out."""
        found: dict[bytes, CachedVector] = {}
        wrong = 0
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            rows: list[_Row] = []
            with self._guarded():
                rows = self._rows(some)
            for key, checksum, warnings, data in rows:
                # A flipped bit may also turn a BLOB into a number.
                is_whole = isinstance(warnings, bytes) and isinstance(data, bytes)
                if (
                    is_whole
                    and len(data) == 4 * self._dim
                    and checksum == _checksum(key, warnings, data)
                ):
                    found[key] = CachedVector(
                        vector=np.frombuffer(data, "<f4").astype(np.float32),
                        warnings=tuple(json.loads(warnings)),
                    )
                else:
                    wrong += 1
        if wrong:
            self.warnings.append(
                f"{wrong} vectors in {self._file} were damaged or of another dimension: those "
                "contents are encoded again"
            )
        return found

    def put_many(self, vectors: Mapping[bytes, CachedVector]) -> None:
        """Keeps vectors, all of them or none."""
        rows = []
        for key, each in vectors.items():
            data = np.asarray(each.vector, "<f4").tobytes()
            warnings = json.dumps(each.warnings).encode()
            rows.append((key, _checksum(key, warnings, data), warnings, data))
        with self._guarded():
            self._write(rows)
            return
        # Here the file was found damaged: what was to be kept goes into the new one.
        with self._guarded():
            self._write(rows)

    def _rows(self, keys: Sequence[bytes]) -> list[_Row]:
        if self._connection is None:
            return []
        places = ",".join("?" * len(keys))
        query = f"SELECT key, checksum, warnings, data FROM vectors WHERE key IN ({places})"  # noqa: S608 (question marks)
        return list(self._connection.execute(query, keys))

    def _write(self, rows: Sequence[_Row]) -> None:
        if self._connection is None or not rows:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _connect(self) -> None:
        """Opens the first file of this name that is not given up."""
        self._file = next(file for file in _numbered(self._base) if not _mark(file).exists())
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Two processes that make the file at once would trip over each other's journal mode.
        with FileLock(f"{self._file}.lock", timeout=_BUSY_SECONDS):
            connection = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)
            self._connection = connection
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
            connection.execute("SELECT key, checksum, warnings, data FROM vectors LIMIT 1")

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Gives a damaged file up and begins a new one; does without where that is no help."""
        try:
            try:
                yield
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                    raise
                self._give_up(error)
                self._connect()
        except (sqlite3.Error, OSError) as error:
            self.close()
            self.warnings.append(
                f"vectors cannot be kept in {self._file} ({error}): this run goes on without, and "
                "if it is cut off it begins anew; free some space, or set RZEN_CACHE to a folder "
                "that can be written"
            )

    def _give_up(self, error: Exception) -> None:
        self.close()
        _mark(self._file).touch()
        self.warnings.append(
            f"the kept vectors in {self._file} are damaged ({error}): they are not used any more, "
            "and contents are encoded again; the file may be deleted when no evaluation is running"
        )


def _numbered(file: Path) -> Iterator[Path]:
    yield file
    for number in itertools.count(2):
        yield file.with_name(f"{file.stem}-{number}{file.suffix}")


def _mark(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged")


def _checksum(key: bytes, warnings: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(warnings, zlib.crc32(key)))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "-"
