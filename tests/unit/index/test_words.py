"""The full-text side: what a query finds."""

import sqlite3
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.index.catalog import Catalog
from rzen.index.filters import Filters
from rzen.index.words import QUERY_TERMS, indexed, match_expression
from rzen.types import Record, Span

Make = Callable[..., Record]
ALL = Filters()


@pytest.fixture(scope="module")
def table() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE p USING fts5 (text, "
        "tokenize = 'porter unicode61 remove_diacritics 2')"
    )
    connection.execute("INSERT INTO p VALUES ('some text')")
    yield connection
    connection.close()


@given(query=st.text())
@pytest.mark.parametrize("wrap", ["{}", '"{}', "{} AND", "NEAR({} x, 2)", "text : {}*", "^{} -("])
def test_no_query_is_a_syntax_error(table: sqlite3.Connection, wrap: str, query: str) -> None:
    """Guards against FTS5's operators in what people type."""
    expression = match_expression(wrap.format(query))
    if expression is not None:
        table.execute("SELECT * FROM p WHERE p MATCH ?", [expression]).fetchall()


@given(text=st.text(), other=st.text())
def test_any_text_can_be_indexed(table: sqlite3.Connection, text: str, other: str) -> None:
    """Guards against text layers with half surrogates or NUL."""
    damaged = f"{text}\ud800\x00{other}"
    table.execute("INSERT INTO p VALUES (?)", [indexed(damaged)])
    table.execute("INSERT INTO p (p) VALUES ('integrity-check')")


def test_long_queries_are_cut() -> None:
    """Guards against a pasted page that takes a minute."""
    expression = match_expression(" ".join(f"word{n}" for n in range(1000)))
    assert expression is not None
    assert expression.count(" OR ") == QUERY_TERMS - 1


def _found(catalog: Catalog, query: str) -> list[str]:
    rowids = [rowid for rowid, _ in catalog.search_text(query, 10, ALL)]
    return [record.uri for record in catalog.records(rowids)]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("invoice 2024", "/in/invoice 2024.pdf"),
        ("invoice", "/in/invoice 2024.pdf"),
        ("red boat", "/in/redBoat_final.jpg"),
        ("IMG 0042", "/in/IMG0042.jpg"),
        ("cooking", "/in/recipe.txt"),  # stemmed: the text says "cook"
        ("CREME BRULEE", "/in/recipe.txt"),  # accents folded
        ("红色的船", "/in/chinese.txt"),
        ("船", "/in/chinese.txt"),
        ("東京タワー", "/in/japanese.txt"),
        ("what is the boat?", "/in/redBoat_final.jpg"),
    ],
)
def test_what_people_look_for(catalog: Catalog, make: Make, query: str, path: str) -> None:
    """Guards against files that cannot be found by their names or by words in another form."""
    texts = {
        "/in/invoice 2024.pdf": "total due",
        "/in/redBoat_final.jpg": "",
        "/in/IMG0042.jpg": "",
        "/in/recipe.txt": "how to cook a crème brûlée",
        "/in/chinese.txt": "湖上有一艘红色的船。",
        "/in/japanese.txt": "昨日、東京タワーへ行った",
        "/in/filler.txt": "what is the thing that is the other thing, is it",
    }
    for number, (name, text) in enumerate(texts.items()):
        catalog.put(name, 1, 1, f"c{number}", [make(f"c{number}", text=text)])
    assert _found(catalog, query)[0] == path


def test_a_name_counts_for_the_first_page_only(catalog: Catalog, make: Make) -> None:
    """Guards against three hundred pages that all match because of their document's name."""
    pages = [make("c", Span(page=n), text=f"page {n}") for n in range(1, 20)]
    catalog.put("/whales.pdf", 1, 1, "c", pages)
    found = catalog.search_text("whales", 50, ALL)
    assert [record.span.page for record in catalog.records([r for r, _ in found])] == [1]


def test_names_follow_the_paths(catalog: Catalog, make: Make) -> None:
    """Guards against finding a file by a name it no longer has."""
    catalog.put("/x/walrus.txt", 1, 1, "c", [make("c")])
    catalog.link("/x/penguin.txt", 1, 1, "c")
    assert _found(catalog, "penguin") != []
    catalog.remove(["/x/walrus.txt"])
    assert _found(catalog, "walrus") == []
    assert _found(catalog, "penguin") == ["/x/penguin.txt"]


def test_rare_words_count_more_and_scores_fall(catalog: Catalog, make: Make) -> None:
    """Guards against scores that grow where matches get worse."""
    for number in range(30):
        text = "common words" + (" axolotl" if number == 17 else "")
        catalog.put(f"/{number}", 1, 1, f"c{number}", [make(f"c{number}", text=text)])
    found = catalog.search_text("common axolotl", 5, ALL)
    assert catalog.records([found[0][0]])[0].uri == "/17"
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert len(found) == 5
    assert found[1:] == sorted(found[1:]), "equal scores by row number"
    assert catalog.search_text("common", 0, ALL) == []
    assert catalog.search_text("...", 5, ALL) == []
