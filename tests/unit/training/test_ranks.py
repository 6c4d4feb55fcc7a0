"""Two ranks give the loss, gradients, weights and thetas of one process with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rzen.training.ranks import Ranks
from training_ranks import toy_run
from training_toys import Listener

SCRIPT = Path(__file__).parents[2] / "training_ranks.py"


def launched(folder: Path, *numbers: int, ranks: int = 2) -> list[dict[str, Any]]:
    folder.mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(ranks), str(SCRIPT), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent)}
    environment["PYTHONPATH"] += os.pathsep + os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [*command, *map(str, numbers)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(ranks)]


def flat(weights: dict[str, Any]) -> list[float]:
    def leaves(value: Any) -> list[float]:
        if isinstance(value, list):
            return [leaf for each in value for leaf in leaves(each)]
        return [value]

    return [leaf for name in sorted(weights) for leaf in leaves(weights[name])]


@pytest.mark.parametrize(
    ("size", "accumulate", "broken"),
    [
        (8, 1, 0),
        (7, 2, 0),  # parts of unequal length, several batches a step
        (8, 1, 5),  # the first rank has nothing left of the first batch
    ],
)
def test_two_ranks_are_one(tmp_path: Path, size: int, accumulate: int, broken: int) -> None:
    """Guards gathering, shared documents, thetas and failed rows over ranks.

    sentence-transformers' ranks hold whole batches of different tasks, and thetas that drift apart.
    """
    first, second = launched(tmp_path / "two", size, accumulate, broken)
    one = toy_run(tmp_path / "one", Ranks(), size, accumulate, broken)
    one.run()
    assert isinstance(one.watcher, Listener)
    assert first["losses"] == pytest.approx(one.watcher.losses, rel=1e-5)
    assert first["tokens"] == [report.tokens for report in one.watcher.reports] or not broken
    assert first["theta"] == pytest.approx(one._temperatures.state().tolist(), abs=1e-6)
    assert first["theta"] == second["theta"], "bit by bit: ranks that drift never meet again"
    assert first["weights"] == second["weights"]
    assert first["failed"] == [row.name for row in one.watcher.failed]
    assert len(set(first["failed"])) == broken
    weights = {name: each.tolist() for name, each in one.backbone.network.named_parameters()}
    assert flat(first["weights"]) == pytest.approx(flat(weights), abs=2e-5)
    gradients = {
        name: each.grad.tolist()
        for name, each in one.backbone.network.named_parameters()
        if each.grad is not None
    }
    assert flat(first["gradients"]) == pytest.approx(flat(gradients), abs=1e-5, rel=1e-3)


def test_one_rank_needs_no_process_group() -> None:
    """Guards a laptop: nothing of torch.distributed is started for one process."""
    import torch

    rows = torch.ones(2, 3)
    assert Ranks().gather_rows(rows) is rows
    assert Ranks().gather_json({"a": "ü\n"}) == [{"a": "ü\n"}]
    Ranks().sum_gradients([rows])
    Ranks().wait()
