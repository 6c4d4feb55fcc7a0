"""Building: once, the same each time, and only what there is."""

import json
from pathlib import Path

import numpy as np
import pytest

from rzen.data.bench import suite
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.workshop import Workshop
from rzen.data.questions import build
from rzen.data.questions.balance import Draft, asked
from rzen.data.questions.question_set import Item, QuestionSet
from rzen.errors import DataError, UsageError
from rzen.types import Content, Image


class Squares:
    """A family of grey squares, which counts how often it is built."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self, shop: Workshop, _folder: Path, split: Split) -> QuestionSet:
        self.built += 1
        items, drafts = [], []
        for shade in (10, 90, 170):
            image = shop.picture(np.full((8, 8, 3), shade, np.uint8))
            assert isinstance(image.source, Path)
            items.append(Item(id=f"square-{shade}", content=Content(image)))
            drafts.append(
                Draft(
                    template="shade",
                    text="How bright is this\u2028square?",
                    answer=f"{shade} of 255",
                    accepted=(f"{shade}",),
                    picture=image.source,
                    gold=(items[-1].id,),
                )
            )
        return QuestionSet(
            name=f"squares-{split}",
            split=split,
            corpus=tuple(items),
            questions=tuple(asked("squares", drafts, 9)),
        )


@pytest.fixture
def squares(monkeypatch: pytest.MonkeyPatch) -> Squares:
    family = Squares()
    monkeypatch.setattr(build, "FAMILIES", {"squares": family})
    return family


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sets: dict[str, dict[str, object]] = {split: {} for split in suite.MEASURED}
    about = {"edition": suite.EDITION, "version": "0", "sets": sets}
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / suite.MANIFEST).write_text(json.dumps(about), encoding="utf-8")
    return tmp_path / "suite"


def made(folder: Path, home: str = "home", split: Split = "test") -> QuestionSet:
    return build.question_set(
        "squares", split, home=folder.parent / home, folder=folder, fetch=folder.parent.joinpath
    )


def test_a_set_is_built_once_and_read_back(squares: Squares, folder: Path) -> None:
    first, second = made(folder), made(folder)
    assert squares.built == 1
    assert first.questions == second.questions
    assert first.name == "squares-test"
    for item, again in zip(first.corpus, second.corpus, strict=True):
        assert item.id == again.id
        assert isinstance(again.content.parts[0], Image)
        assert Path(str(again.content.parts[0].source)).is_file()
    assert all(question.picture and question.picture.is_file() for question in first.questions)


def test_two_homes_hold_the_same_questions(squares: Squares, folder: Path) -> None:
    one, other = made(folder, "one"), made(folder, "other")
    assert squares.built == 2
    assert [(q.id, q.text, q.candidates) for q in one.questions] == [
        (q.id, q.text, q.candidates) for q in other.questions
    ]


def test_a_set_without_its_last_file_is_built_again(squares: Squares, folder: Path) -> None:
    made(folder)
    (file,) = (folder.parent / "home").rglob("questions.jsonl")
    file.unlink()
    assert len(made(folder).questions) == 3
    assert squares.built == 2


@pytest.mark.usefixtures("squares")
def test_a_damaged_file_is_named(folder: Path) -> None:
    made(folder)
    (file,) = (folder.parent / "home").rglob("questions.jsonl")
    file.write_text('{"id": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match="cannot read the questions in"):
        made(folder)


@pytest.mark.usefixtures("squares")
def test_what_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="take one of squares"):
        build.question_set("circles", "test", home=folder.parent, folder=folder)
    with pytest.raises(DataError, match="rzen eval fetch"):
        made(folder.parent / "nothing")


def test_the_families_are_four() -> None:
    assert [*build.FAMILIES] == ["manuals", "glosses", "pictures", "moments"]
