"""Soups of LoRA adapters: exact, loadable by PEFT alone, and merged without loss."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
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
    mean_of,
    merged_by_peft,
    network,
    write_adapter,
)
from rzen.encoders.lora.reading import Shape
from rzen.encoders.vision_language.encoder import VisionLanguageEncoder
from rzen.training.soup import soup
from rzen.training.soup.adapters import LoraSum
from rzen.types import Content, Text

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]


def averaged_apart(folders: Sequence[Path], target: Path) -> Path:
    """What one might do: the means of A and of B."""
    halves = [load_file(folder / "adapter_model.safetensors") for folder in folders]
    target.mkdir()
    means = mean_of(halves, [1 / len(halves)] * len(halves))
    save_file(
        {name: each.float() for name, each in means.items()}, target / "adapter_model.safetensors"
    )
    (target / "adapter_config.json").write_text((folders[0] / "adapter_config.json").read_text())
    return target


def test_the_soup_is_the_mean_of_the_merged_models(adapters: list[Path], tmp_path: Path) -> None:
    """A and B were averaged apart, which is the mean of no models."""
    made = soup(adapters, tmp_path / "soup")
    wanted = mean_of([merged_by_peft(each) for each in adapters], [1 / 3] * 3)
    assert farthest(merged_by_peft(made.folder), wanted) < EXACT
    apart = merged_by_peft(averaged_apart(adapters, tmp_path / "apart"))
    assert farthest(apart, wanted) > 1e4 * EXACT, "this test could not tell them apart"
    assert made.rank == 12
    assert [each.weight for each in made.ingredients] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("weights", [None, [5, 3, 2], [0, 1, 3]])
def test_ranks_scales_and_modules_may_differ(
    weights: list[float] | None, unlike: list[Path], tmp_path: Path
) -> None:
    """alpha/r of one stands for all, rslora or a pattern is overlooked, or a module that one
    adapter lacks is taken for changed by the others' share alone."""
    made = soup(unlike, tmp_path / "soup", weights=weights)
    shares = np.array(weights or [1, 1, 1]) / sum(weights or [1, 1, 1])
    wanted = mean_of([merged_by_peft(each) for each in unlike], list(shares))
    assert farthest(merged_by_peft(made.folder), wanted) < EXACT
    untouched = network().state_dict()["language_model.layers.0.mlp.up_proj.weight"]
    found = merged_by_peft(made.folder)["language_model.layers.0.mlp.up_proj.weight"]
    assert torch.equal(untouched, found)


def test_others_load_it_and_compute_the_same(unlike: list[Path], tmp_path: Path) -> None:
    """The files say something else to PEFT or to transformers than to us; a scale is not 1."""
    import peft

    made = soup(unlike, tmp_path / "soup", weights=[1, 2, 3])
    config = json.loads((made.folder / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"] == made.rank == 2 + 9 + 7
    means = mean_of([merged_by_peft(each) for each in unlike], [1 / 6, 2 / 6, 3 / 6])
    plain = network()
    plain.load_state_dict({name: value.float() for name, value in means.items()})
    tokens = torch.arange(20, 32)[None]
    with torch.no_grad():
        wanted = plain(input_ids=tokens).last_hidden_state
        by_peft = peft.PeftModel.from_pretrained(network(), str(made.folder))
        found = by_peft(input_ids=tokens).last_hidden_state
        assert (found - network()(input_ids=tokens).last_hidden_state).abs().max() > 0.1
        assert (found - wanted).abs().max() < 1e-4
        by_transformers = network(made.folder)(input_ids=tokens).last_hidden_state
    assert (by_transformers - wanted).abs().max() < 1e-4


class Drawn:
    """An adapter without files."""

    def __init__(self, factors: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        self.folder = Path("drawn")
        self.config: dict[str, Any] = {}
        self._factors = factors
        self.modules = {
            name: Shape(a.shape[0], 1.0, tuple(a.shape), tuple(b.shape))
            for name, (a, b) in factors.items()
        }

    def factors(self, module: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self._factors[module]


@given(data=st.data())
def test_the_product_of_the_sum_is_the_sum_of_the_products(data: st.DataObject) -> None:
    """Ranks are set beside each other at the wrong place, for one module or for a convolution."""
    shapes = {"linear": (5, (4,)), "window": (3, (2, 3, 3))}
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    drawn = []
    for _ in range(data.draw(st.integers(1, 4))):
        names = data.draw(st.sets(st.sampled_from(sorted(shapes)), min_size=1))
        factors = {}
        for name in sorted(names):
            outputs, inputs = shapes[name]
            rank = data.draw(st.integers(1, 6))
            ones = (1,) * (len(inputs) - 1)
            factors[name] = (
                torch.randn((rank, *inputs), generator=generator),
                torch.randn((outputs, rank, *ones), generator=generator),
            )
        drawn.append(Drawn(factors))
    weights = data.draw(
        st.lists(st.floats(0.01, 1), min_size=len(drawn), max_size=len(drawn)), label="weights"
    )
    mixed = LoraSum(drawn, weights)  # type: ignore[arg-type]
    for name in mixed.modules:
        a, b = mixed.factors(name)
        assert a.shape[0] == b.shape[1] == mixed.rank
        wanted = sum(
            (
                weight * each.factors(name)[1].flatten(1) @ each.factors(name)[0].flatten(1)
                for each, weight in zip(drawn, weights, strict=True)
                if name in each.modules
            ),
            start=torch.zeros(b.shape[0], a[0].numel()),
        )
        assert torch.allclose(b.flatten(1) @ a.flatten(1), wanted, atol=1e-4)


@pytest.mark.parametrize("base", [RZEN, QWEN3], ids=["old names", "new names"])
def test_merged_is_the_base_with_the_change(base: Path, tmp_path: Path) -> None:
    """The names in the base's files are of another version than the network's, tensors that no
    adapter changes are rewritten, or a file of the base is lost."""
    folders = [write_adapter(tmp_path / f"run-{seed}", seed, base=base) for seed in range(2)]
    made = soup(folders, tmp_path / "soup", weights=[3, 1], merge=True)
    wanted = mean_of([merged_by_peft(each, base) for each in folders], [0.75, 0.25])
    assert farthest(dict(network(made.folder).state_dict()), wanted) < EXACT
    before = load_file(base / "model.safetensors")
    after = load_file(made.folder / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj", "qkv"}
    assert (made.kind, made.rank, made.dtype) == ("merged adapter", None, "float32")
    names = {path.name for path in base.iterdir()}
    assert {path.name for path in made.folder.iterdir()} == names | {
        "README.md",
        "soup.json",
        "rzen.json",
    }


def test_merging_into_low_precision_rounds_once(adapters: list[Path], tmp_path: Path) -> None:
    """The change is cast before it is added, or added in bfloat16, which moves scores."""
    half = copy_base(tmp_path / "half")
    stored = {name: each.bfloat16() for name, each in load_file(half / "model.safetensors").items()}
    save_file(stored, half / "model.safetensors")
    moved = []
    for each in adapters:
        target = tmp_path / each.name
        target.mkdir()
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            (target / file).write_bytes((each / file).read_bytes())
        edit_config(target, base_model_name_or_path=str(half))
        moved.append(target)
    made = soup(moved, tmp_path / "soup", merge=True)
    wanted = mean_of([merged_by_peft(each, half) for each in moved], [1 / 3] * 3)
    found = network(made.folder, torch.bfloat16).state_dict()
    assert made.dtype == "bfloat16"
    assert all(is_nearest(found[name], weight) for name, weight in wanted.items())
    name = "language_model.layers.0.self_attn.q_proj.weight"
    weight = network(half, torch.bfloat16).state_dict()[name]
    careless = weight + (wanted[name] - weight.double()).bfloat16()
    assert not is_nearest(careless, wanted[name]), "this test could not tell them apart"


def test_rzen_gives_the_same_vectors_from_both_forms(adapters: list[Path], tmp_path: Path) -> None:
    """The family and template are lost with the folder's name, and other vectors come out."""
    content = [Content(Text("a red boat"))]
    vectors = []
    for merge in (False, True):
        made = soup(adapters, tmp_path / f"soup-{merge}", merge=merge)
        encoder = rzen.load(str(made.folder), device="cpu")
        assert isinstance(encoder, VisionLanguageEncoder)
        assert encoder.template.name == "rzen-release"
        vectors.append(np.asarray(encoder.encode(content, role="query"))[0])
    base = np.asarray(rzen.load(str(RZEN), device="cpu").encode(content, role="query"))[0]
    assert vectors[0] @ vectors[1] > 1 - 1e-6
    assert vectors[0] @ base < 0.999


def test_what_was_saved_beside_the_adapters_stays(adapters: list[Path], tmp_path: Path) -> None:
    """Pooling and prompts of a sentence-transformers model with an adapter are left behind, or a
    later stage's state comes along."""
    folders = []
    for number, each in enumerate(adapters[:2]):
        folder = tmp_path / f"trained-{number}"
        folder.mkdir()
        for file in each.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / "modules.json").write_text(
            '[{"idx": 0, "name": "0", "path": "", "type": "x"},'
            ' {"idx": 1, "name": "1", "path": "1_Pooling", "type": "x"}]'
        )
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "lasttoken"}')
        (folder / "rzen.json").write_text('{"family": "RzenEmbed", "template": "rzen-paper"}')
        (folder / "prompts.json").write_text(f'{{"query": "{number}"}}')
        (folder / "trainer_state.json").write_text("{}")
        (folder / "optimizer.pt").write_bytes(b"")
        folders.append(folder)
    for merge in (False, True):
        made = soup(folders, tmp_path / f"soup-{merge}", merge=merge)
        found = {str(path.relative_to(made.folder)) for path in made.folder.rglob("*")}
        assert found >= {"modules.json", "1_Pooling/config.json", "prompts.json", "rzen.json"}
        assert not found & {"trainer_state.json", "optimizer.pt"}
        assert json.loads((made.folder / "prompts.json").read_text()) == {"query": "0"}
        assert any("as in trained-0: prompts.json" in note for note in made.notes)
        assert rzen.load(str(made.folder), device="cpu").fingerprint.template == "rzen-paper-1"


def test_the_base_may_lie_elsewhere(adapters: list[Path], tmp_path: Path) -> None:
    """A copy of the base is taken for another model, or a path beside the adapter is lost."""
    base = copy_base(tmp_path / "base")
    folders = []
    for number, said in enumerate(["../base", str(RZEN)]):
        folder = tmp_path / f"run-{number}"
        folder.mkdir()
        for file in adapters[number].iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        edit_config(folder, base_model_name_or_path=said)
        folders.append(folder)
    made = soup(folders, tmp_path / "below" / "soup")
    config = json.loads((made.folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base)
    assert str(tmp_path) not in (made.folder / "README.md").read_text()
    assert str(tmp_path) not in (made.folder / "soup.json").read_text()
    wanted = mean_of([merged_by_peft(each) for each in adapters[:2]], [0.5, 0.5])
    assert farthest(merged_by_peft(made.folder), wanted) < EXACT
