"""Questions about pages made of words alone; no file is read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rzen.data.bench.documents.headings import LEAST_LETTERS, Section
from rzen.data.bench.documents.manuals import Manual, Sheet
from rzen.data.bench.documents.pool import DocumentPool, title_key
from rzen.data.bench.documents.printed_index import IndexTerm
from rzen.data.bench.documents.questions import heading_questions, partners, term_questions
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.workshop import Workshop

TITLE = "Reading large tables"


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, tmp_path.__truediv__)


def section(title: str, first: int, last: int, **changes: object) -> Section:
    values: dict[str, object] = {"own_last": last, "own_letters": 500, "rank": 1}
    values |= {"opens_page": True, "manual": "R-x", **changes}
    return Section(title=title, first=first, last=last, **values)  # type: ignore[arg-type]


def term(words: str, *pages: int, is_name: bool = False) -> IndexTerm:
    return IndexTerm(words=words, is_name=is_name, pages=pages)


def pool(
    *sections: Section,
    texts: Mapping[int, str] | None = None,
    terms: Sequence[IndexTerm] = (),
    more: Sequence[str] = (),
    splits: Mapping[int, Split] | None = None,
) -> DocumentPool:
    """Pages 1 to 9 with the texts given; more titles are those of sections elsewhere."""
    said = {number: f"page {number}" for number in range(1, 10)} | dict(texts or {})
    sheets = {
        number: Sheet(id=f"R-x-{number}", number=number, text=text, hidden=())
        for number, text in said.items()
    }
    whole = Manual(
        name="R-x",
        file=Path("never opened"),
        sheets=sheets,
        sections=sections,
        terms=tuple(terms),
    )
    every = {sheet.id: (splits or {}).get(sheet.number, "test") for sheet in sheets.values()}
    pages = {
        sheet.id: sheet for sheet in sheets.values() if sheet.text and every[sheet.id] == "test"
    }
    return DocumentPool(
        manuals={"R-x": whole},
        pages=pages,
        homes=dict.fromkeys(pages, "R-x"),
        words={name: f" {title_key(sheet.text)} " for name, sheet in pages.items()},
        splits=every,
        sections=sections,
        titles=Counter(map(title_key, [*(each.title for each in sections), *more])),
        left_out={},
    )


def asked(shop: Workshop, of: DocumentPool) -> dict[str, Mapping[str, int]]:
    return {each.text: each.grades for each in heading_questions(shop, of, "set")}


def terms(shop: Workshop, of: DocumentPool) -> dict[str, Mapping[str, int]]:
    return {each.text: each.grades for each in term_questions(shop, of, "test")}


def test_the_first_page_counts_twice(shop: Workshop) -> None:
    """Guards against continuations that count as much as the page asked for."""
    found = asked(shop, pool(section(TITLE, 2, 4)))
    assert found == {TITLE: {"R-x-2": 2, "R-x-3": 1, "R-x-4": 1}}


def test_pages_that_are_not_searched_are_no_answers(shop: Workshop) -> None:
    """Guards against labels that no document has."""
    found = asked(shop, pool(section(TITLE, 2, 4), texts={3: ""}))
    assert found == {TITLE: {"R-x-2": 2, "R-x-4": 1}}


@pytest.mark.parametrize(
    ("title", "changes", "why"),
    [
        ("Connections", {}, "fewer than two words, or very long"),
        ("Using the tables", {}, "fewer than two words, or very long"),
        ("Reading tables " * 7, {}, "fewer than two words, or very long"),
        (TITLE, {"last": 6}, "the section is longer than 4 pages"),
        (TITLE, {"own_letters": LEAST_LETTERS - 1}, "the page shows hardly any of the section"),
    ],
)
def test_headings_that_ask_for_nothing_are_dropped(
    shop: Workshop, title: str, changes: dict[str, int], why: str
) -> None:
    """Guards against questions that nobody can answer, and counts that hide them."""
    one = section(title, 2, changes.pop("last", 3), **changes)
    assert asked(shop, pool(one)) == {}
    assert shop.tallies == {f"set: headings dropped, {why}": 1}


def test_titles_of_several_sections_are_dropped(shop: Workshop) -> None:
    """Guards against "Getting help" of six manuals, of which one counts as right."""
    assert asked(shop, pool(section(TITLE, 2, 3), more=["Reading  Large-Tables"])) == {}
    assert asked(shop, pool(section(TITLE, 2, 3), section(TITLE, 5, 5))) == {}


def test_titles_that_other_pages_say_are_dropped(shop: Workshop) -> None:
    """Guards against pages that answer as well and count as wrong; the own ones may say it."""
    elsewhere = {7: "as in reading large (tables)."}
    own = {3: "reading large tables"}
    assert asked(shop, pool(section(TITLE, 2, 3), texts=elsewhere)) == {}
    assert len(asked(shop, pool(section(TITLE, 2, 3), texts=own))) == 1


def test_pages_that_the_index_names_count_twice(shop: Workshop) -> None:
    """Guards against a page that says the term and counts as wrong."""
    said = {2: "the load hooks", 5: "Load hooks again", 6: "hooks that load"}
    found = terms(shop, pool(texts=said, terms=[term("load hooks", 2)]))
    assert found == {"load hooks": {"R-x-2": 2, "R-x-5": 1}}


def test_a_page_that_the_index_names_must_say_the_words(shop: Workshop) -> None:
    """Guards against terms that stand on the next page; other forms and orders will do."""
    said = {2: "nothing of the kind", 3: "hooks that are loaded when"}
    of = pool(texts=said, terms=[term("loading hooks", 2), term("loaded hooks", 2, 3)])
    assert terms(shop, of) == {"loaded hooks": {"R-x-3": 2}}
    assert shop.tallies["manuals-index-t2p: terms dropped, not on the page named"] == 1


@pytest.mark.parametrize(("others", "kept"), [(6, True), (7, False)])
def test_terms_on_many_other_pages_are_dropped(shop: Workshop, others: int, kept: bool) -> None:
    """Guards against "vector", which the index names once and every page says."""
    said = dict.fromkeys(range(1, others + 2), "the load hooks")
    found = terms(shop, pool(texts=said, terms=[term("load hooks", 1)]))
    assert bool(found) == kept
    assert shop.tallies["manuals-index-t2p: terms dropped, on many other pages"] == (not kept)


def test_many_pages_that_the_index_names_are_no_reason(shop: Workshop) -> None:
    """Guards against terms that are dropped for having many right answers."""
    said = dict.fromkeys(range(1, 10), "the load hooks")
    found = terms(shop, pool(texts=said, terms=[term("load hooks", *range(1, 9))]))
    assert [*found["load hooks"].values()].count(2) == 8


def test_terms_of_several_indexes_are_dropped(shop: Workshop) -> None:
    """Guards against one question with two answers that each count as wrong for the other."""
    said = {2: "load hooks", 5: "load hooks"}
    of = pool(texts=said, terms=[term("load hooks", 2), term("Load hooks", 5)])
    assert terms(shop, of) == {}
    assert shop.tallies["manuals-index-t2p: terms dropped, in several indexes"] == 2


@pytest.mark.parametrize(
    ("words", "is_name", "used"),
    [
        ("print", True, False),
        ("read.table", True, True),
        ("R_alloc", True, True),
        ("loadNamespace", True, True),
        ("hook", False, False),
        ("hooks", False, True),
    ],
)
def test_terms_can_only_mean_the_thing(
    shop: Workshop, words: str, is_name: bool, used: bool
) -> None:
    """Guards against functions such as "print" and "c", which any page says."""
    of = pool(texts={2: f"see {words} there"}, terms=[term(words, 2, is_name=is_name)])
    assert [each.is_name for each in term_questions(shop, of, "test")] == [is_name] * used


def test_terms_go_to_the_strongest_split_of_their_pages(shop: Workshop) -> None:
    """Guards against a term of the test that is trained with."""
    said = {2: "load hooks", 5: "load hooks"}
    of = pool(texts=said, terms=[term("load hooks", 2, 5)], splits={5: "train"})
    assert terms(shop, of) == {"load hooks": {"R-x-2": 2}}
    assert term_questions(shop, of, "train") == []


def test_a_term_is_asked_in_one_split_whichever_manual_has_it(shop: Workshop) -> None:
    """Guards against a question of the test that is trained with, for another page."""
    of = pool(
        texts={2: "load hooks", 5: "load hooks"},
        terms=[term("load hooks", 2), term("Load hooks", 5)],
        splits={5: "train"},
    )
    assert terms(shop, of) == {"load hooks": {"R-x-2": 2}}
    before = shop.tallies.copy()
    assert term_questions(shop, of, "train") == []
    left_out = shop.tallies - before
    assert left_out["manuals-index-t2p: terms dropped, asked in a stronger split"] == 1


def test_partners_are_the_other_pages_of_a_section() -> None:
    """Guards against a page that is its own answer, and neighbours of other sections."""
    assert partners(pool(section("a", 2, 4), section("b", 5, 6))) == {
        "R-x-2": {"R-x-3": 2, "R-x-4": 1},
        "R-x-3": {"R-x-2": 2, "R-x-4": 2},
        "R-x-4": {"R-x-2": 1, "R-x-3": 2},
        "R-x-5": {"R-x-6": 2},
        "R-x-6": {"R-x-5": 2},
    }


def test_pages_of_long_sections_ask_for_nothing() -> None:
    """Guards against chapters of thirty pages as right answers."""
    assert partners(pool(section("a", 1, 5))) == {}
    assert [*partners(pool(section("a", 1, 4)))] == [f"R-x-{number}" for number in range(1, 5)]
    # Page 5 is of both.
    assert [*partners(pool(section("a", 1, 5), section("b", 5, 6)))] == ["R-x-6"]


def test_a_page_that_shows_a_heading_alone_is_no_partner() -> None:
    """Guards against a page whose last line is the heading of another section."""
    few = section("a", 2, 4, own_letters=LEAST_LETTERS - 1)
    assert [*partners(pool(few))] == ["R-x-3", "R-x-4"]


def test_subsections_do_not_stretch_a_section() -> None:
    """Guards against pages of a chapter that share nothing but its number."""
    assert [*partners(pool(section("a", 2, 9, own_last=3)))] == ["R-x-2", "R-x-3"]
