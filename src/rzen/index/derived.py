"""Files that are made from the catalog and can be made again: arrays, memory-mapped.

A file is a line of JSON, then the arrays, each at a multiple of 64 bytes. The line says which state
of the catalog they belong to and holds a checksum of each array; a checksum of the line comes
first. A file is written aside and renamed into place when it is whole and on disk, so one that is
there under its name was complete once; whoever reads it checks it all the same.
"""

import json
import logging
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.index.schema import sync_folder

_log = logging.getLogger(__name__)

FOLDER = "derived"
FORMAT = 1
_ALIGNMENT = 64
_STALE_SECONDS = 3600.0

Arrays: TypeAlias = dict[str, NDArray[Any]]


class Derived(NamedTuple):
    """A derived file that was read: what it says of itself, and its arrays (read-only)."""

    about: Mapping[str, Any]
    arrays: Arrays


def save(file: Path, state: str, arrays: Arrays, about: Mapping[str, Any] | None = None) -> bool:
    """Writes a file whole or not at all.

    Args:
        file: in the folder ``derived`` of an index.
        state: the state of the catalog it belongs to.
        arrays: by name.
        about: what else to keep; JSON.

    Returns:
        whether it was written; not in a folder that cannot be written or on a full disk, which
        costs the time to make it again, and is logged.
    """
    aside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(exist_ok=True)
        _clear(file.parent)
        _write(aside, state, about or {}, arrays)
        aside.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        _log.info("cannot keep %s: %s", file, error)
        try:
            aside.unlink(missing_ok=True)
        except OSError as again:  # the folder is read-only: nothing was written
            _log.debug("cannot remove %s: %s", aside, again)
        return False
    return True


def load(file: Path, state: str) -> Derived | None:
    """Reads a file back, memory-mapped.

    Returns:
        ``None`` if it is missing, damaged, of another format, or belongs to another state of the
        catalog.
    """
    try:
        with file.open("rb") as stream:
            line = stream.readline(2**20)
        digest, _, text = line.rstrip(b"\n").partition(b" ")
        if zlib.crc32(text) != int(digest, 16):
            raise ValueError("its first line is damaged")
        header = json.loads(text)
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']}")
        if header["state"] != state:
            return None
        data = np.asarray(np.memmap(file, np.uint8, "r"))
        arrays = {
            name: _array(data, _aligned(len(line)) + place["offset"], place, name)
            for name, place in header["arrays"].items()
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s is damaged and will be made again: %s", file, error)
        return None
    return Derived(header["about"], arrays)


def checksum(array: NDArray[Any]) -> int:
    """A sum of the bytes as 64-bit words, as fast as memory is.

    It finds what happens to files: flipped bits, blocks that are zero or from elsewhere.

    >>> checksum(np.array([1, 2], np.uint64)), checksum(np.zeros(3, np.uint8))
    (3, 0)
    """
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = len(data) // 8 * 8
    total = int(data[:whole].view(np.uint64).sum(dtype=np.uint64))
    return (total + int.from_bytes(data[whole:].tobytes(), "little")) % 2**64


def _write(file: Path, state: str, about: Mapping[str, Any], arrays: Arrays) -> None:
    places: dict[str, dict[str, Any]] = {}
    offset = 0
    for name, array in arrays.items():
        places[name] = {
            "dtype": array.dtype.str,
            "shape": array.shape,
            "offset": offset,
            "checksum": checksum(array),
        }
        offset = _aligned(offset + array.nbytes)
    header = {"format": FORMAT, "state": state, "about": dict(about), "arrays": places}
    text = json.dumps(header).encode()
    line = b"%08x %s\n" % (zlib.crc32(text), text)
    start = _aligned(len(line))
    with file.open("wb") as stream:
        stream.write(line)
        for name, array in arrays.items():
            stream.seek(start + places[name]["offset"])
            stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        stream.flush()
        os.fsync(stream.fileno())


def _array(
    data: NDArray[np.uint8], start: int, place: Mapping[str, Any], name: str
) -> NDArray[Any]:
    dtype, shape = np.dtype(place["dtype"]), tuple(place["shape"])
    size = int(np.prod(shape)) * dtype.itemsize
    if size and start + size > len(data):
        raise ValueError("it is cut short")
    array: NDArray[Any] = data[start : start + size].view(dtype).reshape(shape)
    if checksum(array) != place["checksum"]:
        raise ValueError(f"the checksum of {name} does not fit")
    return array


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _clear(folder: Path) -> None:
    """Removes what a writer left behind that was killed."""
    for leftover in folder.glob("*.new"):
        if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
            leftover.unlink(missing_ok=True)
