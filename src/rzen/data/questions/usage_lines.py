"""What the pages of R's reference manual say of functions, from the text of one page.

A topic has the parts "Description", "Usage", "Arguments" and so on, each under a line of that one
word. What goes on from another page, or on to it, is left out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_PARTS: Final = frozenset(
    {"Description", "Usage", "Arguments", "Details", "Value", "Note", "Author(s)", "References"}
    | {"See Also", "Examples", "Warning", "Format", "Source", "Methods", "Slots", "Side Effects"}
    | {"Implementation", "Background", "Limitations", "Conversion", "Warnings", "Notes"}
)
_NO_PROSE: Final = frozenset(
    {"Usage", "Arguments", "Examples", "See Also", "References", "Source", "Author(s)", "Slots"}
)
_CALL = re.compile(r"(?<![\w.$@:])([A-Za-z][\w.]*)\(")
_SIMPLE = re.compile(r"[\w.+-]+|\"[^\"\s]{1,24}\"")
_CLOSED_BY: Final = {"(": ")", "[": "]", "{": "}"}
_LONGEST_DESCRIPTION = 25  # words
_LEAST_DESCRIPTION = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function as its usage shows it.

    Attributes:
        function: its name.
        arguments: name -> default, empty where there is none, or none that is one word.
    """

    function: str
    arguments: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a page shows of a topic.

    Attributes:
        description: its first sentence; empty if the page does not show it.
        calls: what its usage shows.
        arguments: name -> how it is described, in a few words.
    """

    description: str
    calls: tuple[Call, ...]
    arguments: dict[str, str]


def topics(text: str) -> Iterator[Topic]:
    """The topics of a page that has their usage."""
    parts = [*_parts(text.split("\n"))]
    for at, (name, lines) in enumerate(parts):
        if name != "Usage":
            continue
        calls = tuple(_calls("\n".join(lines)))
        before = parts[at - 1][1] if at and parts[at - 1][0] == "Description" else []
        behind = (
            parts[at + 1][1] if parts[at + 1 : at + 2] and parts[at + 1][0] == "Arguments" else []
        )
        names = {argument for call in calls for argument in call.arguments}
        yield Topic(
            description=first_sentence(" ".join(before)),
            calls=calls,
            arguments=_described(behind, names),
        )


def prose(text: str) -> str:
    """What of a page is whole sentences: no usage, arguments, examples or lists of names."""
    kept = (lines for name, lines in _parts(text.split("\n")) if name not in _NO_PROSE)
    return "\n\n".join("\n".join(lines) for lines in kept)


def first_sentence(text: str) -> str:
    """The first sentence without its end; empty if it is very short, long, or not ended.

    >>> first_sentence("Create a vector of gray levels. More of it.")
    'Create a vector of gray levels'
    >>> first_sentence("Shows"), first_sentence("It goes on with no end in sight")
    ('', '')
    """
    found = re.match(r"(.+?[\w)])[.:;](?:\s|$)", text)
    words = found[1].split() if found else []
    return found[1] if found and _LEAST_DESCRIPTION <= len(words) <= _LONGEST_DESCRIPTION else ""


def _parts(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, held = "", list[str]()
    for line in lines:
        if line in _PARTS:
            yield name, held
            name, held = line, []
        else:
            held.append(line)
    yield name, held


def _calls(usage: str) -> Iterator[Call]:
    """Calls that the page shows to their end; of two calls within each other, the outer one."""
    end = 0
    for found in _CALL.finditer(usage):
        if found.start() < end:
            continue
        pieces, closed = _split(usage, found.end())
        if closed is None:
            return
        end = closed
        pairs = (piece.partition("=") for piece in pieces)
        arguments = {
            name.strip(): value.strip() if _SIMPLE.fullmatch(value.strip()) else ""
            for name, _, value in pairs
            if re.fullmatch(r"\s*[A-Za-z][\w.]*\s*", name)
        }
        yield Call(function=found[1], arguments=arguments)


def _split(text: str, start: int) -> tuple[list[str], int | None]:
    """What stands between the commas of a call, and where it ends; ``None`` if it does not."""
    pieces, begun, open_ones, quote = list[str](), start, [")"], ""
    for at in range(start, len(text)):
        letter = text[at]
        if quote:
            quote = "" if letter == quote and text[at - 1] != "\\" else quote
        elif letter in "\"'`":
            quote = letter
        elif letter in _CLOSED_BY:
            open_ones.append(_CLOSED_BY[letter])
        elif letter == open_ones[-1]:
            open_ones.pop()
            if not open_ones:
                return [*pieces, text[begun:at]], at + 1
        elif letter == "," and len(open_ones) == 1:
            pieces.append(text[begun:at])
            begun = at + 1
    return [], None


def _described(lines: Sequence[str], names: set[str]) -> dict[str, str]:
    """Arguments whose description begins on a line with their name."""
    found: dict[str, list[str]] = {}
    words: list[str] = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name in names and name not in found and rest and not rest.startswith("="):
            words = found[name] = [rest]
        else:
            words.append(line)
    sentences = {name: first_sentence(" ".join(said)) for name, said in found.items()}
    return {name: sentence for name, sentence in sentences.items() if sentence}
