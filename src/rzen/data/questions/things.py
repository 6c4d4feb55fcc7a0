"""The things that questions about pictures name: one picture each, told apart by their names.

The pictures of a split are dealt out by concept, so that a name means one item of the corpus: the
things of cards (:mod:`rzen.data.questions.cards`), those of scenes
(:mod:`rzen.data.questions.scene_questions`), and the rest, which are shown as they are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rzen.data.bench.language.concepts import Split, stable_number
from rzen.data.bench.language.noun_kinds import PACKAGE, NounKinds
from rzen.data.bench.pictures.collection import Picture, Style, of_split
from rzen.data.bench.videos.moving_objects import noun_phrase
from rzen.data.bench.workshop import Workshop

_HEAD_ENDS = re.compile(r" (?:of|with|in|on|for|at|from|to|and|or) ")
_ANSWERS = re.compile(r"\b(?:no|left|right|upper|lower)\b")  # a name that says one of them
_CARDS_SHARE, _SCENES_SHARE = 0.5, 0.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thing:
    """A picture of something that has a name.

    Attributes:
        name: in English, without an article, such as ``"barn owl"``.
        phrase: with it: ``"a barn owl"``.
        noun: what kind of thing it is, as WordNet has it.
        picture: of it.
    """

    name: str
    phrase: str
    noun: str
    picture: Picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roles:
    """The pictures of a split by what is made of them; no concept has two roles.

    Attributes:
        cards: things that are shown on cards.
        scenes: things that scenes are composed of.
        plain: pictures that are shown as they are.
    """

    cards: Sequence[Thing]
    scenes: Sequence[Thing]
    plain: Sequence[Picture]


def styles(split: Split) -> tuple[Style, ...]:
    """The packages of a split: Google's emoji are held out of training, as in the suite."""
    return ("stamps", "clipart", "twitter" if split == "train" else "google")


def roles(shop: Workshop, split: Split) -> Roles:
    """The pictures of a split, dealt out by chance."""
    found = [picture for style in styles(split) for picture in of_split(shop, style, split)]
    found.sort(key=lambda picture: stable_number(f"role {picture.id}"))
    named = _things(found, NounKinds(shop.fetch(PACKAGE)))
    cards = [thing for thing in named if _place(thing) < _CARDS_SHARE]
    scenes = [
        thing for thing in named if _CARDS_SHARE <= _place(thing) < _CARDS_SHARE + _SCENES_SHARE
    ]
    taken = {thing.picture.concept for thing in (*cards, *scenes)}
    return Roles(
        cards=cards,
        scenes=scenes,
        plain=[picture for picture in found if picture.concept not in taken],
    )


def named_thing(picture: Picture, kinds: NounKinds) -> Thing | None:
    """The one thing in a picture, if its caption names it in few words."""
    phrase = noun_phrase(picture.caption)
    if phrase is None or _ANSWERS.search(phrase[0]):
        return None
    name, with_article = phrase
    noun = kinds.known_end(_HEAD_ENDS.split(name)[0])
    # Titles of clip art are less to be trusted than captions: nothing but a known name will do.
    if not noun or (picture.style == "clipart" and not (noun == name and kinds.is_thing(noun))):
        return None
    return Thing(name=name, phrase=with_article, noun=noun, picture=picture)


def _things(pictures: Sequence[Picture], kinds: NounKinds) -> list[Thing]:
    """Of names of which one ends with the other, the first: no owl beside a barn owl."""
    kept: list[Thing] = []
    for picture in pictures:
        thing = named_thing(picture, kinds)
        if thing is not None and not any(_ends_alike(thing.name, each.name) for each in kept):
            kept.append(thing)
    return kept


def _ends_alike(one: str, other: str) -> bool:
    return f" {one}".endswith(f" {other}") or f" {other}".endswith(f" {one}")


def _place(thing: Thing) -> float:
    return stable_number(f"role of {thing.picture.concept}") / 2**64
