"""A run that is killed while it saves leaves a whole checkpoint to go on from."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from rzen.errors import DataError
from rzen.training import checkpoints
from rzen.training.checkpoints import Progress, State
from rzen.training.temperatures import Temperatures, TemperatureSettings
from training_toys import TASKS, ToyBackbone

KILLS = 40


def state(fill: float = 0.0) -> State:
    network = ToyBackbone().network
    temperatures = Temperatures(TASKS, TemperatureSettings())
    optimizer = torch.optim.AdamW([*network.parameters(), *temperatures.parameters()])
    for each in [*network.parameters(), *temperatures.parameters()]:
        each.grad = torch.ones_like(each)
    optimizer.step()
    with torch.no_grad():
        for each in network.parameters():
            each.fill_(fill)
    return State(network=network, optimizer=optimizer, temperatures=temperatures)


def saves_until_killed(folder: Path, start: int, pipe: int) -> None:
    step = start
    while True:
        checkpoints.save(folder, state(float(step)), Progress(step=step), keep=2)
        os.write(pipe, step.to_bytes(4, "little"))
        step += 1


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Guards against a half-written checkpoint that is taken for a whole one, and against a run
    that is left without any: what was acknowledged is there, whole, with its own weights."""
    draw = random.Random(5)  # noqa: S311
    acknowledged = 0
    mine = state()
    for _ in range(KILLS):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                saves_until_killed(tmp_path, acknowledged + 1, write)
            finally:
                os._exit(1)
        os.close(write)
        acknowledged = int.from_bytes(os.read(read, 4), "little")  # it is at work
        time.sleep(draw.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while heard := os.read(read, 4):
            acknowledged = int.from_bytes(heard, "little")
        os.close(read)
        kept = checkpoints.newest(tmp_path)
        assert kept is not None
        progress = checkpoints.restore(kept, mine)
        assert acknowledged <= progress.step <= acknowledged + 1
        acknowledged = progress.step
        assert float(mine.network.words.weight[0, 0].detach()) == progress.step  # type: ignore[union-attr,index]
    checkpoints.save(tmp_path, mine, Progress(step=acknowledged + 1), keep=2)
    assert len(list(tmp_path.iterdir())) == 2, "what killed runs left is swept"


@pytest.mark.parametrize("name", ["weights.safetensors", "theta.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "turned", "gone"])
def test_damaged_checkpoints_are_passed_over(tmp_path: Path, name: str, damage: str) -> None:
    """Guards resume after bit rot or a torn write: the newest *whole* one counts."""
    for step in (1, 2):
        checkpoints.save(tmp_path, state(step), Progress(step=step), keep=5)
    file = tmp_path / "step-00000002" / name
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[:-1] if name != "state.json" else content[:-3])
    else:
        content[-1 if name != "state.json" else 0] ^= 0x41
        file.write_bytes(content)
    kept = checkpoints.newest(tmp_path)
    assert kept is not None
    assert kept.name == "step-00000001"


def test_a_full_disk_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards disk full while saving: a clear error, nothing half-written, the last one whole."""
    import resource

    checkpoints.save(tmp_path, state(1), Progress(step=1), keep=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    held = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(DataError, match=r"cannot save the checkpoint.*make room"):
            checkpoints.save(tmp_path, state(2), Progress(step=2), keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, held)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert checkpoints.newest(tmp_path) == tmp_path / "step-00000001"


def test_old_ones_go_and_the_best_stays(tmp_path: Path) -> None:
    """Guards the disk (old checkpoints pile up) and the best measurement's weights."""
    for step in range(1, 6):
        checkpoints.save(tmp_path, state(step), Progress(step=step, best=0.5, best_step=2), keep=2)
    assert sorted(path.name[-1] for path in tmp_path.iterdir()) == ["2", "4", "5"]


def test_another_network_is_refused(tmp_path: Path) -> None:
    """Guards a resume into other weights: lora settings that changed, say."""
    kept = checkpoints.save(tmp_path, state(1), Progress(step=1), keep=2)
    other = ToyBackbone().network
    other.layer = torch.nn.Linear(12, 9)
    with pytest.raises(DataError, match="another network"):
        checkpoints.restore_weights(kept, other)
    other.layer = torch.nn.Linear(12, 8, bias=False)
    with pytest.raises(DataError, match=r"another network \(3 tensors, 2 wanted.*layer.bias"):
        checkpoints.restore_weights(kept, other)
