"""Memory that a stage needs, on the device and on the host, and what it writes to the disk."""

from dataclasses import dataclass

from rzen.training.planning.network import NetworkFacts
from rzen.training.planning.steps import StepCost
from rzen.training.reading import PREFETCHED, processes
from rzen.training.settings import StageSettings

# Gradients in float32, and two moments of AdamW beside the weights themselves.
_GRADIENT, _MOMENTS = 4, 8
_SCORES = 8  # numbers of four bytes that the loss holds for a query and a document
_VECTORS = 4  # of each content: the vector, its gradient, both as they are gathered
_CUDA_OVERHEAD = 1 << 30  # context, libraries and fragments of the allocator
_LIBRARIES = 700 << 20  # Python, torch and transformers, in the main process
_WORKER = 150 << 20  # that a loader's process has to itself
_ROW = 64  # of the plan of batches, for each row of the mixture


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes of one rank.

    Attributes:
        weights: of the network, in the dtype that each has.
        copies: of trained weights in the dtype of the arithmetic, where that is another.
        training: gradients and moments of what is trained.
        activations: of the largest chunk, with what goes into it.
        loss: vectors and scores.
        overhead: of a GPU's context.
        waiting: prepared contents on the host, of the batch at hand.
        prefetched: of batches that the loader's processes read ahead.
        processes: the loader's, and the libraries of the main one.
        index: of the rows and the plan of their batches.
        saving: what writing a checkpoint or a model holds for a moment.
    """

    weights: int
    copies: int
    training: int
    activations: int
    loss: int
    overhead: int
    waiting: int
    prefetched: int
    processes: int
    index: int
    saving: int

    @property
    def device(self) -> int:
        """All that lies where the network is."""
        return (
            self.weights
            + self.copies
            + self.training
            + max(self.activations + self.loss, self.training // 3)
            + self.overhead
        )

    @property
    def host(self) -> int:
        """All that lies on the host beside it."""
        steady = self.processes + self.index + self.prefetched
        return steady + max(self.waiting, self.saving)

    def together(self) -> int:
        """On a machine where both are one."""
        fixed = self.weights + self.training + self.processes + self.index + self.prefetched
        return fixed + max(self.activations + self.loss + self.copies + self.waiting, self.saving)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes that a stage writes.

    Attributes:
        checkpoint: one of them.
        checkpoints: those that lie there at once, one of them being written.
        model: what comes out.
    """

    checkpoint: int
    checkpoints: int
    model: int

    @property
    def total(self) -> int:
        """All in all."""
        return self.checkpoint * self.checkpoints + self.model


def memory_of(  # noqa: PLR0913 (one parameter a fact)
    facts: NetworkFacts,
    stage: StageSettings,
    cost: StepCost,
    *,
    device: str,
    ranks: int,
    rows: int,
    is_merged: bool,
) -> Memory:
    """What one rank needs.

    Args:
        facts: of the network.
        stage: its settings.
        cost: the largest figures of its steps.
        device: where the network is.
        ranks: processes in all; they share the vectors.
        rows: of the mixture.
        is_merged: whether the model is saved whole though adapters are trained.
    """
    documents = cost.contents - cost.queries
    workers = processes(stage.workers)
    mixed = facts.is_mixed and facts.state_bytes != 2
    gathered = _VECTORS if ranks > 1 else _VECTORS - 1
    return Memory(
        weights=facts.bytes,
        copies=2 * facts.trained if mixed else 0,
        training=(_GRADIENT + _MOMENTS) * facts.trained,
        activations=cost.kept,
        loss=4 * gathered * cost.contents * facts.dim + 4 * _SCORES * cost.queries * documents,
        overhead=_CUDA_OVERHEAD if device.startswith("cuda") else 0,
        waiting=cost.waiting,
        prefetched=workers * PREFETCHED * cost.waiting,
        processes=_LIBRARIES + workers * _WORKER,
        index=_ROW * rows,
        saving=max(_MOMENTS * facts.trained, 4 * facts.parameters if is_merged else 0),
    )


def disk_of(facts: NetworkFacts, stage: StageSettings, *, is_adapter: bool) -> Disk:
    """What a stage writes.

    Args:
        facts: of the network.
        stage: its settings.
        is_adapter: whether its model is the adapter alone.
    """
    best = 1 if stage.evaluation.suite else 0
    return Disk(
        checkpoint=(4 + _MOMENTS) * facts.trained,
        checkpoints=stage.checkpoint.keep + best + 1,
        model=4 * facts.trained if is_adapter else facts.bytes,
    )
