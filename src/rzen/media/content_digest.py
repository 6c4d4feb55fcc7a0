"""What a content is, as 32 bytes: equal digests mean that an encoder is given the same."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from rzen.media.source import opened
from rzen.types import Content, Frames, Image, Page, Part, Source, Text, Video

_REMEMBERED = 1 << 18
_CHUNK = 1 << 20


def content_digest(content: Content) -> bytes:
    """The SHA-256 of a content's parts, in their order.

    A file counts by its bytes, wherever it lies; a stretch of a video or a page of a document by
    the file and the place in it.

    >>> content_digest(Content(Text("a boat"))) == content_digest(Content(Text("a boat")))
    True
    >>> content_digest(Content(Text("a b"))) == content_digest(Content(Text("a"), Text(" b")))
    False

    Raises:
        MediaError: if a file cannot be read.
    """
    whole = hashlib.sha256()
    for part in content.parts:
        for piece in _pieces(part):
            # With its length, so that no two sequences of pieces run together to the same bytes.
            whole.update(len(piece).to_bytes(8, "big"))
            whole.update(piece)
    return whole.digest()


def _pieces(part: Part) -> Iterator[bytes]:
    match part:
        case Text(text):
            yield b"text"
            yield _bytes(text)
        case Image(source):
            yield b"image"
            yield _source(source)
        case Video(source, t_start, t_end):
            yield b"video"
            yield _source(source)
            for time in (t_start, t_end):
                yield b"-" if time is None else repr(float(time)).encode()
        case Page(source, number, text):
            yield b"page"
            yield _source(source)
            yield str(number).encode()
            yield b"-" if text is None else b"=" + _bytes(text)


def _source(source: Source) -> bytes:
    match source:
        case Path():
            return b"file" + _of_file(source)
        case bytes():
            return b"file" + hashlib.sha256(source).digest()
        case Frames():
            return b"pixels" + _of_frames(source)
        case str():
            return b"address" + _bytes(source)


def _of_file(path: Path) -> bytes:
    try:
        status = path.stat()
        size, changed = status.st_size, status.st_mtime_ns
    except (OSError, ValueError):
        size, changed = -1, -1  # opening it says what is wrong
    return _of_unchanged_file(path, size, changed)


@lru_cache(maxsize=_REMEMBERED)
def _of_unchanged_file(path: Path, size: int, changed: int) -> bytes:
    """Read once in a process, as long as size and time of change stay."""
    del size, changed
    whole = hashlib.sha256()
    with opened(path) as file:
        while piece := file.read(_CHUNK):
            whole.update(piece)
    return whole.digest()


def _of_frames(frames: Frames) -> bytes:
    whole = hashlib.sha256(repr((frames.times, [each.shape for each in frames.pixels])).encode())
    for pixels_HWC in frames.pixels:
        whole.update(pixels_HWC.tobytes())
    return whole.digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
