"""What a forward pass keeps for the way back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def saved_tensors() -> Iterator[dict[int, int]]:
    """Yields the storages that autograd keeps, address -> bytes, as they come."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept
