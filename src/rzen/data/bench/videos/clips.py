"""The composed clips of one moving thing that the video tasks share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from rzen.data.bench.videos import motion
from rzen.data.bench.videos.moving_objects import MovingObject
from rzen.data.bench.workshop import Workshop
from rzen.types import Content, Text, Video

_T = TypeVar("_T")

_PAIRS = (("left", "right"), ("up", "down"), ("grow", "shrink"), ("appear", "disappear"))
_OTHERS = ("spin", "jump", "shake")
_THIRDS = (True, True, True, True, False, False, False)  # which of seven things have a third clip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectClip:
    """A clip of one thing that does one thing.

    Attributes:
        moving: the thing.
        motion: a key of :data:`rzen.data.bench.videos.motion.MOTIONS`.
        video: the clip, stored.
    """

    moving: MovingObject
    motion: str
    video: Video

    @property
    def id(self) -> str:
        """Such as ``"barn-owl left"``."""
        return f"{self.moving.id} {self.motion}"

    @property
    def caption(self) -> str:
        """Such as ``"a barn owl moves to the left"``."""
        return caption(self.moving, self.motion)

    @property
    def content(self) -> Content:
        """The clip alone."""
        return Content(self.video)


def caption(moving: MovingObject, motion_name: str) -> str:
    """Who does what, as a query says it."""
    return f"{moving.phrase} {motion.MOTIONS[motion_name]}"


def text(words: str) -> Content:
    """A text alone."""
    return Content(Text(words))


def shuffled(shop: Workshop, items: Sequence[_T], *key: object) -> list[_T]:
    """The items in an order that depends on the key."""
    return [items[at] for at in shop.dice("order", *key).permutation(len(items))]


def object_clips(shop: Workshop, moving: Sequence[MovingObject]) -> list[ObjectClip]:
    """Two or three clips of each: a motion and its opposite, and for four in seven another one.

    All clips of one thing have one background and one place to move around; two opposite ones are
    each other's reverse.
    """
    made, thirds = [], 0
    for number, each in enumerate(moving):
        names = [*_PAIRS[number % len(_PAIRS)]]
        if _THIRDS[number % len(_THIRDS)]:
            names.append(_third(each, thirds))
            thirds += 1
        background_HWC = motion.background_for(
            [each.cut_out], shop.dice("object clip background", each.picture.id)
        )
        made += [_clip(shop, each, name, background_HWC) for name in names]
    return made


def _clip(
    shop: Workshop, moving: MovingObject, motion_name: str, background_HWC: motion.Pixels
) -> ObjectClip:
    dice = shop.dice("object clip", moving.picture.id)
    frames = motion.frames(moving.cut_out, motion_name, background_HWC, dice)
    return ObjectClip(moving=moving, motion=motion_name, video=shop.clip(frames, fps=motion.FPS))


def _third(moving: MovingObject, number: int) -> str:
    name = _OTHERS[number % len(_OTHERS)]
    if name == "spin" and not motion.shows_turning(moving.cut_out):
        return "jump"
    return name
