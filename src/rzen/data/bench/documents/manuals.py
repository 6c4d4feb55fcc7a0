"""The manuals of R as PDF: sections, printed indexes, and pages whose headings are hidden.

Headings, running heads and page numbers are hidden on every page, in its text and in its pixels, so
that no page gives away what begins on it and all pages look alike. Titles are also hidden where
they are repeated on the pages of their own section, or named in a reference to it.

PDFium must not be used from two threads; neither may this module.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.documents.headings import (
    Heading,
    Pages,
    Section,
    large_headings,
    sections,
    topic_headings,
)
from rzen.data.bench.documents.pdf_lines import (
    Box,
    PageLines,
    boxes_of,
    opened_pdf,
    phrase_pattern,
    read_lines,
    readable,
    text_layer,
)
from rzen.data.bench.documents.printed_index import IndexTerm, concept_terms, leader_terms

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument  # type: ignore[import-untyped]

LONGEST_SECTION = 4
"""Pages; of what is longer, no page answers for the whole."""

REFERENCE = "refman"
"""The manual whose topics stand in its outline."""

_TWICE = "fullrefman"  # the reference manual once more
_REFERENCE_TO = re.compile(r"\[([^\][]{3,120})\],\s+page\s+\d+")
_INDEX = re.compile(r"\bindex$", re.IGNORECASE)
_LARGEST_INDEX_LETTERS = 12.0  # points; single letters above the entries are larger
_SCALE = 100 / 72  # pixels per point
_MARGINS = (0.10, 0.05, 0.10, 0.07)  # left, top, right, bottom: white on nearly every page
_GREY_STEP = 17  # 16 levels of grey look the same and take half the space


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet:
    """One page.

    Attributes:
        id: such as ``"R-exts-28"``: the file and the page in it.
        number: page in the file, from 1.
        text: without all that is hidden.
        hidden: what is painted white.
    """

    id: str
    number: int
    text: str
    hidden: tuple[Box, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Manual:
    """A manual that has been read.

    Attributes:
        name: of the file, without ``.pdf``.
        file: where it is.
        sheets: the pages of the body, by number; no title pages, contents or indexes.
        sections: of the body, in reading order.
        terms: of the printed indexes.
    """

    name: str
    file: Path
    sheets: Mapping[int, Sheet]
    sections: tuple[Section, ...]
    terms: tuple[IndexTerm, ...]


def read_manuals(package: Path) -> tuple[Manual, ...]:
    """All manuals in the unpacked package ``r-doc-pdf``; each is read once in a process."""
    files = (package / "usr/share/R/doc/manual").glob("*.pdf")
    return tuple(read_manual(file) for file in sorted(files) if file.stem != _TWICE)


@cache
def read_manual(file: Path) -> Manual:
    """Reads a manual."""
    with opened_pdf(file) as document:
        pages: dict[int, PageLines] = {}
        for index in range(len(document)):
            with text_layer(document, index) as textpage:
                height = document.get_page_size(index)[1]
                pages[index + 1] = read_lines(textpage, height)
        numbers = {document.get_page_label(page - 1) or str(page): page for page in pages}
        headings = large_headings(pages)
        if file.stem == REFERENCE:
            headings += topic_headings(document, pages)
        headings.sort(key=lambda heading: (heading.page, heading.lines))
        found = sections(file.stem, headings, pages)
        indexes = [each for each in found if each.rank == 0 and _INDEX.search(each.title)]
        body = {page: pages[page] for printed, page in numbers.items() if printed.isdigit()}
        for page in (page for each in indexes for page in range(each.first, each.last + 1)):
            body.pop(page, None)
        found = [each for each in found if each.first in body]
        sheets = _sheets(document, file.stem, body, headings, found)
    return Manual(
        name=file.stem,
        file=file,
        sheets=sheets,
        sections=tuple(found),
        terms=tuple(term for index in indexes for term in _terms(index, pages, numbers)),
    )


def draw(manual: Manual, numbers: Iterable[int]) -> Iterator[tuple[Sheet, NDArray[np.uint8]]]:
    """Pages as pictures: (H, W) grey, 100 dots per inch, the white margins cut off."""
    with opened_pdf(manual.file) as document:
        for number in numbers:
            sheet = manual.sheets[number]
            page = document[number - 1]
            bitmap = page.render(scale=_SCALE, grayscale=True)
            grey_HW = np.array(bitmap.to_numpy(), np.uint8).reshape(bitmap.height, bitmap.width)
            bitmap.close()
            page.close()
            yield sheet, _prepared(grey_HW, sheet.hidden)


def _prepared(grey_HW: NDArray[np.uint8], hidden: Iterable[Box]) -> NDArray[np.uint8]:
    height, width = grey_HW.shape
    for left, bottom, right, top in hidden:
        rows = slice(max(0, int(height - top * _SCALE) - 1), int(height - bottom * _SCALE) + 2)
        grey_HW[rows, max(0, int(left * _SCALE) - 1) : int(right * _SCALE) + 2] = 255
    sides = zip(_MARGINS, (width, height, width, height), strict=True)
    left, above, right, below = (round(share * side) for share, side in sides)
    inner_HW = grey_HW[above : height - below, left : width - right]
    return np.round(inner_HW / _GREY_STEP).astype(np.uint8) * np.uint8(_GREY_STEP)


def _sheets(
    document: "PdfDocument",
    manual: str,
    body: Pages,
    headings: Sequence[Heading],
    found: Sequence[Section],
) -> dict[int, Sheet]:
    heading_lines, titles = defaultdict[int, set[int]](set), defaultdict[int, set[str]](set)
    for heading in headings:
        heading_lines[heading.page].update(range(*heading.lines))
    for section in found:
        if (
            len(re.findall(r"\w+", section.title)) > 1
            and section.last - section.first < LONGEST_SECTION
        ):
            for number in range(section.first, section.last + 1):
                titles[number].add(section.title)
    sheets = {}
    for number, page in body.items():
        gone = page.furniture | heading_lines[number]
        spans = _repeated(page, sorted(titles[number]), gone)
        hidden = [page.lines[line].box for line in sorted(gone)]
        if spans:
            with text_layer(document, number - 1) as textpage:
                for start, end in spans:
                    hidden += boxes_of(textpage, start, end - start)
        sheets[number] = Sheet(
            id=f"{manual}-{number}",
            number=number,
            text=_visible(page, gone, spans),
            hidden=tuple(hidden),
        )
    return sheets


def _repeated(page: PageLines, titles: Iterable[str], gone: Iterable[int]) -> list[tuple[int, int]]:
    """Where a title stands outside the headings, and what references to sections name."""
    hidden = [(page.lines[line].start, len(page.lines[line].text)) for line in gone]
    finds = [
        found.span() for title in titles for found in phrase_pattern(title).finditer(page.letters)
    ]
    finds += [found.span(1) for found in _REFERENCE_TO.finditer(page.letters)]
    return sorted(
        (start, end)
        for start, end in finds
        if not any(first <= start < first + count for first, count in hidden)
    )


def _visible(page: PageLines, gone: Iterable[int], spans: Sequence[tuple[int, int]]) -> str:
    letters = list(page.letters)
    for start, end in spans:
        letters[start:end] = " " * (end - start)
    texts = (
        readable("".join(letters[line.start : line.start + len(line.text)]))
        for number, line in enumerate(page.lines)
        if number not in gone
    )
    return "\n".join(text for text in texts if text)


def _terms(index: Section, pages: Pages, numbers: Mapping[str, int]) -> Iterator[IndexTerm]:
    lines = [
        [
            line
            for number, line in enumerate(pages[page].lines)
            if number not in pages[page].furniture and line.size < _LARGEST_INDEX_LETTERS
        ]
        for page in range(index.first, index.last + 1)
    ]
    if index.manual == REFERENCE:
        yield from concept_terms(lines, numbers)
    else:
        is_name = not index.title.lower().startswith("concept")
        yield from leader_terms((line for page in lines for line in page), numbers, is_name=is_name)
