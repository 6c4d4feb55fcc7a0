"""MMEB-V2's rows as sets: image tasks, and document tasks in BEIR's form.

What the reference evaluator (VLM2Vec, ``src/data/eval_dataset``) does with the rows, and what is
kept of it:

- ``<|image_1|>`` marks where an image goes; images always come before the text, so the marker is
  dropped.
- Its prompts join instruction and text with a space. Here the instruction of all rows becomes the
  set's, so that each encoder puts it where it belongs and those that follow none are not fed it;
  where rows disagree it is put before the text, as there. The same holds for the targets'
  instruction, which texts alone do not get.
- Line breaks that it adds "to stay consistent" with its first version are left to templates.
- Candidates are told apart by name: a text by itself; an image by its path if the query has none,
  else by path, colon and caption, because one image may hold several targets. Names here are the
  same, so prediction files can be laid side by side. The first candidate of a name counts, in its
  list and in the whole set.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from rzen.data.media_folder import inside
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import DataError
from rzen.evaluation.mmeb.fields import (
    check_files,
    id_of,
    instruction_of,
    text_of,
    texts_of,
)
from rzen.evaluation.mmeb.sets import MmebModality, MmebSet, find_set
from rzen.types import Content, Image, Source, Text

_PAGE_QUERY = "Find a document image that matches the given query:"
_PAGE_DOCUMENT = "Understand the content of the provided document image."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SetReading:
    """A set that was read from rows.

    Attributes:
        made: the set.
        notes: what was left out, counted; sentences.
    """

    made: RetrievalSet
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A query or a target as a row gives it."""

    instruction: str
    text: str
    path: str

    def content(self, shared: str | None, root: Path) -> Content:
        """What is encoded; ``shared`` is the instruction that the set has for all."""
        text = self.text
        if self.instruction and shared is None:
            text = f"{self.instruction} {text}".rstrip()
        if not self.path:
            return Content(Text(text))
        image = Image(inside(root, self.path))
        return Content(image, Text(text)) if text.strip() else Content(image)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    query: _Side
    targets: Mapping[str, _Side]
    repeated: int


@dataclass(slots=True)
class _Pool:
    """The documents of a set while it is read."""

    root: Path
    instruction: str | None
    sides: dict[str, _Side] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    conflicts: int = 0

    def add(self, name: str, side: _Side) -> None:
        if name not in self.sides:
            self.sides[name] = side
            self.contents[name] = side.content(self.instruction, self.root)
        elif self.sides[name].text != side.text:
            self.conflicts += 1


def image_set(name: str, rows: Iterable[Mapping[str, Any]], image_root: Path) -> SetReading:
    """Reads an image task.

    Args:
        name: as in MMEB-V2, such as ``"CIRR"``.
        rows: ``qry_inst, qry_text, qry_img_path, tgt_inst, tgt_text`` (a list), ``tgt_img_path`` (a
            list); the first target is the right one.
        image_root: the folder that the paths are relative to.

    Returns:
        the set, each query with candidates of its own; query ids are the rows' numbers, from 1.

    Raises:
        DataError: if MMEB-V2 has no image task of that name, a row is damaged, a path leads out of
            the folder, or images are missing.
    """
    about = _expect(name, "image")
    read = [_row(name, number, row) for number, row in enumerate(rows, start=1)]
    if not read:
        raise DataError(f"set {name!r} has no rows: fetch it again")
    instruction = _shared(row.query for row in read)
    targets = [side for row in read for side in row.targets.values() if side.path]
    pool = _Pool(root=image_root, instruction=_shared(targets))
    for row in read:
        for document, side in row.targets.items():
            pool.add(document, side)
    queries = tuple(
        Query(
            id=str(number),
            content=row.query.content(instruction, image_root),
            labels=(next(iter(row.targets)),),
            candidates=tuple(row.targets),
        )
        for number, row in enumerate(read, start=1)
    )
    check_files(name, image_root, (*(query.content for query in queries), *pool.contents.values()))
    made = RetrievalSet(
        name=name,
        group="image",
        family=about.family,
        metric=about.metric,
        scope=about.scope,
        queries=queries,
        documents=pool.contents,
        instruction=instruction or None,
        document_instruction=pool.instruction or None,
        about=f"MMEB-V2, image {about.family}: each query ranks its own candidates.",
    )
    return SetReading(made=made, notes=tuple(_image_notes(name, read, pool)))


def document_set(
    name: str,
    queries: Iterable[Mapping[str, Any]],
    corpus: Iterable[Mapping[str, Any]],
    qrels: Iterable[Mapping[str, Any]],
    image_root: Path,
) -> SetReading:
    """Reads a document task in BEIR's form.

    As in the reference, a page is relevant if its score is above 0, and the higher of two scores
    for one page counts.

    Args:
        name: as in MMEB-V2, such as ``"ViDoRe_docvqa"``.
        queries: ``query-id, query``.
        corpus: ``corpus-id, image``: a path, bytes (kept in memory), or a mapping with either, as
            in parquet files; without one, the file that the reference evaluator would have saved
            in ``image_root``.
        qrels: ``query-id, corpus-id, score``; scores are whole numbers.
        image_root: the folder that the paths are relative to.

    Returns:
        the set, whose queries rank the whole corpus.

    Raises:
        DataError: if MMEB-V2 has no document task of that name, a row is damaged, a query has no
            relevant page, a path leads out of the folder, or images are missing.
    """
    about = _expect(name, "visdoc")
    documents: dict[str, Content] = {}
    notes: list[str] = []
    repeated = 0
    for number, row in enumerate(corpus, start=1):
        where = f"set {name!r}, page {number} of the corpus"
        document = id_of(row, "corpus-id", where)
        if document in documents:
            repeated += 1
        else:
            source = _page(row.get("image"), _saved_name(about, document), image_root, where)
            documents[document] = Content(Image(source))
    if repeated:
        notes.append(f"set {name!r}: {repeated} pages have an id that stood before: left out")
    grades = _read_qrels(name, qrels)
    asked = []
    for number, row in enumerate(queries, start=1):
        where = f"set {name!r}, query {number}"
        query = id_of(row, "query-id", where)
        labels = grades.get(query, {})
        asked.append(
            Query(
                id=query,
                content=Content(Text(text_of(row, "query", where))),
                labels=tuple(labels),
                grades=tuple(labels.values()),
            )
        )
    if unasked := len(grades.keys() - {query.id for query in asked}):
        notes.append(f"set {name!r}: labels of {unasked} queries that are not asked: left out")
    check_files(name, image_root, documents.values())
    made = RetrievalSet(
        name=name,
        group="visdoc",
        family=about.family,
        metric=about.metric,
        scope=about.scope,
        queries=tuple(asked),
        documents=documents,
        instruction=_PAGE_QUERY,
        document_instruction=_PAGE_DOCUMENT,
        about=f"MMEB-V2, {about.family}: find the pages that answer a question.",
    )
    return SetReading(made=made, notes=tuple(notes))


def _expect(name: str, modality: MmebModality) -> MmebSet:
    found = find_set(name)
    if found.modality != modality:
        raise DataError(f"{name!r} is a set of modality {found.modality}, not {modality}")
    return found


def _row(name: str, number: int, row: Mapping[str, Any]) -> _Row:
    where = f"set {name!r}, row {number}"
    query = _Side(
        instruction=instruction_of(row, "qry_inst", where),
        text=text_of(row, "qry_text", where),
        path=text_of(row, "qry_img_path", where, optional=True),
    )
    if not query.text.strip() and not query.path:
        raise DataError(f"{where}: the query has neither text nor image: fetch the set again")
    texts = texts_of(row, "tgt_text", where)
    paths = texts_of(row, "tgt_img_path", where) if row.get("tgt_img_path") else [""] * len(texts)
    if len(texts) != len(paths) or not texts:
        raise DataError(
            f"{where}: {len(texts)} texts and {len(paths)} images of targets: fetch the set again"
        )
    if not texts[0].strip() and not paths[0]:
        raise DataError(f"{where}: the right target has neither text nor image: fetch it again")
    instruction = instruction_of(row, "tgt_inst", where)
    targets: dict[str, _Side] = {}
    for text, path in zip(texts, paths, strict=True):
        side = _Side(instruction=instruction if path else "", text=text, path=path)
        targets.setdefault(_candidate_name(side, query), side)
    return _Row(query=query, targets=targets, repeated=len(texts) - len(targets))


def _candidate_name(target: _Side, query: _Side) -> str:
    if not target.path:
        return target.text
    caption = target.text.strip('"')
    return f"{target.path}:{caption}" if query.path else target.path


def _image_notes(name: str, rows: Sequence[_Row], pool: _Pool) -> Iterator[str]:
    if repeated := sum(row.repeated for row in rows):
        lists = sum(row.repeated > 0 for row in rows)
        yield (
            f"set {name!r}: {repeated} candidates stand twice in their list ({lists} of "
            f"{len(rows)} lists): the first is kept"
        )
    if pool.conflicts:
        yield (
            f"set {name!r}: {pool.conflicts} candidates have a name that stood before with another "
            "caption: the first caption is kept, as the reference evaluator does"
        )


def _shared(sides: Iterable[_Side]) -> str | None:
    """The instruction that all have; ``None`` if they differ."""
    found = {side.instruction for side in sides}
    return next(iter(found), "") if len(found) <= 1 else None


def _read_qrels(name: str, qrels: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for number, row in enumerate(qrels, start=1):
        where = f"set {name!r}, label {number}"
        query, document = id_of(row, "query-id", where), id_of(row, "corpus-id", where)
        score = row.get("score")
        if isinstance(score, bool) or not isinstance(score, int | float) or score % 1 != 0:
            raise DataError(f"{where}: its score {score!r:.40} is no whole number")
        if score > 0:
            labels = grades.setdefault(query, {})
            labels[document] = max(labels.get(document, 0), int(score))
    return grades


def _saved_name(about: MmebSet, document: str) -> str:
    """The file that the reference evaluator saves a page of the corpus to."""
    if about.family != "VisRAG":
        return f"{document}.png"
    suffix = PurePosixPath(document).suffix
    digest = hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()
    return f"{document.removesuffix(suffix)[:50]}_{digest[:8]}{suffix}"


def _page(image: object, saved: str, root: Path, where: str) -> Source:
    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    match image:
        case bytes():
            return image
        case None | "":
            return inside(root, saved)
        case str():
            return inside(root, image)
    raise DataError(f"{where}: its image is of type {type(image).__name__}: give a path or bytes")
