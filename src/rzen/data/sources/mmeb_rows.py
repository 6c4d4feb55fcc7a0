"""Rows of MMEB-train: ``qry, qry_image_path, pos_text, pos_image_path, neg_text, neg_image_path``.

``<|image_1|>`` marks where an image goes; images come before the text here as in the evaluation, so
the marker is dropped. The texts bring their instruction with them ("Find me an everyday image that
matches the given caption: ..."). Where it is known, it is cut off and said as an instruction, so
that each encoder puts it where it belongs; else the text stays whole and no other one is said.

mmE5's sets have the same columns, with their lists of negatives written as text ("['a', 'b']").
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.fields import media_of, text_of
from rzen.data.sources.table import Row
from rzen.types import Content, Example, Image, Part, Text

MARKER = "<|image_1|>"
_SIDES = {"qry": "qry_image_path", "pos_text": "pos_image_path", "neg_text": "neg_image_path"}
_TASKS = {
    "image classification": "ImageNet_1K N24News HatefulMemes VOC2007 SUN397",
    "image qa": "OK-VQA A-OKVQA DocVQA InfographicsVQA ChartQA Visual7W",
    "image retrieval": (
        "VisDial CIRR VisualNews_t2i VisualNews_i2t MSCOCO_t2i MSCOCO_i2t NIGHTS WebQA"
    ),
    "grounding": "MSCOCO",
}


def task_of_set(name: str) -> str:
    """The task of one of MMEB-train's twenty sets; empty for any other name.

    >>> task_of_set("CIRR"), task_of_set("ImageNet-1K"), task_of_set("mine")
    ('image retrieval', 'image classification', '')
    """
    wanted = name.replace("-", "_")
    for task, names in _TASKS.items():
        if wanted in names.replace("-", "_").split():
            return task
    return ""


class MmebRows:
    """See :class:`rzen.data.sources.table.Reader`.

    Args:
        task: of all rows.
        instructions: that queries may begin with.
        document_instructions: that positives and negatives may begin with.
    """

    def __init__(
        self,
        task: str,
        instructions: Sequence[str] = (),
        document_instructions: Sequence[str] = (),
    ) -> None:
        self._task = task
        self._known = _longest_first(instructions)
        self._document_known = _longest_first(document_instructions)

    def identity(self) -> Mapping[str, Any]:
        """Task and instructions."""
        return {"task": self._task, "cut": [self._known, self._document_known]}

    def wanted(self) -> Sequence[str]:
        """The six columns."""
        return (*_SIDES, *_SIDES.values())

    def needed(self) -> Sequence[str]:
        """Those of the query and the positive."""
        return ("qry", "pos_text")

    def example(self, row: Row, folder: Path | None) -> Example:
        """The example of a row."""
        queries = [*_contents(row, "qry", self._known, folder)]
        if len(queries) != 1:
            raise BadRowError("no query" if not queries else "several queries")
        positives = [*_contents(row, "pos_text", self._document_known, folder)]
        if not positives:
            raise BadRowError("no positive")
        negatives = [*_contents(_unfolded(row), "neg_text", self._document_known, folder)]
        (query, said), (_, document_said) = queries[0], positives[0]
        return Example(
            task=self._task,
            query=query,
            positives=tuple(content for content, _ in positives),
            negatives=tuple(content for content, _ in negatives),
            instruction=said,
            document_instruction=document_said,
        )

    def keys(self, row: Row, example: Example) -> Mapping[str, int]:
        """None."""
        del row, example
        return {}


def _unfolded(row: Row) -> Row:
    """The row with its negatives as lists, where both columns hold lists written as text."""
    lists = {name: _list_in(row.get(name)) for name in ("neg_text", "neg_image_path")}
    return {**row, **lists} if all(each is not None for each in lists.values()) else row


def _list_in(text: Any) -> list[str] | None:
    """The list of texts that a text spells out.

    >>> _list_in("['a', 'it is']"), _list_in("[1]"), _list_in("['a'")
    (['a', 'it is'], None, None)
    """
    if not isinstance(text, str) or not text.startswith("["):
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    is_list = isinstance(found, list) and all(isinstance(each, str) for each in found)
    return found if is_list else None


def _contents(
    row: Row, column: str, known: Sequence[str], folder: Path | None
) -> Iterator[tuple[Content, str]]:
    """The contents of a side, each with the instruction that was cut off."""
    paths = _SIDES[column]
    texts, images = _listed(row.get(column)), _listed(row.get(paths))
    if len(texts) != len(images) and texts and images:
        raise BadRowError(f"the lists in {column} and {paths} are of different lengths")
    for number in range(max(len(texts), len(images))):
        parts: list[Part] = []
        if images and (source := media_of(images[number], paths, folder)) is not None:
            parts.append(Image(source))
        text = text_of({column: texts[number]}, column) if texts else ""
        text, said = _cut(text.replace(MARKER, "").strip(), known)
        if text:
            parts.append(Text(text))
        if parts:
            yield Content(*parts), said


def _cut(text: str, known: Sequence[str]) -> tuple[str, str]:
    """The text behind a known instruction, and the instruction.

    >>> _cut("Find a dog: brown", ["Find a dog:"]), _cut("brown", ["Find a dog:"])
    (('brown', 'Find a dog:'), ('brown', ''))
    """
    for instruction in known:
        if text.startswith(instruction):
            return text[len(instruction) :].strip(), instruction
    return text, ""


def _longest_first(instructions: Sequence[str]) -> list[str]:
    return sorted({each for each in instructions if each}, key=lambda each: (-len(each), each))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
