"""An adapter becomes part of its base's weights: added in float32, cast once.

Merging in the model's own dtype rounds each step: in bfloat16 scores fall (colpali, issue 282).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from rzen.encoders.lora.reading import Lora, Shape
from rzen.encoders.model_source import ModelSource
from rzen.encoders.weight_files import WeightFiles
from rzen.errors import EncoderError


class Change(Protocol):
    """What changes the weights of modules: an adapter, or a sum of several."""

    @property
    def folder(self) -> Path:
        """Where it is from, for errors."""

    @property
    def modules(self) -> Mapping[str, Shape]:
        """Name of a module -> shape of its change."""

    def factors(self, module: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A and B with its scale, float32."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the weight of a module is.

    Attributes:
        parameter: its name in the network.
        key: the name of its tensor in the checkpoint's files.
        is_transposed: whether it is stored as inputs x outputs.
    """

    parameter: str
    key: str
    is_transposed: bool


def places(change: Change, network: Any, keys: Iterable[str]) -> dict[str, Place]:
    """Module -> where its weight is, as transformers itself maps files to networks.

    Files keep the names of the library's version that wrote them, and adapters those of the class
    that was trained.

    Args:
        change: on top of the network.
        network: of transformers; its weights may be nowhere (meta).
        keys: names of the tensors in its files.

    Raises:
        EncoderError: if a module is not in the network, or its weight is made of several tensors.
    """
    rename = _renamer(network)
    key_of: dict[str, str] = {}
    made = set()
    for key in keys:
        parameter, is_made = rename(key)
        key_of[parameter] = key
        if is_made:
            made.add(parameter)
    found = {}
    for module in change.modules:
        parameter, _ = rename(f"{module}.weight")
        if parameter not in key_of:
            raise EncoderError(
                f"{change.folder}: the adapter changes {module}, and the network of its base, a "
                f"{type(network).__name__}, has no such module with a weight in its files: it may "
                "have been trained through another class of transformers"
            )
        if parameter in made:
            raise EncoderError(
                f"{change.folder}: the adapter changes {module}, whose weight transformers makes "
                "of other tensors when it loads the base: merge it with PEFT (merge_and_unload, "
                "in float32)"
            )
        owner = network.get_submodule(parameter.rpartition(".")[0])
        found[module] = Place(parameter, key_of[parameter], type(owner).__name__ == "Conv1D")
    if len({place.key for place in found.values()}) < len(found):
        raise EncoderError(f"{change.folder}: two of its modules are the same one in its base")
    return found


def merged(change: Change, module: str, weight: torch.Tensor, place: Place) -> torch.Tensor:
    """A weight with an adapter's change, float32.

    Args:
        change: the adapter.
        module: of the weight.
        weight: as the base's files have it.
        place: where it is from.

    Raises:
        EncoderError: if it has another shape than the change.
    """
    a, b = change.factors(module)
    delta = b.flatten(1) @ a.flatten(1)
    shape = (b.shape[0], *a.shape[1:])
    if place.is_transposed:
        delta, shape = delta.T, tuple(reversed(shape))
    if shape != tuple(weight.shape):
        raise EncoderError(
            f"{change.folder}: the adapter changes {module} by {list(shape)}, and its base has "
            f"{list(weight.shape)} there: it belongs to another model"
        )
    return delta.reshape(weight.shape).add_(weight.float())


@torch.no_grad()
def merge(adapter: ModelSource, network: Any) -> None:
    """Adds an adapter to a loaded network; what it does not change is not touched.

    The weights are taken from the base's files, so that they are cast once even where the network
    was loaded in a lower dtype.

    Args:
        adapter: with its base, that the network was loaded from.
        network: of transformers.

    Raises:
        EncoderError: if the adapter cannot be read, or does not fit.
    """
    assert adapter.folder is not None
    assert adapter.base is not None
    assert adapter.base.folder is not None
    with Lora(adapter.folder) as lora, WeightFiles(adapter.base.folder) as weights:
        for module, place in places(lora, network, weights.layouts).items():
            weight = merged(lora, module, weights.tensor(place.key), place)
            network.get_parameter(place.parameter).copy_(weight)


def network_of(folder: Path) -> Any:
    """The network of a checkpoint, without weights.

    Raises:
        EncoderError: if transformers does not know it.
    """
    from transformers import AutoConfig, AutoModel  # noqa: PLC0415

    config: Any = AutoConfig
    auto: Any = AutoModel
    try:
        with torch.device("meta"):
            return auto.from_config(
                config.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True),
                trust_remote_code=False,
            )
    # Loaders raise whatever their libraries do; the user gets the reason and the way out.
    except Exception as error:
        raise EncoderError(
            f"{folder}: transformers cannot tell which network this is: {error}: keep the adapter "
            "as it is, without --merge"
        ) from error


def _renamer(network: Any) -> Callable[[str], tuple[str, bool]]:
    """What gives a tensor's name in the network, and whether it is made of others."""
    from transformers.conversion_mapping import get_model_conversion_mapping  # noqa: PLC0415
    from transformers.core_model_loading import (  # noqa: PLC0415
        WeightConverter,
        WeightRenaming,
        rename_source_key,
    )

    steps = get_model_conversion_mapping(network)
    renamings = [each for each in steps if isinstance(each, WeightRenaming)]
    converters = [each for each in steps if isinstance(each, WeightConverter)]
    state = dict.fromkeys(network.state_dict(), True)
    prefix = network.base_model_prefix

    def rename(name: str) -> tuple[str, bool]:
        found, made_by = rename_source_key(name, renamings, converters, prefix, state)
        if found not in state:
            found, made_by = rename_source_key(name, [], [], prefix, state)
        return found, made_by is not None

    return rename
