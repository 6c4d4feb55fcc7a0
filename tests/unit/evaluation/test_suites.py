"""Suites by name, and MMEB-V2 from a folder of files in the forms it is published in."""

import json
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


@pytest.fixture
def mmeb(tmp_path: Path) -> Path:
    """An image task, a document task and a video task, one of each."""
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
    assert suite.sets == ("GQA", "MSVD", "ViDoRe_docvqa")
    assert len(suite.missing) == 75
    asked = suite.load("GQA")
    assert asked.scope == "local"
    assert asked.queries[0].labels == ("a boat",)
    assert isinstance(asked.queries[0].content.parts[0], Image)
    paged = suite.load("ViDoRe_docvqa")
    assert (paged.queries[0].labels, paged.queries[0].grades) == (("7",), (2,))
    assert suite.load("MSVD").queries[0].content.text == "a dog runs"


def test_the_version_tells_two_downloads_apart(mmeb: Path) -> None:
    before = open_suite("mmeb-v2", data=mmeb).version
    assert open_suite("mmeb-v2", data=mmeb).version == before
    (mmeb / "GQA" / "a.png").write_bytes(picture(smooth(41, 30)))
    assert open_suite("mmeb-v2", data=mmeb).version != before


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
