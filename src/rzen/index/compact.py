"""The compact scan: int8 rows a quarter the size, and still the exact result.

A scan of many rows waits for memory, so fewer bytes are less time. Row x is stored as the integers
c and a scale s with x = s * c + e, and the length of the error e is kept. Likewise for a query
q = t * d + f. Then, by Cauchy and Schwarz,

    |x . q - s * t * (c . d)| = |e . q + (x - e) . f| <= |e| |q| + (|x| + |e|) |f|

which :mod:`rzen.index.narrowing` turns into the rows that can be among the best; these are scored
in float32 and float64 as in an exact scan. The integer products come from NumKong.
"""

import importlib
import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rzen.config import available_cores
from rzen.errors import MissingExtraError
from rzen.index.exact import ExactStore
from rzen.index.narrowing import Floats
from rzen.types import Vectors

_LARGEST = 127
_BLOCK_ROWS = 4096
# From this many queries on, NumKong's packed product beats one pass per query.
_PACKED_QUERIES = 4
# Float32 rounding in the scores themselves, far below the errors of the integers.
_SLACK = 1e-5
# Scores that a thread fills in at a time.
_STRETCH_SCORES = 2**18


class Codes(NamedTuple):
    """Rows as integers.

    Attributes:
        code_ND: int8.
        scale_N: what a row's integers are multiplied by.
        error_N: length of what is lost, rounded up.
    """

    code_ND: NDArray[np.int8]
    scale_N: Floats
    error_N: Floats


def is_available() -> bool:
    """Whether the library with the integer kernels is installed."""
    return importlib.util.find_spec("numkong") is not None


def quantise(vectors_ND: Vectors) -> Codes:
    """Rows as int8 with a scale for each.

    >>> codes = quantise(np.array([[0.6, -0.8]], np.float32))
    >>> codes.code_ND.tolist(), bool(codes.error_N[0] < 0.005)
    ([[95, -127]], True)
    """
    count, dim = vectors_ND.shape
    code_ND = np.empty((count, dim), np.int8)
    scale_N, error_N = np.empty(count, np.float32), np.empty(count, np.float32)
    for start in range(0, count, _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        block = np.asarray(vectors_ND[rows], np.float32)
        scale = np.maximum(np.abs(block).max(axis=1), np.float32(1e-30)) / np.float32(_LARGEST)
        code = np.clip(np.rint(block / scale[:, None]), -_LARGEST, _LARGEST)
        code_ND[rows], scale_N[rows] = code, scale
        error_N[rows] = np.linalg.norm(block - code * scale[:, None], axis=1) * 1.001 + 1e-7
    return Codes(code_ND, scale_N, error_N)


class CompactStore(ExactStore):
    """Exact search that scans int8 rows first. A :class:`rzen.protocols.VectorStore`.

    Args:
        vectors_ND: (N, D) float32 unit rows, of which only the candidates are read.
        codes: ``quantise(vectors_ND)``, if it is there already.
        threads: how many scan; ``None`` means one per core.

    Raises:
        MissingExtraError: if NumKong is not installed.
    """

    def __init__(
        self, vectors_ND: Vectors, codes: Codes | None = None, *, threads: int | None = None
    ) -> None:
        super().__init__(vectors_ND)
        if not is_available():
            raise MissingExtraError("numkong", "fast")
        self._codes = codes or quantise(vectors_ND)
        self._threads = threads or available_cores()

    def _scan(self, query_BD: Vectors, score_PB: Floats) -> tuple[Floats | None, Floats]:
        query, codes = quantise(query_BD), self._codes
        length_B = np.linalg.norm(query_BD, axis=1)
        products = _products(query.code_ND)

        def fill(rows: slice) -> None:
            score_SB = score_PB[rows]
            score_SB[:] = products(codes.code_ND[rows])
            score_SB *= codes.scale_N[rows, None]
            score_SB *= query.scale_N

        stretch = max(_BLOCK_ROWS, _STRETCH_SCORES // len(query_BD))
        stretches = [
            slice(start, min(start + stretch, len(self))) for start in range(0, len(self), stretch)
        ]
        if self._threads > 1 and len(stretches) > 1:
            list(executor().map(fill, stretches))
        else:
            for rows in stretches:
                fill(rows)
        # |e| |q| + (1 + |e|) |f|, with |e| alone left to vary by row.
        bound_P = np.zeros(len(score_PB), np.float32)
        longest = float(length_B.max() + query.error_N.max())
        np.multiply(codes.error_N, np.float32(longest * 1.001), out=bound_P[: len(self)])
        return bound_P, (query.error_N * 1.001 + _SLACK * length_B).astype(np.float32)


def _products(query_BD: NDArray[np.int8]) -> Callable[[NDArray[np.int8]], NDArray[np.int32]]:
    """The function from int8 rows (S, D) to their inner products with the queries, (S, B)."""
    kernels: Any = importlib.import_module("numkong")
    if len(query_BD) < _PACKED_QUERIES:
        return lambda code_SD: np.asarray(kernels.cdist(code_SD, query_BD, "dot"))
    packed = kernels.dots_pack(query_BD)
    return lambda code_SD: np.asarray(kernels.dots_packed(code_SD, packed))


@cache
def executor() -> ThreadPoolExecutor:
    """Threads that all compact stores of the process share."""
    return ThreadPoolExecutor(available_cores(), thread_name_prefix="rzen-scan")
