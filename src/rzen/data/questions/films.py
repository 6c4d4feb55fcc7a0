"""Films of three shots: what comes first, next, last, and at which place something comes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rzen.data.bench.language.concepts import Split
from rzen.data.bench.videos import motion
from rzen.data.bench.videos.moving_objects import MovingObject
from rzen.data.bench.workshop import Workshop
from rzen.data.questions.balance import Draft
from rzen.data.questions.casting import Together, apart, join
from rzen.data.questions.question_set import Item
from rzen.types import Content

SHOTS: Final = 3
SHOT_FRAMES: Final = 16

_FILMS: Final[Mapping[Split, int]] = {"train": 450, "validation": 60, "test": 120}
# In each of them the thing is plainly seen all the time.
_MOTIONS: Final = ("left", "right", "up", "down", "grow", "shrink")
_PLACES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("first", ("1st",)),
    ("second", ("2nd", "in the middle")),
    ("third", ("3rd", "last")),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Film:
    id: str
    shots: Sequence[MovingObject]
    frames: Sequence[Path]

    def draft(self, template: str, text: str, answer: int, picture: Path | None = None) -> Draft:
        """A question that the thing of a shot answers."""
        thing = self.shots[answer]
        return Draft(
            template=template,
            text=text,
            answer=thing.name,
            accepted=(thing.phrase,),
            picture=picture,
            gold=(self.id,),
        )


def films(
    shop: Workshop, split: Split, moving: Sequence[MovingObject], together: Together
) -> Iterator[tuple[Item, list[Draft]]]:
    """The films of a split and what can be asked of each.

    Args:
        shop: stores the films.
        split: which one.
        moving: the things of the split.
        together: things that are together in an item already; those of the films are added.
    """
    for number in range(_FILMS[split]):
        order = shop.dice("question film", split, number).permutation(len(moving))
        shots = apart([moving[at] for at in order], SHOTS, together)
        if len(shots) < SHOTS:
            continue
        join(shots, together)
        name = f"threeshots-{split}-{number:04}"
        frames: list[motion.Pixels] = []
        for place, each in enumerate(shots):
            frames += _shot(shop, each, name, place)
        item = Item(id=name, content=Content(shop.clip(frames, fps=motion.FPS)))
        middles = [
            shop.picture(frames[SHOT_FRAMES * place + SHOT_FRAMES // 2]).source
            for place in range(SHOTS)
        ]
        film = _Film(
            id=name, shots=shots, frames=[each for each in middles if isinstance(each, Path)]
        )
        yield item, [*_drafts(film, number)]


def _shot(shop: Workshop, each: MovingObject, film: str, place: int) -> list[motion.Pixels]:
    dice = shop.dice("question shot", film, place)
    background_HWC = motion.background_for([each.cut_out], dice)
    way = _MOTIONS[dice.integers(len(_MOTIONS))]
    return motion.frames(each.cut_out, way, background_HWC, dice, count=SHOT_FRAMES)


def _drafts(film: _Film, number: int) -> Iterator[Draft]:
    first, second, third = (shot.name for shot in film.shots)
    yield film.draft("last", f"What comes after the {first} and then the {second} in a film?", 2)
    yield film.draft(
        "opening", f"What comes before the {second} and then the {third} in a film?", 0
    )
    place, other = number % SHOTS, (number + 1 + number // SHOTS % 2) % SHOTS
    answer, accepted = _PLACES[place]
    names = (film.shots[place].name, film.shots[other].name)
    yield Draft(
        template="place",
        text=f"At which place comes the {names[0]} in the film with the {names[1]}?",
        answer=answer,
        accepted=accepted,
        gold=(film.id,),
    )
    before = number % (SHOTS - 1)
    yield film.draft(
        "next",
        "What comes right after what this picture shows?",
        before + 1,
        picture=film.frames[before],
    )
