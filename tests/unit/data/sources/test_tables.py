"""Tables: a row is found again by its number, alone, also in another process."""

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_files import picture, quadrants
from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.hugging_face import HuggingFace
from rzen.data.sources.json_lines import JsonLines
from rzen.data.sources.parquet import Parquet
from rzen.data.sources.table import Row, Table
from rzen.errors import DataError

ROWS = [{"text": f"row {number}", "number": number} for number in range(7)]


def as_lines(folder: Path) -> Table:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return JsonLines(file)


def as_parquet(folder: Path) -> Table:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "rows.parquet", row_group_size=3)
    return Parquet(folder / "rows.parquet")


def as_saved(folder: Path) -> Table:
    datasets.Dataset.from_list(ROWS).save_to_disk(str(folder / "saved"))
    return HuggingFace(folder / "saved")


makers = pytest.mark.parametrize("make", [as_lines, as_parquet, as_saved])


def scanned(table: Table, wanted: Sequence[str] = ("text", "number")) -> list[Row | BadRowError]:
    table.identity()
    return list(table.scan(wanted, lambda *_: None))


@makers
def test_a_row_is_found_again(tmp_path: Path, make: Callable[[Path], Table]) -> None:
    """An offset of one would train each query with its neighbour's answer, and nobody notice."""
    table = make(tmp_path)
    assert scanned(table) == ROWS
    assert [table.row(number, ("text", "number")) for number in (6, 0, 3, 2)] == [
        ROWS[number] for number in (6, 0, 3, 2)
    ]
    assert table.where(2).endswith(("line 3", "row 3"))
    assert table.revision


@makers
def test_a_table_travels_to_the_process_that_loads_data(
    tmp_path: Path, make: Callable[[Path], Table]
) -> None:
    """Open files and the library's readers do not; a started worker gets the table pickled."""
    table = make(tmp_path)
    scanned(table)
    table.row(0, ("text",))
    again = pickle.loads(pickle.dumps(table))  # noqa: S301 - made here
    assert again.row(5, ("text", "number")) == ROWS[5]


@makers
def test_a_revision_follows_the_rows(
    tmp_path: Path, make: Callable[[Path], Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model card that names a revision which other data have too says nothing."""
    found = []
    for folder, rows in (("a", ROWS), ("b", ROWS), ("c", [*ROWS[1:], ROWS[0]])):
        monkeypatch.setitem(make.__globals__, "ROWS", rows)
        (tmp_path / folder).mkdir()
        table = make(tmp_path / folder)
        scanned(table)
        found.append(table.revision)
    assert found[0] != found[2]
    if make is not as_saved:  # the library draws a fingerprint for what is made in memory
        assert found[0] == found[1]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_any_line_is_found(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], end: str
) -> None:
    """Offsets are bytes, not characters; U+2028 within a text is no line break."""
    file = tmp_path_factory.mktemp("lines") / "x.jsonl"
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    file.write_bytes(end.join(lines).encode("utf-8", "surrogatepass"))
    table = JsonLines(file)
    assert scanned(table) == [{"text": text} for text in texts]
    for number, text in enumerate(texts):
        assert table.row(number, ()) == {"text": text}


def test_a_damaged_line_is_one_row_that_says_why(tmp_path: Path) -> None:
    """One bad line must not end the reading of a million, nor shift the rows behind it."""
    file = tmp_path / "x.jsonl"
    file.write_bytes(
        b'\xef\xbb\xbf{"a": 1}\n{"a": \n\n[1]\n{"a": "\xff"}\n' + b"[" * 9999 + b"\n{}"
    )
    table = JsonLines(file)
    found = scanned(table)
    assert found[0] == {"a": 1}
    assert found[-1] == {}
    reasons = [each.reason for each in found if isinstance(each, BadRowError)]
    assert reasons == [
        "the line is not JSON",
        "the line is empty",
        "the line is not a JSON object",
        "the line is not JSON",
        "the line is not JSON",
    ]
    with pytest.raises(DataError, match=r"x\.jsonl, line 2: the line is not JSON"):
        table.row(1, ())


def test_a_file_without_line_breaks_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten gigabytes of one JSON list, called .jsonl, filled the memory."""
    monkeypatch.setattr("rzen.data.sources.json_lines.LINE_BYTES", 100)
    (tmp_path / "x.jsonl").write_text('{"a": "' + "b" * 150 + '"}\n{"a": 1}\n')
    found = scanned(JsonLines(tmp_path / "x.jsonl"))
    assert isinstance(found[0], BadRowError)
    assert found[0].reason == "the line is too long"
    assert found[-1] == {"a": 1}


@pytest.mark.parametrize("make", [as_lines, as_parquet])
def test_a_file_that_changes_under_way_is_noticed(
    tmp_path: Path, make: Callable[[Path], Table]
) -> None:
    """Offsets of the old file would cut the new one's lines anywhere."""
    table = make(tmp_path)
    scanned(table)
    again = pickle.loads(pickle.dumps(table))  # noqa: S301 - made here
    assert isinstance(again, JsonLines | Parquet)
    with again.path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(DataError, match="has changed since it was read"):
        again.row(0, ("text",))


@pytest.mark.parametrize("kind", [JsonLines, Parquet])
def test_a_missing_file_is_named(tmp_path: Path, kind: Callable[[Path], Table]) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none.* check the source's path"):
        kind(tmp_path / "none").identity()


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    """pyarrow says what is wrong, but not with which of a hundred files."""
    whole = as_parquet(tmp_path)
    assert isinstance(whole, Parquet)
    data = whole.path.read_bytes()
    whole.path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"cannot read .*rows\.parquet as parquet"):
        Parquet(whole.path).columns()
    whole.path.write_bytes(data[:4] + b"\0" * 60 + data[64:])
    with pytest.raises(DataError, match=r"cannot read .*rows\.parquet as parquet"):
        scanned(Parquet(whole.path))


def test_a_row_group_is_read_once_for_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row of a group of pictures cost the whole group; all groups kept would fill memory."""
    table = as_parquet(tmp_path)
    scanned(table)
    read: list[int] = []
    genuine = pq.ParquetFile.read_row_group

    def counted(self: Any, group: int, **options: Any) -> Any:
        read.append(group)
        return genuine(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    for number in (0, 2, 1, 3, 0):
        table.row(number, ("text",))
    assert read == [0, 1]
    monkeypatch.setattr("rzen.data.sources.parquet.GROUP_BYTES", 0)
    for number in (6, 0, 1):
        table.row(number, ("text",))
    assert read == [0, 1, 2, 0]


def test_the_library_decodes_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of a hundred million pixels must go through rzen's limits, not past them."""
    jpeg = picture(quadrants(8, 8))
    data = datasets.Dataset.from_list(
        [{"image": {"bytes": jpeg, "path": "a.png"}, "more": [{"bytes": jpeg, "path": None}]}],
        features=datasets.Features(
            {"image": datasets.Image(), "more": datasets.List(datasets.Image())}
        ),
    )
    data.save_to_disk(str(tmp_path / "saved"))
    monkeypatch.setattr(datasets.Image, "decode_example", lambda *_, **__: pytest.fail("decoded"))
    table = HuggingFace(tmp_path / "saved")
    (row,) = scanned(table, ("image", "more"))
    assert row == table.row(0, ("image", "more"))
    assert not isinstance(row, BadRowError)
    assert row["image"] == {"bytes": jpeg, "path": "a.png"}
    assert row["more"] == [{"bytes": jpeg, "path": None}]


def test_a_split_is_chosen_or_asked_for(tmp_path: Path) -> None:
    """Training on the test split, because it came first, would be noticed by nobody."""
    one = datasets.Dataset.from_list(ROWS[:1])
    two = datasets.Dataset.from_list(ROWS[:2])
    datasets.DatasetDict({"test": one, "train": two}).save_to_disk(str(tmp_path / "a"))
    assert len(scanned(HuggingFace(tmp_path / "a"))) == 2
    assert len(scanned(HuggingFace(tmp_path / "a", split="test"))) == 1
    with pytest.raises(DataError, match="choose one of its splits: test, train"):
        HuggingFace(tmp_path / "a", split="trian")
    datasets.DatasetDict({"x": one, "y": two}).save_to_disk(str(tmp_path / "b"))
    with pytest.raises(DataError, match="choose one of its splits: x, y"):
        HuggingFace(tmp_path / "b")


def test_a_data_set_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """The library's own errors are tracebacks of fifty lines."""
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text("{}")
    with pytest.raises(DataError, match=r"cannot load the data set .*saved"):
        HuggingFace(tmp_path / "saved")
