"""The mixed pool: complete labels, one modality a concept, one pool for all queries."""

from pathlib import Path

from rzen.data.bench import mixed_pool
from rzen.data.bench.language.concepts import concept
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Image, Page, Part, Text, Video


def made(name: str, entries: dict[str, Part]) -> RetrievalSet:
    return RetrievalSet(
        name=name,
        group="text",
        family="retrieval",
        metric="hit@1",
        scope="global",
        queries=tuple(
            Query(id=f"q-{words}", content=Content(Text(words)), labels=(f"d-{words}",))
            for words in entries
        ),
        documents={
            **{f"d-{words}": Content(part) for words, part in entries.items()},
            "distractor": Content(Text(f"of {name}")),
        },
    )


def sources() -> dict[str, RetrievalSet]:
    animals = ("owl", "cat", "dog", "horse", "lion", "sheep")
    return {
        "glosses-t2t": made(
            "glosses-t2t", {word: Text(f"a kind of {word[0]}") for word in (*animals, "justice")}
        ),
        "stamps-t2i": made("stamps-t2i", {word: Image(Path(f"{word}.png")) for word in animals}),
        "objects-t2v": made("objects-t2v", {word: Video(Path(f"{word}.mp4")) for word in animals}),
        "manuals-t2p": made("manuals-t2p", {"Fitting linear models": Page(Path("p.png"))}),
    }


def test_a_concept_is_asked_for_in_one_modality() -> None:
    """Guards against an owl's picture that counts as wrong where the owl's gloss is asked for."""
    sets = mixed_pool.sets(sources())
    asked = [concept(query.content.text) for each in sets for query in each.queries]
    assert len(asked) == len(set(asked)) == 8
    assert {each.name for each in sets} == {
        "mixed-text",
        "mixed-image",
        "mixed-page",
        "mixed-video",
    }


def test_all_queries_rank_one_pool_of_labels() -> None:
    """Guards against pools that differ by modality, and documents of concepts left out."""
    sets = mixed_pool.sets(sources())
    assert all(each.documents.keys() == sets[0].documents.keys() for each in sets)
    labels = {label for each in sets for query in each.queries for label in query.labels}
    assert sets[0].documents.keys() == labels
    for each in sets:
        modality = each.name.removeprefix("mixed-")
        for query in each.queries:
            assert {each.documents[label].modality for label in query.labels} == {modality}


def test_it_is_the_same_each_time() -> None:
    once, again = mixed_pool.sets(sources()), mixed_pool.sets(sources())
    assert [[query.id for query in each.queries] for each in once] == [
        [query.id for query in each.queries] for each in again
    ]
