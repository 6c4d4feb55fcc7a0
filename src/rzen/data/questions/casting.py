"""Who is together in a scene, a clip or a film: no two things twice.

So two things that a question names are together in one item of the corpus alone.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Protocol, TypeAlias, TypeVar

Together: TypeAlias = set[frozenset[str]]
"""The names of any two things that are in an item together."""


class Named(Protocol):
    """Something with a name that no other has."""

    @property
    def name(self) -> str:
        """Without an article."""


_Named = TypeVar("_Named", bound=Named)


def apart(things: Iterable[_Named], count: int, together: Together) -> list[_Named]:
    """The first things of which no two are together yet; fewer where there are not so many."""
    chosen: list[_Named] = []
    for thing in things:
        if len(chosen) == count:
            break
        if all(frozenset((thing.name, other.name)) not in together for other in chosen):
            chosen.append(thing)
    return chosen


def join(things: Sequence[Named], together: Together) -> None:
    """Notes that things are together now."""
    together |= {frozenset((one.name, other.name)) for one, other in combinations(things, 2)}
