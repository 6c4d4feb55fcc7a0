"""One writer at a time."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rzen.errors import CatalogError
from rzen.index.catalog import Catalog
from rzen.index.lock import Holder, WriterLock
from rzen.types import Record

Make = Callable[..., Record]


def test_the_second_writer_is_told_who_holds_it(catalog: Catalog, folder: Path) -> None:
    """Guards against two writers, and against a refusal that does not say what to wait for."""
    with pytest.raises(CatalogError, match=rf"process {os.getpid()} .*searching works meanwhile"):
        Catalog.open(folder, write=True)
    catalog.close()
    with Catalog.open(folder, write=True):
        pass


def test_waiting_is_announced_once_and_ends(catalog: Catalog, folder: Path) -> None:
    """Guards against a program that hangs without a word, and one that does not wait."""
    holders: list[Holder | None] = []

    def let_go(holder: Holder | None) -> None:
        holders.append(holder)
        catalog.close()

    with Catalog.open(folder, write=True, lock_timeout=30.0, on_wait=let_go) as second:
        assert second.is_writable
    assert [holder.pid for holder in holders if holder] == [os.getpid()]


@pytest.mark.parametrize(
    "left", ["", "{", '["x"]', "[1, 2]", json.dumps([999999, "h", "u", "c", 1])]
)
def test_what_a_killed_writer_left_blocks_nobody(folder: Path, left: str) -> None:
    """Guards against an index that must be unlocked by hand."""
    folder.mkdir()
    (folder / "writer.json").write_text(left)
    (folder / "writer.lock").touch()
    lock = WriterLock(folder)
    holder = lock.holder()
    assert holder is not None
    assert holder.pid == os.getpid()
    lock.release()
    lock.release()
    assert not (folder / "writer.json").exists()


def test_a_lock_that_cannot_be_announced_is_let_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a full disk that locks everybody out as long as the process lives."""
    folder.mkdir()

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(CatalogError, match="No space left") as kept:
            WriterLock(folder)
    # The traceback keeps the first lock alive, or its end would let go anyway.
    assert kept.tb is not None
    WriterLock(folder).release()


def test_a_reader_needs_no_lock(catalog: Catalog, folder: Path, make: Make) -> None:
    """Guards against a search that waits for an index run."""
    with catalog.batch():
        catalog.put("/a", 1, 1, "c", [make("c")])
        with Catalog.open(folder) as reader:
            assert reader.files() == {}


def test_a_catalog_that_cannot_be_opened_lets_go(
    folder: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a lock that stays when opening fails behind it."""
    catalog.close()
    (folder / "catalog.sqlite").write_bytes(b"no database at all" * 100)
    for _ in range(2):
        with pytest.raises(CatalogError, match="not a database"):
            Catalog.open(folder, write=True)
