"""Damage is found, named, and no reason to fail."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rzen.index.catalog import Catalog
from rzen.types import Record, Span

Make = Callable[..., Record]


def _filled(catalog: Catalog, make: Make) -> None:
    for number in range(3):
        content = f"c{number}"
        records = [
            make(content, Span(page=page), text=f"text {page}", preview=b"jpeg") for page in (1, 2)
        ]
        catalog.put(f"/{number}.pdf", 1, 1, content, records)


def test_a_sound_index_has_no_damage(catalog: Catalog, make: Make, folder: Path) -> None:
    """Guards against alarms that teach people to ignore them."""
    assert catalog.verify() == []
    _filled(catalog, make)
    catalog.fail("/broken", 1, 1, "no")
    assert catalog.verify() == []
    with Catalog.open(folder) as reader:
        assert reader.verify() == []


_NAN = np.full(8, np.nan, "<f4").tobytes()


@pytest.mark.parametrize(
    ("sql", "values", "reason"),
    [
        ("UPDATE vectors SET data = zeroblob(32) WHERE record = 3", [], "its vector has changed"),
        ("UPDATE vectors SET data = x'00' WHERE record = 3", [], "its vector has changed"),
        ("UPDATE records SET text = 'tixt' WHERE id = 3", [], "its text, metadata or preview"),
        ("UPDATE records SET metadata = '{}x' WHERE id = 3", [], "its text, metadata or preview"),
        ("UPDATE previews SET jpeg = x'00' WHERE record = 3", [], "its text, metadata or preview"),
        ("DELETE FROM previews WHERE record = 3", [], "its text, metadata or preview"),
        (
            "UPDATE vectors SET data = ?, checksum = ? WHERE record = 3",
            [_NAN, zlib.crc32(_NAN)],
            "not finite",
        ),
    ],
)
def test_damage_in_a_row_names_its_file(
    catalog: Catalog, make: Make, sql: str, values: list[object], reason: str
) -> None:
    """Guards against bit-rot that is shown to users as a hit."""
    _filled(catalog, make)
    catalog._connection.execute(sql, values)
    (damage,) = catalog.verify()
    assert damage.uri == "/1.pdf"
    assert reason in damage.reason


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DELETE FROM contents WHERE id = 2", "a record without a content"),
        ("DELETE FROM records WHERE id = 3", "a vector without a record"),
        ("DELETE FROM files WHERE content = 2", "a content without a file"),
        ("DELETE FROM passages WHERE rowid = 3", "a record that no words find"),
        ("INSERT INTO passages (rowid, text) VALUES (99, 'x')", "words without a record"),
        ("DELETE FROM passages_content WHERE id = 3", "full-text table"),
    ],
)
def test_rows_that_belong_to_nothing(catalog: Catalog, make: Make, sql: str, reason: str) -> None:
    """Guards against tables that do not fit each other."""
    _filled(catalog, make)
    catalog._connection.execute("PRAGMA foreign_keys = OFF")
    catalog._connection.execute(sql)
    assert any(reason in damage.reason for damage in catalog.verify())


def test_a_reader_compares_the_full_text_too(catalog: Catalog, make: Make, folder: Path) -> None:
    """Guards against `rzen verify`, which opens for reading, passing a table of wrong words."""
    _filled(catalog, make)
    catalog._connection.execute("UPDATE passages_content SET c1 = 'walrus' WHERE id = 3")
    with Catalog.open(folder) as reader:
        (damage,) = reader.verify()
    assert damage.uri == str(folder / "catalog.sqlite")
    assert "full-text table" in damage.reason
    assert "backup" in damage.reason


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE meta SET value = '{' WHERE key = 'fingerprint'",
        "UPDATE meta SET value = '[1]' WHERE key = 'fingerprint'",
        "DELETE FROM meta",
        "DROP TABLE meta",
    ],
)
def test_without_a_fingerprint_the_rest_is_checked(
    catalog: Catalog, make: Make, folder: Path, sql: str
) -> None:
    """Guards against a verification that stops at the first thing that is broken."""
    _filled(catalog, make)
    catalog._connection.execute("UPDATE records SET text = 'tixt' WHERE id = 3")
    catalog._connection.execute(sql)
    whole, row = catalog.verify()
    assert whole.uri == str(folder / "catalog.sqlite")
    assert "index into a new one" in whole.reason
    assert row.uri == "/1.pdf"


def test_values_of_another_type_are_damage(catalog: Catalog, make: Make) -> None:
    """Guards against a type error where bit-rot turned a text into bytes, or a vector into text."""
    _filled(catalog, make)
    for change in (
        "records SET text = x'ff' WHERE id = 1",
        "records SET metadata = x'ff' WHERE id = 3",
        "vectors SET data = 'text' WHERE record = 5",
    ):
        catalog._connection.execute(f"UPDATE {change}")
    assert [damage.uri for damage in catalog.verify()] == ["/0.pdf", "/1.pdf", "/2.pdf"]


def test_torn_pages_never_raise(catalog: Catalog, make: Make, folder: Path) -> None:
    """Guards against a verification that dies of what it looks for."""
    _filled(catalog, make)
    catalog.close()
    file = folder / "catalog.sqlite"
    whole = file.read_bytes()
    found = 0
    for page in range(1, len(whole) // 8192):
        data = bytearray(whole)
        data[page * 8192 : page * 8192 + 600] = b"\xa5" * 600
        file.write_bytes(data)
        with Catalog.open(folder) as reader:
            found += bool(reader.verify())
    assert found >= len(whole) // 8192 - 5
