"""A recipe carried out: stage after stage, then the soup; each part is resumable by itself."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch

from rzen.config import Limits
from rzen.data.mixture import Mixture
from rzen.data.sources.row_index import OnProgress
from rzen.protocols import Encoder
from rzen.training import checkpoints, run_folder
from rzen.training.backbone import Backbone
from rzen.training.backbones.choosing import open_backbone
from rzen.training.batch import FailedRow
from rzen.training.card import Score, StageFacts, card, shown_settings, with_scores
from rzen.training.feeding import (
    SampledBatches,
    check_stages,
    rows_of,
    sampler_of,
    stage_mixture,
    steps_of,
)
from rzen.training.measuring import Snapshot
from rzen.training.processes import Processes
from rzen.training.recipe import Recipe
from rzen.training.settings import EvaluationSettings, StageSettings
from rzen.training.soup import soup
from rzen.training.trainer import StepReport, Trainer

Scores: TypeAlias = Mapping[str, float]
Measure: TypeAlias = Callable[[Encoder, EvaluationSettings], Scores]
MODEL = "model"
TEMPERATURES = "temperatures.json"
DONE = "done.json"


class Listener(Protocol):
    """Who is told what happens; on the first rank only."""

    def on_stage(self, name: str, steps: int, mixture: Mixture) -> None:
        """A stage begins, or goes on."""

    def on_step(self, stage: str, report: StepReport) -> None:
        """After each step."""

    def on_failed(self, stage: str, row: FailedRow) -> None:
        """A row could not be read."""

    def on_warning(self, text: str) -> None:
        """Something that the user should look at."""

    def on_measured(self, stage: str, step: int, scores: Scores) -> None:
        """After a measurement."""

    def on_saved(self, path: Path) -> None:
        """A checkpoint or a model was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        model: folder of the last stage's model, or of the soup; ``None`` while there is none.
        is_done: whether all stages and the soup are.
        stages: name -> folder of its model, of those that are done.
    """

    model: Path | None
    is_done: bool
    stages: Mapping[str, Path] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """A recipe and the folder that it is carried out in.

    Attributes:
        recipe: what is done.
        recipe_folder: that paths in it are relative to.
        folder: of the run.
        processes: ranks and trackers.
        listener: told what happens.
        limits: of decoders.
        measure: measures an encoder while training; needed by stages that name a suite.
        stop: asked after each step whether to save and leave.
        allow_changes: whether a run may go on with another recipe or other data.
        on_reading: called while sources are read the first time.
    """

    recipe: Recipe
    recipe_folder: Path
    folder: Path
    processes: Processes
    listener: Listener
    limits: Limits
    measure: Measure | None = None
    stop: Callable[[], bool] = lambda: False
    allow_changes: bool = False
    on_reading: OnProgress | None = None

    def run(self) -> RunOutcome:
        """Carries out what is not done yet.

        Raises:
            DataError: if data, a checkpoint or the loss give up; what was saved stays.
            UsageError: if the folder holds another run.
            EncoderError: if the base cannot be loaded.
        """
        if not self.processes.ranks.is_first:
            return self._run()
        with run_folder.held(self.folder):
            try:
                return self._run()
            finally:
                self.processes.close_trackers()

    def _run(self) -> RunOutcome:
        whole = Mixture.open(
            self.recipe.data, folder=self.recipe_folder, on_progress=self.on_reading
        )
        check_stages(self.recipe, whole)
        revisions = {facts.name: facts.revision for facts in whole.facts}
        if self.processes.ranks.is_first:
            changed = run_folder.begin(
                self.folder,
                self.recipe,
                revisions,
                allow_changes=self.allow_changes,
            )
            for line in changed:
                self.listener.on_warning(f"changed since this run began: {line}")
            for line in _left_out(whole):
                self.listener.on_warning(line)
        self.processes.ranks.wait()
        self.processes.begin(self.recipe.name, _flat(self.recipe.model_dump(mode="json")))
        done: dict[str, Path] = {}
        for stage in self.recipe.stage:
            target = self.folder / stage.name / MODEL
            gc.collect()  # each stage loads the base anew: two at once may not fit
            if not target.is_dir() and not self._train(stage, whole, target):
                return RunOutcome(model=None, is_done=False, stages=done)
            done[stage.name] = target
        model = done[self.recipe.stage[-1].name]
        if self.recipe.soup is not None:
            model = self.folder / "soup"
            if not model.is_dir() and self.processes.ranks.is_first:
                own = self.recipe.soup
                soup([done[name] for name in own.of], model, weights=own.weights or None)
                self.listener.on_saved(model)
            self.processes.ranks.wait()
        self.processes.end()
        return RunOutcome(model=model, is_done=True, stages=done)

    def _train(self, stage: StageSettings, whole: Mixture, target: Path) -> bool:
        """Trains a stage and writes its model; says whether it came to its end."""
        ranks = self.processes.ranks
        # New adapters are drawn: alike on all ranks, and whatever was trained before.
        torch.manual_seed(checkpoints.seed_of(self.recipe.seed, stage.name))
        backbone = open_backbone(self.recipe.network, device=ranks.device, limits=self.limits)
        mixture = stage_mixture(self.recipe, stage, whole)
        sampler = sampler_of(mixture, stage, self.recipe.seed)
        steps = steps_of(sampler, stage)
        log = run_folder.StepLog(target.parent / "log.jsonl")
        watcher = _Watcher(self.listener, self.processes, stage, log, self._steps_before(stage))
        trainer = Trainer(
            backbone=backbone,
            batches=SampledBatches(
                rows=rows_of(mixture, backbone, stage),
                sampler=sampler,
                ranks=ranks,
                workers=stage.workers,
            ),
            steps=steps,
            settings=stage,
            tasks=mixture.tasks,
            folder=target.parent / "checkpoints",
            seed=self.recipe.seed,
            watcher=watcher,
            ranks=ranks,
            measure=self._measures(stage, backbone),
            stop=self.stop,
        )
        self._go_on(stage, trainer, log)
        if ranks.is_first:
            self.listener.on_stage(stage.name, steps, mixture)
            if sampler.largest_batch < stage.batch.size:
                self.listener.on_warning(
                    f"{stage.name}: batches hold {sampler.largest_batch} rows at most, not the "
                    f"{stage.batch.size} of batch.size: no group has so many with different "
                    "positives; merge groups, or set the source's shared_positives"
                )
        outcome = trainer.run()
        if outcome.is_done and ranks.is_first:
            facts = StageFacts(
                stage=stage,
                steps=outcome.progress.step,
                rows=outcome.progress.rows,
                failed=outcome.progress.failed,
                temperatures=trainer.temperatures.values(),
                sources=mixture.facts,
            )
            told = {
                "checkpoint": outcome.checkpoint.name,
                "name": stage.name,
                "settings": shown_settings(stage),
                **facts.document(),
            }
            run_folder.write_json(target.parent / DONE, told)
            run_folder.write_aside(target, lambda aside: self._write(aside, backbone, stage))
            self.listener.on_saved(target)
        ranks.wait()
        return outcome.is_done

    def _go_on(self, stage: StageSettings, trainer: Trainer, log: run_folder.StepLog) -> None:
        """Starts from the stage before, or from this stage's own checkpoint."""
        own = checkpoints.newest(trainer.folder)
        if self.processes.ranks.is_first:
            run_folder.pick_up(trainer.folder, log, self.listener.on_warning)
        if own is None and stage.start:
            before = self.folder / stage.start
            final = run_folder.read_json(before / DONE)["checkpoint"]
            trainer.start_from(before / "checkpoints" / final)

    def _steps_before(self, stage: StageSettings) -> int:
        earlier = self.recipe.stage[: self.recipe.stage.index(stage)]
        return sum(
            run_folder.read_json(self.folder / each.name / DONE)["steps"] for each in earlier
        )

    def _measures(
        self, stage: StageSettings, backbone: Backbone
    ) -> Callable[[Encoder], Scores] | None:
        own, measure = stage.evaluation, self.measure
        if not own.suite or measure is None:
            return None
        return lambda encoder: measure(Snapshot(encoder, backbone.network), own)

    def facts(self, stage: StageSettings) -> list[dict[str, Any]]:
        """What the stages that led to a stage's model came to, the first one first."""
        own = run_folder.read_json(self.folder / stage.name / DONE)
        before = [each for each in self.recipe.stage if each.name == stage.start]
        return [*(facts for each in before for facts in self.facts(each)), own]

    def write_card(self, model: Path, scores: Sequence[Score]) -> None:
        """Writes the card of the run's model anew, with its scores; a soup's goes below its own."""
        last = self.recipe.stage[-1]
        if self.recipe.soup is None:
            facts, base = self.facts(last), self.recipe.network.base
            text = card(self.recipe, facts, model, base=base, scores=scores)
        else:
            text = with_scores((model / "README.md").read_text(encoding="utf-8"), scores)
        run_folder.write_text(model / "README.md", text)

    def _write(self, aside: Path, backbone: Backbone, stage: StageSettings) -> None:
        backbone.save(aside)
        facts = self.facts(stage)
        run_folder.write_json(aside / TEMPERATURES, facts[-1]["temperatures"])
        text = card(self.recipe, facts, aside, base=backbone.name)
        (aside / "README.md").write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Passes on what the trainer says, under the stage's name, and keeps the log."""

    listener: Listener
    processes: Processes
    stage: StageSettings
    log: run_folder.StepLog
    before: int  # steps of earlier stages: trackers want steps that grow

    def on_step(self, report: StepReport) -> None:
        if not self.processes.ranks.is_first:
            return
        self.listener.on_step(self.stage.name, report)
        if report.step % self.stage.log_every and report.step != report.steps:
            return
        self.log.add(asdict(report))
        values = {
            f"{self.stage.name}/{name}": float(value)
            for name, value in asdict(report).items()
            if isinstance(value, int | float) and name not in {"step", "steps"}
        }
        for task, temperature in report.temperatures.items():
            values[f"{self.stage.name}/temperature/{task}"] = temperature
        self.processes.track(values, self.before + report.step)

    def on_failed(self, row: FailedRow) -> None:
        if self.processes.ranks.is_first:
            self.listener.on_failed(self.stage.name, row)

    def on_warning(self, text: str) -> None:
        if self.processes.ranks.is_first:
            self.listener.on_warning(text)

    def on_measured(self, step: int, scores: Scores) -> None:
        self.listener.on_measured(self.stage.name, step, scores)
        self.log.add({"step": step, "measured": dict(scores)})
        named = {f"{self.stage.name}/measured/{name}": value for name, value in scores.items()}
        self.processes.track(named, self.before + step)

    def on_saved(self, checkpoint: Path) -> None:
        self.listener.on_saved(checkpoint)


def _left_out(mixture: Mixture) -> Iterator[str]:
    """A line for each source of which rows cannot be trained on."""
    for source, skipped in zip(mixture.sources, mixture.skipped, strict=True):
        if skipped.total:
            reasons = ", ".join(f"{why} ({count:,})" for why, count in skipped.by_reason.items())
            yield (
                f"source {source.name!r}: {skipped.total:,} rows are left out: {reasons}; the "
                f"first: {skipped.first[0].where}: rzen train --check shows more"
            )


def _flat(tree: Mapping[str, object], before: str = "") -> dict[str, str]:
    """Trackers take one level of plain values."""
    found: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = str(value)
    return found
