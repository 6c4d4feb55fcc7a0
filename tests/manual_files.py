"""Small manuals as PDF, written by hand: lines of any size anywhere, page labels and an outline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np

from rzen.data.bench.documents.pool import title_key
from rzen.data.bench.language.concepts import Split, split_of

WIDTH, HEIGHT = 320, 400
LEFT = 40.0
HEAD, TOP, FOOT = 372.0, 335.0, 20.0  # baselines of the running head, the first line and the foot

_ASTERISK = 0x80  # the code of U+2217 in the font below
_FONT = (
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding << /Type /Encoding "
    b"/BaseEncoding /WinAnsiEncoding /Differences [%d /asteriskmath] >> >>" % _ASTERISK
)
_LETTERS = "abcdefghiklmnoprstuw"
_FIRST = ("Linear", "Sparse", "Robust", "Cached", "Nested", "Global", "Hidden", "Static")
_SECOND = ("models", "tables", "frames", "vectors", "methods", "streams", "filters", "graphs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of letters.

    Attributes:
        text: what it says.
        x: where it begins, in points from the left.
        y: its baseline, in points from below.
        size: of the letters, in points.
        secret: whether the reader of manuals must hide it.
    """

    text: str
    x: float = LEFT
    y: float = TOP
    size: float = 9.0
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A page.

    Attributes:
        label: what is printed in its corner: a number of either kind, or a word.
        rows: all that is on it.
    """

    label: str
    rows: Sequence[Row] = field(default_factory=tuple)

    def bare(self) -> "Leaf":
        """The page without its secrets."""
        return Leaf(label=self.label, rows=[row for row in self.rows if not row.secret])


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the outline: chapters are of level 0, what is below them of level 1."""

    level: int
    title: str
    page: int  # from 1
    y: float


def titles(split: Split) -> Iterator[str]:
    """Titles of two words that put what they open in a split, each once."""
    for words in product(_FIRST, _SECOND):
        title = " ".join(words)
        if split_of(title_key(title)) == split:
            yield title


def prose(seed: int, letters: int = 300) -> list[str]:
    """Lines of words that no other seed has, of so many letters or a few more."""
    dice = np.random.default_rng(seed)
    lines = [""]
    while sum(map(len, lines)) < letters:
        word = "".join(dice.choice(list(_LETTERS), dice.integers(4, 9)))
        if len(lines[-1]) + len(word) > 45:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def down(*blocks: Row | Sequence[str], start: float = TOP, step: float = 11.0) -> list[Row]:
    """Rows from the top down: blocks of text and, with space around them, rows such as headings."""
    rows: list[Row] = []
    y = start
    for block in blocks:
        if isinstance(block, Row):
            rows.append(Row(text=block.text, x=block.x, y=y, size=block.size, secret=block.secret))
            y -= 26
        else:
            for text in block:
                rows.append(Row(text=text, y=y))
                y -= step
            y -= 18
    return rows


def heading(text: str, size: float) -> Row:
    """A heading, to be put in its place."""
    return Row(text=text, size=size, secret=True)


def running_head(text: str) -> Row:
    """What stands above the text of every page."""
    return Row(text=text, y=HEAD, secret=True)


def write_manual(file: Path, leaves: Sequence[Leaf], outline: Sequence[Entry] = ()) -> Path:
    """Writes a manual and gives its path back."""
    objects = [b"", b"", _FONT]
    kids = []
    for leaf in leaves:
        stream = b"".join(map(_shown, leaf.rows))
        kids.append(f"{len(objects) + 1} 0 R")
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents "
            f"{len(objects) + 2} 0 R /Resources << /Font << /F 3 0 R >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        ]
    labels = " ".join(
        f"{place} << /P ({leaf.label}) >>"  # a label of nothing but its prefix
        for place, leaf in enumerate(leaves)
    )
    catalog = f"<< /Type /Catalog /Pages 2 0 R /PageLabels << /Nums [{labels}] >>"
    if outline:
        catalog += f" /Outlines {len(objects) + 1} 0 R"
        objects += _outline(outline, kids, len(objects) + 1)
    objects[0] = f"{catalog} >>".encode()
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_assembled(objects))
    return file


def _shown(row: Row) -> bytes:
    text = row.text.replace("\u2217", chr(_ASTERISK)).replace("\u2013", chr(0x96))
    escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    place = f"BT /F {row.size} Tf 1 0 0 1 {row.x} {row.y} Tm"
    return f"{place} ({escaped}) Tj ET\n".encode("latin-1")


def _outline(entries: Sequence[Entry], kids: Sequence[str], root: int) -> list[bytes]:
    """The dictionaries of an outline whose root has a number; the first entry is of level 0."""
    numbers = [root + 1 + place for place in range(len(entries))]
    parents: list[int] = []
    chapter = root
    for number, entry in zip(numbers, entries, strict=True):
        parents.append(chapter if entry.level else root)
        chapter = chapter if entry.level else number
    objects = [f"<< /Type /Outlines {_ends(root, numbers, parents)} >>".encode()]
    for number, entry, parent in zip(numbers, entries, parents, strict=True):
        behind = [
            each
            for each, other in zip(numbers, parents, strict=True)
            if other == parent and each > number
        ]
        following = f" /Next {behind[0]} 0 R" if behind else ""
        objects.append(
            f"<< /Title ({entry.title}) /Parent {parent} 0 R{following} "
            f"/Dest [{kids[entry.page - 1]} /XYZ {LEFT} {entry.y} 0] "
            f"{_ends(number, numbers, parents)} >>".encode()
        )
    return objects


def _ends(parent: int, numbers: Sequence[int], parents: Sequence[int]) -> str:
    own = [each for each, other in zip(numbers, parents, strict=True) if other == parent]
    return f"/First {own[0]} 0 R /Last {own[-1]} 0 R /Count {len(own)}" if own else ""


def _assembled(objects: Sequence[bytes]) -> bytes:
    body = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n".encode()
    return bytes(body + b"startxref\n%d\n%%%%EOF\n" % start)
