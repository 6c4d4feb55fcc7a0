"""Small pictures of contents, and reasons where there are none."""

import io
from pathlib import Path

import numpy as np
import pytest

import media_files
from rzen.media import ocr
from rzen.render.depiction import FRAMES, SIDE, depict
from rzen.types import Content, Frames, Image, Page, Text, Video


def _size(jpeg: bytes) -> tuple[int, int]:
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(jpeg)) as picture:
        return picture.size


def test_a_picture_is_small_however_much_is_in_it() -> None:
    """Noise takes most bytes as JPEG: hundreds of such thumbnails would make a page of many MB."""
    noise = np.random.default_rng(0).integers(0, 255, (400, 300, 3), np.uint8)
    [jpeg] = depict(Content(Image(media_files.picture(noise)))).pictures
    assert len(jpeg) <= 5_500
    [jpeg] = depict(Content(Image(media_files.picture(media_files.smooth(400, 300))))).pictures
    assert max(_size(jpeg)) == SIDE


def test_text_and_picture_of_a_query_are_both_shown() -> None:
    """A composed query without its words is no query."""
    content = Content(
        Image(media_files.picture(media_files.smooth(64, 48))), Text("the same\nat night")
    )
    shown = depict(content)
    assert len(shown.pictures) == 1
    assert shown.text == "the same at night"
    assert shown.problems == ()


def test_a_video_is_three_frames_in_order(tmp_path: Path) -> None:
    """One still does not tell one motion from another."""
    clip = media_files.clip(tmp_path / "a.mp4", [4.0], motion=2)
    assert len(depict(Content(Video(clip))).pictures) == FRAMES
    levels = [np.full((20, 20, 3), 30 * at, np.uint8) for at in range(8)]
    decoded = Frames(pixels=tuple(levels), times=tuple(map(float, range(8))))
    from PIL import Image as Pillow

    greys = [
        np.asarray(Pillow.open(io.BytesIO(jpeg))).mean()
        for jpeg in depict(Content(Video(decoded))).pictures
    ]
    assert greys == sorted(greys)
    assert len(greys) == FRAMES


def test_a_page_shows_its_picture_and_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a scan takes seconds, and a page of failures has dozens."""

    def read(pixels: object) -> str:
        raise AssertionError("the page was read")

    monkeypatch.setattr(ocr, "available", lambda: True)
    monkeypatch.setattr(ocr, "read", read)
    scan = media_files.picture(media_files.smooth(200, 280))
    assert len(depict(Content(Page(scan))).pictures) == 1
    told = depict(Content(Page(scan, 1, "the title of the page")))
    assert told.text == "the title of the page"


def test_what_cannot_be_opened_says_why_and_hides_nothing_else(tmp_path: Path) -> None:
    """One damaged file must not take the words of its query, or the page, with it."""
    shown = depict(Content(Image(tmp_path / "gone.png"), Text("at night")))
    assert shown.pictures == ()
    assert shown.text == "at night"
    assert len(shown.problems) == 1
    assert "gone.png" in shown.problems[0]
