"""What kind of thing a noun names, by the first sense that WordNet gives it.

The format of its files: wndb(5WN). A line of ``index.noun`` lists the senses of a lemma, the most
frequent one first, as byte offsets into ``data.noun``; a line there begins with offset and number
of the lexicographer's file, and points with ``@`` to what it is a kind of.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rzen.errors import DataError

PACKAGE: Final = "wordnet-base"
_FOLDER = Path("usr/share/wordnet")

# Lexicographers' files: animals, artifacts, food, objects of nature, plants.
_THINGS: Final = frozenset({5, 6, 13, 17, 20})
_SENSE = re.compile(r"\b\d{8}\b")
_KIND_OF = re.compile(r"@i? (\d{8}) n")


class NounKinds:
    """Nouns and what they are kinds of.

    Args:
        folder: of the unpacked package.

    Raises:
        DataError: if its files are not there.
    """

    def __init__(self, folder: Path) -> None:
        try:
            index = (folder / _FOLDER / "index.noun").read_text(encoding="ascii")
            self._data = (folder / _FOLDER / "data.noun").read_bytes()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{PACKAGE} is not as expected ({error}): fetch the package again"
            ) from None
        self._first: dict[str, int] = {}
        for line in index.splitlines():
            if not line.startswith(" ") and (found := _SENSE.search(line)):
                self._first[line.partition(" ")[0]] = int(found.group())

    def is_thing(self, name: str) -> bool:
        """Whether it names things that one can see: animals, artifacts, food, plants and so on.

        Persons and parts of the body are none of them here, nor is what has a name of its own
        ("Saturn", the genus "Rana").
        """
        sense = self._first.get(_lemma(name))
        if sense is None:
            return False
        line = self._line(sense)
        return int(line[9:11]) in _THINGS and f" {_lemma(name)} " in line.partition("|")[0]

    def is_kind_of(self, name: str, other: str) -> bool:
        """Whether all that the first names is also named by the second; every noun is its own."""
        goal = self._first.get(_lemma(other))
        sense = self._first.get(_lemma(name))
        return goal is not None and sense is not None and goal in {sense, *self._above(sense)}

    def known_end(self, words: str) -> str:
        """The longest ending of a name that is a noun; empty if none is.

        Of "great blue heron" it is all of it, of "happy snail" the snail.
        """
        parts = words.split()
        ends = (" ".join(parts[start:]) for start in range(len(parts)))
        return next((end for end in ends if _lemma(end) in self._first), "")

    def _above(self, sense: int) -> Iterator[int]:
        for found in _KIND_OF.finditer(self._line(sense).partition("|")[0]):
            yield int(found.group(1))
            yield from self._above(int(found.group(1)))

    def _line(self, sense: int) -> str:
        return self._data[sense : self._data.index(b"\n", sense)].decode("ascii")


def _lemma(name: str) -> str:
    return name.lower().replace(" ", "_")
