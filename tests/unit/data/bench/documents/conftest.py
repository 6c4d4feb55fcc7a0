"""A stand-in for the package of R's manuals, and the same without all that must be hidden."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from manual_files import (
    LEFT,
    Entry,
    Leaf,
    Row,
    down,
    heading,
    prose,
    running_head,
    titles,
    write_manual,
)
from rzen.data.bench.language.concepts import Split

ORDER: Sequence[Split] = ("test", "validation", "train")  # of the chapters of R-one
_FOLDER = "usr/share/R/doc/manual"
_LEADERS = " . . . . . . . . "
_LINE_ENDS = 220.0  # from the left
_TERMS = {"test": "moving average", "validation": "moving window", "train": "moving target"}
_NAMES = {"test": "loadHooks", "validation": "loadTables", "train": "loadFonts"}


def _chapter(number: int, split: Split) -> list[Leaf]:
    """Five pages; secret is all that tells what they are about.

    Section a is on pages 1 and 2, b on 2, c on 3 to 5, with d below it on 5. Page 3 shows a line of
    b, page 4 names a section of elsewhere. The term is on 1 and 4, the name on 3.
    """
    names = titles(split)
    whole, a, b, c, d = (next(names) for _ in range(5))
    seeds = iter(range(100 * number, 100 * number + 99))

    def text(letters: int) -> list[str]:
        return prose(next(seeds), letters)

    def page(place: int, *rows: Row) -> Leaf:
        printed = 5 * (number - 1) + place
        if place > 1:
            rows = (running_head(f"Chapter {number}: {whole} {printed}"), *rows)
        foot = Row(text=str(printed), x=150.0, y=20.0, secret=True)
        return Leaf(label=str(printed), rows=[*rows, foot])

    opening = down(
        heading(f"{number} {whole}", 17),
        [*text(230), f"a {_TERMS[split]} of all"],
        heading(f"{number}.1 {a}", 14),
        text(230),
    )
    second = down(text(200), heading(f"{number}.2 {b}", 14), text(250))
    first_word, last_word = b.split()
    repeats = [
        Row(text=a.upper(), x=_LINE_ENDS, y=40.0, secret=True),
        Row(text="as they say in", y=40.0),
        Row(text="there is also", y=60.0),
        Row(text=first_word, x=_LINE_ENDS, y=60.0, secret=True),
        Row(text=last_word.lower(), y=50.0, secret=True),
        Row(text="and what follows", x=150.0, y=50.0),
    ]
    third = down(
        text(60), heading(f"{number}.3 {c}", 14), [*text(250), f"the {_NAMES[split]} of it"]
    )
    reference = [
        Row(text="see Section 9.9 [", y=40.0),
        Row(text="Writing elsewhere", x=125.0, y=40.0, secret=True),
        Row(text="], page 99.", x=_LINE_ENDS, y=40.0),
    ]
    fourth = down([*text(420), f"not every {_TERMS[split]} says it"])
    fifth = down(text(300), heading(f"{number}.3.1 {d}", 13), text(230))
    contents = (opening, [*second, *repeats], third, [*fourth, *reference], fifth)
    return [page(place, *rows) for place, rows in enumerate(contents, start=1)]


def _small_manual() -> list[Leaf]:
    """Title page, contents, three chapters and two indexes; page 1 is the third in the file."""
    front = [
        Leaf(label="T-1", rows=down(heading("R One for everyone", 20), prose(1))),
        Leaf(label="i", rows=down(heading("Table of Contents", 17), prose(2))),
    ]
    body = [leaf for place, split in enumerate(ORDER, start=1) for leaf in _chapter(place, split)]
    places = [(split, 5 * place) for place, split in enumerate(ORDER)]
    names = [f"{_NAMES[split]}{_LEADERS}{before + 3}" for split, before in places]
    terms = [f"{_TERMS[split]}{_LEADERS}{before + 1}" for split, before in places]
    indexes = (("Function and variable index", names, 16), ("Concept index", terms, 17))
    back = [
        Leaf(label=str(label), rows=down(heading(title, 17), heading("L", 14), lines))
        for title, lines, label in indexes
    ]
    return [*front, *body, *back]


def _reference() -> tuple[list[Leaf], list[Entry]]:
    """Topics with titles of one and two lines; page 1 is the second in the file."""

    def topic(name: str, *title: str, y: float) -> list[Row]:
        words = [
            Row(text=line, x=130.0, y=y - 11 * at, secret=True) for at, line in enumerate(title)
        ]
        return [Row(text=name, y=y, secret=True), *words]

    def leaf(label: str, *rows: Row) -> Leaf:
        return Leaf(label=label, rows=[running_head(f"{label} base package"), *rows])

    front = Leaf(label="i", rows=down(heading("Contents", 17), prose(3)))
    one = leaf(
        "1",
        heading("Chapter 1", 17),
        *topic("agrep", "Approximate String Matching", y=290),
        *down(prose(901), start=260),
        *topic("all.equal", "Test if Two Objects are", "Nearly Equal", y=120),
        *down(prose(902, 240), start=85),
    )
    two = leaf("2", *down(prose(903, 500)))
    index = leaf(
        "3",
        heading("Index", 17),
        Row(text="\u2217axis range", y=300),
        Row(text="agrep, 1", x=LEFT + 20, y=289),
        Row(text="all.equal, 2", x=LEFT + 20, y=278),
        Row(text="all, 1, 2", y=267),
    )
    outline = [
        Entry(level=0, title="The base package", page=2, y=340.0),
        Entry(level=1, title="agrep", page=2, y=308.0),
        Entry(level=1, title="all.equal", page=2, y=138.0),
        Entry(level=0, title="Index", page=4, y=340.0),
    ]
    return [front, one, two, index], outline


@pytest.fixture(scope="session")
def manuals_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package; the second copy of the reference manual is in it, too."""
    package = tmp_path_factory.mktemp("manuals")
    write_manual(package / _FOLDER / "R-one.pdf", _small_manual())
    reference = write_manual(package / _FOLDER / "refman.pdf", *_reference())
    shutil.copy(reference, reference.with_name("fullrefman.pdf"))
    return package


@pytest.fixture(scope="session")
def bare_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pages without headings, running heads, page numbers and repeated titles."""
    package = tmp_path_factory.mktemp("bare")
    for name, leaves in (("R-one", _small_manual()), ("refman", _reference()[0])):
        write_manual(package / _FOLDER / f"{name}.pdf", [leaf.bare() for leaf in leaves])
    return package
