import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation_sets import text_set
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.evaluation import ranking
from rzen.evaluation.metrics import KEYS, per_query
from rzen.evaluation.outcome import BINS
from rzen.evaluation.pools import Pools
from rzen.evaluation.ranking import TIE, Ranked, rank
from rzen.types import Calibration, Content, Frames, Image, Modality, Text, Vectors


def unit(rows: Any) -> Vectors:
    wide = np.asarray(rows, np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=-1, keepdims=True), np.float32)


def at_cosines(*cosines: float) -> Vectors:
    """Documents with these cosines to the query (1, 0)."""
    return np.array([[each, math.sqrt(1 - each * each)] for each in cosines], np.float32)


ASKED = np.array([[1.0, 0.0]], np.float32)


def ranked(made: RetrievalSet, *cosines: float, **options: Any) -> Ranked:
    """Of one query, with these cosines to the documents in the order of the set."""
    return rank(ASKED, at_cosines(*cosines), Pools(made), **options)


def prediction(made: RetrievalSet, *cosines: float, **options: Any) -> tuple[str, ...]:
    return ranked(made, *cosines, **options).rankings[0].prediction


def lettered(letters: str) -> dict[str, str]:
    return {letter: f"the text of {letter}" for letter in letters}


def test_documents_come_by_cosine() -> None:
    """By hand."""
    made = text_set({"q": ("c",)}, lettered("abcd"))
    found = ranked(made, 0.1, 0.9, 0.5, -0.3)
    assert found.rankings[0].prediction == ("b", "c", "a", "d")
    assert found.rankings[0].labels == ("c",)
    assert found.rank_B.tolist() == [2]
    assert (found.ties, found.duplicates) == (0, 0)


@pytest.mark.parametrize("gold", ["a", "b", "c"])
def test_constant_vectors_are_right_nowhere(gold: str) -> None:
    """Sorting keeps equal scores in place: with gold first in the list, nothing scores 100 %."""
    candidates = {f"q{number}": (gold, *(set("abc") - {gold})) for number in range(5)}
    made = text_set(dict.fromkeys(candidates, (gold,)), lettered("abc"), candidates=candidates)
    same = unit(np.ones((5, 384)))
    found = rank(same, same[:3], Pools(made))
    assert per_query(found.rankings)["hit@1"].tolist() == [0.0] * 5
    assert found.rank_B.tolist() == [3] * 5
    assert found.ties == 5


@pytest.mark.parametrize(("lead", "wins"), [(0.0, False), (0.5 * TIE, False), (3 * TIE, True)])
def test_a_lead_within_rounding_is_no_lead(lead: float, wins: bool) -> None:
    """Float32 sums in another order differ in the last bits: luck must not look like skill."""
    made = text_set({"q": ("gold",)}, {"gold": "a", "wrong": "b"})
    query = np.array([[1.0, 0.0]], np.float32)
    documents = np.array([[0.25 + lead, 0.0], [0.25, 0.0]], np.float32)
    found = rank(query, documents, Pools(made))
    assert (found.rankings[0].prediction[0] == "gold") == wins
    assert found.ties == (not wins)


def test_ties_that_overlap_hold_each_for_itself() -> None:
    """With 0, 0.8 and 1.6 ties between them, the label gives way to the one it ties with only."""
    made = text_set({"q": ("b",)}, lettered("abc"))
    query = np.array([[1.0, 0.0]], np.float32)
    documents = np.array([[0.1 + step * TIE, 0] for step in (0, 1.6, 0.8)], np.float32)
    assert rank(query, documents, Pools(made)).rankings[0].prediction == ("c", "b", "a")


def test_among_tied_labels_the_better_comes_later() -> None:
    """nDCG would be perfect for an encoder that cannot tell them apart."""
    query = Query(id="q", content=Content(Text("q")), labels=("a", "b", "c"), grades=(2, 1, 5))
    made = text_set({"q": query}, lettered("abcd"))
    assert prediction(made, 0.5, 0.5, 0.5, 0.5) == ("d", "b", "a", "c")
    assert prediction(made, 0.6, 0.5, 0.7, 0.4) == ("c", "a", "b", "d")


@given(st.data())
def test_the_order_of_files_and_candidates_changes_nothing(data: st.DataObject) -> None:
    """Gold first in the list, as MMEB has it, must give nothing, nor any other order."""
    letters = "abcdefgh"
    cosines = data.draw(
        st.lists(st.sampled_from([0.1, 0.3, 0.3 + TIE / 2, 0.5]), min_size=8, max_size=8)
    )
    texts = data.draw(
        st.lists(st.sampled_from(["one", "two", "three", "four", "five"]), min_size=8, max_size=8)
    )
    order = data.draw(st.permutations(range(8)))
    candidates = data.draw(st.permutations(letters))
    is_global = data.draw(st.booleans())
    labels = ("c", "f")

    def run(places: Sequence[int], listed: Sequence[str]) -> Ranked:
        made = text_set(
            {"q": labels},
            {letters[at]: texts[at] for at in places},
            candidates=None if is_global else listed,
        )
        return ranked(made, *(cosines[at] for at in places))

    plain, shuffled = run(range(8), letters), run(order, candidates)
    assert plain.rankings == shuffled.rankings
    assert plain.rank_B.tolist() == shuffled.rank_B.tolist()
    assert plain.failures == shuffled.failures
    assert plain.histograms == shuffled.histograms
    assert (plain.ties, plain.duplicates) == (shuffled.ties, shuffled.duplicates)


def test_a_copy_of_the_gold_document_is_no_wrong_answer() -> None:
    """The copy ties with the gold one for ever, so a perfect encoder would score 0."""
    documents = {"a": "copy", "gold": "copy", "z": "copy", "other": "other"}
    for candidates in (None, ("gold", "other", "z", "a")):
        made = text_set({"q": ("gold",)}, documents, candidates=candidates)
        found = ranked(made, 0.9, 0.9, 0.9, 0.2)
        assert found.rankings[0].prediction == ("gold", "other")
        assert (found.rank_B.tolist(), found.ties, found.duplicates) == ([1], 0, 2)


def test_copies_of_a_wrong_document_count_once() -> None:
    """Ten copies of one distractor would push the gold document to rank 11."""
    documents = {"a": "wrong", "b": "wrong", "c": "gold", "d": "wrong", "e": "far"}
    for candidates in (None, tuple("ebdac")):
        made = text_set({"q": ("c",)}, documents, candidates=candidates)
        found = ranked(made, 0.9, 0.9, 0.5, 0.9, 0.1)
        assert found.rankings[0].prediction == ("a", "c", "e")
        assert found.duplicates == 2


def test_labels_of_equal_content_are_all_kept() -> None:
    """Recall counts both, so both must be there to be found."""
    made = text_set({"q": ("a", "b")}, {"a": "same", "b": "same", "c": "same", "d": "other"})
    assert prediction(made, 0.9, 0.9, 0.9, 0.1) == ("a", "b", "d")


def test_copies_are_dropped_by_query() -> None:
    """What is a copy of this query's gold is a plain distractor for the next."""
    made = text_set({"q": ("a",), "r": ("c",)}, {"a": "same", "b": "same", "c": "other"})
    found = rank(unit([[1, 0], [1, 0]]), at_cosines(0.9, 0.9, 0.1), Pools(made))
    assert [each.prediction for each in found.rankings] == [("a", "c"), ("a", "c")]
    made = text_set({"q": ("b",), "r": ("c",)}, {"a": "same", "b": "same", "c": "other"})
    found = rank(unit([[1, 0], [1, 0]]), at_cosines(0.9, 0.9, 0.1), Pools(made))
    assert [each.prediction for each in found.rankings] == [("b", "c"), ("a", "c")]
    assert found.duplicates == 2


def test_a_candidate_listed_twice_is_ranked_once() -> None:
    """It would count twice in precision."""
    made = text_set({"q": ("b",)}, lettered("abc"), candidates=("b", "a", "b", "a"))
    assert prediction(made, 0.9, 0.5, 0.99) == ("a", "b")


def test_a_failed_query_is_a_miss() -> None:
    """Its zero vector ties with everything; it must not be ranked at all."""
    made = text_set({"q": ("a",), "r": ("a",)}, lettered("ab"))
    found = rank(
        np.array([[0, 0], [1, 0]], np.float32),
        at_cosines(0.9, 0.1),
        Pools(made),
        failed_queries={"q": "gone"},
    )
    assert [each.prediction for each in found.rankings] == [(), ("a", "b")]
    assert per_query(found.rankings)["hit@10"].tolist() == [0.0, 1.0]
    assert found.rank_B.tolist() == [0, 1]
    assert sum(map(sum, (each.wrong for each in found.histograms.values()))) == 1


def test_failed_documents_are_not_found() -> None:
    """Their zero vectors have cosine 0, which is better than many a document's."""
    made = text_set({"q": ("b",)}, lettered("abcd"))
    documents = at_cosines(-0.5, 0.0, -0.2, 0.0)
    documents[[1, 3]] = 0
    found = rank(ASKED, documents, Pools(made), failed_documents={"b": "gone", "d": "gone"})
    assert found.rankings[0].prediction == ("c", "a")
    assert found.rankings[0].labels == ("b",)
    assert found.rank_B.tolist() == [0]
    assert found.ties == 0
    assert found.failures == (), "there is no cosine to show"
    assert sum(found.histograms["text"].wrong) == 2
    assert sum(found.histograms["text"].right) == 0


@pytest.mark.parametrize("names", ["a", "ab", "abc"])
def test_a_label_that_failed_is_no_hit_in_a_small_pool(names: str) -> None:
    """Ranked last of three it was a hit at five, and last of one a hit at one."""
    made = text_set({"q": ("a",)}, lettered(names), candidates=tuple(names))
    documents = at_cosines(*[0.5] * len(names))
    (found,) = rank(ASKED, documents, Pools(made), failed_documents={"a"}).rankings
    assert found.prediction == tuple(names[1:])
    assert {key: values.tolist() for key, values in per_query([found]).items()} == {
        key: [0.0] for key in KEYS
    }


def test_of_two_labels_the_one_that_failed_is_missed() -> None:
    """It still stands among the labels: recall must not rise because a file was lost."""
    made = text_set({"q": ("a", "b")}, lettered("abc"))
    found = rank(ASKED, at_cosines(0.9, 0.5, 0.1), Pools(made), failed_documents={"a"})
    assert found.rankings[0].prediction == ("b", "c")
    assert found.rank_B.tolist() == [1]
    assert per_query(found.rankings)["recall@5"].tolist() == [0.5]
    everything = rank(ASKED, at_cosines(0.9, 0.5, 0.1), Pools(made), failed_documents=set("abc"))
    assert everything.rankings[0].prediction == ()
    assert everything.rank_B.tolist() == [0]


def test_predictions_are_cut_but_ranks_are_not() -> None:
    """A corpus of a million documents must not stand in every line of the predictions."""
    names = {f"{number:04}": f"text {number}" for number in range(1500)}
    cosines = np.linspace(0.9, -0.9, 1500).tolist()
    whole = ranked(text_set({"q": ("0600",)}, names), *cosines)
    assert whole.rankings[0].prediction == tuple(list(names)[:100])
    assert whole.rank_B.tolist() == [601]
    some = text_set({"q": ("1200",)}, names, candidates=list(names)[::-1])
    listed = ranked(some, *cosines)
    assert listed.rankings[0].prediction == tuple(list(names)[:1000])
    assert listed.rank_B.tolist() == [1201]


@given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.booleans())
def test_equals_a_plain_sort(seed: int, count: int, is_global: bool) -> None:
    """Against the obvious way: sorted() with ties against the labels; chosen by parts or whole."""
    random = np.random.default_rng(seed)
    names = [f"{number:03}" for number in range(count)]
    levels = random.integers(0, 12, count) // 11
    levels[random.integers(count)] = 1
    # Coarse, so that there are many exact ties, none of them by rounding.
    cosines = random.integers(-50, 50, count) / 50.0
    made = text_set(
        {"q": tuple(name for name, level in zip(names, levels, strict=True) if level)},
        {name: f"text {name}" for name in names},
        candidates=None if is_global else [names[at] for at in random.permutation(count)],
    )
    found = rank(ASKED, np.stack([cosines, cosines], 1).astype(np.float32), Pools(made))
    order = sorted(range(count), key=lambda at: (-cosines[at], levels[at], names[at]))
    depth = ranking.GLOBAL_DEPTH if is_global else ranking.LOCAL_DEPTH
    assert found.rankings[0].prediction == tuple(names[at] for at in order[:depth])
    assert found.rank_B[0] == 1 + next(place for place, at in enumerate(order) if levels[at])


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a block that is one query off."""
    random = np.random.default_rng(0)
    queries, documents = unit(random.normal(size=(23, 16))), unit(random.normal(size=(40, 16)))
    made = text_set(
        {f"q{n}": (f"{n:02}",) for n in range(23)}, {f"{n:02}": f"text {n}" for n in range(40)}
    )
    whole = rank(queries, documents, Pools(made))
    monkeypatch.setattr(ranking, "_BLOCK", 3 * 40)
    parts = rank(queries, documents, Pools(made))
    assert [each.prediction for each in parts.rankings] == [
        each.prediction for each in whole.rankings
    ]
    best = (queries @ documents.T).argmax(1)
    assert [int(each.prediction[0]) for each in parts.rankings] == best.tolist()


def test_few_candidates_of_many_documents_are_scored_alike() -> None:
    """They are gathered, not picked from a block: another path, the same cosines."""
    random = np.random.default_rng(1)
    queries, documents = unit(random.normal(size=(9, 16))), unit(random.normal(size=(90, 16)))
    names = [f"{number:02}" for number in range(90)]
    candidates = {f"q{n}": [names[at] for at in random.permutation(90)[:12]] for n in range(9)}
    made = text_set(
        {name: (some[0],) for name, some in candidates.items()},
        {name: f"text {name}" for name in names},
        candidates=candidates,
    )
    found = rank(queries, documents, Pools(made))
    for number, (name, some) in enumerate(candidates.items()):
        cosine = {each: float(documents[int(each)] @ queries[number]) for each in some}
        assert found.rankings[number].prediction == tuple(
            sorted(some, key=lambda one: -cosine[one])
        ), name


def test_histograms_count_each_pair_once_by_modality() -> None:
    """By hand: 40 bins from -1 to 1, the last one closed."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    documents: dict[str, str | Content] = {
        "a": "a",
        "b": "b",
        "c": "c",
        "i": Content(Image(Frames(pixels=(pixels,)))),
    }
    made = text_set({"q": ("a",)}, documents)
    found = ranked(made, 1.0, -1.0, 0.02, 0.52).histograms
    assert found.keys() == {"text", "image"}
    assert [(at, n) for at, n in enumerate(found["text"].right) if n] == [(BINS - 1, 1)]
    assert [(at, n) for at, n in enumerate(found["text"].wrong) if n] == [(0, 1), (20, 1)]
    assert [(at, n) for at, n in enumerate(found["image"].wrong) if n] == [(30, 1)]
    assert not any(found["image"].right)


def test_failures_tell_the_worst_first() -> None:
    """What a reader looks at: the gold document that came lowest, and what beat it."""
    made = text_set({"good": ("a",), "bad": ("c",), "worse": ("d",)}, lettered("abcd"))
    found = rank(unit([[1, 0]] * 3), at_cosines(0.9, 0.6, 0.3, 0.1), Pools(made))
    assert [each.query for each in found.failures] == ["worse", "bad"]
    worst = found.failures[0]
    assert (worst.gold, worst.winner, worst.rank) == ("d", "a", 4)
    assert [worst.gold_score, worst.winner_score] == pytest.approx([0.1, 0.9])


def test_failures_are_few() -> None:
    """An encoder that knows nothing fails everywhere; a report shows twenty."""
    made = text_set({f"q{n}": ("b",) for n in range(50)}, lettered("ab"))
    found = rank(unit([[1, 0]] * 50), at_cosines(0.9, 0.6), Pools(made))
    assert len(found.failures) == ranking.SHOWN_FAILURES == 20


MIXED: Mapping[Modality, Calibration] = {
    "text": Calibration(slope=8.0, intercept=-6.0),
    "image": Calibration(slope=12.0, intercept=-2.0),
}


def mixed_set(gold: str, count: int) -> RetrievalSet:
    pixels = np.zeros((2, 2, 3), np.uint8)
    documents: dict[str, str | Content] = {}
    for number in range(count):
        documents[f"text {number}"] = f"text {number}"
        own = pixels + np.uint8(number)
        documents[f"image {number}"] = Content(Image(Frames(pixels=(own,))))
    return text_set({"q": (gold,)}, documents)


@given(st.lists(st.integers(-99, 99), min_size=10, max_size=10, unique=True))
def test_calibrated_order_is_that_of_the_calibrated_scores(hundredths: list[int]) -> None:
    """The logits that are ranked by must be those of Calibration.score, modality by modality."""
    made = mixed_set("text 0", 5)
    cosines = [each / 100 for each in hundredths]
    names = list(made.documents)
    kinds: dict[str, Modality] = {name: "text" if name[0] == "t" else "image" for name in names}
    scores = {
        name: float(MIXED[kinds[name]].score(np.array([cosine], np.float64).astype(np.float32))[0])
        for name, cosine in zip(names, cosines, strict=True)
    }
    found = prediction(made, *cosines, calibration=MIXED)
    for first, second in itertools.pairwise(found):
        assert scores[first] >= scores[second] - 1e-5


def test_calibration_lets_a_picture_win_with_the_smaller_cosine() -> None:
    """The gap between modalities: a text's 0.5 is nothing, a picture's 0.3 is much."""
    made = mixed_set("image 0", 1)
    assert prediction(made, 0.5, 0.3) == ("text 0", "image 0")
    assert prediction(made, 0.5, 0.3, calibration=MIXED) == ("image 0", "text 0")
    found = ranked(made, 0.5, 0.45, calibration=MIXED)
    assert found.failures == ()
    assert found.histograms["image"].right[29] == 1, "histograms show cosines"


def test_calibration_does_not_saturate() -> None:
    """Near 1, the logistic function of two cosines is the same float: a tie that is none."""
    steep: Mapping[Modality, Calibration] = {"text": Calibration(slope=80.0, intercept=0.0)}
    made = text_set({"q": ("b",)}, lettered("ab"))
    assert prediction(made, 0.90, 0.95, calibration=steep) == ("b", "a")


def test_documents_in_the_set_s_order_are_matched_by_id() -> None:
    """Rows follow the file, ranks follow the ids: mixing them up would shuffle all scores."""
    made = text_set({"q": ("z",)}, {"z": "1", "m": "2", "a": "3"})
    assert prediction(made, 0.9, 0.5, 0.1) == ("z", "m", "a")
