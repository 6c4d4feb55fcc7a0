"""The rows of one call to ``encode``: vectors, failures and warnings, put together in order."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rzen.errors import EncoderError
from rzen.types import Encoded, Named, Vectors


def check_dim(dim: int | None, full: int) -> int:
    """How many dimensions to keep of ``full``.

    >>> check_dim(None, 64), check_dim(16, 64)
    (64, 16)

    Raises:
        EncoderError: if ``dim`` is not between 1 and ``full``.
    """
    if dim is None:
        return full
    if not 1 <= dim <= full:
        raise EncoderError(
            f"vectors of {dim} dimensions were asked for, but this encoder makes {full}: "
            f"ask for 1 to {full}"
        )
    return dim


def unit(vectors: ArrayLike) -> Vectors:
    """Float32 vectors scaled to unit length along the last axis; zero vectors stay zero.

    >>> unit([[3.0, 4.0], [0.0, 0.0]]).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    wide = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(wide, axis=-1, keepdims=True)
    return (wide / np.where(norms > 0, norms, 1.0)).astype(np.float32)


class Rows:
    """Collects what becomes of N contents; each row is put or failed exactly once.

    Args:
        count: N.
        full: dimension of the encoder's vectors.
        dim: how many of them to keep (:func:`check_dim`).

    Attributes:
        failed: row -> why.
        tokens: read for all rows; ``None`` until the encoder counts them.
        seen: row -> what it seems to show.
    """

    def __init__(self, count: int, full: int, dim: int | None) -> None:
        self.failed: dict[int, str] = {}
        self.tokens: int | None = None
        self.seen: dict[int, Sequence[Named]] = {}
        self._warnings: dict[int, list[str]] = {}
        self._vectors_ND = np.zeros((count, check_dim(dim, full)), np.float32)
        self._open = set(range(count))

    def put(self, row: int, vector_D: NDArray[np.float32]) -> None:
        """Stores a vector of full dimension: cut, then scaled to unit length."""
        cut = vector_D[: self._vectors_ND.shape[1]]
        if not np.isfinite(cut).all() or not cut.any():
            self.fail(row, "the encoder gave no usable vector for it (zero or not finite)")
            return
        self._vectors_ND[row] = unit(cut)
        self._open.remove(row)

    def fail(self, row: int, reason: object) -> None:
        """Marks a row as failed; it stays zero."""
        self.failed[row] = str(reason)
        self._open.remove(row)

    def warn(self, row: int, text: str) -> None:
        """Tells the caller something about a row, once."""
        told = self._warnings.setdefault(row, [])
        if text not in told:
            told.append(text)

    def encoded(self) -> Encoded:
        """The whole."""
        assert not self._open, f"rows neither encoded nor failed: {sorted(self._open)[:5]}"
        return Encoded(
            vectors=self._vectors_ND,
            failed=self.failed,
            warnings=self._warnings,
            tokens=self.tokens,
            seen=self.seen,
        )
