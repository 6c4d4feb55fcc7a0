"""Live progress of an evaluation or a build on standard error; silent where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from rzen.evaluation.progress import Progress


@contextmanager
def evaluation_progress() -> "Iterator[Callable[[Progress], None] | None]":
    """Yields what a run calls with its figures, or ``None`` off a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with _bars() as bars:
        task = bars.add_task("reading the suite", total=None)

        def show(progress: "Progress") -> None:
            bars.update(
                task,
                total=max(progress.contents_total, 1),
                completed=progress.contents_done,
                description=figures(progress),
            )

        yield show


@contextmanager
def build_progress() -> "Iterator[Callable[[str, int, int], None]]":
    """Yields what a build calls with its steps; off a terminal they are lines."""
    if not sys.stderr.isatty():
        yield lambda what, number, total: print(f"[{number}/{total}] {what}", file=sys.stderr)
        return
    with _bars() as bars:
        task = bars.add_task("building", total=None)
        yield lambda what, number, total: bars.update(
            task, total=total, completed=number - 1, description=what
        )


def figures(progress: "Progress") -> str:
    """One line: sets, contents, speed, time left, the set at hand."""
    from rzen.types import clock

    pieces = [
        f"{progress.sets_done}/{progress.sets_total} sets",
        f"{progress.contents_done}/{progress.contents_total} contents",
    ]
    if progress.items_per_second:
        pieces.append(f"{progress.items_per_second:.1f} items/s")
    if progress.seconds_left is not None:
        pieces.append(f"{clock(progress.seconds_left)} left")
    if progress.set_name:
        pieces.append(progress.set_name)
    return " · ".join(pieces)


def _bars() -> "Bars":
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    return Bars(
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
