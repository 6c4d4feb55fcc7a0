"""From what to what a row asks: the modality of its query, and that of its positive."""

from rzen.types import MODALITIES, Example, Modality


def direction_of(example: Example) -> int:
    """A small number for the two modalities of an example."""
    return direction_number(example.query.modality, example.positives[0].modality)


def direction_number(query: Modality, positive: Modality) -> int:
    """The number of two modalities."""
    return MODALITIES.index(query) * len(MODALITIES) + MODALITIES.index(positive)


def direction_name(direction: int) -> str:
    """The number in words.

    >>> direction_name(1)
    'text → image'
    """
    query, positive = divmod(direction, len(MODALITIES))
    return f"{MODALITIES[query]} → {MODALITIES[positive]}"
