"""The steps that a stage will take, walked through in lengths: batches, chunks, what they cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from rzen.data.batch_sampler import GlobalBatch, GlobalBatchSampler
from rzen.encoders.batching import by_length
from rzen.training.planning.lengths import Length, RowLengths, Sampled
from rzen.training.planning.network import NetworkFacts
from rzen.training.planning.work import ChunkCost, chunk_cost
from rzen.training.settings import StageSettings

_MOST_ROWS = 150_000
_LEAST_STEPS = 16
"""Steps that are walked through: all of a short stage, else a seeded choice of its first epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """Of one step; of several ranks, what the busiest one has.

    Attributes:
        tokens: of all ranks, without padding, as the log says it.
        padded: of the busiest rank, with padding.
        rows: of all ranks.
        contents: of all ranks, each distinct document of a rank once.
        queries: of a batch, over all ranks.
        chunks: of the busiest rank.
        operations: of the busiest rank, all passes.
        moved: bytes that go through memory beside products, of the busiest rank, all passes.
        kept: bytes of the largest graph, with what goes into it.
        whole: bytes of the largest graph if no activation were computed twice.
        waiting: bytes that wait on the host of the busiest rank, for one batch.
        reading: seconds of one process that prepares the rows of the busiest rank.
    """

    tokens: int
    padded: int
    rows: int
    contents: int
    queries: int
    chunks: int
    operations: float
    moved: float
    kept: int
    whole: int
    waiting: int
    reading: float


@dataclass(slots=True, kw_only=True)
class Walk:
    """Walks through steps.

    Attributes:
        facts: of the network.
        stage: its settings.
        ranks: processes.
        sampled: lengths of rows, group by group.
        chunk_tokens: of a chunk, at most.
        seed: of what is drawn.
    """

    facts: NetworkFacts
    stage: StageSettings
    ranks: int
    sampled: Sequence[Sampled]
    chunk_tokens: int
    seed: int
    _stock: dict[tuple[int, int], list[RowLengths | None]] = field(init=False)

    def __post_init__(self) -> None:
        self._stock = {}
        for group, sampled in enumerate(self.sampled):
            for (source, _), lengths in sampled.rows.items():
                self._stock.setdefault((group, source), []).append(lengths)
                self._stock.setdefault((group, -1), []).append(lengths)

    def costs(self, sampler: GlobalBatchSampler, steps: int) -> list[StepCost]:
        """Of all steps of a short stage, of some of a long one's first epoch."""
        generator = np.random.default_rng([self.seed, 1])
        return [self._step(batches, generator) for batches in self._batches(sampler, steps)]

    def _batches(self, sampler: GlobalBatchSampler, steps: int) -> Iterator[list[GlobalBatch]]:
        each = self.stage.batch.accumulate
        most = max(_LEAST_STEPS, _MOST_ROWS // (self.stage.batch.size * each))
        if steps <= most:
            batches = sampler.starting_at(0)
            for _ in range(steps):
                yield [next(batches) for _ in range(each)]
            return
        whole = sampler.batches_in(0) // each
        generator = np.random.default_rng([self.seed, 0])
        chosen = set(generator.permutation(min(steps, whole))[:most].tolist())
        batches = sampler.epoch(0)
        for step in range(max(chosen) + 1):
            found = [next(batches) for _ in range(each)]
            if step in chosen:
                yield found

    def _step(self, batches: Sequence[GlobalBatch], generator: np.random.Generator) -> StepCost:
        costs = [self._batch(batch, generator) for batch in batches]
        return StepCost(
            tokens=sum(each.tokens for each in costs),
            padded=sum(each.padded for each in costs),
            rows=sum(each.rows for each in costs),
            contents=max(each.contents for each in costs),
            queries=max(each.queries for each in costs),
            chunks=sum(each.chunks for each in costs),
            operations=sum(each.operations for each in costs),
            moved=sum(each.moved for each in costs),
            kept=max(each.kept for each in costs),
            whole=max(each.whole for each in costs),
            waiting=max(each.waiting for each in costs),
            reading=sum(each.reading for each in costs),
        )

    def _batch(self, batch: GlobalBatch, generator: np.random.Generator) -> StepCost:
        of_ranks = [
            self._contents(batch, batch.slice(rank, self.ranks), generator)
            for rank in range(self.ranks)
        ]
        chunks = [self._chunks(contents) for _, contents in of_ranks]
        operations = [self._operations(each) for each in chunks]
        queries = sum(rows for rows, _ in of_ranks)
        documents = sum(len(contents) for _, contents in of_ranks) - queries
        vectors = (queries + documents) * self.facts.dim
        # Forward and both gradients of scores and sums; small, and the same on each rank.
        loss = 6.0 * queries * documents * self.facts.dim
        return StepCost(
            tokens=sum(each.tokens for _, contents in of_ranks for each in contents),
            padded=max(sum(each.tokens for each in some) for some in chunks),
            rows=queries,
            contents=vectors // self.facts.dim,
            queries=queries,
            chunks=max(map(len, chunks)),
            operations=max(operations) + loss,
            moved=max(self._moved(each) for each in chunks),
            kept=max((each.kept + each.inputs for some in chunks for each in some), default=0),
            whole=max((each.whole for some in chunks for each in some), default=0),
            waiting=max(sum(each.bytes for each in contents) for _, contents in of_ranks),
            reading=self._reading(batch) / self.ranks,
        )

    def _reading(self, batch: GlobalBatch) -> float:
        parts: list[int] = batch.sub_batch_B.tolist()
        return sum(self.sampled[batch.groups[part]].seconds_per_row for part in parts)

    def _contents(
        self, batch: GlobalBatch, own: GlobalBatch, generator: np.random.Generator
    ) -> tuple[int, list[Length]]:
        """Rows that can be read, and their contents as a rank encodes them."""
        queries: list[Length] = []
        documents: dict[str, Length] = {}
        columns = (own.source_B.tolist(), own.row_B.tolist(), own.sub_batch_B.tolist())
        for place, (source, row, part) in enumerate(zip(*columns, strict=True)):
            group = batch.groups[part]
            known = self.sampled[group].rows
            mark = ""
            if (source, row) in known:
                lengths = known[source, row]
            else:
                stock = self._stock.get((group, source)) or self._stock[group, -1]
                lengths = stock[int(generator.integers(len(stock)))]
                mark = f" of {place}"  # a row like it, with documents of its own
            if lengths is None:
                continue
            queries.append(lengths.query)
            documents |= {f"{key}{mark}": each for key, each in lengths.documents.items()}
        return len(queries), [*queries, *documents.values()]

    def _chunks(self, contents: Sequence[Length]) -> list[ChunkCost]:
        lengths = [each.tokens for each in contents]
        items = self.stage.batch.chunk_items
        cut = by_length(lengths, tokens=self.chunk_tokens, items=items)
        return [chunk_cost(self.facts, [contents[each] for each in some]) for some in cut]

    def _operations(self, chunks: Sequence[ChunkCost]) -> float:
        """GradCache: every chunk twice, but for the first, whose graph is kept."""
        once = sum(each.forward for each in chunks)
        again = sum(each.forward for each in chunks[1:])
        back = sum(each.backward for each in chunks)
        return once + again + back + (once if self.facts.is_checkpointed else 0.0)

    def _moved(self, chunks: Sequence[ChunkCost]) -> float:
        """The way back puts out about what the way there does, twice: gradients, and their sums."""
        once = sum(each.moved for each in chunks)
        again = sum(each.moved for each in chunks[1:])
        return 3.0 * once + again + (once if self.facts.is_checkpointed else 0.0)


def mean_of(costs: Sequence[StepCost], name: str) -> float:
    """The mean of one figure."""
    return float(np.mean([getattr(each, name) for each in costs])) if costs else 0.0


def largest_of(costs: Sequence[StepCost]) -> StepCost:
    """The largest of each figure."""
    return StepCost(
        **{each.name: max(getattr(cost, each.name) for cost in costs) for each in fields(StepCost)}
    )
