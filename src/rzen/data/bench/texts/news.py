"""News articles that people compared two by two.

Lee, Pincombe and Welsh, "An Empirical Evaluation of Models of Text Document Similarity",
Proceedings of the 27th Annual Conference of the Cognitive Science Society, 2005. People rated pairs
from 1, "highly unrelated", to 5, "highly related"; the file holds the means, divided by 5. A mean
that rounds to 3, 4 or 5 counts 1, 2 or 3, and what is nearer to "unrelated" counts nothing.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import DataError
from rzen.types import Content, Text

_GENSIM = "gensim"
_SAME_TOPIC = "Find news articles about the same topic as the given article."
_ARTICLES = 50
_MIDDLE = 2  # the highest rating that counts nothing
_ROUNDING = 1e-6  # the means are stored with few digits
_Item = TypeVar("_Item")


def news_set(shop: Workshop) -> RetrievalSet:
    """Every article ranks the others."""
    articles, ratings_NN = _read_news(shop.fetch(_GENSIM))
    names = [f"article-{number:02}" for number in range(1, len(articles) + 1)]
    queries = []
    for number, name in enumerate(names):
        grades_N = np.floor(ratings_NN[number] + 0.5 + _ROUNDING).astype(int) - _MIDDLE
        others = [other for other in range(len(names)) if other != number]
        labels = [other for other in others if grades_N[other] > 0]
        if not labels:
            shop.tallies["lee-t2t: articles that are like no other"] += 1
            continue
        queries.append(
            Query(
                id=name,
                content=Content(Text(articles[number])),
                labels=tuple(names[other] for other in labels),
                grades=tuple(int(grades_N[other]) for other in labels),
                candidates=tuple(names[other] for other in _shuffled(others, shop, name)),
            )
        )
    return RetrievalSet(
        name="lee-t2t",
        group="text",
        family="document similarity",
        metric="ndcg_linear@10",
        scope="local",
        queries=tuple(_shuffled(queries, shop, "queries")),
        documents={name: Content(Text(text)) for name, text in zip(names, articles, strict=True)},
        instruction=_SAME_TOPIC,
        about="A news article ranks the 49 others; people rated how alike each two are, and mean "
        "ratings that round to 3, 4 or 5 of 5 count 1, 2 or 3.",
    )


def _read_news(package: Path) -> tuple[list[str], NDArray[np.float64]]:
    """The articles, and people's mean ratings of each two: (N, N), from 1 to 5, symmetric."""
    folder = package / "gensim/test/test_data"
    text = (folder / "lee.cor").read_text(encoding="cp1252")
    articles = [line.strip() for line in text.splitlines() if line.strip()]
    shares_NN = np.loadtxt(folder / "similarities0-1.txt", dtype=np.float64, ndmin=2)
    if shares_NN.shape != (_ARTICLES, _ARTICLES) or len(articles) != _ARTICLES:
        raise DataError(
            f"{folder} holds {len(articles)} articles and ratings of shape {shares_NN.shape}, "
            f"not {_ARTICLES} of each: the package has changed, take the version that is pinned"
        )
    upper_NN = np.triu(shares_NN, 1)
    return articles, 5 * (upper_NN + upper_NN.T)


def _shuffled(items: Iterable[_Item], shop: Workshop, key: str) -> list[_Item]:
    found = list(items)
    return [found[place] for place in shop.dice("news", key).permutation(len(found))]
