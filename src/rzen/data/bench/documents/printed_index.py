"""What the printed indexes at the end of a manual say: terms and the pages they point to."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rzen.data.bench.documents.pdf_lines import Line

_LEADERS = re.compile(r"^(.+?)\s?(?:\.\s?){2,}([\d,\u2013\s]*)$")
_PAGES = re.compile(r"^\d+(?:[\u2013,\s]+\d+)*,?$")
_TOPIC = re.compile(r"^(.*\S),\s?(\d+)$")
_CONCEPT_MARK = "\u2217"
_TO = "\u2013"
_INDENT = 8.0  # points; topics under a concept are set in by 20
_SECOND_COLUMN = 300.0  # points from the left
_LONGEST_RANGE = 20  # pages


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTerm:
    """One entry of an index.

    Attributes:
        words: as printed.
        is_name: whether it is the name of a function, a variable or the like.
        pages: pages in the file, from 1, in ascending order.
    """

    words: str
    is_name: bool
    pages: tuple[int, ...]


def leader_terms(
    lines: Iterable[Line], numbers: Mapping[str, int], *, is_name: bool
) -> Iterator[IndexTerm]:
    """Entries such as ``Load hooks . . . . . 54, 60``.

    Args:
        lines: of the index, without running heads and letters.
        numbers: printed page number -> page in the file.
        is_name: what kind of index it is.
    """
    entries: list[list[str]] = []
    before = ""  # the first line of a term that takes two
    for text in (line.words for line in lines):
        if found := _LEADERS.match(text):
            joint = "" if before.endswith("_") else " "
            entries.append([f"{before}{joint}{found[1]}".strip(), found[2]])
            before = ""
        elif entries and _PAGES.match(text):
            entries[-1][1] += f" {text}"
        else:
            before = text
    for words, printed in entries:
        if pages := _pages(printed, numbers):
            yield IndexTerm(words=words, is_name=is_name, pages=pages)


def concept_terms(
    pages: Sequence[Sequence[Line]], numbers: Mapping[str, int]
) -> Iterator[IndexTerm]:
    """Concepts such as ``axis range`` with the topics set in below them: ``plot.window, 1037``.

    Args:
        pages: the lines of each page of the index, without running heads.
        numbers: printed page number -> page in the file.
    """
    edges = _column_edges([line for page in pages for line in page])
    concept, found = "", list[int]()
    for line in (line for page in pages for line in page):
        text = line.words
        topic = _TOPIC.match(text)
        indented = line.box[0] - edges[_column(line)] > _INDENT
        if concept and indented and topic:
            found.extend(_pages(topic[2], numbers))
            continue
        if concept and found:
            yield IndexTerm(words=concept, is_name=False, pages=tuple(sorted(set(found))))
        concept, found = text.removeprefix(_CONCEPT_MARK).strip(), []
        if not text.startswith(_CONCEPT_MARK):
            concept = ""
    if concept and found:
        yield IndexTerm(words=concept, is_name=False, pages=tuple(sorted(set(found))))


def _pages(printed: str, numbers: Mapping[str, int]) -> tuple[int, ...]:
    r"""Pages in the file.

    >>> _pages("2, 4\u20136,", {str(number): number + 10 for number in range(1, 9)})
    (12, 14, 15, 16)
    """
    pages: set[int] = set()
    for piece in printed.replace(" ", "").strip(",").split(","):
        first, _, last = piece.partition(_TO)
        if first not in numbers:
            continue
        start, end = numbers[first], numbers.get(last, numbers[first])
        pages.update(range(start, min(end, start + _LONGEST_RANGE) + 1))
    return tuple(sorted(pages))


def _column(line: Line) -> bool:
    return line.box[0] > _SECOND_COLUMN


def _column_edges(lines: Sequence[Line]) -> dict[bool, float]:
    """Where the text of the left and the right column begins."""
    edges: dict[bool, float] = {}
    for line in lines:
        edges[_column(line)] = min(line.box[0], edges.get(_column(line), line.box[0]))
    return edges
