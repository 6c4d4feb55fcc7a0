"""One learnable temperature a task: values, bounds, absent tasks, saving."""

import math

import pytest
import torch
from pydantic import ValidationError

from rzen.training.temperatures import Temperatures, TemperatureSettings

TASKS = ("image retrieval", "video.qa", "grounding")


def made(**changes: object) -> Temperatures:
    return Temperatures(TASKS, TemperatureSettings(**changes))


def test_rows_get_the_temperature_of_their_task() -> None:
    """Guards the lookup: rows of a mixed batch must not share one."""
    found = made(start={"video.qa": 0.1})(torch.tensor([1, 0, 1, 2]))
    torch.testing.assert_close(found, torch.tensor([0.1, 0.02, 0.1, 0.02]))


def test_absent_tasks_are_left_alone() -> None:
    """Guards against Adam's momentum moving a task that the step does not hold."""
    temperatures = made()
    optimizer = torch.optim.AdamW(temperatures.parameters(), lr=0.1, weight_decay=0.0)
    for task in (0, 0, 1):
        optimizer.zero_grad(set_to_none=True)
        temperatures(torch.tensor([task])).sum().backward()
        before = temperatures.state()
        optimizer.step()
        moved = (temperatures.state() != before).tolist()
        assert moved == [each == task for each in range(3)]


def test_clamped_within_bounds() -> None:
    """Guards against temperatures that run away: below 0.01 bfloat16's rounding decides."""
    temperatures = made(low=0.01, high=0.05)
    with torch.no_grad():
        temperatures.theta[0].fill_(math.log(1e-4))
        temperatures.theta[1].fill_(math.log(3.0))
    temperatures.clamp()
    assert temperatures.values() == pytest.approx(
        {"image retrieval": 0.01, "video.qa": 0.05, "grounding": 0.02}
    )


def test_not_learned_has_no_gradient() -> None:
    """Guards ``learned = false``: a fixed temperature must not be a parameter of the optimiser."""
    temperatures = made(learned=False)
    assert not temperatures(torch.tensor([0])).requires_grad


def test_restored_by_name() -> None:
    """Guards against temperatures that change places when the order of tasks does."""
    first = made(start={"grounding": 0.1})
    second = Temperatures(("grounding", "new"), TemperatureSettings())
    second.restore(first.tasks, first.state())
    assert second.values() == pytest.approx({"grounding": 0.1, "new": 0.02})


@pytest.mark.parametrize("changes", [{"initial": 0.001}, {"start": {"a": 5.0}}, {"initial": -1}])
def test_bad_settings_are_refused(changes: dict[str, object]) -> None:
    """Guards against an initial value that the first clamp would change without a word."""
    with pytest.raises(ValidationError):
        made(**changes)
