import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_questions import PASSAGES

from rzen.rag import sentences
from rzen.rag.citations import NOT_FOUND, Checker, check, escape
from rzen.types import Evidence, Hit


def evidence(*texts: str) -> list[Evidence]:
    return [
        Evidence(
            number=number,
            hit=Hit(id=str(number), modality="text", uri=f"/d/file{number}.txt", score=1.0),
            text=text,
        )
        for number, text in enumerate(texts, start=1)
    ]


BOATS = evidence("The red boat sank in 1987 near Holm.", "Bread is baked from flour.")


def test_a_supported_sentence_stays_with_its_quote() -> None:
    """The plain case; guards against losing what is right."""
    checked = check("The boat sank in 1987 [1]. Bread is baked from flour. [2]", BOATS)
    assert checked.text == "The boat sank in 1987 [1]. Bread is baked from flour. [2]"
    assert [citation.number for citation in checked.citations] == [1, 2]
    assert checked.citations[0].quote == "The red boat sank in 1987 near Holm."
    assert checked.unsupported == checked.warnings == ()


@pytest.mark.parametrize(
    "claim",
    [
        "The boat sank in 1988 [1].",  # a wrong number
        "The captain was arrested for smuggling whisky [1].",  # an invention
        "The captain was arrested for smuggling whisky.",  # without a citation
        "The captain was arrested for smuggling whisky [7].",  # with one that does not exist
        "[1]",
    ],
)
def test_an_unsupported_sentence_goes(claim: str) -> None:
    """Guards against inventions that a number in brackets makes look true."""
    checked = check(f"Bread is baked from flour [2]. {claim}", BOATS)
    assert checked.text.startswith("Bread is baked from flour [2].")
    assert "captain" not in checked.text
    assert "1988" not in checked.text
    if claim != "[1]":
        assert checked.unsupported == (claim,)
        assert any("left out" in warning for warning in checked.warnings)


@pytest.mark.parametrize(
    "begins",
    [
        "The answer to this question is: ",
        "Answer: ",
        "The answer to the question is that ",
        "According to the sources, ",
        "Based on the given context, the answer is: ",
    ],
)
def test_how_a_model_begins_is_no_claim(begins: str) -> None:
    """Small models announce their answers; the words for it stand in no evidence."""
    assert check(f"{begins}bread is baked from flour [2].", BOATS).unsupported == ()
    assert check(f"{begins}bread is baked from sand and rope [2].", BOATS).citations == ()


def test_a_not_counts_in_its_own_clause() -> None:
    """Guards against true sentences lost to a "not" about something else, and false ones kept."""
    rent = evidence("Rent is 890 euros a month, heating not included. The lease ends in May.")
    kept = check("The rent is 890 euros a month [1].", rent)
    assert kept.unsupported == ()
    for false in ("The rent is not 890 euros a month [1].", "Heating is included in the rent [1]."):
        assert check(false, rent).unsupported == (false,)


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (
            "The heating element is covered for 36 months",
            "The heating element is covered for 2 hours",
        ),
        ("The repair is done within 30 days", "The repair is done within 30 weeks"),
        ("The repair costs 40 euros", "The repair costs 40 dollars"),
    ],
)
def test_a_number_keeps_its_unit(true: str, false: str) -> None:
    """Guards against another unit behind a number that stands somewhere, such as a list's."""
    warranty = evidence(
        "1. The heating element is covered for 36 months.\n2. The repair is done within 30 days. "
        "The repair costs 40 €."
    )
    assert check(f"{true} [1].", warranty).unsupported == ()
    assert check(f"{false} [1].", warranty).unsupported == (f"{false} [1].",)


def test_a_missing_citation_is_added_and_a_wrong_one_is_not_moved() -> None:
    """A true sentence keeps its evidence; one that cites the wrong piece goes."""
    added = check("The red boat sank near Holm.", BOATS)
    assert added.text == "The red boat sank near Holm. [1]"
    wrong = check("The red boat sank near Holm [2].", BOATS)
    assert wrong.text == ""
    assert wrong.unsupported == ("The red boat sank near Holm [2].",)


def test_unknown_numbers_are_taken_off_a_true_sentence() -> None:
    """Guards against citations that lead nowhere."""
    checked = check("The red boat sank near Holm [1][9].", BOATS)
    assert checked.text == "The red boat sank near Holm [1]."
    assert any("[9]" in warning for warning in checked.warnings)


def test_several_numbers_in_one_bracket() -> None:
    """Guards against "[1, 2]" being read as no citation."""
    checked = check("The boat sank in 1987 and bread is baked from flour [1, 2].", BOATS)
    assert checked.text.endswith("[1][2].")
    assert [citation.number for citation in checked.citations] == [1, 2]


def test_brackets_in_evidence_cite_nothing() -> None:
    """Guards against a file's own "[3]" being taken for one of ours."""
    assert escape("see [3], [a] and [1; 2]") == "see (3), [a] and (1; 2)"


def test_pictures_bear_out_their_name_only() -> None:
    """A generator that saw no pixels must not say what a picture shows."""
    picture = [
        Evidence(number=1, hit=Hit(id="p", modality="image", uri="/d/boat.jpg", score=1), text="")
    ]
    assert check("- picture boat.jpg [1]", picture).text == "- picture boat.jpg [1]"
    assert check("The picture shows a red boat at sunset [1].", picture).text == ""


def test_not_found_needs_no_citation() -> None:
    """Guards against dropping an honest answer."""
    assert check(NOT_FOUND, BOATS).text == NOT_FOUND


ANSWERS = st.lists(
    st.sampled_from(
        ["The red boat sank in 1987 near Holm.", "[1]", "[2]", "[9]", "[1, 2]", " ", "\n", "- ",
         "Bread is baked from flour", "A lie about whisky.", "Dr. Ito", NOT_FOUND, "[", "]", "."]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@settings(deadline=None)
@given(ANSWERS)
def test_every_number_left_is_a_citation(text: str) -> None:
    """The promise: what ``[n]`` is in the text is among the citations, and the other way round."""
    checked = check(text, BOATS)
    left = {int(n) for n in re.findall(r"\[(\d+)\]", checked.text)}
    assert left == {citation.number for citation in checked.citations}


@settings(deadline=None)
@given(ANSWERS, st.data())
def test_streaming_gives_the_same_as_the_whole(text: str, data: st.DataObject) -> None:
    """Guards against a check that depends on where the pieces of an answer were cut."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    edges = [0, *cuts, len(text)]
    checker = Checker(BOATS)
    told = [
        sentence for start, end in pairwise(edges) for sentence in checker.feed(text[start:end])
    ]
    told += checker.finish()
    assert checker.checked("".join(told)) == check(text, BOATS)


def test_threshold_on_labelled_passages() -> None:
    """True sentences stay, those of another passage go, and so do altered numbers."""
    names = list(PASSAGES)
    strange = 0
    total = 0
    for at, name in enumerate(names):
        other = names[(at + 1) % len(names)]
        for part in sentences.split(PASSAGES[name]):
            total += 1
            assert check(f"{part.text} [1]", evidence(PASSAGES[name])).unsupported == ()
            strange += bool(check(f"{part.text} [1]", evidence(PASSAGES[other])).text)
            altered = re.sub(r"\d+", lambda match: str(int(match[0]) + 7), part.text)
            if altered != part.text:
                assert check(f"{altered} [1]", evidence(PASSAGES[name])).text == ""
    assert total >= 50
    assert strange == 0
