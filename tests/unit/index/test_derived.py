"""Derived files, and the stores that are made from them."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.config import SearchSettings
from rzen.errors import CatalogError, MissingExtraError
from rzen.index import ann, compact, derived
from rzen.index.ann import AnnStore
from rzen.index.binary import BinaryStore
from rzen.index.catalog import Catalog
from rzen.index.compact import CompactStore
from rzen.index.exact import ExactStore
from rzen.index.filters import Filters
from rzen.index.store import open_store
from rzen.types import Record, Span

Make = Callable[..., Record]
SETTINGS = SearchSettings()
ARRAYS: derived.Arrays = {
    "codes": np.arange(77, dtype=np.int8).reshape(7, 11),
    "scales": np.linspace(0, 1, 7, dtype=np.float32),
    "none": np.empty((0, 3), np.int64),
}


def test_arrays_come_back(tmp_path: Path) -> None:
    """Guards against offsets, shapes or types that change on the way."""
    file = tmp_path / "derived" / "a.bin"
    assert derived.save(file, "s1", ARRAYS, {"probes": 3})
    found = derived.load(file, "s1")
    assert found is not None
    assert found.about == {"probes": 3}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    assert derived.load(file, "s2") is None, "of another state"
    assert derived.load(tmp_path / "none", "s1") is None
    assert [path.name for path in file.parent.iterdir()] == ["a.bin"]


@settings(max_examples=100, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_any_damage_is_seen(
    tmp_path_factory: pytest.TempPathFactory, position: float, bit: int, cut: bool
) -> None:
    """Guards against searching in a file with a flipped bit or without its end."""
    file = tmp_path_factory.mktemp("d") / "a.bin"
    derived.save(file, "s", ARRAYS)
    data = bytearray(file.read_bytes())
    place = int(position * len(data))
    if cut:
        del data[place:]
    else:
        data[place] ^= 1 << bit
    file.write_bytes(data)
    found = derived.load(file, "s")
    # A flip in the padding between arrays does no harm.
    if found is not None:
        assert not cut
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found.arrays[name], array)


def test_a_file_is_not_replaced_by_half_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against losing the old file, or keeping half a new one, when the disk is full."""
    file = tmp_path / "derived" / "a.bin"
    derived.save(file, "old", ARRAYS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with caplog.at_level(logging.INFO):
        assert not derived.save(file, "new", ARRAYS)
    assert "No space left" in caplog.text
    assert derived.load(file, "old") is not None
    assert [path.name for path in file.parent.iterdir()] == ["a.bin"]


def _filled(catalog: Catalog, make: Make, count: int = 40) -> None:
    with catalog.batch():
        for number in range(count):
            content = f"c{number}"
            records = [make(content, Span(page=page), modality="page") for page in (1, 2)]
            catalog.put(f"/{number}.pdf", 1, 1, content, records)


def _finds_itself(catalog: Catalog, settings: SearchSettings = SETTINGS) -> bool:
    with catalog.snapshot():
        store, columns = open_store(catalog, settings), catalog.columns()
        records = catalog.records(columns.rowid_N.tolist(), vectors=True)
    assert len(store) == len(records)
    if not records:
        return True
    query_BD = np.stack([record.vector for record in records if record.vector is not None])
    row_BK = store.search(query_BD, 1)[1]
    return bool((row_BK[:, 0] == np.arange(len(records))).all())


@pytest.mark.parametrize("store", ["auto", "exact", "compact", "binary"])
def test_a_store_follows_the_catalog(
    catalog: Catalog, make: Make, store: Literal["auto", "exact", "compact", "binary"]
) -> None:
    """Guards against searching in yesterday's matrix or codes."""
    if store == "compact" and not compact.is_available():
        pytest.skip("numkong is not installed")
    chosen = SearchSettings(store=store)
    assert _finds_itself(catalog, chosen), "empty"
    _filled(catalog, make)
    assert _finds_itself(catalog, chosen)
    assert _finds_itself(catalog, chosen), "from the files"
    catalog.remove(["/3.pdf"])
    assert _finds_itself(catalog, chosen)
    catalog.put("/new.pdf", 1, 1, "new", [make("new", Span(page=1), modality="page")])
    assert _finds_itself(catalog, chosen)


def test_a_fresh_file_is_used(
    catalog: Catalog, make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against reading every vector out of SQLite for each search."""
    _filled(catalog, make)
    assert _finds_itself(catalog)
    catalog.close()
    reads: list[Catalog] = []
    monkeypatch.setattr(Catalog, "vectors", lambda self: reads.append(self))
    monkeypatch.setattr(compact, "quantise", lambda vectors_ND: reads.append(vectors_ND))
    with Catalog.open(folder) as reader:
        open_store(reader, SETTINGS)
        assert len(reader.columns().rowid_N) == 80
    assert reads == []


@pytest.mark.parametrize("name", ["matrix.bin", "compact.bin", "binary.bin"])
def test_a_damaged_file_is_made_again(
    catalog: Catalog, make: Make, folder: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against wrong hits, or none at all, after bit-rot in what can be made again."""
    if name == "compact.bin" and not compact.is_available():
        pytest.skip("numkong is not installed")
    chosen = SearchSettings(store="binary") if name == "binary.bin" else SETTINGS
    _filled(catalog, make)
    assert _finds_itself(catalog, chosen)
    file = folder / "derived" / name
    data = bytearray(file.read_bytes())
    whole = bytes(data)
    data[-len(data) // 3] ^= 64
    file.write_bytes(data)
    assert _finds_itself(catalog, chosen)
    assert "will be made again" in caplog.text
    assert file.read_bytes() == whole


def test_an_older_index_put_back_is_not_taken_for_the_newer(
    catalog: Catalog, make: Make, folder: Path
) -> None:
    """Guards against a backup whose number of changes happens to equal that of derived files."""
    _filled(catalog, make, 3)
    catalog.close()
    backup = (folder / "catalog.sqlite").read_bytes()
    for name in ("first", "second"):
        (folder / "catalog.sqlite").write_bytes(backup)
        with Catalog.open(folder, write=True) as again:
            again.put("/x", 1, 1, name, [make(name)])
            assert _finds_itself(again)


def test_a_folder_that_cannot_be_written_still_searches(
    catalog: Catalog, make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against an index on a read-only disk without derived files."""
    _filled(catalog, make)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert _finds_itself(catalog)
    assert not (folder / "derived").exists()


def test_a_damaged_vector_in_the_catalog_is_an_error(catalog: Catalog, make: Make) -> None:
    """Guards against a flipped bit in the truth itself that nobody sees."""
    _filled(catalog, make, 2)
    catalog._connection.execute(
        "UPDATE vectors SET data = zeroblob(32) WHERE record = (SELECT min(record) FROM vectors)"
    )
    with pytest.raises(CatalogError, match="rzen verify"):
        open_store(catalog, SETTINGS)


def test_which_store_is_made(
    catalog: Catalog, make: Make, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Guards against settings that do nothing, and against needing an optional library."""
    _filled(catalog, make)
    if compact.is_available():
        assert type(open_store(catalog, SETTINGS)) is CompactStore
    pytest.importorskip("faiss")
    many = SearchSettings(ann_rows=10)
    assert type(open_store(catalog, many)) is AnnStore
    loaded = open_store(catalog, many)
    assert isinstance(loaded, AnnStore)
    assert loaded.recall >= 0.95
    assert _finds_itself(catalog, many)
    assert (folder / "derived" / "ann.bin").exists()
    # An index that finds too little must not be used.
    monkeypatch.setattr(ann, "RECALL", 1.1)
    assert not isinstance(open_store(catalog, many), AnnStore)
    monkeypatch.setattr(compact, "is_available", lambda: False)
    assert type(open_store(catalog, SETTINGS)) is ExactStore


def test_a_store_asked_for_by_name(
    catalog: Catalog, make: Make, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Guards against a name that does nothing, and another store in its place without a word."""
    _filled(catalog, make)
    few = 10  # rows from which auto would take an approximate index
    named = {"exact": ExactStore, "binary": BinaryStore}
    for name, kind in named.items():
        chosen = SearchSettings.model_validate({"store": name, "ann_rows": few, "oversample": 7})
        assert type(open_store(catalog, chosen)) is kind
    store = open_store(catalog, chosen)
    assert isinstance(store, BinaryStore)
    assert store.oversample == 7
    assert sorted(file.name for file in (folder / "derived").iterdir()) == [
        "binary.bin",
        "matrix.bin",
    ]
    compactly = SearchSettings(store="compact", ann_rows=few)
    if compact.is_available():
        assert type(open_store(catalog, compactly)) is CompactStore
    monkeypatch.setattr(compact, "is_available", lambda: False)
    with pytest.raises(MissingExtraError, match="fast"):
        open_store(catalog, compactly)


def test_fresh_codes_are_read(
    catalog: Catalog, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against making the bits of every vector anew for each search."""
    chosen = SearchSettings(store="binary")
    _filled(catalog, make)
    assert _finds_itself(catalog, chosen)
    monkeypatch.delattr("rzen.index.store.binarise")
    assert _finds_itself(catalog, chosen)


def test_an_approximate_index_outlives_small_changes(
    catalog: Catalog, make: Make, folder: Path
) -> None:
    """Guards against minutes of work for one new file, and against missing that file."""
    pytest.importorskip("faiss")
    many = SearchSettings(ann_rows=10)
    _filled(catalog, make)
    assert _finds_itself(catalog, many)
    file = folder / "derived" / "ann.bin"
    made = file.stat().st_mtime_ns
    catalog.remove(["/0.pdf", "/17.pdf"])
    catalog.put("/new.pdf", 1, 1, "new", [make("new", Span(page=1), modality="page")])
    assert _finds_itself(catalog, many)
    assert file.stat().st_mtime_ns == made
    with catalog.snapshot():
        store, columns = open_store(catalog, many), catalog.columns()
        is_new_N = catalog.allowed(Filters(glob="new.pdf"), columns.rowid_N)
        score_BK, row_BK = store.search(catalog.vectors()[:3], 5, allowed_N=~is_new_N)
    assert not is_new_N[row_BK].any()
    assert score_BK.shape == (3, 5)
    _filled(catalog, make, 60)
    assert _finds_itself(catalog, many)
    assert file.stat().st_mtime_ns != made, "by then much has changed"
