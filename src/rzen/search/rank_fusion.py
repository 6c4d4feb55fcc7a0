"""Several ranked lists to one, by ranks alone.

Reciprocal rank fusion: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet
and individual Rank Learning Methods", SIGIR 2009.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np


def reciprocal_rank_fusion(
    lists: Mapping[str, Sequence[int]], constant: int = 60
) -> list[tuple[int, float]]:
    """Fuses ranked lists; the sum of ``1 / (constant + rank)``, divided by its greatest value.

    The greatest value belongs to an item that stands first in every list that is not empty, so
    scores lie in (0, 1] and do not depend on how many lists there are.

    >>> fused = reciprocal_rank_fusion({"dense": [7, 8], "text": [7, 9]})
    >>> [(item, round(score, 3)) for item, score in fused]
    [(7, 1.0), (8, 0.492), (9, 0.492)]

    Args:
        lists: name -> items, best first, no item twice.
        constant: the larger, the less the first ranks stand out.

    Returns:
        (item, score), best first; equal scores in the order of the items.
    """
    ranked = [np.asarray(items, np.int64) for items in lists.values() if len(items)]
    if not ranked:
        return []
    items_M = np.concatenate(ranked)
    weights_M = np.concatenate([1.0 / (constant + 1 + np.arange(len(one))) for one in ranked])
    # By weight within an item: floats do not add up alike in every order of the lists.
    order = np.lexsort((weights_M, items_M))
    items_K, starts_K = np.unique(items_M[order], return_index=True)
    totals_K = np.add.reduceat(weights_M[order], starts_K)
    scores_K = np.minimum(totals_K * (constant + 1) / len(ranked), 1.0)
    best = np.lexsort((items_K, -scores_K))
    return list(zip(items_K[best].tolist(), scores_K[best].tolist(), strict=True))


def fuse_kinds(
    lists: Mapping[str, Sequence[int]], kinds: Mapping[int, Hashable], constant: int = 60
) -> list[tuple[int, float]]:
    """Fuses ranked lists of items of several kinds, of which some cannot be in every list.

    Plain fusion adds up what the lists give, so that pictures, which no list of words holds, end
    behind everything that two lists agree on, however well they fit. Here reciprocal rank fusion
    orders the items of each kind among themselves, and the j-th of a kind takes the place of the
    j-th of that kind in whichever list has it further in front. With two kinds, an item therefore
    lands no later than twice that place.

    >>> lists = {"dense": [1, 90, 2, 3], "text": [3, 2, 1]}
    >>> fused = fuse_kinds(lists, {1: "text", 2: "text", 3: "text", 90: "image"})
    >>> [(item, round(score, 3)) for item, score in fused]
    [(1, 1.0), (3, 0.984), (90, 0.984), (2, 0.968)]

    Args:
        lists: name -> items, best first, no item twice.
        kinds: the kind of every item.
        constant: the larger, the less the first ranks stand out.

    Returns:
        (item, score), best first. The score is (constant + 1) / (constant + place), in (0, 1]:
        1 is the first of its kind where that kind leads a list. Among equal scores, items in more
        lists come first.
    """
    places: dict[Hashable, dict[int, int]] = {}
    for items in lists.values():
        counts: dict[Hashable, int] = {}
        for place, item in enumerate(items, start=1):
            kind = kinds[item]
            at = counts[kind] = counts.get(kind, 0) + 1
            known = places.setdefault(kind, {})
            known[at] = min(place, known.get(at, place))
    found: dict[int, int] = {}
    for items in lists.values():
        for item in items:
            found[item] = found.get(item, 0) + 1
    fused = [
        (item, (constant + 1) / (constant + place))
        for kind, known in places.items()
        for (item, _), place in _placed(lists, kinds, kind, known, constant)
    ]
    return sorted(fused, key=lambda pair: (-pair[1], -found[pair[0]], pair[0]))


def _placed(
    lists: Mapping[str, Sequence[int]],
    kinds: Mapping[int, Hashable],
    kind: Hashable,
    known: Mapping[int, int],
    constant: int,
) -> list[tuple[tuple[int, float], int]]:
    """The items of a kind in their own order, each with its place."""
    own = {name: [one for one in items if kinds[one] == kind] for name, items in lists.items()}
    placed: list[tuple[tuple[int, float], int]] = []
    place = 0
    for at, pair in enumerate(reciprocal_rank_fusion(own, constant), start=1):
        place = known.get(at, place + 1)
        placed.append((pair, place))
    return placed
