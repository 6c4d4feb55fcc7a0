"""Vision-language models of the Qwen2-VL and Qwen3-VL kind, trained as they are searched with."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from rzen.config import Limits
from rzen.encoders.loading import NOTE, quiet
from rzen.encoders.looks import adjusted
from rzen.encoders.registry import Resolved
from rzen.encoders.vision_language.encoder import VisionLanguageEncoder
from rzen.encoders.vision_language.inputs import last_tokens, network_inputs
from rzen.encoders.vision_language.model import VisionLanguageModel, load, outline
from rzen.encoders.vision_language.prompting import Prompt
from rzen.protocols import Encoder
from rzen.training.adapters import (
    freeze,
    merged,
    recompute_activations,
    save_adapter,
    with_adapters,
)
from rzen.training.settings import NetworkSettings
from rzen.types import Content, Role

_FILES = ("tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json")
_PREPROCESSOR = (
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "LICENSE*",
    "NOTICE*",
)


class VisionLanguageBackbone:
    """A checkpoint with what is trained of it.

    Args:
        resolved: the checkpoint, found.
        settings: what of it is trained, and how it is asked.
        device: "auto", or one of torch.
        limits: of decoders.
        is_outline: whether its weights are left out; see
            :func:`rzen.encoders.vision_language.model.outline`.

    Raises:
        EncoderError: if it cannot be loaded.
        UsageError: if a layer that is named is not there.
        MissingExtraError: if an optional library is not installed.
    """

    keeps_prepared = False

    def __init__(
        self,
        resolved: Resolved,
        settings: NetworkSettings,
        *,
        device: str,
        limits: Limits,
        is_outline: bool = False,
    ) -> None:
        self.name = resolved.source.name
        self._resolved, self._settings = resolved, settings
        changes = settings.look.model_dump(exclude_none=True)
        family = adjusted(resolved.family, changes)
        self._look = {**resolved.described.look, **changes}
        is_adapted = settings.lora is not None
        # Adapters leave the weights alone, so these may have the precision of the arithmetic; all
        # weights in training have float32, since their steps are smaller than bfloat16's.
        stored = settings.precision if is_adapted else "float32"
        made = outline if is_outline else load
        self._model: VisionLanguageModel = made(
            resolved.source, resolved.described, device=device, dtype=stored
        )
        self._prepare_network()
        template = settings.template or resolved.described.template
        # The encoder over the same network: one way of asking for training, measuring, searching.
        self._encoder = VisionLanguageEncoder(
            self.name, self._model, family, template=template, limits=limits
        )
        self.dim, self.device = self._model.dim, self._model.device
        self.network = self._model.network
        self._is_mixed = settings.arithmetic(self.device) == "bfloat16"

    def _prepare_network(self) -> None:
        network, settings = self._model.network, self._settings
        if settings.gradient_checkpointing:
            recompute_activations(network)
        if settings.lora is not None:
            network = with_adapters(network, settings.lora)
        else:
            freeze(network, settings.frozen)
        self._model = replace(self._model, network=network)

    def prepare(self, content: Content, role: Role, instruction: str | None) -> Prompt:
        """See :class:`rzen.training.backbone.Backbone`."""
        return self._encoder.prepare(content, role=role, instruction=instruction)

    def encode(self, prepared: Sequence[Prompt]) -> Tensor:
        """See :class:`rzen.training.backbone.Backbone`."""
        inputs = network_inputs(prepared, self._model, self._encoder.template.positions)
        kind = self.device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=self._is_mixed):
            states_BSD = self.network(**inputs, use_cache=False).last_hidden_state
        pooled_BD = states_BSD[torch.arange(len(prepared)), last_tokens(prepared)]
        return normalize(pooled_BD.float(), dim=-1)

    def encoder(self) -> Encoder:
        """See :class:`rzen.training.backbone.Backbone`."""
        return self._encoder

    def save(self, folder: Path) -> None:
        """See :class:`rzen.training.backbone.Backbone`.

        Adapters are written as such, in PEFT's form; else all weights with their tokenizer. So are
        adapters on top of a base that is an adapter itself, for none of its own names that one.
        """
        note: dict[str, Any] = {
            "family": self._encoder.family.name,
            "template": self._encoder.template.name,
        }
        if self._look:
            note["look"] = self._look
        is_adapted = self._settings.lora is not None
        if is_adapted and self._resolved.source.base is None:
            save_adapter(self.network, folder)
        else:
            network = merged(self.network) if is_adapted else self.network
            with quiet():
                network.save_pretrained(str(folder))
            origin = self._model.folder
            for pattern in (*_FILES, *_PREPROCESSOR):
                for file in origin.glob(pattern):
                    shutil.copyfile(file, folder / file.name)
        (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
