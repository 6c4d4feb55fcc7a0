import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from rzen.data.bench.pictures import near_duplicates
from rzen.data.bench.pictures.near_duplicates import NEAR, SAME, groups, pairs, thumbnail


def drawing(shape: str, colour: str = "black", *, side: int = 96) -> NDArray[np.uint8]:
    """One shape, an outline on nothing."""
    picture = Pillow.new("RGBA", (side, side), (255, 255, 255, 0))
    pen, box = ImageDraw.Draw(picture), (2, 2, side - 3, side - 3)
    width = side // 24
    match shape:
        case "circle":
            pen.ellipse(box, outline=colour, width=width)
        case "square":
            pen.rectangle(box, outline=colour, width=width)
        case "disc":
            pen.ellipse(box, fill=colour)
        case "cross":
            pen.line((2, 2, side - 3, side - 3), fill=colour, width=width)
            pen.line((2, side - 3, side - 3, 2), fill=colour, width=width)
    return np.asarray(picture)


def alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(thumbnail(one) @ thumbnail(other))


def test_a_resized_copy_is_the_same() -> None:
    """Guards against copies in two sizes that pass for two pictures."""
    for shape in ("disc", "square"):
        large = drawing(shape, side=288)
        small = np.asarray(Pillow.fromarray(large).resize((101, 101)))
        assert alike(large, small) > SAME


@pytest.mark.parametrize(("one", "other"), [("circle", "cross"), ("circle", "square")])
def test_thin_drawings_are_told_apart(one: str, other: str) -> None:
    """Guards against the difference of the two papers, which once made all thin drawings alike."""
    assert alike(drawing(one), drawing(other)) < 0.6


def test_colours_are_told_apart() -> None:
    """Guards against one balloon for all of its colours."""
    assert alike(drawing("disc", "red"), drawing("disc", "blue")) < NEAR


def test_white_and_grey_things_are_seen() -> None:
    """Guards against vectors of length 0 for what has the colour of one paper."""
    for colour in ("white", "#808080"):
        assert np.linalg.norm(thumbnail(drawing("disc", colour))) == pytest.approx(1, abs=1e-5)


def test_a_blank_picture_looks_like_nothing() -> None:
    """Guards against 0 / 0."""
    assert not thumbnail(np.zeros((8, 8, 4), np.uint8)).any()


@given(st.integers(0, 30), st.integers(1, 9), st.integers(0, 99))
def test_pairs_and_groups_are_those_of_all_comparisons(size: int, rows: int, seed: int) -> None:
    """Guards against pairs lost or found twice where one block of rows ends."""
    dice = np.random.default_rng(seed)
    vector_ND = np.asarray(dice.integers(-1, 2, (size, 3)), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "_ROWS", rows)
        found = [tuple(pair) for pair in pairs(vector_ND, 2.0).tolist()]
        grouped = groups(vector_ND, 2.0)
    near_NN = vector_ND @ vector_ND.T >= 2
    assert found == [(i, j) for i in range(size) for j in range(i + 1, size) if near_NN[i, j]]
    # Two are in one group just if there is a way between them.
    way_NN = near_NN | np.eye(size, dtype=bool)
    for _ in range(size):
        way_NN = way_NN @ way_NN
    expected = {tuple(np.flatnonzero(row).tolist()) for row in way_NN}
    assert grouped == sorted(group for group in expected if len(group) > 1)
