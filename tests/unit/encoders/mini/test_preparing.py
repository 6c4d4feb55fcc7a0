import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from media_files import smooth
from mini_contents import every_kind, frames, still
from rzen.encoders.mini.architecture import Architecture
from rzen.encoders.mini.part_store import PartStore
from rzen.encoders.mini.prepared import Prepared
from rzen.encoders.mini.preparing import Preparer
from rzen.encoders.mini.runtime import Network
from rzen.encoders.rows import Rows
from rzen.errors import EncoderError, MediaError
from rzen.types import Content, Image, Page, Text


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the networks were asked, in order."""
    asked: list[str] = []
    plain, several = Network.run, Network.run_several

    def run(self: Network, *given: object) -> object:
        asked.append("text")
        return plain(self, *given)  # type: ignore[arg-type]

    def run_several(self: Network, *given: object) -> object:
        asked.append("image")
        return several(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Network, "run", run)
    monkeypatch.setattr(Network, "run_several", run_several)
    return asked


def picture(folder: Path, seed: int) -> Path:
    from PIL import Image as Pillow

    file = folder / f"{seed}.png"
    Pillow.fromarray(smooth(60, 40, seed=seed)).save(file)
    return file


def assert_equal(one: Prepared, other: Prepared) -> None:
    for name in ("words_D", "sight_D", "tokens_L", "cells_TKF", "sights_TD", "layout_X"):
        found, expected = getattr(one, name), getattr(other, name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert (one.read, one.warnings) == (other.read, other.warnings)


def test_a_picture_in_many_rows_runs_once(tmp_path: Path, runs: list[str]) -> None:
    """An epoch runs the image network over each picture as often as it is a negative."""
    file = picture(tmp_path, 1)
    preparer = Preparer(Architecture(), threads=1, store=PartStore())
    first = preparer.prepare(Content(Image(file)))
    assert runs == ["image"]
    preparer.prepare(Content(Image(file), Text("in green")))
    assert runs == ["image", "text"]
    assert_equal(preparer.prepare(Content(Image(file.read_bytes()))), first)
    assert_equal(preparer.prepare(Content(Image(file))), first)
    assert runs == ["image", "text"]


def test_what_is_kept_is_what_is_computed(tmp_path: Path) -> None:
    """Half precision is rounded on the way to the disk only, and a second run differs."""
    file = tmp_path / "new" / "parts.sqlite"
    plain = Preparer(Architecture(), threads=1)
    for _ in range(2):
        store = PartStore(file)
        keeping = Preparer(Architecture(), threads=1, store=store)
        for content in every_kind()[3:7]:
            assert_equal(keeping.prepare(content), plain.prepare(content))
        store.close()


def test_another_architecture_keeps_others(tmp_path: Path) -> None:
    """Cells of one grid are given to a network of another."""
    store = PartStore()
    content = Content(still(1))
    shapes = [
        Preparer(Architecture(grid=grid), threads=1, store=store).prepare(content).cells_TKF.shape
        for grid in (2, 3, 2)
    ]
    assert [shape[1] for shape in shapes] == [4, 9, 4]


def test_a_changed_file_is_prepared_again(tmp_path: Path, runs: list[str]) -> None:
    """Parts are kept by path, and a picture that was replaced keeps its old features."""
    preparer = Preparer(Architecture(), threads=1, store=PartStore())
    file = picture(tmp_path, 1)
    first = preparer.prepare(Content(Image(file)))
    picture(tmp_path, 2).replace(file)
    assert np.abs(preparer.prepare(Content(Image(file))).sight_D - first.sight_D).max() > 0.01
    assert len(runs) == 2


def test_rows_are_prepared_as_one_by_one(tmp_path: Path) -> None:
    """In a batch, parts go to other rows than their own, or a bad one takes its chunk along."""
    preparer = Preparer(Architecture(), threads=2)
    bad = Content(Text("beside"), Image(tmp_path / "missing.png"))
    others = [*every_kind()[:3], Content(Page(frames(1), text="last"))]
    given = [*every_kind(), bad, *others] * 3
    rows = Rows(len(given), 384, None)
    found = dict(pair for chunk in preparer.prepare_rows(given, rows) for pair in chunk)
    assert sorted(rows.failed) == [10, 25, 40]
    assert "missing.png" in rows.failed[10]
    assert sorted(found) == [row for row in range(len(given)) if row not in (10, 25, 40)]
    alone = [preparer.prepare(content) for content in given[11:25]]
    for row, prepared in found.items():
        one = alone[(row + 4) % 15]
        np.testing.assert_allclose(prepared.words_D, one.words_D, atol=1e-6)
        np.testing.assert_allclose(prepared.sight_D, one.sight_D, atol=1e-6)
        np.testing.assert_array_equal(prepared.tokens_L, one.tokens_L)
        np.testing.assert_allclose(prepared.cells_TKF, one.cells_TKF, atol=1e-2)
    with pytest.raises(MediaError, match=r"missing.png"):
        preparer.prepare(bad)


def test_a_copy_in_another_process_works(tmp_path: Path) -> None:
    """Workers that load data cannot be given a preparer, for it holds locks and sessions."""
    store = PartStore(tmp_path / "parts.sqlite")
    preparer = Preparer(Architecture(grid=3), threads=1, store=store)
    content = Content(still(4))
    first = preparer.prepare(content)
    copy = pickle.loads(pickle.dumps(preparer))  # noqa: S301
    assert copy.base == preparer.base
    assert_equal(copy.prepare(content), first)
    assert pickle.loads(pickle.dumps(Preparer(Architecture())))._store is None  # noqa: S301


def test_threads_share_a_store() -> None:
    """SQLite refuses a connection of another thread, in the middle of an epoch."""
    preparer = Preparer(Architecture(), threads=1, store=PartStore())
    failed: list[Exception] = []

    def work(seed: int) -> None:
        try:
            for at in range(3):
                preparer.prepare(Content(still((seed + at) % 4)))
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_store_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A traceback of SQLite, without the file's name."""
    damaged = tmp_path / "parts.sqlite"
    damaged.write_bytes(b"no database at all" * 100)
    with pytest.raises(EncoderError, match=r"parts.sqlite: cannot be used to keep prepared parts"):
        PartStore(damaged)
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderError, match=r"name one in a folder that can be written"):
        PartStore(tmp_path / "file" / "parts.sqlite")
    store = PartStore(tmp_path / "other.sqlite")
    store.put(b"key", Preparer(Architecture(), threads=1).prepare(Content(Text("x"))))
    store._database.execute("UPDATE parts SET data = ?", (b"cut off",))
    with pytest.raises(EncoderError, match=r"other.sqlite: cannot be used"):
        store.get(b"key")
