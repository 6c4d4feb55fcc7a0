"""Questions about words: WordNet's nouns that mean one thing, with their definitions.

An item reads ``"monologist, monologuist: an entertainer who performs alone"``. A sense goes with
its first noun to the split that rzen-bench has it in, loses nouns of other splits, and is left out
if its definition is nearly one of a stronger split.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from rzen.data.bench.language.concepts import Split, concept, split_of, stable_number
from rzen.data.bench.language.text_overlap import similar_texts
from rzen.data.bench.language.wordnet import NounSense, noun_senses
from rzen.data.bench.workshop import Workshop
from rzen.data.questions.balance import Draft, asked
from rzen.data.questions.question_set import Item, QuestionSet, says
from rzen.types import Content, Text

FAMILY: Final = "glosses"

_WORDNET = "wordnet-base"
_NOUNS = "usr/share/wordnet/data.noun"
_CORPUS: Final[Mapping[Split, int]] = {"train": 12_000, "validation": 2_000, "test": 4_000}
_MOST: Final[Mapping[Split, int]] = {"train": 5_000, "validation": 150, "test": 300}
_STRONGEST: Sequence[Split] = ("test", "validation", "train")
_INSULT = re.compile(r"slur|offensive|obscene|vulgar|derogat|disparag|insult", re.IGNORECASE)
_LEAST_WORDS = 5  # of a definition
_LEAST_LETTERS = 5  # of a word that is left out
_STEM = 4  # letters by which the forms of a word are compared
_ENDING = 2  # letters that tell the form of a word
_GAP = "____"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    nouns: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A sense, what it is a kind of, in words, and what that is a kind of."""

    sense: NounSense
    kinds: tuple[str, ...]
    above: str

    @property
    def id(self) -> str:
        return f"gloss-{self.sense.id}"

    @property
    def item(self) -> Item:
        text = f"{', '.join(self.sense.nouns)}: {self.sense.definition}"
        return Item(id=self.id, content=Content(Text(text)))


def glosses(shop: Workshop, split: Split) -> QuestionSet:
    """Kinds of things, words for definitions, words left out of definitions, synonyms."""
    package = shop.fetch(_WORDNET)
    known = _kinds(package / _NOUNS)
    entries = [_entry(sense, known) for sense in _senses(package)[split]]
    heads = Counter(noun for entry in entries for noun in entry.sense.nouns)
    clear = [entry for entry in entries if all(heads[noun] == 1 for noun in entry.sense.nouns)]
    frequency = Counter(word for entry in clear for word in set(_words(entry.sense.definition)))
    drafts = [draft for entry in clear for draft in _drafts(entry, frequency)]
    return QuestionSet(
        name=f"{FAMILY}-{split}",
        split=split,
        corpus=tuple(entry.item for entry in clear),
        questions=tuple(asked(FAMILY, drafts, _MOST[split])),
    )


def _entry(sense: NounSense, known: Mapping[str, _Kind]) -> _Entry:
    kinds = [known[kind] for kind in sense.kinds if kind in known]
    return _Entry(
        sense=sense,
        kinds=tuple(noun for kind in kinds for noun in kind.nouns),
        above=next((above for kind in kinds for above in kind.kinds), ""),
    )


def _drafts(entry: _Entry, frequency: Mapping[str, int]) -> Iterator[Draft]:
    sense, gold = entry.sense, (entry.id,)
    noun, said = sense.nouns[0], " ".join(sense.nouns)
    kind = next((each for each in entry.kinds if says(sense.definition, each)), None)
    if kind is not None and not _shares(said, kind):
        others = tuple(each for each in entry.kinds if each != kind and not says(noun, each))
        text = f"By its definition, what is “{noun}” a kind of?"
        yield Draft(
            template="kind", text=text, answer=kind, accepted=others, gold=gold, kin=entry.above
        )
    yield Draft(
        template="word",
        text=f"Which word has this definition: {sense.definition}?",
        answer=noun,
        accepted=sense.nouns[1:],
        gold=gold,
        kin=" ".join(sense.kinds),
    )
    if (hidden := _telling_word(sense, frequency)) is not None:
        gapped = re.sub(rf"\b{hidden}\b", _GAP, sense.definition)
        text = f"Which word is left out of the definition of “{noun}”: {gapped}?"
        yield Draft(template="gap", text=text, answer=hidden, gold=gold, kin=hidden[-_ENDING:])
    others = tuple(each for each in sense.nouns[1:] if not _shares(noun, each))
    if others:
        text = f"Which other word means the same as “{noun}”?"
        yield Draft(
            template="synonym",
            text=text,
            answer=others[0],
            accepted=others[1:],
            gold=gold,
            kin=" ".join(sense.kinds),
        )


def _telling_word(sense: NounSense, frequency: Mapping[str, int]) -> str | None:
    """The rarest word of a definition that stands in it once and is none of the nouns."""
    words = Counter(_words(sense.definition))
    found = [
        word
        for word, times in words.items()
        if times == 1 and len(word) >= _LEAST_LETTERS and not _shares(" ".join(sense.nouns), word)
    ]
    return min(found, key=lambda word: (frequency[word], word), default=None)


def _words(text: str) -> list[str]:
    return re.findall(r"(?<![\w'-])[a-z]+(?![\w'-])", text)


def _shares(text: str, other: str) -> bool:
    """Whether two texts have words that begin alike, or one lies within the other's letters."""
    one, two = (re.findall(r"[a-z]+", each.lower()) for each in (text, other))
    alike = any(a[:_STEM] == b[:_STEM] for a in one for b in two if min(len(a), len(b)) >= _STEM)
    joined = "".join(one), "".join(two)
    return alike or joined[0] in joined[1] or joined[1] in joined[0]


@cache
def _kinds(file: Path) -> Mapping[str, _Kind]:
    """Id of every sense -> its nouns, without those with a capital or a digit, and its kinds."""
    found: dict[str, _Kind] = {}
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith(" "):
                data = line.partition(" | ")[0]
                fields = data.split()
                nouns = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
                found[fields[0]] = _Kind(
                    nouns=tuple(
                        noun.replace("_", " ") for noun in nouns if re.fullmatch(r"[a-z_'-]+", noun)
                    ),
                    kinds=tuple(re.findall(r" @ (\d{8}) n", data)),
                )
    return found


@cache
def _senses(package: Path) -> Mapping[Split, Sequence[NounSense]]:
    """Those of each split, no more than its corpus holds."""
    of: dict[Split, list[NounSense]] = {split: [] for split in _STRONGEST}
    for whole in noun_senses(package):
        split = split_of(concept(whole.nouns[0]))
        nouns = tuple(noun for noun in whole.nouns if split_of(concept(noun)) == split)
        fit = len(whole.definition.split()) >= _LEAST_WORDS and not _INSULT.search(whole.definition)
        if fit and not any(says(whole.definition, noun) for noun in nouns):
            of[split].append(replace(whole, nouns=nouns))
    for split, found in of.items():
        found.sort(key=lambda sense: stable_number(f"gloss {sense.id}"))
        del found[_CORPUS[split] :]
    texts = {sense.id: sense.definition for split in _STRONGEST for sense in of[split]}
    gone: set[str] = set()
    for one, other in similar_texts(texts):
        if gone.isdisjoint((one, other)):
            gone.add(other)
    return {
        split: [sense for sense in found if sense.id not in gone] for split, found in of.items()
    }
