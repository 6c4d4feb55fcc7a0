"""Batches: what may stand in one, what is left out, and that ranks and resumes see the same."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rzen.data.batch_sampler import GlobalBatch, GlobalBatchSampler, GroupRows
from rzen.data.dealing import deal, number_keys, shuffled
from rzen.errors import DataError


def group(name: str, keys: list[int], *, source: int = 0, **options: object) -> GroupRows:
    return GroupRows(
        name=name,
        source_N=np.full(len(keys), source, np.int32),
        row_N=np.arange(len(keys)),
        positive_N=np.array(keys, np.int64),
        **options,  # type: ignore[arg-type]
    )


def unique(name: str, count: int, *, source: int = 0, **options: object) -> GroupRows:
    return group(name, [1000 * source + each for each in range(count)], source=source, **options)


def rows(batch: GlobalBatch) -> list[tuple[int, int]]:
    return list(zip(batch.source_B.tolist(), batch.row_B.tolist(), strict=True))


def keys_of(batch: GlobalBatch, groups: list[GroupRows]) -> list[int]:
    """Keys of a batch's rows; source g is group g."""
    return [int(groups[source].positive_N[row]) for source, row in rows(batch)]


@st.composite
def mixtures(draw: st.DrawFn) -> list[GroupRows]:
    """One to four groups over few keys, which they share; two keys at least in each."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        keys = draw(st.lists(st.integers(0, 12), min_size=2, max_size=60))
        keys += [20, 21]
        found.append(group(f"g{number}", keys, source=number))
    return found


shapes = st.sampled_from([(2, 1), (5, 1), (8, 1), (8, 2), (12, 3), (8, 4)])


@settings(max_examples=40)
@given(mixtures(), shapes, st.integers(0, 5))
def test_a_batch_is_made_as_promised(
    groups: list[GroupRows], shape: tuple[int, int], seed: int
) -> None:
    """One group in each sub-batch, no positive twice in a batch, no row twice in an epoch, and what
    is not dealt is counted: a false negative in every batch, or data lost unseen, else."""
    size, subs = shape
    sampler = GlobalBatchSampler(groups, batch_size=size, sub_batches=subs, seed=seed)
    dealt: Counter[tuple[int, int]] = Counter()
    for batch in sampler.epoch(0):
        assert 1 <= len(batch) <= size
        assert len(batch.groups) <= subs
        keys = keys_of(batch, groups)
        assert len(set(keys)) == len(keys)
        for source, sub_batch in zip(batch.source_B, batch.sub_batch_B, strict=True):
            assert batch.groups[sub_batch] == source
        assert (np.diff(batch.sub_batch_B) >= 0).all()
        assert max(Counter(batch.sub_batch_B.tolist()).values()) <= size // subs
        dealt.update(rows(batch))
    assert max(dealt.values()) == 1
    for number, tally in enumerate(sampler.tallies(0)):
        assert tally.rows == sum(source == number for source, _ in dealt)
        assert tally.rows + tally.repeats + tally.left_over == len(groups[number])
        assert min(tally.repeats, tally.left_over) >= 0


@settings(max_examples=40)
@given(mixtures(), shapes, st.integers(0, 40))
def test_a_resume_at_any_step_goes_on_as_if_nothing_had_been(
    groups: list[GroupRows], shape: tuple[int, int], step: int
) -> None:
    """Guards against data seen twice and data never seen after an interruption."""
    size, subs = shape
    whole = GlobalBatchSampler(groups, batch_size=size, sub_batches=subs, seed=3)
    again = GlobalBatchSampler(groups, batch_size=size, sub_batches=subs, seed=3)
    expected = list(islice(whole.starting_at(0), step, step + 3))
    found = list(islice(again.starting_at(step), 3))
    assert [(each.epoch, each.number) for each in found] == [
        (each.epoch, each.number) for each in expected
    ]
    assert [rows(each) for each in found] == [rows(each) for each in expected]
    epoch, number = again.position(step)
    assert (epoch, number) == (found[0].epoch, found[0].number)
    assert step == again.batches(epoch) + number


@settings(max_examples=40)
@given(mixtures(), shapes, st.integers(1, 7))
def test_the_slices_of_all_ranks_are_the_batch_in_order(
    groups: list[GroupRows], shape: tuple[int, int], ranks: int
) -> None:
    """A row lost between two ranks would never be noticed; composition must not know of ranks."""
    sampler = GlobalBatchSampler(groups, batch_size=shape[0], sub_batches=shape[1])
    for batch in sampler.epoch(0):
        slices = [batch.slice(rank, ranks) for rank in range(ranks)]
        assert [row for each in slices for row in rows(each)] == rows(batch)
        assert np.concatenate([each.sub_batch_B for each in slices]).tolist() == (
            batch.sub_batch_B.tolist()
        )
        sizes = [len(each) for each in slices]
        assert max(sizes) - min(sizes) <= 1
        assert batch.bounds(ranks - 1, ranks)[1] == len(batch)


def order(groups: list[GroupRows], epoch: int, **options: int) -> list[list[tuple[int, int]]]:
    sampler = GlobalBatchSampler(groups, batch_size=8, **options)
    return [rows(batch) for batch in sampler.epoch(epoch)]


def test_order_follows_seed_and_epoch() -> None:
    """A run must be repeatable, and no epoch may repeat the last one's order."""
    groups = [unique("a", 40), unique("b", 40, source=1)]
    for subs in (1, 2):
        same = [order(groups, 2, seed=5, sub_batches=subs) for _ in range(2)]
        assert same[0] == same[1]
        assert same[0] != order(groups, 3, seed=5, sub_batches=subs)
        assert same[0] != order(groups, 2, seed=6, sub_batches=subs)


def test_groups_come_in_proportion_and_mixed() -> None:
    """A group that comes in one piece would be learned, then forgotten."""
    groups = [unique("a", 800), unique("b", 400, source=1)]
    found = [batch.groups[0] for batch in GlobalBatchSampler(groups, batch_size=4).epoch(0)]
    assert Counter(found) == {0: 200, 1: 100}
    assert 60 <= sum(found[:150]) * 2 <= 140


def test_a_weight_multiplies_a_groups_batches() -> None:
    groups = [unique("a", 80, weight=2.5), unique("b", 80, source=1, weight=0.25)]
    sampler = GlobalBatchSampler(groups, batch_size=4)
    assert [each.sub_batches for each in sampler.tallies(0)] == [50, 5]


def test_repeat_deals_a_row_so_often_and_never_twice_into_a_batch() -> None:
    """2.5 times: each row twice, half of them a third time; a batch with a row twice has a false
    negative that no mask of the loss would be needed for."""
    sampler = GlobalBatchSampler([unique("a", 40, repeat={0: 2.5})], batch_size=10)
    batches = [rows(batch) for batch in sampler.epoch(0)]
    assert all(len(set(batch)) == len(batch) for batch in batches)
    assert Counter(Counter(row for batch in batches for row in batch).values()) == {2: 20, 3: 20}


def test_a_cap_takes_other_rows_in_each_epoch() -> None:
    """The same hundred thousand rows every time would leave the rest of a set unused for ever."""
    sampler = GlobalBatchSampler([unique("a", 100, cap={0: 40})], batch_size=10)
    seen = [{row for batch in sampler.epoch(each) for row in rows(batch)} for each in (0, 1)]
    assert [len(each) for each in seen] == [40, 40]
    assert seen[0] != seen[1]


def test_caps_and_repeats_are_a_sources_own() -> None:
    """A merged group must not be up-sampled as a whole because one of its sources is."""
    merged = GroupRows(
        name="classification",
        source_N=np.repeat(np.array([0, 1], np.int32), 20),
        row_N=np.tile(np.arange(20), 2),
        positive_N=np.arange(40),
        repeat={0: 2.0},
        cap={1: 5},
    )
    sampler = GlobalBatchSampler([merged], batch_size=5)
    dealt = Counter(source for batch in sampler.epoch(0) for source, _ in rows(batch))
    assert dealt == {0: 40, 1: 5}


def test_sub_batches_are_of_different_groups_where_sizes_permit() -> None:
    groups = [unique(name, 64, source=number) for number, name in enumerate("abcdef")]
    sampler = GlobalBatchSampler(groups, batch_size=16, sub_batches=4)
    found = [batch.groups for batch in sampler.epoch(0)]
    assert all(len(set(each)) == 4 for each in found)
    # Six groups in fours: nearly all of the fifteen combinations, not a few that stick together.
    assert len({tuple(sorted(each)) for each in found}) >= 8


def test_a_group_that_outweighs_the_others_is_dealt_all_the_same() -> None:
    groups = [unique("big", 400), unique("small", 20, source=1)]
    sampler = GlobalBatchSampler(groups, batch_size=8, sub_batches=2)
    assert [each.rows for each in sampler.tallies(0)] == [400, 20]
    assert sorted(len(batch) for batch in sampler.epoch(0)) == [4] + [8] * 52


def test_what_collides_in_a_batch_comes_later() -> None:
    """Two sets with the same pictures: the second's rows were dropped whenever both were in one
    batch, which with two groups is always."""
    groups = [unique("a", 64), group("b", list(range(64)), source=1)]
    sampler = GlobalBatchSampler(groups, batch_size=16, sub_batches=2, seed=1)
    tallies = sampler.tallies(0)
    assert sum(each.rows for each in tallies) >= 124
    whole = {row for batch in sampler.epoch(0) for row in rows(batch)}
    assert len(whole) == sum(each.rows for each in tallies)


def test_few_different_answers_make_small_batches_rather_than_none() -> None:
    """Questions with a dozen answers: no batch has 64 different ones, and an epoch without any of
    them would be lost silently."""
    keys = [each for each in range(12) for _ in range(50)] + [0] * 200
    sampler = GlobalBatchSampler([group("qa", keys)], batch_size=64)
    (tally,) = sampler.tallies(0)
    assert (tally.sub_batches, tally.rows, tally.repeats, tally.left_over) == (50, 600, 200, 0)


@pytest.mark.parametrize(
    ("count", "sizes", "left"), [(20, [8, 8, 4], 0), (19, [8, 8], 3), (3, [3], 0)]
)
def test_a_short_batch_is_kept_from_half_on(count: int, sizes: list[int], left: int) -> None:
    """A last batch of three rows weighs as much in a step as one of 768; a group that has no other
    is kept whole."""
    sampler = GlobalBatchSampler([unique("a", count)], batch_size=8)
    assert sorted((len(batch) for batch in sampler.epoch(0)), reverse=True) == sizes
    assert sampler.tallies(0)[0].left_over == left
    found = {rows(batch)[0] for epoch in range(9) for batch in sampler.epoch(epoch)}
    assert len(found) > 3 or count == 3  # others are left over in another epoch


@pytest.mark.parametrize(
    ("groups", "options", "said"),
    [
        ([group("a", [7, 7, 7])], {}, "group 'a': all of its 3 rows share one positive"),
        ([unique("b", 9), group("a", [7])], {}, "group 'a': its only row"),
        ([], {}, "mixture is empty"),
        ([group("a", [])], {}, "group 'a' has no rows"),
        ([unique("a", 9)], {"sub_batches": 3}, "cannot be 3 sub-batches"),
        ([unique("a", 9)], {"batch_size": 1}, "cannot be 1 sub-batches"),
        ([unique("a", 9)], {"batch_size": 4, "sub_batches": 4}, "two or more rows"),
    ],
)
def test_what_cannot_be_dealt_is_refused(
    groups: list[GroupRows], options: dict[str, int], said: str
) -> None:
    """An epoch without a batch made `starting_at` run for ever."""
    with pytest.raises(DataError, match=said):
        GlobalBatchSampler(groups, **{"batch_size": 8, **options})


def test_an_epoch_without_a_batch_is_refused() -> None:
    sampler = GlobalBatchSampler([unique("a", 9, weight=0.1)], batch_size=8)
    with pytest.raises(DataError, match="epoch 0 has no batch"):
        sampler.position(0)


@given(st.lists(st.integers(-3, 12), min_size=1, max_size=80), st.integers(2, 9), st.integers(0, 9))
def test_a_deal_is_as_full_as_it_can_be(keys: list[int], size: int, seed: int) -> None:
    """Full batches: as many as a deal of any kind can make, n of them if n batches can hold n times
    the size without a key twice. A greedy order makes fewer where one key is frequent."""
    key_N = number_keys(np.array(keys, np.int64))
    counts = np.bincount(key_N)
    wanted = min(size, len(counts))
    dealt = deal(key_N, size, np.random.default_rng(seed), smallest=0.5)
    if wanted < 2:
        assert len(dealt.row_M) == 0
        return
    possible = max(n for n in range(len(keys) + 1) if np.minimum(counts, n).sum() >= n * wanted)
    sizes = np.diff(dealt.start_B)
    assert (sizes == wanted).sum() >= possible
    assert (sizes >= max(2, wanted / 2)).all()
    assert len(set(dealt.row_M.tolist())) == len(dealt.row_M)
    assert len(dealt.row_M) + dealt.repeats + dealt.left_over == len(keys)


def test_every_row_meets_every_other() -> None:
    """Neighbours in a file that always came together would be the only negatives of each other."""
    met = Counter(
        frozenset(pair)
        for seed in range(400)
        for pair in _pairs(deal(np.arange(6), 3, np.random.default_rng(seed), smallest=0.5).row_M)
    )
    assert len(met) == 15
    assert max(met.values()) < 1.5 * min(met.values())


def _pairs(row_M: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [
        (int(batch[a]), int(batch[b]))
        for batch in row_M.reshape(2, 3)
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]


def test_shuffled_is_uniform() -> None:
    """Words with the number in their low bits sort by chance only if the chance is above them."""
    first = Counter(int(shuffled(5, np.random.default_rng(seed))[0]) for seed in range(2000))
    assert min(first.values()) > 320
    assert shuffled(0, np.random.default_rng(0)).tolist() == []
