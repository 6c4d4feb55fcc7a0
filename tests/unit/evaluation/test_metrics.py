import itertools
import json
import math
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.errors import DataError, MissingExtraError
from rzen.evaluation.metrics import CUTS, DEPTH, KEYS, Ranking, chance, mean_scores, per_query

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mmeb"


def loaded(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def by_definition(one: Ranking) -> dict[str, float]:
    """The scores of a query as plain sums, from the metrics' definitions."""
    scores: dict[str, float] = {}
    grades = dict(zip(one.labels, one.grades or [1] * len(one.labels), strict=True))
    for cut in CUTS:
        top = one.prediction[:cut]
        hits = [each in one.labels for each in top]
        found = sum(hits)
        scores[f"hit@{cut}"] = float(found > 0)
        scores[f"precision@{cut}"] = precision = found / cut
        scores[f"recall@{cut}"] = recall = found / len(one.labels)
        scores[f"f1@{cut}"] = 2 * precision * recall / (precision + recall) if found else 0.0
        summed = sum(sum(hits[: at + 1]) / (at + 1) for at, hit in enumerate(hits) if hit)
        scores[f"map@{cut}"] = summed / min(len(one.labels), cut)
        scores[f"mrr@{cut}"] = 1 / (hits.index(True) + 1) if found else 0.0
        for form in ("linear", "exponential"):
            gain = {each: 2**g - 1 if form == "exponential" else g for each, g in grades.items()}
            best = sorted(gain.values(), reverse=True)[:cut]
            ideal = sum(g / math.log2(at + 2) for at, g in enumerate(best))
            reached = sum(gain.get(each, 0) / math.log2(at + 2) for at, each in enumerate(top))
            scores[f"ndcg_{form}@{cut}"] = reached / ideal if ideal else 0.0
    return scores


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    pool = [f"d{number}" for number in range(draw(st.integers(1, 25)))]
    prediction = draw(st.permutations(pool))[: draw(st.integers(0, len(pool)))]
    labels = draw(st.lists(st.sampled_from([*pool, "elsewhere"]), unique=True, min_size=1))
    graded = st.lists(st.integers(0, 4), min_size=len(labels), max_size=len(labels))
    grades = draw(st.none() | graded)
    return Ranking(
        prediction=tuple(prediction),
        labels=tuple(labels),
        grades=None if grades is None else tuple(grades),
    )


def test_reference_scores_are_reproduced() -> None:
    """Every value that the reference evaluator gave for 60 rankings, to 1e-9."""
    fixture = loaded("ranking_metrics.json")
    scores = mean_scores(
        [
            Ranking(
                prediction=tuple(case["prediction"]),
                labels=tuple(case["label"]),
                grades=case["rel_scores"] and tuple(case["rel_scores"]),
            )
            for case in fixture["cases"]
        ]
    )
    assert set(scores) == set(fixture["scores"])
    assert len(scores) == 24
    for key, value in fixture["scores"].items():
        assert scores[key] == pytest.approx(value, abs=1e-9, rel=0), key


def test_keys_are_named_and_ordered_as_in_public_score_files() -> None:
    """Guards against score files that other tools cannot read or that diff in every line."""
    public = loaded("VLM2Vec-V2.0-Qwen2VL-2B.json")["metrics"]["image"]["ImageNet-1K"]
    assert [*KEYS, "num_pred", "num_data"] == list(public)
    assert tuple(mean_scores([Ranking(prediction=("a",), labels=("a",))])) == KEYS


@given(st.lists(rankings(), max_size=4))
def test_scores_are_those_of_the_definitions(several: list[Ranking]) -> None:
    """Several labels with grades are not in the fixture; also guards the order of queries."""
    scores = per_query(several)
    for query, one in enumerate(several):
        expected = by_definition(one)
        for key in KEYS:
            assert scores[key][query] == pytest.approx(expected[key], abs=1e-9), key


@given(st.lists(rankings(), min_size=1, max_size=4))
def test_scores_are_fractions(several: list[Ranking]) -> None:
    """Guards against values a hair above 1, which a reader of score files refuses."""
    for key, values_B in per_query(several).items():
        assert values_B.shape == (len(several),)
        assert values_B.dtype == np.float64
        assert ((values_B >= 0) & (values_B <= 1)).all(), key


@given(rankings(), st.randoms())
def test_what_lies_below_rank_ten_does_not_matter(one: Ranking, shuffle: random.Random) -> None:
    """Guards against metrics that look deeper than they are named for."""
    below = list(one.prediction[DEPTH:])
    shuffle.shuffle(below)
    for tail in (below, []):
        other = Ranking(
            prediction=(*one.prediction[:DEPTH], *tail), labels=one.labels, grades=one.grades
        )
        assert mean_scores([other]) == mean_scores([one])


@given(rankings())
def test_a_perfect_ranking_scores_one(one: Ranking) -> None:
    """All labels in front, the best graded first: hit, nDCG, MRR and MAP are 1 at every cut."""
    grades = one.grades or (1,) * len(one.labels)
    best = sorted(zip(grades, one.labels, strict=True), reverse=True)
    others = tuple(each for each in one.prediction if each not in one.labels)
    perfect = Ranking(
        prediction=(*(label for _, label in best), *others), labels=one.labels, grades=one.grades
    )
    scores = mean_scores([perfect])
    names = ("hit", "mrr", "map", *(("ndcg_linear", "ndcg_exponential") if any(grades) else ()))
    for name in names:
        assert [scores[f"{name}@{cut}"] for cut in CUTS] == pytest.approx([1.0] * 3), name


def test_grades_stay_with_their_labels() -> None:
    """The reference pairs them through a set, so that its nDCG depends on the hash seed."""
    one = Ranking(prediction=("low", "high"), labels=("high", "low"), grades=(3, 1))
    other = Ranking(prediction=("low", "high"), labels=("low", "high"), grades=(1, 3))
    assert mean_scores([one]) == mean_scores([other])
    expected = (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))
    assert mean_scores([one])["ndcg_linear@5"] == pytest.approx(expected)
    expected = (1 + 7 / math.log2(3)) / (7 + 1 / math.log2(3))
    assert mean_scores([one])["ndcg_exponential@5"] == pytest.approx(expected)


def test_the_reference_definitions_by_hand() -> None:
    """A list shorter than k, more labels than k, and a label graded 0."""
    short = mean_scores([Ranking(prediction=("a", "b"), labels=("a",))])
    assert (short["precision@5"], short["precision@10"]) == (0.2, 0.1)
    many = mean_scores([Ranking(prediction=("a", "x"), labels=("a", "b", "c", "d", "e", "f"))])
    assert many["map@1"] == 1.0  # one of at most one
    assert many["map@5"] == pytest.approx(1 / 5)
    assert many["map@10"] == pytest.approx(1 / 6)
    zero = mean_scores([Ranking(prediction=("a",), labels=("a",), grades=(0,))])
    assert (zero["hit@1"], zero["mrr@1"], zero["ndcg_linear@1"]) == (1.0, 1.0, 0.0)
    nothing = mean_scores([Ranking(prediction=(), labels=("a",))])
    assert set(nothing.values()) == {0.0}


def test_f1_is_averaged_over_queries() -> None:
    """Guards against the F1 of mean precision and mean recall, which is 0.5 here."""
    scores = mean_scores(
        [
            Ranking(prediction=("a",), labels=("a", "b", "c")),
            Ranking(prediction=("x",), labels=("a",)),
        ]
    )
    assert scores["f1@1"] == pytest.approx((2 * 1 * (1 / 3) / (4 / 3)) / 2)


def test_candidates_may_be_any_texts() -> None:
    """Candidates of question answering are their answers; the library reads C strings."""
    names = ("two words", "", "a\0b", "a\0c", "長い" * 5000, "1", "missed 0")
    for at, name in enumerate(names):
        scores = mean_scores([Ranking(prediction=names, labels=(name, "not there"))])
        assert scores["mrr@10"] == 1 / (at + 1)
        assert scores["recall@10"] == 0.5


@pytest.mark.parametrize("grade", [0.5, float("nan"), float("inf"), -1, 17, True, 10**30])
def test_grades_that_are_none(grade: Any) -> None:
    """Guards against cut-off fractions, and against counters of gigabytes in the library."""
    with pytest.raises(DataError, match="whole number from 0 to 16"):
        Ranking(prediction=(), labels=("a",), grades=(grade,))


def test_whole_floats_are_grades() -> None:
    """Score files hold 1.0 where a table of labels had floats."""
    one = Ranking(prediction=("a",), labels=("a", "b"), grades=(2.0, 1.0))  # type: ignore[arg-type]
    assert one.grades == (2, 1)
    assert all(type(grade) is int for grade in one.grades)
    greatest = Ranking(prediction=("b", "a"), labels=("a", "b"), grades=(16, 1))
    assert mean_scores([greatest])["ndcg_exponential@1"] == pytest.approx(1 / (2**16 - 1))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"labels": ()}, "no label"),
        ({"labels": ("a", "b", "a")}, "label 'a' stands twice"),
        ({"labels": ("a",), "prediction": ("c", "b", "c")}, "candidate 'c' stands twice"),
        ({"labels": ("a", "b"), "grades": (1,)}, "1 grades for 2 labels"),
    ],
)
def test_rankings_that_are_none(fields: dict[str, Any], problem: str) -> None:
    """Each of these would be scored wrongly rather than fail."""
    with pytest.raises(DataError, match=problem):
        Ranking(**{"prediction": (), **fields})


def test_no_query() -> None:
    """Guards against a mean of nothing that looks like a score of 0."""
    with pytest.raises(DataError, match="no query"):
        mean_scores([])


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against an ImportError instead of what to install."""
    monkeypatch.setitem(sys.modules, "pytrec_eval", None)
    with pytest.raises(MissingExtraError, match=r"rzen\[eval\]"):
        per_query([Ranking(prediction=("a",), labels=("a",))])


@pytest.mark.parametrize(
    ("grades", "pool_size"), [((1,), 1), ((1,), 6), ((1, 1), 6), ((3, 0, 1), 6), ((2, 1), 2)]
)
def test_chance_is_the_mean_over_all_orders(grades: tuple[int, ...], pool_size: int) -> None:
    """Every order of a small pool, so that the closed forms must be exact."""
    pool = tuple(f"d{number}" for number in range(pool_size))
    orders = [
        Ranking(prediction=order, labels=pool[: len(grades)], grades=grades)
        for order in itertools.permutations(pool)
    ]
    assert chance(grades, pool_size) == pytest.approx(mean_scores(orders), abs=1e-12)


@pytest.mark.parametrize(("grades", "pool_size"), [((1,), 40), ((3, 1, 1, 2), 15), ((1,) * 12, 30)])
def test_chance_by_simulation(grades: tuple[int, ...], pool_size: int) -> None:
    """Pools deeper than ten, and more labels than ten: within five standard errors."""
    pool = [f"d{number}" for number in range(pool_size)]
    shuffle = np.random.default_rng(0)
    drawn = per_query(
        [
            Ranking(
                prediction=tuple(shuffle.permutation(pool).tolist()),
                labels=tuple(pool[: len(grades)]),
                grades=grades,
            )
            for _ in range(4000)
        ]
    )
    expected = chance(grades, pool_size)
    assert tuple(expected) == KEYS
    for key, values_B in drawn.items():
        error = values_B.std() / math.sqrt(len(values_B))
        assert abs(values_B.mean() - expected[key]) <= 5 * error + 1e-12, key


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 10_000))
def test_chance_is_a_fraction(grades: list[int], others: int) -> None:
    """Guards against the hypergeometric product turning negative where labels fill the pool."""
    for key, value in chance(grades, len(grades) + others).items():
        assert 0 <= value <= 1 + 1e-12, key
