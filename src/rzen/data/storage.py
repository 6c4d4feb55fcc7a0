"""Sets and training examples as JSON lines beside a folder of media.

A content is a list of parts, such as ``{"parts": [{"text": ...}, {"image": PATH}, {"video": PATH,
"t_start": ..., "t_end": ...}, {"page": PATH, "number": 3, "text": ...}]}``; paths are relative to
the folder of the suite and never lead out of it.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import DataError, RzenError
from rzen.types import Content, Example, Image, Page, Part, Source, Text, Video

_SET, _QUERIES, _DOCUMENTS = "set.json", "queries.jsonl", "documents.jsonl"
_ABOUT = ("name", "group", "family", "metric", "scope", "instruction", "document_instruction")


def write_set(folder: Path, made: RetrievalSet, *, root: Path) -> None:
    """Writes a set into a folder of its own.

    Args:
        folder: is made.
        made: media parts hold paths beneath ``root``.
        root: the folder of the suite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = {name: getattr(made, name) for name in (*_ABOUT, "about")}
    (folder / _SET).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    _write_lines(
        folder / _QUERIES,
        (
            {
                "id": query.id,
                **content_document(query.content, root),
                "labels": query.labels,
                "grades": query.grades,
                "candidates": query.candidates,
            }
            for query in made.queries
        ),
    )
    _write_lines(
        folder / _DOCUMENTS,
        ({"id": name, **content_document(each, root)} for name, each in made.documents.items()),
    )


def read_set(folder: Path, *, root: Path) -> RetrievalSet:
    """Reads a set.

    Raises:
        DataError: if it is damaged; the message names file and line.
    """
    about = next(iter(_read_lines(folder / _SET, whole=True)))[1]
    documents: dict[str, Content] = {}
    for number, line in _read_lines(folder / _DOCUMENTS):
        with _naming(folder / _DOCUMENTS, number):
            documents[line["id"]] = content_from(line, root)
    queries = []
    for number, line in _read_lines(folder / _QUERIES):
        with _naming(folder / _QUERIES, number):
            queries.append(
                Query(
                    id=line["id"],
                    content=content_from(line, root),
                    labels=tuple(line["labels"]),
                    grades=_tuple(line.get("grades")),
                    candidates=_tuple(line.get("candidates")),
                )
            )
    with _naming(folder / _SET, 1):
        return RetrievalSet(
            queries=tuple(queries),
            documents=documents,
            about=about.get("about", ""),
            **{name: about[name] for name in _ABOUT},
        )


def write_examples(file: Path, examples: Iterable[Example], *, root: Path) -> int:
    """Writes training examples as lines; returns how many."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return _write_lines(
        file,
        (
            {
                "task": each.task,
                "query": content_document(each.query, root),
                "positives": [content_document(content, root) for content in each.positives],
                "negatives": [content_document(content, root) for content in each.negatives],
            }
            for each in examples
        ),
    )


def read_examples(file: Path, *, root: Path) -> Iterator[Example]:
    """Reads training examples one by one.

    Raises:
        DataError: if a line is damaged; the message names it.
    """
    for number, line in _read_lines(file):
        with _naming(file, number):
            yield Example(
                task=line["task"],
                query=content_from(line["query"], root),
                positives=tuple(content_from(each, root) for each in line["positives"]),
                negatives=tuple(content_from(each, root) for each in line["negatives"]),
            )


def content_document(content: Content, root: Path) -> dict[str, Any]:
    """A content as JSON, its paths relative to ``root``."""
    return {"parts": [_part_document(part, root) for part in content.parts]}


def content_from(document: Any, root: Path) -> Content:
    """The content of such a document.

    Raises:
        DataError: if it is none, or a path leads out of ``root``.
    """
    return Content(*(_part_from(part, root) for part in document["parts"]))


def _part_document(part: Part, root: Path) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
        case Image(source):
            return {"image": _relative(source, root)}
        case Video(source, None, None):
            return {"video": _relative(source, root)}
        case Video(source, t_start, t_end):
            return {"video": _relative(source, root), "t_start": t_start, "t_end": t_end}
        case Page(source, number, text):
            return {"page": _relative(source, root), "number": number, "text": text}


def _part_from(part: dict[str, Any], root: Path) -> Part:
    if "image" in part:
        return Image(_inside(part["image"], root))
    if "video" in part:
        return Video(_inside(part["video"], root), part.get("t_start"), part.get("t_end"))
    if "page" in part:
        return Page(_inside(part["page"], root), part.get("number", 1), part.get("text"))
    return Text(str(part["text"]))


def _relative(source: Source, root: Path) -> str:
    assert isinstance(source, Path), "media of a stored set are files"
    return source.relative_to(root).as_posix()


def _inside(name: str, root: Path) -> Path:
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{name!r} leads out of {root}: the set is damaged or forged")
    return path


def _write_lines(file: Path, documents: Iterable[dict[str, Any]]) -> int:
    count = 0
    with file.open("w", encoding="utf-8") as lines:
        for document in documents:
            lines.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def _read_lines(file: Path, *, whole: bool = False) -> Iterator[tuple[int, Any]]:
    try:
        with file.open(encoding="utf-8") as lines:
            texts = [lines.read()] if whole else lines
            for number, text in enumerate(texts, start=1):
                with _naming(file, number):
                    yield number, json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {file}: {error}: build the suite again") from None


class _naming:  # noqa: N801 (used like a function)
    """Says in which line of which file something was wrong."""

    def __init__(self, file: Path, number: int) -> None:
        self._where = f"{file}, line {number}"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError | TypeError | ValueError | AttributeError | RzenError):
            raise DataError(f"{self._where}: {error}: build the suite again") from None


def _tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
