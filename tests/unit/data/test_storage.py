"""Sets and examples as files: what was written is read again; what is damaged is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        instruction="",
        document_instruction="Represent it.",
    )
    assert write_examples(tmp_path / "train" / "x.jsonl", [example], root=tmp_path) == 1
    (found,) = read_examples(tmp_path / "train" / "x.jsonl", root=tmp_path)
    assert found.task == "image retrieval"
    assert parts(found.positives[0]) == parts(example.positives[0])
    assert parts(found.negatives[0]) == parts(example.negatives[0])
    # The empty instruction means none; the encoder's own would be said without it.
    assert (found.instruction, found.document_instruction) == ("", "Represent it.")


def test_an_example_without_an_instruction_is_written_as_before(tmp_path: Path) -> None:
    """A suite's version is a hash over its lines: they must not change with every field we add."""
    example = Example(task="t", query=Content(Text("a")), positives=(Content(Text("b")),))
    write_examples(tmp_path / "x.jsonl", [example], root=tmp_path)
    assert json.loads((tmp_path / "x.jsonl").read_text()).keys() == {
        "task",
        "query",
        "positives",
        "negatives",
    }
    (found,) = read_examples(tmp_path / "x.jsonl", root=tmp_path)
    assert (found.instruction, found.document_instruction) == (None, None)


def test_links_do_not_lead_out_of_a_suite(tmp_path: Path) -> None:
    """Neither the link that a path ends in, nor one on its way."""
    (tmp_path / "suite").mkdir()
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "suite" / "a.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "suite" / "folder").symlink_to(tmp_path)
    for name in ("a.png", "folder/secret.png"):
        line = {"task": "t", "query": {"parts": [{"image": name}]}, "positives": []}
        (tmp_path / "x.jsonl").write_text(json.dumps(line))
        with pytest.raises(DataError, match="leads out of"):
            list(read_examples(tmp_path / "x.jsonl", root=tmp_path / "suite"))


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
        ("queries.jsonl", '{"id": "q", "parts": [{"text": "x"}]}', "line 1: 'labels' is missing"),
        ("queries.jsonl", '{"id": "q", "parts": [{"text": "x"}], "labels": "d"}', "not a list"),
        ("queries.jsonl", '{"id": "q", "parts": [{"text": "x"}], "labels": [3]}', "not a text"),
        ("queries.jsonl", '{"id": 7, "parts": [{"text": "x"}], "labels": ["d"]}', "'id' is 7"),
        ("documents.jsonl", '{"id": null, "parts": [{"text": "x"}]}', "line 1: its 'id' is None"),
        ("documents.jsonl", '{"id": "d", "parts": [{"text": null}]}', "its 'text' is None"),
        ("documents.jsonl", '{"id": "d", "parts": [{"page": "p.pdf", "number": "3"}]}', "'number'"),
        ("documents.jsonl", '{"id": "d", "parts": [{"video": "v", "t_start": "1"}]}', "'t_start'"),
        ("documents.jsonl", '{"id": "d", "parts": [{"image": 3}]}', "its 'path' is 3"),
        ("documents.jsonl", "[" * 100_000, "documents.jsonl, line 1: "),
        ("documents.jsonl", "3", "documents.jsonl, line 1: it is not an object"),
        ("set.json", "[" * 100_000, "set.json: "),
        ("set.json", "[]", "set.json: it is not an object"),
        ("set.json", "{}", "set.json: 'name' is missing"),
    ],
)
def test_damage_is_named_by_file_and_line(tmp_path: Path, name: str, line: str, said: str) -> None:
    """Guards against a traceback, and against a suite that reads files outside of its folder."""
    folder = tmp_path / "test" / "some"
    write_set(folder, made(tmp_path), root=tmp_path)
    (folder / name).write_text(line + "\n")
    with pytest.raises(DataError, match=said):
        read_set(folder, root=tmp_path)


def test_a_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    """Guards against a damaged byte that has to be looked for in a hundred thousand lines."""
    write_set(tmp_path / "s", made(tmp_path), root=tmp_path)
    file = tmp_path / "s" / "documents.jsonl"
    file.write_bytes(file.read_bytes() + b'{"id": "\xff"}\n')
    with pytest.raises(DataError, match=r"documents\.jsonl, line 5: .*utf-8"):
        read_set(tmp_path / "s", root=tmp_path)


def test_a_document_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """The second would silently take the place of the first, and with it all its labels."""
    write_set(tmp_path / "s", made(tmp_path), root=tmp_path)
    file = tmp_path / "s" / "documents.jsonl"
    file.write_text(file.read_text() + '{"id": "d", "parts": [{"text": "another"}]}\n')
    with pytest.raises(DataError, match=r"documents\.jsonl, line 5: the id 'd' stands twice"):
        read_set(tmp_path / "s", root=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group", "foo"),
        ("group", ["image"]),
        ("scope", "foo"),
        ("family", 3),
        ("metric", None),
        ("about", None),
        ("name", 3),
        ("instruction", 5),
        ("document_instruction", ["x"]),
    ],
)
def test_what_a_set_says_of_itself_is_checked(tmp_path: Path, name: str, value: object) -> None:
    """Guards against a run of hours whose result cannot be read again: it was stored as it was."""
    write_set(tmp_path / "s", made(tmp_path), root=tmp_path)
    file = tmp_path / "s" / "set.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    with pytest.raises(DataError, match=rf"set\.json: .*its {name} is "):
        read_set(tmp_path / "s", root=tmp_path)


@given(st.text(max_size=8), st.text(st.characters(categories=["Cs"]), max_size=1))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str, half: str) -> None:
    """Half a surrogate pair (a file's name in Latin-1) ended the writing of a set; texts that can
    be written as they are must stay as they are, for versions are hashes over them."""
    folder = tmp_path_factory.mktemp("set")
    for each in (text, text + half, f"{half}{text}", f"\\{half}\\u0041{text}"):
        query = Query(id=f"q{each}", content=Content(Text(each)), labels=(f"d{each}",))
        documents = {f"d{each}": Content(Text(each))}
        before = made(folder, queries=(query,), documents=documents, scope="global")
        write_set(folder, before, root=folder)
        after = read_set(folder, root=folder)
        assert (after.queries[0].id, after.queries[0].labels) == (query.id, query.labels)
        assert after.documents.keys() == documents.keys()
        assert parts(after.queries[0].content) == parts(query.content)
        if not half:
            document = {"id": f"d{each}", "parts": [{"text": each}]}
            line = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
            assert (folder / "documents.jsonl").read_bytes() == line.encode("utf-8")


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
        (
            {"grades": (17, 1)},
            "set 'some', query 'q': its grade 17 is no whole number from 0 to 16",
        ),
        ({"grades": (1, -1)}, "its grade -1 is no"),
        ({"grades": (1, 0.5)}, "its grade 0.5 is no"),
        ({"grades": (1, float("inf"))}, "its grade inf is no"),
        ({"grades": (True, 1)}, "its grade True is no"),
        ({"grades": ("1", 1)}, "its grade '1' is no"),
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
