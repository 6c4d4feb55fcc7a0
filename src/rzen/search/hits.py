"""Records to hits."""

from collections.abc import Sequence

from rzen.types import Hit, Record


def hit(
    record: Record,
    score: float,
    *,
    similarity: float | None = None,
    lists: Sequence[str] = (),
    others: Sequence[Hit] = (),
) -> Hit:
    """A record that was found, with its score and who found it."""
    span = record.span
    return Hit(
        id=record.id,
        modality=record.modality,
        uri=record.uri,
        paths=record.paths,
        page=span.page,
        t_start=span.t_start,
        t_end=span.t_end,
        char_start=span.char_start,
        char_end=span.char_end,
        score=score,
        similarity=similarity,
        lists=tuple(lists),
        text=record.text,
        metadata=record.metadata,
        preview=record.preview,
        others=tuple(others),
    )


def file_of(record_id: str) -> str:
    """The content hash in a record's id: equal for all records of one file.

    >>> file_of("ab12:p3"), file_of("ab12")
    ('ab12', 'ab12')
    """
    return record_id.partition(":")[0]
