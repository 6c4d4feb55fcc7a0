"""SHA-256 of files, remembered: gigabytes of weights are not read again on every start."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def file_hashes(paths: Iterable[Path], memory: Path) -> dict[Path, str]:
    """SHA-256 of each file, read from ``memory`` where size and time of change are as noted there.

    Args:
        paths: the files.
        memory: a JSON file of rzen's cache; made where it is missing, replaced when it changes.

    Raises:
        OSError: if a file cannot be read, or the memory not be written.
    """
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        known = {}  # a memory that is missing or damaged only costs the hashing
    notes = dict(known) if isinstance(known, dict) else {}
    found = {}
    for path in paths:
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        note = notes.get(str(path))
        if not (isinstance(note, dict) and note.get("stamp") == stamp and "sha256" in note):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            note = notes[str(path)] = {"stamp": stamp, "sha256": digest}
        found[path] = str(note["sha256"])
    if notes != known:
        _replace(memory, json.dumps(notes, indent=1).encode())
    return found


def combined(hashes: Mapping[str, str]) -> str:
    """One short hash over named hashes, whatever their order.

    >>> combined({"a": "1", "b": "2"}) == combined({"b": "2", "a": "1"})
    True
    """
    return hashlib.sha256(json.dumps(dict(hashes), sort_keys=True).encode()).hexdigest()[:20]


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=target.name, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
