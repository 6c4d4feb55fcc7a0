"""Conversations to what a network takes: tokens, pictures, or embeddings with soft tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from rzen.errors import GeneratorError
from rzen.rag.chat_template import defused, plain, without_system
from rzen.rag.language_model import Message, Part, SoftItem
from rzen.rag.local.loading import Loaded
from rzen.types import Frames

Project: TypeAlias = Callable[[Sequence[SoftItem]], Tensor]
"""Items to soft tokens, (items, T, H) in the space of the network's input embeddings."""

SOFT = "\ue001"
"""Where a soft item goes: a private character, which no file's text keeps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompts:
    """K prompts of one length, filled up from the left.

    Attributes:
        inputs: what the network takes; tensors of K rows, on its device.
    """

    inputs: dict[str, Any]

    @property
    def mask(self) -> Tensor:
        """(K, L) 1 where something stands."""
        mask: Tensor = self.inputs["attention_mask"]
        return mask


def prepare(
    loaded: Loaded, dialogues: Sequence[Sequence[Message]], project: Project | None
) -> Prompts:
    """K conversations as prompts of one batch.

    Args:
        loaded: the model.
        dialogues: each a conversation that ends with the user.
        project: makes soft tokens of items; ``None`` where the model has no projector.

    Raises:
        GeneratorError: if a conversation holds what the model cannot take.
    """
    parts = [part for dialogue in dialogues for message in dialogue for part in message.parts]
    has_pictures = any(isinstance(part, Frames) for part in parts)
    if has_pictures and loaded.processor is None:
        raise GeneratorError("the model does not see: leave the pictures out")
    texts = [rendered(loaded, dialogue) for dialogue in dialogues]
    items = [part for part in parts if isinstance(part, SoftItem)]
    device = loaded.network.device
    if items:
        if project is None:
            raise GeneratorError("the model has no projector: name one with ask.projector")
        if has_pictures:
            raise GeneratorError("a projector and pictures do not go into one prompt")
        soft = iter(project(items).to(device))
        rows = [
            embedded_row(loaded, text, [next(soft) for _ in range(text.count(SOFT))])
            for text in texts
        ]
        return Prompts(inputs=filled_left(rows))
    if has_pictures:
        frames = [part for part in parts if isinstance(part, Frames)]
        made = loaded.processor(
            text=texts,
            images=[pixels for each in frames for pixels in each.pixels],
            padding=True,
            return_tensors="pt",
        )
    else:
        made = loaded.tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    return Prompts(inputs={name: value.to(device) for name, value in made.items()})


def rendered(loaded: Loaded, dialogue: Sequence[Message]) -> str:
    """A conversation as the model's own chat template has it, or as plain lines without one.

    Soft items are left as marks; pictures have the model's own. What a text holds of the model's
    control tokens is broken up: no file may end the user's turn.
    """
    if not loaded.has_template:
        text = plain([(each.speaker, _written(each, loaded)) for each in dialogue])
        return (loaded.tokenizer.bos_token or "") + text
    try:
        return _templated(loaded, dialogue)
    except Exception as error:
        merged = without_system(dialogue)
        if any(each.speaker == "system" for each in merged) or len(merged) == len(dialogue):
            raise GeneratorError(
                f"the model's chat template does not take this conversation: {error}"
            ) from error
    # Some templates refuse a system's message.
    return rendered(loaded, merged)


def _templated(loaded: Loaded, dialogue: Sequence[Message]) -> str:
    if getattr(loaded.processor, "chat_template", None):
        turns: list[dict[str, Any]] = [
            {"role": each.speaker, "content": _listed(each, loaded)} for each in dialogue
        ]
        return str(
            loaded.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        )
    turns = [{"role": each.speaker, "content": _written(each, loaded)} for each in dialogue]
    return str(
        loaded.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    )


def _listed(message: Message, loaded: Loaded) -> list[dict[str, str]]:
    """A message's parts as templates of models that see take them; texts in a row are one."""
    parts: list[dict[str, str]] = []
    for part in message.parts:
        if isinstance(part, Frames):
            parts += [{"type": "image"}] * len(part.pixels)
            continue
        text = SOFT if isinstance(part, SoftItem) else _defused(part, loaded)
        if parts and parts[-1]["type"] == "text":
            parts[-1]["text"] += text
        else:
            parts.append({"type": "text", "text": text})
    return parts


def _written(message: Message, loaded: Loaded) -> str:
    """A message's parts as one text."""

    def text_of(part: Part) -> str:
        if isinstance(part, Frames):
            return _picture_mark(loaded) * len(part.pixels)
        return SOFT if isinstance(part, SoftItem) else _defused(part, loaded)

    return "".join(text_of(part) for part in message.parts)


def _picture_mark(loaded: Loaded) -> str:
    mark = getattr(loaded.processor, "image_token", None)
    if not mark:
        raise GeneratorError("the model's processor does not say how a picture is marked")
    return str(mark)


def _defused(text: str, loaded: Loaded) -> str:
    """A text in which nothing is read as a control token, or as a place for a soft item."""
    tokenizer = loaded.tokenizer
    names = tuple(sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}))
    return defused(text, names).replace(SOFT, "\ufffd")


def embedded_row(loaded: Loaded, text: str, soft: Sequence[Tensor] | Tensor | None) -> Tensor:
    """A rendered prompt as embeddings (L, H), soft tokens in the places of their marks.

    Args:
        loaded: the model.
        text: of :func:`rendered`.
        soft: (T, H) for each mark in turn; ``None`` where there are none.
    """
    embed = loaded.network.get_input_embeddings()
    row = []
    for place, piece in enumerate(text.split(SOFT)):
        if place:
            assert soft is not None
            row.append(soft[place - 1].to(embed.weight.dtype))
        tokens = loaded.tokenizer(piece, add_special_tokens=False)["input_ids"]
        if tokens:
            row.append(embed(torch.tensor(tokens, device=embed.weight.device)))
    return torch.cat(row)


def answer_tokens(loaded: Loaded, text: str) -> list[int]:
    """An answer as the model would write it, with the token that ends its turn."""
    spoken = text if loaded.has_template else f" {text}"
    tokens: list[int] = loaded.tokenizer(spoken, add_special_tokens=False)["input_ids"]
    return [*tokens, end_of_turn(loaded)]


def ends(loaded: Loaded) -> list[int]:
    """The tokens that end what the model writes: its configuration names one or several."""
    own = loaded.network.generation_config.eos_token_id
    named = own if isinstance(own, list) else [own]
    found = [each for each in (*named, loaded.tokenizer.eos_token_id) if each is not None]
    return list(dict.fromkeys(found))


def end_of_turn(loaded: Loaded) -> int:
    """Of the ends, the one that the model's chat template puts behind an answer.

    Raises:
        GeneratorError: if the model has no end at all.
    """
    known = ends(loaded)
    if not known:
        raise GeneratorError("the model has no token that ends an answer")
    if loaded.has_template and len(known) > 1:
        said = [Message("user", ("?",)), Message("assistant", ("!",))]
        text = rendered(loaded, said)
        tokens = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        return next((each for each in reversed(tokens) if each in known), known[0])
    return known[0]


def filled_left(rows: Sequence[Tensor]) -> dict[str, Tensor]:
    """Embeddings of several prompts, each (L, H), as one batch with its mask."""
    longest = max(len(row) for row in rows)
    filled = [torch.cat([row.new_zeros(longest - len(row), row.shape[1]), row]) for row in rows]
    mask = [
        torch.cat([row.new_zeros(longest - len(row)), row.new_ones(len(row))]).long()
        for row in rows
    ]
    return {"inputs_embeds": torch.stack(filled), "attention_mask": torch.stack(mask)}
