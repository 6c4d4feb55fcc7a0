import pytest

from rzen.data.bench.documents.pdf_lines import Line
from rzen.data.bench.documents.printed_index import IndexTerm, concept_terms, leader_terms

NUMBERS = {str(number): number + 4 for number in range(1, 100)}  # four pages of front matter


def line(text: str, x: float = 90.0) -> Line:
    return Line(text=text, start=0, box=(x, 100, x + 100, 108), size=9.0)


def leaders(*texts: str, is_name: bool = False) -> dict[str, tuple[int, ...]]:
    found = list(leader_terms(map(line, texts), NUMBERS, is_name=is_name))
    assert all(term.is_name == is_name for term in found)
    return {term.words: term.pages for term in found}


@pytest.mark.parametrize(
    ("text", "term", "pages"),
    [
        ("Load hooks . . . . . . . 54", "Load hooks", (58,)),
        ("Load hooks. . . . . . . 54, 60", "Load hooks", (58, 64)),
        ("scan........... 3", "scan", (7,)),
        ("ranges . . . . 6\u20138, 2", "ranges", (6, 10, 11, 12)),
        ("read.table . . . . 9", "read.table", (13,)),
    ],
)
def test_entries_point_to_pages_of_the_file(text: str, term: str, pages: tuple[int, ...]) -> None:
    """Guards against the printed number as the page, which is off by the front matter."""
    assert leaders(text) == {term: pages}


def test_entries_of_two_lines_are_one() -> None:
    """Guards against half a name, and pages that are lost with the end of the line."""
    found = leaders(
        *("first . . . . . 1, 2,", "3, 4"),
        *("a term that is too long", "for one line . . . . 5"),
        *("R_Register_", "CallMethods . . . . 6"),
    )
    assert found == {
        "first": (5, 6, 7, 8),
        "a term that is too long for one line": (9,),
        "R_Register_CallMethods": (10,),
    }


def test_entries_without_a_known_page_are_left_out() -> None:
    """Guards against terms without an answer, and roman numbers that mean a preface."""
    assert leaders("see elsewhere . . . .", "beyond . . . . 500") == {}


def test_ranges_have_an_end() -> None:
    """Guards against a misread range that makes half the manual an answer."""
    (pages,) = leaders("everything . . . . 1\u201399").values()
    assert len(pages) == 21


def test_names_are_told_from_concepts() -> None:
    """Guards against an index of functions whose plain words are asked for."""
    assert leaders("lapply . . . . 1", is_name=True) == {"lapply": (5,)}


def test_concepts_have_the_pages_of_their_topics() -> None:
    """Guards against topics of one concept that go to the next, and functions as concepts."""
    left = [
        line("\u2217axis range"),
        line("plot.window, 37", 110),
        line("axis, 12", 110),
        line("\u2217bins"),
        line("hist, 5", 110),
        line("lines, 44, 45"),
        line("points, 46", 110),
    ]
    right = [line("\u2217binning", 325), line("cut, 7", 345), line("\u2217empty", 325)]
    assert list(concept_terms([left, right], NUMBERS)) == [
        IndexTerm(words="axis range", is_name=False, pages=(16, 41)),
        IndexTerm(words="bins", is_name=False, pages=(9,)),
        IndexTerm(words="binning", is_name=False, pages=(11,)),
    ]


def test_a_concept_goes_on_across_columns_and_pages() -> None:
    """Guards against topics that are lost at the head of a column."""
    left = [line("\u2217axis range"), line("axis, 12", 110)]
    right = [line("plot.window, 37", 345), line("\u2217other", 325)]
    assert [term.pages for term in concept_terms([left, right], NUMBERS)] == [(16, 41)]
    pages = [[line("\u2217axis range"), line("axis, 12", 110)], [line("box, 13", 110)]]
    assert [term.pages for term in concept_terms(pages, NUMBERS)] == [(16, 17)]
