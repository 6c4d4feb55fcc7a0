"""Decoder processes: what comes back, what happens when they die, and that nothing is left."""

import contextlib
import itertools
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media_files import clip, pdf, picture, smooth
from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media.message import SLOT_BYTES, ProtocolError, take_frames, to_frame
from rzen.media.worker import DecoderPool, Event

LIMITS = Limits()


def files(folder: Path, *texts: str) -> list[tuple[int, Path]]:
    jobs = []
    for key, text in enumerate(texts):
        path = folder / f"{key}.txt"
        path.write_text(text)
        jobs.append((key, path))
    return jobs


def pool(
    task: str = "echo",
    arguments: Mapping[str, Any] | None = None,
    workers: int = 2,
    limits: Limits = LIMITS,
) -> DecoderPool:
    return DecoderPool(f"decoder_tasks:{task}", arguments or {}, workers=workers, limits=limits)


def last(events: list[Event]) -> dict[int, tuple[str, str]]:
    return {event.key: (event.kind, event.reason) for event in events if event.kind != "item"}


def children() -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if b"rzen.media.child" in command and int(parent) == os.getpid():
                found.add(int(entry.name))
    return found


def descriptors() -> dict[str, str]:
    """The open ones and what they are; the folder's own is gone again when it is asked."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found[entry.name] = str(entry.readlink())
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process, thread or file descriptor may outlive a pool."""
    before = descriptors()
    yield
    assert children() == set()
    assert not [thread for thread in threading.enumerate() if thread.name == "rzen-decoders"]
    assert descriptors() == before


def test_every_file_gives_its_items_and_then_one_end(tmp_path: Path) -> None:
    jobs = files(tmp_path, *(f"word{number}" for number in range(30)), "remark")
    with pool(arguments={"prefix": "> "}) as decoders:
        events = list(decoders.run(jobs))
        again = list(decoders.run(jobs[:3]))
    texts = {event.key: event.message.data["text"] for event in events if event.message}
    assert texts == {**{key: f"> word{key}" for key in range(30)}, 30: "> remark"}
    ends = last(events)
    assert ends == {**dict.fromkeys(range(30), ("done", "")), 30: ("done", "remarkable")}
    for key in range(31):
        assert [event.kind for event in events if event.key == key] == ["item", "done"]
    assert len(again) == 6


def test_arrays_arrive_whole(tmp_path: Path) -> None:
    """Larger than a slot, larger than the arena, empty, and not contiguous."""
    sizes = [1, 1000, SLOT_BYTES // 21, SLOT_BYTES // 21 + 1, SLOT_BYTES // 4]
    with pool("arrays", {"sizes": sizes}) as decoders:
        events = list(decoders.run(files(tmp_path, "1", "2")))
    messages = [(event.key, event.message) for event in events if event.message]
    assert len(messages) == 10
    for key, message in messages:
        number = message.data["number"]
        rng = np.random.default_rng([key + 1, number])
        pixels = rng.integers(0, 255, (sizes[number], 7, 3), np.uint8)
        np.testing.assert_array_equal(message.arrays[0], pixels)
        assert message.arrays[1].shape == (0, 3)
        np.testing.assert_array_equal(message.arrays[2], pixels[:3, :, 0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit", "exit status 3"),
        ("kill", "SIGKILL"),
        ("abort", "SIGABRT"),
        ("error", "as it was told"),
        ("bug", "ZeroDivisionError: a bug"),
        ("oom", "more memory is needed"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_bad_file_fails_alone(tmp_path: Path, text: str, said: str) -> None:
    jobs = files(tmp_path, "a", "b", text, "c", text, "d", "e")
    with pool() as decoders:
        ends = last(list(decoders.run(jobs)))
    assert {key for key, (kind, _) in ends.items() if kind == "done"} == {0, 1, 3, 5, 6}
    for key in (2, 4):
        assert ends[key][0] == "failed"
        assert said in ends[key][1]
        assert f"{key}.txt" in ends[key][1]


@pytest.mark.parametrize(
    ("text", "limits", "said"),
    [
        ("hang", Limits(stall_seconds=0.7), "limits.stall_seconds"),
        ("beat 600", Limits(decode_seconds=0.7), "limits.decode_seconds"),
        ("memory 400000000", Limits(memory_bytes=300_000_000), "limits.memory_bytes"),
    ],
)
def test_limits_are_watched(tmp_path: Path, text: str, limits: Limits, said: str) -> None:
    with pool(limits=limits) as decoders:
        ends = last(list(decoders.run(files(tmp_path, "a", text, "b", "c"))))
    assert ends[1][0] == "failed"
    assert said in ends[1][1]
    assert [ends[key][0] for key in (0, 2, 3)] == ["done"] * 3


def test_signs_of_life_keep_a_long_file_alive(tmp_path: Path) -> None:
    """A long video between two cuts sends no items for longer than a stall."""
    with pool(limits=Limits(stall_seconds=2.0)) as decoders:
        ends = last(list(decoders.run(files(tmp_path, "beat 26"))))
    assert ends == {0: ("done", "")}


def test_jobs_are_drawn_as_needed_and_in_this_thread(tmp_path: Path) -> None:
    """A million files must not be listed before the first is read; SQLite minds other threads."""
    drawn: list[int] = []
    (path := tmp_path / "x.txt").write_text("word")

    def jobs() -> Iterator[tuple[int, Path]]:
        for key in range(1000):
            assert threading.current_thread() is threading.main_thread()
            drawn.append(key)
            yield key, path

    with pool() as decoders:
        events = decoders.run(jobs())
        next(events)
        assert len(drawn) < 200
        events.close()  # type: ignore[attr-defined]


def test_a_slow_consumer_holds_the_processes_back(tmp_path: Path) -> None:
    """Two workers must not fill the memory with what nobody takes."""
    with pool("blocks", {"count": 10, "size": 20_000_000}) as decoders:
        events = decoders.run(files(tmp_path, *"12345678"))
        next(events)
        supervisor = decoders._supervisor
        import time

        for _ in range(8):
            time.sleep(0.1)
            assert supervisor._waiting < 64 * 2**20 + 2 * 20_001_000
        assert sum(event.kind == "item" for event in events) == 79


def test_stopping_early_gives_up_and_the_pool_lives_on(tmp_path: Path) -> None:
    with pool(limits=Limits(stall_seconds=30)) as decoders:
        for event in decoders.run(files(tmp_path, "hang", "hang", *"abcdef")):
            if event.kind == "item":
                break
        ends = last(list(decoders.run(files(tmp_path, "a", "b"))))
    assert ends == {0: ("done", ""), 1: ("done", "")}


def test_an_iterator_that_outlives_its_pool_is_harmless(tmp_path: Path) -> None:
    """Its end must not write to file descriptors that are closed, or somebody else's by now."""
    with pool() as decoders:
        events = decoders.run(files(tmp_path, "hang", "a"))
        next(events)
    events.close()  # type: ignore[attr-defined]


def test_a_failing_consumer_leaves_nothing(tmp_path: Path) -> None:
    def interrupt() -> None:
        with pool() as decoders:
            for _ in decoders.run(files(tmp_path, "hang", "a", "b")):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_failing_jobs_are_the_callers_error(tmp_path: Path) -> None:
    def jobs() -> Iterator[tuple[int, Path]]:
        yield from files(tmp_path, "a")
        raise RuntimeError("the catalog is locked")

    with pool() as decoders, pytest.raises(RuntimeError, match="locked"):
        list(decoders.run(jobs()))


def test_a_pool_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Not one failure per file, and not a wait for ever."""
    with (
        DecoderPool("no_such_module:task", {}, workers=2, limits=LIMITS) as decoders,
        pytest.raises(MediaError, match="no_such_module"),
    ):
        list(decoders.run(files(tmp_path, "a", "b")))


@contextlib.contextmanager
def spare_descriptors(count: int) -> Iterator[None]:
    """Leaves room for so many files and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(name) for name in descriptors()}
    free = (number for number in itertools.count() if number not in used)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, count, None)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("count", range(18))
def test_too_few_descriptors_are_told(tmp_path: Path, count: int) -> None:
    """Guards against an OSError from deep inside, and descriptors that stay open after it."""
    jobs = files(tmp_path, "a")
    with (
        pytest.raises(MediaError, match=r"ingest\.workers.*limit on open files"),
        spare_descriptors(count),
        pool() as decoders,
    ):
        list(decoders.run(jobs))


def test_the_processes_get_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against keys in the environment of a process that reads hostile files."""
    secrets = ("OPENAI_API_KEY", "HF_TOKEN", "AwsSecretThing", "PGPASSWORD", "MY_CREDENTIALS")
    for name in (*secrets, "HARMLESS"):
        monkeypatch.setenv(name, "value")
    with pool(workers=1) as decoders:
        assert last(list(decoders.run(files(tmp_path, "a")))) == {0: ("done", "")}
        (number,) = children()
        pairs = Path(f"/proc/{number}/environ").read_text().split("\0")
    names = {pair.partition("=")[0] for pair in pairs}
    assert {"HARMLESS", "PATH"} <= names
    assert not names & set(secrets)


def test_the_processes_never_load_torch(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(smooth(32, 32), "JPEG"))
    (tmp_path / "b.pdf").write_bytes(pdf(["a page"]))
    (tmp_path / "c.txt").write_text("words")
    clip(tmp_path / "d.mp4", [1])
    with pool("modules", workers=1) as decoders:
        events = list(decoders.run([(0, tmp_path / "c.txt")]))
    assert last(events) == {0: ("done", "")}
    assert events[0].message is not None
    loaded = set(events[0].message.data["modules"])
    assert {"av", "pypdfium2", "PIL.Image", "rzen.ingest.segment"} <= loaded
    assert not loaded & {"torch", "transformers", "sentence_transformers", "onnxruntime", "pytest"}
    assert events[0].message.data["main"].endswith("child.py")


def test_noise_on_standard_output_does_not_disturb(tmp_path: Path) -> None:
    with pool() as decoders:
        assert last(list(decoders.run(files(tmp_path, "print", "a")))) == {
            0: ("done", ""),
            1: ("done", ""),
        }


def test_names_of_any_kind(tmp_path: Path) -> None:
    """Newlines, emoji, and bytes that are not UTF-8."""
    paths = [
        tmp_path / "new\nline",
        tmp_path / "🏖 ü",
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")),
    ]
    for path in paths:
        path.write_text("word")
    with pool() as decoders:
        ends = last(list(decoders.run(enumerate(paths))))
    assert ends == dict.fromkeys(range(3), ("done", ""))


def test_what_json_cannot_carry_fails_alone(tmp_path: Path) -> None:
    with pool("broken_message") as decoders:
        ends = last(list(decoders.run(files(tmp_path, "a"))))
    assert ends[0][0] == "failed"
    assert "TypeError" in ends[0][1]


SCRIPT = """
import sys
from pathlib import Path
from rzen.config import Limits
from rzen.media.worker import DecoderPool
pool = DecoderPool("decoder_tasks:echo", {}, workers=2, limits=Limits())
events = pool.run([(0, Path(sys.argv[1])), (1, Path(sys.argv[2]))])
for event in events:
    print(event.kind, flush=True)
    if event.kind == "done":
        break
if len(sys.argv) > 3:
    print("waiting", flush=True)
    sys.stdin.read()
pool.close()
"""


def script(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    jobs = files(tmp_path, "word", "hang")
    return subprocess.Popen(
        [sys.executable, str(path), *(str(job) for _, job in jobs), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_script_without_a_main_guard_works(tmp_path: Path) -> None:
    """multiprocessing's spawn would run such a script again in each child."""
    process = script(tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.split().count("done") == 1
    assert err == ""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_children_go_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    """Also when it cannot say good-bye, and when a decoder is busy."""
    process = script(tmp_path, "wait")
    assert process.stdout is not None
    while process.stdout.readline().strip() != "waiting":
        assert process.poll() is None
    offspring = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _parent(entry) == process.pid
    ]
    assert len(offspring) >= 1
    descriptors = [os.pidfd_open(number) for number in offspring]
    process.send_signal(how)
    process.wait(timeout=30)
    import select

    for descriptor in descriptors:  # readable when the process has ended
        assert select.select([descriptor], [], [], 30)[0]
        os.close(descriptor)
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def test_frames_that_lie_are_refused() -> None:
    for body in (b"\xff\xff\xff\xff", b"\x02\0\0\0[]", b"\x03\0\0\0{{{"):
        with pytest.raises(ProtocolError):
            list(take_frames(bytearray(body)))
    buffer = bytearray(to_frame({"a": "\udcff"}))
    assert list(take_frames(buffer)) == [{"a": "\udcff"}]
    assert not buffer
