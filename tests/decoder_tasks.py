"""Tasks for decoder processes in tests; a file's own text says what goes wrong with it."""

import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np

from rzen.errors import MediaError
from rzen.media import pulse
from rzen.media.message import Message


def echo(path: Path, *, prefix: str = "") -> Generator[Message, None, str]:
    """Obeys the first word of the file."""
    word, _, rest = path.read_text().partition(" ")
    yield Message(data={"text": prefix + word})
    if word in DEEDS:
        DEEDS[word](rest)
    return "remarkable" if word == "remark" else ""


def _beat(rest: str) -> None:
    for _ in range(int(rest)):
        time.sleep(0.1)
        pulse.beat()


def _memory(rest: str) -> None:
    block = np.ones(int(rest), np.uint8)
    time.sleep(3600)
    block.sum()


def _fail(error: Exception) -> None:
    raise error


def _print(_: str) -> None:
    sys.stdout.write("noise on standard output\n")
    sys.stdout.flush()
    os.write(1, b"more noise\n")


def _nonsense(_: str) -> None:
    os.write(int(sys.argv[2]), b"\xff\xff\xff\xff not a frame")
    time.sleep(3600)


DEEDS: dict[str, Callable[[str], object]] = {
    "exit": lambda _: os._exit(3),
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "abort": lambda _: os.abort(),
    "hang": lambda _: time.sleep(3600),
    "beat": _beat,
    "memory": _memory,
    "error": lambda _: _fail(MediaError("0.txt 2.txt 4.txt: as it was told")),
    "bug": lambda _: _fail(ZeroDivisionError("a bug")),
    "oom": lambda _: _fail(MemoryError()),
    "print": _print,
    "nonsense": _nonsense,
}


def arrays(path: Path, *, sizes: list[int]) -> Generator[Message, None, str]:
    """One message per size; sizes and a seed from the file's text tell the bytes."""
    seed = int(path.read_text())
    for number, size in enumerate(sizes):
        rng = np.random.default_rng([seed, number])
        pixels = rng.integers(0, 255, (size, 7, 3), np.uint8)
        yield Message(
            data={"number": number},
            arrays=(pixels, np.zeros((0, 3), np.uint8), np.asfortranarray(pixels[:3, :, 0])),
        )
    return ""


def blocks(path: Path, *, count: int, size: int) -> Generator[Message, None, str]:
    """Large messages, fast."""
    for _ in range(count):
        yield Message(data={}, arrays=(np.zeros(size, np.uint8),))
    return ""


def modules(path: Path) -> Generator[Message, None, str]:
    """What is imported after every kind of medium was opened."""
    from rzen.config import IngestSettings, Limits
    from rzen.ingest import segment
    from rzen.types import MediaBudget

    for file in sorted(path.parent.iterdir()):
        found = segment.segments(
            file, budget=MediaBudget(), limits=Limits(), settings=IngestSettings(ocr=False)
        )
        assert list(found), file
    yield Message(data={"modules": sorted(sys.modules), "main": sys.modules["__main__"].__file__})
    return ""


def broken_message(path: Path) -> Generator[Message, None, str]:
    """A message that JSON cannot carry."""
    yield Message(data={"path": path})
    return ""
