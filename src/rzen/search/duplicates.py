"""Groups of equal and nearly equal files.

Equal files are known by their content hash. Nearly equal records (pictures, segments of video,
pages) are those whose vectors are nearly parallel *and* that agree in what can be compared without
an encoder (:mod:`rzen.search.signature`). The second look is needed because an encoder may give
different pictures of one kind of thing almost the same vector.

Each record is compared with its nearest neighbours in the store, block by block, so that memory
stays at one block whatever the size of the index; links are joined by union-find. Where a file's
own records crowd out those of others, it is searched again without them. The time grows with the
square of the number of records where the store scans them all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rzen.errors import UsageError
from rzen.index.catalog import Catalog
from rzen.protocols import VectorStore
from rzen.search.hits import hit
from rzen.search.lists import Rows, records_by_rowid
from rzen.search.signature import Signature, alike, signature
from rzen.types import Hit, Modality, Record

DEFAULT_THRESHOLD = 0.95
"""Cosine from which two records may be duplicates."""
COMPARED: tuple[Modality, ...] = ("image", "video", "page")

_BLOCK = 64
_NEIGHBOURS = 32
_SIGNATURES = 4096  # kept at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGroup:
    """Records that show or say the same.

    Attributes:
        hits: one for each different content (its ``paths`` are equal files); their score is the
            best cosine to another of the group, 1 for a content that only has equal files.
        similarity: the least cosine of the links that hold the group together; 1 if all are equal.
    """

    hits: tuple[Hit, ...]
    similarity: float

    @property
    def paths(self) -> tuple[str, ...]:
        """All files in it, sorted."""
        return tuple(sorted({path for hit in self.hits for path in hit.paths}))


@dataclass(frozen=True, slots=True)
class _Link:
    one: int
    other: int
    similarity: float


def find_duplicates(
    catalog: Catalog,
    store: VectorStore,
    rows: Rows,
    threshold: float = DEFAULT_THRESHOLD,
) -> list[DuplicateGroup]:
    """Finds equal files, and nearly equal records of different files.

    Records of one file are not compared with each other (the blank pages of a document are no
    duplicates), nor records of different modalities.

    Args:
        catalog: where the records are.
        store: over their vectors; as exact as it is.
        rows: of the store.
        threshold: least cosine, in (0, 1], for :data:`COMPARED`; equal files are found of every
            kind.

    Returns:
        groups by falling number of files.

    Raises:
        UsageError: if the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"the threshold is a cosine in (0, 1], not {threshold}: try 0.95")
    looks = _Signatures(catalog)
    joined = _Joined()
    for modality in COMPARED:
        for links in _links(catalog, store, rows, modality, threshold):
            looks.load({rowid for link in links for rowid in (link.one, link.other)})
            for link in links:
                if joined.root(link.one) == joined.root(link.other):
                    joined.note(link)
                elif looks.alike(link.one, link.other):
                    joined.join(link)
    groups = [_group(catalog, joined, members) for members in joined.groups()]
    groups += _equal_files(catalog, {path for group in groups for path in group.paths})
    groups = [group for group in groups if len(group.paths) > 1]
    return sorted(groups, key=lambda group: (-len(group.paths), -group.similarity, group.paths))


def _links(
    catalog: Catalog, store: VectorStore, rows: Rows, modality: Modality, threshold: float
) -> Iterator[list[_Link]]:
    """Close neighbours of different files, a block of records at a time, closest first."""
    mask_N = rows.masks.get(modality)
    numbers = [] if mask_N is None else np.flatnonzero(mask_N).tolist()
    for start in range(0, len(numbers), _BLOCK):
        block = numbers[start : start + _BLOCK]
        rowids = rows.rowid_N[block].tolist()
        records = records_by_rowid(catalog, rowids, vectors=True, previews=False)
        vectors = {
            number: record.vector
            for number, rowid in zip(block, rowids, strict=True)
            # Or it was removed meanwhile.
            if (record := records.get(rowid)) is not None and record.vector is not None
        }
        links = [
            _Link(int(rows.rowid_N[one]), int(rows.rowid_N[other]), score)
            for one, other, score in _neighbours(store, rows, vectors, mask_N, threshold)
        ]
        yield sorted(links, key=lambda link: -link.similarity)


def _neighbours(
    store: VectorStore,
    rows: Rows,
    vectors: Mapping[int, NDArray[np.float32]],
    allowed_N: NDArray[np.bool_] | None,
    threshold: float,
) -> Iterator[tuple[int, int, float]]:
    """Rows with close rows of other files among the nearest, and their cosines."""
    if not vectors:
        return
    crowded: dict[int, dict[int, NDArray[np.float32]]] = {}  # by content
    query_BD = np.stack(list(vectors.values()))
    scores_BK, rows_BK = store.search(query_BD, _NEIGHBOURS, allowed_N=allowed_N)
    for one, scores_K, rows_K in zip(vectors, scores_BK, rows_BK, strict=True):
        content = int(rows.content_N[one])
        is_close_K = scores_K >= threshold
        is_own_K = rows.content_N[rows_K] == content
        if len(rows_K) == _NEIGHBOURS and is_close_K.all() and is_own_K.sum() > 1:
            crowded.setdefault(content, {})[one] = vectors[one]
            continue
        for place in np.flatnonzero(is_close_K & ~is_own_K):
            yield one, int(rows_K[place]), float(scores_K[place])
    for content, own in crowded.items():
        others_N = rows.content_N != content
        if allowed_N is not None:
            others_N &= allowed_N
        # None of its own is left, so this goes no deeper.
        yield from _neighbours(store, rows, own, others_N, threshold)


class _Signatures:
    """Signatures of records by row id, as many as memory should hold."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[int, Signature] = {}

    def load(self, rowids: Iterable[int]) -> None:
        """Makes the signatures of these records known; others may be forgotten."""
        wanted = set(rowids)
        if len(self._known) > _SIGNATURES:
            self._known = {key: self._known[key] for key in wanted & self._known.keys()}
        missing = sorted(wanted - self._known.keys())
        for start in range(0, len(missing), _BLOCK):
            block = missing[start : start + _BLOCK]
            for rowid, record in records_by_rowid(self._catalog, block).items():
                self._known[rowid] = signature(record)

    def alike(self, one: int, other: int) -> bool:
        """Whether two records agree (not if one was removed meanwhile)."""
        known = self._known
        return one in known and other in known and alike(known[one], known[other])


class _Joined:
    """Union-find over row ids, with the links that joined them."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._weakest: dict[int, float] = {}
        self.best: dict[int, float] = {}

    def root(self, rowid: int) -> int:
        """The row id that stands for the group of one."""
        while (parent := self._parent.setdefault(rowid, rowid)) != rowid:
            self._parent[rowid] = self._parent[parent]
            rowid = parent
        return rowid

    def note(self, link: _Link) -> None:
        """Remembers how near the two of a link are."""
        for rowid in (link.one, link.other):
            self.best[rowid] = max(self.best.get(rowid, -1.0), link.similarity)

    def join(self, link: _Link) -> None:
        """Makes two groups one."""
        self.note(link)
        one, other = self.root(link.one), self.root(link.other)
        weakest = min(self._weakest.get(one, 1.0), self._weakest.get(other, 1.0), link.similarity)
        self._parent[other] = one
        self._weakest[one] = weakest

    def weakest(self, rowid: int) -> float:
        """The least cosine among the links that hold a group together."""
        return self._weakest.get(self.root(rowid), 1.0)

    def groups(self) -> list[list[int]]:
        """Groups of two and more, by row id."""
        members: dict[int, list[int]] = {}
        for rowid in sorted(self._parent):
            members.setdefault(self.root(rowid), []).append(rowid)
        return [group for group in members.values() if len(group) > 1]


def _group(catalog: Catalog, joined: _Joined, rowids: Sequence[int]) -> DuplicateGroup:
    records = records_by_rowid(catalog, rowids)
    hits = [_hit(record, joined.best.get(rowid, 1.0)) for rowid, record in records.items()]
    hits.sort(key=lambda one: (-one.score, one.id))
    return DuplicateGroup(hits=tuple(hits), similarity=min(joined.weakest(rowids[0]), 1.0))


def _equal_files(catalog: Catalog, known: set[str]) -> Iterator[DuplicateGroup]:
    """Contents with several paths that are in no group yet."""
    paths: dict[str, list[str]] = {}
    for file in catalog.files().values():
        if file.content is not None:
            paths.setdefault(file.content, []).append(file.path)
    for equal in paths.values():
        if len(equal) > 1 and equal[0] not in known:
            for record in catalog.records(catalog.find_by_path(equal[0])[:1]):
                yield DuplicateGroup(hits=(_hit(record, 1.0),), similarity=1.0)


def _hit(record: Record, similarity: float) -> Hit:
    score = min(similarity, 1.0)
    return hit(record, score, similarity=score, lists=("dense",))
