"""Lines of a PDF's text layer, with places and sizes of letters, as PDFium sees them.

PDFium must not be used from two threads; neither may this module.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfTextPage  # type: ignore[import-untyped]

Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top in points, counted from the lower left corner of the page."""

_BREAK = re.compile(r"[\r\n]+")
_HEAD_ABOVE, _FOOT_BELOW = 705 / 792, 70 / 792  # shares of the page's height
_PAGE_NUMBER = re.compile(r"^(?:\d+|[ivxlc]+)$")
# PDFium writes a hyphen at the end of a line as one of these: the word goes on.
_SOFT_HYPHENS = "\x02\ufffe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, or two that one word joins across a hyphen.

    Attributes:
        text: as it is stored, soft hyphens and all.
        start: place of its first letter among the letters of the page.
        box: what its letters cover.
        size: of its first letter, in points.
    """

    text: str
    start: int
    box: Box
    size: float

    @property
    def words(self) -> str:
        """Its text for readers."""
        return readable(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLines:
    """All lines of a page.

    Attributes:
        letters: one per letter of the text layer, so that places in it are PDFium's.
        lines: in the order of the text layer.
        furniture: which of the lines are running heads or page numbers.
    """

    letters: str
    lines: tuple[Line, ...]
    furniture: frozenset[int]


@contextmanager
def opened_pdf(file: Path) -> "Iterator[PdfDocument]":
    """A document that is closed at the end."""
    from pypdfium2 import PdfDocument

    document = PdfDocument(file)
    try:
        yield document
    finally:
        document.close()


@contextmanager
def text_layer(document: "PdfDocument", index: int) -> "Iterator[PdfTextPage]":
    """The text layer of the page with an index from 0, closed at the end."""
    page = document[index]
    textpage = page.get_textpage()
    try:
        yield textpage
    finally:
        textpage.close()
        page.close()


def read_lines(textpage: "PdfTextPage", height: float) -> PageLines:
    """The lines of a page of a height in points; those without a visible letter are left out."""
    from pypdfium2.raw import (  # type: ignore[import-untyped]
        FPDFText_GetFontSize,
        FPDFText_GetUnicode,
    )

    count = textpage.count_chars()
    letters = "".join(chr(FPDFText_GetUnicode(textpage.raw, place)) for place in range(count))
    lines = []
    start = 0
    for gap in [*_BREAK.finditer(letters), None]:
        text = letters[start : gap.start() if gap else count]
        boxes = boxes_of(textpage, start, len(text)) if text.strip() else ()
        if boxes:
            first = start + len(text) - len(text.lstrip())
            size = float(FPDFText_GetFontSize(textpage.raw, first))
            lines.append(Line(text=text, start=start, box=around(boxes), size=size))
        start = gap.end() if gap else count
    furniture = frozenset(
        number
        for number, line in enumerate(lines)
        if line.box[1] > _HEAD_ABOVE * height
        or (line.box[3] < _FOOT_BELOW * height and _PAGE_NUMBER.match(line.words))
    )
    return PageLines(letters=letters, lines=tuple(lines), furniture=furniture)


def boxes_of(textpage: "PdfTextPage", start: int, count: int) -> tuple[Box, ...]:
    """What some letters cover: one box per run of letters on one line."""
    if count <= 0:
        return ()
    return tuple(textpage.get_rect(number) for number in range(textpage.count_rects(start, count)))


def around(boxes: Sequence[Box]) -> Box:
    """The least box around several.

    >>> around([(0, 0, 2, 1), (1, -1, 3, 1)])
    (0, -1, 3, 1)
    """
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def readable(text: str) -> str:
    r"""Text without soft hyphens and control characters, with single spaces.

    >>> readable("defi\x02nitions \r\n of  terms")
    'definitions of terms'
    """
    joined = re.sub(f"[{_SOFT_HYPHENS}]\\s*", "", text)
    return " ".join("".join(max(char, " ") for char in joined).split())


def phrase_pattern(phrase: str) -> re.Pattern[str]:
    r"""Finds the words of a phrase in the letters of a page.

    In any case and with any punctuation, across line ends and hyphens; whole words alone.

    >>> bool(phrase_pattern("Load hooks").search("see load\r\nho\x02oks."))
    True
    >>> bool(phrase_pattern("Load hooks").search("Unload hooks"))
    False
    >>> bool(phrase_pattern("The array() function").search("by the array function"))
    True
    """
    hyphen = f"(?:[{_SOFT_HYPHENS}]\\s*)?"
    words = [hyphen.join(word) for word in re.findall(r"\w+", phrase)]
    spaced = r"\W+".join(words) or r"\b\B"  # nothing matches where there are no words
    return re.compile(rf"(?<!\w){spaced}(?!\w)", re.IGNORECASE)
