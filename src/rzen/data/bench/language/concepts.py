"""What a picture, a word or a page is about, and the split that goes with it.

Everything about one concept lies in one split, whatever package and modality it comes from: a model
that was trained on the rabbit of one style has not seen the rabbits of the test.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from rzen.data.bench.language.concept_words import (
    COLOURS,
    COMPOUNDS,
    IRREGULAR,
    KINDS,
    NEVER,
    NOUNS_IN_ING,
    QUANTITIES,
    SAME,
    STOPS,
    UNCHANGED,
    WEAK,
)

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_SHARES: tuple[tuple[Split, float], ...] = (("train", 0.55), ("validation", 0.15), ("test", 0.30))

_BRACKETS = re.compile(r"\([^)]*\)|\[[^]]*\]")
_CLAUSE_ENDS = re.compile(r"[.,;!?/\u2014]|\s[-\u2013]\s|:(?=\s)")
_WORDS = re.compile(r"[a-zà-ÿ]+(?:[-'][a-zà-ÿ]+)*")
_CLOCK = re.compile(r"o'clock|-thirty\b")
_ARTICLES = frozenset({"a", "an", "the", "its", "his", "her"})
_SHORTEST_PLURAL = 4
_LONGEST_NAME = 3


def split_of(concept: str) -> Split:
    """The split of all that is about a concept, however its words are set apart.

    >>> split_of("meeting house") == split_of("meetinghouse") and split_of("boat") in SPLITS
    True
    """
    together = re.sub(r"[\s-]", "", concept)
    place = stable_number(f"concept {together}") / 2**64
    for split, share in _SHARES:
        if place < share:
            return split
        place -= share
    return _SHARES[-1][0]


def stable_number(text: str) -> int:
    """A number below 2**64 that looks random and is the same everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def concept(caption: str) -> str:
    """What a caption is about: the head of its first noun phrase, in one form for all packages.

    It knows no grammar, only word order and the lists of
    :mod:`rzen.data.bench.language.concept_words`: words such as "the", "cartoon" or "slice"
    never count, words such as "face", "person" or a colour only where there is nothing better. An
    unknown text is its own concept.

    >>> concept("Some snowy owls."), concept("rabbit face"), concept("A bunch of red grapes!")
    ('owl', 'rabbit', 'grape')
    >>> concept("woman with headscarf"), concept("An orange."), concept("bunny")
    ('headscarf', 'orange', 'rabbit')
    """
    lowered = caption.lower().replace("\u2019", "'").replace("o'-", "o-").replace("mrs.", "mrs")
    if _CLOCK.search(lowered):
        return "clock"
    clauses = [_words(clause) for clause in _CLAUSE_ENDS.split(_BRACKETS.sub(" ", lowered))]
    phrases = [phrase for clause in clauses for phrase in _phrases(clause)]
    for tier in (NEVER | WEAK, NEVER):
        for phrase in phrases:
            if head := _head(phrase, tier):
                return head
    return " ".join(_WORDS.findall(lowered)) or lowered.strip()


def singular(noun: str) -> str:
    """The singular of an English noun, by simple rules; of a singular, itself.

    >>> singular("cherries"), singular("boxes"), singular("glass"), singular("tomatoes")
    ('cherry', 'box', 'glass', 'tomato')
    """
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun in UNCHANGED or len(noun) < _SHORTEST_PLURAL or not noun.endswith("s"):
        return noun
    if noun.endswith(("ss", "us", "is")):
        return noun
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return noun[:-2]
    return noun[:-1]


def _words(clause: str) -> list[str]:
    return [word.removesuffix("'s") for word in _WORDS.findall(clause)]


def _phrases(words: Sequence[str]) -> list[list[str]]:
    """Noun phrases, the one that the others describe first."""
    phrases: list[list[str]] = [[]]
    for word, after in zip(words, [*words, ""][1:], strict=True):
        last = phrases[-1]
        if word == "of" and last and singular(last[-1]) in QUANTITIES:
            last.clear()
        elif word in STOPS and last:
            phrases.append([])
        elif _begins_another(last, word, after):
            phrases.append([word])
        elif word not in STOPS:
            last.append(word)
    return phrases


def _begins_another(before: Sequence[str], word: str, after: str) -> bool:
    """Whether it is what something does: "a bear sleeping under", but not "a sleeping bear"."""
    doing = word.endswith("ing") and word not in NOUNS_IN_ING
    ends = not after or after in STOPS | _ARTICLES
    return doing and ends and any(each not in NEVER | COLOURS for each in before)


def _head(words: Sequence[str], passed_over: frozenset[str]) -> str:
    """The last word that counts, or the name of several words that ends there."""
    kept = list(words)
    while kept:
        for length in range(min(_LONGEST_NAME, len(kept)), 1, -1):
            name = " ".join([*kept[-length:-1], singular(kept[-1])])
            if found := COMPOUNDS.get(name) or KINDS.get(name):
                return found
        last = kept.pop()
        one = singular(last)
        if last not in passed_over and one not in passed_over:
            return SAME.get(one) or KINDS.get(one) or one
    return ""
