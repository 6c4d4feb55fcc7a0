from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from rzen.data.bench.pictures.collection import Picture
from rzen.data.bench.pictures.scenes import SIDE, Box, compose, distractors

RED, GREEN = (255, 0, 0, 255), (0, 255, 0, 255)


def draw(file: Path, colour: tuple[int, int, int, int], size: tuple[int, int]) -> Picture:
    Pillow.new("RGBA", size, colour).save(file)
    return Picture(
        id=f"stamps/{file.stem}",
        style="stamps",
        caption=f"a {file.stem}",
        concept=file.stem,
        category=file.stem,
        file=file,
    )


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    """Blocks of eight colours, high, wide and square."""
    dice = np.random.default_rng(0)
    shapes = [(40, 40), (20, 60), (70, 30)]
    return [
        draw(
            tmp_path / f"thing{number}.png",
            (255, 30 * number, int(dice.integers(0, 60)), 255),
            shapes[number % 3],
        )
        for number in range(8)
    ]


def apart(one: Box, other: Box) -> int:
    """The gap between two boxes, in pixels; negative if they overlap."""
    return max(
        one[0] - other[2],
        other[0] - one[2],
        one[1] - other[3],
        other[1] - one[3],
    )


@pytest.mark.parametrize("seed", range(20))
def test_nothing_overlaps_and_a_crop_shows_its_thing_alone(
    pictures: list[Picture], seed: int
) -> None:
    """Guards against hidden things, and against crops that show a neighbour, too."""
    scene = compose(np.random.default_rng(seed), pictures, 5)
    assert len(scene.boxes) == len(scene.things) == 5
    for box in scene.boxes:
        assert min(box) >= 0
        assert max(box) <= SIDE
    for one, other in combinations(scene.boxes, 2):
        assert apart(one, other) >= 16  # twice the margin of a crop


def test_a_crop_holds_the_pixels_of_its_thing(pictures: list[Picture]) -> None:
    """Guards against boxes and things in another order, or rows and columns exchanged."""
    scene = compose(np.random.default_rng(3), pictures, 6)
    for picture, box in zip(scene.things, scene.boxes, strict=True):
        crop = scene.crop(box)
        expected = picture.cut_out()[0, 0, :3]
        share = (np.abs(crop.astype(int) - expected).max(2) <= 1).mean()
        # The margin of eight pixels is the rest.
        area = (box[2] - box[0]) * (box[3] - box[1])
        assert share == pytest.approx(area / (crop.shape[0] * crop.shape[1]), abs=0.02)


def test_a_thing_that_cannot_be_seen_is_left_out(tmp_path: Path, pictures: list[Picture]) -> None:
    """Guards against white on white: a question that nobody can answer."""
    ghost = draw(tmp_path / "ghost.png", (0, 0, 0, 0), (30, 30))
    scene = compose(np.random.default_rng(1), [ghost, *pictures], 4)
    assert ghost not in scene.things
    assert len(scene.things) == 4


@pytest.mark.parametrize("seed", range(20))
def test_distractors_show_no_thing_whole(pictures: list[Picture], seed: int) -> None:
    """Guards against a second right answer among the crops, and against blank ones."""
    dice = np.random.default_rng(seed)
    scene = compose(dice, pictures, 5)
    for box in distractors(dice, scene, 3):
        grown = (box[0] - 8, box[1] - 8, box[2] + 8, box[3] + 8)
        shares = []
        for thing in scene.boxes:
            height = min(grown[2], thing[2]) - max(grown[0], thing[0])
            width = min(grown[3], thing[3]) - max(grown[1], thing[1])
            area = (thing[2] - thing[0]) * (thing[3] - thing[1])
            shares.append(max(height, 0) * max(width, 0) / area)
        assert 0.1 <= max(shares) <= 0.55


def test_the_same_dice_give_the_same_scene(pictures: list[Picture]) -> None:
    """Guards against chance from elsewhere."""
    one, two = (compose(np.random.default_rng(7), pictures, 5) for _ in range(2))
    assert np.array_equal(one.pixels, two.pixels)
    assert one.boxes == two.boxes
