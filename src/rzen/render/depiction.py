"""What a content looks like in a few kilobytes: for the pages of reports."""

from collections.abc import Iterator
from dataclasses import dataclass

from rzen import media
from rzen.config import Limits
from rzen.errors import RzenError
from rzen.media import preview
from rzen.render.page import snippet
from rzen.types import Content, MediaBudget, Modality, Page, Part, Text

SIDE = 144
FRAMES = 3
SNIPPET_CHARS = 240
_FRAME_SIDE = 96
_MOST_BYTES = 5_500
_SMALLER_SIDES = (112, 84, 60)
_BUDGET = MediaBudget(
    image_pixels=4 * SIDE * SIDE,
    page_pixels=4 * SIDE * SIDE,
    frame_pixels=4 * _FRAME_SIDE * _FRAME_SIDE,
    frames=FRAMES,
    fps=1.0,
)
_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Depiction:
    """A content as a report shows it.

    Attributes:
        modality: of the content; ``None`` where it is not at hand.
        pictures: small JPEGs in order: one of a picture or page, up to three of a video.
        text: the beginning of its texts.
        problems: why parts of it cannot be shown.
    """

    modality: Modality | None = None
    pictures: tuple[bytes, ...] = ()
    text: str = ""
    problems: tuple[str, ...] = ()


def depict(content: Content) -> Depiction:
    """Opens each part of a content and makes it small; a part that cannot be opened says why."""
    pictures: list[bytes] = []
    texts: list[str] = []
    problems: list[str] = []
    for part in content.parts:
        if isinstance(part, Text):
            texts.append(part.text)
            continue
        try:
            pictures += _pictures(part)
        except RzenError as error:
            problems.append(str(error))
        if isinstance(part, Page) and part.text:
            texts.append(part.text)
    return Depiction(
        modality=content.modality,
        pictures=tuple(pictures),
        text=snippet(" ".join(texts), SNIPPET_CHARS),
        problems=tuple(problems),
    )


def _pictures(part: Part) -> Iterator[bytes]:
    if isinstance(part, Page):
        # A text that is known keeps the page from being read by OCR, which takes seconds.
        part = Page(part.source, part.number, part.text or "")
    frames = media.open(part, budget=_BUDGET, limits=_LIMITS).frames
    assert frames is not None, "a text has no picture"
    # Frames that are decoded already may be more than the budget.
    count = len(frames.pixels)
    shown = min(count, FRAMES)
    for at in range(shown):
        pixels_HWC = frames.pixels[(2 * at + 1) * count // (2 * shown)]
        side = _FRAME_SIDE if shown > 1 else SIDE
        small = preview.jpeg(pixels_HWC, side)
        for smaller in _SMALLER_SIDES:
            if len(small) <= _MOST_BYTES:
                break
            small = preview.jpeg(pixels_HWC, min(side, smaller))
        yield small
