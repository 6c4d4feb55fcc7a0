"""The binary store: signs in memory, a thirty-second of the size; float32 rows stay on disk.

For more rows than memory holds as float32 or int8. The catalog's derived matrix is memory-mapped
(and read once, for its checksum, when it is opened), so that a search reads only those of its rows
whose signs are near the query's. It may miss rows, unlike the compact scan, which is as exact as
float32: take it when memory decides.
"""

import numpy as np
from numpy.typing import NDArray

from rzen.index.exact import ExactStore
from rzen.index.quantization import Bits, binarise, search_rescored
from rzen.types import Vectors

OVERSAMPLE = 16
"""The least power of two that found 97 % of the ten best on rzen-bench's validation split."""
# For one hit a few candidates would be too few.
_LEAST_RESCORED = 64


class BinaryStore(ExactStore):
    """Search by sign bits, re-scored in float32. A :class:`rzen.protocols.VectorStore`.

    It may miss rows; K is exact, and so are the scores.

    Args:
        vectors_ND: (N, D) float32 unit rows, of which only the candidates are read.
        code_NW: ``binarise(vectors_ND)``, if it is there already.
        oversample: rows scored again for each one wanted.
    """

    def __init__(
        self, vectors_ND: Vectors, code_NW: Bits | None = None, *, oversample: int = OVERSAMPLE
    ) -> None:
        super().__init__(vectors_ND)
        self._code_NW = binarise(vectors_ND) if code_NW is None else code_NW
        self.oversample = oversample

    def search(
        self, query_BD: Vectors, k: int, *, allowed_N: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See :meth:`rzen.protocols.VectorStore.search`."""
        return search_rescored(
            query_BD,
            self._code_NW,
            k,
            oversample=max(self.oversample, -(-_LEAST_RESCORED // max(k, 1))),
            rescore=self._vectors_ND,
            allowed_N=allowed_N,
        )
