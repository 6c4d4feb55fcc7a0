"""Approximate search for very large indexes: an inverted file of int8 rows (FAISS).

The rows are divided among cells by k-means; a query looks into the cells nearest to it. How many
is found out when the index is made: so many that the ten best rows of stored rows, taken as
queries, are found again. Whatever it finds is then scored exactly, like everything else.
"""

import importlib
import importlib.util
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rzen.config import available_cores
from rzen.errors import MissingExtraError
from rzen.index.exact import ExactStore
from rzen.index.narrowing import Numbers
from rzen.types import Vectors

# What must be found of the ten best, at least; below it the caller searches exactly.
RECALL = 0.95
# Tuned to more than is promised: the sample is a sample.
_AIM = 0.98
_AIM_K = 10
_SAMPLE_QUERIES = 200
# FAISS wants 39 training rows per cell at least.
_TRAINING_ROWS_PER_CELL = 40
# Of k-means; FAISS's own default of 25 takes longer and finds no more.
_ROUNDS = 10
# Rows scored exactly for each row wanted.
_REFINE = 4
_LEAST_REFINED = 64
# Below this share of allowed rows an exact scan of them is faster, and finds them all.
_EXACT_SHARE = 0.1
# With more of its cells to look into, the compact scan of all rows is about as fast, and exact; of
# so few rows a share of the cells says nothing.
_LARGEST_SHARE = 0.15
_SMALL = 10_000
# Rows that came or went, for each that is there, before it is made again.
_OUTDATED_SHARE = 0.1
_SEED = 20261123


class AnnStore(ExactStore):
    """Approximate search. A :class:`rzen.protocols.VectorStore` that may miss rows.

    Args:
        vectors_ND: (N, D) float32 unit rows, at least one.

    Attributes:
        recall: share of the ten best that it found for stored rows, measured when it was made.
        probes: cells looked into.

    Raises:
        MissingExtraError: if FAISS is not installed.
    """

    def __init__(self, vectors_ND: Vectors) -> None:
        super().__init__(vectors_ND)
        assert len(vectors_ND), "cells need rows"
        self._index = _built(self._vectors_ND)
        self._set_rows(np.arange(len(self)))
        self.probes, self.recall = self._tuned()

    @classmethod
    def loaded(
        cls,
        vectors_ND: Vectors,
        serialised: NDArray[np.uint8],
        about: Mapping[str, Any],
        row_A: Numbers,
    ) -> Self:
        """The store whose :meth:`serialised` and :attr:`about` were kept.

        Rows may have come and gone meanwhile: new ones are scanned exactly.

        Args:
            vectors_ND: the rows as they are now.
            serialised: see there.
            about: see there.
            row_A: for each row of then its number now, -1 for those that are gone.
        """
        store = cls.__new__(cls)
        ExactStore.__init__(store, vectors_ND)
        store._index = _faiss().deserialize_index(np.asarray(serialised))
        store.probes, store.recall = int(about["probes"]), float(about["recall"])
        store._set_rows(row_A)
        return store

    def _set_rows(self, row_A: Numbers) -> None:
        self._row_A = row_A
        is_new_N = np.ones(len(self), np.bool_)
        is_new_N[row_A[row_A >= 0]] = False
        self._new_M = np.flatnonzero(is_new_N)

    @property
    def about(self) -> dict[str, Any]:
        """What is kept beside the index itself."""
        return {"probes": self.probes, "recall": self.recall}

    @property
    def is_worthwhile(self) -> bool:
        """Whether it finds enough, and looks at so few cells that it is faster than a scan."""
        share = self.probes / self._index.nlist
        return self.recall >= RECALL and (share <= _LARGEST_SHARE or len(self) <= _SMALL)

    @property
    def is_outdated(self) -> bool:
        """Whether so many rows have come or gone that it should be made again."""
        changed = len(self._new_M) + int(np.count_nonzero(self._row_A < 0))
        return changed > _OUTDATED_SHARE * len(self)

    def serialised(self) -> NDArray[np.uint8]:
        """The index as bytes."""
        return np.asarray(_faiss().serialize_index(self._index), np.uint8)

    def search(
        self, query_BD: Vectors, k: int, *, allowed_N: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See :meth:`rzen.protocols.VectorStore.search`; K is exact, the rows may not be.

        Where few rows are allowed, or so many are wanted that the cells do not hold them, the
        search is exact.
        """
        query_BD = np.ascontiguousarray(query_BD, np.float32)
        count = len(self) if allowed_N is None else int(np.count_nonzero(allowed_N))
        k = min(max(k, 0), count)
        if k and len(query_BD) and count > _EXACT_SHARE * len(self):
            found = self._found(query_BD, k, allowed_N)
            if min(map(len, found)) >= k:
                pairs = [
                    self._settle(query_D, row_M, k)
                    for query_D, row_M in zip(query_BD, found, strict=True)
                ]
                score_BK, row_BK = (np.stack(part) for part in zip(*pairs, strict=True))
                return score_BK, row_BK
        return super().search(query_BD, k, allowed_N=allowed_N)

    def _found(
        self, query_BD: Vectors, k: int, allowed_N: NDArray[np.bool_] | None
    ) -> list[Numbers]:
        """Rows likely to be near each query, and all that the index does not know."""
        faiss = _faiss()
        options: dict[str, Any] = {"nprobe": self.probes}
        is_allowed_A = self._row_A >= 0
        if allowed_N is not None:
            is_allowed_A &= allowed_N[self._row_A]
        if not is_allowed_A.all():
            options["sel"] = faiss.IDSelectorBitmap(np.packbits(is_allowed_A, bitorder="little"))
        _, found_BM = self._index.search(
            query_BD,
            min(max(_REFINE * k, _LEAST_REFINED), len(self._row_A)),
            params=faiss.SearchParametersIVF(**options),
        )
        new_M = self._new_M if allowed_N is None else self._new_M[allowed_N[self._new_M]]
        # FAISS fills up with -1.
        return [
            np.concatenate([np.sort(self._row_A[found_M[found_M >= 0]]), new_M])
            for found_M in found_BM
        ]

    def _tuned(self) -> tuple[int, float]:
        """The least cells to look into (a power of two) that find enough, and how much."""
        random = np.random.default_rng(_SEED)
        row_B = np.sort(random.choice(len(self), min(_SAMPLE_QUERIES, len(self)), replace=False))
        query_BD = np.ascontiguousarray(self._vectors_ND[row_B])
        k = min(_AIM_K, len(self))
        truth_BK = ExactStore(self._vectors_ND).search(query_BD, k)[1]
        self.probes, recall = 1, 0.0
        while True:
            row_BK = self.search(query_BD, k)[1]
            hits = sum(
                len(np.intersect1d(found, truth))
                for found, truth in zip(row_BK, truth_BK, strict=True)
            )
            recall = hits / truth_BK.size
            if recall >= _AIM or self.probes >= self._index.nlist:
                return self.probes, recall
            self.probes *= 2


def _built(vectors_ND: Vectors) -> Any:
    faiss = _faiss()
    count, dim = vectors_ND.shape
    cells = cell_count(count)
    quantiser = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        quantiser, dim, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed = _SEED % 2**31
    index.cp.min_points_per_centroid = 1
    index.cp.niter = _ROUNDS
    random = np.random.default_rng(_SEED)
    size = min(count, cells * _TRAINING_ROWS_PER_CELL)
    sample = np.sort(random.choice(count, size, replace=False))
    index.train(np.ascontiguousarray(vectors_ND[sample]))
    index.add(np.ascontiguousarray(vectors_ND))
    return index


def cell_count(count: int) -> int:
    """How many cells for so many rows: about 4 sqrt(N), as FAISS's guidelines have it.

    >>> cell_count(1_000_000), cell_count(10)
    (4000, 3)
    """
    return max(1, min(4 * math.isqrt(count), count // 3))


def _faiss() -> Any:
    if importlib.util.find_spec("faiss") is None:
        raise MissingExtraError("faiss", "ann")
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(available_cores())
    return faiss
