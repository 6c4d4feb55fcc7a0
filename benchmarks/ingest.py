"""Ingest: what the pipeline adds to decoding and encoding, and what an unchanged folder costs."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.results import Section
from examples.demo import corpus
from rzen.api import Index, load
from rzen.config import IngestSettings, Limits, Settings, cache_folder
from rzen.ingest.segment import TASK, arguments, segments, unpack
from rzen.media.worker import DecoderPool
from rzen.protocols import Encoder
from rzen.types import Content

BATCH = 32


def run(quick: bool = False) -> list[Section]:
    """Both claims."""
    with tempfile.TemporaryDirectory() as scratch:
        return [
            _photographs(Path(scratch), 100 if quick else 1000, 1 if quick else 3),
            _unchanged(Path(scratch), 500 if quick else 10_000),
        ]


def make_photographs(folder: Path, count: int) -> list[Path]:
    """Different JPEGs of about one megapixel, cut from real photographs."""
    from PIL import Image

    originals = [
        path
        for path in corpus.build(folder / "originals", cache=cache_folder() / "demo")
        if path.suffix.lower() in (".jpg", ".jpeg", ".png") and "photos" in path.parts
    ]
    target = folder / "photographs"
    target.mkdir()
    made = []
    for number in range(count):
        source = originals[number % len(originals)]
        shift = number // len(originals)
        with Image.open(source) as image:
            width, height = image.size
            left, top = width * (shift % 7) // 60, height * (shift % 5) // 60
            cut = image.convert("RGB").crop(
                (left, top, left + width * 4 // 5, top + height * 4 // 5)
            )
            path = target / f"{number:04}.jpg"
            cut.resize((1152, 864)).save(path, quality=88 + shift % 5)
        made.append(path)
    return made


def _photographs(scratch: Path, count: int, repeats: int) -> Section:
    files = make_photographs(scratch, count)
    encoder = load("mini")
    settings = Settings()
    encoder.encode([_decoded(files[0], encoder)], role="document")
    times: dict[str, list[float]] = {name: [] for name in ("decode", "encode", "serial", "ours")}
    for repeat in range(repeats):
        contents: list[Content] = []
        times["decode"].append(_seconds(lambda: contents.extend(_pool(files, encoder, settings))))  # noqa: B023
        times["encode"].append(_seconds(lambda: _encode(contents, encoder)))  # noqa: B023
        times["serial"].append(_seconds(lambda: _serially(files, encoder)))
        times["ours"].append(_seconds(lambda: _index(files, encoder, scratch / f"{repeat}.rzen")))  # noqa: B023
    median = {name: statistics.median(values) for name, values in times.items()}
    alone = median["decode"] + median["encode"]
    ratio = median["ours"] / alone
    return Section(
        title=f"Ingest of {count} photographs with `mini`",
        claim=f"End to end {ratio:.2f}x of decoding and encoding alone (at most 1.25x wanted).",
        columns=("what", "s", "images/s"),
        rows=[
            (
                "decode alone, the same decoder processes, pixels thrown away",
                median["decode"],
                count / median["decode"],
            ),
            ("encode alone, decoded pixels at hand", median["encode"], count / median["encode"]),
            ("decode, then encode: the sum", alone, count / alone),
            (
                "one process, file by file, in batches of 32",
                median["serial"],
                count / median["serial"],
            ),
            (
                "**rzen, end to end** (hash, decode, preview, encode, write)",
                median["ours"],
                count / median["ours"],
            ),
        ],
        notes=(
            f"JPEGs of 1152x864 of the demo's photographs; medians of {repeats} runs in turns.",
        ),
    )


def _decoded(path: Path, encoder: Encoder) -> Content:
    made = segments(path, budget=encoder.budget, limits=Limits(), settings=IngestSettings())
    return next(iter(made)).content


def _pool(files: list[Path], encoder: Encoder, settings: Settings) -> Iterator[Content]:
    limits = settings.limits
    asked = arguments(budget=encoder.budget, limits=limits, settings=settings.ingest)
    with DecoderPool(TASK, asked, workers=2, limits=limits) as pool:
        for event in pool.run(enumerate(files)):
            if event.message is not None:
                yield unpack(event.message).content


def _encode(contents: list[Content], encoder: Encoder) -> None:
    for start in range(0, len(contents), BATCH):
        encoder.encode(contents[start : start + BATCH], role="document")


def _serially(files: list[Path], encoder: Encoder) -> None:
    for start in range(0, len(files), BATCH):
        _encode([_decoded(path, encoder) for path in files[start : start + BATCH]], encoder)


def _index(files: list[Path], encoder: Encoder, folder: Path) -> None:
    with Index.open(folder, encoder) as index:
        report = index.add(files[0].parent)
        assert report.indexed == len(files), report.failed


def _unchanged(scratch: Path, count: int) -> Section:
    folder, index = scratch / "notes", scratch / "notes.rzen"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.txt").write_text(f"Note {number}: the meter reads {number * 7}.")
    command = [sys.executable, "-m", "rzen", "index", str(folder), "--index", str(index)]
    first = _seconds(
        lambda: subprocess.run([*command, "--encoder", "dummy"], check=True, capture_output=True)
    )
    again = statistics.median(
        _seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(5)
    )
    return Section(
        title=f"`rzen index` again on {count} unchanged files",
        claim=f"{again:.2f} s, the whole command (under 2 s wanted).",
        columns=("what", "s"),
        rows=[("the first time (encoder: dummy)", first), ("**again, nothing changed**", again)],
        notes=("The floor is one stat per file and one read of the table of files.",),
    )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
