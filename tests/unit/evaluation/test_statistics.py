import itertools
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rzen.errors import DataError, MissingExtraError
from rzen.evaluation.statistics import (
    FLIPS,
    Comparison,
    Interval,
    compare,
    compare_over_sets,
    interval,
    interval_over_sets,
)

Values = NDArray[np.float64]


def hits(random: np.random.Generator, count: int) -> Values:
    return (random.random(count) < 0.4).astype(np.float64)


def uniform(random: np.random.Generator, count: int) -> Values:
    return random.random(count)


def reciprocal_ranks(random: np.random.Generator, count: int) -> Values:
    ranks = random.integers(1, 11, count).astype(np.float64)
    return np.reciprocal(ranks)


@pytest.mark.parametrize(
    ("draw", "mean"),
    [(hits, 0.4), (uniform, 0.5), (reciprocal_ranks, np.mean(1 / np.arange(1, 11)))],
)
def test_intervals_cover_the_truth(
    draw: Callable[[np.random.Generator, int], Values], mean: float
) -> None:
    """300 runs of 30 queries: 95% intervals that hold the true mean 90 to 99 times in 100."""
    random = np.random.default_rng(1)
    found = [interval(draw(random, 30), seed=run) for run in range(300)]
    assert 0.90 <= np.mean([each.low <= mean <= each.high for each in found]) <= 0.99


def test_few_queries_get_intervals_that_are_wide_enough() -> None:
    """The plain percentile interval covers 0.90 here: it is too short for eight queries."""
    random = np.random.default_rng(2)
    found = [interval(random.normal(size=8), seed=run) for run in range(600)]
    assert 0.91 <= np.mean([each.low <= 0 <= each.high for each in found]) <= 0.98


def test_intervals_over_sets_cover_the_truth() -> None:
    """Sets of unlike size and spread, each with the same weight."""
    random = np.random.default_rng(3)
    truth = np.mean([0.4, 0.5, 0.2])
    covered = []
    for run in range(300):
        sets = [hits(random, 12), uniform(random, 60), 0.2 * np.ones(5)]
        found = interval_over_sets(sets, seed=run)
        covered.append(found.low <= truth <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_sets_weigh_alike() -> None:
    """Guards against a pooled mean, in which large sets drown small ones."""
    small, large = np.repeat([0.0, 1.0], 10), np.zeros(1000) + 0.25
    found = interval_over_sets([small, large])
    assert found.low < (0.5 + 0.25) / 2 < found.high
    alone = interval(small)
    assert found.high - found.low == pytest.approx((alone.high - alone.low) / 2, rel=0.15)


def test_a_known_interval() -> None:
    """100 queries, half of them hits: 0.5 +- 1.98 x 0.0503, within the step of 0.01."""
    found = interval(np.repeat([0.0, 1.0], 50))
    assert found.low == pytest.approx(0.40, abs=0.015)
    assert found.high == pytest.approx(0.60, abs=0.015)
    narrower = interval(np.repeat([0.0, 1.0], 50), level=0.68)
    assert narrower.high - narrower.low == pytest.approx(0.10, abs=0.02)


def test_both_ways_of_drawing_agree() -> None:
    """Few distinct values are drawn as counts, many one by one: the same distribution."""
    random = np.random.default_rng(5)
    few = reciprocal_ranks(random, 400)
    counted, drawn = interval(few), interval(few + random.normal(0, 1e-9, 400))
    assert counted.low == pytest.approx(drawn.low, abs=0.006)
    assert counted.high == pytest.approx(drawn.high, abs=0.006)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, -0.3])
@pytest.mark.parametrize("count", [1, 2, 7, 500])
def test_equal_values_and_a_single_one(value: float, count: int) -> None:
    """Guards against NaN and warnings where nothing varies."""
    found = interval(np.full(count, value))
    assert (found.low, found.high) == pytest.approx((value, value), abs=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
@example([0.0, 4.6e-91])  # the square of its variance is zero
def test_an_interval_holds_the_mean_and_stays_within_the_values(values: list[float]) -> None:
    """Guards against ends beyond what a score can be."""
    values_B = np.array(values)
    found = interval(values_B)
    assert found.low <= values_B.mean() <= found.high
    assert values_B.min() - 1e-12 <= found.low
    assert found.high <= values_B.max() + 1e-12


def test_a_seed_fixes_the_result() -> None:
    """Guards against reports that differ from run to run, and against a seed without effect."""
    random = np.random.default_rng(6)
    first, second = uniform(random, 60), uniform(random, 60)
    assert interval(first, seed=3) == interval(first, seed=3) != interval(first, seed=4)
    assert compare(first, second, seed=3) == compare(first, second, seed=3)
    assert compare(first, second, seed=3).p_value != compare(first, second, seed=4).p_value


def test_a_thousand_queries_are_quick() -> None:
    """A report holds hundreds of intervals: 25 ms each when nothing else runs."""
    values_B = uniform(np.random.default_rng(7), 1000)
    interval(values_B)
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        interval(values_B)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05


def test_equal_runs_do_not_differ() -> None:
    """Guards against a p-value of 0 or NaN from 0 / 0."""
    values_B = uniform(np.random.default_rng(8), 50)
    assert compare(values_B, values_B) == Comparison(difference=0.0, low=0.0, high=0.0, p_value=1.0)


def test_a_real_difference_is_found() -> None:
    """200 queries, of which the first run finds 30 more: the interval leaves 0 out."""
    second = np.repeat([1.0, 0.0], 100)
    first = second.copy()
    first[100:130] = 1.0
    found = compare(first, second)
    assert found.difference == pytest.approx(0.15)
    assert 0.09 < found.low < 0.15 < found.high < 0.21
    assert found.p_value == 1 / (1 + FLIPS)
    turned = compare(second, first)
    assert turned.difference == -found.difference
    assert turned.p_value == found.p_value


def test_runs_that_are_alike_rarely_differ() -> None:
    """p below 0.05 in about 5 of 100 comparisons of runs from one distribution."""
    random = np.random.default_rng(9)
    below = [
        compare(hits(random, 40), hits(random, 40), seed=run).p_value < 0.05 for run in range(400)
    ]
    assert 0.005 <= np.mean(below) <= 0.08


def test_p_values_by_hand() -> None:
    """Few differences: all flips are tried, and ties with the observed sum count."""
    zero = np.zeros(5)
    assert compare(np.full(5, 0.1), zero).p_value == 2 / 32
    assert compare(np.array([1.0, 1.0, 1.0, -1.0]), np.zeros(4)).p_value == 10 / 16
    assert compare(np.array([0.3, 0.2, 0.1, 0.0]), np.zeros(4)).p_value == 2 / 8
    assert compare(np.array([0.3, -0.2, -0.1]), np.zeros(3)).p_value == 1.0


@pytest.mark.parametrize("gains", range(8, 15))
def test_drawn_flips_agree_with_all_flips(gains: int) -> None:
    """From 14 differences on, flips are drawn: within five standard errors of the exact value."""
    differences = np.array([1.0, 2.0, 3.0] * 5)[:14] * np.where(np.arange(14) < gains, 1, -1)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=14)))
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()))
    found = compare(differences, np.zeros(14)).p_value
    assert abs(found - exact) <= 5 * np.sqrt(exact * (1 - exact) / FLIPS) + 2 / FLIPS


@pytest.mark.parametrize("size", [0.1, 0.3, 0.7, 1 / 3])
@pytest.mark.parametrize("count", [11, 21, 51])
def test_sums_that_tie_but_for_rounding_count(size: float, count: int) -> None:
    """One gain more than losses: every flip is at least as large, however floats add up."""
    gains = np.where(np.arange(count) % 2 == 0, size, -size)
    assert compare(gains, np.zeros(count)).p_value == 1.0


def test_comparison_over_sets_weighs_sets_alike() -> None:
    """A small set's gain outweighs a large set's loss, as in the means that are reported."""
    first = [np.ones(10), np.zeros(1000)]
    second = [np.zeros(10), np.full(1000, 0.5)]
    found = compare_over_sets(first, second)
    assert found.difference == pytest.approx((1.0 - 0.5) / 2)
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))
    balanced = compare_over_sets([np.ones(1), np.zeros(4)], [np.zeros(1), np.ones(4)])
    assert (balanced.difference, balanced.p_value) == (0.0, 1.0)


def test_other_queries_are_not_compared() -> None:
    """Guards against comparing a run over all queries with one that was limited."""
    with pytest.raises(DataError, match=r"\[3\] queries, the second \[2\]"):
        compare(np.zeros(3), np.zeros(2))
    with pytest.raises(DataError, match="same sets"):
        compare_over_sets([np.zeros(3)], [np.zeros(3), np.zeros(2)])


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against an ImportError instead of what to install."""
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(MissingExtraError, match=r"rzen\[eval\]"):
        interval(np.array([0.0, 1.0]))


def test_records_compare_by_value() -> None:
    """Guards against arrays or numpy scalars in what is written as JSON."""
    found = interval(np.array([0.0, 1.0, 1.0]))
    assert type(found.low) is type(found.high) is float
    assert Interval(low=found.low, high=found.high) == found
    compared = compare(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    for name in Comparison.__slots__:
        assert type(getattr(compared, name)) is float
