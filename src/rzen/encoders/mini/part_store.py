"""Prepared parts, kept: a picture that stands in many rows goes through the networks once."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rzen.encoders.mini.prepared import Prepared
from rzen.errors import EncoderError

_BUSY_SECONDS = 30.0
_TABLE = "CREATE TABLE IF NOT EXISTS parts (key BLOB NOT NULL PRIMARY KEY, data BLOB NOT NULL)"
_ARRAYS = ("words_D", "sight_D", "tokens_L", "cells_TKF", "sights_TD", "layout_X")


class PartStore:
    """Prepared parts by key, in memory or in a file; half precision, 13 kB for a picture.

    Threads may share one, processes a file.

    Args:
        file: a SQLite database; it and its folder are made. ``None`` keeps them in memory.

    Raises:
        EncoderError: if the file cannot be used.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        with self._naming():
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                file or ":memory:", timeout=_BUSY_SECONDS, check_same_thread=False
            )
            # What is lost with the power is prepared again.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(_TABLE)
            self._database.commit()

    @property
    def file(self) -> Path | None:
        """Where it is; ``None`` in memory."""
        return self._file

    def get(self, key: bytes) -> Prepared | None:
        """What was put under a key.

        Raises:
            EncoderError: if the file is damaged.
        """
        with self._naming(), self._lock:
            row = self._database.execute("SELECT data FROM parts WHERE key = ?", (key,)).fetchone()
            return None if row is None else _from_bytes(row[0])

    def put(self, key: bytes, part: Prepared) -> None:
        """Keeps a part.

        Raises:
            EncoderError: if it cannot be written.
        """
        row = (key, _to_bytes(part))
        with self._naming(), self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", row)

    def close(self) -> None:
        """Closes it; what is in memory is gone."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error, ValueError) as error:
            raise EncoderError(
                f"{self._file or 'prepared parts in memory'}: cannot be used to keep prepared "
                f"parts: {error}: delete the file if it is damaged, or name one in a folder that "
                "can be written"
            ) from error


def _to_bytes(part: Prepared) -> bytes:
    from safetensors.numpy import save  # noqa: PLC0415

    arrays = {name: np.ascontiguousarray(getattr(part, name)) for name in _ARRAYS}
    warnings = "\n".join(part.warnings).encode()
    arrays["read"] = np.array([part.read], np.int64)
    arrays["warnings"] = np.frombuffer(warnings, np.uint8)
    return save(arrays)


def _from_bytes(data: bytes) -> Prepared:
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        arrays = load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    warnings = arrays["warnings"].tobytes().decode()
    return Prepared(
        **{name: arrays[name] for name in _ARRAYS},
        read=int(arrays["read"][0]),
        warnings=tuple(warnings.split("\n")) if warnings else (),
    )
