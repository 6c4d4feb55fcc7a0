"""Encoders that sentence-transformers runs: text models, CLIP and its like, models that see."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits, ModelSettings
from rzen.encoders.batching import by_length, halving
from rzen.encoders.checkpoint import Checkpoint, load
from rzen.encoders.families import OTHER, Family
from rzen.encoders.loading import quiet, reason_of
from rzen.encoders.model_source import ModelSource
from rzen.encoders.opening import OpenPart, open_chunks, open_content
from rzen.encoders.rows import Rows
from rzen.errors import EncoderError, RzenError
from rzen.types import (
    MODALITIES,
    Calibration,
    Content,
    Encoded,
    Fingerprint,
    MediaBudget,
    Modality,
    Role,
)

_PATCH = 28 * 28  # pixels of one token, about, in the models this is mostly used with
_CHUNK = 32  # contents whose pixels are held at once
_BATCH_TOKENS = {"cpu": 4_096, "cuda": 16_384}
_BATCH_ITEMS = 32
_LONGEST = 8192  # of models that know no end
_CHARS_PER_TOKEN = 10  # at most, about: longer texts are cut before they are counted


class TransformerEncoder:
    """Any text or multimodal model of sentence-transformers, or a plain checkpoint.

    A page is shown to models that see, and read to models that do not. Models that know chat
    messages take several parts in one content; others take one.

    Args:
        source: where the model is.
        family: its row.
        device: "auto", or one of torch.
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.
        model: its dtype, and whether its own code may run.
        is_outline: whether its weights are left out: it prepares contents and encodes none.

    Raises:
        EncoderError: if the model cannot be loaded.
        MissingExtraError: if the extra ``transformers`` is not installed.
    """

    calibration: Mapping[Modality, Calibration] = {}

    def __init__(
        self,
        source: ModelSource,
        family: Family = OTHER,
        *,
        device: str = "auto",
        limits: Limits | None = None,
        model: ModelSettings | None = None,
        is_outline: bool = False,
    ) -> None:
        self.family = family
        self._checkpoint: Checkpoint = load(
            source, device, model or ModelSettings(), is_outline=is_outline
        )
        self._model = self._checkpoint.model
        self._limits = limits or Limits()
        known = set(self._model.modalities)
        self._messages = "message" in known
        self._sees = "image" in known
        self.reads_pages = not self._sees
        # A page is a picture, or else its text; a video needs a model that was made for it.
        self.modalities: frozenset[Modality] = frozenset(
            name for name in MODALITIES if name in known or name == "page"
        )
        self.budget = MediaBudget(
            image_pixels=1280 * _PATCH,
            page_pixels=1280 * _PATCH,
            frame_pixels=180 * _PATCH,
            frames=16,
            fps=1.0,
        )
        self.dim = int(self._model.get_embedding_dimension())
        self.fingerprint = Fingerprint(
            encoder=source.name,
            weights=self._checkpoint.weights,
            template="chat-1" if self._checkpoint.plain else "own",
            pooling=self._checkpoint.pooling,
            positions=self._checkpoint.positions,
            budget=self.budget,
            dim=self.dim,
            environment=self._checkpoint.environment,
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

        Without an instruction the model's own prompt of the role is used, where it has one; so it
        is always for models that know fixed prefixes and no instructions.
        """
        rows = Rows(len(contents), self.dim, dim)
        prompt = self._asked(role, instruction)
        for chunk in open_chunks(contents, rows, self, self._limits, size=_CHUNK):
            items = []
            for row, parts in chunk:
                try:
                    self._warn_of_length(row, parts, rows)
                    items.append(_Item(row, self._ready(parts, prompt)))
                except RzenError as error:
                    rows.fail(row, error)
            # A video goes alone: the processor is told of its clips by their order in the batch,
            # which sentence-transformers may change.
            lengths = [self._room if item.ready.clips else item.ready.tokens for item in items]
            for batch in by_length(lengths, tokens=self._room, items=_BATCH_ITEMS):
                self._run([items[position] for position in batch], rows)
        return rows.encoded()

    def prepare(self, content: Content, *, role: Role, instruction: str | None) -> "Ready":
        """One content, opened, as the model is asked for it; no weights are needed.

        Raises:
            EncoderError: if the model does not take it, or nothing is in it.
            MediaError: if it cannot be opened.
        """
        parts = open_content(content, self, self._limits)
        return self._ready(parts, self._asked(role, instruction))

    def features(self, ready: Sequence["Ready"]) -> dict[str, Any]:
        """What the model is called with for contents of one prompt and kind, on the host.

        A video has to go alone.
        """
        clips = [clip for each in ready for clip in each.clips]
        options = {"processing_kwargs": self._processing(clips)} if self._messages else {}
        found: dict[str, Any] = self._model.preprocess(
            [each.content for each in ready], prompt=ready[0].prompt, **options
        )
        return found

    @property
    def model(self) -> Any:
        """The SentenceTransformer."""
        return self._model

    def prompt(self, role: Role) -> str | None:
        """The model's own prompt of a role; ``None`` where it has none."""
        prompt: str | None = self._model.prompts.get(role)
        return prompt or None

    def save(self, folder: Path, dtype: str) -> None:
        """Writes the model for plain sentence-transformers, with what was chosen here for it.

        The encoder's own weights are turned into that dtype: it is of no more use afterwards.

        Args:
            folder: an empty one.
            dtype: of the weights, as torch calls it.
        """
        import torch  # noqa: PLC0415

        if self._messages:
            self._model[0].processing_kwargs = self._processing([])
        self._model.to(getattr(torch, dtype))
        with quiet():
            self._model.save_pretrained(str(folder), create_model_card=False)

    def _asked(self, role: Role, instruction: str | None) -> str | None:
        if instruction is None or not self.family.follows:
            return self.prompt(role)
        # Those who write an instruction before a query leave documents bare.
        if instruction and role == "query":
            return self.family.asks.format(instruction)
        return instruction

    def _run(self, batch: Sequence["_Item"], rows: Rows) -> None:
        halving(
            batch,
            lambda some: self._forward([item.ready for item in some]),
            lambda item, vector_D: rows.put(item.row, vector_D),
            lambda item, error: rows.fail(
                item.row, f"the model cannot encode it: {reason_of(error)}"
            ),
        )

    def _forward(self, batch: Sequence["Ready"]) -> NDArray[np.float32]:
        clips = [clip for each in batch for clip in each.clips]
        options = {"processing_kwargs": self._processing(clips)} if self._messages else {}
        vectors = self._model.encode(
            [each.content for each in batch],
            prompt=batch[0].prompt,
            batch_size=len(batch),
            show_progress_bar=False,
            convert_to_tensor=True,
            **options,
        )
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    def _ready(self, parts: Sequence[OpenPart], prompt: str | None) -> "Ready":
        return Ready(
            content=self._input(parts),
            prompt=prompt or None,
            tokens=_tokens(parts),
            clips=_clips(parts),
        )

    def _processing(self, clips: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """How the processor shall take what was decoded here.

        A plain checkpoint also leaves open how large pictures get and where a prompt ends.
        """
        processor, plain = self._model[0].processor, self._checkpoint.plain
        settings: dict[str, dict[str, Any]] = {}
        if plain:
            settings["chat_template"] = {"add_generation_prompt": True}
        if plain and _sized(getattr(processor, "image_processor", None)):
            settings["image"] = {"size": _size(self.budget.image_pixels)}
        frames = getattr(processor, "video_processor", None)
        if frames is not None and clips:
            # They were sampled where they were decoded.
            video = {"do_sample_frames": False, "video_metadata": list(clips)}
            if plain and _sized(frames):
                video["size"] = _size(self.budget.frame_pixels)
            if plain and hasattr(frames, "cap_pixels_per_frame"):
                video["cap_pixels_per_frame"] = True
            settings["video"] = video
        return settings

    def _input(self, parts: Sequence[OpenPart]) -> Any:
        """What sentence-transformers takes for one content.

        Texts go in as messages or under a key, never bare: a bare one that looks like an address
        or a path would be opened as a picture.
        """
        pieces = [self._piece(part) for part in parts]
        if self._messages:
            content = [{"type": kind, kind: value} for kind, value in pieces]
            return [{"role": "user", "content": content}]
        if len(pieces) > 1:
            raise EncoderError(
                f"{self.fingerprint.encoder} takes one text or one picture at a time, not "
                f"{len(pieces)} parts: give them one by one"
            )
        # Tables of word vectors and the like take bare texts, and open nothing.
        return dict(pieces) if hasattr(self._model[0], "processor") else pieces[0][1]

    def _piece(self, part: OpenPart) -> tuple[str, Any]:
        from PIL import Image  # noqa: PLC0415

        if part.pixels and self._sees:
            pictures = [Image.fromarray(pixels) for pixels in part.pixels]
            return ("video", pictures) if part.modality == "video" else ("image", pictures[0])
        if part.modality == "page" and not part.text.strip():
            raise EncoderError(
                f"the page has no text, and {self.fingerprint.encoder} cannot see: index it with "
                "an encoder that can, or turn on OCR"
            )
        clean = part.text[: self._longest * _CHARS_PER_TOKEN]
        return "text", clean.encode("utf-8", "replace").decode("utf-8")

    @property
    def _room(self) -> int:
        kind = self._checkpoint.environment["device"].partition(":")[0]
        return _BATCH_TOKENS.get(kind, _BATCH_TOKENS["cpu"])

    @property
    def _longest(self) -> int:
        """Tokens of one content, at most."""
        longest = self._model.max_seq_length or math.inf  # which tables of words say, too
        return int(longest) if math.isfinite(longest) else _LONGEST

    def _warn_of_length(self, row: int, parts: Sequence[OpenPart], rows: Rows) -> None:
        text = "".join(part.text for part in parts if not (part.pixels and self._sees))
        if len(text) < self._longest - 2:  # a token has at least one character
            return
        words = text[: self._longest * _CHARS_PER_TOKEN].encode("utf-8", "replace").decode("utf-8")
        ids = self._model.tokenizer(words, add_special_tokens=True, verbose=False)["input_ids"]
        if len(ids) > self._longest or len(words) < len(text):
            rows.warn(
                row,
                f"a text is longer than the {self._longest} tokens of "
                f"{self.fingerprint.encoder}: its end was left out",
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ready:
    """One content, opened.

    Attributes:
        content: as sentence-transformers takes it.
        prompt: what stands before it; ``None`` for nothing.
        tokens: what it costs, about.
        clips: what its videos are, for the processor.
    """

    content: Any
    prompt: str | None
    tokens: int
    clips: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Item:
    row: int
    ready: Ready


def _sized(processor: Any) -> bool:
    """Whether a processor bounds the number of pixels."""
    return getattr(getattr(processor, "size", None), "longest_edge", None) is not None


def _size(pixels: int) -> dict[str, int]:
    # These two names are pixels, not edges, in the processors that know them so.
    return {"shortest_edge": 4 * _PATCH, "longest_edge": pixels}


def _clips(parts: Sequence[OpenPart]) -> list[Mapping[str, Any]]:
    clips: list[Mapping[str, Any]] = []
    for part in parts:
        if part.modality != "video" or part.frames is None:
            continue
        count, times = len(part.pixels), part.frames.times
        seconds = times[-1] - times[0] if len(times) > 1 else 0.0
        fps = (count - 1) / seconds if seconds > 0 else 1.0
        clips.append({"total_num_frames": count, "fps": fps, "frames_indices": list(range(count))})
    return clips


def _tokens(parts: Sequence[OpenPart]) -> int:
    """About how many tokens a content costs; batches are sized by it."""
    pixels: int = sum(frame.shape[0] * frame.shape[1] for part in parts for frame in part.pixels)
    return 16 + sum(len(part.text) for part in parts) // 3 + math.ceil(pixels / _PATCH)
