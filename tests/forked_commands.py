"""Runs `rzen` in forks of one process that has imported everything: what it takes to kill many.

Reads a job a line from standard input and answers it with a line: arguments, after how many seconds
the command is killed, or how often it is interrupted once a file has so many lines.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status, negative for a signal, and what it said."""

    status: int
    seconds: float
    said: str


class Commands:
    """The other side of the pipe."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self, *arguments: object, **how: Any) -> Ended:
        """Runs a command.

        Args:
            arguments: of rzen.
            how: ``kill_after``, seconds; or ``interrupts``, how often, ``file``, ``lines``, when.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"arguments": list(map(str, arguments)), **how}
        self._process.stdin.write(json.dumps(job, default=str) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@contextmanager
def forked_commands(cache: Path) -> Iterator[Commands]:
    """Starts the process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RZEN_CACHE": str(cache)}
    environment["RZEN_DEVICE"] = "cpu"
    with subprocess.Popen(
        [sys.executable, __file__, str(cache)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield Commands(process)
        assert process.stdin is not None
        process.stdin.close()


def serve(said: Path) -> None:
    import peft
    import transformers

    from rzen.cli import main
    from rzen.training import soup, stages

    # What is imported lazily would be imported anew in every fork.
    assert all((peft.get_peft_model, transformers.Qwen2VLModel, transformers.AutoTokenizer))
    assert all((soup.soup, stages.Run))
    for line in sys.stdin:
        job = json.loads(line)
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            run(main, job["arguments"], said)
        if job.get("interrupts"):
            interrupt(child, **{name: job[name] for name in ("interrupts", "file", "lines")})
        elif job.get("kill_after") is not None:
            time.sleep(job["kill_after"])
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        seconds = time.monotonic() - begun
        answer = {"status": status, "seconds": seconds, "said": said.read_text(errors="replace")}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def interrupt(child: int, interrupts: int, file: str, lines: int) -> None:
    while not Path(file).exists() or Path(file).read_bytes().count(b"\n") < lines:
        time.sleep(0.005)
    for _ in range(interrupts):
        os.killpg(child, signal.SIGINT)  # as a terminal does: its workers get it, too
        time.sleep(0.02)


def run(main: Any, arguments: list[str], said: Path) -> NoReturn:
    status = 70
    try:
        with said.open("w") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115
        sys.argv = ["rzen", *arguments]
        main()
    except SystemExit as left:
        status = int(left.code or 0)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(Path(sys.argv[1]).with_name("said.txt"))
