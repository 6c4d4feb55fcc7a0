"""Cards: a thing on coloured paper within a coloured frame, once in a corner or several times.

What is asked of a card can only be seen on it: nothing of it goes with the thing, whose name finds
the card.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from rzen.data.bench.language.concepts import stable_number
from rzen.data.bench.pictures.edits import Colour, Pixels, flat, square
from rzen.data.bench.workshop import Workshop
from rzen.data.questions.balance import Draft
from rzen.data.questions.question_set import Item
from rzen.data.questions.things import Thing
from rzen.types import Content

COLOURS: Final[Mapping[str, Colour]] = {
    "red": (215, 40, 40),
    "green": (40, 150, 60),
    "blue": (40, 90, 215),
    "yellow": (250, 215, 50),
    "black": (20, 20, 20),
    "white": (255, 255, 255),
}
COUNTS: Final = ("one", "two", "three", "four")
CORNERS: Final[Mapping[str, tuple[int, int]]] = {
    "upper left": (0, 0),
    "upper right": (0, 1),
    "lower left": (1, 0),
    "lower right": (1, 1),
}

_SIDE = 256
_FRAME = 18  # pixels
_CELL = (_SIDE - 2 * _FRAME) // 2
_DIFFERENT, _LEAST_SEEN = 60, 0.5  # of 255, and of the thing's pixels, to stand out from the paper


def cards(shop: Workshop, things: Sequence[Thing]) -> Iterator[tuple[Item, list[Draft]]]:
    """A card of each thing that stands out from a paper, and what can be asked of it.

    Of papers, frames, counts and corners, those come next that came least so far.
    """
    used: Counter[str] = Counter()
    for thing in things:
        dice = shop.dice("card", thing.picture.id)
        cut_out = square(thing.picture.cut_out(), _CELL)
        papers = [name for name in COLOURS if _stands_out(cut_out, COLOURS[name])]
        if not papers:
            continue
        paper = _next(used, "paper", papers)
        frame = _next(used, "frame", [name for name in COLOURS if name != paper])
        count = COUNTS.index(_next(used, "count", COUNTS)) + 1
        others = [[*CORNERS][at] for at in dice.permutation(len(CORNERS))]
        first = _next(used, f"corner {count}", others)
        corners = [first, *(corner for corner in others if corner != first)][:count]
        item = Item(
            id=f"card-{stable_number(thing.picture.id):016x}",
            content=Content(shop.picture(_drawn(cut_out, paper, frame, corners))),
        )
        yield item, [*_drafts(item.id, thing.name, paper, frame, corners)]


def _next(used: Counter[str], what: str, choices: Sequence[str]) -> str:
    """What was used least, the first of several; notes that it is used now."""
    found = min(choices, key=lambda choice: used[f"{what} {choice}"])
    used[f"{what} {found}"] += 1
    return found


def _drafts(
    item: str, name: str, paper: str, frame: str, corners: Sequence[str]
) -> Iterator[Draft]:
    gold = (item,)
    yield Draft(
        template="paper",
        text=f"What is the colour of the background on the card of the {name}?",
        answer=paper,
        gold=gold,
    )
    yield Draft(
        template="frame",
        text=f"What is the colour of the frame on the card of the {name}?",
        answer=frame,
        gold=gold,
    )
    yield Draft(
        template="count",
        text=f"How many times does the card of the {name} show it?",
        answer=COUNTS[len(corners) - 1],
        accepted=(str(len(corners)),),
        gold=gold,
    )
    free = [corner for corner in CORNERS if corner not in corners]
    for template, found, text in (
        ("corner", corners, f"In which corner of its card is the {name}?"),
        ("free corner", free, f"Which corner is free on the card of the {name}?"),
    ):
        if len(found) == 1:
            yield Draft(
                template=template,
                text=text,
                answer=found[0],
                accepted=_corner_spellings(found[0]),
                gold=gold,
            )


def _corner_spellings(corner: str) -> tuple[str, ...]:
    row, side = corner.split()
    other = {"upper": "top", "lower": "bottom"}[row]
    return (f"{other} {side}", f"{row}-{side}", f"{other}-{side}")


def _drawn(cut_out: Pixels, paper: str, frame: str, corners: Sequence[str]) -> Pixels:
    sheet = np.empty((_SIDE, _SIDE, 3), np.uint8)
    sheet[:] = COLOURS[frame]
    sheet[_FRAME:-_FRAME, _FRAME:-_FRAME] = COLOURS[paper]
    thing = flat(cut_out, COLOURS[paper])
    for corner in corners:
        top, left = (_FRAME + place * _CELL for place in CORNERS[corner])
        sheet[top : top + _CELL, left : left + _CELL] = thing
    return sheet


def _stands_out(cut_out: Pixels, paper: Colour) -> bool:
    seen = cut_out[..., 3] > 127
    apart = np.abs(cut_out[..., :3].astype(np.int16) - np.array(paper, np.int16)).max(2)
    return bool(seen.any()) and float((apart[seen] > _DIFFERENT).mean()) >= _LEAST_SEEN
