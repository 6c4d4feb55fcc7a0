"""The two ranked lists that a search fuses: by vectors (dense) and by words (text).

A cosine means something else for each modality: texts lie nearer to a text query than pictures
do. So, where the encoder brings a calibration, the dense list takes its candidates from each
modality apart and ranks them together only once their cosines have become comparable scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rzen.index.catalog import Catalog, Columns
from rzen.index.filters import Filters
from rzen.protocols import VectorStore
from rzen.types import MODALITIES, Calibration, Modality, Record

_PICTURES = [MODALITIES.index("image"), MODALITIES.index("video")]
_SLACK = 2  # rows asked for beyond a pool's share; more of them, fewer scans


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranked:
    """Records by row id, best first.

    Attributes:
        rowids: (K,) each at most once.
        scores: (K,) falling.
        complete: whether no further record could be found.
        calibrated: whether the scores are probabilities that compare across modalities.
        similarity: row id -> plain cosine; empty for a list by words.
    """

    rowids: NDArray[np.int64]
    scores: NDArray[np.float64]
    complete: bool
    calibrated: bool = False
    similarity: Mapping[int, float] = field(default_factory=dict)


class Rows:
    """What is known of the rows of a store's matrix without reading records.

    Row ids grow from row to row.

    Args:
        columns: of the catalog, at the generation the store was opened at.
    """

    def __init__(self, columns: Columns) -> None:
        self.rowid_N = columns.rowid_N
        self.content_N = columns.content_N
        self.modality_N = columns.modality_N
        self.masks: dict[Modality, NDArray[np.bool_]] = {
            modality: mask
            for number, modality in enumerate(MODALITIES)
            if (mask := columns.modality_N == number).any()
        }

    def __len__(self) -> int:
        return len(self.rowid_N)

    def contents(self, rowids: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """The content (file) of each row id; ``None`` if one of them is not among the rows.

        A record without a vector is in no row, and so is one that was added since.
        """
        if not len(rowids):
            return np.empty(0, np.int64)
        at = np.searchsorted(self.rowid_N, rowids)
        if not len(self) or at.max() >= len(self) or (self.rowid_N[at] != rowids).any():
            return None
        return self.content_N[at]

    def kinds(self, rowids: NDArray[np.int64]) -> dict[int, str]:
        """Whether each row id is of what has words or of pictures; what is unknown has words."""
        at = np.minimum(np.searchsorted(self.rowid_N, rowids), max(len(self) - 1, 0))
        is_known = self.rowid_N[at] == rowids if len(self) else np.zeros(len(rowids), np.bool_)
        is_picture = np.zeros(len(rowids), np.bool_)
        is_picture[is_known] = np.isin(self.modality_N[at[is_known]], _PICTURES)
        return {
            rowid: "pictures" if picture else "words"
            for rowid, picture in zip(rowids.tolist(), is_picture.tolist(), strict=True)
        }


def records_by_rowid(
    catalog: Catalog, rowids: Sequence[int], *, vectors: bool = False, previews: bool = True
) -> dict[int, Record]:
    """Records by row id, in the order given; those that were removed meanwhile are missing."""
    records = catalog.records(rowids, vectors=vectors, previews=previews)
    if len(records) == len(rowids):
        return dict(zip(rowids, records, strict=True))
    return {
        rowid: record
        for rowid in rowids
        for record in catalog.records([rowid], vectors=vectors, previews=previews)
    }


def usable_calibration(
    fitted: Mapping[Modality, Calibration], rows: Rows
) -> Mapping[Modality, Calibration]:
    """The calibration if it covers every modality that is there, else none.

    A calibrated score and a raw cosine cannot stand in one list.
    """
    return fitted if all(modality in fitted for modality in rows.masks) else {}


def dense_list(
    store: VectorStore,
    rows: Rows,
    query_D: NDArray[np.float32],
    depth: int,
    *,
    allowed_N: NDArray[np.bool_] | None,
    calibration: Mapping[Modality, Calibration],
) -> Ranked:
    """The nearest rows by calibrated score; by raw cosine where ``calibration`` is empty.

    Args:
        store: what is searched.
        rows: of the store.
        query_D: (D,) unit vector.
        depth: how many rows of each modality (of all together without a calibration).
        allowed_N: (N,) which rows may be found; ``None`` means all.
        calibration: empty, or one for each modality that is there.
    """
    pools = [rows.masks[modality] for modality in calibration if modality in rows.masks]
    numbers, cosines = (
        _nearest_of_each(store, query_D, depth, pools, allowed_N)
        if len(pools) > 1
        else _nearest(store, query_D, depth, allowed_N)
    )
    scores = _calibrated(cosines, rows.modality_N[numbers], calibration)
    rowids = rows.rowid_N[numbers]
    order = np.lexsort((rowids, -cosines, -scores))
    total = len(rows) if allowed_N is None else int(np.count_nonzero(allowed_N))
    return Ranked(
        rowids=rowids[order],
        scores=scores[order],
        complete=len(numbers) >= total,
        calibrated=bool(calibration),
        similarity=dict(zip(rowids.tolist(), cosines.tolist(), strict=True)),
    )


def text_list(catalog: Catalog, words: str, depth: int, filters: Filters) -> Ranked:
    """The best records by BM25, as fractions of the best one's: in (0, 1], 1 for the first."""
    found = catalog.search_text(words, depth, filters)
    scores = np.array([score for _, score in found], np.float64)
    best = scores.max(initial=0.0)
    return Ranked(
        rowids=np.array([rowid for rowid, _ in found], np.int64),
        scores=scores / best if best > 0 else np.ones_like(scores),
        complete=len(found) < depth,
    )


def _nearest(
    store: VectorStore,
    query_D: NDArray[np.float32],
    depth: int,
    allowed_N: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    scores_BK, rows_BK = store.search(query_D[None], depth, allowed_N=allowed_N)
    return rows_BK[0].astype(np.int64), scores_BK[0].astype(np.float64)


def _nearest_of_each(
    store: VectorStore,
    query_D: NDArray[np.float32],
    depth: int,
    pools: Sequence[NDArray[np.bool_]],
    allowed_N: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest rows of each pool, ``depth`` of each where it has so many.

    Each round searches all pools that are still short together, so that one scan does where the
    modalities are mixed; at least one pool gets its share in every round.
    """
    found: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    short = list(pools)
    open_N = allowed_N
    while short:
        wanted = _SLACK * depth * len(short)
        numbers, cosines = _nearest(store, query_D, wanted, open_N)
        places = [np.flatnonzero(pool[numbers])[:depth] for pool in short]
        is_full = [len(place) == depth or len(numbers) < wanted for place in places]
        if not any(is_full):  # an approximate store may miss some of what is there
            is_full = [True] * len(short)
        found += [
            (numbers[place], cosines[place])
            for place, full in zip(places, is_full, strict=True)
            if full
        ]
        short = [pool for pool, full in zip(short, is_full, strict=True) if not full]
        if short:
            rest_N = np.logical_or.reduce(short)
            open_N = rest_N if allowed_N is None else rest_N & allowed_N
    numbers_K, cosines_K = zip(*found, strict=True)
    return np.concatenate(numbers_K), np.concatenate(cosines_K)


def _calibrated(
    cosines_K: NDArray[np.float64],
    modality_K: NDArray[np.int8],
    calibration: Mapping[Modality, Calibration],
) -> NDArray[np.float64]:
    scores = cosines_K.copy()
    for modality, fitted in calibration.items():
        chosen = modality_K == MODALITIES.index(modality)
        scores[chosen] = fitted.score(cosines_K[chosen].astype(np.float32))
    return scores
