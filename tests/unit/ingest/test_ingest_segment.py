"""Files to segments, in this process and through decoder processes."""

import io
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from media_files import clip, pdf, picture, smooth
from rzen import media
from rzen.config import IngestSettings, Limits
from rzen.errors import MediaError
from rzen.ingest import segment
from rzen.ingest.segment import Segment
from rzen.media.worker import DecoderPool
from rzen.types import Content, Frames, Image, MediaBudget, Page, Part, Span, Text, Video

LIMITS = Limits()
BUDGET = MediaBudget(image_pixels=5000, page_pixels=20_000, frame_pixels=2000, frames=8)
SETTINGS = IngestSettings(
    passage_chars=200, segment_min_seconds=2, segment_max_seconds=6, ocr=False
)


def segments(path: Path, settings: IngestSettings = SETTINGS) -> tuple[list[Segment], str]:
    found = segment.segments(path, budget=BUDGET, limits=LIMITS, settings=settings)
    gathered: list[Segment] = []
    while True:
        try:
            gathered.append(next(found))
        except StopIteration as end:
            return gathered, end.value


def part_of(found: Segment) -> Part:
    (part,) = found.content.parts
    return part


def check_preview(found: Segment) -> None:
    assert found.preview is not None
    shown = Pillow.open(io.BytesIO(found.preview))
    assert shown.format == "JPEG"
    assert max(shown.size) <= 320


def test_passages_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    words = "# Boats\r\n\r\n" + "The red boat lies in the harbour. " * 30
    path.write_bytes(words.encode())
    found, remark = segments(path)
    decoded = words.replace("\r\n", "\n")
    assert remark == ""
    assert len(found) > 4
    for passage in found:
        assert passage.modality == "text"
        assert passage.preview is None
        assert passage.metadata == {"title": "Boats"}
        assert passage.text == decoded[passage.span.char_start : passage.span.char_end]
        assert part_of(passage) == Text(passage.text)


def test_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture(smooth(800, 400), "JPEG"))
    (found,), remark = segments(path)
    assert remark == ""
    assert found.modality == "image"
    assert found.span.key == ""
    assert found.metadata == {"width": 800, "height": 400, "format": "jpeg"}
    part = part_of(found)
    assert isinstance(part, Image)
    assert isinstance(part.source, Frames)
    assert part.source.pixels[0].shape == (50, 100, 3)
    check_preview(found)


def test_clips_of_a_video(tmp_path: Path) -> None:
    found, remark = segments(clip(tmp_path / "a.mp4", [3, 4]))
    assert remark == ""
    assert [shot.span.key for shot in found] == ["t0.000-3.000", "t3.000-7.000"]
    for shot in found:
        assert shot.modality == "video"
        part = part_of(shot)
        assert isinstance(part, Video)
        assert isinstance(part.source, Frames)
        assert (part.t_start, part.t_end) == (shot.span.t_start, shot.span.t_end)
        assert len(part.source.times) == len(part.source.pixels) >= 4
        check_preview(shot)


def test_pages_of_a_pdf(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(["page one, in words", "page two, in words"], title="Manual"))
    found, remark = segments(path)
    assert remark == ""
    assert [page.span.page for page in found] == [1, 2]
    assert [page.text for page in found] == ["page one, in words", "page two, in words"]
    assert found[0].metadata == {"pages": 2, "title": "Manual"}
    part = part_of(found[1])
    assert isinstance(part, Page)
    assert (part.number, part.text) == (2, "page two, in words")
    check_preview(found[1])


def test_a_bad_page_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    data = pdf(["first", "second", "third"])
    # Object 6 is the second page: nothing that could be drawn any more.
    path.write_bytes(data.replace(b"6 0 obj\n<< /Type /Page ", b"6 0 obj\n(( /Type /Page "))
    found, remark = segments(path)
    assert [page.text for page in found] == ["first", "third"]
    assert "1 pages could not be read (2;" in remark


def test_a_document_without_a_good_page_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(["x"]).replace(b"4 0 obj\n<< /Type /Page ", b"4 0 obj\n(( /Type /Page "))
    with pytest.raises(MediaError, match=r"a\.pdf"):
        segments(path)


def test_a_broken_off_video_is_remarked(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", [3, 3, 3])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    found, remark = segments(path)
    assert found
    assert "breaks off" in remark


@pytest.mark.parametrize("text", ["", "   \n\t "])
def test_files_without_text_fail(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.html"
    path.write_text(f"<html><body>{text}</body></html>" if text else text)
    with pytest.raises(MediaError, match=r"a\.html"):
        segments(path)


def test_an_unreadable_file_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions are simulated: tests may run as root, who may read everything."""
    path = tmp_path / "a.txt"
    path.write_text("secret")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(MediaError, match=r"a\.txt: cannot be opened: Permission denied"):
            segments(path)


def same(one: Segment, two: Segment) -> None:
    assert (one.modality, one.span, one.text) == (two.modality, two.span, two.text)
    assert dict(one.metadata) == dict(two.metadata)
    assert one.preview == two.preview
    before, after = part_of(one), part_of(two)
    assert type(before) is type(after)
    if isinstance(before, Text):
        assert before == after
        return
    assert isinstance(before, Image | Video | Page)
    assert isinstance(after, Image | Video | Page)
    assert isinstance(before.source, Frames)
    assert isinstance(after.source, Frames)
    assert before.source.times == after.source.times
    for left, right in zip(before.source.pixels, after.source.pixels, strict=True):
        np.testing.assert_array_equal(left, right)


def library(folder: Path) -> list[Path]:
    (folder / "a.txt").write_text("The red boat lies in the harbour. " * 30)
    (folder / "b.jpg").write_bytes(picture(smooth(800, 400), "JPEG"))
    (folder / "c.pdf").write_bytes(pdf(["page one, in words", "page two, in words"], title="T"))
    clip(folder / "d.mp4", [3, 4])
    (folder / "e.png").write_bytes(picture(smooth(80, 40))[:300])
    (folder / "f.txt").touch()
    return sorted(folder.iterdir())


def test_packing_changes_nothing(tmp_path: Path) -> None:
    for path in library(tmp_path)[:4]:
        for found in segments(path)[0]:
            same(segment.unpack(segment.pack(found)), found)


def test_decoder_processes_deliver_the_same(tmp_path: Path) -> None:
    """And what the door opens for a query is, to the pixel, what was indexed."""
    paths = library(tmp_path)
    arguments = segment.arguments(budget=BUDGET, limits=LIMITS, settings=SETTINGS)
    gathered: dict[int, list[Segment]] = {key: [] for key in range(len(paths))}
    ends: dict[int, str] = {}
    with DecoderPool(segment.TASK, arguments, workers=2, limits=LIMITS) as pool:
        for event in pool.run(enumerate(paths)):
            if event.message is not None:
                gathered[event.key].append(segment.unpack(event.message))
            else:
                ends[event.key] = event.kind
                assert event.kind == "done" or str(paths[event.key]) in event.reason
    assert ends == {0: "done", 1: "done", 2: "done", 3: "done", 4: "failed", 5: "failed"}
    for key in range(4):
        expected, _ = segments(paths[key])
        assert len(expected) == len(gathered[key])
        for one, two in zip(expected, gathered[key], strict=True):
            same(one, two)
    queries: list[tuple[Part, Segment]] = [
        (Image(paths[1]), gathered[1][0]),
        (Page(paths[2], 2), gathered[2][1]),
        (Video(paths[3], 3.0, 7.0), gathered[3][1]),
    ]
    for query, indexed in queries:
        frames = media.open(query, budget=BUDGET, limits=LIMITS).frames
        assert frames is not None
        part = part_of(indexed)
        assert isinstance(part, Image | Video | Page)
        assert isinstance(part.source, Frames)
        assert frames.times == part.source.times
        for left, right in zip(frames.pixels, part.source.pixels, strict=True):
            np.testing.assert_array_equal(left, right)


def test_arguments_survive_json() -> None:
    """Settings of the user, not the defaults, must reach the decoders."""
    import json

    sent = segment.arguments(budget=BUDGET, limits=Limits(pages=7), settings=SETTINGS)
    received = json.loads(json.dumps(sent))
    assert MediaBudget(**received["budget"]) == BUDGET
    assert Limits(**received["limits"]) == Limits(pages=7)
    assert IngestSettings(**received["settings"]) == SETTINGS
    assert received["budget"] == asdict(BUDGET)


def test_a_segment_that_is_not_decoded_is_a_mistake() -> None:
    undecoded = Segment(modality="image", span=Span(), content=Content(Image(Path("a.jpg"))))
    with pytest.raises(AssertionError):
        segment.pack(undecoded)
