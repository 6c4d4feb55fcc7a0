"""rzen-bench as it lies in the cache: where, which edition, and its sets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rzen.config import cache_folder
from rzen.data.bench.language.concepts import Split
from rzen.data.retrieval_set import RetrievalSet
from rzen.data.storage import read_examples, read_set
from rzen.errors import DataError
from rzen.types import Example

NAME = "rzen-bench"
EDITION = 1
"""Counts up whenever what is built changes."""

PUBLISHED = "97e740f8c2c8"
"""Version of the edition as its authors built it; another one holds other data."""

MEASURED: tuple[Split, ...] = ("validation", "test")
MANIFEST = "manifest.json"


def folder() -> Path:
    """Where the suite is, or will be."""
    return cache_folder() / "suites" / NAME


def manifest(suite: Path) -> dict[str, Any]:
    """What the suite in a folder is: edition, version, sets and sizes, sources, tallies.

    Raises:
        DataError: if there is none, or it was built by another edition.
    """
    file = suite / MANIFEST
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{NAME} is not on this machine (looked in {suite}): run  rzen eval fetch"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {file}: {error}: run  rzen eval fetch  again") from None
    if not isinstance(found, dict):
        raise DataError(f"{file} is not a manifest: run  rzen eval fetch  again")
    if found.get("edition") != EDITION:
        raise DataError(
            f"{suite} holds edition {found.get('edition')} of {NAME}, this version of rzen "
            f"measures with edition {EDITION}: run  rzen eval fetch"
        )
    sets = found.get("sets")
    is_whole = isinstance(sets, dict) and all(isinstance(sets.get(each), dict) for each in MEASURED)
    if not is_whole or not isinstance(found.get("version"), str):
        raise DataError(f"{file} lacks the version or the sets: run  rzen eval fetch  again")
    return found


def load(suite: Path, split: str, name: str) -> RetrievalSet:
    """A set of the suite.

    Raises:
        DataError: if it is not there or damaged.
    """
    return read_set(suite / split / name, root=suite)


def train_examples(suite: Path) -> Iterator[Example]:
    """All training examples of the suite, one by one.

    Raises:
        DataError: if a file is damaged.
    """
    for file in sorted((suite / "train").glob("*.jsonl")):
        yield from read_examples(file, root=suite)
