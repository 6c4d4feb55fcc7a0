from itertools import combinations

import numpy as np
import pytest

from rzen.data.bench.pictures.edits import (
    EDITS,
    Edit,
    Pixels,
    coarse,
    difference,
    flat,
    square,
)

SIDE = 192


def thing() -> Pixels:
    """Coloured blocks that no turn maps onto themselves, with paper around."""
    blocks = np.random.default_rng(5).integers(0, 256, (4, 3, 4), np.uint8)
    blocks[..., 3] = 255
    return square(np.kron(blocks, np.ones((20, 20, 1), np.uint8)), SIDE)


def edit(name: str) -> Edit:
    (found,) = (each for each in EDITS if each.name == name)
    return found


@pytest.mark.parametrize("each", EDITS, ids=lambda each: each.name)
def test_every_edit_changes_the_picture_to_the_eye_and_leaves_its_input(each: Edit) -> None:
    """Guards against an edit that does nothing, shares memory with its input or is no picture."""
    picture = thing()
    before = picture.copy()
    made = each.apply(picture)
    assert made.shape == (SIDE, SIDE, 3)
    assert made.dtype == np.uint8
    assert difference(coarse(made), coarse(flat(picture))) > 10
    assert not np.shares_memory(made, picture)
    assert np.array_equal(picture, before)


def test_no_two_edits_come_to_the_same() -> None:
    """Guards against two right answers: one picture for two requests."""
    made = {each.name: coarse(each.apply(thing())) for each in EDITS}
    for one, other in combinations(made, 2):
        assert difference(made[one], made[other]) > 5, (one, other)


def test_no_request_is_used_twice_and_the_test_asks_in_new_words() -> None:
    """Guards against ambiguous requests, and against words that training has already said."""
    said = [wording for each in EDITS for wording in (*each.wordings, each.held_out)]
    assert len(said) == len(set(said))
    assert len({each.name for each in EDITS}) == len(EDITS)


def test_turns_go_where_they_are_said_to_go() -> None:
    """By hand: what is at the top left comes to the right, or to the bottom right."""
    picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    picture[:48, :48] = (255, 0, 0, 255)
    expected = {
        "mirrored": (0, -1),
        "upside down": (-1, -1),
        "on its side": (-1, 0),
    }
    for name, corner in expected.items():
        made = edit(name).apply(picture)
        assert made[corner].tolist() == [255, 0, 0], name
        assert made[0, 0].tolist() == [255, 255, 255], name


@pytest.mark.parametrize(
    ("name", "down", "right"),
    [
        ("small at the top left", False, False),
        ("small at the top right", False, True),
        ("small at the bottom left", True, False),
        ("small at the bottom right", True, True),
    ],
)
def test_corners_are_the_corners_that_are_named(name: str, down: bool, right: bool) -> None:
    """Guards against rows and columns exchanged."""
    seen = edit(name).apply(thing()).min(2) < 250
    rows, columns = np.nonzero(seen)
    assert (rows.min() >= SIDE // 2, columns.min() >= SIDE // 2) == (down, right)
    assert (rows.max() < SIDE // 2, columns.max() < SIDE // 2) == (not down, not right)


def test_halves_are_the_halves_that_are_named() -> None:
    """Guards against "left half" that keeps the top."""
    left = edit("left half").apply(thing()).min(2) < 250
    top = edit("top half").apply(thing()).min(2) < 250
    half = SIDE // 2
    assert left[:, :half].any()
    assert not left[:, half:].any()
    assert left[half:].any()
    assert top[:half].any()
    assert not top[half:].any()
    assert top[:, half:].any()


def test_a_background_takes_the_paper_and_not_the_thing() -> None:
    """Guards against a tint where a background was asked for."""
    made, picture = edit("on red").apply(thing()), thing()
    opaque = picture[..., 3] == 255
    assert made[0, 0].tolist() == [215, 40, 40]
    assert np.array_equal(made[opaque], picture[opaque][:, :3])


def test_a_tint_takes_the_thing_and_not_the_paper() -> None:
    """Guards against a background where a tint was asked for."""
    made, picture = edit("tinted blue").apply(thing()), thing()
    opaque = picture[..., 3] == 255
    assert made[0, 0].tolist() == [255, 255, 255]
    blue, others = made[opaque][:, 2].astype(int), made[opaque][:, :2].astype(int)
    assert (blue >= others.max(1)).all()


def test_gray_is_gray_and_a_gray_picture_stays() -> None:
    """What is gray already is not changed, so that the edit can be left out by its difference."""
    made = edit("gray").apply(thing())
    assert (made[..., 0] == made[..., 1]).all()
    assert (made[..., 1] == made[..., 2]).all()
    gray = np.dstack([made, np.full((SIDE, SIDE), 255, np.uint8)])
    assert np.array_equal(edit("gray").apply(gray), made)


def test_hidden_colours_do_not_bleed_into_edges() -> None:
    """Guards against dark fringes: transparent pixels are often black."""
    picture = np.zeros((31, 31, 4), np.uint8)
    picture[10:21, 10:21] = (255, 255, 255, 255)
    assert flat(square(picture, SIDE)).min() > 250


def test_a_square_keeps_proportions_and_a_margin() -> None:
    """By hand: twice as wide as high stays so, within 6 % of the side."""
    wide = np.full((50, 100, 4), 255, np.uint8)
    rows, columns = np.nonzero(square(wide, 200)[..., 3] > 127)
    assert np.ptp(columns) + 1 == pytest.approx(176, abs=2)
    assert np.ptp(rows) + 1 == pytest.approx(88, abs=2)
    assert columns.min() == pytest.approx(12, abs=1)


def test_difference_is_the_root_mean_square_and_deaf_to_noise() -> None:
    """By hand: black to white is 255; a lone pixel of 36 in a cell hardly counts."""
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    assert difference(coarse(black), coarse(255 - black)) == pytest.approx(255)
    speck = black.copy()
    speck[0, 0] = 255
    assert difference(coarse(black), coarse(speck)) == pytest.approx(255 / 36 / 32)
