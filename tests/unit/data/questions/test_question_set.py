"""A set that cannot be answered, or answers itself, is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from rzen.data.questions.question_set import Item, Question, QuestionSet
from rzen.errors import DataError
from rzen.types import Content, Page, Text

ITEM = Item(id="page", content=Content(Page(Path("page.png"), 1, "The default is TRUE.")))
QUESTION = Question(
    id="q",
    family="manuals",
    template="default",
    text="What is the default?",
    answer="TRUE",
    candidates=("FALSE", "TRUE"),
    gold=("page",),
)


def made(*questions: Question, corpus: tuple[Item, ...] = (ITEM,)) -> QuestionSet:
    return QuestionSet(name="tiny", split="test", corpus=corpus, questions=questions)


def test_a_whole_set_is_taken() -> None:
    assert made(QUESTION).questions[0].content.modality == "text"
    assert (ITEM.modality, ITEM.text) == ("page", "The default is TRUE.")


def test_a_picture_is_asked_about_together_with_the_words() -> None:
    content = replace(QUESTION, picture=Path("frame.png")).content
    assert (content.modality, content.text) == ("image", "What is the default?")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"gold": ()}, "no item"),
        ({"gold": ("page", "other")}, "no item"),
        ({"answer": "NULL"}, "no candidate"),
        ({"text": "Is the default true?"}, "says its answer"),
        ({"accepted": ("what",)}, "says its answer"),
    ],
)
def test_a_damaged_question_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        made(replace(QUESTION, **change))  # type: ignore[arg-type]


def test_ids_are_used_once() -> None:
    with pytest.raises(DataError, match="used twice"):
        made(QUESTION, QUESTION)
    with pytest.raises(DataError, match="one id"):
        made(corpus=(ITEM, Item(id="page", content=Content(Text("other")))))
