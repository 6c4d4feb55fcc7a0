"""The learning rate as a function of the step alone: nothing of it has to be saved."""

import math

from rzen.training.settings import OptimizerSettings


def factor(step: int, steps: int, settings: OptimizerSettings) -> float:
    """What the peak learning rate is multiplied with in a step.

    >>> cosine = OptimizerSettings(warmup=0.1)
    >>> [round(factor(step, 100, cosine), 2) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]

    Args:
        step: from 0.
        steps: of the stage.
        settings: warm-up and shape.
    """
    warm = round(steps * settings.warmup)
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    match settings.schedule:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        case "linear":
            return 1 - done
        case "constant":
            return 1.0
