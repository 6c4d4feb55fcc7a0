"""The batches of a stage: from the mixture's plan to prepared rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rzen.data.batch_sampler import GlobalBatchSampler
from rzen.data.mixture import Mixture
from rzen.data.sources.content_key import content_key
from rzen.training.backbone import Backbone
from rzen.training.batch import FailedRow, Row
from rzen.training.ranks import Ranks
from rzen.training.reading import Address, Rows, batches
from rzen.training.settings import StageSettings
from rzen.types import Content


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampledBatches:
    """This rank's slices of the planned global batches.

    Attributes:
        rows: what is done with a row.
        sampler: that plans.
        ranks: which slice is this rank's.
        workers: processes that read.
    """

    rows: Rows
    sampler: GlobalBatchSampler
    ranks: Ranks
    workers: int

    def starting_at(self, number: int) -> Iterator[list[Row | FailedRow]]:
        """See :class:`rzen.training.trainer.Batches`."""
        return batches(self.rows, self._addresses(number), self.workers)

    def _addresses(self, number: int) -> Iterator[Sequence[Address]]:
        for batch in self.sampler.starting_at(number):
            own = batch.slice(self.ranks.rank, self.ranks.count)
            columns = (own.source_B.tolist(), own.row_B.tolist(), own.sub_batch_B.tolist())
            yield list(zip(*columns, strict=True))


def sampler_of(mixture: Mixture, stage: StageSettings, seed: int) -> GlobalBatchSampler:
    """Plans the stage's batches.

    Raises:
        DataError: if the mixture leaves no batch.
    """
    return GlobalBatchSampler(
        list(mixture.groups.values()),
        batch_size=stage.batch.size,
        sub_batches=stage.batch.sub_batches,
        seed=seed,
    )


def steps_of(sampler: GlobalBatchSampler, stage: StageSettings) -> int:
    """Steps of the optimiser that a stage takes."""
    if stage.steps is not None:
        return stage.steps
    whole, part = divmod(stage.epochs, 1)
    count = float(sampler.batches(int(whole)))
    if part:
        count += part * sampler.batches_in(int(whole))
    return max(1, math.ceil(count / stage.batch.accumulate))


def rows_of(mixture: Mixture, backbone: Backbone, stage: StageSettings) -> Rows:
    """What is done with a row of the mixture."""

    def key(content: Content, instruction: str | None) -> str:
        return f"{content_key(content)} {instruction!r}"

    return Rows(
        example=mixture.example,
        name=mixture.where,
        key=key,
        backbone=backbone,
        tasks={task: number for number, task in enumerate(mixture.tasks)},
        positives=stage.batch.positives,
        hard_negatives=stage.batch.hard_negatives,
    )
