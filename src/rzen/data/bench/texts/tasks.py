"""Texts that find texts: definitions by nouns, nouns by definitions, news by news."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from rzen.data.bench.language.concepts import Split, concept, split_of, stable_number
from rzen.data.bench.language.text_overlap import similar_texts
from rzen.data.bench.language.wordnet import NounSense, noun_senses
from rzen.data.bench.texts.news import news_set
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example, Text

_WORDNET = "wordnet-base"
_DEFINE = "Find the definition of the given word."
_NAME = "Find a word that has the given definition."
_QUERIES: Mapping[Split, int] = {"validation": 200, "test": 400}
_DOCUMENTS: Mapping[Split, int] = {"validation": 750, "test": 1500}
_EXAMPLES = 4000
_SIBLINGS = 3  # per query, of what is a kind of the same
_STEM = 4  # letters by which the forms of a word are compared
_LEAST_DEFINITION = 5  # words
_INSULT = re.compile(r"slur|offensive|obscene|vulgar|derogat|disparag|insult", re.IGNORECASE)
_STRONGEST: Sequence[Split] = ("test", "validation", "train")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Nouns:
    """The senses of one split.

    Attributes:
        defined: those that are asked for by a noun.
        named: those whose nouns are asked for by the definition: all with several, and some.
        siblings: id of a kind -> senses of that kind.
        left_out: what was left out, and why.
    """

    defined: Sequence[NounSense]
    named: Sequence[NounSense]
    siblings: Mapping[str, Sequence[NounSense]]
    left_out: Mapping[str, int]


def sets(shop: Workshop, split: Split) -> list[RetrievalSet]:
    """The sets of a split: definitions, nouns, and in the test the news.

    The fifty news articles are all compared with one another and have no concepts: they cannot be
    divided, so they are measured with and never chosen by.
    """
    nouns = _nouns(shop.fetch(_WORDNET))[split]
    for why, count in nouns.left_out.items():
        shop.tallies[f"nouns ({split}): {why}"] = count
    made = [_definitions(shop, nouns, split), _synonyms(shop, nouns, split)]
    return [*made, news_set(shop)] if split == "test" else made


def examples(shop: Workshop) -> Iterator[Example]:
    """Nouns with definitions and definitions with nouns, beside those of siblings."""
    nouns = _nouns(shop.fetch(_WORDNET))["train"]
    senses = _shuffled([*nouns.defined, *nouns.named], shop, "examples")
    named = {sense.id for sense in nouns.named}
    senses.sort(key=lambda sense: not sense.familiar)
    for sense in senses[:_EXAMPLES]:
        siblings = _siblings(shop, nouns, sense)
        if sense.id in named:
            query = Content(Text(sense.definition))
            positives = [Content(Text(noun)) for noun in _different(sense.nouns)]
            negatives = [Content(Text(sibling.nouns[0])) for sibling in siblings]
        else:
            query = Content(Text(sense.nouns[0]))
            positives = [Content(Text(sense.definition))]
            negatives = [Content(Text(sibling.definition)) for sibling in siblings]
        yield Example(
            task="text retrieval",
            query=query,
            positives=tuple(positives),
            negatives=tuple(negatives),
        )


@cache
def _nouns(package: Path) -> Mapping[Split, _Nouns]:
    """The nouns of every split: a sense goes with its first noun and loses those of others."""
    senses: dict[str, NounSense] = {}
    splits: dict[str, Split] = {}
    left_out: dict[Split, dict[str, int]] = {split: defaultdict(int) for split in _STRONGEST}
    for whole in noun_senses(package):
        split = split_of(concept(whole.nouns[0]))
        nouns = tuple(noun for noun in whole.nouns if split_of(concept(noun)) == split)
        sense = replace(whole, nouns=nouns)
        if len(sense.definition.split()) < _LEAST_DEFINITION or _says_itself(sense):
            left_out[split]["definitions that are short or use the noun"] += 1
        elif _INSULT.search(sense.definition):
            left_out[split]["insults"] += 1
        else:
            senses[sense.id], splits[sense.id] = sense, split
    order = sorted(
        senses, key=lambda name: (_STRONGEST.index(splits[name]), not senses[name].familiar, name)
    )
    for one, other in similar_texts({name: senses[name].definition for name in order}):
        if one in senses and other in senses:
            del senses[other]
            left_out[splits[other]]["definitions like another"] += 1
    return {
        split: _of_split([senses[name] for name in senses if splits[name] == split], counts)
        for split, counts in left_out.items()
    }


def _of_split(senses: Sequence[NounSense], left_out: Mapping[str, int]) -> _Nouns:
    siblings: dict[str, list[NounSense]] = defaultdict(list)
    for sense in senses:
        for kind in sense.kinds:
            siblings[kind].append(sense)
    named = [
        sense
        for sense in senses
        if len(_different(sense.nouns)) > 1 or stable_number(f"named {sense.id}") % 3 == 0
    ]
    chosen = {sense.id for sense in named}
    defined = [sense for sense in senses if sense.id not in chosen]
    return _Nouns(defined=defined, named=named, siblings=siblings, left_out=left_out)


def _definitions(shop: Workshop, nouns: _Nouns, split: Split) -> RetrievalSet:
    asked = _familiar(shop, nouns.defined, "definitions", split)
    pool = _pool(shop, nouns, asked, split)
    queries = [
        Query(
            id=f"noun-{sense.id}",
            content=Content(Text(sense.nouns[0])),
            labels=(f"definition-{sense.id}",),
        )
        for sense in asked
    ]
    return RetrievalSet(
        name="glosses-t2t",
        group="text",
        family="definitions",
        metric="hit@1",
        scope="global",
        queries=tuple(queries),
        documents={f"definition-{sense.id}": Content(Text(sense.definition)) for sense in pool},
        instruction=_DEFINE,
        about="A noun with one meaning asks for its definition, which shares no word with it, "
        "among definitions of things of the same kind and others.",
    )


def _synonyms(shop: Workshop, nouns: _Nouns, split: Split) -> RetrievalSet:
    asked = _familiar(shop, nouns.named, "synonyms", split)
    documents: dict[str, Content] = {}
    for sense in _pool(shop, nouns, asked, split):
        for noun in _different(sense.nouns):
            if len(documents) < _DOCUMENTS[split]:
                documents.setdefault(_word_id(noun), Content(Text(noun)))
    queries = [
        Query(
            id=f"definition-{sense.id}",
            content=Content(Text(sense.definition)),
            labels=tuple(_word_id(noun) for noun in _different(sense.nouns)),
        )
        for sense in asked
    ]
    return RetrievalSet(
        name="synonyms-t2t",
        group="text",
        family="definitions",
        metric="hit@1",
        scope="global",
        queries=tuple(queries),
        documents=documents,
        instruction=_NAME,
        about="A definition asks for the nouns that have it, of which it uses none; each of "
        "several synonyms is right.",
    )


def _pool(
    shop: Workshop, nouns: _Nouns, asked: Sequence[NounSense], split: Split
) -> list[NounSense]:
    """What is asked for, its siblings, and others up to the number of documents."""
    pool = {sense.id: sense for sense in asked}
    for sense in asked:
        pool.update((sibling.id, sibling) for sibling in _siblings(shop, nouns, sense))
    rest = _shuffled([*nouns.defined, *nouns.named], shop, "others", split)
    for sense in sorted(rest, key=lambda sense: not sense.familiar):
        pool.setdefault(sense.id, sense)
    return list(pool.values())[: max(_DOCUMENTS[split], len(asked))]


def _siblings(shop: Workshop, nouns: _Nouns, sense: NounSense) -> list[NounSense]:
    others = {
        other.id: other
        for kind in sense.kinds
        for other in nouns.siblings[kind]
        if other.id != sense.id
    }
    shuffled = _shuffled([others[name] for name in sorted(others)], shop, "siblings", sense.id)
    return sorted(shuffled, key=lambda sense: not sense.familiar)[:_SIBLINGS]


def _familiar(
    shop: Workshop, senses: Iterable[NounSense], what: str, split: Split
) -> list[NounSense]:
    found = [sense for sense in senses if sense.familiar]
    return _shuffled(found, shop, what, split)[: _QUERIES[split]]


def _says_itself(sense: NounSense) -> bool:
    """Whether the definition has a word of the nouns, one that begins alike, or a part of one."""
    every = re.findall(r"[a-z]+", sense.definition.lower())
    if any(each in {noun, f"{noun}s", f"{noun}es"} for each in every for noun in sense.nouns):
        return True
    said = _words(sense.definition)
    stems = {word[:_STEM] for word in said}
    return any(
        any(word[:_STEM] in stems for word in _words(noun))
        or any(len(word) > _STEM and word in _word_id(noun) for word in said)
        for noun in sense.nouns
    )


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]+", text.lower()) if len(word) >= _STEM - 1]


def _different(nouns: Iterable[str]) -> list[str]:
    """Nouns that differ in more than blanks and hyphens."""
    found: dict[str, str] = {}
    for noun in nouns:
        found.setdefault(_word_id(noun), noun)
    return list(found.values())


def _word_id(noun: str) -> str:
    return "word-" + re.sub(r"[^a-z]", "", noun)


def _shuffled(items: Iterable[_Item], shop: Workshop, *key: str) -> list[_Item]:
    found = list(items)
    return [found[place] for place in shop.dice("texts", *key).permutation(len(found))]
