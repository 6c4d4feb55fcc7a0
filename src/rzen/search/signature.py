"""What two records look like, compared without an encoder: their words, or their thumbnails."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.media import image
from rzen.types import Record

SIDE = 16
"""Thumbnails are compared at this many pixels a side."""
ALIKE_LOOKS = 0.9
"""Correlation of two thumbnails from which they show the same.

Measured on 103 photographs and drawings: halved, recompressed (JPEG quality 20) or brightened by
30 % all of them stay above it, cropped by 5 % a side or turned grey about 60 %; of the 5,253 pairs
of different ones a single pair passes (two line drawings of letters).
"""
ALIKE_WORDS = 0.8
"""Share of the words of two pages that both have (Jaccard) from which they say the same."""

_FLAT = 3.0  # grey levels; a thumbnail that varies less shows nothing but its colour
_SAME_COLOUR = 12.0  # grey levels
_DECODED_PIXELS = 64 * 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """What is compared of a record.

    Attributes:
        words: of a page; empty where there is no text.
        thumbnail: (16 * 16 * 3,) float32 grey levels, or ``None`` without a preview.
    """

    words: frozenset[str]
    thumbnail: NDArray[np.float32] | None


def signature(record: Record) -> Signature:
    """The words of a page, and the thumbnail of a preview."""
    has_words = record.modality == "page"
    return Signature(
        words=frozenset(re.findall(r"\w+", record.text.lower())) if has_words else frozenset(),
        thumbnail=None if record.preview is None else _thumbnail(record.preview),
    )


def alike(one: Signature, other: Signature) -> bool:
    """Whether two records agree: in their words where either has any, else in their looks.

    All text pages look much the same at this size, hence words come first. What cannot be compared
    speaks neither for nor against.
    """
    if one.words or other.words:
        shared = len(one.words & other.words)
        return shared >= ALIKE_WORDS * len(one.words | other.words)
    if one.thumbnail is None or other.thumbnail is None:
        return True
    return correlation(one.thumbnail, other.thumbnail) >= ALIKE_LOOKS


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Pearson correlation of two thumbnails; of flat ones 1 if the colour is the same, else 0."""
    spreads = float(one.std()), float(other.std())
    if min(spreads) < _FLAT:
        is_same = max(spreads) < 2 * _FLAT and np.abs(one - other).mean() < _SAME_COLOUR
        return float(is_same)
    centred = (one - one.mean()) * (other - other.mean())
    return float(centred.mean() / (spreads[0] * spreads[1]))


def _thumbnail(jpeg: bytes) -> NDArray[np.float32]:
    picture = image.read(jpeg, pixels=_DECODED_PIXELS, limits=Limits())
    bands = _pooled(picture.pixels.astype(np.float32))
    return _pooled(bands.swapaxes(0, 1)).ravel()


def _pooled(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, C) to (16, W, C): means of equal bands of rows, which overlap where H < 16."""
    edges = np.linspace(0, len(pixels), SIDE + 1)
    starts = np.floor(edges[:-1]).astype(int)
    ends = np.ceil(edges[1:]).astype(int)
    return np.stack([pixels[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=True)])
