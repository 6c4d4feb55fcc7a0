"""From addresses to prepared rows, in the sampler's order."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rzen.errors import DataError
from rzen.training import reading
from rzen.training.batch import FailedRow, Row
from rzen.training.reading import Address, batches
from rzen.types import Content, Example, Text
from training_toys import ToyBackbone, toy_examples, toy_rows

ADDRESSES = [[(0, 3, 0), (0, 1, 1)], [(0, 7, 0)], [(0, 2, 5), (0, 4, 6), (0, 0, 7)]]


def content(text: str) -> Content:
    return Content(Text(text))


def read(example: Example, *, positives: int = 2, hard_negatives: int = 2) -> Row | FailedRow:
    rows = replace(
        toy_rows(ToyBackbone(), [example]), positives=positives, hard_negatives=hard_negatives
    )
    return rows[0, 0, 4]


EXAMPLE = replace(
    toy_examples(1)[0],
    positives=tuple(content(text) for text in ("one", "two", "three")),
    negatives=tuple(content(text) for text in ("no", "one", "never", "nowhere")),
)


@pytest.fixture(params=["fork", "forkserver"])
def _start(request: pytest.FixtureRequest) -> Iterator[None]:
    """How processes are started unless somebody says otherwise; from Python 3.14 on the second."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(request.param, force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.usefixtures("_start")
def test_workers_keep_the_order() -> None:
    """A batch that is made of whatever is ready first; a process that has to be sent the model,
    which cannot be pickled."""
    rows = toy_rows(ToyBackbone(), toy_examples())
    found = list(batches(rows, ADDRESSES, workers=2))
    assert [[row.name for row in each] for each in found] == [
        [f"toy:{number}" for _, number, _ in each] for each in ADDRESSES
    ]
    assert [[row.part for row in each if isinstance(row, Row)] for each in found] == [
        [part for _, _, part in each] for each in ADDRESSES
    ]


def test_addresses_are_taken_as_they_are_needed() -> None:
    """The plan of an endless run is read to its end before the first step."""
    taken = []

    def endless() -> Iterator[list[Address]]:
        while True:
            taken.append(1)
            yield [(0, len(taken) % 48, 0)]

    left = batches(toy_rows(ToyBackbone(), toy_examples()), endless(), workers=0)
    assert len(next(left)) == len(next(left)) == 1
    assert len(taken) <= 3


@pytest.mark.parametrize(("cores", "workers"), [(1, 0), (2, 0), (4, 3), (64, 8)])
def test_workers_go_by_the_machine(
    cores: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop of two cores that decodes beside itself, or a server that reads alone."""
    asked: list[int] = []

    class Loader(list[object]):
        def __init__(self, *_: object, num_workers: int, **__: object) -> None:
            asked.append(num_workers)

    monkeypatch.setattr(reading, "available_cores", lambda: cores)
    monkeypatch.setattr(reading, "DataLoader", Loader)
    batches(toy_rows(ToyBackbone(), toy_examples()), [], workers=-1)
    assert asked == [workers]


def test_a_row_takes_as_many_as_it_is_told() -> None:
    """Settings for positives and hard negatives that nobody reads, or that count the wrong ones."""
    row = read(EXAMPLE, positives=2, hard_negatives=3)
    assert isinstance(row, Row)
    assert (row.part, row.positives) == (4, 2)
    assert [key.split("|")[1] for key in row.documents] == ["one", "two", "no", "never"]


def test_a_negative_equal_to_a_positive_is_none() -> None:
    """A row that is taught that its own answer is wrong."""
    row = read(EXAMPLE, positives=1, hard_negatives=2)
    assert isinstance(row, Row)
    assert [key.split("|")[1] for key in row.documents] == ["one", "no"]
    assert row.positives == 1


def test_equal_positives_count_once() -> None:
    """A row with the same answer twice, which would be compared with itself."""
    row = read(replace(EXAMPLE, positives=(content("one"), content("one"))))
    assert isinstance(row, Row)
    assert row.positives == 1


def test_what_cannot_be_read_costs_its_row_or_its_negative() -> None:
    """A broken positive that is left out in silence: the row would be taught its hard negatives."""
    broken = content("broken")
    failed = read(replace(EXAMPLE, positives=(content("one"), broken)))
    assert isinstance(failed, FailedRow)
    assert (failed.name, "no picture" in failed.reason) == ("toy:0", True)
    row = read(replace(EXAMPLE, negatives=(broken, content("no"))))
    assert isinstance(row, Row)
    assert len(row.lost) == 1
    assert [key.split("|")[1] for key in row.documents] == ["one", "two", "no"]


def test_a_row_that_the_source_cannot_give_fails_alone() -> None:
    """A damaged line of a file ends the run."""

    def example(_: int, number: int) -> Example:
        if number == 1:
            raise DataError("pairs.jsonl:2: no JSON")
        return toy_examples(4)[number]

    rows = replace(toy_rows(ToyBackbone(), toy_examples()), example=example)
    (found,) = batches(rows, [[(0, 0, 0), (0, 1, 0), (0, 2, 0)]], workers=0)
    assert [type(each) for each in found] == [Row, FailedRow, Row]
    assert found[1] == FailedRow(name="toy:1", reason="pairs.jsonl:2: no JSON")


def test_documents_of_other_instructions_are_others() -> None:
    """One document under two instructions has two vectors: its key must tell them apart."""
    one = read(EXAMPLE)
    other = read(replace(EXAMPLE, document_instruction="as a title"))
    assert isinstance(one, Row)
    assert isinstance(other, Row)
    assert not one.documents.keys() & other.documents.keys()
