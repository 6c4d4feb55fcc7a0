"""A small index and records for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rzen.index.catalog import Catalog
from rzen.types import Fingerprint, MediaBudget, Metadata, Modality, Record, Span, record_id

DIM = 8


@pytest.fixture
def fingerprint() -> Fingerprint:
    return Fingerprint(
        encoder="dummy",
        weights="w1",
        template="-",
        pooling="sum",
        positions="-",
        budget=MediaBudget(frames=4),
        dim=DIM,
        environment={"device": "cpu", "numpy": "2"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my index #1%.rzen"


@pytest.fixture
def catalog(folder: Path, fingerprint: Fingerprint) -> Iterator[Catalog]:
    with Catalog.open(folder, write=True, create=fingerprint) as opened:
        yield opened


@pytest.fixture
def make() -> Callable[..., Record]:
    """Makes a record of a content; its vector follows from its id."""

    def record(
        content: str,
        span: Span | None = None,
        *,
        modality: Modality = "text",
        text: str = "",
        metadata: Metadata | None = None,
        preview: bytes | None = None,
    ) -> Record:
        span = span or Span()
        name = record_id(content, span)
        vector = np.random.default_rng(list(name.encode())).standard_normal(DIM)
        return Record(
            id=name,
            modality=modality,
            span=span,
            text=text,
            metadata=metadata or {},
            vector=(vector / np.linalg.norm(vector)).astype(np.float32),
            preview=preview,
        )

    return record
