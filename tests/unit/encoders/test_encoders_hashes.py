import json
import os
from pathlib import Path

import pytest

from rzen.encoders import hashes


def test_a_changed_file_is_hashed_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    """Changed weights keep their old fingerprint; or gigabytes are read on every start."""
    file, memory = tmp_path / "weights", tmp_path / "cache" / "hashes.json"
    file.write_bytes(b"one")
    first = hashes.file_hashes([file], memory)
    stamp = file.stat().st_mtime_ns
    file.write_bytes(b"two")
    os.utime(file, ns=(stamp, stamp))  # the same size and time: the memory is believed
    assert hashes.file_hashes([file], memory) == first
    os.utime(file, ns=(stamp + 1, stamp + 1))
    assert hashes.file_hashes([file], memory) != first


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"x": ', "[" * 100_000, '{"%s": 3}', '{"%s": {"stamp": [3, 1]}}']
)
def test_a_damaged_memory_only_costs_time(tmp_path: Path, damage: str) -> None:
    """A half-written cache file makes every start fail."""
    file, memory = tmp_path / "weights", tmp_path / "hashes.json"
    file.write_bytes(b"one")
    memory.write_text(damage.replace("%s", str(file)))
    assert len(hashes.file_hashes([file], memory)[file]) == 64
    assert json.loads(memory.read_text())[str(file)]["sha256"]
