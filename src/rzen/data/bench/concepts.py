"""What a picture, a word or a page is about, and the split that goes with it.

Everything about one concept lies in one split, whatever package and modality it comes from: a model
that was trained on the rabbit of one style has not seen the rabbits of the test.
"""

import hashlib
from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_SHARES: tuple[tuple[Split, float], ...] = (("train", 0.55), ("validation", 0.15), ("test", 0.30))


def split_of(concept: str) -> Split:
    """The split of all that is about a concept.

    >>> split_of("rabbit") == split_of("rabbit") and split_of("boat") in SPLITS
    True
    """
    place = stable_number(f"concept {concept}") / 2**64
    for split, share in _SHARES:
        if place < share:
            return split
        place -= share
    return _SHARES[-1][0]


def stable_number(text: str) -> int:
    """A number below 2**64 that looks random and is the same everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
