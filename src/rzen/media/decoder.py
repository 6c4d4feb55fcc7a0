"""One decoder process, as its parent sees it."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media.message import Arena, Message, ProtocolError, take_frames

_READ_BYTES = 1 << 16
_STDERR_BYTES = 2000
_START_SECONDS = 120.0
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


@dataclass(slots=True)
class Job:
    """A file that is being read."""

    key: int
    path: Path
    started: float = 0.0


@dataclass(slots=True)
class _Arriving:
    """A message whose arrays are not all here yet."""

    data: Mapping[str, Any]
    arrays: tuple[NDArray[np.uint8], ...]
    index: int = 0
    filled: int = 0

    def is_whole(self) -> bool:
        while self.index < len(self.arrays) and self.filled == self.arrays[self.index].size:
            self.index, self.filled = self.index + 1, 0
        return self.index == len(self.arrays)

    def fill(self, piece: NDArray[np.uint8]) -> None:
        if self.is_whole() or self.filled + len(piece) > self.arrays[self.index].size:
            raise ProtocolError("more bytes than were announced")
        flat = self.arrays[self.index].reshape(-1)
        flat[self.filled : self.filled + len(piece)] = piece
        self.filled += len(piece)


@dataclass(slots=True, eq=False)
class Decoder:
    """A running process.

    Attributes:
        job: what it is reading, if anything.
        ready: whether it has said that it can work.
        heard: when it last gave a sign of life (monotonic seconds).
    """

    limits: Limits
    process: "subprocess.Popen[bytes]"
    arena: Arena
    commands: int
    events: int
    errors: int
    job: Job | None = None
    ready: bool = False
    heard: float = field(default_factory=time.monotonic)
    _buffer: bytearray = field(default_factory=bytearray)
    _stderr: bytes = b""
    _arriving: _Arriving | None = None

    @classmethod
    def start(cls, task: str, arguments: Mapping[str, Any], limits: Limits) -> "Decoder":
        """Starts a process; it says "ready" later.

        Raises:
            MediaError: if the system does not grant what it needs.
        """
        with all_or_nothing() as ours, ExitStack() as theirs:
            arena = Arena()
            ours.callback(arena.close)
            commands_in, commands = _pipe(theirs, ours)
            events, events_out = _pipe(ours, theirs)
            errors, errors_out = _pipe(ours, theirs)
            numbers = (commands_in, events_out, arena.number)
            extra = (os.getpid(), limits.memory_bytes)
            process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                # -P: the folder we are in may hold a file named like a library.
                [sys.executable, "-P", "-m", "rzen.media.child", *map(str, (*numbers, *extra))],
                stdin=subprocess.DEVNULL,
                stdout=errors_out,  # libraries that print must not disturb the protocol
                stderr=errors_out,
                pass_fds=numbers,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the parent
            )
        for number in (commands, events, errors):
            os.set_blocking(number, False)
        decoder = cls(limits, process, arena, commands, events, errors)
        decoder._command({"task": task, "arguments": dict(arguments)})
        return decoder

    def give(self, job: Job) -> None:
        """Has it read a file.

        Raises:
            ProtocolError: if it does not listen.
        """
        assert self.job is None, self.job
        self.heard = job.started = time.monotonic()
        self.job = job
        self._command({"path": str(job.path)})

    def forgive(self, seconds: float) -> None:
        """Does not count a time in which nobody listened to it."""
        self.heard += seconds
        if self.job is not None:
            self.job.started += seconds

    def received(self) -> Iterator[Mapping[str, Any] | Message]:
        """What has come from it: whole messages, and the other events as they are.

        Raises:
            ProtocolError: if it sent what it may not send.
            EOFError: if it is gone.
        """
        try:
            data = os.read(self.events, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        self.heard = time.monotonic()
        self._buffer += data
        for event in take_frames(self._buffer):
            if event.get("kind") == "item":
                self._announce(event)
            elif event.get("kind") == "piece":
                self._piece(event)
            elif self._arriving is not None:
                raise ProtocolError("an item that is not finished")
            else:
                yield event
            if self._arriving is not None and self._arriving.is_whole():
                arrived, self._arriving = self._arriving, None
                yield Message(data=arrived.data, arrays=arrived.arrays)

    def read_errors(self) -> bool:
        """Drains its standard error, keeping the end of it; false when it is closed."""
        try:
            data = os.read(self.errors, _READ_BYTES)
        except BlockingIOError:
            return True
        self._stderr = (self._stderr + data)[-_STDERR_BYTES:]
        return bool(data)

    def resident_bytes(self) -> int:
        """Its resident memory; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        except OSError:
            return 0
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0

    def offence(self, now: float) -> str:
        """Which limit it is over; empty when it is over none."""
        limits = self.limits
        if not self.ready:
            late = now - self.heard > _START_SECONDS
            return f"not ready after {_START_SECONDS:g} s" if late else ""
        if now - self.heard > limits.stall_seconds:
            return f"no sign of life for {limits.stall_seconds:g} s (limits.stall_seconds)"
        if self.job and now - self.job.started > limits.decode_seconds:
            return f"not done after {limits.decode_seconds:g} s (limits.decode_seconds)"
        if (resident := self.resident_bytes()) > limits.memory_bytes:
            return (
                f"{resident / 2**20:,.0f} MB of memory are more than the "
                f"{limits.memory_bytes / 2**20:,.0f} MB of limits.memory_bytes"
            )
        return ""

    def end(self) -> str:
        """Kills it, frees what it held, and says how it ended."""
        self.process.kill()
        code = self.process.wait()
        self.read_errors()
        for number in (self.commands, self.events, self.errors):
            os.close(number)
        self._arriving = None
        self.arena.close()
        said = self._stderr.decode("utf-8", "replace").strip().splitlines()
        how = _signal_name(-code) if code < 0 else f"exit status {code}"
        return f"{how}: {said[-1]}" if said else how

    def _announce(self, event: Mapping[str, Any]) -> None:
        shapes = [tuple(int(side) for side in shape) for shape in event["shapes"]]
        if self.job is None or self._arriving is not None:
            raise ProtocolError("an item out of turn")
        sizes = [int(np.prod(shape, dtype=object)) for shape in shapes]
        if min((side for shape in shapes for side in shape), default=0) < 0:
            raise ProtocolError("a negative shape")
        if sum(sizes) > self.limits.memory_bytes:
            raise ProtocolError("an item larger than the memory it may use")
        arrays = tuple(np.empty(shape, np.uint8) for shape in shapes)
        self._arriving = _Arriving(event["data"], arrays)

    def _piece(self, event: Mapping[str, Any]) -> None:
        if self._arriving is None:
            raise ProtocolError("bytes out of turn")
        self._arriving.fill(self.arena.slot(event["slot"], event["size"]))
        self._command({"free": event["slot"]})

    def _command(self, command: Mapping[str, Any]) -> None:
        line = json.dumps(command).encode("ascii") + b"\n"
        with contextlib.suppress(BrokenPipeError):  # it is gone; reading from it will tell
            try:
                written = os.write(self.commands, line)
            except BlockingIOError:
                written = 0
            if written < len(line):
                raise ProtocolError("it does not listen any more")


@contextlib.contextmanager
def all_or_nothing() -> Iterator[ExitStack]:
    """A stack of what is undone if not all that decoders need can be had.

    Raises:
        MediaError: if the system refuses some of it.
    """
    with ExitStack() as undo:
        try:
            yield undo
        except OSError as error:
            many = error.errno in (errno.EMFILE, errno.ENFILE)
            more = ", or raise the limit on open files (ulimit -n)" if many else ""
            raise MediaError(
                f"the decoder processes cannot start ({error.strerror or error}): "
                f"lower ingest.workers{more}"
            ) from None
        undo.pop_all()


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed with these."""
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _environment() -> dict[str, str]:
    # Each process has one core's worth of work: no thread pools beside it.
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    # What takes over a process that reads hostile files shall find no secrets in it.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not any(word in name.upper() for word in _SECRETS)
    }
    return {**kept, **single, "PYTHONPATH": path, "PYDANTIC_DISABLE_PLUGINS": "__all__"}
