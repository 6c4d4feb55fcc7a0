"""Manuals: the answer stands on the page, and on the page that the question's words mean."""

import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from rzen.data.bench import suite
from rzen.data.bench.language.concepts import SPLITS
from rzen.data.questions.manuals import manuals
from rzen.data.questions.question_set import QuestionSet, says
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.data.storage import write_examples, write_set
from rzen.types import Content, Example, Page, Text

LETTERS = "abcdefghijkl"
WORDS = ("northern", "southern", "eastern", "western", "central", "coastal")


def page_text(split: str, number: int) -> str:
    """A page about a function of its own; every second one has a default that is a flag."""
    name = f"{split}{LETTERS[number]}fun"
    place, other = WORDS[number % 6], WORDS[(number + 1) % 6]
    return (
        "Description\n"
        f"Computes what the {place} people of {split}{LETTERS[number]}town want to know.\n"
        f"Usage\n{name}(x, flag = {('TRUE', 'FALSE')[number % 2]},\n"
        f"size{LETTERS[number]} = {number})\n"
        f"{'shared(x)' if number % 3 == 0 else ''}\n"
        f"{'common(all = 77)' if number == 1 else ''}\n"
        f"Arguments\nsize{LETTERS[number]} how many of the {place} ones there will be. No more.\n"
        "Details\nIt has to be told here that this is common to all of the pages. "
        f"In {split} {LETTERS[number]} the wind blows over some {other} hills and goes on. End."
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite of twelve pages for each split."""
    root = tmp_path / "suite"
    for split in SPLITS:
        pages = {
            f"{split}-{number}": Content(
                Page(root / "media" / f"{split}{number}.png", 1, page_text(split, number))
            )
            for number in range(len(LETTERS))
        }
        if split == "train":
            examples = (
                Example(task="document retrieval", query=Content(Text("x")), positives=(page,))
                for page in (*pages.values(), pages["train-0"])
            )
            write_examples(root / "train" / "documents.jsonl", examples, root=root)
            continue
        made = RetrievalSet(
            name="manuals-t2p",
            group="visdoc",
            family="manual headings",
            metric="hit@1",
            scope="global",
            queries=(Query(id="q", content=Content(Text("x")), labels=(f"{split}-0",)),),
            documents=pages,
        )
        write_set(root / split / "manuals-t2p", made, root=root)
    manifest = {
        "edition": suite.EDITION,
        "version": "0",
        "sets": {split: {} for split in suite.MEASURED},
    }
    (root / suite.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return root


def all_of(folder: Path) -> list[QuestionSet]:
    return [manuals(folder, split) for split in SPLITS]


def test_the_answer_stands_on_the_gold_page(folder: Path) -> None:
    for made in all_of(folder):
        texts = {item.id: item.text for item in made.corpus}
        templates = {question.template for question in made.questions}
        assert templates == {"argument", "default flag", "default value", "function", "gap"}
        for question in made.questions:
            assert says(texts[question.gold[0]], question.answer)
            assert not says(question.text, question.answer)


def test_a_question_names_one_page(folder: Path) -> None:
    """A function that several pages show, and a sentence that they repeat, are not asked about."""
    for made in all_of(folder):
        for question in made.questions:
            assert "shared" not in question.text
            assert "common to all" not in question.text
            if question.template == "gap":
                quoted = question.text.split("\u201c")[1].split("____")[0]
            else:
                (quoted,) = re.findall(r"\w+(?:fun|town)|common\(", question.text)
            holders = [item.id for item in made.corpus if quoted in item.text]
            assert quoted
            assert holders == [*question.gold]


def test_answers_are_balanced(folder: Path) -> None:
    for made in all_of(folder):
        for template in {question.template for question in made.questions}:
            found = Counter(q.answer for q in made.questions if q.template == template)
            assert max(found.values()) - min(found.values()) <= 1
        flags = Counter(q.answer for q in made.questions if q.template == "default flag")
        assert flags == {"TRUE": 6, "FALSE": 6}


def test_pages_of_training_are_those_of_its_examples_once(folder: Path) -> None:
    train = manuals(folder, "train")
    assert len(train.corpus) == len(LETTERS)
    for one, other in itertools.combinations(all_of(folder), 2):
        assert {i.text for i in one.corpus}.isdisjoint({i.text for i in other.corpus})


def test_what_two_splits_could_ask_the_stronger_one_asks(folder: Path) -> None:
    asking = [
        made.split
        for made in all_of(folder)
        if any("common()" in question.text for question in made.questions)
    ]
    assert asking == ["test"]


def test_it_is_the_same_each_time(folder: Path) -> None:
    assert manuals(folder, "test").questions == manuals(folder, "test").questions
