"""What a run would train on, looked at before it starts: rows, groups, media, examples by eye."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.data.batch_sampler import GlobalBatchSampler
from rzen.data.mixture import Mixture
from rzen.errors import DataError
from rzen.render.depiction import Depiction, depict
from rzen.training.check_media import MediaCheck
from rzen.training.check_report import (
    CheckReport,
    GroupFindings,
    SourceFindings,
    Specimen,
    TaskFindings,
)

SAMPLE = 200
POSITIVES, NEGATIVES = 3, 4
"""Shown of a row, at most."""


def check(
    mixture: Mixture,
    limits: Limits,
    *,
    per_task: int = 20,
    sample: int | None = SAMPLE,
    plan: Callable[[], GlobalBatchSampler] | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> CheckReport:
    """Looks at a mixture; nothing that is wrong with a row ends it.

    Args:
        mixture: opened: its rows have been read once.
        limits: what a file may ask for.
        per_task: rows of each task to show, from all its sources in turn.
        sample: rows of each task whose media are opened; ``None`` opens those of all rows.
        plan: makes the sampler of the run, to count the batches of its first epoch; if it raises
            ``DataError``, the report says why.
        on_progress: called with the task at hand, rows looked at so far, and how many there are.
    """
    looked = MediaCheck(mixture, limits)
    chosen = {task: _chosen(mixture, task, at) for at, task in enumerate(mixture.tasks)}
    counts = {task: len(pairs_N2[:sample]) for task, pairs_N2 in chosen.items()}
    done, total = 0, sum(counts.values())
    tasks = []
    for task, pairs_N2 in chosen.items():
        for source, row in pairs_N2[: counts[task]].tolist():
            looked.look_at(source, row)
            done += 1
            if on_progress is not None:
                on_progress(task, done, total)
        specimens = tuple(_specimens(mixture, pairs_N2[:per_task]))
        tasks.append(TaskFindings(name=task, rows=len(pairs_N2), specimens=specimens))
    report = CheckReport(
        sources=tuple(_sources(mixture, looked)),
        groups=tuple(_groups(mixture)),
        tasks=tuple(tasks),
    )
    return report if plan is None else _planned(report, plan)


def _chosen(mixture: Mixture, task: str, seed: int) -> NDArray[np.int64]:
    """(N, 2) sources and rows of a task in random order, the sources taking turns."""
    source_N, row_N = mixture.rows_of(task)
    generator = np.random.default_rng(seed)
    turn_N = np.concatenate(
        [generator.permutation(count) for count in np.unique_counts(source_N).counts]
    )
    order = np.lexsort((source_N, turn_N))
    return np.stack([source_N[order], row_N[order]], 1)


def _specimens(mixture: Mixture, pairs_N2: NDArray[np.int64]) -> Iterator[Specimen]:
    for source, row in pairs_N2.tolist():
        where = mixture.where(source, row)
        try:
            example = mixture.example(source, row)
        except DataError as error:
            unread = Depiction(problems=(str(error),))
            yield Specimen(
                where=where,
                instruction=None,
                document_instruction=None,
                query=unread,
                positives=(),
                negatives=(),
            )
            continue
        yield Specimen(
            where=where,
            instruction=example.instruction,
            document_instruction=example.document_instruction,
            query=depict(example.query),
            positives=tuple(map(depict, example.positives[:POSITIVES])),
            negatives=tuple(map(depict, example.negatives[:NEGATIVES])),
            more_positives=max(0, len(example.positives) - POSITIVES),
            more_negatives=max(0, len(example.negatives) - NEGATIVES),
        )


def _sources(mixture: Mixture, looked: MediaCheck) -> Iterator[SourceFindings]:
    for number, facts in enumerate(mixture.facts):
        keys = [group.positive_N[group.source_N == number] for group in mixture.groups.values()]
        yield SourceFindings(
            facts=facts,
            skipped=mixture.skipped[number],
            positives=len(np.unique(np.concatenate(keys))),
            media=looked.findings(number),
        )


def _groups(mixture: Mixture) -> Iterator[GroupFindings]:
    for name, group in mixture.groups.items():
        yield GroupFindings(
            name=name,
            sources=tuple(mixture.sources[each].name for each in np.unique(group.source_N)),
            rows=len(group),
            positives=len(np.unique(group.positive_N)),
        )


def _planned(report: CheckReport, plan: Callable[[], GlobalBatchSampler]) -> CheckReport:
    try:
        sampler = plan()
        tallies = sampler.tallies(0)
    except DataError as error:
        return replace(report, refused=str(error))
    groups = tuple(
        replace(
            group,
            batches=tally.sub_batches,
            dealt=tally.rows,
            repeats=tally.repeats,
            left_over=tally.left_over,
        )
        for group, tally in zip(report.groups, tallies, strict=True)
    )
    return replace(
        report,
        groups=groups,
        batch_size=sampler.batch_size,
        sub_batches=sampler.sub_batches,
        batches=sampler.batches_per_epoch,
    )
