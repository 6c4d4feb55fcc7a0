"""What needs no model: the figures that a set's score has to be read beside.

- ``random``: the expected value over all orders of each query's candidates, in closed form.
- ``words``: BM25 over the texts of queries and documents (SQLite's FTS5, English stems). Where no
  word is shared, documents score zero: a tie, and so no hit.
- ``thumbnail``: cosine of 8 x 8 colour thumbnails, where both sides have pixels.
- ``majority``: for classification and questions: the answer that is most often right for the words
  of the query, whatever the picture. It is learnt from training examples, where there are any with
  this set's answers; else from the half of the set that a query does not belong to. (Leaving out
  the query alone would make its own answer the rarest in a balanced set: always wrong, where a
  guess is right sometimes.)

All but the first rank the same candidates by the same rules as an encoder, and are scored alike.
They depend on the data alone, so they are kept beside it.
"""

import hashlib
import json
import logging
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rzen.data.retrieval_set import RetrievalSet
from rzen.errors import DataError
from rzen.evaluation.encoding import EncodingTask, encode_contents
from rzen.evaluation.metrics import chance, per_query
from rzen.evaluation.pools import Pools
from rzen.evaluation.predictions import write_whole
from rzen.evaluation.ranking import rank, rank_by
from rzen.evaluation.thumbnail_encoder import ThumbnailEncoder
from rzen.evaluation.vector_cache import VectorCache, cache_file
from rzen.index.words import indexed
from rzen.types import Content, Example, Page, Text

_EDITION = 2
"""Counts up whenever a baseline is computed in another way."""

_log = logging.getLogger(__name__)
_WORD = re.compile(r"\w+")
_ANSWERED = frozenset({"classification", "qa"})

Examples = Callable[[], Iterable[Example]]


class Baselines:
    """The baselines of a suite, computed once.

    Args:
        file: where they are kept; ``None`` keeps them nowhere.
        versions: set -> version of its data; what is kept of another one is not taken.
        examples: training examples of the whole suite; asked for only when they are needed.
    """

    def __init__(
        self, file: Path | None, versions: Mapping[str, str], examples: Examples | None = None
    ) -> None:
        self._file = file
        self._versions = versions
        self._examples = examples
        self._known: dict[str, dict[str, float]] = _read(file) if file else {}

    def of(self, pools: Pools, limit: int | None) -> dict[str, float]:
        """Baseline -> main figure of a set, for the baselines that apply to it.

        Args:
            pools: of the set, cut by the limit.
            limit: of the run; a set that is cut has other baselines.
        """
        name = pools.retrieval_set.name
        data = f"{name} {self._versions[name]} "
        key = f"{data}{'all' if limit is None else limit}"
        if key not in self._known:
            # What was known of other data of this set is of no use any more.
            for old in [each for each in self._known if each.startswith(f"{name} ")]:
                if not old.startswith(data):
                    del self._known[old]
            self._known[key] = compute(pools, self._examples)
            self._write()
        return dict(self._known[key])

    def _write(self) -> None:
        if self._file is None:
            return
        document = {"edition": _EDITION, "sets": dict(sorted(self._known.items()))}
        try:
            write_whole(self._file, [json.dumps(document, indent=1).encode() + b"\n"])
        except DataError as error:
            _log.warning("baselines will be computed again next time: %s", error)


def compute(pools: Pools, examples: Examples | None = None) -> dict[str, float]:
    """Baseline -> main figure of a set, for the baselines that apply to it."""
    found = {"random": random_order(pools)}
    figures = {
        "words": words(pools),
        "thumbnail": thumbnails(pools),
        "majority": majority(pools, examples() if examples is not None else ()),
    }
    return found | {name: value for name, value in figures.items() if value is not None}


def random_order(pools: Pools) -> float:
    """What the main figure is expected to be when candidates are put in random order."""
    known: dict[tuple[tuple[int, ...], int], float] = {}
    values = []
    for query in pools.retrieval_set.queries:
        grades = query.grades or (1,) * len(query.labels)
        key = grades, len(pools.of(query).rows_C)
        if key not in known:
            known[key] = chance(*key)[pools.retrieval_set.metric]
        values.append(known[key])
    return float(np.mean(values))


def words(pools: Pools) -> float | None:
    """BM25, where every query and at least one document has text; else ``None``."""
    retrieval_set = pools.retrieval_set
    queries = [_text(query.content) for query in retrieval_set.queries]
    documents = [_text(retrieval_set.documents[name]) for name in pools.ids]
    if not all(queries) or not any(documents):
        return None
    with closing(sqlite3.connect(":memory:")) as connection:
        return _figure(pools, _Bm25(connection, documents, queries))


def thumbnails(pools: Pools) -> float | None:
    """Thumbnails, where every query and at least one document has pixels; else ``None``."""
    retrieval_set = pools.retrieval_set
    queries = {query.id: query.content for query in retrieval_set.queries}
    documents = retrieval_set.documents
    if not all(map(_is_seen, queries.values())) or not any(map(_is_seen, documents.values())):
        return None
    encoder = ThumbnailEncoder()
    # One role for both: a picture that is asked with and found is opened once.
    task = EncodingTask(set_name=retrieval_set.name, role="document")
    with VectorCache(cache_file(encoder), dim=encoder.dim) as cache:
        asked = encode_contents(queries, encoder, cache, task)
        found = encode_contents(documents, encoder, cache, task)
        for text in cache.warnings:
            _log.warning("%s", text)
    ranked = rank(
        asked.vectors,
        found.vectors,
        pools,
        failed_queries=asked.failed,
        failed_documents=found.failed,
    )
    return float(per_query(ranked.rankings)[retrieval_set.metric].mean())


def majority(pools: Pools, examples: Iterable[Example]) -> float | None:
    """The commonest answer, where queries choose among short answers; else ``None``.

    Args:
        pools: of the set.
        examples: for training; those count whose positive is one of this set's documents.
    """
    retrieval_set = pools.retrieval_set
    is_answered = retrieval_set.scope == "local" and retrieval_set.family in _ANSWERED
    answers = [_answer(retrieval_set.documents[name]) for name in pools.ids]
    if not is_answered or None in answers:
        return None
    possible = set(answers)
    learnt = _Answers()
    for example in examples:
        for positive in example.positives:
            answer = _answer(positive)
            if answer is not None and answer in possible:
                learnt.add(_text(example.query), answer)
    halves = (learnt, learnt) if learnt else _halves(retrieval_set)
    places: list[dict[str, int]] = []
    for query in retrieval_set.queries:
        # What one half teaches is asked of the other.
        table = halves[1 - _half(query.id)]
        places.append(table.places(_text(query.content)))
    return _figure(pools, _ByPlace(places, [str(answer) for answer in answers]))


class _Bm25:
    """Scores of FTS5's bm25() with its own constants (k1 = 1.2, b = 0.75).

    A word in more than half of the texts weighs 1e-6 there. Scores are scaled up so that sharing
    such a word is still told from sharing none.
    """

    _SCALE = 1e4

    def __init__(
        self, connection: sqlite3.Connection, documents: Sequence[str], queries: Sequence[str]
    ) -> None:
        self._connection = connection
        self._queries = queries
        self._count = len(documents)
        connection.execute(
            "CREATE VIRTUAL TABLE texts USING fts5 "
            "(text, content = '', tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        rows = ((row, indexed(text)) for row, text in enumerate(documents) if text)
        connection.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", rows)

    def __call__(self, query: int, rows_C: NDArray[np.int64]) -> NDArray[np.float64]:
        score_M = np.zeros(self._count)
        # Words alone, in quotes: nothing that a query holds is taken for syntax.
        terms = dict.fromkeys(_WORD.findall(indexed(self._queries[query]).lower()))
        if terms:
            expression = " OR ".join(f'"{term}"' for term in terms)
            found = self._connection.execute(
                "SELECT rowid, bm25(texts) FROM texts WHERE texts MATCH ?", (expression,)
            )
            for row, score in found:
                score_M[row] = -score * self._SCALE
        return score_M[rows_C]


class _Answers:
    """How often each answer was right, by the words of the query."""

    def __init__(self) -> None:
        self._by_words: dict[str, Counter[str]] = defaultdict(Counter)
        self._overall: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._overall)

    def add(self, asked: str, answer: str) -> None:
        """Counts one query."""
        self._by_words[asked][answer] += 1
        self._overall[answer] += 1

    def places(self, asked: str) -> dict[str, int]:
        """Answer -> place among those seen, the commonest for these words first.

        Of equally common ones, the one that is commoner for other words too; then the first in the
        alphabet. So no two share a place, and no label decides.
        """
        own = self._by_words.get(asked, Counter())
        order = sorted(self._overall, key=lambda one: (-own[one], -self._overall[one], one))
        return {answer: place for place, answer in enumerate(order)}


class _ByPlace:
    def __init__(self, places: Sequence[Mapping[str, int]], answers: Sequence[str]) -> None:
        self._places, self._answers = places, answers
        # What was never seen comes behind, in the order of the alphabet.
        self._rest = {answer: at for at, answer in enumerate(sorted(set(answers)))}

    def __call__(self, query: int, rows_C: NDArray[np.int64]) -> NDArray[np.float32]:
        places = self._places[query]
        found = [
            places.get(answer, len(places) + self._rest[answer])
            for answer in (self._answers[row] for row in rows_C.tolist())
        ]
        return -np.array(found, np.float32)


def _halves(retrieval_set: RetrievalSet) -> tuple[_Answers, _Answers]:
    halves = _Answers(), _Answers()
    for query in retrieval_set.queries:
        for label in query.labels:
            answer = _answer(retrieval_set.documents[label])
            assert answer is not None, "all documents are answers"
            halves[_half(query.id)].add(_text(query.content), answer)
    return halves


def _half(name: str) -> int:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[0] & 1


def _figure(pools: Pools, similarity: _Bm25 | _ByPlace) -> float:
    ranked = rank_by(similarity, pools)
    return float(per_query(ranked.rankings)[pools.retrieval_set.metric].mean())


def _text(content: Content) -> str:
    return " ".join(_texts(content)).strip()


def _texts(content: Content) -> Iterator[str]:
    for part in content.parts:
        if isinstance(part, Text | Page) and part.text is not None:
            yield part.text


def _answer(content: Content) -> str | None:
    """The text of a content that is nothing else."""
    return _text(content) if content.modality == "text" else None


def _is_seen(content: Content) -> bool:
    return content.modality != "text"


def _read(file: Path) -> dict[str, dict[str, float]]:
    """What is kept for this edition; nothing where the file is damaged."""
    try:
        document = json.loads(file.read_bytes())
        if document["edition"] != _EDITION:
            return {}
        return {
            str(key): {str(name): float(value) for name, value in figures.items()}
            for key, figures in document["sets"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        _log.warning("%s cannot be read (%s): baselines are computed again", file, error)
        return {}
