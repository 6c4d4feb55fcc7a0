"""The fields of MMEB's rows, checked as they are read.

In all of these, ``where`` names the row in messages.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rzen.errors import DataError
from rzen.types import Content, Image

_MARKER = "<|image_1|>"


def check_files(name: str, root: Path, contents: Iterable[Content]) -> None:
    """Sees to it that all images are there before hours are spent on the first of them.

    Raises:
        DataError: if some are not; they are counted and the first is named.
    """
    paths = {
        part.source
        for content in contents
        for part in content.parts
        if isinstance(part, Image) and isinstance(part.source, Path)
    }
    if missing := sorted(path for path in paths if not path.is_file()):
        raise DataError(
            f"set {name!r}: {len(missing)} of {len(paths)} images are not there (first: "
            f"{missing[0]}): fetch MMEB-V2's images into {root}, or name their folder"
        )


def instruction_of(row: Mapping[str, Any], key: str, where: str) -> str:
    """An instruction without the mark of an image's place; empty where the row has none."""
    return text_of(row, key, where, optional=True).replace(_MARKER, "").strip()


def text_of(row: Mapping[str, Any], key: str, where: str, *, optional: bool = False) -> str:
    """A text of a row.

    Raises:
        DataError: if it is none.
    """
    value = row.get(key)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: {key!r} is {value!r:.40}, not a text: fetch the set again")
    return value


def texts_of(row: Mapping[str, Any], key: str, where: str) -> list[str]:
    """A list of texts of a row.

    Raises:
        DataError: if it is none.
    """
    values = row.get(key)
    if not isinstance(values, list | tuple) or not all(isinstance(each, str) for each in values):
        raise DataError(f"{where}: {key!r} is {values!r:.40}, not a list of texts")
    return list(values)


def id_of(row: Mapping[str, Any], key: str, where: str) -> str:
    """An id of a row, as text.

    Raises:
        DataError: if it is empty, or neither text nor number.
    """
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise DataError(f"{where}: its {key!r} is {value!r:.40}, neither text nor number")
    return str(value)
