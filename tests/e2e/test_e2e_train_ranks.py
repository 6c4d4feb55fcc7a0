"""`rzen train` on two ranks, as torchrun starts it, against one rank with the same batches."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from lora_files import PEFT_WARNINGS
from training_runs import DATA, DEFAULTS, SHORT, logged, train, write_shapes, written

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

# An epsilon of Adam's that is larger than what the order of a sum changes in a gradient of zero.
RECIPE = f"""
{SHORT}
{DEFAULTS.replace("learning_rate = 5e-3", "learning_rate = 5e-3, epsilon = 1e-4")}
temperature = {{ initial = 0.05, learning_rate = 0.05 }}
[[stage]]
name = "first"
steps = 3
[[stage]]
name = "anew"
steps = 1
batch = {{ size = 5, accumulate = 2 }}
[soup]
of = ["first", "anew"]
{DATA}
"""


@pytest.mark.slow
def test_two_ranks_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks that see the same rows, begin with other adapters, drift apart, or both write."""
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))
    recipe = written(write_shapes(tmp_path / "data"), RECIPE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "rzen", "train", str(recipe), "-o", str(tmp_path / "two"), "--json"]
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('"model"') == 1, "the first rank alone talks"
    assert done.stderr.count("rzen: first: 3 steps") == 1
    one = train(recipe, tmp_path / "one")
    assert one.outcome.is_done
    for stage in ("first", "anew"):
        ours, theirs = (logged(tmp_path / each / stage) for each in ("one", "two"))
        assert [line["loss"] for line in theirs] == pytest.approx(
            [line["loss"] for line in ours], abs=1e-5
        )
        for line, other in zip(ours, theirs, strict=True):
            assert other["temperatures"] == pytest.approx(line["temperatures"], abs=1e-6)
            assert other["step"] == line["step"]
        adapters = [
            load_file(tmp_path / each / stage / "model" / "adapter_model.safetensors")
            for each in ("one", "two")
        ]
        assert adapters[0].keys() == adapters[1].keys()
        for name, each in adapters[0].items():
            assert np.abs(each.numpy() - adapters[1][name].numpy()).max() < 1e-5, name
    assert (tmp_path / "two" / "soup" / "adapter_model.safetensors").is_file()
