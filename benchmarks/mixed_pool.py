"""All modalities in one pool: does one kind crowd out the others with mini?

python -m benchmarks.mixed_pool          the table, with the constants that are shipped
python -m benchmarks.mixed_pool --fit    fits them on the validation split and writes them
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Section
from rzen.config import SearchSettings
from rzen.data.bench import suite as bench
from rzen.encoders.mini import calibration
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.index.catalog import Catalog
from rzen.index.exact import ExactStore
from rzen.index.filters import Filters
from rzen.search.lists import Ranked, Rows, dense_list, text_list
from rzen.search.rank_fusion import add_log_odds, fuse_kinds, reciprocal_rank_fusion
from rzen.types import Calibration, Modality, Record, Vectors

KINDS: tuple[Modality, ...] = ("text", "image", "page", "video")
TOP = 10
Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """One split of rzen-bench: B queries against the M documents of all kinds.

    Attributes:
        cosine_BM: similarities.
        right_BM: whether the document answers the query.
        kind_B: index into KINDS of what the query is after.
        kind_M: index into KINDS of the document.
        query_B: the queries' words.
        query_BD: their vectors.
        text_M: what of each document is found by words.
        document_MD: the documents' vectors.
    """

    cosine_BM: Floats
    right_BM: NDArray[np.bool_]
    kind_B: NDArray[np.int64]
    kind_M: NDArray[np.int64]
    query_B: list[str]
    query_BD: Vectors
    text_M: list[str]
    document_MD: Vectors

    def scores(self, constants: Sequence[Calibration]) -> Floats:
        """What documents are ranked by, before the logistic function (which keeps the order)."""
        slopes = np.array([each.slope for each in constants])
        intercepts = np.array([each.intercept for each in constants])
        return np.asarray(self.cosine_BM * slopes[self.kind_M] + intercepts[self.kind_M])


def run(quick: bool = False) -> list[Section]:
    """Recall in the mixed pool, before and after calibration."""
    del quick  # a minute at most
    return _sections(pools())


def _sections(splits: Mapping[str, Pool]) -> list[Section]:
    shipped = calibration.load()
    constants = [shipped[kind] for kind in KINDS]
    rows, means, tilt = [], {}, {}
    for split, pool in splits.items():
        rows.append(
            [split, "each kind alone", *_cells(_recalls(pool, pool.cosine_BM, mixed=False))]
        )
        for name, scores in (
            ("cosine", pool.cosine_BM),
            ("calibrated", pool.scores(constants)),
        ):
            recalls = _recalls(pool, scores)
            means[split, name] = float(np.mean(recalls))
            shares = _shares(pool, scores)
            asked = [float((pool.kind_B == number).mean()) for number in range(len(KINDS))]
            tilt[split, name] = max(
                abs(share - part) for share, part in zip(shares, asked, strict=True)
            )
            rows.append([split, name, *_cells(recalls), *_cells(shares)])
    rows = [[*row, *([""] * (2 + 2 * len(KINDS) - len(row)))] for row in rows]
    gain = means["test", "calibrated"] - means["test", "cosine"]
    sizes = ", ".join(f"{split} {len(pool.kind_M)}" for split, pool in splits.items())
    claim = (
        f"On the test split the mean recall@{TOP} over the kinds is "
        f"{means['test', 'calibrated']:.3f} with calibrated scores, {means['test', 'cosine']:.3f} "
        f"with plain cosines ({gain:+.3f}). Mini's pictures are sums of text vectors, so there is "
        "little of the gap between modalities that trained encoders have, and little to win in "
        "ranking. What calibration gives is a score that means the same for every kind; the share "
        "of a kind among what is shown is off its share of the queries by "
        f"{tilt['test', 'calibrated']:.2f} at most, {tilt['test', 'cosine']:.2f} with cosines."
    )
    names = [f"recall@{TOP} {kind}" for kind in KINDS] + [f"share of {kind}" for kind in KINDS]
    table = Section(
        title="One pool of pictures, pages and passages (mini)",
        claim=claim,
        columns=["split", "scores", *names],
        rows=rows,
        notes=[
            f"documents: {sizes}; the mixed pool of rzen-bench, split by concept",
            f"share: of the {TOP} best documents over all queries",
        ],
    )
    return [table, _fusion(splits, shipped), _reliability(splits["test"], constants)]


def _fusion(splits: Mapping[str, Pool], fitted: Mapping[Modality, Calibration]) -> Section:
    """Vectors and words together: how their lists are fused decides what is crowded out."""
    weight = SearchSettings().words_weight
    rows, means = [], {}
    for split, pool in splits.items():
        ways = _ranked(pool, fitted, weight)
        for name, rankings in ways.items():
            recalls = [_found(pool, rankings, depth) for depth in (1, TOP)]
            means[split, name] = [float(np.mean(each)) for each in recalls]
            rows.append([split, name, *_cells(recalls[0]), *_cells(recalls[1])])
    plain = means["test", "reciprocal rank fusion, calibrated"]
    kinds, ours = means["test", "hybrid by kinds"], means["test", "hybrid, calibrated"]
    return Section(
        title="Vectors and words in the mixed pool (mini)",
        claim=(
            "Test split, means over the kinds: hybrid search as it is with mini has recall@1 "
            f"{ours[0]:.3f} and recall@{TOP} {ours[1]:.3f}, as it is without a calibration "
            f"{kinds[0]:.3f} and {kinds[1]:.3f}; plain reciprocal rank fusion of the calibrated "
            f"list and the words {plain[0]:.3f} and {plain[1]:.3f}."
        ),
        columns=[
            "split",
            "ranked by",
            *(f"recall@{depth} {kind}" for depth in (1, TOP) for kind in KINDS),
        ],
        rows=rows,
        notes=[
            f"hybrid, calibrated: log-odds of the score plus {weight} x BM25 over the best BM25",
            "that weight was chosen on the validation split",
            "hybrid by kinds: what encoders without a calibration get, from plain cosines",
            "no list of words holds a picture, so fusion by ranks puts pictures behind",
        ],
    )


def _ranked(
    pool: Pool, fitted: Mapping[Modality, Calibration], weight: float
) -> dict[str, list[list[int]]]:
    """Document numbers for each query, best first, by each way of fusing."""
    ways: dict[str, list[list[int]]] = {}
    encoder = MiniEncoder()
    with TemporaryDirectory() as folder:
        catalog = Catalog.open(Path(folder), write=True, create=encoder.fingerprint)
        with catalog, catalog.batch():
            for number, (text, vector) in enumerate(
                zip(pool.text_M, pool.document_MD, strict=True)
            ):
                name, kind = f"{number:032x}", KINDS[pool.kind_M[number]]
                record = Record(id=name, modality=kind, text=text, vector=vector)
                catalog.put(f"/{number}", 1, 1, name, [record])
            catalog.flush()
            rows, store = Rows(catalog.columns()), ExactStore(catalog.vectors())
            numbers = {rowid: number for number, rowid in enumerate(rows.rowid_N.tolist())}
            for words, vector in zip(pool.query_B, pool.query_BD, strict=True):
                dense = dense_list(store, rows, vector, 200, allowed_N=None, calibration=fitted)
                cosine = dense_list(store, rows, vector, 200, allowed_N=None, calibration={})
                matches = text_list(catalog, words, 200, Filters())
                for name, ranking in _ways(rows, dense, cosine, matches, weight).items():
                    ways.setdefault(name, []).append([numbers[rowid] for rowid in ranking])
    return ways


def _ways(
    rows: Rows, dense: Ranked, cosine: Ranked, text: Ranked, weight: float
) -> dict[str, list[int]]:
    lists = {"dense": dense.rowids.tolist(), "text": text.rowids.tolist()}
    plain = {"dense": cosine.rowids.tolist(), "text": lists["text"]}
    kinds = rows.kinds(np.concatenate([cosine.rowids, text.rowids]))
    probabilities, matches = (
        dict(zip(each.rowids.tolist(), each.scores.tolist(), strict=True)) for each in (dense, text)
    )
    return {
        "vectors, calibrated": lists["dense"],
        "words": lists["text"],
        "reciprocal rank fusion": [rowid for rowid, _ in reciprocal_rank_fusion(plain)],
        "reciprocal rank fusion, calibrated": [rowid for rowid, _ in reciprocal_rank_fusion(lists)],
        "hybrid by kinds": [rowid for rowid, _ in fuse_kinds(plain, kinds)],
        "hybrid, calibrated": [rowid for rowid, _ in add_log_odds(probabilities, matches, weight)],
    }


def _found(pool: Pool, rankings: Sequence[Sequence[int]], depth: int) -> list[float]:
    found_B = np.array(
        [pool.right_BM[at, list(ranking[:depth])].any() for at, ranking in enumerate(rankings)]
    )
    return [float(found_B[pool.kind_B == number].mean()) for number in range(len(KINDS))]


def pools() -> dict[str, Pool]:
    """The pool of each split that is measured with."""
    encoder, suite = MiniEncoder(), bench.folder()
    bench.manifest(suite)  # says what to do if it is not there
    return {split: _pool(encoder, suite, split) for split in bench.MEASURED}


def _pool(encoder: MiniEncoder, suite: Path, split: str) -> Pool:
    asked = [bench.load(suite, split, f"mixed-{kind}") for kind in KINDS]
    documents = dict(asked[0].documents)
    numbers = {name: number for number, name in enumerate(documents)}
    queries = [(kind, query) for kind, each in enumerate(asked) for query in each.queries]
    query_BD = np.asarray(encoder.encode([query.content for _, query in queries], role="query"))
    document_MD = np.asarray(encoder.encode(list(documents.values()), role="document"))
    right_BM = np.zeros((len(queries), len(documents)), np.bool_)
    for row, (_, query) in enumerate(queries):
        right_BM[row, [numbers[label] for label in query.labels]] = True
    return Pool(
        cosine_BM=(query_BD @ document_MD.T).astype(np.float64),
        right_BM=right_BM,
        kind_B=np.array([kind for kind, _ in queries]),
        kind_M=np.array([KINDS.index(each.modality) for each in documents.values()]),
        query_B=[query.content.text for _, query in queries],
        query_BD=query_BD,
        text_M=[document.text for document in documents.values()],
        document_MD=document_MD,
    )


def fit(pool: Pool) -> list[Calibration]:
    """Constants for each kind, in two steps.

    First, slopes and differences of intercepts: those under which the softmax over the whole pool
    gives the right document the most likelihood, which is what ranking in a mixed pool asks for.
    Second, one scale and one shift for all: those under which the logistic function of the score is
    the share of right documents among the ten best, so that the score can be read as a probability.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    def constants(values: Floats) -> list[Calibration]:
        slopes, intercepts = np.exp(values[: len(KINDS)]), [0.0, *values[len(KINDS) :]]
        return [
            Calibration(slope=float(slope), intercept=float(intercept))
            for slope, intercept in zip(slopes, intercepts, strict=True)
        ]

    def surprise(values: Floats) -> float:
        scores = pool.scores(constants(values))
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return float(-np.log((odds * pool.right_BM).sum(1) / odds.sum(1) + 1e-12).mean())

    start = [3.0] * len(KINDS) + [0.0] * (len(KINDS) - 1)
    ranking = constants(minimize(surprise, start, method="L-BFGS-B").x)
    score, right = _best(pool, ranking)

    def doubt(values: Floats) -> float:
        logits = np.exp(values[0]) * score + values[1]
        return float((np.logaddexp(0, logits) - right * logits).mean())

    scale, shift = minimize(doubt, [0.0, -float(score.mean())], method="L-BFGS-B").x
    return [
        Calibration(
            slope=float(np.exp(scale)) * each.slope,
            intercept=float(np.exp(scale)) * each.intercept + float(shift),
        )
        for each in ranking
    ]


def _best(pool: Pool, constants: Sequence[Calibration]) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores of the best documents of all queries, and whether they were right."""
    scores = pool.scores(constants)
    best = np.argsort(-scores, axis=1)[:, :TOP]
    return (
        np.take_along_axis(scores, best, axis=1).ravel(),
        np.take_along_axis(pool.right_BM, best, axis=1).ravel(),
    )


def _recalls(pool: Pool, scores_BM: Floats, *, mixed: bool = True) -> list[float]:
    """Per kind: the share of queries with a right document among the ten best."""
    if not mixed:
        same = pool.kind_B[:, None] == pool.kind_M[None, :]
        scores_BM = np.where(same, scores_BM, -np.inf)
    best_B = np.where(pool.right_BM, scores_BM, -np.inf).max(axis=1)
    found_B = (scores_BM > best_B[:, None]).sum(axis=1) < TOP
    return [float(found_B[pool.kind_B == number].mean()) for number in range(len(KINDS))]


def _shares(pool: Pool, scores_BM: Floats) -> list[float]:
    kinds = pool.kind_M[np.argsort(-scores_BM, axis=1)[:, :TOP]]
    return [float((kinds == number).mean()) for number in range(len(KINDS))]


def _reliability(pool: Pool, constants: Sequence[Calibration]) -> Section:
    score, right = _best(pool, constants)
    probability = 1 / (1 + np.exp(-score))
    rows, error = [], 0.0
    edges = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0]
    for low, high in pairwise(edges):
        inside = (probability >= low) & (probability < high)
        if inside.any():
            said, was = float(probability[inside].mean()), float(right[inside].mean())
            error += abs(said - was) * float(inside.mean())
            rows.append([f"{low} to {high}", int(inside.sum()), said, was])
    return Section(
        title="What a score of mini means",
        claim=(
            f"A score is the probability that a hit among the {TOP} best is the right one; on the "
            f"test split it is off by {error:.3f} on average."
        ),
        columns=["score", "hits", "mean score", "share that was right"],
        rows=rows,
        notes=["the share depends on the pool: in one without the answer no hit is right"],
    )


def _cells(values: Sequence[float]) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _write(constants: Sequence[Calibration]) -> Path:
    named = dict(zip(KINDS, constants, strict=True))
    lines = [
        "# Maps cosines between a text query and a document of mini to comparable scores.",
        "# Written by: python -m benchmarks.mixed_pool --fit",
        "# Fitted on the mixed pool of rzen-bench's validation split.",
    ]
    for kind, each in named.items():
        lines += ["", f"[{kind}]", f"slope = {each.slope:.3f}", f"intercept = {each.intercept:.3f}"]
    target = Path(calibration.__file__).with_name("calibration.toml")
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--fit", action="store_true", help="fit and write the shipped constants")
    fits = parser.parse_args().fit
    splits = pools()
    if fits:
        print(f"written: {_write(fit(splits['validation']))}")
    for section in _sections(splits):
        print(section.markdown())


if __name__ == "__main__":
    main()
