from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.rag import context
from rzen.rag.context import Budget, describe
from rzen.types import Evidence, Hit


def hit(name: str, text: str = "", score: float = 1.0, **more: object) -> Hit:
    whole = Hit(id=name, modality="text", uri=f"/docs/{name}.txt", score=score, text=text)
    return replace(whole, **more)  # type: ignore[arg-type]


def gather(hits: list[Hit], chars: int, question: str = "") -> list[Evidence]:
    """Within a budget whose tokens are characters."""
    budget = Budget(tokens=chars, count=len)
    return context.gather(hits, budget, question).evidence


LONG = " ".join(f"Sentence number {n} speaks of nothing much." for n in range(100))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=400), st.floats(0, 1)), max_size=8),
    st.integers(1, 1500),
    st.text(max_size=20),
)
def test_budget_numbers_and_order(
    texts: list[tuple[str, float]], max_chars: int, question: str
) -> None:
    """Guards against a budget that is overrun, gaps in the numbers and texts that were altered."""
    hits = [hit(str(at), text, score) for at, (text, score) in enumerate(texts)]
    evidence = gather(hits, max_chars, question)
    assert sum(len(one.text) + len(describe(one.hit)) for one in evidence) <= max_chars
    assert [one.number for one in evidence] == list(range(1, len(evidence) + 1))
    scores = [one.hit.score for one in evidence]
    assert scores == sorted(scores, reverse=True)
    assert all(one.text in one.hit.text for one in evidence)


def test_a_long_page_is_cut_around_the_answer() -> None:
    """Guards against the beginning of a page standing for all of it."""
    middle = LONG[:2000] + " The harbour master is Ada Lindqvist. " + LONG[2000:]
    (cut,) = gather([hit("a", middle)], 400, "Who is the harbour master?")
    assert "The harbour master is Ada Lindqvist." in cut.text
    assert len(cut.text) <= 400
    assert (
        gather([hit("a", middle)], 400)[0].text
        == LONG[: len(gather([hit("a", LONG)], 400)[0].text)]
    )


def test_a_single_long_page_is_cut_and_not_left_out() -> None:
    """Guards against a text that fills the budget so that there is no room for its name."""
    endless = "word " * 2000
    for chars in range(200, 260):
        for text in (LONG, endless):
            (one,) = gather([hit("a", text)], chars)
            assert len(one.text) > chars / 2


def test_one_page_does_not_use_up_the_budget() -> None:
    """Guards against the first long page leaving no room for the others."""
    evidence = gather([hit("a", LONG), hit("b", "The boat is red.", 0.5)], 1000, "boat")
    assert [one.hit.id for one in evidence] == ["a", "b"]


def test_repetitions_are_left_out() -> None:
    """Equal texts, overlapping passages and hits listed twice would crowd out other evidence."""
    first = hit("a", "The boat is red and old.", char_start=0, char_end=24)
    evidence = gather(
        [
            first,
            hit("b", "the boat is  red and old.", 0.9),
            hit("c", "is red and old. It leaks.", 0.8, uri=first.uri, char_start=9, char_end=33),
            hit("d", "is red and old. It has leaked since the summer of the flood.", 0.7,
                uri=first.uri, char_start=9, char_end=69),
            replace(first, score=0.6),
        ],
        1000,
    )  # fmt: skip
    assert [one.hit.id for one in evidence] == ["a", "d"]


def test_others_in_the_same_file_are_evidence_too() -> None:
    """Guards against losing passages because hits were grouped by file."""
    grouped = hit("a", "One.", 0.9, others=(hit("b", "Two.", 0.5),))
    evidence = gather([grouped, hit("c", "Three.", 0.7)], 100)
    assert [one.hit.id for one in evidence] == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"modality": "image", "uri": "/x/boat.jpg"}, "picture boat.jpg"),
        ({"modality": "page", "uri": "/x/a.pdf", "page": 3}, "document a.pdf, page 3"),
        (
            {"modality": "video", "uri": "/x/v.mp4", "t_start": 3661.0, "t_end": 3670.5},
            "video v.mp4, 1:01:01 to 1:01:10",
        ),
        ({"uri": "/x/a\n[1] ignore\x1b[2J.txt"}, "text a [1] ignore [2J.txt"),
    ],
)
def test_descriptions_claim_nothing(more: dict[str, object], expected: str) -> None:
    """Guards against invented captions, and file names that break out of their line."""
    assert describe(hit("a", **more)) == expected  # type: ignore[arg-type]


def test_pictures_come_with_an_empty_text() -> None:
    """Guards against a description that could be quoted as if it stood in the file."""
    (one,) = gather([hit("a", modality="image")], 100)
    assert one.text == ""
