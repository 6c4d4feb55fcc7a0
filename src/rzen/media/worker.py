"""Decoder processes: files go out, decoded items come back, and no file can harm this process.

The processes are plain programs (``python -m rzen.media.child``) on two pipes and a piece of shared
memory, not multiprocessing's: they start in a third of the time, never import the user's main
module, and nothing from them is unpickled. A thread of this process watches them: one that dies,
falls silent, takes too long or too much memory is replaced, and its file is reported as failed.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rzen.config import Limits
from rzen.media.supervisor import Event, Supervisor

__all__ = ["DecoderPool", "Event"]

_AHEAD = 64  # jobs drawn before they are needed, so that workers go on while the consumer is busy


class DecoderPool:
    """A few decoder processes; a context manager.

    They start at once and in parallel. POSIX only.

    Args:
        task: "module:function". The function is called in a decoder process with the file's path
            and the arguments; it returns an iterator of messages, whose return value, if any, says
            what of the file could not be read.
        arguments: keyword arguments for it, as JSON can carry them.
        workers: how many processes.
        limits: time and memory for one file.

    Raises:
        MediaError: if the system does not grant what it needs.
    """

    def __init__(
        self, task: str, arguments: Mapping[str, Any], *, workers: int, limits: Limits
    ) -> None:
        assert workers > 0, workers
        self._supervisor = Supervisor(task, arguments, workers, limits)
        self._running = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes; may be called twice."""
        self._supervisor.close()

    def run(self, jobs: Iterable[tuple[int, Path]]) -> Iterator[Event]:
        """Reads files, several at a time.

        The items of one file come in order, then one "done" or "failed"; those of several files
        interleave. Memory is bounded: the processes wait when 64 MB of items (or one item) are
        waiting to be taken. Closing the iterator early gives up the files at hand.

        Args:
            jobs: keys of the caller's choice, each with a file; drawn in this thread, as needed.

        Raises:
            MediaError: if the processes cannot start.
        """
        assert not self._running, "one run at a time"
        self._running = True
        waiting = iter(jobs)
        open_jobs, exhausted = 0, False
        try:
            while True:
                while not exhausted and open_jobs < _AHEAD:
                    job = next(waiting, None)
                    if job is None:
                        exhausted = True
                    else:
                        self._supervisor.submit(*job)
                        open_jobs += 1
                if not open_jobs:
                    return
                event = self._supervisor.take()
                open_jobs -= event.kind != "item"
                yield event
        finally:
            self._running = False
            if open_jobs:
                self._supervisor.abandon()
