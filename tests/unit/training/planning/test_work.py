"""What a plan counts, beside what PyTorch counts: operations, parameters, bytes of the graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lora_files import PEFT_WARNINGS, RZEN
from media_files import smooth
from rzen.config import Limits
from rzen.training.backbone import Backbone
from rzen.training.backbones.choosing import open_backbone
from rzen.training.planning.lengths import length_of
from rzen.training.planning.network import NetworkFacts, facts_of
from rzen.training.planning.work import ChunkCost, chunk_cost
from rzen.training.settings import LookSettings, LoraSettings, NetworkSettings
from rzen.types import Content, Frames, Image, Text, Video
from saved_tensors import saved_tensors
from small_models import bert, clip

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

TEXT = Content(Text("a red boat lies"))
PICTURE = Content(Image(Frames(pixels=(smooth(112, 140),))))
BOTH = Content(*PICTURE.parts, *TEXT.parts)
CLIP = Content(Video(Frames(pixels=(smooth(56, 56), smooth(56, 56, 1)), times=(0.0, 1.0))))
KINDS: Mapping[str, tuple[Callable[[Path], Path], list[Content]]] = {
    "bert": (bert, [TEXT, TEXT]),
    "clip": (clip, [TEXT, PICTURE]),
    "qwen2 texts": (lambda _: RZEN, [TEXT, TEXT]),
    "qwen2 mixed": (lambda _: RZEN, [TEXT, PICTURE, BOTH, CLIP]),
}
LORA = LoraSettings(rank=2, alpha=4)
SMALL = LookSettings(picture_tokens=(16, 64), frame_tokens=(4, 16))


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A network, contents for it, and what a plan says of both."""

    backbone: Backbone
    prepared: list[Any]
    facts: NetworkFacts
    cost: ChunkCost


@pytest.fixture(
    scope="module",
    params=[(name, is_adapted) for name in KINDS for is_adapted in (False, True)],
    ids=str,
)
def counted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    name, is_adapted = request.param
    make, contents = KINDS[name]
    settings = NetworkSettings(
        base=str(make(tmp_path_factory.mktemp("models") / "model")),
        lora=LORA if is_adapted else None,
        look=SMALL if name.startswith("qwen2") else LookSettings(),
    )
    return count(settings, contents)


def count(settings: NetworkSettings, contents: list[Content]) -> Counted:
    backbone = open_backbone(settings, device="cpu", limits=Limits())
    backbone.network.train()
    prepared = [backbone.prepare(each, "document", None) for each in contents]
    facts = facts_of(backbone, settings)
    cost = chunk_cost(facts, [length_of(each) for each in prepared])
    return Counted(backbone=backbone, prepared=prepared, facts=facts, cost=cost)


def test_operations_are_those_of_the_passes(counted: Counted) -> None:
    """A tower, a bridge or the scores of attention left out; twice the work of adapters."""
    with sdpa_kernel(SDPBackend.MATH):  # its products are counted, those of fused kernels are not
        with FlopCounterMode(display=False) as forward:
            vectors = counted.backbone.encode(counted.prepared)
        with FlopCounterMode(display=False) as backward:
            vectors.sum().backward()
    assert counted.cost.forward == pytest.approx(forward.get_total_flops(), rel=0.15)
    # The first of two layers wants no gradient of its inputs: a third less for adapters.
    assert 0.95 < counted.cost.backward / backward.get_total_flops() < 1.7


def test_parameters_are_all_there_are(counted: Counted) -> None:
    """A tied table counted twice; a base that counts as trained beside its adapters."""
    weights = list(counted.backbone.network.parameters())
    assert counted.facts.parameters == sum(each.numel() for each in weights)
    assert counted.facts.trained == sum(each.numel() for each in weights if each.requires_grad)
    assert counted.facts.bytes == sum(each.nbytes for each in weights)


def test_kept_bytes_are_those_that_autograd_saves(counted: Counted) -> None:
    """A plan that fits where training runs out of memory: pixels or hidden layers forgotten."""
    expected = counted.cost.kept + counted.cost.inputs
    assert 0.75 < expected / saved_bytes(counted) < 1.7


def saved_bytes(counted: Counted) -> int:
    """Of tensors that a forward pass keeps for the way back, weights left out."""
    with saved_tensors() as kept:
        vectors = counted.backbone.encode(counted.prepared)
    weights = {each.untyped_storage().data_ptr() for each in counted.backbone.network.parameters()}
    del vectors
    return sum(size for address, size in kept.items() if address not in weights)


def test_checkpointing_keeps_less_for_the_same_work() -> None:
    """A plan that says it does not help, or that it costs nothing."""
    plain, twice = (
        count(
            NetworkSettings(base=str(RZEN), look=SMALL, gradient_checkpointing=is_on),
            [PICTURE, BOTH],
        )
        for is_on in (False, True)
    )
    assert saved_bytes(twice) < saved_bytes(plain)
    assert twice.cost.kept < 0.8 * plain.cost.kept
    assert twice.cost.whole == plain.cost.whole
    assert twice.cost.forward == plain.cost.forward
    assert twice.facts.is_checkpointed
