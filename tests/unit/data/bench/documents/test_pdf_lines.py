from pathlib import Path

import pytest

from manual_files import FOOT, HEAD, HEIGHT, TOP, Leaf, Row, write_manual
from rzen.data.bench.documents.pdf_lines import (
    PageLines,
    boxes_of,
    opened_pdf,
    phrase_pattern,
    read_lines,
    readable,
    text_layer,
)


def page_of(file: Path, *rows: Row) -> PageLines:
    write_manual(file, [Leaf(label="1", rows=rows)])
    with opened_pdf(file) as document, text_layer(document, 0) as textpage:
        return read_lines(textpage, HEIGHT)


def test_running_heads_and_page_numbers_are_furniture(tmp_path: Path) -> None:
    """Guards against a running head in the text: it names the section that is asked for."""
    rows = (
        Row(text="Chapter 2: Reading files 12", y=HEAD),
        Row(text="Reading files takes time."),
        Row(text="Footnotes belong to the text", y=FOOT + 10),
        Row(text="12", x=150.0, y=FOOT),
    )
    page = page_of(tmp_path / "m.pdf", *rows)
    furniture = {page.lines[number].words for number in page.furniture}
    assert furniture == {"Chapter 2: Reading files 12", "12"}


@pytest.mark.parametrize(
    ("text", "y", "gone"),
    [
        ("xiv", FOOT, True),
        ("7", FOOT, True),
        ("7 tables", FOOT, False),
        ("7", TOP, False),
        ("Anything at all", HEAD, True),
    ],
)
def test_furniture_is_known_by_its_place(tmp_path: Path, text: str, y: float, gone: bool) -> None:
    """Guards against a number within the text that is taken for a page's, and the other way."""
    page = page_of(tmp_path / "m.pdf", Row(text=text, y=y))
    assert [number in page.furniture for number in range(len(page.lines))] == [gone]


def test_lines_know_place_and_size(tmp_path: Path) -> None:
    """Guards against boxes that count from the top, and sizes of another line."""
    page = page_of(
        tmp_path / "m.pdf",
        Row(text="A large heading", size=17, y=TOP),
        Row(text="a small line", size=9, x=60.0, y=TOP - 30),
    )
    large, small = page.lines
    assert (large.size, small.size) == (17, 9)
    assert large.box[1] == pytest.approx(TOP, abs=5)
    assert small.box[0] == pytest.approx(60, abs=2)
    assert small.box[1] == pytest.approx(TOP - 30, abs=3)
    assert page.letters[small.start :].startswith("a small line")


def test_a_word_across_a_hyphen_is_one(tmp_path: Path) -> None:
    """Guards against "defi nitions", which no search finds and no title matches."""
    page = page_of(
        tmp_path / "m.pdf", Row(text="it holds the defi-"), Row(text="nitions of it", y=TOP - 11)
    )
    assert [line.words for line in page.lines] == ["it holds the definitions of it"]
    assert phrase_pattern("definitions of it").search(page.letters)


def test_lines_without_letters_are_left_out(tmp_path: Path) -> None:
    """Guards against a page of blanks that counts as text, or that has no box and breaks off."""
    assert page_of(tmp_path / "m.pdf", Row(text="   ")).lines == ()
    assert page_of(tmp_path / "n.pdf") == PageLines(letters="", lines=(), furniture=frozenset())


def test_each_line_of_a_phrase_has_a_box(tmp_path: Path) -> None:
    """Guards against one box around both lines, which would wipe out the text beside them."""
    file = tmp_path / "m.pdf"
    page = page_of(
        file, Row(text="they are called Load", x=150.0), Row(text="hooks here", y=TOP - 11)
    )
    found = phrase_pattern("load hooks").search(page.letters)
    assert found
    with opened_pdf(file) as document, text_layer(document, 0) as textpage:
        boxes = boxes_of(textpage, found.start(), found.end() - found.start())
        assert boxes_of(textpage, found.start(), 0) == ()
    upper, lower = boxes
    assert upper[0] > 200
    assert lower[2] < 80
    assert upper[1] > lower[3] - 2


@pytest.mark.parametrize(
    ("phrase", "letters", "found"),
    [
        ("Load hooks", "about LOAD\r\nHOOKS.", True),
        ("Load hooks", "lo\x02ad hooks", True),
        ("Load hooks", "loadhooks", False),
        ("Load hooks", "load hookshop", False),
        ("Load hooks", "unload hooks", False),
        ("The (...) argument", "see the (...) argument", True),
        ("The array() function", "by the array\r\nfunction", True),
        ("Dot-dot-dot", "see dot dot dot", True),
        ("a.b c", "axb c", False),
        ("(...)", "see (...) here", False),
    ],
)
def test_phrases_are_found_whatever_their_punctuation(
    phrase: str, letters: str, found: bool
) -> None:
    """Guards against titles that stay readable, and words that are hidden for nothing."""
    assert bool(phrase_pattern(phrase).search(letters)) == found


def test_readable_text_has_no_control_characters() -> None:
    """Guards against bytes in the texts that an encoder has never seen."""
    assert readable("a\x01b\tc\ufffe\r\nd  e") == "a b cd e"
