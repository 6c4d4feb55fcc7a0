import pytest

from rzen.evaluation.progress import Meter, Progress
from rzen.types import Modality


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def meter(totals: dict[Modality, int]) -> tuple[Meter, list[Progress], Clock]:
    told: list[Progress] = []
    clock = Clock()
    return Meter(2, totals, told.append, clock), told, clock


def test_each_modality_has_its_own_speed() -> None:
    """After a thousand captions a run seems almost done, and the clips take an hour."""
    made, told, clock = meter({"text": 100, "video": 10})
    made.begin("first")
    assert told[-1].seconds_left is None
    made.step("text", 50, 50, 5.0)
    clock.now += 5.0
    assert told[-1].seconds_left == pytest.approx((50 + 10) * 0.1)
    made.step("video", 2, 2, 20.0)
    assert told[-1].seconds_left == pytest.approx(50 * 0.1 + 8 * 10.0)
    assert told[-1].items_per_second == pytest.approx(52 / 25)
    assert (told[-1].contents_done, told[-1].contents_total) == (52, 110)


def test_what_comes_from_the_cache_says_nothing_of_the_speed() -> None:
    """A resumed run would promise seconds and take hours."""
    made, told, clock = meter({"text": 1000})
    clock.now += 1.0
    made.step("text", 500, 0, 0.0)
    assert told[-1].seconds_left == pytest.approx(1.0), "the best guess before anything is encoded"
    made.step("text", 10, 10, 20.0)
    assert told[-1].seconds_left == pytest.approx(490 * 2.0)


def test_at_the_end_nothing_is_left() -> None:
    """Guards against a bar that never fills."""
    made, told, _ = meter({"text": 3})
    made.begin("first")
    made.step("text", 3, 1, 1.0)
    made.end()
    last = told[-1]
    assert (last.set_name, last.sets_done, last.sets_total) == ("first", 1, 2)
    assert (last.contents_done, last.contents_total, last.seconds_left) == (3, 3, 0.0)
