"""Learnable temperatures, one for each task (RzenEmbed, arXiv 2510.27350: T_t = exp(theta_t)).

Each theta is a parameter of its own, so that a step without its task leaves it alone: a shared
vector would be moved on by Adam's momentum.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn


class TemperatureSettings(BaseModel):
    """How sharp the softmax is, and whether that is learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # [open] in the paper. 0.02 is VLM2Vec's and LLaVE's fixed one; below 0.01 the logits of two
    # equal cosines differ by what bfloat16 rounds away (CLIP's own clamp is 0.01, too).
    initial: float = Field(0.02, gt=0, description="at the start of every task")
    low: float = Field(0.01, gt=0, description="least value")
    high: float = Field(0.2, gt=0, description="largest value")
    learned: bool = Field(True, description="whether it is learned at all")
    # At the 2e-4 of the network it would hardly move within a short run.
    learning_rate: float = Field(2e-3, gt=0, description="of log T, never decayed by weight decay")
    start: Mapping[str, float] = Field({}, description="task -> another initial value")

    @model_validator(mode="after")
    def _ordered(self) -> "TemperatureSettings":
        for name, value in {"initial": self.initial, **self.start}.items():
            if not self.low <= value <= self.high:
                raise ValueError(f"{name} is {value}, not between low {self.low}, high {self.high}")
        return self


class Temperatures(nn.Module):
    """The temperatures of some tasks.

    Args:
        tasks: their names; the order gives their numbers.
        settings: initial values and bounds.
    """

    def __init__(self, tasks: Sequence[str], settings: TemperatureSettings) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.settings = settings
        self.theta = nn.ParameterList(
            nn.Parameter(
                torch.tensor(math.log(settings.start.get(task, settings.initial))),
                requires_grad=settings.learned,
            )
            for task in self.tasks
        )

    def forward(self, task_B: Tensor) -> Tensor:
        """(B,) temperatures of rows.

        Args:
            task_B: numbers of the rows' tasks.
        """
        present, which_B = torch.unique(task_B, return_inverse=True)
        # Those of other tasks stay out of the graph: no gradient, no step of the optimiser.
        thetas = torch.stack([self.theta[task] for task in present.tolist()])
        return thetas[which_B].exp()

    @torch.no_grad()
    def clamp(self) -> None:
        """Brings every temperature back within its bounds; after each step of the optimiser."""
        low, high = math.log(self.settings.low), math.log(self.settings.high)
        for theta in self.theta:
            theta.clamp_(low, high)

    def values(self) -> dict[str, float]:
        """Task -> temperature."""
        return {
            task: math.exp(theta.item())
            for task, theta in zip(self.tasks, self._detached(), strict=True)
        }

    def state(self) -> Tensor:
        """(T,) float32: the thetas, to be saved exactly."""
        return torch.stack(list(self._detached())).cpu()

    @torch.no_grad()
    def restore(self, tasks: Sequence[str], theta_T: Tensor) -> None:
        """Puts saved thetas back, by their tasks' names; tasks without a saved one keep theirs."""
        saved = dict(zip(tasks, theta_T, strict=True))
        for task, theta in zip(self.tasks, self.theta, strict=True):
            if task in saved:
                theta.copy_(saved[task])

    def _detached(self) -> Iterator[Tensor]:
        return (theta.detach() for theta in self.theta)
