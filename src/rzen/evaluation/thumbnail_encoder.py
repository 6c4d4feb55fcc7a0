"""A picture is its colours on an 8 x 8 grid: the encoder that a real one has to beat."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rzen import media
from rzen.config import Limits
from rzen.errors import RzenError
from rzen.types import (
    Calibration,
    Content,
    Encoded,
    Fingerprint,
    MediaBudget,
    Modality,
    Page,
    Role,
    Text,
)

SIDE = 8
_DIM = SIDE * SIDE * 3


class ThumbnailEncoder:
    """192 dimensions: the mean colour of each cell, less the mean of them all, at unit length.

    It sees pictures, pages and frames (whose thumbnails it averages), and no text. A picture of one
    grey, of which nothing is left, is given a direction that no other picture has a part in.
    """

    dim = _DIM
    modalities: frozenset[Modality] = frozenset({"image", "video", "page"})
    budget = MediaBudget(
        image_pixels=96 * 96, page_pixels=160 * 160, frame_pixels=96 * 96, frames=8, fps=1.0
    )
    calibration: Mapping[Modality, Calibration] = {}

    @property
    def fingerprint(self) -> Fingerprint:
        """Constant: the code is the model."""
        return Fingerprint(
            encoder="thumbnail",
            weights="grid-1",
            template="-",
            pooling="mean",
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
        assert dim in (None, _DIM), "thumbnails are not cut"
        vectors_ND = np.zeros((len(contents), _DIM), np.float32)
        failed: dict[int, str] = {}
        for row, content in enumerate(contents):
            try:
                vectors_ND[row] = self._vector(content)
            except RzenError as error:
                failed[row] = str(error)
        return Encoded(vectors=vectors_ND, failed=failed)

    def _vector(self, content: Content) -> NDArray[np.float64]:
        pixels: list[NDArray[np.uint8]] = []
        for part in content.parts:
            if isinstance(part, Text):
                continue
            # A page's text is of no use here, and reading it may take a second of OCR.
            seen = Page(part.source, part.number, "") if isinstance(part, Page) else part
            opened = media.open(seen, budget=self.budget, limits=Limits())
            pixels += opened.frames.pixels if opened.frames is not None else ()
        if not pixels:
            raise RzenError("there is no picture in it")
        grid = np.mean([_grid(each) for each in pixels], axis=0).ravel()
        centred = grid - grid.mean()
        length = float(np.linalg.norm(centred))
        if length < 1.0:  # of 255 on all 192 together: rounding
            return np.full(_DIM, _DIM**-0.5)
        return np.asarray(centred / length)


def _grid(pixels_HWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(8, 8, 3) means of cells; small pictures are repeated until each cell has a pixel."""
    height, width, _ = pixels_HWC.shape
    grown = np.repeat(np.repeat(pixels_HWC, -(-SIDE // height), 0), -(-SIDE // width), 1)
    rows = np.linspace(0, grown.shape[0], SIDE + 1).astype(int)[:-1]
    columns = np.linspace(0, grown.shape[1], SIDE + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(grown.astype(np.float64), rows, 0), columns, 1)
    heights = np.diff(np.append(rows, grown.shape[0]))
    widths = np.diff(np.append(columns, grown.shape[1]))
    return np.asarray(sums / (heights[:, None] * widths)[..., None])
