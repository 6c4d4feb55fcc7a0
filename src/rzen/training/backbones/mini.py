"""The built-in ``mini``, trained: its towers stay as they are, layers on top learn what to add."""

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from rzen.config import Limits, cache_folder
from rzen.encoders.mini.architecture import Architecture
from rzen.encoders.mini.network import MiniNetwork, collate
from rzen.encoders.mini.part_store import PartStore
from rzen.encoders.mini.prepared import Prepared, cost
from rzen.encoders.mini.preparing import Preparer
from rzen.encoders.mini.trained import TrainedMiniEncoder
from rzen.errors import UsageError
from rzen.protocols import Encoder
from rzen.training.adapters import freeze
from rzen.training.settings import NetworkSettings
from rzen.types import Content, Role


class MiniBackbone:
    """``mini`` with layers that are trained; on the CPU.

    What the frozen towers say of a picture or a text is kept in the cache, so that each goes
    through them once, in this run and the next.

    Args:
        settings: what is trained of it.
        folder: a trained ``mini`` to go on from; ``None`` begins at ``mini`` itself.
        limits: of decoders.

    Raises:
        UsageError: if a setting does not go with it.
        EncoderError: if the folder is damaged, or the cache cannot be written.
        MissingExtraError: if the extra ``mini`` is not installed.
    """

    device = "cpu"
    keeps_prepared = True

    def __init__(self, settings: NetworkSettings, folder: Path | None, limits: Limits) -> None:
        for name in ("template", "lora", "gradient_checkpointing"):
            if getattr(settings, name):
                raise UsageError(f"network.{name}: mini has no use for it: leave it out")
        if settings.look.model_dump(exclude_none=True):
            raise UsageError("network.look: mini looks at pictures in its own way: leave it out")
        self.name = "mini" if folder is None else str(folder)
        self._limits = limits
        if folder is None:
            self.network = MiniNetwork(Architecture())
        else:
            self.network = MiniNetwork.from_folder(folder)
        freeze(self.network, settings.frozen)
        self.dim = 384
        self._store = PartStore(cache_folder() / "mini-parts.sqlite")
        self._preparer = Preparer(self.network.architecture, limits=limits, store=self._store)
        self._process = os.getpid()
        # An encoder on onnxruntime reads a folder; this one holds the network as it is measured.
        self._measured: TemporaryDirectory[str] | None = None

    def prepare(self, content: Content, role: Role, instruction: str | None) -> "_Counted":
        """See :class:`rzen.training.backbone.Backbone`; roles and instructions change nothing."""
        del role, instruction
        if self._process != os.getpid():
            # A worker: neither networks nor a database survive a fork, so it opens its own.
            self._process, self._preparer = os.getpid(), copy.copy(self._preparer)
        return _Counted(self._preparer.prepare(content))

    def encode(self, prepared: Sequence["_Counted"]) -> Tensor:
        """See :class:`rzen.training.backbone.Backbone`."""
        vectors: Tensor = self.network(collate([each.prepared for each in prepared]))
        return vectors

    def encoder(self) -> Encoder:
        """See :class:`rzen.training.backbone.Backbone`."""
        self._measured = TemporaryDirectory(prefix="rzen-mini-")
        folder = Path(self._measured.name) / "model"
        self.save(folder)
        return TrainedMiniEncoder(folder, limits=self._limits, store=self._store)

    def save(self, folder: Path) -> None:
        """See :class:`rzen.training.backbone.Backbone`."""
        self.network.save(folder)


class _Counted:
    """A prepared content that says what it costs."""

    __slots__ = ("prepared", "tokens")

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.tokens = cost(prepared)
