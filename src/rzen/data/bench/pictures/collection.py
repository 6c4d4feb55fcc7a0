"""Pictures with captions: photographs and drawings of Tux Paint, clip art, emoji of two vendors."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.language.concepts import SPLITS, Split, concept, split_of
from rzen.data.bench.pictures.near_duplicates import NEAR, SAME, pairs, thumbnail
from rzen.data.bench.pictures.sources import (
    CLIPART,
    EMOJI_NAMES,
    NOUNS,
    STAMPS,
    Captioned,
    read_clipart,
    read_emoji,
    read_nouns,
    read_stamps,
)
from rzen.data.bench.workshop import Workshop

Style: TypeAlias = Literal["stamps", "clipart", "twitter", "google"]
STYLES: Final[tuple[Style, ...]] = ("stamps", "clipart", "twitter", "google")

_Pixels: TypeAlias = NDArray[np.uint8]
_Paper: TypeAlias = tuple[int, int, int]

_WHITE: _Paper = (255, 255, 255)
_OTHER_PAPERS: tuple[_Paper, ...] = ((170, 170, 170), (80, 80, 80))
_INVISIBLE = 8  # of 255: alpha below is no part of the picture
_DIFFERENT = 40  # of 255: a channel that differs by this much from the paper is seen
_LEAST_SEEN = 0.15  # of the pixels that are not transparent


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of one thing.

    Attributes:
        id: stable, such as ``"stamps/animals/birds/owl"``; the emoji of both vendors share what
            follows the style.
        style: where it comes from.
        caption: in English, as a person would ask for it.
        concept: what it is about (:mod:`rzen.data.bench.language.concepts`).
        category: a word or two for the kind of thing, such as ``"bird"``.
        file: the package's own file.
    """

    id: str
    style: Style
    caption: str
    concept: str
    category: str
    file: Path

    def cut_out(self) -> _Pixels:
        """Its pixels with transparency, without the empty margin: (H, W, 4) RGBA."""
        from PIL import Image

        with Image.open(self.file) as picture:
            whole = picture.convert("RGBA")
        seen = whole.getchannel("A").point(lambda alpha: 255 * (alpha > _INVISIBLE))
        return np.asarray(whole.crop(seen.getbbox()))


def on_paper(picture: Picture, side: int = 256, paper: _Paper = _WHITE) -> _Pixels:
    """The picture on paper, without margin: (H, W, 3) RGB, the longer side ``side``.

    Where it would hardly be seen, such as white on white, the paper is the grey that shows it best.
    """
    from PIL import Image

    cut_out = Image.fromarray(picture.cut_out())
    scale = side / max(cut_out.size)
    size = (max(1, round(cut_out.width * scale)), max(1, round(cut_out.height * scale)))
    # Pillow weighs colours by alpha here, so that hidden colours do not bleed into the edges.
    small = cut_out.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    small_HW4 = np.asarray(small)
    if _seen(small_HW4, paper) < _LEAST_SEEN:
        paper = max((paper, *_OTHER_PAPERS), key=lambda other: _seen(small_HW4, other))
    sheet = Image.new("RGBA", size, (*paper, 255))
    sheet.alpha_composite(small)
    return np.asarray(sheet.convert("RGB"))


def stamps(shop: Workshop) -> list[Picture]:
    """Pictures of Tux Paint with English captions: cut-outs of photographs, and drawings."""
    return list(_of_style(shop, "stamps"))


def clipart(shop: Workshop) -> list[Picture]:
    """Clip art whose title or file name says what it shows."""
    return list(_of_style(shop, "clipart"))


def emoji(shop: Workshop, vendor: Literal["twitter", "google"]) -> list[Picture]:
    """Emoji of a vendor, without flags, letters, digits and skin tones."""
    return list(_of_style(shop, vendor))


def of_split(shop: Workshop, style: Style, split: Split) -> list[Picture]:
    """The pictures of a style whose concepts belong to a split, without near-duplicates.

    What looks like a picture of a later split is dropped, whatever the style, and so is what is all
    but equal to another picture of its own style and split. Google's emoji are held out of
    training.
    """
    if style == "google" and split == "train":
        return []
    dropped = _near_duplicates(shop)
    return [
        picture
        for picture in _of_style(shop, style)
        if split_of(picture.concept) == split and picture.id not in dropped
    ]


@lru_cache(maxsize=len(STYLES))
def _of_style(shop: Workshop, style: Style) -> tuple[Picture, ...]:
    left_out: Counter[str] = Counter()
    found = [
        Picture(
            id=f"{style}/{each.name}",
            style=style,
            caption=each.caption,
            concept=concept(each.caption),
            category=each.category,
            file=each.file,
        )
        for each in _read(shop, style, left_out)
    ]
    # Set, not added: it is the same number however often the pictures are asked for.
    for reason, count in left_out.items():
        shop.tallies[f"pictures, {style}: {reason}"] = count
    return tuple(found)


def _read(shop: Workshop, style: Style, left_out: Counter[str]) -> list[Captioned]:
    match style:
        case "stamps":
            return read_stamps(shop.fetch(STAMPS), left_out)
        case "clipart":
            return read_clipart(shop.fetch(CLIPART), read_nouns(shop.fetch(NOUNS)), left_out)
        case "twitter" | "google":
            folder = shop.fetch(f"emoji-datasource-{style}")
            return read_emoji(folder, style, shop.fetch(EMOJI_NAMES), left_out)


@lru_cache(maxsize=1)
def _near_duplicates(shop: Workshop) -> frozenset[str]:
    """Ids of the pictures to drop, so that of those that look alike the latest split's stays."""
    pictures = [picture for style in STYLES for picture in _of_style(shop, style)]
    splits = [split_of(picture.concept) for picture in pictures]
    thumbnail_ND = np.stack([thumbnail(picture.cut_out()) for picture in pictures])
    rivals: dict[int, list[int]] = defaultdict(list)
    for one, other in pairs(thumbnail_ND, NEAR).tolist():
        twice = pictures[one].style == pictures[other].style
        alike = float(thumbnail_ND[one] @ thumbnail_ND[other])
        if splits[one] != splits[other] or (twice and alike >= SAME):
            rivals[one].append(other)
            rivals[other].append(one)
    kept: set[int] = set()
    dropped: Counter[str] = Counter()
    for at in sorted(range(len(pictures)), key=lambda at: -SPLITS.index(splits[at])):
        if kept.isdisjoint(rivals[at]):
            kept.add(at)
        else:
            dropped[splits[at]] += 1
    for split, count in dropped.items():
        shop.tallies[f"pictures: near-duplicates removed from {split}"] = count
    return frozenset(pictures[at].id for at in range(len(pictures)) if at not in kept)


def _seen(pixels_HW4: _Pixels, paper: _Paper) -> float:
    """The share of the picture that can be told from the paper."""
    alpha_HW1 = pixels_HW4[:, :, 3:].astype(np.float32) / 255
    shown_HW3 = (pixels_HW4[:, :, :3] - np.asarray(paper, np.float32)) * alpha_HW1
    seen = (np.abs(shown_HW3).max(2) > _DIFFERENT).sum()
    return float(seen / max(1, (pixels_HW4[:, :, 3] > _INVISIBLE).sum()))
