import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from rzen.data.bench.language.concepts import Split
from rzen.data.bench.pictures import question_tasks
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import RetrievalSet
from rzen.errors import DataError
from rzen.evaluation.baselines import majority
from rzen.evaluation.pools import Pools
from rzen.types import Content, Image, Source, Text

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "teal": (0, 128, 128)}
TRAIN, TEST = 60, 24
MEASURED: tuple[Split, ...] = ("validation", "test")


def draw(file: Path, number: int, seed: int) -> tuple[str, str]:
    """A square or circle somewhere; says which."""
    dice = np.random.default_rng(seed)
    shape, colour = ("circle", "rectangle")[number % 2], [*COLOURS][number // 2 % 3]
    back = tuple(int(value) for value in dice.integers(215, 256, 3))
    picture = Pillow.new("RGB", (64, 64), back)
    left, top, side = dice.integers(0, 30), dice.integers(0, 30), dice.integers(14, 30)
    pen = ImageDraw.Draw(picture)
    box = (int(left), int(top), int(left + side), int(top + side))
    (pen.ellipse if shape == "circle" else pen.rectangle)(box, COLOURS[colour])
    picture.save(file)
    return shape, colour


def ask(number: int, shape: str, colour: str) -> list[tuple[str, str, int]]:
    return [
        ("is there a circle?", "yes" if shape == "circle" else "no", number),
        ("is there not a red shape?", "no" if colour == "red" else "yes", number),
        ("what color is the shape?", colour, number),
        ("is no black shape present?", "yes", number),  # no picture answers "no"
        (f"what is the {colour} shape?", shape, number),
    ]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small easy-vqa: the same layout, pictures drawn here; train's 7 is test's 3."""
    for part, count, seed in (("train", TRAIN, 1000), ("test", TEST, 0)):
        folder = tmp_path / "package" / "easy_vqa" / "data" / part
        (folder / "images").mkdir(parents=True)
        rows = []
        for number in range(count):
            about = draw(folder / "images" / f"{number}.png", number, seed + number)
            if (part, number) == ("train", 7):
                about = draw(folder / "images" / "7.png", 3, 3)
            rows += ask(number, *about)
        (folder / "questions.json").write_text(json.dumps(rows))
    return tmp_path / "package"


@pytest.fixture
def shop(tmp_path: Path, package: Path) -> Workshop:
    return Workshop(tmp_path / "suite", {"easy-vqa": package}.__getitem__)


def made(shop: Workshop, split: Split = "test") -> RetrievalSet:
    (one,) = question_tasks.sets(shop, split)
    return one


def words(content: Content) -> str:
    (text,) = (part.text for part in content.parts if isinstance(part, Text))
    return text


def picture(content: Content) -> Source:
    (source,) = (part.source for part in content.parts if isinstance(part, Image))
    return source


def test_every_answer_of_a_question_is_equally_frequent(shop: Workshop) -> None:
    """Guards against the leak of the package's rows: "no red?" is "yes" two times in three."""
    for split in MEASURED:
        answers: dict[str, Counter[str]] = defaultdict(Counter)
        for query in made(shop, split).queries:
            answers[words(query.content)][query.labels[0]] += 1
        assert answers
        for question, counts in answers.items():
            assert len(set(counts.values())) == 1, question
            assert len(counts) > 1, question


def test_the_table_of_questions_gets_no_more_than_chance(shop: Workshop) -> None:
    """By hand: on a balanced set each question's table is right once per number of answers."""
    for split in MEASURED:
        answers: dict[str, set[str]] = defaultdict(set)
        asked = made(shop, split)
        for query in asked.queries:
            answers[words(query.content)].add(query.labels[0])
        expected = np.mean([1 / len(answers[words(query.content)]) for query in asked.queries])
        found = majority(Pools(asked), question_tasks.examples(shop))
        assert found == pytest.approx(expected)


def test_all_answers_are_candidates_and_the_right_one_is_anywhere(shop: Workshop) -> None:
    """Guards against gold always first, and against candidates that give the kind away."""
    queries = made(shop).queries
    assert all(len(set(query.candidates or ())) == 13 for query in queries)
    places = {(query.candidates or ()).index(query.labels[0]) for query in queries}
    assert len(places) > 4
    assert (queries[0].candidates or ()) != (queries[1].candidates or ())


def test_a_picture_is_in_one_split_and_copies_leave_training(shop: Workshop) -> None:
    """Guards against the test's pictures among those that were trained on."""
    validation = {picture(query.content) for query in made(shop, "validation").queries}
    test = {picture(query.content) for query in made(shop, "test").queries}
    train = {picture(each.query) for each in question_tasks.examples(shop)}
    assert train
    assert validation
    assert test
    assert not train & test
    assert not train & validation
    assert not validation & test
    assert shop.tallies["easy-vqa: pictures dropped as near-duplicates of another split"] == 1


def test_alike_pictures_of_different_shapes_stay(shop: Workshop, package: Path) -> None:
    """Guards against losing the hardest contrast: a circle where the test has a rectangle."""
    folder = package / "easy_vqa" / "data"
    test = Pillow.open(folder / "test" / "images" / "3.png")
    test.putpixel((0, 0), (0, 0, 0))
    test.save(folder / "train" / "images" / "7.png")
    rows = json.loads((folder / "train" / "questions.json").read_text())
    rows = [row for row in rows if row[2] != 7] + [*map(list, ask(7, "circle", "blue"))]
    (folder / "train" / "questions.json").write_text(json.dumps(rows))
    question_tasks.sets(shop, "test")
    assert shop.tallies["easy-vqa: pictures dropped as near-duplicates of another split"] == 0


def test_pictures_with_contradicting_questions_are_left_out(shop: Workshop, package: Path) -> None:
    """Guards against unanswerable queries: "what color is the circle?" of a rectangle."""
    file = package / "easy_vqa" / "data" / "test" / "questions.json"
    rows = json.loads(file.read_text())
    file.write_text(json.dumps([*rows, ["what color is the circle?", "red", 1]]))
    queries = made(shop).queries
    assert not [query for query in queries if query.id.split()[0] == "1"]
    reason = "easy-vqa: questions that contradict another about their picture"
    assert shop.tallies[reason] == 6


def test_negatives_are_the_other_answers_of_the_kind(shop: Workshop) -> None:
    """Guards against negatives that are right, or too easy to teach anything."""
    every = list(question_tasks.examples(shop))
    assert {each.task for each in every} == {"image qa"}
    for each in every:
        answer = words(each.positives[0])
        others = {words(negative) for negative in each.negatives}
        (kind,) = (kind for kind in question_tasks.ANSWERS.values() if answer in kind)
        assert others == set(kind) - {answer}


def test_twice_built_is_the_same(shop: Workshop, tmp_path: Path, package: Path) -> None:
    """Guards against an order that depends on the process or the file system."""
    other = Workshop(tmp_path / "other", {"easy-vqa": package}.__getitem__)
    one, two = made(shop), made(other)
    assert [(each.id, each.candidates) for each in one.queries] == [
        (each.id, each.candidates) for each in two.queries
    ]


def test_an_answer_that_is_none_is_named(shop: Workshop, package: Path) -> None:
    """Guards against another version of the package slipping in unseen."""
    file = package / "easy_vqa" / "data" / "test" / "questions.json"
    file.write_text(json.dumps([["what shape is present?", "star", 0]]))
    with pytest.raises(DataError, match="star"):
        question_tasks.sets(shop, "test")


def test_a_damaged_file_is_named(shop: Workshop, package: Path) -> None:
    """Guards against a traceback where the package was cut off."""
    file = package / "easy_vqa" / "data" / "train" / "questions.json"
    file.write_text("[[1, 2")
    with pytest.raises(DataError, match=r"train/questions\.json"):
        question_tasks.sets(shop, "test")
