"""The catalog as those above it use it."""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rzen.errors import CatalogError, UsageError
from rzen.index import transactions
from rzen.index.catalog import Catalog
from rzen.index.filters import Filters
from rzen.types import Fingerprint, Record, Span

Make = Callable[..., Record]

ALL = Filters()


def test_a_record_comes_back_as_it_went_in(catalog: Catalog, make: Make) -> None:
    """Guards against a field that is lost or swapped on its way through the tables."""
    span = Span(page=3, box=(0.1, 0.2, 0.5, 0.75), char_start=7, char_end=90)
    metadata = {"title": "Zürich", "width": 3, "ratio": 0.5, "flash": True, "note": None}
    given = make("c1", span, modality="page", text="a\x00b ☃", metadata=metadata, preview=b"\xff\0")
    clip = make("c1", Span(t_start=1.5, t_end=9.25), modality="video")
    catalog.put("/x/a.pdf", 10, 20, "c1", [given, clip])
    found, second = catalog.records(catalog.find_by_path("/x/a.pdf"), vectors=True)
    for name in ("id", "modality", "span", "text", "metadata", "preview"):
        assert getattr(found, name) == getattr(given, name), name
    assert (second.span, second.preview) == (clip.span, None)
    assert found.vector is not None
    assert given.vector is not None
    np.testing.assert_array_equal(found.vector, given.vector)
    assert found.uri == "/x/a.pdf"
    assert found.paths == ("/x/a.pdf",)


def test_records_leave_out_what_is_not_asked_for(catalog: Catalog, make: Make) -> None:
    """Guards against loading vectors and previews for a list of text hits."""
    catalog.put("/a", 1, 1, "c", [make("c", preview=b"jpeg")])
    (lean,) = catalog.records(catalog.find_by_path("/a"), previews=False)
    assert (lean.vector, lean.preview) == (None, None)


@pytest.mark.parametrize(
    "path",
    ["/new\nline", "/📷 emoji", os.fsdecode(b"/not \xff\xfe text"), "/quote'\"%_[*?]", "/nul-free"],
)
def test_any_path_survives(catalog: Catalog, make: Make, path: str) -> None:
    """Guards against names that SQLite's text type cannot hold."""
    catalog.put(path, 1, 2, "c", [make("c")])
    assert catalog.files()[path].content == "c"
    rowids = catalog.find_by_path(path)
    assert catalog.records(rowids)[0].uri == path
    rows = catalog.columns().rowid_N
    assert catalog.allowed(Filters(glob=path[1:3] + "*"), rows).all()
    assert catalog.remove([path]) == 1


def test_equal_files_share_records_until_the_last_goes(catalog: Catalog, make: Make) -> None:
    """Guards against losing a copy's records with its twin, and against keeping them for nobody."""
    catalog.put("/a.txt", 1, 1, "c", [make("c", text="hello")])
    (rowid,) = catalog.find_by_path("/a.txt")
    catalog.link("/b.txt", 1, 1, "c")
    assert catalog.records([rowid])[0].paths == ("/a.txt", "/b.txt")
    assert catalog.counts().contents == 1
    catalog.remove(["/a.txt"])
    assert catalog.records([rowid])[0].uri == "/b.txt"
    catalog.remove(["/b.txt"])
    assert catalog.records([rowid]) == []
    assert not catalog.has_content("c")
    assert catalog.counts().records == {}
    assert catalog.search_text("hello", 5, ALL) == []
    assert catalog.verify() == []


def test_put_replaces_what_the_path_held(catalog: Catalog, make: Make) -> None:
    """Guards against hits in the old text of a file that has changed."""
    catalog.put("/a", 1, 1, "old", [make("old", text="walrus")])
    catalog.put("/a", 2, 2, "new", [make("new", text="penguin")])
    assert not catalog.has_content("old")
    assert catalog.search_text("walrus", 5, ALL) == []
    assert len(catalog.search_text("penguin", 5, ALL)) == 1
    assert catalog.files()["/a"][1:] == (2, 2, "new", "", 0)


def test_a_failed_file_is_remembered_and_counted(catalog: Catalog, make: Make) -> None:
    """Guards against a broken file that is tried for ever, or shown with its old content."""
    catalog.put("/a", 1, 1, "c", [make("c")])
    catalog.fail("/a", 2, 2, "truncated \udcff")
    catalog.fail("/a", 2, 2, "truncated")
    row = catalog.files()["/a"]
    assert (row.content, row.reason, row.attempts) == (None, "truncated", 2)
    assert catalog.counts().failed == 1
    assert not catalog.has_content("c")
    catalog.fail("/a", 3, 2, "still")
    assert catalog.files()["/a"].attempts == 1, "another state of the file starts anew"
    catalog.put("/a", 4, 4, "d", [make("d")])
    assert catalog.files()["/a"].reason == ""


def test_a_file_may_be_indexed_in_part(catalog: Catalog, make: Make) -> None:
    """Guards against hiding that some pages of a document could not be read."""
    catalog.put("/a.pdf", 1, 1, "c", [make("c")], reason="page 2 is damaged")
    assert catalog.files()["/a.pdf"].reason == "page 2 is damaged"
    assert catalog.counts().failed == 0


def test_what_a_content_lacks_is_said_of_all_its_paths(catalog: Catalog, make: Make) -> None:
    """Guards against a copy, a new name or a touch that hides it, and a repair that does not."""

    def reasons() -> dict[str, str]:
        return {path: row.reason for path, row in catalog.files().items()}

    catalog.put("/a.pdf", 1, 1, "c", [make("c")], reason="page 2")
    assert catalog.link("/copy.pdf", 1, 1, "c") == "page 2"
    assert catalog.link("/a.pdf", 1, 9, "c") == "page 2"
    catalog.remove(["/a.pdf"])
    catalog.link("/renamed.pdf", 1, 1, "c")
    assert reasons() == {"/copy.pdf": "page 2", "/renamed.pdf": "page 2"}
    catalog.link("/copy.pdf", 1, 1, "c", reason="page 3")
    assert reasons() == {"/copy.pdf": "page 3", "/renamed.pdf": "page 3"}
    catalog.put("/copy.pdf", 1, 1, "c", [make("c")])
    assert catalog.link("/renamed.pdf", 1, 2, "c") == ""
    assert reasons() == {"/copy.pdf": "", "/renamed.pdf": ""}


def test_many_equal_files_cost_the_same_each(catalog: Catalog, make: Make) -> None:
    """Guards against writing the full text anew with each of them, ever longer."""
    catalog.put("/0/first.txt", 1, 1, "c", [make("c", text="hello")])
    for number in range(1, 30):
        catalog.link(f"/{number}/early{number}.txt", 1, 1, "c")
    before = catalog._connection.total_changes
    for number in range(30, 60):
        catalog.link(f"/{number}/late{number}.txt", 1, 1, "c")
    # A file and the two values that renew() writes; a new name would change the table of words.
    assert catalog._connection.total_changes - before == 30 * 3
    for query in ("first", "early19", "hello"):
        assert len(catalog.search_text(query, 5, ALL)) == 1
    assert catalog.search_text("late40", 5, ALL) == []
    assert catalog.remove([f"/{number}/early{number}.txt" for number in range(1, 30)]) == 29
    assert len(catalog.search_text("late40", 5, ALL)) == 1, "names move up"
    assert catalog.search_text("early19", 5, ALL) == []
    (record,) = catalog.records(catalog.find_by_path("/59/late59.txt"))
    assert len(record.paths) == 31
    assert catalog.verify() == []


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_numbers_that_sqlite_cannot_hold(catalog: Catalog, make: Make, number: int) -> None:
    """Guards against a bare OverflowError for a file with an absurd date."""
    with pytest.raises(CatalogError, match="so large a number"):
        catalog.put("/a", 1, number, "c", [make("c")])
    with pytest.raises(CatalogError, match="so large a number"):
        catalog.fail("/a", 1, number, "why")
    assert catalog.files() == {}
    catalog.put("/a", 1, 1, "c", [make("c")])


def test_folders_are_taken_as_folders(catalog: Catalog, make: Make) -> None:
    """Guards against /photos meaning /photos2 too."""
    for number, path in enumerate(["/photos/a", "/photos/b/c", "/photos2/a", "/photos"]):
        catalog.put(path, 1, 1, f"c{number}", [make(f"c{number}")])
    assert set(catalog.files(Path("/photos"))) == {"/photos", "/photos/a", "/photos/b/c"}
    assert len(catalog.files(Path("/"))) == 4
    assert catalog.remove(catalog.files(Path("/photos"))) == 3
    assert set(catalog.files()) == {"/photos2/a"}


def test_removing_a_file_spares_the_folder_of_its_name(catalog: Catalog, make: Make) -> None:
    """Guards against new files that go with the file whose place their folder took."""
    catalog.put("/notes", 1, 1, "c1", [make("c1")])
    catalog.put("/notes/new.txt", 1, 1, "c2", [make("c2")])
    assert catalog.remove(["/notes", "/notes/"]) == 1
    assert set(catalog.files()) == {"/notes/new.txt"}
    assert catalog.verify() == []


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (np.full(8, np.nan, np.float32), "not finite"),
        (np.ones(8, np.float32), "length 2.828"),
        (np.ones(1, np.float32), "shape"),
    ],
)
def test_a_bad_vector_is_refused_and_the_old_stays(
    catalog: Catalog, make: Make, vector: np.ndarray, reason: str
) -> None:
    """Guards against one poisoned vector in the matrix of everybody's search."""
    catalog.put("/a", 1, 1, "c", [make("c")])
    bad = Record(id="d", modality="text", vector=vector)
    with pytest.raises(CatalogError, match=reason):
        catalog.put("/a", 2, 2, "d", [make("d", Span(page=1)), bad])
    assert catalog.files()["/a"].content == "c"


def test_a_change_that_fails_in_the_middle_leaves_nothing(catalog: Catalog, make: Make) -> None:
    """Guards against half a file; inside a batch the files before it must stay."""
    twice = [make("d"), make("d")]  # the same span twice breaks a rule of the tables
    with catalog.batch():
        catalog.put("/a", 1, 1, "c", [make("c")])
        with pytest.raises(sqlite3.IntegrityError):
            catalog.put("/b", 1, 1, "d", twice)
        catalog.put("/e", 1, 1, "e", [make("e")])
    assert set(catalog.files()) == {"/a", "/e"}
    assert not catalog.has_content("d")
    assert catalog.verify() == []


def test_records_without_a_vector_are_found_by_words(catalog: Catalog, make: Make) -> None:
    """Guards against columns and vectors of different lengths."""
    worded = Record(id="c:p2", modality="page", span=Span(page=2), text="rhubarb")
    catalog.put("/a.pdf", 1, 1, "c", [make("c", Span(page=1)), worded])
    assert len(catalog.columns().rowid_N) == len(catalog.vectors()) == 1
    assert len(catalog.search_text("rhubarb", 5, ALL)) == 1
    assert catalog.verify() == []


def test_metadata_that_is_no_json_number_becomes_null(catalog: Catalog, make: Make) -> None:
    """Guards against one NaN from an EXIF block that breaks every filter on metadata."""
    catalog.put("/a", 1, 1, "c", [make("c", metadata={"fps": float("nan"), "n": 2})])
    rows = catalog.columns().rowid_N
    assert catalog.allowed(Filters(metadata={"n": 2}), rows).tolist() == [True]
    assert catalog.records([int(rows[0])])[0].metadata == {"fps": None, "n": 2}


def test_generation_and_state_change_with_the_records(catalog: Catalog, make: Make) -> None:
    """Guards against derived files that are taken for fresh."""
    seen = {catalog.state}
    generations = [catalog.generation]
    for change in (
        lambda: catalog.put("/a", 1, 1, "c", [make("c")]),
        lambda: catalog.link("/b", 1, 1, "c"),
        lambda: catalog.fail("/b", 2, 2, "no"),
        lambda: catalog.remove(["/a"]),
    ):
        change()
        seen.add(catalog.state)
        generations.append(catalog.generation)
    assert len(seen) == 5
    assert generations == sorted(set(generations))
    assert catalog.remove(["/not there"]) == 0
    assert catalog.generation == generations[-1]


def test_a_batch_shares_commits(
    catalog: Catalog, make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a commit per file inside a batch, and against none before its end."""
    monkeypatch.setattr(transactions, "COMMIT_SECONDS", 1e9)
    with Catalog.open(folder) as reader, catalog.batch():
        catalog.put("/a", 1, 1, "c", [make("c")])
        assert reader.files() == {}
        catalog.flush()
        assert set(reader.files()) == {"/a"}
        monkeypatch.setattr(transactions, "COMMIT_SECONDS", 0.0)
        catalog.link("/b", 1, 1, "c")
        assert set(reader.files()) == {"/a", "/b"}


def test_a_snapshot_stays_while_another_writes(catalog: Catalog, make: Make, folder: Path) -> None:
    """Guards against columns and vectors from two different states."""
    catalog.put("/a", 1, 1, "c", [make("c")])
    with Catalog.open(folder) as reader:
        with reader.snapshot():
            before = reader.columns()
            catalog.put("/b", 1, 1, "d", [make("d")])
            assert len(reader.vectors()) == len(before.rowid_N) == 1
        assert len(reader.vectors()) == len(reader.columns().rowid_N) == 2


def test_threads_may_share_a_catalog(catalog: Catalog, make: Make) -> None:
    """Guards against one thread's transaction swallowing another's."""

    def write(name: str) -> None:
        for number in range(20):
            content = f"{name}{number}"
            catalog.put(f"/{content}", 1, 1, content, [make(content)])
            assert catalog.has_content(content)

    threads = [threading.Thread(target=write, args=[name]) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalog.counts().files == 60
    assert catalog.verify() == []


def test_the_fingerprint_is_kept(catalog: Catalog, folder: Path, fingerprint: Fingerprint) -> None:
    """Guards against an index that forgets its encoder, or its environment, when reopened."""
    catalog.close()
    with Catalog.open(folder) as reader:
        assert reader.fingerprint == fingerprint
        assert reader.fingerprint.environment == fingerprint.environment


def test_an_index_is_not_made_by_reading(tmp_path: Path) -> None:
    """Guards against an empty index that appears because its name was mistyped."""
    with pytest.raises(UsageError, match="there is no index at"):
        Catalog.open(tmp_path / "typo.rzen")
    with pytest.raises(UsageError, match="rzen index"):
        Catalog.open(tmp_path / "typo.rzen", write=True)
    with pytest.raises(UsageError, match="there is no index"):
        Catalog.open(tmp_path, write=True)
    assert list(tmp_path.iterdir()) == [], "not even a lock"


def test_a_place_that_cannot_hold_an_index(tmp_path: Path, fingerprint: Fingerprint) -> None:
    """Guards against an operating system's error where --index names a file."""
    (tmp_path / "file").touch()
    for place in ("file", "file/i.rzen"):
        with pytest.raises(UsageError, match="choose another place"):
            Catalog.open(tmp_path / place, write=True, create=fingerprint)


def test_creation_that_was_cut_short_is_taken_up(folder: Path, fingerprint: Fingerprint) -> None:
    """Guards against a folder that is neither an index nor free to become one."""
    folder.mkdir()
    (folder / "catalog.sqlite").touch()
    with pytest.raises(UsageError, match="there is no index"):
        Catalog.open(folder)
    with Catalog.open(folder, write=True, create=fingerprint) as catalog:
        assert catalog.fingerprint == fingerprint


@pytest.mark.parametrize(
    ("pragma", "reason"),
    [
        ("user_version = 99", "newer rzen"),
        ("user_version = 0", "older rzen"),
        ("application_id = 5", "another program"),
    ],
)
def test_other_versions_are_refused(
    catalog: Catalog, folder: Path, pragma: str, reason: str
) -> None:
    """Guards against reading tables that are not what they seem."""
    catalog.close()
    connection = sqlite3.connect(folder / "catalog.sqlite")
    connection.execute(f"PRAGMA {pragma}")
    connection.close()
    with pytest.raises(CatalogError, match=reason):
        Catalog.open(folder)


def test_a_file_that_is_no_database_is_named(folder: Path) -> None:
    """Guards against a bare sqlite3 error for a damaged file."""
    folder.mkdir()
    (folder / "catalog.sqlite").write_bytes(b"not a database, but long enough to be one" * 50)
    with pytest.raises(CatalogError, match=r"not a database.*restore.*backup") as caught:
        Catalog.open(folder)
    assert "verify" not in str(caught.value), "it would say the same"


def test_a_catalog_that_cannot_be_initialised_is_closed(
    folder: Path, fingerprint: Fingerprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a file that stays open when the disk is full at the first write."""
    connections: list[sqlite3.Connection] = []

    def full(catalog: Catalog, _: Fingerprint) -> None:
        connections.append(catalog._connection)
        raise CatalogError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "_initialise", full)
        with pytest.raises(CatalogError, match="no space"):
            Catalog.open(folder, write=True, create=fingerprint)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connections[0].execute("SELECT 1")
    with Catalog.open(folder, write=True, create=fingerprint) as catalog:
        assert catalog.fingerprint == fingerprint


def test_a_full_disk_is_said_plainly(catalog: Catalog, make: Make) -> None:
    """Guards against half a file, or a writer that can go on no more, after the disk was full."""
    connection = catalog._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with catalog.batch():
        catalog.put("/small", 1, 1, "s", [make("s")])
        with pytest.raises(CatalogError, match="no space left"):
            catalog.put("/big", 1, 1, "c", [make("c", preview=bytes(10**6))])
    connection.execute("PRAGMA max_page_count = 1000000")
    assert "/big" not in catalog.files()
    assert catalog.verify() == []
    catalog.put("/big", 1, 1, "c", [make("c", preview=bytes(10**6))])


def test_a_folder_that_cannot_be_written_can_be_read(
    catalog: Catalog, folder: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against an index on a read-only disk that cannot be opened."""
    catalog.put("/a", 1, 1, "c", [make("c")])
    catalog.close()
    # Root may write everywhere, so pretend; "immutable" must then leave no file behind.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Catalog.open(folder) as reader:
        assert set(reader.files()) == {"/a"}
        assert not (folder / "catalog.sqlite-shm").exists()
