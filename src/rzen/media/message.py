"""What passes between a decoder process and its parent: JSON, raw bytes, and shared memory.

Nothing here is ever unpickled: the child reads hostile files and is not trusted.

A frame on the pipe is a length (4 bytes, little-endian) and that much JSON. Arrays do not go
through the pipe. Their bytes, one array behind the other, go piece by piece through the slots of an
arena that both processes map; a slot is used again once the parent has said that it is free.
"""

import json
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLOTS = 4
SLOT_BYTES = 4 * 2**20
FRAME_BYTES = 256 * 2**20
_LENGTH = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Message:
    """One item out of a decoder process.

    Attributes:
        data: what JSON can carry.
        arrays: uint8, of any shapes.
    """

    data: Mapping[str, Any]
    arrays: tuple[NDArray[np.uint8], ...] = ()


class ProtocolError(Exception):
    """The other side sent what it may not send."""


def to_frame(data: Mapping[str, Any]) -> bytes:
    """JSON with its length before it; surrogates of undecodable file names survive."""
    body = json.dumps(data, separators=(",", ":")).encode("ascii")
    return len(body).to_bytes(_LENGTH, "little") + body


def take_frames(buffer: bytearray) -> Iterator[dict[str, Any]]:
    """Removes the whole frames from the front of a buffer and yields them.

    >>> buffer = bytearray(to_frame({"a": 1}) + to_frame({"b": 2})[:5])
    >>> list(take_frames(buffer)), len(buffer)
    ([{'a': 1}], 5)

    Raises:
        ProtocolError: if it is no JSON object, or longer than may be.
    """
    while len(buffer) >= _LENGTH:
        size = int.from_bytes(buffer[:_LENGTH], "little")
        if size > FRAME_BYTES:
            raise ProtocolError(f"a frame of {size:,} bytes")
        if len(buffer) < _LENGTH + size:
            return
        body = bytes(buffer[_LENGTH : _LENGTH + size])
        del buffer[: _LENGTH + size]
        try:
            data = json.loads(body)
        except ValueError as error:
            raise ProtocolError(f"a frame that is no JSON: {error}") from None
        if not isinstance(data, dict):
            raise ProtocolError("a frame that is no object")
        yield data


class Arena:
    """Memory that two processes map, in slots of equal size.

    It has no name in the file system, so that the kernel frees it with the last process that maps
    it, however that ends.

    Args:
        number: the file descriptor of an arena made elsewhere; ``None`` makes a new one.
    """

    def __init__(self, number: int | None = None) -> None:
        self.number = _anonymous_file() if number is None else number
        try:
            self._map = mmap.mmap(self.number, SLOTS * SLOT_BYTES)
        except OSError:
            os.close(self.number)
            raise
        self._bytes = np.frombuffer(self._map, np.uint8)

    def slot(self, index: int, size: int) -> NDArray[np.uint8]:
        """The first ``size`` bytes of a slot, to be read or written in place.

        Raises:
            ProtocolError: if there is no such slot, or it is smaller.
        """
        if not (0 <= index < SLOTS and 0 < size <= SLOT_BYTES):
            raise ProtocolError(f"slot {index} with {size} bytes")
        return self._bytes[index * SLOT_BYTES : index * SLOT_BYTES + size]

    def close(self) -> None:
        """Unmaps it here; no array of :meth:`slot` may be in use."""
        del self._bytes
        self._map.close()
        os.close(self.number)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("rzen-arena", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            number = os.dup(file.fileno())
    os.ftruncate(number, SLOTS * SLOT_BYTES)
    return number
