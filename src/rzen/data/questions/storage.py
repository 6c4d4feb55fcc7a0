"""Question sets as JSON lines: a corpus and questions, media named relative to one folder."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rzen.data.bench.language.concepts import Split
from rzen.data.media_folder import inside_with_links
from rzen.data.questions.question_set import Item, Question, QuestionSet
from rzen.data.storage import content_document, content_from
from rzen.errors import DataError

_CORPUS, _QUESTIONS = "corpus.jsonl", "questions.jsonl"
_TEXTS = ("id", "family", "template", "text", "answer")
_LISTS = ("accepted", "candidates", "gold")


def write(folder: Path, made: QuestionSet, *, root: Path) -> None:
    """Writes a set into a folder of its own; media lie beneath ``root``.

    The questions are written last: a folder without them holds no set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(
        folder / _CORPUS,
        ({"id": item.id, **content_document(item.content, root)} for item in made.corpus),
    )
    _write(folder / _QUESTIONS, (_document(each, root) for each in made.questions))


def is_whole(folder: Path) -> bool:
    """Whether there is a set in a folder."""
    return (folder / _QUESTIONS).is_file()


def read(folder: Path, name: str, split: Split, *, root: Path) -> QuestionSet:
    """Reads a set.

    Raises:
        DataError: if it is damaged.
    """
    try:
        return QuestionSet(
            name=name,
            split=split,
            corpus=tuple(
                Item(id=line["id"], content=content_from(line, root))
                for line in _lines(folder / _CORPUS)
            ),
            questions=tuple(_question(line, root) for line in _lines(folder / _QUESTIONS)),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"cannot read the questions in {folder}: {error}: remove it") from None


def _document(question: Question, root: Path) -> dict[str, Any]:
    picture = question.picture
    return {
        **{name: getattr(question, name) for name in (*_TEXTS, *_LISTS)},
        "picture": None if picture is None else picture.relative_to(root).as_posix(),
    }


def _question(line: dict[str, Any], root: Path) -> Question:
    picture = line["picture"]
    accepted, candidates, gold = (tuple(line[name]) for name in _LISTS)
    return Question(
        **{name: line[name] for name in _TEXTS},
        accepted=accepted,
        candidates=candidates,
        gold=gold,
        picture=None if picture is None else inside_with_links(root, picture),
    )


def _write(file: Path, documents: Iterable[dict[str, Any]]) -> None:
    part = file.with_name(f".{file.name}.part")
    with part.open("w", encoding="utf-8") as lines:
        for document in documents:
            lines.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
    part.rename(file)


def _lines(file: Path) -> list[dict[str, Any]]:
    # Not str.splitlines: a text may hold line separators of its own.
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
