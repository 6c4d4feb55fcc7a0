"""The failures of a report: what each is about, and reasons where that is not at hand."""

import media_files
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import DataError
from rzen.evaluation.outcome import Failure, SetOutcome
from rzen.evaluation.report.exhibits import exhibits
from rzen.types import Content, Image, Text


def _outcome(*failures: Failure) -> SetOutcome:
    return SetOutcome(
        name="stamps-t2i",
        group="image",
        family="retrieval",
        metric="hit@1",
        scope="global",
        about="",
        value=0.5,
        low=0.4,
        high=0.6,
        scores={},
        queries=10,
        documents=20,
        failures=failures,
    )


def _failure(query: str = "q", gold: str = "a", winner: str = "b") -> Failure:
    return Failure(query=query, gold=gold, winner=winner, rank=3, gold_score=0.1, winner_score=0.2)


def _set(name: str = "stamps-t2i") -> RetrievalSet:
    return RetrievalSet(
        name=name,
        group="image",
        family="retrieval",
        metric="hit@1",
        scope="global",
        queries=(Query(id="q", content=Content(Text("a boat")), labels=("a",)),),
        documents={
            "a": Content(Image(media_files.picture(media_files.smooth(64, 48)))),
            "b": Content(Text("a cat")),
        },
    )


def test_failures_are_shown_with_what_they_are_about() -> None:
    """Gold and winner mixed up would show the error the wrong way round."""
    [exhibit] = exhibits(_outcome(_failure()), _set, limit=5)
    assert exhibit.query.text == "a boat"
    assert len(exhibit.gold.pictures) == 1
    assert exhibit.winner.text == "a cat"


def test_ids_that_the_set_does_not_hold_are_told() -> None:
    """The data may have been built anew since the run."""
    [exhibit] = exhibits(_outcome(_failure("x", "y", "b")), _set, limit=5)
    assert exhibit.query.problems == exhibit.gold.problems == ("it is not in the set any more",)
    assert exhibit.winner.text == "a cat"


def test_a_set_that_cannot_be_read_tells_why_at_each_failure() -> None:
    """A report of an old run must not need its data."""

    def gone(name: str) -> RetrievalSet:
        raise DataError(f"{name}: fetch the suite first")

    [exhibit] = exhibits(_outcome(_failure()), gone, limit=5)
    assert exhibit.query.problems == ("stamps-t2i: fetch the suite first",)
    [exhibit] = exhibits(_outcome(_failure()), None, limit=5)
    assert exhibit.query.problems == ()


def test_no_more_failures_than_asked_for_and_no_set_without_any() -> None:
    """Opening a set costs time; one without failures is not needed."""

    def unwanted(name: str) -> RetrievalSet:
        raise AssertionError("the set was read")

    assert exhibits(_outcome(), unwanted, limit=5) == []
    assert len(exhibits(_outcome(*[_failure()] * 7), _set, limit=5)) == 5
