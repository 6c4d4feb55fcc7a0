"""How sure a mean over queries is, and whether two runs differ by more than luck.

Intervals come from the bootstrap over queries, widened for small samples as in T. Hesterberg, "What
Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015, section 4.4 (the
"expanded percentile" interval): the plain percentile interval is too short by the factor
``sqrt((B - 1) / B)`` and takes the normal's quantiles for Student's. The test of two runs flips the
signs of the paired differences (Fisher's randomisation test; for retrieval: Smucker, Allan and
Carterette, CIKM 2007).

Shape suffixes: B queries of a set, R resamples. All of it is deterministic for a seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rzen.errors import DataError, MissingExtraError

RESAMPLES = 2000
FLIPS = 10_000
_EXACT = 13
"""Up to so many differences, all flips are tried: 2**13 of them, fewer than FLIPS."""
_CHUNK = 1_000_000
"""Values drawn at a time: 8 MB."""
_SPARSE = 8
"""So many queries for each distinct value, and counts are drawn instead of queries."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a mean would come to lie with other queries of the same kind."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The first run less the second, over the same queries.

    Attributes:
        difference: of the means.
        low: of the interval of the difference.
        high: of the interval of the difference.
        p_value: how often chance alone makes a difference at least as large, if the runs are alike.
    """

    difference: float
    low: float
    high: float
    p_value: float


def interval(values_B: Values, *, level: float = 0.95, seed: int = 0) -> Interval:
    """The bootstrap interval of a mean over queries.

    Values that are all equal, or a single one, tell nothing of the spread: both ends are that
    value, whatever the truth.

    >>> interval(np.full(20, 0.5))
    Interval(low=0.5, high=0.5)

    Args:
        values_B: a score for each query.
        level: how often such intervals hold the true mean.
        seed: of the resampling.

    Raises:
        MissingExtraError: if scipy is not installed.
    """
    return interval_over_sets([values_B], level=level, seed=seed)


def interval_over_sets(sets: Sequence[Values], *, level: float = 0.95, seed: int = 0) -> Interval:
    """The bootstrap interval of the plain mean over sets of each set's mean.

    Queries are drawn within each set, as many as it has; the sets themselves are taken as given.

    Args:
        sets: (B,) values of each set; B differs.
        level: how often such intervals hold the true mean.
        seed: of the resampling.

    Raises:
        MissingExtraError: if scipy is not installed.
    """
    assert sets, "there is a set"
    assert all(len(values_B) and np.isfinite(values_B).all() for values_B in sets), "finite values"
    random = np.random.default_rng(seed)
    means_R = np.zeros(RESAMPLES)
    for values_B in sets:
        means_R += _resampled_means(values_B, random) / len(sets)
    tail = _expanded_tail(sets, level)
    low, high = np.quantile(means_R, [tail, 1 - tail])
    mean = float(np.mean([values_B.mean() for values_B in sets]))
    # Sums of floats: the mean of equal values may end a hair outside of its own resamples.
    return Interval(low=min(float(low), mean), high=max(float(high), mean))


def compare(first_B: Values, second_B: Values, *, level: float = 0.95, seed: int = 0) -> Comparison:
    """Compares two runs query by query.

    >>> compare(np.array([1.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0]))
    Comparison(difference=0.0, low=0.0, high=0.0, p_value=1.0)

    Args:
        first_B: a score for each query.
        second_B: the other run's scores of the same queries, in the same order.
        level: of the interval.
        seed: of resampling and flips.

    Raises:
        DataError: if one run has other queries than the other.
        MissingExtraError: if scipy is not installed.
    """
    return compare_over_sets([first_B], [second_B], level=level, seed=seed)


def compare_over_sets(
    first: Sequence[Values], second: Sequence[Values], *, level: float = 0.95, seed: int = 0
) -> Comparison:
    """Compares the plain means over sets of two runs, query by query.

    Args:
        first: (B,) scores of each set.
        second: the other run's scores of the same queries of the same sets.
        level: of the interval.
        seed: of resampling and flips.

    Raises:
        DataError: if one run has other sets or queries than the other.
        MissingExtraError: if scipy is not installed.
    """
    sizes, others = [len(each) for each in first], [len(each) for each in second]
    if sizes != others:
        raise DataError(
            f"the first run scored {sizes} queries, the second {others}: "
            "compare runs over the same queries of the same sets"
        )
    differences = [one_B - other_B for one_B, other_B in zip(first, second, strict=True)]
    between = interval_over_sets(differences, level=level, seed=seed)
    # What each query adds to the mean over sets.
    shares_B = np.concatenate([each_B / (len(first) * len(each_B)) for each_B in differences])
    return Comparison(
        difference=float(np.mean([each_B.mean() for each_B in differences])),
        low=between.low,
        high=between.high,
        p_value=_sign_flip_p_value(shares_B[shares_B != 0], seed),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for having looked at all of them (Holm 1979).

    The chance to call even one difference real that is not stays below the level.

    >>> [round(each, 6) for each in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]

    Args:
        p_values: one for each set.

    Returns:
        the corrected ones in the same order, none below what it was.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        largest = max(largest, min(1.0, p_values[at] * (len(p_values) - rank)))
        corrected[at] = largest
    return corrected


def _resampled_means(values_B: Values, random: np.random.Generator) -> Values:
    """Means of B values drawn with replacement, R times."""
    count = len(values_B)
    distinct_V, counts_V = np.unique(values_B, return_counts=True)
    if len(distinct_V) * _SPARSE <= count:
        # Most metrics take few values: how often each is drawn is quicker to draw than which.
        drawn_RV = random.multinomial(count, counts_V / count, RESAMPLES)
        return np.asarray(drawn_RV @ (distinct_V / count), np.float64)
    step = max(1, _CHUNK // count)
    means = [
        values_B[random.integers(0, count, (min(step, RESAMPLES - start), count), np.uint32)].mean(
            1
        )
        for start in range(0, RESAMPLES, step)
    ]
    return np.concatenate(means)


def _expanded_tail(sets: Sequence[Values], level: float) -> float:
    """The share of resamples to leave out at either end.

    With one set this is Hesterberg's; with several, the bias is that of the summed variances and
    the degrees of freedom are Welch's and Satterthwaite's.
    """
    try:
        from scipy.special import ndtr, stdtrit  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("scipy", "eval") from None
    several = [values_B for values_B in sets if len(values_B) > 1]
    variance_S = np.array([values_B.var(ddof=1) / len(values_B) for values_B in several])
    if not variance_S.sum() > 0:
        return (1 - level) / 2
    # Shares: the squares of tiny variances would be zero.
    share_S = variance_S / variance_S.sum()
    free_S = np.array([len(values_B) - 1.0 for values_B in several])
    bias = 1 / (share_S * free_S / (free_S + 1)).sum()
    freedom = 1 / (share_S**2 / free_S).sum()
    return float(ndtr(np.sqrt(bias) * stdtrit(freedom, (1 - level) / 2)))


def _sign_flip_p_value(shares_B: Values, seed: int) -> float:
    """Two-sided; all flips where they are few, else drawn ones beside the one observed."""
    count = len(shares_B)
    observed = abs(shares_B.sum())
    # Sums in another order differ by rounding: what ties with the observed one must count.
    at_least = observed - 1e-9 * np.abs(shares_B).sum()
    if count <= _EXACT:
        flips = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float((np.abs((1.0 - 2.0 * flips) @ shares_B) >= at_least).mean())
    # Differences of one size: only how many of them keep their sign matters.
    sizes_V, counts_V = np.unique(np.abs(shares_B), return_counts=True)
    random = np.random.default_rng(seed)
    sums_R = np.zeros(FLIPS)
    for size, count in zip(sizes_V, counts_V, strict=True):
        sums_R += size * (2.0 * random.binomial(count, 0.5, FLIPS) - count)
    return float((1 + (np.abs(sums_R) >= at_least).sum()) / (1 + FLIPS))
