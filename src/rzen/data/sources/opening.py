"""From what a recipe says of a source to the source."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rzen.data.bench import suite as bench
from rzen.data.sources.caption_rows import TASK as CAPTION_TASK
from rzen.data.sources.caption_rows import CaptionRows
from rzen.data.sources.flat_rows import FlatRows
from rzen.data.sources.hugging_face import HuggingFace, is_saved
from rzen.data.sources.json_lines import JsonLines
from rzen.data.sources.mmeb_rows import MmebRows, task_of_set
from rzen.data.sources.parquet import Parquet
from rzen.data.sources.row_index import OnProgress
from rzen.data.sources.rzen_rows import RzenRows
from rzen.data.sources.siblings import NEGATIVES, SiblingClips
from rzen.data.sources.source import Source
from rzen.data.sources.spec import SourceSpec
from rzen.data.sources.table import Reader, Table
from rzen.data.sources.table_source import TableSource
from rzen.data.sources.vidore_rows import TASK as PAGE_TASK
from rzen.data.sources.vidore_rows import VidoreRows
from rzen.errors import DataError

_LINES = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_WILD = re.compile(r"[*?\[]")


def open_source(
    spec: SourceSpec, *, folder: Path | None = None, on_progress: OnProgress | None = None
) -> Source:
    """Opens a source; its rows are read once, the first time.

    Args:
        spec: what the recipe says.
        folder: that its paths are relative to; ``None`` takes the current one.
        on_progress: called while rows are read.

    Raises:
        DataError: if it is not there, or cannot be read.
        MissingExtraError: if a library that it needs is not installed.
    """
    if spec.kind == "rzen-bench":
        return _open_bench(spec, on_progress)
    base = folder or Path()
    tables = _tables(spec, base)
    media = base / Path(spec.media).expanduser() if spec.media else None
    if media is not None and not media.is_dir():
        raise DataError(f"{media} is no folder: check the media of source {source_name(spec)!r}")
    licences = {each.licence for each in tables if isinstance(each, HuggingFace)}
    source = TableSource(
        source_name(spec),
        tables,
        _reader(spec),
        media=media,
        licence=spec.licence or ", ".join(sorted(filter(None, licences))),
        on_progress=on_progress,
    )
    if spec.kind != "video-captions":
        return source
    negatives = NEGATIVES if spec.negatives is None else spec.negatives
    return SiblingClips(source, spec.direction, negatives=negatives)


def source_name(spec: SourceSpec) -> str:
    """The name of a source: its own, or one after the place that it is read from.

    >>> source_name(SourceSpec(kind="jsonl", path="a/pairs.jsonl"))
    'pairs'
    >>> source_name(SourceSpec(kind="mmeb-train", dataset="TIGER-Lab/MMEB-train", config="CIRR"))
    'CIRR'
    """
    if spec.name:
        return spec.name
    if spec.kind == "rzen-bench":
        return f"{bench.NAME} {spec.config}".strip()
    if spec.dataset:
        return spec.config or spec.dataset.rsplit("/", 1)[-1]
    path = Path(spec.path)
    # MMEB-train calls its files alike, and their folders after the sets.
    if spec.kind == "mmeb-train" and path.suffix:
        return path.parent.name or path.stem
    return path.stem or str(path)


def _open_bench(spec: SourceSpec, on_progress: OnProgress | None) -> Source:
    suite = bench.folder()
    about = bench.manifest(suite)
    files = sorted((suite / "train").glob("*.jsonl"))
    if spec.config:
        names = ", ".join(file.stem for file in files)
        files = [file for file in files if file.stem == spec.config]
        if not files:
            raise DataError(
                f"{bench.NAME} has no training file {spec.config!r}: its files are {names}"
            )
    if not files:
        raise DataError(f"{suite} has no training files: run  rzen eval fetch  again")
    terms = {str(each["terms"]) for each in about.get("sources", ()) if each.get("terms")}
    source = TableSource(
        source_name(spec),
        [JsonLines(file) for file in files],
        RzenRows(spec.task),
        media=suite,
        licence=spec.licence or "; ".join(sorted(terms)),
        on_progress=on_progress,
    )
    source.revision = f"{about['version']} {source.revision}"
    return source


def _reader(spec: SourceSpec) -> Reader:
    match spec.kind:
        case "jsonl" if not spec.columns:
            return RzenRows(spec.task)
        case "mmeb-train":
            task = spec.task or task_of_set(source_name(spec))
            if not task:
                raise DataError(
                    f"{source_name(spec)!r} is none of MMEB-train's twenty sets: set the source's "
                    "task, or its name to that of the set"
                )
            return MmebRows(
                task,
                [*spec.instructions.values(), spec.instruction or ""],
                [*spec.document_instructions.values(), spec.document_instruction or ""],
            )
        case "vidore":
            return VidoreRows(spec.task or PAGE_TASK)
        case "video-captions":
            return CaptionRows(spec.columns, spec.task or CAPTION_TASK)
        case _:
            return FlatRows(spec.columns, spec.task)


def _tables(spec: SourceSpec, base: Path) -> Sequence[Table]:
    options = {"config": spec.config, "split": spec.split, "revision": spec.revision}
    if spec.dataset:
        return [HuggingFace(spec.dataset, **options)]
    path = base / Path(spec.path).expanduser()
    if spec.kind == "huggingface" or (path.is_dir() and is_saved(path)):
        if not path.is_dir():
            raise DataError(f"{path} is no folder: give that of a data set, or kind 'parquet'")
        return [HuggingFace(path, **options)]
    suffixes = {"jsonl": _LINES, "parquet": _PARQUET}.get(spec.kind, (*_LINES, *_PARQUET))
    return [
        JsonLines(file) if file.suffix.lower() in _LINES else Parquet(file)
        for file in _files(path, suffixes)
    ]


def _files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """A file, those of a folder, or those of a pattern, in the order of their names."""
    wanted = " or ".join(f"*{suffix}" for suffix in suffixes)
    if path.is_dir():
        found = [each for each in path.iterdir() if each.suffix.lower() in suffixes]
    elif _WILD.search(str(path)) and not path.exists():
        found = list(_matches(path))
    else:
        found = [path]
    files = sorted(each for each in found if each.is_file())
    if not files:
        there = "has no" if path.is_dir() else "is not there, nor is any"
        raise DataError(f"{path} {there} file {wanted}: check the source's path")
    if strange := [each for each in files if each.suffix.lower() not in suffixes]:
        raise DataError(f"{strange[0]} is not called {wanted}: rename it, or choose another kind")
    return files


def _matches(pattern: Path) -> Iterator[Path]:
    """Files of a pattern; its first part without a wild card is where they are looked for."""
    fixed = next(each for each in pattern.parents if not _WILD.search(str(each)))
    return fixed.glob(str(pattern.relative_to(fixed)))
