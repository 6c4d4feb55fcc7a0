"""The network in training as an encoder that can be measured."""

import hashlib
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from rzen.protocols import Encoder
from rzen.training.checkpoints import trained
from rzen.types import Fingerprint


class Snapshot:
    """An encoder whose fingerprint says which weights it has right now.

    Vectors are kept by fingerprint: with that of the base, every measurement would get the vectors
    of the first.

    Args:
        encoder: over the network.
        network: in training.
    """

    def __init__(self, encoder: Encoder, network: nn.Module) -> None:
        self._encoder = encoder
        whole = hashlib.blake2b(digest_size=16)
        for name, weight in trained(network).items():
            whole.update(name.encode())
            whole.update(weight.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
        base = encoder.fingerprint
        self.fingerprint: Fingerprint = replace(
            base,
            weights=f"{base.weights}+{whole.hexdigest()}",
            encoder=f"{base.encoder} in training",
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)
