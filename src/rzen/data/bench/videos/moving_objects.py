"""What moves in the composed clips: cut-outs that four words name, and that none mistakes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.language import noun_kinds
from rzen.data.bench.language.concepts import Split, singular, stable_number
from rzen.data.bench.language.noun_kinds import NounKinds
from rzen.data.bench.pictures import collection as pictures
from rzen.data.bench.pictures import near_duplicates
from rzen.data.bench.pictures.collection import Picture
from rzen.data.bench.videos import motion
from rzen.data.bench.workshop import Workshop

OBJECTS: Final[Mapping[Split, int]] = {"train": 150, "validation": 35, "test": 70}
"""How many things move."""

_CAPTION = re.compile(r"(?:(?:an?|the) )?([a-z]+(?:[ -][a-z]+)*)")
_MOST_WORDS = 4
_SOUNDS_LIKE_VOWEL = re.compile(r"[aeiou]|hour|honest|heir\b")
_SOUNDS_LIKE_CONSONANT = re.compile(r"eu|ewe|one\b|once\b|uni(?!n)|us[aeu]|ufo|uk|ur[aeiou]")


def _any_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_HEAD_ENDS: Final = _any_of("of with in on for at from to and or made seen playing wearing")
# Words of motion or place, which the clip alone must show; persons; and what points at one thing.
_UNFIT: Final = _any_of(
    "a an arrow back boy clockwise direction down downcast downwards falling flying forward girl"
    " her his left man my on oncoming our people person pointing reversed right rising rotating"
    " rolling some spinning that the their up upside upwards which woman your"
)
# Names of many kinds of things; WordNet's first senses do not tell all of them.
_GENERAL: Final = _any_of(
    "animal beast bird bug emblem figure fish flower food fruit insect object pattern plant shape"
    " shop sign station symbol thing tool tree vegetable vehicle wheel"
)
# Names by which pictures were seen to be mistaken for others, or that they do not show.
_MISTAKEN: Final = _any_of(
    "drawbridge hearth lizard marker restroom roundabout tram trefoil wastebasket zebu"
)
# Nouns that are not counted: "a bread" moves only in bad English.
_UNCOUNTED: Final = _any_of(
    "bacon bread broccoli butter cheese corn food garlic ginger hardware honey ice lettuce"
    " lightning meat milk money paper rice salt sand snow software sugar thyme water wheat wine"
    " wood"
)
_LEAST_SIDE = 24  # pixels
_MOST_ASPECT = 3.0
_LEAST_CLEAR = 0.06  # of a cut-out's pixels: less is a photograph with corners, not a cut-out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovingObject:
    """A thing that moves in clips.

    Attributes:
        name: in English, without an article, such as ``"barn owl"``.
        phrase: with it: ``"a barn owl"``.
        noun: what kind of thing it is, as WordNet has it.
        picture: what is shown.
        cut_out: (H, W, 4) RGBA, trimmed.
        thumbnail: what near-duplicates are found by.
    """

    name: str
    phrase: str
    noun: str
    picture: Picture
    cut_out: NDArray[np.uint8] = field(repr=False)
    thumbnail: NDArray[np.float32] = field(repr=False)

    @property
    def id(self) -> str:
        """Its name in ids."""
        return re.sub(r"[^a-z]+", "-", self.name)


def objects(shop: Workshop, split: Split) -> list[MovingObject]:
    """The things that move in a split's clips, in an order left to chance.

    No two share a word of their names, a concept or their looks, and none is a kind of another:
    who looks for "a bird" must not be wrong about an owl.
    """
    kinds = NounKinds(shop.fetch(noun_kinds.PACKAGE))
    chosen: list[MovingObject] = []
    for picture in _in_turn([_shuffled(shop, split, style) for style in pictures.STYLES]):
        if len(chosen) == OBJECTS[split]:
            break
        made = _moving(picture, kinds, chosen)
        if isinstance(made, MovingObject):
            chosen.append(made)
        else:
            shop.tallies[f"video objects of {split}: {made}"] += 1
    return chosen


def noun_phrase(caption: str) -> tuple[str, str] | None:
    """The name in a plain caption of one thing, without and with its article.

    ``None`` where it has more than four words, names several things, a motion, or something that is
    not counted or too general.

    >>> noun_phrase("An owl."), noun_phrase("hippopotamus head")
    (('owl', 'an owl'), ('hippopotamus head', 'a hippopotamus head'))
    >>> noun_phrase("Some cherries."), noun_phrase("right arrow"), noun_phrase("Say cheese!")
    (None, None, None)
    """
    plain = caption.strip().removesuffix(".")
    found = _CAPTION.fullmatch(plain[:1].lower() + plain[1:])
    if found is None:
        return None
    name = found.group(1)
    parts = name.split()
    if len(parts) > _MOST_WORDS or _UNFIT & {*re.split(r"[ -]", name)}:
        return None
    head = _head_phrase(name).rpartition(" ")[2]
    many = singular(head) != head or re.search(r"[^sui]s$", head)
    if not head or many or head in _UNCOUNTED | _GENERAL | _MISTAKEN:
        return None
    vowel = _SOUNDS_LIKE_VOWEL.match(name) and not _SOUNDS_LIKE_CONSONANT.match(name)
    return name, f"{'an' if vowel else 'a'} {name}"


def _head_phrase(name: str) -> str:
    """What comes before the first preposition; its last noun says whether it is one or many."""
    parts = name.split()
    ends = (place for place, part in enumerate(parts) if part in _HEAD_ENDS)
    return " ".join(parts[: next(ends, len(parts))])


def _shuffled(shop: Workshop, split: Split, style: pictures.Style) -> list[Picture]:
    """In an order that stays when a picture more or less is found."""
    found = pictures.of_split(shop, style, split)
    return sorted(found, key=lambda picture: stable_number(f"moving {picture.id}"))


def _in_turn(lists: Sequence[Sequence[Picture]]) -> Iterable[Picture]:
    """One of each list, then the next of each: no style crowds out the others."""
    for place in range(max(map(len, lists), default=0)):
        for each in lists:
            if place < len(each):
                yield each[place]


def _moving(
    picture: Picture, kinds: NounKinds, chosen: Sequence[MovingObject]
) -> MovingObject | str:
    """What moves, or why the picture cannot."""
    phrase = noun_phrase(picture.caption)
    if phrase is None:
        return "caption does not name one thing in four words"
    name, with_article = phrase
    noun = kinds.known_end(_head_phrase(name))
    # Titles of clip art are less to be trusted than captions: nothing but a known name will do.
    if not kinds.is_thing(noun) or (picture.style == "clipart" and noun != name):
        return "caption does not name a thing that can be seen"
    cut_out_HWC = motion.trimmed(picture.cut_out())
    made = MovingObject(
        name=name,
        phrase=with_article,
        noun=noun,
        picture=picture,
        cut_out=cut_out_HWC,
        thumbnail=near_duplicates.thumbnail(cut_out_HWC),
    )
    problems = (_mistakable(made, other, kinds) for other in chosen)
    return _unfit(cut_out_HWC) or next(filter(None, problems), made)


def _mistakable(one: MovingObject, other: MovingObject, kinds: NounKinds) -> str:
    """Why who looks for one may find the other; empty if not."""
    if one.picture.concept == other.picture.concept or _words(one.name) & _words(other.name):
        return "shares a word with another"
    if kinds.is_kind_of(one.noun, other.noun) or kinds.is_kind_of(other.noun, one.noun):
        return "a kind of another, or the other way round"
    if float(one.thumbnail @ other.thumbnail) > near_duplicates.NEAR:
        return "near-duplicates dropped"
    return ""


def _words(name: str) -> set[str]:
    return {singular(word) for word in re.split(r"[ -]", name)} - _HEAD_ENDS


def _unfit(cut_out_HWC: NDArray[np.uint8]) -> str:
    height, width = cut_out_HWC.shape[:2]
    if min(height, width) < _LEAST_SIDE or max(height, width) > _MOST_ASPECT * min(height, width):
        return "too small or too thin"
    if float((cut_out_HWC[..., 3] < 128).mean()) < _LEAST_CLEAR:
        return "not a cut-out"
    return ""
