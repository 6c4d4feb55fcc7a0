"""Memory that a stage needs, on the device and on the host, and what it writes to the disk."""

from dataclasses import dataclass

from rzen.training.losses import BLOCK_CELLS
from rzen.training.planning.network import NetworkFacts
from rzen.training.planning.steps import StepCost
from rzen.training.reading import PREFETCHED, processes
from rzen.training.settings import StageSettings

# Gradients in float32, and two moments of AdamW beside the weights themselves.
_GRADIENT, _MOMENTS = 4, 8
_SCORES = 8  # numbers of four bytes that the loss holds for a query and a document
_VECTORS = 4  # of each content: the vector, its gradient, both as they are gathered
# What an allocator holds beside what is in use: on a CPU measured over ten runs, whose live memory
# was as computed here (MALLOC_MMAP_THRESHOLD_=262144 gives it back, for slower steps). Tensors of
# more than 32 MiB are given back at once, so that it does not grow with the model.
_SLACK, _MOST_SLACK, _CPU_OVERHEAD = 0.6, 1 << 30, 32 << 20
_CUDA_SLACK, _CUDA_OVERHEAD = 0.1, 1 << 30  # not measured: context, libraries, fragments
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
        overhead: what the allocator holds beside that, and a GPU's context.
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
        # AdamW takes a third of what it keeps for a moment, when no graph is there.
        step = max(self.activations + self.loss, self.training // 3)
        return self.weights + self.copies + self.training + step + self.overhead

    @property
    def host(self) -> int:
        """All that lies on the host beside it."""
        steady = self.processes + self.index + self.prefetched
        return steady + max(self.waiting, self.saving)

    @property
    def together(self) -> int:
        """Where both are one: nothing waits while a checkpoint is saved."""
        steady = self.weights + self.training + self.overhead
        steady += self.processes + self.index + self.prefetched
        step = self.copies + self.activations + self.loss + self.waiting
        return steady + max(step, self.saving)


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
        loss=4 * gathered * cost.contents * facts.dim
        + 4 * _SCORES * min(BLOCK_CELLS, cost.queries * documents),
        overhead=(
            _CUDA_OVERHEAD + int(_CUDA_SLACK * cost.kept)
            if device.startswith("cuda")
            else _CPU_OVERHEAD + min(_MOST_SLACK, int(_SLACK * cost.whole))
        ),
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
