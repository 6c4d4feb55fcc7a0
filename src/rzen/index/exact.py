"""Exact search: the k rows with the largest inner product, found by looking at every row.

Scores are computed in float32, whose rounding depends on the BLAS, on its threads and on the size
of a batch. So the few rows that can be among the k best are scored once more in float64, always in
the same order of additions: a result depends on nothing but the query and the rows, and equal
scores come by row number.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.index.narrowing import Floats, Numbers, narrow, padded
from rzen.types import Vectors

# Below this share of allowed rows, gathering them is faster than scoring all.
GATHER_SHARE = 0.125
# Bytes of scores held at once.
SCORE_BYTES = 2**28
_GATHERED_ROWS = 4096


class ExactStore:
    """Exact search over float32 rows. A :class:`rzen.protocols.VectorStore`.

    Args:
        vectors_ND: (N, D) float32 rows, all finite; may be memory-mapped. Kept, not copied.
    """

    def __init__(self, vectors_ND: Vectors) -> None:
        assert vectors_ND.dtype == np.float32, vectors_ND.dtype
        self._vectors_ND = np.asarray(vectors_ND)

    def __len__(self) -> int:
        return len(self._vectors_ND)

    @property
    def dim(self) -> int:
        """Dimension D of the rows."""
        return int(self._vectors_ND.shape[1])

    def search(
        self, query_BD: Vectors, k: int, *, allowed_N: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See :meth:`rzen.protocols.VectorStore.search`."""
        query_BD = np.ascontiguousarray(query_BD, np.float32)
        assert query_BD.ndim == 2, query_BD.shape
        assert query_BD.shape[1] == self.dim, (query_BD.shape, self.dim)
        assert np.isfinite(query_BD).all(), "a query is not finite"
        count = len(self) if allowed_N is None else int(np.count_nonzero(allowed_N))
        k = min(max(k, 0), count)
        shape = (len(query_BD), k)
        score_BK, row_BK = np.empty(shape, np.float32), np.empty(shape, np.int64)
        if not score_BK.size:
            return score_BK, row_BK
        for query, row_M in enumerate(self._candidates(query_BD, k, allowed_N, count)):
            score_BK[query], row_BK[query] = self._settle(query_BD[query], row_M, k)
        return score_BK, row_BK

    def _candidates(
        self, query_BD: Vectors, k: int, allowed_N: NDArray[np.bool_] | None, count: int
    ) -> Iterator[Numbers]:
        """For each query the rows that can be among its k best."""
        if allowed_N is not None and count <= GATHER_SHARE * len(self):
            row_M = np.flatnonzero(allowed_N)
            part = ExactStore(self._vectors_ND[row_M])
            yield from (row_M[found] for found in part._candidates(query_BD, k, None, count))
            return
        share = max(1, SCORE_BYTES // (4 * len(self)))
        for first in range(0, len(query_BD), share):
            part_BD = query_BD[first : first + share]
            score_PB = np.empty((padded(len(self)), len(part_BD)), np.float32)
            bound_P, bound_B = self._scan(part_BD, score_PB)
            score_PB[len(self) :] = -np.inf
            if allowed_N is not None:
                score_PB[: len(self)][~allowed_N] = -np.inf

            def floor(query: int, row_K: Numbers, part_BD: Vectors = part_BD) -> float:
                query_D = part_BD[query]
                return float((self._vectors_ND[row_K] @ query_D).min()) - rounding(query_D)

            yield from narrow(score_PB, bound_P, bound_B, k, floor)

    def _scan(self, query_BD: Vectors, score_PB: Floats) -> tuple[Floats | None, Floats]:
        """Fills in the scores and returns their bounds, as :func:`narrow` wants them."""
        np.matmul(self._vectors_ND, query_BD.T, out=score_PB[: len(self)])
        return None, np.array([rounding(query_D) for query_D in query_BD], np.float32)

    def _settle(self, query_D: Floats, row_M: Numbers, k: int) -> tuple[Floats, Numbers]:
        """The k best of the candidates, by their scores in float64."""
        if len(row_M) > 2 * k:
            score_M = self._gathered(query_D, row_M)
            floor = np.partition(score_M, len(score_M) - k)[-k] - 2 * rounding(query_D)
            row_M = row_M[score_M >= floor]
        score_M = self._gathered(query_D.astype(np.float64), row_M).astype(np.float32)
        order = np.lexsort((row_M, -score_M))[:k]
        return score_M[order], row_M[order]

    def _gathered(self, query_D: NDArray[Any], row_M: Numbers) -> NDArray[Any]:
        """Inner products with some rows, in the query's number format."""
        parts = []
        # In pieces: where rows are equal there may be as many candidates as rows.
        for start in range(0, max(len(row_M), 1), _GATHERED_ROWS):
            vectors_MD = self._vectors_ND[row_M[start : start + _GATHERED_ROWS]]
            if query_D.dtype == np.float32:
                parts.append(vectors_MD @ query_D)
            else:
                parts.append((vectors_MD.astype(query_D.dtype) * query_D).sum(axis=1))
        return np.concatenate(parts)


def rounding(query_D: Floats) -> float:
    """By how much a float32 inner product with a unit row may be off, whatever the order.

    n * u / (1 - n * u) times the product of the lengths, u = 2**-24 (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., section 3.1).
    """
    steps = len(query_D) * 2.0**-24
    return 1.01 * steps / (1.0 - steps) * float(np.linalg.norm(query_D))
