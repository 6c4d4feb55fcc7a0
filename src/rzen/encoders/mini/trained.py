"""A trained ``mini``, run on onnxruntime: what ``rzen train`` writes for it, and ``rzen`` loads."""

import importlib.metadata
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits, cache_folder
from rzen.encoders.batching import by_length
from rzen.encoders.hashes import combined, file_hashes
from rzen.encoders.mini import architecture as sizes
from rzen.encoders.mini import calibration
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.encoders.mini.part_store import PartStore
from rzen.encoders.mini.prepared import Batch, Prepared, cost, gathered
from rzen.encoders.mini.preparing import Preparer
from rzen.encoders.mini.runtime import Network, default_threads
from rzen.encoders.mini.text import TEXT_DIM
from rzen.encoders.mini.trained_folder import read_folder, word_table, write_whole
from rzen.encoders.rows import Rows
from rzen.errors import EncoderError, MissingExtraError
from rzen.types import Calibration, Content, Encoded, Fingerprint, Modality, Role, Vectors

_GRAPH_VERSION = 1  # count up when the graph of the same weights changes
_BATCH_TOKENS = 512
_BATCH_ITEMS = 32


class TrainedMiniEncoder:
    """``mini`` with trained layers on top; roles and instructions change nothing here either.

    Args:
        folder: with config.json, model.safetensors and rzen.json, as
            :meth:`rzen.encoders.mini.network.MiniNetwork.save` writes it; calibration.toml, if it
            is there, says how its cosines compare.
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.
        threads: of onnxruntime; ``None`` takes the cores at hand, eight at most.
        store: where prepared parts are kept; ``None`` keeps none.

    Raises:
        MissingExtraError: if the extra ``mini`` is not installed.
        EncoderError: if the folder is damaged or does not fit, or the cache cannot be written.
    """

    dim = TEXT_DIM
    modalities = MiniEncoder.modalities
    reads_pages = True
    budget = MiniEncoder.budget

    def __init__(
        self,
        folder: Path,
        *,
        limits: Limits | None = None,
        threads: int | None = None,
        store: PartStore | None = None,
    ) -> None:
        self._threads = threads or default_threads()
        self._folder = folder
        self._architecture, self._arrays = read_folder(folder)
        self._preparer = Preparer(
            self._architecture, limits=limits, threads=self._threads, store=store
        )
        self._lock = threading.Lock()
        self._loaded: tuple[Network, NDArray[np.float32]] | None = None

    @cached_property
    def calibration(self) -> Mapping[Modality, Calibration]:
        """What calibration.toml says; empty without one.

        Raises:
            EncoderError: if it is damaged.
        """
        file = self._folder / sizes.CALIBRATION
        return calibration.read(file) if file.is_file() else {}

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Hashes of the trained and the frozen weights, and how they are used."""
        return Fingerprint(
            encoder=str(self._folder),
            weights=self._weights,
            template=sizes.TEMPLATE,
            pooling="mean",
            positions="1d",
            budget=self.budget,
            dim=self.dim,
            environment={
                "dtype": "float32",
                "device": "cpu",
                **{
                    name: importlib.metadata.version(name) for name in ("onnxruntime", "tokenizers")
                },
            },
        )

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        """See :class:`rzen.protocols.Encoder`."""
        del role, instruction
        rows = Rows(len(contents), self.dim, dim)
        rows.tokens = 0
        for chunk in self._preparer.prepare_rows(contents, rows):
            vectors = self._vectors([prepared for _, prepared in chunk])
            for (row, prepared), vector_D in zip(chunk, vectors, strict=True):
                rows.tokens += prepared.read
                for warning in prepared.warnings:
                    rows.warn(row, warning)
                rows.put(row, vector_D)
        return rows.encoded()

    @cached_property
    def _weights(self) -> str:
        files = [self._folder / name for name in (sizes.CONFIG, sizes.WEIGHTS)]
        try:
            hashes = file_hashes(files, cache_folder() / "hashes.json")
        except OSError as error:
            raise EncoderError(
                f"cannot hash the model {self._folder}: {error}: check that it can be read, and "
                "set RZEN_CACHE to a folder that can be written"
            ) from error
        return combined({path.name: digest for path, digest in hashes.items()})

    def _vectors(self, contents: Sequence[Prepared]) -> Vectors:
        """Vectors (N, D), not normalised."""
        vectors_ND = np.zeros((len(contents), self.dim), np.float32)
        lengths = [cost(each) for each in contents]
        for batch in by_length(lengths, tokens=_BATCH_TOKENS, items=_BATCH_ITEMS):
            vectors_ND[batch] = self._batch(gathered([contents[row] for row in batch]))
        return vectors_ND

    def _batch(self, batch: Batch) -> Vectors:
        adapter, shift = self._arrays["adapter.weight"], self._arrays["adapter.bias"]
        words_BD = batch["words"] + batch["words"] @ adapter.T + shift
        total_BD = words_BD + batch["sight"]
        rows_R = batch["rows"]
        if len(rows_R):
            network, table = self._load()
            inputs = {
                "words": words_BD[rows_R],
                "sight": batch["sight"][rows_R],
                "embeddings": table[batch["tokens"]],
                "cells": batch["cells"].astype(np.float32),
                **{name: batch[name] for name in ("token_mask", "sights", "frame_mask", "layout")},
            }
            total_BD[rows_R] = network.run(inputs)
        return np.asarray(total_BD, np.float32)

    def _load(self) -> tuple[Network, NDArray[np.float32]]:
        with self._lock:
            if self._loaded is None:
                self._loaded = Network(self._exported(), self._threads), word_table()
            return self._loaded

    def _exported(self) -> Path:
        """The graph's file, written the first time."""
        key = combined({"weights": self._weights, "graph": str(_GRAPH_VERSION)})
        file = cache_folder() / "mini-trained" / f"{key}.onnx"
        if file.is_file():
            return file
        try:
            from rzen.encoders.mini.fusion_graph import fusion  # noqa: PLC0415

            model = fusion(self._arrays, self._architecture)
        except ImportError as error:
            raise MissingExtraError(str(error.name), "mini") from None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, model.SerializeToString())
        except OSError as error:
            raise EncoderError(
                f"cannot keep the exported network of {self._folder} in {file.parent}: {error}: "
                "set RZEN_CACHE to a folder that can be written"
            ) from error
        return file
