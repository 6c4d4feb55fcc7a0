"""Several ranked lists to one: by ranks alone, or by probabilities where they are known.

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


def add_log_odds(
    probabilities: Mapping[int, float], matches: Mapping[int, float], weight: float
) -> list[tuple[int, float]]:
    """Adds how well words match to calibrated probabilities, as log-odds.

    What only words found gets the least of the probabilities: it is known to have no more. The
    result is still a probability, so it compares across modalities, and pictures, which cannot
    match by words, keep their own.

    >>> fused = add_log_odds({1: 0.5, 2: 0.2}, {2: 1.0, 3: 0.5}, weight=2.0)
    >>> [(item, round(score, 2)) for item, score in fused]
    [(2, 0.65), (1, 0.5), (3, 0.4)]

    Args:
        probabilities: item -> calibrated score in (0, 1).
        matches: item -> strength of the match by words, in [0, 1].
        weight: log-odds that the strongest match adds.

    Returns:
        (item, score), best first; equal scores in the order of the items.
    """
    items = sorted({*probabilities, *matches})
    least = min(probabilities.values(), default=0.5)
    given = np.array([probabilities.get(item, least) for item in items], np.float64)
    clipped = np.clip(given, 1e-9, 1 - 1e-9)
    added = weight * np.array([matches.get(item, 0.0) for item in items], np.float64)
    scores = 1.0 / (1.0 + np.exp(-(np.log(clipped / (1 - clipped)) + added)))
    return sorted(zip(items, scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))


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
    [(1, 1.0), (90, 0.984), (3, 0.984), (2, 0.968)]

    Args:
        lists: name -> items, best first, no item twice; the first one holds every kind.
        kinds: the kind of every item.
        constant: the larger, the less the first ranks stand out.

    Returns:
        (item, score), best first. The score is (constant + 1) / (constant + place), in (0, 1]:
        1 is the first of its kind where that kind leads a list. Equal scores come in the order of
        the first list, which should be the one that compares kinds (calibrated, by vectors).
    """
    places: dict[Hashable, dict[int, int]] = {}
    for items in lists.values():
        counts: dict[Hashable, int] = {}
        for place, item in enumerate(items, start=1):
            kind = kinds[item]
            at = counts[kind] = counts.get(kind, 0) + 1
            known = places.setdefault(kind, {})
            known[at] = min(place, known.get(at, place))
    leading = next(iter(lists.values()), ())
    at_leading = {item: place for place, item in enumerate(leading)}
    fused = [
        (item, (constant + 1) / (constant + place))
        for kind, known in places.items()
        for (item, _), place in _placed(lists, kinds, kind, known, constant)
    ]
    last = len(leading)
    return sorted(fused, key=lambda pair: (-pair[1], at_leading.get(pair[0], last), pair[0]))


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
