"""``mini``: texts, pictures, video and pages in MiniLM's 384 dimensions."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.encoders.explaining import asked, check_seen, cosines, time_of
from rzen.encoders.mini import assets, calibration
from rzen.encoders.mini.conse import ImageTower, shares
from rzen.encoders.mini.runtime import default_threads
from rzen.encoders.mini.text import TEXT_DIM, TextTower
from rzen.encoders.opening import OpenPart, open_chunks, open_content
from rzen.encoders.rows import Rows, unit
from rzen.types import (
    MODALITIES,
    Calibration,
    Content,
    Encoded,
    Explanation,
    Fingerprint,
    HeatMap,
    MediaBudget,
    Modality,
    Named,
    Role,
)

PAGE_PICTURE = 0.1
"""Weight of a page's picture beside its text: a network that knows objects says little of it."""

CUT = "a text is longer than this encoder reads: its end was left out"
"""The warning."""

NAMES = 3
"""Names of things that are told of a picture, at most."""
LEAST_SHARE = 0.1
"""Probability from which a name is told of a still ..."""
LEAST_SHARE_MOVING = 0.25
"""... and of a frame: there are many, each with a guess."""

_CHUNK = 32  # contents whose pixels are held at once


class MiniEncoder:
    """A small baseline that needs no download: texts by their meaning, pictures by their objects.

    Roles and instructions change nothing: MiniLM was trained without.

    Args:
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.
        threads: of onnxruntime; ``None`` takes the cores at hand, eight at most.

    Raises:
        MissingExtraError: if the extra ``mini`` is not installed.
        EncoderError: if the cache cannot be written.
    """

    dim = TEXT_DIM
    modalities: frozenset[Modality] = frozenset(MODALITIES)
    reads_pages = True
    budget = MediaBudget(
        image_pixels=320 * 320, page_pixels=320 * 320, frame_pixels=320 * 320, frames=8, fps=0.5
    )

    def __init__(self, *, limits: Limits | None = None, threads: int | None = None) -> None:
        threads = threads or default_threads()
        self._limits = limits or Limits()
        self._assets = assets.ready(threads=threads)
        found = self._assets
        self._texts = TextTower(found.text_network, found.vocabulary, threads=threads)
        self._images = ImageTower(
            found.image_network, found.classes, found.classifier, threads=threads
        )

    @cached_property
    def calibration(self) -> Mapping[Modality, Calibration]:
        """Fitted by ``python -m benchmarks.mixed_pool --fit``."""
        return calibration.load()

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Hashes of the weights, and how they are used."""
        return Fingerprint(
            encoder="mini",
            weights=self._assets.weights,
            template="conse-1",
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
        for chunk in open_chunks(contents, rows, self, self._limits, size=_CHUNK):
            self._encode_chunk(chunk, rows)
        return rows.encoded()

    def explain(
        self,
        query: Content | NDArray[np.float32],
        content: Content,
        *,
        instruction: str | None = None,
    ) -> Explanation:
        """See :class:`rzen.protocols.Explainer`.

        A place's cosine is that of a ConSE vector of what the network sees there; it sees far
        around each place, so maps are soft. A frame's score is the cosine of its own vector. The
        words of a page, which are nearly all of its vector, are not on its map.
        """
        query_K = asked(query, self, instruction)
        parts = open_content(content, self, self._limits)
        check_seen(parts)
        rows = Rows(1, self.dim, None)
        self._encode_chunk([(0, parts)], rows)
        encoded = rows.encoded()
        maps = [
            HeatMap(
                heat_HW=cosines(self._images.places(frame), query_K),
                score=float(cosines(vector_D, query_K)),
                part=at,
                time=time_of(part, number),
            )
            for at, part in enumerate(parts)
            for number, (frame, vector_D) in enumerate(
                zip(part.pixels, self._images.encode(part.pixels), strict=True)
            )
        ]
        return Explanation(
            similarity=float(cosines(np.asarray(encoded)[0], query_K)),
            maps=tuple(maps),
            warnings=tuple(encoded.warnings.get(0, ())),
        )

    def _named(self, logits_TC: NDArray[np.float32], times: Sequence[float | None]) -> list[Named]:
        """What a still, or the frames of a clip, seem to show."""
        share_TC = shares(logits_TC)
        if len(share_TC) == 1:
            best = np.argsort(-share_TC[0])[:NAMES]
            found = [(int(at), 0) for at in best if share_TC[0, at] >= LEAST_SHARE]
        else:
            # Each frame has one guess; a name is told for the frame that is surest of it.
            first_T = share_TC.argmax(axis=1)
            surest = {
                int(name): int(np.where(first_T == name, share_TC.max(axis=1), 0).argmax())
                for name in first_T
            }
            order = sorted(surest.items(), key=lambda each: -share_TC[each[1], each[0]])[:NAMES]
            found = [each for each in order if share_TC[each[1], each[0]] >= LEAST_SHARE_MOVING]
            found.sort(key=lambda each: each[1])
        return [
            Named(
                name=self._class_names[name],
                probability=float(share_TC[frame, name]),
                time=times[frame],
            )
            for name, frame in found
        ]

    @cached_property
    def _class_names(self) -> list[str]:
        return assets.class_names()

    def _encode_chunk(self, chunk: Sequence[tuple[int, list[OpenPart]]], rows: Rows) -> None:
        parts = [(row, part) for row, opened in chunk for part in opened]
        worded = [(row, part) for row, part in parts if part.text.strip() or not part.pixels]
        seen = [(row, part) for row, part in parts if part.pixels]
        texts, cut, tokens = self._texts.encode([part.text for _, part in worded])
        rows.tokens = (rows.tokens or 0) + tokens
        logits = self._images.logits([frame for _, part in seen for frame in part.pixels])
        pictures = self._images.vectors(logits)

        sums = {row: np.zeros(self.dim) for row, _ in chunk}
        for (row, part), vector, lost in zip(worded, texts, cut, strict=True):
            sums[row] += vector * (1 - PAGE_PICTURE if part.pixels else 1.0)
            if lost:
                rows.warn(row, CUT)
        start = 0
        for row, part in seen:
            own = slice(start, start + len(part.pixels))
            start = own.stop
            sums[row] += unit(pictures[own].mean(axis=0)) * _picture_weight(part)
            if not part.text.strip():
                times = [time_of(part, at) for at in range(len(part.pixels))]
                rows.seen[row] = [*rows.seen.get(row, ()), *self._named(logits[own], times)]
        for row, total in sums.items():
            rows.put(row, total.astype(np.float32))


def _picture_weight(part: OpenPart) -> float:
    return PAGE_PICTURE if part.text.strip() else 1.0
