"""The seam between the loop and what it trains: a network that turns contents into unit vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from rzen.protocols import Encoder
from rzen.types import Content, Role


class Prepared(Protocol):
    """One content, read, decoded and tokenised; small enough to wait on the host."""

    @property
    def tokens(self) -> int:
        """What it costs, beside others and their padding."""


class Backbone(Protocol):
    """A network in training.

    ``prepare`` runs in worker processes, everything else where the network is.
    """

    @property
    def name(self) -> str:
        """What it was made from."""

    @property
    def network(self) -> nn.Module:
        """All weights, those that are trained among them."""

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""

    @property
    def device(self) -> str:
        """Where it is."""

    @property
    def keeps_prepared(self) -> bool:
        """Whether a content that was prepared once, in this run or an earlier one, is kept."""

    def prepare(self, content: Content, role: Role, instruction: str | None) -> Prepared:
        """Opens one content, as the encoder would.

        Raises:
            RzenError: if it cannot be read or encoded.
        """

    def encode(self, prepared: Sequence[Any]) -> Tensor:
        """(N, D) float32 unit vectors, with a graph where gradients are on."""

    def encoder(self) -> Encoder:
        """The same network as an encoder: what is measured while training."""

    def save(self, folder: Path) -> None:
        """Writes what :func:`rzen.load` takes into an empty folder."""
