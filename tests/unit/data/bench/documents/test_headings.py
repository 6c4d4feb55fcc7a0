from rzen.data.bench.documents.headings import (
    LEAST_LETTERS,
    Heading,
    Section,
    large_headings,
    sections,
)
from rzen.data.bench.documents.pdf_lines import Line, PageLines

BODY, SMALL, MIDDLE, LARGE = 10.0, 13.0, 14.3, 17.2


def page(*lines: tuple[str, float], furniture: int = 0, step: float = 14.0) -> PageLines:
    """Lines one below the other; the first ones may be furniture."""
    found = []
    start = 0
    for number, (text, size) in enumerate(lines):
        bottom = 700 - step * number
        found.append(Line(text=text, start=start, box=(90, bottom, 500, bottom + 8), size=size))
        start += len(text) + 2
    return PageLines(
        letters="\r\n".join(text for text, _ in lines),
        lines=tuple(found),
        furniture=frozenset(range(furniture)),
    )


def body(letters: int) -> tuple[str, float]:
    return "x" * letters, BODY


def read(*pages: PageLines) -> list[Section]:
    numbered = dict(enumerate(pages, start=1))
    return sections("R-x", large_headings(numbered), numbered)


def found(one: PageLines) -> list[Heading]:
    return large_headings({1: one})


def test_ranks_follow_numbers_and_sizes() -> None:
    """Guards against a chapter that ends at its first section, and a section that never ends."""
    lines = [
        ("2 Reading files", LARGE),
        ("2.1 From tables", MIDDLE),
        ("2.1.1 Quotes", SMALL),
        ("A.1 Of old", MIDDLE),
        ("Appendix B Names", LARGE),
        ("Unnumbered", MIDDLE),
        ("Details", SMALL),
    ]
    headings = found(page(*lines, step=40))
    assert [(each.title, each.rank) for each in headings] == [
        ("Reading files", 0),
        ("From tables", 1),
        ("Quotes", 2),
        ("Of old", 1),
        ("Names", 0),
        ("Unnumbered", 1),
        ("Details", 3),
    ]


def test_a_heading_of_two_lines_is_one() -> None:
    """Guards against half a title as a question, and the other half left on the page."""
    one = page(("2.1 Reading files from", MIDDLE), ("other systems", MIDDLE), body(30))
    (heading,) = found(one)
    assert heading.title == "Reading files from other systems"
    assert heading.lines == (0, 2)


def test_two_headings_that_follow_one_another_are_two() -> None:
    """Guards against "Reading files From tables", which nobody would ask."""
    sizes = page(("2 Reading files", LARGE), ("From tables", MIDDLE))
    numbers = page(("2.1 Reading files", MIDDLE), ("2.2 From tables", MIDDLE))
    apart = page(("Reading files", MIDDLE), ("From tables", MIDDLE), step=30)
    for one in (sizes, numbers, apart):
        assert [each.title for each in found(one)] == ["Reading files", "From tables"]


def test_running_heads_and_text_are_no_headings() -> None:
    """Guards against a question for every page of a chapter: its running head."""
    one = page(("2: Reading files 12", MIDDLE), ("Tables", MIDDLE), body(50), furniture=1)
    assert [each.title for each in found(one)] == ["Tables"]


def test_a_section_ends_where_the_next_of_its_rank_begins() -> None:
    """Guards against grades for pages of the next section."""
    pages = (
        page(("1 Files", LARGE), body(300), ("1.1 Tables", MIDDLE), body(300)),
        page(body(500), ("1.1.1 Quotes", SMALL), body(300)),
        page(body(400), ("1.2 Links", MIDDLE), body(300)),
        page(("2 Graphs", LARGE), body(300)),
    )
    spans = {each.title: (each.first, each.last, each.own_last) for each in read(*pages)}
    assert spans == {
        "Files": (1, 3, 1),
        "Tables": (1, 3, 2),
        "Quotes": (2, 3, 3),
        "Links": (3, 3, 3),
        "Graphs": (4, 4, 4),
    }


def test_a_page_with_a_few_lines_of_a_section_is_none_of_it() -> None:
    """Guards against a page that answers with its last two lines; furniture does not count."""
    for letters, last in ((LEAST_LETTERS - 1, 1), (LEAST_LETTERS, 2)):
        second = page(
            ("a running head " * 9, BODY), body(letters), ("2 Graphs", LARGE), furniture=1
        )
        section, _ = read(page(("1 Files", LARGE), body(300)), second)
        assert section.last == section.own_last == last


def test_letters_on_the_first_page_are_counted_to_the_next_heading() -> None:
    """Guards against a heading at the foot of a page, whose text is on the next."""
    one = page(("1 Files", LARGE), body(120), ("1.1 Tables", MIDDLE), body(70))
    two = page(body(500))
    assert [each.own_letters for each in read(one, two)] == [120, 70]


def test_a_section_opens_a_page_only_if_nothing_else_stands_above_it() -> None:
    """Guards against stretches that share a page, of which one is in the test."""
    opening = page(("Files 7", BODY), ("1 Files", LARGE), body(300), furniture=1)
    below = page(("Files 7", BODY), body(20), ("1 Files", LARGE), body(300), furniture=1)
    assert [each.opens_page for each in read(opening, below)] == [True, False]


def test_the_last_section_goes_on_to_the_end() -> None:
    """Guards against a manual whose last pages belong to nothing."""
    pages = page(("1 Files", LARGE), body(300)), page(body(300)), page(body(300))
    (section,) = read(*pages)
    assert (section.first, section.last) == (1, 3)
