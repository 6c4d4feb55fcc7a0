"""Pictures with captions: photographs and drawings of Tux Paint, clip art, emoji of two vendors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Style: TypeAlias = Literal["stamps", "clipart", "twitter", "google"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of one thing.

    Attributes:
        id: stable, such as ``"stamps/animals/birds/owl"``; the emoji of both vendors share what
            follows the style.
        style: where it comes from.
        caption: in English, as a person would ask for it.
        concept: what it is about (:mod:`rzen.data.bench.concepts`).
        category: a word or two for the kind of thing, such as ``"bird"``.
        file: the package's own file.
    """

    id: str
    style: Style
    caption: str
    concept: str
    category: str
    file: Path

    def cut_out(self) -> NDArray[np.uint8]:
        """Its pixels with transparency: (H, W, 4) RGBA."""
        from PIL import Image  # noqa: PLC0415

        with Image.open(self.file) as picture:
            return np.asarray(picture.convert("RGBA"))
