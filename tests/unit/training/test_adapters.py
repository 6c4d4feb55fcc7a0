"""Which layers get an adapter, which weights stay, and what a merge gives."""

import warnings
from typing import Any

import pytest
import torch
from torch import nn

from lora_files import PEFT_WARNINGS, QWEN3, RZEN, network
from rzen.errors import UsageError
from rzen.training.adapters import chosen_layers, freeze, merged, with_adapters
from rzen.training.settings import LoraSettings

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]


@pytest.fixture(scope="module")
def bases() -> dict[str, Any]:
    return {"qwen2": network(RZEN), "qwen3": network(QWEN3)}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(4, 4)
        self.mlp = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4))
        self.norm = nn.LayerNorm(4)
        self.conv = nn.Conv1d(4, 4, 1)


class Small(nn.Module):
    """Two towers whose layers have the same names."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = Block()
        self.language = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(4, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        for block in (self.visual, *self.language):
            rows = rows + block.mlp(block.q_proj(rows))
        found: torch.Tensor = self.head(rows)
        return found


def chosen(*layers: str, without: tuple[str, ...] = ()) -> list[str]:
    return chosen_layers(Small(), LoraSettings(layers=layers, without=without))


@pytest.mark.parametrize(
    ("layers", "without", "wanted"),
    [
        (("*",), (), ["head", "mlp.0", "mlp.2", "q_proj"]),
        (("q_proj",), (), ["q_proj"]),
        (("mlp.0",), (), ["mlp.0"]),
        (
            ("language.*",),
            (),
            [f"language.{n}.{name}" for n in (0, 1) for name in ("q_proj", "mlp.0", "mlp.2")],
        ),
        (("*.q_proj",), ("visual.*",), ["language.0.q_proj", "language.1.q_proj"]),
        (("*",), ("mlp.2", "head"), ["mlp.0", "q_proj"]),
        (("language.1.q_proj",), (), ["language.1.q_proj"]),
        (("visual.*", "head"), ("*mlp*",), ["visual.q_proj", "head"]),
    ],
)
def test_patterns_mean_whole_names_or_their_ends(
    layers: tuple[str, ...], without: tuple[str, ...], wanted: list[str]
) -> None:
    """A short name that reaches into the other tower: PEFT takes every layer that ends so."""
    found = chosen(*layers, without=without)
    assert sorted(found) == sorted(wanted)
    # What PEFT makes of the names is what is meant.
    settings = LoraSettings(rank=1, layers=layers, without=without)
    adapted = with_adapters(Small(), settings)
    inside = {
        name.removeprefix("base_model.model.").removesuffix(".lora_A")
        for name, _ in adapted.named_modules()
        if name.endswith(".lora_A")
    }
    linear = [name for name, each in Small().named_modules() if isinstance(each, nn.Linear)]
    assert inside == {
        name for name in linear if any(name == each or name.endswith(f".{each}") for each in wanted)
    }


@pytest.mark.parametrize(
    ("layers", "without", "message"),
    [
        (("q_porj",), (), r"no linear layer is called 'q_porj': their names end in head, mlp\.0"),
        (("norm",), (), "no linear layer is called 'norm'"),
        (("conv",), (), "no linear layer is called 'conv'"),
        (("proj",), (), "no linear layer is called 'proj'"),
        (("*",), ("visul.*",), r"no linear layer is called 'visul\.\*'"),
        (("q_proj",), ("*",), "no linear layer is left"),
    ],
)
def test_patterns_that_mean_nothing_are_refused(
    layers: tuple[str, ...], without: tuple[str, ...], message: str
) -> None:
    """Half of a model without adapters, because of a slip."""
    with pytest.raises(UsageError, match=message):
        chosen(*layers, without=without)


@pytest.mark.parametrize("base", ["qwen2", "qwen3"])
def test_all_linear_layers_of_both_towers(base: str, bases: dict[str, Any]) -> None:
    """The vision tower is left out, or a layer of it: its names differ from family to family."""
    whole = bases[base]
    linear = [name for name, each in whole.named_modules() if isinstance(each, nn.Linear)]
    names = chosen_layers(whole, LoraSettings())
    covered = [n for n in linear if any(n == each or n.endswith(f".{each}") for each in names)]
    assert covered == linear
    assert any(name.startswith("visual.") for name in linear)
    assert any(name.startswith("language_model.") for name in linear)
    only = chosen_layers(whole, LoraSettings(layers=("language_model.*",)))
    covered = [n for n in linear if any(n == each or n.endswith(f".{each}") for each in only)]
    assert covered == [name for name in linear if name.startswith("language_model.")]


def test_only_adapters_are_trained() -> None:
    """A base that moves, though its weights are written nowhere."""
    adapted = with_adapters(Small(), LoraSettings(rank=2, alpha=6, dropout=0.25))
    trained = {name for name, each in adapted.named_parameters() if each.requires_grad}
    assert len(trained) == 2 * 10
    assert all(".lora_A." in name or ".lora_B." in name for name in trained)
    layer = adapted.base_model.model.head
    assert layer.scaling["default"] == 3.0
    assert layer.lora_dropout["default"].p == 0.25


def test_frozen_weights_stay() -> None:
    """Patterns that freeze nothing, or more than they say."""
    network = Small()
    freeze(network, ["visual.*", "*.norm.*"])
    held = {name for name, each in network.named_parameters() if not each.requires_grad}
    assert held == {
        name for name, _ in Small().named_parameters() if "visual." in name or ".norm." in name
    }
    with pytest.raises(UsageError, match=r"no weight is called 'vision\.\*': they are called vis"):
        freeze(Small(), ["vision.*"])
    with pytest.raises(UsageError, match="nothing is left to train"):
        freeze(Small(), ["*"])
    freeze(Small(), [])


def adapted_small(dtype: torch.dtype) -> Any:
    torch.manual_seed(3)
    adapted = with_adapters(Small(), LoraSettings(rank=2, alpha=4)).to(dtype)
    for name, each in adapted.named_parameters():
        if "lora_" in name:
            nn.init.normal_(each, std=0.3)
    return adapted.eval()


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def adapted(request: pytest.FixtureRequest) -> Any:
    return adapted_small(request.param)


def test_a_merge_is_added_in_float32_and_rounded_once(adapted: Any) -> None:
    """Merged in bfloat16, each weight is rounded twice; merged in place, training ends there."""
    before = {name: each.clone() for name, each in adapted.named_parameters()}
    dtype = next(each.dtype for name, each in before.items() if "lora_" not in name)
    whole = merged(adapted)
    assert not any("lora_" in name for name, _ in whole.named_parameters())
    assert {each.dtype for each in whole.parameters()} == {dtype}
    inner = adapted.base_model.model
    for name, weight in whole.named_parameters():
        path, _, last = name.rpartition(".")
        layer = inner.get_submodule(path)
        wanted = before[f"base_model.model.{name}"] if not hasattr(layer, "base_layer") else None
        if wanted is None:
            wanted = getattr(layer.base_layer, last).float()
            if last == "weight":
                a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
                wanted = wanted + 2.0 * b.float() @ a.float()
        assert torch.equal(weight, wanted.to(dtype)) or torch.allclose(
            weight, wanted.to(dtype), rtol=1e-6 if dtype == torch.float32 else 0, atol=1e-7
        ), name
    after = dict(adapted.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], each) for name, each in before.items())


def test_a_merge_gives_the_same_output() -> None:
    """Scale or factors of the adapters left out of the merge."""
    adapted = adapted_small(torch.float32)
    rows = torch.randn(5, 4)
    with torch.no_grad():
        torch.testing.assert_close(merged(adapted)(rows), adapted(rows))
        plain = Small()
        torch.testing.assert_close(merged(plain)(rows), plain(rows))


def test_no_warning_of_peft_reaches_the_user() -> None:
    """Sentences of a library about its own future, before every run."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_adapters(Small(), LoraSettings(rank=1))
