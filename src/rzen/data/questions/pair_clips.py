"""Clips of two things, one above the other, of which each moves to a side or stays."""

from collections.abc import Iterator, Mapping, Sequence
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

_CLIPS: Final[Mapping[Split, int]] = {"train": 600, "validation": 90, "test": 180}
FRAMES: Final = 29
"""Of a clip: an odd number, so that in the middle one all that moves is in the middle."""

_WAYS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "left": ("to the left", ("left",)),
    "right": ("to the right", ("right",)),
    motion.STILL: ("nowhere", ("it stays where it is", "it does not move")),
}
_PLANS: Final = (
    (motion.STILL, motion.STILL),
    ("left", motion.STILL),
    ("left", "right"),
    (motion.STILL, motion.STILL),
    (motion.STILL, "right"),
    ("right", "left"),
    (motion.STILL, motion.STILL),
    ("right", motion.STILL),
    ("left", "right"),
    (motion.STILL, motion.STILL),
    (motion.STILL, "left"),
    ("right", "left"),
)
"""What the two do, clip after clip: none, one or both move, equally often."""


def pair_clips(
    shop: Workshop, split: Split, moving: Sequence[MovingObject], together: Together
) -> Iterator[tuple[Item, list[Draft]]]:
    """The clips of a split and what can be asked of each.

    Args:
        shop: stores the clips.
        split: which one.
        moving: the things of the split.
        together: things that are together in an item already; the pairs are added.
    """
    for number in range(_CLIPS[split]):
        dice = shop.dice("question pair", split, number)
        order = [moving[at] for at in dice.permutation(len(moving))]
        both = apart(order, 2, together)
        motions = _PLANS[number % len(_PLANS)]
        if len(both) == len(motions):
            join(both, together)
            yield _clip(shop, f"pair-{split}-{number:04}", (both[0], both[1]), motions)


def _clip(
    shop: Workshop, name: str, both: tuple[MovingObject, MovingObject], motions: tuple[str, str]
) -> tuple[Item, list[Draft]]:
    cut_outs = (both[0].cut_out, both[1].cut_out)
    background_HWC = motion.background_for(cut_outs, shop.dice("question background", name))
    frames = motion.frames_of_two(
        cut_outs, motions, background_HWC, shop.dice("question pair clip", name), count=FRAMES
    )
    item = Item(id=name, content=Content(shop.clip(frames, fps=motion.FPS)))
    # The first throw of these dice says which of the two is above.
    above = int(shop.dice("question pair clip", name).integers(2))
    drafts = [*_about_both(name, both, motions, above)]
    if motion.STILL not in motions:
        frame = shop.picture(frames[FRAMES // 2]).source
        assert isinstance(frame, Path)
        drafts.append(_about_frame(name, both, motions, frame))
    return item, drafts


def _about_both(
    name: str, both: tuple[MovingObject, MovingObject], motions: tuple[str, str], above: int
) -> Iterator[Draft]:
    for one, other in ((0, 1), (1, 0)):
        answer, accepted = _WAYS[motions[one]]
        yield Draft(
            template="way",
            text=f"Which way does the {both[one].name} go in the clip with the {both[other].name}?",
            answer=answer,
            accepted=accepted,
            gold=(name,),
        )
    pair = f"the {both[0].name} and the {both[1].name}"
    movers = sum(each != motion.STILL for each in motions)
    yield Draft(
        template="movers",
        text=f"How many things move in the clip with {pair}?",
        answer=("none", "one", "two")[movers],
        accepted=(str(movers),),
        gold=(name,),
    )
    if movers == 1:
        place = above if motions[0] != motion.STILL else 1 - above
        yield Draft(
            template="half",
            text=f"In which half of the picture is what moves in the clip with {pair}?",
            answer=("upper", "lower")[place],
            accepted=(("top",), ("bottom",))[place],
            gold=(name,),
        )


def _about_frame(
    name: str, both: tuple[MovingObject, MovingObject], motions: tuple[str, str], frame: Path
) -> Draft:
    """Asks for either side, whichever the name of the clip brings up."""
    side = ("left", "right")[int(name[-4:]) // 2 % 2]
    mover = both[motions.index(side)]
    return Draft(
        template="mover",
        text=f"What goes to the {side} in the clip that this picture is from?",
        answer=mover.name,
        accepted=(mover.phrase,),
        picture=frame,
        beside=(both[0].name, both[1].name),
        gold=(name,),
    )
