"""Pools over manuals made of words alone; no file is read."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from manual_files import prose, titles
from rzen.data.bench.documents import pool as document_pool
from rzen.data.bench.documents.headings import LEAST_LETTERS, Section
from rzen.data.bench.documents.manuals import Manual, Sheet
from rzen.data.bench.documents.pool import DocumentPool, pools
from rzen.data.bench.language.concepts import SPLITS, Split

_SEEDS = count(1000)


def section(
    title: str, first: int, last: int, *, opens_page: bool = True, rank: int = 1
) -> Section:
    return Section(
        manual="R-x",
        title=title,
        rank=rank,
        first=first,
        last=last,
        own_last=last,
        own_letters=500,
        opens_page=opens_page,
    )


def manual(sections: Sequence[Section], texts: dict[int, str]) -> Manual:
    return Manual(
        name="R-x",
        file=Path("never opened"),
        sheets={
            number: Sheet(id=f"R-x-{number}", number=number, text=text, hidden=())
            for number, text in texts.items()
        },
        sections=tuple(sections),
        terms=(),
    )


def fresh_text() -> str:
    return " ".join(prose(next(_SEEDS), 400))


def pages(numbers: Sequence[int]) -> dict[int, str]:
    return {number: fresh_text() for number in numbers}


def of(split: Split, number: int = 0) -> str:
    found = titles(split)
    return [next(found) for _ in range(number + 1)][-1]


def made(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *manuals: Manual
) -> dict[Split, tuple[DocumentPool, DocumentPool]]:
    monkeypatch.setattr(document_pool, "read_manuals", lambda _: manuals)
    return {split: pools(folder, split) for split in SPLITS}


def numbers(pool: DocumentPool) -> list[int]:
    return [sheet.number for sheet in pool.pages.values()]


def test_every_page_is_in_one_split(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards against a page, or a section, that is trained on and measured with."""
    sections = [
        section(of("test"), 1, 2),
        section(of("test", 1), 2, 3, opens_page=False),
        section(of("train"), 4, 5),
        section(of("train", 1), 5, 5, opens_page=False),
        section(of("validation"), 6, 6),
    ]
    found = made(monkeypatch, tmp_path, manual(sections, pages(range(1, 7))))
    plain = {split: numbers(pool) for split, (pool, _) in found.items()}
    assert plain == {"test": [1, 2, 3], "train": [4, 5], "validation": [6]}
    for split, (pool, _) in found.items():
        assert {pool.splits[name] for name in pool.pages} == {split}
        for each in pool.sections:
            assert pool.among("R-x", each.first, each.last) == [
                f"R-x-{number}" for number in range(each.first, each.last + 1)
            ]


def test_long_stretches_are_cut_where_sections_meet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards against the page on which sections of two splits stand."""
    sections = [
        section(of("test"), 1, 3),
        section(of("test", 1), 3, 9, opens_page=False),  # too early to cut
        section(of("train"), 9, 12, opens_page=False),
    ]
    found = made(monkeypatch, tmp_path, manual(sections, pages(range(1, 13))))
    assert numbers(found["test"][0]) == [*range(1, 9)]
    assert numbers(found["train"][0]) == [10, 11, 12]
    assert "R-x-9" not in found["test"][0].splits
    assert [each.title for each in found["train"][0].sections] == []


def test_subsections_are_dealt_out_with_their_sections(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards against a section of which a part is in another split."""
    sections = [section(of("test"), 1, 2), section(of("train"), 2, 2, rank=2)]
    found = made(monkeypatch, tmp_path, manual(sections, pages([1, 2])))
    assert numbers(found["test"][0]) == [1, 2]
    assert not found["train"][0].pages


@pytest.mark.parametrize("first", ["train", "test"])
def test_of_pages_that_are_alike_the_test_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, first: Split
) -> None:
    """Guards against the same page in training under another number."""
    second: Split = "test" if first == "train" else "train"
    same = fresh_text()
    texts = {1: same, 2: fresh_text(), 3: f"{same} and one more", 4: fresh_text()}
    sections = [section(of(first), 1, 2), section(of(second), 3, 4)]
    found = made(monkeypatch, tmp_path, manual(sections, texts))
    kept = {split: numbers(pool) for split, (pool, _) in found.items()}
    assert kept["test"] == ([1, 2] if first == "test" else [3, 4])
    assert kept["train"] == ([2] if first == "train" else [4])
    assert found["train"][0].left_out == {"pages like one of another split": 1}
    assert not found["test"][0].left_out


def test_of_pages_that_are_alike_one_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards against two pages that answer alike, of which one counts as wrong."""
    same = fresh_text()
    texts = {1: same, 2: f"{same} and one more", 3: f"{same} and yet more", 4: fresh_text()}
    found = made(monkeypatch, tmp_path, manual([section(of("test"), 1, 4)], texts))
    assert numbers(found["test"][0]) == [1, 4]
    assert found["test"][0].left_out == {"pages like another of the split": 2}


def test_pages_without_text_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards against empty pages, which are all alike and answer everything."""
    texts = {1: "x" * LEAST_LETTERS, 2: "y" * (LEAST_LETTERS - 1)}
    found = made(monkeypatch, tmp_path, manual([section(of("test"), 1, 2)], texts))
    assert numbers(found["test"][0]) == [1]
    assert found["test"][0].left_out == {"pages with hardly any text": 1}


def test_scans_are_made_of_pages_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards against a scan whose page is also there with its text."""
    sections = [section(of("test", at), at + 1, at + 1) for at in range(6)]
    monkeypatch.setattr(document_pool, "_POOL_PAGES", {"train": 9, "validation": 9, "test": 4})
    found = made(monkeypatch, tmp_path, manual(sections, pages(range(1, 7))))
    plain, scans = map(numbers, found["test"])
    assert len(plain) == 4
    assert sorted(plain + scans) == [*range(1, 7)]


def test_what_stands_on_pages_of_two_splits_belongs_to_the_test(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards against an index term that is trained with and asked in the test."""
    sections = [
        section(of("train"), 1, 1),
        section(of("validation"), 2, 2),
        section(of("test"), 3, 3),
    ]
    pool, _ = made(monkeypatch, tmp_path, manual(sections, pages([1, 2, 3])))["train"]

    def claimed(*places: int) -> set[Split]:
        return {split for split in SPLITS if pool.claims("R-x", places, split)}

    assert claimed(1, 2, 3) == claimed(3) == {"test"}
    assert claimed(1, 2) == {"validation"}
    assert claimed(1) == {"train"}
    assert claimed(7) == set()


def test_titles_of_all_splits_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards against a question of the test that was trained with another answer."""
    title = of("test")
    sections = [
        section(title, 1, 1),
        section(of("train"), 2, 2),
        section(title.upper(), 2, 2, rank=2),
    ]
    found = made(monkeypatch, tmp_path, manual(sections, pages([1, 2])))
    pool, _ = found["test"]
    assert [each.title for each in pool.sections] == [title]
    assert pool.titles[title.lower()] == 2


def test_phrases_are_found_as_whole_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards against "able to" that is said by "table tools"."""
    texts = {1: f"{fresh_text()} Table-tools, all", 2: f"{fresh_text()} able (TO)\nread"}
    pool, _ = made(monkeypatch, tmp_path, manual([section(of("test"), 1, 2)], texts))["test"]
    assert pool.saying("able to") == {"R-x-2"}
    assert pool.saying("Table tools") == {"R-x-1"}


def test_gaps_between_pages_end_a_stretch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards against pages behind an index that follow the section before it."""
    whole = manual([section(of("test"), 1, 2)], pages([1, 2, 5]))
    found = made(monkeypatch, tmp_path, whole)
    assert numbers(found["test"][0])[:2] == [1, 2]
    stretches = list(document_pool._all_stretches([whole]))
    assert [each.numbers for each in stretches] == [(1, 2), (5,)]
