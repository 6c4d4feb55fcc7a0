from pathlib import Path

import numpy as np
import pytest

from rzen.data.bench.texts.news import news_set
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import RetrievalSet
from rzen.errors import DataError
from rzen.types import Content, Text

FOLDER = "gensim/test/test_data"
ARTICLES = 50
# Mean ratings of pairs of articles, from 1 to 5; all others are 1.
RATINGS = {
    (1, 2): 5.0,
    (1, 3): 4.4,
    (1, 4): 4.5,
    (1, 5): 3.0,
    (1, 6): 2.5,
    (1, 7): 2.4,
    (8, 50): 3.5,
}


def write(package: Path, articles: int = ARTICLES, rows: int = ARTICLES) -> Path:
    """The upper half holds the ratings; what is below must not be read."""
    shares_NN = np.full((rows, rows), 0.2)
    np.fill_diagonal(shares_NN, 1.0)
    for (one, other), rating in RATINGS.items():
        if rows == ARTICLES:
            shares_NN[one - 1, other - 1] = rating / 5
    folder = package / FOLDER
    folder.mkdir(parents=True)
    np.savetxt(folder / "similarities0-1.txt", shares_NN, fmt="%.8g")
    lines = [f"Article {number} says \u2018so\u2019.\n" for number in range(1, articles + 1)]
    (folder / "lee.cor").write_text("\n".join(lines), encoding="cp1252")
    return package


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "suite", tmp_path.__truediv__)


@pytest.fixture
def made(tmp_path: Path, shop: Workshop) -> RetrievalSet:
    write(tmp_path / "gensim")
    return news_set(shop)


def grades(of: RetrievalSet) -> dict[str, dict[str, int]]:
    return {
        query.id: dict(zip(query.labels, query.grades or (), strict=True)) for query in of.queries
    }


def test_ratings_are_rounded_to_grades(made: RetrievalSet) -> None:
    """Guards against ratings that are off by one, or rounded to the even number: 4.5 is 5."""
    assert grades(made)["article-01"] == {
        "article-02": 3,
        "article-03": 2,
        "article-04": 3,
        "article-05": 1,
        "article-06": 1,
    }


def test_ratings_hold_in_both_directions(made: RetrievalSet) -> None:
    """Guards against an article that is like another, which is not like the first."""
    found = grades(made)
    assert found["article-50"] == {"article-08": 2}
    assert found["article-08"] == {"article-50": 2}
    for name, labels in found.items():
        for other, grade in labels.items():
            assert found[other][name] == grade


def test_an_article_ranks_the_others(made: RetrievalSet) -> None:
    """Guards against an article that finds itself, and candidates in the order of the file."""
    for query in made.queries:
        assert query.candidates is not None
        assert sorted([*query.candidates, query.id]) == sorted(made.documents)
        assert [*query.candidates] != sorted(query.candidates)
        assert query.id not in query.labels


def test_articles_like_no_other_ask_for_nothing(made: RetrievalSet, shop: Workshop) -> None:
    """Guards against queries without an answer; they stay among the documents."""
    assert set(grades(made)) == {f"article-{number:02}" for number in (1, 2, 3, 4, 5, 6, 8, 50)}
    assert shop.tallies == {"lee-t2t: articles that are like no other": 42}
    assert len(made.documents) == ARTICLES


def test_ids_are_those_of_the_articles(made: RetrievalSet) -> None:
    """Guards against texts that slipped by one, or were read in the wrong encoding."""

    def text(of: Content) -> str:
        (part,) = of.parts
        assert isinstance(part, Text)
        return part.text

    for query in made.queries:
        number = int(query.id.removeprefix("article-"))
        assert text(query.content) == f"Article {number} says \u2018so\u2019."
        assert text(made.documents[query.id]) == text(query.content)


@pytest.mark.parametrize("changed", ["articles", "rows"])
def test_another_number_of_articles_is_an_error(
    tmp_path: Path, shop: Workshop, changed: str
) -> None:
    """Guards against ratings of other articles than those that are there."""
    write(tmp_path / "gensim", **{changed: 49})
    with pytest.raises(DataError, match="not 50 of each: the package has changed"):
        news_set(shop)
