"""By what a file is known again without reading it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rzen.errors import DataError

REVISION_CHARS = 20


def file_stamp(path: Path) -> Mapping[str, Any]:
    """Path, size and time of change of a file.

    Raises:
        DataError: if it is not there.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror or error}: check the source's path"
        ) from None
    return {
        "path": str(path.absolute()),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }


def file_revision(path: Path) -> str:
    """The beginning of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:REVISION_CHARS]
