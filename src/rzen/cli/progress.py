"""Live progress on standard error; silent where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rzen.cli.output import printable

if TYPE_CHECKING:
    from rzen.embedding.job import Progress as RowProgress
    from rzen.ingest.report import Progress

NAME_CHARS = 32


@contextmanager
def ingest_progress() -> "Iterator[Callable[[Progress], None] | None]":
    """Yields what an ingest calls with its figures, or ``None`` off a terminal."""
    with _bar("looking for files") as update:
        if update is None:
            yield None
        else:
            yield lambda progress: update(progress.fraction, figures(progress))


@contextmanager
def row_progress() -> "Iterator[Callable[[RowProgress], None] | None]":
    """Yields what an embedding calls with its figures, or ``None`` off a terminal."""
    with _bar("reading rows") as update:
        if update is None:
            yield None
        else:
            yield lambda progress: update(progress.done / progress.total, row_figures(progress))


@contextmanager
def _bar(begin: str) -> "Iterator[Callable[[float, str], None] | None]":
    """Yields what moves a bar on standard error, or ``None`` where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
    with bars:
        task = bars.add_task(begin, total=None)
        yield lambda share, text: bars.update(task, total=1.0, completed=share, description=text)


@contextmanager
def share_progress(begin: str) -> "Iterator[Callable[[str, int, int], None] | None]":
    """Yields what is called with a name and how many of how many are done; ``None`` off a terminal.

    Args:
        begin: what is said first.
    """
    with _bar(begin) as update:
        if update is None:
            yield None
        else:
            yield lambda name, done, total: update(
                done / max(1, total), f"{printable(name)[:NAME_CHARS]} · {done:,}/{total:,}"
            )


def row_figures(progress: "RowProgress") -> str:
    """One line: rows, speed, time left."""
    from rzen.types import clock

    pieces = [f"{progress.done}/{progress.total} rows"]
    if progress.seconds > 0:
        pieces.append(f"{progress.encoded / progress.seconds:.1f} rows/s")
    if progress.seconds_left is not None:
        pieces.append(f"{clock(progress.seconds_left)} left")
    return " · ".join(pieces)


@contextmanager
def step_progress() -> Iterator[Callable[[str], None] | None]:
    """Yields what a work of few long steps calls with the next one, or ``None`` off a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("beginning") as status:
        yield lambda step: status.update(printable(step))


def figures(progress: "Progress") -> str:
    """One line: files, what was made of them, speed, time left, failures, the current name."""
    from rzen.types import clock

    pieces = [f"{progress.files_done}/{progress.files_total} files"]
    pages = progress.records.get("page", 0)
    if pages:
        pieces.append(f"{pages} pages")
    if progress.video_seconds:
        pieces.append(f"{clock(progress.video_seconds)} of video")
    if progress.seconds > 0:
        pieces.append(f"{progress.items / progress.seconds:.1f} items/s")
    if progress.seconds_left is not None:
        pieces.append(f"{clock(progress.seconds_left)} left")
    if progress.failed:
        pieces.append(f"{progress.failed} failed")
    if progress.current:
        pieces.append(printable(Path(progress.current).name)[:NAME_CHARS].replace("\n", " "))
    return " · ".join(pieces)
