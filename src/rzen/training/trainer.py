"""The loop: global batches of one task, GradCache, the loss of the whole batch, AdamW, checkpoints.

Written here and not on top of sentence-transformers' Trainer; docs/architecture.md says why.

Shape suffixes: N contents or queries, M documents, D dimensions.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from rzen.encoders.batching import by_length
from rzen.errors import DataError
from rzen.protocols import Encoder
from rzen.training import checkpoints, gradient_cache
from rzen.training.backbone import Backbone
from rzen.training.batch import FailedRow, GlobalLayout, LocalBatch, Row
from rzen.training.checkpoints import Progress, State
from rzen.training.losses import InfoNCEOutput, info_nce
from rzen.training.optimizer import adamw, set_rate
from rzen.training.ranks import Ranks
from rzen.training.settings import StageSettings
from rzen.training.temperatures import Temperatures

_FEW = 100  # rows; a share of fewer says little
_REASONS = 5  # named when too many rows fail
_IDLE_STEPS = 10  # without a gradient, until the run is stopped
_MANY_MASKED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What a step was like.

    Attributes:
        step: steps taken, this one included.
        steps: of the stage.
        loss: mean over its batches.
        temperatures: of the tasks of this step.
        masked_fraction: of all negatives, those left out as false.
        effective_negatives: see :class:`rzen.training.losses.InfoNCEOutput`.
        learning_rate: of the network.
        gradient_norm: before it was clipped.
        tokens: of this step, padding left out.
        seconds: that this step took.
        failed: rows that could not be read, so far.
    """

    step: int
    steps: int
    loss: float
    temperatures: Mapping[str, float]
    masked_fraction: float
    effective_negatives: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    seconds: float
    failed: int

    def told(self) -> list[str]:
        """What a line of progress says beside loss, speed and time."""
        temperatures = ", ".join(f"{value:.4f}" for value in self.temperatures.values())
        pieces = [
            f"T {temperatures}",
            f"masked {self.masked_fraction:.1%}",
            f"{self.effective_negatives:.1f} negatives",
        ]
        return [*pieces, f"{self.failed} rows unreadable"] if self.failed else pieces


class Watcher(Protocol):
    """Who is told what happens; on the first rank only."""

    def on_step(self, report: StepReport) -> None:
        """After each step."""

    def on_failed(self, row: FailedRow) -> None:
        """A row could not be read."""

    def on_warning(self, text: str) -> None:
        """Something that the user should look at."""

    def on_measured(self, step: int, scores: Mapping[str, float]) -> None:
        """After a measurement."""

    def on_saved(self, checkpoint: Path) -> None:
        """After a checkpoint."""


class Batches(Protocol):
    """The stage's batches, read and prepared."""

    def starting_at(self, number: int) -> Iterator[list[Row | FailedRow]]:
        """This rank's rows of each batch from one on; opens none before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a stage ended.

    Attributes:
        progress: at its end.
        checkpoint: the one whose weights are the stage's.
        is_done: whether it came to its end, by its steps or by early stopping.
    """

    progress: Progress
    checkpoint: Path
    is_done: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Trainer:
    """One stage of training.

    Attributes:
        backbone: what is trained.
        batches: what it is trained on.
        steps: of the optimiser.
        settings: of the stage.
        tasks: by their numbers.
        folder: of the checkpoints.
        seed: of the run.
        ranks: of the run.
        watcher: told what happens.
        measure: encoder -> scores; ``"score"`` is the one that counts.
        stop: asked after each step whether to save and leave.
    """

    backbone: Backbone
    batches: Batches
    steps: int
    settings: StageSettings
    tasks: Sequence[str]
    folder: Path
    seed: int
    watcher: Watcher
    ranks: Ranks = field(default_factory=Ranks)
    measure: Callable[[Encoder], Mapping[str, float]] | None = None
    stop: Callable[[], bool] = lambda: False
    _temperatures: Temperatures = field(init=False)
    _state: State = field(init=False)
    _weights: list[nn.Parameter] = field(init=False)
    _first_reasons: list[str] = field(init=False, default_factory=list)
    _idle: int = field(init=False, default=0)
    _is_warned: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._temperatures = Temperatures(self.tasks, self.settings.temperature)
        self._temperatures.to(self.backbone.device)
        self._weights = list(checkpoints.trained(self.backbone.network).values())
        self._state = State(
            network=self.backbone.network,
            optimizer=self._optimizer(),
            temperatures=self._temperatures,
        )

    @property
    def temperatures(self) -> Temperatures:
        """Of the tasks, as they are now."""
        return self._temperatures

    def start_from(self, checkpoint: Path) -> None:
        """Takes weights and temperatures of another stage; its own checkpoint goes before.

        Raises:
            DataError: if they are of another network, or damaged.
        """
        if not checkpoints.is_whole(checkpoint):
            raise DataError(
                f"{checkpoint} is damaged or gone: delete {checkpoint.parents[1]} and run the same "
                "command again, which trains that stage anew"
            )
        checkpoints.restore_weights(checkpoint, self.backbone.network)
        checkpoints.restore_temperatures(checkpoint, self._temperatures)

    def run(self) -> Outcome:
        """Trains, from the newest whole checkpoint on if there is one.

        Raises:
            DataError: if the loss is no number, too many rows cannot be read, or a checkpoint
                cannot be saved; the last good checkpoint stays.
        """
        progress = self._resumed()
        network = self.backbone.network.train()
        if progress.step == 0 and progress.best is None and self.measure is not None:
            progress = self._measured(progress)
            self._save(progress)
            network.train()
        rows = self.batches.starting_at(progress.step * self.settings.batch.accumulate)
        saved_at, is_stopped = time.monotonic(), False
        while not (is_stopped or progress.step >= self.steps or self._is_over(progress)):
            progress = self._step(rows, progress)
            if self._is_due(progress.step):
                progress = self._measured(progress)
                network.train()
            late = time.monotonic() - saved_at > 60 * self.settings.checkpoint.every_minutes
            # Clocks and signals of ranks differ; the first one's count.
            is_stopped, late = self.ranks.gather_json([self.stop(), late])[0]
            if is_stopped or late or self._must_save(progress):
                self._save(progress)
                saved_at = time.monotonic()
        return Outcome(
            progress=progress,
            checkpoint=self._final(progress),
            is_done=self._is_over(progress) or progress.step >= self.steps,
        )

    def _optimizer(self) -> torch.optim.Optimizer:
        thetas = [each for each in self._temperatures.parameters() if each.requires_grad]
        return adamw(
            checkpoints.trained(self.backbone.network),
            self.settings.optimizer,
            thetas,
            self.settings.temperature.learning_rate,
        )

    def _resumed(self) -> Progress:
        checkpoint = checkpoints.newest(self.folder)
        return Progress() if checkpoint is None else checkpoints.restore(checkpoint, self._state)

    def _step(self, rows: Iterator[list[Row | FailedRow]], progress: Progress) -> Progress:
        begun = time.perf_counter()
        own = self.settings.optimizer
        scale = set_rate(self._state.optimizer, progress.step, self.steps, own)
        self._state.optimizer.zero_grad(set_to_none=True)
        seen = [
            self._batch(next(rows), progress, number)
            for number in range(self.settings.batch.accumulate)
        ]
        self.ranks.sum_gradients(self._weights)
        norm = nn.utils.clip_grad_norm_(self._weights, own.clip_norm)
        self._demand_numbers(seen, norm, progress)
        self._state.optimizer.step()
        self._temperatures.clamp()
        progress = replace(
            progress,
            step=progress.step + 1,
            rows=progress.rows + sum(len(each.names) for each in seen),
            failed=progress.failed + sum(each.failed for each in seen),
            lost=progress.lost + sum(each.lost for each in seen),
        )
        self._demand_readable(progress)
        report = self._report(seen, progress, scale, norm, begun)
        self.watcher.on_step(report)
        self._demand_learning(report)
        return progress

    def _batch(self, found: Sequence[Row | FailedRow], progress: Progress, number: int) -> "_Seen":
        rows = [row for row in found if isinstance(row, Row)]
        failed = [row for row in found if isinstance(row, FailedRow)]
        local = LocalBatch.of(rows)
        told = {
            **local.about,
            "failed": [[row.name, row.reason] for row in failed],
            "lost": sum(len(row.lost) for row in rows),
        }
        abouts = self.ranks.gather_json(told)
        layout = GlobalLayout.of(
            abouts,
            by_part=self.settings.batch.negatives == "sub-batch",
            device=self.backbone.device,
        )
        for name, reason in (each for about in abouts for each in about["failed"]):
            self._first_reasons = [*self._first_reasons, f"{name}: {reason}"][:_REASONS]
            self.watcher.on_failed(FailedRow(name=name, reason=reason))
        outputs: list[InfoNCEOutput] = []

        def loss(vectors_ND: Tensor) -> Tensor:
            outputs.append(self._loss(self.ranks.gather_rows(vectors_ND), layout))
            return outputs[0].loss / self.settings.batch.accumulate

        if layout.names:
            gradient_cache.backward(
                lambda chunk: self.backbone.encode([local.contents[each] for each in chunk]),
                self._chunks(local),
                loss,
                shape=(len(local.contents), self.backbone.dim),
                device=self.backbone.device,
                seed=lambda chunk: self._seed(progress.step, number, chunk),
            )
        return _Seen(
            names=layout.names,
            tasks=sorted({int(task) for task in layout.task_N}),
            tokens=layout.tokens,
            failed=sum(len(about["failed"]) for about in abouts),
            lost=sum(about["lost"] for about in abouts),
            output=outputs[0] if outputs else None,
        )

    def _loss(self, vectors_ND: Tensor, layout: GlobalLayout) -> InfoNCEOutput:
        own = self.settings.loss
        return info_nce(
            vectors_ND[layout.query_N],
            vectors_ND[layout.document_M],
            layout.positive,
            self._temperatures(layout.task_N),
            alpha=own.alpha,
            delta=own.delta,
            detach_weights=own.detach_weights,
            false_negatives=None if own.false_negatives == "none" else own.false_negatives,
            threshold=own.threshold,
            candidate_BM=layout.candidate_NM,
            symmetric=own.symmetric,
        )

    def _chunks(self, local: LocalBatch) -> list[list[int]]:
        own = self.settings.batch
        tokens = own.room(self.backbone.device)
        lengths = [each.tokens for each in local.contents]
        # The largest comes last: its graph is kept, so it is encoded once only.
        return list(by_length(lengths, tokens=tokens, items=own.chunk_items))[::-1]

    def _seed(self, *numbers: int) -> int:
        """Of random numbers: of its own for each rank, step, batch and chunk."""
        return checkpoints.seed_of(self.seed, self.ranks.rank, *numbers)

    def _demand_numbers(self, seen: Sequence["_Seen"], norm: Tensor, progress: Progress) -> None:
        losses = [float(each.output.loss.detach()) for each in seen if each.output is not None]
        thetas = [each.grad for each in self._temperatures.theta if each.grad is not None]
        finite = [*losses, float(norm), *(float(each) for each in thetas)]
        if all(math.isfinite(each) for each in finite):
            return
        names = [name for each in seen for name in each.names]
        last = checkpoints.newest(self.folder)
        kept = f"the last good checkpoint is {last}" if last else "no checkpoint was saved yet"
        raise DataError(
            f"step {progress.step + 1}: the loss or its gradient is no number (loss "
            f"{', '.join(map(str, losses))}, norm {float(norm)}); its rows: {', '.join(names)}: "
            f"{kept}: lower the learning rate, or look at these rows with  rzen train --check"
        )

    def _demand_learning(self, report: StepReport) -> None:
        """Says so when the mask of false negatives takes (nearly) every negative.

        Vectors of a model that was never trained to embed lie so close together that all of them
        are "near duplicates": it would learn nothing, at a loss of zero.
        """
        if report.masked_fraction > _MANY_MASKED and not self._is_warned:
            self._is_warned = True
            self.watcher.on_warning(
                f"step {report.step}: {report.masked_fraction:.0%} of the negatives count as false "
                "ones: vectors are still alike; a first stage without loss.delta spreads them"
            )
        self._idle = self._idle + 1 if report.gradient_norm == 0 else 0
        if self._idle >= _IDLE_STEPS:
            raise DataError(
                f"nothing was learned in {_IDLE_STEPS} steps (no gradient; "
                f"{report.masked_fraction:.0%} of the negatives are left out as false ones): train "
                'a first stage with  loss = { false_negatives = "none", alpha = 0 },  or raise '
                "loss.delta"
            )

    def _demand_readable(self, progress: Progress) -> None:
        tried = progress.rows + progress.failed
        if tried < _FEW or progress.failed <= self.settings.max_failed * tried:
            return
        raise DataError(
            f"{progress.failed} of {tried} rows could not be read, more than max_failed "
            f"{self.settings.max_failed} allows; for example: {'; '.join(self._first_reasons)}: "
            "look at the data with  rzen train --check"
        )

    def _report(
        self, seen: Sequence["_Seen"], progress: Progress, scale: float, norm: Tensor, begun: float
    ) -> StepReport:
        outputs = [each.output for each in seen if each.output is not None]
        values = self._temperatures.values()

        def mean(found: Sequence[Tensor]) -> float:
            return float(torch.stack(list(found)).detach().mean()) if found else 0.0

        return StepReport(
            step=progress.step,
            steps=self.steps,
            loss=mean([each.loss for each in outputs]),
            temperatures={
                self.tasks[task]: values[self.tasks[task]] for each in seen for task in each.tasks
            },
            masked_fraction=mean([each.masked_fraction for each in outputs]),
            effective_negatives=mean([each.effective_negatives for each in outputs]),
            learning_rate=self.settings.optimizer.learning_rate * scale,
            gradient_norm=float(norm),
            tokens=sum(each.tokens for each in seen),
            seconds=time.perf_counter() - begun,
            failed=progress.failed,
        )

    def _is_due(self, step: int) -> bool:
        every = self.settings.evaluation.every_steps
        return self.measure is not None and (step % every == 0 or step == self.steps)

    def _must_save(self, progress: Progress) -> bool:
        every = self.settings.checkpoint.every_steps
        is_best = progress.best_step == progress.step
        return progress.step % every == 0 or progress.step == self.steps or is_best

    def _measured(self, progress: Progress) -> Progress:
        """Measures on the first rank; the others wait for its word."""
        assert self.measure is not None
        scores: Mapping[str, float] = {}
        if self.ranks.is_first:
            self.backbone.network.eval()
            scores = self.measure(self.backbone.encoder())
            self.watcher.on_measured(progress.step, scores)
        score = float(self.ranks.gather_json(dict(scores))[0]["score"])
        if progress.best is not None and score <= progress.best:
            return replace(progress, since_best=progress.since_best + 1)
        return replace(progress, best=score, best_step=progress.step, since_best=0)

    def _is_over(self, progress: Progress) -> bool:
        patience = self.settings.evaluation.patience
        return patience > 0 and progress.since_best >= patience

    def _save(self, progress: Progress) -> None:
        if self.ranks.is_first:
            keep = self.settings.checkpoint.keep
            self.watcher.on_saved(checkpoints.save(self.folder, self._state, progress, keep=keep))
        self.ranks.wait()

    def _final(self, progress: Progress) -> Path:
        """The checkpoint whose weights are the stage's; the network has them afterwards."""
        current = self.folder / f"step-{progress.step:08d}"
        if not current.is_dir():
            self._save(progress)
        if not self.settings.evaluation.keep_best or progress.best_step is None:
            return current
        best = self.folder / f"step-{progress.best_step:08d}"
        if best != current:
            checkpoints.restore(best, self._state)
        return best


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """One batch of a step, over all ranks."""

    names: list[str]
    tasks: list[int]
    tokens: int
    failed: int
    lost: int
    output: InfoNCEOutput | None
