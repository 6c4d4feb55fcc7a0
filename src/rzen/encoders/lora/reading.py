"""What an adapter says: the pair of thin matrices of each module, with their scale.

A module's change is ``scale * B @ A``. Only plain LoRA has that form; whatever else an adapter may
bring is refused rather than left out. Shape suffixes: R rank, I inputs, O outputs.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import torch

from rzen.encoders.loading import read_json
from rzen.encoders.lora.base_model import CONFIG
from rzen.encoders.weight_files import NAMES, WeightFiles
from rzen.errors import EncoderError

WEIGHTS: Final = "adapter_model.safetensors"
PREFIX: Final = "base_model.model."
"""What PEFT puts before the name of every module."""

_PICKLE = "adapter_model.bin"
_FACTOR = re.compile(r"(.+)\.lora_([AB])\.weight")
# Read, or of no effect any more: which modules were trained is seen from the tensors.
_KNOWN = frozenset(
    {
        "alpha_pattern",
        "auto_mapping",
        "base_model_name_or_path",
        "bias",
        "eva_config",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "megatron_core",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "r",
        "rank_pattern",
        "revision",
        "target_modules",
        "task_type",
        "use_rslora",
    }
)
_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
_MERGE_FIRST = (
    "merge it with PEFT (merge_and_unload, in float32), and go on with the whole checkpoints"
)
_REASONS: Final[Mapping[str, str]] = {
    "use_dora": "it is a DoRA adapter, whose change depends on the norms of the base's weights",
    "modules_to_save": "it brings whole modules of its own beside LoRA",
    "trainable_token_indices": "it brings embeddings of its own for some tokens",
    "layer_replication": "it changes how many layers the base has",
    "target_parameters": "it changes bare parameters, of which PEFT alone knows the form",
    "lora_bias": "it adds to biases too",
    "alora_invocation_tokens": "it acts on some tokens only (aLoRA)",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One module of an adapter.

    Attributes:
        rank: R.
        scale: of the product.
        a: sizes of A: R, I, and those of a convolution's window.
        b: sizes of B: O, R, and ones.
    """

    rank: int
    scale: float
    a: tuple[int, ...]
    b: tuple[int, ...]


class Lora:
    """An adapter, its tensors left in the file until they are asked for.

    To be closed: it is a context manager.

    Args:
        folder: with ``adapter_config.json`` and ``adapter_model.safetensors``.

    Attributes:
        folder: as given.
        config: adapter_config.json.
        modules: name of a module, without PEFT's prefix -> its shape.

    Raises:
        EncoderError: if it cannot be read, is damaged, or is anything else than plain LoRA.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = read_json(folder / CONFIG)
        _check(folder, self.config)
        if (folder / _PICKLE).is_file() and not (folder / WEIGHTS).is_file():
            raise EncoderError(
                f"{folder}: the adapter's weights are in {_PICKLE}, a format that can run any code "
                "when it is read: rzen reads safetensors only; load it with PEFT and save it again"
            )
        self._weights = WeightFiles(folder, WEIGHTS)
        self._prefix: dict[str, str] = {}
        try:
            self.modules: Mapping[str, Shape] = self._modules()
        except BaseException:
            self.close()
            raise

    def factors(self, module: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A (R, I, ...) and ``scale * B`` (O, R, ...) of a module, float32."""
        start = self._prefix[module] + module
        a = self._weights.tensor(f"{start}.lora_A.weight").float()
        b = self._weights.tensor(f"{start}.lora_B.weight").float()
        return a, b * self.modules[module].scale

    def close(self) -> None:
        """Lets go of the file."""
        self._weights.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _modules(self) -> dict[str, Shape]:
        layouts = self._weights.layouts
        matches = {name: _FACTOR.fullmatch(name) for name in layouts}
        if strange := [name for name, match in matches.items() if match is None]:
            raise EncoderError(_strange_tensors(self.folder, strange))
        pairs: dict[str, set[str]] = {}
        for match in filter(None, matches.values()):
            pairs.setdefault(match[1], set()).add(match[2])
        if not pairs:
            raise EncoderError(f"{self.folder}: the adapter has no tensors: train it again")
        found = {}
        for start, halves in sorted(pairs.items()):
            module = start.removeprefix(PREFIX)
            self._prefix[module] = start.removesuffix(module)
            if len(halves) < 2:
                raise EncoderError(
                    f"{self.folder}: of {module} one of the two matrices is missing: the file is "
                    "not whole; fetch or train the adapter again"
                )
            a, b = (layouts[f"{start}.lora_{half}.weight"] for half in "AB")
            if not {a.dtype, b.dtype} <= set(NAMES.values()):
                raise EncoderError(f"{self.folder}: {module} is stored as {a.dtype}, not as floats")
            found[module] = self._shape(module, a.shape, b.shape)
        return found

    def _shape(self, module: str, a: tuple[int, ...], b: tuple[int, ...]) -> Shape:
        config = self.config
        said = self._said("rank_pattern", "r", module)
        top = self._said("alpha_pattern", "lora_alpha", module)
        if len(a) < 2 or len(b) != len(a) or a[0] != b[1] or math.prod(b[2:]) != 1:
            raise EncoderError(
                f"{self.folder}: the matrices of {module}, {list(a)} and {list(b)}, do not make a "
                "product that rzen knows (a convolution in groups?): " + _MERGE_FIRST
            )
        if said != a[0] or not isinstance(top, int | float):
            raise EncoderError(
                f"{self.folder}: {module} has rank {a[0]}, but {CONFIG} says {said!r}, with alpha "
                f"{top!r}: configuration and weights are not of one adapter; fetch it again"
            )
        return Shape(a[0], top / (math.sqrt(a[0]) if config.get("use_rslora") else a[0]), a, b)

    def _said(self, patterns: str, default: str, module: str) -> Any:
        """What is said of a module, or of all: the first pattern that matches its end, as in PEFT.

        Raises:
            EncoderError: if there is no telling.
        """
        found = self.config.get(patterns) or {}
        try:
            return next(
                (value for key, value in found.items() if re.match(rf"(.*\.)?({key})$", module)),
                self.config.get(default),
            )
        except (re.error, AttributeError) as error:
            raise EncoderError(
                f"{self.folder / CONFIG} says {patterns}={found!r}, which cannot be read: {error}: "
                "put it right"
            ) from error


def _check(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise EncoderError(
            f"{folder}: its peft_type is {kind!r}: rzen reads LoRA adapters only; {_MERGE_FIRST}"
        )
    start = config.get("init_lora_weights")
    if start not in _PLAIN_STARTS:
        raise EncoderError(
            f"{folder}: it was trained from init_lora_weights={start!r}, which changes the base's "
            "weights too: save it with PEFT's path_initial_model_for_weight_conversion, which "
            "makes a plain adapter of it"
        )
    if config.get("bias", "none") != "none":
        raise EncoderError(
            f"{folder}: it brings biases of its own (bias={config['bias']!r}): {_MERGE_FIRST}"
        )
    for name, value in config.items():
        # What is off is empty in some way; what is not known may do anything when it is on.
        if not value or name in _KNOWN:
            continue
        reason = _REASONS.get(name, f"rzen does not know what {name}={value!r} does")
        raise EncoderError(f"{folder}: {reason} ({name}): {_MERGE_FIRST}")


def _strange_tensors(folder: Path, names: Sequence[str]) -> str:
    kinds = {"lora_embedding": "it changes embeddings", "lora_magnitude": _REASONS["use_dora"]}
    for kind, reason in kinds.items():
        if found := [name for name in names if kind in name]:
            return f"{folder}: {reason} ({found[0]}): {_MERGE_FIRST}"
    is_whole = "lora_" not in names[0]
    reason = _REASONS["modules_to_save"] if is_whole else "rzen does not know what that does"
    return f"{folder}: it holds the tensor {names[0]}: {reason}: {_MERGE_FIRST}"
