"""Finding pages of the manuals of R: by heading, by index term, by another page, and as scans.

What a page is asked for by is hidden on it (see :mod:`rzen.data.bench.documents.manuals`), except
the terms of the printed index, which are found where they stand.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.documents.manuals import draw
from rzen.data.bench.documents.pool import DocumentPool, pools
from rzen.data.bench.documents.questions import (
    Question,
    heading_questions,
    partners,
    term_questions,
)
from rzen.data.bench.documents.scans import scanned
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example, Text

_PACKAGE = "r-doc-pdf"
_FIND = "Find a document image that matches the given query:"
_FIND_RELATED = "Find a document image from the same section as the given page:"
_DOCUMENT = "Understand the content of the provided document image."
_HEADINGS: Mapping[Split, int] = {"train": 10_000, "validation": 170, "test": 350}
_TERMS: Mapping[Split, int] = {"train": 10_000, "validation": 100, "test": 200}
_RELATED: Mapping[Split, int] = {"train": 10_000, "validation": 100, "test": 200}
_SCANS: Mapping[Split, int] = {"train": 0, "validation": 30, "test": 60}
_NAMES_SHARE = 0.5  # of the index terms: names of functions and the like
_Item = TypeVar("_Item")
_Pages: TypeAlias = Mapping[str, Content]


def sets(shop: Workshop, split: Split) -> list[RetrievalSet]:
    """The four sets of a split."""
    plain, kept_for_scans = pools(shop.fetch(_PACKAGE), split)
    for why, count in plain.left_out.items():
        shop.tallies[f"manuals ({split}): {why}"] = count
    documents = _drawn(shop, plain)
    headings = _shuffled(heading_questions(shop, plain, "manuals-t2p"), shop, split, "headings")
    return [
        _by_text(
            "manuals-t2p",
            "manual headings",
            headings[: _HEADINGS[split]],
            documents,
            "The heading of a section asks for the page it begins on, where it cannot be read; "
            "pages on which the section goes on count half.",
        ),
        _by_text(
            "manuals-index-t2p",
            "manual index",
            _mixed_terms(shop, term_questions(shop, plain, split), split),
            documents,
            "An entry of a printed index asks for the pages it points to; pages that say the "
            "same without being named in the index count half.",
        ),
        _related_pages(shop, plain, documents, split),
        _scans(shop, kept_for_scans, split),
    ]


def examples(shop: Workshop) -> Iterator[Example]:
    """Headings, index terms and pages of the train split with the pages that answer them."""
    pool, _ = pools(shop.fetch(_PACKAGE), "train")
    pages = _drawn(shop, pool)
    questions = heading_questions(shop, pool, "manuals-t2p") + term_questions(shop, pool, "train")
    for question in questions:
        yield _example(Content(Text(question.text)), question.grades, pages)
    for name, grades in partners(pool).items():
        yield _example(pages[name], grades, pages)


def _mixed_terms(shop: Workshop, questions: Iterable[Question], split: Split) -> list[Question]:
    """Concepts first, with names among them up to a share."""
    found = _shuffled(questions, shop, split, "terms")
    concepts = [question for question in found if not question.is_name][: _TERMS[split]]
    names = [question for question in found if question.is_name]
    room = round(len(concepts) * _NAMES_SHARE / (1 - _NAMES_SHARE))
    return _shuffled([*concepts, *names[:room]], shop, split, "mixed terms")


def _by_text(
    name: str, family: str, questions: Sequence[Question], documents: _Pages, about: str
) -> RetrievalSet:
    queries = [
        Query(
            id=f"{name}-{number}",
            content=Content(Text(question.text)),
            labels=tuple(question.grades),
            grades=tuple(question.grades.values()),
        )
        for number, question in enumerate(questions)
    ]
    return _set(name, family, queries, documents, about)


def _related_pages(shop: Workshop, pool: DocumentPool, pages: _Pages, split: Split) -> RetrievalSet:
    related = partners(pool)
    asked: set[str] = set()
    for name in _shuffled(related, shop, split, "pages"):
        others = [other for other in related[name] if other not in asked]
        # Whoever asks is no document, so it must not be the last answer to another query.
        needed = any(
            set(related[other]) - asked <= {name} for other in related[name] if other in asked
        )
        if others and not needed and len(asked) < _RELATED[split]:
            asked.add(name)
    queries = []
    for name in _shuffled(sorted(asked), shop, split, "asking pages"):
        grades = {other: grade for other, grade in related[name].items() if other not in asked}
        queries.append(
            Query(
                id=name,
                content=pages[name],
                labels=tuple(grades),
                grades=tuple(grades.values()),
            )
        )
    documents = {name: page for name, page in pages.items() if name not in asked}
    about = (
        "A page asks for the other pages of its section, without the running heads that name it: "
        "2 for its neighbours, 1 for the rest."
    )
    return _set("manuals-p2p", "page to page", queries, documents, about)


def _scans(shop: Workshop, pool: DocumentPool, split: Split) -> RetrievalSet:
    questions: dict[str, Question] = {}
    found = heading_questions(shop, pool, "scans-t2p")
    for question in _shuffled(found, shop, split, "scans"):
        page = max(question.grades, key=question.grades.__getitem__)
        if len(questions) < _SCANS[split]:
            questions.setdefault(page, question)
    documents = {
        name: Content(shop.page(_colour(scanned(grey_HW, shop.dice("scan", name))), None))
        for name, _, grey_HW in _pictures(pool, questions)
    }
    only = [
        Question(
            text=question.text,
            grades={name: grade for name, grade in question.grades.items() if name in documents},
            is_name=False,
        )
        for question in questions.values()
    ]
    about = (
        "Headings ask for pages that are pictures alone, as a scanner delivers them: whoever "
        "answers must see or read them."
    )
    return _by_text("scans-t2p", "scans", only, documents, about)


def _set(
    name: str, family: str, queries: Iterable[Query], documents: _Pages, about: str
) -> RetrievalSet:
    return RetrievalSet(
        name=name,
        group="visdoc",
        family=family,
        metric="ndcg_linear@5",
        scope="global",
        queries=tuple(queries),
        documents=documents,
        instruction=_FIND_RELATED if family == "page to page" else _FIND,
        document_instruction=_DOCUMENT,
        about=about,
    )


def _drawn(shop: Workshop, pool: DocumentPool) -> dict[str, Content]:
    return {
        name: Content(shop.page(_colour(grey_HW), text))
        for name, text, grey_HW in _pictures(pool, pool.pages)
    }


def _pictures(
    pool: DocumentPool, names: Iterable[str]
) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """Id, text and picture of pages, in the order of the manuals."""
    wanted = set(names)
    for manual in pool.manuals.values():
        numbers = [
            page.number
            for name, page in pool.pages.items()
            if name in wanted and pool.homes[name] == manual.name
        ]
        for sheet, grey_HW in draw(manual, numbers):
            yield sheet.id, sheet.text, grey_HW


def _colour(grey_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey_HW[..., None], 3, 2)


def _example(query: Content, grades: Mapping[str, int], pages: _Pages) -> Example:
    best = max(grades.values())
    positives = (pages[name] for name, grade in grades.items() if grade == best)
    return Example(task="document retrieval", query=query, positives=tuple(positives))


def _shuffled(items: Iterable[_Item], shop: Workshop, *key: str) -> list[_Item]:
    found = list(items)
    return [found[place] for place in shop.dice("documents", *key).permutation(len(found))]
