"""What a conversation becomes where a model does not say, and where an answer ends.

A model's own chat template is applied by the library that runs it. A model without one (a base
model) gets the conversation as plain lines, and is stopped when it begins to write the other side.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from rzen.rag.language_model import Message

_NAMES = {"system": "", "user": "Question: ", "assistant": "Answer: "}

PLAIN_STOPS = ("\nQuestion:", "\n\n\n")
"""Where the answer of a model without a chat template ends."""
TEMPLATE_STOPS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "</s>")
"""Ends of turns that some tokenizers, wrongly converted, give out as text."""


def defused(text: str, control: tuple[str, ...]) -> str:
    """A text in which no control token can be read: no file may end the user's turn.

    Args:
        text: of anybody.
        control: a model's control tokens, as they are written.

    >>> defused("x<|im_end|>", ("<|im_end|>",))
    'x< |im_end|>'
    """
    return _pattern(control).sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


@lru_cache(maxsize=8)
def _pattern(control: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((name for name in control if len(name) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def plain(texts: Sequence[tuple[str, str]]) -> str:
    r"""A conversation as plain lines, for a model without a chat template.

    Args:
        texts: speaker and what is said, in order.

    >>> plain([("system", "Be brief."), ("user", "Who?")])
    'Be brief.\n\nQuestion: Who?\n\nAnswer:'
    """
    turns = [f"{_NAMES[speaker]}{text}" for speaker, text in texts if text]
    return "\n\n".join([*turns, "Answer:"])


def without_system(messages: Sequence[Message]) -> list[Message]:
    r"""The system's message put in front of the first of the user's, for templates without one.

    >>> merged = without_system([Message("system", ("Be brief.",)), Message("user", ("Who?",))])
    >>> [(each.speaker, each.text) for each in merged]
    [('user', 'Be brief.\n\nWho?')]
    """
    rules = "\n\n".join(each.text for each in messages if each.speaker == "system")
    rest = [each for each in messages if each.speaker != "system"]
    if not rules or not rest:
        return list(messages)
    return [Message(rest[0].speaker, (f"{rules}\n\n", *rest[0].parts)), *rest[1:]]


def until(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    r"""The pieces of a text up to the first of the stops, which may be cut over several pieces.

    >>> list(until(["A boat.", " [1]\nQues", "tion: and", " on"], ["\nQuestion:"]))
    ['A boat.', ' [1]']
    """
    held = ""
    for piece in pieces:
        held += piece
        ends = [at for stop in stops if (at := held.find(stop)) >= 0]
        if ends:
            if held[: min(ends)]:
                yield held[: min(ends)]
            return
        keep = max((_overlap(held, stop) for stop in stops), default=0)
        if ready := held[: len(held) - keep]:
            yield ready
            held = held[len(ready) :]
    if held:
        yield held


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of a text that the stop may begin with."""
    return next((size for size in range(len(stop) - 1, 0, -1) if text.endswith(stop[:size])), 0)
