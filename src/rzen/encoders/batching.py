"""Batches that waste little on padding and stay within a budget of memory."""

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], *, tokens: int, items: int) -> Iterator[list[int]]:
    """Groups items of like length, the longest first.

    The longest come first so that a batch that does not fit into memory fails at once.

    Args:
        lengths: tokens of each item.
        tokens: of a batch with its padding, at most; an item longer than that goes alone.
        items: of a batch, at most.

    Yields:
        Positions in ``lengths``; each occurs exactly once.

    >>> list(by_length([3, 9, 4, 8], tokens=18, items=8))
    [[1, 3], [2, 0]]
    """
    assert tokens > 0, "a batch needs room for a token"
    assert items > 0, "a batch needs room for an item"
    order = sorted(range(len(lengths)), key=lambda position: -lengths[position])
    batch: list[int] = []
    for position in order:
        # Sorted: the first of a batch is its longest, and all others are padded to it.
        if batch and (len(batch) == items or (len(batch) + 1) * lengths[batch[0]] > tokens):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
