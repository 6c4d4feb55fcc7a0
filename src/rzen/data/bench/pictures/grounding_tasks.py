"""Which part of a scene is meant: a composed scene and a name or a place, and crops of it.

``grounding-scenes`` names a thing ("an owl"); ``grounding-place`` says where it is ("the thing in
the upper left"), which nobody can know without the scene. The candidates are the crops of the
scene's things and of places that show none, or half of one.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rzen.data.bench.language.concepts import Split, singular
from rzen.data.bench.pictures.collection import Picture, Style, of_split
from rzen.data.bench.pictures.scenes import SIDE, Box, Scene, compose, distractors
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example, Image, Text

SCENES: Final = "grounding-scenes"
PLACE: Final = "grounding-place"

_SCENES_OF: dict[Split, int] = {"train": 300, "validation": 80, "test": 150}
_ASKED_PER_SCENE = 2
_THINGS = (4, 6)
_DISTRACTORS = 3
_LONGEST_NAME, _LONGEST_BARE_NAME = 5, 3  # words, with an article and without
_SENTENCE = re.compile(r"\b(is|are|was|were)\b|[,;:]")
_NAMES = re.compile(r"(an?|some|two|three)\b", re.IGNORECASE)
# Kinds of emoji that show a thing; faces, gestures, signs and hours make poor scenes.
_EMOJI_KINDS = re.compile(
    r"animal|food|drink|plant|transport (?!sign)|music|clothing|household|sport|tool"
)
# Categories that are one kind, lest "a flower" may mean a tree's blossom. A holiday is no kind: its
# pictures show a bird, a hat or a tomb.
_KINDS: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("", r"holiday"),
        ("vehicle", r"vehicle|transport"),
        ("music", r"music"),
        ("sea animal", r"marine|sea animal"),
        ("insect", r"insect|bug"),
        ("reptile", r"reptile|amphibian|^animal$"),
        ("plant", r"plant|flower|tree"),
        ("fruit", r"fruit"),
        ("vegetable", r"vegetable"),
        ("dish", r"dish|drink"),
        ("food", r"food"),
        ("household", r"household"),
        ("space", r"space|planet"),
    )
)
_CLEARLY = 0.12  # of the scene's side
_CLEARLY_LARGER = math.log(1.5)  # of the area
_WITHIN = 0.55  # least nearness to a corner, so that what is "upper left" lies in that quarter


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A way to say which thing is meant by where it is.

    Attributes:
        wordings: how training says it, and how validation and test do.
        score: of a box, larger for what is meant.
        clearly: by how much the meant thing's score must exceed that of every other.
        least: the score that the meant thing must have.
    """

    wordings: tuple[str, str]
    score: Callable[[Box], float]
    clearly: float = _CLEARLY
    least: float = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """A scene, its crops (the things' first) and what is asked: (text, index of the crop)."""

    shown: Image
    crops: dict[str, Content]
    named: list[tuple[str, int]]
    placed: list[tuple[str, int]]


def sets(shop: Workshop, split: Split) -> list[RetrievalSet]:
    """The sets of names and of places, over the same scenes."""
    documents: dict[str, Content] = {}
    named: list[Query] = []
    placed: list[Query] = []
    for asked in _scenes(shop, split):
        documents |= asked.crops
        named += _queries(shop, SCENES, asked, asked.named)
        placed += _queries(shop, PLACE, asked, asked.placed)
    return [
        _set(shop, split, SCENES, named, documents, "a thing that is named"),
        _set(shop, split, PLACE, placed, documents, "a thing whose place or size is told"),
    ]


def examples(shop: Workshop) -> Iterator[Example]:
    """Training scenes, asked by name and by place; negatives are the scene's other crops."""
    for asked in _scenes(shop, "train"):
        crops = [*asked.crops.values()]
        for text, at in (*asked.named, *asked.placed):
            yield Example(
                task="grounding",
                query=Content(asked.shown, Text(text)),
                positives=(crops[at],),
                negatives=tuple(crop for other, crop in enumerate(crops) if other != at),
            )


def _corner(down: bool, right: bool) -> Callable[[Box], float]:
    """Nearness of a box's centre to a corner, 0 to 1."""

    def score(box: Box) -> float:
        top, left = _centre(box)
        return min(top if down else 1 - top, left if right else 1 - left)

    return score


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2 / SIDE, (box[1] + box[3]) / 2 / SIDE


def _size(box: Box) -> float:
    return math.log((box[2] - box[0]) * (box[3] - box[1]))


PLACES: Final = (
    *(
        Place(
            wordings=(
                f"the thing in the {row} {side}",
                f"what is at the {other_row} on the {side}",
            ),
            score=_corner(down=row == "lower", right=side == "right"),
            least=_WITHIN,
        )
        for row, other_row in (("upper", "top"), ("lower", "bottom"))
        for side in ("left", "right")
    ),
    Place(
        wordings=("the thing furthest to the left", "what is further left than all else"),
        score=lambda box: -_centre(box)[1],
    ),
    Place(
        wordings=("the thing furthest to the right", "what is further right than all else"),
        score=lambda box: _centre(box)[1],
    ),
    Place(
        wordings=("the highest thing", "what is above everything else"),
        score=lambda box: -_centre(box)[0],
    ),
    Place(
        wordings=("the lowest thing", "what is below everything else"),
        score=lambda box: _centre(box)[0],
    ),
    Place(
        wordings=("the largest thing", "what is bigger than everything else"),
        score=_size,
        clearly=_CLEARLY_LARGER,
    ),
    Place(
        wordings=("the smallest thing", "what is smaller than everything else"),
        score=lambda box: -_size(box),
        clearly=_CLEARLY_LARGER,
    ),
)


def meant(place: Place, boxes: Sequence[Box]) -> int | None:
    """Which of several boxes is clearly meant by a place; ``None`` if none is."""
    scores = [place.score(box) for box in boxes]
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    best = scores[order[0]]
    clear = all(best - scores[at] >= place.clearly for at in order[1:])
    return order[0] if clear and best >= place.least else None


def _scenes(shop: Workshop, split: Split) -> Iterator[_Asked]:
    pool = _pool(shop, split)
    crowded = unclear = 0
    for number in range(_SCENES_OF[split]):
        dice = shop.dice(SCENES, split, number)
        drawn = _different([pool[at] for at in dice.permutation(len(pool))])
        wanted = int(dice.integers(*_THINGS, endpoint=True))
        scene = compose(dice, drawn, wanted)
        boxes = [*scene.boxes, *distractors(dice, scene, _DISTRACTORS)]
        if len(scene.boxes) < _THINGS[0]:
            crowded += 1
            continue
        # Ids of both kinds are alike: nobody shall know a thing's crop by its name.
        crops = {
            f"s{number:03}-{at}": Content(shop.picture(scene.crop(box)))
            for at, box in enumerate(boxes)
        }
        named = [
            (scene.things[at].caption, int(at))
            for at in dice.permutation(len(scene.things))[:_ASKED_PER_SCENE]
        ]
        placed = _placed(dice, scene, measured=split != "train")
        unclear += not placed
        yield _Asked(shown=shop.picture(scene.pixels), crops=crops, named=named, placed=placed)
    shop.tallies[f"{SCENES}, {split}: scenes with too little room"] = crowded
    shop.tallies[f"{PLACE}, {split}: scenes in which no place is clear"] = unclear


def _placed(dice: np.random.Generator, scene: Scene, *, measured: bool) -> list[tuple[str, int]]:
    """Places that clearly mean one thing, each another one."""
    found: dict[int, str] = {}
    for at in dice.permutation(len(PLACES)):
        thing = meant(PLACES[at], scene.boxes)
        if thing is not None and len(found) < _ASKED_PER_SCENE:
            found.setdefault(thing, PLACES[at].wordings[measured])
    return [(text, thing) for thing, text in found.items()]


def _pool(shop: Workshop, split: Split) -> list[Picture]:
    """Pictures of one kind of thing with a short name."""
    vendor: Style = "twitter" if split == "train" else "google"
    drawings = [
        picture for picture in of_split(shop, vendor, split) if _EMOJI_KINDS.match(picture.category)
    ]
    return [
        picture
        for picture in (*of_split(shop, "stamps", split), *drawings)
        if _kind(picture) and _is_name(picture.caption)
    ]


def _kind(picture: Picture) -> str:
    """The kind of thing; empty if there is none."""
    for kind, pattern in _KINDS:
        if pattern.search(picture.category):
            return kind
    return singular(picture.category.split()[-1])


def _is_name(caption: str) -> bool:
    """Whether a caption names a thing, rather than say something about it."""
    words = caption.split()
    short = len(words) <= (_LONGEST_NAME if _NAMES.match(caption) else _LONGEST_BARE_NAME)
    return short and not _SENTENCE.search(caption)


def _different(pictures: Sequence[Picture]) -> list[Picture]:
    """Pictures of different kinds of things, so that one name means one of them."""
    kept: dict[str, Picture] = {}
    concepts: set[str] = set()
    for picture in pictures:
        if picture.concept not in concepts and _kind(picture) not in kept:
            kept[_kind(picture)] = picture
            concepts.add(picture.concept)
    return [*kept.values()]


def _queries(
    shop: Workshop, name: str, asked: _Asked, questions: Sequence[tuple[str, int]]
) -> list[Query]:
    names = [*asked.crops]
    return [
        Query(
            id=f"{names[at]} {text}",
            content=Content(asked.shown, Text(text)),
            labels=(names[at],),
            candidates=tuple(
                names[other] for other in shop.dice(name, names[at], text).permutation(len(names))
            ),
        )
        for text, at in questions
    ]


def _set(
    shop: Workshop,
    split: Split,
    name: str,
    queries: Sequence[Query],
    documents: dict[str, Content],
    asked_for: str,
) -> RetrievalSet:
    order = shop.dice(name, split, "order").permutation(len(queries))
    return RetrievalSet(
        name=name,
        group="image",
        family="grounding",
        metric="hit@1",
        scope="local",
        queries=tuple(queries[at] for at in order),
        documents=documents,
        instruction="Select the portion of the image that shows the described object.",
        about=f"A composed scene and {asked_for}; crops of the scene, with and without a thing.",
    )
