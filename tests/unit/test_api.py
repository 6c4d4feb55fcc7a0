"""Index: what the commands and notebooks share."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from rzen.api import Index
from rzen.config import Limits, Settings
from rzen.encoders import create
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import FingerprintError, MediaError, RzenError, UsageError
from rzen.protocols import Encoder
from rzen.search.query import build_query
from rzen.types import Fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path.resolve() / "files"
    made.mkdir()
    (made / "harbour.txt").write_text("The harbour is closed on Monday.")
    (made / "garden.txt").write_text("Tomatoes need water every evening.")
    Image.fromarray(np.full((40, 40, 3), (200, 30, 30), np.uint8)).save(made / "red.png")
    return made


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.open(tmp_path / "x.rzen", "dummy", settings=Settings()) as opened:
        yield opened


def test_search_sees_what_was_added_since(folder: Path, index: Index) -> None:
    """A searcher kept over an add would search the state before it."""
    index.add(folder / "harbour.txt")
    assert [Path(hit.uri).name for hit in index.search("tomatoes", mode="text")] == []
    index.add(folder)
    assert [Path(hit.uri).name for hit in index.search("tomatoes", mode="text")] == ["garden.txt"]
    index.remove(folder / "garden.txt")
    assert index.search("tomatoes", mode="text") == []


def test_search_sees_what_another_writer_added(folder: Path, index: Index) -> None:
    """Two processes, or two notebooks, share an index."""
    index.add(folder / "harbour.txt")
    assert len(index.search("harbour")) == 1
    with Index.open(index.folder, "dummy", settings=Settings()) as other:
        other.add(folder)
    assert {Path(hit.uri).name for hit in index.search("harbour", k=5)} >= {"red.png"}


def test_pixels_bytes_and_paths_are_the_same_query(folder: Path, index: Index) -> None:
    """A notebook has arrays, a service bytes, a command paths."""
    index.add(folder)
    path = folder / "red.png"
    pixels = np.full((40, 40, 3), (200, 30, 30), np.uint8)
    for image in (path, str(path), path.read_bytes(), pixels):
        hit = index.search(image=image)[0]
        assert hit.uri == str(path)
        assert hit.similarity == pytest.approx(1.0, abs=1e-5)


def test_limits_hold_for_queries_too(folder: Path, tmp_path: Path) -> None:
    """A picture that may not be indexed may not be decoded for a query either."""
    settings = Settings(limits=Limits(image_pixels=100))
    with Index.open(tmp_path / "y.rzen", "dummy", settings=settings) as index:
        index.add(folder / "harbour.txt")
        with pytest.raises(RzenError, match=r"limits\.image_pixels"):
            index.search(image=folder / "red.png")


def test_remove_takes_folders_and_leaves_the_rest(folder: Path, index: Index) -> None:
    """Names that begin alike must not go together."""
    (folder / "red").mkdir()
    (folder / "red" / "one.txt").write_text("one")
    (folder / "red.txt").write_text("two")
    index.add(folder)
    assert index.remove(folder / "red") == 1
    assert str(folder / "red.txt") in index.files()


def test_a_file_that_became_a_folder(folder: Path, index: Index) -> None:
    """The old file is gone; what lies in the folder of its name is not."""
    (folder / "notes").write_text("a note")
    index.add(folder)
    (folder / "notes").unlink()
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("another note")
    report = index.add(folder)
    assert (report.indexed, report.removed) == (1, 1)
    assert str(folder / "notes" / "a.txt") in index.files()


def test_ask_answers_and_cites(folder: Path, index: Index) -> None:
    """The answer's number must lead to the file that bears it out."""
    index.add(folder)
    told: list[str] = []
    answer = index.ask("When is the harbour closed?", on_text=told.append)
    assert "Monday" in answer.text
    assert "".join(told) == answer.text
    assert [cite.hit.uri for cite in answer.citations] == [str(folder / "harbour.txt")]


def test_no_index_is_a_user_error(tmp_path: Path) -> None:
    """Searching must not make an empty index by the way."""
    with Index.open(tmp_path / "none.rzen", settings=Settings()) as index:
        with pytest.raises(UsageError, match="there is no index"):
            index.search("x")
        with pytest.raises(UsageError, match="there is no index"):
            index.remove("x")
    assert not (tmp_path / "none.rzen").exists()


def test_it_can_be_closed_twice_and_used_again(folder: Path, index: Index) -> None:
    """A notebook's cells run in any order."""
    index.add(folder)
    index.close()
    index.close()
    assert index.search("harbour")[0].uri == str(folder / "harbour.txt")
    assert index.verify() == []


def test_explain_shows_where_a_hit_is_like_the_query(folder: Path, index: Index) -> None:
    """The map belongs to another file, or to the query without its minus."""
    pixels = np.full((80, 80, 3), 128, np.uint8)
    pixels[40:, 40:] = (200, 30, 30)
    Image.fromarray(pixels).save(folder / "corner.png")
    index.add(folder)
    hits = {Path(hit.uri).name: hit for hit in index.search("red", mode="dense")}
    found = index.explain(hits["corner.png"], "red")
    assert found.maps[0].heat_HW.argmax() in {10, 11, 14, 15}
    assert found.similarity == pytest.approx(hits["corner.png"].similarity, abs=1e-5)
    away = index.explain(hits["corner.png"], build_query("red", minus="yellow blue"))
    assert away.similarity != pytest.approx(found.similarity, abs=1e-3)


def test_what_cannot_be_explained_is_said_by_name(
    folder: Path, index: Index, tmp_path: Path
) -> None:
    """An AttributeError of an encoder, or a map of a text."""
    index.add(folder)
    hits = {Path(hit.uri).name: hit for hit in index.search("harbour", mode="dense")}
    with pytest.raises(UsageError, match=r"harbour\.txt is a text and has no map"):
        index.explain(hits["harbour.txt"], "harbour")
    (folder / "red.png").unlink()
    with pytest.raises(MediaError, match=r"red\.png"):
        index.explain(hits["red.png"], "harbour")
    mute = Index.open(tmp_path / "x.rzen", cast("Encoder", _Mute()), settings=Settings())
    with mute, pytest.raises(UsageError, match="encoder dummy cannot say where it looks"):
        mute.explain(hits["red.png"], "harbour")


def test_maps_of_another_encoder_are_refused(folder: Path, index: Index) -> None:
    """A map that has nothing to do with why the hit was found."""

    class _Other(DummyEncoder):
        @property
        def fingerprint(self) -> Fingerprint:
            return replace(super().fingerprint, weights="other")

    index.add(folder)
    (hit,) = index.search("red", mode="dense", k=1)
    other = Index.open(index.folder, _Other(), settings=Settings())
    with other, pytest.raises(FingerprintError):
        other.explain(hit, "red")


class _Mute:
    """An encoder that cannot explain."""

    def __init__(self) -> None:
        self._other = create("dummy")

    def __getattr__(self, name: str) -> object:
        if name == "explain":
            raise AttributeError(name)
        return getattr(self._other, name)
