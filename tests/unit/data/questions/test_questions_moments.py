"""Clips of two things and films: what a question says can be seen in the frames."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from rzen.data.bench.videos import motion
from rzen.data.bench.videos.moving_objects import MovingObject
from rzen.data.bench.workshop import Workshop
from rzen.data.questions import films as film_module
from rzen.data.questions import pair_clips as pair_module
from rzen.data.questions.balance import Draft
from rzen.data.questions.films import SHOT_FRAMES, SHOTS, films
from rzen.data.questions.pair_clips import FRAMES, pair_clips
from rzen.data.questions.question_set import Item, says
from rzen.types import Video

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]
MovingMaker = Callable[[str, Colour], MovingObject]
Where = Callable[[Pixels, Colour], NDArray[np.bool_]]
HUES = {
    "owl": (200, 0, 0),
    "drum": (0, 110, 0),
    "boat": (0, 0, 200),
    "kite": (0, 0, 0),
    "rose": (120, 0, 130),
    "pear": (0, 100, 110),
    "lamp": (120, 80, 0),
    "tent": (255, 120, 0),
    "bell": (250, 60, 200),
}
Made = list[tuple[Item, list[Draft]]]


def frames(item: Item) -> list[Pixels]:
    (video,) = item.content.parts
    assert isinstance(video, Video)
    with av.open(str(video.source)) as container:
        decoded = container.decode(video=0)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded]


def centre(frame: Pixels, name: str, where: Where) -> tuple[float, float] | None:
    """From the top and from the left; ``None`` if it is not seen."""
    rows, columns = np.nonzero(where(frame, HUES[name]))
    return (float(rows.mean()), float(columns.mean())) if len(rows) > 200 else None


def named(draft: Draft) -> list[str]:
    return sorted((name for name in HUES if says(draft.text, name)), key=draft.text.index)


@pytest.fixture
def things(moving: MovingMaker, monkeypatch: pytest.MonkeyPatch) -> list[MovingObject]:
    """They move over white, for a background might have another thing's colour."""
    white = np.full((motion.HEIGHT, motion.WIDTH, 3), 255, np.uint8)
    monkeypatch.setattr(motion, "background_for", lambda *_: white)
    return [moving(name, colour) for name, colour in HUES.items()]


@pytest.fixture
def pairs(shop: Workshop, things: list[MovingObject], monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(pair_module, "_CLIPS", {"test": 12})
    return [*pair_clips(shop, "test", things, set())]


@pytest.fixture
def shown_films(
    shop: Workshop, things: list[MovingObject], monkeypatch: pytest.MonkeyPatch
) -> Made:
    monkeypatch.setattr(film_module, "_FILMS", {"test": 3})
    return [*films(shop, "test", things, set())]


def test_pairs_do_what_is_said(pairs: Made, where: Where) -> None:
    asked = Counter[str]()
    for item, about in pairs:
        shown = frames(item)
        assert len(shown) == FRAMES

        def way(name: str, shown: list[Pixels] = shown) -> str:
            first, last = (centre(shown[at], name, where) for at in (0, -1))
            assert first is not None
            assert last is not None
            return "" if abs(last[1] - first[1]) < 5 else "left" if last[1] < first[1] else "right"

        for draft in about:
            asked[draft.template] += 1
            match draft.template:
                case "way":
                    expected = way(named(draft)[0])
                    assert draft.answer == (f"to the {expected}" if expected else "nowhere")
                case "movers":
                    assert draft.accepted == (str(sum(bool(way(name)) for name in named(draft))),)
                case "half":
                    (mover,) = (name for name in named(draft) if way(name))
                    place = centre(shown[0], mover, where)
                    assert place is not None
                    assert draft.answer == ("upper" if place[0] < 96 else "lower")
                case "mover":
                    assert f"to the {way(draft.answer)}" in draft.text
    assert asked == {"way": 24, "movers": 12, "half": 4, "mover": 4}


def test_the_frame_that_asks_does_not_tell_which_way(pairs: Made, where: Where) -> None:
    """Both are in the middle of it, and both are candidates."""
    for item, about in pairs:
        for draft in about:
            if draft.template == "mover":
                assert draft.picture is not None
                frame = np.asarray(Pillow.open(draft.picture).convert("RGB"))
                seen = {name: centre(frame, name, where) for name in draft.beside}
                assert all(place and abs(place[1] - 128) < 2 for place in seen.values())
                assert draft.answer in draft.beside
                assert draft.gold == (item.id,)


def test_films_show_what_comes_when(shown_films: Made, where: Where) -> None:
    asked = Counter[str]()
    for item, about in shown_films:
        shown = frames(item)
        middles = [shown[SHOT_FRAMES * at + SHOT_FRAMES // 2] for at in range(SHOTS)]
        order = [next(name for name in HUES if centre(frame, name, where)) for frame in middles]
        for draft in about:
            asked[draft.template] += 1
            match draft.template:
                case "last":
                    assert [*named(draft), draft.answer] == order
                case "opening":
                    assert [draft.answer, *named(draft)] == order
                case "place":
                    assert order.index(named(draft)[0]) == int(draft.accepted[0][0]) - 1
                case "next":
                    assert isinstance(draft.picture, Path)
                    frame = np.asarray(Pillow.open(draft.picture).convert("RGB"))
                    now = next(name for name in HUES if centre(frame, name, where))
                    assert order.index(draft.answer) == order.index(now) + 1
    assert set(asked) == {"last", "opening", "place", "next"}


def test_no_two_things_are_together_twice(
    shop: Workshop, things: list[MovingObject], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine things make 36 pairs; what is wanted beyond is not made."""
    monkeypatch.setattr(pair_module, "_CLIPS", {"test": 15})
    monkeypatch.setattr(film_module, "_FILMS", {"test": 15})
    together: set[frozenset[str]] = set()
    made = [*pair_clips(shop, "test", things, together), *films(shop, "test", things, together)]
    cast = [
        {name for draft in about for name in (*named(draft), *draft.beside, draft.answer)} & {*HUES}
        for _, about in made
    ]
    seen = Counter(frozenset(pair) for each in cast for pair in combinations(sorted(each), 2))
    assert set(seen.values()) == {1}
    assert len(made) < 30
    assert all(not item.text for item, _ in made)
