"""Batches that waste little on padding and stay within a budget of memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Vector = TypeVar("Vector")


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


def halving(
    batch: Sequence[Item],
    encode: Callable[[Sequence[Item]], Iterable[Vector]],
    succeed: Callable[[Item, Vector], None],
    fail: Callable[[Item, Exception], None],
    *,
    blame: type[Exception] = Exception,
) -> None:
    """Encodes a batch; one that fails is halved until what fails is alone.

    >>> done = []
    >>> halving([1, 0, 2], lambda some: [6 // each for each in some],
    ...         lambda item, value: done.append((item, value)),
    ...         lambda item, error: done.append((item, str(error))))
    >>> done
    [(1, 6), (0, 'integer division or modulo by zero'), (2, 3)]

    Args:
        batch: at least one item.
        encode: items to as many vectors; it may raise anything, for one of them or for memory.
        succeed: told an item and its vector.
        fail: told an item and what it raised.
        blame: what may be some content's fault; anything else ends the whole. A model, or its
            device's memory, may fail with anything, for one content.
    """
    try:
        vectors = list(encode(batch))
    except blame as error:
        if len(batch) == 1:
            fail(batch[0], error)
            return
        middle = len(batch) // 2
        halving(batch[:middle], encode, succeed, fail, blame=blame)
        halving(batch[middle:], encode, succeed, fail, blame=blame)
        return
    for item, vector in zip(batch, vectors, strict=True):
        succeed(item, vector)
