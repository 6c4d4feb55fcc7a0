"""A writer that is killed at any moment leaves a sound index with all that it acknowledged."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from rzen.errors import CatalogError
from rzen.index.catalog import Catalog
from rzen.types import Fingerprint, MediaBudget

KILLS = 20
PAGES = 3

# Prints the number of each file once it is committed.
WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path

    import numpy as np

    from rzen.index.catalog import Catalog
    from rzen.types import Record, Span, record_id

    folder, start, batched = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "batch"
    vector = np.eye(16, dtype=np.float32)[0]

    def records(content):
        return [
            Record(id=record_id(content, Span(page=page)), modality="page", span=Span(page=page),
                   text=f"page {page}", vector=vector, preview=bytes(3000))
            for page in range(1, PAGES + 1)
        ]

    with Catalog.open(folder, write=True, lock_timeout=20) as catalog:
        print("open", flush=True)
        number = start
        while True:
            if batched:
                with catalog.batch():
                    for each in range(number, number + 10):
                        catalog.put(f"/{each}", 1, 1, f"c{each}", records(f"c{each}"))
            else:
                each = number
                catalog.put(f"/{each}", 1, 1, f"c{each}", records(f"c{each}"))
            if number % 3 == 0:
                catalog.put(f"/{number}", 2, 2, f"d{number}", records(f"d{number}"))
            print(each, flush=True)
            number = each + 1
    """
).replace("PAGES", str(PAGES))


def _fingerprint() -> Fingerprint:
    return Fingerprint(
        encoder="e",
        weights="w",
        template="-",
        pooling="-",
        positions="-",
        budget=MediaBudget(),
        dim=16,
    )


def _writer(folder: Path, start: int, mode: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(start), mode],
        stdout=subprocess.PIPE,
        text=True,
    )


def _run_and_kill(folder: Path, start: int, mode: str, lines: int) -> int:
    """Kills a writer after so many lines, at a moment of its own; returns the last number said."""
    writer = _writer(folder, start, mode)
    assert writer.stdout is not None
    last = start - 1
    assert writer.stdout.readline() == "open\n"
    for _ in range(lines):
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    # What it said before it died counts too.
    said = [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    writer.stdout.close()
    writer.wait()
    return int(said[-1]) if said else last


def test_what_was_acknowledged_is_there_and_whole(tmp_path: Path) -> None:
    """Guards against lost, half or orphaned files after kill -9, and a lock that stays."""
    folder = tmp_path / "i.rzen"
    fingerprint = _fingerprint()
    Catalog.open(folder, write=True, create=fingerprint).close()
    moments = random.Random(20261123)  # noqa: S311 - no secret
    done = 0
    for kill in range(KILLS):
        mode = "batch" if kill % 2 else "single"
        last = _run_and_kill(folder, done, mode, moments.randrange(8))
        with Catalog.open(folder, write=True) as catalog:
            files = catalog.files()
            missing = {str(number) for number in range(last + 1)} - {p[1:] for p in files}
            assert not missing
            assert all(len(catalog.find_by_path(path)) == PAGES for path in files)
            assert len(catalog.columns().rowid_N) == PAGES * len(files)
            done = len(files)
            assert sorted(int(path[1:]) for path in files) == list(range(done))
    assert done > KILLS
    with Catalog.open(folder, write=True) as catalog:
        assert catalog.verify() == []
        assert np.isfinite(catalog.vectors()).all()


def test_creation_that_is_killed_can_be_repeated(tmp_path: Path) -> None:
    """Guards against a folder that is neither an index nor free to become one."""
    script = textwrap.dedent(
        """
        import os, signal, sqlite3, sys
        from pathlib import Path
        from rzen.index import schema

        # Dies at the given statement of the creation.
        left = [int(sys.argv[2])]
        def trace(statement):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        original = schema._connection
        def traced(file, *, write):
            connection = original(file, write=write)
            connection.set_trace_callback(trace)
            return connection

        schema._connection = traced
        from rzen.index.catalog import Catalog
        from rzen.types import Fingerprint, MediaBudget
        print_ = Fingerprint(encoder="e", weights="w", template="-", pooling="-", positions="-",
                             budget=MediaBudget(), dim=16)
        Catalog.open(Path(sys.argv[1]), write=True, create=print_)
        """
    )
    fingerprint = _fingerprint()
    for moment in (0, 2, 4, 6, 10, 18, 22, 26, 30):
        folder = tmp_path / f"{moment}.rzen"
        command = [sys.executable, "-c", script, str(folder), str(moment)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        with Catalog.open(folder, write=True, create=fingerprint) as catalog:
            assert catalog.fingerprint == fingerprint
            assert catalog.verify() == []


def test_readers_and_other_writers_meanwhile(tmp_path: Path) -> None:
    """Guards against two writing processes, and against readers that see half a file."""
    folder = tmp_path / "i.rzen"
    Catalog.open(folder, write=True, create=_fingerprint()).close()
    writer = _writer(folder, 0, "single")
    assert writer.stdout is not None
    try:
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(CatalogError, match=f"process {writer.pid} "):
            Catalog.open(folder, write=True)
        with Catalog.open(folder) as reader:
            seen = [0]
            for _ in range(20):
                writer.stdout.readline()
                with reader.snapshot():
                    files, columns = reader.files(), reader.columns()
                    assert len(columns.rowid_N) == len(reader.vectors()) == PAGES * len(files)
                seen.append(len(files))
            assert seen == sorted(seen)
            assert seen[-1] >= 20
    finally:
        writer.kill()
        writer.stdout.close()
        writer.wait()
