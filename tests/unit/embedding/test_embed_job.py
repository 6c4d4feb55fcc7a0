import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from media_files import smooth
from rzen.embedding import job
from rzen.embedding.job import embed
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import DataError, EncoderError, UsageError
from rzen.types import Content, Encoded, Image, Role, Text, Video


class Noting(DummyEncoder):
    """Notes what it is asked; stops where it is told to."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.asked: list[tuple[Content, Role, str | None]] = []
        self._stop_at = stop_at

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        for content in contents:
            if self._stop_at is not None and len(self.asked) >= self._stop_at:
                raise KeyboardInterrupt
            self.asked.append((content, role, instruction))
        return super().encode(contents, role=role, instruction=instruction, dim=dim)


def lines(folder: Path, *rows: Any) -> Path:
    file = folder / "in.jsonl"
    written = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    file.write_text("".join(f"{row}\n" for row in written), encoding="utf-8")
    return file


def numbered(folder: Path, count: int) -> Path:
    return lines(folder, *({"text": f"text {number}"} for number in range(count)))


def vectors(file: Path) -> np.ndarray:
    return np.asarray(np.load(file, allow_pickle=False))


def table(file: Path) -> dict[str, list[Any]]:
    from pyarrow import parquet

    found: dict[str, list[Any]] = parquet.read_table(file).to_pydict()
    return found


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(3):
        Pillow.fromarray(smooth(40, 30, seed=number)).save(tmp_path / f"{number}.png")
    return tmp_path


def test_rows_keep_their_order_whatever_they_are(pictures: Path) -> None:
    """Rows are grouped by role and instruction: a group's vectors must go back to their places."""
    rows = [
        {"text": "a", "role": "document"},
        {"image": "0.png", "instruction": "Look."},
        {"text": "b"},
        {"images": ["0.png", "1.png"], "text": "c"},
        {"video": ["0.png", "1.png", "2.png"], "text": "d", "role": "document"},
        {"text": "b", "instruction": "Look."},
    ]
    encoder = Noting()
    report = embed(lines(pictures, *rows), encoder, pictures / "out.npy")
    assert (report.rows, report.encoded, report.failed) == (6, 6, ())
    contents = [
        (Content(Text("a")), "document", None),
        (Content(Image(pictures / "0.png")), "query", "Look."),
        (Content(Text("b")), "query", None),
    ]
    found = vectors(pictures / "out.npy")
    assert found.shape == (6, encoder.dim)
    assert found.dtype == np.float32
    for row, (content, role, instruction) in zip(found, contents, strict=False):
        expected = DummyEncoder().encode([content], role=role, instruction=instruction)  # type: ignore[arg-type]
        np.testing.assert_array_equal(row, expected.vectors[0])
    shapes = {
        tuple(type(part).__name__ for part in content.parts) for content, _, _ in encoder.asked
    }
    assert {("Image", "Image", "Text"), ("Video", "Text"), ("Text",), ("Image",)} == shapes
    clip = next(
        part for content, _, _ in encoder.asked for part in content.parts if isinstance(part, Video)
    )
    assert len(clip.source.pixels) == 3  # type: ignore[union-attr]


def test_what_fails_is_named_and_never_a_vector(pictures: Path) -> None:
    """A row of zeros, or one row fewer, would shift or poison whatever is built on the file."""
    rows: list[Any] = [
        {"id": "good", "text": "a"},
        {"id": "gone", "image": "nowhere.png"},
        "{broken",
        {"id": 7, "txt": "a slip"},
        {"id": "page", "page": "0.png#x"},
        {"id": "none"},
    ]
    report = embed(lines(pictures, *rows), DummyEncoder(), pictures / "out.npy")
    found = vectors(pictures / "out.npy")
    assert np.isnan(found).any(1).tolist() == [False, True, True, True, True, False]
    gone, broken, slip, page = report.failed
    assert gone.startswith("line 2 (gone): ")
    assert "nowhere.png" in gone
    assert broken.startswith("line 3 (3): no JSON object")
    assert "line 4 (4): there is no field 'txt': a row has id, text, image" in slip
    assert "a page is written FILE#NUMBER" in page
    assert report.encoded == 2
    assert report.warnings == ("line 6 (none): nothing in it: taken for an empty text",)
    embed(lines(pictures, *rows), DummyEncoder(), pictures / "out.parquet")
    columns = table(pictures / "out.parquet")
    assert columns["id"] == ["good", "gone", "3", "4", "page", "none"]
    assert [each is None for each in columns["vector"]] == [False, True, True, True, True, False]
    assert [each is None for each in columns["error"]] == [True, False, False, False, False, True]


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_run_that_is_cut_off_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Hours of a GPU must not be lost to one interrupt, nor leave half a file that looks whole."""
    monkeypatch.setattr(job, "PIECE_ROWS", 10)
    file, output = numbered(tmp_path, 35), tmp_path / f"out{suffix}"
    with pytest.raises(KeyboardInterrupt):
        embed(file, Noting(stop_at=25), output)
    assert not output.exists()
    encoder = Noting()
    report = embed(file, encoder, output)
    assert len(encoder.asked) == report.encoded == 15
    straight = embed(file, DummyEncoder(), tmp_path / "straight.npy")
    assert straight.encoded == 35
    expected = vectors(tmp_path / "straight.npy")
    found = vectors(output) if suffix == ".npy" else np.array(table(output)["vector"], np.float32)
    np.testing.assert_array_equal(found, expected)
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".")) == []


@pytest.mark.parametrize("change", ["rows", "dim", "media"])
def test_pieces_of_something_else_are_not_taken(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Vectors of an edited file, or of another width, would be mixed with those of the new one."""
    monkeypatch.setattr(job, "PIECE_ROWS", 2)
    rows: list[Any] = [{"image": f"{number}.png"} for number in range(3)] + [{"text": "x"}] * 3
    with pytest.raises(KeyboardInterrupt):
        embed(lines(pictures, *rows), Noting(stop_at=4), pictures / "out.npy")
    if change == "rows":
        rows[5] = {"text": "y"}
    if change == "media":
        Pillow.fromarray(smooth(41, 30, seed=9)).save(pictures / "0.png")
    encoder = Noting()
    dim = 8 if change == "dim" else None
    embed(lines(pictures, *rows), encoder, pictures / "out.npy", dim=dim)
    assert len(encoder.asked) == 6


def test_a_whole_parquet_file_is_not_made_again(tmp_path: Path) -> None:
    """The same command twice costs nothing; one with failures is tried again."""
    file, output = numbered(tmp_path, 5), tmp_path / "out.parquet"
    embed(file, DummyEncoder(), output)
    encoder = Noting()
    assert embed(file, encoder, output).encoded == 0
    assert encoder.asked == []
    output.write_bytes(output.read_bytes()[:-8])
    assert embed(file, encoder, output).encoded == 5


def test_a_damaged_piece_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full must not end in a file of garbage, nor in a command that never works."""
    monkeypatch.setattr(job, "PIECE_ROWS", 2)
    file, output = numbered(tmp_path, 6), tmp_path / "out.npy"
    with pytest.raises(KeyboardInterrupt):
        embed(file, Noting(stop_at=4), output)
    (tmp_path / ".out.npy.parts" / "00000001.npz").write_bytes(b"PK\x03\x04cut off")
    with pytest.raises(DataError, match=r"damaged .*, and removed: run the same command again"):
        embed(file, DummyEncoder(), output)
    assert embed(file, Noting(), output).encoded == 2


def test_dim_cuts_and_is_refused_where_there_is_none(tmp_path: Path) -> None:
    """Cut vectors must be of unit length again."""
    report = embed(numbered(tmp_path, 3), DummyEncoder(), tmp_path / "out.npy", dim=8)
    found = vectors(tmp_path / "out.npy")
    assert (report.dim, found.shape) == (8, (3, 8))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    with pytest.raises(EncoderError, match="vectors of 100000 dimensions were asked for"):
        embed(numbered(tmp_path, 3), DummyEncoder(), tmp_path / "other.npy", dim=100_000)


def test_what_cannot_be_begun_says_why(tmp_path: Path) -> None:
    """A wrong name must not cost a model's loading, nor leave a file behind."""
    with pytest.raises(UsageError, match=r"a file of \.npy or \.parquet"):
        embed(numbered(tmp_path, 1), DummyEncoder(), tmp_path / "out.csv")
    with pytest.raises(DataError, match="has no rows"):
        embed(lines(tmp_path, ""), DummyEncoder(), tmp_path / "out.npy")
    with pytest.raises(DataError, match=r"there is no folder .*: make it first"):
        embed(numbered(tmp_path, 1), DummyEncoder(), tmp_path / "no" / "out.npy")
    with pytest.raises(DataError, match="cannot be read"):
        embed(tmp_path / "nowhere.jsonl", DummyEncoder(), tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_progress_reaches_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that stands still, or counts rows of an earlier run as fast, tells nothing."""
    monkeypatch.setattr(job, "PIECE_ROWS", 10)
    seen: list[job.Progress] = []
    embed(numbered(tmp_path, 25), DummyEncoder(), tmp_path / "out.npy", on_progress=seen.append)
    assert [each.done for each in seen] == [10, 20, 25]
    assert seen[-1].seconds_left == 0
