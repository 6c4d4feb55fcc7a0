"""A projector's recipe carried out: stage after stage, each resumable, then the model's folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from rzen.config import Limits, ModelSettings, cache_folder
from rzen.data.questions.build import question_set
from rzen.data.questions.rows import rows_of
from rzen.protocols import Encoder
from rzen.rag.generators import local_model
from rzen.rag.local import projector as projectors
from rzen.rag.local.loading import Loaded
from rzen.rag.local.projecting import ADAPTER
from rzen.rag.local.projector import Projector, ProjectorFacts, ProjectorShape, own_parts
from rzen.training import checkpoints, run_folder
from rzen.training.adapters import save_adapter, with_adapters
from rzen.training.projector import rows as question_rows
from rzen.training.projector.card import card
from rzen.training.projector.recipe import ProjectorRecipe, ProjectorStage, RowsSettings
from rzen.training.projector.rows import QuestionRows, RowSource
from rzen.training.projector.start import start
from rzen.training.projector.trainer import ProjectorReport, ProjectorTrainer
from rzen.training.ranks import Ranks

MODEL, DONE = "model", "done.json"


class ProjectorListener(Protocol):
    """Who is told what happens; on the first rank only."""

    def begin(self, name: str, steps: int, about: str) -> None:
        """A stage begins, or goes on."""

    def on_step(self, stage: str, report: ProjectorReport) -> None:
        """After each step."""

    def on_warning(self, text: str) -> None:
        """Something that the user should look at."""

    def on_saved(self, path: Path) -> None:
        """A checkpoint or the model was written."""


@dataclass(slots=True, kw_only=True, eq=False)
class ProjectorRun:
    """A recipe and the folder that it is carried out in.

    Attributes:
        recipe: what is done.
        recipe_folder: that files of rows are relative to.
        folder: of the run.
        encoder: of the items.
        ranks: of the run.
        listener: told what happens.
        limits: of decoders.
        model: how the language model is loaded.
        stop: asked after each step whether to save and leave.
        allow_changes: whether a run may go on with another recipe or other rows.
        on_encoded: told how many items of how many are encoded.
    """

    recipe: ProjectorRecipe
    recipe_folder: Path
    folder: Path
    encoder: Encoder
    ranks: Ranks
    listener: ProjectorListener
    limits: Limits
    model: ModelSettings
    stop: Callable[[], bool] = lambda: False
    allow_changes: bool = False
    on_encoded: Callable[[int, int], None] | None = None

    def run(self) -> Path | None:
        """Carries out what is not done yet.

        Returns:
            folder of the model; ``None`` if it was stopped.

        Raises:
            DataError: if rows, a checkpoint or the loss give up; what was saved stays.
            UsageError: if the folder holds another run.
            GeneratorError: if the language model cannot be loaded.
        """
        if not self.ranks.is_first:
            return self._run()
        with run_folder.held(self.folder):
            return self._run()

    def _run(self) -> Path | None:
        if self.ranks.is_first:
            self._build_questions()
        self.ranks.wait()
        read = {stage.name: self._rows(stage) for stage in self.recipe.stage}
        if self.ranks.is_first:
            self._claim(read)
        self.ranks.wait()
        target = self.folder / MODEL
        if target.is_dir():
            return target
        torch.manual_seed(checkpoints.seed_of(self.recipe.seed, "projector"))
        made = local_model(self.recipe.generator, device=self.ranks.device, model=self.model).loaded
        loaded, projector = self._network(made)
        first = self.recipe.stage[0].name
        if checkpoints.newest(self._checkpoints(first)) is None:
            start(projector, loaded, read[first], zeroed=self.recipe.zeroed)
        before: Path | None = None
        for stage in self.recipe.stage:
            done = self._train(stage, read[stage.name], loaded, projector, before)
            if done is None:
                return None
            before = done
        if self.ranks.is_first:
            run_folder.write_aside(target, lambda aside: self._write(aside, loaded, projector))
            self.listener.on_saved(target)
        self.ranks.wait()
        return target

    def _build_questions(self) -> None:
        """Questions of rzen-bench are built by one rank, and read by all."""
        for rows in (each for stage in self.recipe.stage for each in stage.rows):
            if not rows.file:
                question_set(rows.questions, "train")

    def _claim(self, read: Mapping[str, QuestionRows]) -> None:
        changed = run_folder.begin(
            self.folder,
            self.recipe,
            {name: each.revision for name, each in read.items()},
            allow_changes=self.allow_changes,
        )
        for line in changed:
            self.listener.on_warning(f"changed since this run began: {line}")
        for each in read.values():
            for reason in each.failed[:20]:
                self.listener.on_warning(f"left out: {reason}")

    def _rows(self, stage: ProjectorStage) -> QuestionRows:
        return question_rows.read(
            [self._source(each) for each in stage.rows],
            self.encoder,
            self.limits,
            store=cache_folder() / "projector-items",
            max_failed=stage.max_failed,
            on_progress=self.on_encoded,
        )

    def _source(self, rows: RowsSettings) -> RowSource:
        if rows.file:
            return question_rows.of_file(self.recipe_folder / rows.file, rows.repeat)
        made = rows_of(question_set(rows.questions, "train"))
        return RowSource(
            name=rows.questions,
            folder=self.recipe_folder,  # their own items have absolute paths
            lines=[json.dumps(row).encode() for row in made],
            repeat=rows.repeat,
        )

    def _network(self, loaded: Loaded) -> tuple[Loaded, Projector]:
        """The language model, frozen or with adapters, and a projector that fits it."""
        network = loaded.network
        network.requires_grad_(False)
        embedding = network.get_input_embeddings().weight
        shape = ProjectorShape(
            dim=self.encoder.dim,
            hidden=self.recipe.projector.hidden,
            tokens=self.recipe.projector.tokens,
            width=embedding.shape[1],
        )
        size = float(embedding.float().square().mean().sqrt())
        projector = Projector(shape, size=size).to(network.device)
        if self.recipe.lora is not None:
            # The table of words stays as it is: soft tokens were sized by it.
            kept = (*self.recipe.lora.without, *_heads(network))
            lora = self.recipe.lora.model_copy(update={"without": kept})
            network = with_adapters(network, lora)
        return loaded.with_network(network), projector

    def _train(
        self,
        stage: ProjectorStage,
        rows: QuestionRows,
        loaded: Loaded,
        projector: Projector,
        before: Path | None,
    ) -> Path | None:
        """Trains a stage; the folder of its last checkpoint, or ``None`` if it was stopped."""
        place = self.folder / stage.name
        log = run_folder.StepLog(place / "log.jsonl")
        trainer = ProjectorTrainer(
            loaded=loaded,
            projector=projector,
            rows=rows,
            zeroed=self.recipe.zeroed,
            settings=stage,
            folder=self._checkpoints(stage.name),
            seed=checkpoints.seed_of(self.recipe.seed, stage.name),
            watcher=_Watcher(self.listener, stage.name, log, self.ranks),
            ranks=self.ranks,
            stop=self.stop,
        )
        newest = checkpoints.newest(trainer.folder)
        if self.ranks.is_first:
            run_folder.pick_up(trainer.folder, log, self.listener.on_warning)
            about = f"{len(rows.rows):,} rows, {len(rows.vector_ID):,} items"
            self.listener.begin(stage.name, trainer.steps, about)
        if newest is None and before is not None:
            trainer.start_from(before)
        progress, checkpoint, is_done = trainer.run()
        if not is_done:
            return None
        if self.ranks.is_first:
            told = {"checkpoint": checkpoint.name, "steps": progress.step, "rows": progress.rows}
            run_folder.write_json(place / DONE, told)
        return checkpoint

    def _checkpoints(self, stage: str) -> Path:
        return self.folder / stage / "checkpoints"

    def _write(self, aside: Path, loaded: Loaded, projector: Projector) -> None:
        facts = ProjectorFacts(
            shape=projector.shape,
            generator=self.recipe.generator,
            generator_weights=loaded.weights,
            encoder=own_parts(self.encoder.fingerprint),
            encoder_name=self.encoder.fingerprint.encoder,
        )
        projectors.save(aside, projector, facts)
        if self.recipe.lora is not None:
            save_adapter(loaded.network, aside / ADAPTER)
        (aside / "README.md").write_text(card(self.recipe, facts), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Passes on what the trainer says, under the stage's name, and keeps the log."""

    listener: ProjectorListener
    stage: str
    log: run_folder.StepLog
    ranks: Ranks

    def on_step(self, report: ProjectorReport) -> None:
        if self.ranks.is_first:
            self.listener.on_step(self.stage, report)
            self.log.add(asdict(report))

    def on_saved(self, checkpoint: Path) -> None:
        self.listener.on_saved(checkpoint)


def _heads(network: Any) -> list[str]:
    """Names of the layers that turn states into words."""
    head = network.get_output_embeddings()
    return [name for name, module in network.named_modules() if module is head]
