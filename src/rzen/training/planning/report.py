"""A plan as data: what is known of network, sources and stages, what does not fit, what would."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rzen.training.planning.machine import Place, Speed
from rzen.training.planning.memory import Disk, Memory
from rzen.training.planning.network import NetworkFacts
from rzen.training.planning.sources import Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """A time as far as it can be told.

    Attributes:
        low: hardly less.
        likely: the estimate.
        high: hardly more.
    """

    low: float
    likely: float
    high: float

    def times(self, count: float) -> "Seconds":
        """So many of them."""
        return Seconds(low=self.low * count, likely=self.likely * count, high=self.high * count)

    def plus(self, other: "Seconds") -> "Seconds":
        """One after the other."""
        return Seconds(
            low=self.low + other.low,
            likely=self.likely + other.likely,
            high=self.high + other.high,
        )


NO_TIME = Seconds(low=0.0, likely=0.0, high=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """A group of a stage's rows, as its sample has it.

    Attributes:
        name: of the group.
        rows: that it has.
        sampled: rows that were prepared.
        failed: of those, that cannot be read.
        query_tokens: of a query, in the mean.
        document_tokens: of a document, in the mean.
        documents: of a row, in the mean.
        milliseconds: that preparing a row takes.
        is_typical: whether some of its rows stand in for a source that is not here.
    """

    name: str
    rows: int
    sampled: int
    failed: int
    query_tokens: float
    document_tokens: float
    documents: float
    milliseconds: float
    is_typical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """A stage.

    Attributes:
        name: of the stage.
        steps: of the optimiser.
        walked: steps that the figures below are of.
        batches: of an epoch.
        rows: of a step, over all ranks.
        tokens: of a step, over all ranks, padding left out; the mean.
        most_tokens: of the largest.
        step_tokens: of each that was walked through.
        padding: share of what is encoded.
        chunks: of a step, on the busiest rank.
        chunk_tokens: of a chunk, at most.
        operations: of a step, on the busiest rank.
        step: seconds of a step.
        computing: seconds that the network takes for one.
        reading: seconds that one process takes to prepare the rows of a rank.
        workers: processes that do; none: they are prepared between steps.
        total: seconds of the stage, measurements left out.
        memory: of one rank.
        disk: of the run's folder.
        groups: of its rows.
        reasons: why some rows cannot be read.
        problem: why it cannot be planned; then all else is empty.
    """

    name: str
    steps: int = 0
    walked: int = 0
    batches: int = 0
    rows: float = 0.0
    tokens: float = 0.0
    most_tokens: int = 0
    step_tokens: tuple[int, ...] = ()
    padding: float = 0.0
    chunks: float = 0.0
    chunk_tokens: int = 0
    operations: float = 0.0
    step: Seconds = NO_TIME
    computing: float = 0.0
    reading: float = 0.0
    workers: int = 0
    total: Seconds = NO_TIME
    memory: Memory | None = None
    disk: Disk | None = None
    groups: tuple[GroupPlan, ...] = ()
    reasons: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a recipe will need.

    Attributes:
        name: of the recipe.
        base: what is trained.
        place: the machine.
        ranks: processes.
        network: what there is to know of it.
        speed: as measured.
        stages: in their order.
        missing: sources that are not here.
        soup: bytes of the soup; 0 where there is none.
        misfits: what does not fit, and by how much.
        changes: what would make it fit.
        notes: what the figures rest on, and what they leave out.
    """

    name: str
    base: str
    place: Place
    ranks: int
    network: NetworkFacts
    speed: Speed
    stages: tuple[StagePlan, ...]
    missing: tuple[Missing, ...] = ()
    soup: int = 0
    misfits: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def planned(self) -> Sequence[StagePlan]:
        """The stages that could be."""
        return [each for each in self.stages if not each.problem]

    @property
    def total(self) -> Seconds:
        """All stages, one after the other."""
        found = NO_TIME
        for each in self.planned:
            found = found.plus(each.total)
        return found

    @property
    def disk(self) -> int:
        """Bytes that the folder of the run will have."""
        return self.soup + sum(each.disk.total for each in self.planned if each.disk is not None)

    @property
    def device_bytes(self) -> int:
        """What a rank needs on its device, at most."""
        return max((each.memory.device for each in self.planned if each.memory), default=0)

    @property
    def host_bytes(self) -> int:
        """What all ranks of one machine need on the host, at most."""
        found = [
            each.memory.host if self.place.device_bytes is not None else each.memory.together
            for each in self.planned
            if each.memory
        ]
        return self.ranks * max(found, default=0)

    def to_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        network = asdict(self.network)
        network |= {
            name: getattr(self.network, name) for name in ("parameters", "trained", "bytes")
        }
        return {
            "name": self.name,
            "base": self.base,
            "machine": asdict(self.place),
            "ranks": self.ranks,
            "network": network,
            "speed": asdict(self.speed),
            "stages": [self._stage(each) for each in self.stages],
            "missing_sources": [asdict(each) for each in self.missing],
            "total": {
                "seconds": asdict(self.total),
                "disk_bytes": self.disk,
                "device_bytes": self.device_bytes,
                "host_bytes": self.host_bytes,
            },
            "does_not_fit": list(self.misfits),
            "changes": list(self.changes),
            "notes": list(self.notes),
        }

    def _stage(self, stage: StagePlan) -> dict[str, Any]:
        found = asdict(stage)
        if stage.memory is not None and stage.disk is not None:
            found["memory"] |= {"device": stage.memory.device, "host": stage.memory.host}
            found["disk"] |= {"total": stage.disk.total}
        return found
