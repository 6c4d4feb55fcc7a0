"""Questions as rows that a projector learns from: question, what holds the answer, answer."""

from collections.abc import Iterator
from typing import Any

from rzen.data.questions.question_set import QuestionSet
from rzen.types import Content, Image, Page, Text, Video


def rows_of(made: QuestionSet) -> Iterator[dict[str, Any]]:
    """A row for each question, with its first gold item; see the guide ``docs/rag.md``."""
    items = {item.id: item.content for item in made.corpus}
    for question in made.questions:
        yield {
            "id": question.id,
            "question": question.text,
            "answer": question.answer,
            "items": [_item(items[question.gold[0]])],
        }


def _item(content: Content) -> dict[str, Any]:
    """An item as rows name it; a page by its text, which a language model reads as words."""
    (part,) = content.parts
    match part:
        case Image(source):
            return {"image": str(source)}
        case Video(source):
            return {"video": str(source)}
        case Page(_, _, text):
            return {"text": text or ""}
        case Text(text):
            return {"text": text}
