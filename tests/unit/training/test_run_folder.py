"""The folder of a run: claimed, recognised, and never half-written."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from full_disk import files_of
from rzen.errors import DataError, UsageError
from rzen.training import run_folder
from rzen.training.run_folder import StepLog, begin, held, read_json, write_aside


class Stage(BaseModel):
    name: str
    steps: int = 3


class Recipe(BaseModel, extra="forbid"):
    seed: int = 1
    stage: list[Stage] = [Stage(name="first"), Stage(name="second")]
    pace: float = 1.0


RECIPE = Recipe()
DATA = {"pairs": "abc"}


def begun(folder: Path) -> None:
    """A run that has come to its first checkpoint."""
    assert begin(folder, RECIPE, DATA, allow_changes=False) == []
    (folder / "first" / "checkpoints" / "step-00000001").mkdir(parents=True)


def test_a_run_goes_on_only_as_it_began(tmp_path: Path) -> None:
    """A run that goes on with other settings or other rows, and nobody notices."""
    begun(tmp_path)
    assert begin(tmp_path, RECIPE, DATA, allow_changes=False) == []
    other = Recipe(seed=2, stage=[Stage(name="first", steps=4), Stage(name="second")])
    lines = [
        'data.pairs: "abc" -> "abd"',
        'data.more: null -> "x"',
        "recipe.seed: 1 -> 2",
        "recipe.stage[first].steps: 3 -> 4",
    ]
    with pytest.raises(UsageError, match="--allow-changes") as caught:
        begin(tmp_path, other, {"pairs": "abd", "more": "x"}, allow_changes=False)
    assert all(line in str(caught.value) for line in lines)
    assert "second" not in str(caught.value), "what did not change is not shown"
    assert json.loads((tmp_path / "run.json").read_text())["recipe"] == RECIPE.model_dump()
    changed = begin(tmp_path, other, {"pairs": "abd", "more": "x"}, allow_changes=True)
    assert sorted(changed) == sorted(lines)
    assert begin(tmp_path, other, {"pairs": "abd", "more": "x"}, allow_changes=False) == []


def test_a_slip_may_be_mended(tmp_path: Path) -> None:
    """A misspelt base, which ended the run at once, holds its folder for ever."""
    assert begin(tmp_path, RECIPE, DATA, allow_changes=False) == []
    other = Recipe(seed=2)
    assert begin(tmp_path, other, DATA, allow_changes=False) == []
    assert json.loads((tmp_path / "run.json").read_text())["recipe"] == other.model_dump()


def test_lists_of_another_length_are_shown_whole(tmp_path: Path) -> None:
    """A stage that was added is no difference of the stages that both have."""
    begun(tmp_path)
    (line,) = begin(tmp_path, Recipe(stage=[]), DATA, allow_changes=True)
    assert line.startswith("recipe.stage: [{")
    assert line.endswith("-> []")


def test_newer_libraries_are_no_change(tmp_path: Path) -> None:
    """An update of Python ends all runs; the versions are written down, and do not count."""
    begun(tmp_path)
    file = tmp_path / "run.json"
    held_ = json.loads(file.read_text())
    assert {"rzen", "python", "torch", "peft"} <= held_["versions"].keys()
    file.write_text(json.dumps({**held_, "versions": {"torch": "1.0"}}))
    assert begin(tmp_path, RECIPE, DATA, allow_changes=False) == []


def test_a_setting_that_is_new_is_no_change(tmp_path: Path) -> None:
    """An update of rzen ends all runs; a setting that there is no more, or that means something, is
    told."""
    begun(tmp_path)
    file = tmp_path / "run.json"
    held_ = json.loads(file.read_text())
    del held_["recipe"]["pace"]
    file.write_text(json.dumps(held_))
    assert begin(tmp_path, RECIPE, DATA, allow_changes=False) == []
    with pytest.raises(UsageError, match=r"recipe\.pace: 1\.0 -> 2\.0"):
        begin(tmp_path, Recipe(pace=2.0), DATA, allow_changes=False)
    held_["recipe"]["mood"] = "calm"
    file.write_text(json.dumps(held_))
    with pytest.raises(UsageError, match=r'recipe\.mood: "calm" -> null'):
        begin(tmp_path, RECIPE, DATA, allow_changes=False)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"recipe": 1}', "\xff"])
def test_a_damaged_run_file_is_named(tmp_path: Path, text: str) -> None:
    """A traceback of a file that was cut off, or a run that begins over its own checkpoints."""
    begun(tmp_path)
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"cannot read or write .*run\.json"):
        begin(tmp_path, RECIPE, DATA, allow_changes=True)


def test_the_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Somebody's photographs among checkpoints."""
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="is not empty, and no run of rzen's"), held(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot read or write"), held(tmp_path / "file"):
        pass


def test_what_a_killed_run_left_does_not_lock_it_out(tmp_path: Path) -> None:
    """A run killed while run.json was written could never be started again."""
    (tmp_path / ".run.json.part").write_text("{")
    (tmp_path / ".lock").touch()
    with held(tmp_path):
        assert begin(tmp_path, RECIPE, DATA, allow_changes=False) == []
    assert not (tmp_path / ".run.json.part").exists()


def hold(folder: Path, ready: Any) -> None:
    with held(folder):
        ready.set()
        time.sleep(60)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """The same command typed twice: two runs that overwrite each other's checkpoints. A run that
    was killed must not keep its folder."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready))
    other.start()
    try:
        assert ready.wait(20)
        with pytest.raises(UsageError, match="another process is training into it"), held(tmp_path):
            pass
    finally:
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)
        other.join()
    with held(tmp_path):
        pass


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    """Steps that are taken again stand in the log twice; a line that was torn ends the reading."""
    file = tmp_path / "stage" / "log.jsonl"
    log = StepLog(file)
    log.cut_back(3)
    assert not file.exists()
    lines: list[dict[str, Any]] = [{"step": 0, "measured": {}}]
    lines += [{"step": step, "loss": 1 / step} for step in range(1, 6)]
    lines.insert(4, {"step": 3, "measured": {"score": 0.5}})
    for line in lines:
        log.add(line)
    with file.open("a") as stream:
        stream.write('[1]\n{"step": 6, "lo')
    log.cut_back(3)
    assert [json.loads(line) for line in file.read_text().splitlines()] == lines[:5]
    log.add({"step": 4})
    assert json.loads(file.read_text().splitlines()[-1]) == {"step": 4}
    log.cut_back(-1)
    assert file.read_text() == ""


def test_a_model_is_whole_or_not_there(tmp_path: Path) -> None:
    """A stage whose model is half-written counts as done, and the next one starts from it."""
    target = tmp_path / "model"
    (tmp_path / ".model.part").mkdir()
    (tmp_path / ".model.part" / "left.bin").touch()

    def write(aside: Path) -> None:
        assert list(aside.iterdir()) == []
        (aside / "sub").mkdir()
        (aside / "sub" / "a").write_text("x")

    write_aside(target, write)
    assert (target / "sub" / "a").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("kind", ["plain", "safetensors"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    """safetensors has an error of its own for a full disk, which went past the message."""
    import torch
    from safetensors.torch import save_file

    def write(aside: Path) -> None:
        if kind == "plain":
            (aside / "big").write_bytes(bytes(10_000))
        else:
            save_file({"big": torch.zeros(10_000)}, aside / "big.safetensors")

    with files_of(2_000), pytest.raises(DataError, match=r"cannot write .*model.*make room"):
        write_aside(tmp_path / "model", write)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [None, "{", "[]", "\xff"])
def test_a_damaged_file_of_a_stage_says_what_to_delete(tmp_path: Path, text: str | None) -> None:
    """A traceback where done.json was cut off."""
    file = tmp_path / "done.json"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"done\.json.*delete its folder to train it anew"):
        read_json(file)


def test_texts_are_whole(tmp_path: Path) -> None:
    """A card that is cut off by a full disk takes the place of a whole one."""
    file = tmp_path / "README.md"
    run_folder.write_text(file, "old")
    with files_of(100), pytest.raises(OSError, match="large"):
        run_folder.write_text(file, "new" * 100)
    assert file.read_text() == "old"
