"""The loop: soft tokens of items in the place of words, and the loss of the answer's tokens.

Shape suffixes: B rows, L tokens, H width of the language model, I items, T soft tokens of an item.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rzen.errors import DataError
from rzen.rag.language_model import SoftItem
from rzen.rag.local.loading import Loaded
from rzen.rag.local.projector import Projector
from rzen.rag.local.prompts import SOFT, answer_tokens, embedded_row, filled_left, rendered
from rzen.rag.prompt import Form, messages
from rzen.training import checkpoints
from rzen.training.checkpoints import Progress, State
from rzen.training.optimizer import adamw, set_rate
from rzen.training.projector.recipe import ProjectorStage
from rzen.training.projector.rows import QuestionRow, QuestionRows
from rzen.training.ranks import Ranks
from rzen.types import Evidence, Hit

FORM = Form(brief=True, texts=False, soft=True)
"""Of the prompts: vectors alone, as the fusion ``projector`` has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorReport:
    """What a step was like.

    Attributes:
        step: steps taken, this one included.
        steps: of the stage.
        loss: mean over the answers' tokens.
        learning_rate: of the projector.
        gradient_norm: before it was clipped.
        tokens: of this step, padding left out.
        seconds: that this step took.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    seconds: float

    def told(self) -> list[str]:
        """What a line of progress says beside loss, speed and time."""
        return [f"norm {self.gradient_norm:.2f}"]


class ProjectorWatcher(Protocol):
    """Who is told what happens."""

    def on_step(self, report: ProjectorReport) -> None:
        """After each step."""

    def on_saved(self, checkpoint: Path) -> None:
        """After a checkpoint."""


@dataclass(slots=True, kw_only=True, eq=False)
class ProjectorTrainer:
    """One stage.

    Attributes:
        loaded: language model and tokenizer; its weights are frozen, but for adapters.
        projector: what is trained.
        rows: to learn from.
        zeroed: whether vectors are zeros.
        settings: of the stage.
        folder: of the checkpoints.
        seed: of the run and the stage.
        watcher: told what happens.
        ranks: of the run.
        stop: asked after each step whether to save and leave.
    """

    loaded: Loaded
    projector: Projector
    rows: QuestionRows
    zeroed: bool
    settings: ProjectorStage
    folder: Path
    seed: int
    watcher: ProjectorWatcher
    ranks: Ranks = field(default_factory=Ranks)
    stop: Callable[[], bool] = lambda: False
    steps: int = field(init=False)
    _state: State = field(init=False)
    _has_adapters: bool = field(init=False)
    _epoch: tuple[int, list[int]] = field(init=False, default=(-1, []))

    def __post_init__(self) -> None:
        whole = nn.ModuleDict({"projector": self.projector, "model": self.loaded.network})
        optimizer = adamw(checkpoints.trained(whole), self.settings.optimizer)
        self._state = State(network=whole, optimizer=optimizer)
        self._has_adapters = any(each.requires_grad for each in self.loaded.network.parameters())
        a_pass = sum(self.rows.repeats) / self.settings.batch.size
        self.steps = self.settings.steps or max(1, round(self.settings.epochs * a_pass))

    def start_from(self, checkpoint: Path) -> None:
        """Takes the weights of another stage; its own checkpoint goes before."""
        checkpoints.restore_weights(checkpoint, self._state.network)

    def run(self) -> tuple[Progress, Path, bool]:
        """Trains, from the newest whole checkpoint on if there is one.

        Returns:
            where it is, the checkpoint of that, and whether it came to its end.

        Raises:
            DataError: if the loss is no number, or a checkpoint cannot be saved.
        """
        newest = checkpoints.newest(self.folder)
        progress = Progress() if newest is None else checkpoints.restore(newest, self._state)
        own = self.settings.checkpoint
        saved_at, is_stopped = time.monotonic(), False
        while progress.step < self.steps and not is_stopped:
            progress = self._step(progress)
            late = time.monotonic() - saved_at > 60 * own.every_minutes
            # Clocks and signals of ranks differ; the first one's count.
            is_stopped, late = self.ranks.gather_json([self.stop(), late])[0]
            is_due = progress.step % own.every_steps == 0 or progress.step == self.steps
            if is_stopped or late or is_due:
                self._save(progress)
                saved_at = time.monotonic()
        return progress, self.folder / f"step-{progress.step:08d}", progress.step >= self.steps

    def _save(self, progress: Progress) -> None:
        if self.ranks.is_first:
            keep = self.settings.checkpoint.keep
            saved = checkpoints.save(self.folder, self._state, progress, keep=keep)
            self.watcher.on_saved(saved)
        self.ranks.wait()

    def _step(self, progress: Progress) -> Progress:
        begun = time.perf_counter()
        own = self.settings.optimizer
        scale = set_rate(self._state.optimizer, progress.step, self.steps, own)
        self._state.optimizer.zero_grad(set_to_none=True)
        chosen = self._batch(progress.step)
        mine = [self.rows.rows[row] for row in chosen[self.ranks.rank :: self.ranks.count]]
        answers = [self._answer(row) for row in mine]
        told = self.ranks.gather_json([sum(map(len, answers)), 0.0])
        total = sum(each[0] for each in told)
        chunk = self.settings.batch.chunk
        seen = [
            self._backward(mine[start : start + chunk], answers[start : start + chunk], total)
            for start in range(0, len(mine), chunk)
        ]
        weights = list(checkpoints.trained(self._state.network).values())
        self.ranks.sum_gradients(weights)
        norm = float(nn.utils.clip_grad_norm_(weights, own.clip_norm))
        shares = self.ranks.gather_json([sum(each[0] for each in seen), sum(e[1] for e in seen)])
        loss = float(sum(each[0] for each in shares))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise DataError(
                f"step {progress.step + 1}: the loss or its gradient is no number (loss {loss}, "
                f"norm {norm}); its rows: {', '.join(row.name for row in mine)}: lower the "
                "learning rate"
            )
        self._state.optimizer.step()
        progress = replace(progress, step=progress.step + 1, rows=progress.rows + len(chosen))
        self.watcher.on_step(
            ProjectorReport(
                step=progress.step,
                steps=self.steps,
                loss=loss,
                learning_rate=own.learning_rate * scale,
                gradient_norm=norm,
                tokens=sum(each[1] for each in shares),
                seconds=time.perf_counter() - begun,
            )
        )
        return progress

    def _backward(
        self, rows: Sequence[QuestionRow], answers: Sequence[list[int]], total: int
    ) -> tuple[float, int]:
        """Adds a chunk's gradients; its share of the loss, and its tokens."""
        inputs, target_BA = self._inputs(rows, answers)
        longest = target_BA.shape[1]
        logits = self.loaded.network(**inputs, logits_to_keep=longest + 1).logits
        # The token before says the next one.
        loss = nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(),
            target_BA.flatten(),
            ignore_index=-100,
            reduction="sum",
        )
        (loss / total).backward()
        return float(loss.detach()) / total, int(inputs["attention_mask"].sum())

    def _inputs(
        self, rows: Sequence[QuestionRow], answers: Sequence[list[int]]
    ) -> tuple[dict[str, Any], Tensor]:
        """Prompts with their answers as embeddings filled from the left, and the answers' tokens.

        Returns:
            what the network takes, and (B, A) targets that end together, -100 before them.
        """
        device = self.loaded.network.device
        prompts = [self._prompt(row) for row in rows]
        begun, start = self._begun(prompts)
        items = [item for row in rows for item in self._items(row)]
        soft_ITH = self.projector.project(items) if items else None
        embed = self.loaded.network.get_input_embeddings()
        embedded, used = [], 0
        for row, prompt, answer in zip(rows, prompts, answers, strict=True):
            own = None if soft_ITH is None else soft_ITH[used : used + len(row.items)]
            used += len(row.items)
            asked = embedded_row(self.loaded, prompt[start:], own)
            embedded.append(torch.cat([asked, embed(torch.tensor(answer, device=device))]))
        inputs: dict[str, Any] = filled_left(embedded)
        mask = inputs["attention_mask"]
        begins = begun.get_seq_length() if begun is not None else 0
        inputs["position_ids"] = begins + (mask.cumsum(1) - 1).clamp(min=0)
        inputs["use_cache"] = begun is not None
        if begun is not None:
            begun.batch_repeat_interleave(len(rows))
            inputs["past_key_values"] = begun
            inputs["attention_mask"] = torch.cat([mask.new_ones(len(mask), begins), mask], 1)
        longest = max(map(len, answers))
        filled = [[-100] * (longest - len(each)) + each for each in answers]
        return inputs, torch.tensor(filled, device=device)

    def _begun(self, prompts: Sequence[str]) -> tuple[Any, int]:
        """The state after what all prompts begin with, and how many characters that is.

        A frozen model reads the words before the first item once for all rows: that is more than
        half of a short prompt. With adapters every row has to.
        """
        heads = [each.partition(SOFT)[0] for each in prompts]
        start = len(os.path.commonprefix(heads))  # noqa: RUF071 (of texts, not of paths)
        if len(set(heads)) > 1:
            start = heads[0].rfind("\n", 0, start) + 1  # a token may lie across any other place
        if self._has_adapters or not start:
            return None, 0
        tokens = self.loaded.tokenizer(prompts[0][:start], add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            device = self.loaded.network.device
            read = self.loaded.network(torch.tensor([tokens], device=device), use_cache=True)
        return read.past_key_values, start

    def _items(self, row: QuestionRow) -> Iterator[SoftItem]:
        for item in row.items:
            vector = self.rows.vector_ID[item]
            yield SoftItem(
                vector_D=np.zeros_like(vector) if self.zeroed else vector,
                modality=self.rows.modality_I[item],
            )

    def _prompt(self, row: QuestionRow) -> str:
        """As the fusion asks: see :func:`rzen.rag.prompt.messages`."""
        evidence = [
            Evidence(
                number=number,
                hit=Hit(id=row.name, modality=item.modality, uri="", score=1.0),
                text="",
                vector=item.vector_D,
            )
            for number, item in enumerate(self._items(row), 1)
        ]
        return rendered(self.loaded, messages(row.question, evidence, form=FORM))

    def _answer(self, row: QuestionRow) -> list[int]:
        return answer_tokens(self.loaded, row.answer)

    def _batch(self, step: int) -> list[int]:
        """The rows of a step: numbers alone, drawn from the seed and the epoch."""
        found: list[int] = []
        size = self.settings.batch.size
        whole = sum(self.rows.repeats)
        at = step * size
        epoch = int(at / whole)
        while len(found) < size:
            order = self._order(epoch)
            start = max(0, at - int(epoch * whole)) if not found else 0
            found += order[start : start + size - len(found)]
            epoch += 1
        return found

    def _order(self, epoch: int) -> list[int]:
        if self._epoch[0] != epoch:
            dice = np.random.default_rng(checkpoints.seed_of(self.seed, "epoch", epoch))
            repeats = np.array(self.rows.repeats)
            times = np.floor(repeats + dice.random(len(repeats))).astype(int)
            rows = np.repeat(np.arange(len(repeats)), times)
            self._epoch = (epoch, dice.permutation(rows).tolist())
        return self._epoch[1]
