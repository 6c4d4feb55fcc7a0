"""The whole main job with a checkpoint of a vision-language model, as a user types it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media_files import clip, pdf, smooth

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = GOLDEN / "qwen3vl-embedding-tiny" / "model"
Run = Callable[..., "tuple[int, dict[str, Any]]"]


@pytest.fixture(scope="module")
def rzen(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs `rzen ... --json` in a process of its own; status and document."""
    home = tmp_path_factory.mktemp("home")

    def run(*arguments: object) -> "tuple[int, dict[str, Any]]":
        done = subprocess.run(
            [sys.executable, "-m", "rzen", *map(str, arguments), "--json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "RZEN_CACHE": str(home / "cache"), "OMP_NUM_THREADS": "2"},
            timeout=300,
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A note, a picture, a clip and a PDF of two pages."""
    folder = tmp_path_factory.mktemp("mixed").resolve() / "files"
    folder.mkdir()
    (folder / "harbour.txt").write_text("The harbour is closed on Monday because of the storm.")
    Image.fromarray(smooth(160, 120, seed=1)).save(folder / "one.png")
    Image.fromarray(smooth(120, 160, seed=2)).save(folder / "two.jpg")
    clip(folder / "clip.mp4", [3.0])
    (folder / "report.pdf").write_bytes(pdf(["Invoice 17 is overdue.", "The second page."]))
    return folder


def test_index_search_ask_verify(rzen: Run, files: Path, tmp_path: Path) -> None:
    """Every kind of file through a model that sees, and back by each kind of query."""
    index = ("--index", tmp_path / "my.rzen")
    template = ("--set", "model.template=qwen3-vl-embedding")
    status, report = rzen("index", files, "--encoder", TINY, *template, *index)
    assert status == 0, report
    assert report["indexed"] == 5
    assert set(report["records"]) == {"text", "image", "video", "page"}

    for option, name in (("--image", "one.png"), ("--video", "clip.mp4")):
        _, found = rzen("search", option, files / name, "--mode", "dense", *index)
        assert found["hits"][0]["uri"] == str(files / name), option
        assert found["hits"][0]["similarity"] > 0.99
    _, found = rzen("search", "--page", f"{files / 'report.pdf'}#2", "--mode", "dense", *index)
    assert (found["hits"][0]["uri"], found["hits"][0]["page"]) == (str(files / "report.pdf"), 2)
    _, found = rzen("search", "harbour storm", *index)
    assert found["hits"][0]["uri"] == str(files / "harbour.txt")
    _, answer = rzen("ask", "Which invoice is overdue?", *index)
    assert "Invoice 17 is overdue." in answer["answer"]
    status, verified = rzen("verify", *index)
    assert status == 0, verified
    _, again = rzen("index", files, *index)
    assert (again["indexed"], again["unchanged"]) == (0, 5)


def test_an_index_remembers_its_template(rzen: Run, files: Path, tmp_path: Path) -> None:
    """Queries put by another template than the documents would find things at random."""
    tiny = GOLDEN / "rzenembed-tiny" / "model"
    index = ("--index", tmp_path / "my.rzen")
    paper = ("--set", "model.template=rzen-paper")
    status, _ = rzen("index", files / "one.png", "--encoder", tiny, *paper, *index)
    assert status == 0
    _, found = rzen("search", "--image", files / "one.png", *index)
    assert found["hits"][0]["similarity"] > 0.99
    other = ("--set", "model.template=rzen-release")
    status, refused = rzen("search", "--image", files / "one.png", *other, *index)
    assert status == 2
    assert "rzen-paper-1" in refused["error"]
    assert "rzen-release-1" in refused["error"]


def test_eval_runs_with_it(rzen: Run, tmp_path: Path) -> None:
    """The suite's runner must take an encoder that needs instructions, pixels and a template."""
    suite = tmp_path / "mmeb" / "MSCOCO_i2t"
    suite.mkdir(parents=True)
    rows = []
    for number in range(3):
        Image.fromarray(smooth(64, 48, seed=number)).save(suite / f"{number}.png")
        row = {"qry_inst": "<|image_1|> Find a caption.", "qry_text": "", "tgt_inst": ""}
        texts = [f"thing {(number + each) % 3}" for each in range(3)]
        row |= {"qry_img_path": f"{number}.png"}
        rows.append({**row, "tgt_text": texts, "tgt_img_path": [""] * 3})
    (suite / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    status, found = rzen(
        *("eval", "--suite", "mmeb-v2", "--data", suite.parent, "--encoder", TINY),
        *("--output", tmp_path / "run"),
    )
    assert status == 0
    (made,) = found["sets"]
    assert made["queries"] == 3
    assert not made["failed"]
    assert made["cost"]["tokens"] > 100


def test_embed_gives_the_published_vectors(rzen: Run, tmp_path: Path) -> None:
    """The command must hand instruction, frames and pictures through as they are written."""
    folder = GOLDEN / "rzenembed-tiny"
    cases = json.loads((folder / "cases.json").read_text())
    rows = []
    for case in cases:
        row = {name: case[name] for name in ("id", "text", "instruction")}
        if case["image"]:
            row["image"] = str(folder / "inputs" / case["image"])
        if case["video_frames"]:
            row["video"] = [str(folder / "inputs" / name) for name in case["video_frames"]]
        rows.append(json.dumps(row))
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(rows))
    status, report = rzen(
        *("embed", file, "--encoder", folder / "model", "--template", "rzen-release"),
        *("--dtype", "float32", "-o", tmp_path / "out.npy"),
    )
    assert (status, report["rows"], report["failed"]) == (0, len(cases), [])
    reference_ND = np.load(folder / "reference.npy")
    reference_ND /= np.linalg.norm(reference_ND, axis=1, keepdims=True)
    cosine_N = (np.load(tmp_path / "out.npy") * reference_ND).sum(1)
    assert cosine_N.min() > 1 - 1e-5


def test_doctor_compares_with_reference_vectors(rzen: Run) -> None:
    """The verdict must follow what was found: right weights agree, another template does not."""
    folder = GOLDEN / "rzenembed-tiny"
    asked = ("doctor", "--encoder", folder / "model", "--against", folder)
    status, found = rzen(*asked)
    assert (status, found["verdict"]) == (0, "agrees with what was published")
    assert found["family"]["name"] == "RzenEmbed"
    assert found["family"]["by"].startswith("the name, ")
    status, found = rzen(*asked, "--set", "model.template=rzen-mteb")
    assert (status, found["verdict"]) == (1, "differs from what was published")
    assert any("wrong turn" in each for each in found["reference"]["suspects"])
    status, found = rzen("doctor", "--encoder", "dummy")
    assert status == 1
    assert found["verdict"].startswith("not compared: no card of it is known")
    status, found = rzen("doctor", "--encoder", "dummy", "--card", "a/b")
    assert status == 2
    assert "take one of sentence-transformers/all-MiniLM-L6-v2, " in found["error"]


def test_encoders_say_what_runs_here(rzen: Run) -> None:
    status, found = rzen("encoders")
    assert status == 0
    models = {each["name"]: each for family in found["families"] for each in family["models"]}
    assert models["sentence-transformers/all-MiniLM-L6-v2"]["verified_on_real_weights"]
    assert models["qihoo360/RzenEmbed"]["verified_on_real_weights"] is None


def test_an_interrupt_is_said(tmp_path: Path) -> None:
    """The parser ends with 130 and says nothing; a program that waits for a document gets none."""
    import signal
    import time

    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "a harbour at night"}\n' * 200_000)
    command = [sys.executable, "-m", "rzen", "embed", str(file), "--encoder", "dummy", "--json"]
    with subprocess.Popen(
        [*command, "-o", str(tmp_path / "out.npy")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        parts = tmp_path / ".out.npy.parts"
        for _ in range(1200):
            if list(parts.glob("*.npz")):
                break
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert json.loads(out) == {"error": "interrupted"}
    assert "the same command goes on where it stopped" in err
