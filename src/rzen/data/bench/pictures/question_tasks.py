"""easy-VQA: a picture of one coloured shape, a question about it, thirteen possible answers.

The package's rows are uneven ("is there not a red shape?" is almost always answered "yes"), so that
a table from questions to answers is right 67 times in 100 without looking. Here every answer that
occurs for a question occurs equally often; what such a table still gets is the baseline "majority".

The pictures have 24 concepts (3 shapes in 8 colours), too few to split by: this set, alone in the
suite, is split by picture. The package's test pictures are the test; a fifth of its training
pictures, the same ones everywhere, is validation.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.language.concepts import Split, stable_number
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import DataError
from rzen.types import Content, Example, Image, Text

SET: Final = "easy-vqa"
ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "yes or no": ("yes", "no"),
    "shape": ("circle", "rectangle", "triangle"),
    "colour": ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow"),
}
"""The possible answers by the kind of question."""

_KIND = {answer: kind for kind, answers in ANSWERS.items() for answer in answers}
# How often each answer of a question may occur; training takes all that balance allows.
_TIMES: dict[Split, dict[str, int]] = {
    "validation": {"yes or no": 1, "shape": 1, "colour": 1},
    "test": {"yes or no": 1, "shape": 3, "colour": 2},
}
_VALIDATION_SHARE = 0.2
_GRID = 16  # Pictures are compared as 16 x 16 means
_NEAR = 10.0  # of 255, root mean square: the same shape moved by less than a pixel or two


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question about a picture and its answer.

    Attributes:
        part: the package's folder, ``"train"`` or ``"test"``.
        number: of the picture within it.
    """

    part: str
    number: int
    question: str
    answer: str


def sets(shop: Workshop, split: Split) -> list[RetrievalSet]:
    """The set of questions about pictures.

    Raises:
        DataError: if the package's files are not as expected.
    """
    picture = _stored(shop)
    order = [*_KIND]
    queries = []
    for row in _chosen(shop, split):
        candidates = [
            order[at] for at in shop.dice(SET, row.number, row.question).permutation(len(order))
        ]
        queries.append(
            Query(
                id=f"{row.number} {row.question.rstrip('?')}",
                content=Content(picture(row), Text(row.question)),
                labels=(row.answer,),
                candidates=tuple(candidates),
            )
        )
    return [
        RetrievalSet(
            name=SET,
            group="image",
            family="qa",
            metric="hit@1",
            scope="local",
            queries=tuple(queries),
            documents={answer: Content(Text(answer)) for answer in order},
            instruction="Represent the given image with the following question:",
            about=(
                "Questions about the shape and colour in a picture; the answer among yes, no, 3 "
                "shapes and 8 colours, each answer of a question equally often."
            ),
        )
    ]


def examples(shop: Workshop) -> Iterator[Example]:
    """The training questions, balanced like the others; negatives are answers of the same kind."""
    picture = _stored(shop)
    for row in _chosen(shop, "train"):
        others = [answer for answer in ANSWERS[_KIND[row.answer]] if answer != row.answer]
        yield Example(
            task="image qa",
            query=Content(picture(row), Text(row.question)),
            positives=(Content(Text(row.answer)),),
            negatives=tuple(Content(Text(answer)) for answer in others),
        )


def balanced(
    rows: Iterable[Row], times: Callable[[str], int | None], shop: Workshop
) -> Iterator[Row]:
    """Takes equally many rows of every answer that occurs for a question.

    A question that always has the same answer is left out: it says nothing of the picture.

    Args:
        rows: in any order.
        times: by the kind of question, the most rows of one answer; ``None`` means no limit.
        shop: for the dice.
    """
    by_question: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_question[row.question][row.answer].append(row)
    for question, by_answer in sorted(by_question.items()):
        kind = _KIND[min(by_answer)]
        least = min(map(len, by_answer.values()))
        most = times(kind)
        count = least if most is None else min(most, least)
        for answer, same in sorted(by_answer.items() if len(by_answer) > 1 else ()):
            same.sort(key=lambda row: (row.part, row.number))
            drawn = shop.dice(SET, question, answer).permutation(len(same))[:count]
            yield from (same[at] for at in drawn)


def _chosen(shop: Workshop, split: Split) -> list[Row]:
    known = _rows(shop.fetch(SET))
    # Set, not added: it is the same number however often the rows are asked for.
    for reason, count in known.left_out.items():
        shop.tallies[f"{SET}: {reason}"] = count
    times = _TIMES.get(split, {})
    rows = list(balanced(known.of[split], times.get, shop))
    return [rows[at] for at in shop.dice(SET, split).permutation(len(rows))]


def _stored(shop: Workshop) -> Callable[[Row], Image]:
    data = _data(shop.fetch(SET))
    return lambda row: shop.picture(_pixels(_file(data, row.part, row.number)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    of: dict[Split, list[Row]]
    left_out: dict[str, int]


@lru_cache(maxsize=1)
def _rows(folder: Path) -> _Rows:
    """The rows of each split, without those that do not fit their picture and near-duplicates."""
    data = _data(folder)
    found = [row for part in ("train", "test") for row in _read(data, part)]
    by_picture: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in dict.fromkeys(found):
        by_picture[row.part, row.number].append(row)
    of: dict[Split, list[tuple[str, int]]] = {"train": [], "validation": [], "test": []}
    contradicted = 0
    for (part, number), rows in sorted(by_picture.items()):
        if _consistent(rows):
            of[_split(part, number)].append((part, number))
        else:
            contradicted += len(rows)
    facts = {key: frozenset().union(*map(_facts, by_picture[key])) for key in by_picture}
    near = _near_duplicates(data, of, facts)
    return _Rows(
        of={
            split: [row for key in keys if key not in near for row in by_picture[key]]
            for split, keys in of.items()
        },
        left_out={
            "questions that contradict another about their picture": contradicted,
            "pictures dropped as near-duplicates of another split": len(near),
        },
    )


def _split(part: str, number: int) -> Split:
    if part == "test":
        return "test"
    place = stable_number(f"{SET} {number}") / 2**64
    return "validation" if place < _VALIDATION_SHARE else "train"


def _facts(row: Row) -> frozenset[str]:
    """What a row says is in its picture: the words of a "yes", of a premise and of an answer."""
    words = row.question.rstrip("?").split()
    said = {word for word in words if _KIND.get(word) in {"shape", "colour"}}
    if row.answer not in ANSWERS["yes or no"]:
        return frozenset({*said, row.answer})
    negated = "not" in words or "no" in words
    return frozenset(said) if (row.answer == "yes") != negated else frozenset()


def _denied(row: Row) -> frozenset[str]:
    words = row.question.rstrip("?").split()
    if row.answer not in ANSWERS["yes or no"] or _facts(row):
        return frozenset()
    return frozenset(word for word in words if _KIND.get(word) in {"shape", "colour"})


def _consistent(rows: Sequence[Row]) -> bool:
    """Whether all questions about a picture speak of one shape of one colour."""
    facts = frozenset().union(*map(_facts, rows))
    denied = frozenset().union(*map(_denied, rows))
    return _agree(facts) and not facts & denied


def _agree(facts: frozenset[str]) -> bool:
    """Whether they may all hold of one picture: at most one shape and one colour."""
    return len({_KIND[fact] for fact in facts}) == len(facts)


def _near_duplicates(
    data: Path,
    of: dict[Split, list[tuple[str, int]]],
    facts: dict[tuple[str, int], frozenset[str]],
) -> set[tuple[str, int]]:
    """The pictures of training and validation that look like one of a later split."""
    small = {key: _small(_pixels(_file(data, *key))) for keys in of.values() for key in keys}
    near: set[tuple[str, int]] = set()
    later = list(of["test"])
    for split in ("validation", "train"):
        if later and of[split]:
            distance_MN = _distances(small, of[split], later)
            for at_M, at_N in np.argwhere(distance_MN < _NEAR).tolist():
                # A circle and a triangle at one place look alike, and are no duplicates.
                if _agree(facts[of[split][at_M]] | facts[later[at_N]]):
                    near.add(of[split][at_M])
        later += of[split]
    return near


def _distances(
    small: dict[tuple[str, int], NDArray[np.float32]],
    these: list[tuple[str, int]],
    those: list[tuple[str, int]],
) -> NDArray[np.float32]:
    """Root mean square differences: (M, N)."""
    one_MD = np.stack([small[key] for key in these])
    other_ND = np.stack([small[key] for key in those])
    squares_MN = (one_MD**2).sum(1)[:, None] + (other_ND**2).sum(1) - 2 * one_MD @ other_ND.T
    return np.asarray(np.sqrt(np.maximum(squares_MN, 0) / one_MD.shape[1]), np.float32)


def _small(pixels_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width, channels = pixels_HWC.shape
    cells = pixels_HWC.reshape(_GRID, height // _GRID, _GRID, width // _GRID, channels)
    return np.asarray(cells.mean((1, 3)).ravel(), np.float32)


def _read(data: Path, part: str) -> Iterator[Row]:
    file = data / part / "questions.json"
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
        rows = [
            Row(part=part, number=int(number), question=str(question), answer=str(answer))
            for question, answer, number in found
        ]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"cannot read {file}: {error}: fetch the package {SET} again") from None
    for row in rows:
        if row.answer not in _KIND:
            raise DataError(f"{file}: {row.answer!r} is none of the answers of {SET} 1.0")
    yield from rows


def _data(folder: Path) -> Path:
    return folder / "easy_vqa" / "data"


def _file(data: Path, part: str, number: int) -> Path:
    return data / part / "images" / f"{number}.png"


def _pixels(file: Path) -> NDArray[np.uint8]:
    from PIL import Image as Pillow

    with Pillow.open(file) as picture:
        return np.asarray(picture.convert("RGB"))
