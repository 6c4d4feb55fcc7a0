"""The loop: accumulation, resuming, what stops it, what it says."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rzen.errors import DataError
from rzen.protocols import Encoder
from rzen.training import checkpoints
from rzen.training.settings import StageSettings
from rzen.training.trainer import Trainer
from rzen.types import Content, Example, Text
from training_toys import (
    TASKS,
    ListedBatches,
    Listener,
    ToyBackbone,
    dumped,
    toy_examples,
    toy_rows,
)


def settings(**changes: Any) -> StageSettings:
    given: dict[str, Any] = {
        "name": "toy",
        "batch": {"size": 8, "chunk_tokens": 20},
        "optimizer": {"learning_rate": 0.02, "warmup": 0.0},
        "temperature": {"initial": 0.05, "learning_rate": 0.05},
        "checkpoint": {"every_steps": 1000},
    }
    for name, value in changes.items():
        given[name] = (
            {**given[name], **value} if isinstance(value, dict) and name in given else value
        )
    return StageSettings(**given)


def trainer(folder: Path, stage: StageSettings, *, steps: int = 6, **changes: Any) -> Trainer:
    backbone = changes.pop("backbone", None) or ToyBackbone(dropout=changes.pop("dropout", 0.0))
    examples: Sequence[Example] = changes.pop("examples", None) or toy_examples()
    workers = changes.pop("workers", 0)
    rows = toy_rows(backbone, examples)
    given = ListedBatches(rows, len(examples), stage.batch.size, workers=workers)
    options = {
        "batches": given,
        "steps": steps,
        "settings": stage,
        "tasks": TASKS,
        "folder": folder / "checkpoints",
        "seed": 1,
        "watcher": Listener(),
        **changes,
    }
    return Trainer(backbone=backbone, **options)


def heard(of: Trainer) -> Listener:
    assert isinstance(of.watcher, Listener)
    return of.watcher


def test_learns(tmp_path: Path) -> None:
    """Guards the whole: the loss falls, temperatures move, and each step says what it was like."""
    run = trainer(tmp_path, settings(), steps=60)
    outcome = run.run()
    reports = heard(run).reports
    assert outcome.is_done
    assert outcome.progress.rows == 60 * 8
    assert sum(heard(run).losses[-6:]) < 0.6 * sum(heard(run).losses[:6])
    assert [report.step for report in reports] == list(range(1, 61))
    assert set(reports[0].temperatures) == {"words"}
    assert set(reports[1].temperatures) == {"numbers"}
    assert reports[-1].temperatures != pytest.approx({"numbers": 0.05}, abs=1e-3)
    assert all(report.tokens > 30 and report.effective_negatives > 1 for report in reports)


@pytest.mark.parametrize("tokens", [1, 12, 40, 10_000])
def test_chunks_do_not_show(tmp_path: Path, tokens: int) -> None:
    """Guards what accumulation is for: the pool of negatives is the batch, however it is cut."""
    runs = [
        trainer(tmp_path / name, settings(batch={"chunk_tokens": each}))
        for name, each in (("one", tokens), ("other", 33))
    ]
    for run in runs:
        run.run()
    assert heard(runs[0]).losses == pytest.approx(heard(runs[1]).losses, rel=1e-5)
    torch.testing.assert_close(
        runs[0]._temperatures.state(), runs[1]._temperatures.state(), rtol=1e-5, atol=1e-6
    )


def test_accumulating_equal_batches_is_one_step(tmp_path: Path) -> None:
    """Guards theta (and all else) under accumulation: four equal batches average to one of them.

    sentence-transformers' cached loss gives theta four times the gradient here.
    """
    stage = settings(batch={"accumulate": 4})
    four = trainer(tmp_path / "four", stage, steps=3)
    one = trainer(tmp_path / "one", settings(), steps=3)
    listed = ListedBatches(toy_rows(four.backbone, toy_examples()), 48, 8)
    single = listed.addresses

    def repeated() -> Any:
        for addresses in single():
            yield from [addresses] * 4

    listed.addresses = repeated  # type: ignore[method-assign]
    four.batches = listed
    four.run()
    one.run()
    torch.testing.assert_close(four._temperatures.state(), one._temperatures.state())
    torch.testing.assert_close(
        dict(four.backbone.network.named_parameters()),
        dict(one.backbone.network.named_parameters()),
    )
    assert heard(four).losses == pytest.approx(heard(one).losses, rel=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("at", [1, 4])
def test_interrupted_and_resumed_equals_uninterrupted(
    tmp_path: Path, at: int, dropout: float
) -> None:
    """Guards resume: loss curve, theta, weights, moments and order of data, bit for bit."""
    whole = trainer(tmp_path / "whole", settings(), dropout=dropout)
    whole.run()
    stops = iter([False] * (at - 1) + [True])
    first = trainer(tmp_path / "cut", settings(), dropout=dropout, stop=lambda: next(stops))
    outcome = first.run()
    assert not outcome.is_done
    assert outcome.progress.step == at
    second = trainer(tmp_path / "cut", settings(), dropout=dropout)
    assert second.run().is_done
    assert heard(first).losses + heard(second).losses == heard(whole).losses
    assert dumped(second) == dumped(whole)


def test_a_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    """Guards idempotence: running it again takes no step and gives the same checkpoint."""
    first = trainer(tmp_path, settings()).run()
    again = trainer(tmp_path, settings())
    assert again.run() == first
    assert heard(again).reports == []


def test_workers_do_not_show(tmp_path: Path) -> None:
    """Guards the order of batches: workers once changed what a batch was made of (VLM2Vec#130)."""
    runs = [trainer(tmp_path / str(each), settings(), workers=each) for each in (0, 2)]
    for run in runs:
        run.run()
    assert dumped(runs[0]) == dumped(runs[1])


def test_not_a_number_stops_the_run(tmp_path: Path) -> None:
    """Guards against training on after nan: rows are named, the last good checkpoint stays."""
    backbone = ToyBackbone()
    healthy = backbone.encode
    calls = 0

    def breaks(prepared: Sequence[Any]) -> torch.Tensor:
        nonlocal calls
        calls += 1
        found = healthy(prepared)
        return found * math.nan if calls > 12 else found

    backbone.encode = breaks  # type: ignore[method-assign]
    run = trainer(
        tmp_path,
        settings(batch={"chunk_tokens": 10_000}, checkpoint={"every_steps": 4}),
        backbone=backbone,
        steps=40,
    )
    with pytest.raises(DataError, match=r"step 13: .*no number.*toy:\d+.*step-00000012") as caught:
        run.run()
    assert "toy:" in str(caught.value)
    kept = checkpoints.newest(tmp_path / "checkpoints")
    assert kept is not None
    assert kept.name == "step-00000012"
    weights = run.backbone.network.parameters()
    assert all(bool(each.isfinite().all()) for each in weights)


def broken(examples: list[Example], every: int, *, negatives: bool = False) -> list[Example]:
    bad = Content(Text("broken"))
    return [
        (replace(each, negatives=(bad,)) if negatives else replace(each, query=bad))
        if at % every == 1
        else each
        for at, each in enumerate(examples)
    ]


def test_unreadable_rows_are_named_and_left_out(tmp_path: Path) -> None:
    """Guards "the rest is done": a broken file costs its own row, by name, and no other."""
    run = trainer(tmp_path, settings(), examples=broken(toy_examples(), 24))
    outcome = run.run()
    assert outcome.progress.failed == len(heard(run).failed) == 2
    assert outcome.progress.rows == 6 * 8 - 2
    assert {row.name for row in heard(run).failed} == {"toy:1", "toy:25"}
    assert all("no picture" in row.reason for row in heard(run).failed)
    assert heard(run).reports[-1].failed == 2


def test_unreadable_negatives_cost_no_row(tmp_path: Path) -> None:
    """Guards a row whose hard negative is broken: it is trained on without, and that is counted."""
    outcome = trainer(
        tmp_path, settings(), examples=broken(toy_examples(), 24, negatives=True)
    ).run()
    assert outcome.progress.failed == 0
    assert outcome.progress.lost == 2
    assert outcome.progress.rows == 6 * 8


def test_too_many_unreadable_rows_stop_it(tmp_path: Path) -> None:
    """Guards against a run that trains on what little is left of a broken download."""
    run = trainer(tmp_path, settings(), steps=60, examples=broken(toy_examples(), 4))
    with pytest.raises(DataError, match=r"of 1\d\d rows could not be read.*max_failed.*--check"):
        run.run()


def test_a_batch_without_rows_is_survived(tmp_path: Path) -> None:
    """Guards a batch of which nothing could be read: it teaches nothing and ends nothing."""
    examples = toy_examples()
    for at in range(0, 16, 2):
        examples[at] = replace(examples[at], query=Content(Text("broken")))
    run = trainer(tmp_path, settings(max_failed=1.0), examples=examples)
    assert run.run().is_done
    assert heard(run).reports[0].gradient_norm == 0
    assert heard(run).reports[1].gradient_norm > 0


def scores(*values: float) -> Callable[[Encoder], Mapping[str, float]]:
    left = iter(values)
    return lambda _: {"score": next(left)}


def test_early_stopping_and_the_best(tmp_path: Path) -> None:
    """Guards patience, and that the stage's weights are those of the best measurement."""
    stage = settings(evaluation={"every_steps": 2, "patience": 2, "keep_best": True})
    run = trainer(tmp_path, stage, steps=40, measure=scores(0.1, 0.5, 0.4, 0.3))
    outcome = run.run()
    assert [step for step, _ in heard(run).measured] == [0, 2, 4, 6]
    assert outcome.is_done
    assert outcome.progress.step == 6
    assert outcome.checkpoint.name == "step-00000002"
    alone = trainer(tmp_path / "alone", settings(), steps=40, stop=iter([False, True]).__next__)
    alone.run()
    for one, other in zip(
        run.backbone.network.parameters(), alone.backbone.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    again = trainer(tmp_path, stage, steps=40, measure=scores())
    assert again.run() == outcome, "an ended stage stays ended"


def test_the_untrained_start_can_be_the_best(tmp_path: Path) -> None:
    """Guards a training that only made it worse: the start was measured and is kept."""
    stage = settings(evaluation={"every_steps": 3, "keep_best": True})
    run = trainer(tmp_path, stage, measure=scores(0.9, 0.5, 0.4))
    assert run.run().checkpoint.name == "step-00000000"
    for one, other in zip(
        run.backbone.network.parameters(), ToyBackbone().network.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_says_when_everything_is_masked(tmp_path: Path) -> None:
    """Guards an untrained model whose vectors all lie together: zero loss looks like success."""
    examples = [
        Example(
            task=TASKS[at % 2],
            query=Content(Text(f"a b c q{at}")),
            positives=(Content(Text(f"a b c d{at}")),),
        )
        for at in range(48)
    ]
    run = trainer(tmp_path, settings(loss={"delta": -1.0}), steps=40, examples=examples)
    with pytest.raises(DataError, match=r"nothing was learned in 10 steps.*first stage"):
        run.run()
    assert len(heard(run).warnings) == 1
    assert "100% of the negatives" in heard(run).warnings[0]


def test_several_positives_and_copies_count_once(tmp_path: Path) -> None:
    """Guards copies: a hard negative that answers another row's query is that row's positive, and
    one document of two rows is encoded once."""
    backbone = ToyBackbone()
    calls: list[int] = []
    whole = backbone.encode

    def counted(prepared: Sequence[Any]) -> torch.Tensor:
        calls.append(len(prepared))
        return whole(prepared)

    backbone.encode = counted  # type: ignore[method-assign]
    shared = Content(Text("red boat"))
    examples = [
        Example(
            task=TASKS[at % 2],
            query=Content(Text(f"{at} {word}")),
            positives=(Content(Text(f"{word} one")), Content(Text(f"{word} two"))),
            negatives=(shared,),
        )
        for at, word in enumerate(f"w{number}" for number in range(48))
    ]
    run = trainer(
        tmp_path,
        settings(batch={"chunk_tokens": 10_000}),
        examples=examples,
        backbone=backbone,
        steps=1,
    )
    run.run()
    assert calls == [8 + 16 + 1]


def test_checkpoints_hold_no_pickle(tmp_path: Path) -> None:
    """Guards what loading a checkpoint may do: read numbers, never run code."""
    trainer(tmp_path, settings()).run()
    files = [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json"}
    state = json.loads(next(path for path in files if path.name == "state.json").read_text())
    assert state["progress"]["step"] == 6
