"""What a language model is asked with, and what it offers: the seam below all fusion."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rzen.types import Frames, Modality

Speaker: TypeAlias = Literal["system", "user", "assistant"]

CHARS_PER_TOKEN = 3.0
"""Of a tokenizer that cannot be asked; low, so that a budget is rather kept than filled."""


SMALL = 3_000_000_000
"""Parameters below which a model is asked in few words."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SoftItem:
    """A retrieved item as its vector: a projector makes tokens of it that no word stands for.

    Attributes:
        vector_D: (D,) float32, of the encoder that the projector was trained with.
        modality: of the item.
    """

    vector_D: NDArray[np.float32]
    modality: Modality


Part: TypeAlias = str | Frames | SoftItem


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One turn of a conversation.

    Attributes:
        speaker: who says it.
        parts: texts, pictures (for a model that sees) and soft items (for one with a projector),
            in their order.
    """

    speaker: Speaker
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """Its texts, joined."""
        return "".join(part for part in self.parts if isinstance(part, str))


class LanguageModel(Protocol):
    """Goes on with a conversation."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def sees(self) -> bool:
        """Whether pictures can be among the parts of a message."""

    @property
    def is_small(self) -> bool:
        """Whether it follows few words better than many; see :data:`SMALL`."""

    @property
    def window(self) -> int | None:
        """Tokens of conversation and answer together, at most; ``None`` if nobody knows."""

    def count(self, text: str) -> int:
        """Tokens of a text; about, where the tokenizer cannot be asked."""

    def write(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """The next turn, in pieces, as they are written. Closing the iterator stops the model.

        Raises:
            RzenError: if the model cannot be reached, refuses, or fails.
        """


@runtime_checkable
class Ensemble(LanguageModel, Protocol):
    """A language model that goes on with several conversations as one."""

    def write_mixed(
        self,
        dialogues: Sequence[Sequence[Message]],
        weight_K: NDArray[np.float64],
        *,
        max_tokens: int,
    ) -> Iterator[str]:
        """One answer to K conversations, from the mixture of their distributions."""

    def log_likelihoods(
        self, dialogues: Sequence[Sequence[Message]], candidates: Sequence[str]
    ) -> NDArray[np.float64]:
        """(K, C) log p(candidate | dialogue)."""


def guessed_tokens(text: str) -> int:
    """Tokens of a text by its length in bytes, for models whose tokenizer is elsewhere.

    >>> guessed_tokens("a red boat")
    4
    """
    return round(len(text.encode("utf-8", "replace")) / CHARS_PER_TOKEN + 0.5)


def cut_to(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """The beginning of a text that has so many tokens at most, cut at a blank where there is one.

    >>> cut_to("one two three four", 4, lambda text: len(text.split()) * 2)
    'one two'
    """
    while text and (has := count(text)) > tokens:
        kept = text[: max(0, min(len(text) - 1, int(len(text) * tokens / has)))]
        text = (kept.rsplit(None, 1)[0] if " " in kept.strip() else kept).rstrip()
    return text
