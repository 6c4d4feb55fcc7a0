"""Nouns of WordNet with their definitions: nouns that mean one thing only.

The files ``index.noun`` and ``data.noun`` are described in WordNet's manual page wndb(5WN).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = "usr/share/wordnet"
_OTHER_KINDS = ("verb", "adj", "adv")
# Names of people, places and species are written with a capital, as are the ranks above species.
_PLAIN = re.compile(r"[a-z][a-z'_-]+")
_INSTANCE, _KIND_OF = "@i", "@"


@dataclass(frozen=True, slots=True, kw_only=True)
class NounSense:
    """One thing and the nouns that mean it and nothing else.

    Attributes:
        id: its offset in ``data.noun``.
        nouns: in lower case, as one writes them; at least one.
        definition: without the examples of use.
        kinds: ids of what it is a kind of.
        familiar: whether one of the nouns occurs in the texts that WordNet was tagged with.
    """

    id: str
    nouns: tuple[str, ...]
    definition: str
    kinds: tuple[str, ...]
    familiar: bool


@cache
def noun_senses(package: Path) -> tuple[NounSense, ...]:
    """All of them in the unpacked package ``wordnet-base``, in the order of the file.

    Left out are nouns with several meanings or that can be verbs, adjectives or adverbs, names of
    one person, place or event, and all words with a capital or a digit.
    """
    folder = package / _FOLDER
    counts = dict(_index(folder / "index.noun"))
    others = {lemma for kind in _OTHER_KINDS for lemma, _ in _index(folder / f"index.{kind}")}
    alone = {lemma: tagged for lemma, (senses, tagged) in counts.items() if senses == 1}
    for lemma in others:
        alone.pop(lemma, None)
    return tuple(_senses(folder / "data.noun", alone))


def _index(file: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Lemma, number of senses, and number of senses that occur in the tagged texts."""
    for line in _rows(file):
        fields = line.split()
        senses = int(fields[2])
        # lemma pos senses pointers [symbol...] senses tagged offset [offset...]
        yield fields[0], (senses, int(fields[-1 - senses]))


def _senses(file: Path, alone: Mapping[str, int]) -> Iterator[NounSense]:
    for line in _rows(file):
        data, _, gloss = line.partition(" | ")
        fields = data.split()
        # offset file kind count(hex) [word id...] count [symbol offset kind source/target...]
        behind = 4 + 2 * int(fields[3], 16)
        words = fields[4:behind:2]
        symbols, targets = fields[behind + 1 :: 4], fields[behind + 2 :: 4]
        lemmas = [word for word in words if _PLAIN.fullmatch(word) and word in alone]
        if not lemmas or _INSTANCE in symbols:
            continue
        yield NounSense(
            id=fields[0],
            nouns=tuple(lemma.replace("_", " ") for lemma in lemmas),
            definition=gloss.partition('; "')[0].strip(),
            kinds=tuple(
                target
                for symbol, target in zip(symbols, targets, strict=True)
                if symbol == _KIND_OF
            ),
            familiar=any(alone[lemma] for lemma in lemmas),
        )


def _rows(file: Path) -> Iterator[str]:
    # Lines that begin with a blank hold the licence.
    with file.open(encoding="utf-8") as lines:
        yield from (line for line in lines if not line.startswith(" "))
