"""The commands as a user types them, in processes of their own, on real files."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rzen.index.catalog import Catalog
from rzen.index.schema import is_made

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def rzen(tmp_path: Path) -> Run:
    """Runs `rzen ... --index tmp/my.rzen`; standard output and error as text."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "rzen", *map(str, arguments)]
        return subprocess.run(
            [*command, "--index", str(tmp_path / "my.rzen")],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "RZEN_ENCODER": "dummy"},
            timeout=120,
        )

    return run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with notes and two pictures."""
    folder = tmp_path.resolve() / "files"
    folder.mkdir()
    (folder / "harbour.txt").write_text("The harbour is closed on Monday because of the storm.")
    (folder / "garden.md").write_text("# Garden\n\nTomatoes need water every evening in July.")
    _picture(folder / "red.png", (200, 20, 20))
    _picture(folder / "blue.jpg", (20, 20, 200))
    return folder


def _picture(path: Path, colour: tuple[int, int, int]) -> None:
    pixels = np.full((48, 64, 3), colour, np.uint8)
    pixels[10:30, 10:30] = 255 - pixels[10:30, 10:30]
    Image.fromarray(pixels).save(path)


def _json(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_index_search_ask_verify(rzen: Run, files: Path) -> None:
    """The four verbs of the first day, with the documents that programs rely on."""
    done = rzen("index", files, "--json")
    assert done.returncode == 0, done.stderr
    report = _json(done)
    assert {"indexed", "unchanged", "removed", "failed"} <= set(report)
    assert (report["indexed"], report["unchanged"], report["removed"]) == (4, 0, 0)
    assert report["failed"] == []

    found = _json(rzen("search", "harbour storm", "--json"))
    assert found["query"] == "harbour storm"
    best = found["hits"][0]
    wanted = {"id", "modality", "uri", "paths", "page", "t_start", "t_end"}
    assert wanted | {"score", "text", "preview"} <= set(best)
    assert best["uri"] == str(files / "harbour.txt")
    assert "Monday" in best["text"]

    asked = _json(rzen("ask", "When is the harbour closed?", "--json"))
    assert "Monday" in asked["answer"]
    assert "[1]" in asked["answer"]
    assert asked["citations"][0]["uri"] == str(files / "harbour.txt")

    checked = rzen("verify", "--json")
    assert checked.returncode == 0
    assert _json(checked)["ok"] is True
    assert _json(checked)["bad"] == []


def test_a_picture_finds_itself(rzen: Run, files: Path) -> None:
    """What is decoded for a query must be what was decoded for the index."""
    rzen("index", files)
    found = _json(rzen("search", "--image", files / "red.png", "--json"))
    assert found["query"] is None
    assert found["hits"][0]["uri"] == str(files / "red.png")
    assert found["hits"][0]["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert found["hits"][0]["preview"].startswith("data:image/jpeg;base64,")


def test_changes_on_disk_are_followed(rzen: Run, files: Path) -> None:
    """Unchanged, changed, renamed, copied and deleted files each cost what they should."""
    rzen("index", files)
    (files / "harbour.txt").write_text("The harbour is open again.")
    (files / "garden.md").rename(files / "plants.md")
    (files / "copy.png").write_bytes((files / "red.png").read_bytes())
    (files / "blue.jpg").unlink()
    report = _json(rzen("index", files, "--json"))
    assert report["unchanged"] == 1
    assert report["indexed"] == 3
    assert report["removed"] == 2
    assert report["records"] == {"text": 1}, "only the changed file is encoded again"
    assert not _json(rzen("search", "closed Monday", "--mode", "text", "--json"))["hits"]
    hit = _json(rzen("search", "tomatoes", "--mode", "text", "--json"))["hits"][0]
    assert hit["uri"] == str(files / "plants.md")
    twice = _json(rzen("search", "--image", files / "red.png", "--json"))["hits"][0]
    assert sorted(twice["paths"]) == [str(files / "copy.png"), str(files / "red.png")]


def test_bad_files_are_named_and_the_rest_is_done(rzen: Run, files: Path) -> None:
    """One damaged file must neither stop the others nor go unmentioned."""
    whole = (files / "blue.jpg").read_bytes()
    (files / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (files / "empty.txt").touch()
    (files / "line\nbreak 🚤.pdf").write_bytes(b"%PDF-1.7\nnothing")
    (files / "really-a-picture.txt").write_bytes((files / "red.png").read_bytes())
    done = rzen("index", files, "--json")
    report = _json(done)
    assert done.returncode == 1
    assert report["indexed"] == 5
    failed = {Path(each["uri"]).name: each["reason"] for each in report["failed"]}
    assert set(failed) == {"cut.jpg", "empty.txt", "line\nbreak 🚤.pdf"}
    assert all(failed.values())
    again = rzen("index", files, "--json")
    assert again.returncode == 1
    assert {Path(each["uri"]).name for each in _json(again)["failed"]} == set(failed)
    assert "cut.jpg" in rzen("list", "--failed").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", "x"), "there is no index"),
        (("index", "no-such-folder"), "does not exist"),
        (("search", "x", "--image", "no-such.png"), "no-such.png"),
        (("search",), "nothing to search for"),
        (("search", "x", "--modality", "sound"), "no modality 'sound'"),
        (("search", "x", "--after", "yesterday"), "is not a date"),
        (("search", "x", "--set", "search.kk=3"), "search.kk"),
        (("search", "x", "--where", "width"), "NAME=VALUE"),
        (("remove", "nothing.txt"), "there is no index"),
        (("ask", " "), "question is empty"),
    ],
)
def test_wrong_use_ends_with_status_2_and_the_way_out(
    rzen: Run, arguments: tuple[str, ...], said: str
) -> None:
    """A traceback tells a user nothing, and status 0 or 1 would mislead a script."""
    done = rzen(*arguments, "--json")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert said in _json(done)["error"]


def test_another_encoder_is_refused_with_both_named(rzen: Run, files: Path, tmp_path: Path) -> None:
    """Vectors of two encoders compared with each other give nonsense that looks like results."""
    rzen("index", files)
    database = tmp_path / "my.rzen"
    with Catalog.open(database) as catalog:
        assert catalog.fingerprint.encoder == "dummy"
    fixture = Path(__file__).parents[1] / "golden" / "rzenembed-tiny" / "model"
    done = rzen("search", "harbour", "--encoder", fixture)
    assert done.returncode == 2
    assert "dummy" in done.stderr
    assert "rzenembed-tiny" in done.stderr
    assert "--encoder dummy" in done.stderr


def test_an_interrupted_ingest_goes_on(rzen: Run, tmp_path: Path) -> None:
    """Ctrl-C must keep what is done, and the same command must finish the rest."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)).save(
            folder / f"{number}.png"
        )
    index = tmp_path / "my.rzen"
    process = subprocess.Popen(
        [sys.executable, "-m", "rzen", "index", str(folder), "--index", str(index)],
        env={**os.environ, "RZEN_ENCODER": "dummy"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while process.poll() is None and _files_in(index) < 20:
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    report = _json(rzen("index", folder, "--json"))
    assert report["indexed"] + report["unchanged"] == 300
    assert report["unchanged"] >= 20
    assert report["indexed"] > 0, "it was over before it was interrupted: make more files"
    assert report["failed"] == []
    assert _json(rzen("verify", "--json"))["ok"] is True


def _files_in(index: Path) -> int:
    if not is_made(index):
        return 0
    with Catalog.open(index) as catalog:
        return catalog.counts().files


def test_errors_of_the_parser_are_json_too(rzen: Run) -> None:
    """A program that asked for JSON must not have to read a usage text."""
    done = rzen("search", "x", "--k", "0", "--json")
    assert done.returncode == 2
    assert "greater than or equal to 1" in _json(done)["error"]


def test_a_page_that_cannot_be_written_leaves_one_document(rzen: Run, files: Path) -> None:
    """Hits and then an error would be two documents on standard output."""
    rzen("index", files)
    done = rzen("search", "harbour", "--html", files / "no" / "page.html", "--json")
    assert done.returncode == 2
    assert "cannot write" in _json(done)["error"]


def test_a_mistyped_folder_leaves_no_index(rzen: Run, tmp_path: Path) -> None:
    """It would be bound to the default encoder, and refuse the one that is named next."""
    assert rzen("index", tmp_path / "nope").returncode == 2
    assert not (tmp_path / "my.rzen").exists()


def test_a_name_cannot_forge_lines(rzen: Run, files: Path) -> None:
    """A file name with a line break would show as a result of its own."""
    (files / "x.txt\nforged.txt").write_text("harbour")
    rzen("index", files)
    assert not any(line.startswith("forged") for line in rzen("list").stdout.splitlines())


def test_verify_names_what_is_damaged(rzen: Run, files: Path, tmp_path: Path) -> None:
    """Bit rot in a vector, and in the catalog itself: one document each, and no traceback."""
    rzen("index", files)
    database = tmp_path / "my.rzen" / "catalog.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE vectors SET data = zeroblob(length(data)) WHERE record = 1")
    done = rzen("verify", "--json")
    assert done.returncode == 1
    [bad] = _json(done)["bad"]
    assert Path(bad["uri"]) in files.iterdir()
    assert "vector" in bad["reason"]
    database.write_bytes(database.read_bytes()[:4096] + b"\xff" * 8192)
    done = rzen("verify", "--json")
    assert done.returncode == 1
    assert _json(done)["ok"] is False
    assert "Traceback" not in done.stderr


def test_the_page_and_the_other_verbs(rzen: Run, files: Path, tmp_path: Path) -> None:
    """similar, duplicates, remove, list and --html do what they say."""
    (files / "again.png").write_bytes((files / "red.png").read_bytes())
    rzen("index", files)
    page = tmp_path / "page.html"
    assert rzen("search", "harbour", "--html", page).returncode == 0
    assert "harbour.txt" in page.read_text()
    like = _json(rzen("similar", files / "red.png", "--json"))["hits"]
    assert like[0]["uri"] != str(files / "red.png")
    groups = _json(rzen("duplicates", "--json"))["groups"]
    assert any(
        {str(files / "again.png"), str(files / "red.png")} <= set(hit["paths"])
        for group in groups
        for hit in group["hits"]
    )
    assert _json(rzen("remove", files / "garden.md", "--json")) == {"removed": 1}
    assert "garden.md" not in rzen("list").stdout
    assert "blue.jpg" in rzen("list").stdout


def test_explain_draws_on_the_page_and_names_what_is_gone(
    rzen: Run, files: Path, tmp_path: Path
) -> None:
    """A file that was deleted since must not cost the maps of the others, nor be passed over."""
    rzen("index", files)
    (files / "blue.jpg").unlink()
    page = tmp_path / "page.html"
    options = ("--explain", "--mode", "dense")
    done = rzen("search", "red", *options, "--html", page, "--json")
    why = {Path(hit["uri"]).name: hit["explanation"] for hit in _json(done)["hits"]}
    assert "blue.jpg" in done.stderr
    assert why["blue.jpg"] is None
    assert why["harbour.txt"] is None
    ((one,), similarity) = (why["red.png"]["maps"], why["red.png"]["similarity"])
    assert np.array(one["heat"]).shape == (4, 4)
    assert -1 <= similarity <= 1
    assert one["time"] is None
    assert page.read_text().count("data:image/png;base64,") == 1
    few = _json(rzen("search", "red", "--explain", "--json", "--set", "search.explained=1"))
    assert sum(hit["explanation"] is not None for hit in few["hits"]) <= 1
    assert "explanation" not in _json(rzen("search", "red", "--json"))["hits"][0]


def test_explain_alone_says_where_it_would_show(rzen: Run) -> None:
    """Seconds of work that nobody gets to see."""
    done = rzen("search", "red", "--explain")
    assert done.returncode == 2
    assert "--html FILE" in done.stderr
