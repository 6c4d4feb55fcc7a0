"""Networks without their weights: what a plan counts and prepares with is what would be trained."""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL.Image import Image as Picture

from lora_files import PEFT_WARNINGS, QWEN3, RZEN, write_adapter
from media_files import smooth
from rzen.config import Limits, ModelSettings
from rzen.encoders.checkpoint import load
from rzen.encoders.loading import OUTLINE
from rzen.encoders.model_source import ModelSource
from rzen.encoders.outlining import without_weights
from rzen.errors import EncoderError
from rzen.training.backbone import Backbone
from rzen.training.backbones.choosing import open_backbone
from rzen.training.settings import LoraSettings, NetworkSettings
from rzen.types import Content, Frames, Image, Text, Video
from small_models import bert, clip

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

LORA = LoraSettings(rank=2, alpha=4)
TEXT = Content(Text("a red boat"))
PICTURE = Content(Image(Frames(pixels=(smooth(90, 40),))))
BOTH = Content(*PICTURE.parts, *TEXT.parts)
CLIP = Content(Video(Frames(pixels=(smooth(56, 56), smooth(56, 56, 1)), times=(0.0, 1.0))))
# Run by sentence-transformers, the first two; by rzen, the others.
KINDS: Mapping[str, tuple[Callable[[Path], Path], list[Content]]] = {
    "bert": (bert, [TEXT]),
    "clip": (clip, [TEXT, PICTURE]),
    "qwen2": (lambda folder: copied(RZEN, folder), [TEXT, PICTURE, BOTH, CLIP]),
    "qwen3": (lambda folder: copied(QWEN3, folder), [TEXT, PICTURE, BOTH, CLIP]),
}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A model with its weights, the same without, and contents that it takes."""

    whole: Path
    bare: Path
    contents: list[Content]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    make, contents = KINDS[request.param]
    whole = make(tmp_path_factory.mktemp("models") / request.param)
    bare = copied(whole, whole.with_name(f"{request.param}-bare"))
    for file in list(bare.rglob("*.safetensors")):
        file.unlink()
    return Kind(whole=whole, bare=bare, contents=contents)


def copied(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def opened(folder: Path, *, is_outline: bool, **settings: Any) -> Backbone:
    found = NetworkSettings(base=str(folder), **settings)
    return open_backbone(found, device="cpu", limits=Limits(), is_outline=is_outline)


def shapes(backbone: Backbone) -> dict[str, tuple[tuple[int, ...], torch.dtype, bool]]:
    return {
        name: (tuple(each.shape), each.dtype, each.requires_grad)
        for name, each in backbone.network.named_parameters()
    }


def plain(value: Any) -> Any:
    """What can be compared."""
    match value:
        case np.ndarray() | torch.Tensor():
            return [str(value.dtype), value.tolist()]
        case Picture():
            return [value.size, value.tobytes()]
        case Mapping():
            return {name: plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _ if dataclasses.is_dataclass(value):
            names = [each.name for each in dataclasses.fields(value)]
            return {name: plain(getattr(value, name)) for name in names}
    return value


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_an_outline_has_the_parameters_of_the_model(kind: Kind, lora: LoraSettings | None) -> None:
    """A plan that counts other weights than are trained; one that reads weights, or wants them."""
    outline = opened(kind.bare, is_outline=True, lora=lora)
    whole = opened(kind.whole, is_outline=False, lora=lora)
    assert all(each.is_meta for each in outline.network.parameters()), "it holds no number"
    assert shapes(outline) == shapes(whole)
    trained = [is_trained for _, _, is_trained in shapes(outline).values()]
    assert any(trained)
    assert all(trained) == (lora is None)
    assert (outline.dim, outline.device) == (whole.dim, whole.device)
    with pytest.raises(EncoderError):
        opened(kind.bare, is_outline=False, lora=lora)


def test_an_outline_prepares_what_the_model_prepares(kind: Kind) -> None:
    """Lengths that a plan goes by, and that no run has: other pixels, another template."""
    outline, whole = (opened(kind.bare, is_outline=True), opened(kind.whole, is_outline=False))
    for content in kind.contents:
        theirs, ours = (each.prepare(content, "query", "Find it.") for each in (whole, outline))
        assert plain(ours) == plain(theirs)
        assert ours.tokens > 0


def test_an_outline_says_what_it_is(kind: Kind) -> None:
    """An index of vectors that came of no weights, and passes for one of the model's."""
    assert opened(kind.bare, is_outline=True).encoder().fingerprint.weights == OUTLINE


@pytest.mark.parametrize("base", [RZEN, "bert"], ids=["qwen2", "bert"])
def test_the_precision_is_that_of_the_run(base: Path | str, tmp_path: Path) -> None:
    """Half or twice the memory: adapters go with weights in the precision of the arithmetic."""
    folder = bert(tmp_path / "bert") if isinstance(base, str) else base
    for lora, wanted in ((None, torch.float32), (LORA, torch.bfloat16)):
        found = opened(folder, is_outline=True, lora=lora, precision="bfloat16")
        weights = found.network.named_parameters()
        assert {each.dtype for name, each in weights if "lora_" not in name} == {wanted}


def test_an_adapter_is_taken_for_its_base(tmp_path: Path) -> None:
    """A plan for training on from an adapter that reads or wants that adapter's weights."""
    adapter = write_adapter(tmp_path / "adapter", seed=1)
    whole = opened(adapter, is_outline=False)
    (adapter / "adapter_model.safetensors").write_bytes(b"not read")
    assert shapes(opened(adapter, is_outline=True)) == shapes(whole)


def test_loading_works_again_afterwards(tmp_path: Path) -> None:
    """All that is loaded after a plan has no weights: silently, in the same process."""
    source = ModelSource(name="bert", folder=bert(tmp_path / "bert"))
    assert load(source, "cpu", ModelSettings(), is_outline=True).weights == OUTLINE
    loaded = load(source, "cpu", ModelSettings())
    assert not any(each.is_meta for each in loaded.model.parameters())
    assert loaded.weights != OUTLINE


@pytest.mark.parametrize("is_broken", [False, True], ids=["well", "broken"])
def test_what_is_replaced_is_put_back(is_broken: bool, tmp_path: Path) -> None:
    """A failed plan that leaves transformers unable to load anything."""
    from transformers import BertModel, PreTrainedModel

    before = PreTrainedModel.__dict__["from_pretrained"]
    folder = bert(tmp_path / "bert")
    if is_broken:
        (folder / "config.json").write_text('{"model_type": "bert", "hidden_size": "wide"}')
        with pytest.raises(EncoderError, match="the model cannot be loaded"):
            load(ModelSource(name="b", folder=folder), "cpu", ModelSettings(), is_outline=True)
    else:
        with without_weights():
            assert PreTrainedModel.__dict__["from_pretrained"] is not before
    assert PreTrainedModel.__dict__["from_pretrained"] is before
    assert "from_pretrained" not in BertModel.__dict__
