"""Rows for the loop: read, opened and prepared in worker processes, in the sampler's order."""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch.utils.data import DataLoader, Dataset

from rzen.config import available_cores
from rzen.errors import RzenError
from rzen.training.backbone import Backbone, Prepared
from rzen.training.batch import FailedRow, Row
from rzen.types import Content, Example, Role

Address: TypeAlias = tuple[int, int, int]
"""Number of a source, of a row in it, and of the row's sub-batch."""

PREFETCHED = 2
"""Batches that each process reads ahead."""

_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Dataset[Row | FailedRow]):
    """What a worker does with an address.

    Attributes:
        example: source and row -> example.
        name: source and row -> what users call it.
        key: a document and its instruction -> what equal documents share.
        backbone: that prepares contents.
        tasks: task -> number.
        positives: of a row, at most.
        hard_negatives: of a row, at most.
    """

    example: Callable[[int, int], Example]
    name: Callable[[int, int], str]
    key: Callable[[Content, str | None], str]
    backbone: Backbone
    tasks: dict[str, int]
    positives: int
    hard_negatives: int

    def __getitem__(self, address: Address) -> Row | FailedRow:
        source, number, part = address
        name = self.name(source, number)
        try:
            return self._row(self.example(source, number), name, part)
        except RzenError as error:
            return FailedRow(name=name, reason=str(error))

    def taken(self, example: Example) -> tuple[Sequence[Content], Sequence[Content]]:
        """The positives and the hard negatives that are trained with."""
        return example.positives[: self.positives], example.negatives[: self.hard_negatives]

    def _row(self, example: Example, name: str, part: int) -> Row:
        answers, others = self.taken(example)
        query = self._prepared(example.query, "query", example.instruction)
        documents: dict[str, Prepared] = {}
        told = example.document_instruction
        for content in answers:
            documents[self.key(content, told)] = self._prepared(content, "document", told)
        positives = len(documents)
        lost = []
        for content in others:
            try:
                ready = self._prepared(content, "document", told)
            except RzenError as error:
                lost.append(str(error))  # a row can do without a hard negative
            else:
                documents.setdefault(self.key(content, told), ready)
        return Row(
            name=name,
            task=self.tasks[example.task],
            part=part,
            query=query,
            own_key=self.key(example.query, told),
            documents=documents,
            positives=positives,
            lost=tuple(lost),
        )

    def _prepared(self, content: Content, role: Role, instruction: str | None) -> Prepared:
        return self.backbone.prepare(content, role, instruction)


def processes(workers: int) -> int:
    """How many processes read.

    Args:
        workers: so many; -1 means as many as there are cores, eight at most, and none on a machine
            of two, or on one that cannot fork.
    """
    if sys.platform != "linux":
        return 0
    if workers >= 0:
        return workers
    cores = available_cores()
    return 0 if cores <= 2 else min(_MOST_WORKERS, cores - 1)


def batches(
    rows: Rows, addresses: Iterable[Sequence[Address]], workers: int
) -> Iterator[list[Row | FailedRow]]:
    """Batches in their order, whatever the number of workers.

    Args:
        rows: what is done with an address.
        addresses: of each batch.
        workers: see :func:`processes`.
    """
    workers = processes(workers)
    # The tokenizers' own threads do not survive a fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    loader: DataLoader[Any] = DataLoader(
        rows,
        batch_sampler=_Listed(addresses),
        collate_fn=list,
        num_workers=workers,
        # What is trained is in memory already, and cannot all be sent to a process.
        multiprocessing_context="fork" if workers else None,
        prefetch_factor=PREFETCHED if workers else None,
        worker_init_fn=_leave_signals,
    )
    return iter(loader)


def _leave_signals(_: int) -> None:
    """Leaves interrupts, which a terminal sends to all processes, to the one that saves."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class _Listed:
    """Addresses as the loader wants to be told them."""

    def __init__(self, addresses: Iterable[Sequence[Address]]) -> None:
        self._addresses = addresses

    def __iter__(self) -> Iterator[list[Address]]:
        return (list(each) for each in self._addresses)
