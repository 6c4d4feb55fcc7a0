"""Texts that are nearly the same."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

_RUN = 5  # words


def similar_texts(texts: Mapping[str, str], *, least: float = 0.5) -> list[tuple[str, str]]:
    """Pairs of texts that share much of their wording.

    Two texts are compared by their runs of five words: shared runs over all runs (Jaccard).

    >>> story = "the quick brown fox jumps over the lazy dog and sleeps"
    >>> similar_texts({"a": story, "b": story + " well", "c": "another story of a dog that slept"})
    [('a', 'b')]

    Args:
        texts: id -> text; one of fewer than five words is like no other.
        least: overlap from which a pair is listed, in (0, 1].

    Returns:
        Pairs of ids, both in the order of ``texts``.
    """
    holders: dict[str, list[str]] = defaultdict(list)
    sizes: dict[str, int] = {}
    for name, text in texts.items():
        words = re.findall(r"\w+", text.lower())
        runs = {" ".join(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
        sizes[name] = len(runs)
        for run in runs:
            holders[run].append(name)
    shared: Counter[tuple[str, str]] = Counter()
    for names in holders.values():
        shared.update((one, other) for at, one in enumerate(names) for other in names[at + 1 :])
    similar = {
        pair
        for pair, count in shared.items()
        if count >= least * (sizes[pair[0]] + sizes[pair[1]] - count)
    }
    order = {name: place for place, name in enumerate(texts)}
    return sorted(similar, key=lambda pair: (order[pair[0]], order[pair[1]]))
