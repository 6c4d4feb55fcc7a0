"""Reads the packages of pictures: which files are of use, and what they show.

Each reader returns the pictures in a fixed order, and counts what it leaves out.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from rzen.data.bench.pictures.captions import category_of, clipart_caption, stamp_caption
from rzen.errors import DataError

STAMPS: Final = "tuxpaint-stamps-default"
CLIPART: Final = "openclipart-png"
NOUNS: Final = "wordnet-base"
EMOJI_NAMES: Final = "emojibase-data"

_MOST_PIXELS = 4_000_000
_PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Captioned:
    """A picture's file and what is said of it.

    Attributes:
        name: unique within the source.
        caption: in English.
        category: the kind of thing.
        file: a PNG.
    """

    name: str
    caption: str
    category: str
    file: Path


def read_stamps(folder: Path, left_out: Counter[str]) -> list[Captioned]:
    """Tux Paint's stamps, without letters, digits, coins and chess men.

    Raises:
        DataError: if there is none.
    """
    top = folder / "usr/share/tuxpaint/stamps"
    found = []
    for path in _files(top):
        notes, within = path.with_suffix(".txt"), PurePosixPath(path.relative_to(top).as_posix())
        category = category_of("stamps", within)
        note = notes.read_text(encoding="utf-8", errors="replace") if notes.is_file() else ""
        caption = stamp_caption(within, note.partition("\n")[0])
        if category is None:
            left_out["symbols"] += 1
        elif caption is None:
            left_out["no caption that names a thing"] += 1
        else:
            name = within.with_suffix("").as_posix()
            found.append(Captioned(name=name, caption=caption, category=category, file=path))
    return found


def read_clipart(folder: Path, nouns: frozenset[str], left_out: Counter[str]) -> list[Captioned]:
    """Clip art that a title or a file name tells what it shows.

    Args:
        folder: of the package.
        nouns: that a caption must be about one of.
        left_out: counts by reason.

    Raises:
        DataError: if there is none.
    """
    top = folder / "usr/share/openclipart/png"
    found, seen = [], set()
    # The same file often lies in several folders: the most special one names its category.
    files = sorted(_files(top), key=lambda path: (-len(path.parts), path.as_posix()))
    for path in files:
        within = PurePosixPath(path.relative_to(top).as_posix())
        category = category_of("clipart", within)
        if category is None:
            left_out["folder of icons, signs, maps or patterns"] += 1
            continue
        caption = clipart_caption(within, *_title_and_author(path), nouns)
        if caption is None:
            left_out["no caption that names a thing"] += 1
            continue
        digest = hashlib.sha256(path.read_bytes()).digest()
        if _pixels(path) > _MOST_PIXELS:
            left_out["too large"] += 1
            continue
        if digest in seen:
            left_out["the same file in another folder"] += 1
            continue
        seen.add(digest)
        found.append(
            Captioned(
                name=within.with_suffix("").as_posix(),
                caption=caption,
                category=category,
                file=path,
            )
        )
    return sorted(found, key=lambda each: each.name)


def read_emoji(folder: Path, vendor: str, names: Path, left_out: Counter[str]) -> list[Captioned]:
    """Emoji of a vendor, without flags, letters, digits and skin tones.

    Args:
        folder: of the vendor's package.
        vendor: the name of its pictures' folder.
        names: folder of the package of names.
        left_out: counts by reason.

    Raises:
        DataError: if a file of the packages is damaged.
    """
    labels = {each["hexcode"]: each["label"] for each in _json(names / "en" / "data.json")}
    found = []
    for each in _json(folder / "emoji.json"):
        file = folder / "img" / vendor / "64" / each["image"]
        label = labels.get(each["unified"].replace("-FE0F", "")) or labels.get(each["unified"])
        if each["category"] in _OTHER_EMOJI or each["subcategory"] in _LETTERS:
            left_out["flags, letters, digits and skin tones"] += 1
        elif label is None or not file.is_file():
            left_out["no name or no picture"] += 1
        else:
            found.append(
                Captioned(
                    name=file.stem,
                    caption=label,
                    category=each["subcategory"].replace("-", " "),
                    file=file,
                )
            )
    return sorted(found, key=lambda each: each.name)


def read_nouns(folder: Path) -> frozenset[str]:
    """WordNet's nouns, several words joined by "_".

    Raises:
        DataError: if the file is not there.
    """
    lines = _text(folder / "usr/share/wordnet/index.noun").splitlines()
    return frozenset(line.partition(" ")[0] for line in lines if not line.startswith(" "))


_OTHER_EMOJI = frozenset({"Flags", "Component"})
_LETTERS = frozenset({"alphanum", "keycap", "punctuation", "math", "currency"})


def _title_and_author(path: Path) -> tuple[str, str]:
    """What a PNG says of itself before its pixels."""
    from PIL import Image

    if _pixels(path) > _MOST_PIXELS:
        return "", ""
    with Image.open(path) as picture:
        return str(picture.info.get("Title", "")), str(picture.info.get("Author", ""))


def _pixels(path: Path) -> int:
    """Width x height, without decoding: Pillow refuses to open the very large."""
    with path.open("rb") as opened:
        start = opened.read(24)
    if not start.startswith(_PNG_START):
        raise DataError(f"{path} is no PNG: fetch the package again")
    return int.from_bytes(start[16:20]) * int.from_bytes(start[20:24])


def _files(top: Path) -> list[Path]:
    found = sorted(top.rglob("*.png"))
    if not found:
        raise DataError(f"there are no pictures in {top}: fetch the package again")
    return found


def _json(file: Path) -> Iterator[dict[str, Any]]:
    try:
        return iter(json.loads(_text(file)))
    except ValueError as error:
        raise DataError(f"cannot read {file}: {error}: fetch the package again") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot read {file}: {error}: fetch the package again") from None
