"""Puts hits in the order of a reranker, which reads query and text together."""

from collections.abc import Sequence
from dataclasses import replace

from rzen.protocols import Reranker
from rzen.types import Hit


def rerank(query: str, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """Orders the hits that have a text anew; those without one keep their places.

    Places keep their scores: a reranker's own numbers have no common scale with those of the hits
    without a text, so it decides who stands where, and ``score`` goes on falling from hit to hit.

    Args:
        query: the text of the query; a blank one leaves the hits as they are.
        hits: best first.
        reranker: scores the hits with a text; equal scores keep their order.
    """
    places = [place for place, hit in enumerate(hits) if hit.text.strip()]
    if not query.strip() or len(places) < 2:
        return list(hits)
    texts = [hits[place] for place in places]
    scores = reranker.scores(query, texts)
    assert len(scores) == len(texts), f"{reranker.name} left hits without a score"
    order = sorted(range(len(texts)), key=lambda number: -scores[number])
    ordered = list(hits)
    for place, number in zip(places, order, strict=True):
        ordered[place] = replace(texts[number], score=hits[place].score)
    return ordered
