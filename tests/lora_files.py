"""LoRA adapters of the tiny checkpoints, written by PEFT itself, for tests of several rooms."""

import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

GOLDEN = Path(__file__).parent / "golden"
RZEN = GOLDEN / "rzenembed-tiny" / "model"
QWEN3 = GOLDEN / "qwen3vl-embedding-tiny" / "model"

# What PEFT and transformers say of each other's newer names; none of it is about the adapter.
PEFT_WARNINGS = (
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning",
    "ignore:Found missing adapter keys:UserWarning",
)

_SAVING = (
    "`is_gradient_checkpointing` is deprecated",
    "Using .*pattern",
    "Setting `save_embedding_layers` to `True`",
)
EXACT = 1e-6  # of weights near 1, in float32


def network(base: Path = RZEN, dtype: torch.dtype = torch.float32) -> Any:
    """A base, loaded by transformers."""
    from transformers import AutoModel

    from rzen.encoders.loading import quiet

    auto: Any = AutoModel
    with quiet():
        return auto.from_pretrained(str(base), dtype=dtype)


def write_adapter(
    folder: Path,
    seed: int,
    modules: Sequence[str] | str = ("q_proj", "v_proj", "qkv"),
    *,
    base: Path = RZEN,
    rank: int = 4,
    alpha: int = 8,
    **more: Any,
) -> Path:
    """An adapter that changes something: its matrices are drawn, none is zero."""
    import peft

    torch.manual_seed(seed)
    targets = modules if isinstance(modules, str) else list(modules)
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=targets, init_lora_weights=False, **more
    )
    with warnings.catch_warnings():
        for message in _SAVING:
            warnings.filterwarnings("ignore", message)
        peft.get_peft_model(network(base), config).save_pretrained(str(folder))
    return folder


def merged_by_peft(folder: Path, base: Path = RZEN) -> dict[str, torch.Tensor]:
    """Name -> weight, after PEFT has merged an adapter into its base in float32."""
    import peft

    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Found missing adapter keys")
        model = peft.PeftModel.from_pretrained(network(base), str(folder))
        return dict(model.merge_and_unload().state_dict())


def mean_of(
    models: Sequence[Mapping[str, torch.Tensor]], weights: Sequence[float]
) -> dict[str, torch.Tensor]:
    """The weighted mean, in float64."""
    return {
        name: sum(
            (weight * model[name].double() for model, weight in zip(models, weights, strict=True)),
            start=torch.zeros_like(models[0][name], dtype=torch.float64),
        )
        for name in models[0]
    }


def farthest(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """The largest difference of any two weights."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def is_nearest(stored: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether nothing in bfloat16 is nearer, but for what float32 cannot tell."""
    half_a_step = torch.ldexp(torch.ones_like(wanted), torch.frexp(wanted).exponent - 9)
    return bool(((stored.double() - wanted).abs() <= half_a_step + EXACT).all())


def edit_config(folder: Path, **changes: Any) -> None:
    """Changes adapter_config.json."""
    import json

    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def copy_base(target: Path, base: Path = RZEN) -> Path:
    """A copy of a base, to be changed."""
    shutil.copytree(base, target)
    return target
