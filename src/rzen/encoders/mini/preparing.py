"""Runs what is frozen in a trained ``mini`` over contents: MiniLM, EfficientNet-Lite0, ConSE.

The sum of ``words_D`` and ``sight_D``, scaled to unit length, is the vector that ``mini`` gives.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.encoders.mini import assets
from rzen.encoders.mini.architecture import FEATURES, TEMPLATE, Architecture
from rzen.encoders.mini.conse import ImageTower
from rzen.encoders.mini.encoder import CUT, PAGE_PICTURE, MiniEncoder
from rzen.encoders.mini.part_store import PartStore
from rzen.encoders.mini.prepared import LAYOUT, Prepared, joined, layout, pooled
from rzen.encoders.mini.runtime import default_threads
from rzen.encoders.mini.text import TEXT_DIM, TextTower
from rzen.encoders.opening import OpenPart, open_content
from rzen.encoders.rows import Rows, unit
from rzen.errors import RzenError
from rzen.media.content_digest import content_digest
from rzen.types import Content, Part, Vectors

_CHUNK = 32  # contents whose pixels are held at once


class Preparer:
    """Contents to what the trained layers are given.

    It can be pickled: a copy opens the networks anew, when it first needs them.

    Args:
        architecture: of the network that it prepares for.
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.
        threads: of onnxruntime; ``None`` takes the cores at hand, eight at most.
        store: where prepared parts are kept; ``None`` keeps none. A copy in another process has
            its own: the same file, or an empty memory.

    Attributes:
        base: hash of the frozen networks.

    Raises:
        MissingExtraError: if the extra ``mini`` is not installed.
        EncoderError: if the cache cannot be written.
    """

    modalities = MiniEncoder.modalities
    budget = MiniEncoder.budget
    reads_pages = True

    def __init__(
        self,
        architecture: Architecture,
        *,
        limits: Limits | None = None,
        threads: int | None = None,
        store: PartStore | None = None,
    ) -> None:
        threads = threads or default_threads()
        self._architecture, self._limits, self._threads = architecture, limits or Limits(), threads
        self._store = store
        found = assets.ready(threads=threads)
        self.base = found.weights
        self._texts = TextTower(found.text_network, found.vocabulary, threads=threads)
        self._images = ImageTower(
            found.image_network, found.classes, found.classifier, threads=threads
        )

    def __reduce__(self) -> tuple[object, ...]:
        store = None if self._store is None else (self._store.file,)
        return _copied, (self._architecture, self._limits, self._threads, store)

    def prepare(self, content: Content) -> Prepared:
        """Prepares one content.

        Raises:
            EncoderError: if it holds nothing to encode.
            MediaError: if a part cannot be opened.
        """
        known, opened = self._opened(content)
        found = known | self._computed(opened)
        return joined([found[part] for part in content.parts], self._architecture)

    def prepare_rows(
        self, contents: Sequence[Content], rows: Rows
    ) -> Iterator[list[tuple[int, Prepared]]]:
        """Prepares contents in order, some at a time, several at once in the networks.

        Contents that cannot be opened are failed in ``rows`` and left out.
        """
        for start in range(0, len(contents), _CHUNK):
            found: dict[Part, Prepared] = {}
            opened: dict[Part, OpenPart] = {}
            whole = []
            for row in range(start, min(start + _CHUNK, len(contents))):
                try:
                    known, new = self._opened(contents[row])
                except RzenError as error:
                    rows.fail(row, error)
                    continue
                found |= known
                opened |= new
                whole.append(row)
            found |= self._computed(opened)
            parts = {row: [found[part] for part in contents[row].parts] for row in whole}
            yield [(row, joined(each, self._architecture)) for row, each in parts.items()]

    def _opened(self, content: Content) -> tuple[dict[Part, Prepared], dict[Part, OpenPart]]:
        """The parts that are kept, and the others, decoded."""
        known: dict[Part, Prepared] = {}
        opened: dict[Part, OpenPart] = {}
        for part in content.parts:
            key = self._key(part)
            kept = self._store.get(key) if self._store is not None and key else None
            if kept is not None:
                known[part] = kept
            else:
                [opened[part]] = open_content(Content(part), self, self._limits)
        return known, opened

    def _computed(self, opened: Mapping[Part, OpenPart]) -> dict[Part, Prepared]:
        worded = [part for part, each in opened.items() if each.text.strip() or not each.pixels]
        seen = [part for part, each in opened.items() if each.pixels]
        texts = zip(*self._texts.encode_pieces([opened[part].text for part in worded]), strict=True)
        reels = self._images.look([opened[part].pixels for part in seen], self._condensed)
        read = dict(zip(worded, texts, strict=True))
        looked = dict(zip(seen, reels, strict=True))
        made = {
            part: self._made(each, read.get(part), looked.get(part))
            for part, each in opened.items()
        }
        if self._store is not None:
            for part, each in made.items():
                if key := self._key(part):
                    self._store.put(key, each)
        return made

    def _condensed(self, features_THWF: NDArray[np.float32]) -> "_Condensed":
        return pooled(features_THWF, self._architecture.grid), layout(features_THWF)

    def _made(self, opened: OpenPart, read: "_Read | None", looked: "_Looked | None") -> Prepared:
        words_D, sight_D = np.zeros((2, TEXT_DIM), np.float32)
        tokens: list[int] = []
        warnings: tuple[str, ...] = ()
        count = 0
        if read is not None:
            vector_D, was_cut, pieces = read
            words_D = vector_D * np.float32(1 - PAGE_PICTURE if opened.pixels else 1.0)
            warnings = (CUT,) if was_cut else ()
            count = sum(map(len, pieces))
            if not opened.pixels:
                tokens = [token for piece in pieces for token in piece[1:-1]]
        cells_TKF = np.zeros((0, self._architecture.cells, FEATURES), np.float16)
        sights_TD = np.zeros((0, TEXT_DIM), np.float32)
        layout_X = np.zeros(LAYOUT, np.float32)
        if looked is not None:
            vectors_TD, condensed = looked
            weight = PAGE_PICTURE if opened.text.strip() else 1.0
            sight_D = unit(vectors_TD.mean(axis=0)) * np.float32(weight)
            if opened.modality != "page":
                sights_TD, (cells_TKF, layout_X) = vectors_TD, condensed
        return Prepared(
            words_D=words_D,
            sight_D=sight_D,
            # One more than is read, so that it is known that there are more.
            tokens_L=np.array(tokens[: self._architecture.words + 1], np.int32),
            cells_TKF=cells_TKF,
            sights_TD=sights_TD,
            layout_X=layout_X,
            read=count,
            warnings=warnings,
        )

    def _key(self, part: Part) -> bytes:
        """What a part is kept under; empty for what an address may give today."""
        if self._store is None or isinstance(getattr(part, "source", None), str):
            return b""
        about = (self.base, TEMPLATE, self._architecture.grid, self._architecture.words)
        return hashlib.sha256(repr(about).encode() + content_digest(Content(part))).digest()


_Condensed: TypeAlias = tuple[NDArray[np.float16], NDArray[np.float32]]
_Read: TypeAlias = tuple[NDArray[np.float32], bool, list[list[int]]]
_Looked: TypeAlias = tuple[Vectors, _Condensed]


def _copied(
    architecture: Architecture, limits: Limits, threads: int, store: tuple[Path | None] | None
) -> Preparer:
    opened = None if store is None else PartStore(*store)
    return Preparer(architecture, limits=limits, threads=threads, store=opened)
