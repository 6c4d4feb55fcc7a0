from pathlib import Path

import numpy as np
import pytest

from manual_files import Leaf, Row, down, heading, prose, write_manual
from rzen.data.bench.documents.manuals import (
    Manual,
    Sheet,
    _prepared,
    draw,
    read_manual,
    read_manuals,
)
from rzen.data.bench.documents.printed_index import IndexTerm


@pytest.fixture(scope="module")
def manuals(manuals_package: Path) -> dict[str, Manual]:
    return {manual.name: manual for manual in read_manuals(manuals_package)}


@pytest.fixture(scope="module")
def bare(bare_package: Path) -> dict[str, Manual]:
    return {manual.name: manual for manual in read_manuals(bare_package)}


def shown(of: Manual, numbers: list[int]) -> dict[int, bytes]:
    return {sheet.number: grey_HW.tobytes() for sheet, grey_HW in draw(of, numbers)}


@pytest.mark.parametrize("name", ["R-one", "refman"])
def test_no_text_gives_a_page_away(
    manuals: dict[str, Manual], bare: dict[str, Manual], name: str
) -> None:
    """Guards against headings, running heads, numbers and repeated titles in the text of a page."""
    for number, sheet in manuals[name].sheets.items():
        assert sheet.text == bare[name].sheets[number].text
        assert len(sheet.text) > 200


@pytest.mark.parametrize("name", ["R-one", "refman"])
def test_no_pixel_gives_a_page_away(
    manuals: dict[str, Manual], bare: dict[str, Manual], name: str
) -> None:
    """Guards against the same in its picture, and against white paint over the rest."""
    numbers = list(manuals[name].sheets)
    pages = shown(manuals[name], numbers)
    assert pages == shown(bare[name], numbers)
    assert len(set(pages.values())) == len(numbers)


def test_titles_are_hidden_where_they_are_repeated(manuals: dict[str, Manual]) -> None:
    """Guards against a title in the running text of its own section, or in a reference to it."""
    manual = manuals["R-one"]
    asked = [each for each in manual.sections if each.last - each.first < 4]
    assert len(asked) == 12
    for section in asked:
        for number in range(section.first, section.last + 1):
            words = " ".join(manual.sheets[number].text.lower().split())
            assert section.title.lower() not in words
    assert "Writing elsewhere" not in manual.sheets[6].text
    assert "see Section 9.9 [ ], page 99." in manual.sheets[6].text


def test_title_pages_contents_and_indexes_are_no_pages(manuals: dict[str, Manual]) -> None:
    """Guards against a table of contents that answers every question."""
    assert [*manuals["R-one"].sheets] == [*range(3, 18)]
    assert [*manuals["refman"].sheets] == [2, 3]
    titles = {section.title for section in manuals["R-one"].sections}
    assert not titles & {"Table of Contents", "Concept index", "R One for everyone"}
    assert all(each.first in range(3, 18) for each in manuals["R-one"].sections)


def test_pages_are_those_of_the_file(manuals: dict[str, Manual]) -> None:
    """Guards against printed numbers, or places from 0, for pages of the file."""
    manual = manuals["R-one"]
    assert all(sheet.number == number for number, sheet in manual.sheets.items())
    assert manual.sheets[3].id == "R-one-3"
    assert "a moving average of all" in manual.sheets[3].text
    assert [each for each in manual.terms if "average" in each.words or "Hooks" in each.words] == [
        IndexTerm(words="loadHooks", is_name=True, pages=(5,)),
        IndexTerm(words="moving average", is_name=False, pages=(3,)),
    ]
    assert "the loadHooks of it" in manual.sheets[5].text


def test_topics_come_from_the_outline(manuals: dict[str, Manual]) -> None:
    """Guards against topics with their names, with half a title, or with the text below."""
    topics = [each for each in manuals["refman"].sections if each.rank == 1]
    assert [(each.title, each.first, each.last) for each in topics] == [
        ("Approximate String Matching", 2, 2),
        ("Test if Two Objects are Nearly Equal", 2, 3),
    ]


def test_concepts_come_from_the_index_of_the_reference_manual(manuals: dict[str, Manual]) -> None:
    """Guards against topics of the index of functions, whose pages are no concept's."""
    assert manuals["refman"].terms == (IndexTerm(words="axis range", is_name=False, pages=(2, 3)),)


def test_the_reference_manual_is_read_once(manuals: dict[str, Manual]) -> None:
    """Guards against every page twice: the package has the file under two names."""
    assert manuals.keys() == {"R-one", "refman"}


def test_a_manual_without_labels_counts_its_pages(tmp_path: Path) -> None:
    """Guards against a manual that is all front matter because its pages have no labels."""
    rows = down(heading("1 Sparse tables", 17), prose(5))
    file = write_manual(tmp_path / "R-two.pdf", [Leaf(label="", rows=rows)])
    assert [*read_manual(file).sheets] == [1]


def test_a_heading_is_hidden_where_no_section_of_its_own_is_asked(tmp_path: Path) -> None:
    """Guards against headings that stay because their sections are long or have short titles."""
    leaves = [
        Leaf(label=str(number), rows=down(heading(title, 14), prose(number)))
        for number, title in enumerate(("Connections", "2.1.1 Sockets in general", "Xyz"), start=1)
    ]
    sheets = read_manual(write_manual(tmp_path / "R-two.pdf", leaves)).sheets
    assert [sheet.text for sheet in sheets.values()] == [
        "\n".join(prose(number)) for number in (1, 2, 3)
    ]


def test_a_title_of_one_hyphenated_word_is_hidden_where_it_is_repeated(tmp_path: Path) -> None:
    """Guards against titles that can be asked for, and stay readable for want of a blank."""
    said = ["The ways of Zero finding are many and", *prose(3)]
    leaf = Leaf(label="1", rows=down(heading("1 Zero-finding", 17), said))
    (sheet,) = read_manual(write_manual(tmp_path / "R-two.pdf", [leaf])).sheets.values()
    assert "ways of" in sheet.text
    assert "zero" not in sheet.text.lower()


def test_pages_are_drawn_in_the_order_asked(manuals: dict[str, Manual]) -> None:
    """Guards against pictures under the ids of other pages."""
    manual = manuals["R-one"]
    forth, back = shown(manual, [3, 9]), shown(manual, [9, 3])
    assert [*back] == [9, 3]
    assert forth == back
    assert forth[3] != forth[9]


def test_hidden_boxes_are_painted_from_below() -> None:
    """Guards against a box mirrored top to bottom, and one that leaves its last row."""
    grey_HW = np.zeros((200, 100), np.uint8)
    seen = _prepared(grey_HW.copy(), [(0, 100.8, 72, 108)])  # 140 to 150 pixels from below
    whole = np.zeros((200, 100), np.uint8)
    whole[49:62] = 255
    assert (seen == whole[10:186, 10:90]).all()


def test_pictures_have_few_greys(manuals: dict[str, Manual]) -> None:
    """Guards against pictures of twice the size."""
    sheet, grey_HW = next(draw(manuals["R-one"], [3]))
    assert isinstance(sheet, Sheet)
    assert len(np.unique(grey_HW)) <= 16
    assert {int(np.unique(grey_HW)[-1])} == {255}


def test_a_page_with_nothing_to_hide_stays_as_it_is(tmp_path: Path) -> None:
    """Guards against text that is lost beside what is hidden."""
    words = "read a table of linear models, or of models"
    file = write_manual(tmp_path / "R-two.pdf", [Leaf(label="1", rows=[Row(text=words)])])
    (sheet,) = read_manual(file).sheets.values()
    assert (sheet.text, sheet.hidden) == (words, ())
