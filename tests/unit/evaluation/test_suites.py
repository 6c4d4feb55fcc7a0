"""Suites by name, and MMEB-V2 from a folder of files in the forms it is published in."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from media_files import picture, smooth
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.data.storage import write_set
from rzen.errors import DataError, UsageError
from rzen.evaluation.suites import open_suite
from rzen.types import Content, Image, Text


def lines(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


SETS = ("GQA", "MSVD", "ViDoRe_docvqa")


@pytest.fixture
def mmeb(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image task, a document task and a video task, one of each."""
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    tmp_path = tmp_path_factory.mktemp("world") / "mmeb"
    tmp_path.mkdir()
    (tmp_path / "GQA").mkdir()
    (tmp_path / "GQA" / "a.png").write_bytes(picture(smooth(40, 30)))
    lines(
        tmp_path / "GQA" / "rows.jsonl",
        [
            {
                "qry_inst": "<|image_1|> Answer the question.",
                "qry_text": "What is it?",
                "qry_img_path": "a.png",
                "tgt_inst": "",
                "tgt_text": ["a boat", "a house"],
                "tgt_img_path": ["", ""],
            }
        ],
    )
    pages = tmp_path / "ViDoRe_docvqa"
    lines(pages / "queries.jsonl", [{"query-id": 1, "query": "what does it cost?"}])
    lines(pages / "corpus.jsonl", [{"corpus-id": 7, "image": "p.png"}])
    lines(pages / "qrels.jsonl", [{"query-id": 1, "corpus-id": 7, "score": 2}])
    (pages / "p.png").write_bytes(picture(smooth(30, 40)))
    clips = tmp_path / "MSVD"
    made = RetrievalSet(
        name="MSVD",
        group="video",
        family="retrieval",
        metric="hit@1",
        scope="global",
        queries=(Query(id="1", content=Content(Text("a dog runs")), labels=("x",)),),
        documents={"x": Content(Text("stands for a clip"))},
    )
    write_set(clips, made, root=clips)
    return tmp_path


def test_mmeb_is_read_in_all_its_forms(mmeb: Path) -> None:
    """Guards against a real benchmark that only ever runs on data of our own making."""
    suite = open_suite("mmeb-v2", data=mmeb)
    assert suite.sets == SETS
    assert len(suite.missing) == 75
    asked = suite.load("GQA")
    assert asked.scope == "local"
    assert asked.queries[0].labels == ("a boat",)
    assert isinstance(asked.queries[0].content.parts[0], Image)
    paged = suite.load("ViDoRe_docvqa")
    assert (paged.queries[0].labels, paged.queries[0].grades) == (("7",), (2,))
    assert suite.load("MSVD").queries[0].content.text == "a dog runs"


def test_the_version_tells_two_downloads_apart(mmeb: Path) -> None:
    """Guards against results of older data under the name of newer ones."""
    before = open_suite("mmeb-v2", data=mmeb)
    assert open_suite("mmeb-v2", data=mmeb).version == before.version
    (mmeb / "GQA" / "a.png").write_bytes(picture(smooth(41, 30)))
    after = open_suite("mmeb-v2", data=mmeb)
    assert after.version != before.version
    assert {name for name in SETS if after.versions[name] != before.versions[name]} == {"GQA"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("GQA/rows.jsonl", '"a boat", "a house"', '"a house", "a boat"'),
        ("ViDoRe_docvqa/queries.jsonl", "cost", "hold"),
        ("ViDoRe_docvqa/corpus.jsonl", "p.png", "q.png"),
        ("ViDoRe_docvqa/qrels.jsonl", '"score": 2', '"score": 1'),
        ("MSVD/set.json", "hit@1", "hit@5"),
        ("MSVD/queries.jsonl", "dog", "cat"),
        ("MSVD/documents.jsonl", "clip", "page"),
    ],
)
def test_an_edit_that_keeps_the_size_makes_another_version(
    mmeb: Path, file: str, old: str, new: str
) -> None:
    """A corrected label may change no size: the old score stayed, under the new data's name."""
    before = open_suite("mmeb-v2", data=mmeb)
    path = mmeb / file
    stamp = path.stat().st_mtime_ns
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, ns=(stamp, stamp + 1))
    after = open_suite("mmeb-v2", data=mmeb)
    changed = {name for name in SETS if after.versions[name] != before.versions[name]}
    assert changed == {file.partition("/")[0]}
    assert after.version != before.version


def test_a_set_that_is_added_changes_no_other(mmeb: Path) -> None:
    """Guards against hours that are lost because another set was fetched meanwhile."""
    before = open_suite("mmeb-v2", data=mmeb)
    (mmeb / "CIRR").mkdir()
    after = open_suite("mmeb-v2", data=mmeb)
    assert {name: after.versions[name] for name in SETS} == before.versions
    assert after.version != before.version
    assert after.filed_under == before.filed_under


def test_the_version_does_not_follow_the_folder(
    mmeb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data that were moved, or are named by another path, are the same data."""
    before = open_suite("mmeb-v2", data=mmeb).versions
    monkeypatch.chdir(mmeb)
    assert open_suite("mmeb-v2", data=Path()).versions == before
    mmeb.rename(mmeb.parent / "moved")
    assert open_suite("mmeb-v2", data=mmeb.parent / "moved").versions == before


def test_two_folders_that_are_named_alike_are_told_apart(
    mmeb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashes are remembered by path: `--data .` is another folder in another folder."""
    other = mmeb.parent / "other"
    shutil.copytree(mmeb, other)
    rows = other / "GQA" / "rows.jsonl"
    rows.write_text(rows.read_text().replace("boat", "goat"))
    stamp = (mmeb / "GQA" / "rows.jsonl").stat().st_mtime_ns
    os.utime(rows, ns=(stamp, stamp))
    versions = []
    for folder in (mmeb, other):
        monkeypatch.chdir(folder)
        versions.append(open_suite("mmeb-v2", data=Path()).versions["GQA"])
    assert versions[0] != versions[1]


def test_a_version_that_cannot_be_told_says_why(
    mmeb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a traceback where the cache cannot be written."""
    monkeypatch.setenv("RZEN_CACHE", str(mmeb / "GQA" / "a.png"))
    with pytest.raises(DataError, match=r"cannot tell the version of .*GQA: .*RZEN_CACHE"):
        open_suite("mmeb-v2", data=mmeb)


def test_a_part_of_a_suite(mmeb: Path) -> None:
    suite = open_suite("mmeb-v2", data=mmeb).only(["GQA"])
    assert suite.sets == ("GQA",)
    assert suite.missing["MSVD"] == "not asked for"
    with pytest.raises(UsageError, match=r"no set 'GQU' \(did you mean 'GQA'\?\)"):
        suite.only(["GQU"])


def test_parquet_files_are_read_too(mmeb: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra eval brings pyarrow")
    arrow = pytest.importorskip("pyarrow")
    rows = [json.loads(line) for line in (mmeb / "GQA" / "rows.jsonl").read_text().splitlines()]
    (mmeb / "GQA" / "rows.jsonl").unlink()
    file = mmeb / "GQA" / "test-00000-of-00001.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), file)
    assert open_suite("mmeb-v2", data=mmeb).load("GQA").queries[0].labels == ("a boat",)
    file.write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="cannot read"):
        open_suite("mmeb-v2", data=mmeb).load("GQA")


def test_what_cannot_be_opened(mmeb: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every error says what to do."""
    with pytest.raises(UsageError, match=r"no suite 'rzenbench' \(did you mean 'rzen-bench'\?\)"):
        open_suite("rzenbench")
    with pytest.raises(UsageError, match="--data FOLDER"):
        open_suite("mmeb-v2")
    with pytest.raises(UsageError, match="the test split alone"):
        open_suite("mmeb-v2", split="validation", data=mmeb)
    with pytest.raises(DataError, match="there is no set of mmeb-v2 in it"):
        open_suite("mmeb-v2", data=tmp_path_factory.mktemp("empty"))
    with pytest.raises(DataError, match="rzen eval fetch"):
        open_suite("rzen-bench", data=mmeb)
    (mmeb / "MSVD" / "set.json").unlink()
    with pytest.raises(DataError, match="video tasks are read as rzen stores sets"):
        open_suite("mmeb-v2", data=mmeb).load("MSVD")
    (mmeb / "GQA" / "rows.jsonl").write_text('{"qry_inst": ')
    with pytest.raises(DataError, match=r"rows.jsonl, line 1"):
        open_suite("mmeb-v2", data=mmeb).load("GQA")


@pytest.mark.parametrize("damage", [b"[" * 100_000, b'{"qry_text": "\xff"}', b"3"])
def test_a_damaged_row_is_named(mmeb: Path, damage: bytes) -> None:
    """Guards against a traceback, and a damaged byte that has to be looked for."""
    rows = mmeb / "GQA" / "rows.jsonl"
    rows.write_bytes(rows.read_bytes() + damage + b"\n")
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2: "):
        open_suite("mmeb-v2", data=mmeb).load("GQA")


def test_grades_that_cannot_be_scored_are_refused(mmeb: Path) -> None:
    """Guards against hours of encoding before the first score says that it cannot be made."""
    lines(mmeb / "ViDoRe_docvqa" / "qrels.jsonl", [{"query-id": 1, "corpus-id": 7, "score": 17}])
    with pytest.raises(DataError, match=r"'ViDoRe_docvqa', query '1': its grade 17 is no whole"):
        open_suite("mmeb-v2", data=mmeb).load("ViDoRe_docvqa")


@pytest.mark.parametrize(
    "text",
    ["[]", '{"edition": 1}', '{"edition": 1, "version": "x", "sets": {}}', "[" * 100_000],
)
def test_a_damaged_manifest_says_what_to_do(tmp_path: Path, text: str) -> None:
    """Guards against a KeyError where a suite has to be fetched again."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json.* rzen eval fetch"):
        open_suite("rzen-bench", data=tmp_path)


def test_all_sets_of_rzen_bench_have_the_version_of_the_whole(tmp_path: Path) -> None:
    """It is built as a whole, and a set of it without a version could not be run."""
    sets: dict[str, Any] = {"test": {"a": {}, "b": {}}, "validation": {"a": {}}}
    about = {"edition": 1, "version": "x", "sets": sets}
    (tmp_path / "manifest.json").write_text(json.dumps(about))
    suite = open_suite("rzen-bench", data=tmp_path)
    assert (suite.version, suite.versions) == ("x", {"a": "x", "b": "x"})
    assert suite.only(["b"]).filed_under == "rzen-bench-test-x"
