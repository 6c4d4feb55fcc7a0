"""What a training run says while it runs: a line that moves, or now and then one that stays."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rzen.cli.output import complain, printable

if TYPE_CHECKING:
    from rzen.data.mixture import Mixture
    from rzen.training.batch import FailedRow
    from rzen.training.projector.trainer import ProjectorReport
    from rzen.training.trainer import StepReport

_STILL_SECONDS = 30.0  # between lines where nobody watches
_MEMORY = 0.9  # of the mean of seconds a step
_MOST_NAMED = 20


@contextmanager
def training_progress() -> "Iterator[Speaker]":
    """Yields who is told what happens."""
    if not sys.stderr.isatty():
        yield Speaker(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    bars = Progress(
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
    with bars:
        yield Speaker(bars)


class Speaker:
    """See :class:`rzen.training.stages.Listener`.

    Args:
        bars: of rich, or ``None`` where nobody watches.
    """

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._task: Any = None
        self._seconds: float | None = None
        self._said = 0.0
        self._failed: set[str] = set()

    def on_stage(self, name: str, steps: int, mixture: "Mixture") -> None:
        """A line on what it is trained on."""
        self.begin(name, steps, f"{len(mixture):,} rows of {len(mixture.groups)} groups")
        self._say(f"  tasks: {', '.join(mixture.tasks)}")

    def begin(self, name: str, steps: int, about: str) -> None:
        """A stage begins: how long it is, and on what it is trained."""
        self._say(f"{name}: {steps} steps, {about}")
        self._seconds = None
        self._failed.clear()
        if self._bars is not None:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(name, total=steps)

    def on_encoded(self, done: int, total: int) -> None:
        """Items of a projector's rows are encoded before the first step."""
        if done == total or time.monotonic() - self._said >= _STILL_SECONDS:
            self._said = time.monotonic()
            self._say(f"{done:,} of {total:,} items encoded")

    def on_step(self, stage: str, report: "StepReport | ProjectorReport") -> None:
        """Moves the line."""
        own = self._seconds
        new = report.seconds
        self._seconds = new if own is None else _MEMORY * own + (1 - _MEMORY) * new
        line = step_line(stage, report, self._seconds)
        if self._bars is not None:
            self._bars.update(self._task, completed=report.step, description=line)
        elif time.monotonic() - self._said >= _STILL_SECONDS or report.step == report.steps:
            self._said = time.monotonic()
            complain(line)

    def on_failed(self, stage: str, row: "FailedRow") -> None:
        """Names the first ones, each once; all are counted."""
        if row.name in self._failed or len(self._failed) == _MOST_NAMED:
            return
        self._failed.add(row.name)
        self._say(f"{stage}: left out: {row.name}: {row.reason}")
        if len(self._failed) == _MOST_NAMED:
            self._say(f"{stage}: further rows that cannot be read are counted only")

    def on_warning(self, text: str) -> None:
        """Says it."""
        self._say(text)

    def on_measured(self, stage: str, step: int, scores: Mapping[str, float]) -> None:
        """A line of figures."""
        figures = " · ".join(f"{name} {value:.4f}" for name, value in scores.items())
        self._say(f"{stage}, step {step}: {figures}")

    def on_saved(self, path: Path) -> None:
        """Only models are worth a line; checkpoints are many."""
        if not path.name.startswith("step-"):
            self._say(f"written: {path}")

    def _say(self, line: str) -> None:
        if self._bars is None:
            complain(line)
        else:
            self._bars.console.print(printable(line), markup=False, highlight=False)


def step_line(stage: str, report: "StepReport | ProjectorReport", seconds: float) -> str:
    """Loss, what is peculiar to the kind of training, speed, time left."""
    from rzen.types import clock

    pieces = [
        f"{stage} {report.step}/{report.steps}",
        f"loss {report.loss:.4f}",
        *report.told(),
        f"{report.tokens / max(seconds, 1e-9):,.0f} tokens/s",
        f"{clock((report.steps - report.step) * seconds)} left",
    ]
    return " · ".join(pieces)
