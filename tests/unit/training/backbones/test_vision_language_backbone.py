"""Vision-language models in training: asked, measured and loaded again as one and the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rzen
from lora_files import PEFT_WARNINGS, QWEN3, RZEN, write_adapter
from media_files import smooth
from rzen.config import Limits
from rzen.encoders.registry import resolve
from rzen.errors import EncoderError, MediaError, UsageError
from rzen.training.backbones.vision_language import VisionLanguageBackbone
from rzen.training.settings import LoraSettings, NetworkSettings
from rzen.types import Content, Frames, Image, Text, Video

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

EXACT = 1e-5
LORA = LoraSettings(rank=2, alpha=4)
SMALL = {"picture_tokens": [4, 6], "frame_tokens": [4, 4], "frames": 4}
FRAMES = Frames(
    pixels=tuple(smooth(56, 56, seed=at) for at in range(4)), times=(0.0, 1.0, 2.0, 3.0)
)
CONTENTS = [
    Content(Text("a red boat")),
    Content(Image(Frames(pixels=(smooth(90, 40),)))),
    Content(Text("the night over the harbour of a town whose name is long")),
    Content(Video(FRAMES)),
    Content(Image(Frames(pixels=(smooth(60, 60, seed=5),))), Text("what is it?")),
]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))


def opened(folder: Path = RZEN, **settings: Any) -> VisionLanguageBackbone:
    found = NetworkSettings(base=str(folder), **settings)
    return VisionLanguageBackbone(resolve(str(folder)), found, device="cpu", limits=Limits())


def moved(backbone: VisionLanguageBackbone, by: float = 0.1) -> VisionLanguageBackbone:
    """With other weights than it began with."""
    torch.manual_seed(1)
    with torch.no_grad():
        for each in backbone.network.parameters():
            if each.requires_grad:
                each += by * torch.randn_like(each)
    return backbone


def vectors(
    backbone: VisionLanguageBackbone, chunks: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3, 4),)
) -> Any:
    """Of all contents, encoded in chunks."""
    found = np.zeros((len(CONTENTS), backbone.dim), np.float32)
    with torch.no_grad():
        for chunk in chunks:
            prepared = [backbone.prepare(CONTENTS[at], "query", "Find it.") for at in chunk]
            found[list(chunk)] = backbone.encode(prepared).numpy()
    return found


def by_encoder(encoder: Any) -> Any:
    return np.asarray(encoder.encode(CONTENTS, role="query", instruction="Find it.").vectors)


@pytest.mark.parametrize("base", [RZEN, QWEN3], ids=["qwen2", "qwen3"])
@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_what_is_saved_is_what_was_trained(
    base: Path, lora: LoraSettings | None, tmp_path: Path
) -> None:
    """Another template, other sizes of pictures, a weight that is left out: the model that is
    searched with is not the one that was trained and measured."""
    template = "rzen-paper" if base == RZEN else ""
    backbone = moved(opened(base, look=SMALL, template=template, lora=lora))
    live = vectors(backbone)
    assert abs(vectors(backbone, ((4, 0), (2,), (3, 1))) - live).max() < EXACT, "chunks do not show"
    assert abs(by_encoder(backbone.encoder()) - live).max() < EXACT
    assert abs(by_encoder(rzen.load(str(base), device="cpu")) - live).max() > 1e-2

    folder = tmp_path / "out"
    folder.mkdir()
    backbone.save(folder)
    note = json.loads((folder / "rzen.json").read_text())
    assert note["look"] == SMALL
    assert (folder / "adapter_config.json").is_file() == (lora is not None)
    loaded = rzen.load(str(folder), device="cpu")
    assert abs(by_encoder(loaded) - live).max() < EXACT
    assert (loaded.budget.frames, loaded.fingerprint.template) == (
        4,
        backbone.encoder().fingerprint.template,
    )
    again = opened(folder)
    assert abs(vectors(again) - live).max() < EXACT, "and it is what a next run begins with"


def test_an_adapter_on_top_of_an_adapter(tmp_path: Path) -> None:
    """The first adapter is left out of what is saved: the second one alone means nothing."""
    below = write_adapter(tmp_path / "below", 1)
    backbone = moved(opened(below, lora=LORA, look=SMALL))
    live = vectors(backbone)
    (tmp_path / "out").mkdir()
    backbone.save(tmp_path / "out")
    loaded = rzen.load(str(tmp_path / "out"), device="cpu")
    assert abs(by_encoder(loaded) - live).max() < EXACT
    assert vectors(backbone) == pytest.approx(live, abs=0), "training goes on afterwards"


def test_an_untrained_adapter_changes_nothing() -> None:
    """A run whose first step begins elsewhere than at the base."""
    base, adapted = opened(look=SMALL), opened(look=SMALL, lora=LORA)
    assert abs(vectors(base) - vectors(adapted)).max() == 0


def test_activations_that_are_computed_twice() -> None:
    """A model that trains so, and cannot be measured on the way."""
    backbone = opened(look=SMALL, lora=LORA, gradient_checkpointing=True)
    assert abs(by_encoder(backbone.encoder()) - vectors(backbone)).max() < EXACT
    backbone.network.train()
    backbone.encode([backbone.prepare(CONTENTS[1], "query", "")])[0, 0].backward()
    assert any(each.grad is not None for each in backbone.network.parameters())


def test_bfloat16_is_near_and_its_vectors_are_float32() -> None:
    """Cosines in bfloat16 are off by 0.004: with a temperature of 0.01 that is 0.4 in the logit."""
    exact = vectors(opened(look=SMALL, lora=LORA))
    backbone = opened(look=SMALL, lora=LORA, precision="bfloat16")
    assert {each.dtype for each in backbone.network.parameters() if not each.requires_grad} == {
        torch.bfloat16
    }
    assert {each.dtype for each in backbone.network.parameters() if each.requires_grad} == {
        torch.float32
    }
    found = vectors(backbone)
    assert ((found * exact).sum(1) > 0.99).all()
    assert abs((found**2).sum(1) - 1).max() < 1e-6
    whole = opened(look=SMALL, precision="bfloat16")
    assert {each.dtype for each in whole.network.parameters()} == {torch.float32}
    assert ((vectors(whole) * exact).sum(1) > 0.99).all()


def test_contents_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    """A picture that is none, in the middle of a run."""
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no")
    with pytest.raises(MediaError, match=r"broken\.png"):
        opened().prepare(Content(Image(tmp_path / "broken.png")), "document", None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template": "rzen-papre"}, "rzen-papre"),
        ({"lora": {"layers": ["slip"]}}, "no linear layer is called 'slip'"),
        ({"frozen": ["slip"]}, "no weight is called 'slip'"),
        ({"look": {"picture_tokens": [6, 4]}}, "the least is more than the most"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    """A slip that is ignored trains another model than was asked for."""
    with pytest.raises((UsageError, EncoderError), match=message):
        opened(**settings)


def test_frozen_weights_stay() -> None:
    """Freezing the vision tower, the usual way to save memory."""
    backbone = opened(frozen=("visual.*",))
    moving = [name for name, each in backbone.network.named_parameters() if each.requires_grad]
    assert moving
    assert not any(name.startswith("visual.") for name in moving)
