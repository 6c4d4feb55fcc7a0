"""What a stage may be told: defaults that are the paper's, and values that cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from rzen.training.schedule import factor
from rzen.training.settings import LoraSettings, NetworkSettings, OptimizerSettings, StageSettings


def test_defaults_are_the_papers() -> None:
    """A default that drifts makes another model than the one that is compared with (RzenEmbed)."""
    stage, lora = StageSettings(name="x"), LoraSettings()
    assert (stage.batch.size, stage.batch.sub_batches, stage.batch.negatives) == (768, 1, "batch")
    assert (stage.loss.alpha, stage.loss.delta, stage.loss.false_negatives) == (
        9.0,
        0.95,
        "document",
    )
    assert (stage.loss.detach_weights, stage.loss.symmetric) == (True, False)
    assert (stage.optimizer.learning_rate, stage.optimizer.weight_decay) == (2e-4, 0.05)
    assert (stage.temperature.initial, stage.temperature.learned) == (0.02, True)
    assert (lora.rank, lora.alpha, lora.dropout, lora.layers) == (64, 64.0, 0.0, ("*",))
    assert (stage.epochs, stage.steps) == (1.0, None)


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "."},
        {"name": ".hidden"},
        {"epochs": 0},
        {"steps": 0},
        {"batch": {"size": 1}},
        {"batch": {"size": 9, "sub_batches": 2}},
        {"batch": {"accumulate": 0}},
        {"batch": {"negatives": "rank"}},
        {"batch": {"positives": 0}},
        {"optimizer": {"warmup": 1.0}},
        {"optimizer": {"schedule": "step"}},
        {"optimizer": {"clip_norm": 0}},
        {"optimizer": {"betas": [0.9]}},
        {"loss": {"alpha": -1}},
        {"loss": {"false_negatives": "guess"}},
        {"temperature": {"initial": 0.5}},
        {"temperature": {"start": {"a": 0.001}}},
        {"temperature": {"low": 0.2, "high": 0.1}},
        {"checkpoint": {"keep": 0}},
        {"checkpoint": {"every_minutes": 0}},
        {"evaluation": {"split": "train"}},
        {"evaluation": {"patience": -1}},
        {"max_failed": 1.5},
        {"workers": -2},
        {"log_every": 0},
        {"repeat": {"a": 0}},
        {"weights": {"a": -1}},
        {"unknown": 1},
    ],
    ids=str,
)
def test_values_that_cannot_be_are_refused(values: dict[str, Any]) -> None:
    """A value that breaks the run at its first step, or at its last."""
    with pytest.raises(ValidationError):
        StageSettings.model_validate({"name": "x", **values})


@pytest.mark.parametrize(
    "values",
    [
        {"lora": {"rank": 0}},
        {"lora": {"dropout": 1.0}},
        {"lora": {}, "frozen": ["*"]},
        {"look": {"picture_tokens": [4]}},
        {"look": {"frames": 0}},
        {"precision": "float16"},
    ],
    ids=str,
)
def test_networks_that_cannot_be_are_refused(values: dict[str, Any]) -> None:
    """The same of the network."""
    with pytest.raises(ValidationError):
        NetworkSettings.model_validate({"base": "x", **values})


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_the_learning_rate_is_never_zero_at_first(schedule: Any, warmup: float, steps: int) -> None:
    """A first step without a learning rate is a step for nothing; the peak is the most."""
    own = OptimizerSettings(schedule=schedule, warmup=warmup)
    found = [factor(step, steps, own) for step in range(steps)]
    assert found[0] > 0
    assert all(0 <= each <= 1 for each in found)
    assert max(found) == pytest.approx(1)
    top = found.index(max(found))
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
    if schedule == "constant":
        assert set(found[top:]) == {1.0}
