"""What each query of a set ranks: candidates merged by content, in an order that tells nothing.

Shape suffixes: M documents, C candidates of a query, D dimensions.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import MediaError
from rzen.media.content_digest import content_digest
from rzen.types import MODALITIES, Vectors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """What one query ranks.

    Attributes:
        rows_C: rows of the documents, in the order of their ids.
        level_C: 0 for a wrong document; 1 for a label, more for better graded ones.
        dropped: rows left out because another candidate has the same content.
    """

    rows_C: NDArray[np.int64]
    level_C: NDArray[np.int8]
    dropped: NDArray[np.int64]

    def without(self, left_out_M: NDArray[np.bool_]) -> "Candidates":
        """The candidates but for some documents, by row."""
        keep_C = ~left_out_M[self.rows_C]
        if keep_C.all():
            return self
        return replace(self, rows_C=self.rows_C[keep_C], level_C=self.level_C[keep_C])


class Pools:
    """What each query of a set ranks; it depends on the data alone.

    A document's row is its place among all ids in order, not its place in the file.

    Args:
        retrieval_set: the set.
        digests: id of a document -> digest of its content, where known already; a document that
            cannot be read has none, and equals no other.

    Attributes:
        retrieval_set: the set.
        ids: of the documents, by row.
        modality_M: number of each document's modality in ``MODALITIES``.
    """

    def __init__(
        self, retrieval_set: RetrievalSet, digests: Mapping[str, bytes] | None = None
    ) -> None:
        self.retrieval_set = retrieval_set
        self.ids = tuple(sorted(retrieval_set.documents))
        contents = [retrieval_set.documents[name] for name in self.ids]
        kinds = [MODALITIES.index(each.modality) for each in contents]
        self.modality_M = np.array(kinds, np.int64)
        self._row = {name: row for row, name in enumerate(self.ids)}
        known = _digests(retrieval_set) if digests is None else digests
        numbers: dict[object, int] = {}
        self._group_M = np.array(
            [numbers.setdefault(known.get(name, name), len(numbers)) for name in self.ids],
            np.int64,
        )
        self._has_duplicates = len(numbers) < len(self.ids)
        self._all_M = np.arange(len(self.ids))
        self._first_M = self._firsts(self._all_M)

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, names: Collection[str]) -> NDArray[np.int64]:
        """The rows of documents."""
        return np.array([self._row[name] for name in names], np.int64)

    def ordered(self, document_MD: Vectors) -> Vectors:
        """The rows of an array in the set's order of documents, put in the order of ids."""
        order_M = np.argsort(self.rows(self.retrieval_set.documents.keys()))
        return document_MD if (order_M == self._all_M).all() else document_MD[order_M]

    def of(self, query: Query) -> Candidates:
        """The candidates of a query, merged by content."""
        is_global = query.candidates is None
        rows_C = self._all_M if query.candidates is None else np.unique(self.rows(query.candidates))
        label_rows = self.rows(query.labels)
        level_C = np.zeros(len(rows_C), np.int8)
        level_C[np.searchsorted(rows_C, label_rows)] = _levels(query)
        if not self._has_duplicates:
            return Candidates(rows_C=rows_C, level_C=level_C, dropped=rows_C[:0])
        keep_C = (self._first_M if is_global else self._firsts(rows_C)).copy()
        keep_C[np.isin(self._group_M[rows_C], self._group_M[label_rows])] = False
        keep_C[level_C > 0] = True
        return Candidates(rows_C=rows_C[keep_C], level_C=level_C[keep_C], dropped=rows_C[~keep_C])

    def _firsts(self, rows_C: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows are the first of their content."""
        first_C = np.zeros(len(rows_C), np.bool_)
        first_C[np.unique(self._group_M[rows_C], return_index=True)[1]] = True
        return first_C


def _levels(query: Query) -> NDArray[np.int8]:
    """1 for each label; where they are graded, 1 for the worst grade, 2 for the next ..."""
    if query.grades is None:
        return np.ones(len(query.labels), np.int8)
    order = sorted(set(query.grades))
    return np.array([1 + order.index(grade) for grade in query.grades], np.int8)


def _digests(retrieval_set: RetrievalSet) -> dict[str, bytes]:
    found = {}
    for name, content in retrieval_set.documents.items():
        try:
            found[name] = content_digest(content)
        except MediaError:
            continue  # it will be named when it is encoded
    return found
