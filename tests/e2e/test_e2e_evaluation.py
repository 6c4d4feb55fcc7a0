"""rzen eval as a user types it: run, look, score, report, compare, and what goes wrong."""

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

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FIXTURES = Path(__file__).parents[1] / "fixtures" / "mmeb"


@pytest.fixture
def rzen(tmp_path: Path) -> Run:
    """Runs `rzen eval ...` in a folder of its own, with a cache of its own."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "rzen", "eval", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "RZEN_CACHE": str(tmp_path / "cache")},
            timeout=120,
        )

    return run


@pytest.fixture
def mmeb(tmp_path: Path) -> Path:
    """Two tasks of MMEB-V2: an image task and a document task."""
    folder = tmp_path / "mmeb"
    rows = []
    (folder / "MSCOCO_i2t").mkdir(parents=True)
    names = [f"thing {number}" for number in range(12)]
    for number in range(12):
        _picture(folder / "MSCOCO_i2t" / f"{number}.png", number)
        texts = [names[number], *(name for name in names if name != names[number])]
        rows.append(
            {
                "qry_inst": "<|image_1|> Find a caption.",
                "qry_text": "",
                "qry_img_path": f"{number}.png",
                "tgt_inst": "",
                "tgt_text": texts,
                "tgt_img_path": [""] * 12,
            }
        )
    _lines(folder / "MSCOCO_i2t" / "rows.jsonl", rows)
    pages = folder / "ViDoRe_docvqa"
    pages.mkdir()
    for number in range(6):
        _picture(pages / f"{number}.png", 100 + number)
    numbers = range(6)
    _lines(pages / "queries.jsonl", [{"query-id": n, "query": f"what is {n}?"} for n in numbers])
    _lines(pages / "corpus.jsonl", [{"corpus-id": n, "image": f"{n}.png"} for n in numbers])
    _lines(pages / "qrels.jsonl", [{"query-id": n, "corpus-id": n, "score": 1} for n in numbers])
    return folder


def _picture(path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _json(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_run_its_files_and_its_page(rzen: Run, mmeb: Path, tmp_path: Path) -> None:
    """The path of the real benchmark, from rows on disk to the reference evaluator's files."""
    asked = ("--suite", "mmeb-v2", "--data", mmeb, "--encoder", "dummy", "--json")
    found = _json(rzen(*asked))
    assert [each["name"] for each in found["sets"]] == ["MSCOCO_i2t", "ViDoRe_docvqa"]
    assert found["overall"] is None
    assert "image" not in found["groups"], "34 of its sets are not here"
    assert found["skipped"]["GQA"] == "not in mmeb"
    folder = tmp_path / found["output"]
    assert {"run.json", "report.html", "MSCOCO_i2t_pred.jsonl", "MSCOCO_i2t_score.json"} <= {
        file.name for file in folder.iterdir()
    }
    assert "MSCOCO_i2t" in (folder / "report.html").read_text()

    again = _json(rzen(*asked))
    assert again["sets"] == found["sets"]

    # Scored by itself, a predictions file gives what the run says.
    scored = _json(rzen("score", folder / "MSCOCO_i2t_pred.jsonl", "--json"))
    assert scored["hit@1"] == found["sets"][0]["value"]
    assert (scored["num_pred"], scored["num_data"]) == (12, 12)

    # With itself, a run has no difference; with another's folder it is not mixed up.
    compared = _json(rzen("compare", folder, folder, "--html", "c.html", "--json"))
    assert compared["overall"]["difference"] == 0.0
    assert {row["p_value"] for row in compared["sets"]} == {1.0}
    assert "MSCOCO_i2t" in (tmp_path / "c.html").read_text()
    refused = rzen(*asked, "--limit", 3, "--output", folder)
    assert refused.returncode == 2
    assert "choose another folder with --output" in refused.stderr
    shown = _json(rzen("report", folder, "--json", "--html", "r.html", "--data", mmeb))
    assert shown["sets"][0]["value"] == found["sets"][0]["value"]


def test_lines_for_people(rzen: Run, mmeb: Path) -> None:
    done = rzen("--suite", "mmeb-v2", "--data", mmeb, "--encoder", "dummy", "--only", "MSCOCO_i2t")
    assert done.returncode == 0, done.stderr
    assert "MSCOCO_i2t" in done.stdout
    assert "random" in done.stdout
    assert "Traceback" not in done.stderr


def test_public_score_files(rzen: Run, tmp_path: Path) -> None:
    """The two public files, by the rules: 78 sets, two sizes of MomentSeeker, no -doc sets."""
    found = _json(
        rzen("report", FIXTURES / "VLM2Vec-V2.0-Qwen2VL-2B.json", "--suite", "mmeb-v2", "--json")
    )
    assert found["overall"] is None
    assert found["modalities"]["image"]["mean"] == pytest.approx(0.649222, abs=1e-6)
    assert found["modalities"]["video"]["mean"] == pytest.approx(0.346676, abs=1e-6)
    assert found["modalities"]["video"]["extra"] == ["MomentSeeker_1k8"]
    assert found["modalities"]["visdoc"]["missing"] == ["ViDoSeek-doc", "MMLongBench-doc"]
    files = [FIXTURES / f"{name}.json" for name in ("VLM2Vec-V2.0-Qwen2VL-2B", "colpali-v1.3")]
    done = rzen("report", *files, "--suite", "mmeb-v2", "--html", "mmeb.html")
    assert done.returncode == 0, done.stderr
    assert "colpali-v1.3" in (tmp_path / "mmeb.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--suite", "rzen-bnch"), "did you mean 'rzen-bench'?"),
        (("--suite", "rzen-bench"), "rzen eval fetch"),
        (("--suite", "mmeb-v2"), "--data FOLDER"),
        (("score", "none.jsonl"), "none.jsonl"),
        (("report", "none.json", "--suite", "mmeb-v2"), "none.json"),
        (("report", "--suite", "mmeb-v2"), "Missing argument"),
        (("compare", "one", "two"), "there is no run in one"),
        (("report", "none.json", "--suite", "mmeb"), "did you mean 'mmeb-v2'?"),
        (("--limit", "3", "score", "none.jsonl"), "--limit does not belong before score"),
        (("-o", "x", "--json", "compare", "one", "two"), "--output does not belong before compare"),
    ],
)
def test_wrong_arguments_say_what_to_do(rzen: Run, arguments: tuple[str, ...], said: str) -> None:
    done = rzen(*arguments, "--json")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "error" in json.loads(done.stdout)
    assert "Traceback" not in done.stderr


def test_a_score_file_is_averaged_by_mmebs_rules_alone(rzen: Run) -> None:
    """Guards against MMEB's means under the name of rzen-bench."""
    file = FIXTURES / "colpali-v1.3.json"
    done = rzen("report", file, "--suite", "rzen-bench", "--json")
    assert done.returncode == 2
    assert "the runs of rzen-bench are folders" in json.loads(done.stdout)["error"]


def test_documents_are_json_whatever_files_hold(rzen: Run, tmp_path: Path) -> None:
    """Infinity is no JSON: most readers refuse the whole document for it."""
    document = json.loads((FIXTURES / "colpali-v1.3.json").read_text())
    document["metadata"] = {"size": float("inf"), "notes": [float("nan"), 1.5]}
    (tmp_path / "s.json").write_text(json.dumps(document))
    done = rzen("report", "s.json", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    assert found["metadata"] == {"size": None, "notes": [None, 1.5]}
    (tmp_path / "s.json").write_text("[" * 100_000)
    done = rzen("report", "s.json", "--json")
    assert done.returncode == 2
    assert "cannot read the score file s.json" in json.loads(done.stdout)["error"]


def test_no_two_runs_share_a_folder_and_one_that_goes_on_keeps_its_own(
    rzen: Run, mmeb: Path
) -> None:
    """Two lists of sets went into one folder, where the second deletes the first one's run.json;
    and a set that is added must not make the whole run begin anew elsewhere."""
    asked = ("--suite", "mmeb-v2", "--data", mmeb, "--encoder", "dummy", "--json")
    parts = [_json(rzen(*asked, "--only", each.name)) for each in sorted(mmeb.iterdir())]
    later = mmeb / "ViDoRe_docvqa"
    later.rename(mmeb.parent / "later")
    before = _json(rzen(*asked))
    (mmeb.parent / "later").rename(later)
    after = _json(rzen(*asked))
    assert after["output"] == before["output"]
    assert after["sets"][0] == before["sets"][0], "cost and all: it was not run again"
    assert len(after["sets"]) == 2
    assert len({after["output"], *(each["output"] for each in parts)}) == 3


def test_a_broken_line_is_named(rzen: Run, tmp_path: Path) -> None:
    line = json.dumps({"prediction": ["a", "b"], "label": ["a"], "rel_scores": None})
    (tmp_path / "p.jsonl").write_text(line + "\n" + line[:20] + "\n" + line + "\n")
    done = rzen("score", "p.jsonl", "--json")
    assert done.returncode == 2
    assert "p.jsonl, line 2" in done.stderr
