"""A corpus and questions about it, each with its answer and the items that hold the answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rzen.data.bench.language.concepts import Split
from rzen.errors import DataError
from rzen.types import Content, Image, Modality, Text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """What can be retrieved.

    Attributes:
        id: unique within the corpus.
        content: a text, a picture, a page's picture with its text, or a clip.
    """

    id: str
    content: Content

    @property
    def modality(self) -> Modality:
        """Of its content."""
        return self.content.modality

    @property
    def text(self) -> str:
        """What is known of it in words: empty for pictures and clips, which one has to see."""
        return self.content.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and its answer.

    Attributes:
        id: unique within the set.
        family: ``"manuals"``, ``"glosses"``, ``"pictures"`` or ``"moments"``.
        template: what all questions of one wording are called.
        text: what is asked; the answer does not stand in it.
        picture: what is asked about, where words do not name the item: the picture of an item, or
            a frame of one.
        answer: the right one.
        accepted: other spellings of it.
        candidates: among which the answer is to be found, itself included, sorted. Each of them is
            as often right as the others, up to one question; see
            :mod:`rzen.data.questions.balance`.
        gold: ids of the items that hold the answer.
    """

    id: str
    family: str
    template: str
    text: str
    answer: str
    candidates: tuple[str, ...]
    gold: tuple[str, ...]
    accepted: tuple[str, ...] = ()
    picture: Path | None = None

    @property
    def content(self) -> Content:
        """What to search with: the picture, if there is one, and the words."""
        if self.picture is None:
            return Content(Text(self.text))
        return Content(Image(self.picture), Text(self.text))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuestionSet:
    """A corpus and the questions about it.

    Attributes:
        name: such as ``"pictures-test"``.
        split: that all of it belongs to.
        corpus: what is searched.
        questions: in an order left to chance, so that the first ones are a fair sample.

    Raises:
        DataError: if an id is used twice, a question has no gold item in the corpus, its answer is
            no candidate, or it says its answer.
    """

    name: str
    split: Split
    corpus: tuple[Item, ...] = field(repr=False)
    questions: tuple[Question, ...] = field(repr=False)

    def __post_init__(self) -> None:
        items = {item.id for item in self.corpus}
        if len(items) < len(self.corpus):
            raise DataError(f"{self.name}: two items of its corpus have one id")
        seen: set[str] = set()
        for question in self.questions:
            if problem := next(_problems(question, items, seen), ""):
                raise DataError(f"{self.name}, question {question.id!r}: {problem}")
            seen.add(question.id)


def says(text: str, answer: str) -> bool:
    """Whether an answer stands in a text as words of its own, in any case.

    >>> says("What is left of the barn owl?", "Owl"), says("Who bowls?", "owl")
    (True, False)
    >>> says("the default is c(1, 2)", "c(1, 2)"), says("length 10", "1")
    (True, False)
    """
    return re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text, re.IGNORECASE) is not None


def _problems(question: Question, items: set[str], seen: set[str]) -> Iterator[str]:
    if question.id in seen:
        yield "its id is used twice"
    if not question.gold or not items.issuperset(question.gold):
        yield "no item of the corpus, or not each that is named, holds its answer"
    if question.answer not in question.candidates:
        yield f"its answer {question.answer!r} is no candidate"
    if any(says(question.text, answer) for answer in (question.answer, *question.accepted)):
        yield "it says its answer"
