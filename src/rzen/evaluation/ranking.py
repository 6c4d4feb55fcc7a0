"""Ranks the documents of a set for each query, never in favour of the labels.

- Scores that differ by less than ``TIE`` are a tie, and a tie goes against the labels: wrong
  documents come first, then labels, the better graded ones last (each further grade gives way by
  another ``TIE``). An encoder that gives one vector for everything is right nowhere.
- The order in which candidates or documents are listed changes nothing: they are ranked in the
  order of their ids.
- Documents of equal content are one document. Where one of them is a label, the others are no
  wrong answers; else one of them stands for all. What is left out is counted.
- A failed query finds nothing, and a failed document is not found: it stands in no ranking, so
  that a label that cannot be opened is a miss, however few candidates there are.

Shape suffixes: B queries, M documents, C candidates of a query, D dimensions.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rzen.data.retrieval_set import Query
from rzen.evaluation.metrics import Ranking
from rzen.evaluation.outcome import BINS, Failure, Histogram
from rzen.evaluation.pools import Candidates, Pools
from rzen.types import MODALITIES, Calibration, Modality, Vectors

TIE = 1e-6
"""Float32 cosines of one pair of vectors, computed in two ways, differ by less."""

GLOBAL_DEPTH, LOCAL_DEPTH = 100, 1000
SHOWN_FAILURES = 20
_BLOCK = 1 << 22  # scores held at once: 16 MB


class Similarity(Protocol):
    """Scores documents for a query; larger is better."""

    def __call__(self, query: int, rows_C: NDArray[np.int64]) -> NDArray[np.floating]:
        """(C,) scores of documents, by their rows, for the query of a number."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranked:
    """A set, ranked.

    Attributes:
        rankings: one for each query.
        rank_B: of the label that came highest, from 1; 0 where the query or all labels failed.
        ties: queries in which a wrong document scored the same as the best label.
        duplicates: documents left out somewhere because another has the same content.
        histograms: modality of the document -> scores before calibration; failed ones left out.
        failures: of queries that went wrong, those whose label came lowest.
    """

    rankings: tuple[Ranking, ...]
    rank_B: NDArray[np.int64]
    ties: int
    duplicates: int
    histograms: Mapping[str, Histogram]
    failures: tuple[Failure, ...]


class Cosines:
    """Cosines of unit vectors in float32, a block of queries at a time.

    Args:
        query_BD: unit rows; zero where a query failed.
        document_MD: unit rows, in the order of ids.
    """

    def __init__(self, query_BD: Vectors, document_MD: Vectors) -> None:
        self._query_BD, self._document_MD = query_BD, document_MD
        self._step = max(1, _BLOCK // max(1, len(document_MD)))
        self._start, self._block = 0, np.zeros((0, len(document_MD)), np.float32)

    def __call__(self, query: int, rows_C: NDArray[np.int64]) -> NDArray[np.float32]:
        """See :class:`Similarity`."""
        if 4 * len(rows_C) < len(self._document_MD):
            return np.asarray(self._document_MD[rows_C] @ self._query_BD[query], np.float32)
        if not self._start <= query < self._start + len(self._block):
            self._start = query
            some = self._query_BD[query : query + self._step]
            self._block = np.asarray(some @ self._document_MD.T, np.float32)
        score_M: NDArray[np.float32] = self._block[query - self._start]
        return score_M if len(rows_C) == len(score_M) else score_M[rows_C]


def rank(
    query_BD: Vectors,
    document_MD: Vectors,
    pools: Pools,
    *,
    failed_queries: Collection[str] = (),
    failed_documents: Collection[str] = (),
    calibration: Mapping[Modality, Calibration] | None = None,
) -> Ranked:
    """Ranks documents by cosine, or by calibrated score.

    Args:
        query_BD: (B, D) unit rows, in the order of the set's queries.
        document_MD: (M, D) unit rows, in the order of the set's documents.
        pools: of the set.
        failed_queries: ids; their rows are not looked at.
        failed_documents: ids; their rows are not looked at.
        calibration: of every modality among the documents: rank by ``slope * cosine + intercept``,
            which orders as the calibrated scores do and does not saturate.
    """
    cosines = Cosines(query_BD, pools.ordered(document_MD))
    scale = None if calibration is None else _Logits(calibration, pools.modality_M)
    failed = failed_queries, failed_documents
    return rank_by(cosines, pools, failed=failed, rescale=scale)


def rank_by(
    similarity: Similarity,
    pools: Pools,
    *,
    failed: tuple[Collection[str], Collection[str]] = ((), ()),
    rescale: "_Logits | None" = None,
) -> Ranked:
    """Ranks documents by any similarity.

    Args:
        similarity: what scores; the histograms take it for a cosine.
        pools: of the set.
        failed: ids of queries and of documents.
        rescale: of the scores, before they are compared.
    """
    tally = _Tally(pools)
    depth = GLOBAL_DEPTH if pools.retrieval_set.scope == "global" else LOCAL_DEPTH
    failed_M = np.zeros(len(pools), np.bool_)
    failed_M[pools.rows(failed[1])] = True
    for number, query in enumerate(pools.retrieval_set.queries):
        candidates = pools.of(query).without(failed_M)
        if query.id in failed[0]:
            tally.miss(query, candidates)
            continue
        cosine_C = similarity(number, candidates.rows_C)
        scaled_C = cosine_C if rescale is None else rescale(cosine_C, candidates.rows_C)
        score_C = scaled_C.astype(np.float64)
        tally.add(query, candidates, _order(score_C, candidates.level_C, depth), score_C, cosine_C)
    return tally.ranked()


class _Logits:
    """Calibrated scores before the logistic function, in units of the steepest one's cosine.

    So a difference of ``TIE`` is nowhere less than that difference of cosines.
    """

    def __init__(
        self, calibration: Mapping[Modality, Calibration], modality_M: NDArray[np.int64]
    ) -> None:
        used = {kind: calibration[MODALITIES[kind]] for kind in np.unique(modality_M).tolist()}
        steepest = max(abs(each.slope) for each in used.values()) or 1.0
        slopes, intercepts = np.zeros(len(MODALITIES)), np.zeros(len(MODALITIES))
        for kind, each in used.items():
            slopes[kind], intercepts[kind] = each.slope / steepest, each.intercept / steepest
        self._slope_M, self._intercept_M = slopes[modality_M], intercepts[modality_M]

    def __call__(
        self, cosine_C: NDArray[np.floating], rows_C: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = self._slope_M[rows_C] * cosine_C + self._intercept_M[rows_C]
        return scaled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Order:
    """Places among the candidates: the best ones in order, the best label's, and its rank.

    Without a label among them, that has no place, and its rank is 0.
    """

    best: NDArray[np.int64]
    label: int | None
    rank: int


def _order(score_C: NDArray[np.float64], level_C: NDArray[np.int8], depth: int) -> _Order:
    # A label gives way to every wrong document within a tie's reach: taking the reach off its
    # score does that whatever else lies between, where comparing neighbours would not.
    effective_C = score_C - TIE * level_C
    chosen = np.arange(len(score_C))
    if len(score_C) > 4 * depth:
        least = np.partition(effective_C, len(score_C) - depth)[len(score_C) - depth]
        chosen = np.flatnonzero(effective_C >= least)
    # Stable: equal scores of one level stay in the order of their ids.
    best = chosen[np.lexsort((level_C[chosen], -effective_C[chosen]))][:depth]
    labels = np.flatnonzero(level_C)
    if not len(labels):
        return _Order(best=best, label=None, rank=0)
    label = int(labels[np.lexsort((level_C[labels], -effective_C[labels]))[0]])
    is_before_C = effective_C > effective_C[label]
    is_before_C |= (effective_C == effective_C[label]) & (level_C < level_C[label])
    return _Order(best=best, label=label, rank=1 + int(np.count_nonzero(is_before_C)))


class _Tally:
    """Adds up what the queries of a set give."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._rankings: list[Ranking] = []
        self._ranks: list[int] = []
        self._ties = 0
        self._dropped_M = np.zeros(len(pools), np.bool_)
        self._counts = np.zeros(len(MODALITIES) * 2 * BINS, np.int64)
        self._failures: list[Failure] = []

    def miss(self, query: Query, candidates: Candidates) -> None:
        """Adds a query that failed."""
        self._dropped_M[candidates.dropped] = True
        self._ranks.append(0)
        self._rankings.append(Ranking(prediction=(), labels=query.labels, grades=query.grades))

    def add(
        self,
        query: Query,
        candidates: Candidates,
        found: _Order,
        score_C: NDArray[np.float64],
        cosine_C: NDArray[np.floating],
    ) -> None:
        """Adds a query that was ranked."""
        ids, rows_C, level_C = self._pools.ids, candidates.rows_C, candidates.level_C
        self._dropped_M[candidates.dropped] = True
        self._ranks.append(found.rank)
        self._rankings.append(
            Ranking(
                prediction=tuple(ids[row] for row in rows_C[found.best].tolist()),
                labels=query.labels,
                grades=query.grades,
            )
        )
        self._count(rows_C, level_C, cosine_C)
        if found.label is None:
            return
        wrong_C = score_C[level_C == 0]
        self._ties += bool((np.abs(wrong_C - score_C[level_C > 0].max()) < TIE).any())
        winner = int(found.best[0])
        if level_C[winner] == 0:
            self._failures.append(
                Failure(
                    query=query.id,
                    gold=ids[rows_C[found.label]],
                    winner=ids[rows_C[winner]],
                    rank=found.rank,
                    gold_score=float(cosine_C[found.label]),
                    winner_score=float(cosine_C[winner]),
                )
            )

    def _count(
        self, rows_C: NDArray[np.int64], level_C: NDArray[np.int8], cosine_C: NDArray[np.floating]
    ) -> None:
        bin_C = np.clip((cosine_C + 1.0) * (BINS / 2), 0, BINS - 1).astype(np.int64)
        kind_C = self._pools.modality_M[rows_C] * 2 + (level_C > 0)
        self._counts += np.bincount(kind_C * BINS + bin_C, minlength=len(self._counts))

    def ranked(self) -> Ranked:
        """The sum."""
        counts = self._counts.reshape(len(MODALITIES), 2, BINS)
        worst = sorted(
            self._failures,
            key=lambda each: (-each.rank, each.gold_score - each.winner_score, each.query),
        )
        return Ranked(
            rankings=tuple(self._rankings),
            rank_B=np.array(self._ranks, np.int64),
            ties=self._ties,
            duplicates=int(np.count_nonzero(self._dropped_M)),
            histograms={
                modality: Histogram(
                    wrong=tuple(counts[kind, 0].tolist()), right=tuple(counts[kind, 1].tolist())
                )
                for kind, modality in enumerate(MODALITIES)
                if counts[kind].any()
            },
            failures=tuple(worst[:SHOWN_FAILURES]),
        )
