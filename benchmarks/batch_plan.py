"""How long a run waits for its batches when it goes on at step 10,000.

python -m benchmarks batch_plan

rzen plans an epoch of integers and opens no row. The peer is what sentence-transformers' Trainer
enumerates on resuming: its batches without duplicates, which reads the rows. That is measured on
fewer batches and said for each.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from benchmarks.results import Section
from rzen.data.batch_sampler import GlobalBatchSampler, GroupRows

STEP, BATCH = 10_000, 768
MOST_SECONDS = 10.0
REPEATS = 3


def run(quick: bool = False) -> list[Section]:
    """One long epoch, many short ones, sub-batches, caps."""
    step = STEP // 10 if quick else STEP
    whole = step * BATCH * 11 // 10
    asked: list[tuple[str, Callable[[], GlobalBatchSampler]]] = [
        ("one epoch, 12 groups", lambda: sampler(whole, groups=12)),
        ("one epoch, 12 groups, 12 sub-batches", lambda: sampler(whole, groups=12, parts=12)),
        ("one epoch, 3 groups, 12 sub-batches", lambda: sampler(whole, groups=3, parts=12)),
        ("one epoch, two rows a positive in the mean", lambda: sampler(whole, keys=2)),
        ("20 epochs, 12 groups", lambda: sampler(whole // 20, groups=12)),
        ("20 epochs, caps draw other rows in each", lambda: sampler(whole // 20, cap=0.9)),
        (
            "20 epochs, 3 groups, 12 sub-batches",
            lambda: sampler(whole // 20, groups=3, parts=12),
        ),
    ]
    found = [(name, [_seconds(make, step) for _ in range(REPEATS)]) for name, make in asked]
    worst = max(median(each) for _, each in found)
    peer = _peer(20 if quick else 60)
    return [
        Section(
            title=f"Batches at step {step:,}",
            claim=f"From nothing to the first batch after {step:,} steps of {BATCH} rows: "
            f"{worst:.1f} s at most; under {MOST_SECONDS:.0f} s is wanted. sentence-transformers' "
            f"batches without duplicates take {1000 * peer:.1f} ms each, {peer * step:.0f} s for "
            "as many.",
            columns=["data", "s", "range of s"],
            rows=[
                [name, f"{median(each):.2f}", f"{min(each):.2f} to {max(each):.2f}"]
                for name, each in found
            ],
        )
    ]


def sampler(
    rows: int, *, groups: int = 12, parts: int = 1, keys: int = 1, cap: float | None = None
) -> GlobalBatchSampler:
    """Groups of unequal sizes; ``keys`` rows share a positive in the mean."""
    draw = np.random.default_rng(5)
    share = np.arange(1, groups + 1) / (groups * (groups + 1) / 2)
    made = []
    for number, count in enumerate((share * rows).astype(int).tolist()):
        made.append(
            GroupRows(
                name=str(number),
                source_N=np.full(count, number, np.int32),
                row_N=np.arange(count),
                positive_N=draw.integers(-(2**62), 2**62, count)
                if keys == 1
                else draw.integers(0, count // keys, count),
                cap={} if cap is None else {number: int(cap * count)},
            )
        )
    return GlobalBatchSampler(made, batch_size=BATCH, sub_batches=parts, seed=3)


def _seconds(make: Callable[[], GlobalBatchSampler], step: int) -> float:
    begun = time.perf_counter()
    next(make().starting_at(step))
    return time.perf_counter() - begun


def _peer(batches: int) -> float:
    """Seconds of one batch, at the faster of its two ways."""
    import torch
    from datasets import Dataset
    from sentence_transformers.base.sampler import NoDuplicatesBatchSampler

    count = batches * BATCH
    rows = Dataset.from_dict(
        {
            "anchor": [f"question {number}" for number in range(count)],
            "positive": [f"answer {number}" for number in range(count)],
        }
    )
    found = []
    for is_hashed in (False, True):
        begun = time.perf_counter()
        peer = NoDuplicatesBatchSampler(
            rows,
            batch_size=BATCH,
            drop_last=True,
            generator=torch.Generator().manual_seed(0),
            seed=0,
            precompute_hashes=is_hashed,
        )
        made = sum(1 for _ in peer)
        found.append((time.perf_counter() - begun) / made)
    return min(found)
