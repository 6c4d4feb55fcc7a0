import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rzen.data.bench.pictures.sources import (
    Captioned,
    read_clipart,
    read_emoji,
    read_nouns,
    read_stamps,
)
from rzen.errors import DataError

STAMPS = Path("tuxpaint-stamps-default")
CLIPART = Path("openclipart-png")
TOP = CLIPART / "usr/share/openclipart/png"


def named(found: list[Captioned]) -> dict[str, str]:
    return {each.name: each.caption for each in found}


def clipart(packages: Path) -> tuple[dict[str, Captioned], Counter[str]]:
    left_out: Counter[str] = Counter()
    nouns = read_nouns(packages / "wordnet-base")
    found = read_clipart(packages / CLIPART, nouns, left_out)
    return {each.name: each for each in found}, left_out


def test_stamps_have_captions_and_are_no_letters(
    picture_packages: Path, draw: Callable[..., None]
) -> None:
    """Guards against letters, and pictures without a note, among the pictures."""
    top = picture_packages / STAMPS / "usr/share/tuxpaint/stamps"
    for at, name in enumerate(("symbols/math/1.png", "animals/birds/mirror.png")):
        draw(top / name, 9, at)
    (top / "symbols/math/1.txt").write_text("One.\n", encoding="utf-8")
    left_out: Counter[str] = Counter()
    found = named(read_stamps(picture_packages / STAMPS, left_out))
    assert found["animals/birds/owl"] == "A owl"
    assert not any("1" in name or "mirror" in name for name in found)
    assert left_out == {"symbols": 1, "no caption that names a thing": 1}


def test_a_file_in_two_folders_is_one_picture_of_the_more_special_kind(
    picture_packages: Path,
) -> None:
    """Guards against the same picture under two ids, in two classes."""
    owl = picture_packages / TOP / "animals/birds/owl_some_author_01.png"
    (picture_packages / TOP / "animals/owl.png").write_bytes(owl.read_bytes())
    found, left_out = clipart(picture_packages)
    assert [name for name in found if "owl" in name] == ["animals/birds/owl_some_author_01"]
    assert found["animals/birds/owl_some_author_01"].category == "bird"
    assert left_out == {"the same file in another folder": 1}


def test_huge_pictures_are_counted_and_not_opened(picture_packages: Path) -> None:
    """Guards against 200 million pixels, which Pillow refuses and memory would not hold."""
    huge = picture_packages / TOP / "animals/owl.png"
    start = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR"
    huge.write_bytes(start + (20000).to_bytes(4) + (10000).to_bytes(4) + b"no picture")
    found, left_out = clipart(picture_packages)
    assert "animals/owl" not in found
    assert left_out == {"too large": 1}


def test_what_no_caption_names_is_counted(
    picture_packages: Path, draw: Callable[..., None]
) -> None:
    """Guards against captions in other languages, and against icons."""
    draw(picture_packages / TOP / "animals/mela.png", 9, title="Mela rossa")
    draw(picture_packages / TOP / "computer/icons/owl.png", 9, 1, title="Owl")
    found, left_out = clipart(picture_packages)
    assert not {"animals/mela", "computer/icons/owl"} & found.keys()
    assert left_out == {
        "no caption that names a thing": 1,
        "folder of icons, signs, maps or patterns": 1,
    }


def test_emoji_leave_out_flags_and_letters_and_say_so(picture_packages: Path) -> None:
    """Guards against flags, which ask for knowledge, and keycaps, which are letters."""
    folder = picture_packages / "emoji-datasource-google"
    rows = json.loads((folder / "emoji.json").read_text(encoding="utf-8"))
    rows[0]["category"], rows[1]["subcategory"] = "Flags", "keycap"
    rows[2]["image"] = "missing.png"
    (folder / "emoji.json").write_text(json.dumps(rows), encoding="utf-8")
    left_out: Counter[str] = Counter()
    found = read_emoji(folder, "google", picture_packages / "emojibase-data", left_out)
    assert left_out == {"flags, letters, digits and skin tones": 2, "no name or no picture": 1}
    assert len(found) == len(rows) - 3
    assert found[0].category == "animal mammal"


def test_names_are_found_with_and_without_the_variation_selector(picture_packages: Path) -> None:
    """Guards against a third of the emoji lost: the two packages spell their codes differently."""
    folder = picture_packages / "emoji-datasource-google"
    rows = json.loads((folder / "emoji.json").read_text(encoding="utf-8"))
    rows[0]["unified"] += "-FE0F"
    (folder / "emoji.json").write_text(json.dumps(rows), encoding="utf-8")
    found = read_emoji(folder, "google", picture_packages / "emojibase-data", Counter())
    assert len(found) == len(rows)


@pytest.mark.parametrize("damage", ["", "{", None])
def test_a_damaged_package_is_named(picture_packages: Path, damage: str | None) -> None:
    """Guards against a trace of json where the package is to be fetched again."""
    file = picture_packages / "emoji-datasource-google" / "emoji.json"
    if damage is None:
        file.unlink()
    else:
        file.write_text(damage, encoding="utf-8")
    with pytest.raises(DataError, match=r"emoji\.json.*fetch the package again"):
        read_emoji(file.parent, "google", picture_packages / "emojibase-data", Counter())


def test_an_empty_package_is_an_error(tmp_path: Path) -> None:
    """Guards against a suite without pictures, of which every score is 0 / 0."""
    with pytest.raises(DataError, match="no pictures"):
        read_stamps(tmp_path, Counter())
