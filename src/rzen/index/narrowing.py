"""From approximate scores with proven error bounds to the few rows that can be among the k best.

The least true score of any k rows is a floor under the k-th best true score; a row whose
approximate score plus its bound is below that floor cannot be among the k best. So a scan may use
any cheap score: with a looser bound more rows are left over, but never a wrong one lost.

Rows are taken in groups: one maximum per group stands for its rows, so that the likeliest k rows
are cheap to find and whole groups go at once. Shape suffixes here: P rows padded to whole groups,
G groups, S rows of a group, M candidates.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.int64]

LARGEST_GROUP = 64
# Groups for each of the k rows wanted: with too few, two of the best often share one.
_GROUPS_PER_HIT = 8


def padded(count: int) -> int:
    """How many rows of scores :func:`narrow` wants for so many rows."""
    return count + -count % LARGEST_GROUP


def group_size(count: int, k: int) -> int:
    """Rows per group, a power of two.

    >>> group_size(100_000, 10), group_size(10_000, 200), group_size(5, 10)
    (64, 4, 1)
    """
    largest = max(1, count // (_GROUPS_PER_HIT * k))
    return min(LARGEST_GROUP, 1 << (largest.bit_length() - 1))


def narrow(
    score_PB: Floats,
    bound_P: Floats | None,
    bound_B: Floats,
    k: int,
    floor: Callable[[int, Numbers], float],
) -> list[Numbers]:
    """The rows that can be among the k best of each query, ascending.

    Args:
        score_PB: approximate scores; -inf for rows that may not be found, and for those behind the
            last. C-contiguous.
        bound_P: with ``bound_B`` the error of a score: row p and query b are off by no more than
            bound_P[p] + bound_B[b]; ``None`` means zero.
        bound_B: see there.
        k: how many rows are wanted, at least 1 and at most as many as may be found.
        floor: given a query's number and k rows, something that is at most the least true score of
            these.
    """
    rows, queries = score_PB.shape
    group = group_size(rows, k)
    score_GSB = score_PB.reshape(-1, group, queries)
    best_BG = np.ascontiguousarray(score_GSB.max(axis=1).T)
    upper_BG = best_BG + bound_B[:, None]
    if bound_P is not None:
        upper_BG += bound_P.reshape(-1, group).max(axis=1)
    likely_BK = np.argpartition(best_BG, best_BG.shape[1] - k, axis=1)[:, -k:]
    found: list[Numbers] = []
    for query in range(queries):
        score_GS, group_K = score_GSB[:, :, query], likely_BK[query]
        least = float(np.finfo(np.float32).min)
        if best_BG[query, group_K].min() > -np.inf:
            row_K = group_K * group + score_GS[group_K].argmax(axis=1)
            least = floor(query, row_K)
        group_M = np.flatnonzero(upper_BG[query] >= least)
        slack_M = upper_BG[query, group_M] - best_BG[query, group_M]
        place_M, offset_M = np.nonzero(score_GS[group_M] >= (least - slack_M)[:, None])
        found.append(group_M[place_M] * group + offset_M)
    return found
