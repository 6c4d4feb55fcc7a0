"""Queries to hits, over one state of an index.

What a score is, by mode:

* **dense**: where the encoder brings a calibration for every modality in the index and the query
  is a text, an estimate of the probability, in (0, 1), that the record answers the query: it
  compares across modalities and ``min_score`` cuts by relevance. Otherwise (a query with a
  picture, an encoder that was not calibrated) the plain cosine.
* **text**: BM25 as a fraction of the best record's, in (0, 1]; the first has 1.
* **hybrid**: with a calibration, that probability with what the match by words adds to its
  log-odds (:func:`rzen.search.rank_fusion.add_log_odds`): it still compares across modalities and
  ``min_score`` still cuts by relevance. Without one, ``(c + 1) / (c + place)`` in (0, 1], where
  ``place`` is where a hit stands after the fusion of both lists by ranks
  (:func:`rzen.search.rank_fusion.fuse_kinds`): reciprocal rank fusion among what has words (texts,
  pages) and among what has not (pictures, videos), then both kinds together by the list that ranks
  each further in front, so that words cannot crowd out pictures. It says how far in front a hit
  is, not how relevant.

Hits always come by falling score, and equal scores in the same order every time.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.config import SearchSettings
from rzen.errors import CatalogError, UsageError
from rzen.index.catalog import Catalog
from rzen.index.filters import Filters
from rzen.protocols import Encoder, Reranker, VectorStore
from rzen.search import compose, similar
from rzen.search.duplicates import DEFAULT_THRESHOLD, DuplicateGroup, find_duplicates
from rzen.search.grouping import group_rows
from rzen.search.hits import file_of, hit
from rzen.search.lists import (
    Ranked,
    Rows,
    dense_list,
    records_by_rowid,
    text_list,
    usable_calibration,
)
from rzen.search.query import Query
from rzen.search.rank_fusion import add_log_odds, fuse_kinds
from rzen.search.rerank import rerank
from rzen.types import Calibration, Content, Hit, Modality

Mode: TypeAlias = Literal["hybrid", "dense", "text"]

OTHERS = 5
"""Further hits of a file that a grouped hit brings along, at most."""
RERANKED = 50
"""Hits that a reranker sees, at least."""
_DEEPER = 4  # lists grow by this factor while they hold too few files
_DEEPEST = 2**31 - 1  # more than any index holds, and no more than SQLite can count to

_Lists: TypeAlias = Callable[[int], Mapping[str, Ranked]]


class Searcher:
    """Searches one state of an index.

    Args:
        catalog: open for reading.
        store: over the vectors of the catalog's present state.
        encoder: of the queries; without one, only ``mode="text"`` and stored vectors work.
        settings: what callers leave open.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: VectorStore,
        encoder: Encoder | None,
        settings: SearchSettings,
    ) -> None:
        self.encoder = encoder
        self._catalog = catalog
        self._store = store
        self._settings = settings
        self._generation = catalog.generation
        self._rows = Rows(catalog.columns())
        assert len(store) == len(self._rows), "the store is of another state of the catalog"

    def is_stale(self) -> bool:
        """Whether records have changed since; then make another over a store opened anew."""
        return self._catalog.generation != self._generation

    def search(  # noqa: PLR0913 (what people choose when they search)
        self,
        query: Query,
        *,
        k: int | None = None,
        mode: Mode | None = None,
        filters: Filters | None = None,
        min_score: float | None = None,
        group: bool = True,
        instruction: str | None = None,
        reranker: Reranker | None = None,
    ) -> list[Hit]:
        """Finds the best hits; see the module for what their scores mean.

        Words are looked up only for the text of a query: with pictures, videos or pages alone,
        hybrid is dense. ``minus`` acts on vectors, hence not on the words of a hybrid search.

        Args:
            query: what is asked.
            k: how many hits, or files when grouped.
            mode: by vectors and words, by vectors, by words.
            filters: which records may be found.
            min_score: leave out hits that score less.
            group: one hit for each file, its best, with up to five more inside it.
            instruction: the task, for encoders that follow instructions.
            reranker: puts the best hits with a text in a new order, if the query has a text.

        Raises:
            UsageError: if the mode and the query, or the encoder, do not go together.
            EncoderError: if the query cannot be encoded.
        """
        k = self._count(k)
        mode = mode or self._settings.mode
        filters = filters or Filters()
        lists = self._lists(query, mode, filters, instruction)
        wanted = max(k, RERANKED) if reranker else k
        hits = self._best(lists, wanted, min_score=min_score, group=group)
        if reranker:
            hits = rerank(query.words, hits, reranker)
        return hits[:k]

    def similar(
        self,
        target: str | Path | Content,
        *,
        k: int | None = None,
        filters: Filters | None = None,
        min_score: float | None = None,
        group: bool = True,
    ) -> list[Hit]:
        """Finds what is nearest to a file, a page of one (``report.pdf#3``) or a content.

        A file of the index is represented by its stored vectors (the mean of its passages,
        segments or pages) and not found itself; any other is encoded like a document: of a PDF its
        first page. Scores are plain cosines.

        Raises:
            UsageError: if there is no such file, or it needs an encoder and there is none.
            EncoderError: if it cannot be encoded.
            CatalogError: if the file was indexed anew since the searcher was made.
        """
        found = None if isinstance(target, Content) else similar.stored(self._catalog, target)
        allowed_N = self._allowed(filters or Filters())
        if found is None:
            contents = [target] if isinstance(target, Content) else [similar.read(target)]
            encoder = self._need_encoder("a file that is not in the index")
            vector_D = compose.encode_all(contents, encoder, role="document")[0]
        else:
            vector_D = found.vector
            own = self._rows.contents(np.array(found.rowids, np.int64))
            if own is None:
                raise CatalogError(
                    f"the index {self._catalog.folder} changed meanwhile: search again"
                )
            others_N = ~np.isin(self._rows.content_N, own)
            allowed_N = others_N if allowed_N is None else allowed_N & others_N
        lists = self._dense(vector_D, allowed_N, {})
        return self._best(lists, self._count(k), min_score=min_score, group=group)

    def duplicates(self, threshold: float | None = None) -> list[DuplicateGroup]:
        """Groups of equal and nearly equal files; see :mod:`rzen.search.duplicates`."""
        return find_duplicates(
            self._catalog,
            self._store,
            self._rows,
            DEFAULT_THRESHOLD if threshold is None else threshold,
        )

    def _lists(self, query: Query, mode: Mode, filters: Filters, instruction: str | None) -> _Lists:
        """What gives the lists of a search, to any depth."""
        if mode == "text":
            _check_words(query)
            return lambda depth: {"text": text_list(self._catalog, query.words, depth, filters)}
        encoder = self._need_encoder(f"a {mode} search")
        vector_D = compose.query_vector(query, encoder, instruction)
        fitted = {} if query.has_media else usable_calibration(encoder.calibration, self._rows)
        dense = self._dense(vector_D, self._allowed(filters), fitted)
        if mode == "dense" or not query.words:
            return dense
        return lambda depth: {
            **dense(depth),
            "text": text_list(self._catalog, query.words, depth, filters),
        }

    def _dense(
        self,
        vector_D: NDArray[np.float32],
        allowed_N: NDArray[np.bool_] | None,
        calibration: Mapping[Modality, Calibration],
    ) -> _Lists:
        return lambda depth: {
            "dense": dense_list(
                self._store,
                self._rows,
                vector_D,
                depth,
                allowed_N=allowed_N,
                calibration=calibration,
            )
        }

    def _best(self, lists: _Lists, k: int, *, min_score: float | None, group: bool) -> list[Hit]:
        """The first k hits (files, when grouped) of lists that are fetched as deep as it takes."""
        depth = max(self._settings.candidates, k)
        while True:
            depth = min(depth, _DEEPEST)
            found = lists(depth)
            ranked = self._fused(found)
            kept = [pair for pair in ranked if min_score is None or pair[1] >= min_score]
            groups = self._groups([rowid for rowid, _ in kept], k, group=group)
            is_complete = all(one.complete for one in found.values())
            if len(groups) >= k or is_complete or len(kept) < len(ranked):
                return self._hits(groups, dict(kept), found)
            depth *= _DEEPER

    def _fused(self, found: Mapping[str, Ranked]) -> list[tuple[int, float]]:
        if len(found) > 1 and found["dense"].calibrated:
            probabilities, matches = (
                dict(zip(found[name].rowids.tolist(), found[name].scores.tolist(), strict=True))
                for name in ("dense", "text")
            )
            return add_log_odds(probabilities, matches, self._settings.words_weight)
        if len(found) > 1:
            lists = {name: one.rowids.tolist() for name, one in found.items()}
            kinds = self._rows.kinds(np.concatenate([one.rowids for one in found.values()]))
            return fuse_kinds(lists, kinds, self._settings.rank_constant)
        (only,) = found.values()
        return list(zip(only.rowids.tolist(), only.scores.tolist(), strict=True))

    def _groups(self, rowids: list[int], k: int, *, group: bool) -> list[list[int]]:
        if not group:
            return [[rowid] for rowid in rowids[:k]]
        contents = self._rows.contents(np.array(rowids, np.int64))
        if contents is not None:
            return group_rows(rowids, contents.tolist(), groups=k, others=OTHERS)
        # Some record has no vector, or is new: then only the records tell their files.
        records = records_by_rowid(self._catalog, rowids, previews=False)
        files = [file_of(record.id) for record in records.values()]
        numbers = {file: number for number, file in enumerate(files)}
        return group_rows(list(records), [numbers[file] for file in files], groups=k, others=OTHERS)

    def _hits(
        self,
        groups: Sequence[Sequence[int]],
        scores: Mapping[int, float],
        found: Mapping[str, Ranked],
    ) -> list[Hit]:
        members = {name: set(one.rowids.tolist()) for name, one in found.items()}
        cosines = found["dense"].similarity if "dense" in found else {}
        records = records_by_rowid(self._catalog, [rowid for group in groups for rowid in group])

        def made(rowid: int, others: Sequence[Hit] = ()) -> Hit:
            return hit(
                records[rowid],
                scores[rowid],
                similarity=cosines.get(rowid),
                lists=[name for name, rowids in members.items() if rowid in rowids],
                others=others,
            )

        present = [[rowid for rowid in group if rowid in records] for group in groups]
        return [made(group[0], [made(rowid) for rowid in group[1:]]) for group in present if group]

    def _allowed(self, filters: Filters) -> NDArray[np.bool_] | None:
        if filters.is_open:
            return None
        return self._catalog.allowed(filters, self._rows.rowid_N)

    def _count(self, k: int | None) -> int:
        if k is not None and k < 1:
            raise UsageError(f"a search needs at least one hit to look for, not {k}")
        return k or self._settings.k

    def _need_encoder(self, what: str) -> Encoder:
        if self.encoder is None:
            raise UsageError(f"{what} needs an encoder: give one, or search by words (mode text)")
        return self.encoder


def _check_words(query: Query) -> None:
    if not query.words:
        raise UsageError("a search by words needs a text: give one, or search dense")
    if query.has_media or query.minus:
        raise UsageError(
            "a search by words cannot use pictures, videos, pages or minus: search hybrid or dense"
        )
