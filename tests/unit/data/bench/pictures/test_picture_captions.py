from importlib.resources import files
from pathlib import PurePosixPath

import pytest

from rzen.data.bench.pictures.captions import category_of, clipart_caption, stamp_caption

NOUNS = {"apple", "bear", "ice_cream", "mug"}


def rows() -> list[str]:
    text = files("rzen.data.bench.pictures").joinpath("captions.tsv").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(
    ("name", "title", "caption"),
    [
        ("apple_core_01.png", "Apple Core", "apple core"),
        ("apple_bw.png", "Apple (B and W)", "apple"),
        ("apple_x.png", "An Apple", "apple"),
        ("apple_y.png", "apple#12", "apple"),
        ("mug2.png", "Etiquette Icons", "mug"),
        ("mug_outline.png", "Clipart by Nicu Buculei - book_01", "mug"),
        ("mug.png", "", "mug"),
        ("sth.png", "Stylized Bear 01", "bear"),
        ("sth.png", "Chocolate ice cream", "chocolate ice cream"),
        ("sth.png", "Mela rossa", None),
        ("sth.png", "(2)", None),
    ],
)
def test_captions_of_clip_art(name: str, title: str, caption: str | None) -> None:
    """Guards against titles of collections, numbers and other languages as captions."""
    assert clipart_caption(PurePosixPath("food", name), title, "", NOUNS) == caption


def test_clip_art_of_road_signs_and_without_a_folder_is_left_out() -> None:
    """Guards against the names of road signs, which say what they mean and not what they show."""
    bear = PurePosixPath("transportation/bear.png")
    assert clipart_caption(bear, "", "", NOUNS) == "bear"
    assert clipart_caption(bear, "", "John Cliff", NOUNS) is None
    assert clipart_caption(PurePosixPath("unsorted/bear.png"), "", "", NOUNS) is None


@pytest.mark.parametrize(
    ("note", "caption"),
    [
        ("A frog.", "A frog"),
        ("A peacock (a male peafowl).", "A peacock"),
        ("A dumper. It carries its load.", "A dumper"),
        ("A \u201cFuji\u201d apple.", "A Fuji apple"),
        ("A t-shirt, size 4.5!", "A t-shirt, size 4.5"),
        ("", None),
        ("\u201c\u201d.", None),
    ],
)
def test_captions_of_stamps(note: str, caption: str | None) -> None:
    """Guards against notes that teach in place of saying what is shown."""
    assert stamp_caption(PurePosixPath("new/thing.png"), note) == caption


def test_what_was_seen_by_eye_comes_first() -> None:
    """Guards against a file that is shipped and not read."""
    assert stamp_caption(PurePosixPath("space/planets/9_pluto.png"), "Pluto.") is None
    assert stamp_caption(PurePosixPath("household/toilet.png"), "Flush!") == "A toilet"
    gufo = PurePosixPath("animals/birds/gufo_civetta_architetto__01.png")
    assert clipart_caption(gufo, "Gufo civetta", "", set()) == "owl"


def test_the_file_of_captions_is_sound() -> None:
    """Guards against a row without tab, a second row for a picture, and stray blanks."""
    cells = [row.split("\t") for row in rows()]
    assert {len(row) for row in cells} == {2}
    names = [name for name, _ in cells]
    assert names == sorted(set(names))
    assert all(name.startswith(("clipart/", "stamps/")) for name in names)
    assert all(caption == " ".join(caption.split()) for _, caption in cells)


def test_the_most_special_folder_names_the_kind() -> None:
    """Guards against birds that are just animals, and against letters and icons."""
    assert category_of("stamps", PurePosixPath("animals/birds/cartoon/owl.png")) == "bird"
    assert category_of("stamps", PurePosixPath("animals/lizards/iguana.png")) == "animal"
    assert category_of("stamps", PurePosixPath("symbols/math/1.png")) is None
    assert category_of("clipart", PurePosixPath("computer/icons/owl.png")) is None
    assert category_of("clipart", PurePosixPath("people/smilies/owl.png")) is None
