"""The batches of a stage: from the mixture's plan to prepared rows."""

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rzen.data.batch_sampler import GlobalBatchSampler
from rzen.data.mixture import Mixture
from rzen.data.mixture_spec import MixtureSpec
from rzen.data.sources.content_key import content_key
from rzen.data.sources.opening import source_name
from rzen.errors import DataError
from rzen.training.backbone import Backbone
from rzen.training.batch import FailedRow, Row
from rzen.training.ranks import Ranks
from rzen.training.reading import Address, Rows, batches
from rzen.training.recipe import Recipe
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


def check_stages(recipe: Recipe, whole: Mixture) -> None:
    """Sees to it that every stage can be trained on what it names, before the first one is.

    Args:
        recipe: with all stages.
        whole: all its sources, opened.

    Raises:
        DataError: if a stage names a group or a task that it does not have, or no batch can be
            made of its rows.
    """
    for stage in recipe.stage:
        try:
            mixture = stage_mixture(recipe, stage, whole)
            sampler_of(mixture, stage, recipe.seed)
            _check_tasks(stage, whole)
        except DataError as error:
            raise DataError(f"stage {stage.name!r}: {error}") from error


def _check_tasks(stage: StageSettings, whole: Mixture) -> None:
    for task in stage.temperature.start:
        if task not in whole.tasks:
            near = difflib.get_close_matches(task, whole.tasks, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(whole.tasks)}"
            raise DataError(f"temperature.start: there is no task {task!r}: {hint}")


def stage_mixture(recipe: Recipe, stage: StageSettings, whole: Mixture) -> Mixture:
    """What a stage trains on; its sources are not opened again.

    What the recipe says of tasks and groups of other sources does not count here.

    Args:
        recipe: with the stage.
        stage: one of its.
        whole: all sources of the recipe, opened.

    Raises:
        DataError: if the stage names a group that it does not have.
    """
    spec = recipe.mixture_of(stage)
    names = {source_name(each) for each in spec.sources}
    sources = [each for each in whole.sources if each.name in names]
    return Mixture(_about(spec, stage, whole, names), sources)


def _about(spec: MixtureSpec, stage: StageSettings, whole: Mixture, names: set[str]) -> MixtureSpec:
    """What a mixture's spec says of the tasks and groups of some sources."""
    tasks = {task for facts in whole.facts if facts.name in names for task in facts.tasks}
    numbers = [at for at, each in enumerate(whole.sources) if each.name in names]
    groups = {name for name, rows in whole.groups.items() if np.isin(rows.source_N, numbers).any()}
    changes = {
        "merge": tuple(each for each in spec.merge if each in tasks),
        "weights": {
            name: weight
            for name, weight in spec.weights.items()
            if name in groups or name in stage.weights
        },
    }
    for table in ("instructions", "document_instructions"):
        said = getattr(spec, table)
        changes[table] = {task: text for task, text in said.items() if task in tasks}
    return spec.model_copy(update=changes)


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
