"""Moment retrieval: which stretch of a longer video shows what a text says.

A film is six to eight shots with hard cuts. Two things have two shots each, in which they do the
opposite. Among the candidates are the film's shots and stretches that straddle the two cuts of the
right one: half of a neighbour and half of what was asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from rzen.data.bench.language.concepts import Split
from rzen.data.bench.videos import motion
from rzen.data.bench.videos.clips import caption, shuffled
from rzen.data.bench.videos.moving_objects import MovingObject
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example, Text, Video

NAME: Final = "moments"
FILMS: Final[Mapping[Split, int]] = {"train": 12, "validation": 15, "test": 30}
QUERIES: Final = 6
"""Of each film: a film of seven or eight shots has one or two that nobody asks for."""

_SHOTS = (6, 8)  # least and most
_SHOT_FRAMES = (20, 28)
_TWICE = 2  # things that have two shots


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A part of a film: frames from ``start`` to before ``end``."""

    caption: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """A longer video.

    Attributes:
        id: such as ``"film-07"``.
        video: the whole.
        shots: in order, without gaps.
    """

    id: str
    video: Video
    shots: tuple[Shot, ...]


def moments(shop: Workshop, split: Split, moving: Sequence[MovingObject]) -> RetrievalSet:
    """The set of a split."""
    documents: dict[str, Content] = {}
    queries = []
    for film in films(shop, split, moving):
        order = shop.dice(NAME, split, film.id).permutation(len(film.shots))
        for at in order[:QUERIES].tolist():
            stretches = candidates(film, at)
            documents |= stretches
            names = shuffled(shop, list(stretches), NAME, split, film.id, at)
            queries.append(
                Query(
                    id=f"{film.id} shot {at + 1}",
                    content=question(film, at),
                    labels=(_stretch_id(film, film.shots[at].start, film.shots[at].end),),
                    candidates=tuple(names),
                )
            )
    return RetrievalSet(
        name=NAME,
        group="video",
        family="moment retrieval",
        metric="hit@1",
        scope="local",
        queries=tuple(shuffled(shop, queries, NAME, split)),
        documents=documents,
        instruction="Find the moment of the video that the text describes.",
        about=(
            "A text and a film of six to eight shots: which stretch of it is meant? Two things do "
            "opposite things in two shots each, and some stretches straddle the cuts of the right "
            "shot."
        ),
    )


def examples(shop: Workshop, moving: Sequence[MovingObject]) -> Iterator[Example]:
    """Training examples; the negatives are the other stretches of the film."""
    for film in films(shop, "train", moving):
        for at, shot in enumerate(film.shots):
            stretches = candidates(film, at)
            right = stretches.pop(_stretch_id(film, shot.start, shot.end))
            yield Example(
                task="moment retrieval",
                query=question(film, at),
                positives=(right,),
                negatives=tuple(stretches.values()),
            )


def films(shop: Workshop, split: Split, moving: Sequence[MovingObject]) -> Iterator[Film]:
    """The films of a split, composed and stored one by one."""
    for number in range(FILMS[split]):
        name = f"film-{number + 1:02}"
        frames: list[motion.Pixels] = []
        shots = []
        for place, (each, motion_name) in enumerate(_script(shop.dice(split, name), moving)):
            dice = shop.dice(split, name, place)
            start = len(frames)
            background_HWC = motion.background_for([each.cut_out], dice)
            length = int(dice.integers(_SHOT_FRAMES[0], _SHOT_FRAMES[1] + 1))
            frames += motion.frames(each.cut_out, motion_name, background_HWC, dice, count=length)
            shots.append(Shot(caption=caption(each, motion_name), start=start, end=len(frames)))
        video = shop.clip(frames, fps=motion.FPS)
        yield Film(id=name, video=video, shots=tuple(shots))


def question(film: Film, at: int) -> Content:
    """What is asked about a shot: its caption and the whole film."""
    return Content(Text(film.shots[at].caption), film.video)


def candidates(film: Film, at: int) -> dict[str, Content]:
    """All shots, and what straddles the cuts before and behind one of them."""
    spans = [(shot.start, shot.end) for shot in film.shots]
    middles = [(start + end) // 2 for start, end in spans]
    spans += [
        (middles[first], middles[first + 1])
        for first in (at - 1, at)
        if 0 <= first < len(film.shots) - 1
    ]
    return {
        _stretch_id(film, start, end): Content(
            Video(film.video.source, start / motion.FPS, end / motion.FPS)
        )
        for start, end in spans
    }


def _stretch_id(film: Film, start: int, end: int) -> str:
    return f"{film.id} {start / motion.FPS:.3f}-{end / motion.FPS:.3f}"


def _script(
    dice: np.random.Generator, moving: Sequence[MovingObject]
) -> list[tuple[MovingObject, str]]:
    """Who does what in each shot; nobody has two shots in a row."""
    count = int(dice.integers(_SHOTS[0], _SHOTS[1] + 1))
    cast = [moving[at] for at in dice.permutation(len(moving))[: count - _TWICE]]
    opposite = sorted(motion.OPPOSITES)
    script = []
    for each in cast[:_TWICE]:
        one = opposite[dice.integers(len(opposite))]
        script += [(each, one), (each, motion.OPPOSITES[one])]
    script += [(each, _any_motion(each, dice)) for each in cast[_TWICE:]]
    while True:
        order = [script[at] for at in dice.permutation(count)]
        if all(one[0] is not other[0] for one, other in pairwise(order)):
            return order


def _any_motion(moving: MovingObject, dice: np.random.Generator) -> str:
    names = [
        name for name in motion.MOTIONS if name != "spin" or motion.shows_turning(moving.cut_out)
    ]
    return names[dice.integers(len(names))]
