"""Headings and sections of a manual, from the lines of its pages.

The reference manual (``refman.pdf``) names its topics in the outline and prints a topic's title
beside the name; the other manuals print headings in larger letters.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rzen.data.bench.documents.pdf_lines import Line, PageLines, readable

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument  # type: ignore[import-untyped]

_HEADING_SIZE = 12.0  # points; the body is set in 10.9 at most
_CHAPTER_SIZE, _SECTION_SIZE = 16.0, 13.7
_SAME_SIZE = 0.4
_LINE_GAP = 10.0  # points between the lines of one heading; what follows it is farther off
_TITLE_REACH = 45.0  # points from where the outline leads down to the title
_NUMBER = r"(?:(?:Appendix|Chapter)\s+(?:[A-Z]|\d+)\b|\d+(?:\.\d+)*|[A-Z](?:\.\d+)+)"
_NUMBERED = re.compile(rf"^({_NUMBER})\.?(?:\s+|$)")

LEAST_LETTERS = 200
"""What a page must show of a section to count as a page of it."""

Pages: TypeAlias = Mapping[int, PageLines]
"""The lines of every page of a manual, by number from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading where it is printed.

    Attributes:
        page: number in the file, from 1.
        lines: which lines of the page it takes: the first, and the one behind the last.
        title: without its number and, in the reference manual, without the topic's name.
        rank: 0 for chapters, 1 for sections and for topics of the reference manual, then 2, 3.
    """

    page: int
    lines: tuple[int, int]
    title: str
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What stands under one heading; pages are numbered from 1.

    Attributes:
        manual: name of the file.
        title: without its number.
        rank: as the heading's.
        first: page on which it begins.
        last: last page that shows more than a few lines of it, sections of lower rank included.
        own_last: the same for its own text, which ends at the next heading of any rank.
        own_letters: how many letters of its own text stand on the first page.
        opens_page: whether nothing but the running head stands above its heading.
    """

    manual: str
    title: str
    rank: int
    first: int
    last: int
    own_last: int
    own_letters: int
    opens_page: bool


def large_headings(pages: Pages) -> list[Heading]:
    """All that is printed in large letters, in reading order."""
    found = []
    for page, content in pages.items():
        lines = content.lines
        large = [
            number
            for number, line in enumerate(lines)
            if line.size > _HEADING_SIZE and number not in content.furniture
        ]
        start = 0
        for end in range(1, len(large) + 1):
            if end < len(large) and _goes_on(lines, large[end - 1], large[end]):
                continue
            first, last = large[start], large[end - 1]
            found.append(_large_heading(page, lines, first, last + 1))
            start = end
    return found


def topic_headings(document: "PdfDocument", pages: Pages) -> Iterator[Heading]:
    """The topics that the outline of the reference manual names, each with its title's lines."""
    for entry in document.get_toc():
        target = entry.get_dest()
        if entry.level == 0 or target is None or target.get_index() is None:
            continue
        page, place = target.get_index() + 1, target.get_view()[1]
        lines, name = pages[page].lines, readable(entry.get_title())
        top = place[1] if len(place) > 1 else float("inf")
        for first, line in enumerate(lines):
            near = top - _TITLE_REACH < line.box[1] < line.box[3] < top + 1
            if near and line.words.startswith(name):
                end = first + 1
                while end < len(lines) and _gap(lines[end - 1], lines[end]) < _LINE_GAP:
                    end += 1
                words = " ".join(line.words for line in lines[first:end])
                title = words.removeprefix(name).strip()
                yield Heading(page=page, lines=(first, end), title=title, rank=1)
                break


def sections(manual: str, headings: Sequence[Heading], pages: Pages) -> list[Section]:
    """The sections that headings in reading order begin."""
    found = []
    for number, heading in enumerate(headings):
        behind = headings[number + 1 :]
        whole = next((other for other in behind if other.rank <= heading.rank), None)
        own_end = _end_page(heading, behind[0] if behind else None, pages)
        lines = pages[heading.page].lines
        shares_page = behind and behind[0].page == heading.page
        own_lines = lines[heading.lines[1] : behind[0].lines[0] if shares_page else len(lines)]
        found.append(
            Section(
                manual=manual,
                title=heading.title,
                rank=heading.rank,
                first=heading.page,
                last=max(own_end, _end_page(heading, whole, pages)),
                own_last=own_end,
                own_letters=sum(len(line.words) for line in own_lines),
                opens_page=_opens_page(heading, pages[heading.page]),
            )
        )
    return found


def _goes_on(lines: Sequence[Line], before: int, after: int) -> bool:
    """Whether two large lines are one heading."""
    return (
        after == before + 1
        and abs(lines[before].size - lines[after].size) < _SAME_SIZE
        and _gap(lines[before], lines[after]) < _LINE_GAP
        and not _NUMBERED.match(lines[after].words)
    )


def _large_heading(page: int, lines: Sequence[Line], first: int, end: int) -> Heading:
    words = " ".join(line.words for line in lines[first:end])
    numbered = _NUMBERED.match(words)
    size = lines[first].size
    if size > _CHAPTER_SIZE:
        rank = 0
    elif numbered:
        rank = max(1, numbered[1].count("."))
    else:
        rank = 1 if size > _SECTION_SIZE else 3
    title = words[numbered.end() :] if numbered else words
    return Heading(page=page, lines=(first, end), title=title.strip(), rank=rank)


def _gap(above: Line, below: Line) -> float:
    """Points between two lines; infinite if the second does not stand below the first."""
    return above.box[1] - below.box[3] if below.box[1] < above.box[1] else float("inf")


def _opens_page(heading: Heading, page: PageLines) -> bool:
    bottom = page.lines[heading.lines[0]].box[1]
    own = range(*heading.lines)
    return not any(
        line.box[3] > bottom
        for number, line in enumerate(page.lines)
        if number not in page.furniture and number not in own
    )


def _end_page(heading: Heading, following: Heading | None, pages: Pages) -> int:
    """The last page that shows enough of what stands between two headings."""
    if following is None:
        return max(pages)
    page = pages[following.page]
    above = (
        line
        for number, line in enumerate(page.lines[: following.lines[0]])
        if number not in page.furniture
    )
    enough = sum(len(line.words) for line in above) >= LEAST_LETTERS
    return max(heading.page, following.page if enough else following.page - 1)
