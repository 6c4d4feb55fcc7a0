"""What stands at the head of a GGUF file: the chat template and the length of the context.

Read here, because the library that runs the model does not tell them, and the one that reads whole
files takes seconds. Layout: the GGUF specification, version 3 (and 2, which has the same head).
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rzen.errors import GeneratorError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SIZES = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}
_SIZES |= {10: "<Q", 11: "<q", 12: "<d"}
_TOKENS, _TOKEN_KINDS = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_KEPT = (_TOKENS, _TOKEN_KINDS)
_NO_TEXT = (3, 4)  # control tokens, and those that were added to a vocabulary
_MOST_ENTRIES = 10_000
_MOST_ITEMS = 4_000_000  # of an array: vocabularies have some hundred thousand
_MOST_BYTES = 1 << 24  # of a string


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The head of a file.

    Attributes:
        architecture: such as "llama".
        chat_template: in Jinja; empty for a model that was not made for conversation.
        window: tokens of context that the model was made for; ``None`` if it does not say.
        control: tokens that are no text, as they are written.
    """

    architecture: str
    chat_template: str = ""
    window: int | None = None
    control: tuple[str, ...] = ()


def read_header(file: Path) -> Header:
    """Reads the head of a GGUF file.

    Raises:
        GeneratorError: if the file is missing, no GGUF file, or damaged.
    """
    try:
        with file.open("rb") as stream:
            found = _entries(stream)
    except OSError as error:
        raise GeneratorError(f"{file}: cannot be read ({error.strerror}): check the path") from None
    except (struct.error, ValueError) as error:
        raise GeneratorError(
            f"{file}: is no whole GGUF file ({error}): fetch the model again"
        ) from None
    architecture = str(found.get("general.architecture", ""))
    template = found.get("tokenizer.chat_template", "")
    window = found.get(f"{architecture}.context_length")
    tokens, kinds = found.get(_TOKENS) or (), found.get(_TOKEN_KINDS) or ()
    return Header(
        architecture=architecture,
        chat_template=template if isinstance(template, str) else "",
        window=window if type(window) is int else None,
        control=tuple(
            token for token, kind in zip(tokens, kinds, strict=False) if kind in _NO_TEXT and token
        ),
    )


def _entries(stream: BinaryIO) -> dict[str, Any]:
    if stream.read(4) != _MAGIC:
        raise ValueError("it does not begin as one")
    version, _, count = _unpacked(stream, "<IQQ")
    if version not in _VERSIONS or count > _MOST_ENTRIES:
        raise ValueError(f"version {version} with {count:,} entries")
    found = {}
    for _ in range(count):
        name = _string(stream)
        found[name] = _value(stream, *_unpacked(stream, "<I"), is_kept=name in _KEPT)
    return found


def _value(stream: BinaryIO, kind: int, *, is_kept: bool) -> Any:
    """A value; of arrays that nobody needs ``None``."""
    if kind == _STRING:
        return _string(stream)
    if kind != _ARRAY:
        return _unpacked(stream, _form(kind))[0]
    inner, count = _unpacked(stream, "<IQ")
    if count > _MOST_ITEMS:
        raise ValueError(f"an array of {count:,} entries")
    if is_kept:
        return [_value(stream, inner, is_kept=False) for _ in range(count)]
    if inner == _STRING:
        for _ in range(count):
            stream.seek(_length(stream), 1)
    else:
        stream.seek(struct.calcsize(_form(inner)) * count, 1)
    return None


def _form(kind: int) -> str:
    if kind not in _SIZES:
        raise ValueError(f"an entry of kind {kind}")
    return _SIZES[kind]


def _string(stream: BinaryIO) -> str:
    return stream.read(_length(stream)).decode("utf-8", "replace")


def _length(stream: BinaryIO) -> int:
    (length,) = _unpacked(stream, "<Q")
    if length > _MOST_BYTES:
        raise ValueError(f"a text of {length:,} bytes")
    return int(length)


def _unpacked(stream: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, stream.read(struct.calcsize(form)))
