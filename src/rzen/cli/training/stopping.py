"""An interrupt ends training after its step, with a checkpoint."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rzen.cli import output


@contextmanager
def stop_flag() -> Iterator[list[int]]:
    """A list that a first interrupt puts something in; a second one ends the process as usual."""
    asked: list[int] = []
    held: dict[int, Any] = {}

    def ask(number: int, frame: object) -> None:
        del frame
        asked.append(number)
        output.complain("stopping after this step and saving; interrupt again to leave at once")
        signal.signal(number, held[number])

    for kind in (signal.SIGINT, signal.SIGTERM):
        held[kind] = signal.signal(kind, ask)
    try:
        yield asked
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
