"""The main program of a decoder process: files in, messages out.

Started by :class:`rzen.media.worker.DecoderPool` as ``python -m rzen.media.child`` with the
numbers of its pipes and arena. It never imports the user's program, and nothing of torch.
"""

import json
import os
import resource
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.errors import RzenError
from rzen.media import pulse
from rzen.media.message import SLOT_BYTES, SLOTS, Arena, Message, to_frame
from rzen.media.source import label

_BEAT_SECONDS = 1.0
_ORPHAN_SECONDS = 5.0


def main(arguments: list[str]) -> None:
    """Runs until the parent closes its pipe or goes away."""
    commands, events, arena, parent, memory_bytes = (int(number) for number in arguments[:5])
    confine(memory_bytes)
    threading.Thread(target=_leave_with, args=(parent, commands), daemon=True).start()
    channel = _Channel(commands, events, Arena(arena))
    setup = json.loads(channel.line())
    try:
        task = _load(setup["task"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        channel.send({"kind": "broken", "reason": f"{type(error).__name__}: {error}"})
        return
    pulse.listen(channel.beat)
    channel.send({"kind": "ready"})
    for path in channel.jobs():
        channel.send(_run(task, path, setup["arguments"], channel))


def confine(memory_bytes: int) -> None:
    """Gives up what decoding does not need; all further hardening belongs here.

    No core files of hostile input, no deaf ears for Ctrl-C (the parent decides), and a hard limit
    of private memory behind the parent's watch over the resident one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = 2 * memory_bytes
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))


def _load(name: str) -> Callable[..., Iterator[Message]]:
    module, _, function = name.partition(":")
    found = getattr(import_module(module), function)
    assert callable(found), name
    return found  # type: ignore[no-any-return]


def _run(
    task: Callable[..., Iterator[Message]], path: Path, arguments: dict[str, Any], out: "_Channel"
) -> dict[str, Any]:
    """One file; returns the last word about it."""
    try:
        items = iter(task(path, **arguments))
        while True:
            try:
                message = next(items)
            except StopIteration as end:
                return {"kind": "done", "reason": str(end.value or "")}
            out.item(message)
    except RzenError as error:
        return {"kind": "failed", "reason": str(error)}
    except MemoryError:
        return {
            "kind": "failed",
            "reason": f"{label(path)}: more memory is needed than a decoder may use",
        }
    except Exception as error:  # noqa: BLE001 - one file must not end the process
        return {"kind": "failed", "reason": f"{label(path)}: {type(error).__name__}: {error}"}


def _leave_with(parent: int, commands: int) -> None:
    """Ends this process when the parent is gone, even while a decoder is busy."""
    poll = select.poll()
    poll.register(commands, 0)  # hang-ups are reported without being asked for
    while not poll.poll(_ORPHAN_SECONDS * 1000) and os.getppid() == parent:
        pass
    os._exit(0)


class _Channel:
    """The child's ends of the pipes, and its view of the arena."""

    def __init__(self, commands: int, events: int, arena: Arena) -> None:
        self._commands = os.fdopen(commands, "rb")
        self._events = events
        self._arena = arena
        self._free = deque(range(SLOTS))
        self._jobs: deque[Path] = deque()
        self._beaten = time.monotonic()

    def line(self) -> str:
        """The parent's next line; ends the process when there is none."""
        line = self._commands.readline()
        if not line:
            raise SystemExit(0)
        return line.decode("ascii")

    def jobs(self) -> Iterator[Path]:
        """The files to read, as they are asked for."""
        while True:
            while not self._jobs:
                self._listen()
            yield self._jobs.popleft()

    def send(self, event: dict[str, Any]) -> None:
        """Sends a line of JSON."""
        view = memoryview(to_frame(event))
        while view:
            view = view[os.write(self._events, view) :]
        self._beaten = time.monotonic()

    def beat(self) -> None:
        """Sends a sign of life, now and then."""
        if time.monotonic() - self._beaten > _BEAT_SECONDS:
            self.send({"kind": "beat"})

    def item(self, message: Message) -> None:
        """Sends a message: its data through the pipe, its arrays through the arena."""
        shapes = [array.shape for array in message.arrays]
        self.send({"kind": "item", "data": message.data, "shapes": shapes})
        for array in message.arrays:
            flat = np.ascontiguousarray(array, dtype=np.uint8).reshape(-1)
            for start in range(0, len(flat), SLOT_BYTES):
                self._piece(flat[start : start + SLOT_BYTES])

    def _piece(self, piece: NDArray[np.uint8]) -> None:
        while not self._free:
            self._listen()
        slot = self._free.popleft()
        self._arena.slot(slot, len(piece))[:] = piece
        self.send({"kind": "piece", "slot": slot, "size": len(piece)})

    def _listen(self) -> None:
        command = json.loads(self.line())
        if "free" in command:
            self._free.append(command["free"])
        else:
            self._jobs.append(Path(command["path"]))


if __name__ == "__main__":
    main(sys.argv[1:])
