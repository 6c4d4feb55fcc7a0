"""What the tests of search share: a real catalog and store, filled by hand or by an encoder."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rzen.config import SearchSettings
from rzen.encoders.dummy import DummyEncoder
from rzen.index.catalog import Catalog
from rzen.index.exact import ExactStore
from rzen.protocols import Encoder
from rzen.search.lists import Rows
from rzen.search.searcher import Searcher
from rzen.types import (
    Calibration,
    Content,
    Encoded,
    Fingerprint,
    Image,
    Modality,
    Record,
    Role,
    Span,
    Text,
    Video,
    record_id,
)

DIM = 8


class DirectedEncoder:
    """Encodes the text ``"1 0 0 ..."`` as just that direction: every cosine is known by hand."""

    dim = DIM
    modalities: frozenset[Modality] = frozenset(("text", "image", "video", "page"))
    budget = DummyEncoder.budget

    def __init__(self, calibration: Mapping[Modality, Calibration]) -> None:
        self.calibration = calibration

    @property
    def fingerprint(self) -> Fingerprint:
        return replace(DummyEncoder().fingerprint, encoder="directed", dim=DIM)

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        del role, instruction, dim
        vectors = np.stack([_direction(content) for content in contents])
        return Encoded(vectors=vectors)


def _direction(content: Content) -> NDArray[np.float32]:
    numbers = np.zeros(DIM, np.float32)
    for part in content.parts:
        if isinstance(part, Text):
            values = [float(word) for word in part.text.split()]
            numbers[: len(values)] += values
        elif isinstance(part, Image | Video):
            numbers[0] += 1.0
    length = np.linalg.norm(numbers)
    return np.asarray(numbers / length if length else numbers, np.float32)


class World:
    """An index: files go in by :meth:`file`; :meth:`searcher` opens what is there."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.encoder = encoder
        self.catalog = Catalog.open(folder, write=True, create=encoder.fingerprint)
        self.settings = SearchSettings()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.catalog.close()

    def file(self, path: str, *records: Record) -> str:
        """Stores a file; its records get ids, and vectors from their texts where they have none."""
        content = hashlib.sha256(path.encode()).hexdigest()[:16]
        stored = [
            replace(
                record,
                id=record_id(content, record.span),
                vector=self._vector(record) if record.vector is None else record.vector,
            )
            for record in records
        ]
        self.catalog.put(path, 1, 1, content, stored)
        return content

    def _vector(self, record: Record) -> NDArray[np.float32]:
        encoded = self.encoder.encode([Content(Text(record.text))], role="document")
        vector: NDArray[np.float32] = encoded.vectors[0]
        return vector

    def searcher(self, *, encoder: bool = True) -> Searcher:
        store = ExactStore(self.catalog.vectors())
        return Searcher(self.catalog, store, self.encoder if encoder else None, self.settings)

    def rows(self) -> Rows:
        return Rows(self.catalog.columns())


def record(
    text: str = "",
    modality: Modality = "text",
    vector: Sequence[float] | None = None,
    *,
    page: int | None = None,
    preview: bytes | None = None,
    t_start: float | None = None,
) -> Record:
    """A record; ``vector`` is filled up with zeros and normalised."""
    whole = None
    if vector is not None:
        whole = np.zeros(DIM, np.float32)
        whole[: len(vector)] = vector
        whole = np.asarray(whole / np.linalg.norm(whole), np.float32)
    span = Span(page=page, t_start=t_start, t_end=None if t_start is None else t_start + 1)
    return Record(id="", modality=modality, span=span, text=text, vector=whole, preview=preview)
