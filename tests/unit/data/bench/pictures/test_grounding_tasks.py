from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from rzen.data.bench.language.concepts import SPLITS, Split
from rzen.data.bench.pictures import grounding_tasks
from rzen.data.bench.pictures.collection import Picture, Style
from rzen.data.bench.pictures.grounding_tasks import PLACES, meant
from rzen.data.bench.pictures.scenes import Box
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import RetrievalSet
from rzen.types import Content, Image, Source, Text

CATEGORIES = ("bird", "tool", "vehicle", "fruit", "clothing", "insect", "building", "sport")
CAPTIONS = {
    "An Easter egg": "holiday",
    "It is always raining where this cloud is": "weather",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Eight kinds of blocks for each split and style, and some that are of no use."""

    def draw(style: Style, split: Split, number: int, caption: str, category: str) -> Picture:
        file = tmp_path / f"{style}-{split}-{number}.png"
        blocks = np.random.default_rng([number, len(split), len(style)]).integers(0, 90, (3, 3, 4))
        blocks[..., 3] = 255
        Pillow.fromarray(np.kron(blocks, np.ones((9, 9, 1))).astype(np.uint8)).save(file)
        return Picture(
            id=f"{style}/{file.stem}",
            style=style,
            caption=caption,
            concept=caption.split()[1],
            category=category,
            file=file,
        )

    def of_split(_shop: Workshop, style: Style, split: Split) -> list[Picture]:
        assert style in {"stamps", "twitter" if split == "train" else "google"}
        if style != "stamps":
            return [draw(style, split, 50, "grinning face", "face smiling")]
        named = [(f"A thing{at} of {split}", kind) for at, kind in enumerate(CATEGORIES)]
        return [
            draw(style, split, number, caption, kind)
            for number, (caption, kind) in enumerate([*named, *CAPTIONS.items()])
        ]

    monkeypatch.setattr(grounding_tasks, "of_split", of_split)
    monkeypatch.setattr(grounding_tasks, "_SCENES_OF", dict.fromkeys(SPLITS, 12))
    return Workshop(tmp_path / "suite", Path)


def words(content: Content) -> str:
    (text,) = (part.text for part in content.parts if isinstance(part, Text))
    return text


def picture(content: Content) -> Source:
    (source,) = (part.source for part in content.parts if isinstance(part, Image))
    return source


def made(shop: Workshop, split: Split = "test") -> tuple[RetrievalSet, RetrievalSet]:
    named, placed = grounding_tasks.sets(shop, split)
    return named, placed


def test_candidates_are_the_crops_of_the_scene_that_is_shown(shop: Workshop) -> None:
    """Guards against crops of another scene, which the scene alone would rule out."""
    for each in made(shop):
        scenes: dict[tuple[str, ...], set[Source]] = {}
        for query in each.queries:
            crops = tuple(sorted(query.candidates or ()))
            scenes.setdefault(crops, set()).add(picture(query.content))
            assert 4 < len(crops) <= 9
            assert len({name.split("-")[0] for name in crops}) == 1
        assert all(len(shown) == 1 for shown in scenes.values())
        assert len(scenes) > 6


def test_the_right_crop_is_anywhere(shop: Workshop) -> None:
    """Guards against gold first, or things before distractors."""
    for each in made(shop):
        places = {(query.candidates or ()).index(query.labels[0]) for query in each.queries}
        assert len(places) > 4


def test_only_things_are_asked_for_and_by_name(shop: Workshop) -> None:
    """Guards against sentences, faces, and holidays, which are no kind of thing."""
    named, _ = made(shop)
    asked = {words(query.content) for query in named.queries}
    assert len(asked) > 4
    assert not asked & {*CAPTIONS, "grinning face"}


def test_a_scene_has_no_two_things_of_a_kind(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against "a flower" beside a tree in blossom: too few kinds make no scene."""
    kinds = ("flower", "tree", "plant other", "dishes", "drink", "dishware", "fruit", "food fruit")
    monkeypatch.setattr(__name__ + ".CATEGORIES", kinds)
    named, _ = made(shop)
    assert not named.queries
    assert shop.tallies["grounding-scenes, test: scenes with too little room"] == 12


def test_crops_show_what_is_named(shop: Workshop, tmp_path: Path) -> None:
    """Guards against labels that point at a neighbour: the thing's darkest block is in its crop."""
    named, _ = made(shop)
    checked = 0
    for query in named.queries:
        found = [name for name in range(8) if words(query.content) == f"A thing{name} of test"]
        for number in found:
            with Pillow.open(tmp_path / f"stamps-test-{number}.png") as original:
                centre = np.asarray(original)[13, 13, :3].astype(int)
            source = picture(named.documents[query.labels[0]])
            assert isinstance(source, Path)
            with Pillow.open(source) as crop:
                pixels = np.asarray(crop).astype(int)
            height, width = pixels.shape[:2]
            assert np.abs(pixels[height // 2, width // 2] - centre).max() <= 12
            checked += 1
    assert checked > 6


def test_places_are_asked_for_in_words_that_training_does_not_say(shop: Workshop) -> None:
    """Guards against a test of learnt phrases."""
    _, placed = made(shop)
    asked = {words(query.content) for query in placed.queries}
    assert asked <= {place.wordings[1] for place in PLACES}
    trained = {words(each.query) for each in grounding_tasks.examples(shop)}
    assert trained & {place.wordings[0] for place in PLACES}
    assert not asked & trained


def test_negatives_are_all_other_crops_of_the_scene(shop: Workshop) -> None:
    """Guards against a right answer among the negatives."""
    every = list(grounding_tasks.examples(shop))
    assert {each.task for each in every} == {"grounding"}
    for each in every:
        negatives = {picture(content) for content in each.negatives}
        assert len(negatives) == len(each.negatives) >= 4
        assert picture(each.positives[0]) not in negatives


BOXES: list[Box] = [
    (20, 20, 120, 120),
    (30, 250, 90, 310),
    (260, 40, 340, 120),
    (200, 200, 350, 350),
]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("the thing in the upper left", 0),
        ("the thing in the upper right", 1),
        ("the thing in the lower left", 2),
        ("the thing in the lower right", 3),
        ("the largest thing", 3),
        ("the smallest thing", 1),
        ("the thing furthest to the left", None),  # 70 and 80 pixels from the side: too close
        ("the thing furthest to the right", None),
        ("the highest thing", None),
    ],
)
def test_places_by_hand(said: str, expected: int | None) -> None:
    """Guards against corners exchanged, and against places that are not clear to the eye."""
    (place,) = (place for place in PLACES if place.wordings[0] == said)
    assert meant(place, BOXES) == expected


def test_furthest_by_hand() -> None:
    """Guards against left and right, or up and down, exchanged."""
    boxes: list[Box] = [
        (150, 20, 200, 70),
        (20, 160, 70, 210),
        (150, 300, 200, 350),
        (310, 160, 360, 210),
    ]
    by_words = {place.wordings[0]: place for place in PLACES}
    assert meant(by_words["the thing furthest to the left"], boxes) == 0
    assert meant(by_words["the highest thing"], boxes) == 1
    assert meant(by_words["the thing furthest to the right"], boxes) == 2
    assert meant(by_words["the lowest thing"], boxes) == 3
    # Things at the middle of an edge are in no corner.
    assert meant(by_words["the thing in the upper left"], boxes) is None


def test_twice_built_is_the_same(shop: Workshop, tmp_path: Path) -> None:
    """Guards against an order that depends on the process."""
    again = Workshop(tmp_path / "again", Path)
    for one, two in zip(made(shop), made(again), strict=True):
        assert [(each.id, each.candidates) for each in one.queries] == [
            (each.id, each.candidates) for each in two.queries
        ]
