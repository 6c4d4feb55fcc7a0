"""rzen train --plan: the steps of the run, memory by what decides it, and what to change."""

import itertools
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lora_files import PEFT_WARNINGS, RZEN
from rzen.errors import EncoderError
from rzen.training.backbones.mini import MiniBackbone
from rzen.training.backbones.sentence_transformer import SentenceTransformerBackbone
from rzen.training.planning.machine import Place, this_place
from rzen.training.planning.plan import Planner
from rzen.training.planning.report import Plan, StagePlan
from rzen.training.recipe import read_recipe
from small_models import bert
from training_runs import (
    DATA,
    DEFAULTS,
    SHORT,
    TEXTS,
    logged,
    train,
    write_shapes,
    write_texts,
    written,
)

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

RECIPE = (
    SHORT
    + DEFAULTS
    + DATA
    + """
[[stage]]
name = "only"
epochs = 2
workers = 0
"""
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(write_shapes(tmp_path_factory.mktemp("data")), RECIPE)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))


def planned(recipe: Path, changes: Mapping[str, Any] | None = None, *, ranks: int = 1) -> Plan:
    read = read_recipe(recipe, changes)
    return Planner(recipe=read, folder=recipe.parent, device="cpu", ranks=ranks).plan()


def only(plan: Plan) -> StagePlan:
    (stage,) = plan.stages
    assert not stage.problem
    return stage


def test_steps_and_tokens_are_those_of_the_run(recipe: Path, tmp_path: Path) -> None:
    """A plan of another number of steps, or of contents that are not the ones trained on."""
    train(recipe, tmp_path / "run")
    log = logged(tmp_path / "run" / "only")
    stage = only(planned(recipe))
    assert stage.steps == len(log) > 4
    assert list(stage.step_tokens) == [line["tokens"] for line in log]
    assert stage.most_tokens == max(line["tokens"] for line in log)
    assert stage.rows == 4
    assert {group.name: (group.rows, group.sampled) for group in stage.groups} == {
        "shapes: image retrieval": (12, 12),
        "shapes: image classification": (12, 12),
    }


def test_activations_go_by_chunks_and_not_by_batches(recipe: Path) -> None:
    """Advice to make the batch smaller, which costs negatives and saves nothing."""
    few, many, wide = (
        only(planned(recipe, changes)).memory
        for changes in (
            {"defaults.batch.size": 4},
            {"defaults.batch.size": 12},
            {"defaults.batch.size": 12, "defaults.batch.chunk_tokens": 800},
        )
    )
    assert few is not None
    assert many is not None
    assert wide is not None
    assert many.activations < 1.1 * few.activations
    assert wide.activations > 2 * many.activations
    assert many.waiting > 1.4 * few.waiting, "prepared contents of the batch wait on the host"


def test_ranks_share_the_work(recipe: Path) -> None:
    """A plan for eight GPUs that takes as long as that for one."""
    one, two = (only(planned(recipe, ranks=ranks)) for ranks in (1, 2))
    # A document that rows of both ranks have is encoded by both.
    assert sum(one.step_tokens) <= sum(two.step_tokens) < 1.3 * sum(one.step_tokens)
    assert two.steps == one.steps
    assert two.operations < 0.7 * one.operations


def test_needs_no_weights(recipe: Path, tmp_path: Path) -> None:
    """A plan that downloads fifteen gigabytes to say that they do not fit."""
    bare = tmp_path / "bare"
    shutil.copytree(RZEN, bare, ignore=shutil.ignore_patterns("*.safetensors"))
    with_weights, without = planned(recipe), planned(recipe, {"network.base": str(bare)})
    assert without.network == with_weights.network
    assert only(without).memory == only(with_weights).memory
    assert only(without).step_tokens == only(with_weights).step_tokens


def test_a_base_that_is_not_there_says_what_is_needed(recipe: Path, tmp_path: Path) -> None:
    """Weights are asked for, or the machine is online for a typing error."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match=r"a plan needs no weights: config.json.*network.base"):
        planned(recipe, {"network.base": str(tmp_path / "empty")})


def test_a_source_that_is_missing_is_stood_in_for(recipe: Path, tmp_path: Path) -> None:
    """A recipe that is planned when terabytes are here; a source that is left out unsaid."""
    folder = write_shapes(tmp_path / "data")
    other = """
[[data.source]]
kind = "jsonl"
path = "absent.jsonl"
name = "{name}"
task = "text retrieval"
columns = {{ query_text = "q", positive_text = "p" }}
{cap}
"""
    sources = other.format(name="capped", cap="cap = 40") + other.format(name="gone", cap="")
    plan = planned(written(folder, RECIPE.replace("[evaluation]", f"{sources}\n[evaluation]")))
    rows = {group.name: (group.rows, group.is_typical) for group in only(plan).groups}
    assert rows["capped"] == (40, True)
    assert not any(name.startswith("gone") for name in rows)
    assert {each.name: each.rows for each in plan.missing} == {"capped": 40, "gone": None}
    assert all("absent.jsonl" in each.reason for each in plan.missing)
    assert only(plan).steps > only(planned(recipe)).steps


def test_a_stage_without_any_source_says_so(tmp_path: Path) -> None:
    """A plan that fails as a whole, or leaves a stage out of its total without a word."""
    folder = write_texts(tmp_path / "data")
    (folder / "texts.jsonl").unlink()
    stage = '[[stage]]\nname = "only"\nsteps = 2\n'
    plan = planned(written(folder, SHORT + DEFAULTS + TEXTS + stage))
    assert [each.name for each in plan.stages] == ["only"]
    assert "not here" in plan.stages[0].problem


def test_what_does_not_fit_comes_with_a_change_that_helps(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Advice under which it does not fit either, or a plan that says nothing."""
    chunks = {"defaults.batch.chunk_tokens": 4096, "defaults.batch.size": 12}
    roomy = planned(recipe, chunks)
    assert not roomy.misfits
    assert not roomy.changes
    memory = only(roomy).memory
    assert memory is not None
    least = memory.together - memory.activations // 2

    def small(device: str, folder: Path) -> Place:
        return replace(this_place(device, folder), host_bytes=least)

    monkeypatch.setattr("rzen.training.planning.plan.this_place", small)
    tight = planned(recipe, chunks)
    assert len(tight.misfits) == 1
    assert "only: needs" in tight.misfits[0]
    (change,) = tight.changes
    advice = dict(word.split("=", 1) for word in change.split() if "=" in word)
    assert advice, change
    followed = planned(
        recipe, {**chunks, **{name: json.loads(value) for name, value in advice.items()}}
    )
    assert not followed.misfits, change


def test_the_plan_is_json(recipe: Path) -> None:
    """A figure that json cannot write: infinity, an array, a path."""
    document = json.loads(json.dumps(planned(recipe).to_json(), allow_nan=False))
    assert document["stages"][0]["steps"] > 0


def test_what_is_kept_is_prepared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan for mini four times too long: each epoch was counted as if nothing had been kept."""
    clock = itertools.count()  # a row takes a second
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr("rzen.training.planning.lengths._SECONDS", 1000.0)
    folder = write_texts(tmp_path / "data", count=20)
    stage = '[[stage]]\nname = "only"\nworkers = 0\n'
    head = f'name = "x"\n[network]\nbase = "{bert(tmp_path / "model")}"\n'
    recipe = written(folder, head + DEFAULTS + TEXTS + stage)
    whole: dict[bool, list[float]] = {}
    for is_kept in (False, True):
        monkeypatch.setattr(SentenceTransformerBackbone, "keeps_prepared", is_kept)
        plans = [only(planned(recipe, {"stage.only.epochs": count})) for count in (1, 5)]
        whole[is_kept] = [each.reading * each.steps for each in plans]
    assert whole[False] == pytest.approx([20, 100])
    assert whole[True] == pytest.approx([20, 20])
    assert MiniBackbone.keeps_prepared
