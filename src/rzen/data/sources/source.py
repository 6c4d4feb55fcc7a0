"""What a source of training examples offers."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rzen.types import Example

NAMED = 100
"""Rows that were left out are named up to so many, and counted beyond."""

LEFT_OUT = -1
"""Stands for the task of a row that cannot be trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A row that was left out.

    Attributes:
        where: file and line.
        reason: why.
    """

    where: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Rows that were left out.

    Attributes:
        by_reason: the kind of reason -> rows.
        first: some of them by name.
    """

    by_reason: Mapping[str, int] = field(default_factory=dict)
    first: tuple[SkippedRow, ...] = ()

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.by_reason.values())


def all_skipped(several: Iterable[Skipped]) -> Skipped:
    """The rows that several left out."""
    counts: Counter[str] = Counter()
    first: list[SkippedRow] = []
    for each in several:
        counts.update(each.by_reason)
        first += each.first
    return Skipped(by_reason=dict(counts.most_common()), first=tuple(first[:NAMED]))


class Source(Protocol):
    """Training examples by number; asking for one opens that row alone, and no media.

    Attributes:
        name: unique within a mixture.
        origin: the file, folder or data set that it is read from.
        tasks: of its rows.
        task_N: which of the tasks each row is of; ``LEFT_OUT`` where it cannot be trained on.
        positive_N: key of each row's first positive; equal positives have equal keys.
        direction_N: modality of the query and of the first positive (:func:`direction_name`).
        skipped: the rows that are left out.
        revision: changes whenever the rows do.
        licence: of the data, as far as it is known; else empty.
    """

    name: str
    origin: str
    tasks: tuple[str, ...]
    task_N: NDArray[np.int16]
    positive_N: NDArray[np.int64]
    direction_N: NDArray[np.int8]
    skipped: Skipped
    revision: str
    licence: str

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Example:
        """An example.

        Raises:
            DataError: if the row cannot be read; the message names file and row.
        """

    def where(self, row: int) -> str:
        """File and line of a row, for messages."""
