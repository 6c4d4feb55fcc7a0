"""Which frames are kept."""

from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.media.sampling import Sampler
from rzen.types import MediaBudget


def sampled(times: list[float], budget: MediaBudget) -> list[float]:
    sampler = Sampler[float](budget)
    for time in times:
        sampler.offer(time, partial(float, time))
    chosen = sampler.chosen()
    assert all(time == frame for time, frame in chosen)
    return [time for time, _ in chosen]


GAPS = st.lists(st.floats(0.001, 2.0), min_size=1, max_size=300)


@given(GAPS, st.integers(1, 16), st.floats(0.5, 8))
def test_samples_are_ordered_bounded_and_even_in_number(
    gaps: list[float], frames: int, fps: float
) -> None:
    times = [sum(gaps[:count]) for count in range(len(gaps))]
    found = sampled(times, MediaBudget(frames=frames, fps=fps))
    assert found == sorted(set(found))
    assert 1 <= len(found) <= frames
    assert set(found) <= set(times)
    assert len(found) < 4 or len(found) % 2 == 0


@given(st.integers(1, 400), st.integers(1, 60), st.sampled_from([1, 2, 4]), st.integers(4, 32))
def test_thinning_on_the_way_is_thinning_at_the_end(
    count: int, rate: int, fps: int, frames: int
) -> None:
    """What is kept may depend on the stretch alone; else an index and a query would differ."""
    times = [index / rate for index in range(count)]
    sampler = Sampler[float](MediaBudget(frames=frames, fps=fps))
    loaded = 0

    def load(time: float) -> float:
        nonlocal loaded
        loaded += 1
        return time

    for time in times:
        sampler.offer(time, partial(load, time))
    step = sampler._step
    direct: list[float] = []
    for time in times:
        if not direct or int((time + 1e-6) / step) > int((direct[-1] + 1e-6) / step):
            direct.append(time)
    assert [time for time, _ in sampler._kept] == direct
    assert len(direct) <= max(2 * frames, 4 * 4 + 1)
    assert loaded <= count


@pytest.mark.parametrize(
    ("seconds", "rate", "frames", "count"),
    [
        (10, 25, 64, 20),  # 2 frames a second
        (30, 25, 64, 60),
        (30, 25, 8, 8),
        (30, 25, 7, 6),
        (1, 25, 64, 4),  # never fewer than four where there are four
        (0.5, 25, 64, 4),
        (0.12, 25, 64, 1),
        (0.04, 25, 64, 1),
        (600, 25, 64, 64),
    ],
)
def test_counts(seconds: float, rate: int, frames: int, count: int) -> None:
    times = [index / rate for index in range(round(seconds * rate))]
    assert len(sampled(times, MediaBudget(frames=frames, fps=2.0))) == count


def test_long_stretches_are_covered_to_both_ends() -> None:
    times = [index / 10 for index in range(6000)]
    found = sampled(times, MediaBudget(frames=8, fps=2.0))
    gaps = [after - before for before, after in pairwise(found)]
    assert max(gaps) < 2.1 * min(gaps)
    assert found[0] < 75
    assert found[-1] > 600 - 110
