"""Makes the plan of a recipe; see :mod:`rzen.training.planning`."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rzen.config import Limits
from rzen.data.batch_sampler import GlobalBatchSampler
from rzen.data.mixture import Mixture
from rzen.data.sources.row_index import OnProgress
from rzen.errors import DataError, EncoderError
from rzen.training.backbone import Backbone
from rzen.training.backbones.choosing import open_backbone
from rzen.training.feeding import sampler_of, stage_mixture, steps_of
from rzen.training.planning.advice import advised
from rzen.training.planning.lengths import Sampled, Sampler
from rzen.training.planning.machine import Place, Speed, speed_of, this_place
from rzen.training.planning.memory import Memory, disk_of, memory_of
from rzen.training.planning.network import NetworkFacts, facts_of
from rzen.training.planning.report import GroupPlan, Plan, StagePlan
from rzen.training.planning.sources import Present, open_present
from rzen.training.planning.steps import StepCost, Walk, largest_of, mean_of
from rzen.training.planning.timing import computing_seconds, step_seconds
from rzen.training.planning.typical import TypicalRows
from rzen.training.reading import processes
from rzen.training.recipe import Recipe
from rzen.training.settings import NetworkSettings, StageSettings

_FRAMES = 8  # of a clip that stands in, where the recipe does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """What is known of a stage before its steps are walked through."""

    mixture: Mixture
    sampler: GlobalBatchSampler
    sampled: tuple[Sampled, ...]
    steps: int


@dataclass(slots=True, kw_only=True)
class Planner:
    """Plans a recipe.

    Attributes:
        recipe: what would be done.
        folder: that paths in it are relative to.
        device: "auto", or one of torch.
        limits: of decoders.
        ranks: processes that would share the work.
        on_progress: called while sources are read the first time.
    """

    recipe: Recipe
    folder: Path
    device: str = "auto"
    limits: Limits = field(default_factory=Limits)
    ranks: int = 1
    on_progress: OnProgress | None = None
    _backbone: Backbone = field(init=False)
    _opened: dict[str, _Opened] = field(init=False, default_factory=dict)

    def plan(self) -> Plan:
        """Makes the plan.

        Raises:
            EncoderError: if the base's small files cannot be had.
            UsageError: if a setting of the network does not go with it.
        """
        network = self.recipe.network
        self._backbone = self._outline(network)
        facts = facts_of(self._backbone, network)
        present = open_present(
            self.recipe,
            folder=self.folder,
            frames=network.look.frames or _FRAMES,
            on_progress=self.on_progress,
        )
        sampler = Sampler(backbone=self._backbone, seed=self.recipe.seed)
        place = this_place(self._backbone.device, Path.cwd())
        room = max(each.batch.room(place.device) for each in self.recipe.stage)
        speed = speed_of(place.device, facts, room)
        stages = []
        for stage in present.recipe.stage:
            try:
                self._opened[stage.name] = self._open(stage, present, sampler)
            except DataError as error:
                stages.append(StagePlan(name=stage.name, problem=str(error)))
            else:
                stages.append(self._stage(stage, facts, place, speed))
        plan = Plan(
            name=self.recipe.name,
            base=network.base,
            place=place,
            ranks=self.ranks,
            network=facts,
            speed=speed,
            stages=tuple(stages),
            missing=present.missing,
            soup=self._soup(facts),
        )
        return advised(plan, self.recipe, self.memory)

    def memory(
        self, stage: StageSettings, network: NetworkSettings, chunk_tokens: int, place: Place
    ) -> Memory:
        """What a rank would need with another network or other chunks."""
        is_same = network == self.recipe.network
        backbone = self._backbone if is_same else self._outline(network)
        facts = facts_of(backbone, network)
        cost = largest_of(self._walk(stage, facts, chunk_tokens))
        return self._memory(stage, network, facts, cost, place)

    def _outline(self, network: NetworkSettings) -> Backbone:
        try:
            return open_backbone(network, device=self.device, limits=self.limits, is_outline=True)
        except EncoderError as error:
            raise EncoderError(
                f"{error}: a plan needs no weights: config.json, the tokenizer's files and "
                "preprocessor_config.json in a folder will do:  --change network.base=FOLDER"
            ) from error

    def _open(self, stage: StageSettings, present: Present, sampler: Sampler) -> _Opened:
        if present.whole is None or stage.name in present.empty:
            names = present.empty.get(stage.name, "all of them")
            raise DataError(f"its sources are not here, and have no cap to plan with ({names})")
        mixture = stage_mixture(present.recipe, stage, present.whole)
        batches = sampler_of(mixture, stage, self.recipe.seed)
        return _Opened(
            mixture=mixture,
            sampler=batches,
            sampled=tuple(
                sampler.sample(mixture, group, stage) for group in mixture.groups.values()
            ),
            steps=steps_of(batches, stage),
        )

    def _walk(self, stage: StageSettings, facts: NetworkFacts, chunk_tokens: int) -> list[StepCost]:
        opened = self._opened[stage.name]
        walk = Walk(
            facts=facts,
            stage=stage,
            ranks=self.ranks,
            sampled=opened.sampled,
            chunk_tokens=chunk_tokens,
            seed=self.recipe.seed,
        )
        return walk.costs(opened.sampler, opened.steps)

    def _memory(
        self,
        stage: StageSettings,
        network: NetworkSettings,
        facts: NetworkFacts,
        cost: StepCost,
        place: Place,
    ) -> Memory:
        return memory_of(
            facts,
            stage,
            cost,
            device=place.device,
            ranks=self.ranks,
            rows=len(self._opened[stage.name].mixture),
            is_merged=network.lora is not None and not self._saves_adapters,
        )

    @property
    def _saves_adapters(self) -> bool:
        from rzen.training.backbones.vision_language import (  # noqa: PLC0415
            VisionLanguageBackbone,
        )

        return self.recipe.network.lora is not None and isinstance(
            self._backbone, VisionLanguageBackbone
        )

    def _stage(
        self, stage: StageSettings, facts: NetworkFacts, place: Place, speed: Speed
    ) -> StagePlan:
        opened, room = self._opened[stage.name], stage.batch.room(place.device)
        costs = self._walk(stage, facts, room)
        tokens, padded = mean_of(costs, "tokens"), mean_of(costs, "padded")
        computing = float(np.mean([computing_seconds(facts, speed, each) for each in costs]))
        workers = processes(stage.workers)
        whole = sum(each.whole_seconds for each in opened.sampled)
        reading = min(mean_of(costs, "reading"), whole / opened.steps / self.ranks)
        step = step_seconds(place.device, computing, reading, workers)
        return StagePlan(
            name=stage.name,
            steps=opened.steps,
            walked=len(costs),
            batches=opened.sampler.batches_per_epoch,
            rows=mean_of(costs, "rows"),
            tokens=tokens,
            most_tokens=max(each.tokens for each in costs),
            step_tokens=tuple(each.tokens for each in costs),
            padding=max(0.0, 1 - tokens / self.ranks / padded) if padded else 0.0,
            chunks=mean_of(costs, "chunks"),
            chunk_tokens=room,
            operations=mean_of(costs, "operations"),
            step=step,
            computing=computing,
            reading=reading,
            workers=workers,
            total=step.times(opened.steps),
            memory=self._memory(stage, self.recipe.network, facts, largest_of(costs), place),
            disk=disk_of(facts, stage, is_adapter=self._saves_adapters),
            groups=tuple(_groups(opened)),
            reasons=tuple(reason for each in opened.sampled for reason in each.reasons)[:5],
        )

    def _soup(self, facts: NetworkFacts) -> int:
        own = self.recipe.soup
        if own is None:
            return 0
        # A soup of adapters has the sum of their ranks; one of whole models is as large as one.
        return 4 * facts.trained * len(own.of) if self._saves_adapters else facts.bytes


def _groups(opened: _Opened) -> list[GroupPlan]:
    found = []
    for (name, group), sampled in zip(opened.mixture.groups.items(), opened.sampled, strict=True):
        good = [each for each in sampled.rows.values() if each is not None]
        documents = [length for each in good for length in each.documents.values()]
        sources = np.unique(group.source_N).tolist()
        found.append(
            GroupPlan(
                name=name,
                rows=len(group),
                sampled=len(sampled.rows),
                failed=sampled.failed,
                query_tokens=_mean([each.query.tokens for each in good]),
                document_tokens=_mean([each.tokens for each in documents]),
                documents=len(documents) / len(good) if good else 0.0,
                milliseconds=1000 * sampled.seconds_per_row,
                is_typical=any(
                    isinstance(opened.mixture.sources[each], TypicalRows) for each in sources
                ),
            )
        )
    return found


def _mean(numbers: list[int]) -> float:
    return float(np.mean(numbers)) if numbers else 0.0
