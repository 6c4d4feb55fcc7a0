"""A content after all that is frozen in a trained ``mini``: arrays, ready for its own layers.

Shape suffixes: D dimensions of the vectors, T frames, K cells of a frame, F channels of the image
network, P places of its map, L tokens, J curves over time, X numbers of a layout; in batches B
contents, R of them with pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.mini.architecture import FEATURES, MAP_SIDE, Architecture
from rzen.encoders.mini.text import TEXT_DIM

START, END = 101, 102
"""MiniLM's [CLS] and [SEP]."""

_CURVES = 4
LAYOUT = 2 * _CURVES * MAP_SIDE**2
"""X, numbers of a layout."""

_OTHERS = 3
"""Tokens of a content with pictures beside cells and words: [CLS], layout, [SEP]."""

Batch: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A content, or a part of one.

    Attributes:
        words_D: (D,) float32, the sum of the vectors of its texts.
        sight_D: (D,) float32, the sum of the vectors of its pictures.
        tokens_L: (L,) int32, ids of its words, without start and end; without pictures unused.
        cells_TKF: (T, K, F) float16, what is seen in each cell of each frame; T is 0 for texts and
            for pages, which are read, not looked at.
        sights_TD: (T, D) float32, the vector of each frame.
        layout_X: (X,) float32, where something is, and what changes over time.
        read: tokens that the text network read.
        warnings: what was left out.
    """

    words_D: NDArray[np.float32]
    sight_D: NDArray[np.float32]
    tokens_L: NDArray[np.int32]
    cells_TKF: NDArray[np.float16]
    sights_TD: NDArray[np.float32]
    layout_X: NDArray[np.float32]
    read: int = 0
    warnings: tuple[str, ...] = ()


def cost(prepared: Prepared) -> int:
    """Tokens that the trained layers read; 1 for a content without pictures, which has none."""
    frames, cells, _ = prepared.cells_TKF.shape
    return frames * (cells + 1) + len(prepared.tokens_L) + _OTHERS if frames else 1


def joined(parts: Sequence[Prepared], architecture: Architecture) -> Prepared:
    """A content's parts as one, no longer than the architecture reads."""
    words = np.concatenate([part.tokens_L for part in parts])
    cells_TKF = np.concatenate([part.cells_TKF for part in parts])
    warnings = dict.fromkeys(warning for part in parts for warning in part.warnings)
    if len(cells_TKF) > architecture.frames:
        warnings[f"only the first {architecture.frames} pictures are looked at closely"] = None
    if len(cells_TKF) and len(words) > architecture.words:
        warnings[f"beside a picture, only {architecture.words} tokens are read closely"] = None
    return Prepared(
        words_D=np.sum([part.words_D for part in parts], axis=0, dtype=np.float32),
        sight_D=np.sum([part.sight_D for part in parts], axis=0, dtype=np.float32),
        tokens_L=words[: architecture.words],
        cells_TKF=cells_TKF[: architecture.frames],
        sights_TD=np.concatenate([part.sights_TD for part in parts])[: architecture.frames],
        layout_X=np.sum([part.layout_X for part in parts], axis=0, dtype=np.float32),
        read=sum(part.read for part in parts),
        warnings=tuple(warnings),
    )


def gathered(contents: Sequence[Prepared]) -> Batch:
    """A batch: arrays padded to the longest, and masks of 1 and 0.

    Returns:
        ``words`` (B, D), ``sight`` (B, D); of the R contents with pictures ``rows`` (R,) int64,
        ``tokens`` (R, L) int64 with start and end, ``token_mask`` (R, L), ``cells`` (R, T, K, F),
        ``sights`` (R, T, D), ``frame_mask`` (R, T), ``layout`` (R, X); float32 where nothing is
        said, ``cells`` float16.
    """
    seen = [row for row, each in enumerate(contents) if len(each.cells_TKF)]
    some = [contents[row] for row in seen]
    frames = max((len(each.cells_TKF) for each in some), default=0)
    length = max((len(each.tokens_L) for each in some), default=0) + 2
    cells = some[0].cells_TKF.shape[1] if some else 0
    batch: Batch = {
        "words": np.stack([each.words_D for each in contents]),
        "sight": np.stack([each.sight_D for each in contents]),
        "rows": np.array(seen, np.int64),
        "tokens": np.zeros((len(some), length), np.int64),
        "token_mask": np.zeros((len(some), length), np.float32),
        "cells": np.zeros((len(some), frames, cells, FEATURES), np.float16),
        "sights": np.zeros((len(some), frames, TEXT_DIM), np.float32),
        "frame_mask": np.zeros((len(some), frames), np.float32),
        "layout": np.zeros((len(some), LAYOUT), np.float32),
    }
    for line, each in enumerate(some):
        tokens = [START, *each.tokens_L.tolist(), END]
        batch["tokens"][line, : len(tokens)] = tokens
        batch["token_mask"][line, : len(tokens)] = 1.0
        batch["cells"][line, : len(each.cells_TKF)] = each.cells_TKF
        batch["sights"][line, : len(each.sights_TD)] = each.sights_TD
        batch["frame_mask"][line, : len(each.cells_TKF)] = 1.0
        batch["layout"][line] = each.layout_X
    return batch


def pooled(features_THWF: NDArray[np.float32], grid: int) -> NDArray[np.float16]:
    """Means over the cells of a grid, (T, grid * grid, F); cells that share a place overlap there.

    >>> pooled(np.ones((1, 7, 7, 2), np.float32), 2).shape
    (1, 4, 2)
    """
    edges = [
        (at * MAP_SIDE // grid, -(-(at + 1) * MAP_SIDE // grid)) for at in range(grid)
    ]  # as adaptive pooling has them
    cells = [
        features_THWF[:, top:bottom, left:right].mean(axis=(1, 2))
        for top, bottom in edges
        for left, right in edges
    ]
    return np.stack(cells, axis=1).astype(np.float16)


def layout(features_THWF: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where something is in the frames of one part, and what changes, (X,).

    How much is seen at a place is the mean over the channels there, as a deviation from the mean
    over all places in units of their standard deviation. How much changes is the mean absolute
    difference of the channels from one frame to the next, in the same units. Both are given by
    their first cosines over time (DCT-II), so that their number does not depend on the frames'.
    """
    places = MAP_SIDE**2
    seen_TP = features_THWF.mean(axis=-1).reshape(-1, places)
    spread = seen_TP.std() + 1e-6
    changes_TP = np.abs(np.diff(features_THWF, axis=0)).mean(axis=-1).reshape(-1, places)
    curves = _over_time((seen_TP - seen_TP.mean()) / spread), _over_time(changes_TP / spread)
    return np.concatenate([each.ravel() for each in curves]).astype(np.float32)


def _over_time(values_TP: NDArray[np.floating]) -> NDArray[np.float64]:
    """The first cosines of each place over time, (J, P); zero where there are too few frames."""
    curves_JP = np.zeros((_CURVES, values_TP.shape[1]))
    count = len(values_TP)
    for curve in range(min(_CURVES, count)):
        weights_T = np.cos(math.pi * curve * (np.arange(count) + 0.5) / count) / count
        curves_JP[curve] = weights_T @ values_TP
    return curves_JP
