"""Small sets and encoders whose right answers can be worked out by hand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.data.storage import read_set, write_set
from rzen.evaluation.suites import Suite
from rzen.types import (
    Calibration,
    Content,
    Encoded,
    Fingerprint,
    MediaBudget,
    Modality,
    Role,
    Text,
)

Vector = Sequence[float] | NDArray[Any]


class TableEncoder:
    """Gives each text the vector that a table or a function has for it, and notes what it is asked.

    Args:
        vectors: text -> vector; a list is scaled to unit length, an array is taken as it is.
        name: of the encoder.
        dies_after: raises KeyboardInterrupt when so many contents have been encoded.
    """

    budget = MediaBudget()

    def __init__(
        self,
        vectors: Mapping[str, Vector] | Callable[[str], Vector],
        *,
        dim: int = 2,
        name: str = "table",
        modalities: frozenset[Modality] = frozenset({"text"}),
        calibration: Mapping[Modality, Calibration] | None = None,
        warning: str = "",
        tokens: int | None = None,
        dies_after: int | None = None,
    ) -> None:
        self.dim = dim
        self.modalities = modalities
        self.calibration: Mapping[Modality, Calibration] = calibration or {}
        self.environment = {"device": "cpu"}
        self.asked: list[tuple[str, Role, str | None]] = []
        self.batches: list[int] = []
        self._vectors, self._name = vectors, name
        self._warning, self._tokens, self._dies_after = warning, tokens, dies_after

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            encoder=self._name,
            weights=self._name,
            template="-",
            pooling="-",
            positions="-",
            budget=self.budget,
            dim=self.dim,
            environment=self.environment,
        )

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        assert dim is None
        if self._dies_after is not None and len(self.asked) >= self._dies_after:
            raise KeyboardInterrupt
        texts = [words(content) for content in contents]
        self.asked += [(text, role, instruction) for text in texts]
        self.batches.append(len(texts))
        rows = [self._vector(text) for text in texts]
        warnings = dict.fromkeys(range(len(rows)), (self._warning,)) if self._warning else {}
        tokens = None if self._tokens is None else self._tokens * len(rows)
        return Encoded(vectors=np.stack(rows), warnings=warnings, tokens=tokens)

    def _vector(self, text: str) -> NDArray[np.float32]:
        found = self._vectors(text) if callable(self._vectors) else self._vectors[text]
        if isinstance(found, np.ndarray):
            return found.astype(np.float32)
        wide = np.asarray(found, np.float64)
        return np.asarray(wide / np.linalg.norm(wide), np.float32)


def words(content: Content) -> str:
    return " ".join(part.text for part in content.parts if isinstance(part, Text))


def scattered(text: str) -> list[float]:
    """Any vector, always the same for a text, with four dimensions."""
    seed = sum(ord(char) * 31**at for at, char in enumerate(text)) % 2**32
    return [float(each) for each in np.random.default_rng(seed).normal(size=4)]


def text_set(
    queries: Mapping[str, tuple[str, ...] | Query],
    documents: Mapping[str, str | Content],
    *,
    candidates: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    name: str = "tiny",
    **about: Any,
) -> RetrievalSet:
    """A set of texts.

    Args:
        queries: id, which is the text too, -> labels; or a whole query.
        documents: id -> text.
        candidates: of all queries, or of each; ``None`` makes a global set.
        about: what else the set says of itself.
    """

    def of(query: str) -> tuple[str, ...] | None:
        if candidates is None:
            return None
        return tuple(candidates[query] if isinstance(candidates, Mapping) else candidates)

    made = [
        labels
        if isinstance(labels, Query)
        else Query(id=key, content=Content(Text(key)), labels=labels, candidates=of(key))
        for key, labels in queries.items()
    ]
    contents = {
        key: each if isinstance(each, Content) else Content(Text(each))
        for key, each in documents.items()
    }
    facts = {"group": "text", "family": "retrieval", "metric": "hit@1", **about}
    return RetrievalSet(
        name=name,
        scope="global" if candidates is None else "local",
        queries=tuple(made),
        documents=contents,
        **facts,
    )


def suite(folder: Path, *sets: RetrievalSet, version: str = "1", name: str = "tiny-suite") -> Suite:
    """A suite on disk."""
    for each in sets:
        write_set(folder / each.name, each, root=folder)
    return Suite(
        name=name,
        version=version,
        versions={each.name: version for each in sets},
        split="test",
        sets=tuple(each.name for each in sets),
        load=lambda one: read_set(folder / one, root=folder),
        filed_under=name,
        folder=folder,
    )
