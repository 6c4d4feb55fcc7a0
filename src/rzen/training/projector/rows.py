"""Rows to learn from: a question, items as they would be retrieved, and the answer.

A row is one JSON object a line: ``{"question": "...", "answer": "...", "items": [...]}``; an item
has the fields of a row of ``rzen embed``: ``text``, ``image``, ``images``, ``video``, ``page``. All
items are encoded once, before the first step; their vectors are kept in the cache.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rzen.config import Limits
from rzen.embedding.rows import content_of, parsed_row
from rzen.errors import DataError, RzenError
from rzen.protocols import Encoder
from rzen.types import Content, Modality, Vectors

_ENCODED = 64  # contents together


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    items: list[dict[str, Any]]
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSource:
    """Where rows come from.

    Attributes:
        name: as reasons of rows that are left out have it.
        folder: that the files of items are relative to.
        lines: a row each, in JSON.
        repeat: how often an epoch takes them.
    """

    name: str
    folder: Path
    lines: Sequence[bytes]
    repeat: float = 1.0


def of_file(file: Path, repeat: float = 1.0) -> RowSource:
    """The rows of a file.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        lines = [line for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    return RowSource(name=file.name, folder=file.parent, lines=lines, repeat=repeat)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    """A row.

    Attributes:
        name: of its source, with the number of its line.
        question: as it would be asked.
        answer: as it should be given.
        items: numbers of its items among all distinct ones.
    """

    name: str
    question: str
    answer: str
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuestionRows:
    """The rows of a stage, with the vectors of their items.

    Attributes:
        rows: in the order of their sources.
        vector_ID: (I, D) of all distinct items.
        modality_I: of each.
        repeats: how often an epoch takes each row.
        revision: hash of the lines.
        failed: reasons of rows that are left out, each with its place.
    """

    rows: Sequence[QuestionRow]
    vector_ID: Vectors
    modality_I: Sequence[Modality]
    repeats: Sequence[float]
    revision: str
    failed: Sequence[str] = ()


def read(
    sources: Sequence[RowSource],
    encoder: Encoder,
    limits: Limits,
    *,
    store: Path,
    max_failed: float = 0.05,
    on_progress: Callable[[int, int], None] | None = None,
) -> QuestionRows:
    """Reads rows and encodes their items.

    Args:
        sources: of the rows, in their order.
        encoder: of the items.
        limits: of decoders.
        store: folder that vectors are kept in, by their item and encoder.
        max_failed: share of rows that may be unreadable.
        on_progress: told how many items of how many are encoded.

    Raises:
        DataError: if too many rows cannot be read.
    """
    rows: list[tuple[str, _Line, tuple[str, ...]]] = []
    repeats: list[float] = []
    contents: dict[str, tuple[Path, dict[str, Any]]] = {}
    failed: list[str] = []
    digest = hashlib.sha256()
    for source in sources:
        for number, raw in enumerate(source.lines, 1):
            digest.update(raw)
            place = f"{source.name}:{number}"
            try:
                line = _Line.model_validate_json(raw)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "the line"
                failed.append(f"{place}: {where}: {first['msg']}")
                continue
            keys = []
            for item in line.items:
                key = _key(source.folder, item)
                contents.setdefault(key, (source.folder, item))
                keys.append(key)
            rows.append((place, line, tuple(keys)))
            repeats.append(source.repeat)
    vectors = _encoded(contents, encoder, limits, store, on_progress)
    number_of = {key: at for at, key in enumerate(vectors)}
    kept, shares = [], []
    for (place, line, own), repeat in zip(rows, repeats, strict=True):
        lost = next((vectors[key] for key in own if isinstance(vectors[key], str)), None)
        if lost is not None:
            failed.append(f"{place}: {lost}")
            continue
        items = tuple(number_of[key] for key in own)
        kept.append(
            QuestionRow(name=place, question=line.question, answer=line.answer, items=items)
        )
        shares.append(repeat)
    tried = len(kept) + len(failed)
    if not kept or len(failed) > max_failed * tried:
        reasons = "; ".join(failed[:3]) or "there are none"
        raise DataError(
            f"{len(failed):,} of {tried:,} rows cannot be read, more than max_failed {max_failed} "
            f"allows: {reasons}"
        )
    return QuestionRows(
        rows=kept,
        vector_ID=_matrix(list(vectors.values()), encoder.dim),
        modality_I=[_modality(item) for _, item in contents.values()],
        repeats=shares,
        revision=digest.hexdigest()[:20],
        failed=failed,
    )


def _key(folder: Path, item: dict[str, Any]) -> str:
    """What an item's vector is kept by: its words, and its files as they stand now."""
    files = []
    for name in ("image", "images", "video", "page"):
        named = item.get(name, ())
        for one in [named] if isinstance(named, str) else named or ():
            path = folder / str(one).partition("#")[0] if name == "page" else folder / str(one)
            try:
                state = path.stat()
                files.append([str(path.resolve()), state.st_size, state.st_mtime_ns])
            except (OSError, ValueError):  # it is named as unreadable when it is opened
                files.append([str(path)])
    return json.dumps([item, files], sort_keys=True)


def _matrix(found: Sequence["np.ndarray[Any, Any] | str"], dim: int) -> Vectors:
    nothing = np.zeros(dim, np.float32)
    rows = [nothing if isinstance(each, str) else each for each in found]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, dim), np.float32)


def _modality(item: dict[str, Any]) -> Modality:
    if "page" in item:
        return "page"
    if "video" in item:
        return "video"
    return "image" if "image" in item or "images" in item else "text"


def _encoded(
    contents: dict[str, tuple[Path, dict[str, Any]]],
    encoder: Encoder,
    limits: Limits,
    store: Path,
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, "np.ndarray[Any, Any] | str"]:
    """Each item's vector, or why it has none; those in the store are not encoded again."""
    kept = _stored(store, encoder)
    found: dict[str, np.ndarray[Any, Any] | str] = {
        key: kept[key] for key in contents if key in kept
    }
    missing = [key for key in contents if key not in found]
    for start in range(0, len(missing), _ENCODED):
        keys = missing[start : start + _ENCODED]
        opened: dict[str, Content] = {}
        for key in keys:
            folder, item = contents[key]
            try:
                row = parsed_row(0, item)
                if row.line is None:
                    raise DataError(row.error)
                opened[key] = content_of(row, folder, encoder.budget, limits)
            except RzenError as error:
                found[key] = str(error)
        made = encoder.encode(list(opened.values()), role="document")
        for at, key in enumerate(opened):
            found[key] = made.failed[at] if at in made.failed else made.vectors[at]
        if on_progress is not None:
            on_progress(min(start + _ENCODED, len(missing)), len(missing))
    if missing:
        _store(store, encoder, found)
    return {key: found[key] for key in contents}


def _file(store: Path, encoder: Encoder) -> Path:
    return store / f"vectors-{hashlib.sha256(repr(encoder.fingerprint).encode()).hexdigest()[:16]}"


def _stored(store: Path, encoder: Encoder) -> dict[str, "np.ndarray[Any, Any]"]:
    """Vectors of an earlier run; a store that cannot be read only costs the encoding."""
    base = _file(store, encoder)
    try:
        keys = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
        matrix = np.load(base.with_suffix(".npy"), allow_pickle=False)
        return dict(zip(keys, matrix, strict=True))
    except (OSError, ValueError, EOFError):
        return {}


def _store(store: Path, encoder: Encoder, found: dict[str, "np.ndarray[Any, Any] | str"]) -> None:
    whole = {key: each for key, each in found.items() if not isinstance(each, str)}
    base = _file(store, encoder)
    store.mkdir(parents=True, exist_ok=True)
    aside = base.with_suffix(".part.npy")
    np.save(aside, _matrix(list(whole.values()), encoder.dim))
    aside.rename(base.with_suffix(".npy"))
    # Behind the vectors: as many keys as rows, or the store does not count.
    base.with_suffix(".json").write_text(json.dumps(list(whole)), encoding="utf-8")
