"""A content as a number: equal contents have equal keys, and no file is opened to tell."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from rzen.types import Content, Frames, Image, Page, Part, Source, Text, Video


def content_key(content: Content) -> int:
    """64 bits of a hash over the parts, as a signed number.

    A file counts by its path, media at hand by their bytes.

    >>> content_key(Content(Text("a boat"))) == content_key(Content(Text("a boat")))
    True
    >>> content_key(Content(Text("a b"))) == content_key(Content(Text("a"), Text(" b")))
    False
    """
    whole = hashlib.blake2b(digest_size=8)
    for part in content.parts:
        for piece in _pieces(part):
            # With its length, so that no two sequences of pieces run together to the same bytes.
            whole.update(len(piece).to_bytes(8, "big"))
            whole.update(piece)
    return int.from_bytes(whole.digest(), "big", signed=True)


def text_key(text: str) -> int:
    """The key of a text alone, such as the name of a video."""
    return content_key(Content(Text(text)))


def _pieces(part: Part) -> Iterator[bytes]:
    yield type(part).__name__.encode()
    match part:
        case Text(text):
            yield _bytes(text)
        case Image(source):
            yield _source(source)
        case Video(source, t_start, t_end):
            yield _source(source)
            yield repr((t_start, t_end)).encode()
        case Page(source, number, text):
            yield _source(source)
            yield repr(number).encode()
            yield b"-" if text is None else b"=" + _bytes(text)


def _source(source: Source) -> bytes:
    assert not isinstance(source, Frames), "training data holds no decoded pixels"
    match source:
        case bytes():
            return b"bytes" + hashlib.blake2b(source, digest_size=16).digest()
        case Path():
            return b"path" + os.fsencode(os.path.normpath(source))
    return b"address" + _bytes(source)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
