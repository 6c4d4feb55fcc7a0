"""The suites by name: rzen-bench, built on this machine, and MMEB-V2 from a folder of its files.

A folder for MMEB-V2 has a folder for each set, named like it. In it lie either ``rows.jsonl`` or
``*.parquet`` files of an image task, or ``queries``, ``corpus`` and ``qrels`` of a document task
(``.jsonl`` or ``.parquet``; paths in them are relative to the set's folder), or a set as rzen
stores it (``set.json``), which is the way for video tasks.
"""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rzen.config import cache_folder
from rzen.data.bench import suite as bench
from rzen.data.retrieval_set import RetrievalSet
from rzen.data.storage import read_set
from rzen.encoders.hashes import combined, file_hashes
from rzen.errors import DataError, MissingExtraError, UsageError
from rzen.evaluation.mmeb.rows import SetReading, document_set, image_set
from rzen.evaluation.mmeb.sets import SETS, MmebSet

MMEB = "mmeb-v2"
NAMES = (bench.NAME, MMEB)

Split = Literal["validation", "test"]

_TABLES = (".json", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Sets under one name and version.

    Attributes:
        name: of the suite.
        version: of its data, a hash.
        versions: set -> version of its data alone. What is known of a set stays true as long as
            this does, whatever becomes of other sets.
        split: what of it is measured.
        sets: names, in order.
        load: name -> set.
        filed_under: name of the folder that its runs go into by default. It stays when a set is
            added, so that the run goes on.
        folder: where it lies.
        missing: name of a set that belongs to the suite and is not here -> why.
    """

    name: str
    version: str
    versions: Mapping[str, str]
    split: Split
    sets: tuple[str, ...]
    load: Callable[[str], RetrievalSet]
    filed_under: str
    folder: Path
    missing: Mapping[str, str] = field(default_factory=dict)

    def only(self, names: Sequence[str]) -> "Suite":
        """The suite reduced to some of its sets; the others count as missing.

        Raises:
            UsageError: if it has no such set.
        """
        for name in names:
            if name not in self.sets:
                raise UsageError(
                    f"{self.name} has no set {name!r}{_hint(name, self.sets)}: its sets are "
                    f"{', '.join(self.sets)}"
                )
        left_out = {name: "not asked for" for name in self.sets if name not in names}
        return replace(
            self,
            sets=tuple(name for name in self.sets if name in names),
            missing={**self.missing, **left_out},
        )


def check_suite_name(name: str) -> None:
    """Does nothing for a known suite.

    Raises:
        UsageError: if there is none of that name; the nearest one is named.
    """
    if name not in NAMES:
        raise UsageError(
            f"there is no suite {name!r}{_hint(name, NAMES)}: take one of {', '.join(NAMES)}"
        )


def open_suite(name: str, *, split: Split = "test", data: Path | None = None) -> Suite:
    """Opens a suite.

    Args:
        name: one of :data:`NAMES`.
        split: of rzen-bench; MMEB-V2 has the test split alone.
        data: the folder of MMEB-V2's files; for rzen-bench, where it was built if not in the cache.

    Raises:
        UsageError: if there is no such suite, or it needs a folder.
        DataError: if its data are not there or damaged.
    """
    check_suite_name(name)
    return _bench(split, data) if name == bench.NAME else _mmeb(split, data)


def _bench(split: Split, data: Path | None) -> Suite:
    folder = data or bench.folder()
    about = bench.manifest(folder)
    return Suite(
        name=bench.NAME,
        version=about["version"],
        # It is built as a whole, and so is its version.
        versions=dict.fromkeys(about["sets"][split], about["version"]),
        split=split,
        sets=tuple(about["sets"][split]),
        load=lambda name: bench.load(folder, split, name),
        filed_under=f"{bench.NAME}-{split}-{about['version']}",
        folder=folder,
    )


def _mmeb(split: Split, data: Path | None) -> Suite:
    if data is None:
        raise UsageError(
            f"{MMEB} is read from a folder of its files: give it with --data FOLDER, a folder for "
            "each set in it"
        )
    if split != "test":
        raise UsageError(f"{MMEB} has the test split alone: say --split test")
    here = [each for each in SETS if (data / each.name).is_dir()]
    if not here:
        names = ", ".join(each.name for each in SETS[:3])
        if not data.is_dir():
            raise DataError(f"{data}: there is no such folder: --data names that of {MMEB}'s sets")
        raise DataError(f"{data}: there is no set of {MMEB} in it, no folder named {names} ...")
    known = {each.name: each for each in here}
    versions = {name: _version(data / name) for name in known}
    return Suite(
        name=MMEB,
        version=combined(versions)[:12],
        versions=versions,
        split=split,
        sets=tuple(known),
        load=lambda name: _mmeb_set(known[name], data / name),
        filed_under=f"{MMEB}-{split}",
        folder=data,
        missing={each.name: f"not in {data.name}" for each in SETS if each.name not in known},
    )


def _mmeb_set(about: MmebSet, folder: Path) -> RetrievalSet:
    if (folder / "set.json").is_file():
        return read_set(folder, root=folder)
    if about.modality == "visdoc":
        queries, corpus, qrels = (_table(folder, name) for name in ("queries", "corpus", "qrels"))
        return _noted(document_set(about.name, queries, corpus, qrels, folder))
    if about.modality == "image":
        return _noted(image_set(about.name, _table(folder, "rows"), folder))
    raise DataError(
        f"{folder}: video tasks are read as rzen stores sets (set.json, queries.jsonl, "
        "documents.jsonl), which are not there: write them with rzen.data.storage.write_set"
    )


def _noted(reading: SetReading) -> RetrievalSet:
    """The set, with what was left out said where readers look."""
    return replace(reading.made, about=" ".join([reading.made.about, *reading.notes]))


def _table(folder: Path, name: str) -> Iterator[Mapping[str, Any]]:
    lines = folder / f"{name}.jsonl"
    if lines.is_file():
        return _read_lines(lines)
    columns = sorted(folder.glob(f"{name}*.parquet")) or (
        sorted(folder.glob("*.parquet")) if name == "rows" else []
    )
    if not columns:
        raise DataError(f"{folder}: there is neither {name}.jsonl nor {name}*.parquet in it")
    return _read_parquet(columns)


def _read_lines(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{file}, line {number}: {error}: fetch it again") from None
            if not isinstance(row, dict):
                raise DataError(f"{file}, line {number}: not an object: fetch it again")
            yield row


def _read_parquet(files: Sequence[Path]) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("pyarrow", "eval") from None
    for file in files:
        try:
            for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=256):
                yield from batch.to_pylist()
        except pyarrow.lib.ArrowException as error:
            raise DataError(f"cannot read {file}: {error}: fetch it again") from None


def _version(folder: Path) -> str:
    """A hash over the bytes of what asks and answers, and over the names and sizes of media.

    A label that is corrected may leave the size of a file as it was. Media are not read for this,
    for there are hundreds of thousands; what is encoded of them is known by their bytes anyway.
    """
    try:
        root = folder.resolve()
        files = {
            path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()
        }
        tables = [path for path in files.values() if path.suffix in _TABLES]
        hashes = file_hashes(tables, cache_folder() / "hashes.json")
        marks = {
            name: hashes.get(path) or f"{path.stat().st_size} bytes" for name, path in files.items()
        }
    except OSError as error:
        raise DataError(
            f"cannot tell the version of {folder}: {error}: see to it that it can be read, or set "
            "RZEN_CACHE to a folder that can be written"
        ) from None
    return combined(marks)[:12]


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f" (did you mean {close[0]!r}?)" if close else ""
