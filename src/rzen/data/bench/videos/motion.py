"""Composed clips: cut-out pictures that move over a background.

Single frames do not tell which way: of two opposite motions, one is the other played backwards, so
that both show the same pictures at the same places and only their order differs. An encoder that
averages over frames cannot tell them apart.

H, W, C as everywhere; a cut-out is (H, W, 4) RGBA.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH, HEIGHT = 256, 192
FPS = 8
FRAMES = 28
"""Of a clip: three and a half seconds."""

MOTIONS: Mapping[str, str] = {
    "left": "moves to the left",
    "right": "moves to the right",
    "up": "moves up",
    "down": "moves down",
    "grow": "grows",
    "shrink": "shrinks",
    "appear": "appears",
    "disappear": "disappears",
    "spin": "spins around",
    "jump": "jumps up and down",
    "shake": "shakes",
}
"""Name -> what is said of whatever moves so."""

OPPOSITES: Mapping[str, str] = {
    one: other
    for pair in (("right", "left"), ("up", "down"), ("grow", "shrink"), ("appear", "disappear"))
    for one, other in (pair, pair[::-1])
}
STILL = "still"
"""Not among :data:`MOTIONS`: what the second of two objects may do."""

_BACKWARDS = frozenset({"left", "down", "shrink", "disappear"})
_SIDES = (74, 90)  # pixels, least and most; the object's area is about that of such a square
_LANE_SIDE = 68
_LONGEST = 1.3  # of such a side, so that what is long and thin stays within the frame
_GROWTH = (0.45, 1.4)  # of the usual size
_REST = 3  # frames at most that a motion waits before it begins, and after it ended
_HOP_FRAMES, _HOP_HEIGHT = 9, 0.75  # height as a share of the room above
_SWAY, _TILT = 10, 9  # pixels, degrees
# Three frames: with a multiple of two, every second or fourth frame, which is what encoders look
# at, would show the same place.
_SHAKE_FRAMES = 3
_TRIES = 8
_CLEAR = 90.0  # distance in RGB beyond which an object's pixel stands out from what is behind it
_CLEAR_SHARE = 0.7
_CLEAR_PIXELS = 400  # of an object that are looked at for this
_SEEN = 24  # of 255, opacity that counts as part of an object
_TURNED_SIDE = 32
_TURNED = 0.6  # change of all four channels when turned, relative to the opacity

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pose:
    """How an object is shown in one frame: its centre in pixels, degrees, opacity in [0, 1]."""

    x: float
    y: float
    scale: float = 1.0
    angle: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """What is the same for every motion: the room to move in, and what was drawn by chance.

    ``left``, ``right``, ``top`` and ``bottom`` are the farthest places of the object's centre.
    """

    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    rest: int
    turn: int
    frames: int


def frames(
    cut_out_HWC: Pixels,
    motion: str,
    background_HWC: Pixels,
    dice: np.random.Generator,
    *,
    count: int = FRAMES,
) -> list[Pixels]:
    """An object that moves over a background.

    Equal dice give the same places and sizes whatever the motion; a motion and its opposite are
    each other's reverse, frame by frame.

    Args:
        cut_out_HWC: the object.
        motion: a key of :data:`MOTIONS`.
        background_HWC: of the frames' size, such as :func:`background` makes.
        dice: for place and size.
        count: of frames.

    Returns:
        (H, W, 3) RGB each.
    """
    sprite = _sprite(cut_out_HWC, int(dice.integers(*_SIDES)))
    centre = (WIDTH / 2 + dice.uniform(-45, 45), HEIGHT / 2 + dice.uniform(-18, 18))
    stage = _stage(sprite, centre, dice, count)
    return _film(background_HWC, [(sprite, _poses(motion, stage))])


def frames_of_two(
    cut_outs: tuple[Pixels, Pixels],
    motions: tuple[str, str],
    background_HWC: Pixels,
    dice: np.random.Generator,
    *,
    count: int = FRAMES,
) -> list[Pixels]:
    """Two objects, one above the other, of which each moves to a side or stays where it is.

    Equal dice give the same places whatever the motions.

    Args:
        cut_outs: the objects; which of them is above is left to the dice.
        motions: of each, ``"left"``, ``"right"`` or :data:`STILL`.
        background_HWC: of the frames' size.
        dice: for places and sizes.
        count: of frames.
    """
    above = int(dice.integers(2))
    acts = []
    for place, (cut_out_HWC, motion) in enumerate(zip(cut_outs, motions, strict=True)):
        sprite = _sprite(cut_out_HWC, _LANE_SIDE)
        centre = (WIDTH / 2 + dice.uniform(-60, 60), HEIGHT * (0.26 if place == above else 0.74))
        acts.append((sprite, _poses(motion, _stage(sprite, centre, dice, count))))
    return _film(background_HWC, acts)


def background(dice: np.random.Generator) -> Pixels:
    """A plain colour, a gradient between two, or one with soft spots: (H, W, 3)."""
    kind = dice.integers(3)
    first_C, second_C = (_colour(dice) for _ in range(2))
    if kind == 0:
        return np.broadcast_to(np.round(first_C), (HEIGHT, WIDTH, 3)).astype(np.uint8)
    if kind == 1:
        steps = np.linspace(0, 1, HEIGHT)[:, None] if dice.integers(2) else np.linspace(0, 1, WIDTH)
        share_HW1 = np.broadcast_to(steps, (HEIGHT, WIDTH))[..., None]
        return np.round(first_C * (1 - share_HW1) + second_C * share_HW1).astype(np.uint8)
    from PIL import Image

    spots_HWC = first_C + dice.uniform(-26, 26, (6, 8, 1)) + dice.uniform(-10, 10, (6, 8, 3))
    coarse = Image.fromarray(np.clip(spots_HWC, 0, 255).round().astype(np.uint8))
    return np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def background_for(cut_outs: Sequence[Pixels], dice: np.random.Generator) -> Pixels:
    """A background that all the objects stand out from, or the best of a few."""
    best_HWC, best = background(dice), -1.0
    for _ in range(_TRIES):
        drawn_HWC = background(dice)
        clear = min(_clear_share(cut_out_HWC, drawn_HWC) for cut_out_HWC in cut_outs)
        if clear > best:
            best_HWC, best = drawn_HWC, clear
        if best >= _CLEAR_SHARE:
            break
    return best_HWC


def shows_turning(cut_out_HWC: Pixels) -> bool:
    """Whether one can see an object turn: a ball of one colour looks the same all the time."""
    from PIL import Image, ImageChops

    sprite = _sprite(cut_out_HWC, _TURNED_SIDE)
    upright = Image.new("RGBa", (2 * _TURNED_SIDE, 2 * _TURNED_SIDE))
    place = ((upright.width - sprite.width) // 2, (upright.height - sprite.height) // 2)
    upright.paste(sprite.convert("RGBa"), place)
    covered = max(1.0, float(np.asarray(upright)[..., 3].sum()))
    changes = [
        float(np.asarray(ImageChops.difference(upright, upright.rotate(angle))).sum()) / covered
        for angle in (50, 90, 130)
    ]
    return min(changes) > _TURNED


def trimmed(cut_out_HWC: Pixels) -> Pixels:
    """A cut-out without the transparent margin around it; unchanged if there is nothing in it."""
    seen_HW = cut_out_HWC[..., 3] > _SEEN
    if not seen_HW.any():
        return cut_out_HWC
    rows, columns = (np.flatnonzero(seen_HW.any(axis=axis)) for axis in (1, 0))
    return cut_out_HWC[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _stage(
    sprite: "Image", centre: tuple[float, float], dice: np.random.Generator, count: int
) -> _Stage:
    margin = dice.uniform(2, 14)
    across, along = sprite.width / 2 + margin, sprite.height / 2 + margin
    return _Stage(
        x=centre[0],
        y=centre[1],
        left=across,
        right=WIDTH - across,
        top=along,
        bottom=HEIGHT - along,
        rest=int(dice.integers(0, _REST + 1)),
        turn=int(dice.choice((-1, 1))),
        frames=count,
    )


def _poses(motion: str, stage: _Stage) -> list[_Pose]:
    """One pose a frame."""
    forwards = OPPOSITES[motion] if motion in _BACKWARDS else motion
    poses = [
        _pose(forwards, stage, index, _progress(index, stage)) for index in range(stage.frames)
    ]
    return poses[::-1] if motion in _BACKWARDS else poses


def _progress(index: int, stage: _Stage) -> float:
    """From 0 to 1, with a rest at both ends."""
    moving = stage.frames - 1 - 2 * stage.rest
    return min(1.0, max(0.0, (index - stage.rest) / moving))


def _pose(motion: str, stage: _Stage, index: int, progress: float) -> _Pose:
    change: dict[str, float] = {}
    match motion:
        case "right":
            change = {"x": stage.left + (stage.right - stage.left) * progress}
        case "up":
            change = {"y": stage.bottom + (stage.top - stage.bottom) * progress}
        case "grow":
            change = {"scale": _GROWTH[0] + (_GROWTH[1] - _GROWTH[0]) * progress}
        case "appear":
            change = {"opacity": progress}
        case "spin":
            change = {"angle": 360 * stage.turn * index / stage.frames}
        case "jump":
            height = _HOP_HEIGHT * abs(math.sin(math.pi * index / _HOP_FRAMES))
            change = {"y": stage.bottom + (stage.top - stage.bottom) * height}
        case "shake":
            sway = stage.turn * math.sin(2 * math.pi * (index + 0.5) / _SHAKE_FRAMES)
            change = {"x": stage.x + _SWAY * sway, "angle": _TILT * sway}
        case _:
            assert motion == STILL, f"there is no motion {motion!r}"
    return replace(_Pose(x=stage.x, y=stage.y), **change)


def _film(background_HWC: Pixels, acts: Sequence[tuple["Image", list[_Pose]]]) -> list[Pixels]:
    from PIL import Image

    assert background_HWC.shape == (HEIGHT, WIDTH, 3)
    scene = Image.fromarray(background_HWC)
    made = []
    for index in range(len(acts[0][1])):
        frame = scene.copy()
        for sprite, poses in acts:
            _draw(frame, sprite, poses[index])
        made.append(np.asarray(frame))
    return made


def _draw(frame: "Image", sprite: "Image", pose: _Pose) -> None:
    from PIL import Image

    shown = sprite
    if pose.scale != 1.0:
        size = [max(1, round(side * pose.scale)) for side in sprite.size]
        shown = sprite.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    if pose.angle:
        shown = shown.rotate(pose.angle, Image.Resampling.BICUBIC, expand=True)
    opacity = shown.getchannel("A")
    if pose.opacity < 1.0:
        opacity = opacity.point(lambda value: value * pose.opacity)
    place = (round(pose.x - shown.width / 2), round(pose.y - shown.height / 2))
    frame.paste(shown.convert("RGB"), place, opacity)


def _sprite(cut_out_HWC: Pixels, side: int) -> "Image":
    """The object alone, about as large as a square of that side."""
    from PIL import Image

    whole = Image.fromarray(trimmed(cut_out_HWC))
    factor = min(side / math.sqrt(whole.width * whole.height), _LONGEST * side / max(whole.size))
    size = [max(1, round(length * factor)) for length in whole.size]
    return whole.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _colour(dice: np.random.Generator) -> NDArray[np.float64]:
    """Any hue, pale to strong, never near black."""
    hue, strength, light = dice.uniform(), dice.uniform(0.05, 0.75), dice.uniform(90, 250)
    wave_C = np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    return np.asarray(light * (1 - strength * (1 - np.clip(wave_C, 0, 1))))


def _clear_share(cut_out_HWC: Pixels, background_HWC: Pixels) -> float:
    """How much of an object differs from every part of the background."""
    solid_HW = cut_out_HWC[..., 3] > 127
    object_NC = cut_out_HWC[solid_HW][:, :3].astype(np.float64)
    object_NC = object_NC[:: max(1, len(object_NC) // _CLEAR_PIXELS)]
    behind_PC = background_HWC[:: HEIGHT // 4, :: WIDTH // 4].reshape(-1, 3).astype(np.float64)
    if not len(object_NC):
        return 0.0
    distance_NP = np.linalg.norm(object_NC[:, None] - behind_PC[None], axis=2)
    return float((distance_NP.min(axis=1) > _CLEAR).mean())
