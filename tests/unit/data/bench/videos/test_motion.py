import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.data.bench.videos import motion

WHITE = np.full((motion.HEIGHT, motion.WIDTH, 3), 255, np.uint8)


def bar(width: int = 30, height: int = 60) -> motion.Pixels:
    """A black bar with a red foot."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[height // 2 :, :, 0] = 255
    return pixels


def disc(side: int = 60) -> motion.Pixels:
    """A blue disc that looks the same however it is turned."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[..., 2] = 200
    pixels[..., 3] = np.where(rows**2 + columns**2 < (side / 2) ** 2, 255, 0)
    return pixels


def film(name: str, seed: int = 5, count: int = motion.FRAMES) -> list[motion.Pixels]:
    dice = np.random.default_rng(seed)
    return motion.frames(bar(), name, WHITE, dice, count=count)


def shown(frame: motion.Pixels) -> np.ndarray:
    return np.asarray((frame < 128).any(axis=2))


def centre(frame: motion.Pixels) -> tuple[float, float]:
    rows, columns = np.nonzero(shown(frame))
    return float(columns.mean()), float(rows.mean())


@pytest.mark.parametrize("name", sorted(motion.OPPOSITES))
def test_opposites_are_each_others_reverse(name: str) -> None:
    """Guards against single frames that give the direction away."""
    backwards = film(motion.OPPOSITES[name])[::-1]
    assert len(backwards) == motion.FRAMES
    assert all(np.array_equal(one, other) for one, other in zip(film(name), backwards, strict=True))
    assert not np.array_equal(film(name)[0], film(name)[-1])


def test_each_motion_is_what_its_name_says() -> None:
    """Guards against left and right, or up and down, swapped."""
    assert centre(film("left")[0])[0] > centre(film("left")[-1])[0] + 100
    assert centre(film("right")[0])[0] + 100 < centre(film("right")[-1])[0]
    assert centre(film("up")[0])[1] > centre(film("up")[-1])[1] + 60  # rows count downwards
    assert centre(film("down")[0])[1] + 60 < centre(film("down")[-1])[1]
    assert shown(film("grow")[-1]).sum() > 4 * shown(film("grow")[0]).sum()
    assert shown(film("shrink")[0]).sum() > 4 * shown(film("shrink")[-1]).sum()
    assert not shown(film("appear")[0]).any()
    assert shown(film("appear")[-1]).any()
    assert shown(film("disappear")[0]).any()
    assert not shown(film("disappear")[-1]).any()


def test_a_jump_goes_up_and_down_several_times() -> None:
    heights = np.array([centre(frame)[1] for frame in film("jump")])
    turns = np.diff(np.sign(np.diff(heights)))
    assert (turns != 0).sum() >= 4
    assert heights.max() - heights.min() > 40


@pytest.mark.parametrize("step", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["shake", "jump", "spin"])
def test_a_repeated_motion_shows_at_every_usual_rate(name: str, step: int) -> None:
    """Guards against a period of two frames, that 2 or 4 frames a second would see as a still."""
    seen = film(name)[::step]
    changed = [np.abs(one.astype(int) - seen[0]).mean() > 1 for one in seen[1:]]
    assert sum(changed) >= len(changed) / 2


def test_a_turn_is_one_whole_turn() -> None:
    """Guards against a turn that stops half-way, which would read as falling over."""
    spun = film("spin")
    upright = shown(spun[0]).any(axis=1).sum()
    lying = shown(spun[motion.FRAMES // 4]).any(axis=1).sum()
    again = shown(spun[motion.FRAMES // 2]).any(axis=1).sum()
    assert lying < 0.7 * upright
    assert abs(int(again) - int(upright)) <= 2


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    name=st.sampled_from(sorted(motion.MOTIONS)),
    seed=st.integers(0, 1000),
    count=st.integers(12, 30),
)
@settings(max_examples=25)
def test_frames_have_the_right_form_whatever_moves(
    width: int, height: int, name: str, seed: int, count: int
) -> None:
    """Also: what moves to a side stays whole within the frame."""
    dice = np.random.default_rng(seed)
    made = motion.frames(bar(width, height), name, WHITE, dice, count=count)
    assert len(made) == count
    assert all(frame.shape == WHITE.shape and frame.dtype == np.uint8 for frame in made)
    if name in {"left", "right", "up", "down"}:
        for frame in made:
            edges = (frame[0], frame[-1], frame[:, 0], frame[:, -1])
            assert all((edge == 255).all() for edge in edges)
            assert shown(frame).any()


def test_an_unknown_motion_is_refused() -> None:
    with pytest.raises(AssertionError, match="no motion 'sideways'"):
        film("sideways")


def halves(frames: list[motion.Pixels]) -> tuple[list[float], list[float]]:
    """Columns of the centres in the upper and in the lower half, frame by frame."""
    middle = motion.HEIGHT // 2
    return (
        [centre(frame[:middle])[0] for frame in frames],
        [centre(frame[middle:])[0] for frame in frames],
    )


def test_of_two_things_each_does_its_own() -> None:
    """Guards against both things moving together, or a still one that is dragged along."""

    def two(*motions: str) -> tuple[list[float], list[float]]:
        dice = np.random.default_rng(3)
        both = (motions[0], motions[1])
        return halves(motion.frames_of_two((bar(), bar()), both, WHITE, dice))

    first, second = two("left", motion.STILL), two(motion.STILL, "left")
    moved = [max(one) - min(one) > 100 for one in (*first, *second)]
    assert sorted(moved) == [False, False, True, True]
    assert moved[:2] != moved[2:]
    apart = two("left", "right")
    assert sorted(np.sign([one[-1] - one[0] for one in apart])) == [-1, 1]
    # The same places, whoever moves: the dice are the same.
    still = {np.mean(one) for one in (*first, *second) if max(one) - min(one) < 1}
    assert len(still) == 2


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_background_lets_the_object_stand_out(level: int) -> None:
    """Guards against white things on white: a clip in which nothing is seen to move."""
    thing = np.full((40, 40, 4), (level, level, level, 255), np.uint8)
    for seed in range(20):
        behind = motion.background_for([thing], np.random.default_rng(seed))
        assert behind.shape == WHITE.shape
        far = np.linalg.norm(behind.astype(float) - level, axis=2)
        assert (far > 60).mean() > 0.9


def test_a_disc_does_not_show_that_it_turns_and_a_bar_does() -> None:
    """Guards against the question whether a ball spins, which nobody can see."""
    assert motion.shows_turning(bar())
    assert not motion.shows_turning(disc())


def test_trimming_takes_the_margin_and_nothing_else() -> None:
    padded = np.pad(bar(7, 9), ((3, 4), (5, 6), (0, 0)))
    assert np.array_equal(motion.trimmed(padded), bar(7, 9))
    empty = np.zeros((4, 5, 4), np.uint8)
    assert motion.trimmed(empty).shape == empty.shape
