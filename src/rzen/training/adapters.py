"""LoRA adapters on chosen linear layers, by PEFT: its layers, its files, its loaders."""

import copy
import fnmatch
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from rzen.errors import MissingExtraError, UsageError
from rzen.training.settings import LoraSettings


def with_adapters(network: nn.Module, settings: LoraSettings) -> Any:
    """The network with adapters as its only trainable weights.

    Args:
        network: of transformers.
        settings: rank, scale, and which layers.

    Raises:
        UsageError: if no layer is meant.
        MissingExtraError: if peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("peft", "train") from error
    layers = chosen_layers(network, settings)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=layers,
        bias="none",
    )
    # Of an outline, the adapters have no values either.
    is_outline = next(network.parameters()).is_meta
    with _peft_warnings():
        return get_peft_model(network, config, low_cpu_mem_usage=is_outline)


def chosen_layers(network: nn.Module, settings: LoraSettings) -> list[str]:
    """Names of the linear layers that get an adapter: short ones where they say the same.

    Raises:
        UsageError: if a pattern matches none, or none is left.
    """
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    for pattern in (*settings.layers, *settings.without):
        if not any(_matches(name, (pattern,)) for name in linear):
            some = ", ".join(sorted({_last(name) for name in linear})[:12])
            raise UsageError(
                f"lora: no linear layer is called {pattern!r}: their names end in {some}"
            )
    chosen = [
        name
        for name in linear
        if _matches(name, settings.layers) and not _matches(name, settings.without)
    ]
    if not chosen:
        raise UsageError("lora: no linear layer is left: take patterns out of lora.without")
    short = sorted({_last(name) for name in chosen})
    means = [name for name in linear if any(_is_called(name, each) for each in short)]
    return short if means == chosen else chosen


def recompute_activations(network: Any) -> None:
    """Has activations computed twice instead of kept.

    Raises:
        UsageError: if the network does not offer it.
    """
    if not getattr(network, "supports_gradient_checkpointing", False):
        kind = type(network).__name__
        raise UsageError(f"gradient_checkpointing: a {kind} does not offer it: leave it out")
    # Its name until transformers 5.2x, which warns of it.
    old = "gradient_checkpointing_enable"
    getattr(network, "activation_checkpointing_enable", getattr(network, old))(
        {"use_reentrant": False}
    )


def freeze(network: nn.Module, patterns: Sequence[str]) -> None:
    """Leaves some weights as they are.

    Raises:
        UsageError: if a pattern matches none, or nothing is left to train.
    """
    for pattern in patterns:
        meant = [
            each for name, each in network.named_parameters() if fnmatch.fnmatch(name, pattern)
        ]
        if not meant:
            some = ", ".join(name for name, _ in list(network.named_parameters())[:5])
            raise UsageError(f"frozen: no weight is called {pattern!r}: they are called {some} ...")
        for each in meant:
            each.requires_grad_(False)
    if not any(each.requires_grad for each in network.parameters()):
        raise UsageError("frozen: nothing is left to train: name fewer weights")


def merged(network: nn.Module) -> Any:
    """A copy on the CPU without adapters: added to the weights in float32, and rounded once.

    Merging in bfloat16 would round every weight a second time (scores fall: colpali's issue 282).
    A network without adapters is copied as it is.
    """
    dtypes = [each.dtype for name, each in network.named_parameters() if "lora_" not in name]
    device = next(network.parameters()).device
    network.cpu()  # where there is room for a second one
    try:
        whole: Any = copy.deepcopy(network).float()
    finally:
        network.to(device)
    plain = whole.merge_and_unload() if hasattr(whole, "merge_and_unload") else whole
    return plain.to(dtypes[0])


def save_adapter(network: Any, folder: Path) -> None:
    """Writes adapter_config.json and adapter_model.safetensors."""
    with _peft_warnings():
        network.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)  # a form to be filled in


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(name, pattern) or _is_called(name, pattern) for pattern in patterns
    )


def _is_called(name: str, called: str) -> bool:
    return name == called or name.endswith(f".{called}")


def _last(name: str) -> str:
    """The end of a layer's name that is a word: the numbers of a list belong to it.

    >>> _last("visual.merger.mlp.0"), _last("layers.3.self_attn.q_proj")
    ('mlp.0', 'q_proj')
    """
    parts = name.split(".")
    kept = [parts.pop()]
    while kept[0].isdigit() and parts:
        kept.insert(0, parts.pop())
    return ".".join(kept)


@contextmanager
def _peft_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        # It asks the hub for the base's config to see whether its vocabulary grew.
        warnings.filterwarnings("ignore", message=".*(config file|Could not find a config).*")
        # It asks by a name that transformers is about to drop.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        yield
