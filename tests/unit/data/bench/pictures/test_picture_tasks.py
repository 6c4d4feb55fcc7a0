import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as Pillow

from rzen.data.bench.language.concepts import concept, split_of
from rzen.data.bench.pictures import retrieval_tasks as picture_tasks
from rzen.data.bench.pictures.classes import CLASSES, class_of, classes
from rzen.data.bench.pictures.collection import Picture
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import RetrievalSet
from rzen.types import Content, Image, Text

STAMPS = Path("tuxpaint-stamps-default/usr/share/tuxpaint/stamps")
NAMES = {
    *("stamps-t2i", "stamps-i2t", "stamps-classification"),
    *("clipart-t2i", "clipart-i2t", "clipart-classification"),
    *("emoji-t2i", "style-i2i", "emoji-classification"),
}


def made(shop: Workshop) -> dict[str, RetrievalSet]:
    return {each.name: each for each in picture_tasks.sets(shop, "test")}


def text(content: Content) -> str:
    (part,) = content.parts
    assert isinstance(part, Text)
    return part.text


def pixels(content: Content) -> str:
    (part,) = content.parts
    assert isinstance(part, Image)
    assert isinstance(part.source, Path)
    with Pillow.open(part.source) as picture:
        return hashlib.sha256(picture.tobytes()).hexdigest()


def labels(of: RetrievalSet, query: str) -> set[str]:
    (found,) = (each for each in of.queries if each.id == query)
    return set(found.labels)


def stamp(packages: Path, draw: Callable[..., None], name: str, note: str, seed: int) -> None:
    file = packages / STAMPS / "animals/mammals" / f"{name}.png"
    draw(file, 9, seed)
    file.with_suffix(".txt").write_text(note, encoding="utf-8")


def test_all_sets_are_there_and_ask_about_the_split_alone(picture_shop: Workshop) -> None:
    """Guards against a set without queries, and pictures of training in the test."""
    found = made(picture_shop)
    assert found.keys() == NAMES
    assert all(each.queries for each in found.values())
    for name in ("stamps-t2i", "clipart-t2i", "emoji-t2i"):
        asked = [concept(text(query.content)) for query in found[name].queries]
        assert {split_of(about) for about in asked} == {"test"}
        assert len(asked) == len(found[name].documents) == 6


def test_captions_and_pictures_belong_together(picture_shop: Workshop) -> None:
    """Guards against labels that slipped by one."""
    found = made(picture_shop)
    assert labels(found["stamps-t2i"], "A rabbit") == {"animals/mammals/rabbit"}
    assert labels(found["stamps-i2t"], "animals/mammals/rabbit") == {"A rabbit"}
    assert labels(found["clipart-i2t"], "animals/mammals/drum_some_author_01") == {"drum"}
    assert labels(found["stamps-classification"], "animals/birds/penguin") == {"bird"}


def test_all_that_answer_are_labels(
    picture_packages: Path, picture_shop: Workshop, draw: Callable[..., None]
) -> None:
    """Guards against a right answer that counts as wrong: same caption, synonym, special case."""
    stamp(picture_packages, draw, "rabbit-2", "A rabbit.", 1)
    stamp(picture_packages, draw, "bunny", "Some bunnies.", 2)
    stamp(picture_packages, draw, "eared", "A big eared rabbit.", 3)
    found = made(picture_shop)
    rabbits = {f"animals/mammals/{name}" for name in ("rabbit", "rabbit-2", "bunny", "eared")}
    finding, naming = found["stamps-t2i"], found["stamps-i2t"]
    # The same is asked once.
    (asked,) = {query.id for query in finding.queries} & {"A rabbit", "Some bunnies"}
    assert labels(finding, asked) == rabbits
    assert labels(finding, "A big eared rabbit") == {"animals/mammals/eared"}
    everything = {"A rabbit", "Some bunnies", "A big eared rabbit"}
    assert labels(naming, "animals/mammals/eared") == everything
    assert labels(naming, "animals/mammals/rabbit") == everything - {"A big eared rabbit"}


def test_a_kind_of_the_thing_answers_too(
    picture_packages: Path, picture_shop: Workshop, draw: Callable[..., None]
) -> None:
    """Guards against an owl that is no bird."""
    stamp(picture_packages, draw, "bird", "A bird.", 1)
    pictures = {split: picture_tasks.sets(picture_shop, split) for split in ("test", "validation")}
    (finding,) = (
        each
        for split in pictures.values()
        for each in split
        if each.name == "stamps-t2i" and "A bird" in {query.id for query in each.queries}
    )
    birds = {each for each in finding.documents if "bird" in each}
    assert labels(finding, "A bird") == birds
    assert len(birds) > 1


def test_what_may_mean_another_picture_is_not_asked(
    picture_packages: Path, picture_shop: Workshop, draw: Callable[..., None]
) -> None:
    """Guards against "a red drum" where the picture called "a drum" may show a red one."""
    stamp(picture_packages, draw, "red", "A red drum.", 1)
    found = made(picture_shop)
    assert "A red drum" not in {query.id for query in found["stamps-t2i"].queries}
    assert "animals/mammals/red" in labels(found["stamps-t2i"], "A drum")
    assert "animals/mammals/drum" not in {query.id for query in found["stamps-i2t"].queries}
    tallies = picture_shop.tallies
    assert tallies["stamps-t2i, test: captions that may mean another picture too"] == 1
    assert tallies["stamps-i2t, test: pictures that another caption may fit too"] == 1


def test_classes_are_ranked_in_any_order(picture_shop: Workshop) -> None:
    """Guards against gold first, and against a class that is not among the candidates."""
    for package in CLASSES:
        found = made(picture_shop)[f"{package}-classification"]
        for query in found.queries:
            assert query.candidates is not None
            assert sorted(query.candidates) == classes(package) == sorted(found.documents)
        first = {query.candidates[0] for query in found.queries if query.candidates}
        assert len(first) > 1


def test_styles_are_matched_across_vendors(picture_shop: Workshop) -> None:
    """Guards against a query that is its own answer."""
    found = made(picture_shop)["style-i2i"]
    for query in found.queries:
        assert query.labels == (query.id,)
        assert pixels(query.content) != pixels(found.documents[query.id])


def test_queries_are_shuffled_and_cut(
    picture_shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against --limit that takes the letters A to C, and against sets without end."""
    whole = [query.id for query in made(picture_shop)["clipart-t2i"].queries]
    assert whole != sorted(whole)
    monkeypatch.setattr(picture_tasks, "_MOST_QUERIES", {"test": 3})
    assert [query.id for query in made(picture_shop)["clipart-t2i"].queries] == whole[:3]


def test_training_shows_no_picture_of_the_test_and_none_in_the_held_out_style(
    picture_shop: Workshop,
) -> None:
    """Guards against the one mistake that makes every score of a trained model worthless."""
    measured = set()
    for split in ("validation", "test"):
        for each in picture_tasks.sets(picture_shop, split):
            contents = [*each.documents.values(), *(query.content for query in each.queries)]
            measured |= {pixels(one) for one in contents if isinstance(one.parts[0], Image)}
    trained = set()
    for example in picture_tasks.examples(picture_shop):
        for content in (example.query, *example.positives, *example.negatives):
            if isinstance(content.parts[0], Image):
                trained.add(pixels(content))
            elif example.task == "image retrieval":
                assert split_of(concept(text(content))) == "train"
    assert trained
    assert not trained & measured


def test_training_has_three_pictures_of_each_thing(picture_shop: Workshop) -> None:
    """Guards against emoji that are lost to training with the style that is held out."""
    found = [
        text(example.query).lower().removeprefix("a ")
        for example in picture_tasks.examples(picture_shop)
        if isinstance(example.query.parts[0], Text)
    ]
    assert found
    assert {found.count(thing) for thing in found} == {3}


def test_training_has_both_directions_other_styles_and_classes(picture_shop: Workshop) -> None:
    """Guards against a task that is measured and not trained."""
    shapes = {
        (example.task, type(example.query.parts[0]), type(example.positives[0].parts[0]))
        for example in picture_tasks.examples(picture_shop)
    }
    assert shapes == {
        ("image retrieval", Text, Image),
        ("image retrieval", Image, Text),
        ("image retrieval", Image, Image),
        ("image classification", Image, Text),
    }
    for example in picture_tasks.examples(picture_shop):
        assert not {*map(str, example.positives)} & {*map(str, example.negatives)}


@pytest.mark.parametrize(
    ("code", "category", "caption", "used"),
    [
        ("1f3c3", "person activity", "person running", True),
        ("1f3c3-200d-2640-fe0f", "person activity", "woman running", False),
        ("1f3c3-200d-27a1-fe0f", "person activity", "person running: facing right", False),
        ("1f468-200d-1f373", "person role", "man cook", False),
        ("1f9d1-200d-1f373", "person role", "cook", True),
        ("1f468", "person", "man", True),
        ("1f519", "arrow", "BACK arrow", False),
        ("27a1-fe0f", "arrow", "right arrow", True),
    ],
)
def test_of_the_variants_of_a_person_one_is_used(
    picture_shop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    category: str,
    caption: str,
    used: bool,
) -> None:
    """Guards against 150 runners and cooks that differ by a few pixels of hair."""
    emoji = Picture(
        id=f"google/{code}",
        style="google",
        caption=caption,
        concept=concept(caption),
        category=category,
        file=next(Path(picture_shop.fetch("emoji-datasource-google")).rglob("*.png")),
    )
    monkeypatch.setattr(
        picture_tasks, "of_split", lambda _, style, __: [emoji] * (style == "google")
    )
    found = made(picture_shop)["emoji-t2i"]
    assert [*found.documents] == ([code] if used else [])


def test_classes_are_readable_and_enough() -> None:
    """Guards against a classification of three classes, or of folders' names."""
    for package in CLASSES:
        names = classes(package)
        assert len(names) >= 8
        assert all(re.fullmatch(r"[a-z ]+", name) for name in names)


def test_what_only_lies_in_a_folder_has_no_class() -> None:
    """Guards against pruning shears as a tree."""
    oak = Picture(
        id="clipart/x",
        style="clipart",
        caption="oak",
        concept="oak",
        category="tree",
        file=Path("x.png"),
    )
    shears = Picture(
        id="clipart/y",
        style="clipart",
        caption="pruning shears",
        concept="shears",
        category="tree",
        file=Path("y.png"),
    )
    assert [class_of(oak), class_of(shears)] == ["tree", None]
