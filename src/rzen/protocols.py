"""The seams: what encoders, vector stores, generators, rerankers, explainers and namers offer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rzen.types import (
    Calibration,
    Content,
    Encoded,
    Evidence,
    Explanation,
    Fingerprint,
    Hit,
    MediaBudget,
    Modality,
    Role,
    Turn,
    Vectors,
)


@runtime_checkable
class Encoder(Protocol):
    """Contents to unit vectors in one space."""

    @property
    def dim(self) -> int:
        """Dimension D of the vectors."""

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it can encode."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What makes its vectors comparable to others."""

    @property
    def budget(self) -> MediaBudget:
        """How much of a medium it wants to see."""

    @property
    def calibration(self) -> Mapping[Modality, Calibration]:
        """Per modality of the document, for text queries; empty where nothing was fitted."""

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        """Encodes N contents to (N, D) unit rows, in their order.

        A content that cannot be opened fails alone, by row, in the result. A vector does not
        depend on its neighbours.

        Args:
            contents: what to encode.
            role: whether they are queries or documents.
            instruction: the task, for encoders that follow instructions; ``None`` takes the
                default of the role.
            dim: keep only the first so many dimensions and normalise again.

        Raises:
            EncoderError: if ``dim`` is larger than the encoder's.
        """


@runtime_checkable
class VectorStore(Protocol):
    """Finds the rows of an (N, D) matrix with the largest inner product."""

    def __len__(self) -> int: ...

    def search(
        self, query_BD: Vectors, k: int, *, allowed_N: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k best rows for each of B queries, best first.

        Args:
            query_BD: (B, D) unit rows.
            k: how many; fewer come back when fewer are allowed.
            allowed_N: (N,) which rows may be found; ``None`` means all.

        Returns:
            scores (B, K) and row numbers (B, K), K = min(k, rows allowed).
        """


@runtime_checkable
class Generator(Protocol):
    """Writes an answer from numbered evidence."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def wants(self) -> frozenset[Literal["frames", "vectors"]]:
        """What of the evidence it can use beside its texts."""

    def count(self, text: str) -> int:
        """Tokens of a text, as the budget of evidence counts them."""

    def generate(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> Iterator[str]:
        """Yields the answer's text in pieces; its sentences carry ``[n]``.

        Args:
            question: as asked.
            evidence: what it may go by.
            history: what was asked and answered before, oldest first.

        Raises:
            RzenError: if the model cannot be reached or refuses.
        """


@runtime_checkable
class Reranker(Protocol):
    """Scores hits against the query's text again, more carefully than the index could."""

    @property
    def name(self) -> str:
        """What users call it."""

    def scores(self, query: str, hits: Sequence[Hit]) -> Sequence[float]:
        """One score per hit, larger is better, in their order."""


@runtime_checkable
class Explainer(Protocol):
    """Says where in a picture its likeness to a query comes from; some encoders do so too."""

    def explain(
        self,
        query: Content | NDArray[np.float32],
        content: Content,
        *,
        instruction: str | None = None,
    ) -> Explanation:
        """Maps of the content's pictures, pages and frames.

        Args:
            query: a content, encoded in the role of a query, or a vector of this encoder's; one of
                fewer dimensions is compared with as many.
            content: as it would be encoded in the role of a document.
            instruction: of a query that is encoded here; ``None`` takes the role's default.

        Raises:
            EncoderError: if nothing in the content can be seen, the query cannot be encoded, or its
                vector is of another encoder.
            MediaError: if the content cannot be opened.
        """
