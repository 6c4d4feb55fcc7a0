"""Contents opened late and one by one, so that one that cannot be opened fails alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rzen import media
from rzen.config import Limits
from rzen.encoders.rows import Rows
from rzen.errors import EncoderError, RzenError
from rzen.types import Content, Frames, MediaBudget, Modality, Page


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenPart:
    """One part of a content, decoded.

    Attributes:
        modality: what the part is.
        frames: its pixels; ``None`` for text.
        text: a text, or the text of a page; empty where there is none.
    """

    modality: Modality
    frames: Frames | None
    text: str

    @property
    def pixels(self) -> tuple[NDArray[np.uint8], ...]:
        """T arrays (H, W, 3); none for text."""
        return self.frames.pixels if self.frames is not None else ()


class Opens(Protocol):
    """What an encoder says about what it takes."""

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it can encode."""

    @property
    def budget(self) -> MediaBudget:
        """How much it wants to see."""

    @property
    def reads_pages(self) -> bool:
        """Whether the text of a page is of use to it; reading a scan takes seconds."""


def open_chunks(
    contents: Sequence[Content], rows: Rows, encoder: Opens, limits: Limits, *, size: int
) -> Iterator[list[tuple[int, list[OpenPart]]]]:
    """Opens the contents in order, ``size`` at a time, so that few pixels are held at once.

    Contents that cannot be opened are failed in ``rows`` and left out.
    """
    for start in range(0, len(contents), size):
        chunk = []
        for row in range(start, min(start + size, len(contents))):
            try:
                chunk.append((row, open_content(contents[row], encoder, limits)))
            except RzenError as error:
                rows.fail(row, error)
        yield chunk


def open_content(content: Content, encoder: Opens, limits: Limits) -> list[OpenPart]:
    """Opens every part of a content.

    Raises:
        EncoderError: if the encoder does not take such a part, or nothing is in it.
        MediaError: if a part cannot be opened.
    """
    parts = []
    for part in content.parts:
        modality = Content(part).modality
        if modality not in encoder.modalities:
            takes = ", ".join(sorted(encoder.modalities))
            raise EncoderError(f"this encoder does not take {modality}, only {takes}")
        if isinstance(part, Page) and not encoder.reads_pages:
            part = replace(part, text="")
        opened = media.open(part, budget=encoder.budget, limits=limits)
        parts.append(OpenPart(modality=modality, frames=opened.frames, text=opened.text))
        if modality != "text" and not parts[-1].pixels and not opened.text.strip():
            raise EncoderError(f"the {modality} has neither pixels nor text: nothing to encode")
    return parts
