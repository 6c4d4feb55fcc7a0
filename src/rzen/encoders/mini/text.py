"""MiniLM (Wang et al. 2020; sentence-transformers/all-MiniLM-L6-v2) on onnxruntime.

A text longer than the network's 256 tokens is cut into equal pieces whose vectors are averaged,
so that its end counts as much as its beginning.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.batching import by_length
from rzen.encoders.mini.runtime import Network
from rzen.encoders.rows import unit
from rzen.types import Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXT_DIM = 384
_PIECE_TOKENS = 254  # 256 less [CLS] and [SEP]
_PIECES = 32
# A token has four characters or so; ten keep the cut on tokens the one that usually decides.
_CHARS = _PIECES * _PIECE_TOKENS * 10
_BATCH_TOKENS = 512  # larger ones fall out of the cache, smaller ones do not fill the products
_BATCH_ITEMS = 32


class TextTower:
    """Texts to unit vectors (N, 384).

    Args:
        network: the exported graph.
        vocabulary: MiniLM's tokenizer.json.
        threads: of onnxruntime.
    """

    def __init__(self, network: Path, vocabulary: Path, *, threads: int) -> None:
        self._network, self._vocabulary, self._threads = network, vocabulary, threads
        self._lock = threading.Lock()
        self._loaded: tuple[Network, Tokenizer] | None = None

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[bool], int]:
        """Vectors (N, 384), for each text whether something of it was left out, and all tokens."""
        vectors, cut, pieces = self.encode_pieces(texts)
        return vectors, cut, sum(len(piece) for own in pieces for piece in own)

    def encode_pieces(
        self, texts: Sequence[str]
    ) -> tuple[Vectors, list[bool], list[list[list[int]]]]:
        """As :meth:`encode`, with the token ids of each text's pieces instead of their number."""
        if not texts:
            return np.zeros((0, TEXT_DIM), np.float32), [], []
        pieces: list[list[list[int]]] = []
        cut: list[bool] = []
        for text in texts:
            own, lost = self._pieces(text)
            pieces.append(own)
            cut.append(lost)
        owners = [owner for owner, own in enumerate(pieces) for _ in own]
        sums = np.zeros((len(texts), TEXT_DIM))
        np.add.at(sums, owners, self._run([piece for own in pieces for piece in own]))
        return unit(sums), cut, pieces

    def _pieces(self, text: str) -> tuple[list[list[int]], bool]:
        """The token ids of each piece, with [CLS] and [SEP]; and whether the end is missing."""
        _, tokenizer = self._load()
        # A lone surrogate is no Unicode text; the tokenizer would refuse the whole batch.
        clean = text[:_CHARS].encode("utf-8", "replace").decode("utf-8")
        start, *ids, end = tokenizer.encode(clean).ids
        kept = ids[: _PIECES * _PIECE_TOKENS]
        parts = np.array_split(kept, max(1, -(-len(kept) // _PIECE_TOKENS)))
        lost = len(kept) < len(ids) or len(text) > _CHARS
        return [[start, *part.tolist(), end] for part in parts], lost

    def _run(self, pieces: Sequence[Sequence[int]]) -> Vectors:
        network, _ = self._load()
        vectors = np.zeros((len(pieces), TEXT_DIM), np.float32)
        lengths = [len(piece) for piece in pieces]
        batches = list(by_length(lengths, tokens=_BATCH_TOKENS, items=_BATCH_ITEMS))

        def encoded(batch: Sequence[int]) -> Vectors:
            return network.run(_padded([pieces[number] for number in batch]))

        for batch, found in zip(batches, network.over(encoded, batches), strict=True):
            vectors[batch] = found
        return unit(vectors)

    def _load(self) -> "tuple[Network, Tokenizer]":
        with self._lock:
            if self._loaded is None:
                from tokenizers import Tokenizer  # noqa: PLC0415

                tokenizer = Tokenizer.from_file(str(self._vocabulary))
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._loaded = Network(self._network, self._threads), tokenizer
            return self._loaded


def _padded(pieces: Sequence[Sequence[int]]) -> dict[str, NDArray[Any]]:
    """Token ids (B, L) int64 and mask (B, L) float32 of pieces, padded to the longest."""
    ids_BL = np.zeros((len(pieces), max(map(len, pieces))), np.int64)
    mask_BL = np.zeros(ids_BL.shape, np.float32)
    for line, piece in enumerate(pieces):
        ids_BL[line, : len(piece)] = piece
        mask_BL[line, : len(piece)] = 1.0
    return {"ids": ids_BL, "mask": mask_BL}
