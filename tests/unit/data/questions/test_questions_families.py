"""Pictures and moments as wholes, over a tiny suite: roles, splits, balance, and no words known."""

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rzen.data.bench.language.concepts import SPLITS, Split
from rzen.data.bench.language.noun_kinds import NounKinds
from rzen.data.bench.pictures.collection import Picture
from rzen.data.bench.videos import motion
from rzen.data.bench.videos.moving_objects import MovingObject
from rzen.data.bench.workshop import Workshop
from rzen.data.questions import films, moments, pair_clips, pictures, scene_questions, things
from rzen.data.questions.question_set import QuestionSet
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.data.storage import write_examples, write_set
from rzen.types import Content, Example, Image, Text, Video
from wordnet_files import Sense, write_wordnet

Colour = tuple[int, int, int]
PictureMaker = Callable[[str, Colour], Picture]
MovingMaker = Callable[[str, Colour], MovingObject]
PER_SPLIT = 40
SHAPES = ("circle", "rectangle", "triangle")
COLOURS = ("red", "teal", "blue")


def names(split: Split) -> list[str]:
    """Words that look like nouns, other ones in each split."""
    vowel = {"train": "a", "validation": "o", "test": "u"}[split]
    return [f"{a}{vowel}{b}el" for a, b in itertools.product("bdgmnptv", "kmnrt")]


def shapes(root: Path, split: Split) -> list[tuple[Content, str]]:
    """Questions about the shape, the colour and both, of pictures of the split."""
    asked = []
    for number, (shape, colour) in enumerate(itertools.product(SHAPES, COLOURS)):
        image = Image(root / "media" / f"{split}{number}.png")
        asked.append((Content(image, Text(f"what is the {colour} shape?")), shape))
        asked.append((Content(image, Text("is there a red shape?")), "yes"))
    return asked


def a_set(name: str, queries: list[Query], documents: dict[str, Content]) -> RetrievalSet:
    return RetrievalSet(
        name=name,
        group="mixed",
        family="qa",
        metric="hit@1",
        scope="global",
        queries=tuple(queries),
        documents=documents,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite with pictures of one shape, and clips of things that do two things each."""
    root = tmp_path / "suite"
    motions = [*motion.MOTIONS.values()]
    examples = [
        Example(task="image qa", query=query, positives=(Content(Text(answer)),))
        for query, answer in shapes(root, "train")
    ]
    for split in SPLITS:
        clips = {
            f"a {name} {motions[(number + more) % 4]}": Content(Video(root / f"{name}{more}.mp4"))
            for number, name in enumerate(names(split))
            for more in (0, 1)
        }
        if split == "train":
            examples += [
                Example(task="video retrieval", query=query, positives=(positive,))
                for caption, clip in clips.items()
                for query, positive in (
                    (Content(Text(caption)), clip),
                    (clip, Content(Text(caption))),
                )
            ]
            continue
        queries = [Query(id=each, content=Content(Text(each)), labels=(each,)) for each in clips]
        write_set(root / split / "clips-t2v", a_set("clips-t2v", queries, clips), root=root)
        asked = [
            Query(id=f"q{number}", content=content, labels=(answer,))
            for number, (content, answer) in enumerate(shapes(root, split))
        ]
        answers = {each: Content(Text(each)) for each in (*SHAPES, "yes")}
        write_set(root / split / "easy-vqa", a_set("easy-vqa", asked, answers), root=root)
    write_examples(root / "train" / "all.jsonl", examples, root=root)
    return root


@pytest.fixture
def packages(
    tmp_path: Path, picture: PictureMaker, moving: MovingMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each split has things of its own, drawn here; few scenes, clips and films are made."""
    write_wordnet(
        tmp_path / "wordnet-base",
        [Sense(nouns=[name]) for split in SPLITS for name in names(split)],
    )
    dice = np.random.default_rng(3)
    of: dict[Split, list[tuple[str, Colour]]] = {
        split: [(name, (r, g, b)) for name, (r, g, b) in zip(names(split), rgb, strict=True)]
        for split, rgb in zip(SPLITS, dice.integers(0, 99, (3, PER_SPLIT, 3)).tolist(), strict=True)
    }
    white = np.full((motion.HEIGHT, motion.WIDTH, 3), 255, np.uint8)
    monkeypatch.setattr(motion, "background_for", lambda *_: white)

    def of_split(_shop: Workshop, style: str, split: Split) -> list[Picture]:
        assert style == "stamps" or (style != "google" or split != "train")
        return [picture(*each) for each in of[split]] if style == "stamps" else []

    monkeypatch.setattr(things, "of_split", of_split)
    monkeypatch.setattr(
        moments, "objects", lambda _, split: [moving(*each) for each in of[split][:12]]
    )
    few = dict.fromkeys(SPLITS, 8)
    monkeypatch.setattr(scene_questions, "_SCENES", few)
    monkeypatch.setattr(pair_clips, "_CLIPS", few)
    monkeypatch.setattr(films, "_FILMS", dict.fromkeys(SPLITS, 3))


def made(shop: Workshop, folder: Path, split: Split) -> tuple[QuestionSet, QuestionSet]:
    return pictures.pictures(shop, folder, split), moments.moments(shop, folder, split)


@pytest.mark.usefixtures("packages")
def test_families_are_balanced_and_say_nothing_of_what_is_seen(
    shop: Workshop, folder: Path
) -> None:
    for each in (*made(shop, folder, "train"), *made(shop, folder, "test")):
        assert all(not item.text for item in each.corpus)
        assert each.questions
        for template in {question.template for question in each.questions}:
            found = Counter(q.answer for q in each.questions if q.template == template)
            assert max(found.values()) - min(found.values()) <= 1


@pytest.mark.usefixtures("packages")
def test_templates_are_all_there(shop: Workshop, folder: Path) -> None:
    seen, moved = made(shop, folder, "train")
    assert {question.template for question in seen.questions} >= {
        *("shape", "colour", "name", "paper", "frame", "count", "things", "side", "height"),
    }
    assert {question.template for question in moved.questions} >= {"motion", "way", "movers"}
    motions = [question for question in moved.questions if question.template == "motion"]
    assert len({question.gold for question in motions}) == len(motions)


@pytest.mark.usefixtures("packages")
def test_no_medium_and_no_thing_is_in_two_splits(shop: Workshop, folder: Path) -> None:
    splits = [
        {
            repr(part)
            for each in made(shop, folder, split)
            for item in each.corpus
            for part in item.content.parts
        }
        for split in SPLITS
    ]
    for one, other in itertools.combinations(splits, 2):
        assert one.isdisjoint(other)


@pytest.mark.usefixtures("packages")
def test_a_picture_that_is_asked_about_is_that_of_the_gold_item(
    shop: Workshop, folder: Path
) -> None:
    seen, _ = made(shop, folder, "test")
    shown = {item.id: item.content.parts[0] for item in seen.corpus}
    asked = [question for question in seen.questions if question.picture]
    assert asked
    for question in asked:
        image = shown[question.gold[0]]
        assert isinstance(image, Image)
        assert image.source == question.picture


@pytest.mark.usefixtures("packages")
def test_they_are_the_same_each_time(shop: Workshop, folder: Path) -> None:
    one, other = made(shop, folder, "test"), made(shop, folder, "test")
    assert [each.questions for each in one] == [each.questions for each in other]


@pytest.mark.usefixtures("packages")
def test_no_concept_has_two_roles(shop: Workshop) -> None:
    dealt = things.roles(shop, "test")
    concepts = [
        {thing.picture.concept for thing in dealt.cards},
        {thing.picture.concept for thing in dealt.scenes},
        {each.concept for each in dealt.plain},
    ]
    assert all(concepts)
    assert sum(map(len, concepts)) == len(set[str]().union(*concepts)) == PER_SPLIT


@pytest.mark.usefixtures("packages")
def test_a_name_that_ends_another_is_not_beside_it(
    shop: Workshop, tmp_path: Path, picture: PictureMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else "the card of the owl" may be that of the barn owl."""
    write_wordnet(tmp_path / "more" / "wordnet-base", [Sense(nouns=["owl"]), Sense(nouns=["bat"])])
    kinds = NounKinds(tmp_path / "more" / "wordnet-base")
    shown = [picture(name, (9, 9, 9)) for name in ("owl", "barn owl", "bat", "left bat")]
    found = [things.named_thing(each, kinds) for each in shown]
    assert [thing and thing.name for thing in found] == ["owl", "barn owl", "bat", None]
    monkeypatch.setattr(things, "of_split", lambda _, style, __: shown if style == "stamps" else [])
    monkeypatch.setattr(things, "NounKinds", lambda _: kinds)
    dealt = things.roles(shop, "test")
    named = {thing.name for thing in (*dealt.cards, *dealt.scenes)}
    assert not {"owl", "barn owl"} <= named
