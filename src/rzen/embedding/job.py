"""Embeds the rows of a file into a file of vectors, in order; goes on where it was stopped."""

import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from rzen.config import Limits
from rzen.embedding.parts import Parts, Piece
from rzen.embedding.rows import Row, content_of, failed, read_rows
from rzen.errors import DataError, MissingExtraError, RzenError, UsageError
from rzen.protocols import Encoder
from rzen.types import Content, Role, Vectors

PIECE_ROWS = 256
SUFFIXES = (".npy", ".parquet")
_SHOWN = 64  # rows whose contents are held at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        done: rows, those of an earlier run among them.
        total: rows.
        encoded: rows of this run.
        seconds: of this run.
    """

    done: int
    total: int
    encoded: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """``None`` until something was encoded."""
        if not self.encoded:
            return None
        return self.seconds / self.encoded * (self.total - self.done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a run.

    Attributes:
        output: the file of the vectors.
        rows: how many it has.
        dim: of the vectors.
        encoded: rows that got their vector in this run; the others were there already, or failed.
        failed: why, with line and id, for each row without a vector.
        warnings: the same for rows that something was left out of.
        seconds: of this run.
        fingerprint: of the encoder.
    """

    output: Path
    rows: int
    dim: int
    encoded: int
    failed: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float
    fingerprint: Mapping[str, Any]


def embed(
    source: Path,
    encoder: Encoder,
    output: Path,
    *,
    dim: int | None = None,
    limits: Limits | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Embeds a file of rows (:mod:`rzen.embedding.rows`).

    Args:
        source: the rows.
        encoder: who embeds.
        output: ``NAME.npy`` for (N, D) float32, with NaN for rows that failed; ``NAME.parquet`` for
            columns id, vector, error and warnings. It is replaced when the new one is whole.
        dim: dimensions to keep of each vector.
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.
        on_progress: called after each batch.

    Raises:
        UsageError: if the output is of another kind.
        DataError: if the rows cannot be read, or there are none, or the output not be written.
        EncoderError: if the encoder has no vectors of that dimension.
        MissingExtraError: if Parquet is asked for and pyarrow is not installed.
    """
    started = time.monotonic()
    rows = checked_rows(source, output)
    identity = _identity(rows, source, encoder, dim)
    if _is_whole(output, identity):
        return _report(output, rows, identity, [], encoded=0, started=started)
    parts = Parts(output, identity)
    pieces = [rows[start : start + PIECE_ROWS] for start in range(0, len(rows), PIECE_ROWS)]
    done, encoded = 0, 0
    for number, piece in enumerate(pieces):
        if number not in parts:
            job = _Piecework(encoder, source.parent, dim, limits or Limits())
            for count in job.run(piece):
                encoded += count
                if on_progress is not None:
                    seconds = time.monotonic() - started
                    on_progress(
                        Progress(
                            done=done + job.done, total=len(rows), encoded=encoded, seconds=seconds
                        )
                    )
            parts.write(number, job.piece())
        done += len(piece)
    _assemble(output, parts.pieces(len(pieces)), identity)
    made = parts.pieces(len(pieces))
    report = _report(output, rows, identity, made, encoded=encoded, started=started)
    parts.remove()
    return report


def checked_rows(source: Path, output: Path) -> list[Row]:
    """The rows, once an output can come of them; worth asking before a model loads.

    Raises:
        UsageError: if the output is of another kind.
        DataError: if the rows cannot be read, there are none, or the output has no folder.
        MissingExtraError: if Parquet is asked for and pyarrow is not installed.
    """
    if output.suffix not in SUFFIXES:
        raise UsageError(f"{output}: vectors go into a file of {' or '.join(SUFFIXES)}")
    if output.suffix == ".parquet":
        _pyarrow()
    if output.is_dir():
        raise DataError(f"{output}: is a folder: name a file that the vectors can go into")
    if not output.absolute().parent.is_dir():
        raise DataError(f"{output}: there is no folder {output.parent}: make it first")
    rows = list(read_rows(source))
    if not rows:
        raise DataError(f'{source}: has no rows: a row is a line such as {{"text": "a boat"}}')
    return rows


class _Piecework:
    """Some rows, encoded a few at a time so that few pixels are held at once."""

    def __init__(self, encoder: Encoder, folder: Path, dim: int | None, limits: Limits) -> None:
        self._encoder, self._folder, self._dim, self._limits = encoder, folder, dim, limits
        self._ids: list[str] = []
        self._vectors: list[Vectors] = []
        self._failed: dict[int, str] = {}
        self._warnings: dict[int, Sequence[str]] = {}
        self.done = 0

    def run(self, rows: Sequence[Row]) -> Iterable[int]:
        """Encodes them; yields how many got a vector after each batch."""
        for start in range(0, len(rows), _SHOWN):
            some = rows[start : start + _SHOWN]
            before = len(self._failed)
            self._some(some)
            self.done += len(some)
            yield len(some) - (len(self._failed) - before)

    def piece(self) -> Piece:
        return Piece(
            ids=tuple(self._ids),
            vectors=np.concatenate(self._vectors),
            failed=self._failed,
            warnings=self._warnings,
        )

    def _some(self, rows: Sequence[Row]) -> None:
        vectors_ND = np.full((len(rows), self._dim or self._encoder.dim), np.nan, np.float32)
        calls: dict[tuple[Role, str | None], list[tuple[int, Content]]] = defaultdict(list)
        for at, row in enumerate(rows):
            self._ids.append(row.id)
            if row.line is None:
                self._failed[self.done + at] = row.error
                continue
            try:
                content = content_of(row, self._folder, self._encoder.budget, self._limits)
            except RzenError as error:
                self._failed[self.done + at] = str(error)
                continue
            if not row.line.has_content:
                self._warnings[self.done + at] = ("nothing in it: taken for an empty text",)
            calls[row.role, row.instruction].append((at, content))
        for (role, instruction), members in calls.items():
            places = [at for at, _ in members]
            found = self._encoder.encode(
                [content for _, content in members],
                role=role,
                instruction=instruction,
                dim=self._dim,
            )
            for number, at in enumerate(places):
                if number in found.failed:
                    self._failed[self.done + at] = found.failed[number]
                else:
                    vectors_ND[at] = found.vectors[number]
                if told := found.warnings.get(number):
                    before = self._warnings.get(self.done + at, ())
                    self._warnings[self.done + at] = (*before, *told)
        self._vectors.append(vectors_ND)


def _identity(
    rows: Sequence[Row], source: Path, encoder: Encoder, dim: int | None
) -> dict[str, Any]:
    """What a vector depends on; media count by their paths, sizes and times of change."""
    whole = hashlib.sha256()
    for row in rows:
        said = row.line.model_dump_json() if row.line is not None else row.error
        whole.update(f"{said}\n".encode("utf-8", "surrogatepass"))
        for name in _names(row):
            try:
                about = os.stat(source.parent / name)  # noqa: PTH116 (a path may be too long)
                whole.update(f"{about.st_size} {about.st_mtime_ns}\n".encode())
            except (OSError, ValueError):
                whole.update(b"not there\n")
    return {
        "rows": whole.hexdigest(),
        "count": len(rows),
        "dim": dim or encoder.dim,
        "fingerprint": asdict(encoder.fingerprint),
    }


def _names(row: Row) -> list[str]:
    if row.line is None:
        return []
    line = row.line
    video = [line.video] if isinstance(line.video, str) else list(line.video or [])
    page = [line.page.rpartition("#")[0] or line.page] if line.page is not None else []
    return [*([line.image] if line.image else []), *(line.images or []), *video, *page]


def _is_whole(output: Path, identity: Mapping[str, Any]) -> bool:
    """Whether a Parquet file holds just these vectors, with none that failed."""
    if output.suffix != ".parquet" or not output.is_file():
        return False
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(output) as file:
            known = (file.schema_arrow.metadata or {}).get(b"rzen", b"").decode()
            if known != json.dumps(identity, default=str):
                return False
            errors = file.read(["error"])["error"]
            return bool(errors.null_count == len(errors))
    except (OSError, ValueError, arrow.ArrowException):
        return False  # damaged, or somebody else's: it is made anew


def _report(
    output: Path,
    rows: Sequence[Row],
    identity: Mapping[str, Any],
    pieces: Iterable[Piece],
    *,
    encoded: int,
    started: float,
) -> Report:
    bad, odd = list[str](), list[str]()
    start = 0
    for piece in pieces:
        bad += [failed(rows[start + at], why) for at, why in sorted(piece.failed.items())]
        odd += [
            failed(rows[start + at], each)
            for at, told in sorted(piece.warnings.items())
            for each in told
        ]
        start += len(piece.ids)
    return Report(
        output=output,
        rows=len(rows),
        dim=identity["dim"],
        encoded=encoded,
        failed=tuple(bad),
        warnings=tuple(odd),
        seconds=time.monotonic() - started,
        fingerprint=identity["fingerprint"],
    )


def _assemble(output: Path, pieces: Iterable[Piece], identity: Mapping[str, Any]) -> None:
    """Writes the output aside and renames it into place."""
    aside = output.with_name(f".{output.name}.new")
    try:
        with aside.open("wb") as file:
            if output.suffix == ".npy":
                _write_npy(file, pieces, identity["count"], identity["dim"])
            else:
                _write_parquet(file, pieces, identity)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(output)
    except OSError as error:
        raise DataError(f"{output}: cannot be written: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)


def _write_npy(file: IO[bytes], pieces: Iterable[Piece], rows: int, dim: int) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)}
    np.lib.format.write_array_header_1_0(file, header)
    for piece in pieces:
        file.write(np.ascontiguousarray(piece.vectors, "<f4").tobytes())


def _write_parquet(file: IO[bytes], pieces: Iterable[Piece], identity: Mapping[str, Any]) -> None:
    arrow, parquet = _pyarrow()
    dim = identity["dim"]
    schema = arrow.schema(
        [
            ("id", arrow.string()),
            ("vector", arrow.list_(arrow.float32(), dim)),
            ("error", arrow.string()),
            ("warnings", arrow.list_(arrow.string())),
        ],
        metadata={"rzen": json.dumps(identity, default=str)},
    )
    with parquet.ParquetWriter(file, schema) as writer:
        for piece in pieces:
            count = len(piece.ids)
            missing = np.isnan(piece.vectors).any(1)
            flat = arrow.array(piece.vectors.ravel(), arrow.float32())
            vectors = arrow.FixedSizeListArray.from_arrays(flat, dim, mask=arrow.array(missing))
            errors = [piece.failed.get(row) for row in range(count)]
            warnings = [list(piece.warnings.get(row, ())) for row in range(count)]
            columns = [
                arrow.array(piece.ids, arrow.string()),
                vectors,
                arrow.array(errors, arrow.string()),
                arrow.array(warnings, arrow.list_(arrow.string())),
            ]
            writer.write_batch(arrow.record_batch(columns, schema=schema))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("pyarrow", "eval") from error
    return pyarrow, parquet
