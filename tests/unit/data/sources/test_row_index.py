"""What is kept of a table's rows: made once, and never used for another file."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rzen.data.sources.content_key import content_key
from rzen.data.sources.flat_rows import FlatRows
from rzen.data.sources.json_lines import JsonLines
from rzen.data.sources.source import LEFT_OUT
from rzen.data.sources.table_source import TableSource
from rzen.errors import DataError
from rzen.types import Content, Image, Page, Text, Video

GOOD = {"query_text": "a boat", "positive_image": "boat.png", "task": "t"}


def write(file: Path, *rows: Any) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    file.write_text("".join(line + "\n" for line in lines))
    return file


def opened(file: Path, columns: Mapping[str, str] | None = None, **options: Any) -> TableSource:
    return TableSource("s", [JsonLines(file)], FlatRows(columns or {}), **options)


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read from end to end."""
    found: list[Path] = []
    genuine = JsonLines.scan

    def counted(self: JsonLines, *arguments: Any) -> Any:
        found.append(self.path)
        return genuine(self, *arguments)

    monkeypatch.setattr(JsonLines, "scan", counted)
    return found


def test_rows_that_cannot_be_trained_on_are_counted_and_named(tmp_path: Path) -> None:
    """Skipped rows without a name cannot be mended, and uncounted ones are not missed."""
    file = write(
        tmp_path / "x.jsonl",
        GOOD,
        {**GOOD, "query_text": ""},
        "{",
        {**GOOD, "positive_image": None},
        {**GOOD, "task": ""},
        {**GOOD, "positive_image": "../../etc/passwd"},
        {**GOOD, "query_text": 7},
        {**GOOD, "query_text": 8},
        GOOD,
    )
    source = opened(file)
    assert source.task_N.tolist() == [0, *[LEFT_OUT] * 7, 0]
    assert source.skipped.total == 7
    assert source.skipped.by_reason["'query_text' is not a text"] == 2
    assert dict(source.skipped.by_reason) | {"no query": 1, "no positive": 1} == dict(
        source.skipped.by_reason
    )
    named = {each.where.removeprefix(f"{file}, "): each.reason for each in source.skipped.first}
    assert list(named) == [f"line {number}" for number in range(2, 9)]
    assert "no task" in named["line 5"]
    assert "leads out of the folder of media" in named["line 6"]
    assert "7" in named["line 7"]
    assert source[8].query.text == "a boat"
    with pytest.raises(DataError, match=r"x\.jsonl, line 4: no positive"):
        source[3]


def test_names_are_bounded_and_the_count_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rzen.data.sources.row_index.NAMED", 3)
    source = opened(write(tmp_path / "x.jsonl", *[{**GOOD, "query_text": ""}] * 50, GOOD))
    assert (source.skipped.total, len(source.skipped.first)) == (50, 3)


def test_a_file_is_read_once(tmp_path: Path, scans: list[Path], cache: Path) -> None:
    """A pass over eight million rows takes minutes; each start took them."""
    file = write(tmp_path / "x.jsonl", GOOD, {**GOOD, "query_text": ""}, GOOD)
    first = opened(file)
    second = opened(file)
    assert len(scans) == 1
    assert second.task_N.tolist() == first.task_N.tolist()
    assert second.positive_N.tolist() == first.positive_N.tolist()
    assert (second.tasks, second.skipped, second.revision) == (
        first.tasks,
        first.skipped,
        first.revision,
    )
    assert second[2].query.text == "a boat"
    assert not [each for each in cache.iterdir() if each.suffix not in (".npz", ".lock")]


def test_another_file_or_another_reading_is_read_again(tmp_path: Path, scans: list[Path]) -> None:
    """What was known of the old rows would be taken for the new ones'."""
    file = write(tmp_path / "x.jsonl", GOOD, GOOD)
    opened(file)
    assert len(opened(write(file, GOOD, GOOD, GOOD))) == 3
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 10))
    opened(file)
    columns = {"query_text": "query_text", "positive_text": "positive_image", "task": "task"}
    opened(file, columns)
    (tmp_path / "other").mkdir()
    opened(file, media=tmp_path / "other")
    assert len(scans) == 5


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "lacking"])
def test_a_damaged_index_is_made_again(
    tmp_path: Path, scans: list[Path], cache: Path, damage: str
) -> None:
    """A machine that lost power, a disk that lost a bit: the file must not have to be deleted by
    hand, and a wrong key must not be believed."""
    file = write(tmp_path / "x.jsonl", GOOD, GOOD)
    expected = opened(file).positive_N.tolist()
    (kept,) = cache.glob("*.npz")
    data = kept.read_bytes()
    at = data.index(b"positive.npy") + 160
    kept.write_bytes(
        {
            "empty": b"",
            "cut": data[: len(data) // 2],
            "flipped": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
            "text": b"hello",
            "lacking": data,
        }[damage]
    )
    if damage == "lacking":
        with zipfile.ZipFile(kept, "w") as archive:
            archive.writestr("about.npy", b"no array")
    assert opened(file).positive_N.tolist() == expected
    assert len(scans) == 2
    opened(file)
    assert len(scans) == 2


def test_a_cache_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "taken"))
    with pytest.raises(DataError, match="set RZEN_CACHE to another folder"):
        opened(write(tmp_path / "x.jsonl", GOOD))


def test_a_pass_that_is_interrupted_leaves_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an index that is taken for the whole would drop the rest of the file."""
    file = write(tmp_path / "x.jsonl", GOOD, GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            opened(file)
    assert not [each for each in cache.iterdir() if each.suffix != ".lock"]
    assert len(opened(file)) == 2


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    file = write(tmp_path / "x.jsonl", GOOD, GOOD)
    opened(file, on_progress=lambda *each: told.append(each))
    size = file.stat().st_size
    assert told[-1] == (str(file), size, size)


def test_a_column_that_is_not_there_is_told_its_neighbour(tmp_path: Path) -> None:
    """A misspelt column gave a source without a single positive."""
    file = write(tmp_path / "x.jsonl", {"caption": "a", "picture": "p.png"})
    with pytest.raises(DataError, match=r"has no column 'captoin': did you mean 'caption'"):
        opened(file, {"query_text": "captoin", "positive_image": "picture"})
    with pytest.raises(DataError, match=r"no column 'hard': its columns are \(caption, picture\)"):
        opened(file, {"query_text": "caption", "negative_text": "hard"})


def test_several_files_are_one_source(tmp_path: Path) -> None:
    """Rows of the second file were looked up in the first, tasks by the wrong list."""
    first = write(tmp_path / "a.jsonl", GOOD, {**GOOD, "task": "u"})
    second = write(tmp_path / "b.jsonl", {**GOOD, "task": "v"}, {**GOOD, "query_text": ""}, GOOD)
    source = TableSource("s", [JsonLines(first), JsonLines(second)], FlatRows({}))
    assert source.tasks == ("t", "u", "v")
    assert source.task_N.tolist() == [0, 1, 2, LEFT_OUT, 0]
    assert [source[row].task for row in (0, 1, 2, 4)] == ["t", "u", "v", "t"]
    assert source.where(3) == f"{second}, line 2"
    assert source.skipped.first[0].where == f"{second}, line 2"
    assert source.origin == f"{first} and 1 more"
    assert len(set(source.positive_N[[0, 1, 2, 4]].tolist())) == 1


def test_equal_contents_have_equal_keys(tmp_path: Path) -> None:
    """A picture named in two ways is one picture; a part that has moved is another content."""
    here = tmp_path / "a.png"
    same = [Content(Image(here)), Content(Image(tmp_path / "x" / ".." / "a.png"))]
    assert content_key(same[0]) == content_key(same[1])
    others = [
        same[0],
        Content(Page(here)),
        Content(Page(here, 2)),
        Content(Page(here, 1, "")),
        Content(Video(here)),
        Content(Video(here, 0.0, 1.0)),
        Content(Image(here), Text("a")),
        Content(Text("a"), Image(here)),
        Content(Image(here.read_bytes() if here.exists() else b"png")),
        Content(Image("https://a/b.png")),
        Content(Text("https://a/b.png")),
        Content(Text("\ud800")),
    ]
    keys = [content_key(each) for each in others]
    assert len(set(keys)) == len(keys)
    assert all(-(2**63) <= key < 2**63 for key in keys)
