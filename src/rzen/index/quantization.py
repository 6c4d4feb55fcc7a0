"""Compact codes of unit vectors, and search by them with re-scoring.

| code | bytes a vector | what it keeps |
|---|---|---|
| float32 | 4 D | all |
| int8 | D + 4 | integers and a scale for each row (:func:`rzen.index.compact.quantise`) |
| binary | 8 ceil(D / 64) | the signs, a bit each, padded to whole words of 64 |

Dimensions can be left out before: a vector cut to its first D dimensions and scaled to unit length
again is a shorter vector of the same space if the encoder was trained for it (Kusupati et al.,
"Matryoshka Representation Learning", arXiv 2205.13147), and a worse one if it was not.

The signs alone order rows too coarsely to be shown. So the nearest by Hamming distance, a few
times as many as are wanted, are scored again with the float32 query, against float32 rows or
against int8 rows; the latter do away with float32 altogether. (Yamada et al., "Efficient Passage
Retrieval with Hashing", arXiv 2106.00882, rank so in two steps; Shakir, Aarsen and Lee, "Binary
and Scalar Embedding Quantization", huggingface.co/blog/embedding-quantization, take four times.)

The scale of int8 is a row's own, where Sentence Transformers takes the range of each dimension over
a sample: a row's code then depends on no other row, nothing is ever cut off, the error has a bound
(half a scale in each dimension), and adding files never makes old codes wrong. It costs four bytes.
"""

import importlib
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.index.compact import Codes, executor, is_available
from rzen.index.exact import GATHER_SHARE, SCORE_BYTES, ExactStore
from rzen.index.narrowing import Floats, Numbers
from rzen.types import Vectors

Bits: TypeAlias = NDArray[np.uint8]
"""Signs, eight to a byte: (N, W), W = 8 ceil(D / 64)."""
Distances: TypeAlias = NDArray[np.uint16]

_WORD = 8
_BLOCK_ROWS = 8192
# Rows whose distances a thread counts at a time.
_STRETCH_ROWS = 2**16
# From this many queries on, NumKong's packed product beats one pass per query.
_PACKED_QUERIES = 4
_FORBIDDEN = np.iinfo(np.uint16).max


def code_bytes(code: Literal["float32", "int8", "binary"], dim: int) -> int:
    """Bytes that a vector of ``dim`` dimensions takes.

    >>> [code_bytes(code, 384) for code in ("float32", "int8", "binary")]
    [1536, 388, 48]
    """
    return {"float32": 4 * dim, "int8": dim + 4, "binary": _WORD * -(-dim // (8 * _WORD))}[code]


def binarise(vectors_ND: Vectors) -> Bits:
    """The signs of rows: a bit is set where a value is above zero.

    >>> binarise(np.array([[0.6, -0.8, 0.0]], np.float32)).tolist()
    [[128, 0, 0, 0, 0, 0, 0, 0]]
    """
    count, dim = vectors_ND.shape
    assert dim < _FORBIDDEN, dim
    code_NW = np.zeros((count, code_bytes("binary", dim)), np.uint8)
    for start in range(0, count, _BLOCK_ROWS):
        packed = np.packbits(vectors_ND[start : start + _BLOCK_ROWS] > 0, axis=1)
        code_NW[start : start + _BLOCK_ROWS, : packed.shape[1]] = packed
    return code_NW


def restored(codes: Codes, row_M: Numbers) -> Vectors:
    """Rows of int8 as float32 (M, D), each value off by half the row's scale at most."""
    return np.asarray(codes.code_ND[row_M] * codes.scale_N[row_M, None], np.float32)


def hamming(query_BW: Bits, code_NW: Bits) -> Distances:
    """In how many bits each row differs from each query, (B, N).

    >>> rows = binarise(np.array([[0.6, -0.8, 0.1], [-0.6, 0.8, 0.1]], np.float32))
    >>> hamming(rows[:1], rows).tolist()
    [[0, 2]]
    """
    distance_BN = np.empty((len(query_BW), len(code_NW)), np.uint16)
    if not distance_BN.size:
        return distance_BN
    counts = _counting(query_BW)

    def fill(rows: slice) -> None:
        distance_BN[:, rows] = counts(code_NW[rows])

    stretches = [
        slice(start, min(start + _STRETCH_ROWS, len(code_NW)))
        for start in range(0, len(code_NW), _STRETCH_ROWS)
    ]
    if len(stretches) > 1:
        list(executor().map(fill, stretches))
    else:
        fill(stretches[0])
    return distance_BN


def search_rescored(
    query_BD: Vectors,
    code_NW: Bits,
    k: int,
    *,
    oversample: int,
    rescore: Vectors | Codes,
    allowed_N: NDArray[np.bool_] | None = None,
) -> tuple[Floats, Numbers]:
    """The k best of each query among the rows whose signs are nearest to it.

    Looked at are ``oversample * k`` rows by Hamming distance, and all that are as near as the last
    of these, so that the order of rows decides nothing; the final scores are inner products in
    float64, and equal ones come by row number. Looking at every row gives the exact result (for
    float32 rows).

    Args:
        query_BD: (B, D) float32.
        code_NW: ``binarise`` of the rows.
        k: how many; fewer come back when fewer are allowed.
        oversample: rows scored again for each one wanted, at least 1.
        rescore: float32 rows (N, D), or their int8 codes.
        allowed_N: (N,) which rows may be found; ``None`` means all.

    Returns:
        scores (B, K) and row numbers (B, K), K = min(k, rows allowed).
    """
    assert oversample >= 1, oversample
    query_BD = np.ascontiguousarray(query_BD, np.float32)
    count = len(code_NW) if allowed_N is None else int(np.count_nonzero(allowed_N))
    k = min(max(k, 0), count)
    score_BK = np.empty((len(query_BD), k), np.float32)
    row_BK = np.empty((len(query_BD), k), np.int64)
    if not score_BK.size:
        return score_BK, row_BK
    wanted = min(oversample * k, count)
    settle = _settling(rescore) if isinstance(rescore, Codes) else ExactStore(rescore)._settle
    step = max(1, SCORE_BYTES // (2 * len(code_NW)))
    for start in range(0, len(query_BD), step):
        some_BW = binarise(query_BD[start : start + step])
        for query, row_M in enumerate(_nearest(some_BW, code_NW, wanted, allowed_N), start):
            score_BK[query], row_BK[query] = settle(query_BD[query], row_M, k)
    return score_BK, row_BK


def _nearest(
    query_BW: Bits, code_NW: Bits, wanted: int, allowed_N: NDArray[np.bool_] | None
) -> list[Numbers]:
    """For each query the rows at most as far as the one in place ``wanted``, ascending."""
    row_M = None
    if allowed_N is not None and np.count_nonzero(allowed_N) <= GATHER_SHARE * len(code_NW):
        row_M = np.flatnonzero(allowed_N)
        code_NW, allowed_N = code_NW[row_M], None
    distance_BN = hamming(query_BW, code_NW)
    if allowed_N is not None:
        distance_BN[:, ~allowed_N] = _FORBIDDEN
    farthest_B = np.partition(distance_BN, wanted - 1, axis=1)[:, wanted - 1]
    found = [
        np.flatnonzero(distance_N <= farthest)
        for distance_N, farthest in zip(distance_BN, farthest_B, strict=True)
    ]
    return found if row_M is None else [row_M[places] for places in found]


def _settling(codes: Codes) -> Callable[[Floats, Numbers, int], tuple[Floats, Numbers]]:
    """What :class:`ExactStore` does with its candidates, for int8 rows.

    In float64 at once: they are not of unit length, which bounds on float32 ask for.
    """

    def settle(query_D: Floats, row_M: Numbers, k: int) -> tuple[Floats, Numbers]:
        wide_D = query_D.astype(np.float64)
        # In pieces: where rows are equal there may be as many candidates as rows.
        pieces = np.split(row_M, range(_BLOCK_ROWS, len(row_M), _BLOCK_ROWS))
        score_M = np.concatenate([(restored(codes, each) * wide_D).sum(axis=1) for each in pieces])
        score_M = score_M.astype(np.float32)
        order = np.lexsort((row_M, -score_M))[:k]
        return score_M[order], row_M[order]

    return settle


def _counting(query_BW: Bits) -> Callable[[Bits], NDArray[Any]]:
    """The function from rows (S, W) to their distances from the queries, (B, S)."""
    query_BW = np.ascontiguousarray(query_BW)
    if not is_available():
        return lambda code_SW: _counted_plainly(query_BW, code_SW)
    kernels: Any = importlib.import_module("numkong")
    # By default both functions would compare whole bytes.
    if len(query_BW) < _PACKED_QUERIES:
        return lambda code_SW: np.asarray(
            kernels.cdist(query_BW, code_SW, "hamming", dtype="uint1")
        )
    packed = kernels.hammings_pack(query_BW, dtype="uint1")
    return lambda code_SW: np.asarray(kernels.hammings_packed(code_SW, packed)).T


def _counted_plainly(query_BW: Bits, code_SW: Bits) -> Distances:
    """The same with numpy alone, word by word."""
    word_BV, word_SV = query_BW.view(np.uint64), np.ascontiguousarray(code_SW).view(np.uint64)
    distance_BS = np.zeros((len(word_BV), len(word_SV)), np.uint16)
    for word_V, distance_S in zip(word_BV, distance_BS, strict=True):
        for place, word in enumerate(word_V):
            distance_S += np.bitwise_count(word_SV[:, place] ^ word)
    return distance_BS
