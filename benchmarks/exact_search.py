"""Exact search beside numpy, FAISS and LanceDB, one query and a batch of them, in one process."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Section, medians_ms
from rzen.config import available_cores
from rzen.index.compact import CompactStore
from rzen.index.exact import ExactStore

K = 10
CLAIM = (
    "Our float32 scan takes at most 1.1 times as long as the fastest exact peer, and our compact "
    "scan less than any peer, at a recall of exactly 1: "
)
OURS, COMPACT = "rzen float32", "rzen compact"
APPROXIMATE = ("FAISS SQ8", "FAISS SQ8 + refine")

Search = Callable[[], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One corpus and how many queries at a time."""

    data: str
    rows: int
    dim: int
    queries: int


def run(quick: bool = False) -> list[Section]:
    """Measures; ``quick`` takes a small corpus and few repeats."""
    count = 20_000 if quick else 100_000
    dims = (384,) if quick else (384, 1536)
    bandwidth = _bandwidth()
    rows: list[tuple[object, ...]] = []
    ratios: dict[str, list[float]] = {OURS: [], COMPACT: []}
    for dim in dims:
        for data, corpus in (
            ("random", independent(count + 64, dim)),
            ("alike", alike(count + 64, dim)),
        ):
            vectors_ND, query_BD = corpus[:-64].copy(), corpus[-64:].copy()
            engines = _engines(vectors_ND)
            for queries in (1, 64):
                case = Case(data=data, rows=count, dim=dim, queries=queries)
                searches = {
                    name: _bound(search, query_BD[:queries])
                    for name, search in engines.items()
                    if queries == 1 or name != "LanceDB"  # it takes one query at a time
                }
                rows += _measure(case, searches, ratios, bandwidth, 5 if quick else 11)
    held = max(ratios[OURS]) <= 1.1 and max(ratios[COMPACT]) < 1.0
    return [
        Section(
            title="Exact search",
            claim=CLAIM + ("it held." if held else "it did NOT hold in every row of this run."),
            columns=(
                "vectors",
                "queries",
                "engine",
                "ms",
                "ratio to the fastest peer",
                f"recall@{K}",
                "share of memory bandwidth",
            ),
            rows=rows,
            notes=_notes(bandwidth),
        )
    ]


def _bound(search: Callable[[NDArray[np.float32]], NDArray[np.int64]], query_BD: object) -> Search:
    return lambda: search(query_BD)  # type: ignore[arg-type]


def _measure(
    case: Case,
    searches: Mapping[str, Search],
    ratios: dict[str, list[float]],
    bandwidth: float,
    repeats: int,
) -> list[tuple[object, ...]]:
    truth = searches[OURS]()
    recalls = {name: recall(search(), truth) for name, search in searches.items()}
    times = medians_ms(searches, repeats=repeats)
    exact = [name for name in times if name not in (OURS, COMPACT, *APPROXIMATE)]
    peers = [name for name in times if name not in (OURS, COMPACT)]
    label = f"{case.rows // 1000}k x {case.dim}, {case.data}"
    rows: list[tuple[object, ...]] = []
    for name, milliseconds in times.items():
        rivals = peers if name == COMPACT else exact
        ratio = milliseconds / min(times[rival] for rival in rivals)
        if name in ratios:
            ratios[name].append(ratio)
        size = case.rows * case.dim * (1 if name in (COMPACT, *APPROXIMATE) else 4)
        share = size / (milliseconds * 1e-3) / bandwidth
        rows.append(
            (
                label,
                case.queries,
                f"**{name}**" if name in (OURS, COMPACT) else name,
                f"{milliseconds:.2f}",
                f"{ratio:.2f}" if name in (OURS, COMPACT) else "",
                f"{recalls[name]:.3f}",
                f"{share:.0%}" if case.queries == 1 else "",
            )
        )
    return rows


def _engines(
    vectors_ND: NDArray[np.float32],
) -> dict[str, Callable[[NDArray[np.float32]], NDArray[np.int64]]]:
    import faiss

    faiss.omp_set_num_threads(available_cores())
    dim = vectors_ND.shape[1]
    flat = faiss.IndexFlatIP(dim)
    flat.add(vectors_ND)
    codes = faiss.IndexScalarQuantizer(
        dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    codes.train(vectors_ND)
    codes.add(vectors_ND)
    refined = faiss.IndexRefineFlat(codes, faiss.swig_ptr(vectors_ND))
    refined.k_factor = 4
    exact, compact = ExactStore(vectors_ND), CompactStore(vectors_ND)
    return {
        OURS: lambda query_BD: exact.search(query_BD, K)[1],
        COMPACT: lambda query_BD: compact.search(query_BD, K)[1],
        "numpy": lambda query_BD: _numpy(vectors_ND, query_BD),
        "FAISS Flat": lambda query_BD: flat.search(query_BD, K)[1],
        "FAISS SQ8": lambda query_BD: codes.search(query_BD, K)[1],
        "FAISS SQ8 + refine": lambda query_BD: refined.search(query_BD, K)[1],
        "LanceDB": _lancedb(vectors_ND),
    }


def _numpy(vectors_ND: NDArray[np.float32], query_BD: NDArray[np.float32]) -> NDArray[np.int64]:
    score_BN = query_BD @ vectors_ND.T
    best_BK = np.argpartition(score_BN, -K, axis=1)[:, -K:]
    order_BK = np.argsort(-np.take_along_axis(score_BN, best_BK, axis=1), axis=1)
    return np.take_along_axis(best_BK, order_BK, axis=1)


def _lancedb(
    vectors_ND: NDArray[np.float32],
) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
    import lancedb
    import pyarrow as pa

    folder = tempfile.mkdtemp()
    array = pa.FixedSizeListArray.from_arrays(pa.array(vectors_ND.reshape(-1)), vectors_ND.shape[1])
    data = pa.table({"vector": array, "row": np.arange(len(vectors_ND))})
    table = lancedb.connect(folder).create_table("corpus", data)

    def search(query_BD: NDArray[np.float32]) -> NDArray[np.int64]:
        asked: Any = table.search(query_BD[0])
        found = asked.distance_type("dot").select(["row", "_distance"]).limit(K).to_arrow()
        rows: NDArray[np.int64] = found["row"].to_numpy()
        return rows[None]

    return search


def recall(found_BK: NDArray[np.int64], truth_BK: NDArray[np.int64]) -> float:
    pairs = zip(found_BK, truth_BK, strict=True)
    return sum(len(np.intersect1d(found, truth)) for found, truth in pairs) / truth_BK.size


def independent(count: int, dim: int) -> NDArray[np.float32]:
    """Independent directions: the hardest case for a bound, as all scores lie close together."""
    rows = np.random.default_rng(1).standard_normal((count, dim), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def alike(count: int, dim: int) -> NDArray[np.float32]:
    """Topics, a falling spectrum and a common mean, as embeddings of real files have them."""
    random = np.random.default_rng(2)
    spectrum_D = np.arange(1, dim + 1, dtype=np.float32) ** -0.5
    spectrum_D /= np.linalg.norm(spectrum_D)
    topics = random.standard_normal((2000, dim), dtype=np.float32) * spectrum_D
    rows = topics[random.integers(0, len(topics), count)] + 0.3 * spectrum_D
    for start in range(0, count, 10_000):
        block = rows[start : start + 10_000]
        block += 0.7 * random.standard_normal(block.shape, dtype=np.float32) * spectrum_D
    # Axes of an embedding carry no order: mix them, in blocks that are quick to make.
    rotation_DD = np.linalg.qr(random.standard_normal((dim, dim)))[0].astype(np.float32)
    rows = rows @ rotation_DD
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _bandwidth() -> float:
    """Bytes per second that all cores read together, the best of several passes over 512 MiB."""
    cores = available_cores()
    parts = np.array_split(np.ones(2**26, np.uint64), cores)
    best = float("inf")
    with ThreadPoolExecutor(cores) as executor:
        for _ in range(9):
            start = time.perf_counter()
            list(executor.map(np.sum, parts))
            best = min(best, time.perf_counter() - start)
    return 2**29 / best


def _notes(bandwidth: float) -> list[str]:
    variables = [name for name in os.environ if "BLAS" in name]
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "numkong", "faiss-cpu", "lancedb")
    )
    reading = f"reading memory: {bandwidth / 1e9:.1f} GB/s (sum of 512 MiB, all cores, best of 9)"
    return [
        f"medians, all engines in turns, {available_cores()} threads each; {libraries}",
        "the float32 scan is compared with the exact peers, the compact one with all of them",
        f"{reading}; a large cache can lift a share above it",
        "random: independent directions, the hardest case for the compact scan's bounds",
        "alike: 2000 topics, a falling spectrum and a common mean, in rotated axes",
        f"BLAS variables set: {', '.join(variables) or 'none'}",
    ]


if __name__ == "__main__":
    for section in run():
        print(section.markdown())
