"""Edits of a picture that can be said in words: mirrored, on a red background, in a corner.

Each edit takes the picture as a square with transparency (RGBA), so that it can tell the thing from
the paper, and gives the edited picture as RGB. The paper is white unless the edit says otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]

WHITE: Final[Colour] = (255, 255, 255)
_COLOURS: Final[dict[str, Colour]] = {
    "red": (215, 40, 40),
    "green": (40, 150, 60),
    "blue": (40, 90, 215),
    "yellow": (250, 215, 50),
    "black": (20, 20, 20),
}
_LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601
_GRID = 32  # Pictures are compared as 32 x 32 means


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One way to change a picture.

    Attributes:
        name: short and unique, such as ``"mirrored"``.
        wordings: how training asks for it.
        held_out: how validation and test ask for it; never said in training.
        apply: (S, S, 4) RGBA to (S, S, 3) RGB.
        moves: whether it moves the thing: of a nearly symmetric one that must be a large change.
        paper: the least share of the square that must be free for the edit to be recognised.
    """

    name: str
    wordings: tuple[str, ...]
    held_out: str
    apply: Callable[[Pixels], Pixels]
    moves: bool = False
    paper: float = 0.0


def square(cut_out_HWC: Pixels, side: int, *, margin: float = 0.06) -> Pixels:
    """Fits a picture with transparency into a square: (H, W, 4) to (side, side, 4).

    Args:
        cut_out_HWC: RGBA.
        side: in pixels.
        margin: kept free on each side, a fraction of the side.
    """
    from PIL import Image

    height, width = cut_out_HWC.shape[:2]
    room = side * (1 - 2 * margin)
    scale = room / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Weighted by opacity: transparent pixels are often black, and would darken the edges.
    fitted = Image.fromarray(cut_out_HWC).convert("RGBa").resize(size, Image.Resampling.LANCZOS)
    whole_HWC = np.zeros((side, side, 4), np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    whole_HWC[top : top + size[1], left : left + size[0]] = np.asarray(fitted.convert("RGBA"))
    return whole_HWC


def flat(picture_SSC: Pixels, paper: Colour = WHITE) -> Pixels:
    """Lays a picture with transparency on paper: (H, W, 4) to (H, W, 3)."""
    opacity = picture_SSC[..., 3:].astype(np.float32) / 255
    mixed = picture_SSC[..., :3] * opacity + np.array(paper, np.float32) * (1 - opacity)
    return np.asarray(np.rint(mixed), np.uint8)


def coarse(pixels_HWC: Pixels) -> NDArray[np.float32]:
    """A picture as 32 x 32 means, so that noise and single pixels do not count: (32, 32, C).

    Args:
        pixels_HWC: its sides are multiples of 32.
    """
    height, width, channels = pixels_HWC.shape
    assert height % _GRID == width % _GRID == 0, "sides are multiples of 32"
    cells = pixels_HWC.reshape(_GRID, height // _GRID, _GRID, width // _GRID, channels)
    return np.asarray(cells.mean((1, 3), dtype=np.float32))


def difference(one_GGC: NDArray[np.float32], other_GGC: NDArray[np.float32]) -> float:
    """How far two pictures are apart to the eye, 0 to 255: the root mean square of their means.

    Args:
        one_GGC: of :func:`coarse`.
        other_GGC: of :func:`coarse`.
    """
    return float(np.sqrt(np.mean((one_GGC - other_GGC) ** 2)))


def _shrunk(picture_SSC: Pixels, side: int) -> Pixels:
    from PIL import Image

    small = Image.fromarray(picture_SSC).convert("RGBa").resize((side, side), Image.Resampling.BOX)
    return np.asarray(small.convert("RGBA"))


def _pasted(picture_SSC: Pixels, side: int, *corners: tuple[float, float]) -> Pixels:
    """Small copies on one sheet; corners are (top, left) as fractions of the sheet."""
    whole = picture_SSC.shape[0]
    small = _shrunk(picture_SSC, side)
    sheet = np.zeros_like(picture_SSC)
    for top, left in corners:
        at_top, at_left = round(top * whole), round(left * whole)
        sheet[at_top : at_top + side, at_left : at_left + side] = small
    return flat(sheet)


def _in_corner(top: float, left: float) -> Callable[[Pixels], Pixels]:
    return lambda picture: _pasted(picture, picture.shape[0] // 2 - 8, (top, left))


def _gray(picture_SSC: Pixels) -> Pixels:
    luma = flat(picture_SSC) @ np.array(_LUMA, np.float32)
    return np.asarray(np.rint(luma)[..., None].repeat(3, axis=2), np.uint8)


def _tinted(colour: Colour) -> Callable[[Pixels], Pixels]:
    def apply(picture_SSC: Pixels) -> Pixels:
        luma = picture_SSC[..., :3] @ np.array(_LUMA, np.float32) / 255
        # Dark stays dark, mid tones take the colour, light ones go towards white.
        light = np.clip(2 * luma - 1, 0, 1)[..., None] * 0.6
        dark = np.clip(2 * luma, 0, 1)[..., None]
        tinted = np.array(colour, np.float32) * dark * (1 - light) + 255 * light
        return flat(np.dstack([np.rint(tinted).astype(np.uint8), picture_SSC[..., 3]]))

    return apply


def _on(colour: Colour) -> Callable[[Pixels], Pixels]:
    return lambda picture: flat(picture, colour)


def _framed(colour: Colour) -> Callable[[Pixels], Pixels]:
    def apply(picture_SSC: Pixels) -> Pixels:
        side = picture_SSC.shape[0]
        width = side // 12
        inner = _pasted(picture_SSC, side - 2 * width, (width / side, width / side))
        framed = np.empty_like(inner)
        framed[:] = colour
        framed[width:-width, width:-width] = inner[width:-width, width:-width]
        return framed

    return apply


def _crossed_out(picture_SSC: Pixels) -> Pixels:
    crossed = flat(picture_SSC)
    side = crossed.shape[0]
    down, across = np.mgrid[:side, :side]
    reach = side // 24
    crossed[(np.abs(down - across) < reach) | (np.abs(down + across - side + 1) < reach)] = (
        _COLOURS["red"]
    )
    return crossed


def _half(rows: bool) -> Callable[[Pixels], Pixels]:
    def apply(picture_SSC: Pixels) -> Pixels:
        half = picture_SSC.copy()
        side = half.shape[0]
        (half if rows else half.transpose(1, 0, 2))[side // 2 :] = 0
        return flat(half)

    return apply


def _in_blocks(picture_SSC: Pixels) -> Pixels:
    whole = flat(picture_SSC)
    side = whole.shape[0]
    block = side // 16
    cells = whole.reshape(side // block, block, side // block, block, 3).mean((1, 3))
    blocks = np.asarray(np.rint(cells), np.uint8)
    return blocks.repeat(block, axis=0).repeat(block, axis=1)


def _blurred(picture_SSC: Pixels) -> Pixels:
    from PIL import Image, ImageFilter

    radius = picture_SSC.shape[0] / 24
    return np.asarray(Image.fromarray(flat(picture_SSC)).filter(ImageFilter.GaussianBlur(radius)))


def _dark(picture_SSC: Pixels) -> Pixels:
    return np.asarray(np.rint(flat(picture_SSC) * 0.3), np.uint8)


_PLACED: Final = (
    Edit(
        name="mirrored",
        wordings=("the same, but mirrored left to right", "facing the other way"),
        held_out="the mirror image of this",
        moves=True,
        apply=lambda picture: flat(picture[:, ::-1]),
    ),
    Edit(
        name="upside down",
        wordings=("the same, but upside down", "turned on its head"),
        held_out="rotated by half a turn",
        moves=True,
        apply=lambda picture: flat(picture[::-1, ::-1]),
    ),
    Edit(
        name="on its side",
        wordings=("the same, but lying on its side", "turned sideways"),
        held_out="rotated by a quarter turn",
        moves=True,
        apply=lambda picture: flat(np.ascontiguousarray(np.rot90(picture))),
    ),
    Edit(
        name="two side by side",
        wordings=("two of them side by side", "twice, one beside the other"),
        held_out="the same thing two times in a row",
        moves=True,
        apply=lambda picture: _pasted(picture, picture.shape[0] // 2, (0.25, 0.0), (0.25, 0.5)),
    ),
    Edit(
        name="one above the other",
        wordings=("two of them, one above the other", "twice, stacked"),
        held_out="one on top and the same one below",
        moves=True,
        apply=lambda picture: _pasted(picture, picture.shape[0] // 2, (0.0, 0.25), (0.5, 0.25)),
    ),
    Edit(
        name="four",
        wordings=("four of them", "the same four times"),
        held_out="four copies of this",
        moves=True,
        apply=lambda picture: _pasted(
            picture, picture.shape[0] // 2, (0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5)
        ),
    ),
    Edit(
        name="small in the middle",
        wordings=("the same, but much smaller", "small, in the middle"),
        held_out="a tiny one in the centre",
        moves=True,
        apply=lambda picture: _pasted(picture, picture.shape[0] // 3, (1 / 3, 1 / 3)),
    ),
    *(
        Edit(
            name=f"small at the {row} {side}",
            wordings=(f"smaller, in the {row} {side} corner", f"small, at the {row} {side}"),
            held_out=f"the same, shrunk into the corner at the {row} {side}",
            moves=True,
            apply=_in_corner(top, left),
        )
        for row, top in (("top", 0.0), ("bottom", 0.5))
        for side, left in (("left", 0.0), ("right", 0.5))
    ),
    Edit(
        name="left half",
        wordings=("only its left half", "with the right half missing"),
        held_out="the same, but its right half is gone",
        moves=True,
        apply=_half(rows=False),
    ),
    Edit(
        name="top half",
        wordings=("only its top half", "with the lower half missing"),
        held_out="the same, but its bottom half is gone",
        moves=True,
        apply=_half(rows=True),
    ),
)

_COLOURED: Final = (
    Edit(
        name="gray",
        wordings=("the same, but in black and white", "without any colour"),
        held_out="in shades of gray",
        apply=_gray,
    ),
    Edit(
        name="negative",
        wordings=("the same, but as a negative", "with inverted colours"),
        held_out="every colour replaced by its opposite",
        apply=lambda picture: 255 - flat(picture),
    ),
    Edit(
        name="dark",
        wordings=("the same, but much darker", "at night, with hardly any light"),
        held_out="the same in dim light",
        apply=_dark,
    ),
    *(
        Edit(
            name=f"tinted {name}",
            wordings=(f"the same, but tinted {name}", f"painted all in {name}"),
            held_out=f"the same thing in shades of {name}",
            apply=_tinted(_COLOURS[name]),
        )
        for name in ("red", "green", "blue")
    ),
    *(
        Edit(
            name=f"on {name}",
            wordings=(f"the same, but on a {name} background", f"in front of a {name} wall"),
            held_out=f"against a backdrop of {name}",
            apply=_on(colour),
            paper=0.2,
        )
        for name, colour in _COLOURS.items()
    ),
    *(
        Edit(
            name=f"framed in {name}",
            wordings=(f"with a thick {name} frame", f"framed in {name}"),
            held_out=f"the same with a wide {name} border",
            apply=_framed(_COLOURS[name]),
        )
        for name in ("black", "green")
    ),
    Edit(
        name="crossed out",
        wordings=("the same, but crossed out in red", "with a red cross over it"),
        held_out="struck through with a big red X",
        apply=_crossed_out,
    ),
    Edit(
        name="blurred",
        wordings=("the same, but blurred", "out of focus"),
        held_out="very unsharp",
        apply=_blurred,
    ),
    Edit(
        name="in blocks",
        wordings=("the same, but in coarse square pixels", "pixelated"),
        held_out="at a very low resolution, in blocks",
        apply=_in_blocks,
    ),
)

EDITS: Final[tuple[Edit, ...]] = (*_PLACED, *_COLOURED)
"""All edits; their names are unique."""
