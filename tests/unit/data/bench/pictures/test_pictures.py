from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from rzen.data.bench.language.concepts import SPLITS, split_of
from rzen.data.bench.pictures.collection import (
    STYLES,
    Picture,
    clipart,
    emoji,
    of_split,
    on_paper,
    stamps,
)
from rzen.data.bench.workshop import Workshop

NEAREST = Pillow.Resampling.NEAREST
CLIPART = Path("openclipart-png/usr/share/openclipart/png")


def picture(file: Path) -> Picture:
    return Picture(id="stamps/x", style="stamps", caption="", concept="", category="", file=file)


def titled(title: str) -> PngInfo:
    notes = PngInfo()
    notes.add_text("Title", title)
    return notes


def saved(folder: Path, pixels: np.ndarray) -> Picture:
    Pillow.fromarray(pixels.astype(np.uint8)).save(folder / "picture.png")
    return picture(folder / "picture.png")


def test_each_thing_is_there_in_each_style(picture_shop: Workshop) -> None:
    """Guards against a reader that loses pictures, and against ids that do not tell the style."""
    found = [
        stamps(picture_shop),
        clipart(picture_shop),
        emoji(picture_shop, "twitter"),
        emoji(picture_shop, "google"),
    ]
    assert {len(each) for each in found} == {18}
    assert [{one.id.split("/")[0] for one in each} for each in found] == [{s} for s in STYLES]
    twitter, google = ({one.id.partition("/")[2] for one in each} for each in found[2:])
    assert twitter == google


def test_concepts_do_not_cross_splits(picture_shop: Workshop) -> None:
    """Guards against a rabbit in training whose brother in another style is in the test."""
    for style in STYLES:
        for split in SPLITS:
            found = of_split(picture_shop, style, split)
            assert {split_of(each.concept) for each in found} <= {split}
            assert found or (style, split) == ("google", "train")


def test_the_held_out_style_is_not_in_training(picture_shop: Workshop) -> None:
    """Guards against the style that is to be new in validation and test."""
    assert of_split(picture_shop, "google", "train") == []


def test_a_copy_in_training_goes_and_that_of_the_test_stays(
    picture_packages: Path, picture_shop: Workshop
) -> None:
    """Guards against a test picture that was trained on under another name."""
    penguin = next(picture_packages.rglob("penguin.png"))
    copy = picture_packages / CLIPART / "animals/mammals/dog_some_author_01.png"
    with Pillow.open(penguin) as opened:
        opened.resize((80, 80), NEAREST).save(copy, pnginfo=titled("Dog"))
    assert [split_of("dog"), split_of("penguin")] == ["train", "test"]
    assert "dog" in {each.concept for each in clipart(picture_shop)}
    assert "dog" not in {each.concept for each in of_split(picture_shop, "clipart", "train")}
    assert "penguin" in {each.concept for each in of_split(picture_shop, "stamps", "test")}
    assert picture_shop.tallies["pictures: near-duplicates removed from train"] == 1


def test_of_two_equal_pictures_of_a_style_one_stays(
    picture_packages: Path, picture_shop: Workshop
) -> None:
    """Guards against two right answers of which one counts as wrong."""
    folder = picture_packages / CLIPART / "animals/mammals"
    with Pillow.open(folder / "drum_some_author_01.png") as opened:
        small = folder / "violin_some_author_01.png"
        opened.resize((120, 120), NEAREST).save(small, pnginfo=titled("Violin"))
    found = [each.concept for each in of_split(picture_shop, "clipart", "test")]
    assert len({"drum", "violin"} & set(found)) == 1
    # The same picture in another style answers another query, and stays.
    assert {"drum", "violin"} <= {each.concept for each in of_split(picture_shop, "stamps", "test")}


def test_tallies_do_not_grow_when_asked_again(
    picture_packages: Path, picture_shop: Workshop, draw: Callable[..., None]
) -> None:
    """Guards against a datasheet that counts each picture once for each set."""
    draw(picture_packages / CLIPART / "animals/mela.png", 9, title="Mela rossa")
    of_split(picture_shop, "clipart", "test")
    before = dict(picture_shop.tallies)
    # Another workshop pushes out what is remembered of this one.
    other = Workshop(picture_packages / "other", picture_shop.fetch)
    for style in STYLES:
        of_split(other, style, "test")
    of_split(picture_shop, "clipart", "validation")
    assert before == dict(picture_shop.tallies)
    assert before["pictures, clipart: no caption that names a thing"] == 1


def test_the_margin_is_cut_off(tmp_path: Path) -> None:
    """Guards against things that are a speck in an empty sheet."""
    pixels = np.zeros((40, 60, 4))
    pixels[10:30, 5:15] = (200, 0, 0, 255)
    assert saved(tmp_path, pixels).cut_out().shape == (20, 10, 4)
    assert saved(tmp_path, pixels * 0).cut_out().shape == (40, 60, 4)


@pytest.mark.parametrize(("size", "shape"), [((20, 10), (256, 128, 3)), ((8, 800), (3, 256, 3))])
def test_the_longer_side_is_as_asked(
    tmp_path: Path, size: tuple[int, int], shape: tuple[int, int, int]
) -> None:
    """Guards against distorted pictures, and thin ones that vanish."""
    assert on_paper(saved(tmp_path, np.full((*size, 4), 99))).shape == shape


def test_white_things_lie_on_grey_paper_and_others_on_white(tmp_path: Path) -> None:
    """Guards against white on white, which nothing can be found by."""
    for colour, paper in ((255, "grey"), (60, "white")):
        pixels = np.zeros((64, 64, 4))
        pixels[8:56, 8:56] = (colour, colour, colour, 255)
        pixels[24:40, 24:40, 3] = 0  # a hole, through which the paper is seen
        shown = on_paper(saved(tmp_path, pixels), 48)
        hole = shown[24, 24]
        assert (hole == 255).all() == (paper == "white")
        assert np.abs(hole.astype(int) - shown[2, 2]).min() > 40


def test_colours_that_cannot_be_seen_do_not_bleed(tmp_path: Path) -> None:
    """Guards against a green rim around cut-outs whose transparent pixels are green."""
    pixels = np.zeros((80, 80, 4))
    pixels[...] = (0, 255, 0, 0)
    pixels[20:60] = (90, 90, 90, 255)
    pixels[0, 0] = pixels[79, 79] = (90, 90, 90, 255)
    shown = on_paper(saved(tmp_path, pixels), 30).astype(int)
    assert (shown[..., 1] - shown[..., 0]).max() < 4
