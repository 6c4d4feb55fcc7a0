"""AdamW over named weights, each with its own peak of the learning rate."""

import fnmatch
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from rzen.errors import UsageError
from rzen.training.schedule import factor
from rzen.training.settings import OptimizerSettings


def adamw(
    weights: Mapping[str, nn.Parameter],
    settings: OptimizerSettings,
    extra: Iterable[nn.Parameter] = (),
    extra_peak: float = 0.0,
) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter, arXiv 1711.05101), its groups with their peaks.

    Args:
        weights: by the names that ``settings.rates`` matches.
        settings: rates, decay and the like.
        extra: parameters that never decay, such as temperatures.
        extra_peak: of their learning rate.

    Raises:
        UsageError: if a pattern of ``settings.rates`` matches nothing.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    unmet = set(settings.rates)
    for name, weight in weights.items():
        patterns = [each for each in settings.rates if fnmatch.fnmatchcase(name, each)]
        unmet -= set(patterns)
        peak = settings.rates[patterns[0]] if patterns else settings.learning_rate
        # Matrices decay; gains, shifts and temperatures do not.
        decay = settings.weight_decay if weight.ndim > 1 else 0.0
        groups.setdefault((peak, decay), []).append(weight)
    if unmet:
        raise UsageError(f"optimizer.rates: no trained weight is called {min(unmet)!r}")
    if others := list(extra):
        groups.setdefault((extra_peak, 0.0), []).extend(others)
    return torch.optim.AdamW(
        [
            {"params": members, "weight_decay": decay, "peak": peak}
            for (peak, decay), members in groups.items()
        ],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
    )


def set_rate(
    optimizer: torch.optim.Optimizer, step: int, steps: int, settings: OptimizerSettings
) -> float:
    """Sets every group's rate for a step; returns what the peaks were multiplied with."""
    scale = factor(step, steps, settings)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * scale
    return scale
