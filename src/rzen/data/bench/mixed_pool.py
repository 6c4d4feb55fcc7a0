"""All modalities in one pool: does a query find its picture among pages, clips and passages?

The pool is put together from the documents of four other sets. A concept that occurs in several of
them stays in one, so that a query has no right answer in a modality that it does not ask for.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeAlias

from rzen.data.bench.language.concepts import concept, stable_number
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Modality

_SOURCES: Mapping[Modality, str] = {
    "text": "glosses-t2t",
    "image": "stamps-t2i",
    "page": "manuals-t2p",
    "video": "objects-t2v",
}
_QUERIES = 200
_METRIC = "hit@10"

_Chosen: TypeAlias = list[tuple[RetrievalSet, Query]]


def sets(made: Mapping[str, RetrievalSet]) -> list[RetrievalSet]:
    """One set for each modality that is asked for, over one pool of documents.

    Args:
        made: the sets of one split, the four sources among them.
    """
    chosen = _choose(made)
    documents = _pool(chosen)
    return [
        RetrievalSet(
            name=f"mixed-{modality}",
            group="mixed",
            family=f"{modality} among all",
            metric=_METRIC,
            scope="global",
            queries=tuple(_query(source, query) for source, query in pairs),
            documents=documents,
            about=(
                f"The right {modality} among texts, pictures, pages and clips in one pool: "
                f"queries and documents of {', '.join(sorted(_SOURCES.values()))}."
            ),
        )
        for modality, pairs in chosen.items()
    ]


def _choose(made: Mapping[str, RetrievalSet]) -> dict[Modality, _Chosen]:
    owners = _owners(made)
    chosen: dict[Modality, _Chosen] = {}
    for modality, name in _SOURCES.items():
        source = made[name]
        own = [query for query in source.queries if owners[concept(query.content.text)] == modality]
        chosen[modality] = [(source, query) for query in own[:_QUERIES]]
    return chosen


def _owners(made: Mapping[str, RetrievalSet]) -> dict[str, Modality]:
    """Concept -> the one modality that keeps it."""
    found: dict[str, set[Modality]] = defaultdict(set)
    for modality, name in _SOURCES.items():
        for query in made[name].queries:
            found[concept(query.content.text)].add(modality)
    return {
        about: min(modalities, key=lambda modality: stable_number(f"mixed {about} {modality}"))
        for about, modalities in found.items()
    }


def _pool(chosen: Mapping[Modality, _Chosen]) -> dict[str, Content]:
    """The labels of all queries that were chosen; nothing else, so that labels are complete."""
    return {
        _id(source, label): source.documents[label]
        for pairs in chosen.values()
        for source, query in pairs
        for label in query.labels
    }


def _query(source: RetrievalSet, query: Query) -> Query:
    return Query(
        id=_id(source, query.id),
        content=query.content,
        labels=tuple(_id(source, label) for label in query.labels),
    )


def _id(source: RetrievalSet, own: str) -> str:
    return f"{source.name}/{own}"
