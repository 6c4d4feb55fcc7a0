"""From a recipe's table to a source: where it is looked for, and what is said if it is not."""

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from rzen.config import first_problem
from rzen.data.sources.opening import open_source, source_name
from rzen.data.sources.spec import SourceSpec
from rzen.data.storage import write_examples
from rzen.errors import DataError, MissingExtraError
from rzen.types import Content, Example, Image, Text

FLAT = {"query_text": "a", "positive_text": "b", "task": "t"}


def lines(file: Path, *rows: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def spec(**values: Any) -> SourceSpec:
    return SourceSpec(**values)


def test_kinds_over_files(tmp_path: Path) -> None:
    """A column of parquet, a line of JSON and a saved data set with the same rows are the same."""
    rows = [FLAT, {**FLAT, "query_text": "c"}]
    lines(tmp_path / "x.jsonl", *rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "saved"))
    columns = {name: name for name in FLAT}
    for kind, path in (("jsonl", "x.jsonl"), ("parquet", "x.parquet"), ("huggingface", "saved")):
        source = open_source(spec(kind=kind, path=path, columns=columns), folder=tmp_path)
        assert [source[row].query.text for row in range(2)] == ["a", "c"]
        assert source.name == Path(path).stem
        assert str(tmp_path) in source.origin


def test_a_folder_and_a_pattern_are_several_files(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "notes.txt", "deep/c.jsonl"):
        lines(tmp_path / "d" / name, {**FLAT, "query_text": name})
    columns = {name: name for name in FLAT}

    def queries(path: str) -> list[str]:
        source = open_source(spec(kind="jsonl", path=path, columns=columns), folder=tmp_path)
        return [source[row].query.text for row in range(len(source))]

    assert queries("d") == ["a.jsonl", "b.jsonl"]
    assert queries("d/**/*.jsonl") == ["a.jsonl", "b.jsonl", "deep/c.jsonl"]
    assert queries(str(tmp_path / "d" / "[ab].jsonl")) == ["a.jsonl", "b.jsonl"]


def test_paths_in_rows_are_relative_to_the_file_or_the_media(tmp_path: Path) -> None:
    example = Example(
        task="t", query=Content(Text("a")), positives=(Content(Image(tmp_path / "x" / "a.png")),)
    )
    write_examples(tmp_path / "rows" / "x.jsonl", [example], root=tmp_path / "x")
    (tmp_path / "x").mkdir()

    def first(**values: str) -> Any:
        source = open_source(spec(kind="jsonl", path="rows/x.jsonl", **values), folder=tmp_path)
        return source[0].positives[0].parts[0].source  # type: ignore[union-attr]

    assert first() == tmp_path / "rows" / "a.png"
    assert first(media="x") == tmp_path / "x" / "a.png"
    with pytest.raises(DataError, match=r"nowhere is no folder: check the media of source 'x'"):
        first(media="nowhere")


def test_mmeb_train_and_vidore_and_clips_over_parquet(tmp_path: Path) -> None:
    mmeb = {
        "qry": "<|image_1|>\nWho?",
        "qry_image_path": "i.jpg",
        "pos_text": "me",
        "pos_image_path": "",
    }
    (tmp_path / "OK-VQA").mkdir()
    pq.write_table(pa.Table.from_pylist([mmeb]), tmp_path / "OK-VQA" / "original-00000.parquet")
    source = open_source(
        spec(kind="mmeb-train", path="OK-VQA/original-00000.parquet"), folder=tmp_path
    )
    assert (source.name, source.tasks) == ("OK-VQA", ("image qa",))
    row = {"query": "How much?", "image": {"bytes": b"png", "path": None}, "page": "1"}
    data = datasets.Dataset.from_list(
        [row],
        features=datasets.Features(
            {
                "query": datasets.Value("string"),
                "image": datasets.Image(),
                "page": datasets.Value("string"),
            }
        ),
    )
    data.info.license = "mit"
    data.save_to_disk(str(tmp_path / "colpali"))
    source = open_source(spec(kind="vidore", path="colpali"), folder=tmp_path)
    assert (source.tasks, source.licence) == (("document retrieval",), "mit")
    assert source[0].positives[0].modality == "page"
    lines(tmp_path / "clips.jsonl", {"video": "v.mp4", "start": 0, "end": 4, "caption": "a"})
    source = open_source(
        spec(kind="video-captions", path="clips.jsonl", direction="both"), folder=tmp_path
    )
    assert len(source) == 2


def test_rzen_bench_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run  rzen eval fetch"):
        open_source(spec(kind="rzen-bench"))


def test_rzen_bench_is_read_from_the_cache(tmp_path: Path) -> None:
    suite = tmp_path / "cache" / "suites" / "rzen-bench"
    for name in ("pictures", "texts"):
        example = Example(
            task=name, query=Content(Text("a")), positives=(Content(Image(suite / "media/a.png")),)
        )
        write_examples(suite / "train" / f"{name}.jsonl", [example], root=suite)
    about = {"edition": 1, "version": "v1", "sets": {"validation": {}, "test": {}}}
    terms = [{"terms": "MIT"}, {"terms": "public domain"}, {"terms": "MIT"}]
    (suite / "manifest.json").write_text(json.dumps({**about, "sources": terms}))
    source = open_source(spec(kind="rzen-bench"))
    assert (len(source), source.tasks) == (2, ("pictures", "texts"))
    assert source.revision.startswith("v1 ")
    assert source.licence == "MIT; public domain"
    assert source[1].positives[0].parts[0].source == suite / "media/a.png"  # type: ignore[union-attr]
    one = open_source(spec(kind="rzen-bench", config="texts"))
    assert (one.name, one.tasks) == ("rzen-bench texts", ("texts",))
    with pytest.raises(DataError, match="no training file 'text': its files are pictures, texts"):
        open_source(spec(kind="rzen-bench", config="text"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "jsonl", "path": "none.jsonl"}, "none.jsonl is not there"),
        ({"kind": "jsonl", "path": "*.jsonl"}, "is not there, nor is any file"),
        ({"kind": "jsonl", "path": "."}, r"has no file \*.jsonl"),
        ({"kind": "parquet", "path": "a.csv"}, "a.csv is not called"),
        ({"kind": "huggingface", "path": "a.csv"}, "a.csv is no folder"),
        ({"kind": "mmeb-train", "path": "a.csv"}, "is not called"),
        ({"kind": "mmeb-train", "path": "mine/x.jsonl"}, "'mine' is none of MMEB-train's twenty"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, values: dict[str, str], said: str) -> None:
    """A source that silently has no rows would leave its task untrained."""
    (tmp_path / "a.csv").write_text("")
    lines(tmp_path / "mine" / "x.jsonl", FLAT)
    with pytest.raises(DataError, match=said):
        open_source(spec(**values), folder=tmp_path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "jsonl"}, "has a path or a dataset"),
        ({"kind": "huggingface", "path": "a", "dataset": "b"}, "has a path or a dataset"),
        ({"kind": "parquet", "dataset": "b"}, "reads files: give a path"),
        ({"kind": "rzen-bench", "path": "b"}, "leave out 'path'"),
        ({"kind": "vidore", "path": "b", "columns": {"query_text": "a"}}, "are fixed"),
        ({"kind": "jsonl", "path": "b", "columns": {"query_txt": "a"}}, "mean 'query_text'"),
        ({"kind": "video-captions", "path": "b", "columns": {"begin": "a"}}, "there are video,"),
        ({"kind": "jsonl", "path": "b", "direction": "both"}, "has no 'direction'"),
        ({"kind": "jsnl", "path": "b"}, "'jsonl', 'parquet'"),
        ({"kind": "jsonl", "path": "b", "repeat": 0}, "greater than 0"),
        ({"kind": "jsonl", "path": "b", "cap": -1}, "greater than 0"),
        ({"kind": "jsonl", "path": "b", "colums": {}}, "did you mean 'columns'"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(values: dict[str, Any], said: str) -> None:
    """A setting that has no effect on its kind would look as if it had."""
    with pytest.raises(ValidationError) as caught:
        SourceSpec.model_validate(values)
    assert said in first_problem(caught.value, SourceSpec)[1]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"kind": "jsonl", "path": "a/b.jsonl"}, "b"),
        ({"kind": "jsonl", "path": "a/b/"}, "b"),
        ({"kind": "vidore", "dataset": "vidore/colpali_train_set"}, "colpali_train_set"),
        ({"kind": "mmeb-train", "path": "x/CIRR/original-00000.parquet"}, "CIRR"),
        ({"kind": "mmeb-train", "path": "x/CIRR"}, "CIRR"),
        ({"kind": "jsonl", "path": "b.jsonl", "name": "mine"}, "mine"),
    ],
)
def test_a_source_has_a_name(values: dict[str, str], name: str) -> None:
    assert source_name(spec(**values)) == name


@pytest.mark.parametrize(
    ("library", "kind", "path"),
    [("pyarrow.parquet", "parquet", "x.parquet"), ("datasets", "huggingface", "saved")],
)
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, kind: str, path: str
) -> None:
    """`rzen` without its extras met an ImportError in the middle of a run."""
    (tmp_path / "saved").mkdir()
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rzen\[train\]'"):
        open_source(spec(kind=kind, path=path), folder=tmp_path)
