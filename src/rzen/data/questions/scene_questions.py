"""Scenes of two to five things: what else is there, how many, and what lies where.

A scene is named by two of its things that no other scene has together. Where something lies is
asked only where it is plain.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from rzen.data.bench.language.concepts import Split
from rzen.data.bench.pictures.scenes import Box, compose
from rzen.data.bench.workshop import Workshop
from rzen.data.questions.balance import Draft
from rzen.data.questions.casting import Together, apart, join
from rzen.data.questions.question_set import Item
from rzen.data.questions.things import Thing
from rzen.types import Content, Image

_SCENES: Final[Mapping[Split, int]] = {"train": 1_200, "validation": 120, "test": 240}
_COUNTS: Final[Mapping[int, str]] = {2: "two", 3: "three", 4: "four", 5: "five"}
_THREE = 3
_SPARE = 2  # things more than are placed, for what finds no room
_ASKED = 2  # questions of each kind about one scene
_CLEARLY = 60  # pixels between two centres


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Drawn:
    id: str
    shown: Image
    things: tuple[Thing, ...]
    boxes: tuple[Box, ...]


def scenes(shop: Workshop, split: Split, things: Sequence[Thing]) -> tuple[list[Item], list[Draft]]:
    """The scenes of a split and what can be asked of them."""
    drawn = [*_composed(shop, split, things)]
    drafts = [draft for scene in drawn for draft in _drafts(shop, scene)]
    return [Item(id=scene.id, content=Content(scene.shown)) for scene in drawn], drafts


def _composed(shop: Workshop, split: Split, things: Sequence[Thing]) -> Iterator[_Drawn]:
    together: Together = set()
    by_picture = {thing.picture.id: thing for thing in things}
    for number in range(_SCENES[split]):
        dice = shop.dice("question scene", split, number)
        count = [*_COUNTS][number % len(_COUNTS)]
        order = [things[at] for at in dice.permutation(len(things))]
        cast = apart(order, count + _SPARE, together)
        scene = compose(dice, [thing.picture for thing in cast], count)
        placed = tuple(by_picture[picture.id] for picture in scene.things)
        if len(placed) in _COUNTS:
            join(placed, together)
            yield _Drawn(
                id=f"scene-{split}-{number:04}",
                shown=shop.picture(scene.pixels),
                things=placed,
                boxes=scene.boxes,
            )


def _drafts(shop: Workshop, scene: _Drawn) -> Iterator[Draft]:
    pairs = [*permutations(range(len(scene.things)), 2)]
    order = shop.dice("question scene pairs", scene.id).permutation(len(pairs))
    chosen = [pairs[at] for at in order]
    one, other = chosen[0]
    names = [thing.name for thing in scene.things]
    both = f"the {names[one]} and the {names[other]}"
    yield Draft(
        template="things",
        text=f"How many things are in the picture with {both}?",
        answer=_COUNTS[len(names)],
        accepted=(str(len(names)),),
        gold=(scene.id,),
    )
    if len(names) == _THREE:
        yield from (_third(scene, *pair) for pair in pairs if pair[0] < pair[1])
    sides = [pair for pair in chosen if abs(_across(scene, *pair)) >= _CLEARLY]
    heights = [pair for pair in chosen if abs(_down(scene, *pair)) >= _CLEARLY]
    for one, other in sides[:_ASKED]:
        yield Draft(
            template="side",
            text=f"On which side of the {names[other]} is the {names[one]} in their picture?",
            answer="left" if _across(scene, one, other) < 0 else "right",
            gold=(scene.id,),
        )
    for one, other in heights[:_ASKED]:
        yield Draft(
            template="height",
            text=f"Is the {names[one]} farther up than the {names[other]} in their picture?",
            answer="yes" if _down(scene, one, other) < 0 else "no",
            gold=(scene.id,),
        )


def _third(scene: _Drawn, one: int, other: int) -> Draft:
    third = next(at for at in range(len(scene.things)) if at not in (one, other))
    names = [thing.name for thing in scene.things]
    return Draft(
        template="besides",
        text=f"What is in the picture besides the {names[one]} and the {names[other]}?",
        answer=names[third],
        accepted=(scene.things[third].phrase,),
        gold=(scene.id,),
    )


def _across(scene: _Drawn, one: int, other: int) -> float:
    first, second = scene.boxes[one], scene.boxes[other]
    return (first[1] + first[3] - second[1] - second[3]) / 2


def _down(scene: _Drawn, one: int, other: int) -> float:
    first, second = scene.boxes[one], scene.boxes[other]
    return (first[0] + first[2] - second[0] - second[2]) / 2
