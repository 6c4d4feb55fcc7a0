"""A small WordNet in the files of the real one."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

_FOLDER = "usr/share/wordnet"
_LICENCE = "  1 This software and database is being provided to you, the LICENSEE | by  \n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sense:
    """One thing.

    Attributes:
        nouns: as they are stored, with underscores and capitals.
        gloss: definition and examples.
        above: places of what it is a kind of, among all senses.
        pointer: how it points there: ``"@i"`` for instances.
        file: the lexicographer's: 5 animals, 6 artifacts, 18 persons.
    """

    nouns: Sequence[str]
    gloss: str = "what it is and how one knows it"
    above: Sequence[int] = ()
    pointer: str = "@"
    file: int = 5


def write_wordnet(
    package: Path,
    senses: Sequence[Sense],
    *,
    tagged: Collection[str] = (),
    others: Sequence[tuple[str, str]] = (),
) -> Path:
    """Writes it and gives the package back.

    Args:
        package: where to.
        senses: in the order of the file.
        tagged: nouns in lower case that occur in the tagged texts.
        others: words that are also of another kind: ``("verb", "bark")``.
    """
    folder = package / _FOLDER
    folder.mkdir(parents=True)
    places = [0] * len(senses)
    for _ in range(2):  # lines are as long with zeros
        lines = [_line(sense, place, places) for sense, place in zip(senses, places, strict=True)]
        start = len(_LICENCE)
        for number, line in enumerate(lines):
            places[number] = start
            start += len(line)
    lines = [_line(sense, place, places) for sense, place in zip(senses, places, strict=True)]
    (folder / "data.noun").write_text(_LICENCE + "".join(lines), encoding="ascii")
    offsets: dict[str, list[int]] = defaultdict(list)
    for sense, place in zip(senses, places, strict=True):
        for noun in sense.nouns:
            offsets[noun.lower()].append(place)
    index = [_entry(lemma, found, int(lemma in tagged)) for lemma, found in offsets.items()]
    (folder / "index.noun").write_text(_LICENCE + "".join(sorted(index)), encoding="ascii")
    for kind in ("verb", "adj", "adv"):
        entries = [_entry(word, [1740], 0) for where, word in others if where == kind]
        (folder / f"index.{kind}").write_text(_LICENCE + "".join(entries), encoding="ascii")
    return package


def _line(sense: Sense, place: int, places: Sequence[int]) -> str:
    words = " ".join(f"{noun} 0" for noun in sense.nouns)
    pointers = "".join(f" {sense.pointer} {places[each]:08d} n 0000" for each in sense.above)
    head = f"{place:08d} {sense.file:02d} n {len(sense.nouns):02x} {words}"
    return f"{head} {len(sense.above):03d}{pointers} | {sense.gloss}  \n"


def _entry(lemma: str, offsets: Sequence[int], tagged: int) -> str:
    listed = " ".join(f"{offset:08d}" for offset in offsets)
    return f"{lemma} n {len(offsets)} 2 @ ~ {len(offsets)} {tagged} {listed}  \n"
