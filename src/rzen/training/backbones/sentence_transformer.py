"""Models that sentence-transformers runs: texts, CLIP and its like, models that see."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from rzen.config import Limits, ModelSettings
from rzen.encoders.loading import NOTE, device_named, quiet
from rzen.encoders.registry import Resolved
from rzen.encoders.transformer import Ready, TransformerEncoder
from rzen.errors import UsageError
from rzen.protocols import Encoder
from rzen.training.adapters import freeze, merged, recompute_activations, with_adapters
from rzen.training.settings import NetworkSettings
from rzen.types import Content, Role


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Prepared:
    """One content.

    Attributes:
        ready: as the encoder opened it.
        tokens: what it costs.
        features: of a bare text, which is tokenised where it is read: (S,) each, and what the
            library says of all texts of a prompt, such as its length.
    """

    ready: Ready
    tokens: int
    features: dict[str, Any] | None

    @property
    def kind(self) -> str:
        """What may share a call of the model: contents of one prompt and modality, no two clips."""
        if self.ready.clips:
            return f"clip {id(self)}"
        content = self.ready.content
        sort = sorted(content) if isinstance(content, dict) else type(content).__name__
        return f"{self.ready.prompt!r} {sort} {self.features is None}"


class SentenceTransformerBackbone:
    """Any model of sentence-transformers with what is trained of it.

    Args:
        resolved: the model, found.
        settings: what of it is trained.
        device: "auto", or one of torch.
        limits: of decoders.
        is_outline: whether its weights are left out; see :func:`rzen.encoders.checkpoint.load`.

    Raises:
        EncoderError: if it cannot be loaded.
        UsageError: if a setting does not go with it.
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
        if settings.template:
            raise UsageError(
                f"network.template: {self.name} is run by sentence-transformers, with the prompts "
                "that it brings: leave it empty"
            )
        if settings.look.model_dump(exclude_none=True):
            raise UsageError(
                f"network.look: {self.name} is run by sentence-transformers, whose processor "
                "decides how large pictures are: leave it out"
            )
        self._family, self._is_adapted = resolved.family, settings.lora is not None
        dtype = "float32" if settings.lora is None else settings.precision
        self._encoder = TransformerEncoder(
            resolved.source,
            resolved.family,
            device=device,
            limits=limits,
            model=ModelSettings(dtype=dtype),
            is_outline=is_outline,
        )
        self.network: Any = self._encoder.model
        self.dim = self._encoder.dim
        own = str(self._encoder.model.device)
        self.device = device_named(device) if is_outline else own
        if (settings.gradient_checkpointing or settings.lora) and self._tower is None:
            raise UsageError(
                f"{self.name}: its first module is no network of transformers, so it takes neither "
                "lora nor gradient_checkpointing: leave them out"
            )
        if settings.gradient_checkpointing:
            recompute_activations(self._tower)
        if settings.lora is not None:
            self.network[0].model = with_adapters(self._tower, settings.lora)
        else:
            freeze(self.network, settings.frozen)
        self._is_mixed = settings.arithmetic(self.device) == "bfloat16"

    @property
    def _tower(self) -> Any:
        """The model of transformers inside the first module; ``None`` where there is none."""
        return getattr(self.network[0], "model", None)

    def prepare(self, content: Content, role: Role, instruction: str | None) -> _Prepared:
        """See :class:`rzen.training.backbone.Backbone`."""
        ready = self._encoder.prepare(content, role=role, instruction=instruction)
        is_text = isinstance(ready.content, dict) and list(ready.content) == ["text"]
        if is_text and self._tower is not None:  # others have features of their own forms
            found = self._encoder.features([ready])
            rows = {
                name: each[0] if isinstance(each, Tensor) else each for name, each in found.items()
            }
            return _Prepared(ready=ready, tokens=len(rows["input_ids"]), features=rows)
        return _Prepared(ready=ready, tokens=ready.tokens, features=None)

    def encode(self, prepared: Sequence[_Prepared]) -> Tensor:
        """See :class:`rzen.training.backbone.Backbone`."""
        order = sorted(range(len(prepared)), key=lambda at: prepared[at].kind)
        found = []
        for _, group in groupby(order, key=lambda at: prepared[at].kind):
            found.append(self._encode([prepared[at] for at in group]))
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(found)[back.to(self.device)]

    def _encode(self, prepared: Sequence[_Prepared]) -> Tensor:
        """Of one kind."""
        tokenised = [each.features for each in prepared if each.features is not None]
        if tokenised:
            features = self._padded(tokenised)
        else:
            features = self._encoder.features([each.ready for each in prepared])
        placed = {
            name: each.to(self.device) if isinstance(each, Tensor) else each
            for name, each in features.items()
        }
        kind = self.device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=self._is_mixed):
            vectors: Tensor = self.network(placed)["sentence_embedding"]
        return normalize(vectors.float(), dim=-1)

    def _padded(self, features: Sequence[dict[str, Any]]) -> dict[str, Any]:
        tokenizer = self._encoder.model.tokenizer
        longest = max(len(each["input_ids"]) for each in features)
        is_left = tokenizer.padding_side == "left"
        found = dict(features[0])
        tensors = [name for name, each in found.items() if isinstance(each, Tensor)]
        for name in tensors:
            filler = tokenizer.pad_token_id if name == "input_ids" else 0
            rows = []
            for each in features:
                room = longest - len(each[name])
                rows.append(pad(each[name], (room, 0) if is_left else (0, room), value=filler))
            found[name] = torch.stack(rows)
        return found

    def encoder(self) -> Encoder:
        """See :class:`rzen.training.backbone.Backbone`."""
        return self._encoder

    def save(self, folder: Path) -> None:
        """See :class:`rzen.training.backbone.Backbone`; adapters are merged into the weights."""
        tower = self._tower
        try:
            if self._is_adapted:
                self.network[0].model = merged(tower)
            with quiet():
                self._encoder.model.save_pretrained(str(folder), create_model_card=False)
        finally:
            if self._is_adapted:
                self.network[0].model = tower
        note = {"family": self._family.name}
        (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
