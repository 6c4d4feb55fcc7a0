"""From operations to seconds, with a range.

Seconds of a step = products / (a share of the speed of plain products) + bytes moved / bandwidth +
calls. The three constants were fitted to steps of three networks on a CPU (a BERT of 22 M
parameters, vision-language models of 9 M and 0.2 M; whole and with adapters, with and without
checkpointing, chunks of 300, 512 and 2048 tokens): from 0.8 to 1.2 of what they took, 1.25 in
bfloat16. On a GPU nothing was measured: the range is wider there.
"""

from rzen.training.planning.machine import Speed
from rzen.training.planning.network import NetworkFacts
from rzen.training.planning.report import Seconds
from rzen.training.planning.steps import StepCost

_SHARE = 0.65
_MOVED = 3.0
_CALLED = 1.25
_RANGES = {"cpu": (0.7, 1.5)}
_RANGE = (0.6, 2.0)


def computing_seconds(facts: NetworkFacts, speed: Speed, cost: StepCost) -> float:
    """Seconds that the network needs for a step.

    Args:
        facts: of the network.
        speed: as measured.
        cost: of the step.
    """
    products = cost.operations / (_SHARE * speed.operations)
    moved = _MOVED * cost.moved / speed.bandwidth
    return products + moved + _CALLED * speed.call * cost.chunks * facts.modules


def step_seconds(device: str, computing: float, reading: float, workers: int) -> Seconds:
    """Seconds of a step with the rows that it needs.

    Args:
        device: one of torch.
        computing: of the network.
        reading: of one process that prepares the rows.
        workers: the loader's processes; none: rows are prepared between steps.
    """
    likely = max(computing, reading / workers) if workers else computing + reading
    low, high = _RANGES.get(device.partition(":")[0], _RANGE)
    return Seconds(low=low * likely, likely=likely, high=high * likely)
