"""Composed scenes: several things on a background, none over another, and crops of them.

Boxes are (top, left, bottom, right) in pixels; the last two lie outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.pictures.collection import Picture

Pixels: TypeAlias = NDArray[np.uint8]
Box: TypeAlias = tuple[int, int, int, int]

SIDE: Final = 384
"""Of a scene, in pixels."""

_SIZES: Final = (72, 150)  # of the longer side of a thing, least and most
_MARGIN: Final = 8  # around a crop
_GAP: Final = 2 * _MARGIN  # between things, so that no crop shows a neighbour
_TRIES: Final = 60
_DIFFERENT: Final = 40  # of 255: a channel that differs by this much from the background is seen
_LEAST_SEEN: Final = 0.25  # of the box of a thing
# Share of a thing's box within a crop that does not show it: at most half, but one has some, for
# plain background is no rival, and the same everywhere.
_LEAST_SHOWN, _MOST_SHOWN = 0.1, 0.55
_BACKGROUNDS: Final = (
    (255, 255, 255),
    (246, 236, 214),
    (214, 232, 246),
    (220, 240, 218),
    (247, 222, 226),
    (226, 220, 244),
    (200, 204, 210),
    (120, 160, 150),
    (96, 110, 140),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """Things on a background.

    Attributes:
        pixels: (SIDE, SIDE, 3) RGB.
        things: what was placed.
        boxes: where each thing is, tightly.
    """

    pixels: Pixels
    things: tuple[Picture, ...]
    boxes: tuple[Box, ...]

    def crop(self, box: Box) -> Pixels:
        """The part of the scene within a box and a small margin: (H, W, 3)."""
        top, left, bottom, right = _grown(box, _MARGIN)
        return np.ascontiguousarray(
            self.pixels[max(top, 0) : min(bottom, SIDE), max(left, 0) : min(right, SIDE)]
        )


def compose(dice: np.random.Generator, pictures: Sequence[Picture], count: int) -> Scene:
    """Places the first pictures that find room and can be seen on the background.

    Args:
        dice: chooses background, sizes and places.
        pictures: more than are needed.
        count: how many things are wanted; fewer come where there is no room.
    """
    canvas = background(dice)
    things: list[Picture] = []
    boxes: list[Box] = []
    for picture in pictures:
        if len(things) == count:
            break
        thing = _resized(picture.cut_out(), int(dice.integers(*_SIZES, endpoint=True)))
        box = _free_place(dice, thing.shape[0], thing.shape[1], boxes)
        if box is not None and _paste(canvas, thing, box):
            things.append(picture)
            boxes.append(box)
    return Scene(pixels=canvas, things=tuple(things), boxes=tuple(boxes))


def distractors(dice: np.random.Generator, scene: Scene, count: int) -> list[Box]:
    """Boxes that show a part of a thing but no more than half, and hardly overlap each other.

    Args:
        dice: chooses sizes and places.
        scene: where things are.
        count: how many are wanted; fewer come where the scene is too full.
    """
    found: list[Box] = []
    for _ in range(count * _TRIES):
        if len(found) == count:
            break
        height, width = dice.integers(*_SIZES, size=2).tolist()
        top, left = dice.integers(0, SIDE - height), dice.integers(0, SIDE - width)
        box = (int(top), int(left), int(top) + height, int(left) + width)
        shown = max(_overlap(_grown(box, _MARGIN), thing) / _area(thing) for thing in scene.boxes)
        if _LEAST_SHOWN <= shown <= _MOST_SHOWN and all(
            _overlap(box, other) < _area(box) / 4 for other in found
        ):
            found.append(box)
    return found


def background(dice: np.random.Generator) -> Pixels:
    """A plain colour, or one that turns into another: (SIDE, SIDE, 3)."""
    first, second = (
        np.array(_BACKGROUNDS[at], np.float32) for at in dice.integers(0, len(_BACKGROUNDS), 2)
    )
    kind = dice.integers(0, 3)
    slope = np.linspace(0, 1, SIDE, dtype=np.float32)
    down, across = np.meshgrid(slope, slope, indexing="ij")
    amount = (np.zeros_like(down), down, (down + across) / 2)[kind][..., None]
    return np.asarray(np.rint(first * (1 - amount) + second * amount), np.uint8)


def _paste(canvas_HWC: Pixels, thing_HWC: Pixels, box: Box) -> bool:
    """Lays a thing on the canvas, unless it would hardly be seen there."""
    top, left, bottom, right = box
    beneath = canvas_HWC[top:bottom, left:right]
    opacity = thing_HWC[..., 3:].astype(np.float32) / 255
    mixed = np.rint(thing_HWC[..., :3] * opacity + beneath * (1 - opacity))
    if (np.abs(mixed - beneath).max(2) > _DIFFERENT).mean() < _LEAST_SEEN:
        return False
    canvas_HWC[top:bottom, left:right] = mixed.astype(np.uint8)
    return True


def _free_place(
    dice: np.random.Generator, height: int, width: int, taken: Sequence[Box]
) -> Box | None:
    for _ in range(_TRIES):
        top = int(dice.integers(_MARGIN, SIDE - height - _MARGIN, endpoint=True))
        left = int(dice.integers(_MARGIN, SIDE - width - _MARGIN, endpoint=True))
        box = (top, left, top + height, left + width)
        if not any(_overlap(_grown(box, _GAP), other) for other in taken):
            return box
    return None


def _resized(cut_out_HWC: Pixels, side: int) -> Pixels:
    from PIL import Image

    picture = Image.fromarray(cut_out_HWC)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def _grown(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _overlap(one: Box, other: Box) -> int:
    """The area that two boxes share."""
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    return max(height, 0) * max(width, 0)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
