"""Models of sentence-transformers in training: the vectors that the library gives, in any batch."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

import rzen
from lora_files import PEFT_WARNINGS
from lora_files import RZEN as SEEING
from media_files import smooth
from rzen.config import Limits
from rzen.encoders.registry import resolve
from rzen.errors import UsageError
from rzen.training.backbones.choosing import open_backbone
from rzen.training.backbones.sentence_transformer import SentenceTransformerBackbone
from rzen.training.settings import LoraSettings, NetworkSettings
from rzen.types import Content, Frames, Image, Text, Video
from small_models import bert, clip

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

EXACT = 1e-6
LORA = LoraSettings(rank=2, alpha=4)
TEXTS = ["a", "a red boat", "", "green " * 5, "much too long for it " * 9]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))


def opened(folder: Path, **settings: Any) -> SentenceTransformerBackbone:
    found = NetworkSettings(base=str(folder), **settings)
    return SentenceTransformerBackbone(resolve(str(folder)), found, device="cpu", limits=Limits())


def text(words: str) -> Content:
    return Content(Text(words))


def picture(seed: int, width: int = 60) -> Content:
    return Content(Image(Frames(pixels=(smooth(width, 40, seed=seed),))))


def moved(backbone: SentenceTransformerBackbone) -> SentenceTransformerBackbone:
    """With other weights than it began with."""
    torch.manual_seed(1)
    with torch.no_grad():
        for each in backbone.network.parameters():
            if each.requires_grad:
                each += 0.05 * torch.randn_like(each)
    return backbone


def vectors(backbone: SentenceTransformerBackbone, contents: list[Content], told: str) -> Any:
    backbone.network.eval()
    prepared = [backbone.prepare(each, "query", told) for each in contents]
    with torch.no_grad():
        return backbone.encode(prepared).numpy()


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("told", ["", "Find: "])
def test_padded_features_are_the_librarys(
    padding: Literal["left", "right"], told: str, tmp_path: Path
) -> None:
    """Texts are tokenised one by one where they are read, and padded where they are encoded: on the
    wrong side, or with another filler, than the model was trained with."""
    backbone = opened(bert(tmp_path / "bert", padding=padding))
    prepared = [backbone.prepare(text(each), "query", told) for each in TEXTS]
    whole = backbone._encoder.features([each.ready for each in prepared])
    found = backbone._padded([each.features or {} for each in prepared])
    assert found.keys() == whole.keys()
    for name, theirs in whole.items():
        if isinstance(theirs, Tensor):
            assert torch.equal(found[name], theirs), name
        else:
            assert found[name] == theirs, name
    longest = max(each.tokens for each in prepared)
    assert longest == 48, "a text that is too long is cut off"
    side = 0 if padding == "left" else -1
    assert found["attention_mask"][0, side] == 0
    assert found["attention_mask"][0, -1 - side] == 1


@pytest.mark.parametrize("include_prompt", [True, False])
def test_prompts_that_the_mean_leaves_out(tmp_path: Path, *, include_prompt: bool) -> None:
    """Models that leave the prompt out of their mean were trained with it in."""
    backbone = opened(bert(tmp_path / "bert", include_prompt=include_prompt))
    contents = [text(each) for each in TEXTS if each]
    ours = vectors(backbone, contents, "Find this: ")
    theirs = np.asarray(
        backbone.encoder().encode(contents, role="query", instruction="Find this: ").vectors
    )
    assert abs(ours - theirs).max() < EXACT
    other = opened(bert(tmp_path / "other", include_prompt=not include_prompt))
    assert abs(vectors(other, contents, "Find this: ") - theirs).max() > 1e-3


@pytest.mark.parametrize("lora", [None, LORA])
def test_texts_and_pictures_in_one_batch(tmp_path: Path, lora: LoraSettings | None) -> None:
    """Modalities mixed up in a chunk: vectors come back in another order, or a tower is given the
    other's features. And what is saved is what was trained."""
    backbone = moved(opened(clip(tmp_path / "clip"), lora=lora))
    contents = [
        text("a red boat"),
        picture(1),
        text("x"),
        picture(2, 30),
        text("green"),
        picture(3),
    ]
    live = vectors(backbone, contents, "")
    for at, content in enumerate(contents):
        assert abs(vectors(backbone, [content], "")[0] - live[at]).max() < EXACT
    measured = np.asarray(backbone.encoder().encode(contents, role="query").vectors)
    assert abs(live - measured).max() < EXACT
    base = np.asarray(
        rzen.load(str(tmp_path / "clip"), device="cpu").encode(contents, role="query")
    )
    assert abs(live - base).max() > 1e-3

    (tmp_path / "out").mkdir()
    backbone.save(tmp_path / "out")
    assert abs(vectors(backbone, contents, "") - live).max() == 0, "training goes on afterwards"
    assert not (tmp_path / "out" / "adapter_config.json").exists(), "it needs no base"
    loaded = rzen.load(str(tmp_path / "out"), device="cpu").encode(contents, role="query")
    assert abs(np.asarray(loaded.vectors) - live).max() < EXACT


def test_prompts_do_not_share_a_call(tmp_path: Path) -> None:
    """The library is told one prompt for a whole batch: that of its first content."""
    backbone = opened(bert(tmp_path / "bert", include_prompt=False))
    asked = [("a red boat", "Find: "), ("a red boat", ""), ("green", "Look for this: "), ("b", "")]
    prepared = [backbone.prepare(text(words), "query", told) for words, told in asked]
    with torch.no_grad():
        backbone.network.eval()
        together = backbone.encode(prepared).numpy()
    for at, (words, told) in enumerate(asked):
        assert abs(vectors(backbone, [text(words)], told)[0] - together[at]).max() < EXACT


def test_a_model_that_takes_messages(tmp_path: Path) -> None:
    """Texts, pictures and clips of one model in one chunk, as its own encoder gives them."""
    from rzen.encoders.families import OTHER
    from rzen.encoders.registry import Resolved

    found = resolve(str(SEEING))
    backbone = SentenceTransformerBackbone(
        Resolved(
            source=found.source,
            described=found.described,
            family=OTHER,
            because="",
            others=(),
            is_ours=False,
        ),
        NetworkSettings(base=str(SEEING), lora=LORA),
        device="cpu",
        limits=Limits(),
    )
    moved(backbone)
    frames = Frames(pixels=tuple(smooth(56, 56, seed=at) for at in range(2)), times=(0.0, 1.0))
    contents = [
        text("a red boat"),
        picture(1),
        Content(Video(frames)),
        Content(Text("what is this?"), Image(Frames(pixels=(smooth(56, 56),)))),
        text("x"),
        Content(Video(Frames(pixels=frames.pixels[::-1], times=(0.0, 1.0)))),
    ]
    live = vectors(backbone, contents, "Find it.")
    measured = backbone.encoder().encode(contents, role="query", instruction="Find it.").vectors
    assert abs(live - measured).max() < 1e-5
    assert abs(live[2] - live[5]).max() > 1e-4


def test_every_weight_gets_a_gradient(tmp_path: Path) -> None:
    """A graph that is cut where features are put together."""
    backbone = opened(clip(tmp_path / "clip"), lora=LORA)
    prepared = [backbone.prepare(each, "query", "") for each in (text("a"), picture(1))]
    backbone.network.train()
    backbone.encode(prepared)[:, 0].sum().backward()
    for name, each in backbone.network.named_parameters():
        if each.requires_grad and "lora_B" in name:
            assert each.grad is not None, name
            assert each.grad.abs().sum() > 0 or "post_layernorm" in name, name


def test_frozen_and_full_training(tmp_path: Path) -> None:
    """Patterns that freeze nothing; a folder that says of no family."""
    backbone = opened(bert(tmp_path / "bert"), frozen=("*embeddings*",))
    held = [name for name, each in backbone.network.named_parameters() if not each.requires_grad]
    assert held
    assert all("embeddings" in name for name in held)
    (tmp_path / "out").mkdir()
    backbone.save(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "rzen.json").read_text())["family"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template": "rzen-paper"}, "leave it empty"),
        ({"look": {"frames": 2}}, "leave it out"),
        ({"lora": {"layers": ["slip"]}}, "no linear layer is called 'slip'"),
        ({"frozen": ["slip"]}, "no weight is called 'slip'"),
    ],
)
def test_settings_that_have_no_effect_are_refused(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """A setting that is ignored trains another model than was asked for."""
    with pytest.raises(UsageError, match=message):
        opened(bert(tmp_path / "bert"), **settings)


def test_models_without_a_network_of_transformers(tmp_path: Path) -> None:
    """A traceback of PEFT's for a model that is a table of word vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"?": 0, "red": 1, "boat": 2}, unk_token="?"))  # noqa: S106
    tokenizer.pre_tokenizer = Whitespace()
    table = StaticEmbedding(tokenizer, embedding_dim=4)
    SentenceTransformer(modules=[table], device="cpu").save_pretrained(
        str(tmp_path / "static"), create_model_card=False
    )
    with pytest.raises(UsageError, match="takes neither lora nor gradient_checkpointing"):
        opened(tmp_path / "static", lora=LORA)
    backbone = open_backbone(
        NetworkSettings(base=str(tmp_path / "static")), device="cpu", limits=Limits()
    )
    assert isinstance(backbone, SentenceTransformerBackbone)
    found = vectors(moved(backbone), [text("red boat"), text("red")], "")
    (tmp_path / "out").mkdir()
    backbone.save(tmp_path / "out")
    for encoder in (backbone.encoder(), rzen.load(str(tmp_path / "out"), device="cpu")):
        measured = encoder.encode([text("red boat"), text("red")], role="query").vectors
        assert abs(found - measured).max() < EXACT
