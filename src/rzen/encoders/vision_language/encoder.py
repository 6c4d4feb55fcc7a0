"""Universal embedders of the Qwen2-VL and Qwen3-VL kind: the published vectors, for all media.

Prompt, pixels and positions are made here, from the family's row and the template; the network is
transformers'. Shape suffixes: B contents of a batch, S tokens, D dimensions, P patches, X values of
a patch, K dimensions that a query has, T H W tokens in time, height and width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.encoders.batching import by_length, halving
from rzen.encoders.explaining import asked, check_seen, cosines, time_of
from rzen.encoders.families import Family, Look
from rzen.encoders.loading import reason_of
from rzen.encoders.opening import OpenPart, open_content
from rzen.encoders.rows import Rows
from rzen.encoders.templates import TEMPLATES, Template
from rzen.encoders.vision_language.inputs import last_tokens, network_inputs
from rzen.encoders.vision_language.model import VisionLanguageModel
from rzen.encoders.vision_language.prompting import Prompt, Prompter
from rzen.errors import EncoderError, RzenError
from rzen.types import (
    MODALITIES,
    Calibration,
    Content,
    Encoded,
    Explanation,
    Fingerprint,
    HeatMap,
    Modality,
    Role,
    Text,
)

_CHUNK = 64  # contents whose pixels are held at once, at the sizes that the model sees
_BATCH_TOKENS = {"cpu": 4_096, "cuda": 32_768}
_BATCH_ITEMS = 64


class VisionLanguageEncoder:
    """A checkpoint asked the way that its family's authors ask it.

    Args:
        name: what it was asked for by.
        model: the checkpoint, loaded.
        family: its row; one that rzen runs itself.
        template: name of another template than the family's.
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.

    Raises:
        EncoderError: if there is no such template.
    """

    calibration: Mapping[Modality, Calibration] = {}
    reads_pages = False
    modalities: frozenset[Modality] = frozenset(MODALITIES)

    def __init__(
        self,
        name: str,
        model: VisionLanguageModel,
        family: Family,
        *,
        template: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        assert family.look is not None, "sentence-transformers runs the other families"
        self.family = family
        self.template = template_named(template or family.look.template)
        self.budget = family.budget
        self._limits = limits or Limits()
        self._model = model
        self._prompter = prompter(model, self.template, family.look)
        self.dim = self._model.dim
        self.fingerprint = Fingerprint(
            encoder=name,
            weights=self._model.weights,
            template=self.template.id,
            pooling="lasttoken",
            positions=self.template.positions,
            budget=self.budget,
            dim=self.dim,
            environment=self._model.environment,
        )

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        """See :class:`rzen.protocols.Encoder`.

        Without an instruction, the family's own one for the role and the content's modality is
        used, where it has one and no words say what the media are; the empty one means none.
        """
        rows = Rows(len(contents), self.dim, dim)
        rows.tokens = 0
        for start in range(0, len(contents), _CHUNK):
            chunk = range(start, min(start + _CHUNK, len(contents)))
            items = [
                _Item(row, prompt)
                for row in chunk
                if (prompt := self._prompt(row, contents[row], role, instruction, rows))
            ]
            lengths = [item.prompt.tokens for item in items]
            for batch in by_length(lengths, tokens=self._room, items=_BATCH_ITEMS):
                self._run([items[position] for position in batch], rows)
        return rows.encoded()

    def prepare(self, content: Content, *, role: Role, instruction: str | None) -> Prompt:
        """One content, opened, as the model is asked for it; no weights are needed.

        Raises:
            EncoderError: if it does not fit, or nothing is in it.
            MediaError: if it cannot be opened.
        """
        if instruction is None:
            instruction = self._default(content, role)
        return self._prompter.prompt(self._open(content), instruction)

    def explain(
        self,
        query: Content | NDArray[np.float32],
        content: Content,
        *,
        instruction: str | None = None,
    ) -> Explanation:
        """See :class:`rzen.protocols.Explainer`.

        A cell is a token of the picture: the cosine of its state after the last norm.

        How to read them: attention is causal, and the content's vector is the state of its *last*
        token. A token's state holds what stands before it (the upper rows, earlier pictures and
        frames) and nothing of what comes after, so of two like things the later may be hotter, and
        the last row of a picture tends to sum it up. The states were trained to lead to the next
        token, not to be compared; only differences within one map mean something. Nothing is
        subtracted or scaled. A picture's score is the mean of its map.
        """
        query_K = asked(query, self, instruction)
        parts = self._open(content)
        check_seen(parts)
        own = self._default(content, "document")
        prompt = self._prompter.prompt(parts, own)
        try:
            states_SD = self._states([prompt])[0].float().cpu().numpy()
        # A model, or its device's memory, may fail with anything.
        except Exception as error:
            raise EncoderError(f"the model cannot encode it: {reason_of(error)}") from error
        heat_S = cosines(states_SD, query_K)
        return Explanation(
            similarity=float(heat_S[-1]),
            maps=tuple(self._maps(prompt, heat_S, parts)),
            warnings=prompt.warnings,
        )

    def _maps(
        self, prompt: Prompt, heat_S: NDArray[np.float32], parts: Sequence[OpenPart]
    ) -> list[HeatMap]:
        """The map of each still, frame or pair of frames, by part and time."""
        heat_X = heat_S[np.isin(prompt.ids_S, [self._model.image_pad, self._model.video_pad])]
        maps: list[HeatMap] = []
        start = 0
        for shown, tokens in zip(prompt.shown, prompt.grids, strict=True):
            end = start + int(np.prod(tokens))
            for number, heat_HW in enumerate(heat_X[start:end].reshape(tokens)):
                time = (
                    self._time_of_pair(parts[shown.part], number)
                    if shown.is_pairs
                    else time_of(parts[shown.part], shown.frame)
                )
                maps.append(
                    HeatMap(
                        heat_HW=heat_HW, score=float(heat_HW.mean()), part=shown.part, time=time
                    )
                )
            start = end
        assert start == len(heat_X), "more tokens for media than media"
        # Some templates put clips before stills; a caller counts parts as they were given.
        return sorted(maps, key=lambda each: each.part)

    def _time_of_pair(self, part: OpenPart, number: int) -> float | None:
        step = self._model.patching.pair
        first = number * step
        times = [time_of(part, at) for at in (first, min(first + step, len(part.pixels)) - 1)]
        known = [time for time in times if time is not None]
        return sum(known) / len(known) if known else None

    def _default(self, content: Content, role: Role) -> str:
        """What is said where nobody says anything: nothing beside words."""
        if any(isinstance(part, Text) for part in content.parts):
            return ""
        return self.family.instructions.get((role, content.modality), "")

    def _prompt(
        self, row: int, content: Content, role: Role, instruction: str | None, rows: Rows
    ) -> Prompt | None:
        try:
            prompt = self.prepare(content, role=role, instruction=instruction)
        except RzenError as error:
            rows.fail(row, error)
            return None
        for warning in prompt.warnings:
            rows.warn(row, warning)
        return prompt

    def _open(self, content: Content) -> list[OpenPart]:
        return open_content(content, self, self._limits)

    def _run(self, batch: Sequence["_Item"], rows: Rows) -> None:
        def succeed(item: _Item, vector_D: NDArray[np.float32]) -> None:
            rows.put(item.row, vector_D)
            rows.tokens = (rows.tokens or 0) + item.prompt.tokens

        def fail(item: _Item, error: Exception) -> None:
            rows.fail(item.row, f"the model cannot encode it: {reason_of(error)}")

        halving(batch, lambda some: self._pooled([item.prompt for item in some]), succeed, fail)

    def _pooled(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """(B, D): the states of the last tokens."""
        states_BSD = self._states(prompts)
        pooled_BD = states_BSD[torch.arange(len(prompts)), last_tokens(prompts)]
        return np.asarray(pooled_BD.float().cpu().numpy(), np.float32)

    @torch.inference_mode()
    def _states(self, prompts: Sequence[Prompt]) -> torch.Tensor:
        """(B, S, D): the states of all tokens after the last norm, padded on the right."""
        batch = network_inputs(prompts, self._model, self.template.positions)
        found: torch.Tensor = self._model.network(**batch, use_cache=False).last_hidden_state
        return found

    @property
    def _room(self) -> int:
        kind = self._model.device.partition(":")[0]
        return _BATCH_TOKENS.get(kind, _BATCH_TOKENS["cpu"])


@dataclass(frozen=True, slots=True)
class _Item:
    row: int
    prompt: Prompt


def template_named(name: str) -> Template:
    """The template of a name.

    Raises:
        EncoderError: if there is none.
    """
    try:
        return TEMPLATES[name]
    except KeyError:
        raise EncoderError(
            f"there is no template {name!r}: take one of {', '.join(TEMPLATES)}"
        ) from None


def prompter(model: VisionLanguageModel, template: Template, look: Look) -> Prompter:
    """What makes the prompts of a loaded checkpoint."""

    def tokenize(text: str) -> Sequence[int]:
        ids: Sequence[int] = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    return Prompter(
        template=template,
        look=look,
        patching=model.patching,
        tokenize=tokenize,
        special=frozenset(model.tokenizer.all_special_tokens),
    )
