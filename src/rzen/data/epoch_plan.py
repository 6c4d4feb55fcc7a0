"""One epoch as arrays: which rows, dealt into sub-batches, and these put together to batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rzen.data.dealing import deal, shuffled

_ROUNDS = 4
_MARKS = 1 << 20
_SWAPS = 8
"""For each sub-batch of a batch: how often its place is offered in exchange."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quota:
    """How much of a group's rows of one source an epoch takes.

    Attributes:
        row_N: their places in the group.
        cap: how many of them, at most; ``None`` means all.
        rate: copies of each; the fraction of a copy goes to as many rows, drawn anew.
    """

    row_N: NDArray[np.int64]
    cap: int | None
    rate: float

    @property
    def is_fixed(self) -> bool:
        """Whether every epoch takes the same copies."""
        return (self.cap is None or self.cap >= len(self.row_N)) and float(self.rate).is_integer()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A group as planning sees it.

    Attributes:
        positive_N: keys of positives, equal in all groups for equal positives.
        key_N: the same numbered from 0 within the group.
        quotas: for each source in it.
    """

    positive_N: NDArray[np.int64]
    key_N: NDArray[np.int64]
    quotas: tuple[Quota, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTally:
    """What became of a group's rows in an epoch; copies count.

    Attributes:
        sub_batches: that it got (batches, where those are whole).
        rows: in them.
        repeats: left out because each batch that was open to them held their positive already.
        left_over: left out because they were too few for another batch.
    """

    sub_batches: int = 0
    rows: int = 0
    repeats: int = 0
    left_over: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpochPlan:
    """All batches of an epoch.

    Attributes:
        row_M: places of rows among those of all groups, group after group.
        sub_batch_M: which sub-batch of its batch each is in.
        start_B: where each batch begins, and behind the last its end: (B + 1,).
        groups_B: the group of each sub-batch.
        tallies: of each group.
    """

    row_M: NDArray[np.int64]
    sub_batch_M: NDArray[np.int32]
    start_B: NDArray[np.int64]
    groups_B: tuple[tuple[int, ...], ...]
    tallies: tuple[GroupTally, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stack:
    """Sub-batches of all groups, group after group.

    Attributes:
        row_M: places of rows among those of all groups.
        start_S: where each sub-batch begins in ``row_M``.
        size_S: rows of each.
        count_G: sub-batches of each group.
        left_over_G: rows of each that were too few for another.
    """

    row_M: NDArray[np.int64]
    start_S: NDArray[np.int64]
    size_S: NDArray[np.int64]
    count_G: NDArray[np.int64]
    left_over_G: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Laid:
    """Sub-batches in the order of batches; as in the plan, and the batch and group of each row."""

    row_M: NDArray[np.int64]
    sub_batch_M: NDArray[np.int32]
    batch_M: NDArray[np.int64]
    group_M: NDArray[np.int64]
    groups_B: tuple[tuple[int, ...], ...]

    def only(self, kept_M: NDArray[np.bool_]) -> "_Laid":
        """Some of the rows."""
        return _Laid(
            row_M=self.row_M[kept_M],
            sub_batch_M=self.sub_batch_M[kept_M],
            batch_M=self.batch_M[kept_M],
            group_M=self.group_M[kept_M],
            groups_B=self.groups_B,
        )


def plan_epoch(
    parts: Sequence[Part],
    generator: np.random.Generator,
    *,
    size: int,
    width: int,
    smallest: float,
) -> EpochPlan:
    """Plans an epoch.

    Two sub-batches of one batch may hold the same positive. The later of such rows are taken out
    and dealt once more, into batches at the end of the epoch, as long as that makes any.

    Args:
        parts: the groups.
        generator: decides everything that is left open.
        size: rows of a sub-batch.
        width: sub-batches of a batch.
        smallest: see :class:`rzen.data.batch_sampler.GlobalBatchSampler`.
    """
    positive_N = np.concatenate([part.positive_N for part in parts])
    first_G = np.cumsum([0, *(len(part.key_N) for part in parts)])
    copies = [_copies(part, generator) for part in parts]
    stack = _deal_all(parts, copies, size, smallest, generator)
    left_over_G = stack.left_over_G
    rounds: list[_Laid] = []
    for _ in range(_ROUNDS):
        laid = _lay(stack, _compose(stack.count_G, width, generator), generator)
        is_later_M = (
            _later_duplicates(laid.batch_M, positive_N[laid.row_M])
            if width > 1
            else np.zeros(0, bool)
        )
        if not is_later_M.any():
            rounds.append(laid)
            break
        rounds.append(laid.only(~is_later_M))
        later = laid.only(is_later_M)
        again = [later.row_M[later.group_M == each] - first_G[each] for each in range(len(parts))]
        stack = _deal_all(parts, again, size, smallest, generator)
        if 2 * len(stack.size_S) < width:
            break  # what is left fills no half of a batch
    copied_G = np.array([len(each) for each in copies])
    return _joined(rounds, copied_G, left_over_G)


def _copies(part: Part, generator: np.random.Generator) -> NDArray[np.int64]:
    """The rows of a group that an epoch takes, as often as it takes them."""
    taken = []
    for quota in part.quotas:
        row_N = quota.row_N
        if quota.cap is not None and quota.cap < len(row_N):
            row_N = row_N[np.sort(shuffled(len(row_N), generator)[: quota.cap])]
        whole = int(quota.rate)
        some = round((quota.rate - whole) * len(row_N))
        taken += [row_N] * whole
        if some:
            taken.append(row_N[np.sort(shuffled(len(row_N), generator)[:some])])
    return np.concatenate(taken) if taken else np.zeros(0, np.int64)


def _deal_all(
    parts: Sequence[Part],
    rows: Sequence[NDArray[np.int64]],
    size: int,
    smallest: float,
    generator: np.random.Generator,
) -> _Stack:
    deals = [
        deal(part.key_N[row_M], size, generator, smallest=smallest)
        for part, row_M in zip(parts, rows, strict=True)
    ]
    first_G = np.cumsum([0, *(len(part.key_N) for part in parts)])
    size_S = np.concatenate([np.diff(each.start_B) for each in deals])
    return _Stack(
        row_M=np.concatenate(
            [
                first + row_M[each.row_M]
                for first, row_M, each in zip(first_G, rows, deals, strict=False)
            ]
        ),
        start_S=np.cumsum(size_S) - size_S,
        size_S=size_S,
        count_G=np.array([len(each.start_B) - 1 for each in deals]),
        left_over_G=np.array([each.left_over for each in deals]),
    )


def _compose(
    count_G: NDArray[np.int64], width: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Which groups the sub-batches of each batch are of: (B, width), -1 where there is none.

    Groups go round the batches one after the other, so that a batch meets none twice unless a group
    has more sub-batches than there are batches. Neighbours would meet too often then: random
    exchanges between batches, of which none brings a group into a batch that has it, mix them.
    """
    total = int(count_G.sum())
    batches = -(-total // width)
    order_G = shuffled(len(count_G), generator)
    dealt = np.full(batches * width, -1)
    dealt[:total] = np.repeat(order_G, count_G[order_G])
    grid_KB = dealt.reshape(width, batches)
    for _ in range(_SWAPS * width if width > 1 else 0):
        pairs = shuffled(batches, generator)[: batches // 2 * 2].reshape(2, -1)
        slots = generator.integers(0, width, pairs.shape)
        mine, theirs = grid_KB[slots, pairs]
        is_new = (grid_KB[:, pairs[0]] != theirs).all(0) & (grid_KB[:, pairs[1]] != mine).all(0)
        grid_KB[slots[0, is_new], pairs[0, is_new]] = theirs[is_new]
        grid_KB[slots[1, is_new], pairs[1, is_new]] = mine[is_new]
    return grid_KB[:, shuffled(batches, generator)].T


def _lay(stack: _Stack, grid_BK: NDArray[np.int64], generator: np.random.Generator) -> _Laid:
    """Puts a sub-batch of the right group into every place."""
    batch_S, _ = np.nonzero(grid_BK >= 0)
    group_S = grid_BK[grid_BK >= 0]
    which_S = np.empty(len(group_S), np.int64)
    first = 0
    for group, count in enumerate(stack.count_G):
        which_S[group_S == group] = first + shuffled(int(count), generator)
        first += int(count)
    size_S = stack.size_S[which_S]
    from_S = stack.start_S[which_S] - (np.cumsum(size_S) - size_S)
    is_first = np.diff(batch_S, prepend=-1) > 0
    slot_S = np.arange(len(batch_S)) - np.flatnonzero(is_first)[batch_S]
    return _Laid(
        row_M=stack.row_M[np.repeat(from_S, size_S) + np.arange(int(size_S.sum()))],
        sub_batch_M=np.repeat(slot_S, size_S).astype(np.int32),
        batch_M=np.repeat(batch_S, size_S),
        group_M=np.repeat(group_S, size_S),
        groups_B=tuple(tuple(row[row >= 0].tolist()) for row in grid_BK),
    )


def _later_duplicates(
    batch_M: NDArray[np.int64], positive_M: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows come after one of the same batch with the same positive."""
    words_M = positive_M.view(np.uint64) ^ (
        (batch_M.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    )
    in_order = np.sort(words_M)
    twice = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    is_later_M = np.zeros(len(words_M), bool)
    if len(twice):
        # Few rows have one of these words: most are ruled out by their low bits.
        low = np.uint64(_MARKS - 1)
        marks = np.zeros(_MARKS, bool)
        marks[twice & low] = True
        held = np.flatnonzero(marks[words_M & low])
        held = held[np.isin(words_M[held], twice)]
        _, first = np.unique(words_M[held], return_index=True)
        is_later_M[np.delete(held, first)] = True
    return is_later_M


def _joined(
    rounds: Sequence[_Laid], copied_G: NDArray[np.int64], left_over_G: NDArray[np.int64]
) -> EpochPlan:
    row_M = np.concatenate([each.row_M for each in rounds])
    sizes = [np.bincount(each.batch_M, minlength=len(each.groups_B)) for each in rounds]
    groups_B = tuple(groups for each in rounds for groups in each.groups_B)
    groups = len(copied_G)
    rows_G = np.sum([np.bincount(each.group_M, minlength=groups) for each in rounds], axis=0)
    subs_G = np.bincount([each for row in groups_B for each in row], minlength=groups)
    tallies = tuple(
        GroupTally(
            sub_batches=int(subs),
            rows=int(rows),
            repeats=int(copied - rows - left_over),
            left_over=int(left_over),
        )
        for subs, rows, copied, left_over in zip(subs_G, rows_G, copied_G, left_over_G, strict=True)
    )
    return EpochPlan(
        row_M=row_M,
        sub_batch_M=np.concatenate([each.sub_batch_M for each in rounds]),
        start_B=np.cumsum([0, *np.concatenate(sizes)]),
        groups_B=groups_B,
        tallies=tallies,
    )
