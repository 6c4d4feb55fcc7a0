"""A hash encoder: no weights, no torch, a millisecond to load, and yet searches mean something.

It exists so that everything above an encoder can be tried and tested. Texts are alike when they
share words, pictures when they share colours and layout, and a text that names a colour is near
pictures of that colour. It knows nothing else.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.encoders.explaining import asked, check_seen, cosines, time_of
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
    Role,
)

_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (200, 30, 30),
    "yellow": (240, 220, 40),
    "green": (40, 150, 50),
    "blue": (40, 60, 200),
    "purple": (130, 40, 140),
}
_GRID = 2, 4  # cells of the layout: rows, columns
_WORDS = 64 - len(_COLOURS) - _GRID[0] * _GRID[1]
_DIM = 64
_CELLS = 4  # of a map, along each side
_STRIDE = 4  # every fourth pixel of every fourth row is enough to tell colours


class DummyEncoder:
    """64 dimensions: 48 hold hashed words, 8 shares of named colours, 8 the layout of brightness.

    A Hadamard rotation spreads them over all dimensions, so that cutting dimensions off loses a
    little of everything instead of all pictures.
    """

    dim = _DIM
    modalities: frozenset[Modality] = frozenset(MODALITIES)
    reads_pages = True
    budget = MediaBudget(
        image_pixels=160 * 160, page_pixels=320 * 320, frame_pixels=160 * 160, frames=4, fps=1.0
    )
    calibration: Mapping[Modality, Calibration] = {}

    def __init__(self, *, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._rotation_DD = _hadamard(_DIM)

    @property
    def fingerprint(self) -> Fingerprint:
        """Constant: the code is the model."""
        return Fingerprint(
            encoder="dummy",
            weights="hash-1",
            template="-",
            pooling="sum",
            positions="-",
            budget=self.budget,
            dim=_DIM,
        )

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        """See :class:`rzen.protocols.Encoder`; role and instruction change nothing here."""
        del role, instruction
        rows = Rows(len(contents), _DIM, dim)
        for chunk in open_chunks(contents, rows, self, self._limits, size=16):
            for row, parts in chunk:
                features_D = np.sum([_part(part) for part in parts], axis=0)
                rows.put(row, (self._rotation_DD @ features_D).astype(np.float32))
        return rows.encoded()

    def explain(
        self,
        query: Content | NDArray[np.float32],
        content: Content,
        *,
        instruction: str | None = None,
    ) -> Explanation:
        """See :class:`rzen.protocols.Explainer`; each cell is looked at like a picture."""
        query_K = asked(query, self, instruction)
        parts = open_content(content, self, self._limits)
        check_seen(parts)

        def near(features_D: NDArray[np.float64]) -> float:
            return float(cosines(self._rotation_DD @ features_D, query_K))

        maps = [
            HeatMap(
                heat_HW=np.array(
                    [[near(_picture(cell)) for cell in row] for row in _cells(frame)], np.float32
                ),
                score=near(_picture(frame)),
                part=at,
                time=time_of(part, number),
            )
            for at, part in enumerate(parts)
            for number, frame in enumerate(part.pixels)
        ]
        whole_D = np.sum([_part(part) for part in parts], axis=0)
        return Explanation(similarity=near(whole_D), maps=tuple(maps))


def _part(part: OpenPart) -> NDArray[np.float64]:
    """(D,) unit features of one part; a page counts its words and its looks alike."""
    features = np.zeros(_DIM)
    if part.text or not part.pixels:
        features += unit(_text(part.text))
    if part.pixels:
        features += unit(np.mean([_picture(pixels) for pixels in part.pixels], axis=0))
    return unit(features).astype(np.float64)


def _text(text: str) -> NDArray[np.float64]:
    features = np.zeros(_DIM)
    for word in re.findall(r"\w+", text.lower()) or [text]:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
        features[int.from_bytes(digest[:3]) % _WORDS] += 1.0 if digest[3] & 1 else -1.0
        if word in _COLOURS:
            features[_WORDS + list(_COLOURS).index(word)] += 1.0
    if not features.any():  # signed words can cancel each other out
        features[0] = 1.0
    return features


def _picture(pixels_HWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    sampled = pixels_HWC[::_STRIDE, ::_STRIDE].astype(np.int64)
    palette = np.array(list(_COLOURS.values()))
    nearest = ((sampled[:, :, None] - palette) ** 2).sum(-1).argmin(-1)
    shares = np.bincount(nearest.ravel(), minlength=len(palette)) / nearest.size
    brightness = sampled.mean(-1) / 255
    down, across = _GRID
    cells = [
        cell.mean() if cell.size else brightness.mean()
        for band in np.array_split(brightness, down, axis=0)
        for cell in np.array_split(band, across, axis=1)
    ]
    return np.concatenate([np.zeros(_WORDS), shares, (np.array(cells) - brightness.mean()) / 2])


def _cells(pixels_HWC: NDArray[np.uint8]) -> list[list[NDArray[np.uint8]]]:
    height, width, _ = pixels_HWC.shape
    bands = np.array_split(pixels_HWC, min(_CELLS, height), axis=0)
    return [np.array_split(band, min(_CELLS, width), axis=1) for band in bands]


def _hadamard(size: int) -> NDArray[np.float64]:
    matrix = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return np.asarray(matrix / np.sqrt(size))
