"""Filters: patterns, dates and metadata."""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.errors import UsageError
from rzen.index.catalog import Catalog
from rzen.index.filters import Filters, Range, path_matches, path_pattern, taken_seconds
from rzen.index.rows import metadata_text
from rzen.types import MODALITIES, Record, Span

Make = Callable[..., Record]

PRINTABLE = st.characters(exclude_characters='"\\').filter(str.isprintable)


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.pdf", "/home/me/a.PDF", True),
        ("*.pdf", "/home/me/a.pdf.txt", False),
        ("*.pdf", "/home/me/papers.pdf/x.txt", True),  # a folder of that name
        ("photos", "/home/photos/2024/a.jpg", True),
        ("photos", "/home/my photos/a.jpg", False),
        ("photos/**", "/home/photos/2024/a.jpg", True),
        ("photos/*/a.jpg", "/home/photos/2024/a.jpg", True),
        ("photos/*/a.jpg", "/home/photos/2024/may/a.jpg", False),
        ("photos/**/a.jpg", "/home/photos/a.jpg", True),
        ("/home/photos", "/home/photos/a.jpg", True),
        ("/photos", "/home/photos/a.jpg", False),
        ("/home/photos/", "/home/photos/a.jpg", True),
        ("IMG_[0-4]?.jpg", "/x/IMG_33.jpg", True),
        ("IMG_[!0-4]?.jpg", "/x/IMG_33.jpg", False),
        ("a[b", "/x/a[b", True),
        ("a.b", "/x/aXb", False),
        ("[z-a]", "/x/[z-a]", True),
        ("[]", "/x/[]", True),
        ("*", "/x/new\nline", True),
    ],
)
def test_what_a_pattern_means(glob: str, path: str, matches: bool) -> None:
    """Guards against changing what users' patterns mean."""
    assert path_matches(os.fsencode(path), glob) is matches


def test_a_tilde_is_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against ~ taken for a name where no shell has expanded it."""
    monkeypatch.setenv("HOME", "/home/me")
    assert path_matches(b"/home/me/a.txt", "~/*.txt")
    assert not path_matches(b"/root/a.txt", "~/*.txt")


@given(st.text(min_size=1))
def test_any_pattern_is_a_pattern_or_a_usage_error(glob: str) -> None:
    """Guards against a regular-expression error for a pattern with odd brackets."""
    try:
        path_pattern(glob).match("/some/path")
    except UsageError:
        assert not glob.strip().strip("/")


@given(st.text(alphabet="ab/.[]*?-!\\", min_size=1).filter(lambda text: text.strip("/")))
def test_a_name_in_brackets_means_itself(name: str) -> None:
    """Guards against names whose characters cannot be quoted."""
    quoted = "".join(f"[{c}]" if c in "*?[" else c for c in name)
    assert path_matches(os.fsencode("/" + name.strip("/")), quoted.strip("/")) or "]" in name


def test_filters_by_everything(catalog: Catalog, make: Make) -> None:
    """Guards against a filter that lets through what it names, or anything else."""
    day = 86400 * 10**9
    photo = {"width": 4000, "camera": "X100", "taken": 86400.0 * 30, "flash": True}
    catalog.put("/p/a.jpg", 1, 5 * day, "c1", [make("c1", modality="image", metadata=photo)])
    catalog.put("/p/b.mp4", 1, 10 * day, "c2", [make("c2", modality="video")])
    pages = [make("c3", Span(page=n), modality="page", metadata={"width": 10}) for n in (1, 2)]
    catalog.put("/d/c.pdf", 1, 20 * day, "c3", pages)
    rows = catalog.columns().rowid_N

    def allowed(filters: Filters) -> list[int]:
        return [int(each) for each in catalog.allowed(filters, rows)]

    assert allowed(Filters()) == [1, 1, 1, 1]
    assert allowed(Filters(modalities=frozenset({"image", "page"}))) == [1, 0, 1, 1]
    assert allowed(Filters(modalities=frozenset())) == [0, 0, 0, 0]
    assert allowed(Filters(glob="p/*")) == [1, 1, 0, 0]
    # When it was taken counts, not when its file was written.
    assert allowed(Filters(after=86400.0 * 10)) == [1, 1, 1, 1]
    assert allowed(Filters(after=86400.0 * 20)) == [1, 0, 1, 1]
    assert allowed(Filters(before=86400.0 * 10)) == [0, 0, 0, 0]
    assert allowed(Filters(before=86400.0 * 15)) == [0, 1, 0, 0]
    assert allowed(Filters(metadata={"width": Range(5, 4000)})) == [1, 0, 1, 1]
    assert allowed(Filters(metadata={"width": Range(11)})) == [1, 0, 0, 0]
    assert allowed(Filters(metadata={"camera": "X100"})) == [1, 0, 0, 0]
    assert allowed(Filters(metadata={"camera": Range("X", "Y")})) == [1, 0, 0, 0]
    assert allowed(Filters(metadata={"camera": Range(0, 10)})) == [0, 0, 0, 0]
    assert allowed(Filters(metadata={"width": Range("0", "z")})) == [0, 0, 0, 0]
    assert allowed(Filters(metadata={"camera": None})) == [0, 1, 1, 1]
    assert allowed(Filters(metadata={"flash": True})) == [1, 0, 0, 0]
    assert allowed(Filters(metadata={"width": 10}, glob="*.jpg")) == [0, 0, 0, 0]
    assert allowed(Filters(metadata={"width": "4000"})) == [1, 0, 0, 0]
    assert allowed(Filters(metadata={"width": "04000"})) == [0, 0, 0, 0]
    assert catalog.search_text("a b c", 9, Filters(modalities=frozenset({"page"}))) != []
    assert catalog.search_text("a b c", 9, Filters(glob="*.txt")) == []


def test_one_file_must_fit_pattern_and_dates(catalog: Catalog, make: Make) -> None:
    """Guards against a hit whose one copy has the name and whose other copy has the date."""
    catalog.put("/old/a.txt", 1, 10**9, "c", [make("c")])
    catalog.link("/new/a.txt", 1, 99 * 10**9, "c")
    rows = catalog.columns().rowid_N
    assert not catalog.allowed(Filters(glob="old/*", after=50.0), rows).any()
    assert catalog.allowed(Filters(glob="new/*", after=50.0), rows).all()


@pytest.mark.parametrize(
    "filters",
    [
        Filters(glob=" "),
        Filters(glob="/"),
        Filters(metadata={'a"b': 1}),
        Filters(metadata={"n": 2**70}),
    ],
)
def test_filters_that_make_no_sense(catalog: Catalog, filters: Filters) -> None:
    """Guards against an SQL error where the user mistyped."""
    with pytest.raises(UsageError):
        catalog.allowed(filters, catalog.columns().rowid_N)


@given(
    name=st.text(PRINTABLE, min_size=1, max_size=5),
    value=st.one_of(st.text(PRINTABLE, max_size=5), st.integers(-9, 9), st.booleans(), st.none()),
)
def test_any_metadata_can_be_asked_for(name: str, value: str | int | None) -> None:
    """Guards against metadata names that mean something to JSON paths or to SQL."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE records (metadata TEXT)")
    connection.execute("INSERT INTO records VALUES (?)", [metadata_text({name: value})])
    condition, values = Filters(metadata={name: value}).condition()
    query = f"SELECT count(*) FROM records AS r WHERE {condition}"  # noqa: S608
    assert connection.execute(query, values).fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize(
    ("stored", "asked", "found"),
    [
        ("1984", 1984, True),
        (1984, "1984", True),
        (0.5, "0.5", True),
        ("0.5", 0.5, True),
        ("01984", 1984, False),
        (1984, "01984", False),
        (1984, "1984 ", False),
        ("nan", "nan", True),
        (None, "nan", False),
        ("9" * 30, "9" * 30, True),
        (True, "True", False),
        ("1984", Range(1900, 2000), False),
        (1984, Range("1", "2"), False),
    ],
    ids=repr,
)
def test_numbers_and_texts_that_are_written_alike(
    catalog: Catalog, make: Make, stored: object, asked: str | float | Range, found: bool
) -> None:
    """Guards against a book called 1984 that ``title=1984`` misses, and ranges over texts."""
    catalog.put("/a", 1, 1, "c", [make("c", metadata={"n": stored})])
    rows = catalog.columns().rowid_N
    assert catalog.allowed(Filters(metadata={"n": asked}), rows).tolist() == [found]


def test_a_time_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against an index whose dates depend on the machine that made it."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert taken_seconds({"taken": "1970:01:01 00:00:05"}) == 5.0
        assert taken_seconds({"taken": "1970-01-02"}) == 86400.0
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("taken", "seconds"),
    [
        (12, 12.0),
        ("1970-01-01T00:00:05Z", 5.0),
        ("1970:01:01 00:00:05+00:00", 5.0),
        ("yesterday", None),
        ("9999-99-99", None),
        (True, None),
        (None, None),
    ],
)
def test_when_it_was_taken(taken: str | int | None, seconds: float | None) -> None:
    """Guards against EXIF's own way to write dates, and against nonsense in its place."""
    assert taken_seconds({"taken": taken}) == seconds


def test_is_open() -> None:
    """Guards against filtering where nothing is to be filtered."""
    assert Filters().is_open
    assert not Filters(glob=str(Path("x"))).is_open
    assert not Filters(modalities=frozenset(MODALITIES[:1])).is_open
