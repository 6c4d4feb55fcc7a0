"""`rzen export` as a user types it, and the folder as somebody without rzen opens it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"

OPEN = """
import sys
sys.modules["rzen"] = None
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
print(model.encode("a red boat", prompt="Find it").shape)
"""


def rzen(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rzen", "export", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=600,
    )


@pytest.mark.slow
def test_export_and_open_elsewhere(tmp_path: Path) -> None:
    """The verb, its document, its exit status and what it leaves; the words on the terminal."""
    target = tmp_path / "model"
    done = rzen(GOLDEN / "qwen3vl-embedding-tiny" / "model", target, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["folder"] == str(target)
    assert document["template"] == "qwen3-vl-embedding-1"
    assert max(each["distance"] for each in document["probes"]) < 1e-4
    opened = subprocess.run(
        [sys.executable, "-I", "-c", OPEN, str(target)], capture_output=True, text=True, check=True
    )
    assert opened.stdout.strip() == "(64,)"
    again = rzen(GOLDEN / "qwen3vl-embedding-tiny" / "model", target)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_positions_that_cannot_be_given_need_the_flag(tmp_path: Path) -> None:
    """Vectors of pictures differ, and a script goes on as if nothing was."""
    done = rzen(GOLDEN / "rzenembed-tiny" / "model", tmp_path / "model", "--json")
    assert done.returncode == 2
    assert "--allow-other-positions" in json.loads(done.stdout)["error"]
    assert list(tmp_path.iterdir()) == []
