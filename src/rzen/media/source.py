"""Where bytes come from: opening a path or a byte string, and naming it in errors."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rzen.errors import MediaError, RzenError


def label(source: Path | bytes) -> str:
    r"""Names a source in one printable line.

    >>> label(Path("a\nb.png")), label(b"12345")
    ('a\\nb.png', 'these 5 bytes')
    """
    if isinstance(source, bytes):
        return f"these {len(source)} bytes"
    return "".join(char if char.isprintable() else _escape(char) for char in str(source))


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


@contextmanager
def opened(source: Path | bytes, *, limit: int | None = None) -> Iterator[BinaryIO]:
    """Opens a regular file, or bytes, for reading.

    Args:
        source: what to read.
        limit: bytes it may have.

    Raises:
        MediaError: if it is no readable regular file, is empty, or is larger than the limit.
    """
    if isinstance(source, bytes):
        _check_size(source, len(source), limit)
        yield io.BytesIO(source)
        return
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        number = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise MediaError(f"{label(source)}: cannot be opened: {reason}") from None
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        os.close(number)
        raise MediaError(f"{label(source)}: not a regular file: only files can be read")
    with os.fdopen(number, "rb") as file:
        _check_size(source, status.st_size, limit)
        yield file


def _check_size(source: Path | bytes, size: int, limit: int | None) -> None:
    if size == 0:
        raise MediaError(f"{label(source)}: the file is empty")
    if limit is not None and size > limit:
        raise MediaError(
            f"{label(source)}: {size:,} bytes are more than the limit of {limit:,}: "
            "raise the setting limits.file_bytes or limits.text_bytes to read it"
        )


@contextmanager
def decoding(source: Path | bytes, what: str) -> Iterator[None]:
    """Turns whatever a decoder raises on damaged bytes into a MediaError that names the source.

    Args:
        source: what is being decoded.
        what: the noun for the message, such as "JPEG picture".
    """
    try:
        yield
    except (RzenError, AssertionError):
        raise
    except MemoryError:
        raise MediaError(
            f"{label(source)}: decoding this {what} needs more memory than there is"
        ) from None
    except Exception as error:  # C decoders map damage to whatever they like
        reason = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
        raise MediaError(
            f"{label(source)}: the {what} is damaged or truncated ({reason}): "
            "replace the file by a whole copy"
        ) from error
