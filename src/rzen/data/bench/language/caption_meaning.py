"""Whether what one caption says is also true of what another one shows.

"A green apple" shows an apple, and a fruit; "an apple" may be a green one. A query that asks for
apples is answered by both.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from rzen.data.bench.language.concept_words import COMPOUNDS, SAME, UNSAID
from rzen.data.bench.language.concepts import concept, singular
from rzen.data.bench.language.noun_kinds import NounKinds

_WORDS = re.compile(r"[\w-]+")
# Words that add nothing to what is to be seen.
_EMPTY: Final = frozenset(
    {"a", "an", "the", "some", "of", "with", "in", "on", "at", "its", "and", "to", "that", "is"}
    | {"bunch", "cluster", "pair", "picture", "photo", "drawing", "cartoon", "cute", "made", "s"}
)
_SAME_DETAIL: Final = {
    "cell": "mobile",
    "cellphone": "mobile",
    "cellular": "mobile",
    "colored": "coloured",
    "colorful": "colourful",
    "grey": "gray",
    "handphone": "mobile",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a caption says.

    Attributes:
        concept: what it is about.
        details: the other words that matter, in one form.
    """

    concept: str
    details: frozenset[str]


@cache
def meaning(caption: str) -> Meaning:
    """What a caption says.

    >>> sorted(meaning("A bunch of green grapes").details), meaning("Grapes").details
    (['green'], frozenset())
    """
    about = concept(caption)
    words = [singular(word) for word in _WORDS.findall(caption.lower())]
    named = {*about.split(), *_names(about)}
    details = {_SAME_DETAIL.get(word, word) for word in words if word not in named}
    return Meaning(concept=about, details=frozenset(details - _EMPTY))


def entails(special: str, general: str, is_kind_of: Callable[[str, str], bool]) -> bool:
    """Whether whatever the first caption shows may also be called by the second.

    Args:
        special: such as "a green apple".
        general: such as "an apple" or "fruit".
        is_kind_of: whether all that one noun names is also named by another.
    """
    one, other = meaning(special), meaning(general)
    if not one.details >= other.details:
        return False
    return one.concept == other.concept or is_kind_of(one.concept, other.concept)


def may_mean(general: str, special: str) -> bool:
    """Whether what the first caption shows may be what the second says, for all one knows.

    >>> may_mean("a bus", "a red bus"), may_mean("a bus", "a school bus")
    (True, False)
    """
    one, other = meaning(general), meaning(special)
    same = one.concept == other.concept and other.details >= one.details
    return same and other.details - one.details <= UNSAID


def kinds_of(folder: Path) -> Callable[[str, str], bool]:
    """WordNet's answer to whether one noun is a kind of another, remembered.

    Args:
        folder: of the unpacked package.

    Raises:
        DataError: if its files are not there.
    """
    return cache(NounKinds(folder).is_kind_of)


def _names(about: str) -> set[str]:
    """All words that may name a concept, as in "bunny" for a rabbit."""
    others = {name for name, same in [*SAME.items(), *COMPOUNDS.items()] if same == about}
    return {word for name in others for word in name.split()}
