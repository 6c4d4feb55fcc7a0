"""Files to records: failures stay with their file, equal files share work, nothing is lost."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rzen.config import IngestSettings, Settings
from rzen.encoders.dummy import DummyEncoder
from rzen.index.catalog import Catalog
from rzen.ingest.pipeline import IngestOptions, content_hash, ingest
from rzen.ingest.report import Progress, Report
from rzen.types import Content, Encoded, Role, Text


class _Recording(DummyEncoder):
    """Counts what it encodes, refuses texts with "refuse", and gives NaN for those with "nan"."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        self.batches.append(len(contents))
        encoded = super().encode(contents, role=role, instruction=instruction, dim=dim)
        vectors, failed = encoded.vectors.copy(), dict(encoded.failed)
        for row, content in enumerate(contents):
            text = content.parts[0].text if isinstance(content.parts[0], Text) else ""
            if "refuse" in text:
                failed[row] = "refused"
                vectors[row] = 0
            if "nan" in text:
                vectors[row] = np.nan
        return Encoded(vectors=vectors, failed=failed)


@pytest.fixture
def encoder() -> _Recording:
    return _Recording()


@pytest.fixture
def catalog(tmp_path: Path, encoder: _Recording) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "x.rzen", write=True, create=encoder.fingerprint) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path.resolve() / "files"
    made.mkdir()
    return made


def _run(folder: Path, catalog: Catalog, encoder: _Recording, **options: object) -> Report:
    settings = Settings(ingest=IngestSettings(workers=1, batch_items=4))
    return ingest([folder], catalog, encoder, settings, IngestOptions(**options))  # type: ignore[arg-type]


def test_equal_files_are_encoded_once(folder: Path, catalog: Catalog, encoder: _Recording) -> None:
    """Copies in one run, before either is in the catalog, must share vectors too."""
    for name in ("a.txt", "b.txt", "c.txt"):
        (folder / name).write_text("the same words")
    report = _run(folder, catalog, encoder)
    assert report.indexed == 3
    assert sum(encoder.batches) == 1
    [record] = catalog.records(catalog.columns().rowid_N.tolist())
    assert len(record.paths) == 3


def test_one_bad_vector_fails_its_file_alone(
    folder: Path, catalog: Catalog, encoder: _Recording
) -> None:
    """A refusal or a NaN must neither be stored nor take the batch with it."""
    for name in ("good.txt", "refuse.txt", "nan.txt"):
        (folder / name).write_text(f"words: {name}")
    report = _run(folder, catalog, encoder)
    failed = {Path(each.uri).name: each.reason for each in report.failed}
    assert set(failed) == {"refuse.txt", "nan.txt"}
    assert "refused" in failed["refuse.txt"]
    assert "not finite" in failed["nan.txt"]
    assert np.isfinite(catalog.vectors()).all()
    assert len(catalog.vectors()) == 1


def test_a_file_that_fails_in_part_keeps_the_rest_and_is_reported(
    folder: Path, catalog: Catalog, encoder: _Recording
) -> None:
    """Of a long text one passage may fail; the others must be found, and the loss be named."""
    paragraph = "harbour and boats and weather. " * 30
    (folder / "long.txt").write_text(f"{paragraph}\n\nrefuse this. {paragraph}\n\n{paragraph}")
    report = _run(folder, catalog, encoder)
    assert report.indexed == 1
    assert report.failed[0].reason.startswith("in part: ")
    assert len(catalog.vectors()) >= 1
    row = catalog.files()[str(folder / "long.txt")]
    assert row.content == content_hash(folder / "long.txt")
    assert "refused" in row.reason
    again = _run(folder, catalog, encoder)
    assert [each.uri for each in again.failed] == [str(folder / "long.txt")]


def test_progress_reaches_the_totals(folder: Path, catalog: Catalog, encoder: _Recording) -> None:
    """A bar that never fills, or runs over, tells people the wrong time left."""
    for number in range(6):
        Image.fromarray(np.full((20, 20, 3), number * 40, np.uint8)).save(folder / f"{number}.png")
    (folder / "empty.txt").touch()
    last: list[tuple[int, int, int, int]] = []

    def note(progress: Progress) -> None:
        assert progress.files_done <= progress.files_total
        assert 0 <= progress.fraction <= 1
        assert progress.seconds_left is None or progress.seconds_left >= 0
        last[:] = [(progress.files_done, progress.bytes_done, progress.failed, progress.items)]

    report = _run(folder, catalog, encoder, on_progress=note)
    total = sum(path.stat().st_size for path in folder.iterdir())
    assert last == [(7, total, 1, 6)]
    assert report.records == {"image": 6}


def test_an_encoder_that_raises_loses_nothing_that_was_done(
    folder: Path, catalog: Catalog, encoder: _Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the middle of a run must leave whole files, and a further run must finish."""
    for number in range(12):
        (folder / f"{number:02}.txt").write_text(f"note number {number}")
    whole = _Recording.encode

    def failing(self: _Recording, contents: Sequence[Content], **options: object) -> Encoded:
        if len(self.batches) == 2:
            raise RuntimeError("out of memory")
        return whole(self, contents, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(_Recording, "encode", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        _run(folder, catalog, encoder)
    done = len(catalog.vectors())
    assert 0 < done < 12
    monkeypatch.setattr(_Recording, "encode", whole)
    report = _run(folder, catalog, encoder)
    assert (report.indexed, report.unchanged) == (12 - done, done)
    assert catalog.verify() == []
