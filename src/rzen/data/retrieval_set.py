"""A set of queries and documents with the right answers: what every evaluation is run on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from rzen.errors import DataError
from rzen.types import Content

Scope: TypeAlias = Literal["local", "global"]
"""Whether a query ranks its own candidates, or all documents of the set."""

Group: TypeAlias = Literal["image", "video", "visdoc", "text", "mixed"]
"""What sets are averaged by; the first three are MMEB's."""

MAX_GRADE = 16
"""Gains are ``2**grade - 1``, and the library that scores keeps a counter for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Query:
    """One query and what answers it.

    Attributes:
        id: unique within the set.
        content: what is asked with.
        labels: ids of the documents that answer it, at least one.
        grades: how well each label answers it, 0 to 16; ``None`` means all alike.
        candidates: ids of the documents to rank, in scope ``"local"``; else ``None``.
    """

    id: str
    content: Content
    labels: tuple[str, ...]
    grades: tuple[int, ...] | None = None
    candidates: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RetrievalSet:
    """Queries, documents and labels under one name.

    Attributes:
        name: such as ``"stamps-t2i"``.
        group: what it is averaged with.
        family: the kind of task within the group, such as ``"retrieval"`` or ``"grounding"``.
        metric: its main figure, such as ``"hit@1"`` (a key of the scores).
        scope: what a query ranks.
        queries: in a fixed order, which is that of ``--limit``.
        documents: id -> content.
        instruction: of the queries, for encoders that follow instructions.
        document_instruction: of the documents; ``None`` where the protocol has none.
        about: one sentence on what is asked and what makes it hard.

    Raises:
        DataError: if what the set says of itself is of another kind than is told here, an id is
            used twice or is not among the documents, a query has no label, a grade is none, or
            candidates and scope disagree.
    """

    name: str
    group: Group
    family: str
    metric: str
    scope: Scope
    queries: tuple[Query, ...]
    documents: Mapping[str, Content] = field(repr=False)
    instruction: str | None = None
    document_instruction: str | None = None
    about: str = ""

    def __post_init__(self) -> None:
        self._check_about()
        seen: set[str] = set()
        for query in self.queries:
            if query.id in seen:
                raise self._error(query, "its id is used twice")
            seen.add(query.id)
            self._check(query)

    def _check_about(self) -> None:
        """A set that cannot be stored as a result is refused before it is run."""
        for name in ("name", "family", "metric", "about"):
            if not isinstance(value := getattr(self, name), str):
                raise DataError(f"set {self.name!r:.40}: its {name} is {value!r:.40}, not a text")
        for name in ("instruction", "document_instruction"):
            if not isinstance(value := getattr(self, name), str | None):
                raise DataError(f"set {self.name!r}: its {name} is {value!r:.40}, not a text")
        for name, known in (("group", get_args(Group)), ("scope", get_args(Scope))):
            if (value := getattr(self, name)) not in known:
                raise DataError(
                    f"set {self.name!r}: its {name} is {value!r:.40}, not one of {', '.join(known)}"
                )

    def _check(self, query: Query) -> None:
        if not query.labels:
            raise self._error(query, "it has no label")
        if len(set(query.labels)) < len(query.labels):
            raise self._error(query, "a label is given twice")
        if query.grades is not None and len(query.grades) != len(query.labels):
            raise self._error(query, f"{len(query.grades)} grades, {len(query.labels)} labels")
        if wrong := [each for each in query.grades or () if not is_grade(each)]:
            problem = f"its grade {wrong[0]!r:.40} is no whole number from 0 to {MAX_GRADE}"
            raise self._error(query, problem)
        if (query.candidates is not None) != (self.scope == "local"):
            raise self._error(query, f"candidates belong to scope local, this is {self.scope}")
        pool = self.documents.keys() if query.candidates is None else set(query.candidates)
        if missing := [label for label in query.labels if label not in pool]:
            raise self._error(query, f"its label {missing[0]!r} is not among the candidates")
        if missing := [each for each in query.candidates or () if each not in self.documents]:
            raise self._error(query, f"its candidate {missing[0]!r} is not among the documents")

    def _error(self, query: Query, problem: str) -> DataError:
        return DataError(f"set {self.name!r}, query {query.id!r}: {problem}: the set is damaged")


def is_grade(value: object) -> bool:
    """Whether a value can be the grade of a label: a whole number from 0 to 16.

    >>> is_grade(1), is_grade(1.0), is_grade(17), is_grade(0.5), is_grade(True)
    (True, True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # The bounds first: int() of NaN or infinity raises, and NaN compares false with everything.
    return 0 <= value <= MAX_GRADE and value == int(value)
