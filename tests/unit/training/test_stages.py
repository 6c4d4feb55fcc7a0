"""A recipe carried out in process: stages, soup, resuming, and what is refused before it begins."""

import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import rzen
from full_disk import files_of
from lora_files import PEFT_WARNINGS, RZEN
from rzen.errors import DataError, UsageError
from rzen.protocols import Encoder
from rzen.training.settings import EvaluationSettings
from rzen.types import Content, Text
from training_runs import (
    DATA,
    DEFAULTS,
    SHORT,
    TEXTS,
    logged,
    train,
    weights,
    write_rows,
    write_shapes,
    write_texts,
    written,
)

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

ONE = f"""
{SHORT}
{DEFAULTS}
[[stage]]
name = "only"
steps = 3
{TEXTS}
"""
THREE = f"""
{SHORT.replace("alpha = 8", "alpha = 8, dropout = 0.2")}
{DEFAULTS}
[[stage]]
name = "first"
steps = 2
[[stage]]
name = "a"
start = "first"
steps = 3
[[stage]]
name = "b"
steps = 2
[soup]
of = ["a", "b"]
weights = [3, 1]
{TEXTS}
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "data")


def stopping_after(steps: int) -> Any:
    asked = itertools.count(1)
    return lambda: next(asked) >= steps


def vectors_of(name: Path | str) -> Any:
    contents = [Content(Text(f"where is {word}")) for word in ("red", "green", "a bar")]
    return np.asarray(rzen.load(str(name), device="cpu").encode(contents, role="query").vectors)


def test_stages_a_soup_and_an_interrupt(texts: Path, tmp_path: Path) -> None:
    """Interrupted in the middle of a stage and resumed must be uninterrupted: losses, weights,
    moments, temperatures, soup; a stage that begins at the base draws the same adapters as if it
    had been reached at once; and a run that is done is not done again."""
    recipe = written(texts, THREE)
    whole = train(recipe, tmp_path / "whole")
    assert whole.outcome.is_done
    assert [each[:2] for each in whole.heard.stages] == [("first", 2), ("a", 3), ("b", 2)]
    assert whole.outcome.model == tmp_path / "whole" / "soup"

    cut = tmp_path / "cut"
    first = train(recipe, cut, stop=stopping_after(4))
    assert (first.outcome.is_done, first.outcome.model) == (False, None)
    assert list(first.outcome.stages) == ["first"]
    assert not (cut / "a" / "model").exists()
    second = train(recipe, cut)
    assert second.outcome.is_done
    assert [report.step for _, report in second.heard.reports] == [3, 1, 2]
    for stage in ("first", "a", "b"):
        assert logged(cut / stage) == logged(tmp_path / "whole" / stage)
        assert weights(cut / stage) == weights(tmp_path / "whole" / stage)
    soups = [
        load_file(each / "soup" / "adapter_model.safetensors") for each in (cut, tmp_path / "whole")
    ]
    assert all(bool((soups[0][name] == each).all()) for name, each in soups[1].items())

    done = [json.loads((cut / stage / "done.json").read_text()) for stage in ("first", "a", "b")]
    starts = [logged(cut / stage)[0]["temperatures"]["text retrieval"] for stage in ("first", "b")]
    assert done[1]["temperatures"] != done[0]["temperatures"]
    assert starts[0] == starts[1], "a stage from the base begins with its own temperatures"
    ours = vectors_of(cut / "soup")
    assert abs(ours - vectors_of(RZEN)).max() > 1e-3
    third = train(recipe, cut)
    assert (third.heard.reports, third.heard.stages, third.heard.saved) == ([], [], [])
    assert third.outcome == second.outcome


def test_a_stage_goes_on_from_another(texts: Path, tmp_path: Path) -> None:
    """A second stage that begins at the base again, or with the first one's moments and step."""
    text = THREE.replace('name = "b"', 'name = "b"\nstart = "first"')
    text = text.replace("steps = 3", "steps = 1").replace("dropout = 0.2", "dropout = 0.0")
    ran = train(written(texts, text), tmp_path / "run")
    rates = {stage: report.learning_rate for stage, report in ran.heard.reports if report.step == 1}
    assert rates["a"] == rates["first"], "the schedule begins anew"
    begun = weights(tmp_path / "run" / "first")
    ended = weights(tmp_path / "run" / "a")
    moved = [name for name in begun if name.startswith("weights") and begun[name] != ended[name]]
    assert moved
    far = max(
        abs(one - other)
        for name in moved
        for one, other in zip(begun[name], ended[name], strict=True)
    )
    assert far < 6e-3, "one step of Adam from where the other stage ended"
    steps = [value for name, value in ended.items() if name.endswith("::step")]
    assert {value[0] for value in steps} == {1.0}
    text = (tmp_path / "run" / "a" / "model" / "README.md").read_text()
    assert text.index("## Stage first") < text.index("## Stage a")
    assert "## Stage b" not in text


def test_the_seed_counts(texts: Path, tmp_path: Path) -> None:
    """A seed that orders the data and leaves the adapters to chance."""
    recipe = written(texts, ONE.replace("steps = 3", "steps = 1"))
    runs = [
        weights(train(recipe, tmp_path / str(at), changes={"seed": seed}).work.folder / "only")
        for at, seed in enumerate((1, 1, 2))
    ]
    assert runs[0] == runs[1]
    name = next(each for each in runs[0] if each.startswith("weights") and "lora_A" in each)
    assert abs(runs[0][name][0] - runs[2][name][0]) > 1e-3


def test_what_changed_is_shown_and_refused(texts: Path, tmp_path: Path) -> None:
    """A run that goes on with other settings or rows than it began with, unasked; a task that is
    gone from the data, whose temperature the checkpoint still holds."""
    rows = [json.loads(line) for line in (texts / "texts.jsonl").read_text().splitlines()]
    for at, row in enumerate(rows):
        row["task"] = "other" if at % 2 else "text retrieval"
    write_rows(texts / "texts.jsonl", rows)
    text = ONE.replace('task = "text retrieval"', "").replace('"n" }', '"n", task = "task" }')
    recipe = written(texts, text)
    train(recipe, tmp_path / "run", stop=stopping_after(2))
    with pytest.raises(UsageError, match=r"recipe.stage\[only\].steps: 3 -> 4: .*--allow-changes"):
        train(recipe, tmp_path / "run", changes={"stage.only.steps": 4})
    write_rows(texts / "texts.jsonl", [row for row in rows if row["task"] != "other"])
    with pytest.raises(UsageError, match=r'data.words: "\w+" -> "\w+"'):
        train(recipe, tmp_path / "run")
    ran = train(recipe, tmp_path / "run", changes={"stage.only.steps": 4}, allow_changes=True)
    assert [report.step for _, report in ran.heard.reports] == [3, 4]
    assert len([line for line in ran.heard.warnings if "changed since this run began" in line]) == 2
    assert list(
        json.loads((tmp_path / "run" / "only" / "done.json").read_text())["temperatures"]
    ) == ["text retrieval"]
    again = train(recipe, tmp_path / "run", changes={"stage.only.steps": 4})
    assert not any("changed" in line for line in again.heard.warnings)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "steps = 3",
            "steps = 3\nweights = { wrods = 2.0 }",
            "stage 'later': weights: there is no",
        ),
        (
            "steps = 3",
            'steps = 3\ntemperature.start = { "text retrieva" = 0.02 }',
            "stage 'later': temperature.start: there is no task 'text retrieva': did you mean 't",
        ),
        (
            "steps = 3",
            "batch = { sub_batches = 4 }",
            "stage 'later': a batch of 4 rows cannot be 4",
        ),
        ("[[data.source]]", '[data]\ntasks = ["slip"]\n[[data.source]]', "unknown task 'text retr"),
        ("[[data.source]]", '[data.instructions]\nslip = "x"\n[[data.source]]', "no task 'slip'"),
        ('path = "texts.jsonl"', 'path = "slip.jsonl"', "slip.jsonl"),
        ('path = "texts.jsonl"', 'path = "same.jsonl"', "stage 'only': .*one positive"),
        ('path = "texts.jsonl"', 'path = "bare.jsonl"', "no row that can be trained on"),
    ],
)
def test_what_cannot_be_trained_on_is_known_first(
    old: str, new: str, message: str, texts: Path, tmp_path: Path
) -> None:
    """A slip in the second stage, or data that make no batch, noticed after hours in the first."""
    rows = [json.loads(line) for line in (texts / "texts.jsonl").read_text().splitlines()]
    write_rows(texts / "same.jsonl", [{**row, "p": "the same"} for row in rows])
    write_rows(texts / "bare.jsonl", [{**row, "p": ""} for row in rows])
    stage = '[[stage]]\nname = "only"\nsteps = 3'
    assert stage in ONE
    text = ONE.replace(stage, f'{stage}\n[[stage]]\nname = "later"\nsteps = 3')
    head, mark, tail = text.rpartition(old)
    with pytest.raises(DataError, match=message):
        train(written(texts, head + new + tail), tmp_path / "run")
    assert mark
    assert not list((tmp_path / "run").glob("only*"))


def test_an_empty_mixture_is_refused(texts: Path, tmp_path: Path) -> None:
    """A recipe without a source."""
    text = ONE.split("[[data.source]]")[0] + '[data]\n[evaluation]\nsuite = ""\n'
    with pytest.raises(
        DataError, match=r"the mixture is empty: give it a source, \[\[data.source\]\]"
    ):
        train(written(texts, text), tmp_path / "run")


def test_rows_that_are_left_out_are_said(texts: Path, tmp_path: Path) -> None:
    """Half of a file that is silently not trained on; a picture that cannot be opened."""
    write_shapes(texts)
    rows = [json.loads(line) for line in (texts / "rows.jsonl").read_text().splitlines()]
    rows[3]["positives"] = []
    write_rows(texts / "rows.jsonl", rows)
    (texts / "red-bar.png").write_bytes(b"no picture")
    text = ONE.replace(TEXTS, DATA).replace("steps = 3", "max_failed = 1.0")
    ran = train(written(texts, text), tmp_path / "run")
    (line,) = [each for each in ran.heard.warnings if "left out" in each]
    assert line.startswith("source 'shapes': 1 rows are left out: ")
    assert "rows.jsonl, line 4: " in line
    (failed,) = {row.name for _, row in ran.heard.failed}
    assert failed.startswith("shapes: ")
    assert failed.endswith("rows.jsonl, line 3"), "one row is about it; negatives are lost alone"
    assert all("red-bar.png" in row.reason for _, row in ran.heard.failed)
    done = json.loads((tmp_path / "run" / "only" / "done.json").read_text())
    assert (done["failed"], done["sources"][0]["skipped"]) == (1, 1)
    assert ", 1 unreadable." in (tmp_path / "run" / "only" / "model" / "README.md").read_text()


def test_no_number_names_the_rows(texts: Path, tmp_path: Path) -> None:
    """A loss that is no number, and nobody knows which rows of millions to look at."""
    recipe = written(texts, ONE.replace("learning_rate = 5e-3", "learning_rate = 1e30"))
    with pytest.raises(DataError, match=r"step 2: the loss or its gradient is no number") as caught:
        train(recipe, tmp_path / "run", changes={"defaults.checkpoint.every_steps": 1})
    assert len(re.findall(r"words: \S+/texts.jsonl, line \d+", str(caught.value))) == 4
    assert "step-00000001" in str(caught.value)
    assert not (tmp_path / "run" / "only" / "model").exists()


@pytest.mark.parametrize("lora", [True, False])
def test_a_full_disk_while_the_model_is_written(texts: Path, tmp_path: Path, *, lora: bool) -> None:
    """A stage that is trained, whose model does not fit: what was trained must not be lost."""
    text = ONE if lora else ONE.replace("lora = { rank = 4, alpha = 8 }", "")
    recipe = written(texts, text.replace("steps = 3", "steps = 1"))
    stage = tmp_path / "run" / "only"
    train(recipe, tmp_path / "run")
    wanted = {file.name: file.read_bytes() for file in (stage / "model").iterdir()}
    shutil.rmtree(stage / "model")
    with files_of(20_000), pytest.raises(DataError, match=r"cannot write .*model.*make room"):
        train(recipe, tmp_path / "run")
    assert sorted(path.name for path in stage.iterdir()) == [
        "checkpoints",
        "done.json",
        "log.jsonl",
    ]
    again = train(recipe, tmp_path / "run")
    assert again.heard.reports == []
    assert {file.name: file.read_bytes() for file in (stage / "model").iterdir()} == wanted


def test_batches_that_cannot_be_filled_are_said(texts: Path, tmp_path: Path) -> None:
    """Five hundred in-batch negatives are meant, and twenty-three there are."""
    small = train(written(texts, ONE), tmp_path / "small")
    assert not small.heard.warnings
    large = train(written(texts, ONE), tmp_path / "large", changes={"defaults.batch.size": 500})
    (warning,) = large.heard.warnings
    assert warning.startswith("only: batches hold 24 rows at most, not the 500 of batch.size")


def test_a_damaged_checkpoint_is_named(texts: Path, tmp_path: Path) -> None:
    """A run that begins anew without a word, for its last hours lie in a damaged file."""
    recipe = written(texts, ONE.replace("steps = 3", "steps = 3\ncheckpoint = { every_steps = 1 }"))
    stops = iter([False, True])
    train(recipe, tmp_path / "run", stop=lambda: next(stops))
    newest = tmp_path / "run" / "only" / "checkpoints" / "step-00000002"
    (newest / "weights.safetensors").write_bytes(b"cut")
    again = train(recipe, tmp_path / "run")
    assert [f"{newest} is damaged: going on from step-00000001"] == again.heard.warnings
    assert [report.step for _, report in again.heard.reports] == [2, 3]


def test_damaged_checkpoints_of_the_stage_before(texts: Path, tmp_path: Path) -> None:
    """A traceback of safetensors, or weights with a flipped bit, where a stage goes on."""
    recipe = written(texts, THREE)
    train(recipe, tmp_path / "run", stop=stopping_after(2))
    shutil.rmtree(tmp_path / "run" / "a")
    (file,) = (tmp_path / "run" / "first" / "checkpoints").glob("*/weights.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"is damaged or gone: delete .*/run/first and run"):
        train(recipe, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "first")
    assert train(recipe, tmp_path / "run").outcome.is_done


class KilledError(Exception):
    """Not of rzen's: nothing is saved any more."""


def dies() -> bool:
    raise KilledError


def test_killed_before_the_first_checkpoint(texts: Path, tmp_path: Path) -> None:
    """A log that has the first steps twice."""
    recipe = written(texts, ONE.replace("steps = 3", "steps = 2"))
    with pytest.raises(KilledError):
        train(recipe, tmp_path / "run", stop=dies)
    assert [line["step"] for line in logged(tmp_path / "run" / "only")] == [1]
    train(recipe, tmp_path / "run")
    assert [line["step"] for line in logged(tmp_path / "run" / "only")] == [1, 2]


class Measured:
    """Scores that are set before, and what the encoder was like each time."""

    def __init__(self, *scores: float) -> None:
        self.scores: Iterator[float] = iter(scores)
        self.prints: list[str] = []
        self.vectors: list[Any] = []

    def __call__(self, encoder: Encoder, settings: EvaluationSettings) -> Mapping[str, float]:
        assert settings.suite == "mine"
        self.prints.append(encoder.fingerprint.weights)
        found = encoder.encode([Content(Text("where is red"))], role="query", instruction="")
        self.vectors.append(np.asarray(found.vectors)[0])
        return {"score": next(self.scores), "text": 0.25}


def test_measured_while_it_trains(texts: Path, tmp_path: Path) -> None:
    """Early stopping that counts a resumed start as a failure; a measurement with dropout on; one
    of the base's vectors for ever; the last weights where the best ones were asked for."""
    text = ONE.replace("alpha = 8", "alpha = 8, dropout = 0.3").replace("steps = 3", "steps = 20")
    text = text.replace(
        "[[stage]]",
        '[defaults.evaluation]\nsuite = "mine"\nevery_steps = 1\npatience = 2\nkeep_best = true\n'
        "[[stage]]",
    )
    recipe = written(texts, text)
    whole = Measured(0.1, 0.5, 0.3, 0.2, 0.9)
    ran = train(recipe, tmp_path / "whole", measure=whole)
    assert [step for _, step, _ in ran.heard.measured] == [0, 1, 2, 3], "2 of patience"
    assert len(set(whole.prints)) == 4
    log = logged(tmp_path / "whole" / "only")
    assert [line["step"] for line in log] == [0, 1, 1, 2, 2, 3, 3]
    assert log[2]["measured"] == {"score": 0.5, "text": 0.25}
    done = json.loads((tmp_path / "whole" / "only" / "done.json").read_text())
    assert done["checkpoint"] == "step-00000001"
    best = rzen.load(str(tmp_path / "whole" / "only" / "model"), device="cpu")
    found = best.encode([Content(Text("where is red"))], role="query", instruction="").vectors
    assert abs(np.asarray(found)[0] - whole.vectors[1]).max() < 1e-5
    assert abs(whole.vectors[1] - whole.vectors[3]).max() > 1e-4

    # Killed between the first checkpoint, that of the untrained start, and the next one.
    first = Measured(0.1, 0.5)
    with pytest.raises(KilledError):
        train(
            recipe,
            tmp_path / "cut",
            measure=first,
            stop=dies,
            changes={"defaults.evaluation.every_steps": 2, "defaults.evaluation.patience": 1},
        )
    second = Measured(0.5, 0.3)
    changes = {"defaults.evaluation.every_steps": 2, "defaults.evaluation.patience": 1}
    ran = train(recipe, tmp_path / "cut", measure=second, changes=changes)
    assert first.prints == whole.prints[:1]
    assert [step for _, step, _ in ran.heard.measured] == [2, 4]
    assert [line["step"] for line in logged(tmp_path / "cut" / "only")] == [0, 1, 2, 2, 3, 4, 4]
    assert ran.outcome.is_done
