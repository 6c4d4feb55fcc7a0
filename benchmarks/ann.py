"""The approximate index beside the exact scans and FAISS HNSW: what it finds, and how fast."""

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.exact_search import K, alike, independent, recall
from benchmarks.results import Section, medians_ms
from rzen.config import available_cores
from rzen.index.ann import RECALL, AnnStore
from rzen.index.compact import CompactStore, quantise

DIM = 384
QUERIES = 200
# A graph of more rows takes minutes to make.
LARGEST_GRAPH = 50_000

T = TypeVar("T")


def run(quick: bool = False) -> list[Section]:
    """Measures; ``quick`` takes a tenth of the rows."""
    sizes = (10_000, 20_000) if quick else (50_000, 200_000)
    rows: list[tuple[object, ...]] = []
    recalls: list[float] = []
    for data, make in (("alike", alike), ("random", independent)):
        for count in sizes if data == "alike" else sizes[:1]:
            corpus = make(count + QUERIES, DIM)
            vectors_ND, query_BD = corpus[:-QUERIES].copy(), corpus[-QUERIES:].copy()
            found = _measure(f"{count // 1000}k x {DIM}, {data}", vectors_ND, query_BD)
            rows += found
            recalls += [float(str(row[3])) for row in found if "rzen ann" in str(row[1])]
    held = min(recalls) >= RECALL
    return [
        Section(
            title="Approximate search",
            claim=f"The approximate index finds at least {RECALL:.0%} of the ten best, or says "
            f"that it is not worth while: {'it held.' if held else 'it did NOT hold in this run.'}",
            columns=("vectors", "engine", "ms for 1 query", f"recall@{K}", "seconds to make"),
            rows=rows,
            notes=[
                f"{available_cores()} threads; {QUERIES} queries that are not among the rows",
                "seconds to make: for rzen ann with the choice of its cells' number on a sample",
                "FAISS HNSW: 32 neighbours, efConstruction 80, efSearch 64",
            ],
        )
    ]


def _measure(
    label: str, vectors_ND: NDArray[np.float32], query_BD: NDArray[np.float32]
) -> list[tuple[object, ...]]:
    codes, quantised = _timed(lambda: quantise(vectors_ND))
    compact = CompactStore(vectors_ND, codes)
    ann, made = _timed(lambda: AnnStore(vectors_ND))
    truth = compact.search(query_BD, K)[1]
    verdict = "worth while" if ann.is_worthwhile else "not worth while: the scan is used"
    name = f"**rzen ann** ({ann.probes} cells, {verdict})"
    searches: dict[str, Callable[[NDArray[np.float32]], NDArray[np.int64]]] = {
        "**rzen compact** (exact)": lambda batch_BD: compact.search(batch_BD, K)[1],
        name: lambda batch_BD: ann.search(batch_BD, K)[1],
    }
    seconds = dict(zip(searches, (quantised, made), strict=True))
    if len(vectors_ND) <= LARGEST_GRAPH:
        searches["FAISS HNSW"], seconds["FAISS HNSW"] = _timed(lambda: _hnsw(vectors_ND))
    times = medians_ms({key: _one_by_one(search, query_BD) for key, search in searches.items()})
    return [
        (
            label,
            key,
            f"{times[key] / len(query_BD):.3f}",
            f"{recall(search(query_BD), truth):.3f}",
            f"{seconds[key]:.1f}",
        )
        for key, search in searches.items()
    ]


def _one_by_one(
    search: Callable[[NDArray[np.float32]], NDArray[np.int64]], query_BD: NDArray[np.float32]
) -> Callable[[], None]:
    def every() -> None:
        for query in range(len(query_BD)):
            search(query_BD[query : query + 1])

    return every


def _hnsw(
    vectors_ND: NDArray[np.float32],
) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
    import faiss

    graph = faiss.IndexHNSWFlat(vectors_ND.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = 80, 64
    graph.add(vectors_ND)
    return lambda batch_BD: np.asarray(graph.search(batch_BD, K)[1])


def _timed(make: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    made = make()
    return made, time.perf_counter() - start


if __name__ == "__main__":
    for section in run():
        print(section.markdown())
