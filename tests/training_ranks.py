"""One rank of a toy training, as torchrun starts it: writes what it saw into a folder.

torchrun --nproc-per-node 2 tests/training_ranks.py FOLDER BATCH ACCUMULATE BROKEN
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist

from rzen.training.ranks import Ranks
from rzen.training.settings import StageSettings
from rzen.training.trainer import Trainer
from rzen.types import Content, Text
from training_toys import TASKS, ListedBatches, Listener, ToyBackbone, toy_examples, toy_rows


def main(folder: Path, size: int, accumulate: int, broken: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    ranks = Ranks(rank=dist.get_rank(), count=dist.get_world_size())
    run = toy_run(folder, ranks, size, accumulate, broken)
    run.run()
    assert isinstance(run.watcher, Listener)
    found = {
        "losses": run.watcher.losses,
        "theta": run._temperatures.state().tolist(),
        "weights": {name: each.tolist() for name, each in run.backbone.network.named_parameters()},
        "gradients": {
            name: each.grad.tolist()
            for name, each in run.backbone.network.named_parameters()
            if each.grad is not None
        },
        "failed": [row.name for row in run.watcher.failed],
        "tokens": [report.tokens for report in run.watcher.reports],
    }
    (folder / f"rank-{ranks.rank}.json").write_text(json.dumps(found))
    ranks.wait()
    dist.destroy_process_group()


def toy_run(folder: Path, ranks: Ranks, size: int, accumulate: int, broken: int) -> Trainer:
    """The same run for any number of ranks."""
    examples = toy_examples()
    for at in range(broken):
        examples[2 * at] = replace(examples[2 * at], query=Content(Text("broken")))
    stage = StageSettings(
        name="toy",
        batch={"size": size, "chunk_tokens": 20, "accumulate": accumulate},
        optimizer={"learning_rate": 0.02, "warmup": 0.0},
        temperature={"initial": 0.05, "learning_rate": 0.05},
        max_failed=1.0,
    )
    backbone = ToyBackbone()
    given = ListedBatches(
        toy_rows(backbone, examples), len(examples), size, rank=ranks.rank, ranks=ranks.count
    )
    return Trainer(
        backbone=backbone,
        batches=given,
        steps=5,
        settings=stage,
        tasks=TASKS,
        folder=folder / "checkpoints",
        seed=1,
        watcher=Listener(),
        ranks=ranks,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
