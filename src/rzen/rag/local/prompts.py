"""Conversations to what a network takes: tokens, pictures, or embeddings with soft tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from rzen.errors import GeneratorError
from rzen.rag.chat_template import plain, without_system
from rzen.rag.language_model import Message, SoftItem
from rzen.rag.local.loading import Loaded
from rzen.types import Frames

Project: TypeAlias = Callable[[Sequence[SoftItem]], Tensor]
"""Items to soft tokens, (items, T, H) in the space of the network's input embeddings."""

_PICTURE, SOFT = "\ue000", "\ue001"  # private characters: no file's text keeps them


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
            text=[_pictured(text, loaded) for text in texts],
            images=[pixels for each in frames for pixels in each.pixels],
            padding=True,
            return_tensors="pt",
        )
    else:
        made = loaded.tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    return Prompts(inputs={name: value.to(device) for name, value in made.items()})


def rendered(loaded: Loaded, dialogue: Sequence[Message]) -> str:
    """A conversation as the model's own chat template has it, or as plain lines without one.

    Pictures and soft items are left as marks.
    """
    template = loaded.tokenizer.chat_template or getattr(loaded.processor, "chat_template", None)
    if not template:
        text = plain([(each.speaker, _marked(each)) for each in dialogue])
        return (loaded.tokenizer.bos_token or "") + text
    try:
        return _templated(loaded, dialogue, template)
    except Exception as error:
        if not any(each.speaker == "system" for each in dialogue):
            raise GeneratorError(
                f"the model's chat template does not take this conversation: {error}"
            ) from error
    # Some templates refuse a system's message.
    return rendered(loaded, without_system(dialogue))


def _templated(loaded: Loaded, dialogue: Sequence[Message], template: str) -> str:
    turns = [{"role": each.speaker, "content": _marked(each)} for each in dialogue]
    text = loaded.tokenizer.apply_chat_template(
        turns, chat_template=template, tokenize=False, add_generation_prompt=True
    )
    return str(text)


def _marked(message: Message) -> str:
    def mark(part: object) -> str:
        if isinstance(part, str):
            return part.replace(_PICTURE, "\ufffd").replace(SOFT, "\ufffd")
        return SOFT if isinstance(part, SoftItem) else _PICTURE * len(_pixels(part))

    return "".join(mark(part) for part in message.parts)


def _pixels(part: object) -> Sequence[Any]:
    assert isinstance(part, Frames)
    return part.pixels


def _pictured(text: str, loaded: Loaded) -> str:
    """The text with the model's own marks for pictures."""
    return text.replace(_PICTURE, _picture_mark(loaded))


def _picture_mark(loaded: Loaded) -> str:
    """What the model's chat template puts where a picture is."""
    template = loaded.processor.chat_template or loaded.tokenizer.chat_template
    if template:
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": SOFT}]}
        text = loaded.processor.apply_chat_template([turn], tokenize=False)
        bare = loaded.processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "text", "text": SOFT}]}], tokenize=False
        )
        start = len(bare.partition(SOFT)[0])
        if mark := text[start : text.find(SOFT)]:
            return str(mark)
    token = getattr(loaded.processor, "image_token", None)
    if not token:
        raise GeneratorError("the model's processor does not say how a picture is marked")
    return str(token)


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
    spoken = text if loaded.tokenizer.chat_template else f" {text}"
    tokens: list[int] = loaded.tokenizer(spoken, add_special_tokens=False)["input_ids"]
    return [*tokens, loaded.tokenizer.eos_token_id]


def filled_left(rows: Sequence[Tensor]) -> dict[str, Tensor]:
    """Embeddings of several prompts, each (L, H), as one batch with its mask."""
    longest = max(len(row) for row in rows)
    filled = [torch.cat([row.new_zeros(longest - len(row), row.shape[1]), row]) for row in rows]
    mask = [
        torch.cat([row.new_zeros(longest - len(row)), row.new_ones(len(row))]).long()
        for row in rows
    ]
    return {"inputs_embeds": torch.stack(filled), "attention_mask": torch.stack(mask)}
