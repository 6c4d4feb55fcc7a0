"""Sets and training examples as JSON lines beside a folder of media.

A content is a list of parts, such as ``{"parts": [{"text": ...}, {"image": PATH}, {"video": PATH,
"t_start": ..., "t_end": ...}, {"page": PATH, "number": 3, "text": ...}]}``; paths are relative to
the folder of the suite and never lead out of it.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rzen.data.media_folder import inside_with_links
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import DataError, RzenError
from rzen.types import Content, Example, Image, Page, Part, Source, Text, Video

_SET, _QUERIES, _DOCUMENTS = "set.json", "queries.jsonl", "documents.jsonl"
_INSTRUCTIONS = ("instruction", "document_instruction")
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
    made = _read_about(folder / _SET)
    documents: dict[str, Content] = {}
    for number, line in _read_lines(folder / _DOCUMENTS):
        with _naming(folder / _DOCUMENTS, number):
            name = _text(line["id"], "id")
            if name in documents:
                raise DataError(f"the id {name!r} stands twice")
            documents[name] = content_from(line, root)
    queries = []
    for number, line in _read_lines(folder / _QUERIES):
        with _naming(folder / _QUERIES, number):
            queries.append(_query_from(line, root))
    with _naming(folder):
        return replace(made, queries=tuple(queries), documents=documents)


def write_examples(file: Path, examples: Iterable[Example], *, root: Path) -> int:
    """Writes training examples as lines; returns how many."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return _write_lines(file, (example_document(each, root) for each in examples))


def read_examples(file: Path, *, root: Path) -> Iterator[Example]:
    """Reads training examples one by one.

    Raises:
        DataError: if a line is damaged; the message names it.
    """
    for number, line in _read_lines(file):
        with _naming(file, number):
            yield example_from(line, root)


def example_document(example: Example, root: Path) -> dict[str, Any]:
    """A training example as JSON; an instruction is in it only where the example has one."""
    instructions = {name: getattr(example, name) for name in _INSTRUCTIONS}
    return {
        "task": example.task,
        "query": content_document(example.query, root),
        "positives": [content_document(content, root) for content in example.positives],
        "negatives": [content_document(content, root) for content in example.negatives],
        **{name: said for name, said in instructions.items() if said is not None},
    }


def example_from(
    document: dict[str, Any], root: Path, inside: Callable[[Path, str], Path] = inside_with_links
) -> Example:
    """The training example of such a document; one without hard negatives may leave them out.

    Args:
        document: as :func:`example_document` makes it.
        root: the folder that its paths are relative to.
        inside: root and name -> path; refuses what leads out of the folder.

    Raises:
        DataError: if it is none, or a path leads out of ``root``.
        KeyError: if something is missing.
    """
    positives, negatives = (
        tuple(content_from(each, root, inside) for each in _list(found, name))
        for name, found in (
            ("positives", document["positives"]),
            ("negatives", document.get("negatives") or []),
        )
    )
    said, document_said = (
        None if document.get(name) is None else _text(document[name], name)
        for name in _INSTRUCTIONS
    )
    return Example(
        task=_text(document["task"], "task"),
        query=content_from(document["query"], root, inside),
        positives=positives,
        negatives=negatives,
        instruction=said,
        document_instruction=document_said,
    )


def content_document(content: Content, root: Path) -> dict[str, Any]:
    """A content as JSON, its paths relative to ``root``."""
    return {"parts": [_part_document(part, root) for part in content.parts]}


def content_from(
    document: Any, root: Path, inside: Callable[[Path, str], Path] = inside_with_links
) -> Content:
    """The content of such a document; arguments as for :func:`example_from`.

    Raises:
        DataError: if it is none, or a path leads out of ``root``.
        KeyError: if something is missing.
    """
    return Content(*(_part_from(part, root, inside) for part in document["parts"]))


def _query_from(line: dict[str, Any], root: Path) -> Query:
    grades, candidates = line.get("grades"), line.get("candidates")
    return Query(
        id=_text(line["id"], "id"),
        content=content_from(line, root),
        labels=_texts(line["labels"], "labels"),
        grades=None if grades is None else tuple(_list(grades, "grades")),
        candidates=None if candidates is None else _texts(candidates, "candidates"),
    )


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


def _part_from(part: dict[str, Any], root: Path, inside: Callable[[Path, str], Path]) -> Part:
    if "image" in part:
        return Image(inside(root, _text(part["image"], "path")))
    if "video" in part:
        t_start, t_end = (_seconds(part.get(name), name) for name in ("t_start", "t_end"))
        return Video(inside(root, _text(part["video"], "path")), t_start, t_end)
    if "page" in part:
        text, number = part.get("text"), part.get("number", 1)
        if type(number) is not int:
            raise DataError(f"its 'number' is {number!r:.40}, not that of a page")
        known = None if text is None else _text(text, "text")
        return Page(inside(root, _text(part["page"], "path")), number, known)
    return Text(_text(part["text"], "text"))


def _relative(source: Source, root: Path) -> str:
    assert isinstance(source, Path), "media of a stored set are files"
    return source.relative_to(root).as_posix()


def _write_lines(file: Path, documents: Iterable[dict[str, Any]]) -> int:
    count = 0
    # Half a surrogate pair (of a file's name that is not UTF-8) has no bytes of its own. The escape
    # that stands for it is that of JSON, and it lies within a text: nothing else holds one.
    with file.open("w", encoding="utf-8", errors="backslashreplace") as lines:
        for document in documents:
            lines.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def _read_about(file: Path) -> RetrievalSet:
    """The set without its queries and documents."""
    with _naming(file):
        found = json.loads(file.read_bytes().decode("utf-8"))
        if not isinstance(found, dict):
            raise DataError("it is not an object")
        about = {"about": found.get("about", ""), **{name: found[name] for name in _ABOUT}}
        return RetrievalSet(queries=(), documents={}, **about)


def _read_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with _naming(file), file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            with _naming(file, number):
                found = json.loads(line.decode("utf-8"))
                if not isinstance(found, dict):
                    raise DataError("it is not an object")
            yield number, found


class _naming:  # noqa: N801 (used like a function)
    """Says in which file, and in which line of it, something was wrong; once."""

    def __init__(self, file: Path, number: int | None = None) -> None:
        self._where = f"{file}" if number is None else f"{file}, line {number}"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case _NamedError():
                return
            case OSError():
                problem = f"cannot read {self._where}: {error.strerror or error}"
            case KeyError():
                problem = f"{self._where}: {error} is missing"
            case TypeError() | ValueError() | AttributeError() | RecursionError() | RzenError():
                problem = f"{self._where}: {error}"
            case _:
                return
        raise _NamedError(f"{problem}: build the suite again, or mend the file") from None


class _NamedError(DataError):
    """Says already where it happened."""


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"its {name!r} is {value!r:.40}, not a text")
    return value


def _list(values: object, name: str) -> list[Any]:
    if not isinstance(values, list):
        raise DataError(f"its {name!r} is {values!r:.40}, not a list")
    return values


def _texts(values: object, name: str) -> tuple[str, ...]:
    return tuple(_text(each, name) for each in _list(values, name))


def _seconds(value: object, name: str) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise DataError(f"its {name!r} is {value!r:.40}, not a number of seconds")
