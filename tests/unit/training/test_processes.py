"""The ranks of a run and its trackers, where there is one process."""

from pathlib import Path

import pytest
import torch

from rzen.encoders.loading import device_named
from rzen.errors import UsageError
from rzen.training.processes import Processes
from rzen.training.ranks import Ranks


def test_one_process_is_one_rank(tmp_path: Path) -> None:
    """A laptop taken for a cluster; a folder that is there before the run has claimed it."""
    processes = Processes("cpu", (), tmp_path / "curves")
    assert processes.ranks == Ranks(rank=0, count=1, device="cpu")
    processes.begin("toy", {"seed": "1"})
    processes.track({"loss": 1.0}, 1)
    processes.end()
    assert list(tmp_path.iterdir()) == []


def test_the_device_that_is_named_is_taken(tmp_path: Path) -> None:
    """`--set device=cuda:1` that trains on the first one."""
    assert Processes("cuda:1", (), tmp_path).ranks.device == "cuda:1"
    if not torch.cuda.is_available():
        assert Processes("auto", (), tmp_path).ranks.device == "cpu"


def test_the_cpu_has_one_name() -> None:
    """accelerate calls the CPU of the second process cpu:1, which was taken for a GPU: two ranks
    computed in bfloat16."""
    assert device_named("cpu:1") == device_named("cpu") == "cpu"


def test_trackers_that_are_not_installed_are_named(tmp_path: Path) -> None:
    """A run without its curves, noticed at its end."""
    with pytest.raises(UsageError, match="track: aim is not installed: pip install it"):
        Processes("cpu", ("tensorboard", "aim"), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="would wait for a second process")
def test_processes_that_do_not_find_each_other_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of one rank each, both writing into one folder."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="2 processes were started, and do not find each other"):
        Processes("cuda:1", (), tmp_path)
