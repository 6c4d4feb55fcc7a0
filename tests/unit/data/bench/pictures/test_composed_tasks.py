from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from rzen.data.bench.language.concepts import SPLITS, Split, split_of
from rzen.data.bench.pictures import composed_tasks
from rzen.data.bench.pictures.collection import Picture, Style
from rzen.data.bench.pictures.edits import EDITS, Pixels
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import RetrievalSet
from rzen.types import Content, Example, Image, Source, Text

WORDS = (
    "owl",
    "boat",
    "cup",
    "kite",
    "snail",
    "drum",
    "tree",
    "hat",
    "lamp",
    "shoe",
    "fox",
    "pear",
)
CONCEPT = {split: next(word for word in WORDS if split_of(word) == split) for split in SPLITS}


def blocks(seed: int) -> Pixels:
    """Coloured blocks that no turn maps onto themselves."""
    made = np.random.default_rng(seed).integers(0, 256, (4, 3, 4), np.uint8)
    made[..., 3] = 255
    return np.kron(made, np.ones((16, 16, 1), np.uint8))


def save(folder: Path, style: Style, caption: str, concept: str, pixels: Pixels) -> Picture:
    file = folder / f"{style} {caption}.png".replace(":", "")
    Pillow.fromarray(pixels).save(file)
    return Picture(
        id=f"{style}/{caption}",
        style=style,
        caption=caption,
        concept=concept,
        category="thing",
        file=file,
    )


def disc(value: int) -> Pixels:
    """A gray disc: mirrored, turned or without colour it is the same."""
    down, across = np.mgrid[:96, :96] - 47.5
    made = np.full((96, 96, 4), value, np.uint8)
    made[..., 3] = 255 * (down**2 + across**2 < 47**2)
    return made


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Blocks and discs as stamps and emoji of each split; in each, the emoji of one role."""

    def of_split(_shop: Workshop, style: Style, split: Split) -> list[Picture]:
        assert style in {"stamps", "twitter" if split == "train" else "google"}
        place = 100 * SPLITS.index(split) + 10 * (style == "stamps")
        made = [
            save(tmp_path, style, f"{split} {at}", f"{style} {split} {at}", blocks(place + at))
            for at in range(5)
        ]
        twin = save(tmp_path, style, f"{split} twin", made[0].concept, blocks(place + 5))
        gray = save(tmp_path, style, f"{split} disc", f"{style} disc", disc(40 + place // 3))
        return [*made, twin, gray]

    def emoji(_shop: Workshop, vendor: Style) -> list[Picture]:
        made = []
        for seed, (split, concept) in enumerate(sorted(CONCEPT.items())):
            names = (f"man {concept}", f"woman {concept}", concept, f"red {concept}")
            for at, name in enumerate(names):
                pixels = blocks(1000 + 100 * seed + 10 * at + (vendor == "google"))
                made.append(save(tmp_path, vendor, name, concept, pixels))
            # What looks like the woman must not stand beside her as another document.
            made.append(
                save(tmp_path, vendor, f"{split} double", concept, made[-3].cut_out().copy())
            )
        return made

    monkeypatch.setattr(composed_tasks, "of_split", of_split)
    monkeypatch.setattr(composed_tasks, "emoji", emoji)
    return Workshop(tmp_path / "suite", Path)


def made(shop: Workshop, split: Split = "test") -> tuple[RetrievalSet, RetrievalSet]:
    edits, emoji = composed_tasks.sets(shop, split)
    return edits, emoji


def words(content: Content) -> str:
    (text,) = (part.text for part in content.parts if isinstance(part, Text))
    return text


def picture(content: Content) -> Source:
    (source,) = (part.source for part in content.parts if isinstance(part, Image))
    return source


def test_neither_picture_nor_words_suffice(shop: Workshop) -> None:
    """Guards against pools without the unedited picture, or with one edit of each picture."""
    edits, _ = made(shop)
    shown = {picture(content) for content in edits.documents.values()}
    for query in edits.queries:
        assert picture(query.content) in shown
        assert picture(query.content) != picture(edits.documents[query.labels[0]])
    assert len(edits.documents) == 6 * (len(edits.queries) // 2)


def test_no_picture_stands_under_two_ids(shop: Workshop) -> None:
    """Guards against two right answers, of which one counts as wrong."""
    for each in made(shop):
        sources = [picture(content) for content in each.documents.values()]
        assert len(sources) == len(set(sources))


def test_labels_are_what_the_edit_makes(shop: Workshop) -> None:
    """Guards against labels of another edit: the words must be those of the label's edit."""
    edits, _ = made(shop)
    assert len(edits.queries) > 10
    for query in edits.queries:
        (edit,) = (each for each in EDITS if query.labels[0].endswith(f" {each.name}"))
        assert words(query.content) == edit.held_out
        source = query.labels[0].removesuffix(f" {edit.name}")
        assert picture(edits.documents[f"{source} unedited"]) == picture(query.content)


def test_edits_that_cannot_be_seen_are_not_asked_for(shop: Workshop) -> None:
    """Guards against "mirrored" of what is symmetric and "in gray" of what is gray."""
    edits, _ = made(shop)
    names = {name.split(" disc ")[1] for name in edits.documents if " disc " in name}
    assert len(names) > 5
    assert not names & {"mirrored", "upside down", "on its side", "gray"}


def test_what_vanishes_on_its_background_is_not_asked_for(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against black on black: of six edits, the five others are made."""
    black = [save(tmp_path, "stamps", "black", "black", disc(20))]
    monkeypatch.setattr(
        composed_tasks, "of_split", lambda *asked: black if asked[1] == "stamps" else []
    )
    backgrounds = [each for each in EDITS if each.name.startswith("on ") and each.paper]
    others = [each for each in EDITS if each.name == "left half"]
    monkeypatch.setattr(composed_tasks, "EDITS", [*backgrounds, *others])
    edits, _ = made(shop)
    assert {name.removeprefix("stamps/black ") for name in edits.documents} == {
        *("unedited", "left half", "on red", "on green", "on blue", "on yellow")
    }


def test_a_picture_that_looks_like_another_is_edited_once(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against two right answers where two packages show the same."""
    pictures = [
        save(tmp_path, "stamps", "copy 0", "one", blocks(7)),
        save(tmp_path, "stamps", "copy 1", "other", blocks(7)),
    ]
    monkeypatch.setattr(
        composed_tasks, "of_split", lambda *asked: pictures if asked[1] == "stamps" else []
    )
    edits, _ = made(shop)
    assert len(edits.documents) == 6
    assert shop.tallies["composed-edit, test: pictures that look like another"] == 1


def test_one_picture_of_each_concept_is_edited(shop: Workshop) -> None:
    """Guards against edits of two clocks that nobody can tell apart."""
    edits, _ = made(shop)
    of_first = {name.rsplit(" ", 1)[0] for name in edits.documents if "unedited" in name}
    assert len(of_first & {"stamps/test 0", "stamps/test twin"}) == 1


def test_splits_hold_their_own_concepts_and_styles(shop: Workshop) -> None:
    """Guards against Google's style in training and training's concepts in the test."""
    for split in ("validation", "test"):
        _, emoji = made(shop, split)
        (concept,) = {name.split()[-1] for name in emoji.documents if "double" not in name}
        assert split_of(concept) == split
    _, emoji = made(shop)
    concept = CONCEPT["test"]
    assert {query.id for query in emoji.queries} == {
        f"man {concept} to woman {concept}",
        f"woman {concept} to man {concept}",
        f"{concept} to man {concept}",
        f"{concept} to woman {concept}",
    }
    assert f"red {concept}" in emoji.documents  # in no pair, and yet in the pool


def test_of_two_that_look_alike_the_one_that_is_asked_for_stays(shop: Workshop) -> None:
    """Guards against two right answers, and against losing the pair to its double."""
    _, emoji = made(shop)
    assert "test double" not in emoji.documents
    assert shop.tallies["composed-emoji, test: emoji that look like another"] == 1


def test_an_emoji_keeps_its_margin(tmp_path: Path) -> None:
    """Guards against small and large squares that become one when their margin is cut off."""
    small = np.zeros((64, 64, 4), np.uint8)
    small[24:40, 24:40] = (0, 0, 0, 255)
    pictures = [
        save(tmp_path, "google", "small", "square", small),
        save(tmp_path, "google", "large", "square", np.full((64, 64, 4), (0, 0, 0, 255), np.uint8)),
    ]
    assert not composed_tasks._alike(pictures)
    assert composed_tasks._alike([*pictures, pictures[0]]) == {"google/small"}


def test_training_has_the_unchanged_picture_among_its_negatives(shop: Workshop) -> None:
    """Guards against training that learns to find the same picture again."""
    every = list(composed_tasks.examples(shop))
    assert {each.task for each in every} == {"image retrieval"}
    for each in every:
        negatives = {picture(content) for content in each.negatives}
        assert picture(each.query) in negatives
        assert picture(each.positives[0]) not in negatives


def test_training_and_test_share_no_words_and_no_pictures(shop: Workshop) -> None:
    """Guards against a test of learnt phrases or pictures."""
    every: list[Example] = list(composed_tasks.examples(shop))
    said = {words(each.query) for each in every}
    seen = {picture(each.query) for each in every}
    assert len(said) > 10
    for split in ("validation", "test"):
        for each in made(shop, split):
            assert not said & {words(query.content) for query in each.queries}
            assert not seen & {picture(content) for content in each.documents.values()}


def test_twice_built_is_the_same(shop: Workshop, tmp_path: Path) -> None:
    """Guards against an order that depends on the process."""
    again = Workshop(tmp_path / "again", Path)
    for one, two in zip(made(shop), made(again), strict=True):
        assert [each.id for each in one.queries] == [each.id for each in two.queries]
        assert list(one.documents) == list(two.documents)
