"""Training a real architecture: losses that must not move, gradients that chunks must not change.

The curve is that of a tiny Qwen2-VL with adapters on pictures and texts: a stage without masks and
weights, then one with the whole loss, two tasks in turns. It was not published by anybody; it is
what this code gave when its parts had been checked one by one; a change has to be explained.
To write it anew:  PYTHONPATH=src:tests python tests/golden/test_training_curve.py
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lora_files import PEFT_WARNINGS, RZEN
from rzen.config import Limits
from rzen.data.mixture import Mixture, MixtureSpec
from rzen.encoders.batching import by_length
from rzen.encoders.registry import resolve
from rzen.training import gradient_cache, trainer
from rzen.training.backbones.vision_language import VisionLanguageBackbone
from rzen.training.batch import GlobalLayout, LocalBatch, Row
from rzen.training.feeding import rows_of
from rzen.training.losses import info_nce
from rzen.training.settings import LoraSettings, NetworkSettings, StageSettings
from rzen.training.temperatures import Temperatures
from training_runs import DATA, NETWORK, logged, train, write_shapes

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

CURVE = Path(__file__).with_name("training-curve.json")
RECIPE = f"""
{NETWORK}
[defaults]
batch = {{ size = 6, chunk_tokens = 400 }}
optimizer = {{ learning_rate = 5e-3 }}
temperature = {{ initial = 0.05, learning_rate = 0.05 }}
[[stage]]
name = "spread"
steps = 4
loss = {{ alpha = 0, false_negatives = "none" }}
[[stage]]
name = "whole"
start = "spread"
steps = 4
loss = {{ delta = 0.975 }}
{DATA}
"""
SEEDS = 100


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("shapes"))


def curve(folder: Path) -> list[dict[str, Any]]:
    (folder / "recipe.toml").write_text(RECIPE)
    train(folder / "recipe.toml", folder / "run")
    kept = ("loss", "temperatures", "masked_fraction", "gradient_norm", "tokens")
    return [
        {"stage": stage, **{name: line[name] for name in kept}}
        for stage in ("spread", "whole")
        for line in logged(folder / "run" / stage)
    ]


def test_the_curve_is_the_one_that_it_was(shapes: Path) -> None:
    """A change of prompts, order, loss, schedule or optimiser that no other test notices."""
    found, wanted = curve(shapes), json.loads(CURVE.read_text())
    assert len(found) == len(wanted) == 8
    for one, other in zip(found, wanted, strict=True):
        assert (one["stage"], one["tokens"]) == (other["stage"], other["tokens"])
        assert list(one["temperatures"]) == list(other["temperatures"])
        for name in ("loss", "temperatures", "masked_fraction"):
            assert one[name] == pytest.approx(other[name], rel=1e-3), (one, other)
        assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-2)
    assert {task for each in wanted for task in each["temperatures"]} == {
        "image retrieval",
        "image classification",
    }
    masked = [each["masked_fraction"] for each in wanted]
    assert masked[:4] == [0, 0, 0, 0]
    assert all(0 < each < 1 for each in masked[4:])


def opened(**lora: Any) -> VisionLanguageBackbone:
    gradient_checkpointing = lora.pop("gradient_checkpointing", False)
    settings = NetworkSettings(
        base=str(RZEN),
        template="rzen-paper",
        look={"picture_tokens": (4, 4)},
        lora=LoraSettings(rank=4, alpha=8, **lora),
        gradient_checkpointing=gradient_checkpointing,
    )
    torch.manual_seed(1)
    backbone = VisionLanguageBackbone(resolve(str(RZEN)), settings, device="cpu", limits=Limits())
    with torch.no_grad():
        for name, each in backbone.network.named_parameters():
            if "lora_B" in name:  # they begin as zeros, and A without a gradient
                each.normal_(std=0.05)
    backbone.network.train()
    return backbone


@pytest.fixture(scope="module")
def batch(shapes: Path) -> LocalBatch:
    """Eight rows of both tasks, pictures and texts on both sides."""
    spec = {"kind": "jsonl", "path": "rows.jsonl", "name": "shapes"}
    mixture = Mixture.open(MixtureSpec.model_validate({"source": [spec]}), folder=shapes)
    rows = rows_of(mixture, opened(), StageSettings(name="x"))
    found = [row for number in range(8) if isinstance(row := rows[0, number, 0], Row)]
    assert len(found) == 8
    return LocalBatch.of(found)


@pytest.fixture(scope="module")
def loss(batch: LocalBatch) -> Callable[[Tensor], Tensor]:
    layout = GlobalLayout.of([batch.about], by_part=False, device="cpu")
    temperatures = Temperatures(("a", "b"), StageSettings(name="x").temperature)

    def found(vectors_ND: Tensor) -> Tensor:
        return info_nce(
            vectors_ND[layout.query_N],
            vectors_ND[layout.document_M],
            layout.positive,
            temperatures(layout.task_N).detach(),
            delta=0.99,
        ).loss

    return found


def chunks_of(batch: LocalBatch, tokens: int) -> list[list[int]]:
    lengths = [each.tokens for each in batch.contents]
    return list(by_length(lengths, tokens=tokens, items=64))[::-1]


def gradients(backbone: VisionLanguageBackbone) -> dict[str, Tensor]:
    return {
        name: each.grad
        for name, each in backbone.network.named_parameters()
        if each.grad is not None
    }


def encoded(backbone: VisionLanguageBackbone, batch: LocalBatch, chunk: Sequence[int]) -> Tensor:
    contents: list[Any] = batch.contents
    return backbone.encode([contents[at] for at in chunk])


def cached(
    backbone: VisionLanguageBackbone,
    batch: LocalBatch,
    loss: Callable[[Tensor], Tensor],
    chunks: Sequence[Sequence[int]],
) -> tuple[float, dict[str, Tensor]]:
    value = gradient_cache.backward(
        lambda chunk: encoded(backbone, batch, chunk),
        chunks,
        loss,
        shape=(len(batch.contents), backbone.dim),
        device="cpu",
        seed=lambda number: SEEDS + number,
    )
    return float(value), gradients(backbone)


def plain(
    backbone: VisionLanguageBackbone,
    batch: LocalBatch,
    loss: Callable[[Tensor], Tensor],
    chunks: Sequence[Sequence[int]],
) -> tuple[float, dict[str, Tensor]]:
    """One backward pass through all chunks at once, with the same seeds."""
    pieces = []
    for number, chunk in enumerate(chunks):
        torch.manual_seed(SEEDS + number)
        pieces.append(encoded(backbone, batch, chunk))
    order = torch.tensor([at for chunk in chunks for at in chunk])
    value = loss(torch.cat(pieces)[torch.argsort(order)])
    value.backward()
    return float(value.detach()), gradients(backbone)


def assert_same(
    one: tuple[float, dict[str, Tensor]], other: tuple[float, dict[str, Tensor]]
) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    assert one[1].keys() == other[1].keys()
    largest = max(float(each.abs().max()) for each in other[1].values())
    assert largest > 1e-3
    for name, each in other[1].items():
        assert float((one[1][name] - each).abs().max()) < 1e-4 * largest, name


def test_chunks_are_the_whole_batch(batch: LocalBatch, loss: Callable[[Tensor], Tensor]) -> None:
    """Negatives that only count within a chunk; padding that leaks into a vector."""
    everything = [list(range(len(batch.contents)))]
    whole = plain(opened(), batch, loss, everything)
    for tokens in (1, 250, 700):
        chunks = chunks_of(batch, tokens)
        assert len(chunks) > 1
        assert_same(cached(opened(), batch, loss, chunks), whole)
    assert_same(cached(opened(gradient_checkpointing=True), batch, loss, chunks), whole)


def test_dropout_is_drawn_alike_in_both_passes(
    batch: LocalBatch, loss: Callable[[Tensor], Tensor]
) -> None:
    """Gradients of other masks than those of the loss. A whole-batch forward draws other ones, so
    the peer is one backward pass over the same chunks and seeds."""
    chunks = chunks_of(batch, 400)
    assert len(chunks) > 2
    peer = plain(opened(dropout=0.3), batch, loss, chunks)
    assert_same(cached(opened(dropout=0.3), batch, loss, chunks), peer)
    recomputed = opened(dropout=0.3, gradient_checkpointing=True)
    seen: list[int] = []
    read: list[int] = []
    visual, language = recomputed.network.visual, recomputed.network.language_model
    visual.blocks[0].attn.register_forward_pre_hook(lambda *_: seen.append(1))
    language.layers[0].self_attn.register_forward_pre_hook(lambda *_: read.append(1))
    assert_same(cached(recomputed, batch, loss, chunks), peer)
    # Without a graph, with one, and once more for the gradient; the last chunk only twice.
    contents: list[Any] = batch.contents
    has_pictures = [any(contents[at].shown for at in chunk) for chunk in chunks]
    assert len(read) == 3 * len(chunks) - 1, "activations were kept"
    assert len(seen) == 3 * sum(has_pictures) - has_pictures[-1]
    without = plain(opened(), batch, loss, chunks)
    assert abs(peer[0] - without[0]) > 1e-2, "dropout was active, else this would prove nothing"


def write_curve(folder: Path) -> None:
    """Refuses a curve on which a cosine lies so near delta that another machine masks otherwise."""
    near = []

    def spy(query: Tensor, document: Tensor, positive: Tensor, *rest: Any, **options: Any) -> Any:
        if options["false_negatives"] is not None:
            cosines = document[positive] @ document.T
            near.append(float((cosines - options["delta"]).detach().abs().min()))
        return info_nce(query, document, positive, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "info_nce", spy)
        found = curve(write_shapes(folder))
    assert min(near) > 4e-4, near
    CURVE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    torch.set_num_threads(1)
    with TemporaryDirectory() as place:
        write_curve(Path(place))
