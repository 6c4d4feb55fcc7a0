"""`rzen train` killed and interrupted at any moment, and gone on with as if nothing had been."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from forked_commands import Commands, Ended, forked_commands
from training_runs import DEFAULTS, SHORT, TEXTS, logged, weights, write_texts, written

KILLS = 5
ADAPTER = "adapter_model.safetensors"
STAGES = ("first", "a", "b")
RECIPE = f"""
{SHORT.replace("alpha = 8", "alpha = 8, dropout = 0.2")}
{DEFAULTS}
checkpoint = {{ every_steps = 1 }}
[[stage]]
name = "first"
steps = 5
[[stage]]
name = "a"
start = "first"
steps = 3
[[stage]]
name = "b"
steps = 1
[soup]
of = ["a", "b"]
{TEXTS}
"""


@pytest.fixture(scope="module")
def rzen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with forked_commands(tmp_path_factory.mktemp("forks") / "cache") as commands:
        yield commands


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(write_texts(tmp_path_factory.mktemp("kill")), RECIPE)


@pytest.fixture(scope="module")
def whole(rzen: Commands, recipe: Path) -> tuple[Path, Ended]:
    """A run that nobody disturbs."""
    folder = recipe.parent / "whole"
    ended = rzen("train", recipe, "-o", folder)
    assert ended.status == 0, ended.said
    return folder, ended


def assert_same(folder: Path, whole: Path) -> None:
    for stage in STAGES:
        assert logged(folder / stage) == logged(whole / stage)
        assert weights(folder / stage) == weights(whole / stage)
        one, other = (load_file(each / stage / "model" / ADAPTER) for each in (folder, whole))
        assert all(bool((one[name] == each).all()) for name, each in other.items())
    one, other = (load_file(each / "soup" / ADAPTER) for each in (folder, whole))
    assert all(bool((one[name] == each).all()) for name, each in other.items())
    left = [path.name for path in folder.rglob("*.part")]
    assert not left, "what killed runs left is swept"


@pytest.mark.slow
def test_killed_at_any_moment(rzen: Commands, recipe: Path, whole: tuple[Path, Ended]) -> None:
    """A run that cannot go on after a crash, begins anew, or goes on with other weights, other rows
    or a torn log: at whatever moment, while reading, saving, or writing a model."""
    folder = recipe.parent / "killed"
    undisturbed, ended = whole
    draw = random.Random(11)  # noqa: S311
    statuses = []
    for _ in range(KILLS):
        after = draw.uniform(0.05, 0.3) * ended.seconds
        statuses.append(rzen("train", recipe, "-o", folder, kill_after=after).status)
    assert statuses.count(-9) >= KILLS - 1, "killed while it was at work"
    last = rzen("train", recipe, "-o", folder)
    assert last.status == 0, last.said
    assert_same(folder, undisturbed)


@pytest.mark.slow
def test_interrupted_once_and_twice(
    rzen: Commands, recipe: Path, whole: tuple[Path, Ended]
) -> None:
    """An interrupt that loses the step at hand, or one that is not heard before the stage's end."""
    folder = recipe.parent / "interrupted"
    log = folder / "first" / "log.jsonl"
    given = ("train", recipe, "-o", folder, "--change", "stage.first.workers=2")
    once = rzen(*given, "--json", interrupts=1, file=log, lines=2)
    assert once.status == 130, once.said
    said = "stopping after this step and saving; interrupt again to leave at once"
    assert once.said.count(said) == 1, "processes that read leave it to the one that saves"
    assert "the same command goes on where it stopped" in once.said
    assert json.loads(once.said[once.said.index("{") :]) == {"error": "interrupted"}
    steps = [line["step"] for line in logged(folder / "first")]
    assert 2 <= len(steps) < 5
    newest = max(path.name for path in (folder / "first" / "checkpoints").iterdir())
    assert newest == f"step-{steps[-1]:08d}"

    log = folder / "a" / "log.jsonl"
    twice = rzen(*given, interrupts=2, file=log, lines=1)
    assert twice.status == 130, twice.said
    assert "Traceback" not in twice.said
    last = rzen(*given)
    assert last.status == 0, last.said
    assert_same(folder, whole[0])
