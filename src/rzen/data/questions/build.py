"""Question sets by family and split, built once and kept in the cache.

rzen-bench must be built. What the questions show and the suite does not have (cards, scenes, clips
of two things, films) is composed of the suite's packages and stored beside the questions.
"""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from rzen.config import cache_folder
from rzen.data.bench import packages, suite
from rzen.data.bench.language.concepts import SPLITS, Split
from rzen.data.bench.workshop import Workshop
from rzen.data.questions import storage
from rzen.data.questions.glosses import glosses
from rzen.data.questions.manuals import manuals
from rzen.data.questions.moments import moments
from rzen.data.questions.pictures import pictures
from rzen.data.questions.question_set import QuestionSet
from rzen.errors import UsageError

EDITION: Final = 1
"""Counts up whenever what is built changes."""

FAMILIES: Final[Mapping[str, Callable[[Workshop, Path, Split], QuestionSet]]] = {
    "manuals": lambda _shop, folder, split: manuals(folder, split),
    "glosses": lambda shop, _folder, split: glosses(shop, split),
    "pictures": pictures,
    "moments": moments,
}
"""Name -> what makes the questions of a split from a workshop and the built suite."""


def question_set(
    family: str,
    split: Split,
    *,
    home: Path | None = None,
    folder: Path | None = None,
    fetch: Callable[[str], Path] = packages.fetch,
) -> QuestionSet:
    """The questions of a family and split, built if they are not there yet.

    Args:
        family: one of :data:`FAMILIES`.
        split: which one.
        home: where questions and their media are kept; by default in the cache.
        folder: of rzen-bench; by default where it is built.
        fetch: package name -> folder of the unpacked package.

    Raises:
        UsageError: if there is no such family or split.
        DataError: if rzen-bench is not on this machine, or a package cannot be fetched.
    """
    if family not in FAMILIES or split not in SPLITS:
        raise UsageError(
            f"there are no questions {family!r} of {split!r}: take one of {', '.join(FAMILIES)} "
            f"and of {', '.join(SPLITS)}"
        )
    home, folder = home or cache_folder() / "questions", folder or suite.folder()
    about = suite.manifest(folder)
    root = Path(os.path.commonpath([home.absolute(), folder.absolute()]))
    place = home / f"{EDITION}-{about['version']}" / family / split
    if not storage.is_whole(place):
        made = FAMILIES[family](_shop(home.absolute(), fetch), folder.absolute(), split)
        storage.write(place, made, root=root)
    return storage.read(place, f"{family}-{split}", split, root=root)


@cache
def _shop(home: Path, fetch: Callable[[str], Path]) -> Workshop:
    """One for all families: what it has read of the packages serves them all."""
    return Workshop(home, fetch)
