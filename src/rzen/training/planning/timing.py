"""From operations to seconds, with a range."""

from rzen.training.planning.machine import Speed
from rzen.training.planning.network import NetworkFacts
from rzen.training.planning.report import Seconds

# Of the speed of plain products, what whole steps come to: norms, activations, attention and
# copies take the rest. The CPU's was measured over steps of three networks; a GPU's is what such
# training commonly reaches.
_EFFICIENCY = {"cpu": 0.6, "cuda": 0.5}
_LOW, _HIGH = 0.6, 1.7
# Calls of a layer in a step: forward without a graph, forward with one, backward.
_PASSES = 1.5


def seconds_of(
    facts: NetworkFacts, speed: Speed, device: str, *, operations: float, chunks: float
) -> float:
    """Seconds that the network needs for a step.

    Args:
        facts: of the network.
        speed: as measured.
        device: where it is.
        operations: of the step.
        chunks: that they are cut into.
    """
    efficiency = _EFFICIENCY.get(device.partition(":")[0], _EFFICIENCY["cuda"])
    calls = chunks * facts.modules * _PASSES
    return operations / (speed.operations * efficiency) + calls * speed.call


def step_seconds(computing: float, reading: float, workers: int) -> Seconds:
    """Seconds of a step with the rows that it needs.

    Args:
        computing: of the network.
        reading: of one process that prepares the rows.
        workers: the loader's processes; none: rows are prepared between steps.
    """
    likely = max(computing, reading / workers) if workers else computing + reading
    return Seconds(low=_LOW * likely, likely=likely, high=_HIGH * likely)
