"""Verdicts, pools and totals of a run, on cases small enough to count by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.errors import DataError
from rzen.evaluation.outcome import BINS, Cost, Histogram, RunOutcome, SetOutcome
from rzen.evaluation.report import overview
from rzen.evaluation.report.overview import summarise_run

COUNTS = st.lists(st.integers(0, 50), min_size=BINS, max_size=BINS)


def _set(name: str = "stamps-t2i", **changes: object) -> SetOutcome:
    base = SetOutcome(
        name=name,
        group="image",
        family="retrieval",
        metric="hit@1",
        scope="global",
        about="",
        value=0.5,
        low=0.4,
        high=0.6,
        scores={"hit@1": 0.5},
        queries=10,
        documents=20,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def _run(*sets: SetOutcome, **changes: object) -> RunOutcome:
    base = RunOutcome(
        suite="rzen-bench",
        version="1",
        split="test",
        limit=None,
        encoder="mini",
        fingerprint={},
        rzen="0",
        finished="2026-01-02T03:04:05+00:00",
        seconds=1.0,
        sets=sets,
        skipped={},
        groups={},
        overall=0.5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def _bins(**counts: int) -> tuple[int, ...]:
    return tuple(counts.get(f"bin{at}", 0) for at in range(BINS))


@pytest.mark.parametrize(
    ("baselines", "verdict", "finding"),
    [
        ({"random": 0.1, "words": 0.39}, "better", "better than every baseline"),
        ({"random": 0.1, "words": 0.4}, "not better", "not better than words"),
        ({"random": 0.45, "words": 0.55}, "not better", "not better than words or chance"),
        ({"random": 0.45, "words": 0.7}, "worse", "worse than words, not better than chance"),
        ({}, "no baseline", "no baseline to compare with"),
    ],
)
def test_a_set_beats_a_baseline_only_with_its_whole_interval(
    baselines: dict[str, float], verdict: str, finding: str
) -> None:
    """Judged by the mean alone, luck with few queries would pass for understanding."""
    [row] = overview.rows(_run(_set(baselines=baselines)), {})
    assert (row.verdict, row.finding) == (verdict, finding)
    assert row.beats == {name: value < 0.4 for name, value in baselines.items()}


def test_the_summary_is_json_and_holds_the_rows() -> None:
    """Scripts read "beats"; a value that JSON has no form for would break them."""
    run = _run(_set(baselines={"random": 0.1}, histograms={"image": Histogram(right=(), wrong=())}))
    other = _run(_set(value=0.3), encoder="tuned", overall=0.3)
    summary = json.loads(json.dumps(summarise_run(run, [other])))
    assert summary["encoder"] == "mini"
    assert summary["rows"][0]["beats"] == {"random": True}
    assert summary["rows"][0]["others"] == {"tuned": 0.3}
    assert summary["others"] == {"tuned": 0.3}
    assert summary["left_out"] == {}


def test_runs_that_do_not_compare_are_left_out_by_name() -> None:
    """A run of 50 queries beside one of 400 would look like a better or worse encoder."""
    run = _run(_set())
    others = [
        _run(_set(), encoder="tuned", limit=50),
        _run(_set(), encoder="tuned"),
        _run(_set(version="2"), split="validation", version="2"),
        _run(_set(), suite="other"),
    ]
    compared = overview.beside(run, others)
    assert list(compared.runs) == ["tuned (2)"], "the first of that name was left out"
    assert compared.left_out == {
        "tuned": "limit 50 instead of none",
        "mini (2)": "version 2 instead of 1, split validation instead of test",
        "mini (3)": "suite other instead of rzen-bench",
    }


def test_a_suite_that_has_grown_compares_where_its_sets_are_the_same() -> None:
    """The folder of MMEB fills set by set: nothing that was measured may be lost by that."""
    run = _run(_set("a", version="x"), _set("b", version="y"), version="2")
    assert list(overview.beside(run, [_run(_set("a", version="x"))]).runs) == ["mini (2)"]
    changed = overview.beside(run, [_run(_set("a", version="x"), _set("b", version="z"))])
    assert changed.left_out == {"mini (2)": "version 1 instead of 2"}


def test_a_set_that_the_other_run_lacks_has_no_value_there() -> None:
    """A missing set is not a zero."""
    rows = overview.rows(_run(_set("a"), _set("b")), {"other": _run(_set("b", value=0.2))})
    assert [row.others for row in rows] == [{}, {"other": 0.2}]


def test_group_baselines_are_means_over_sets_that_all_have_them() -> None:
    """The mean of a baseline over half of the sets does not compare with the group's mean."""
    sets = [_set(baselines={"random": 0.1, "words": 0.9}), _set(baselines={"random": 0.3})]
    assert overview.group_baselines(sets) == {"random": pytest.approx(0.2)}
    assert overview.group_baselines([]) == {}


def test_cosines_are_pooled_over_global_sets_alone() -> None:
    """Candidates that were chosen to be hard would shift the distribution of the wrong ones."""
    one = Histogram(right=_bins(bin30=3), wrong=_bins(bin10=5, bin30=5))
    run = _run(
        _set("a", histograms={"image": one}),
        _set("b", histograms={"image": one, "text": one}),
        _set("c", scope="local", histograms={"image": one}),
    )
    found = overview.separations(run)
    assert found["image"].sets == ("a", "b")
    assert found["image"].histogram == Histogram(
        right=_bins(bin30=6), wrong=_bins(bin10=10, bin30=10)
    )
    # Half of the wrong ones lie below, the other half ties.
    assert found["image"].auc == pytest.approx(0.75)
    assert found["image"].overlap == pytest.approx(0.5)


@given(right=COUNTS, wrong=COUNTS)
def test_the_area_is_the_share_of_pairs_in_order(right: list[int], wrong: list[int]) -> None:
    """Counted pair by pair, the figure must be the same."""
    histogram = Histogram(right=tuple(right), wrong=tuple(wrong))
    found = overview.separations(_run(_set(histograms={"text": histogram})))["text"]
    if not sum(right) or not sum(wrong):
        assert found.auc is None
        assert found.overlap is None
        return
    places = np.arange(BINS)
    above = (places[:, None] > places[None, :]) + 0.5 * (places[:, None] == places[None, :])
    pairs = np.outer(right, wrong)
    assert found.auc == pytest.approx((above * pairs).sum() / pairs.sum())
    assert found.overlap is not None
    assert -1e-9 <= found.overlap <= 1 + 1e-9


def test_a_histogram_of_other_bins_is_refused_by_name() -> None:
    """Added up bin by bin, cosines of another scale would land anywhere."""
    broken = Histogram(right=(1,) * 20, wrong=(1,) * 20)
    with pytest.raises(DataError, match=r"stamps-t2i.*20 bins, 40 were expected"):
        overview.separations(_run(_set(histograms={"image": broken})))


def test_the_axis_ends_where_the_cosines_end() -> None:
    """On an axis from -1 to 1 what matters would fill a quarter of the picture."""
    one = Histogram(right=_bins(bin30=1), wrong=_bins(bin22=1))
    bins = overview.bounds([one])
    assert bins == slice(21, 32)
    assert overview.edges(bins) == pytest.approx((0.05, 0.6))
    assert overview.bounds([Histogram(right=_bins(bin0=1), wrong=_bins(bin39=1))]) == slice(0, 40)
    assert overview.bounds([]) == slice(0, 40)


def test_costs_add_up_and_unknown_tokens_stay_unknown() -> None:
    """A total over some of the sets would look like the whole."""
    known = Cost(items=10, cached=1, seconds=2.0, tokens=100, peak_bytes=5)
    cached = Cost(items=0, cached=9, seconds=0.0, tokens=None, peak_bytes=7)
    untold = Cost(items=1, seconds=1.0)
    whole = overview.total([known, cached])
    assert whole == Cost(items=10, cached=10, seconds=2.0, tokens=100, peak_bytes=7)
    assert overview.total([known, untold]).tokens is None
    assert overview.total([]) == Cost()
