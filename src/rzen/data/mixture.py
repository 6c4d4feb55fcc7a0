"""Several sources as one: what they hold, how it is grouped, and what is said with each row."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rzen.data.grouping import group_rows
from rzen.data.mixture_spec import MixtureSpec
from rzen.data.sources.opening import open_source, source_name
from rzen.data.sources.row_index import OnProgress
from rzen.data.sources.source import LEFT_OUT, Skipped, SkippedRow, Source, all_skipped
from rzen.data.sources.spec import SourceSpec
from rzen.errors import DataError
from rzen.types import Example

__all__ = ["Mixture", "MixtureSpec", "SourceFacts", "SourceSpec"]

_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What a report or a model card says of a source.

    Attributes:
        name: of the source.
        kind: of its rows.
        origin: file, folder or data set.
        revision: of the data.
        licence: of the data; empty where it is not known.
        rows: that can be trained on.
        tasks: task -> rows.
        skipped: rows left out.
    """

    name: str
    kind: str
    origin: str
    revision: str
    licence: str
    rows: int
    tasks: Mapping[str, int]
    skipped: int


class Mixture:
    """Opened sources under one view; a row is a pair of numbers, its source's and its own.

    Args:
        spec: what is mixed how.
        sources: one for each of the spec's.

    Attributes:
        spec: as given.
        sources: as given.
        tasks: that occur among rows that can be trained on.
        groups: name -> rows, for :class:`rzen.data.batch_sampler.GlobalBatchSampler`.
        skipped: for each source, the rows that are in no group.

    Raises:
        DataError: if there is no source, two have one name, one has no row that can be trained on,
            or the spec names a task or a group that does not occur.
    """

    def __init__(self, spec: MixtureSpec, sources: Sequence[Source]) -> None:
        if not sources:
            raise DataError("the mixture is empty: give it a source, [[data.source]] in a recipe")
        _check_names(sources)
        self.spec = spec
        self.sources = tuple(sources)
        allowed = set(spec.tasks)
        self._usable = [_usable(source, allowed) for source in sources]
        self.skipped = tuple(_skipped(source, spec.tasks) for source in sources)
        for source, usable_N, skipped in zip(sources, self._usable, self.skipped, strict=True):
            if not usable_N.any():
                raise DataError(_no_rows(source, skipped))
        self._counts = [self._count_tasks(number) for number in range(len(sources))]
        self.tasks = tuple(dict.fromkeys(task for each in self._counts for task in each))
        self._check_tasks()
        self.groups = group_rows(spec, self.sources, self._usable)
        _check_known("weights", spec.weights, self.groups, "group")
        places = {task: place for place, task in enumerate(self.tasks)}
        self._task_of = [
            np.array([*(places.get(task, LEFT_OUT) for task in source.tasks), LEFT_OUT], np.int64)
            for source in sources
        ]

    @classmethod
    def open(
        cls,
        spec: MixtureSpec,
        *,
        folder: Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Self:
        """Opens all sources; rows are read once, the first time.

        Args:
            spec: what is mixed how.
            folder: that paths in it are relative to, such as the recipe's; ``None`` takes the
                current one.
            on_progress: called while rows are read.

        Raises:
            DataError: as the class does, or if a source cannot be opened.
            MissingExtraError: if a library that a source needs is not installed.
        """
        _check_names_of(map(source_name, spec.sources))
        sources = [
            open_source(each, folder=folder, on_progress=on_progress) for each in spec.sources
        ]
        return cls(spec, sources)

    def __len__(self) -> int:
        """Rows that can be trained on."""
        return sum(int(usable_N.sum()) for usable_N in self._usable)

    def example(self, source: int, row: int) -> Example:
        """An example with all that the recipe says of it; its media are not opened.

        What is said to a query: what the source says for the task, else for all, else what the row
        brings, else what the mixture says for the task, else the encoder's default. Rows of
        MMEB-train carry their instruction in the text; what the source says is cut off there.

        Raises:
            DataError: if the row cannot be read.
        """
        found, spec = self.sources[source][row], self.spec.sources[source]
        negatives = found.negatives if spec.negatives is None else found.negatives[: spec.negatives]
        return replace(
            found,
            negatives=negatives,
            instruction=self._said(
                found.task, found.instruction, spec, spec.instruction, "instructions"
            ),
            document_instruction=self._said(
                found.task,
                found.document_instruction,
                spec,
                spec.document_instruction,
                "document_instructions",
            ),
        )

    def task_numbers(
        self, source_B: NDArray[np.int32], row_B: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The task of each row, as its place among :attr:`tasks`: (B,)."""
        return np.array(
            [
                self._task_of[source][self.sources[source].task_N[row]]
                for source, row in zip(source_B, row_B, strict=True)
            ],
            np.int64,
        )

    def rows_of(self, task: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All rows of a task: (N,) sources and (N,) their numbers, source by source."""
        found = [
            np.flatnonzero(usable_N & (source.task_N == source.tasks.index(task)))
            if task in source.tasks
            else np.zeros(0, np.int64)
            for source, usable_N in zip(self.sources, self._usable, strict=True)
        ]
        numbers = np.repeat(np.arange(len(found), dtype=np.int32), [len(each) for each in found])
        return numbers, np.concatenate(found)

    def where(self, source: int, row: int) -> str:
        """Source, file and line of a row, for messages."""
        found = self.sources[source]
        return f"{found.name}: {found.where(row)}"

    @property
    def facts(self) -> tuple[SourceFacts, ...]:
        """What there is to say of each source."""
        return tuple(
            SourceFacts(
                name=source.name,
                kind=spec.kind,
                origin=source.origin,
                revision=source.revision,
                licence=source.licence,
                rows=sum(counts.values()),
                tasks=counts,
                skipped=skipped.total,
            )
            for spec, source, counts, skipped in zip(
                self.spec.sources, self.sources, self._counts, self.skipped, strict=True
            )
        )

    def _said(
        self, task: str, own: str | None, spec: SourceSpec, for_all: str | None, table: str
    ) -> str | None:
        if spec.kind != "mmeb-train":
            said = getattr(spec, table).get(task, for_all)
            if said is not None:
                return str(said)
        return own if own is not None else getattr(self.spec, table).get(task)

    def _count_tasks(self, number: int) -> dict[str, int]:
        source = self.sources[number]
        counts = np.bincount(source.task_N[self._usable[number]], minlength=len(source.tasks))
        return {
            task: count for task, count in zip(source.tasks, counts.tolist(), strict=True) if count
        }

    def _check_tasks(self) -> None:
        for spec, counts in zip(self.spec.sources, self._counts, strict=True):
            for table in ("instructions", "document_instructions"):
                name = f"{table} of source {source_name(spec)!r}"
                _check_known(name, getattr(spec, table), counts, "task")
        for table in ("instructions", "document_instructions", "merge"):
            _check_known(table, getattr(self.spec, table), self.tasks, "task")


def _usable(source: Source, allowed: set[str]) -> NDArray[np.bool_]:
    is_allowed = [not allowed or task in allowed for task in source.tasks]
    # The last one is what LEFT_OUT, being -1, finds.
    return np.array([*is_allowed, False])[source.task_N]


def _skipped(source: Source, tasks: Sequence[str]) -> Skipped:
    """The source's own, and rows of tasks that there are none of."""
    found = [source.skipped]
    for number, task in enumerate(source.tasks):
        if tasks and task not in tasks:
            near = difflib.get_close_matches(task, tasks, n=1)
            reason = f"unknown task {task!r}" + (f", did you mean {near[0]!r}?" if near else "")
            rows = np.flatnonzero(source.task_N == number)
            first = (
                SkippedRow(where=source.where(int(row)), reason=reason) for row in rows[:_NAMED]
            )
            found.append(Skipped(by_reason={reason: len(rows)}, first=tuple(first)))
    return all_skipped(found)


def _no_rows(source: Source, skipped: Skipped) -> str:
    reasons = "; ".join(f"{reason} ({count:,})" for reason, count in skipped.by_reason.items())
    first = f" First: {skipped.first[0].where}." if skipped.first else ""
    return (
        f"source {source.name!r} ({source.origin}) has no row that can be trained on: "
        f"{reasons or 'it is empty'}.{first}"
    )


def _check_names(sources: Sequence[Source]) -> None:
    _check_names_of(source.name for source in sources)


def _check_names_of(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"two sources are called {name!r}: give one of them another name")
        seen.add(name)


def _check_known(table: str, given: Iterable[str], known: Iterable[str], noun: str) -> None:
    known = list(known)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise DataError(f"{table}: there is no {noun} {name!r}: {hint}")
