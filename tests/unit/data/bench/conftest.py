"""Stand-ins for the packages of pictures, laid out like them and drawn here."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from rzen.data.bench.workshop import Workshop

# Of all three splits; each is drawn once in each style.
THINGS = (
    *("owl", "penguin", "duck", "dog", "rabbit", "lion", "apple", "banana", "pear", "hammer"),
    *("saw", "boat", "car", "drum", "violin", "hat", "rose", "oak"),
)
_KINDS = {"owl": "bird", "penguin": "bird", "duck": "bird"}
_FOLDERS = {"bird": "animals/birds", "": "animals/mammals"}


def _draw(file: Path, *seed: int, title: str = "") -> None:
    """Blocks in colours of their own, with an empty margin."""
    blocks = np.random.default_rng(seed).integers(0, 200, (4, 4, 4))
    blocks[..., 3] = 255
    pixels = np.pad(np.kron(blocks, np.ones((8, 8, 1))), ((4, 4), (4, 4), (0, 0)))
    notes = PngInfo()
    notes.add_text("Title", title)
    file.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels.astype(np.uint8)).save(file, pnginfo=notes)


def _stamps(top: Path) -> None:
    for number, thing in enumerate(THINGS):
        file = top / _FOLDERS[_KINDS.get(thing, "")] / f"{thing}.png"
        _draw(file, 1, number)
        file.with_suffix(".txt").write_text(f"A {thing}.\nUn(a) {thing}.\n", encoding="utf-8")


def _clipart(top: Path) -> None:
    for number, thing in enumerate(THINGS):
        file = top / _FOLDERS[_KINDS.get(thing, "")] / f"{thing}_some_author_01.png"
        _draw(file, 2, number, title=thing.title())


def _emoji(packages: Path) -> None:
    rows, names = [], []
    for number, thing in enumerate(THINGS):
        code = f"1f{number:03x}"
        kind = f"animal-{_KINDS.get(thing, 'mammal')}"
        rows.append(
            {
                "unified": code.upper(),
                "image": f"{code}.png",
                "category": "Animals & Nature",
                "subcategory": kind,
            }
        )
        names.append({"hexcode": code.upper(), "label": thing})
        for style, seed in (("twitter", 3), ("google", 4)):
            folder = packages / f"emoji-datasource-{style}" / "img" / style / "64"
            _draw(folder / f"{code}.png", seed, number)
    for style in ("twitter", "google"):
        file = packages / f"emoji-datasource-{style}" / "emoji.json"
        file.write_text(json.dumps(rows), encoding="utf-8")
    file = packages / "emojibase-data" / "en" / "data.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(names), encoding="utf-8")


def _wordnet(folder: Path) -> None:
    """Every thing is a noun; the birds are kinds of bird."""
    folder.mkdir(parents=True)
    data, index = "", []
    for noun in ("bird", *THINGS):
        start = len(data)
        above = f"001 @ {0:08d} n 0000" if noun in _KINDS else "000"
        data += f"{start:08d} 05 n 01 {noun} 0 {above} | what it is  \n"
        index.append(f"{noun} n 1 1 @ 1 0 {start:08d}  \n")
    (folder / "data.noun").write_text(data, encoding="ascii")
    (folder / "index.noun").write_text("  1 licence\n" + "".join(index), encoding="ascii")


@pytest.fixture
def picture_packages(tmp_path: Path) -> Path:
    """A folder of stand-ins, one for each package; a test may add to them."""
    packages = tmp_path / "packages"
    _stamps(packages / "tuxpaint-stamps-default/usr/share/tuxpaint/stamps")
    _clipart(packages / "openclipart-png/usr/share/openclipart/png")
    _emoji(packages)
    _wordnet(packages / "wordnet-base/usr/share/wordnet")
    return packages


@pytest.fixture
def picture_shop(tmp_path: Path, picture_packages: Path) -> Workshop:
    """A workshop with the stand-ins."""
    return Workshop(tmp_path / "suite", picture_packages.__truediv__)


@pytest.fixture
def draw() -> Callable[..., None]:
    """Draws a file of blocks, given a path, a seed and a title."""
    return _draw
