"""Sets and examples as files: what was written is read again; what is damaged is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.data.storage import read_examples, read_set, write_examples, write_set
from rzen.errors import DataError
from rzen.types import Content, Example, Image, Page, Text, Video


def made(root: Path, **changes: Any) -> RetrievalSet:
    query = Query(
        id="q",
        content=Content(Text("the same, at night"), Image(root / "media" / "a.png")),
        labels=("d", "p"),
        grades=(2, 1),
        candidates=("v", "d", "p"),
    )
    fields: dict[str, Any] = {
        "name": "some",
        "group": "image",
        "family": "retrieval",
        "metric": "hit@1",
        "scope": "local",
        "queries": (query,),
        "documents": {
            "d": Content(Image(root / "media" / "ü.png")),
            "v": Content(Video(root / "media" / "c.mp4", 1.5, 3.0)),
            "w": Content(Video(root / "media" / "c.mp4")),
            "p": Content(Page(root / "media" / "p.png", 1, None)),
        },
        "instruction": "Find it.",
    }
    return RetrievalSet(**{**fields, **changes})


def parts(content: Content) -> list[str]:
    return [repr(part) for part in content.parts]


def test_a_set_survives_being_stored_and_moved(tmp_path: Path) -> None:
    """Guards against absolute paths in a suite, lost times of a clip, and texts that turn None."""
    before = made(tmp_path / "one")
    write_set(tmp_path / "one" / "test" / "some", before, root=tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "two")
    after = read_set(tmp_path / "two" / "test" / "some", root=tmp_path / "two")
    expected = made(tmp_path / "two")
    assert after.queries[0].labels == ("d", "p")
    assert after.queries[0].grades == (2, 1)
    assert after.queries[0].candidates == ("v", "d", "p")
    assert parts(after.queries[0].content) == parts(expected.queries[0].content)
    assert {name: parts(each) for name, each in after.documents.items()} == {
        name: parts(each) for name, each in expected.documents.items()
    }
    assert (after.instruction, after.document_instruction) == ("Find it.", None)


def test_examples_survive_too(tmp_path: Path) -> None:
    example = Example(
        task="image retrieval",
        query=Content(Text("a boat")),
        positives=(Content(Image(tmp_path / "a.png")),),
        negatives=(Content(Text("a house")),),
    )
    assert write_examples(tmp_path / "train" / "x.jsonl", [example], root=tmp_path) == 1
    (found,) = read_examples(tmp_path / "train" / "x.jsonl", root=tmp_path)
    assert found.task == "image retrieval"
    assert parts(found.positives[0]) == parts(example.positives[0])
    assert parts(found.negatives[0]) == parts(example.negatives[0])


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        (
            "documents.jsonl",
            '{"id": "d", "parts": [{"image": "../../secret.png"}]}',
            "leads out of",
        ),
        ("documents.jsonl", '{"id": "d", "parts": []}', "empty content"),
        ("documents.jsonl", '{"id": "d"}', "line 1: 'parts'"),
        ("queries.jsonl", '{"id": ', "queries.jsonl, line 1"),
        ("queries.jsonl", '{"id": "q", "parts": [{"text": "x"}]}', "line 1: 'labels'"),
    ],
)
def test_damage_is_named_by_file_and_line(tmp_path: Path, name: str, line: str, said: str) -> None:
    """Guards against a traceback, and against a suite that reads files outside of its folder."""
    folder = tmp_path / "test" / "some"
    write_set(folder, made(tmp_path), root=tmp_path)
    (folder / name).write_text(line + "\n")
    with pytest.raises(DataError, match=said):
        read_set(folder, root=tmp_path)


def test_a_missing_set_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="build the suite again"):
        read_set(tmp_path / "none", root=tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": ()}, "no label"),
        ({"labels": ("d", "d")}, "given twice"),
        ({"labels": ("w",), "grades": None}, "not among the candidates"),
        ({"candidates": None}, "candidates belong to scope local"),
        ({"grades": (1,)}, "1 grades, 2 labels"),
        ({"candidates": ("d", "p", "none")}, "not among the documents"),
    ],
)
def test_a_set_that_cannot_be_measured_with_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """Guards against queries that nothing can answer: they would silently lower every score."""
    asked = made(tmp_path).queries[0]
    fields = {
        name: getattr(asked, name) for name in ("id", "content", "labels", "grades", "candidates")
    }
    with pytest.raises(DataError, match=said):
        made(tmp_path, queries=(Query(**{**fields, **changes}),))
    with pytest.raises(DataError, match="used twice"):
        made(tmp_path, queries=(asked, asked))


def test_lines_are_plain_json(tmp_path: Path) -> None:
    write_set(tmp_path / "s", made(tmp_path), root=tmp_path)
    (line,) = (tmp_path / "s" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["parts"][1] == {"image": "media/a.png"}
