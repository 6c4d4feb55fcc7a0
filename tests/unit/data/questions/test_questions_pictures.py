"""Cards and scenes: what a question says can be seen in the pixels of its gold item."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from rzen.data.bench.workshop import Workshop
from rzen.data.questions import scene_questions
from rzen.data.questions.balance import Draft
from rzen.data.questions.cards import COLOURS, COUNTS, cards
from rzen.data.questions.question_set import Item, says
from rzen.data.questions.scene_questions import scenes
from rzen.data.questions.things import Thing
from rzen.types import Image

Colour = tuple[int, int, int]
ThingMaker = Callable[[str, Colour], Thing]
Where = Callable[[NDArray[np.uint8], Colour], NDArray[np.bool_]]
PINK = (240, 130, 220)  # stands out from every paper, and is none
NAMES = "owl drum boat pear kite saw rose lion bus key harp tent nut oak fox van jar cup bell"
LEVELS = ((r, g, b) for r in (10, 120, 230) for g in (10, 120, 230) for b in (10, 120, 230))
# Greys may be hidden in a background.
HUES = dict(zip(NAMES.split(), (each for each in LEVELS if len({*each}) > 1), strict=False))


def pixels(item: Item) -> NDArray[np.uint8]:
    (image,) = item.content.parts
    assert isinstance(image, Image)
    assert isinstance(image.source, Path)
    return np.asarray(Pillow.open(image.source).convert("RGB"))


def drawn_cards(shop: Workshop, thing: ThingMaker) -> list[tuple[Item, dict[str, Draft]]]:
    things = [thing(f"{letter}owl", PINK) for letter in "abcdefghijklmnopqrstuvwx"]
    made = cards(shop, things)
    return [(item, {draft.template: draft for draft in about}) for item, about in made]


def test_a_card_shows_what_is_asked_of_it(shop: Workshop, thing: ThingMaker, where: Where) -> None:
    for item, about in drawn_cards(shop, thing):
        seen = pixels(item)
        assert tuple(seen[2, 128]) == COLOURS[about["frame"].answer]
        assert tuple(seen[128, 128]) == COLOURS[about["paper"].answer]
        quarters = {
            f"{row} {side}": where(seen[top : top + 128, left : left + 128], PINK).sum() > 500
            for row, top in (("upper", 0), ("lower", 128))
            for side, left in (("left", 0), ("right", 128))
        }
        assert sum(quarters.values()) == COUNTS.index(about["count"].answer) + 1
        if "corner" in about:
            assert [each for each in quarters if quarters[each]] == [about["corner"].answer]
        if "free corner" in about:
            assert [each for each in quarters if not quarters[each]] == [
                about["free corner"].answer
            ]


def test_the_answers_of_cards_come_in_turn(shop: Workshop, thing: ThingMaker) -> None:
    made = drawn_cards(shop, thing)
    for template in ("paper", "frame", "count"):
        found = Counter(about[template].answer for _, about in made)
        assert max(found.values()) - min(found.values()) <= 1
    for item, about in made:
        assert item.text == ""
        assert all(draft.gold == (item.id,) for draft in about.values())


def test_a_thing_that_no_paper_shows_has_no_card(shop: Workshop, thing: ThingMaker) -> None:
    (made,) = cards(shop, [thing("ghost", COLOURS["white"])])
    assert {draft.answer for draft in made[1] if draft.template == "paper"} != {"white"}


@pytest.fixture
def drawn_scenes(
    shop: Workshop, thing: ThingMaker, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Item], list[Draft]]:
    monkeypatch.setattr(scene_questions, "_SCENES", {"test": 16})
    return scenes(shop, "test", [thing(name, colour) for name, colour in HUES.items()])


def centres(item: Item, where: Where) -> dict[str, tuple[float, float]]:
    """Name of a thing in a scene -> from the top and from the left."""
    found, seen = {}, pixels(item)
    for name, colour in HUES.items():
        rows, columns = np.nonzero(where(seen, colour))
        if len(rows) > 1000:
            found[name] = (float(np.median(rows)), float(np.median(columns)))
    return found


def test_scenes_show_what_is_asked_of_them(
    drawn_scenes: tuple[list[Item], list[Draft]], where: Where
) -> None:
    found = {item.id: centres(item, where) for item in drawn_scenes[0]}
    asked = Counter[str]()
    for draft in drawn_scenes[1]:
        seen = found[draft.gold[0]]
        named = sorted((name for name in HUES if says(draft.text, name)), key=draft.text.index)
        asked[draft.template] += 1
        match draft.template:
            case "things":
                assert draft.accepted == (str(len(seen)),)
            case "besides":
                assert {draft.answer, *named} == {*seen}
            case "side":  # of the first named is the second
                expected = "left" if seen[named[1]][1] < seen[named[0]][1] else "right"
                assert draft.answer == expected
            case "height":
                assert draft.answer == ("yes" if seen[named[0]][0] < seen[named[1]][0] else "no")
    assert {*asked} == {"things", "besides", "side", "height"}


def test_two_things_that_are_named_are_together_in_one_scene(
    drawn_scenes: tuple[list[Item], list[Draft]], where: Where
) -> None:
    items, drafts = drawn_scenes
    pairs = Counter(
        frozenset(pair) for item in items for pair in combinations(centres(item, where), 2)
    )
    assert len(pairs) > len(items)
    for draft in drafts:
        named = frozenset(name for name in HUES if says(draft.text, name))
        assert pairs[named] == 1
