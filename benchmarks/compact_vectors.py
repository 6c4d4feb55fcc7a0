"""Compact vectors on rzen-bench: fewer dimensions, int8, signs; what they lose and what they save.

python -m benchmarks compact_vectors

The vectors are mini's, which was not trained for fewer dimensions (Matryoshka). The default factor
of oversampling is chosen on the validation split; test only reports it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.exact_search import alike, independent, recall
from benchmarks.results import Section, medians_ms
from rzen.config import SearchSettings, available_cores
from rzen.encoders import create
from rzen.encoders.rows import unit
from rzen.evaluation.metrics import per_query
from rzen.evaluation.ranking import Cosines, Similarity, _Logits, rank_by
from rzen.evaluation.set_run import SetRun
from rzen.evaluation.statistics import compare_over_sets
from rzen.evaluation.suites import Split, open_suite
from rzen.evaluation.vector_cache import VectorCache, cache_file
from rzen.index.compact import Codes, CompactStore, quantise
from rzen.index.exact import ExactStore
from rzen.index.quantization import binarise, code_bytes, hamming, restored, search_rescored
from rzen.types import Vectors

K = 10
LIST = SearchSettings().candidates
"""How long a list a search of an index asks for."""
DIM = 384
CUT = 128
DIMS = (256, 192, CUT, 64)
FACTORS = (1, 2, 4, 8, 16, 32)
WANTED = 0.97
"""Recall on validation that the default factor must reach."""
DEFAULT = SearchSettings().oversample
GROUPS = ("image", "visdoc", "video", "text", "mixed")
REFERENCE = "float32"
_LAST = -1e3  # below every score of a candidate

Figures: TypeAlias = Mapping[str, NDArray[np.float64]]
Turn: TypeAlias = Callable[[Vectors], Vectors]
Sets: TypeAlias = Sequence[SetRun]


def same(rows_ND: Vectors) -> Vectors:
    return rows_ND


def cut(dim: int) -> Turn:
    return lambda rows_ND: unit(rows_ND[:, :dim])


def ranges_of_dimensions(rows_ND: Vectors) -> Vectors:
    """The peer's int8: the range of each dimension in 255 steps, taken from the rows themselves."""
    from sentence_transformers.util.quantization import quantize_embeddings

    ranges = np.stack([rows_ND.min(axis=0), rows_ND.max(axis=0)])
    code_ND = np.asarray(quantize_embeddings(rows_ND, precision="int8", ranges=ranges))
    return np.asarray((code_ND + 128.5) * (ranges[1] - ranges[0]) / 255 + ranges[0], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Vectors in one form.

    Attributes:
        scanned: bytes of a vector that each search reads.
        kept: bytes of a vector that only re-scoring reads, of few rows.
        query: what becomes of queries.
        row: what becomes of documents, where they are scored by inner products.
        is_int8: whether these are rounded to int8 besides.
        factor: rows scored for each one wanted, chosen by signs; 0: signs alone; ``None``: all.
    """

    scanned: int
    kept: int = 0
    query: Turn = same
    row: Turn = same
    is_int8: bool = False
    factor: int | None = None

    def rows(self, row_ND: Vectors) -> Vectors | Codes:
        return quantise(self.row(row_ND)) if self.is_int8 else self.row(row_ND)

    def whole(self, row_ND: Vectors) -> Vectors:
        """As float32, whatever is lost already."""
        rows = self.rows(row_ND)
        return restored(rows, np.arange(len(row_ND))) if isinstance(rows, Codes) else rows

    def find(self, query_BD: Vectors, row_ND: Vectors) -> NDArray[np.int64]:
        """The ten best rows of each query."""
        if self.factor is None:
            return ExactStore(self.whole(row_ND)).search(self.query(query_BD), K)[1]
        if self.factor == 0:
            distance_BN = hamming(binarise(query_BD), binarise(row_ND))
            return np.argsort(distance_BN, axis=1, kind="stable")[:, :K]
        return search_rescored(
            query_BD, binarise(row_ND), K, oversample=self.factor, rescore=self.rows(row_ND)
        )[1]

    def similarity(self, query_BD: Vectors, row_MD: Vectors) -> Similarity:
        cosines = Cosines(self.query(query_BD), self.whole(row_MD))
        return cosines if self.factor is None else Signs(query_BD, row_MD, cosines, self.factor)


class Signs:
    """Scores by signs: of candidates the cosine, of all others, behind them, the angle.

    The angle is estimated from the share of signs that differ (Charikar 2002), so that a
    calibration of cosines can be applied.
    """

    def __init__(self, query_BD: Vectors, row_MD: Vectors, cosines: Cosines, factor: int) -> None:
        self._distance_BM = hamming(binarise(query_BD), binarise(row_MD))
        self._dim, self._cosines, self._factor = row_MD.shape[1], cosines, factor

    def __call__(self, query: int, rows_C: NDArray[np.int64]) -> NDArray[np.floating]:
        distance_C = self._distance_BM[query, rows_C]
        angle_C = np.asarray(np.cos(np.pi * distance_C / self._dim), np.float64)
        if not self._factor:
            return angle_C
        wanted = min(self._factor * K, len(rows_C))
        is_near_C = distance_C <= np.partition(distance_C, wanted - 1)[wanted - 1]
        return np.asarray(np.where(is_near_C, self._cosines(query, rows_C), _LAST + angle_C))


def forms() -> dict[str, Form]:
    """All that is measured; the first is what the others are compared with."""
    floats, integers, signs = (code_bytes(code, DIM) for code in ("float32", "int8", "binary"))
    return {
        REFERENCE: Form(scanned=floats),
        **{
            f"first {dim} dimensions": Form(
                scanned=code_bytes("float32", dim), query=cut(dim), row=cut(dim)
            )
            for dim in DIMS
        },
        "int8": Form(scanned=integers, is_int8=True),
        "int8 by sentence-transformers": Form(scanned=DIM, row=ranges_of_dimensions),
        f"first {CUT} dimensions, int8": Form(
            scanned=code_bytes("int8", CUT), query=cut(CUT), row=cut(CUT), is_int8=True
        ),
        "binary": Form(scanned=signs, factor=0),
        **{f"binary, {factor}x float32": _rescored(factor) for factor in (2, 4, 8, DEFAULT)},
        **{
            f"binary, {factor}x int8": Form(
                scanned=signs, kept=integers, is_int8=True, factor=factor
            )
            for factor in (4, DEFAULT)
        },
    }


def _rescored(factor: int) -> Form:
    return Form(scanned=code_bytes("binary", DIM), kept=code_bytes("float32", DIM), factor=factor)


def run(quick: bool = False) -> list[Section]:
    """Loss on rzen-bench, the choice of the factor, and the time of a scan."""
    limit = 20 if quick else None
    validation, test = (list(_sets(split, limit)) for split in ("validation", "test"))
    return [
        _losses(test),
        _choice(validation, test),
        _scans(20_000 if quick else 100_000, 5 if quick else 15),
    ]


def _sets(split: Split, limit: int | None) -> Iterator[SetRun]:
    suite = open_suite("rzen-bench", split=split)
    encoder = create("mini")
    with VectorCache(cache_file(encoder), dim=encoder.dim) as cache:
        for name in suite.sets:
            yield SetRun(suite.load(name), encoder, cache, limit, lambda *_: None)


def _figures(sets: Sets, form: Form) -> Figures:
    """The main figure of each query, by set."""
    figures = {}
    for one in sets:
        pools, calibration = one._pools, one._calibration
        similarity = form.similarity(one._queries.vectors, pools.ordered(one._documents.vectors))
        scale = None if calibration is None else _Logits(calibration, pools.modality_M)
        failed = one._queries.failed, one._documents.failed
        ranked = rank_by(similarity, pools, failed=failed, rescale=scale)
        figures[one._set.name] = per_query(ranked.rankings)[one._set.metric]
    return figures


def _pool(sets: Sets) -> tuple[Vectors, Vectors]:
    """All queries and all documents of a split, each once."""

    def once(parts: Iterator[Vectors]) -> Vectors:
        rows_ND = np.unique(np.concatenate(list(parts)), axis=0)
        return rows_ND[rows_ND.any(axis=1)]

    return (
        once(one._queries.vectors for one in sets),
        once(one._documents.vectors for one in sets),
    )


def _losses(sets: Sets) -> Section:
    query_BD, row_ND = _pool(sets)
    truth_BK = forms()[REFERENCE].find(query_BD, row_ND)
    whole = _figures(sets, forms()[REFERENCE])
    for one in sets:  # we measure what `rzen eval` measures
        own_B = per_query(one.ranked.rankings)[one._set.metric]
        np.testing.assert_array_equal(whole[one._set.name], own_B)
    groups = {one._set.name: one._set.group for one in sets}
    rows: list[list[object]] = []
    said: dict[str, str] = {}
    for name, form in forms().items():
        figures = _figures(sets, form)
        loss = compare_over_sets(list(figures.values()), list(whole.values()))
        found = recall(form.find(query_BD, row_ND), truth_BK)
        interval = f"{loss.difference:+.4f} ({loss.low:+.4f} to {loss.high:+.4f})"
        said[name] = f"{loss.difference:+.4f} at a recall of {found:.3f}"
        means = [
            np.mean([each.mean() for key, each in figures.items() if groups[key] == group])
            for group in GROUPS
        ]
        rows.append(
            [
                name,
                form.scanned,
                form.kept or "",
                *(f"{mean:.3f}" for mean in means),
                _mean(figures),
                "" if name == REFERENCE else interval,
                f"{found:.3f}",
            ]
        )
    default = f"binary, {DEFAULT}x float32"
    return Section(
        title="Compact vectors (mini on rzen-bench, test)",
        claim=(
            f"The mean over {len(sets)} sets, less that of float32: int8 {said['int8']}; {default} "
            f"{said[default]}; signs alone {said['binary']}; the first {CUT} of {DIM} dimensions "
            f"{said[f'first {CUT} dimensions']}."
        ),
        columns=[
            "form",
            "bytes scanned",
            "bytes kept",
            *GROUPS,
            "all sets",
            "less float32 (95 %)",
            f"recall@{K}",
        ],
        rows=rows,
        notes=[
            "mini was not trained for fewer dimensions: a Matryoshka encoder loses less by a cut",
            "main figure of each set; intervals by paired bootstrap over queries, each for itself",
            "the compact scan of an index is no row here: it gives what float32 gives",
            "bytes a vector: scanned by every search; kept for the rows that are scored again",
            (
                f"binary, 4x: of 4 * {K} candidates by signs, scored again; sets have few "
                "documents, so their figures flatter it"
            ),
            (
                f"recall@{K}: of the ten best in float32, all {len(row_ND)} documents of the "
                f"split in one pool, {len(query_BD)} queries"
            ),
            (
                "int8 by sentence-transformers: a range for each dimension (taken from the "
                "documents themselves, the kindest sample); ours has a scale for each row"
            ),
        ],
    )


def _choice(validation: Sets, test: Sets) -> Section:
    rows, recalls = [], {}
    pools = {"validation": _pool(validation), "test": _pool(test)}
    truths = {
        split: ExactStore(row_ND).search(query_BD, K)[1]
        for split, (query_BD, row_ND) in pools.items()
    }
    whole = _figures(validation, forms()[REFERENCE])
    for factor in FACTORS:
        form = _rescored(factor)
        figures = _figures(validation, form)
        found = {split: recall(form.find(*pool), truths[split]) for split, pool in pools.items()}
        recalls[factor] = found
        rows.append(
            [
                factor,
                f"{found['validation']:.3f}",
                f"{_mean_difference(figures, whole):+.4f}",
                f"{found['test']:.3f}",
            ]
        )
    chosen = next((f for f in FACTORS if recalls[f]["validation"] >= WANTED), FACTORS[-1])
    verdict = "the default" if chosen == DEFAULT else f"NOT the default, which is {DEFAULT}"
    return Section(
        title="How many candidates signs need (mini)",
        claim=(
            f"On validation {chosen}x is the least that finds {WANTED:.0%} of the ten best: "
            f"{verdict}. On test it finds {recalls[chosen]['test']:.3f}."
        ),
        columns=[
            "factor",
            f"recall@{K}, validation",
            "main figure less float32, validation",
            f"recall@{K}, test",
        ],
        rows=rows,
        notes=[
            "all documents of a split in one pool: "
            + ", ".join(f"{split} {len(row_ND)}" for split, (_, row_ND) in pools.items()),
            "sentence-transformers takes 4 unless told otherwise",
        ],
    )


def _scans(count: int, repeats: int) -> Section:
    rows: list[list[object]] = []
    said = []
    for dim in (384, 1536):
        for data, make in (("random", independent), ("alike", alike)):
            corpus = make(count + 64, dim)
            row_ND, query_BD = corpus[:-64].copy(), corpus[-64:].copy()
            searches, sizes = _engines(row_ND)
            truth_BK = searches[REFERENCE](query_BD, K)
            one_BD = query_BD[:1]
            times = medians_ms(
                {
                    (f"{name}|{k}"): _bound(search, one_BD, k)
                    for k in (K, LIST)
                    for name, search in searches.items()
                },
                repeats=repeats,
            )
            for name, search in searches.items():
                ratios = [times[f"{name}|{k}"] / times[f"{REFERENCE}|{k}"] for k in (K, LIST)]
                rows.append(
                    [
                        f"{count // 1000}k x {dim}, {data}",
                        name,
                        sizes[name],
                        f"{times[f'{name}|{K}']:.2f}",
                        f"{ratios[0]:.2f}",
                        f"{times[f'{name}|{LIST}']:.2f}",
                        f"{ratios[1]:.2f}",
                        f"{recall(search(query_BD, K), truth_BK):.3f}",
                    ]
                )
                if data == "alike" and name.endswith("float32") and name != REFERENCE:
                    said.append(f"{ratios[0]:.2f} at {dim} dimensions")
    load = os.getloadavg()[0]
    return Section(
        title="Scanning compact vectors",
        claim=(
            f"A search for {K} by signs, re-scored in float32, takes this share of the float32 "
            f"scan's time (vectors alike): {', '.join(said)}."
        ),
        columns=[
            "vectors",
            "scan",
            "bytes scanned",
            f"ms, {K} hits",
            "ratio to float32",
            f"ms, {LIST} hits",
            "ratio to float32",
            f"recall@{K}",
        ],
        rows=rows,
        notes=[
            f"one query, medians in turns, {available_cores()} threads; recall over 64 queries",
            f"{LIST} hits: what a search of an index asks for before it fuses lists",
            "random and alike: as in the benchmark of exact search",
            f"load of the machine at the end: {load:.1f}; other programs disturb times",
            "all rows in memory: where float32 rows come from a disk, re-scoring waits for it",
        ],
    )


def _engines(
    row_ND: Vectors,
) -> tuple[dict[str, Callable[[Vectors, int], NDArray[np.int64]]], dict[str, int]]:
    """Scans by name, and how many bytes of a vector they read."""
    dim = row_ND.shape[1]
    third = dim // 3
    exact, compact = ExactStore(row_ND), CompactStore(row_ND)
    few, signs, codes = ExactStore(cut(third)(row_ND)), binarise(row_ND), quantise(row_ND)

    def rescored(rows: Vectors | Codes) -> Callable[[Vectors, int], NDArray[np.int64]]:
        return lambda query_BD, k: search_rescored(
            query_BD, signs, k, oversample=DEFAULT, rescore=rows
        )[1]

    searches = {
        REFERENCE: lambda query_BD, k: exact.search(query_BD, k)[1],
        "compact (int8, exact)": lambda query_BD, k: compact.search(query_BD, k)[1],
        f"first {third} dimensions": lambda query_BD, k: few.search(cut(third)(query_BD), k)[1],
        f"binary, {DEFAULT}x float32": rescored(row_ND),
        f"binary, {DEFAULT}x int8": rescored(codes),
    }
    # The compact scan reads a bound on each row's error beside its scale.
    integers, signs_bytes = code_bytes("int8", dim) + 4, code_bytes("binary", dim)
    sizes = [4 * dim, integers, 4 * third, signs_bytes, signs_bytes]
    return searches, dict(zip(searches, sizes, strict=True))


def _bound(
    search: Callable[[Vectors, int], NDArray[np.int64]], query_BD: Vectors, k: int
) -> Callable[[], NDArray[np.int64]]:
    return lambda: search(query_BD, k)


def _mean(figures: Figures) -> str:
    return f"{np.mean([each.mean() for each in figures.values()]):.4f}"


def _mean_difference(figures: Figures, whole: Figures) -> float:
    return float(np.mean([figures[name].mean() - whole[name].mean() for name in whole]))


if __name__ == "__main__":
    for section in run():
        print(section.markdown())
