"""Which rows make up which global batch: integers alone, no row is opened.

The batch of all processes together is planned first and cut into one slice for each of them then,
so that what is in a batch depends on the seed, the epoch and the data alone: not on the number of
processes, nor on that of the workers that open rows. An epoch is planned at once, with sorts and
counts over whole arrays; so resuming at any step costs one plan.

A group is what a batch is homogeneous in. With sub-batches, a batch is a number of smaller
homogeneous ones, of different groups wherever the groups' sizes permit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rzen.data.dealing import number_keys
from rzen.data.epoch_plan import EpochPlan, GroupTally, Part, Quota, plan_epoch
from rzen.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupRows:
    """The rows that batches of one kind are made of.

    Attributes:
        name: for messages.
        source_N: which source each row is of.
        row_N: its number in that source.
        positive_N: the key of its positive; equal positives have equal keys, in all sources.
        weight: how many batches the group gets, beside what its rows make once.
        repeat: source -> how often each of its rows is dealt in an epoch; 2.5 deals half of them a
            third time. Sources that are not named: once.
        cap: source -> how many of its rows are dealt in an epoch at most, before ``repeat``;
            another choice in every epoch.
    """

    name: str
    source_N: NDArray[np.int32]
    row_N: NDArray[np.int64]
    positive_N: NDArray[np.int64]
    weight: float = 1.0
    repeat: Mapping[int, float] = field(default_factory=dict)
    cap: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert len(self.source_N) == len(self.row_N) == len(self.positive_N)
        assert self.weight > 0, self.weight

    def __len__(self) -> int:
        return len(self.row_N)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GlobalBatch:
    """The rows of one step, or one process's slice of them.

    Attributes:
        epoch: counted from 0.
        number: of the batch in its epoch, from 0.
        groups: the group of each sub-batch, as its place among the sampler's groups.
        source_B: which source each row is of.
        row_B: its number in that source.
        sub_batch_B: which sub-batch it belongs to; rows of one lie side by side.
    """

    epoch: int
    number: int
    groups: tuple[int, ...]
    source_B: NDArray[np.int32]
    row_B: NDArray[np.int64]
    sub_batch_B: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row_B)

    def bounds(self, rank: int, ranks: int) -> tuple[int, int]:
        """Where the slice of a process begins and ends; slices differ by one row at most."""
        assert 0 <= rank < ranks, (rank, ranks)
        return len(self) * rank // ranks, len(self) * (rank + 1) // ranks

    def slice(self, rank: int, ranks: int) -> "GlobalBatch":
        """The rows of one of so many processes; empty where there are fewer rows than processes."""
        start, stop = self.bounds(rank, ranks)
        return replace(
            self,
            source_B=self.source_B[start:stop],
            row_B=self.row_B[start:stop],
            sub_batch_B=self.sub_batch_B[start:stop],
        )


class GlobalBatchSampler:
    """Plans batches.

    In an epoch each row of a group is dealt as often as ``repeat`` and ``weight`` say, never twice
    into one batch, nor beside a row with the same positive. Rows for which that leaves no place,
    and those too few for another batch, are counted in :meth:`tallies`; each epoch leaves others.

    Args:
        groups: at least one, none empty.
        batch_size: rows of a global batch.
        sub_batches: homogeneous parts of a batch; 1 makes the whole batch homogeneous.
        seed: decides the order.
        smallest: a batch that is not full is kept from this fraction on; the rest is left over. A
            group with fewer different positives than a batch has rows is measured by those.

    Raises:
        DataError: if there is nothing to deal, the batch cannot be divided so, or all rows of a
            group share one positive.

    >>> rows = np.arange(10)
    >>> group = GroupRows(name="a", source_N=rows * 0, row_N=rows, positive_N=rows)
    >>> sampler = GlobalBatchSampler([group], batch_size=4, seed=1)
    >>> sorted(len(batch) for batch in sampler.epoch(0)), sampler.batches_per_epoch
    ([2, 4, 4], 3)
    >>> next(sampler.starting_at(4)).epoch
    1
    """

    def __init__(
        self,
        groups: Sequence[GroupRows],
        *,
        batch_size: int,
        sub_batches: int = 1,
        seed: int = 0,
        smallest: float = 0.5,
    ) -> None:
        _check(groups, batch_size, sub_batches)
        self.groups = tuple(groups)
        self.batch_size = batch_size
        self.sub_batches = sub_batches
        self.seed = seed
        self._smallest = smallest
        self._parts = [_part(group) for group in groups]
        self._source_N = np.concatenate([group.source_N for group in groups]).astype(np.int32)
        self._row_N = np.concatenate([group.row_N for group in groups]).astype(np.int64)
        self._sizes: dict[int, tuple[int, int]] = {}  # batches of an epoch, rows of the largest
        self._planned: tuple[int, EpochPlan] | None = None

    @property
    def batches_per_epoch(self) -> int:
        """Batches of the first epoch; others may have a few more or less (:meth:`batches_in`)."""
        return self.batches_in(0)

    def batches_in(self, epoch: int) -> int:
        """Batches of an epoch.

        Epochs differ only where a cap or a fraction of a copy draws other rows, or sub-batches with
        equal positives meet; they are planned then, to be counted.
        """
        return self._size(0 if self._is_fixed else epoch)[0]

    def batches(self, epochs: int) -> int:
        """Batches of so many epochs together."""
        return sum(self.batches_in(epoch) for epoch in range(epochs))

    @property
    def largest_batch(self) -> int:
        """Rows of the largest batch of the first epoch."""
        return self._size(0)[1]

    def tallies(self, epoch: int = 0) -> tuple[GroupTally, ...]:
        """What becomes of each group's rows in an epoch."""
        return self._plan(epoch).tallies

    def position(self, step: int) -> tuple[int, int]:
        """The epoch of a step, and which of its batches the step is; all from 0."""
        epoch = 0
        while step >= self.batches_in(epoch):
            step -= self.batches_in(epoch)
            epoch += 1
        return epoch, step

    def epoch(self, number: int, *, start: int = 0) -> Iterator[GlobalBatch]:
        """The batches of an epoch, from one of them on."""
        plan = self._plan(number)
        for batch in range(start, len(plan.groups_B)):
            where = slice(plan.start_B[batch], plan.start_B[batch + 1])
            row_B = plan.row_M[where]
            yield GlobalBatch(
                epoch=number,
                number=batch,
                groups=plan.groups_B[batch],
                source_B=self._source_N[row_B],
                row_B=self._row_N[row_B],
                sub_batch_B=plan.sub_batch_M[where],
            )

    def starting_at(self, step: int) -> Iterator[GlobalBatch]:
        """All batches from a step on, epoch after epoch, without end."""
        epoch, start = self.position(step)
        while True:
            yield from self.epoch(epoch, start=start)
            epoch, start = epoch + 1, 0

    @property
    def _is_fixed(self) -> bool:
        quotas = (quota for part in self._parts for quota in part.quotas)
        return self.sub_batches == 1 and all(quota.is_fixed for quota in quotas)

    def _size(self, epoch: int) -> tuple[int, int]:
        if epoch not in self._sizes:
            self._plan(epoch)
        return self._sizes[epoch]

    def _plan(self, epoch: int) -> EpochPlan:
        """The last one is kept: whoever asks for the number of batches iterates over them next."""
        if self._planned is None or self._planned[0] != epoch:
            plan = plan_epoch(
                self._parts,
                np.random.default_rng([self.seed, epoch]),
                size=self.batch_size // self.sub_batches,
                width=self.sub_batches,
                smallest=self._smallest,
            )
            if not plan.groups_B:
                raise DataError(
                    f"epoch {epoch} has no batch: caps, weights or repeats leave fewer than two "
                    "rows of every group: raise them"
                )
            self._planned = (epoch, plan)
            self._sizes[epoch] = len(plan.groups_B), int(np.diff(plan.start_B).max())
        return self._planned[1]


def _check(groups: Sequence[GroupRows], batch_size: int, sub_batches: int) -> None:
    if (
        batch_size < 2
        or sub_batches < 1
        or batch_size % sub_batches
        or batch_size < 2 * sub_batches
    ):
        raise DataError(
            f"a batch of {batch_size} rows cannot be {sub_batches} sub-batches of two or more rows "
            "each: choose a batch size that is a multiple of the sub-batches"
        )
    if not groups:
        raise DataError("there is no group of rows to make batches of: the mixture is empty")
    for group in groups:
        if not len(group):
            raise DataError(f"group {group.name!r} has no rows: leave it out")
        if (group.positive_N == group.positive_N[0]).all():
            rows = "its only row" if len(group) == 1 else f"all of its {len(group):,} rows"
            raise DataError(
                f"group {group.name!r}: {rows} share one positive, so no two of them may be in a "
                "batch, and nothing could be told apart: check what is taken for the positive, or "
                "merge the group with others"
            )


def _part(group: GroupRows) -> Part:
    sources = np.unique(group.source_N).tolist()
    return Part(
        positive_N=group.positive_N,
        key_N=number_keys(group.positive_N),
        quotas=tuple(
            Quota(
                row_N=np.flatnonzero(group.source_N == source),
                cap=group.cap.get(source),
                rate=group.repeat.get(source, 1.0) * group.weight,
            )
            for source in sources
        ),
    )
