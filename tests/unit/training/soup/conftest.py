"""Adapters that several modules mix."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lora_files import write_adapter


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hashes of folders that will be gone do not belong into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="package")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three of one rank and scale, on the same modules, as of three runs of one recipe."""
    place = tmp_path_factory.mktemp("adapters")
    return [write_adapter(place / f"run-{seed}", seed) for seed in range(3)]


@pytest.fixture(scope="package")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three with ranks, scales and modules of their own."""
    place = tmp_path_factory.mktemp("unlike")
    return [
        write_adapter(place / "plain", 1, ["q_proj", "v_proj"], rank=2, alpha=16),
        write_adapter(place / "stable", 2, ["q_proj", "fc1"], rank=9, alpha=6, use_rslora=True),
        write_adapter(
            place / "patterned",
            3,
            ["q_proj", "qkv", "down_proj"],
            rank=3,
            alpha=5,
            rank_pattern={"layers.1.self_attn.q_proj": 7},
            alpha_pattern={"down_proj": 11, r"blocks\.[01]\.attn\.qkv": 2},
        ),
    ]
