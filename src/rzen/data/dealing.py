"""Rows dealt into batches like cards: no batch is dealt two rows of one key.

Rows whose positives are equal have equal keys. In a batch where every document counts as a negative
of all other rows, two rows of one key would push a query away from its own answer.

Let g(n) be the sum over all keys of min(rows of the key, n): the most rows that n batches can hold
without a key twice in one of them. As many full batches are dealt as g allows, then shorter ones as
long as they are worth a step. Nothing is searched for: rows lie sorted by key, keys in random
order, and go round the batches one by one; a run of equal keys that is no longer than there are
batches meets none of them twice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORD = 63


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deal:
    """Rows in batches.

    Attributes:
        row_M: the rows that were dealt, batch after batch.
        start_B: where each batch begins in ``row_M``, and behind the last its end: (B + 1,).
        repeats: rows left because every batch holds one of their key already.
        left_over: rows left because they were too few for another batch.
    """

    row_M: NDArray[np.int64]
    start_B: NDArray[np.int64]
    repeats: int
    left_over: int


def shuffled(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """The numbers from 0 to ``count - 1`` in random order.

    Sorting random words with the numbers in their low bits: for millions of them three times faster
    than ``Generator.permutation``, whose every step misses the cache.

    >>> sorted(shuffled(4, np.random.default_rng(0)).tolist())
    [0, 1, 2, 3]
    """
    bits = count.bit_length()
    words = generator.integers(0, 1 << (_WORD - bits), count, dtype=np.int64) << bits
    words |= np.arange(count, dtype=np.int64)
    words.sort()
    words &= (1 << bits) - 1
    return words


def number_keys(key_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Small numbers for keys, from 0 without a gap; equal keys have equal numbers.

    Keys that differ in their upper bits alone may come to share a number (for 8 million rows, about
    14 pairs): such rows only keep out of each other's way.

    >>> number_keys(np.array([7, 9, 7])).tolist()
    [0, 1, 0]
    """
    count = len(key_N)
    bits = count.bit_length()
    words = key_N & ((1 << (_WORD - bits)) - 1)
    words <<= bits
    words |= np.arange(count, dtype=np.int64)
    words.sort()
    is_first = np.ones(count, np.int64)
    is_first[1:] = (words[1:] >> bits) != (words[:-1] >> bits)
    number_N = np.empty(count, np.int64)
    number_N[words & ((1 << bits) - 1)] = np.cumsum(is_first) - 1
    return number_N


def deal(
    key_N: NDArray[np.int64], size: int, generator: np.random.Generator, *, smallest: float
) -> Deal:
    """Deals rows into batches.

    Args:
        key_N: a number for each row's key, from 0, gaps allowed.
        size: rows of a full batch. Where there are fewer keys than that, a batch with one row of
            every key is full.
        generator: decides which rows meet, and which are left.
        smallest: a batch needs this fraction of a full one, and two rows.

    Returns:
        the batches; full ones come first.

    >>> dealt = deal(np.array([0, 0, 1, 2, 3]), 2, np.random.default_rng(0), smallest=0.5)
    >>> len(dealt.start_B) - 1, dealt.repeats, dealt.left_over
    (2, 0, 1)
    """
    count_U = np.bincount(key_N)
    present = np.sort(count_U[count_U > 0])
    size = min(size, len(present))
    if size < 2:
        return Deal(
            row_M=np.zeros(0, np.int64),
            start_B=np.zeros(1, np.int64),
            repeats=0,
            left_over=len(key_N),
        )
    full = _full_batches(present, size)
    beyond = int((present > full).sum())
    extra = _most_rows(present, full) - full * size
    least = max(2, int(np.ceil(smallest * size)))
    # A key with rows beyond the full batches gives one to each short batch; in the first of them
    # there is also room for the rows that were too many for the full ones, if their keys differ.
    short = max(1, int(present[-least]) - full) if extra + beyond >= least else 0
    row_N, turn_N = _sorted_by_key(key_N, count_U, generator)
    left_over = 0 if short else extra
    in_first = _spared(key_N[row_N], turn_N, count_U, full, extra) if short else np.zeros(0, int)
    turn_N[in_first] = full  # goes into the first short batch, as a row beyond the full ones does
    round_SF = row_N[turn_N < full][: full * size].reshape(size, full)
    is_behind = (turn_N >= full) & (turn_N < full + short)
    behind = row_N[is_behind][np.argsort(turn_N[is_behind], kind="stable")]
    sizes = np.bincount(turn_N[is_behind] - full, minlength=short)
    return Deal(
        row_M=np.concatenate([round_SF.T.ravel(), behind]),
        start_B=np.concatenate([np.arange(full) * size, full * size + np.cumsum([0, *sizes])]),
        repeats=len(key_N) - round_SF.size - len(behind) - left_over,
        left_over=left_over,
    )


def _most_rows(present: NDArray[np.int64], batches: int) -> int:
    """The g of this module: ``present`` holds the rows of each key, ascending."""
    whole = int(np.searchsorted(present, batches, "right"))
    return int(present[:whole].sum()) + batches * (len(present) - whole)


def _full_batches(present: NDArray[np.int64], size: int) -> int:
    """The largest n for which ``g(n) >= n * size``; g is concave, so that all smaller n do too."""
    low, high = 1, int(present.sum()) // size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if _most_rows(present, middle) >= middle * size else (low, middle - 1)
        )
    return low


def _sorted_by_key(
    key_N: NDArray[np.int64], count_U: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows, equal keys side by side, else in random order; and which of its key each is, from 0.

    Rows whose key no other has come last: most rows of most data, and they need no sorting.
    """
    is_alone = count_U[key_N] == 1
    alone = np.flatnonzero(is_alone)
    alone = alone[shuffled(len(alone), generator)]
    shared = np.flatnonzero(~is_alone)
    shared = shared[shuffled(len(shared), generator)]
    key_order_U = np.flatnonzero(count_U > 1)
    key_order_U = key_order_U[shuffled(len(key_order_U), generator)]
    place_U = np.zeros(len(count_U), np.int64)
    place_U[key_order_U] = np.arange(len(key_order_U))
    bits = len(key_N).bit_length()
    words = (place_U[key_N[shared]] << bits) | np.arange(len(shared))
    words.sort()
    runs = count_U[key_order_U]
    turns = np.arange(len(shared)) - np.repeat(np.cumsum(runs) - runs, runs)
    row_N = np.concatenate([shared[words & ((1 << bits) - 1)], alone])
    return row_N, np.concatenate([turns, np.zeros(len(alone), np.int64)])


def _spared(
    key_sorted_N: NDArray[np.int64],
    turn_N: NDArray[np.int64],
    count_U: NDArray[np.int64],
    full: int,
    extra: int,
) -> NDArray[np.int64]:
    """Where one row each of ``extra`` keys lies that have none beyond the full batches."""
    last_N = turn_N == count_U[key_sorted_N] - 1
    return np.flatnonzero(last_N & (turn_N < full))[:extra]
